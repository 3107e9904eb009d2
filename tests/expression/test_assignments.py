"""Several assignments in one text: what they compute, in which order, and what is refused with a caret."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import FormulaError
from chainrule.expression import read_assignments

NET = "h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2"
AT = {"w1": 2.0, "w2": 0.5, "x": 2.0, "y": 20.0}


def test_lines_run_in_order_on_numbers_values_and_tensors():
    lines = read_assignments(NET)
    assert dict(lines.results(AT)) == {"h": 4.0, "yhat": 2.0, "L": 162.0}
    nodes = {name: cr.Value(x) for name, x in AT.items()}
    lines.run(nodes).backward()
    assert nodes["w1"].grad == -18.0
    arrays = read_assignments("z = W @ x\nsum(z**2)")
    assert arrays.run({"W": np.eye(2), "x": np.array([3.0, 4.0])}) == 25.0


def test_a_value_for_a_computed_name_stands_in_its_place():
    assert read_assignments(NET).run({**AT, "h": 40.0}) == 0.0


@pytest.mark.parametrize("text", ["x**2", "sum(x, axis=0)", "where(x >= 0, x, 0)", "(\nx +\n1)"])
def test_a_formula_alone_is_one_line_without_a_name(text):
    lines = read_assignments(text)
    assert (lines.computed, lines.output, len(lines.lines)) == ((), "", 1)


def test_lines_of_a_file_and_semicolons_are_the_same():
    apart = read_assignments(NET.replace("; ", "\n") + "\n")
    assert apart.run(AT) == read_assignments(NET).run(AT)
    assert apart.names == ("w1", "x", "w2", "y")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("h = x; h = 2*x; h", "h is computed twice"),
        ("L = 2*h; h = x", "h is used before it is computed"),
        ("h = h + 1", "h is computed from itself"),
        ("x + 1; x", "needs a name for its result"),
        ("sin = x", "sin is the name of a function"),
        ("a b = x", "missing after a"),
        ("h = ", "there is nothing here"),
        ("= x", "a name is missing"),
        ("a = b = x", "="),
        ("x == 2", "=="),
        ("", "there is nothing here"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_caret(text, said):
    with pytest.raises(FormulaError, match=said) as refused:
        read_assignments(text)
    assert "^" in str(refused.value)


def test_derivatives_of_assignments_as_formulas():
    assert str(cr.derivative("h = w*x; h**2", "w")) == "2*w*x**2"
