"""Every chapter runs; its formulas hold; its numbers are those of the reference; its parts are all there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from chainrule.errors import ChainruleError
from chainrule.lessons import chapters, read_chapter, run_chapter
from chainrule.lessons.chapter import Cell, Display, LessonError, Prose, Question
from chainrule.lessons.exercise import Exercise
from chainrule.lessons.run import Shown

FACTS = json.loads((Path(__file__).parents[1] / "reference_facts.json").read_text())
NUMBERS = [chapter.number for chapter in chapters()]
SECTIONS = ("## The question", "## The check", "## Exercises", "## Usual mistakes", "## Further reading")


def test_the_course_has_twenty_chapters_in_order():
    assert list(range(1, 21)) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_a_chapter_runs_and_its_formulas_hold(number, ran):
    # Sides of a formula that differ, and a cell or a number in the text that fails, raise.
    run = ran(number)
    assert len(run.shown) == len(run.chapter.blocks)
    assert all("{{" not in shown.block.text for shown in run.shown if isinstance(shown.block, Prose))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_chapter_has_all_that_a_chapter_has(number, ran):
    chapter = ran(number).chapter
    text = "\n".join([block.text for block in chapter.blocks if isinstance(block, Prose)])
    missing = [section for section in SECTIONS if section not in text]
    if number == 20:
        missing.remove("## Usual mistakes")
    assert not missing
    assert text.startswith("**You need:**")
    assert 3 <= len(chapter.exercises) <= 6
    assert any(isinstance(block, Question) for block in chapter.blocks)
    assert any(isinstance(block, Cell) for block in chapter.blocks)


def test_what_a_chapter_needs_comes_before_it():
    for chapter in chapters()[1:]:
        first = chapter.blocks[0]
        assert isinstance(first, Prose)
        line = first.text.partition("\n")[0]
        needed = [int(word) for word in line.replace(",", " ").replace(".", " ").split() if word.isdigit()]
        assert needed, chapter.title
        assert max(needed) < chapter.number


@pytest.mark.parametrize("number", NUMBERS)
def test_a_checks_answer_is_true(number, ran):
    # A cell that ends in a comparison shows True: a chapter that shows False proves the opposite of what it says.
    for shown in ran(number).shown:
        assert str(shown.value) not in ("False", "np.False_")
        assert "False" not in str(shown.value if isinstance(shown.block, Cell) and isinstance(shown.value, str) else "")


def rows_of(net: str) -> list[dict[str, float]]:
    """The epochs of a net by the names of their columns."""
    table = FACTS[net]["half_sum"]
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


def near(wanted):
    return pytest.approx(wanted, rel=1e-12, abs=1e-15)


def test_numbers_of_the_neuron(ran):
    space, facts = ran(4).namespace, FACTS["neuron"]
    assert space["o"].data == near(facts["o"])
    assert {name: space[name].grad for name in facts["tanh"]} == near(facts["tanh"])


def test_numbers_of_the_graphs(ran):
    assert ran(5).namespace["x"].grad == FACTS["engine"]["order"]["correct_dL/dx"]
    facts = FACTS["engine"]["accumulate"]
    assert {name: ran(6).namespace[name].grad for name in "ab"} == {name: facts[name] for name in "ab"}


def test_numbers_of_the_two_weights(ran):
    space, rows = ran(8).namespace, rows_of("simple_net")
    seen = [(w1, w2, loss) for w1, w2, loss in space["history"]]
    assert np.array(seen) == near(np.array([(row["w1_before"], row["w2_before"], row["loss"]) for row in rows[:10]]))


def test_numbers_of_the_learning_rates(ran):
    space, facts = ran(9).namespace, FACTS["simple_net"]
    assert space["curvature"] == near(facts["largest_curvature_at_end"])
    assert space["limit"] == near(facts["rate_limit"])


def test_numbers_of_the_sigmoids(ran):
    space, first = ran(10).namespace, rows_of("sigmoid_net")[0]
    names = ("dL_dw1", "dL_dw2", "dL_dw3", "dL_dyhat")
    assert {name: space[name] for name in names} == near({name: first[name] for name in names})
    assert [space[name].data for name in ("z1", "h1", "z2", "yhat", "L")] == near(
        [first[name] for name in ("z1", "h1", "z2", "yhat", "loss")]
    )


def test_numbers_of_one_neuron_a_layer(ran):
    space, facts = ran(12).namespace, FACTS["3b1b_chain"]
    assert [space["a"][layer] for layer in range(4)] == near(facts["a"])
    assert [space["z"][layer] for layer in (1, 2, 3)] == near(facts["z"])


def test_numbers_of_the_network_of_the_books(ran):
    space, facts = ran(17).namespace, FACTS["nielsen_784_30_10"]
    assert space["cost"] == pytest.approx(facts["sample0"]["C"], rel=1e-11)
    assert space["kept"][-1].ravel() == pytest.approx(facts["sample0"]["a2"], rel=1e-11)


def test_a_false_formula_is_refused():
    chapter = read_chapter("1-x", "# X\n```math x=2\nd(x**2)/dx = 2*x = 5\n```\n")
    with pytest.raises(ChainruleError, match="gives 4"):
        run_chapter(chapter)


@pytest.mark.parametrize(("line", "holds"), [("a ≈ 0.452947", True), ("a ≈ 0.452951", False), ("a = 2*a ≈ 1", False)])
def test_about_equal_is_checked_to_the_digits_shown(line, holds):
    from chainrule.lessons.formulas import displayed

    if holds:
        displayed(line, {"a": 0.4529470581})
    else:
        with pytest.raises(ChainruleError, match="gives"):
            displayed(line, {"a": 0.4529470581})


def test_nudges_are_quotients_and_derivatives_are_derivatives():
    from chainrule.lessons.formulas import displayed
    from chainrule.maths import plain

    assert plain(displayed("dy/dx = 2", {"dy": 0.2, "dx": 0.1})) == "dy/dx = 2"
    assert plain(displayed("dy/dx = 3", {"y": 1.0, "x": 1.0, "dy_dx": 3.0})) == "dy_dx = 3"
    with pytest.raises(ChainruleError):
        displayed("dy/dx = 4", {"y": 1.0, "x": 1.0, "dy_dx": 3.0})


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("no title\n", "first line is the title"),
        ("# T\n```python\nx = 1\n", "never closed"),
        ("# T\n```exercise\nask = 'a'\nanswer = 1\nhow = 2\n```\n", "line 2: an exercise has no 'how'"),
        ("# T\n```question\nno answer\n```\n", "line 2"),
        ("# T\n```math two\nx\n```\n", "name=number"),
    ],
)
def test_a_chapter_that_cannot_be_read_names_the_line(text, wrong):
    with pytest.raises(LessonError, match=wrong):
        read_chapter("3-three", text)


def test_a_cell_shows_what_it_was_when_it_ran():
    chapter = read_chapter(
        "1-x", "# X\n```python\na = [1]\na\n```\n```python\na.append(2)\na\n```\nNow {{ len(a) }}.\n"
    )
    values = [shown.value for shown in run_chapter(chapter).shown]
    assert values[:2] == ["[1]", "[1, 2]"]
    assert run_chapter(chapter).shown[2] == Shown(Prose("Now 2."))


def test_numbers_in_the_text_are_printed_as_numbers():
    lines = "{{ 0.1 + 0.2 }} {{ -18.0 }} {{ 23860 }} {{ 1/3 : .2f }} {{ np.array([1.0, -2.5]) }}"
    run = run_chapter(read_chapter("1-x", f"# X\n```python\nimport numpy as np\n```\n{lines}\n"))
    assert run.shown[1].block == Prose("0.3 −18 23,860 0.33 (1, −2.5)")


def test_every_display_stands_alone():
    for chapter in chapters():
        for block in chapter.blocks:
            assert not isinstance(block, Display) or block.lines
            assert not isinstance(block, Exercise) or block.ask
    assert np.all([len(chapter.title) < 60 for chapter in chapters()])
