"""A label's number in place of its name is right; what the cost brings by itself is kept, and no second mistake."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.verify.grade import grade

LOSSES = ("-(y*log(p) + (1 - y)*log(1 - p))", "-y*log(p) - (1 - y)*log(1 - p)", "-(y*log(p) - (y - 1)*log(1 - p))")


@pytest.mark.parametrize("loss", LOSSES)
def test_a_label_that_is_put_in_is_right(loss: str) -> None:
    program = f"z = w1*x1 + w2*x2; p = sigmoid(z); L = {loss}"
    for answer, y in (("-x1/(1 + exp(z))", 1), ("(p - 1)*x1", 1), ("x1*p", 0)):
        marked = grade(program, answer, wrt="w1", values={"y": y})
        assert marked.right
        assert marked.notes == (f"right where y = {y}, as given",)
        assert not grade(program, answer, wrt="w1", values={"y": 1 - y}).right
    # An input of 1 is no label: its factor may not be left out.
    assert not grade(program, "-1/(1 + exp(z))", wrt="w1", values={"y": 1, "x1": 1}).right


@pytest.mark.parametrize("loss", ["-mean(y*log(p) + (1 - y)*log(1 - p))", "-1/5*sum(y*log(p) + (1 - y)*log(1 - p))"])
def test_an_average_that_is_kept_is_no_second_mistake(loss: str) -> None:
    shapes = {"X": (5, 2), "w": (2,), "y": (5,)}
    marked = grade(f"p = sigmoid(X @ w); L = {loss}", "X.T @ (p*(1 - p))/5", wrt="w", shapes=shapes)
    assert [mistake.name for mistake in marked.mistakes] == ["no-incoming-gradient"]


@pytest.mark.parametrize(
    ("program", "answer", "shapes"),
    [
        ("p = X @ w; L = mean((p - y)**2)", "2*mean(p - y)*mean(X, axis=0)", {"X": (5, 2), "w": (2,), "y": (5,)}),
        ("p = X @ w; L = sum((p - y)**2)/2", "sum(p - y)*sum(X, axis=0)", {"X": (5, 2), "w": (2,), "y": (5,)}),
        ("p = w*x + b; L = mean((p - y)**2)", "2*mean(p - y)*mean(x)", {"x": (5,), "y": (5,)}),
    ],
)
def test_a_product_of_sums_is_no_sum_of_products(program: str, answer: str, shapes: dict[str, tuple[int, ...]]) -> None:
    marked = grade(program, answer, wrt="w", shapes=shapes)
    assert [mistake.name for mistake in marked.mistakes] == ["elementwise-for-matrix-product"]
    assert "/∂w" in marked.mistakes[0].place


def kernel_not_turned(x: np.ndarray, k: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The gradient in x of half the squared error of a convolution, by the kernel as it stands."""
    windows = [[(x[0, 0, i : i + 3, j : j + 3] * k[0, 0]).sum() for j in range(3)] for i in range(3)]
    wide = np.pad(np.array(windows) - t[0, 0], 2)
    return np.array([[(wide[i : i + 3, j : j + 3] * k[0, 0]).sum() for j in range(5)] for i in range(5)])[None, None]


def test_a_kernel_that_is_not_turned_round_is_named() -> None:
    shapes = {"x": (1, 1, 5, 5), "k": (1, 1, 3, 3), "t": (1, 1, 3, 3)}
    marked = grade("z = conv2d(x, k); L = 0.5*sum((z - t)**2)", kernel_not_turned, wrt=["x"], shapes=shapes)
    assert marked.mistakes[0].name == "wrong-local-derivative"
    assert "turned round" in marked.mistakes[0].says


def test_half_of_two_equal_ways_is_one_left_out() -> None:
    marked = grade("c = a*b; d = c + a; e = c*d", "d*b", wrt="a")
    assert marked.mistakes[0].name == "missing-path"
    marked = grade("h = w*x; L = 0.5*(h - y)**2", "0.5*(h - y)*x", wrt="w")
    assert [mistake.name for mistake in marked.mistakes] == ["factor"]


def test_a_function_may_have_its_power_before_what_it_is_of() -> None:
    assert grade("z = w*x; h = tanh(z)", "(1 - tanh²(z)) x", wrt="w").right
    assert grade("z = w*x; h = tanh(z)", "x/cosh^2(w x)", wrt="w").right


def test_a_given_number_of_examples_is_shown_as_it_is() -> None:
    shapes = {"X": (5, 2), "w": (2,), "y": (5,)}
    program = "p = X @ w; L = sum((p - y)**2)/m"
    marked = grade(program, "X.T @ (p - y)/m", wrt="w", shapes=shapes, values={"m": 5})
    assert "at m = 5" in marked.mistakes[0].shows
    twice = grade(program, "X.T @ (p - y)/m**2", wrt="w", shapes=shapes, values={"m": 5})
    assert [mistake.name for mistake in twice.mistakes[:2]] == ["wrong-average", "factor"]
    without = grade(program, "X.T @ (p - y)/m", wrt="w", shapes=shapes)
    assert "at m = -" not in without.mistakes[0].shows


def both_wrong(X: np.ndarray, W: np.ndarray, b: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of a net whose error has lost its activation's slope and kept a strange factor."""
    a = np.tanh(X @ W + b)
    d = (a - y) * np.cos(a)
    return X.T @ d, d.sum(axis=0)


def test_a_place_has_each_name_with_its_gradient() -> None:
    program = "a = tanh(X @ W + b); L = 0.5*sum((a - y)**2)"
    shapes = {"X": (4, 2), "W": (2, 3), "b": (3,), "y": (4, 3)}
    for mistake in grade(program, both_wrong, wrt=["W", "b"], shapes=shapes).mistakes:
        assert "(dW, b)" not in mistake.place


MARGIN = "z = w*x\nL = log(1 + exp(-y*z))"


@pytest.mark.parametrize("answer", ["-x/(1 + exp(w*x))", "(sigmoid(z) - 1)*x", "-x*exp(-z)/(1 + exp(-z))"])
def test_a_label_of_one_is_put_in_for_the_sign_of_a_margin(answer: str) -> None:
    graded = grade(MARGIN, answer, wrt="w", values={"y": 1, "x": 1, "w": 0.3})
    assert graded.right
    assert graded.notes == ("right where y = 1, as given",)
    assert not grade(MARGIN, answer, wrt="w", values={"y": -1}).right
    assert not grade(MARGIN, answer, wrt="w").right


def test_what_is_wrong_with_a_label_put_in_has_its_name() -> None:
    graded = grade(MARGIN, "x/(1 + exp(w*x))", wrt="w", values={"y": 1})
    assert [mistake.name for mistake in graded.mistakes] == ["sign"]
    hinge = "z = w*x + b\nL = relu(1 - y*z)"
    assert grade(hinge, "-(1 - z > 0)*x", wrt="w", values={"y": 1}).right
    assert grade("z = X @ w\nL = sum((1 - y*z)**2)", "-2*X.T @ (y - z)", wrt="w",
                 values={"y": [1, -1, 1]}, shapes={"X": (3, 2), "w": 2}).right  # fmt: skip


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("h = w1*x\na = tanh(w2*h)\nL = (a - y)**2", "2*(a - y)*(1 - a**2)*x"),
        ("z = w1*x\nL = log(1 + exp(-y*z))", "-y/(1 + exp(y*z))"),
        ("h = w1*x\nL = log(1 + exp(w2*h + y))", "x/(1 + exp(-w2*h - y))"),
    ],
    ids=["a weight", "an input", "a weight before a bias"],
)
def test_a_weight_or_an_input_of_one_is_no_label(program: str, answer: str) -> None:
    assert not grade(program, answer, wrt="w1", values={"w2": 1, "x": 1} if "w2" in program else {"x": 1}).right
