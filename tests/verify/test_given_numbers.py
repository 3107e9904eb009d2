"""Numbers that were given for names: an answer may have 5 for m, and none is right by chance at the numbers given."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr

LINE = "p = X @ w; L = sum((p - y)**2)/m"
RIDGE = "p = X @ w; L = sum((p - y)**2)/m + lam*sum(w**2)"
DATA = {"X": np.arange(10.0).reshape(5, 2), "y": np.ones(5), "w": np.ones(2), "m": 5, "lam": 0.1}


def marked(problem, answer, wrt="w", **values):
    return cr.grade(problem, answer, wrt=wrt, values=values)


def of_line(answer, **other):
    return marked(LINE, answer, **{**{name: x for name, x in DATA.items() if name != "lam"}, **other})


@pytest.mark.parametrize(
    "answer", ["2/5 X.T @ (p - y)", "(2/5)*X.T @ (p - y)", r"\frac{2}{5} X^T (p - y)", "2*X.T @ (p - y)/5"]
)
def test_the_number_that_was_given_stands_for_its_name(answer):
    grade = of_line(answer)
    assert grade.right
    assert grade.notes == ("right where m = 5, as given",)


def test_several_numbers_stand_for_several_names():
    assert marked(RIDGE, "2/5*X.T @ (p - y) + 2*0.1*w", **DATA).right
    assert marked(RIDGE, "2/m*X.T @ (p - y) + 2*0.1*w", **DATA).right
    assert not marked(RIDGE, "2/5*X.T @ (p - y) + 0.1*w", **DATA).right


def test_a_name_may_be_given_its_number_first():
    assert of_line("m = 5\ndw = 2/m * X.T @ (p - y)").right
    assert not of_line("m = 7\ndw = 2/m * X.T @ (p - y)").right


def test_the_name_itself_is_right_as_before():
    assert of_line("2/m X.T @ (p - y)").notes == ()
    assert not of_line("2/7 X.T @ (p - y)").right


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("2/5 X.T @ (y - p)", "sign"),
        ("1/5 X.T @ (p - y)", "factor"),
        ("2/5 X.T @ p", "prediction-for-error"),
        ("2/5 X @ (p - y)", "transposed"),
    ],
)
def test_a_mistake_beside_the_number_is_named(answer, name):
    grade = of_line(answer)
    assert not grade.right
    assert name in [mistake.name for mistake in grade.mistakes]


NET = "h = w1*x; p = w2*h; L = 0.5*(p - y)**2"


@pytest.mark.parametrize(
    ("problem", "wrt", "answer", "values"),
    [
        (LINE, "w", "2*X.T @ (p - y)", {**DATA, "m": 1}),
        (LINE, "w", "X.T @ (p - y)", {**DATA, "m": 2}),
        (LINE, "w", "0.5*X.T @ (p - y)", {**DATA, "m": 4}),
        (NET, "w1", "(p - y)", {"w1": 3.0, "w2": 4.0, "x": 0.25, "y": 7.0}),
        (NET, "w1", "(p - y)*w2", {"w1": 3.0, "w2": 4.0, "x": 1.0, "y": 7.0}),
        (NET, "w1", "1*(p - y)*w2", {"w1": 3.0, "w2": 4.0, "x": 1.0, "y": 7.0}),
        ("z = a*x*x*x; L = z", "a", "3*x**2", {"a": 1.5, "x": 3.0}),
        ("z = a*x**2; L = z", "a", "2*x", {"a": 1.5, "x": 2.0}),
        ("z = a*x**3; L = z*b", "a", "b*3*3*3", {"a": 1.5, "x": 3.0, "b": 7.0}),
        ("L = a*b + c*a", "a", "5 + c", {"a": 2.5, "b": 5.0, "c": 5.0}),
        ("L = (a + a + a + b*x)**2", "b", "3*2*(a + a + a + b*x)", {"a": 1.5, "b": 7.0, "x": 3.0}),
        ("L = (a*2*2 + b*x)**2", "b", "2*(a*2*2 + b*x)*4", {"a": 1.5, "b": 7.0, "x": 4.0}),
        ("L = (a*b - c)**2", "a", "2*(a*b - c)*7", {"a": 7.0, "b": 7.0, "c": 3.0}),
    ],
)
def test_nothing_is_right_by_chance(problem, wrt, answer, values):
    """At the numbers given these are what the gradient is, and yet no derivation gives them surely."""
    used = {name: x for name, x in values.items() if name != "lam"}
    assert not marked(problem, answer, wrt, **used).right


LABELLED = "z = w*x + b; a = σ(z); L = -(y log(a) + (1-y) log(1-a))"


@pytest.mark.parametrize("text", ["(a - 1) x", "-(1 - a)*x", "x*[a - 1]", "(σ(z) - 1) x 1"])
def test_a_label_of_1_may_stand_as_its_number(text: str) -> None:
    given = {"w": 0.4, "x": 1.5, "b": 0.25}
    marked = cr.grade(LABELLED, text, wrt="w", values={**given, "y": 1.0})
    assert marked.right
    assert "y = 1" in str(marked)
    assert not cr.grade(LABELLED, text, wrt="w", values={**given, "y": 0.0}).right


@pytest.mark.parametrize("text", ["(1 - a) x", "(a - y) a (1 - a) x", "a x"])
def test_a_label_of_1_hides_no_mistake(text: str) -> None:
    assert not cr.grade(LABELLED, text, wrt="w", values={"w": 0.4, "x": 1.5, "b": 0.25, "y": 1.0}).right


def test_a_link_that_is_1_by_chance_is_missed_all_the_same() -> None:
    problem, given = "h = tanh(w*x); L = ½(v*h - y)**2", {"w": 0.4, "x": 1.5, "v": 1.0, "y": 0.2}
    assert not cr.grade(problem, "(v h - y) (1 - h²) x", wrt="w", values=given).right


@pytest.mark.parametrize(
    ("line", "names"), [("w = 0.461", []), ("w = 0.339", ["wrong-update"]), ("w = 0.9271", ["unclassified"])]
)
@pytest.mark.parametrize("first", ["", "w = 0.4\n"])
def test_a_parameter_behind_its_gradient_is_its_update(line: str, names: list[str], first: str) -> None:
    given = {"w": 0.4, "x": 1.5, "b": -0.23, "y": 1.0}
    given = given if not first else {name: x for name, x in given.items() if name != "w"}
    table = f"{first}z = 0.37\na = 0.591\ndw = -0.613\n{line}"
    marked = cr.grade(LABELLED, table, wrt="w", values=given, rate=0.1)
    assert [mistake.name for mistake in marked.mistakes if mistake.name != "rounding"] == names
    assert marked.right == (not names)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("(a - y)*x", ["activation-derivative-missing", "factor"]),
        ("2*(y - a)*x", ["activation-derivative-missing", "sign"]),
    ],
)
def test_two_mistakes_are_told_by_a_number_with_digits_enough(formula: str, expected: list[str]) -> None:
    program, values = "z = w*x\na = sigmoid(z)\nL = (a - y)**2", {"w": 0.3, "x": 1.7, "y": 0.2}
    a = 1 / (1 + np.exp(-0.51))
    wrong = {"(a - y)*x": (a - 0.2) * 1.7, "2*(y - a)*x": 2 * (0.2 - a) * 1.7}[formula]
    named = [m.name for m in cr.grade(program, f"{wrong:.7f}", wrt="w", values=values).mistakes]
    assert named[:2] == expected
    assert [m.name for m in cr.grade(program, f"{wrong:.4f}", wrt="w", values=values).mistakes] == ["unclassified"]
