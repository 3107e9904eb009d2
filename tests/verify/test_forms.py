"""Problems that were recorded or are functions, answers as numbers and arrays, and programs that do not run through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr

RANDOM = np.random.default_rng(0)


def reuse() -> tuple[Any, Any, Any]:
    a, b = cr.Value(-2.0, label="a"), cr.Value(3.0, label="b")
    d, e = a * b, a + b
    d.label, e.label = "d", "e"
    f = d * e
    f.label = "f"
    return a, b, f


@pytest.mark.parametrize(
    ("answer", "name"),
    [(-6, "overwritten"), (3, "overwritten"), (-9, "not-zeroed"), ("b*e", "missing-path"), ("b*e*d", "extra-factor")],
)
def test_a_recorded_graph(answer: Any, name: str) -> None:
    a, _, f = reuse()
    assert name in [mistake.name for mistake in cr.grade(f, answer, wrt=a).mistakes]


@pytest.mark.parametrize("answer", [-3, -3.0, "-3.0", "2*a*b + b**2", "b*e + d", "b·(a + b) + d"])
def test_a_recorded_graph_and_right_answers(answer: Any) -> None:
    a, _, f = reuse()
    assert cr.grade(f, answer, wrt=a).right


def test_recorded_tensors() -> None:
    x, w = cr.Tensor(RANDOM.normal(size=(4, 3))), cr.Tensor(RANDOM.normal(size=3), requires_grad=True)
    loss = cr.sum(cr.square(x @ w))
    gradient = x.data.T @ (x.data @ w.data)
    assert cr.grade(loss, 2 * gradient, wrt=w).right
    assert cr.grade(loss, gradient, wrt=w).mistakes[0].name == "factor"
    assert cr.grade(loss, "2*x.T @ (x @ w)", wrt=w).right


def test_a_function_is_a_problem() -> None:
    def loss(W: Any, x: Any, y: Any) -> Any:
        return cr.sum((cr.tanh(W @ x) - y) ** 2)

    def backward(W: Any, x: Any, y: Any) -> Any:
        h = np.tanh(W @ x)
        return np.outer(2 * (h - y) * (1 - h**2), x)

    def without_slope(W: Any, x: Any, y: Any) -> Any:
        return np.outer(2 * (np.tanh(W @ x) - y), x)

    shapes = {"W": (3, 2), "x": (2,), "y": (3,)}
    assert cr.grade(loss, backward, wrt="W", shapes=shapes).right
    graded = cr.grade(loss, without_slope, wrt=["W"], shapes=shapes)
    assert graded.mistakes[0].name == "activation-derivative-missing"
    assert "tanh(W @ x)" in graded.mistakes[0].place


@pytest.mark.parametrize(
    ("wrong", "name"),
    [("X @ error", "transposed"), ("error @ X.T", "wrong-product-order"), ("w.T @ X.T @ error", "unclassified")],
)
def test_matrix_products_that_do_not_fit(wrong: str, name: str) -> None:
    program: dict[str, Any] = {"np": np}
    exec(f"def backward(X, w, y):\n    error = X @ w - y\n    return 2 * ({wrong})", program)
    shapes = {"X": (4, 3), "w": (3, 2), "y": (4, 2)}
    graded = cr.grade("L = sum((X @ w - y)**2)", program["backward"], wrt="w", shapes=shapes)
    assert not graded.right
    assert graded.mistakes[0].name == name


def test_a_mistake_in_the_rarer_branch_is_seen() -> None:
    problem = "z = x @ w\na = leaky_relu(z)\nL = sum(max(a, axis=1)*g)"
    program: dict[str, Any] = {"np": np}
    exec(
        "def backward(x, w, g):\n    z = x @ w\n    a = np.where(z > 0, z, 0.01*z)\n    da = np.zeros_like(a)\n"
        "    da[np.arange(len(x)), a.argmax(1)] = g\n    return x.T @ (da * (z > 0))",
        program,
    )
    graded = cr.grade(problem, program["backward"], wrt="w", shapes={"x": (3, 2), "w": (2, 4), "g": (3,)})
    assert not graded.right


NUMPY = (
    "2*X.T @ (X @ w - y) / X.shape[0]",
    "2/len(y) * np.dot(X.T, X.dot(w) - y)",
    "2*np.matmul(X.T, np.subtract(X @ w, y)) / y.size",
    "np.sum(2*(X @ w - y)[:, None] * X, axis=0) / 4",
    "((X @ w - y).reshape(1, -1) @ X).reshape(-1) / 2",
    "np.mean(2*X*(X @ w - y)[:, np.newaxis], axis=0)",
    "(2*(X @ w - y) @ X) / m",
)


@pytest.mark.parametrize("text", NUMPY)
def test_ways_of_numpy(text: str) -> None:
    shapes = {"X": (4, 3), "w": (3,), "y": (4,)}
    assert cr.grade("L = mean((X @ w - y)**2)", text, wrt="w", shapes=shapes).right


def test_nothing_typed_is_run() -> None:
    for text in ("__import__('os')", "x.__class__", "(lambda: 1)()", "open('x')"):
        with pytest.raises(cr_error()):
            cr.grade("L = x**2", text, wrt="x")


def cr_error() -> type[Exception]:
    from chainrule.errors import ChainruleError

    return ChainruleError
