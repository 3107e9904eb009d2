"""Formulas and words of a derivation as a terminal spells them, for tests to compare."""

from __future__ import annotations

from typing import Any

from chainrule.derivation.record import Equation
from chainrule.maths import Tree, unicode


def spelled(x: Any) -> Any:
    """Trees, words, equations, and lists and tuples of these and of numbers."""
    if isinstance(x, Tree):
        return unicode(x)
    if isinstance(x, Equation):
        return unicode(x.tree)
    is_words = isinstance(x, tuple) and all(isinstance(part, str | Tree) for part in x)
    if is_words and (any(isinstance(part, str) for part in x) or len(x) == 1):
        return "".join(part if isinstance(part, str) else unicode(part) for part in x)
    if isinstance(x, list | tuple):
        return type(x)(map(spelled, x))
    return x
