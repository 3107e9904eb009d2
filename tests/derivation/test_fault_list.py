"""What newcomers, public reports and random formulas found false, row by row, as it was typed; and where its kind is.

- a number = nan, outside a domain, slopes there: test_faults (nothing_that_is_not_finite, a_function_outside)
- norms at 0, kinks, conventions: test_short (a_kink_is_named), test_tape (nodes_on_a_kink)
- another activation's name: test_faults (an_activation_has_its_own_name)
- the transpose in the other layout: test_faults (the_transpose_is_said), test_jacobian (the_other_layout), test_layouts
- names taken for made-up ones, two names alike: test_faults (a_name_of_the_users, a_name_that_nothing, two_names)
- a cost that is none: test_faults (no_cost_is_claimed), test_tape (the_cost_is_recognised)
- settings that print alike, brackets, text that NumPy does not run: test_printers (what_looks_alike, plain_text_runs)
- kinks that are none: test_differences (at_a_kink, a_right_derivative_is_confirmed)
- factors that hide a mistake: test_what_if (a_forgotten_factor)
- what cancels, absorbed nudges, 0 · ∞: test_faults (a_second_derivative_that_cancels, ways_that_have_no_sum)
- minutes for long products, large results: test_long_formulas, test_parse (limits), test_simplify (ten_thousand)
- programs without indentation, broken words, long lines: tests/derivation/formats, test_pages
- vectors and several assignments: test_grad_vectors, test_assignments
- too many lines: test_short (twelve_lines_are_enough), test_short_view
- weights inside a user's class: test_five_ways (names_are_paths)
- all of it on formulas, graphs and nets at random: test_random_pages
"""

from __future__ import annotations

import re

import pytest

import chainrule as cr
from chainrule.derivation.explain import NEAREST
from chainrule.derivation.typed.answer import Answer, Options
from chainrule.derivation.typed.formula import read_formula
from chainrule.errors import FormulaError, GraphError

from .run_as_numpy import check

ROWS = [
    ("log(exp(x))", ["x=1000"], "too large for a number at x = 1000", r"= (1 =|nan|∞)"),
    ("x/x", ["x=0"], "0/0 here", r"= (nan|∞)"),
    ("x*sqrt(x)", ["x=0"], "", r"= (nan|∞)"),
    ("x**-1*x**2", ["x=0"], "", r"= (nan|∞)"),
    ("log(x)", ["x=-1"], "ln(x) is not defined at x = −1", r"= nan|= −1$|raises|lowers"),
    ("norm(x)", ["x=[0,0]"], "by convention, since x/‖x‖ is 0/0 here", r"nan"),
    ("x**2", ["x=3"], "df/dx = 2x = 6", r"cost|ŷ|condition"),
    ("sum(t**2)", ["t=[1,2]"], "", r"cost|ŷ"),
    ("c*sum(X) + trace(X)", ["c=2", "X=[[1,2],[3,4]]"], "c 𝟏 𝟏ᵀ + 𝐈", r"= c \+ 𝐈"),
    ("x1*x + x_1*x**2", ["x1=1", "x=2", "x_1=3"], "x₁ · x + x_1 · x²", r"x₁ · x²"),
    ("3*(x/(x+x*y))", ["x=1", "y=2"], "∂f/∂x = 0", r"= −?\S*·10⁻¹"),
    ("3*x", ["x=1e16"], "df/dx = 3", "internal"),
    ("trace(x)", ["x=eye(3)"], "tr(x) = 3", "internal"),
    ("abs(x)**2", ["x=3"], "df/dx = 2x = 6", r"2 \|x\| sign"),
    ("a**x", ["a=2", "x=3"], "aˣ · ln(a) = 5.54518", "where|equal"),
    ("a**x", ["a=0", "x=3"], "", "where|equal|nan"),
    ("x*2/3", ["x=1"], "df/dx = ⅔", "0.666"),
    ("e**x", ["x=1"], "df/dx = eˣ = 2.71828", "2.718281828"),
    ("x**7", ["x=2"], "7x⁶", "internal"),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("text", "given", "says", "never"), ROWS)
def test_a_row_as_it_was_typed(text, given, says, never):
    for detail in ("short", "full"):
        told = Answer(read_formula(text, given, ""), Options()).derivation
        check(told)
        page = told.text(detail=detail)
        assert says in page or detail == "full"
        assert not re.search(never, page, re.MULTILINE), page


@pytest.mark.parametrize(("text", "problem"), [("sin x", "write sin(x)"), ("norm(A - x@x.T)**2", "write outer(x, x)")])
def test_what_cannot_be_meant_is_refused_with_what_to_write(text, problem):
    with pytest.raises(FormulaError, match=re.escape(problem)):
        read_formula(text, ["A:2x2", "x:2"] if "A" in text else ["x=1"], "")


@pytest.mark.parametrize("text", ["x.T @ x", "A @ x", "x @ A.T", "outer(x, x.T)"])
def test_a_transpose_that_changes_nothing_is_no_fault(text):
    assert read_formula(text, ["A:2x2", "x:2"] if "A" in text else ["x:2"], "").names


@pytest.mark.parametrize("operation", ["logsumexp", "softmax", "cumsum", "flip", "norm", "sum", "mean"])
def test_settings_that_change_the_meaning_are_told_apart(operation):
    """Along one axis and along the other: no two formulas of them print alike, in any writing."""
    pages = [
        Answer(read_formula(f"sum({operation}(A, axis={axis})*b)", ["A:2x2", "b:2"], "A"), Options()).derivation
        for axis in (0, 1)
    ]
    for text in (lambda told: told.text(), lambda told: told.plain(), lambda told: told.latex()):
        assert text(pages[0]) != text(pages[1])


@pytest.mark.parametrize("dialect", NEAREST)
def test_words_of_a_law_stand_where_it_was_used(dialect):
    """Nothing is said of a condition that chooses where there is none."""
    x = cr.Value(3.0, label="x")
    try:
        text = cr.explain(x**2 + x, x, dialect).text(detail="full")
    except GraphError:
        return
    assert "branch" not in text
    assert "condition" not in text


def test_what_if_lists_the_factors_that_these_numbers_hide():
    """On x → h → ŷ with w2·x = 1 a forgotten factor changes nothing; of those on no path to w1 nothing is said."""
    x, w1, w2, y = (cr.Value(v, label=n) for v, n in ((2.0, "x"), (2.0, "w1"), (0.5, "w2"), (20.0, "y")))
    h = w1 * x
    yhat = w2 * h
    h.label, yhat.label = "h", "yhat"
    page = cr.what_if(0.5 * (yhat - y) ** 2, "forgotten", w1).text(detail="full")
    assert not re.search("∂ŷ/∂w₂|∂h/∂x|∂.*/∂y ", page)
    (row,) = [line for line in page.splitlines() if "both at once" in line]
    assert row.startswith("∂ŷ/∂h · ∂h/∂w₁ = 0.5 · 2 = 1")
