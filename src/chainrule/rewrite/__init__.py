"""One rewriter, for formulas and programs: a term in a shorter form, and what a term costs."""

from __future__ import annotations

from chainrule.rewrite.cost import Operations, operations
from chainrule.rewrite.simplify import shortest, simplify

__all__ = ["Operations", "operations", "shortest", "simplify"]
