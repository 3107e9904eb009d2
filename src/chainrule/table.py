"""A table of numbers that prints as text or with Rich, and is plain data for a program."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from chainrule.errors import ShapeError
from chainrule.printable import disturbs, in_columns, printable

SHOWN_DIGITS = 6


@dataclass(frozen=True, repr=False)
class Table:
    """Rows of numbers and words under named columns, and perhaps a sentence below them.

    ``table["loss"]`` is a column, `rows` are tuples; `json` gives one object for each row. It prints with six
    significant digits, and holds all of them.

    >>> import chainrule as cr
    >>> table = cr.training.Table(("epoch", "loss"), ((1, 0.25), (2, 1 / 16)))
    >>> table
    epoch    loss
        1    0.25
        2  0.0625
    >>> table["loss"]
    [0.25, 0.0625]
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""

    def __getitem__(self, column: str) -> list[Any]:
        if column not in self.columns:
            raise ShapeError(f"the table has no column {column!r}; it has {', '.join(self.columns)}")
        place = self.columns.index(column)
        return [row[place] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def json(self) -> str:
        """A list of objects, one for each row; infinity and nan, which JSON lacks, as the strings "inf" and "nan"."""
        return json_of([dict(zip(self.columns, row, strict=True)) for row in self.rows])

    def cells(self) -> list[list[str]]:
        """Every row as it is printed."""
        return [[shown(held) for held in row] for row in self.rows]

    def __repr__(self) -> str:
        rows = [[printable(title) for title in self.columns], *self.cells()]
        left = self._words()
        lines = in_columns(rows, [i for i in range(len(self.columns)) if i not in left])
        return "\n".join([*lines, self.note] if self.note else lines)

    def __rich__(self) -> Any:
        from rich.table import Table as Drawn
        from rich.text import Text

        left = self._words()
        drawn = Drawn(caption=Text(self.note) if self.note else None, caption_justify="left")
        for i, title in enumerate(self.columns):
            drawn.add_column(Text(printable(title)), justify="left" if i in left else "right")
        for row in self.cells():
            drawn.add_row(*map(Text, row))
        return drawn

    def _words(self) -> set[int]:
        """The places of the columns that hold words."""
        return {i for row in self.rows for i, held in enumerate(row) if isinstance(held, str)}


def shown(held: Any) -> str:
    """A number with a few digits; nothing for nothing."""
    if held is None:
        return ""
    return f"{held:.{SHOWN_DIGITS}g}" if isinstance(held, float) else printable(str(held))


def json_of(data: Any) -> str:
    """Strict JSON of plain data, on one line."""
    text = json.dumps(_strict(data), ensure_ascii=False, allow_nan=False)
    # JSON has a code for every character, so that it means the same without those that steer a terminal.
    return text if text.isprintable() else re.sub(r"[^ -~]", lambda found: _coded(found.group()), text)


def _coded(character: str) -> str:
    return json.dumps(character)[1:-1] if disturbs(character) else character


def _strict(data: Any) -> Any:
    plain: Any = cast("Any", data).item() if isinstance(data, np.generic) else data
    if isinstance(plain, float) and not math.isfinite(plain):
        return str(plain)
    if isinstance(plain, Mapping):
        return {str(name): _strict(held) for name, held in cast("Mapping[Any, Any]", plain).items()}
    if isinstance(plain, list | tuple):
        return [_strict(held) for held in cast("Sequence[Any]", plain)]
    return plain
