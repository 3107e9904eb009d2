"""Every exercise: its answer is right, and what people answer wrongly is told why."""

from __future__ import annotations

from importlib import import_module
from random import Random

import numpy as np
import pytest

import chainrule as cr
from chainrule.lessons import Exercise, chapters
from chainrule.lessons.answers import numbers_in
from chainrule.lessons.chapter import Cell, LessonError
from chainrule.lessons.exercise import Wrong
from chainrule.lessons.page import html_of_markdown

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
    if wrong.hint:
        assert marked.hints[0] == wrong.hint
    if wrong.name:
        # A number may come from several mistakes, and then a hint of its own says which it is.
        assert wrong.name in (marked.mistakes if wrong.hint else marked.mistakes[:1])
    assert wrong.name or wrong.hint


@pytest.mark.parametrize("exercise", EXERCISES, ids=name_of)
def test_every_exercise_foresees_wrong_answers_and_has_hints_in_plain_words(exercise):
    assert exercise.wrong
    assert len(exercise.hints) == 3 if exercise.problem else exercise.hints
    for text in (*exercise.hints, *[wrong.hint for wrong in exercise.wrong], exercise.why, *exercise.choices):
        # A terminal shows them as they are.
        assert "<em>" not in html_of_markdown(text)
        assert "<strong>" not in html_of_markdown(text)


UNFORESEEN = {"number": "12345.678", "formula": "{0} + {0} + 7*{0}"}


@pytest.mark.parametrize("exercise", [e for e in EXERCISES if e.problem], ids=name_of)
def test_a_formula_that_nobody_foresaw_is_told_where_to_look_what_to_compare_and_what_goes_wrong(exercise):
    answer = UNFORESEEN["number" if exercise.asks_number else "formula"].format(exercise.wrt)
    marked = exercise.mark(answer)
    assert marked.mistakes == ("unclassified",)
    look, compare, mistakes = marked.hints
    assert look.split()[0] == "Look"
    assert compare.startswith("Compare")
    assert mistakes.startswith("Usual mistakes: ")
    solution = "".join(exercise.answer.split())
    assert len(solution) < 4 or not any(solution in "".join(hint.split()) for hint in marked.hints)


ONE_OF_EACH = [cr.exercise(number) for number in ("1.1", "1.2", "2.2", "2.4", "4.2", "16.2")]
"""A number, a formula, several numbers, choices, a number that is graded, and a matrix."""


@pytest.mark.parametrize("exercise", ONE_OF_EACH, ids=name_of)
@pytest.mark.parametrize(
    "answer", ["", " \n", "?", "(", "x +", "é" * 50, "a" * 20_000, "1/0", "lambda: 0", "no idea", "nan", None, object()]
)
def test_a_malformed_answer_is_told_how_one_is_written_and_is_no_try(exercise, answer):
    marked = exercise.mark(answer)
    assert not marked.right
    assert not marked.read
    assert not marked.mistakes
    assert exercise.how in repr(marked).splitlines()
    tried = []
    assert marked.after(tried, answer) is marked
    assert not tried


@pytest.mark.parametrize(
    ("exercise_id", "answer"),
    [
        ("1.2", "7"),
        ("1.2", "1, 2"),
        ("16.2", "[[1, 2, 3], [4, 5, 6]]"),
        ("1.1", "1, 2, 3"),
        ("2.2", "7"),
        ("2.2", "1;2;3"),
    ],
)
def test_an_answer_of_another_kind_is_no_try(exercise_id, answer):
    """Numbers where a formula is asked, and too many or too few of them."""
    marked = cr.exercise(exercise_id).mark(answer)
    assert not marked.read
    assert cr.exercise(exercise_id).how in marked.hints


HINTED = [(e, wrong) for e, wrong in WRONG if wrong.hint and e.problem and not e.asks_number]


@pytest.mark.parametrize(("exercise", "wrong"), HINTED, ids=[f"{e.id}: {w.answer}" for e, w in HINTED])
def test_a_foreseen_formula_is_known_in_any_equal_form(exercise, wrong):
    for same in (f"2*({wrong.answer})/2", f"-(-({wrong.answer}))"):
        assert exercise.mark(same).hints[0] == wrong.hint


@pytest.mark.parametrize("exercise", EXERCISES, ids=name_of)
def test_every_right_and_every_foreseen_answer_can_be_read(exercise):
    for answer in (exercise.answer, *[wrong.answer for wrong in exercise.wrong]):
        assert exercise.mark(answer).read, answer


def test_a_session_brings_a_hint_more_with_every_other_wrong_answer(monkeypatch):
    monkeypatch.setattr(import_module("chainrule.lessons.exercise"), "TRIED", {})
    asked = cr.exercise("8.1")
    shown = [
        repr(cr.exercise("8.1", answer)).count("\n")
        for answer in ("yhat", "yhat", "(", "7", "x*y + h", "yhat", "x + y")
    ]
    assert shown == [1, 1, 4, 2, 2, 1, 3]
    assert repr(cr.exercise("8.1", "x*y", seed=3)).count("\n") == 1  # others' numbers are another exercise
    assert cr.exercise("8.1", asked.answer).right


def test_what_cannot_be_read_is_said_once_with_its_place():
    says = cr.exercise("8.1", "yhat - ").says
    assert says.startswith("This cannot be read yet: a sign or an operand is missing\n")
    assert says.splitlines()[-1].strip() == "^^^^"


WITH_NUMBERS = [exercise for exercise in EXERCISES if exercise.has_numbers]


def test_nearly_every_exercise_with_numbers_can_have_others():
    # What is left is choices among words, formulas in matrices, and numbers that belong to the chapter's own network.
    have_none = "5.1 8.5 9.3 11.3 12.1 12.3 13.4 14.1 14.2 15.1 15.2 16.1 16.2 16.3 17.3 19.1 19.2 20.2 20.3 20.4"
    assert {e.id for e in EXERCISES if not e.has_numbers} == {*have_none.split(" ")}


@pytest.mark.parametrize("exercise", EXERCISES, ids=name_of)
def test_the_numbers_of_a_chapter_hide_no_mistake(exercise):
    assert not exercise.hides()


@pytest.mark.parametrize("exercise", WITH_NUMBERS, ids=name_of)
def test_fresh_numbers_are_others_and_hide_no_mistake(exercise):
    drawn = [exercise.fresh(seed) for seed in range(4)]
    assert len({tuple(one.values.items()) for one in drawn}) > 1
    assert drawn[0] == exercise.fresh(drawn[0].seed)
    for one in drawn:
        assert not one.hides()
        assert "{{" not in repr(one)
        assert one.mark(one.answer).right
    for wrong in drawn[0].wrong:
        marked = drawn[0].mark(wrong.answer)
        assert not marked.right
        assert marked.hints


def test_numbers_that_hide_a_mistake_are_seen():
    # w2·x = 1: whoever forgets a link gets the right number.
    assert cr.exercise("8.3").on({"x": 2.0, "w1": 2.0, "w2": 0.5, "y": 20.0}, 0).hides()
    assert cr.exercise("7.3").on({"w": 0.8, "g": -2.0, "rate": 1.0}, 0).hides()  # a forgotten rate
    assert cr.exercise("13.2").on({"n": 784.0, "k": 30.0, "m": 30.0}, 0).hides()  # rows for columns
    assert not cr.exercise("7.3").on({"w": 0.8, "g": -2.0, "rate": 0.1}, 0).hides()


def test_an_exercise_without_numbers_stays_as_it_is():
    assert cr.exercise("16.1", seed=3) is cr.exercise("16.1")


def test_a_formula_is_asked_at_numbers_when_it_is_drawn():
    drawn = cr.exercise("8.1", seed=1)
    assert drawn.asks_number
    assert all(f"{name} = " in drawn.ask for name in ("w1", "x", "w2", "w3", "y"))
    assert drawn.mark("(yhat - y)*w3*h").right
    assert not drawn.mark("(yhat - y)*h").right


def test_a_wrong_number_is_told_what_was_done_with_the_numbers():
    exercise = cr.exercise("3.3")  # 4·(−3) + 5
    assert exercise.mark("9").hints[0] == "That comes out if the −3 is left out."
    assert exercise.mark("17").hints[0].startswith("That comes out if the sign of 4 is turned, or the sign of −3")
    assert exercise.mark("2").hints[0] == "That comes out if the 4 is left out."
    assert exercise.mark("100").hints == exercise.hints
    assert len(exercise.mark("17").hints) == 3


@pytest.mark.parametrize("exercise", [e for e in EXERCISES if not e.problem], ids=name_of)
def test_an_answer_that_nobody_foresaw_gets_a_hint_that_is_no_answer(exercise):
    wrong = [x for x in exercise.choices if x != exercise.answer] or [
        "12345.678" + ", 1" * (exercise.answer.count(","))
    ]
    for answer in wrong:
        hints = exercise.mark(answer).hints
        assert hints
        assert hints[0] != exercise.answer


def test_all_of_a_list_is_compared():
    exercise = Exercise("0.0", "?", "1, 2", expects=[1, 2])
    assert exercise.mark(np.array([1, 2])).right
    assert not exercise.mark(np.array([1, 3])).right
    assert exercise.mark([[1, 2]]).right
    assert not exercise.mark([[[1, 2]]]).right
    assert not exercise.mark(object()).right


@pytest.mark.parametrize(("typed", "right"), [("5.03", True), ("5", False), ("5.0", False), ("5.030", True)])
def test_a_short_number_is_wanted_with_all_its_digits(typed, right):
    assert Exercise("0.0", "?", "5.03", expects=5.03).mark(typed).right is right


@pytest.mark.parametrize(("typed", "right"), [("0", True), ("0.0", True), ("-0", True), ("0.004", False)])
def test_nothing_is_rounded_to_nothing(typed, right):
    assert Exercise("0.0", "?", "0", expects=0).mark(typed).right is right


SENSE = "x y w1 yhat h a b L 0 1 2.5 1e309 1e-400 sum exp log tanh outer import lambda axis=0 nan inf 1j dL/dw1= (x)"
SIGNS = "( ) [ ] { } + - * / ** @ .T ^ , ; : = == < > − · ² ½ ∂ σ __ # % & | ! ? \\ ' é ŷ [[1,2],[3]]"
HARSH = ["\n", "\t", "\0", "\x1b[31m", "9" * 400, "(" * 300, "²" * 50, " "]
PIECES = [*SENSE.split(" "), *SIGNS.split(" "), *HARSH]


def typed_by_nobody(random) -> str:
    """An answer that makes no sense: pieces of formulas, signs of any script, or a right answer that was damaged."""
    kind = random.random()
    if kind < 0.6:
        return random.choice(["", " "]).join(random.choices(PIECES, k=random.randint(0, 9)))
    if kind < 0.8:
        return "".join([chr(random.randint(1, 0x2FFF)) for _ in range(random.randint(0, 30))])
    signs = list(random.choice(EXERCISES).answer)
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, len(signs))
        signs[at : at + random.randint(0, 1)] = random.choice(PIECES)
    return "".join(signs)


def mark_what_nobody_types(seed: int, count: int) -> None:
    random = Random(seed)
    for _ in range(count):
        exercise, answer = random.choice(EXERCISES), typed_by_nobody(random)
        marked = exercise.mark(answer)
        assert marked.says, (exercise.id, answer)
        assert not marked.right or not marked.hints


def test_no_answer_is_an_error():
    mark_what_nobody_types(0, 200)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 5))
def test_no_answer_is_an_error_at_length(seed):
    mark_what_nobody_types(seed, 2000)


@pytest.mark.parametrize("answer", ["1e-400", "-1e-399", "0." + "0" * 500 + "1", "1e400"])
def test_a_number_beyond_the_doubles_is_only_wrong(answer):
    assert not cr.exercise("6.2").mark(answer).right


def test_an_exercise_shows_itself_and_marks():
    assert "Exercise 2.4" in repr(cr.exercise("2.4"))
    assert "b) (−3, 4)" in cr.exercise("2.4")._repr_markdown_()
    assert cr.exercise("2.4", "b").right
    assert cr.exercise("2.4", "(−3, 4)").right
    assert not cr.exercise("2.4", "a").right
    assert "a to d" in repr(cr.exercise("2.4", "z"))
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


@pytest.mark.parametrize(
    ("exercise_id", "answer"),
    [
        ("6.2", "3*7 + 12"),
        ("8.3", "(6-10)*4*3"),
        ("8.3", "-96/2"),
        ("1.1", "3*25 - 6*5 + 2"),
        ("1.3", "5 + 3*0.01"),
        ("3.3", "4·(−3) + 5"),
        ("10.4", "6·¼"),
        ("1.4", "x = 3"),
        ("15.4", "320,000, 16,000"),
        ("17.2", "180,000"),
        ("13.2", "10 x 30"),
        ("16.4", "[[1.5, -2, 3.5], [-6, 8, -14]]"),
    ],
)
def test_a_number_may_be_typed_as_people_write_it(exercise_id, answer):
    """Worked out or not, with thousands parted, in brackets: what a marker says of it is said of its number."""
    asked = cr.exercise(exercise_id)
    size = np.size(asked.expects) if asked.expects is not None else 1
    number = numbers_in(answer, count=size)
    assert number is not None
    found = asked.mark(answer)
    assert found.right == asked.mark(number).right
    assert found.read


def test_right_answers_typed_as_arithmetic_are_right():
    for exercise_id, answer in {"6.2": "3*7 + 12", "8.3": "-4*12", "1.3": "5 + 3*0.01", "10.4": "6·¼"}.items():
        assert cr.exercise(exercise_id, answer).right, exercise_id
    for exercise_id, answer in {"6.2": "3*7 + 13", "8.3": "4*12", "1.3": "5 + 4*0.01", "10.4": "6·½"}.items():
        assert not cr.exercise(exercise_id, answer).right, exercise_id


MATRICES = r"""[1 -2; 3 4]
[[1 -2][3 4]]
[[1, -2], [3, 4]]
((1, -2), (3, 4))
(1, -2), (3, 4)
{{1, -2}, {3, 4}}
1 -2; 3 4
1, -2; 6/2, 4;
[1, -2, 3, 4]
1 −2 3 4
J = [1 -2; 3 4]
np.array([[1, -2], [3, 4]])
torch.tensor([[1, -2], [3, 4]], dtype=torch.float64)
\begin{pmatrix} 1 & -2 \\ 3 & 4 \end{pmatrix}"""
LINES = ["1 -2\n3 4", "1, -2\n3, 4\n", "[[ 1.  -2. ]\n [ 3  4. ]]", "array([[ 1. , -2. ],\n       [ 3,  4. ]])"]


@pytest.mark.parametrize("answer", [*MATRICES.splitlines(), *LINES])
def test_a_matrix_may_be_typed_in_every_usual_way(answer):
    turned = Wrong("1, 3, -2, 4", hint="turned")
    exercise = Exercise("0.0", "?", "1, -2, 3, 4", expects=[1, -2, 3, 4], wrong=(turned,))
    assert exercise.mark(answer).right
    assert not exercise.mark(answer.replace("1", "9")).right
    other = answer.replace("-2", "?").replace("−2", "?").replace("3", "-2").replace("6/2", "-2").replace("?", "3")
    assert exercise.mark(other).hints[0] == "turned"


def test_an_array_that_was_computed_is_read_row_by_row():
    right = np.array([[1.5, -2, 3.5], [-6, 8, -14]])
    assert cr.exercise("16.4", right).right
    assert not cr.exercise("16.4", right.T).right
    assert cr.exercise("6.2", np.array([[33.0]])).right


@pytest.mark.parametrize(
    ("exercise_id", "typed", "right"),
    [
        ("12.3", "delta*w*sigma'(u)", True),
        ("12.3", "delta w sigma'(u)", True),
        ("12.3", "δ*w*σ'(u)", True),
        ("12.3", "c", True),
        ("12.3", "(c)", True),
        ("12.3", "delta*w*sigma'(z)", False),
        ("12.3", "delta*w", False),
        ("5.1", "L v u", True),
        ("5.1", "L u v", False),
        ("2.4", "(-3, 4)", True),
        ("2.4", "(3, -4)", False),
        ("8.5", "It doubles", True),
        ("19.1", "1-t*t", False),
    ],
)
def test_a_choice_may_be_typed_in_words_and_on_any_keyboard(exercise_id, typed, right):
    marked = cr.exercise(exercise_id, typed)
    assert marked.right is right
    assert right or marked.hints


def test_a_number_that_no_exercise_has_names_those_that_there_are():
    with pytest.raises(LessonError, match=r"no exercise 1\.5: chapter 1 has 1\.1 to 1\.4"):
        cr.exercise("1.5")
    with pytest.raises(LessonError, match=r"no exercise 20: chapter 20 has 20\.1 to 20\.4"):
        cr.exercise("20")
    for number in ("99.1", "", "x", "0.1"):
        with pytest.raises(LessonError, match="the chapters are 1 to 20"):
            cr.exercise(number)


def test_a_gpt_whose_targets_are_its_inputs_learns_to_copy():
    """What exercise 20.4 says happens."""
    space = {"cr": cr, "np": np}
    cells = [block.source for block in chapters()[19].blocks if isinstance(block, Cell)]
    exec(next(source for source in cells if "class GPT" in source), space)
    training = next(source for source in cells if "following = " in source)
    slipped = training.replace("codes[i + 1 : i + context + 1]", "codes[i : i + context]")
    assert slipped != training
    exec(slipped.replace("range(121)", "range(31)"), space)
    assert space["loss"].item() < 0.05
    exec(next(source for source in cells if "written = " in source), space)
    assert space["written"].endswith("m" * 44)
