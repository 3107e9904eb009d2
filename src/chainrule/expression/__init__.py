"""Formulas as they are typed."""

from __future__ import annotations

from chainrule.expression.typed.assignments import Assignments, output_name, read_assignments
from chainrule.expression.typed.functions import usages
from chainrule.expression.typed.given import Given, read_given
from chainrule.expression.typed.parse import parse
from chainrule.expression.typed.parsed import Parsed, Step

__all__ = [
    "Assignments",
    "Given",
    "Parsed",
    "Step",
    "output_name",
    "parse",
    "read_assignments",
    "read_given",
    "usages",
]
