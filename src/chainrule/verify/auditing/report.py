"""What an audit says: checked lines, remarks that are no mistakes, and what was not read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainrule.verify.auditing.source import Line
from chainrule.verify.marking.marked import Mistake


@dataclass(frozen=True)
class Checked:
    """A line that gives a gradient: of what, and whether it is right, wrong, or not to be told."""

    line: Line
    of: str
    verdict: str
    mistakes: tuple[Mistake, ...] = ()

    def __str__(self) -> str:
        said = {"right": f"the gradient of {self.of}: right", "unclear": f"the gradient of {self.of}: not to be told"}
        if self.verdict in said:
            return f"{self.line}\n    {said[self.verdict]}"
        told = [f"{m.name}: {m.says}\n    where: {m.place}" for m in self.mistakes[:2]]
        return "\n    ".join([str(self.line), f"the gradient of {self.of} is wrong", *told])


@dataclass(frozen=True)
class Audit:
    """What was found in a file: checked lines, remarks that are no mistakes, and what was not read."""

    name: str
    checked: tuple[Checked, ...]
    remarks: tuple[str, ...]
    unread: tuple[str, ...]

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """All mistakes, each once."""
        found = {(m.name, m.place): m for one in self.checked for m in one.mistakes}
        return tuple(found.values())

    def __bool__(self) -> bool:
        return not self.mistakes

    def __str__(self) -> str:
        if not self.checked:
            head = f"{self.name}: no backward pass was found that can be checked"
        elif self.mistakes:
            wrong = sum(one.verdict == "wrong" for one in self.checked)
            head = f"{self.name}: {wrong} of {len(self.checked)} gradients are wrong"
        else:
            right = sum(one.verdict == "right" for one in self.checked)
            head = f"{self.name}: {right} of {len(self.checked)} gradients are right, and none is wrong"
        lines = [head, *map(str, self.checked), *[f"remark: {text}" for text in self.remarks]]
        return "\n".join([*lines, *[f"not read: {text}" for text in self.unread[:MOST_UNREAD]]])

    def as_dict(self) -> dict[str, Any]:
        checked = [
            {
                "cell": one.line.cell,
                "line": one.line.number,
                "text": one.line.text,
                "of": one.of,
                "verdict": one.verdict,
                "mistakes": [{"name": m.name, "place": m.place, "says": m.says} for m in one.mistakes],
            }
            for one in self.checked
        ]
        return {
            "name": self.name,
            "passed": bool(self),
            "checked": checked,
            "remarks": list(self.remarks),
            "unread": list(self.unread),
        }


MOST_UNREAD = 12
"""Lines that were not read and are printed."""
