"""Long formulas within the characters that may be typed: what nobody would read is not worked out."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule.derivation.in_names as in_names
import chainrule.derivation.symbolic.derivative as symbolic
from chainrule.derivation.typed.answer import Answer, Options
from chainrule.derivation.typed.closed_forms import MOST_ROWS
from chainrule.derivation.typed.formula import read_formula
from chainrule.errors import GraphError


def answer(text, *given):
    return Answer(read_formula(text, list(given), ""), Options())


@pytest.mark.parametrize("sign", ["*", "+"])
def test_of_very_many_names_the_first_are_told_and_the_others_counted(sign):
    names = [f"a{i}" for i in range(120)]
    text = answer(sign.join(names), *[f"{name}=1" for name in names]).derivation.text()
    assert len(text.splitlines()) <= 12
    assert "and 115 more." in text


def chained(step, count):
    return "; ".join([f"a{i + 1} = {step.format(f'a{i}')}" for i in range(count)])


def counted(monkeypatch, module, name):
    calls = []
    original = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *given: calls.append(name) or original(*given))
    return calls


def test_only_the_rules_that_are_listed_are_worked_out(monkeypatch):
    calls = counted(monkeypatch, symbolic, "step_at")
    found = answer("+".join([f"sin({k}*x)" for k in range(1, 200)]), "x=0.5").derivation
    assert len(calls) == MOST_ROWS
    np.testing.assert_allclose(found.gradient, sum([k * np.cos(k / 2) for k in range(1, 200)]), rtol=1e-12)


@pytest.mark.parametrize(
    ("step", "slope"),
    [("{0} + sin({0})*x", None), ("{0} + {0}**2/10", None), ("exp(-{0}) + x", None), ("{0}/2 + x", 2.0)],
)
def test_of_a_long_chain_only_the_gradients_with_room_are_made_short(monkeypatch, step, slope):
    calls = counted(monkeypatch, in_names, "shortest")
    found = answer(chained(step, 200), "a0=0.1", *(["x=0.01"] if "x" in step.replace("exp", "") else []))
    assert len(calls) < 50
    assert bool(found.closed.found) == (slope is not None)
    assert found.derivation.short


def test_a_list_is_told_and_a_very_long_one_refused_before_each_input_is_asked_for_all_of_it():
    assert answer("sum([" + ",".join(["x"] * 100) + "])", "x=0.5").derivation.gradient == 100
    with pytest.raises(GraphError, match="too many entries"):
        answer("sum([" + ",".join(["x"] * 4_000) + "])", "x=0.5")
