"""What a reader has done, kept in a small file: exercises solved, wrong answers, how far each chapter was read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule.files import write_whole
from chainrule.lessons.chapter import chapters
from chainrule.lessons.exercise import Exercise, Marked

FILE = "lessons.json"


class Progress:
    """The exercises that a reader solved, what was answered wrongly, and the block that each chapter was left at.

    A file that is damaged counts as none: nothing but the memory of a few answers is lost.
    """

    def __init__(self, folder: Path) -> None:
        self.place = folder / FILE
        self.solved: set[str] = set()
        self.left_at: dict[str, int] = {}
        self.tried: dict[str, list[str]] = {}
        """The wrong answers to each exercise that is not solved yet."""
        try:
            held = json.loads(self.place.read_text("utf-8"))
            self.solved = {str(x) for x in held["solved"]}
            self.left_at = {str(name): int(at) for name, at in held["left_at"].items()}
            self.tried = {str(name): [str(x) for x in given] for name, given in held.get("tried", {}).items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return

    def solve(self, exercise: str) -> None:
        self.solved.add(exercise)
        self.tried = {name: given for name, given in self.tried.items() if name.partition(" ")[0] != exercise}
        self.keep()

    def answered(self, exercise: Exercise, answer: str) -> Marked:
        """What is said of an answer, with a hint more for every other wrong one; it is remembered."""
        marked = exercise.mark(answer).after(self.tried.setdefault(exercise.name, []), answer)
        if marked:
            self.solve(exercise.id)
        else:
            self.keep()
        return marked

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
            self.solved, self.left_at, self.tried = set(), {}, {}
        else:
            self.solved = {x for x in self.solved if x.partition(".")[0] != str(chapter)}
            self.tried = {x: given for x, given in self.tried.items() if x.partition(".")[0] != str(chapter)}
            self.left_at.pop(str(chapter), None)
        self.keep()

    def counts(self) -> Mapping[int, tuple[int, int]]:
        """For each chapter how many of its exercises are solved, and how many it has."""
        return {
            chapter.number: (len([x for x in chapter.exercises if x.id in self.solved]), len(chapter.exercises))
            for chapter in chapters()
        }

    def keep(self) -> None:
        tried = {name: given for name, given in self.tried.items() if given}
        held: dict[str, Any] = {"solved": sorted(self.solved), "left_at": self.left_at, "tried": tried}
        self.place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.place, json.dumps(held, indent=1))
