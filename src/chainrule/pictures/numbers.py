"""Numbers as a picture has room for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.maths import Applied, Number, Tree, numeral, unicode
from chainrule.maths.tree import PI

WRITTEN = 3
"""Entries of an array that is written out."""
NONE = "–"
"""What stands for a gradient where no backward pass has been."""


def shown(x: Any, digits: int) -> str:
    """A number, a short array, or the extent of a long one, with its nans counted.

    >>> from chainrule.pictures.numbers import shown
    >>> shown(-1 / 8, 4), shown([1.0, 2.0], 4), shown([[0.5] * 4] * 2, 4)
    ('−0.125', '[1, 2]', '2×4, all 0.5')
    """
    array = np.asarray(x, dtype=np.float64)
    if array.ndim == 0:
        return number(float(array), digits)
    shape = "×".join(map(str, array.shape))
    if array.ndim == 1 and 0 < array.size <= WRITTEN:
        return f"[{', '.join([number(float(entry), digits) for entry in array])}]"
    return f"{shape}, {extent(array, digits)}"


def number(x: float, digits: int) -> str:
    return unicode(numeral(x, digits))


def extent(array: Any, digits: int) -> str:
    """From where to where the entries reach; what is no number is counted."""
    if not array.size:
        return "no entries"
    finite = array[np.isfinite(array)]
    kinds = (("nan", np.isnan(array)), ("∞", array == np.inf), ("−∞", array == -np.inf))
    odd = [(name, int(np.count_nonzero(found))) for name, found in kinds]
    strange = ", ".join([f"{count:,} {name}" for name, count in odd if count])
    if not finite.size:
        return strange
    low, high = number(float(finite.min()), digits), number(float(finite.max()), digits)
    span = f"all {low}" if low == high else f"{low} to {high}"
    return f"{span}; {strange}" if strange else span


def size(x: Any) -> float:
    """The largest entry's size; nan where one is nan."""
    array = np.abs(np.asarray(x, dtype=np.float64))
    return float(np.max(array, initial=0.0))


def rounded(tree: Tree, digits: int) -> Tree:
    """A formula with its constants in so many digits."""
    if isinstance(tree, Number) and tree.text != PI:
        return numeral(float(tree.value), digits)
    if isinstance(tree, Applied):
        return replace(tree, inputs=tuple([rounded(x, digits) for x in tree.inputs]))
    return tree
