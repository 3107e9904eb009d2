"""Several assignments in one text: what they compute, in which order, and what is refused with a caret."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import FormulaError
from chainrule.expression import read_assignments
from chainrule.livepage.subject import subject_of
from chainrule.program import lift

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


@pytest.mark.parametrize("a", [2.0, np.array([2.0, 5.0])])
def test_what_is_recorded_has_the_names_of_all_lines_and_equal_parts_once(a):
    lines = read_assignments("u = exp(a*b); c = a*b; d = a*b; e = c; L = sum(c + 2*d + u*(a*b) + e)")
    nodes, result = lines.record({"a": a, "b": 3.0})
    assert result is nodes["L"]
    assert {name: node.label for name, node in nodes.items()} == {x: x for x in "aucdbeL"}
    assert np.allclose(result.data, dict(lines.results({"a": a, "b": 3.0}))["L"])
    result.backward()
    steps = [step.operation for step in lift(result).program.steps]
    assert steps.count("exp") == 1
    assert steps.count("mul") == 4  # c, d, 2*d and u*c


def test_numbers_in_a_list_are_recorded_as_an_array():
    _, result = read_assignments("sum([a, 2*a])").record({"a": 2.0})
    assert isinstance(result, cr.Tensor)
    assert (result.data, result.label) == (6.0, "f")


def test_what_is_told_of_typed_lines_keeps_the_name_of_each():
    text, at = "c = a*b; d = a*b; L = c + 2*d", {"a": 2.0, "b": 3.0}
    assert "d = a · b = 2 · 3 = 6" in cr.explain(text, values=at).text(detail="full")
    assert {"c", "d"} <= {row.name for row in cr.worksheet(text, at).rows}
    assert {"c", "d"} <= set(subject_of(text, at).names.values())


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
