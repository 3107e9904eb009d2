"""One layout on a page of `chainrule grad`: a derivative has the same entries, in the same order, at every place."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from chainrule.derivation.explain import NEAREST
from chainrule.derivation.record import Equation
from chainrule.derivation.typed.answer import Answer, Options
from chainrule.derivation.typed.formula import read_formula
from chainrule.errors import GraphError
from chainrule.maths import plain
from chainrule.maths.tree import has_letters
from chainrule.maths.values import value

QUESTIONS = [
    ("sum((A @ x)**2)", ["A=[[1,2,3],[4,5,6]]", "x=[1,2,3]"]),
    ("sum(sin(A))*sum(x)", ["A=[[1,2],[3,4]]", "x=[1,2,3]"]),
    ("sum(A @ x)", ["A=[[1,2,3]]", "x=[[1],[2],[3]]"]),
    ("0.5*sum((W @ x + b - y)**2)", ["W=[[1,2],[3,4]]", "x=[1,2]", "b=[1,1]", "y=[0,1]"]),
]
DIALECTS = (None, *NEAREST)


def told(text, given, wrt, layout, dialect=None):
    return Answer(read_formula(text, given, wrt), Options(dialect=dialect, layout=layout)).derivation


def numbers_on(derivation):
    """The left side of each equation that ends in numbers, and these."""
    for block in (*derivation.short, *derivation.story):
        if isinstance(block, Equation) and block.numbers and not has_letters(block.sides[-1]):
            yield plain(block.sides[0]), np.asarray(value(block.sides[-1], {}))


@pytest.mark.parametrize("layout", [None, "numerator", "denominator"])
@pytest.mark.parametrize(("text", "given"), QUESTIONS)
def test_a_derivative_has_its_entries_in_one_order(text, given, layout):
    pages = 0
    for wrt in [x.partition("=")[0] for x in given]:
        for dialect in DIALECTS:
            with suppress(GraphError):
                first = {}
                for name, numbers in numbers_on(told(text, given, wrt, layout, dialect)):
                    np.testing.assert_allclose(numbers.ravel(), first.setdefault(name, numbers).ravel(), rtol=1e-4)
                assert f"df_d{wrt}" in first
                pages += 1
    assert pages > len(given)


def test_a_matrix_turned_by_the_numerator_layout_is_called_the_transpose():
    page = told(*QUESTIONS[0], "A", "numerator")
    found = dict(numbers_on(page))
    np.testing.assert_array_equal(found["df_dA.T"], [[28, 64], [56, 128], [84, 192]])
    np.testing.assert_array_equal(found["df_dA"], [[28, 56, 84], [64, 128, 192]])
    assert dict(numbers_on(told(*QUESTIONS[0], "A", None)))["df_dA"].tolist() == found["df_dA"].tolist()


def test_a_gradient_with_more_axes_has_no_transpose():
    found = dict(numbers_on(told("sum(A**2)", ["A=[[[1,2],[3,4]]]"], "A", "numerator")))
    assert not [name for name in found if name.endswith(".T")]
