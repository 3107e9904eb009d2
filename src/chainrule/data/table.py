"""Tables from CSV and TSV files, ready for a network, with the columns that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.data.columns import Columns, Task
from chainrule.data.encode import features_of, target_of, tidy, warn_of, where
from chainrule.data.files import PathLike
from chainrule.data.learn import Wishes, learn, measured_again, typed
from chainrule.data.split import split_places
from chainrule.data.text_file import read_texts
from chainrule.errors import DataError

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
MISSING = ("NA", "N/A", "NaN", "nan", "NULL", "null", "?")
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
    notes: tuple[str, ...]
    _frame: pl.DataFrame = field(compare=False)

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        rows, features = (
            f"{n:,} {word}{'s' * (n != 1)}" for n, word in zip(self.x.shape, ("row", "feature"), strict=True)
        )
        return f"Table({rows}, {features}, {self.columns.task} of {self.columns.target.name!r})"

    def hold_out(self, *, share: float = 0.2, seed: int = 0) -> tuple[Table, Table]:
        """Shuffle the rows and hold a share of them back: two tables, to train on and to judge by.

        Each class gives its share to within one row. Means and scales are learned again, from the training rows alone,
        and hold for both tables; categories stay those of the file. A column of numbers that is constant in the
        training rows is left out, with a `DataWarning`. A share that leaves a side empty raises `ShapeError`; a table
        without targets, or whose training rows leave nothing to learn, `DataError`.
        """
        if self.y is None:
            raise DataError("hold_out needs a table with targets, and this has none")
        classes = self.y if self.columns.task == "classification" else None
        kept, held = split_places(len(self), share=share, seed=seed, classes=classes)
        try:
            columns, notes = measured_again(self.columns, self._frame[kept], self.rows[kept])
        except DataError as error:
            raise DataError(f"{REST}: {error}; another share or seed would hold other rows back") from None
        warn_of(notes, REST)
        notes = (*self.notes, *notes)
        return self._part(kept, columns, notes), self._part(held, columns, notes)

    def _part(self, places: Array, columns: Columns, notes: tuple[str, ...]) -> Table:
        frame, rows = self._frame[places], self.rows[places]
        # What is missing there was told of when the file was read.
        x, _ = features_of(frame, columns, rows, self.x.dtype)
        return Table(x, target_of(frame, columns, rows, self.x.dtype), columns, rows, notes, frame)


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
    missing: Sequence[str] = MISSING,
    separator: str | None = None,
    names: Sequence[str] | None = None,
    rows: int | None = None,
    dtype: DTypeLike = np.float32,
) -> Table:
    r"""Read a CSV or TSV file, in UTF-8 with a line of headers, as features and targets; needs polars.

    `target` names the column to predict. A column where every value is a number is one feature, shifted and scaled to
    mean 0 and deviation 1 (not with ``standardize=False``); any other, and those in `categorical`, is one feature for
    each category, 1 where the row has it. Missing numbers become the mean, missing categories have 0 everywhere.
    Columns that are constant, empty, in `ignore`, or have more than `max_categories` texts are left out, and rows
    without a target.

    The task is classification if the target is text, or whole numbers of which at most 20 are different and each
    stands, on average, in three rows; otherwise regression. `task` forces either, and is needed where a few texts stand
    among numbers: a typing error must not turn a quantity into classes.

    With the `columns` of another table instead of a target, a file is read as that one was: to predict, or to judge.

    `missing` are the texts that stand for a missing value, beside an empty field. `separator` is found in the first
    line if not given, `names` are the headers of a file without, `rows` reads only the first so many.

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
    if task not in ("auto", "classification", "regression"):
        raise DataError(f"task is auto, classification or regression, not {task!r}")
    # Floats only: `features_of` writes means and scaled numbers.
    kind = np.dtype(dtype)
    if kind.kind != "f":
        raise DataError(f"dtype is float32 or float64, not {kind}")
    texts, numbers, told = read_texts(path, separator=separator, names=names, most=rows, learning=columns is None)
    frame = tidy(texts, columns.missing if columns else missing)
    name = columns.target.name if columns else str(target)
    frame, numbers, dropped = _with_target(frame, name, numbers, learning=columns is None)
    notes: list[str] = []
    try:
        if columns is None:
            wishes = Wishes(name, task, tuple(ignore), tuple(categorical), standardize, max_categories, tuple(missing))
            frame = typed(frame, wishes.categorical)
            columns, notes = learn(frame, numbers, wishes)
        x, missed = features_of(frame, columns, numbers, kind)
        y = target_of(frame, columns, numbers, kind) if name in frame.columns else None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    decided, mended = notes[:1], [*told, *dropped, *notes[1:], *missed]
    warn_of(mended, str(path))
    return Table(x, y, columns, numbers, (*decided, *mended), frame)


def _with_target(
    frame: pl.DataFrame, target: str, rows: Array, *, learning: bool
) -> tuple[pl.DataFrame, Array, list[str]]:
    """The rows that have a target; to predict, all of them, without the column, where none has."""
    if target not in frame.columns:
        return frame, rows, []
    given = frame[target].is_not_null().to_numpy()
    if given.all():
        return frame, rows, []
    if not (learning or given.any()):
        return frame.drop(target), rows, []
    gaps = np.flatnonzero(~given)
    note = (
        f"column {target!r}, {where(gaps, rows)}: {len(gaps):,} of {len(rows):,} rows have no target and are left out"
    )
    places = np.flatnonzero(given)
    return frame[places], rows[places], [note]
