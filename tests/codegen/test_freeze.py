"""Frozen scalar code gives what the graph of Values gives, as the matrix code that its loops amount to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import Value
from chainrule.core.tree import flatten, unflatten
from chainrule.errors import DtypeError, GraphError
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
    for scale in (1.0, 0.5, -1.5):
        numbers = unflatten(structure, [scale * x + 0.01 for x in leaves])
        value, gradients = frozen(*numbers)
        right, slopes = by_values(f, numbers)
        np.testing.assert_allclose(value, right, rtol=1e-12)
        found, shape = flatten(gradients)
        assert shape == structure
        np.testing.assert_allclose(found, slopes, rtol=1e-12, atol=1e-13)


def test_loops_become_matrix_products():
    frozen = cr.freeze(net)
    with pytest.raises(GraphError, match="was not called yet"):
        frozen.source()
    frozen(PARAMS, POINTS, TARGETS)
    source = frozen.source()
    assert "np.maximum(points @ params_0.T + params_1, 0)" in source
    assert "dparams_0 = " in source
    assert "for " not in source
    told = frozen.explain()
    assert "24 × relu" in told
    assert "gave one structure" in told


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
    "a loop": lambda x: sum((x for _ in range(1 + abs(int(x.data)))), Value(0.0)),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_a_branch_is_refused(name):
    with pytest.raises(GraphError, match="records another graph for other numbers"):
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


def test_what_cannot_be_frozen_is_named():
    with pytest.raises(DtypeError, match="a function of Values, or a recorded Value"):
        cr.freeze(3.0)
    with pytest.raises(DtypeError, match="gives one Value"):
        cr.freeze(lambda x: 3.0)(1.0)
    with pytest.raises(DtypeError, match="numbers and nested lists"):
        cr.freeze(lambda x: x)("1")
