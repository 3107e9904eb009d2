"""docs/mistakes.md is the locator's test table, as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import learner_answers
import test_courses
from fixtures import CODE, FORMULAS, RIGHT, SLIPS
from forum_answers import POSTS

from chainrule.verify.mistakes import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "mistakes.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in PAGE.splitlines() if line[:1] == "|"]


def rows(width: int) -> list[list[str]]:
    return [row for row in ROWS if len(row) == width and row[0] not in ("problem", "---")]


def as_cell(text: str) -> str:
    return "`" + " ⏎ ".join(text.splitlines()).replace("|", "\\|") + "`"


def test_every_name_has_its_line() -> None:
    names = [row[0].strip("`") for row in rows(3) if row[0] != "name"]
    assert names == list(KINDS)


def test_every_fixture_has_its_line() -> None:
    written = {(row[0], row[2], row[3]) for row in rows(5)}
    for fixture in (*FORMULAS, *RIGHT):
        assert (fixture.problem, as_cell(fixture.answer), fixture.name or "right") in written
    for problem, _, wrong, name, _ in SLIPS:
        assert (problem, as_cell(wrong), name) in written
    for answer in (*learner_answers.WRONG, *learner_answers.RIGHT):
        assert (answer.problem, as_cell(answer.text), " or ".join(answer.names) or "right") in written
    expected = {(row[0], row[3]) for row in rows(5)}
    for post in POSTS:
        assert (as_cell(post.program), " or ".join(post.names) or "right") in expected
    assert len(rows(5)) == sum(map(len, (FORMULAS, RIGHT, SLIPS, learner_answers.WRONG, learner_answers.RIGHT, POSTS)))
    assert set(CODE) <= {row[0] for row in rows(5)}


def test_every_course_has_its_line() -> None:
    said = {(row[0], row[2]): row[3] for row in rows(4) if row[0] != "notebook"}
    for name, _, _, names, _ in test_courses.SLIPS:
        assert not set(names).isdisjoint(said[name, " or ".join(names)].split(", "))
    assert len(rows(4)) - 1 == len(test_courses.SLIPS) + len(test_courses.RIGHT) + 1
    assert said["from_a_file", "right"] == "not read"


def test_what_is_said_is_what_was_expected() -> None:
    for row in rows(5):
        assert not set(row[3].split(" or ")).isdisjoint(row[4].split(", "))
