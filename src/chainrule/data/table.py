"""Tables from CSV and TSV files, ready for a network, with the columns that made them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import DTypeLike

from chainrule.data.block import Block, block_of, evident_numbers, numbers_in, only, strange_numbers, with_columns
from chainrule.data.columns import Columns, Numbers, Task
from chainrule.data.dates import format_of, moments, no_date
from chainrule.data.encode import (
    UNSEEN,
    as_texts,
    features_of,
    listing,
    no_number,
    not_a_date,
    numbers_of,
    parse,
    target_of,
    tidy,
    where,
)
from chainrule.data.files import PathLike
from chainrule.data.kinds import CODES
from chainrule.data.learn import NOT_ALL_NUMBERS, Wishes, learn, measured_again, missing_words, typed
from chainrule.data.notes import Note, warn_of
from chainrule.data.spelling import Spelling
from chainrule.data.split import Split
from chainrule.data.text_file import Read, Written, read_columns
from chainrule.errors import DataError, meant
from chainrule.kinds import Array
from chainrule.printable import several

if TYPE_CHECKING:
    import polars as pl

MISSING = ("NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "?")
"""Texts that stand for a missing value, beside an empty field."""

REST = "the rows that are not held back"


@dataclass(frozen=True, repr=False)
class Table:
    r"""Examples as a network takes them, and how they came to be.

    `x` has shape (rows, features); `y` has shape (rows,), int64, with class numbers, or (rows, 1) with numbers, scaled
    as the features are; it is None where a file to predict has no target. `columns` tells what each feature is, and
    turns outputs back into words or units; `rows` has the number of each row in the file, the first under the headers
    being 1; `notes` says what was decided, mended or left out.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> _ = Path("pets.csv").write_text("kilograms,kind\n4,cat\n20,dog\n6,cat\n30,dog\n")
    >>> table = cr.data.read_table("pets.csv", target="kind")
    >>> table, table.y.tolist()
    (Table(4 rows, 1 feature, classification of 'kind'), [0, 1, 0, 1])
    """

    x: Array
    y: Array | None
    columns: Columns
    rows: Array
    notes: tuple[str, ...] = ()
    _frame: pl.DataFrame | None = field(default=None, compare=False)
    _written: Written | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        rows, features = map(several, self.x.shape, ("row", "feature"))
        return f"Table({rows}, {features}, {self.columns.task} of {self.columns.target.name!r})"

    @property
    def actual(self) -> tuple[str, ...]:
        """The target of each row as the file has it, to the letter; empty where it has none."""
        name = self.columns.target.name
        if self._written is None:
            return () if self.y is None else tuple(str(word) for word in self.columns.decode(self.y).tolist())
        return self.texts(name) if name in self._written.columns else ("",) * len(self)

    @property
    def targets(self) -> Array:
        """The target of each row in its own unit, float64, or its class number; `DataError` where there is none."""
        if self.y is None:
            raise DataError(
                f"there are no targets to compare with: add the column {self.columns.target.name!r} to the table"
            )
        if self.columns.task == "classification":
            return self.y
        if self._frame is None:
            return self.columns.decode(self.y)
        return numbers_of(self._frame[self.columns.target.name], self.rows)

    def texts(self, column: str) -> tuple[str, ...]:
        """What a column of the file says in each row, as it is written, used or not; empty where it is missing."""
        known = [] if self._written is None else self._written.columns
        if self._written is None or column not in known:
            near = meant(column, known) or f": there are {listing(known)}"
            raise DataError(f"there is no column {column!r}{near}")
        return tuple("" if cell is None else str(cell) for cell in self._written[column])

    def cell(self, place: int, column: str) -> str:
        """What the file says in one cell, as it is written; empty where it is missing."""
        if self._written is None:
            return f"{self.x[place, self.columns.names.index(column)]:.6g}"
        found = self._written[column][place]
        return "" if found is None else str(found)

    def split(self, by: str = "") -> Split:
        """Which rows may be parted: any (classes in equal shares), or `by` time or ``group:COLUMN``.

        ``time`` takes the rows as they stand for their order, ``time:COLUMN`` a column of dates or numbers; rows that
        are held back then come last. ``group:COLUMN`` keeps the rows together that have the same there.
        """
        word, _, column = by.partition(":")
        if not by:
            classes = self.y if self.columns.task == "classification" else None
            return Split(len(self), classes=classes)
        if word == "time" and not column:
            return Split(len(self), times=self.rows)
        if word not in ("time", "group") or not column:
            raise DataError(f"rows are split by time, time:COLUMN or group:COLUMN, not {by!r}")
        texts = self.texts(column)
        if "" in texts:
            raise DataError(
                f"column {column!r}, row {self.rows[texts.index('')]}: a split by it needs a value in each row"
            )
        if word == "group":
            return Split(len(self), groups=np.array(texts))
        written = self._written
        return Split(len(self)) if written is None else Split(len(self), times=times_of(written[column], self.rows))

    def parts(self, learned: Array, *others: Array, by: str = "") -> tuple[Table, ...]:
        """Tables of rows by their places, of which the first alone settles how all are encoded.

        Means, scales, categories and flags of missing values are those of the rows `learned`. A column that does not
        vary in them is left out, what stands only in others counts as unseen there, and both give a `DataWarning`. With
        ``group:COLUMN`` in `by`, that column is left out too: no other row has its groups. Rows that leave nothing to
        learn raise `DataError`.
        """
        if self._frame is None or self._written is None:
            return tuple(self._rows(places) for places in (learned, *others))
        without = [by.partition(":")[2]] if by.startswith("group:") else []
        try:
            columns, notes = measured_again(self.columns, self._frame[learned], self.rows[learned], without)
        except DataError as error:
            raise DataError(f"{REST}: {error}; another share or seed would hold other rows back") from None
        warn_of(notes, REST)
        news: list[str] = []
        # The others in one go, so that what is unseen in any of them is told once.
        x, y = self._encoded(np.concatenate([learned[:0], *others]), columns, news)
        arrays = [self._encoded(learned, columns, [])]
        end = 0
        for places in others:
            part = slice(end, end := end + len(places))
            arrays.append((x[part], None if y is None else y[part]))
        warn_of(news, "the rows held back")
        notes = (*self.notes, *notes, *news)
        return tuple(
            Table(x, y, columns, self.rows[places], notes, self._frame[places], self._written.part(places))
            for (x, y), places in zip(arrays, (learned, *others), strict=True)
        )

    def _rows(self, places: Array) -> Table:
        """Some rows of a table whose features are settled, as pixels are."""
        return replace(self, x=self.x[places], y=None if self.y is None else self.y[places], rows=self.rows[places])

    def hold_out(self, *, share: float = 0.2, seed: int = 0, by: str = "") -> tuple[Table, Table]:
        """Hold a share of the rows back: two tables, to train on and to judge by.

        Rows are drawn, of each class its share to within one row, or split `by` ``time``, ``time:COLUMN`` or
        ``group:COLUMN`` as `split` says. The columns are learned again, from the training rows alone, as `parts` says,
        and hold for both tables. A share that leaves a side empty raises `ShapeError`; a table without targets, or
        whose training rows leave nothing to learn, `DataError`.
        """
        if self.y is None:
            raise DataError("hold_out needs a table with targets, and this has none")
        kept, held = self.split(by).hold_out(share=share, seed=seed)
        first, second = self.parts(kept, held, by=by)
        return first, second

    def folds(self, k: int = 5, *, seed: int = 0, by: str = "") -> Iterator[tuple[Table, Table]]:
        r"""Pairs of tables, to train on and to judge by: every row is held back once, in time all but the first.

        In each the columns are learned from its training rows alone. Errors are those of `hold_out`.

        >>> import chainrule as cr
        >>> from pathlib import Path
        >>> _ = Path("pets.csv").write_text("kilograms,kind\n" + "4,cat\n20,dog\n6,cat\n30,dog\n" * 3)
        >>> [len(held) for _, held in cr.data.read_table("pets.csv", target="kind").folds(3)]
        [4, 4, 4]
        """
        if self.y is None:
            raise DataError("folds need a table with targets, and this has none")
        for kept, held in self.split(by).folds(k, seed=seed):
            first, second = self.parts(kept, held, by=by)
            yield first, second

    def _encoded(self, places: Array, columns: Columns, news: list[str]) -> tuple[Array, Array | None]:
        """Features and targets of some rows; of what is missing there was told when the file was read."""
        assert self._frame is not None
        frame, rows = self._frame[places], self.rows[places]
        x, notes = features_of(frame, columns, rows, self.x.dtype)
        news += [note for note in notes if UNSEEN in note]
        return x, None if self.y is None else target_of(frame, columns, rows, self.x.dtype)


def times_of(series: pl.Series, rows: Array) -> Array:
    """The order of rows by a column of dates or of numbers; any other raises `DataError`."""
    form = "" if series.dtype.is_numeric() else format_of(series)
    if not form:
        wrong = np.flatnonzero(no_number(series))
        if len(wrong):
            text = str(series[int(wrong[0])])
            raise DataError(f"column {series.name!r}, row {rows[wrong[0]]}: {text!r} is neither a date nor a number")
        return parse(series).to_numpy()
    wrong = no_date(series, form)
    if len(wrong):
        raise DataError(not_a_date(series, wrong, rows))
    return moments(series, form).to_physical().to_numpy()


def read_table(
    path: PathLike,
    *,
    target: str | None = None,
    columns: Columns | None = None,
    task: Literal["auto"] | Task = "auto",
    ignore: Sequence[str] = (),
    categorical: Sequence[str] = (),
    standardize: bool = True,
    max_categories: int = 50,
    keep: Sequence[str] = (),
    dates: bool = False,
    hashed: int = 0,
    embedded: bool = False,
    log_target: bool = False,
    missing: Sequence[str] | str = MISSING,
    separator: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    encoding: str | None = None,
    comment: str | None = None,
    names: Sequence[str] | None = None,
    rows: int | None = None,
    dtype: DTypeLike = np.float32,
) -> Table:
    r"""Read a CSV or TSV file with a line of headers as features and targets; needs polars.

    `target` names the column to predict. A column where every value is a number is one feature, shifted and scaled to
    mean 0 and deviation 1 (not with ``standardize=False``); any other, and those in `categorical`, is one feature for
    each category, 1 where the row has it. Missing numbers become the mean, missing categories have 0 everywhere, and
    where a twentieth of a column or more is missing, a feature says so. Rows without a target are left out.

    Left out, each with its reason, are columns that are constant, empty or in `ignore`; dates and times, which with
    `dates` give year, month, day, weekday, days since the first, and hour; columns that only count the rows (whole
    numbers, all different, in equal steps) and ids (texts, or whole numbers under such a name, that are all different);
    texts of more than `max_categories` kinds, which on request are `hashed` to so many features, or `embedded`: then a
    network learns a vector for each, and the feature is the text's number. Whole numbers with leading zeros, or that
    repeat under a name such as store_id, are codes, and texts. A column in `keep` is used in spite of this: counts and
    codes as numbers, dates by their parts, texts as categories. ``table.columns`` shows what each column was taken for,
    and why.

    The task is classification if the target is text, or whole numbers of which at most 20 are different and each
    stands, on average, in three rows; otherwise regression. `task` forces either, and is needed where a few texts stand
    among numbers: a typing error must not turn a quantity into classes.

    With `log_target` it is the logarithm of the target that is learned, for positive numbers of many sizes.

    With the `columns` of another table instead of a target, a file is read as that one was: to predict, or to judge.

    `missing` are the texts that stand for a missing value, beside an empty field: a list, or one text with commas.
    `separator` is found in the first lines if not given, `names` are the headers of a file without, `rows` reads only
    the first so many. `decimal` and `thousands` are the signs in numbers, as ``","`` and ``"."`` in 1.200,50. Where all
    numbers of a column are written in one such way and it leaves no doubt, or with one unit as %, € or kg, with
    brackets or another dash for a minus, that is seen, and said, without them. `encoding` is that of the text, UTF-8 or
    what its first bytes say if not given; lines that begin with `comment` are left out. All of it is kept in
    ``table.columns.spelling``, and read the same way with `columns`.

    Everything that is mended or left out gives a `DataWarning`; what cannot be used raises `DataError`. Both name
    column and row: row 1 is the first under the headers. Without polars, `MissingExtra` is raised.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> _ = Path("cars.csv").write_text("colour,tons,price\nred,1,9500\nblue,2,11000.5\nblue,1,15000\nred,2,9000\n")
    >>> table = cr.data.read_table("cars.csv", target="price")
    >>> table.columns.names, table.x.tolist()
    (('colour=blue', 'colour=red', 'tons'), [[0.0, 1.0, -1.0], [1.0, 0.0, 1.0], [1.0, 0.0, -1.0], [0.0, 1.0, 1.0]])
    >>> _ = Path("new.csv").write_text("colour,tons\nblue,4\n")
    >>> cr.data.read_table("new.csv", columns=table.columns).x.tolist()
    [[1.0, 0.0, 5.0]]
    """
    if (target is None) == (columns is None):
        raise DataError("read_table takes a target to learn, or the columns of a table that has been read: one of both")
    name = columns.target.name if columns else str(target)
    gaps = columns.missing if columns else tuple(missing.split(",") if isinstance(missing, str) else missing)
    wishes = Wishes(
        target=name,
        task=task,
        ignore=tuple(ignore),
        categorical=tuple(categorical),
        standardize=standardize,
        max_categories=max_categories,
        missing=gaps,
        keep=tuple(keep),
        dates=dates,
        drawers=hashed,
        embedded=embedded,
        log_target=log_target,
    )
    # Floats only: `features_of` writes means and scaled numbers.
    kind = np.dtype(dtype)
    if kind.kind != "f":
        raise DataError(f"dtype is float32 or float64, not {kind}")
    spelling = (columns.spelling if columns else Spelling()).said(
        separator=separator, decimal=decimal, thousands=thousands, encoding=encoding, comment=comment
    )
    read = read_columns(
        path,
        spelling=spelling,
        names=names,
        most=rows,
        learning=columns is None,
        missing=gaps,
        maybe_numbers=_maybe_numbers(columns, spelling, categorical),
    )
    frame, written, block = _tidied(read, gaps)
    entire = frame
    frame, written, numbers, dropped = _with_target(frame, written, name, read.rows, learning=columns is None)
    told = read.notes
    if columns is None:
        spelling, told_of_forms = spelling.learned(frame, (*ignore, *categorical))
        told += told_of_forms
    frame = spelling.plain(frame)
    notes: list[str] = []
    try:
        if columns is None:
            frame = typed(frame, wishes)
            block = block_of(frame, block)
            columns, notes = learn(frame, block, numbers, wishes, spelling.plain(entire) if dropped else None)
            columns, notes = replace(columns, spelling=spelling), _with_all_missing(notes, read, frame, gaps)
        x, missed = features_of(frame, columns, numbers, kind, block)
        y = target_of(frame, columns, numbers, kind) if name in frame.columns else None
    except DataError as error:
        raise DataError(f"{path}: {error}{_all_missing(str(error), read, frame, gaps)}") from None
    decided, mended = notes[:1], [*told, *dropped, *notes[1:], *missed]
    warn_of(mended, str(path))
    return Table(x, y, columns, numbers, (*decided, *mended), frame, written)


def as_table(data: Any, columns: Columns, *, dtype: DTypeLike = np.float32) -> Table:
    """New rows as a table that was read has them: a file, columns by name, or a polars frame."""
    if isinstance(data, str | os.PathLike):
        return read_table(os.fspath(cast("PathLike", data)), columns=columns, dtype=dtype)
    frame, rows = as_texts(data, columns)
    if not frame.height:
        raise DataError("there are no rows")
    name = columns.target.name
    frame, written, rows, notes = _with_target(frame, Written(frame), name, rows, learning=False)
    kind = np.dtype(dtype)
    x, missed = features_of(frame, columns, rows, kind)
    y = target_of(frame, columns, rows, kind) if name in frame.columns else None
    warn_of([*notes, *missed], "the rows given")
    return Table(x, y, columns, rows, (*notes, *missed), frame, written)


def _all_missing(error: str, read: Read, frame: pl.DataFrame, missing: Sequence[str]) -> str:
    """Where a text was met that is no number: all words in columns of numbers that may stand for a missing value."""
    words = missing_words(frame) if "missing=" in error else []
    if not words:
        return ""
    texts = read.file.read().get_columns()
    known = [word for word in missing if word and any((column == word).any() for column in texts)]
    return f'; missing="{",".join([*known, *words])}" would take all such words of the file for it'


def _with_all_missing(notes: Sequence[str], read: Read, frame: pl.DataFrame, missing: Sequence[str]) -> list[str]:
    """The notes, those on numbers that became categories with all words that may stand for a missing value."""
    odd = [note for note in notes if isinstance(note, Note) and note.kind == NOT_ALL_NUMBERS and "missing=" in note]
    told = _all_missing("missing=", read, frame, missing) if odd else ""
    complete: dict[str, Note] = {note: Note(note + told, note.column, note.kind + told) for note in odd}
    return [complete.get(note, note) for note in notes]


def _maybe_numbers(columns: Columns | None, spelling: Spelling, categorical: Sequence[str]) -> Callable[[str], bool]:
    """Whether a column, by its name, may hold numbers as programs write them."""
    apart = {*categorical, *[form.column for form in spelling.columns]}
    if columns is None:
        # The name of a column may make its numbers codes: those are looked at one by one.
        return lambda name: not spelling.is_told and name not in apart and not CODES.search(name)
    known = {column.name for column in (*columns.features, columns.target) if isinstance(column, Numbers)}
    return lambda name: not spelling.is_told and name not in apart and name in known


def _tidied(read: Read, missing: Sequence[str]) -> tuple[pl.DataFrame, Written, Block]:
    """The columns of a file, tidy, evident numbers as such; as they are written; and a block of numbers as read."""
    numbers = numbers_in(read.frame)
    strange = strange_numbers(numbers, read.frame, missing)
    texts = with_columns(read.frame, read.texts_of(list(compress(numbers.names, strange.tolist()))))
    numbers = numbers.part(~strange)
    read_as_such = {*numbers.names}
    others = [name for name in texts.columns if name not in read_as_such]
    evident = evident_numbers(texts, read.unknown, missing)
    frame = tidy(with_columns(texts, evident), missing)
    written = only(with_columns(frame, only(texts, [series.name for series in evident]).get_columns()), others)
    return frame, Written(written, read.file, read.rows - 1, tuple(missing)), numbers


def _with_target(
    frame: pl.DataFrame, written: Written, target: str, rows: Array, *, learning: bool
) -> tuple[pl.DataFrame, Written, Array, list[str]]:
    """The rows that have a target, and a note if some have none; to predict, a column that is empty is dropped."""
    if target not in frame.columns or not frame[target].null_count():
        return frame, written, rows, []
    has_one = frame[target].is_not_null().to_numpy()
    given, gaps = np.flatnonzero(has_one), np.flatnonzero(~has_one)
    if not (learning or len(given)):
        return frame.drop(target), written, rows, []
    note = (
        f"column {target!r}, {where(gaps, rows)}: {len(gaps):,} of {len(rows):,} rows have no target and are left out"
    )
    return frame[given], written.part(given), rows[given], [note]
