"""What a check of gradients found: input by input, the verdict first."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from chainrule.differences import rank
from chainrule.table import Table, json_of

PASSING = ("right", "rounding", "truncation", "kink")
MOST_SAID = 2
"""Sentences of a kind that are printed."""
MOST_ROWS = 5
"""Rows that are printed; the worst come first, and `table` has all."""

TOLD = {
    "right": "every gradient is right",
    "rounding": "every gradient agrees, as far as rounding lets differences see",
    "truncation": "every gradient agrees, as far as differences with the smallest useful step see",
    "kink": "every gradient is right or, at a kink, a slope between those of the sides",
    "bug": "a gradient is wrong",
    "undecided": "a gradient is neither confirmed nor refuted",
    "no number": "a gradient is no number",
    "unsteady": "nothing can be checked",
}


@dataclass(frozen=True)
class Result:
    """The result of a check, which is true where nothing is wrong, as plain data."""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "passed": bool(self)}

    def json(self) -> str:
        return json_of(self.as_dict())


@dataclass(frozen=True)
class Checked:
    """The gradient in one input.

    `index` is the worst entry, `given` what the backward pass gives there, `differences` what differences give, which
    may be off by `error`. `errors` has, for that entry, how far the quotient with each step is from what is given.
    `order` is Taylor's: 2 where the gradient is right, 1 where it is wrong, None where all is rounding.
    """

    name: str
    shape: tuple[int, ...]
    verdict: str
    index: tuple[int, ...] = ()
    given: float = math.nan
    differences: float = math.nan
    error: float = 0.0
    order: float | None = None
    entries: int = 0
    """How many entries were looked at one by one."""
    says: str = ""
    mistake: str = ""
    """The mistake's name in the catalogue, where it was recognised."""
    errors: tuple[tuple[float, float], ...] = ()

    @property
    def looked(self) -> bool:
        """Whether there are numbers to show: not of a gradient whose shape is already wrong."""
        return not (math.isnan(self.given) and math.isnan(self.differences))

    @property
    def off(self) -> float:
        """How far the gradient is off, relative to the larger of the two numbers."""
        size = max(abs(self.given), abs(self.differences))
        return abs(self.given - self.differences) / size if size else 0.0


@dataclass(frozen=True, repr=False)
class Report(Result):
    """The result of `check_gradients`: true where nothing is wrong, and printed as a short table.

    `inputs` has one `Checked` for each input, the worst first; `notes` are sentences on how it was done; `next` says
    what to do; `table` and `json` are for programs.
    """

    title: str
    verdict: str
    inputs: tuple[Checked, ...]
    notes: tuple[str, ...] = ()
    next: str = ""
    runs: int = 0

    def __bool__(self) -> bool:
        return self.verdict in PASSING

    @property
    def table(self) -> Table:
        """A row for each input."""
        return Table(COLUMNS, tuple([row_of(checked) for checked in self.inputs]))

    def __getitem__(self, name: str) -> Checked:
        return {checked.name: checked for checked in self.inputs}[name]

    def __repr__(self) -> str:
        numbers_are_right = self.verdict == "bug" and not any(one.verdict == "bug" for one in self.inputs)
        lines = [f"{self.title}: {'the backward pass is wrong' if numbers_are_right else TOLD[self.verdict]}"]
        lines += [f"{checked.name}: {checked.says}" for checked in self.inputs[:MOST_SAID] if checked.says]
        lines += [self.next] if self.next else []
        if self.inputs:
            lines.append(repr(Table(COLUMNS, tuple([row_of(checked) for checked in self.inputs[:MOST_ROWS]]))))
        more = len(self.inputs) - MOST_ROWS
        lines += [f"and {more} more, none worse"] if more > 0 else []
        return "\n".join([*lines, *self.notes[:MOST_SAID]])


COLUMNS = ("input", "shape", "worst at", "given", "differences", "off by", "order", "verdict")


def row_of(checked: Checked) -> tuple[Any, ...]:
    return (
        checked.name,
        str(checked.shape),
        str(list(checked.index)) if checked.index else "",
        *((checked.given, checked.differences, f"{checked.off:.1e}") if checked.looked else (None, None, "")),
        None if checked.order is None else round(checked.order, 2),
        checked.verdict + (f": {checked.mistake}" if checked.mistake else ""),
    )


def worst_first(checked: list[Checked]) -> tuple[Checked, ...]:
    """What a reader must see first."""
    return tuple(sorted(checked, key=rank))
