"""Problems that were recorded or are functions, answers as numbers and arrays, and programs that do not run through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import FormulaError

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


NEURON = "z = w1*x1 + w2*x2 + b; a = σ(z); L = ½(a - y)**2"


@pytest.mark.parametrize(
    "text",
    [
        "(a-y) [a (1-a) x1]", "x1 {a-y} {a [1-a]}", "(a-y) σ[z] [1 - σ[z]] x1", "x1 [a-y] σ'[z]", "x_{1} (a-y) a (1-a)",
        "(a-y) exp[-z]/[1+exp(-z)]^{2} x1", "2[(a-y) a (1-a)] x1 / 2",
    ],
)  # fmt: skip
def test_brackets_of_every_kind_hold_terms_together(text: str) -> None:
    assert cr.grade(NEURON, text, wrt="w1").right
    assert not cr.grade(NEURON, text + " + a", wrt="w1").right


@pytest.mark.parametrize("text", ["X.T @ [P - Y]/4", "X.T {P - Y}/4", "X.T @ (P - Y)[:, :]/X.shape[0]"])
def test_square_brackets_around_a_matrix_are_no_list(text: str) -> None:
    problem = "Z = X @ W; P = softmax(Z); L = -sum(Y*log(P))/4"
    shapes = {"X": (4, 3), "W": (3, 2), "Y": (4, 2)}
    assert cr.grade(problem, text, wrt="W", shapes=shapes, values={"Y": np.eye(2)[[0, 1, 1, 0]]}).right


@pytest.mark.parametrize("text", ["X.T @ [P - Y", "X.T @ P - Y]", "X.T @ (P - Y]"])
def test_a_bracket_without_its_other_is_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        cr.grade("P = X @ W; L = sum((P - Y)**2)", text, wrt="W", shapes={"X": (4, 3), "W": (3, 2), "Y": (4, 2)})


def overwritten(a: float, b: float) -> tuple[float, float]:
    d = a * b
    c = d + a
    out = 1 - np.tanh(c * d) ** 2
    dc, dd = out * d, out * c
    dd = dc
    return dc + dd * b, dd * a


def test_a_gradient_that_happens_to_be_half_is_explained_with_the_others() -> None:
    marked = cr.grade("d = a*b; c = d + a; e = c*d; L = tanh(e)", overwritten, wrt=["a", "b"])
    assert {mistake.name for mistake in marked.mistakes} <= {"missing-path", "overwritten"}
    assert not any("share of e" in mistake.says for mistake in marked.mistakes)


def test_what_is_said_of_a_sum_is_what_must_be_done() -> None:
    def backward(X: Any, W: Any, b: Any, Y: Any) -> Any:
        g = 2 * (np.asarray(X) @ W + b - Y)
        return g.sum(axis=1)[:2]

    shapes = {"X": (4, 3), "W": (3, 2), "b": (2,), "Y": (4, 2)}
    marked = cr.grade("P = X @ W + b; L = sum((P - Y)**2)", backward, wrt=["b"], shapes=shapes)
    assert [mistake.name for mistake in marked.mistakes] == ["summed-over-wrong-axis"]
    assert "must run over axis 0" in marked.mistakes[0].says
