"""What a network says of the rows of a table, beside what the table says of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.data.columns import Columns
from chainrule.errors import DataError
from chainrule.kinds import Array
from chainrule.printable import printable
from chainrule.training.judge import written

OWN = ("row", "predicted", "probability", "probabilities", "actual")
"""What predictions tell themselves."""


@dataclass(frozen=True, repr=False)
class Predictions:
    """A prediction for each row: ``csv()`` writes them as a file, ``plain()`` as data for JSON.

    `rows` are the numbers of the rows, `said` what is predicted, `probabilities` those of each class, shape (rows,
    classes), or None; `actual` what the table itself says, if it does, and `passed` its columns that go along.

    >>> import numpy as np, chainrule as cr
    >>> columns = cr.data.Columns((), cr.data.columns.Numbers("y", 0.0, 1.0))
    >>> cr.training.Predictions(columns, np.array([1]), np.array([2.5]), None, ("3",), {"id": ("A",)})
    row,id,predicted,actual
    1,A,2.5,3
    <BLANKLINE>
    """

    columns: Columns
    rows: Array
    said: Array
    probabilities: Array | None
    actual: tuple[str, ...]
    passed: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        taken = [name for name in self.passed if name in OWN]
        if taken:
            raise DataError(f"the predictions have a column {taken[0]!r} already: rename that of the file")

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return printable(self.csv(), lines=True)

    def plain(self) -> list[dict[str, Any]]:
        """A dict for each row: its number, what was passed, what is predicted, the probability of every class."""
        names = [str(name) for name in self.columns.classes]
        found: list[dict[str, Any]] = []
        for i, (row, word) in enumerate(zip(self.rows.tolist(), self.said.tolist(), strict=True)):
            entry = {"row": row, **{name: texts[i] for name, texts in self.passed.items()}, "predicted": word}
            if self.probabilities is not None:
                entry["probabilities"] = dict(zip(names, self.probabilities[i].tolist(), strict=True))
            found.append(entry | ({"actual": self.actual[i]} if any(self.actual) else {}))
        return found

    def csv(self) -> str:
        """A line for each row under a line of headers; numbers have as many digits as tell two rows apart."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        names = [str(name) for name in self.columns.classes]
        each = ["probability", *[f"probability of {name}" for name in names]] if names else []
        actual = ["actual"] if any(self.actual) else []
        writer.writerow(["row", *self.passed, "predicted", *each, *actual])
        for entry in self.plain():
            shares = entry.get("probabilities", {})
            sure = [shares[str(entry["predicted"])], *shares.values()] if shares else []
            word = entry["predicted"] if shares else written(entry["predicted"], self.columns)
            own = [entry["row"], *[entry[name] for name in self.passed], word]
            writer.writerow([*own, *[f"{share:.4f}" for share in sure], *[entry[name] for name in actual]])
        return text.getvalue()
