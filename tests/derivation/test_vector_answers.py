"""Answers about vectors that are typed: what was asked for besides the Jacobian, and all of it in a dozen lines."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.maths import plain

from .run_as_numpy import check

VALUES = {
    "x": -2.0,
    "y": 0.35,
    "w": -0.4,
    "u": np.array([-3.09, 1.33, 0.55]),
    "A": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "W": np.array([[3.17, -0.59, -1.64], [-1.41, 0.73, -2.11], [0.39, -1.2, 1.83]]),
}


def told(text: str, wrt: str | None = None, **options):
    names = set(re.findall(r"[A-Za-z]\w*", text))
    found = cr.explain(text, wrt, values={name: x for name, x in VALUES.items() if name in names}, **options)
    check(found)
    return found


def lines(found, **options) -> int:
    return len(found.text(**options).rstrip().splitlines())


@pytest.mark.parametrize("text", ["[norm(A), sum(A)*x]", "A @ [x, y]"])
def test_weights_of_a_derivative_in_a_matrix_sum_over_the_outputs(text):
    told(text, "A", weights=np.array([1.1, 0.4]))


@pytest.mark.parametrize("wrt", ["x", None])
@pytest.mark.parametrize("text", ["[x*w/(x*y), y]", "[y*(w/(y*x)), x*(w/(x*y))]", "[x*(w/x) + y, w*(x/(x*y))]"])
def test_what_rounding_leaves_of_a_jacobian_is_0_in_its_products_too(text, wrt):
    found = told(text, wrt, weights=np.array([0.1, -0.3]))
    assert "e-1" not in found.plain(detail="full")
    found = told(text, wrt, direction={"x": 0.3})
    assert "e-1" not in found.plain(detail="full")


SEVERAL = "[x*w*norm(u), -u[-1]*y, w/mean(W)]"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"check": True},
        {"weights": np.array([1.0, 2.0, 3.0])},
        {"direction": {"x": 1.0, "w": 2.0}},
        {"direction": {name: VALUES[name] for name in "xywuW"}},
        {"direction": {"x": 1.0, "w": 2.0}, "weights": np.array([1.0, 2.0, 3.0])},
        {"direction": {"x": 1.0, "w": 2.0}, "check": True},
    ],
)
@pytest.mark.parametrize("text", [SEVERAL, f"h = {SEVERAL}; k = x*h; [k[0], h[1], k[2]*y]"])
def test_whatever_is_asked_of_a_vector_is_said_in_a_dozen_lines(text, options):
    found = told(text, **options)
    assert max(lines(found, width=width) for width in (80, 120)) <= 12
    if "direction" in options:
        assert any(
            plain(block.sides[0]) == "df_dv" and block.numbers for block in found.short if hasattr(block, "sides")
        )


def test_derivatives_that_have_no_room_are_counted():
    assert "and 4 more." in told(SEVERAL, check=True).text()
    assert "more." not in told("[x*y, x, y]", check=True).text()


def test_a_chain_that_ends_in_the_derivative_is_not_said_twice():
    text = cr.explain("clip(acos(relu(x)), a_min=-1, a_max=1)", values={"x": -2.0}).text(width=80)
    assert len(text.rstrip().splitlines()) <= 12
    assert text.count("\n  df/dx = ") == 1


def test_a_zero_in_a_derivative_has_no_sign():
    for text in ("[-u[-1], x]", "-u[0]", "[-x*0, x]"):
        found = told(text, "u" if "u" in text else "x")
        assert not re.search(r"-0\b(?!\.\d)", found.plain(detail="full")), found.plain()
