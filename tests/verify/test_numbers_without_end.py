"""Answers that are no number, and answers without end: told, and soon."""

from __future__ import annotations

import math

import pytest

import chainrule as cr
from chainrule.errors import FormulaError

PROBLEM = "d = a*b; L = d + a"


@pytest.mark.parametrize("answer", [math.inf, -math.inf, math.nan, "1e999"])
def test_an_infinite_answer_is_not_right(answer):
    marked = cr.grade(PROBLEM, answer, wrt="a", values={"a": 2.0, "b": 3.0})
    assert not marked.right


@pytest.mark.parametrize("answer", ["a" * 20_000, "b + " * 5_000 + "1"])
def test_an_answer_longer_than_any_formula_is_refused(answer):
    with pytest.raises(FormulaError, match="characters"):
        cr.grade(PROBLEM, answer, wrt="a")
