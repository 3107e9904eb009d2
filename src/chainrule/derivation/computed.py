"""Numbers that know what they were computed from, for a page that computes them again when others move.

A number of an explanation is a number of the program, or it is made of such: the contribution of a path is a product
of slopes. While a page is told, those say how, as a tree with numbers for leaves; in an explanation they are floats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.derivation.choices import holding
from chainrule.maths.tree import Computed, Tree

LEAST, MOST, LENGTH = "least", "most", "length"
"""What a number may be of all entries of an array together."""


def computed_by(number: float, make: Callable[[], Tree | str | None]) -> float:
    """The number, which knows what it was computed from while a page is told."""
    return number if holding.get() is None else Computed(number, make)


def all_computed_by(numbers: Any, make: Callable[[int], Tree | str | None]) -> Any:
    """The same of each of several numbers, counted from 0."""
    if holding.get() is None:
        return numbers
    return np.array([computed_by(float(x), lambda k=k: make(k)) for k, x in enumerate(numbers)], dtype=object)
