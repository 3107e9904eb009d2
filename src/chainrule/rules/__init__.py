"""The rule book: every derivative of the project, declared once."""

from __future__ import annotations

from chainrule.rules import algebra, composed, einsum, fused, linear, matrix, pointwise

__all__ = ["algebra", "composed", "einsum", "fused", "linear", "matrix", "pointwise"]
