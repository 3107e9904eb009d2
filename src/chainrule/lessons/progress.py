"""What a reader has done, kept in a small file: exercises solved, and how far each chapter was read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.files import write_whole
from chainrule.lessons.chapter import chapters

FILE = "lessons.json"


class Progress:
    """The exercises that a reader solved, and the block that each chapter was left at.

    A file that is damaged counts as none: nothing but the memory of a few answers is lost.
    """

    def __init__(self, folder: Path) -> None:
        self.place = folder / FILE
        self.solved: set[str] = set()
        self.left_at: dict[str, int] = {}
        try:
            held = json.loads(self.place.read_text("utf-8"))
            self.solved = {str(x) for x in held["solved"]}
            self.left_at = {str(name): int(at) for name, at in held["left_at"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return

    def solve(self, exercise: str) -> None:
        """Remember that an exercise was solved."""
        self.solved.add(exercise)
        self.keep()

    def leave(self, chapter: int, at: int) -> None:
        """Remember the block that a chapter was left at; 0 when it was read to its end."""
        self.left_at[str(chapter)] = at
        self.keep()

    def resume_at(self, chapter: int) -> int:
        """The block to go on with."""
        return self.left_at.get(str(chapter), 0)

    def reset(self, chapter: int | None = None) -> None:
        """Forget everything, or one chapter."""
        if chapter is None:
            self.solved, self.left_at = set(), {}
        else:
            self.solved = {x for x in self.solved if x.partition(".")[0] != str(chapter)}
            self.left_at.pop(str(chapter), None)
        self.keep()

    def counts(self) -> Mapping[int, tuple[int, int]]:
        """For each chapter how many of its exercises are solved, and how many it has."""
        return {
            chapter.number: (len([x for x in chapter.exercises if x.id in self.solved]), len(chapter.exercises))
            for chapter in chapters()
        }

    def keep(self) -> None:
        """Write the file."""
        held: dict[str, Any] = {"solved": sorted(self.solved), "left_at": self.left_at}
        self.place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.place, json.dumps(held, indent=1))
