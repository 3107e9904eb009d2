"""Many columns at a time: what holds of most columns of a wide table is found for all of them in one go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from chainrule.data.library import polars
from chainrule.data.numerals import LARGEST_EXACT, LEADING_ZERO, number_in
from chainrule.kinds import Array

if TYPE_CHECKING:
    import polars as pl

LEAST_OF_LENGTH = np.array([0.0, 0.0, *10.0 ** np.arange(1, 17)])
"""The least whole number of so many digits; from the last on they are not exact."""

AT_ONCE = 200_000
"""Cells of columns that are looked at in one go: enough of narrow columns, and of long ones each alone."""

IN_CACHE = 1 << 15
"""Numbers that are measured in one go: they stay in a processor's cache."""

FEW_DROPPED = 8
"""Up to so many columns are dropped from a frame one by one, rather than making a frame of the others."""

SMALLEST, LARGEST = 1e-100, 1e100
"""Numbers up to whose squares float64 reaches, from both sides."""

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
    places = {name: place for place, name in enumerate(frame.columns)}
    changed = frame.clone()
    for column in columns:
        changed.replace_column(places[column.name], column)
    return changed


def only(frame: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    """The named columns of a frame, in its order; to choose many by expressions would take polars long."""
    if len(names) == frame.width:
        return frame
    wanted, known = set(names), frame.columns
    if frame.width - len(wanted) > FEW_DROPPED:
        return polars().DataFrame([frame.to_series(place) for place, name in enumerate(known) if name in wanted])
    rest = frame.clone()
    for name in known:
        if name not in wanted:
            rest.drop_in_place(name)
    return rest


def texts_in(frame: pl.DataFrame) -> list[pl.Series]:
    text = polars().String
    return [frame.to_series(place) for place, dtype in enumerate(frame.dtypes) if isinstance(dtype, text)]


def numbers_where_all_are(frame: pl.DataFrame, names: set[str] | None = None) -> pl.DataFrame:
    """The frame with those columns of text as numbers in which every cell that is not missing is one."""
    library = polars()
    wanted = {series.name for series in texts_in(frame)}
    wanted = wanted if names is None else wanted & names
    if not wanted or not frame.height:
        return frame
    chosen = [name for name in frame.columns if name in wanted]
    texts = stacked([frame[name] for name in chosen])
    numbers = texts.cast(library.Float64, strict=False)
    odd = any_by_column(numbers.is_null() & texts.is_not_null(), len(chosen))
    if all(odd):
        return frame
    found = unstacked(numbers, chosen)
    return with_columns(frame, [series for series, strange in zip(found, odd, strict=True) if not strange])


@dataclass(frozen=True)
class Measures:
    """Of each of some columns: how many `gaps` it has, the ends of its numbers, their mean and deviation, and more.

    The deviation is exactly 0 where all are equal. A column of nothing but gaps, or with infinities, has nan.
    """

    gaps: Array
    least: Array
    most: Array
    means: Array
    scales: Array
    whole: Array
    """Whether all of its numbers are whole."""

    @classmethod
    def of(cls, values: Array) -> Measures:
        """Those of numbers of shape (rows, columns), float64, nan where one is missing."""
        columns = np.ascontiguousarray(values.T)
        found = np.empty((6, len(columns)))
        together = max(1, IN_CACHE // max(len(values), 1))
        # What is not finite is so in the end, and needs no word on the way.
        with np.errstate(all="ignore"):
            for begin in range(0, len(columns), together):
                found[:, begin : begin + together] = _measured(columns[begin : begin + together])
        gaps, least, most, means, scales, whole = found
        return cls(gaps.astype(int), least, most, means, scales, whole.astype(bool))

    def part(self, kept: Array) -> Measures:
        """Those of the columns that are marked."""
        return Measures(*[getattr(self, each.name)[kept] for each in fields(self)])


def _measured(columns: Array) -> tuple[Array, ...]:
    """Gaps, least, most, mean and deviation of each row of an array."""
    missing = np.isnan(columns)
    gaps = missing.sum(axis=1)
    is_gappy = bool(gaps.any())
    least: Array = (np.fmin if is_gappy else np.minimum).reduce(columns, axis=1)
    most: Array = (np.fmax if is_gappy else np.maximum).reduce(columns, axis=1)
    counts, sizes = columns.shape[1] - gaps, np.maximum(-least, most)
    # Squares of numbers far from 1 would overflow or vanish; a power of two changes no digit.
    units = np.where((sizes > SMALLEST) & (sizes < LARGEST), 1.0, 2.0 ** (np.frexp(sizes)[1] - 1))
    is_scaled = bool((units != 1.0).any())
    work = columns / units[:, None] if is_scaled else columns.copy() if is_gappy else columns
    if is_gappy:
        work[missing] = 0
    means: Array = work.sum(axis=1) / counts
    # In place: the numbers of `std`, for which it would take new memory twice.
    work = np.subtract(work, means[:, None], out=None if work is columns else work)
    if is_gappy:
        work[missing] = 0
    scales = np.sqrt(np.square(work, out=work).sum(axis=1) / counts)
    constant = least == most
    first = columns[:, :1]
    # Of most columns the first number tells.
    whole = ((first == np.floor(first)) | np.isnan(first)).any(axis=1)
    some = columns[whole]
    whole[whole] = ((some == np.floor(some)) | missing[whole]).all(axis=1)
    return gaps, least, most, np.where(constant, least, means * units), np.where(constant, 0.0, scales * units), whole


def means_and_scales(values: Array) -> tuple[Array, Array]:
    """The mean and the standard deviation of each column of finite numbers; exactly 0 where all are equal.

    Those that are missing, nan, do not count.
    """
    found = Measures.of(values)
    return found.means, found.scales


@dataclass(frozen=True)
class Block:
    """Columns of finite numbers: their `names`, and `values`, shape (rows, columns), float64, nan where one is missing.

    Each has a number at least.
    """

    names: tuple[str, ...]
    values: Array
    known: Measures | None = field(default=None, compare=False)
    """Its measures, where they were taken before."""

    @cached_property
    def measures(self) -> Measures:
        """Gaps, ends, means and deviations of its columns."""
        return Measures.of(self.values) if self.known is None else self.known

    @property
    def gappy(self) -> Array:
        """Which columns miss a number somewhere."""
        return self.measures.gaps > 0

    @property
    def ends(self) -> tuple[Array, Array]:
        return self.measures.least, self.measures.most

    def rows_of_gaps(self) -> dict[str, Array]:
        """By name, the rows where each column that misses numbers does."""
        gappy = self.part(self.gappy)
        if not gappy.names:
            return {}
        rows = np.flatnonzero(np.isnan(gappy.values.T)) % len(self.values)
        ends = np.cumsum(gappy.measures.gaps).tolist()
        return {name: rows[i:j] for name, i, j in zip(gappy.names, [0, *ends], ends, strict=False)}

    def part(self, kept: Array) -> Block:
        """Those of the columns that are marked."""
        if kept.all():
            return self
        names, places = tuple(compress(self.names, kept.tolist())), np.flatnonzero(kept)
        # Side by side they need not be copied.
        is_run = len(places) > 0 and places[-1] - places[0] == len(places) - 1
        held = self.values[:, places[0] : places[-1] + 1] if is_run else self.values.T[kept].T
        return Block(names, held, self.measures.part(kept))


def block_of(frame: pl.DataFrame, known: Block | None = None) -> Block:
    """Those columns of a frame that hold finite numbers or nothing; the others need a closer look.

    A block that is `known` of these rows is taken where it has all the frame's numbers.
    """
    numbers = numbers_in(frame) if known is None or not _has_all_of(known, frame) else known
    return numbers.part(np.isfinite(numbers.measures.least) & np.isfinite(numbers.measures.most))


def _has_all_of(known: Block, frame: pl.DataFrame) -> bool:
    numeric = [name for name, dtype in zip(frame.columns, frame.dtypes, strict=True) if dtype.is_numeric()]
    return len(known.values) == frame.height and [*known.names] == numeric


def numbers_in(frame: pl.DataFrame) -> Block:
    """All columns of a frame that hold numbers, those of nothing but gaps and those with infinities too."""
    numeric = [name for name, dtype in zip(frame.columns, frame.dtypes, strict=True) if dtype.is_numeric()]
    if not numeric or not frame.height:
        return Block((), np.empty((frame.height, 0)))
    # Each column in one piece, so that sums come out to the bit as those of the column alone.
    values = np.ascontiguousarray(only(frame, numeric).to_numpy().T, np.float64).T
    return Block(tuple(numeric), values)


def strange_numbers(block: Block, frame: pl.DataFrame, missing: Sequence[str]) -> Array:
    """Which columns of a frame, read as numbers, need a closer look at their texts.

    Those are columns with infinities, with nan as a text, with whole numbers that are not exact, and with numbers that
    stand for a missing value.
    """
    found = block.measures
    strange = (found.most >= LARGEST_EXACT) | (found.least <= -LARGEST_EXACT)
    if found.gaps.any():
        nulls = np.array([series.null_count() for series in only(frame, block.names).get_columns()])
        strange |= found.gaps > nulls
    for code in filter(np.isfinite, map(number_in, missing)):
        strange |= (block.values == code).any(axis=0)
    return strange
