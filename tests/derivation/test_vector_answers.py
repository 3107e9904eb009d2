"""Answers about vectors that are typed: what was asked for besides the Jacobian, and all of it in a dozen lines."""

from __future__ import annotations

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.operation import book
from chainrule.core.term import constant, symbol
from chainrule.derivation.record import Equation
from chainrule.errors import ChainruleError
from chainrule.maths import plain
from chainrule.maths.of_terms import tree_of_term
from chainrule.rewrite.entry_formulas import EntryFormulas

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


def test_an_entry_of_a_jacobian_that_is_rounding_is_what_its_formula_gives():
    found = cr.explain("[elu(w), w*x/maximum(-1, x)]", values={"w": 0.21, "x": -0.15})
    check(found)
    assert "e-1" not in found.plain(detail="full")


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
        assert any(plain(x.sides[0]) == "df_dv" and x.numbers for x in found.short if isinstance(x, Equation))


def test_derivatives_that_have_no_room_are_counted():
    sums = "[sum(a*b), sum(c*d), sum(e*g), sum(h)]"
    arrays = {name: np.arange(1.0, 4.0) + k for k, name in enumerate("abcdegh")}
    assert "and 2 more." in cr.explain(sums, values=arrays, check=True).text()
    assert "more." not in told("[x*y, x, y]", check=True).text()
    assert "more." not in told("A @ sqrt(-[x, w])").text()  # told entry by entry


def test_a_chain_that_ends_in_the_derivative_is_not_said_twice():
    text = cr.explain("clip(acos(relu(x)), a_min=-1, a_max=1)", values={"x": -2.0}).text(width=80)
    assert len(text.rstrip().splitlines()) <= 12
    assert text.count("\n  df/dx = ") == 1


def test_a_zero_in_a_derivative_has_no_sign():
    for text in ("[-u[-1], x]", "-u[0]", "[-x*0, x]"):
        found = told(text, "u" if "u" in text else "x")
        assert not re.search(r"-0\b(?!\.\d)", found.plain(detail="full")), found.plain()


NO_VALUE = [
    ("sum(abs(x)*(a*a)/((a*a)*(2/a)))", "x", {"x": 0.0, "a": [1.0, 0.0, 0.0]}),
    ("sum(where(x > 0, y, x)*log(a))", "y", {"x": 0.0, "y": 1e200, "a": [-1.0, -1.0, 0.0]}),
    ("sum(sqrt(acosh(relu(a))))", "a", {"a": [1e200, 0.0, 0.0]}),
    ("sum(sign(acosh(a)))", "a", {"a": [2.0, 1.0, 0.0]}),
    ("sign(acosh(acos(x)))", "x", {"x": 2.0}),
    ("sign(x)/0*y + x", "x", {"x": 1.0, "y": 2.0}),
]
FLAT = [
    ("sum(acos(sign(a)))", "a", {"a": [-1.0, 0.0, -1.0]}),
    ("acos(sign(x))", "x", {"x": 1.0}),
    ("sign(abs(x**0.5))", "x", {"x": 0.0}),
    ("sum(sign(sqrt(a)))", "a", {"a": [0.0, 1.0, 0.0]}),
]
NO_SLOPE = [
    ("sqrt(a)*sqrt(a)", "a", {"a": [2.0, 0.0, 0.0]}),
    ("sum(sqrt(a)*sqrt(a))", "a", {"a": [2.0, 0.0, 0.0]}),
    ("sqrt(x)*sqrt(x)", "x", {"x": 0.0}),
]


def in_every_dialect(text, wrt, values):
    for dialect in (None, "graph", "chain", "paths", "jacobian"):
        try:
            found = cr.explain(text, wrt, values=values, dialect=dialect)
        except ChainruleError as error:
            # A dialect is for one number, and not each applies.
            if dialect is None or "internal error" in str(error):
                raise
            continue
        check(found)
        yield found


def numbers_told(found) -> list:
    """What the derivative in the name that was asked for is said to be."""
    equations = [x for x in (*found.short, *found.story) if isinstance(x, Equation) and x.numbers]
    return [x.sides[-1] for x in equations if re.fullmatch(r"df_d[axy]", plain(x.sides[0])) or len(x.sides) == 1]


@pytest.mark.parametrize(("text", "wrt", "values"), [*NO_VALUE, *NO_SLOPE])
def test_where_there_is_no_slope_no_number_is_printed_for_it(text, wrt, values):
    pages = list(in_every_dialect(text, wrt, values))
    assert pages
    for found in pages:
        assert not numbers_told(found), found.plain()


@pytest.mark.parametrize(("text", "wrt", "values"), FLAT)
def test_what_is_flat_hands_on_nothing_of_an_infinite_slope(text, wrt, values):
    for found in in_every_dialect(text, wrt, values):
        assert not np.any(found.gradient)


@pytest.mark.parametrize("dialect", ["graph", "chain", "paths", "jacobian"])
@pytest.mark.parametrize(
    ("text", "y", "slope"), [("sum(abs(y))", -2.0, -1.0), ("sum(relu(y))", 0.0, 0.0), ("sum(y/y)", 3, 0.0)]
)
def test_a_sum_of_one_number_is_that_number(text, y, slope, dialect):
    assert cr.explain(text, "y", values={"y": y}, dialect=dialect).gradient == slope


@pytest.mark.parametrize(
    ("text", "given", "order", "lines"),
    [
        (
            "prod(v)",
            {"v": [1.0, 2, 3]},
            2,
            ["          ⎡   0  v[2]  v[1]⎤   ⎡0  3  2⎤", "∂²f/∂v² = ⎢v[2]     0  v[0]⎥ = ⎢3  0  1⎥"],
        ),
        ("cumprod(v)", {"v": [1.0, 2, 3]}, 1, ["⎣v[1] · v[2]  v[0] · v[2]  v[0] · v[1]⎦   ⎣6  3  2⎦"]),
        (
            "convolve(x, k)",
            {"x": [1.0, 2, 3], "k": [1.0, -1]},
            1,
            ["f = convolve(x, k) =", "∂f/∂x = [k[0] 0 0; k[1] k[0] 0; 0 k[1] k[0]; 0 0 k[1]] =", "⎡x[0]     0⎤"],
        ),
        ("inv(A)", {"A": [[1.0, 2], [0, 1]]}, 1, ["df_A = −A⁻¹ dA A⁻¹", "where A moves by dA"]),
        (
            "softmax(Q @ K.T) @ V",
            {"Q": np.eye(2), "K": np.ones((3, 2)), "V": np.arange(6.0).reshape(3, 2)},
            1,
            [
                "df_Q = (softmax(Q Kᵀ) ⊙ (dQ Kᵀ − (softmax(Q Kᵀ) ⊙ dQ Kᵀ) 𝟏 𝟏ᵀ)) V",
                "df_V = softmax(Q Kᵀ) dV",
            ],
        ),
    ],
)
def test_a_derivative_of_many_indices_has_formulas(text, given, order, lines):
    told = cr.explain(text, values=given, order=order)
    shown = told.text(width=120)
    for line in lines:
        assert line in shown, shown
    assert "In symbols" not in shown
    check(told)


def test_numbers_beside_letters_are_part_of_an_entry():
    """A list of a letter and a number was, entry by entry, the letter alone."""
    x = symbol("x", (1,))
    both = book["concatenate"](x, constant(np.array([2.0])), axis=0)
    entries = EntryFormulas(lambda y, place: symbol(f"{y.label}{place[0]}"), {x: np.ones(1)})
    assert [plain(tree_of_term(entries.at(both, (i,)))) for i in range(2)] == ["x0", "2"]
