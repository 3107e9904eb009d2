"""Equations between matrices: large sums shortened and still adding up, wrong numbers refused, formulas that hold."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation.arrays import largest
from chainrule.derivation.explain import explain
from chainrule.derivation.network.entrywise import entrywise
from chainrule.derivation.network.paper import Paper, checked
from chainrule.derivation.tape.tape import Tape
from chainrule.errors import ChainruleError
from chainrule.maths import Sigma, Symbol, unicode
from chainrule.maths.values import value

from .spelled import spelled

PAPER = Paper(6, 3, True)
S, X, Y_K = Symbol("s"), Symbol("x", at=("k",)), Symbol("y", at=("k",))


def dot(x, y, total):
    letters = {S: total, X.whole: x, Y_K.whole: y}
    return PAPER.equation([S, Sigma(X * Y_K, "k", len(x))], letters)


def test_a_long_sum_shows_its_largest_terms_and_adds_up():
    random = np.random.default_rng(1)
    x, y = random.normal(size=100), random.normal(size=100)
    equation = dot(x, y, x @ y)
    terms = spelled(equation.sides[2]).split(" + ")
    assert len(terms) == 4
    assert spelled(equation.note) == "the other 97 terms together give the last one"
    # Six digits are printed; both sides are that close to the exact sum.
    assert value(equation.sides[2], {}) == pytest.approx(value(equation.sides[3], {}), rel=1.1e-5)


def test_terms_that_are_zero_are_not_shown():
    equation = dot(np.eye(20)[4], np.arange(20.0), 4.0)
    assert spelled(equation.sides[2]) == "1 · 4 + 0"


def test_a_wrong_sum_is_never_printed():
    with pytest.raises(ChainruleError, match="internal error"):
        dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]), 11.1)
    with pytest.raises(ChainruleError, match="internal error"):
        checked("the error", np.ones(3), np.array([1.0, 1.0, 1.00001]))
    checked("the error", np.array([np.nan, 1.0]), np.array([np.nan, 1.0]))


def test_the_largest_entry_is_found_past_nan():
    assert largest([[0.0, np.nan], [-3.0, 2.0]]) == (1, 0)


TARGET = Symbol("y")
A = cr.Tensor([0.2, 0.7, 0.4], requires_grad=True)
Y = np.array([0.0, 1.0, 0.5])


@pytest.mark.parametrize(
    ("cost", "formula"),
    [
        (lambda a, y: cr.sum((a - y) ** 2), "2(a − y)"),
        (lambda a, y: cr.mean(cr.square(y - a)) * 1.5, "a − y"),
        (lambda a, y: -cr.sum((1 - y) * cr.log(1 - a) + y * cr.log(a)), None),
        (lambda a, y: cr.sum(cr.exp(a)), "eᵃ"),
        (lambda a, y: cr.sum(cr.softmax(a) * y), ""),
        (lambda a, y: a[1] * 2.0, ""),
    ],
)
def test_one_formula_for_all_entries(cost, formula):
    y = Y
    found = entrywise(Tape(cost(A, y)), A, {A: Symbol("a")}, TARGET)
    if formula is not None:
        assert ("" if found is None else unicode(found)) == formula
        return
    at_first = value(found, {Symbol("a"): 0.2, TARGET: 0.0})
    step = 1e-6
    up, down = (cost(np.array([0.2 + d, 0.7, 0.4]), y) for d in (step, -step))
    # A central difference is exact to the square of its step, and rounding adds 1e-16 over the step.
    assert at_first == pytest.approx((up - down) / (2 * step), rel=1e-8)


@pytest.mark.parametrize("dialect", ["delta", "jacobian"])
@pytest.mark.parametrize("format", ["text", "plain", "markdown", "latex", "html", "json"])
def test_every_format_writes_it(dialect, format):
    net = cr.nn.Sequential(cr.nn.Linear(2, 3, rng=0), cr.nn.Tanh(), cr.nn.Linear(3, 2, rng=1))
    loss = cr.nn.CrossEntropyLoss()(net(np.array([[0.5, -1.0], [2.0, 0.25]], dtype="f")), [0, 1])
    told = explain(loss, net[0].weight[2, 1], dialect)
    written = getattr(told, format)()
    assert f"{told.gradient:.4g}"[:6].lstrip("-") in written


def test_gradients_of_several_matrices_are_shown_with_their_numbers():
    values = {"A": [[1, 2], [3, 4]], "B": [[0, 1], [1, 0]]}
    short = cr.explain("sum((A @ B)**2)", values=values).text()
    assert all([row in short for row in ("⎡2  4⎤", "⎣6  8⎦", "⎡28  20⎤", "⎣40  28⎦")])


def test_a_softmax_less_a_unit_vector_is_the_gradient_of_a_cross_entropy():
    short = cr.explain("-log(softmax(z)[1])", values={"z": [1.0, 2, 3]}).text()
    assert "∂f/∂z = softmax(z) − 𝐞₂ = " in short
    assert "𝐞₂ is 1 at [1] and 0 elsewhere" in short
