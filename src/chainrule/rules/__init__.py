"""The rule book: every derivative of the project, declared once."""

from __future__ import annotations

from chainrule.rules import composed, fused, linear, pointwise

__all__ = ["composed", "fused", "linear", "pointwise"]
