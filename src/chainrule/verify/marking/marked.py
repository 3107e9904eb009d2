"""What a grading gives: right or wrong, the mistakes with their places, and hints in three steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.verify.marking.changes import Change
from chainrule.verify.mistakes import KINDS

MOST_LINES = 12
"""Lines of a grade as it is printed."""


@dataclass(frozen=True)
class Mistake:
    """A mistake by its fixed name: where it is, what is said of it, and the numbers that show it."""

    name: str
    place: str
    says: str
    shows: str
    site: Any = field(default=None, repr=False, compare=False)
    """What tells one place from another where several gradients are graded together."""

    @property
    def fix(self) -> str:
        return KINDS[self.name].fix


@dataclass(frozen=True)
class Grade:
    """The verdict on an answer.

    `mistakes` are all that give exactly this answer, the most telling first: several are either possible, unless they
    stand for different parameters. `hints` go from a nudge to the mistake. `unclassified` names the first link that is
    off where no known mistake fits.
    """

    right: bool
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    notes: tuple[str, ...] = ()
    unclassified: str = ""

    def __str__(self) -> str:
        lines = ["right" if self.right else "wrong"]
        lines += self.notes
        for mistake in self.mistakes:
            lines.append(f"{mistake.name}: {mistake.says}")
            lines.append(f"  at {mistake.place}")
            if mistake.shows:
                lines.append(f"  {mistake.shows}")
        if self.mistakes:
            lines.append(f"to do: {self.mistakes[0].fix}")
        return "\n".join(lines[:MOST_LINES])

    def as_dict(self) -> dict[str, Any]:
        """The same as data, as ``--json`` writes it."""
        told = [{"name": m.name, "place": m.place, "says": m.says, "shows": m.shows} for m in self.mistakes]
        return {
            "right": self.right,
            "mistakes": told,
            "hints": list(self.hints),
            "notes": list(self.notes),
            "unclassified": self.unclassified,
        }

    def as_json(self) -> str:
        import json

        return json.dumps(self.as_dict(), ensure_ascii=False, indent=2)

    def _repr_html_(self) -> str:
        import html

        return "".join(f"<p>{html.escape(line)}</p>" for line in str(self).splitlines())


def told(name: str, place: str, says: str, shows: str = "", site: Any = None) -> Mistake:
    """A mistake, of which is said what its name means and what was done here."""
    return Mistake(name, place, f"{KINDS[name].what}: {says}", shows, site)


def mistake_of(change: Change, mark: Any) -> Mistake:
    """A change of the backward pass as a mistake, with numbers that show it."""
    site = apart_from_asked(change.place)[0] if change.site is None else change.site
    return told(change.name, change.place, change.says, shown(mark), (change.name, site))


def apart_from_asked(place: str) -> tuple[str, str, str]:
    """A place, the words that lead to what was asked, and what was asked; the place alone where it says nothing."""
    for words in (", on the way to ", ", in the gradient of "):
        before, found, asked = place.rpartition(words)
        if found:
            return before, words, asked
    return place, "", ""


def shown(mark: Any) -> str:
    """Yours and the right gradient at one probe, with the numbers there."""
    walk, answer = mark.walks[0], mark.answers[0]
    right = walk.right[mark.wrt]
    if answer is None or np.size(right) > 4 or np.size(answer) > 4:
        return ""
    here = ", ".join(f"{n} = {number(walk.numbers[s])}" for n, s in mark.problem.leaves.items() if not s.ndim)
    return f"yours {number(answer)}, right {number(right)}" + (f", at {here}" if here else "")


def number(x: Any) -> str:
    """A number or a short array in a few digits."""
    if np.ndim(x) > 1 and np.size(x) > 1:
        return f"[{', '.join(map(number, x))}]"
    flat = [f"{v:.6g}" for v in np.ravel(np.asarray(x, float))]
    return flat[0] if np.size(x) == 1 else f"[{', '.join(flat)}]"


def three_hints(mistakes: Sequence[Mistake]) -> tuple[str, ...]:
    """Which link to look at, what to compare, and the mistake."""
    first = mistakes[0]
    return (
        f"look at {first.place}",
        f"compare: {KINDS[first.name].fix.removeprefix('compare ')}",
        f"{first.name}: {first.says}",
    )
