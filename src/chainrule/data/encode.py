"""From columns of text to arrays of numbers, with a word on everything that was missing or new."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from chainrule.data import dates
from chainrule.data.block import (
    IN_CACHE,
    Block,
    block_of,
    numbers_where_all_are,
    stacked,
    texts_in,
    unstacked,
    with_columns,
)
from chainrule.data.columns import Categories, Column, Columns, Dates, Embedded, Hashed, Numbers
from chainrule.data.library import polars
from chainrule.data.notes import Note
from chainrule.data.numerals import hint
from chainrule.data.words import MISSING, UNKNOWN, places_among
from chainrule.errors import DataError, meant
from chainrule.kinds import Array
from chainrule.printable import printable

if TYPE_CHECKING:
    import polars as pl

UNSEEN = "unseen in training"
COLUMNS_AT_ONCE = 256
"""Columns of numbers that are written in one go."""

GAPS, DATE_GAPS = "miss values, and the mean of each stands in", "miss values, and the mean date of each stands in"
KIND_GAPS = "miss values, and all their features are 0 there"
NO_DATES = "have cells that are no dates as their others are, and count as missing"
EXTRA = "were not there in training and are ignored"
"""What is told of many columns at once."""

MOST_BYTES = 2**34
"""Of all features together."""


def as_texts(data: Any, columns: Columns) -> tuple[pl.DataFrame, Array]:
    """A frame, or columns by name, with tidy texts and nulls for what is missing, and the numbers of its rows."""
    library = polars()
    try:
        frame: pl.DataFrame = data if isinstance(data, library.DataFrame) else library.DataFrame(data, strict=False)
    except (library.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"encode takes a frame, or lists of one length by name, as {{'age': [31]}}: {error}") from error
    known = {column.name: column for column in columns.features}
    for series in frame:
        _refuse_lost(series, data)
        if series.dtype == library.Boolean and series.name in known:
            frame = frame.with_columns(_spelled_truths(series, known[series.name]))
    return columns.spelling.plain(tidy(frame, columns.missing)), np.arange(1, frame.height + 1)


def _refuse_lost(series: pl.Series, data: Any) -> None:
    """What polars cannot hold must not pass for missing: it gives null for it, without a word."""
    given: Any = cast("Mapping[str, Any]", data)[series.name] if isinstance(data, Mapping) else None
    if isinstance(given, list | tuple):
        for place in np.flatnonzero(series.is_null().to_numpy()).tolist():
            value = cast("Sequence[Any]", given)[place]
            if value is not None and not isinstance(value, float):
                raise DataError(
                    f"column {series.name!r}, row {place + 1}: this {type(value).__name__} is too large for a number, "
                    "or of another kind than the rest of its column"
                )


def _spelled_truths(series: pl.Series, column: Column) -> pl.Series:
    """True and False as the table that was learned from has them."""
    if not isinstance(column, Categories):
        return series.cast(polars().Int8)
    spelled = {str(category).casefold(): str(category) for category in column.categories}
    words = {truth: spelled.get(truth, truth) for truth in ("true", "false")}
    return series.cast(polars().String).replace(words)


def tidy(frame: pl.DataFrame, missing: Sequence[str]) -> pl.DataFrame:
    """Numbers stay; all else becomes text without spaces around it, null where it stands for a missing value."""
    columns = [frame.to_series(place) for place, dtype in enumerate(frame.dtypes) if not dtype.is_numeric()]
    if not columns:
        return frame
    texts = stacked([_text_of(series) for series in columns]).str.strip_chars()
    texts = texts.set(texts.is_in(["", *missing]), None)
    return with_columns(frame, unstacked(texts, [series.name for series in columns]))


def _text_of(series: pl.Series) -> pl.Series:
    library = polars()
    if series.dtype == library.String:
        return series
    if not series.dtype.is_nested():
        with suppress(library.exceptions.PolarsError):
            return series.cast(library.String)
    raise DataError(f"column {series.name!r} holds {series.dtype}: each example has one number or one text there")


def features_of(
    frame: pl.DataFrame, columns: Columns, rows: Array, dtype: np.dtype[Any], block: Block | None = None
) -> tuple[Array, list[str]]:
    """The features, shape (rows, features), and notes on what was missing, unseen or extra.

    `block` is of numbers of the frame, where one is known.
    """
    there, known = dict.fromkeys(frame.columns), {column.name for column in columns.features}
    for column in columns.features:
        if column.name not in there:
            raise DataError(f"the column {column.name!r} is missing{meant(column.name, set(there) - known)}")
    used = {*known, columns.target.name, *columns.left_out}
    notes: list[str] = [
        Note(f"column {name!r} was not there in training and is ignored", name, EXTRA)
        for name in there
        if name not in used
    ]
    places: dict[str, slice] = {}
    end = 0
    for column in columns.features:
        places[column.name] = slice(end, end := end + len(column.feature_names))
    if (size := frame.height * end * dtype.itemsize) > MOST_BYTES:
        raise DataError(
            f"{frame.height:,} rows of {end:,} features would take {size / 1e9:,.1f} GB: leave out columns of many "
            "categories with ignore=, or give a lower max_categories="
        )
    x = np.zeros((frame.height, end), dtype)
    numbers = {column.name: column for column in columns.features if isinstance(column, Numbers)}
    block = block_of(numbers_where_all_are(frame, set(numbers)), block)
    block = block.part(np.array([name in numbers for name in block.names], bool))
    written = _write_numbers_together(x, block, numbers, places, rows, standardized=columns.standardized)
    written |= _write_categories_together(x, frame, columns, places, rows)
    for column in columns.features:
        if column.name in written:
            notes += written[column.name]
        else:
            series, into = frame[column.name], x[:, places[column.name]]
            notes += _write(into, series, column, columns.standardized, rows)
            if column.flag:
                into[:, -1] = gaps_in(series, column)
    return x, notes


def _write_numbers_together(
    x: Array,
    block: Block,
    numbers: Mapping[str, Numbers],
    places: Mapping[str, slice],
    rows: Array,
    *,
    standardized: bool,
) -> dict[str, list[str]]:
    """Fill in the columns of numbers that fit the dtype, and tell of each what was missing; the others come alone."""
    if not block.names:
        return {}
    means = np.array([numbers[name].mean for name in block.names])
    scales = np.array([numbers[name].scale for name in block.names])
    none = np.zeros(len(means))
    shifts, units, fillings = (means, scales, none) if standardized else (none, none + 1, means)
    ends = [(end - shifts) / units for end in block.ends]
    largest = np.finfo(x.dtype).max
    fits = (ends[0] >= -largest) & (ends[1] <= largest)
    block = block.part(fits)
    filled = (shifts[fits], units[fits], fillings[fits])
    _write_block(x, block, np.array([places[name].start for name in block.names], int), *filled)
    notes: dict[str, list[str]] = {name: [] for name in block.names}
    for name, gaps in block.rows_of_gaps().items():
        notes[name] = _note_on_mean(numbers[name], gaps, rows)
        if numbers[name].flag:
            x[gaps, places[name].start + 1] = 1
    return notes


def _write_block(x: Array, block: Block, features: Array, shifts: Array, units: Array, fillings: Array) -> None:
    """Fill in features that are the columns of a block, shifted and scaled, with something in the place of gaps."""
    columns = block.values.T
    for begin in range(0, len(columns), COLUMNS_AT_ONCE):
        some = slice(begin, begin + COLUMNS_AT_ONCE)
        into, is_gappy = features[some], bool(block.gappy[some].any())
        if into[-1] - into[0] == len(into) - 1:
            # Side by side, as they mostly are, they are written in far less time.
            into = slice(into[0], into[-1] + 1)
        together = max(1, IN_CACHE // len(units[some]))
        for rows in [slice(row, row + together) for row in range(0, len(x), together)]:
            part = (columns[some, rows] - shifts[some, None]) / units[some, None]
            if is_gappy:
                np.copyto(part, fillings[some, None], where=np.isnan(part))
            x[rows, into] = part.T


def _write_categories_together(
    x: Array, frame: pl.DataFrame, columns: Columns, places: Mapping[str, slice], rows: Array
) -> dict[str, list[str]]:
    """Fill in the columns of texts that are categories, and tell of each what was missing or unseen."""
    cells = {series.name: series for series in texts_in(frame)}
    features = [
        column
        for column in columns.features
        if column.name in cells and isinstance(column, Categories) and isinstance(column.categories[0], str)
    ]
    found = places_among([column.categories for column in features], [cells[column.name] for column in features])
    begins = np.array([places[column.name].start for column in features], int)
    filled, which = np.nonzero(found >= 0)
    x[filled, begins[which] + found[filled, which]] = 1
    odd: list[bool] = np.any(found < 0, axis=0).tolist()
    notes: dict[str, list[str]] = {}
    for column, codes, is_odd in zip(features, found.T, odd, strict=True):
        if is_odd and column.flag:
            x[:, places[column.name].stop - 1] = codes == MISSING
        notes[column.name] = _notes_on_categories(cells[column.name], column, codes, rows) if is_odd else []
    return notes


def gaps_in(series: pl.Series, column: Column) -> Array:
    """Which rows have nothing there: a date that cannot be read counts as missing."""
    cells = dates.moments(series, column.form) if isinstance(column, Dates) else series
    gaps = cells.is_null() | cells.is_nan().fill_null(True) if cells.dtype.is_float() else cells.is_null()
    return gaps.to_numpy()


def _write(into: Array, series: pl.Series, column: Column, standardized: bool, rows: Array) -> list[str]:
    """Fill in the features of one column, and tell what was missing or unseen."""
    if isinstance(column, Numbers):
        return _write_numbers(into[:, 0], series, column, standardized, rows)
    if isinstance(column, Dates):
        return _write_dates(into, series, column, standardized, rows)
    if isinstance(column, Embedded):
        codes = codes_of(series, column.texts)
        into[:, 0] = np.maximum(codes + 1, 0)
    else:
        codes = drawers_of(series, column) if isinstance(column, Hashed) else codes_of(series, column.categories)
        filled = np.flatnonzero(codes >= 0)
        into[filled, codes[filled]] = 1
    return _notes_on_categories(series, column, codes, rows)


def target_of(frame: pl.DataFrame, columns: Columns, rows: Array, dtype: np.dtype[Any]) -> Array:
    """Class numbers, shape (rows,), int64, or numbers, shape (rows, 1); none may be missing here."""
    target = columns.target
    series = frame[target.name]
    if isinstance(target, Numbers):
        return _scaled(series, target, columns.standardized, rows, dtype)[:, None]
    codes = codes_of(series, target.categories)
    unseen = np.flatnonzero(codes == UNKNOWN)
    if len(unseen):
        first = unseen[0]
        raise DataError(
            f"column {target.name!r}, row {rows[first]}: {str(series[int(first)])!r} is none of the classes "
            f"{listing(target.categories)}"
        )
    return codes


def numbers_of(series: pl.Series, rows: Array) -> Array:
    """A column as float64, nan where a number is missing; text and infinities are refused with their row."""
    parsed = parse(series)
    wrong = np.flatnonzero(no_number(series))
    if len(wrong):
        raise DataError(not_a_number(series, wrong, rows))
    return _finite(parsed.to_numpy().astype(np.float64), series, rows)


def logs_of(values: Array, series: pl.Series, rows: Array) -> Array:
    """The logarithm of every number; one that has none is refused with its row."""
    wrong = np.flatnonzero(values <= 0)
    if len(wrong):
        text = f"{values[wrong[0]]:.6g}"
        raise DataError(
            f"column {series.name!r}, row {rows[wrong[0]]}: {text} has no logarithm: learn the numbers themselves, "
            "without log_target="
        )
    return np.log(values)


def no_number(series: pl.Series) -> Array:
    """Which cells are neither missing nor a number."""
    parsed = parse(series)
    if parsed.null_count() == series.null_count():
        return np.zeros(len(series), bool)
    return (parsed.is_null() & series.is_not_null()).to_numpy()


def not_a_number(series: pl.Series, places: Array, rows: Array, so: str = "") -> str:
    """Names the first of the cells that are no numbers, and what to do about them."""
    text = str(series[int(places[0])])
    more = f" (and {len(places) - 1:,} more)" if len(places) > 1 else ""
    cure = hint(text) or "texts that stand for a missing value can be named with missing="
    return f"column {series.name!r}, row {rows[places[0]]}: {text!r} is not a number{more}{so}; {cure}"


def parse(series: pl.Series) -> pl.Series:
    """The column as numbers, null where it has none."""
    return series.cast(polars().Float64, strict=False)


def codes_of(series: pl.Series, known: Sequence[str] | Sequence[float]) -> Array:
    """The number of each row's category, or what stands for one that is missing or unknown."""
    if not len(known) or isinstance(known[0], str):
        return places_among([known], [series.cast(polars().String)])[:, 0]
    codes = places_among([known], [parse(series)])[:, 0]
    codes[no_number(series)] = UNKNOWN
    return codes


def drawers_of(series: pl.Series, column: Hashed) -> Array:
    """The place of each row's drawer, or what stands for a text that is missing or of a drawer never used."""
    numbers = drawer_numbers(series, column.size)
    codes = np.where(numbers >= 0, UNKNOWN, MISSING)
    for code, drawer in enumerate(column.drawers):
        codes[numbers == drawer] = code
    return codes


def drawer_numbers(series: pl.Series, size: int) -> Array:
    """Into which drawer each text falls, by a checksum that is the same everywhere; −1 where it is missing."""
    texts = series.cast(polars().String)
    drawers = {text: zlib.crc32(text.encode()) % size for text in texts.drop_nulls().unique()}
    return np.array([-1 if text is None else drawers[text] for text in texts], int)


def listing(things: Sequence[Any], most: int = 8) -> str:
    """The first few, separated by commas."""
    return ", ".join([printable(str(thing)) for thing in things[:most]]) + (
        f", … ({len(things)} in all)" if len(things) > most else ""
    )


def where(places: Array, rows: Array) -> str:
    """Names the rows: ``row 3`` or ``rows 3, 9, 12, …``."""
    first = ", ".join(map(str, rows[places[:3]].tolist()))
    return f"row {first}" if len(places) == 1 else f"rows {first}{', …' if len(places) > 3 else ''}"


def _write_numbers(into: Array, series: pl.Series, column: Numbers, standardized: bool, rows: Array) -> list[str]:
    values = _scaled(series, column, standardized, rows, into.dtype)
    gaps = np.flatnonzero(np.isnan(values))
    values[gaps] = 0 if standardized else column.mean
    into[:] = values
    return _note_on_mean(column, gaps, rows)


def _scaled(series: pl.Series, column: Numbers, standardized: bool, rows: Array, dtype: np.dtype[Any]) -> Array:
    """What a network sees of a column, nan where a number is missing; what does not fit the dtype is refused."""
    values = numbers_of(series, rows)
    if column.log:
        values = logs_of(values, series, rows)
    if standardized:
        values = (values - column.mean) / column.scale
    with np.errstate(over="ignore"):
        return _finite(values.astype(dtype), series, rows)


def _note_on_mean(column: Numbers, gaps: Array, rows: Array) -> list[str]:
    return [_gap(column, gaps, rows, f"the mean, {column.mean:.6g}, stands in", GAPS)] if len(gaps) else []


def _write_dates(into: Array, series: pl.Series, column: Dates, standardized: bool, rows: Array) -> list[str]:
    values = dates.numbers_in(series, column.form, [part.name for part in column.parts], column.since)
    gaps = np.flatnonzero(gaps_in(series, column))
    for i, part in enumerate(column.parts):
        values[gaps, i] = part.mean
        into[:, i] = (values[:, i] - part.mean) / part.scale if standardized else values[:, i]
    odd = dates.no_date(series, column.form)
    notes = [Note(not_a_date(series, odd, rows), series.name, NO_DATES)] if len(odd) else []
    return [*notes, *([_gap(column, gaps, rows, "the mean date stands in", DATE_GAPS)] if len(gaps) else [])]


def not_a_date(series: pl.Series, places: Array, rows: Array) -> str:
    """Names the first of the cells that are no dates in a column of them."""
    more = f" (and {len(places) - 1:,} more)" if len(places) > 1 else ""
    return (
        f"column {series.name!r}, row {rows[places[0]]}: {str(series[int(places[0])])!r} is no date as the others "
        f"are{more}, and counts as missing"
    )


def _notes_on_categories(
    series: pl.Series, column: Categories | Hashed | Embedded, codes: Array, rows: Array
) -> list[str]:
    notes: list[str] = []
    gaps, unseen = np.flatnonzero(codes == MISSING), np.flatnonzero(codes == UNKNOWN)
    if len(gaps):
        notes.append(_gap(column, gaps, rows, "all its features are 0 there", KIND_GAPS))
    if len(unseen):
        text = str(series[int(unseen[0])])
        told = (
            f"column {column.name!r}, {where(unseen, rows)}: {UNSEEN}, as {text!r} (known are {_known(column)}); "
            "all its features are 0 there"
        )
        notes.append(Note(told, column.name, f"have values {UNSEEN}, for which all their features are 0"))
    return notes


def _known(column: Categories | Hashed | Embedded) -> str:
    if isinstance(column, Hashed):
        return f"texts in {len(column.drawers)} of {column.size} drawers"
    return listing(column.texts if isinstance(column, Embedded) else column.categories)


def _gap(column: Column, gaps: Array, rows: Array, cure: str, kind: str) -> Note:
    cure += ", and a feature says so" * column.flag
    told = f"column {column.name!r} misses {len(gaps):,} of {len(rows):,} values ({where(gaps, rows)}): {cure}"
    return Note(told, column.name, kind)


def _finite(values: Array, series: pl.Series, rows: Array) -> Array:
    wrong = np.flatnonzero(np.isinf(values))
    if len(wrong):
        text = str(series[int(wrong[0])])
        raise DataError(
            f"column {series.name!r}, row {rows[wrong[0]]}: {text!r} is infinite or too large for {values.dtype}: "
            "mend or remove the row, or leave the column out with ignore="
        )
    return values
