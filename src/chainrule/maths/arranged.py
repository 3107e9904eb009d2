"""Arrays that are put together, picked from, or stand among zeros: blocks, indices and unit vectors.

What is given has its looks.
"""

# What settings hold is known only when a formula is printed.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.maths import looks
from chainrule.maths.looks import ZEROS, Looks, beside, call, turned
from chainrule.maths.settings import MOST_ENTRIES, setting, settings_below
from chainrule.maths.tree import Applied, Tree
from chainrule.maths.vectors import as_row, number_first
from chainrule.rules.linear import along_axes


def entry(tree: Applied, x: Tree) -> Looks:
    """Entries by program indices, from 0, in square brackets."""
    return Looks("entry", (x.looks, *map(place, keys_of(tree.given["key"], x.ndim))))


def keys_of(key: Any, axes: int) -> tuple[Any, ...]:
    """An index along each axis, with the axes that an ellipsis stands for: of a column alone it would not be known."""
    keys = key if isinstance(key, tuple) else (key,)
    plain = not any([x is None or isinstance(x, bool) or np.ndim(x) > 1 for x in keys])
    return tuple(along_axes(keys, axes)) if axes and plain and any([x is Ellipsis for x in keys]) else keys


def place(key: Any) -> Looks:
    """One of the indices between square brackets; places of several entries are a list."""
    found = setting(key)
    return Looks("fence", found.parts, "[") if found.kind == "fence" else found


def blocks(axis: int, *parts: Looks) -> Looks:
    """A matrix of what stands below each other along the first axis, or side by side."""
    rows = [(part,) for part in parts] if axis == 0 else [parts]
    return Looks("matrix", tuple([Looks("row", row) for row in rows]))


def joined(tree: Applied, *inputs: Tree) -> Looks:
    """Arrays end to end are blocks of one, and along a new axis its rows or columns; of more axes one is named."""
    if tree.ndim > 2:
        return call(tree.name, *[x.looks for x in inputs], below=settings_below(tree.given))
    axis = tree.given["axis"] % tree.ndim
    are_rows = tree.name == "stack" and tree.ndim == 2 and axis == 0
    return blocks(axis, *[as_row(x) if are_rows else x.looks for x in inputs])


def padded(tree: Applied, x: Tree) -> Looks | None:
    """A vector between zeros."""
    before = zeros_before(tree.given["pad_width"]) if tree.ndim == 1 else None
    return None if before is None else blocks(0, *zeros(before), x.looks, *zeros(tree.size - before - x.size))


def zeros_before(width: Any) -> int | None:
    """How many zeros a vector that is padded so gets before it; None for widths by axis."""
    found = np.asarray(width) if not isinstance(width, dict) else np.zeros(0)
    return int(found.flat[0]) if found.size in (1, 2) else None


def zeros(count: int) -> tuple[Looks, ...]:
    """So many zeros as a block, if there are any."""
    return () if count == 0 else (looks.digits("0") if count == 1 else ZEROS,)


def scattered(tree: Applied, x: Tree) -> Looks | None:
    """What stands among zeros: times unit vectors, or as a block between blocks of zeros."""
    match axes := among_zeros(tree):
        case (int(), *rest) if not x.shape:
            units = [unit(axes[0]), *[turned(unit(i)) for i in rest]]
            if x.looks == looks.digits("-1"):
                return Looks("neg", (beside(*units),))
            return beside(*([] if x.looks == looks.digits("1") else number_first(x)), *units)
        case (int(i), None):
            return beside(unit(i), as_row(x))
        case (None, int(i)):
            return beside(x.looks, turned(unit(i)))
        case (list(places), *_):
            return beside(blocks(1, *map(unit, places)), x.looks)
        case (None, list(places)):
            return beside(x.looks, turned(blocks(1, *map(unit, places))))
        case (range() as kept, *_) | (None, range() as kept):
            axis = 0 if axes[0] is kept else 1
            return blocks(axis, *zeros(kept.start), x.looks, *zeros(tree.shape[axis] - kept.stop))
        case _:
            return None


def among_zeros(tree: Applied) -> tuple[Any, ...]:
    """Where something stands in a vector or matrix of zeros: by axis one place, some, a range, or None for all.

    Nothing where it is scattered otherwise.
    """
    keys = keys_of(tree.given["key"], tree.ndim)
    if len(keys) > tree.ndim or tree.ndim > 2:
        return ()
    found = (*map(along_axis, keys, tree.shape), *[None] * (tree.ndim - len(keys)))
    several = sum([isinstance(x, list | range) for x in found])
    alone = not several or not any([type(x) is int for x in found])
    known = all([x is not False for x in found])
    return found if several < 2 and alone and known else ()


def along_axis(key: Any, size: int) -> Any:
    """The place, places or range that an index means along an axis; None for all of it, and False for anything else."""
    if type(key) is int:
        return key % size
    if isinstance(key, slice):
        meant = range(size)[key]
        if meant.step == 1:
            return None if len(meant) == size else meant
        return list(meant) if len(meant) <= MOST_ENTRIES else False
    if isinstance(key, np.ndarray) and key.ndim == 1 and key.dtype.kind in "iu" and key.size <= MOST_ENTRIES:
        return [int(i) % size for i in key]
    return False


def units_in(tree: Applied) -> list[tuple[int, int]]:
    """The unit vectors by which an array among zeros is written: the place and the length of each."""
    sized = zip(among_zeros(tree), tree.shape, strict=False)
    return [(i, n) for x, n in sized for i in (x if isinstance(x, list) else [x] if type(x) is int else [])]


def unit(place: int) -> Looks:
    """A unit vector; the places of letters below count from 1, as those of entries there do."""
    return Looks("sub", (looks.name("𝐞"), looks.digits(str(place + 1))))
