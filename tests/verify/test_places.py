"""A wrong answer without a name has a place: the first link, or the first variable, that is off, and no other."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.verify.grade import grade


@pytest.mark.parametrize(
    ("program", "answer", "link"),
    [
        ("s = w*x + b\nL = -log(s)", "-1/(w*x)*x", "∂L/∂s"),
        ("z = w*x\na = sigmoid(z)\nL = (a - y)**2", "2*(a - y)*cos(z)*x", "∂a/∂z"),
        ("h = w*x\no = v*h\nL = 0.5*(o - t)**2", "(o - t)*exp(v)*x", "∂o/∂h"),
    ],
)
def test_a_formula_has_the_first_link_that_is_no_factor_of_it(program: str, answer: str, link: str) -> None:
    graded = grade(program, answer, wrt="w")
    assert [mistake.name for mistake in graded.mistakes] == ["unclassified"]
    assert graded.mistakes[0].place.startswith(link)
    assert link in graded.hints[0]


SVM = "M = 1 - y*(X @ w + b)\nL = 0.5*sum(w**2) + c*sum(relu(M))"
SHAPES = {"X": (4, 2), "w": 2, "b": (), "c": (), "y": 4}


def test_a_mask_that_is_right_is_not_where_it_shows_first() -> None:
    def backward(X, w, b, c, y):
        keep = y * (X @ w + b) < 1
        return 2 * w - c * X.T @ (y * keep), -c * np.sum(y * keep)

    graded = grade(SVM, backward, wrt=["w", "b"], shapes=SHAPES)
    assert graded.mistakes[0].name == "factor"
    assert "keep" not in graded.mistakes[0].place


def test_a_mask_that_is_turned_is() -> None:
    def backward(X, w, b, c, y):
        out = y * (X @ w + b) > 1
        return w - c * X.T @ (y * out), -c * np.sum(y * out)

    graded = grade(SVM, backward, wrt=["w", "b"], shapes=SHAPES)
    assert graded.mistakes[0].name == "relu-mask-wrong"
    assert graded.mistakes[0].place.endswith("first seen in out")


def test_the_indices_of_classes_are_no_place_either() -> None:
    def backward(X, W, Y):
        S = X @ W
        y = Y.argmax(1)
        rows = np.arange(len(S))
        m = (S - S[rows, y][:, None] + 1 > 0).astype(float)
        m[rows, y] = -1
        return X.T @ m / 5

    program = "S = X @ W\nc = sum(S*Y, axis=1, keepdims=True)\nL = sum(relu(S - c + 1)*(1 - Y))/5"
    labels = np.eye(4)[[0, 2, 1, 3, 0]]
    graded = grade(program, backward, wrt="W", shapes={"X": (5, 3), "W": (3, 4), "Y": (5, 4)}, values={"Y": labels})
    assert graded.unclassified.startswith("m,")


def test_a_number_that_arrives_is_a_factor_and_no_gradient() -> None:
    """Without the ½ of a loss its square's derivative stands alone; what is missing is that factor."""
    for answer in ("2*(w*x - y)*x", "4*(w*x - y)*x"):
        graded = grade("L = 0.5*(w*x - y)**2 + k*w", f"{answer} + k", wrt="w")
        assert [mistake.name for mistake in graded.mistakes] == ["factor"]
    graded = grade("h = w*x; L = ½(h − y)²", "−24", wrt="w", values={"x": 3, "w": 2, "y": 10})
    assert graded.mistakes[0].name == "factor"
