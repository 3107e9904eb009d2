"""What of an array is printed: all of it where it is small, else where it is largest and a few words."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.derivation.choices import chosen, holding
from chainrule.derivation.computed import LEAST, LENGTH, MOST, computed_by
from chainrule.derivation.equations import Show
from chainrule.derivation.words import Words, said
from chainrule.maths.numerals import FULL

SMALL = 6
"""Rows and columns of a matrix that is printed whole."""

WRITTEN = 6
"""Entries of an array that is written out."""


def fits(*arrays: Any) -> bool:
    """Whether numbers or arrays have entries, and few enough of them to be printed whole."""
    return all([np.ndim(x) <= 2 and all([0 < n <= SMALL for n in np.shape(x)]) for x in arrays])


def largest(x: Any) -> tuple[int, ...]:
    """The place of the entry that is largest in size; of equals the first."""
    array = np.abs(np.asarray(x, dtype=float))
    place = np.unravel_index(int(np.argmax(np.where(np.isnan(array), -1.0, array))), array.shape)
    return chosen(tuple([int(i) for i in place]), lambda earlier: len(earlier) == len(place))


def described(x: Any) -> Words:
    """A few words for an array that does not fit."""
    array = np.asarray(x, dtype=float)
    shape = " × ".join(map(str, array.shape))
    if not array.size:
        return f"an empty array, {shape}"
    show = Show(4 if holding.get() is None else FULL)
    least, most = [computed_by(float(x), lambda of=of: of) for x, of in ((np.min(array), LEAST), (np.max(array), MOST))]
    return said(f"{shape}, from ", show(least), " to ", show(most), ", length ", show(length_of(array)))


def length_of(array: Any) -> float:
    """The Euclidean length of all entries together."""
    return computed_by(float(np.linalg.norm(array)), lambda: LENGTH)


def is_written(numbers: Any) -> bool:
    return np.size(numbers) <= WRITTEN and np.ndim(numbers) < 3
