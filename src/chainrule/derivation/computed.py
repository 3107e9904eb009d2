"""Numbers that know what they were computed from, for a page that computes them again when others move.

A number of an explanation is a number of the program, or it is made of such: the contribution of a path is a product
of slopes. While a page is told, those say how, as a tree with numbers for leaves; in an explanation they are floats.
"""

from __future__ import annotations

from collections.abc import Callable

from chainrule.derivation.choices import holding
from chainrule.maths.tree import Computed, Tree

LEAST, MOST, LENGTH = "least", "most", "length"
"""What a number may be of all entries of an array together."""


def computed_by(number: float, make: Callable[[], Tree | str | None]) -> float:
    """The number, which knows what it was computed from while a page is told."""
    return number if holding.get() is None else Computed(number, make)
