"""A computation taken apart: its numbers are the engine's, and a graph that changed afterwards is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.derivation.tape.conventions import conventions_of, cost_of
from chainrule.derivation.tape.tape import Tape
from chainrule.errors import ChainruleError, DtypeError, GraphError
from chainrule.maths import unicode

from .spelled import spelled

FACTS = json.loads((Path(__file__).parent.parent / "reference_facts.json").read_text())
deterministic = settings(derandomize=True, database=None, deadline=None, max_examples=40)


@st.composite
def graphs(draw: Any) -> tuple[list[cr.Value], cr.Value]:
    """Leaves, and a number made of them by random steps in which anything is used again."""
    leaves = [cr.Value(draw(st.floats(-2, 2).map(lambda x: round(x, 3)))) for _ in range(draw(st.integers(1, 4)))]
    held = list(leaves)
    for _ in range(draw(st.integers(1, 12))):
        x, y = (held[draw(st.integers(0, 20)) % len(held)] for _ in range(2))
        step = draw(st.integers(0, 7))
        held.append(
            [
                lambda x, y: x + y,
                lambda x, y: x - 0.5 * y,
                lambda x, y: x * y * 0.5,
                lambda x, y: cr.tanh(x),
                lambda x, y: x / (y * y + 1.0),
                lambda x, y: cr.maximum(x, y),
                lambda x, y: cr.softplus(x),
                lambda x, y: (x * 0.5) ** 2,
            ][step](x, y)
        )
    return leaves, cr.sum(held[-3:]) if draw(st.booleans()) else held[-1] * 1.0


@deterministic
@given(graphs())
def test_every_contribution_is_local_times_incoming_and_they_add_up_to_the_engines_gradient(graph):
    _, output = graph
    tape = Tape(output)
    sums: dict[Any, float] = {output: 1.0}
    for x, source, slot, share, total in tape.arrivals:
        assert share == pytest.approx(tape.slope(source, slot) * tape.gradients[source], rel=1e-12, abs=0)
        sums[x] = sums.get(x, 0.0) + share
        assert total == sums[x]
    output.backward()
    for node in tape.order:
        assert tape.numbers[node] == node.data
        np.testing.assert_allclose(tape.gradients[node], node.grad, rtol=1e-9, atol=1e-12)
    assert len(set(tape.symbols.values())) == len(tape.order)
    place = {node: k for k, node in enumerate(tape.order)}
    assert all(place[x] < place[user] for x in place for user, _ in tape.consumers.get(x, []))


@pytest.mark.parametrize("choose", [lambda x: cr.maximum(x, x), cr.relu, cr.abs, lambda x: cr.clip(x, 0.5, 9.0)])
def test_a_slope_that_stays_as_it_was_clears_no_input_that_changed(choose):
    x = cr.Value(1.0)
    output = choose(x) * 2.0
    x.label, x.data = "culprit", 2.25
    assert "culprit" in refusal(output)


@deterministic
@given(graphs(), st.data())
def test_a_node_that_changed_is_named_or_changed_nothing(graph, data):
    _, output = graph
    tape = Tape(output)
    node = data.draw(st.sampled_from(tape.order))
    node.label = "culprit"
    before = node.data
    node.data = before + 1.25
    message = refusal(output)
    if message is not None:
        assert "culprit" in message
        return
    assert node.op is None
    # A maximum or a factor 0 can hide a leaf; then forward and derivatives are what they were.
    node.data = before
    assert [Tape(output).gradients[x] for x in tape.order] == [tape.gradients[x] for x in tape.order]


def refusal(output: Any) -> str | None:
    """What is said against explaining a graph."""
    try:
        Tape(output)
    except GraphError as error:
        return str(error)
    return None


def test_the_gradients_that_stood_on_the_users_nodes_stay():
    a, b = cr.Value(2.0), cr.Value(3.0)
    c = a * b
    a.grad, b.grad, c.grad = 7.0, 1e30, 5.0
    assert Tape(c).gradients[a] == 3.0
    assert (a.grad, b.grad, c.grad) == (7.0, 1e30, 5.0)


def test_the_leaf_that_changed_is_told_from_its_neighbour():
    a, b, c = (cr.Value(x, label=name) for x, name in ((-2.0, "a"), (3.0, "b"), (0.5, "c")))
    out = (a * b + c) * a
    for leaf in (a, b, c):
        leaf.data += 1
        with pytest.raises(GraphError, match=rf"^{leaf.label} changed after the forward"):
            Tape(out)
        leaf.data -= 1
    a.data, c.data = 1.0, 1.0
    with pytest.raises(GraphError, match=r"^a changed"):
        Tape(out)


def test_a_sum_alone_cannot_say_which_term_changed():
    p, q = cr.Value(1.0), cr.Value(2.0)
    out = p + q
    p.data = 5.0
    with pytest.raises(
        GraphError, match=r"p or q or out changed after the forward: add gave 3 then and would give 7 now"
    ):
        Tape(out)


def changes() -> dict[str, Any]:
    def assign(w):
        w.data = w.data * 2

    def write(w):
        with cr.no_grad():
            w[0, 0] = 9.0

    def numpy(w):
        w.data[0, 0] = 9.0

    def step(w):
        w.grad = cr.Tensor(np.ones((2, 2)))
        cr.optim.SGD([w], lr=0.1).step()

    return {"assign": assign, "write": write, "numpy": numpy, "step": step}


@pytest.mark.parametrize("how", sorted(changes()))
def test_a_tensor_that_changed_is_named_however_it_was_changed(how):
    weight = cr.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    other = cr.Tensor([[0.5, 0.5]], requires_grad=True)
    loss = (cr.tanh(other @ weight) ** 2).sum() + (other * 2).sum()
    Tape(loss)
    changes()[how](weight)
    with pytest.raises(GraphError, match=r"^weight changed after the forward"):
        Tape(loss)


def test_data_that_changed_is_named_too():
    w = cr.Tensor([1.0, 2.0], requires_grad=True)
    target = cr.Tensor([0.0, 1.0])
    loss = cr.squared_error(w, target, scale=0.5)
    target.data[0] = 5.0
    with pytest.raises(GraphError, match="target"):
        Tape(loss)


def test_single_precision_is_run_again_in_double():
    rng = np.random.default_rng(0)
    net = cr.nn.Sequential(cr.nn.Linear(3, 4, rng=0), cr.nn.Tanh(), cr.nn.Linear(4, 2, rng=1))
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    loss = cr.nn.MSELoss("half_sum")(net(x), y)
    tape = Tape(loss)
    w1, b1, w2, b2 = [p.data.astype(np.float64) for p in net.parameters()]

    def f(w1, b1, w2, b2):
        return cr.sum((cr.tanh(x @ w1.T + b1) @ w2.T + b2 - y) ** 2) / 2

    expected = cr.grad(f, argnums=(0, 1, 2, 3))(w1, b1, w2, b2)
    for parameter, gradient in zip(net.parameters(), expected, strict=True):
        np.testing.assert_allclose(tape.gradients[parameter], gradient, rtol=1e-12, atol=1e-14)
    assert tape.single
    assert any("double" in c.holds for c in conventions_of(tape, "numerator"))
    assert all(p.grad is None for p in net.parameters())


def test_single_precision_near_a_perfect_fit_is_not_taken_for_a_change():
    w = cr.Tensor(np.float32([1.0000001, 2.0]), requires_grad=True)
    loss = ((w * np.float32(3.0) - np.float32([3.0, 6.0])) ** 2).sum()
    assert np.isfinite(Tape(loss).gradients[w]).all()


def test_own_backward_passes_are_kept():
    @cr.custom_vjp
    def careful(x):
        return 1.0 * x

    careful.defvjp(lambda x: (1.0 * x, x), lambda kept, g: (0.25 * g * kept,))
    for x in (
        cr.Value(2.0),
        cr.Tensor([2.0, 1.0], requires_grad=True),
        cr.Tensor(np.float32([2.0]), requires_grad=True),
    ):
        out = careful(x) * 5.0
        out = out if isinstance(x, cr.Value) else out.sum()
        np.testing.assert_array_equal(Tape(out).gradients[x], 0.25 * 5.0 * np.asarray(x.data))


def test_numbers_that_are_not_finite_pass():
    a = cr.Value(0.0)
    assert Tape(cr.log(a) * 2.0).gradients[a] == np.inf
    b = cr.Value(-1.0)
    assert np.isnan(Tape(cr.log(b) * b).gradients[b])
    x = cr.Tensor([1.0, -1.0, 0.0], requires_grad=True)
    np.testing.assert_array_equal(Tape(cr.log(x).sum()).gradients[x], [1.0, -1.0, np.inf])


def test_a_leaf_alone_and_constants_and_detached_parts():
    a = cr.Value(3.0)
    assert Tape(a).gradients[a] == 1.0
    inner = a * a
    out = inner.detach() * a
    assert Tape(out, [a]).gradients[a] == 9.0
    with pytest.raises(GraphError, match="was not computed from inner"):
        Tape(out, [inner])


def test_what_no_explanation_starts_from():
    with pytest.raises(GraphError, match="sum it first"):
        Tape(cr.Tensor([1.0, 2.0], requires_grad=True) * 2)
    with pytest.raises(GraphError, match="remembers no computation"):
        Tape(cr.Tensor(2.0))
    with pytest.raises(DtypeError, match="this is a float"):
        Tape(2.0)
    with pytest.raises(GraphError, match="made by hand"):
        Tape(cr.Value(1.0, (cr.Value(2.0),), "mystery") * 2)


def test_names_are_never_shared():
    x = cr.Value(1.0, label="h")
    y = x * cr.Value(2.0, label="h")
    y.label = "h"
    out = y + cr.Value(1.0, label="v1")
    symbols = Tape(out).symbols
    assert len(set(symbols.values())) == len(symbols) == 5


def test_data_is_called_by_the_users_variable():
    X = np.array([[1.0, 2.0]])
    w = cr.Tensor([[3.0, 4.0]], requires_grad=True)
    loss = (X * w).sum()
    tape = Tape(loss)
    assert spelled(next(tape.formula(node) for node in tape.order if node.op is not None)) == "X ⊙ w"


def test_a_condition_is_written_as_it_was_made():
    x = cr.Tensor([1.0, -2.0], requires_grad=True, label="x")
    tape = Tape(cr.sum(cr.where(x > 0, x * x, x)))
    assert "[x > 0]" in {unicode(symbol) for symbol in tape.symbols.values()}


def test_a_long_chain_is_opened_without_recursion_and_checked():
    x = cr.Value(1.0, label="x")
    y = x
    for _ in range(20_000):
        y = y * 0.9999 + x
    tape = Tape(y, [x])
    y.backward()
    assert tape.gradients[x] == pytest.approx(x.grad, rel=1e-12)
    middle = tape.order[20_000]
    middle.data += 1.0
    with pytest.raises(GraphError, match="changed after the forward"):
        Tape(y)


def test_an_engine_that_disagrees_is_an_internal_error(monkeypatch):
    a = cr.Value(2.0)
    out = a * a
    monkeypatch.setattr(Tape, "_engine", lambda self, asked: [4.001])
    with pytest.raises(ChainruleError, match="internal error"):
        Tape(out)


SQUARES = {
    "half_sum": [lambda y: 0.5 * (y - 20.0) ** 2, lambda y: (y - 20.0) ** 2 / 2, lambda y: cr.square(y - 2.0) * 0.5],
    "sum": [lambda y: (y - 20.0) ** 2, lambda y: (y - 1.0) ** 2 + cr.square(y - 3.0)],
    "mean": [lambda y: ((y - 1.0) ** 2 + (y - 2.0) ** 2 + (y - 3.0) ** 2) / 3],
    "": [lambda y: y * 2.0, lambda y: 0.7 * (y - 1.0) ** 2, lambda y: (y - 1.0) ** 3],
}


@pytest.mark.parametrize(("name", "cost"), [(name, cost) for name, costs in SQUARES.items() for cost in costs])
def test_the_cost_is_recognised_on_values(name, cost):
    assert cost_of(Tape(cost(cr.Value(2.0) * 1.0))) == name


@pytest.mark.parametrize("name", ["half_sum", "sum", "mean"])
def test_the_cost_is_recognised_on_tensors(name):
    x = cr.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    assert cost_of(Tape(cr.nn.MSELoss(name)(x * 1.0, np.zeros((2, 3))))) == name
    by_hand = {"half_sum": 0.5, "sum": 1.0, "mean": 1 / 6}[name] * ((x - 1.0) ** 2).sum()
    assert cost_of(Tape(by_hand)) == name
    assert cost_of(Tape(((x - 1.0) ** 2).mean())) == "mean"
    assert cost_of(Tape(cr.nn.CrossEntropyLoss()(x, [0, 1]))) == "cross_entropy"


def kinks(output: Any) -> dict[str, str]:
    return {c.subject: c.holds for c in conventions_of(Tape(output), "numerator") if "kink" in c.subject}


def test_a_function_outside_its_domain_is_said_to_have_no_derivative():
    x, y = cr.Value(-1.0, label="x"), cr.Value(2.0, label="y")
    a, b = x.log(), cr.asin(y)
    a.label, b.label = "a", "b"
    found = {c.subject: c.holds for c in conventions_of(Tape(cr.exp(a) + b + x * y), "numerator")}
    assert spelled(found["domain of log"]).startswith("a has no value, so there is no derivative")
    assert "b has" in spelled(found["domain of asin"])
    assert {subject for subject in found if "domain" in subject} == {"domain of log", "domain of asin"}
    t = cr.Tensor([-1.0, 4.0, 9.0], requires_grad=True)
    assert "domain of sqrt" in {c.subject for c in conventions_of(Tape(cr.sqrt(t).sum()), "numerator")}
    assert len(conventions_of(Tape(cr.sqrt(t + 2.0).sum()), "numerator")) == 1
    told = cr.explain(a, wrt=[x], dialect="chain").plain(detail="full")
    assert "no value, so there is no derivative" in " ".join(told.split())


def test_nodes_on_a_kink_are_named_with_the_slope_taken():
    a = cr.Value(0.0, label="a")
    r, m, s, away = a.relu(), cr.maximum(a, 2.0 * a), cr.abs(a), (a + 1e-9).relu()
    found = kinks(r + m + s + away)
    assert set(found) == {"kink of relu", "kink of maximum", "kink of abs"}
    assert spelled(found["kink of relu"]) == "r has a kink here, and its slope is taken as 0"
    assert "0.5" in spelled(found["kink of maximum"])
    for above, below in (((a, 0.0), (0.0, a)), ((a, 5.0), (2.0, a)), ((a, 5.0), (a + 2.0, 2.0))):
        # Of several of one operation each has inputs of its own that move.
        first, second = cr.maximum(*above), cr.maximum(*below)
        of_second = kinks(first + second).get("kink of maximum")
        assert (of_second is None) == (kinks(first).keys() | kinks(second).keys() == set())
    x = cr.Tensor([0.0, 1.0, -1.0], requires_grad=True)
    assert set(kinks(cr.relu(x).sum())) == {"kink of relu"}
    assert not kinks(cr.relu(x + 0.5).sum())
    assert not kinks(cr.elu(x * 0.7 - 0.3).sum())
    assert set(kinks(cr.clip(x, a_min=-1.0, a_max=2.0).sum())) == {"kink of clip"}


def test_the_reference_numbers_of_the_lecture():
    a, b = cr.Value(-2.0), cr.Value(3.0)
    d, e = a * b, a + b
    f = d * e
    gradients = Tape(f).gradients
    expected = FACTS["engine"]["accumulate"]
    assert [gradients[x] for x in (a, b, d, e)] == [expected[name] for name in "abde"]
    assert f.data == expected["f"]


@pytest.mark.parametrize("dialect", ["graph", "chain", "paths", "jacobian"])
def test_a_way_through_a_flat_operation_carries_nothing(dialect):
    x = cr.Tensor([1.0, -2.0], requires_grad=True, label="x")
    w = cr.Tensor([3.0, 4.0], requires_grad=True, label="w")
    assert cr.explain(cr.sum(cr.sign(x) * x), x, dialect).gradient == (1.0, -1.0)
    assert cr.explain(cr.sum(cr.sign(w * 2) * x), w, dialect).gradient == (0.0, 0.0)
    assert cr.explain(cr.sum(cr.sign(x)), x, dialect).gradient == (0.0, 0.0)
    assert cr.explain(cr.sum(cr.slogdet(cr.outer(x, w) + np.eye(2))[0] * w), x, dialect).gradient == (0.0, 0.0)
