"""The catalogue's wrong derivatives are formulas that can be read, and none of them is the right one."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.core.operation import Pointwise, book
from chainrule.verify.answers.code import take_apart
from chainrule.verify.answers.formula import read_formula
from chainrule.verify.grade import grade
from chainrule.verify.marking.changes import changes
from chainrule.verify.marking.editor import Editor
from chainrule.verify.marking.problem import probes_of, read_problem
from chainrule.verify.marking.walk import Walk
from chainrule.verify.marking.wrong_slopes import FORMULAS, TAKEN_WRONG, wrong_slopes


@pytest.mark.parametrize("key", dict.fromkeys([*FORMULAS, *TAKEN_WRONG]))
def test_what_is_called_wrong_is_wrong(key: str) -> None:
    name, _, slot = key.partition(" ")
    inputs = (np.array([0.3, 1.7]), np.array([2.5, 0.4]))[: 2 if slot else 1]
    rule = book[name]
    assert isinstance(rule, Pointwise)
    right = np.asarray(rule.partial(int(slot or 0), rule.function(*inputs), inputs, {}))
    for wrong in wrong_slopes(name, int(slot or -1)):
        assert not np.allclose(wrong(*inputs), right), wrong


@pytest.mark.parametrize(("name", "answer"), [("tanh", "1 + tanh(x)²"), ("exp", "x·eˣ⁻¹"), ("sqrt", "½√x")])
def test_what_people_write_is_told_as_they_write_it(name: str, answer: str) -> None:
    (mistake, *_) = grade(f"L = {name}(x)", answer, wrt="x").mistakes
    written = {"tanh": "1 + tanh²", "exp": "x·eˣ⁻¹", "sqrt": "√x/2"}[name]
    assert (mistake.name, f"{name}′ is not {written}" in mistake.says) == ("wrong-local-derivative", True)


@pytest.mark.parametrize(
    ("program", "answer"), [("L = exp(k*x)", "k eᵏˣ"), ("L = 3e²ˣ", "6 e²ˣ"), ("L = xⁿ", "n xⁿ⁻¹")]
)
def test_letters_may_be_raised(program: str, answer: str) -> None:
    assert grade(program, answer, wrt="x").right


def test_a_divisor_that_is_a_product_has_brackets() -> None:
    problem = read_problem("h = X @ w; L = sum((h - y)**2)/(2*m)", {"X": (5, 2), "w": 2, "y": 5})
    walks = [Walk(problem, probes_of(problem, {})[0])]
    editor = Editor(problem, walks, read_formula(problem, "X.T @ (h - y)", "w"), ["w"])
    assert {"1/m is missing at h", "1/(2*m) is missing at h"} <= {edit.says for edit in editor.edits()}


def test_mistakes_come_in_the_order_of_the_program() -> None:
    lines = [f"u{i + 1} = u{i}*sin(u{i})" for i in range(12)]
    problem = read_problem("; ".join(lines))
    walks = [Walk(problem, probes_of(problem, {})[0])]
    found = [c.place.partition(",")[0] for c in changes(problem, problem.named["u0"], walks)]
    assert [p for p in dict.fromkeys(found) if p in problem.named][:3] == [f"u{i}" for i in (11, 10, 9)]
    ways = [c.place.partition(",")[0] for c in changes(problem, problem.named["u0"], walks) if c.name == "overwritten"]
    assert list(dict.fromkeys(ways))[:12] == [f"u{i}" for i in range(11, -1, -1)]


def test_a_factor_that_stands_twice_may_have_lost_its_bracket_once() -> None:
    problem = read_problem("L = y*(x**3/3 + c*x**2/2)")
    walks = [Walk(problem, numbers) for numbers in probes_of(problem, {}, 2)]
    working = take_apart(problem, lambda y, x, c: x * x * y + c, walks, ["x"])
    assert working is not None
    assert "lost-parentheses" in [edit.name for edit in Editor(problem, walks, working, ["x"]).successes()]
