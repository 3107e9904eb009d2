"""Every name of the catalogue on seven problems: named and placed where it is, and right forms pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures import CODE, FORMULAS, PROBLEMS, RIGHT, SLIPS, Fixture

from chainrule.verify.grade import grade
from chainrule.verify.marking.marked import Grade


def function_of(text: str) -> Any:
    program: dict[str, Any] = {"np": np}
    exec(text, program)
    return program["backward"]


def of_formula(fixture: Fixture) -> Grade:
    return grade(answer=fixture.answer, wrt=fixture.wrt, problem=PROBLEMS[fixture.problem]["program"],
                 shapes=PROBLEMS[fixture.problem].get("shapes"))  # fmt: skip


def of_code(problem: str, text: str) -> Grade:
    given = PROBLEMS[problem]
    return grade(given["program"], function_of(text), wrt=list(CODE[problem][1]), shapes=given["shapes"])


def says(graded: Grade, name: str, place: str) -> bool:
    return not graded.right and any(m.name == name and place.lower() in m.place.lower() for m in graded.mistakes)


@pytest.mark.parametrize("fixture", FORMULAS, ids=lambda f: f"{f.problem}, {f.wrt}: {f.answer}")
def test_wrong_formulas(fixture: Fixture) -> None:
    assert says(of_formula(fixture), fixture.name, fixture.place)


@pytest.mark.parametrize("fixture", RIGHT, ids=lambda f: f"{f.problem}, {f.wrt}: {f.answer}")
def test_right_formulas(fixture: Fixture) -> None:
    assert of_formula(fixture).right


@pytest.mark.parametrize("problem", CODE)
def test_right_programs(problem: str) -> None:
    assert of_code(problem, CODE[problem][0]).right


@pytest.mark.parametrize(("problem", "right", "wrong", "name", "place"), SLIPS, ids=lambda x: str(x))
def test_wrong_programs(problem: str, right: str, wrong: str, name: str, place: str) -> None:
    text = CODE[problem][0]
    assert right in text
    assert says(of_code(problem, text.replace(right, wrong)), name, place)
