"""Many columns at a time: what holds of most columns of a wide table is found for all of them in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.library import polars

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]


def stacked(columns: Sequence[pl.Series]) -> pl.Series:
    """Columns of one kind, one under the other."""
    return polars().concat([columns[0].alias(""), *columns[1:]], rechunk=True)


def unstacked(long: pl.Series, names: Sequence[str]) -> list[pl.Series]:
    """The columns again that stand one under the other."""
    height = len(long) // len(names)
    return [long.slice(i * height, height).alias(name) for i, name in enumerate(names)]


def any_by_column(marks: pl.Series, count: int) -> list[bool]:
    """Whether a cell of each of so many columns is marked, which stand one under the other."""
    return np.any(marks.fill_null(False).to_numpy().reshape(count, -1), axis=1).tolist()


def numbers_where_all_are(frame: pl.DataFrame, names: set[str] | None = None) -> pl.DataFrame:
    """The frame with those columns of text as numbers in which every cell that is not missing is one."""
    library = polars()
    columns = frame.get_columns()
    places = [
        i for i, one in enumerate(columns) if one.dtype == library.String and (names is None or one.name in names)
    ]
    if not places or not frame.height:
        return frame
    texts = stacked([columns[i] for i in places])
    numbers = texts.cast(library.Float64, strict=False)
    odd = any_by_column(numbers.is_null() & texts.is_not_null(), len(places))
    for i, series, strange in zip(places, unstacked(numbers, [columns[i].name for i in places]), odd, strict=True):
        if not strange:
            columns[i] = series
    return library.DataFrame(columns)


@dataclass(frozen=True)
class Block:
    """Columns of numbers without gaps and infinities: their `names`, and `values`, shape (rows, columns), float64."""

    names: tuple[str, ...]
    values: Array

    def part(self, kept: Array) -> Block:
        """Those of the columns that are marked."""
        return Block(
            tuple(name for name, is_kept in zip(self.names, kept, strict=True) if is_kept), self.values[:, kept]
        )


def block_of(frame: pl.DataFrame, names: Sequence[str]) -> Block:
    """Those of the named columns of a frame that are complete and finite; the others need a closer look."""
    library = polars()
    wanted = set(names)
    columns = [one for one in frame.get_columns() if one.dtype.is_numeric() and one.name in wanted]
    columns = [column for column in columns if not column.null_count()]
    if not columns or not frame.height:
        return Block((), np.empty((frame.height, 0)))
    # Each column in one piece, so that sums come out to the bit as those of the column alone.
    long = stacked([column.cast(library.Float64) if column.dtype != library.Float64 else column for column in columns])
    values = long.to_numpy().reshape(len(columns), -1).T
    block = Block(tuple(column.name for column in columns), values)
    finite = np.all(np.isfinite(values), axis=0)
    return block if np.all(finite) else block.part(np.asarray(finite))


def means_and_scales(values: Array) -> tuple[Array, Array]:
    """The mean and the standard deviation of each column of finite numbers; exactly 0 where all are equal."""
    if not values.size:
        return np.empty(0), np.empty(0)
    columns = np.ascontiguousarray(values.T)
    first, constant = columns[:, 0], columns.min(axis=1) == columns.max(axis=1)
    # Squares of numbers far from 1 would overflow or vanish; a power of two changes no digit.
    units = 2.0 ** (np.frexp(np.abs(columns).max(axis=1))[1] - 1)
    columns = columns / units[:, None]
    means, scales = columns.mean(axis=1) * units, columns.std(axis=1) * units
    return np.where(constant, first, means), np.where(constant, 0.0, scales)
