"""Formulas: what a computation looks like on paper."""

from __future__ import annotations

from chainrule.expression.formula import Formula, derivative_of, formula_of

__all__ = ["Formula", "derivative_of", "formula_of"]
