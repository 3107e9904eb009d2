"""Frozen scalar code gives what the graph of Values gives, as the matrix code that its loops amount to."""

from __future__ import annotations

import gc
import math
import random
from typing import Any

import numpy as np
import pytest
from programs import in_threads  # pyright: ignore[reportMissingImports]  (conftest)

import chainrule as cr
from chainrule import Value
from chainrule.core.tree import flatten, unflatten
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.micrograd.nn import MLP

rng = np.random.default_rng(0)


def neuron(w, b, x):
    act = b
    for wi, xi in zip(w, x, strict=True):
        act = act + wi * xi
    return act


def net(params, points, targets):
    """A lecture's loops: two layers, point by point, neuron by neuron."""
    weights, biases, last, bias = params
    total = 0.0
    for x, y in zip(points, targets, strict=True):
        h = [neuron(w, b, x).relu() for w, b in zip(weights, biases, strict=True)]
        total = total + (neuron(last, bias, h) - y) ** 2
    return total * (1.0 / len(points))


PARAMS = [rng.normal(size=(4, 2)).tolist(), rng.normal(size=4).tolist(), rng.normal(size=4).tolist(), 0.3]
POINTS, TARGETS = rng.normal(size=(6, 2)).tolist(), rng.normal(size=6).tolist()


def chain(x):
    for k in range(300):
        x = (x * (1 + k % 7) / 7 + 0.1).sin() if k % 2 else x.tanh() + x * 0.5
    return x


def polynomial(x, y):
    return x**3 * y - 2 * x * y + (x * y).exp() - x / y


def with_constants(w):
    data = [(1.0, 2.0), (0.5, -1.0), (3.0, 0.25), (2.0, 2.0)]
    return cr.sum([(w[0] * a + w[1] * b - 1.0).tanh() for a, b in data])


def shared(a, b):
    c = a * b
    return c * c + c + a * b + a


CODE = {
    "net": (net, (PARAMS, POINTS, TARGETS)),
    "chain": (chain, (0.3,)),
    "polynomial": (polynomial, (1.2, 0.7)),
    "constants": (with_constants, ([0.4, -0.2],)),
    "shared": (shared, (1.5, -2.0)),
    "dot": (lambda w, x: (cr.dot(w, x) + 1.0).sigmoid(), ([0.5, -1.0, 2.0], [1.0, 0.25, -0.5])),
    "max": (lambda x: cr.maximum(x[0], x[1]) * x[2].abs(), ([0.5, 0.7, -2.0],)),
    "unused": (lambda x, y: x * 2 + 0 * x, (1.0, 5.0)),
    "leaf itself": (lambda x: x, (2.0,)),
    "dict": (lambda p: p["a"] * p["b"][0] + p["b"][1], ({"a": 2.0, "b": [3.0, 4.0]},)),
    "all alike": (lambda w, xs: cr.sum([w.tanh() * 1.0 + 0 * x for x in xs]), (0.3, [1.0, 2.0])),
    "steps": (lambda xs: sum((x * x for x in xs), Value(0.0)), ([1.0, 2.0, 3.0],)),
}


def attention(p, text):
    """A table whose rows are read twice, norms, products of what is the same for all, and shares that add up to 1."""
    rows = [p["table"][symbol] for symbol in text]
    rows = [[x * (sum(y * y for y in row) + 0.1) ** -0.5 for x in row] for row in rows]
    keys = [neuron(w, 0.0, row) for row in rows for w in p["key"]]
    weights = [key.exp() for key in keys]
    shares = [weight / sum(weights) for weight in weights]
    return -sum(
        s * sum(v * x for v, x in zip(p["value"], row, strict=True)) for s, row in zip(shares, rows, strict=True)
    ).log()


def unlike(x):
    """Steps that take what lies near in any order, so that hardly one is like another, of one input to many."""
    row, order = list(x), random.Random(0)
    for k in range(400):
        a, b, c = (order.choice(row[-9:]) for _ in range(3))
        made = (
            (a * b).tanh, lambda a=a, b=b: a - b * 0.5, lambda a=a: -a, lambda a=a, b=b: (a + 2.0) / (b * b + 3.0),
            lambda a=a, b=b, c=c: cr.dot([a, b], [c, 0.5]), lambda a=a, b=b, c=c: cr.maximum(a, b) * c,
            lambda a=a: cr.clip(a, -0.5, 0.5), lambda a=a: (a * a + 1.0) ** 0.5,
        )[k % 8]  # fmt: skip
        row.append(made())
    return cr.sum(row[::3])


TABLE = {
    "table": rng.random((5, 3)).tolist(),
    "key": rng.random((1, 3)).tolist(),
    "value": rng.random(3).tolist(),
}
CODE["attention"] = (lambda p: attention(p, (1, 4, 4, 0, 1, 2)), (TABLE,))
CODE["unlike"] = (unlike, ([0.3, -0.7, 1.1],))
CODE["one row for all"] = (
    lambda w, x: cr.sum([(wi * x[0] + 1.0).tanh() * 2.0 for wi in w]),
    ([0.1, 0.2, 0.3, 0.4], [0.5]),
)


def by_values(f, args):
    """Value and gradients from the graph itself."""
    leaves, structure = flatten(args)
    values = [Value(x) for x in leaves]
    out = f(*unflatten(structure, values))
    out.backward()
    return out.data, [x.grad for x in values]


@pytest.mark.parametrize("name", CODE)
def test_equals_the_graph(name):
    f, args = CODE[name]
    frozen = cr.freeze(f)
    leaves, structure = flatten(args)
    for scale in (1.0, 0.5, -1.5) if name != "attention" else (1.0, 0.5):
        numbers = unflatten(structure, [scale * x + 0.01 for x in leaves])
        value, gradients = frozen(*numbers)
        right, slopes = by_values(f, numbers)
        np.testing.assert_allclose(value, right, rtol=1e-12)
        found, shape = flatten(gradients)
        assert shape == structure
        np.testing.assert_allclose(found, slopes, rtol=1e-12, atol=1e-13)


def test_a_long_graph_without_repetition_is_a_loop_over_numbers():
    frozen = cr.freeze(unlike)
    assert gc.isenabled()
    frozen([0.3, -0.7, 1.1])
    assert gc.isenabled()
    assert "nothing repeats: the graph runs as a loop" in frozen.explain()
    with pytest.raises(GraphError, match="so there are no arrays"):
        frozen.source()
    with pytest.raises(GraphError, match="so there are no arrays"):
        frozen.on_arrays([0.3, -0.7, 1.1])
    x = [Value(v) for v in (0.3, -0.7, 1.1)]
    graph = cr.freeze(unlike(x))
    x[0].data = 0.4
    right, slopes = by_values(unlike, ([0.4, -0.7, 1.1],))
    value, gradients = graph()
    assert value == pytest.approx(right, rel=1e-12)
    np.testing.assert_allclose(gradients, slopes, rtol=1e-12)


def test_loops_become_matrix_products():
    frozen = cr.freeze(net)
    with pytest.raises(GraphError, match="was not called yet"):
        frozen.source()
    frozen(PARAMS, POINTS, TARGETS)
    source = frozen.source()
    assert "np.maximum(points @ params_0.T + params_1, 0)" in source
    assert "dparams_0 = " in source
    assert "for " not in source.split('"""')[2]
    assert "// ∂value/∂params₀ = " in frozen.source("c")
    told = frozen.explain()
    assert "24 × relu" in told
    assert "gave one structure" in told


def test_arrays_are_taken_for_nested_lists_of_their_numbers():
    frozen, listed = cr.freeze(net), cr.freeze(net)
    params = [np.array(x) for x in PARAMS[:3]] + [0.3]
    for scale in (1.0, 0.5):
        given = [scale * x for x in params]
        value, (slopes, in_points, in_targets) = frozen(given, np.array(POINTS), TARGETS)
        right, gradients = listed([x.tolist() if type(x) is np.ndarray else x for x in given], POINTS, TARGETS)
        assert value == right
        assert [x.shape for x in slopes[:3]] == [(4, 2), (4,), (4,)]
        assert [x.tolist() for x in slopes[:3]] + slopes[3:] == gradients[0]
        assert (in_points.tolist(), in_targets) == (gradients[1], gradients[2])
    assert frozen.source() == listed.source()
    whole = frozen([np.ones((3, 2)), np.ones(3), np.ones(3), 1.0], np.array(POINTS), TARGETS)  # another shape
    assert whole[1][0][0].shape == (3, 2)


def test_on_arrays_it_is_a_function_for_every_transform():
    frozen = cr.freeze(lambda params: net(params, POINTS, TARGETS))
    params = [np.array(x) for x in PARAMS]
    with pytest.raises(GraphError, match="was not called yet"):
        frozen.on_arrays(params)
    value, (slopes,) = frozen([*params[:3], 0.3])
    with pytest.raises(ShapeError, match="arguments of other shapes"):
        frozen.on_arrays([*params[:3], np.zeros(2)])

    @cr.compile
    def step(params):
        found, gradients = cr.value_and_grad(frozen.on_arrays)(params)
        return [p - 0.1 * g for p, g in zip(params, gradients, strict=True)], found

    moved, found = step([*params[:3], 0.3])
    np.testing.assert_allclose(found, value, rtol=1e-12)
    for p, now, slope in zip(params, moved, slopes, strict=True):
        np.testing.assert_allclose(now, p - 0.1 * np.asarray(slope), rtol=1e-12)
    weights = [cr.Tensor(x, requires_grad=True) for x in params]
    frozen.on_arrays(weights).backward()
    for weight, slope in zip(weights, slopes, strict=True):
        np.testing.assert_allclose(weight.grad.data, slope, rtol=1e-12, atol=1e-14)


def test_arrays_beside_leaves_from_outside():
    outside = [Value(0.5), Value(-0.25)]
    frozen = cr.freeze(lambda w: cr.sum([(wi * outside[0] + outside[1]).tanh() for row in w for wi in row]))
    w = rng.random((3, 4))
    for numbers in (w, np.asfortranarray(w), w.astype(np.float32), np.arange(12).reshape(3, 4)):
        value, (slope,) = frozen(numbers)
        right = np.tanh(numbers.astype(float) * 0.5 - 0.25)
        np.testing.assert_allclose(value, right.sum(), rtol=1e-12)
        np.testing.assert_allclose(slope, 0.5 * (1 - right**2), rtol=1e-12)
    np.testing.assert_allclose(frozen.on_arrays(w), np.tanh(w * 0.5 - 0.25).sum(), rtol=1e-12)


def test_the_same_lecture_at_any_size_has_the_same_lines():
    texts = set()
    for width, count in ((3, 5), (5, 9)):
        params = [
            rng.normal(size=(width, 2)).tolist(),
            rng.normal(size=width).tolist(),
            rng.normal(size=width).tolist(),
            0.1,
        ]
        frozen = cr.freeze(net)
        frozen(params, rng.normal(size=(count, 2)).tolist(), rng.normal(size=count).tolist())
        texts.add(len(frozen.source().splitlines()))
    assert len(texts) == 1


def test_a_recorded_graph_of_micrograd():
    model = MLP(2, [4, 4, 1])
    parameters: list[Any] = list(model.parameters())
    points = rng.normal(size=(10, 2))
    signs = [1 if x > 0 else -1 for x, _ in points]

    def loss() -> Any:
        scores = [model([Value(x) for x in row]) for row in points]
        losses = [(1 + -y * score).relu() for y, score in zip(signs, scores, strict=True)]
        return sum(losses) * (1.0 / len(losses)) + 1e-4 * cr.sum([p * p for p in parameters])

    recorded = loss()
    frozen = cr.freeze(recorded)
    assert "its path is fixed" in frozen.explain()
    assert "@" in frozen.source()
    for _ in range(2):
        value, gradients = frozen()
        right = loss()
        for p in parameters:
            p.grad = 0.0
        right.backward()
        slopes = {id(x): g for x, g in zip(frozen.leaves, gradients, strict=True)}
        np.testing.assert_allclose(value, right.data, rtol=1e-12)
        for p in parameters:
            np.testing.assert_allclose(slopes[id(p)], p.grad, rtol=1e-12, atol=1e-14)
            p.data -= 0.05 * p.grad
    with pytest.raises(GraphError, match="takes no numbers"):
        frozen(1.0)


BRANCHES = {
    "if": lambda x: x * 2 if x.data > 0 else x + 1,
    "a number taken out": lambda x: x * math.floor(x.data),
    "a comparison": lambda x: x * (x > 0),
    "a comparison with a number far away": lambda x: x if x > 1000 else -x,
    "the largest in Python's words": lambda x: max(x, 1000.0, key=lambda y: y * 1),
    "a truth value": lambda x: x and -x,
    "a loop": lambda x: sum((x for _ in range(1 + abs(int(x.data)))), Value(0.0)),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_a_branch_is_refused(name):
    with pytest.raises(GraphError, match="a branch depends on the data"):
        cr.freeze(BRANCHES[name])(2.5)


def test_without_repetition_a_long_graph_is_a_loop():
    frozen = cr.freeze(chain)
    frozen(0.3)
    with pytest.raises(GraphError, match="repeats nothing"):
        frozen.source()
    assert "runs as a loop" in frozen.explain()


def test_another_structure_of_numbers_is_recorded_again():
    frozen = cr.freeze(lambda xs: cr.sum([x * x for x in xs]))
    assert frozen([1.0, 2.0]) == (5.0, ([2.0, 4.0],))
    assert frozen([1.0, 2.0, 3.0]) == (14.0, ([2.0, 4.0, 6.0],))
    recordings = dict(frozen.recordings)
    assert frozen([2.0, 2.0]) == (8.0, ([4.0, 4.0],))
    assert frozen.recordings == recordings
    assert "recorded 2 times" in frozen.explain()


def test_threads_with_numbers_of_other_structures_get_their_own_results():
    frozen = cr.freeze(lambda xs: cr.sum([x * x for x in xs]))

    def work(k):
        xs = [float(i + 1) for i in range(k + 1)]
        for _ in range(30):
            assert frozen(xs) == (sum([x * x for x in xs]), ([2 * x for x in xs],))

    in_threads(4, work)


def test_what_cannot_be_frozen_is_named():
    with pytest.raises(DtypeError, match="a function of Values, or a recorded Value"):
        cr.freeze(3.0)
    with pytest.raises(DtypeError, match="gives one Value"):
        cr.freeze(lambda x: 3.0)(1.0)
    with pytest.raises(DtypeError, match="numbers and nested lists"):
        cr.freeze(lambda x: x)("1")
    for inside in (cr.compile, cr.vmap, cr.grad):
        with pytest.raises(GraphError, match="or map its "):
            inside(lambda x: cr.freeze(lambda a: a * a)(x)[0])(np.ones(2) if inside is cr.vmap else 1.0)


def test_equal_gradients_are_called_after_their_arguments_in_order():
    def scores(w, b, c):
        return sum((wi * 2 + bi + ci).tanh() for wi, bi, ci in zip(w, b, c, strict=True))

    frozen = cr.freeze(scores)
    frozen([0.5, 1.0, 2.0], [0.1, 0.2, 0.3], [0.0, 1.0, 0.5])
    assert "    dc = db  # ∂value/∂c = ∂value/∂b" in frozen.source()


def test_arguments_stand_in_the_order_of_the_function():
    def f(b, a, c, x):
        return sum(xi * ci for xi, ci in zip(x, c, strict=True)) * a - b * a

    frozen, given = cr.freeze(f), (2.0, 3.0, [1.0, -1.0, 0.5, 4.0], [0.5, 2.0, 3.0, 1.0])
    value, slopes = frozen(*given)
    assert "def f(b, a, c, x):" in frozen.source()
    assert "return value, db, da, dc, dx" in frozen.source()
    assert value == 6.0
    assert slopes == (-3.0, 2.0, [1.5, 6.0, 9.0, 3.0], [3.0, -3.0, 1.5, 12.0])
