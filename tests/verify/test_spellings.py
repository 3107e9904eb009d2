"""MATLAB's signs, bars for lengths, steps for masks and rows of ones are read as what they mean."""

from __future__ import annotations

import pytest

from chainrule.errors import FormulaError
from chainrule.verify.grade import Grade, grade
from chainrule.verify.latex import from_latex

LINEAR = "h = X @ theta\nJ = sum((h - y)**2)/(2*m)"
LAYER = "z = W @ x + b\na = tanh(z)\nL = 0.5*sum((a - t)**2)"
SHAPES = {LINEAR: {"X": (5, 3), "theta": (3, 1), "y": (5, 1), "m": ()}, LAYER: {"W": (3, 3), "x": 3, "b": 3, "t": 3}}


def graded(program: str, answer: str, wrt: str) -> Grade:
    return grade(program, answer, wrt=wrt, shapes=SHAPES[program], values={"m": 5} if program == LINEAR else None)


@pytest.mark.parametrize(
    ("program", "answer", "wrt"),
    [
        (LINEAR, "(1/m) * X' * (h - y)", "theta"),
        (LINEAR, "(1/m) .* (X' * (X*theta - y))", "theta"),
        (LINEAR, "X'(h - y)/m", "theta"),
        (LINEAR, "((h - y)' * X)' ./ m", "theta"),
        (LINEAR, "sum((h - y) .* X) / m", "theta"),
        (LINEAR, "mean((h - y) .* X, 1)", "theta"),
        (LAYER, "W' * ((a - t) .* (1 - a.^2))", "x"),
        (LAYER, "W'*((a - t) * (1 - a^2))", "x"),
        (LAYER, "W'((a − t) ⊙ (1 − a²))", "x"),
    ],
)
def test_a_right_answer_in_matlab_is_right(program: str, answer: str, wrt: str) -> None:
    assert graded(program, answer, wrt).right


@pytest.mark.parametrize(
    ("program", "answer", "wrt", "name"),
    [
        (LINEAR, "(1/m) * X' * (y - h)", "theta", "sign"),
        (LINEAR, "X' * (h - y)", "theta", "wrong-average"),
        (LAYER, "W * ((a - t) .* (1 - a.^2))", "x", "transposed"),
        (LAYER, "W' * (a - t)", "x", "activation-derivative-missing"),
    ],
)
def test_a_wrong_one_has_its_name(program: str, answer: str, wrt: str, name: str) -> None:
    assert graded(program, answer, wrt).mistakes[0].name == name


@pytest.mark.parametrize("answer", ["2*f*f'", "2 f f'", "2 f f'(x)"])
def test_a_prime_on_a_number_is_a_derivative(answer: str) -> None:
    assert grade("f = sin(x)\nL = f**2", answer, wrt="x").right


BENT = "h = w*x + b; y = relu(h); L = (y - t)**2"
SQUARES = {"X": (4, 3), "w": 3, "y": 4}
AFFINE = {"X": (4, 3), "W": (3, 2), "b": 2}


def test_steps_bars_and_rows_of_ones() -> None:
    assert grade(BENT, "2*(y - t)*step(h)*x", wrt="w").right
    assert grade(BENT, "2*(y - t)*heaviside(h)*x", wrt="w").right
    assert grade("L = |w*x|", "w*x*x/|w*x|", wrt="w").right
    assert grade("L = ||X w - y||^2", "2 Xᵀ (X w - y)", wrt="w", shapes=SQUARES).right
    assert grade("L = ||X w - y||^2", "Xᵀ (X w - y)", wrt="w", shapes=SQUARES).mistakes[0].name == "factor"
    assert grade("Y = X @ W + b; L = sum(Y**2)/2", "1ᵀ Y", wrt="b", shapes=AFFINE).right
    assert grade("Y = X @ W + b; L = sum(Y**2)/2", "1^T @ Y / 2", wrt="b", shapes=AFFINE).mistakes[0].name == "factor"


def test_a_matrix_beside_a_vector_is_a_matrix_product_in_a_problem_too() -> None:
    shapes = {"W": (3, 2), "x": 2, "b": 3, "V": (2, 3), "t": 2}
    program = "z = W x + b; h = tanh(z); o = V h; L = ½ sum((o − t)²)"
    assert grade(program, "(o − t) hᵀ", wrt="V", shapes=shapes).right


@pytest.mark.parametrize(
    ("latex", "typed"),
    [
        (r"\sqrt{x}", "sqrt(x)"), (r"\tanh x", " tanh(x)"), (r"\tanh(x)", " tanh(x)"), (r"u^{'}", "u'"),
        (r"a^{[2]T}", "a2ᵀ"), (r"a^{(1)}", "a1"), (r"\theta\Theta", "θΘ"), (r"\widehat{yx}", "yxhat"),
    ],
)  # fmt: skip
def test_latex_is_read_as_it_is_typed(latex: str, typed: str) -> None:
    assert from_latex(latex) == typed


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (r"\frac{h - y", "this { is never closed"), (r"\frac", "something is missing after this"),
        (r"\begin{cases} x", "never closed with"), (r"\foo", r"an answer has no \\foo"),
        (r"\sum_i h", r"no \\sum: write the sum as code"), ("(h - y).foo()", "a formula has no .foo"),
        ("# nothing", "there is no formula"), ("X' * delta", "delta is no name of the problem"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_pointed_at(answer: str, said: str) -> None:
    with pytest.raises(FormulaError, match=said):
        graded(LINEAR, answer, "theta")


@pytest.mark.parametrize("answer", ["X.T @ (h - y).astype(float) / m", "X.T @ (h - y)[:, 0][:, None]/m", "X.T @ dh"])
def test_what_numpy_has_beside_is_read(answer: str) -> None:
    assert graded(LINEAR, answer, "theta").right
