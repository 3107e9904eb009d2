"""Vectors as columns, whose transposes are rows; constants that are factors and no averages."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr

NET = "z1 = W1 @ x + b1; a1 = sigmoid(z1); z2 = W2 @ a1 + b2; a2 = sigmoid(z2); C = 0.5*sum((a2 - y)**2)"
SHAPES = {"W1": (3, 2), "b1": (3,), "W2": (2, 3), "b2": (2,), "x": (2,), "y": (2,)}
ERROR = "delta2 = (a2 - y)*a2*(1 - a2); delta1 = (W2.T @ delta2)*a1*(1 - a1); "


@pytest.mark.parametrize(
    ("answer", "wrt"),
    [
        ("delta2 @ a1.T", "W2"),
        ("((a2 - y)*a2*(1 - a2)) @ a1.T", "W2"),
        (ERROR + "delta1 @ x.T", "W1"),
        ("((W2.T @ ((a2 - y)*a2*(1 - a2)))*a1*(1 - a1)) @ x.T", "W1"),
        ("np.outer(delta2, a1)", "W2"),
    ],
)
def test_a_column_times_a_row_is_right(answer, wrt):
    assert cr.grade(NET, answer, wrt=wrt, shapes=SHAPES).right


@pytest.mark.parametrize(
    ("answer", "wrt", "name"),
    [
        ("a1 @ ((a2 - y)*a2*(1 - a2)).T", "W2", "transposed"),
        ("(a2 - y) @ a1.T", "W2", "activation-derivative-missing"),
        (ERROR.replace("W2.T", "W2") + "delta1 @ x.T", "W1", "transposed"),
        ("(W2.T @ ((a2 - y)*a2*(1 - a2))) @ x.T", "W1", "activation-derivative-missing"),
    ],
)
def test_what_is_wrong_in_columns_is_named(answer, wrt, name):
    marked = cr.grade(NET, answer, wrt=wrt, shapes=SHAPES)
    assert not marked.right
    assert name in [mistake.name for mistake in marked.mistakes]


def test_a_dot_product_is_one_where_a_vector_is_asked():
    assert cr.grade("s = w @ x; L = s**2", "2*(x @ w.T)*x", wrt="w", shapes={"w": (3,), "x": (3,)}).right


def test_a_factor_beside_the_right_average_is_no_average():
    shapes = {"a": (4,), "y": (4,)}
    assert [m.name for m in cr.grade("C = mean((a - y)**2)", "(a - y)/4", wrt="a", shapes=shapes).mistakes] == [
        "factor"
    ]
    marked = cr.grade("C = mean((a - y)**2)", "2*(a - y)", wrt="a", shapes=shapes)
    assert [m.name for m in marked.mistakes] == ["wrong-average"]


def test_a_cube_is_called_no_square():
    mistakes = cr.grade("(2*x + 5)**3", "3*(2*x + 5)**2", wrt="x").mistakes
    assert mistakes[0].name == "missing-factor"
    assert not any("square" in mistake.place for mistake in mistakes)


def test_both_operands_of_a_square_are_one_link():
    """One of the two signs of w·w turned would cancel it, and would be a false name for what is left out."""
    problem = "p = X @ w; L = sum((p - y)**2) + lam*sum(w*w)"
    marked = cr.grade(problem, "2*X.T @ (p - y)", wrt="w", shapes={"X": (4, 3), "w": (3,), "y": (4,)})
    assert [mistake.name for mistake in marked.mistakes] == ["missing-path", "overwritten"]


def test_a_number_over_something_is_no_factor_of_it():
    assert [m.name for m in cr.grade("y = (2/x)**2", "-16/x**3", wrt="x").mistakes] == ["factor"]
    mistakes = cr.grade("y = (x/2)**2", "x", wrt="x").mistakes
    assert mistakes[0].name == "missing-factor"


def test_two_weights_are_no_average():
    problem = "p = X @ w; L = mean((p - y)**2) + lam*sum(w**2)"
    marked = cr.grade(problem, "2/5*X.T @ (p - y) + lam*w", wrt="w", shapes={"X": (5, 2), "w": (2,), "y": (5,)})
    assert "wrong-average" not in [mistake.name for mistake in marked.mistakes]
    assert marked.mistakes[0].name == "factor"


@pytest.mark.parametrize("step", ["W2 = W2 - 0.01*dW2", "W2 -= 0.7*dW2", "rate = 0.3\n    W2 = W2 - rate*dW2"])
def test_weights_that_have_moved_are_named_at_any_rate(step):
    program = {"np": np}
    exec(
        "def backward(X, W1, W2, Y):\n    H = np.tanh(X @ W1)\n    d = H @ W2 - Y\n    dW2 = H.T @ d\n"
        f"    {step}\n    return X.T @ (d @ W2.T * (1 - H**2)), dW2\n",
        program,
    )
    shapes = {"X": (4, 2), "W1": (2, 3), "W2": (3, 2), "Y": (4, 2)}
    problem = "H = tanh(X @ W1); P = H @ W2; L = 0.5*sum((P - Y)**2)"
    marked = cr.grade(problem, program["backward"], wrt=["W1", "W2"], shapes=shapes)
    assert [mistake.name for mistake in marked.mistakes] == ["new-weights"]
