"""Several lines of a net or a layer: the short answer, whose signs are known and whose equations NumPy runs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.maths import Number, Symbol, plain, unicode

NET = "z1 = W1 @ x + b1; a1 = sigmoid(z1); z2 = W2 @ a1 + b2; L = 0.5*sum((z2 - y)**2)"
NET_VALUES = {
    "W1": np.array([[0.6, 0.3], [0.0, -0.6]]),
    "b1": np.array([-1.0, -3.0]),
    "W2": np.array([[-3.0, -2.0]]),
    "b2": np.array([-2.0]),
    "x": np.array([2.0, 1.0]),
    "y": np.array([3.0]),
}
NORM = "m = mean(x); v = mean((x - m)**2); z = (x - m)/sqrt(v + 1e-5); L = sum(w*z)"
NORM_VALUES = {"x": np.array([1.0, 2.0, 4.0]), "w": np.array([1.0, 0.0, 2.0])}


def test_a_net_is_told_from_line_to_line():
    said = cr.explain(NET, "W1", values=NET_VALUES).text()
    for line in ("∂L/∂z₂ = z₂ − y", "∂L/∂z₁ = ∂L/∂a₁ ⊙ a₁ ⊙ (𝟏 − a₁)", "∂L/∂W₁ = ∂L/∂z₁ xᵀ = "):
        assert line in said
    assert len(said.rstrip("\n").split("\n")) <= 12


def in_numpy(text: str, values: dict[str, Any], lines_above: dict[str, Any], wrt: str) -> dict[str, Any]:
    """What every line of a page says in plain text comes to, read from top to bottom."""
    page = cr.explain(text, wrt, values=values).plain()
    known: dict[str, Any] = {name: getattr(np, name) for name in ("sum", "square", "sqrt", "array", "outer", "power")}
    known |= {"mean": np.mean, **values, **lines_above}
    found: dict[str, Any] = {}
    lines = re.sub(r"\n    +", " ", page).split("\n")
    for name, right in [line.strip().split(" = ", 1) for line in lines if re.match(r"  \w+ = ", line)]:
        sides = [eval(side, known) for side in right.split(" = ")]  # noqa: S307  (what the page of this test says)
        for side in sides[1:]:
            np.testing.assert_allclose(np.reshape(side, np.shape(sides[0])), sides[0], rtol=1e-4)
        known[name] = found[name] = sides[0]
    return found


def test_the_lines_of_a_normalisation_come_to_its_gradient():
    """Every equation is run, each in what those above it came to; the last is the gradient of JAX's rule by hand."""
    page = cr.explain(NORM, "x", values=NORM_VALUES)
    x, w = NORM_VALUES.values()
    known = {"m": x.mean(), "v": x.var(), "z": (x - x.mean()) / np.sqrt(x.var() + 1e-5)}
    found = in_numpy(NORM, NORM_VALUES, known, "x")
    scale = np.sqrt(known["v"] + 1e-5)
    by_hand = (w - w.mean() - known["z"] * np.mean(w * known["z"])) / scale
    np.testing.assert_allclose(found["dL_dx"], by_hand, rtol=1e-9)
    np.testing.assert_allclose(page.gradient, by_hand, rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "values", "wrt", "dialect"),
    [
        ("median(x)", {"x": [[3.0, 1, 2, 5], [1, 2, 0, 4], [3, 2, 1, 0]]}, "x", None),
        (
            "h1 = tanh(w*x1 + u*h0); h2 = tanh(w*x2 + u*h1); L = (h2 - y)**2",
            {"w": 0.5, "u": 0.8, "h0": 0, "x1": 1, "x2": 2, "y": 1},
            "u",
            "paths",
        ),
    ],
)
def test_every_numbered_letter_is_said(text, values, wrt, dialect):
    said = " ".join(cr.explain(text, wrt, dialect, values=values).text().split())
    used = set(re.findall("[vc][₀₁₂₃₄₅₆₇₈₉]+", said))
    assert used
    assert {letter for letter in used if f"{letter} = " in said} == used


X, V = Symbol("x"), Symbol("v", shape=(3,))


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (Number("4/9") * X, "(4/9)x"),
        (-(Number("4/9") * X), "−(4/9)x"),
        (Number("4/9") * V, "(4/9)v"),
        (Number("2/3") * X, "⅔x"),
        (X / Number("4/9"), "x/(4/9)"),
        (Number("4/9") - X, "4/9 − x"),
    ],
)
def test_a_fraction_before_a_letter_is_not_taken_for_one_over_it(tree, said):
    assert unicode(tree) == said
    value = eval(plain(tree), {"x": 2.0, "v": np.full(3, 2.0)})  # noqa: S307  (a formula of this test)
    as_read = said.replace("⅔", "(2/3)").replace("−", "-").replace(")x", ")*x").replace(")v", ")*x")
    np.testing.assert_allclose(value, eval(as_read, {"x": 2.0}))  # noqa: S307


@pytest.mark.parametrize(
    ("text", "values", "formula"),
    [
        ("sum(clip(x, 0, 1))", {"x": [3.0, 0.5]}, "∑ clip(x, 0, 1)"),
        ("sum(clip(x, a_min=0))", {"x": [3.0, 0.5]}, "∑ max(x, 0)"),
        ("sum(clip(x, a_max=1))", {"x": [3.0, 0.5]}, "∑ min(x, 1)"),
        ("round(x)*x", {"x": 1.6}, "round(x) · x"),
        ("round(x, decimals=1)*x", {"x": 1.6}, "round₁(x) · x"),
        ("norm(x, ord=inf)", {"x": [3.0, -4.0]}, "max(abs(x))"),
        ("softmax(x, axis=0)[0]", {"x": [3.0, 1.0]}, "softmax(x)[0]"),
        ("sum(max(A, axis=0))", {"A": [[1.0, 2.0], [3.0, 1.0]]}, "∑ max(A, axis = 0)"),
    ],
)
def test_settings_that_say_nothing_are_not_printed(text, values, formula):
    assert f"f = {formula} = " in cr.explain(text, values=values).text()


@pytest.mark.parametrize(
    ("text", "shapes", "said"),
    [
        ("z = w*x; p = sigmoid(z); L = -(y*log(p) + (1-y)*log(1-p))", {}, "dL_dz = dL_dp*p*(1 - p) = p - y"),
        ("z = w*x; p = 1/(1 + exp(-z)); L = (p - y)**2/2", {}, "dL_dz = dL_dp*p*(1 - p)"),
        ("p = softmax(z); L = -log(p[1])", {"z": (3,)}, "p - eye(3)[1]"),
        ("p = softmax(z); L = -sum(y*log(p))", {"z": (3,), "y": (3,)}, "= sum(y)*p - y"),
        ("h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2", {}, "dL_dh = dL_dyhat*w2"),
    ],
)
def test_what_a_gradient_comes_to_is_said_where_that_is_shorter(text, shapes, said):
    told = cr.explain(text, shapes=shapes)
    rows = [line.partition("   (")[0] for line in told.plain().splitlines()]
    assert any(row.endswith(said) for row in rows), told.plain()
