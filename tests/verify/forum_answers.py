"""Answers as people post them, read from a file: wrong ones with the names that a marker would accept, and right ones.

Each round was written before the locator was first run on it, and is not changed to suit it; what that first run gave
stands beside them. Besides formulas there are programs, numbers, tables and training loops.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Post(NamedTuple):
    """A problem with its shapes (`W:3x2 x`) and values, what is asked, the answer, and what is to be said of it."""

    round: int
    program: str
    shapes: dict[str, tuple[int, ...]]
    wrt: Any
    answer: str
    names: tuple[str, ...]
    """Accepted names; none: the answer is right."""
    place: tuple[str, ...]
    """Words of which the place must contain one."""
    values: dict[str, Any]
    rate: float | None
    steps: int

    @property
    def given(self) -> Any:
        """The answer; a program as the function in it."""
        if "def " not in self.answer:
            return self.answer
        program: dict[str, Any] = {"np": np}
        exec(self.answer, program)
        return program.get("train") or program["backward"]


def read(found: dict[str, Any]) -> Post:
    names = found["wrt"].split()
    return Post(
        found["round"], "\n".join(found["program"]), shapes_of(found["shapes"]), names if len(names) > 1 else names[0],
        "\n".join(found["answer"]) + "\n" * (len(found["answer"]) > 1), tuple(found.get("names", ())),
        tuple(found.get("place", ())), found.get("values", {}), found.get("rate"), found.get("steps", 1),
    )  # fmt: skip


def shapes_of(text: str) -> dict[str, tuple[int, ...]]:
    pairs = [item.partition(":") for item in text.split()]
    return {name: tuple([int(n) for n in shape.split("x")]) if shape else () for name, _, shape in pairs}


FILES = [
    json.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))
    for name in ("forum_answers.json", "course_answers.json", "assignment_answers.json")
]
FIRST_RUNS: dict[str, str] = {name: said for file in FILES for name, said in file["first runs"].items()}
POSTS = [read(found) for file in FILES for found in file["posts"]]
