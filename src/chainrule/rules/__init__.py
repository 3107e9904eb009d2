"""The rule book: every derivative of the project, declared once."""

from __future__ import annotations

from chainrule.rules import algebra, attention, composed, convolution, einsum, fused, linear, matrix, pointwise

__all__ = ["algebra", "attention", "composed", "convolution", "einsum", "fused", "linear", "matrix", "pointwise"]
