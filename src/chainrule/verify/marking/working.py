"""An answer as parts that run one after the other: what a formula says, or what a function was seen to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.verify.marking.walk import Walk


@dataclass(frozen=True, slots=True)
class Part:
    """A number, something looked up at a probe, or a function of earlier parts.

    `name` is what the learner calls the result, or nothing; `text` is how the part was written.
    """

    function: Callable[..., Any] | None = None
    inputs: tuple[Any, ...] = ()
    """The places of other parts; of a part in the place of one also what is looked up at a probe."""
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    number: Any = None
    look_up: Callable[[Walk], Any] | None = None
    name: str = ""
    text: str = ""
    line: str = ""
    spot: Any = None
    """Where in a program's text it stands: what a loop does again and again has one."""


@dataclass(frozen=True, slots=True)
class Working:
    """The parts of an answer in the order in which they run, and which of them are the answers, by what was asked."""

    parts: tuple[Part, ...]
    results: dict[str, int]

    def run(self, walk: Walk) -> list[Any]:
        found: list[Any] = []
        with Quiet():
            for part in self.parts:
                found.append(part_at(part, found, walk))
        return found

    def answers(self, walk: Walk) -> dict[str, Any]:
        found = self.run(walk)
        return {name: np.asarray(found[i], np.float64) for name, i in self.results.items()}

    def needed(self, wanted: Sequence[str]) -> list[int]:
        """The places of the parts that some answers are made of, in order."""
        inside = {self.results[name] for name in wanted}
        for i in range(len(self.parts) - 1, -1, -1):
            if i in inside:
                inside.update(self.parts[i].inputs)
        return sorted(inside)


def part_at(part: Part, found: Sequence[Any] | Mapping[int, Any], walk: Walk) -> Any:
    """What one part gives, from what those before it gave."""
    if part.function is not None:
        return part.function(*[found[i] if isinstance(i, int) else i(walk) for i in part.inputs], **part.settings)
    if part.look_up is not None:
        return part.look_up(walk)
    return part.number
