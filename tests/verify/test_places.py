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


LAYER = "Z = X @ W + b\nH = tanh(Z)\nL = mean(sum((H - T)**2, axis=1))"
SIZES = {"X": (5, 3), "W": (3, 2), "b": 2, "T": (5, 2)}


def test_two_mistakes_of_a_layer_are_found_in_all_its_gradients() -> None:
    def backward(X, W, b, T):
        d = 2 * (T - np.tanh(X @ W + b)) / len(X)
        return X.T @ d, d.sum(0)

    graded = grade(LAYER, backward, wrt=["W", "b"], shapes=SIZES)
    assert [mistake.name for mistake in graded.mistakes] == ["activation-derivative-missing", "sign"]
    assert all({"W", "b"} <= set(mistake.place.replace(",", " ").split()) for mistake in graded.mistakes)


def test_what_only_one_of_two_gradients_has_is_no_cause_of_both() -> None:
    def backward(X, W, b, T):
        d = 2 * (np.tanh(X @ W + b) - T) / len(X)
        return -X.T @ d, 3.7 * np.sin(d).sum(0)

    graded = grade(LAYER, backward, wrt=["W", "b"], shapes=SIZES)
    assert not {"sign", "activation-derivative-missing"} & {mistake.name for mistake in graded.mistakes[:1]}


def test_one_example_is_found_beside_a_second_use_of_the_weights() -> None:
    def train(X, w, y, steps, rate):
        for _ in range(steps):
            for i in range(4):
                g = X[i] * (X[i] @ w - y[i])
            w = w - rate * (g / 4 + 0.1 * w)
        return w

    program = "p = X @ w\nL = 0.5*sum((p - y)**2)/4 + 0.05*sum(w**2)"
    graded = grade(program, train, wrt="w", shapes={"X": (4, 2), "w": 2, "y": 4}, steps=2, rate=0.1)
    assert [mistake.name for mistake in graded.mistakes] == ["batch-sum-missing"]


def test_a_comparison_in_the_problem_moves_nothing() -> None:
    program = "z = w*x\na = where(z > 0, z, exp(z) - 1)\nL = a*g"
    graded = grade(program, lambda w, x, g: (g * x * np.cos(w * x),), wrt="w")
    assert graded.mistakes[0].name == "unclassified"


@pytest.mark.parametrize(("factor", "name"), [(2, "factor"), (0.5, "factor"), (-1, "sign")])
def test_a_line_of_the_forward_pass_may_be_off_by_a_factor(factor: float, name: str) -> None:
    o, t = 1.7431, 0.52
    table = f"o = {o}\nL = {factor * 0.5 * (o - t) ** 2:.5f}"
    graded = grade("o = w*x\nL = 0.5*(o - t)**2", table, wrt=["w"], values={"w": 1.7431, "x": 1, "t": t})
    assert [mistake.name for mistake in graded.mistakes] == [name]
    assert graded.mistakes[0].place.startswith("the line L")


def test_two_links_that_are_left_out_have_both_their_places() -> None:
    graded = grade("h = w1*x\no = sigmoid(w2*h)\nL = (o - t)**2", "o*(1 - o)*w2", wrt="w1")
    assert {mistake.name for mistake in graded.mistakes} == {"missing-factor"}
    assert len({mistake.place for mistake in graded.mistakes}) == 2


def test_such_a_line_may_come_of_full_precision() -> None:
    """The line before is rounded, and this one was made of what it was before that."""
    o, t = -0.2230574, 0.5
    table = f"o = {o:.3f}\nL = {(o - t) ** 2:.4f}"
    graded = grade("o = w*x\nL = 0.5*(o - t)**2", table, wrt=["w"], values={"w": o, "x": 1, "t": t})
    assert [mistake.name for mistake in graded.mistakes] == ["factor"]


@pytest.mark.parametrize(
    "answer", ["h = 4\nyhat = 2\ndL/dyhat = 18\ndL/dh = 9\ndL/dw1 = 18", "dL/dyhat,18\ndL/dw1,18\ndL/dh,9"]
)
def test_what_follows_from_a_wrong_line_is_no_rounding_of_it(answer: str) -> None:
    values = {"x": 2.0, "w1": 2.0, "w2": 0.5, "y": 20.0}
    graded = grade("h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2", answer, wrt="w1", values=values)
    assert not graded.right
    assert [mistake.name for mistake in graded.mistakes] == ["sign"]
    assert "dL/dw1 = 18: right for the lines before it, of which one is wrong" in str(graded)
