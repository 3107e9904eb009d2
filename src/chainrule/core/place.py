"""Where entries lie in the memory of a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.named import NamedTuple

Range = tuple[int, int]
"""From the first to behind the last."""


class Place(NamedTuple):
    """Where entries lie: a piece of memory, bytes into it, extents, and strides in entries."""

    memory: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def contiguous(self) -> bool:
        """Whether the entries follow each other in their order."""
        wanted = steps_of(self.shape)
        return all([n == 1 or s == w for n, s, w in zip(self.shape, self.strides, wanted, strict=True)])

    @property
    def at(self) -> tuple[int, int]:
        """The memory and the bytes, as instructions have them."""
        return self.memory, self.offset

    def rows(self, count: int) -> Place:
        """The same entries, which follow each other, in so many rows."""
        columns = self.size // max(1, count)
        return self._replace(shape=(count, columns), strides=(columns, 1))

    def after(self, entries: int) -> Place:
        """The same layout so many entries further on."""
        return self._replace(offset=self.offset + entries * self.dtype.itemsize)

    def part(self, axis: int, within: Range) -> Place:
        """What lies in a range of one axis."""
        start, stop = within
        axis %= len(self.shape)
        shape = (*self.shape[:axis], stop - start, *self.shape[axis + 1 :])
        return self.after(start * self.strides[axis])._replace(shape=shape)


def steps_of(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides, in entries, of an array whose entries follow each other."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))
