"""Every exercise: its answer is right, and what people answer wrongly is told why."""

from __future__ import annotations

import pytest

import chainrule as cr
from chainrule.lessons import Exercise, chapters
from chainrule.lessons.chapter import LessonError
from chainrule.lessons.exercise import numbers_in

EXERCISES = [exercise for chapter in chapters() for exercise in chapter.exercises]
WRONG = [(exercise, wrong) for exercise in EXERCISES for wrong in exercise.wrong]


def name_of(exercise: Exercise) -> str:
    return exercise.id


@pytest.mark.parametrize("exercise", EXERCISES, ids=name_of)
def test_the_answer_is_right(exercise):
    marked = exercise.mark(exercise.answer)
    assert marked.right, marked
    assert marked.says.startswith("Right.")


@pytest.mark.parametrize(("exercise", "wrong"), WRONG, ids=[f"{e.id}: {w.answer}" for e, w in WRONG])
def test_a_wrong_answer_gets_a_hint(exercise, wrong):
    marked = exercise.mark(wrong.answer)
    assert not marked.right
    assert marked.hints
    assert all(marked.hints)
    # The solution is never part of a hint.
    assert not any(exercise.answer == hint for hint in marked.hints)


ONE_OF_EACH = [cr.exercise(number) for number in ("1.1", "1.2", "2.2", "2.4", "4.2", "16.2")]
"""A number, a formula, several numbers, choices, a number that is graded, and a matrix."""


@pytest.mark.parametrize("exercise", ONE_OF_EACH, ids=name_of)
@pytest.mark.parametrize(
    "answer", ["", "?", "(", "x +", "1e999", "[1, [2]]", "é" * 50, "a" * 20_000, "1/0", "lambda: 0"]
)
def test_a_malformed_answer_is_told_and_never_an_error(exercise, answer):
    marked = exercise.mark(answer)
    assert not marked.right
    assert marked.says


def test_an_exercise_shows_itself_and_marks():
    assert "Exercise 2.4" in repr(cr.exercise("2.4"))
    assert "b) (−3, 4)" in cr.exercise("2.4")._repr_markdown_()
    assert cr.exercise("2.4", "b").right
    assert cr.exercise("2.4", "(−3, 4)").right
    assert not cr.exercise("2.4", "a").right
    assert "a to d" in cr.exercise("2.4", "z").says
    with pytest.raises(LessonError, match=r"no exercise 99\.1"):
        cr.exercise("99.1")


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("0.2", True),
        ("0.20", True),
        ("1/5", True),
        ("0.200001", False),
        ("0.21", False),
        ("2e-1", True),
        ("0.3", False),
    ],
)
def test_a_number_is_right_to_its_digits(answer, right):
    assert Exercise("0.0", "?", "0.2", expects=0.2).mark(answer).right is right


@pytest.mark.parametrize(
    ("answer", "right"), [("0.33", True), ("0.333", True), ("0.3", False), ("0.34", False), ("0.3333334", False)]
)
def test_a_rounded_number_has_two_digits_at_least(answer, right):
    assert Exercise("0.0", "?", "1/3", expects=1 / 3).mark(answer).right is right


def test_numbers_are_read_as_people_type_them():
    assert numbers_in("−3, 1/2").tolist() == [-3, 0.5]
    assert numbers_in("[1, 2]").tolist() == [1, 2]
    assert numbers_in("x") is None
    assert "2 numbers" in Exercise("0.0", "?", "1, 2", expects=[1, 2]).mark("1").says
