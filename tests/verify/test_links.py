"""What is said of an answer that no known mistake gives: the first link that it lacks, and never the solution."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.verify.marking.links import links_of
from chainrule.verify.marking.problem import read_problem

CHAINS = {
    "h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2": ("w1", ["(yhat - y)", "w2", "x"]),
    "z = w*x + b; a = tanh(z); C = (a - y)**2": ("w", ["2*(a - y)", "(1 - a**2)", "x"]),
    "u = x*y; v = sin(u); f = exp(v)": ("x", ["exp(v)", "cos(u)", "y"]),
    "a = exp(t); b = a*a + a; c = log(b); d = c**3": ("t", ["3*c**2", "1/b", "(2*a + 1)", "exp(t)"]),
}
STRANGE = ("exp({0}*{0} + 3)", "({0} + 7)**5", "atan({0})*{0}**3")
CASES = [
    (text, name, links, k, strange)
    for text, (name, links) in CHAINS.items()
    for k in range(len(links))
    for strange in STRANGE
]


@pytest.mark.parametrize(("text", "name", "links", "k", "strange"), CASES)
def test_the_link_that_is_not_in_the_answer_is_named_and_not_given_away(text, name, links, k, strange):
    other = [*links]
    other[k] = strange.format(name)
    marked = cr.grade(text, "*".join(other), wrt=name)
    assert not marked.right
    assert marked.mistakes[0].name == "unclassified"
    look, compare, shape = marked.hints
    problem = read_problem(text)
    missing = links_of(problem, problem.named[name])[k]
    ratio = f"∂{problem.name(missing.above)}/∂{problem.name(missing.below)}"
    assert look.startswith(f"look at {ratio}: ")
    assert compare.startswith("compare")
    assert shape.startswith(f"{ratio} is made of ")
    # The value that is told is the link's, at the numbers beside it.
    numbers = {one: float(x) for one, x in re.findall(r"(\w+) = (-?[\d.e-]+)", compare)}
    told = float(compare.rpartition(" ")[2])
    run = {**numbers}
    for line in text.split("; "):
        left, right = line.split(" = ")
        run[left] = eval(right, {**vars(np), **run})  # noqa: S307 - a problem of this file
    link = eval(links[k], {**vars(np), **run})  # noqa: S307 - a link of this file
    assert told == pytest.approx(link, rel=0.02)
    letters = set(re.findall(r"\w+", shape.partition("made of ")[2].partition(".")[0])) - {"and", "numbers", "alone"}
    assert set(re.findall(r"[a-z]\w*", links[k])) - {"cos", "exp"} <= letters | {problem.name(missing.above)}
    solution = "*".join(links).replace(" ", "")
    assert not any(solution in hint.replace(" ", "") for hint in marked.hints)


ARRAYS = "z = W @ x + b; a = tanh(z); C = sum((a - y)**2)"
SHAPES = {"W": (2, 3), "x": 3, "b": 2, "y": 2}


@pytest.mark.parametrize(
    ("answer", "first"),
    [
        ("outer(exp(a), x)", "look at the gradient of a: going back from C"),
        ("outer((a - y)*exp(z), x)", "look at the gradient of z: going back from C"),
        ("outer(2*(a - y)*(1 - a**2), x**2*exp(x))", "look at ∂z/∂W, the last link: what arrives at z is right"),
    ],
)
def test_of_arrays_the_first_gradient_that_does_not_stand_in_the_answer_is_named(answer, first):
    marked = cr.grade(ARRAYS, answer, wrt="W", shapes=SHAPES)
    assert marked.mistakes[0].name == "unclassified"
    look, compare, shape = marked.hints
    assert look.startswith(first)
    assert "your answer has (2, 3)" in compare
    assert "is made of " in shape


@pytest.mark.parametrize(
    ("text", "name", "answer", "into"),
    [
        ("d = a*b; e = a + b; f = d*e", "a", "a*exp(b)", "into d and e"),
        ("x**3 + 2*x", "x", "7*exp(x)", "into x**3 and 2*x"),
    ],
)
def test_where_several_ways_lead_all_are_named(text, name, answer, into):
    marked = cr.grade(text, answer, wrt=name)
    look, compare, _ = marked.hints
    assert into in look
    right, mine = (float(x) for x in re.findall(r"by about (\S+), and your answer says (\S+)", compare)[0])
    assert right != mine


def test_of_a_number_that_nothing_gives_the_links_are_told_and_the_value_of_the_first():
    values = {"w1": 2.0, "w2": 0.5, "x": 2.0, "y": 20.0}
    marked = cr.grade("h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2", "1.234", wrt="w1", values=values)
    assert marked.hints == (
        "look at the links one by one: ∂L/∂yhat · ∂yhat/∂h · ∂h/∂w1",
        "compare each with yours: where w1 = 2, x = 2, w2 = 0.5, y = 20, ∂L/∂yhat is -18",
        "∂L/∂yhat is made of yhat and y. " + cr.core.operation.book["pow"].intuition,
    )


def test_what_stands_besides_all_links_is_named():
    text = "h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2"
    marked = cr.grade(text, "(yhat - y)*w2*x*(exp(x) + 3*y)*sin(y)", wrt="w1")
    assert "exp(x) + 3*y" in marked.hints[0]
    assert len(marked.hints) == 3
