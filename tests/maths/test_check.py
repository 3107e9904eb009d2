"""Sides of equations are evaluated as they are printed: falsehoods are found, and what is undefined is named."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation.record import rebuilt
from chainrule.maths import Derivative, Different, Number, Symbol, Tree, Undefined, check, numeral, plain
from chainrule.maths.check import magnitude, rounded
from chainrule.maths.tree import Sigma, applied, equation, has_letters, matrix
from chainrule.maths.values import Values

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
    ("tree", "at", "part", "where"),
    [
        (cr.log(X), {X: -1.0}, "log(x)", (-1.0,)),
        (X / X, {X: 0.0}, "x/x", (0.0, 0.0)),
        (cr.log(cr.exp(X)), {X: 1000.0}, "exp(x)", (1000.0,)),
        (1.5 * cr.sqrt(X), {X: -2.0}, "sqrt(x)", (-2.0,)),
        (cr.log(U), {U: np.array([1.0, -3.0])}, "log(u)", (-3.0,)),
        (U / applied("norm", U), {U: np.zeros(2)}, "u/norm(u)", (0.0, 0.0)),
        (Sigma(cr.log(Symbol("u", at=("k",))), "k", 2), {U.whole: np.array([1.0, -3.0])}, "log(u[k-1])", (-3.0,)),
    ],
)
def test_what_is_undefined_is_named_by_its_innermost_part(
    tree: Tree, at: dict[Tree, object], part: str, where: tuple[float, ...]
) -> None:
    found = check(equation(tree, tree), at)
    assert isinstance(found, Undefined)
    assert (plain(found.part), found.at) == (part, where)


def test_what_is_too_small_in_one_term_of_a_sum_is_no_falsehood() -> None:
    term = Symbol("u", at=("k",)) * 1e-200
    assert check(equation(Sigma(term * 1e-200, "k", 2), Number("1")), {U.whole: np.array([1.0, 2.0])}) is None
    assert isinstance(check(equation(Sigma(term, "k", 2), Number("1")), {U.whole: np.array([1.0, 2.0])}), Different)


def test_no_formula_is_too_deep_to_be_worked_out_checked_and_looked_through() -> None:
    deep: Tree = Symbol("x")
    for _ in range(3_000):
        deep = applied("tanh", deep) + 1
    values = Values({Symbol("x"): 0.5})
    number = numeral(values.of(deep))
    assert has_letters(deep)
    assert not has_letters(number)
    assert check(equation(deep, number), values.environment) is None
    assert isinstance(check(equation(deep, number + 1), values.environment), Different)
    lost = check(equation(applied("log", deep * 0 - 1), number), values.environment)
    assert isinstance(lost, Undefined)
    assert lost.at == (-1.0,)
    assert magnitude(deep, values) == pytest.approx(float(values.of(deep)))
    assert rounded(deep, values, np.random.default_rng(0)) == pytest.approx(float(values.of(deep)), rel=1e-14)


def test_the_terms_of_a_sum_are_worked_out_together_as_they_are_one_by_one() -> None:
    array, k = np.arange(1.0, 13.0).reshape(4, 3), ("k", 2)
    entry, slope = Symbol("a", at=k), Derivative(Symbol("C"), Symbol("b", at=("k",)))
    numbers = {Symbol("a"): array, **{Derivative(Symbol("C"), Symbol("b", at=(i,))): float(i) for i in (1, 2, 3, 4)}}
    total = Sigma(applied("square", entry) * slope + 1, "k", 4)
    expected = [array[i, 1] ** 2 * (i + 1) + 1 for i in range(4)]
    assert Values(numbers).of_terms(total).tolist() == expected
    nested = Sigma(Sigma(Symbol("a", at=("k", "j")), "j", 3), "k", 4)
    assert Values(numbers).of(nested) == array.sum()


def test_a_formula_however_deep_is_told_from_others_and_changed():
    def nested(depth, inner):
        for _ in range(depth):
            inner = applied("sin", inner)
        return inner

    x, y = Symbol("x"), Symbol("y")
    one, same, other = nested(5000, x), nested(5000, x), nested(5000, y)
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert rebuilt((one,), lambda part: y if part == x else None) == (other,)
    assert rebuilt((one,), lambda part: None)[0] is one
