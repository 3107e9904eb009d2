"""Vectors as columns, whose transposes are rows; constants that are factors and no averages."""

from __future__ import annotations

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
