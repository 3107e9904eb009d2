"""Many columns at a time: what holds of most columns of a wide table is found for all of them in one go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.library import polars
from chainrule.data.numerals import LARGEST_EXACT, LEADING_ZERO, number_in

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
LEAST_OF_LENGTH = np.array([0.0, 0.0, *10.0 ** np.arange(1, 17)])
"""The least whole number of so many digits; from the last on they are not exact."""

AT_ONCE = 200_000
"""Cells of columns that are looked at in one go: enough of narrow columns, and of long ones each alone."""

SAMPLE = 100
"""Cells by which it is seen of a long column that it does not hold numbers alone."""


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


def evident_numbers(frame: pl.DataFrame, names: Sequence[str], missing: Sequence[str]) -> list[pl.Series]:
    """Those of the named columns of text, as numbers, of which no cell needs a closer look.

    Left for that are columns with anything that programs do not write as a number, spaces around one included, and with
    infinities, zeros before whole numbers, whole numbers that are not exact, numbers that stand for a missing value.
    """
    if not names or not frame.height:
        return []
    chosen, together = only(frame, names), max(1, AT_ONCE // frame.height)
    headers, columns = chosen.columns, chosen.get_columns()
    groups = [slice(i, i + together) for i in range(0, len(columns), together)]
    return [series for part in groups for series in _evident_in(headers[part], columns[part], missing)]


def _evident_in(names: Sequence[str], columns: Sequence[pl.Series], missing: Sequence[str]) -> list[pl.Series]:
    """Those of so many columns of text, as numbers, of which no cell needs a closer look."""
    library = polars()
    if len(columns) == 1:
        first = columns[0].head(SAMPLE)
        if first.cast(library.Float64, strict=False).null_count() > first.null_count():
            return []
    texts = stacked(columns)
    numbers = texts.cast(library.Float64, strict=False)
    values = numbers.to_numpy()
    odd = np.isnan(values)
    if odd.any():
        odd &= texts.is_not_null().to_numpy()
    if not (np.fmin.reduce(values) > -LARGEST_EXACT and np.fmax.reduce(values) < LARGEST_EXACT):
        odd |= np.abs(values) >= LARGEST_EXACT
    for code in filter(np.isfinite, map(number_in, missing)):
        odd |= values == code
    # Codes have more signs than their number has digits, and little else has.
    lengths = texts.str.len_bytes().fill_null(0).to_numpy()
    padded = (values >= 0) & (values < LEAST_OF_LENGTH[np.minimum(lengths, len(LEAST_OF_LENGTH) - 1)])
    padded = np.flatnonzero(padded & (values == np.floor(values)))
    odd[padded] |= texts.gather(padded).str.contains(LEADING_ZERO).to_numpy()
    strange: list[bool] = np.any(odd.reshape(len(columns), -1), axis=1).tolist()
    return [column for column, is_odd in zip(unstacked(numbers, names), strange, strict=True) if not is_odd]


def with_columns(frame: pl.DataFrame, columns: Sequence[pl.Series]) -> pl.DataFrame:
    """The frame with these columns in the place of those of their names."""
    if not columns:
        return frame
    if len(columns) == frame.width:
        return polars().DataFrame(columns)
    new = {column.name: column for column in columns}
    return polars().DataFrame(
        [new.get(name, old) for name, old in zip(frame.columns, frame.get_columns(), strict=True)]
    )


def only(frame: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    """The named columns of a frame, in its order; to choose many by expressions would take polars long."""
    if len(names) == frame.width:
        return frame
    wanted = set(names)
    pairs = zip(frame.columns, frame.get_columns(), strict=True)
    return polars().DataFrame([series for name, series in pairs if name in wanted])


def texts_in(frame: pl.DataFrame) -> list[pl.Series]:
    """The columns of a frame that hold texts."""
    text = polars().String
    return [series for series, dtype in zip(frame.get_columns(), frame.dtypes, strict=True) if dtype == text]


def numbers_where_all_are(frame: pl.DataFrame, names: set[str] | None = None) -> pl.DataFrame:
    """The frame with those columns of text as numbers in which every cell that is not missing is one."""
    library = polars()
    wanted = {series.name for series in texts_in(frame)}
    wanted = wanted if names is None else wanted & names
    if not wanted or not frame.height:
        return frame
    places, columns = [i for i, name in enumerate(frame.columns) if name in wanted], frame.get_columns()
    texts = stacked([columns[i] for i in places])
    numbers = texts.cast(library.Float64, strict=False)
    odd = any_by_column(numbers.is_null() & texts.is_not_null(), len(places))
    for i, series, strange in zip(places, unstacked(numbers, [columns[i].name for i in places]), odd, strict=True):
        if not strange:
            columns[i] = series
    return library.DataFrame(columns)


@dataclass(frozen=True)
class Block:
    """Columns of finite numbers: their `names`, and `values`, shape (rows, columns), float64, nan where one is missing.

    Each has a number at least.
    """

    names: tuple[str, ...]
    values: Array

    @cached_property
    def gaps(self) -> Array:
        """Where a number is missing, shape (rows, columns)."""
        return np.isnan(self.values)

    @cached_property
    def gappy(self) -> Array:
        """Which columns miss a number somewhere."""
        return np.asarray(self.gaps.any(axis=0))

    @cached_property
    def ends(self) -> tuple[Array, Array]:
        """The least and the largest number of each column."""
        return np.fmin.reduce(self.values, axis=0), np.fmax.reduce(self.values, axis=0)

    def part(self, kept: Array) -> Block:
        """Those of the columns that are marked."""
        if kept.all():
            return self
        return Block(
            tuple(name for name, is_kept in zip(self.names, kept, strict=True) if is_kept), self.values[:, kept]
        )


def block_of(frame: pl.DataFrame) -> Block:
    """Those columns of a frame that hold finite numbers or nothing; the others need a closer look."""
    numeric = [name for name, dtype in zip(frame.columns, frame.dtypes, strict=True) if dtype.is_numeric()]
    if not numeric or not frame.height:
        return Block((), np.empty((frame.height, 0)))
    # Each column in one piece, so that sums come out to the bit as those of the column alone.
    values = np.ascontiguousarray(only(frame, numeric).to_numpy().T, np.float64).T
    block = Block(tuple(numeric), values)
    usable = ~np.any(np.isinf(values), axis=0) & ~np.all(block.gaps, axis=0)
    return block.part(usable)


def means_and_scales(values: Array) -> tuple[Array, Array]:
    """The mean and the standard deviation of each column of finite numbers; exactly 0 where all are equal.

    Those that are missing, nan, do not count.
    """
    if not values.size:
        return np.empty(0), np.empty(0)
    columns = np.ascontiguousarray(values.T)
    least: Array = np.fmin.reduce(columns, axis=1)
    most: Array = np.fmax.reduce(columns, axis=1)
    constant = least == most
    gaps = np.isnan(columns)
    counts: Array = len(values) - gaps.sum(axis=1)
    # Squares of numbers far from 1 would overflow or vanish; a power of two changes no digit.
    units = 2.0 ** (np.frexp(np.maximum(-least, most))[1] - 1)
    columns = columns / units[:, None]
    columns[gaps] = 0
    means: Array = columns.sum(axis=1) / counts
    # In place: the numbers of `std`, for which it would take new memory twice.
    columns -= means[:, None]
    columns[gaps] = 0
    scales = np.sqrt(np.square(columns, out=columns).sum(axis=1) / counts)
    return np.where(constant, least, means * units), np.where(constant, 0.0, scales * units)
