"""Many columns of texts at a time: which different texts each has, and each cell's place among known ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.data.block import stacked
from chainrule.data.library import polars
from chainrule.kinds import Array

if TYPE_CHECKING:
    import polars as pl

MISSING, UNKNOWN = -1, -2
"""What stands for the place of a text that is missing, and of one that is not known."""

TALL = 10_000
"""Rows from which on a column alone is worth a call of its own."""

FEW = 4_000_000
"""Entries of a table with a place for every text of all columns in each column."""


@dataclass(frozen=True)
class Words:
    """The different `texts` of columns in the order of the alphabet, in how many cells of each `given` there is one."""

    texts: dict[str, tuple[str, ...]]
    given: dict[str, int]


def words_of(columns: Sequence[pl.Series]) -> Words:
    """The different texts of columns of text; of a column that has none, none."""
    names = [series.name for series in columns]
    if not names or not len(columns[0]):
        return Words(dict.fromkeys(names, ()), dict.fromkeys(names, 0))
    library, cells = polars(), stacked(columns)
    if coded := _coded(cells, len(columns)):
        kinds, codes = coded
        counts = np.stack([np.bincount(row, minlength=len(kinds) + 1)[:-1] for row in codes])
        numbers, places = np.nonzero(counts)
        return _parted(names, numbers, [kinds[i] for i in places.tolist()], counts.sum(axis=1))
    different = (
        library.DataFrame({"column": _numbered(columns), "text": cells})
        .drop_nulls()
        .group_by("column", "text")
        .agg(library.len().alias("cells"))
        .sort("column", "text")
    )
    numbers = different["column"].to_numpy()
    given = np.bincount(numbers, different["cells"].to_numpy(), len(names)).astype(int)
    return _parted(names, numbers, different["text"].to_list(), given)


def _parted(names: Sequence[str], numbers: Array, texts: Sequence[str], given: Array) -> Words:
    """The texts of all columns, one after the other, with the number of its column for each."""
    ends = np.searchsorted(numbers, np.arange(1, len(names) + 1)).tolist()
    parts = {name: tuple(texts[begin:end]) for name, begin, end in zip(names, [0, *ends], ends, strict=False)}
    return Words(parts, dict(zip(names, given.tolist(), strict=True)))


def _coded(cells: pl.Series, count: int) -> tuple[list[str], Array] | None:
    """The different texts of so many columns, in order, and of each cell its text's place, or their number for none.

    The places have shape (columns, rows). Where there are too many different texts for a table, nothing.
    """
    library = polars()
    kinds = cells.drop_nulls().unique().sort()
    if len(kinds) * count > FEW or 2 * len(kinds) > len(cells):
        return None
    codes = cells.cast(library.Enum(kinds)).to_physical().cast(library.Int64).fill_null(len(kinds))
    return kinds.to_list(), codes.to_numpy().reshape(count, -1)


def places_among(known: Sequence[Sequence[Any]], columns: Sequence[pl.Series]) -> Array:
    """The place of each cell among what is known of its column, shape (rows, columns), or what stands for it.

    One column may also be of numbers.
    """
    if not columns or not len(columns[0]):
        return np.empty((len(columns[0]) if columns else 0, len(columns)), int)
    library, texts = polars(), stacked(columns)
    coded = _coded(texts, len(columns)) if texts.dtype == library.String else None
    if coded:
        kinds, codes = coded
        index = {text: i for i, text in enumerate(kinds)}
        places = np.full((len(columns), len(kinds) + 1), UNKNOWN)
        places[:, -1] = MISSING
        for i, those in enumerate(known):
            there = [(index[text], place) for place, text in enumerate(those) if text in index]
            if there:
                places[i, [at for at, _ in there]] = [place for _, place in there]
        return np.take_along_axis(places, codes, axis=1).T
    if len(columns) > 1 and len(columns[0]) > TALL:
        pairs = zip(known, columns, strict=True)
        return np.concatenate([places_among([those], [series]) for those, series in pairs], axis=1)
    if len(columns) == 1:
        keys, old = texts, library.Series([*known[0]], dtype=texts.dtype)
    else:
        # One look-up for all: a column's number before a text tells it from the same text of another.
        keys = _numbered(columns).cast(library.String) + ":" + texts
        old = library.Series([f"{i}:{text}" for i, those in enumerate(known) for text in those])
    new = np.concatenate([np.arange(len(those)) for those in known])
    found = keys.replace_strict(old, new, default=UNKNOWN, return_dtype=library.Int64)
    places = found.to_numpy().copy()
    places[texts.is_null().to_numpy()] = MISSING
    return places.reshape(len(columns), -1).T


def _numbered(columns: Sequence[pl.Series]) -> pl.Series:
    """The number of its column for every cell of columns that stand one under the other."""
    return polars().Series(np.repeat(np.arange(len(columns)), len(columns[0])))
