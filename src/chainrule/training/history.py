"""What a training run leaves behind: its numbers, epoch by epoch."""

from __future__ import annotations

from typing import Any

from chainrule.errors import ShapeError
from chainrule.printable import several
from chainrule.table import Table, json_of


class History:
    """The numbers of every epoch: ``history["loss"]``, ``history.table()``, ``history.json()``.

    `rows` has a dict for each finished epoch: "epoch" (from 1), "loss", the metrics by name, the same of the validation
    data with "val_" before, the rate "lr", and "seconds", which alone differs from run to run. `stopped` says in words
    why the run ended before its last epoch, or is empty; `diverged` whether the loss or a parameter became infinite
    or nan, and `made_by` how its steps were made: by the engine, and why, or by a compiled program, and which.

    >>> import chainrule as cr
    >>> history = cr.training.History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    >>> history
    History of 2 epochs: loss 0.5 to 0.25
    >>> history["loss"]
    [0.5, 0.25]
    >>> history.json()
    '{"stopped": "", "diverged": false, "epochs": [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]}'
    """

    def __init__(self, rows: list[dict[str, Any]] | None = None) -> None:
        self.rows = rows or []
        self.stopped = ""
        self.diverged = False
        self.made_by = ""

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self.names():
            raise ShapeError(f"the history has no {name!r}; it has {', '.join(self.names()) or 'no epochs'}")
        return [row.get(name) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def names(self) -> list[str]:
        """What was noted, in order."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def table(self) -> Table:
        """All of it as a table, which prints."""
        names = self.names()
        rows = tuple(tuple(row.get(name) for name in names) for row in self.rows)
        return Table(tuple(names), rows, self.stopped)

    def json(self) -> str:
        """All of it as one line of JSON; infinity and nan as strings."""
        return json_of({"stopped": self.stopped, "diverged": self.diverged, "epochs": self.rows})

    def __repr__(self) -> str:
        count = several(len(self.rows), "epoch")
        losses = f": loss {self.rows[0]['loss']:.6g} to {self.rows[-1]['loss']:.6g}" if self.rows else ""
        return f"History of {count}{losses}{f'; {self.stopped}' if self.stopped else ''}"
