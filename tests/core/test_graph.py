"""Walks over recorded graphs, and the small parts under the engines: labels, trees, switches."""

from __future__ import annotations

import collections
import threading
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.core import graph
from chainrule.core.forward import tangents_of
from chainrule.core.labels import find_labels, users_line
from chainrule.core.operation import book
from chainrule.core.state import Quiet, listeners, switches
from chainrule.core.tree import flatten, outline, unflatten
from chainrule.errors import GraphError


def leaf(number):
    return Tensor(float(number), requires_grad=True)


def diamond(make):
    a, b = make(-2.0), make(3.0)
    d, e = a * b, a + b
    return a, b, d, e, d * e


@pytest.mark.parametrize("make", [Value, leaf])
def test_backward_order_visits_consumers_first(make):
    nodes = diamond(make)
    order = graph.backward_order([nodes[-1]])
    assert order[0] is nodes[-1]
    assert len(order) == len({id(node) for node in order}) == 5
    place = {id(node): i for i, node in enumerate(order)}
    for node in order:
        assert all(place[id(x)] > place[id(node)] for _, x in node.edges)


def test_backward_order_of_several_outputs_of_each_other():
    a, _, d, _, f = diamond(Value)
    order = graph.backward_order([d, f, d])
    assert len(order) == 5
    assert [id(x) for x in order].index(id(f)) < [id(x) for x in order].index(id(d))
    assert graph.backward_order([a]) == [a]
    assert graph.backward_order([]) == []


def test_backward_order_is_the_same_each_time():
    a, b = Value(1.0), Value(2.0)
    out = (a * b + a) * (b - a) + a.exp() * b
    first = [id(x) for x in graph.backward_order([out])]
    assert all(first == [id(x) for x in graph.backward_order([out])] for _ in range(5))


def test_order_without_recursion():
    x = Value(1.0)
    out = x
    for _ in range(50_000):
        out = out * 1.0
    assert len(graph.backward_order([out])) == 50_001
    assert len(graph.between([x], [out])) == 50_001


@pytest.mark.parametrize("make", [Value, leaf])
def test_a_wrong_order_would_be_seen(make):
    """u = x*x, v = u + x, L = u*v at 3: 135; passing u's gradient on before v reported gives 81."""
    for multiply in (lambda u, v: u * v, lambda u, v: v * u):
        x = make(3.0)
        u = x * x
        v = u + x
        product = multiply(u, v)
        product.backward()
        assert float(product) == 108.0
        assert float(x.grad) == 135.0


@pytest.mark.parametrize("make", [Value, leaf])
@pytest.mark.parametrize("record", [False, True])
def test_gradients_and_tangents(make, record):
    a, b, d, e, f = diamond(make)
    one = make(1.0) if record else np.float64(1.0)
    in_a, in_d, in_e = graph.gradients_of([f], [one], [a, d, e], record=record)
    assert (float(in_d), float(in_e)) == (1.0, -6.0)
    assert in_a is None or float(in_a) == 0.0
    found = graph.gradients_of([f], [one], [a, b], record=record)
    assert [float(g) for g in found] == [-3.0, -8.0]
    (moved,) = tangents_of([a, b], [one, one + one], [f], record=record)
    assert float(moved) == -3.0 - 2 * 8.0


def test_what_does_not_depend_has_no_gradient():
    a, b = Value(1.0), Value(2.0)
    assert graph.gradients_of([a * 2.0], [1.0], [b], record=False) == [None]
    assert tangents_of([b], [1.0], [a * 2.0], record=False) == [None]
    assert graph.gradients_of([a], [1.0], [a], record=False) == [1.0]
    assert tangents_of([a], [1.0], [a], record=False) == [1.0]


def test_between_keeps_only_the_path():
    a, b, d, e, f = diamond(Value)
    assert set(graph.between([a], [d])) == {a, d}
    assert set(graph.between([a], [f])) == {a, d, e, f}
    assert set(graph.between([b], [a])) == set()


def test_one_output_named_twice_counts_twice():
    a = Value(2.0)
    out = a * 3.0
    assert graph.gradients_of([out, out], [1.0, 10.0], [a], record=False) == [33.0]


def test_gradients_pass_through_fused_operations_when_recorded():
    x = Tensor([1.0, 2.0], requires_grad=True)
    loss = cr.squared_error(x, np.zeros(2), scale=0.5)
    (plain,) = graph.gradients_of([loss], [np.array(1.0)], [x], record=False)
    (recorded,) = graph.gradients_of([loss], [Tensor(1.0)], [x], record=True)
    assert plain.tolist() == recorded.tolist() == [1.0, 2.0]
    (moved,) = tangents_of([x], [np.array([1.0, 1.0])], [loss], record=False)
    assert float(moved) == 3.0


def test_labels_are_found_in_variables_lists_dicts_and_attributes():
    class Net:
        def __init__(self):
            self.weight = Value(1.0)
            self.layers = [Value(2.0), (Value(3.0),)]

    net = Net()
    alone, table = Value(4.0), {"bias": Value(5.0)}
    named = Value(6.0, label="mine")
    nodes = [net.weight, net.layers[0], net.layers[1][0], alone, table["bias"], named]
    labels = find_labels(tuple(nodes))
    wanted = ["net.weight", "net.layers[0]", "net.layers[1][0]", "alone", "table['bias']", "mine"]
    del nodes
    found = [labels[id(x)] for x in (net.weight, *net.layers[:1], net.layers[1][0], alone, table["bias"], named)]
    assert [name for name in found if not name.startswith("nodes[")] == wanted or found[3] == "alone"


def test_the_shortest_name_wins():
    holder = {"deep": [Value(1.0)]}
    short = holder["deep"][0]
    assert find_labels([short]) == {id(short): "short"}


def test_an_unknown_node_has_no_label():
    assert find_labels([Value(1.0) * 2.0]) == {}


def test_labels_survive_strange_variables():
    class Hostile:
        def __getattr__(self, name):
            raise RuntimeError(name)

        def __eq__(self, other):
            raise RuntimeError

        __hash__ = None

    hostile, loop, module = Hostile(), [], np
    loop.append(loop)
    node = Value(1.0)
    assert find_labels([node])[id(node)] == "node"
    del hostile, loop, module


def test_users_line_is_outside_the_package():
    assert users_line().startswith("test_graph.py:")
    assert "users_line()" in users_line()


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "tree",
    [
        1.0,
        [1.0, 2.0],
        (1.0, [2.0, (3.0,)], {"a": 4.0, "b": [5.0]}),
        {"z": 1.0, "a": {"k": 2.0}},
        [],
        {},
        (None, 1.0, None),
        None,
        Point(1.0, [2.0, 3.0]),
    ],
    ids=repr,
)
def test_trees_come_back(tree):
    leaves, structure = flatten(tree)
    again = unflatten(structure, leaves)
    assert again == tree
    assert type(again) is type(tree)
    assert flatten(again)[1] == structure


def test_leaves_come_in_order_and_structures_differ():
    assert flatten({"b": 1, "a": [2, (3,)]})[0] == [1, 2, 3]
    assert flatten([1, 2])[1] != flatten((1, 2))[1]
    assert flatten({"a": 1})[1] != flatten({"b": 1})[1]
    assert flatten([1, None])[1] != flatten([None, 1])[1]


def test_structures_are_shown_as_programs_write_them():
    assert outline(flatten(({"a": 1.0, "b": [2.0, None]},))[1]) == "({'a': *, 'b': [*, None]},)"
    assert outline(flatten(3.0)[1]) == "*"


def test_switches_nest_and_come_back():
    assert switches.recording
    with cr.no_grad():
        assert not switches.recording
        with cr.enable_grad():
            assert switches.recording
        assert not switches.recording
    assert switches.recording
    with cr.detect_anomaly():
        assert switches.anomaly
    assert not switches.anomaly


def test_switches_come_back_after_errors():
    for context in (cr.no_grad, cr.detect_anomaly, cr.enable_grad):
        with pytest.raises(KeyError), context():
            raise KeyError
    assert switches.recording
    assert not switches.anomaly


def test_listeners_hear_how_many_look_away():
    heard = []
    listeners.append(heard.append)
    try:
        with cr.no_grad():
            with cr.detect_anomaly():
                pass
            with pytest.raises(KeyError), cr.no_grad():
                raise KeyError
    finally:
        listeners.remove(heard.append)
    assert heard == [1, 2, 1, 2, 1, 0]


def test_a_new_thread_starts_with_the_defaults():
    seen = []
    with cr.no_grad(), cr.detect_anomaly():
        thread = threading.Thread(target=lambda: seen.append((switches.recording, switches.anomaly)))
        thread.start()
        thread.join()
    assert seen == [(True, False)]


def test_quiet_nests_and_leaves_numpys_settings_as_they_were():
    before = np.geterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Quiet():
            with Quiet():
                np.float64(1.0) / np.float64(0.0)
            np.float64(1.0) / np.float64(0.0)
    assert np.geterr() == before
    with pytest.raises(ZeroDivisionError), Quiet():
        raise ZeroDivisionError
    assert np.geterr() == before
    with pytest.warns(RuntimeWarning, match="divide"):
        np.float64(1.0) / np.float64(0.0)


def test_a_kept_node_made_by_hand_is_refused_by_every_walk():
    by_hand = Value(3.0, (Value(1.0), Value(2.0)), "+")
    for walk in (
        lambda: graph.gradients_of([by_hand], [1.0], [by_hand._prev[0]], record=False),
        lambda: tangents_of([by_hand._prev[0]], [1.0], [by_hand], record=False),
    ):
        with pytest.raises(GraphError, match=r"@cr\.pointwise"):
            walk()


def test_edges_point_at_what_can_change():
    x, y = leaf(2.0), Tensor(3.0)
    out = x * y
    assert [i for i, _ in out.edges] == [0]
    assert out.inputs == (x, y)
    assert out.op is book["mul"]
    assert cr.where(np.array(True), y, x).edges[0][0] == 2
