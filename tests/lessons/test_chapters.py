"""Every chapter runs; its formulas hold; its numbers are those of the reference; its parts are all there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.lessons import chapters, read_chapter, run_chapter
from chainrule.lessons.chapter import Cell, Display, LessonError, Prose, Question
from chainrule.lessons.exercise import Exercise
from chainrule.lessons.run import Shown
from chainrule.maths import unicode

FACTS = json.loads((Path(__file__).parents[1] / "reference_facts.json").read_text())
NUMBERS = [chapter.number for chapter in chapters()]
SECTIONS = (
    "The question",
    "By hand",
    "In code",
    "The picture",
    "The check",
    "Exercises",
    "Usual mistakes",
    "Further reading",
)


def test_the_course_has_twenty_chapters_in_order():
    assert list(range(1, 21)) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_a_chapter_runs_and_its_formulas_hold(number, ran):
    # Sides of a formula that differ, and a cell or a number in the text that fails, raise.
    run = ran(number)
    assert len(run.shown) == len(run.chapter.blocks)
    assert all("{{" not in shown.block.text for shown in run.shown if isinstance(shown.block, Prose))


def sections_of(run) -> dict[str, list[Shown]]:
    """What stands under each heading of a chapter, without the part of a heading that follows a colon."""
    found: dict[str, list[Shown]] = {"": []}
    heading = ""
    for shown in run.shown:
        if not isinstance(shown.block, Prose):
            found[heading].append(shown)
            continue
        first, *rest = re.split(r"^## ", shown.block.text, flags=re.MULTILINE)
        found[heading].append(Shown(Prose(first)))
        for part in rest:
            heading = part.partition("\n")[0].partition(":")[0]
            assert heading not in found, f"chapter {run.chapter.number} has {heading} twice"
            found[heading] = [Shown(Prose(part))]
    return found


@pytest.mark.parametrize("number", NUMBERS)
def test_a_chapter_has_all_that_a_chapter_has(number, ran):
    run = ran(number)
    sections = sections_of(run)
    assert [name for name in SECTIONS if name not in sections] == []
    ends = ["Exercises", "Usual mistakes", "Further reading"]
    assert [name for name in sections if name in ends] == ends
    assert run.shown[0].block.text.startswith("**You need:**")
    assert 3 <= len(run.chapter.exercises) <= 6
    assert sum(isinstance(shown.block, Question) for shown in run.shown) >= 2
    by_hand = [shown.block for name in list(sections)[: list(sections).index("The check")] for shown in sections[name]]
    assert any(isinstance(block, Display) for block in by_hand)
    assert any(isinstance(shown.block, Cell) for shown in sections["In code"])
    assert any(isinstance(shown.block, Cell) for shown in sections["The check"])
    for name in ("Usual mistakes", "Further reading"):
        assert any("\n- " in "\n" + shown.block.text for shown in sections[name])


@pytest.mark.parametrize("number", NUMBERS)
def test_a_picture_is_drawn_by_the_product(number, ran):
    pictures = [shown.value for shown in sections_of(ran(number))["The picture"]]
    assert any(hasattr(value, "savefig") or hasattr(value, "sketch") for value in pictures)


@pytest.mark.parametrize("number", NUMBERS[3:])
def test_a_check_asks_pytorch_where_it_is_there(number, ran):
    cells = [shown for shown in sections_of(ran(number))["The check"] if isinstance(shown.block, Cell)]
    assert any("cr.compare(" in shown.block.source or "import torch" in shown.block.source for shown in cells)
    told = [str(shown.value) for shown in cells if "cr.compare(" in shown.block.source]
    assert all("they agree" in one or "is not installed" in one for one in told)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_word_in_bold_is_said_once(number, ran):
    # A term stands in bold where it is explained, and nowhere else in its chapter.
    text = "".join([shown.block.text for shown in ran(number).shown if isinstance(shown.block, Prose)])
    bold = [word.lower() for word in re.findall(r"\*\*([^*.]{1,25})\*\*", text)]
    assert len({*bold}) == len(bold)


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


def test_steps_on_batches_get_further_than_one_step_on_all(ran):
    space = ran(17).namespace
    assert space["ten"] < 0.6 * space["one"] < space["one"] < space["before"]


def test_numbers_of_the_slope(ran):
    space, facts = ran(1).namespace, FACTS["cubic"]
    assert {x: space["slope"](float(x)) for x in facts["slopes"]} == near(facts["slopes"])
    assert (space["rise"], space["forecast"]) == pytest.approx((facts["rise"], facts["forecast"]), rel=1e-13)
    assert [space["forward"], space["central"]] == pytest.approx(facts["quotients"]["0.1"], rel=1e-13)


def test_numbers_of_the_gradient(ran):
    space = ran(2).namespace
    assert cr.grad(space["f"], argnums=(0, 1))(3.0, 4.0) == (6.0, 8.0)
    assert (space["forecast"], space["truth"]) == pytest.approx((2.2, 2.25), rel=1e-13)


def test_losses_at_every_rate(ran):
    losses, facts = ran(9).namespace["losses"], FACTS["simple_net"]["sweep"]
    for rate in ("0.001", "0.005", "0.01", "0.02", "0.025", "0.03", "0.05", "0.1"):
        found, right = losses(float(rate)), facts[rate]["losses"]
        # What flies apart doubles its error with every step.
        assert found == pytest.approx(right[: len(found)], rel=1e-9)


def test_numbers_of_the_optimizers(ran):
    space, facts = ran(9).namespace, FACTS["optimizers"]
    for name, make in {
        "adagrad_lr0.5": lambda p: cr.optim.Adagrad(p, lr=0.5),
        "rmsprop_lr0.1_rho0.9": lambda p: cr.optim.RMSprop(p, lr=0.1, alpha=0.9),
        "adam_lr0.1": lambda p: cr.optim.Adam(p, lr=0.1),
        "sgd_lr0.01": lambda p: cr.optim.SGD(p, lr=0.01),
        "momentum0.9_lr0.001": lambda p: cr.optim.SGD(p, lr=0.001, momentum=0.9),
    }.items():
        path, _ = space["trained"](make)
        assert path[-1] == pytest.approx((facts[name]["w1"], facts[name]["w2"]), rel=1e-9)


def test_ten_epochs_of_the_sigmoids(ran):
    space, rows = ran(10).namespace, rows_of("sigmoid_net")
    weights = (0.10, -0.30, 0.50)
    for row in rows[:10]:
        assert weights == near(tuple(row[f"{name}_before"] for name in ("w1", "w2", "w3")))
        loss, yhat, *weights = space["epoch"](*weights, rate=0.1)
        weights = tuple(weights)
        assert (loss, yhat) == near((row["loss"], row["yhat"]))
    last = FACTS["sigmoid_net"]["after_half_sum_rate_10"]
    assert space["weights"] == pytest.approx([last["w1"], last["w2"], last["w3"]], rel=1e-11)


def test_numbers_of_matrix_calculus(ran):
    space, facts = ran(13).namespace, FACTS["parr_howard"]
    assert space["J"].tolist() == facts["total"]["J of (3x^2 y, 2x+y^8) at (1,2)"]
    assert (space["B"] @ space["A"]).ravel() == near(facts["total"]["[ln(x^2),sin(3x)] at 2"])
    w, x = ran(14).namespace["w"], ran(14).namespace["x"]
    assert (1 / x) == near(facts["quotient"]["by_w"])
    assert (-w / x**2) == near(facts["quotient"]["by_x"])
    space, facts = ran(15).namespace, facts["batch"]
    assert (space["C"], space["grad_b"]) == near((facts["C"], facts["grad_b"]))
    assert space["grad_w"] == near(facts["grad_w"])


def test_numbers_of_the_four_equations(ran):
    space, facts = ran(16).namespace, FACTS["net_2_3_2"]
    for name in ("a1", "a2", "delta2", "delta1", "dW2", "db2", "dW1", "db1"):
        assert np.asarray(space[name]) == near(np.array(facts[name])), name
    assert space["C"] == near(facts["C"])
    assert ran(12).namespace["dC_dw"] == near(facts["dW1"][1][0])
    assert ran(12).namespace["ways"].sum() == near(facts["dC_da1"][1])


def test_gradients_of_the_network_of_the_books(ran):
    space, facts = ran(17).namespace, FACTS["nielsen_784_30_10"]
    first = facts["first_draws_check"]
    assert (space["V1"][0, 0], space["V2"][9, 29]) == near((first["W1[0,0]"], first["W2[9,29]"]))
    first = facts["sample0"]
    found = (space["dV1"][0, 0], space["dV1"][29, 783], np.linalg.norm(space["dV1"]), np.linalg.norm(space["dV2"]))
    assert found == pytest.approx(
        [first[name] for name in ("dW1[0,0]", "dW1[29,783]", "||dW1||_F", "||dW2||_F")], rel=1e-11
    )


def printed_in(run, words: str) -> list[list[float]]:
    """The numbers in each line that is printed by the cell in which these words stand."""
    cell = next(shown for shown in run.shown if isinstance(shown.block, Cell) and words in shown.block.source)
    return [[float(x) for x in re.findall(r"(?<!\w)-?\d+\.?\d*", line)] for line in cell.printed.splitlines()]


def test_steps_down_the_bowl(ran):
    steps = FACTS["paraboloid"]["steps"]
    assert printed_in(ran(2), "for step in range(4)") == [pytest.approx([i, *steps[i]], abs=5e-5) for i in range(4)]
    assert [ran(2).namespace[name] for name in "xy"] == near(steps[4][:2])


def test_numbers_of_engines_with_a_mistake(ran):
    facts, space = FACTS["engines_with_a_mistake"], ran(6).namespace
    reports = space["product_first"]
    for order, name in (
        (reports, "overwritten, the sum last"),
        (reports[2:] + reports[:2], "overwritten, the product last"),
    ):
        assert list(space["hand_back"](order, adds=False).values()) == facts[name]
    assert list(space["hand_back"](reports, adds=True).values()) == [FACTS["engine"]["accumulate"][x] for x in "ab"]
    assert ran(5).namespace["too_early"] == facts["handed on too early"]
    told = "".join([shown.block.text for shown in ran(5).shown if isinstance(shown.block, Prose)])
    assert f"gives {facts['handed on again']:g}." in told


def test_the_table_of_losses(ran):
    table = printed_in(ran(8), "L(w1, w2)")
    across = table[0][-5:]
    found = {(w1, w2): loss for w1, *row in table[1:] for w2, loss in zip(across, row, strict=True)}
    known = {(w1, w2): loss for w1, w2, loss in FACTS["simple_net"]["surface"] if (w1, w2) in found}
    assert len(known) > 5
    assert {place: found[place] for place in known} == pytest.approx(known, abs=0.05)


def test_gradients_of_one_neuron_a_layer(ran):
    facts = FACTS["3b1b_chain"]["layers"]
    for layer, *numbers in printed_in(ran(12), "handed_back"):
        right = [facts[str(int(layer))][name] for name in ("dC/dw", "dC/db", "dC/da_prev")]
        assert numbers == pytest.approx(right, abs=5e-7)
    assert ran(12).namespace["ways"] == near(FACTS["net_2_3_2_batch_of_3"]["ways to the second hidden neuron"])


def test_gradients_of_a_batch_of_three(ran):
    space, facts = ran(16).namespace, FACTS["net_2_3_2_batch_of_3"]
    first, last = space["D1"], space["D2"]
    found = {
        "dW1": first @ space["X"].T,
        "db1": first.sum(axis=1),
        "dW2": last @ space["A1"].T,
        "db2": last.sum(axis=1),
    }
    for name, gradient in found.items():
        assert gradient == near(np.array(facts[name])), name


def test_numbers_of_the_tensor_that_nobody_stores(ran):
    facts = FACTS["nielsen_784_30_10"]["layer_tensor"]
    assert ran(15).namespace["entries"] == facts["dz1/dW1 entries 30*30*784"]
    assert ran(15).namespace["not_zero"] == facts["nonzero"]


def test_numbers_of_the_saturated_neuron(ran):
    train, facts = ran(18).namespace["train"], FACTS["saturated_neuron"]
    # The last output is that before the last step, the reference's that after it.
    assert [train(w, b, epochs=301)[0] for w, b in ((0.6, 0.9), (2.0, 2.0))] == near(facts["a_after_300"])


def test_the_engine_of_one_page_has_forty_lines_and_is_right(ran):
    cells = [block.source for block in ran(19).chapter.blocks if isinstance(block, Cell)]
    engine = next(source for source in cells if "class Value" in source)
    body = engine.partition("class Value:")[2].partition("\n\n\ndef lifted")[0]
    assert 30 < len([line for line in body.splitlines() if line.strip()]) <= 40

    def report_of(*sources):
        space = {}
        for source in sources:
            exec(source, space)
        return cr.check_engine(space["Value"])

    cure = next(source for source in cells if "Value.backward = backward" in source).partition("\ncr.check")[0]
    before, after = report_of(engine), report_of(engine, cure)
    assert before
    assert after
    assert "4 times" in str(before)
    assert "remark" not in str(after)
    assert not report_of(engine.replace("child.grad += slope", "child.grad = slope"))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**9), size=st.integers(1, 60))
def test_the_engine_of_one_page_agrees_on_random_graphs(ran, seed, size):
    space = ran(19).namespace

    def gradients(make, curve):
        random = np.random.default_rng(seed)
        leaves = [make(float(x)) for x in random.uniform(0.5, 1.5, 4)]
        pool = list(leaves)
        for _ in range(size):
            x, y = (pool[i] for i in random.integers(0, len(pool), 2))
            step = [x + y, x * y, x - y, curve(x), x**2, 3 - x, 2 / (x * x + 1), -x, y / 2][random.integers(9)]
            pool.append(curve(step))
        out = sum(pool)
        out.backward()
        return [leaf.grad for leaf in leaves]

    mine, real = gradients(space["Value"], lambda x: x.tanh()), gradients(cr.Value, cr.tanh)
    assert mine == pytest.approx(real, rel=1e-12, abs=1e-12)


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


def test_a_derivative_is_written_with_d_where_the_chapter_says_that_nothing_is_held_still():
    text = "# T\n```math{0} y=4 x=2 dy_dx=4\ndy/dx = d(x**2)/dx = 4\n```\n"
    written = [
        unicode(run_chapter(read_chapter("1-x", text.format(word))).shown[0].formulas[0]) for word in ("", " total")
    ]
    assert written == ["∂y/∂x = ∂x²/∂x = 4", "dy/dx = dx²/dx = 4"]


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
