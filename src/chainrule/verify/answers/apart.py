"""Graded in a process of its own: a learner's file is run only there."""

from __future__ import annotations

from typing import Any

from chainrule.expression import read_given
from chainrule.verify.grade import grade
from chainrule.verify.running import load


def grade_code(
    problem: str, items: list[str], path: str, name: str, wrt: list[str], steps: int, rate: float | None
) -> dict[str, Any]:
    """The grade of a function in a file, as data; `items` are values and shapes as they are typed."""
    given = read_given(items)
    marked = grade(problem, load(path, name), wrt=wrt, shapes=given.shapes, values=given.values, steps=steps, rate=rate)
    return {**marked.as_dict(), "text": str(marked)}
