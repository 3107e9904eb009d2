"""Sides of equations are evaluated as they are printed: falsehoods are found, and what is undefined is named."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.maths import Derivative, Different, Number, Symbol, Tree, Undefined, check, numeral
from chainrule.maths.tree import Sigma, applied, equation, matrix

X, Y, C = Symbol("x"), Symbol("y"), Symbol("c")
U = Symbol("u", shape=(2,))
IDENTITY_ONE = Symbol("I1", shape=(2, 2))
ROWS = np.array([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("sides", "at"),
    [
        ((X * X, Number("2.25")), {X: 1.5}),
        ((X, Number("0.333333")), {X: 0.33333325}),
        ((X - Y, numeral(1e-9)), {X: 1.0, Y: 1.0 - 1e-9}),
        ((Derivative(Symbol("L"), X), X * 2, Number("6")), {Derivative(Symbol("L"), X): 6.0, X: 3.0}),
        ((IDENTITY_ONE.T, matrix(ROWS.T, numeral)), {IDENTITY_ONE: ROWS}),
        ((applied("matmul", U, U), Number("5")), {U: np.array([1.0, 2.0])}),
    ],
)
def test_what_is_true_passes(sides: tuple[Tree, ...], at: dict[Tree, object]) -> None:
    assert check(equation(*sides), at) is None


@pytest.mark.parametrize(
    ("sides", "at"),
    [
        ((X * X, Number("2.26")), {X: 1.5}),
        ((X, Number("0.333")), {X: 0.3344}),
        ((IDENTITY_ONE, matrix(ROWS.T, numeral)), {IDENTITY_ONE: ROWS}),
        ((C + 1, C + 2), {C: 1.0}),
        ((Number("0.5") * Number("3"), Number("1.6")), {}),
        ((U, Number("1")), {U: np.array([1.0, 2.0])}),
    ],
)
def test_what_is_false_is_found(sides: tuple[Tree, ...], at: dict[Tree, object]) -> None:
    assert isinstance(check(equation(*sides), at), Different)


@pytest.mark.parametrize(
    ("tree", "at", "said"),
    [
        (cr.log(X), {X: -1.0}, "log is not defined at -1"),
        (X / X, {X: 0.0}, "x/x is not defined at (0, 0)"),
        (cr.log(cr.exp(X)), {X: 1000.0}, "exp(x) at 1000 is too large for a number"),
        (1.5 * cr.sqrt(X), {X: -2.0}, "sqrt is not defined at -2"),
        (cr.log(U), {U: np.array([1.0, -3.0])}, "log is not defined at -3"),
        (U / applied("norm", U), {U: np.zeros(2)}, "u/norm(u) is not defined at (0, 0)"),
        (Sigma(cr.log(Symbol("u", at=("k",))), "k", 2), {U.whole: np.array([1.0, -3.0])}, "log is not defined at -3"),
    ],
)
def test_what_is_undefined_is_named_by_its_innermost_part(tree: Tree, at: dict[Tree, object], said: str) -> None:
    found = check(equation(tree, tree), at)
    assert isinstance(found, Undefined)
    assert str(found) == said


def test_what_is_too_small_in_one_term_of_a_sum_is_no_falsehood() -> None:
    term = Symbol("u", at=("k",)) * 1e-200
    assert check(equation(Sigma(term * 1e-200, "k", 2), Number("1")), {U.whole: np.array([1.0, 2.0])}) is None
    assert isinstance(check(equation(Sigma(term, "k", 2), Number("1")), {U.whole: np.array([1.0, 2.0])}), Different)
