"""What an explanation says in words, held against numbers that were found without it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.expression import read_assignments
from chainrule.maths import Relation

W = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
SPECIAL: list[tuple[str, dict[str, Any], str]] = [
    ("max([x, y])", {"x": 1, "y": 1}, "kink"),
    ("maximum(x, y)", {"x": 1, "y": 1}, "kink"),
    ("max(x)", {"x": [1.0, 3, 3]}, "kink"),
    ("min(x)", {"x": [1.0, 2, 1]}, "kink"),
    ("ptp(x)", {"x": [1.0, 1, 2]}, "kink"),
    ("sum(max(A, axis=0))", {"A": [[1.0, 2], [1, 3]]}, "kink"),
    ("norm(x)", {"x": [0, 0]}, "kink"),
    ("norm(x - y)", {"x": [1, 2], "y": [1, 2]}, "kink"),
    ("norm(A)", {"A": [[0.0, 0], [0, 0]]}, "kink"),
    ("std(x)", {"x": [1.0, 1, 1]}, "kink"),
    ("hypot(x, y)", {"x": 0, "y": 0}, "kink"),
    ("abs(x)", {"x": 0}, "kink"),
    ("sum(abs(x))", {"x": [1.0, 0, -2]}, "kink"),
    ("sum(relu(W @ x))", {"W": W, "x": [1.0, -0.5]}, "kink"),
    ("sum(maximum(x, 0))", {"x": [3.0, 0, -2]}, "kink"),
    ("clip(x, 0, 1)", {"x": 1}, "kink"),
    ("where(x > 0, x, 0)", {"x": 0}, "kink"),
    ("x*(x > 0)", {"x": 0}, "kink"),
    ("sum(where(x > 1, x, 1))", {"x": [1.0, 2]}, "kink"),
    ("sort(x)[0]", {"x": [2.0, 1, 1]}, "kink"),
    ("median(x)", {"x": [2.0, 2, 1]}, "kink"),
    ("quantile(x, 0.25)", {"x": [1.0, 1, 2, 3, 4]}, "kink"),
    ("sum(max_pool1d(x, 2))", {"x": [[[1.0, 1, 2, 3]]]}, "kink"),
    ("where(x > 0, x, 1)", {"x": 0}, "jump"),
    ("floor(x)", {"x": 2}, "jump"),
    ("round(x)*x", {"x": 2.5}, "jump"),
    ("sign(x)", {"x": 0}, "jump"),
    ("fmod(x, 1)", {"x": 2}, "jump"),
    ("0**x", {"x": 0}, "jump"),
    ("x**y", {"x": 0, "y": 0}, "jump"),
]
"""Where functions have no derivative, and the word for it."""
SMOOTH: list[tuple[str, dict[str, Any]]] = [
    ("max(x)", {"x": [1.0, 3, 2]}),
    ("norm(x)", {"x": [1e-9, 0]}),
    ("norm(x)", {"x": [3e8, 1]}),
    ("std(x)", {"x": [1.0, 1, 2]}),
    ("var(x)", {"x": [1.0, 1]}),
    ("softmax(x)[0]", {"x": [1.0, 3, 2]}),
    ("logsumexp(x)", {"x": [1000.0, 1000]}),
    ("det(A)", {"A": [[1.0, 2], [2, 4]]}),
    ("sum(inv(A))", {"A": [[1.0, 2], [2, 4.5]]}),
    ("where(x > 0, x**2, x**3)", {"x": 0}),
    ("sum(sort(x))", {"x": [2.0, 2, 1]}),
    ("sort(x)[2]", {"x": [1.0, 1, 2]}),
    ("median(x)", {"x": [2.0, 2, 1, 5]}),
    ("sum(max_pool1d(x, 2))", {"x": [[[1.0, 2, 2, 3]]]}),
    ("floor(x)", {"x": 2.5}),
    ("x**y", {"x": 0, "y": 2}),
    ("elu(x)", {"x": 0}),
    ("gelu(x)", {"x": 0}),
    ("x**2*y", {"x": 1, "y": -2}),
    ("sum((x - 3)**2)", {"x": [1.0, -0.4]}),
]
"""Where functions have one, though some of them bend much, or have a kink elsewhere."""


def last_words(text: str, values: dict[str, Any]) -> str:
    return " ".join(cr.explain(text, values=values).text().split())


@pytest.mark.parametrize(("text", "values", "word"), SPECIAL)
def test_where_there_is_no_derivative_no_direction_is_promised(text, values, word):
    said = last_words(text, values)
    assert {"kink": "has a kink here, and its slope", "jump": "jumps here, and its slope"}[word] in said
    assert "by convention" in said
    assert not re.search("rises fastest|does not move|raises|lowers", said)


def one_sided(text: str, values: dict[str, Any], by: dict[str, Any], step: float) -> float:
    """How a formula moves along a direction, for each unit of a step."""
    run = read_assignments(text).run
    moved = {name: np.asarray(x, float) + step * by[name] for name, x in values.items()}
    here = {name: np.asarray(x, float) for name, x in values.items()}
    return float((run(moved) - run(here)) / step)


@pytest.mark.parametrize(("text", "values"), SMOOTH)
def test_what_is_said_of_a_direction_holds(text, values):
    """A direction is promised, and along it, and along others, the function moves as its gradient says."""
    said = last_words(text, values)
    assert "kink" not in said
    assert "jumps" not in said
    assert re.search("rises fastest|does not move|raises|lowers", said)
    random = np.random.default_rng(0)
    size = max([float(np.max(np.abs(x))) for x in values.values()]) or 1.0
    slopes = {name: np.asarray(cr.explain(text, name, values=values).gradient) for name in values}
    for _ in range(3):
        by = {name: random.normal(size=np.shape(x)) for name, x in values.items()}
        if text == "x**y":  # The power is defined to the right of 0 alone.
            by["x"] = np.abs(by["x"])
        expected = sum([float(np.sum(slopes[name] * by[name])) for name in values])
        found = one_sided(text, values, by, 1e-7 * size)
        assert found == pytest.approx(expected, rel=1e-4, abs=2e-5)


@pytest.mark.parametrize(("text", "values", "word"), SPECIAL)
def test_a_kink_is_one(text, values, word):
    """Forwards and backwards along some direction the function moves by two slopes."""
    random = np.random.default_rng(1)
    apart = 0.0
    with np.errstate(all="ignore"):
        for _ in range(5):
            by = {name: random.normal(size=np.shape(x)) for name, x in values.items()}
            slopes = [one_sided(text, values, by, sign * 1e-6) for sign in (1.0, -1.0)]
            apart = max(apart, abs(slopes[0] - slopes[1])) if np.all(np.isfinite(slopes)) else np.inf
            apart = max(apart, *map(abs, slopes)) if word == "jump" and np.isfinite(apart) else apart
    assert apart > (1e3 if word == "jump" else 1e-2)


@pytest.mark.parametrize(
    ("text", "values", "formula"),
    [
        ("sum(relu(W @ x))", {"W": W, "x": [1.0, -0.5]}, "relu(W x) has a kink"),
        ("sum(abs(x - 1))", {"x": [1.0, 0]}, "abs(x − 𝟏) has a kink"),
        ("sum(log(W @ x))", {"W": [[1.0, 2], [3, -4]], "x": [1.0, 1]}, "ln(W x) is not defined"),
        ("h = W @ x; L = sum(relu(h))", {"W": W, "x": [1.0, -0.5]}, "relu(h) has a kink"),
        ("2*max(3*x)", {"x": [1.0, 1.0]}, "max(3x) has a kink"),
    ],
)
def test_what_has_no_name_is_written_out_in_words(text, values, formula):
    assert formula in last_words(text, values)


NOT_FINITE: list[tuple[str, dict[str, Any]]] = [
    ("log(det(A))", {"A": [[1.0, 2], [4, 4]]}),
    ("log(sum(x))", {"x": [-1.0, -2]}),
    ("sqrt(x @ y)", {"x": [1.0, 2], "y": [-1.0, 0]}),
    ("log(max(x))", {"x": [-1.0, -2]}),
    ("log(logsumexp(x))", {"x": [-5.0, -6]}),
    ("sum(log(W @ x))", {"W": [[1.0, 2], [3, -4]], "x": [1.0, 1]}),
    ("h = W @ x; L = sum(log(h))", {"W": [[1.0, 2], [3, -4]], "x": [1.0, 1]}),
    ("exp(norm(x)**2)", {"x": [100.0, 1]}),
]


@pytest.mark.parametrize("layout", ["numerator", "denominator"])
@pytest.mark.parametrize(("text", "values"), NOT_FINITE)
def test_an_output_without_a_value_is_explained_in_every_dialect(text, values, layout):
    """Its Jacobians are no numbers, and have their shapes all the same."""
    for name in values:
        for dialect in (None, "graph", "jacobian"):
            told = cr.explain(text, name, dialect, values=values, layout=layout)
            assert "has no finite value here" in " ".join(told.text().split())
            told.text(detail="full")


@pytest.mark.parametrize(
    ("text", "x", "said"),
    [
        ("1/x", 1e-200, "x² is too small for a number here"),
        ("1/x**2", 1e-200, "x² is too small for a number here"),
        ("log(sigmoid(x))", -800.0, "σ(x) is too small for a number here"),
        ("log(exp(x))", -800.0, "eˣ is too small for a number here"),
        ("log(x*x)", 1e-170, "x · x is too small for a number here"),
        ("log(1e-300*x)", 1e-100, "10⁻³⁰⁰ · x is too small for a number here"),
        ("1/x", 0.0, "1/x divides by 0 here"),
        ("log(x*x)", 0.0, "is not defined at x · x = 0"),
        ("log(x**2)", 0.0, "is not defined at x² = 0"),
    ],
)
def test_what_is_too_small_for_a_number_is_no_0(text, x, said):
    found = last_words(text, {"x": x})
    assert said in found
    assert x == 0 or "divides by 0" not in found
    assert x != 0 or "too small" not in found


@pytest.mark.parametrize(
    ("text", "values", "slope"),
    [
        ("1e-300*x", {"x": 1e-20}, 1e-300),
        ("1e-300*x**2", {"x": 0.0}, 0.0),
        ("1e-13*x + y", {"x": 1.0, "y": 2.0}, 1e-13),
        ("1e-20*sin(x)*y", {"x": 0.7, "y": 2.0}, 2e-20 * np.cos(0.7)),
        ("y*x*1e-200", {"x": 3.0, "y": 0.0}, 0.0),
    ],
)
def test_a_small_slope_is_no_invariance(text, values, slope):
    told = cr.explain(text, "x", values=values)
    assert told.gradient == pytest.approx(slope, rel=1e-12, abs=0)
    assert "invariance" not in told.text()


@pytest.mark.parametrize(
    ("text", "values", "wrt"),
    [
        ("x + y - x - y", {"x": 0.1, "y": 0.3}, "x"),
        ("softmax(z + c)[0]", {"z": [1.0, 2.0], "c": 0.3}, "c"),
        ("1e-30*(logsumexp(z + c) - c)", {"z": [1.0, 2.0], "c": 0.3}, "c"),
        ("1e-30*(sin(x)**2 + cos(x)**2)", {"x": 0.7}, "x"),
        ("3*(x/(x + x*y))", {"x": 2.0, "y": 0.3}, "x"),
        ("1e-40*sum(c*x)/norm(c*x)", {"x": [1.0, 2.0], "c": 0.7}, "c"),
    ],
)
def test_an_invariance_is_one_at_any_size(text, values, wrt):
    assert "0 by invariance" in " ".join(cr.explain(text, wrt, values=values).text().split())


@pytest.mark.parametrize("text", ["1/x", "x**-2", "log(x)", "sqrt(x)", "arccos(x)", "atan2(1, x)"])
def test_what_is_steep_and_bends_has_no_kink(text):
    for x in np.random.default_rng(0).uniform(size=20) ** 4:
        assert "kink" not in cr.explain(text, values={"x": float(x)}).text()


def test_where_a_slope_is_not_known_nothing_is_made_of_its_number():
    """What rounding left is in no title, no step is promised of it, and 0 that stands for no number is no reason."""
    told = cr.explain("(1 - cos(x))/x**2", values={"x": 1e-8})
    assert not any(isinstance(x, Relation) for x in told.title)
    assert "Rounding leaves too few digits of df/dx to say what a step does." in told.text()
    told = cr.explain("x**x", values={"x": 0}).text()
    assert "because x · xˣ⁻¹ + xˣ · ln(x) has no number here" in told
    assert "f leaves at once as x moves: its slope is 0 by convention alone." in told
    told = cr.explain("heaviside(x, 0.5)", values={"x": 0}).text()
    assert "f jump here" in " ".join(told.split())
    assert "does not move" not in told
    assert "does not move with x here" in cr.explain("x**1.5", values={"x": 0}).text()
    assert (
        "f has no finite slope here: x/(y² + x²) is 0/0 here."
        in cr.explain("atan2(y, x)", values={"x": 0, "y": 0}).text()
    )
