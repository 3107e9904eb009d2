"""Large instructions in parts, for threads to share out.

Each part writes apart from the others, and computes its entries as the whole would, to the last bit: how many threads
there are changes no number.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from chainrule.core.place import Place, Range
from chainrule.named import NamedTuple

VARIABLES = "CHAINRULE_THREADS", "OMP_NUM_THREADS"
"""What says in the environment how many threads may work at a time; the first that is set counts."""

WORTH_SHARING = 25_000.0
"""In an instruction with less work than this, counted as plans do, a thread would wait longer than it works."""

PANEL_BYTES = 128
"""Of a product's right factor, for each entry of the inner axis: two vectors of the widest kind."""

FEW_ROWS = 16
"""The sums of a product with no more rows may be in another order."""


MOST_THREADS = 257
"""One that calls, and those that the machine begins beside it at most (machine/threads.h)."""


def threads_set(variables: Sequence[str]) -> int | None:
    """How many the environment asks for, by the first of these variables that is a number; None where none is."""
    for variable in variables:
        setting = os.environ.get(variable, "").split(",")[0]
        if setting.isdecimal() and int(setting):
            return int(setting)
    return None


def threads() -> int:
    """How many may work at a time: as the environment says, else one for each processor that this process may use."""
    find: Callable[[int], Any] | None = getattr(os, "sched_getaffinity", None)
    wanted = threads_set(VARIABLES) or (len(find(0)) if find is not None else os.cpu_count() or 1)
    return min(wanted, MOST_THREADS)


def parts_for(work: float) -> int:
    """In how many parts so much work is shared out."""
    worth = int(work / WORTH_SHARING)
    return 1 if worth < 2 else min(threads(), worth)


def ranges(size: int, parts: int, step: int = 1) -> list[Range]:
    """So many entries in ranges about as long as each other, which begin at multiples of a step."""
    blocks = -(-size // step)
    parts = max(1, min(parts, blocks))
    return list(pairwise([min(size, blocks * k // parts * step) for k in range(parts + 1)]))


class Batch(NamedTuple):
    """How many products there are, and how far apart their factors and results lie, in entries."""

    count: int = 1
    x: int = 0
    y: int = 0
    out: int = 0


class Product(NamedTuple):
    """What a product of matrices reads and writes; batches are innermost first."""

    x: Place
    y: Place
    out: Place
    added: Place | None
    mask: Place | None
    batches: tuple[Batch, ...]

    def rows(self, within: Range) -> Product:
        added = self.added.part(0, within) if self.added is not None and len(self.added.shape) == 2 else self.added
        mask = None if self.mask is None else self.mask.part(0, within)
        return self._replace(x=self.x.part(0, within), out=self.out.part(0, within), added=added, mask=mask)

    def columns(self, within: Range) -> Product:
        added, mask = [None if p is None else p.part(-1, within) for p in (self.added, self.mask)]
        return self._replace(y=self.y.part(1, within), out=self.out.part(1, within), added=added, mask=mask)

    def some(self, which: int, within: Range) -> Product:
        """Some of one of its batches."""
        start, stop = within
        batch = self.batches[which]
        batches = [b._replace(count=stop - start) if k == which else b for k, b in enumerate(self.batches)]
        x, y, out = self.x.after(start * batch.x), self.y.after(start * batch.y), self.out.after(start * batch.out)
        return self._replace(x=x, y=y, out=out, batches=tuple(batches))

    def parts(self, count: int) -> list[Product]:
        """In parts of about the same size: by batches, columns or rows, whichever of them come out most even."""
        if count == 1:
            return [self]
        (rows, columns), panel = self.out.shape, PANEL_BYTES // self.out.dtype.itemsize
        ways = [
            *[[self.some(k, r) for r in ranges(b.count, count)] for k, b in reversed(list(enumerate(self.batches)))],
            [self.columns(r) for r in ranges(columns, count, panel)] if columns % panel != 1 else [self],
            [self.rows(r) for r in ranges(rows, count)] if rows <= FEW_ROWS or rows // count > FEW_ROWS else [self],
        ]
        return min(ways, key=lambda parts: max([part.size for part in parts]))

    @property
    def size(self) -> int:
        return self.out.size * math.prod([batch.count for batch in self.batches])


def side_by_side(places: Sequence[Place], count: int) -> list[list[Place]]:
    """Places that are gone through side by side along their first axis, in so many ranges of it."""
    return [[p.part(0, r) for p in places] for r in ranges(places[0].shape[0], count)]
