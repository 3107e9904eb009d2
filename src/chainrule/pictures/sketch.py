"""What is drawn, before anything has a place: boxes, arrows and frames, in words and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property


class Look(Enum):
    """What a box is, which its outline tells without any colour."""

    PARAMETER = "parameter"
    DATA = "data"
    RESULT = "result"
    OUTPUT = "output"
    SEVERAL = "several"
    """A box that stands for many nodes."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node, or several in one: its name and formula, its number, its gradient, and what else is to be said of it."""

    title: str
    look: Look = Look.RESULT
    data: str = ""
    grad: str = ""
    """A dash where no backward pass has been here; empty where there can be none."""
    more: tuple[str, ...] = ()
    wrong: str = ""
    """What is wrong here, where something is: a nan that begins, a gradient that a mistake gave."""
    lit: bool = False
    faint: bool = False
    whole: str = ""
    """The title where no frame says which module it belongs to; empty where that is the same."""
    typed: str = ""
    """The title as it is typed, for a terminal without the signs of mathematics."""

    def lines(self) -> list[tuple[str, str]]:
        """The lines in the box, each with the role of its ink."""
        numbers = [("data", f"data {self.data}")] if self.data else []
        numbers += [("grad", f"grad {self.grad}")] if self.grad else []
        said = [("muted", line) for line in self.more]
        return [("title", self.title), *numbers, *said, *([("wrong", self.wrong)] if self.wrong else [])]


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge of the graph: the local derivative on it, and how much gradient it carries."""

    source: int
    target: int
    factor: str = ""
    carries: float | None = None
    """The largest size of what it hands back; None before a backward pass."""
    wrong: bool = False
    data: bool = False
    """Whether no gradient passes, since its source is data."""
    lit: bool = False
    faint: bool = False
    edges: int = 1
    """How many of the graph's it stands for."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A module that stands open: a title around boxes and inner frames."""

    title: str
    boxes: tuple[int, ...]
    inner: tuple[Frame, ...] = ()

    def members(self) -> Iterator[int]:
        """The boxes in it and in all frames inside."""
        yield from self.boxes
        for frame in self.inner:
            yield from frame.members()


@dataclass(frozen=True)
class Sketch:
    """A whole picture in words: what `layout` places and a printer prints."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    frames: tuple[Frame, ...] = ()
    notes: tuple[str, ...] = field(default=())
    """Sentences below the picture."""

    @cached_property
    def arriving(self) -> dict[int, list[int]]:
        """The arrows that arrive at each box."""
        found: dict[int, list[int]] = {}
        for k, arrow in enumerate(self.arrows):
            found.setdefault(arrow.target, []).append(k)
        return found


def legend(arrows: Iterable[Arrow]) -> str:
    """What the reader of arrows has to know; nothing where no local derivative stands on any."""
    moving = [arrow for arrow in arrows if not arrow.data]
    if not any([arrow.factor for arrow in moving]):
        return ""
    short = "" if all([arrow.factor for arrow in moving]) else ", where it is short"
    passed = any([arrow.carries is not None for arrow in moving])
    thick = "; the thicker an arrow, the more gradient it carries" if passed else ""
    return f"On an arrow stands the local derivative{short}{thick}."
