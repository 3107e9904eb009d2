"""Rules by their differential: the transpose that the machine takes, what it remembers, and what it refuses."""

# The book holds rules of every kind, and which one a name has is known when it is looked up.
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.core import differential as module
from chainrule.core.differential import Differential
from chainrule.core.operation import book
from chainrule.errors import ChainruleError, GraphError, ShapeError

STATED = [name for name, rule in book.items() if isinstance(rule, Differential) and rule.__module__.startswith("chain")]
A = np.array([[2.0, 0.5], [-0.3, 1.5]])


def rule(differential, adjoint=None, function=lambda x: x @ x):
    return Differential(function, "{x}", differential, adjoint)


def test_the_machine_transposes_a_product_of_a_matrix_with_itself():
    square = rule((lambda dx, out, x: dx @ x + x @ dx,))
    g = np.arange(4.0).reshape(2, 2)
    np.testing.assert_allclose(square.pull(0, g, A @ A, (A,), {}), g @ A.T + A.T @ g, rtol=1e-15)


@pytest.mark.parametrize("name", STATED)
def test_what_a_derivative_reads_is_what_occurs_in_its_transpose(name):
    operation = book[name]
    shapes = operation.shapes
    settings = operation.complete(operation.examples[0])
    shape = operation.shape_of_result(shapes, settings)
    for i in range(len(shapes)):
        if operation.adjoint[i] is None and operation.differentiable(i):
            transpose = operation.transposed(i, shape, shapes, settings)
            read = {place for _, places, _ in transpose.steps for place in places} | {transpose.share}
            found = (1 in read, tuple([j for j in range(len(shapes)) if 2 + j in read]))
            assert operation.reads(i, len(shapes)) == found


@pytest.mark.parametrize(
    ("call", "changed", "stale"),
    [
        (lambda a, b: cr.inv(a), "a", False),
        (lambda a, b: cr.det(a), "a", True),
        (lambda a, b: cr.cholesky(a), "a", False),
        (lambda a, b: cr.solve(a, b), "a", True),
        (lambda a, b: cr.solve(a, b), "b", False),
    ],
)
def test_a_change_in_place_matters_where_the_value_is_read(call, changed, stale):
    tensors = {"a": cr.Tensor(A, requires_grad=True), "b": cr.Tensor(np.ones((2, 2)), requires_grad=True)}
    out = cr.sum(call(**tensors))
    with cr.no_grad():
        tensors[changed] += 1.0
    if stale:
        with pytest.raises(GraphError, match="changed in place"):
            out.backward()
    else:
        out.backward()


def test_a_trace_is_kept_for_each_shape_and_setting_and_not_for_ever(monkeypatch):
    scaled = Differential(
        lambda x, *, by: by * np.matmul(x, x), "{x}", (lambda dx, out, x, by: by * (dx @ x + x @ dx),), examples=({},)
    )
    g = np.ones((2, 2))
    first = scaled.pull(0, g, A, (A,), {"by": 2.0})
    kept = dict(scaled._transposes)
    np.testing.assert_array_equal(scaled.pull(0, g, A, (A,), {"by": 2.0}), first)
    assert scaled._transposes == kept
    assert len(kept) == 1
    np.testing.assert_allclose(scaled.pull(0, g, A, (A,), {"by": 3.0}), 1.5 * first, rtol=1e-15)
    assert scaled.pull(0, np.ones((3, 3)), np.eye(3), (np.eye(3),), {"by": 1.0}).shape == (3, 3)
    assert len(scaled._transposes) == 3
    monkeypatch.setattr(module, "MOST_TRACES", 3)
    scaled.pull(0, np.ones((1, 1)), np.eye(1), (np.eye(1),), {"by": 1.0})
    assert len(scaled._transposes) == 1


def test_names_of_inputs_are_free():
    product = Differential(
        lambda out, g: np.matmul(out, g),
        "{out} {g}",
        (lambda d, result, out, g: d @ g, lambda d, result, out, g: out @ d),
    )
    b, g = np.array([[1.0, 2.0], [0.0, 1.0]]), np.arange(4.0).reshape(2, 2)
    np.testing.assert_array_equal(product.pull(0, g, A @ b, (A, b), {}), g @ b.T)
    np.testing.assert_array_equal(product.pull(1, g, A @ b, (A, b), {}), A.T @ g)


def test_refusals():
    with pytest.raises(ChainruleError, match="is not linear in its first argument"):
        rule((lambda dx, out, x: dx * dx,)).pull(0, A, A, (A,), {})
    with pytest.raises(ChainruleError, match="is not linear in its first argument"):
        rule((lambda dx, out, x: x,)).pull(0, A, A, (A,), {})
    with pytest.raises(ShapeError, match=r"has shape \(\), and the output \(2, 2\)"):
        rule((lambda dx, out, x: cr.sum(dx),)).pull(0, A, A, (A,), {})
    with pytest.raises(ChainruleError, match=r"\*xs has none"):
        rule((None,), function=lambda *xs: xs[0])
    with pytest.raises(ChainruleError, match="has 1 inputs and 2 derivatives"):
        rule((None, None))


def test_an_input_with_neither_is_flat():
    operation = rule((None,), function=lambda x: np.sign(x))
    assert not operation.differentiable(0)
    assert operation.push([A], A, (A,), {}) is None
