"""Formulas printed, be they trees or, where a dialect still writes it, LaTeX."""

from __future__ import annotations

from chainrule.expression.maths import as_unicode
from chainrule.expression.maths.as_ascii import ascii_of
from chainrule.maths import Tree, latex, plain, unicode
from chainrule.maths.as_boxes import Box, boxes

Ink = Tree | str


def latex_of(x: Ink) -> str:
    """As LaTeX."""
    return x if isinstance(x, str) else latex(x)


def line_of(x: Ink) -> str:
    """In one line of a terminal."""
    return as_unicode.unicode_of(x) if isinstance(x, str) else unicode(x)


def box_of(x: Ink) -> Box:
    """In as many lines of a terminal as it needs."""
    if isinstance(x, str):
        box = as_unicode.sides_of(x)[0]
        return Box(box.lines, box.base)
    return boxes(x)


def plain_of(x: Ink) -> str:
    """As text that a program can read."""
    return ascii_of(x) if isinstance(x, str) else plain(x)
