"""Mistakes are located and named, no right answer is refused, and no wrong cause is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import learner_answers
import numpy as np
import pytest

from chainrule.verify.grade import grade
from chainrule.verify.marking.marked import Grade

SLIPS = json.loads((Path(__file__).parent / "slips.json").read_text())

NET = "h = w1*x; ŷ = w2*h; L = 0.5*(ŷ - y)**2"
SIGMOIDS = "z1 = w1*x1 + w2*x2; h1 = sigmoid(z1); z2 = w3*h1; yhat = sigmoid(z2); L = 0.5*(t - yhat)**2"
START = {"x1": 1, "x2": 2, "w1": 0.1, "w2": -0.3, "w3": 0.5, "t": 1}


def names(graded: Grade) -> list[str]:
    return [mistake.name for mistake in graded.mistakes]


def is_located(graded: Grade, accepted: Any, place: Any) -> bool:
    """Whether a mistake with an accepted name is said at a place with one of the words."""
    return not graded.right and any(
        mistake.name in accepted and any(word.lower() in mistake.place.lower() for word in place)
        for mistake in graded.mistakes
    )


def graded_slip(slip: dict[str, Any]) -> Grade:
    problem, answer = slip["problem"], slip["answer"]
    given: dict[str, Any] = {"wrt": answer["wrt"], "shapes": problem["shapes"], "values": problem.get("values")}
    if answer["kind"] != "code":
        return grade(problem["program"], answer["text"], **given)
    program: dict[str, Any] = {"np": np}
    exec(answer["text"], program)
    if "steps" in answer:
        return grade(problem["program"], program["train"], steps=answer["steps"], rate=answer["rate"], **given)
    return grade(problem["program"], program["backward"], **given)


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip["id"])
def test_published_slips(slip: dict[str, Any]) -> None:
    graded, expected = graded_slip(slip), slip["expected"]
    if expected["right"]:
        assert graded.right
    else:
        assert is_located(graded, expected["names"], expected["place"])


def mended(slip: dict[str, Any]) -> dict[str, Any]:
    text = slip["answer"]["text"]
    for wrong, right in slip["answer"]["fix"]:
        assert wrong in text
        text = text.replace(wrong, right)
    return {**slip, "answer": {**slip["answer"], "text": text}}


@pytest.mark.parametrize("slip", [s for s in SLIPS if "fix" in s["answer"]], ids=lambda slip: slip["id"])
def test_a_slip_that_is_mended_is_right(slip: dict[str, Any]) -> None:
    assert graded_slip(mended(slip)).right


def test_no_slip_is_mislabelled() -> None:
    wrong = [slip for slip in SLIPS if not slip["expected"]["right"]]
    assert [s["id"] for s in wrong if set(names(graded_slip(s))).isdisjoint(s["expected"]["names"])] == []


def of_learner(answer: learner_answers.Answer) -> Grade:
    problem = learner_answers.PROBLEMS[answer.problem]
    return grade(problem.program, answer.text, wrt=answer.wrt, shapes=problem.shapes)


@pytest.mark.parametrize("answer", learner_answers.WRONG, ids=lambda a: f"{a.problem}, {a.wrt}: {a.text}")
def test_wrong_answers_in_a_learners_words(answer: learner_answers.Answer) -> None:
    assert is_located(of_learner(answer), answer.names, answer.place)


@pytest.mark.parametrize("answer", learner_answers.RIGHT, ids=lambda a: f"{a.problem}, {a.wrt}: {a.text}")
def test_right_answers_in_odd_forms(answer: learner_answers.Answer) -> None:
    assert of_learner(answer).right


AUDIT = {
    "h1": (0.3775, None),
    "dz2": (-0.11222, "rounding"),
    "dyhat_dz2": (0.24758, "arithmetic"),
    "dh1/dz1": (0.2350, None),
    "dw3": (-0.04239, "arithmetic"),
    "dz1": (-0.01318, "truncation"),
    "w3_after": (0.50424, None),
    "w1_after": (0.10132, None),
    "w2_after": (-0.29736, None),
    "L": (0.10258, None),
}
"""A published hand calculation, line by line, and what is wrong with each number."""


def test_a_published_hand_calculation() -> None:
    table = "\n".join(f"{name} = {number}" for name, (number, _) in AUDIT.items())
    graded = grade(SIGMOIDS, table, wrt=["w1", "w2", "w3"], values=START)
    assert not graded.right
    said = {mistake.place.split()[2]: mistake.name for mistake in graded.mistakes}
    assert said == {name: kind for name, (_, kind) in AUDIT.items() if kind}
    assert graded.mistakes[0].place.startswith("the line dyhat_dz2")


def train(w1: Any, w2: Any, w3: Any, x1: Any, x2: Any, t: Any, steps: int, rate: float) -> Any:
    """A published notebook's loop: the loss falls, and w3 moves by w2's gradient."""
    for _ in range(steps):
        h1 = 1 / (1 + np.exp(-(w1 * x1 + w2 * x2)))
        yhat = 1 / (1 + np.exp(-w3 * h1))
        dz2 = (yhat - t) * yhat * (1 - yhat)
        dz1 = dz2 * w3 * h1 * (1 - h1)
        dL_dw1, dL_dw2 = dz1 * x1, dz1 * x2
        w1, w2, w3 = w1 - rate * dL_dw1, w2 - rate * dL_dw2, w3 - rate * dL_dw2
    return w1, w2, w3


def test_the_update_of_a_published_notebook() -> None:
    graded = grade(SIGMOIDS, train, wrt=["w1", "w2", "w3"], steps=10, rate=0.1)
    assert names(graded) == ["wrong-update"]
    assert "w3" in graded.mistakes[0].place
    assert "epoch 1" in graded.mistakes[0].place
    assert "w2" in graded.mistakes[0].says


def test_a_number_alone_asks_for_a_formula() -> None:
    values = {"x": 2.0, "w1": 2.0, "w2": 0.5, "y": 20.0}
    assert grade(NET, -18.0, wrt="w1", values=values).right
    graded = grade(NET, "-36", wrt="w2", values=values)
    assert len(graded.mistakes) > 1
    assert "formula" in graded.hints[1]
    assert grade(NET, "-72.0", wrt="w2", values=values).right
