"""Formulas: what a computation looks like on paper."""

from __future__ import annotations

from chainrule.expression.formula import Formula, derivative_of, formula_of
from chainrule.expression.typed.assignments import Assignments, read_assignments
from chainrule.expression.typed.functions import known_functions
from chainrule.expression.typed.given import Given, read_given
from chainrule.expression.typed.parse import parse
from chainrule.expression.typed.parsed import Parsed, Step

__all__ = [
    "Assignments",
    "Formula",
    "Given",
    "Parsed",
    "Step",
    "derivative_of",
    "formula_of",
    "known_functions",
    "parse",
    "read_assignments",
    "read_given",
]
