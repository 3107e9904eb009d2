"""Printed numbers give the printed result when they are worked out by hand, and a wrong one is never printed."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chainrule.derivation.equations import FULL, Show, proved
from chainrule.errors import ChainruleError, GraphError
from chainrule.maths import Number, Symbol, numeral, plain
from chainrule.maths.values import value

X, Z, W = Symbol("x"), Symbol("z"), Symbol("w")
floats = st.floats(allow_nan=False, allow_infinity=False)
ordinary = st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6)


def last_place(text):
    """The unit of the last digit of a number in plain text: 0.01 for 3.14, 1e-7 for 2.5e-06."""
    if "/" in text:
        return 0.0
    mantissa, _, exponent = text.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def sum_of(terms):
    total, *rest = terms
    for term in rest:
        total = total + term
    return total


def product_of(text):
    """The product or sum of a plain text such as ``(-18) * 0.5``, without this package's reader."""
    terms = [math.prod(map(number, term.split("*"))) for term in re.split(r" \+ ", text)]
    return math.fsum(terms)


def number(text):
    """A number of plain text, perhaps in parentheses, perhaps a fraction."""
    above, _, below = text.strip("()").partition("/")
    return float(above) / float(below or 1)


@settings(deadline=None)
@given(st.lists(ordinary, min_size=1, max_size=6), st.integers(1, 16))
@example([1.6, 6.25], 1)
@example([1.25, 80.0], 2)
@example([3.2, 312.5], 2)
def test_printed_factors_give_the_printed_product(factors, digits):
    exact = math.prod(factors)
    found = proved([X], lambda show: [show.product(factors)], exact, digits=digits)
    shown, result = map(plain, found.sides[1:])
    assert number(result) == pytest.approx(exact, rel=10.0 ** (1 - digits), abs=0)
    # Beside one unit of the last place: five products are rounded here, five there, by half of 2.3e-16 each.
    assert abs(product_of(shown) - number(result)) <= 1.001 * last_place(result) + 1.2e-15 * abs(exact)
    assert found.numbers == 2


@settings(deadline=None)
@given(st.lists(st.tuples(ordinary, ordinary), min_size=1, max_size=6), st.integers(1, 16))
@example([(1.0, 1.0), (-1.0, 1.0)], 6)
@example([(1e6, 1.0), (-1e6, 1.0), (1e-6, 1.0)], 6)
@example([(0.1, 1.0), (0.2, 1.0), (-0.3, 1.0)], 6)
@example([(-0.3, 1.0), (0.1, 1.0), (0.2, 1.0)], 6)
def test_printed_terms_give_the_printed_sum_even_where_they_cancel(pairs, digits):
    exact = sum(x * y for x, y in pairs)
    found = proved([X], lambda show: [sum_of([show.product(pair) for pair in pairs])], exact, digits=digits)
    shown, result = map(plain, found.sides[1:])
    # The sum of exact terms may differ from the engine's by the rounding of the largest.
    rounding = 1e-15 * len(pairs) * max(abs(x * y) for x, y in pairs)
    assert abs(product_of(shown) - number(result)) <= 1.001 * last_place(result) + rounding
    assert abs(number(result) - exact) <= max(10.0 ** (1 - digits) * abs(exact), rounding)


@settings(deadline=None)
@given(floats)
@example(5e-324)
@example(1.7976931348623157e308)
@example(0.1 + 0.2)
@example(-0.0)
@example(1e16)
@example(123456789012345680.0)
def test_full_precision_comes_back_exactly(x):
    text = numeral(x, FULL).text
    assert number(text) == x
    assert value(proved([X], lambda show: [show.product([x, 1.0])], x, digits=FULL).sides[-1], {}) == x


@settings(deadline=None)
@given(floats, st.integers(1, 16))
@example(1.7976931348623157e308, 2)
@example(999999.7, 6)
@example(9.9999e-6, 4)
def test_a_number_has_the_digits_that_it_should(x, digits):
    text = numeral(x, digits).text
    if "/" in text:
        assert number(text) == x
        return
    if abs(x) < 1e300:
        # Half a unit of the last digit, and what the text itself is rounded by.
        assert float(text) == pytest.approx(x, rel=0, abs=0.5001 * 10.0 ** (1 - digits) * abs(x) + math.ulp(x))
    shown = re.sub(r"e.*|[-.]", "", text).lstrip("0")
    whole = x == int(x) if abs(x) < 1e17 else False
    assert len(shown.rstrip("0")) <= digits or (whole and float(text) == x)


@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_has_no_equals_sign_before_it(x):
    found = proved([X], lambda show: [show.product([x, -2.0])], x * -2.0)
    assert (found.sides, found.numbers, found.note) == ((X,), 0, ("not a finite number",))
    matrix = np.array([[x, 1.0], [0.0, 2.0]])
    assert proved([X], lambda show: [show(matrix)], matrix).note == ("not all of it is a finite number",)


def test_of_what_is_infinite_nothing_passes_a_branch_that_was_not_taken():
    found = proved([X], lambda show: [show.product([math.inf, 0.0])], 0.0)
    assert found.sides == (X, Number("0"))
    assert "a branch that was not taken" in str(found.note)


@pytest.mark.parametrize(("factors", "result"), [((1e200, 1e200, 1e-300), 1e100), ((1e-200, 1e-200, 1e300), 1e-100)])
def test_factors_whose_product_leaves_the_numbers_on_the_way_are_not_written_out(factors, result):
    found = proved([X], lambda show: [show.product(factors)], result)
    assert found.sides == (X, numeral(result))
    assert "from factor to factor" in str(found.note)
    assert proved([X], lambda show: [show.product([1e-100, 1e-100, 1e150])], 1e-50).numbers == 2


@settings(deadline=None)
@given(st.data(), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_products_of_matrices_are_proved(data, rows, inner, columns):
    def matrix(n, m):
        return np.array(data.draw(st.lists(ordinary, min_size=n * m, max_size=n * m))).reshape(n, m)

    x, y = matrix(rows, inner), matrix(inner, columns)
    product = x @ y
    equation = proved([Z], lambda show: [show(x) @ show(y)], product)
    ours, shown = (np.asarray(value(side, {})) for side in equation.sides[1:])
    # Entries that cancel have fewer right digits than the largest term.
    scale = np.abs(x) @ np.abs(y)
    assert np.all(np.abs(ours - shown) <= 1e-5 * np.abs(product) + 1e-14 * scale)


def test_a_vector_is_a_column_and_one_entry_a_number():
    x, w = np.array([1.0, 2.0]), np.array([[3.0, 4.0]])
    column = proved([Z], lambda show: [show(x) * show(x)], x * x)
    assert column.parts[-1] == r"\begin{pmatrix} 1 \\ 4 \end{pmatrix}"
    assert proved([Z], lambda show: [show(w) @ show(x)], 11.0).parts[-1] == "11"


def test_more_digits_are_shown_where_few_do_not_give_the_product():
    found = proved([X], lambda show: [show.product([1.2345649] * 5)], 1.2345649**5)
    assert found.parts[1:] == (r" \cdot ".join(["1.234565"] * 5), "2.86794")
    assert proved([X], lambda show: [show.product([1 / 3, 2.0])], 2 / 3).parts[1:] == (
        r"\frac{1}{3} \cdot 2",
        r"\frac{2}{3}",
    )


def test_what_only_rounding_has_left_is_shown_as_nothing():
    equation = proved([X], lambda show: [show.sum([-0.3, 0.1, 0.2])], 0.1 + 0.2 - 0.3, note="cancels")
    assert equation.parts[-1] == "0"
    assert equation.note == ("cancels; up to rounding: the computer has ", Number("5.55112e-17"))


@pytest.mark.parametrize("digits", [3, 6, FULL])
@pytest.mark.parametrize("result", [-36.001, 36.0, math.nan, np.array([-36.0, 1.0]), math.inf])
def test_a_wrong_product_is_an_internal_error(result, digits):
    with pytest.raises(ChainruleError, match=r"internal error, please report it: -18\*2 is not the engine's"):
        proved([W, Symbol("c") * X], lambda show: [show.product([-18.0, 2.0])], result, digits=digits)


def test_a_wrong_part_among_right_ones_is_found():
    with pytest.raises(ChainruleError, match="internal error"):
        proved([W], lambda show: [show.product([-18.0, 2.0]), show.product([-18.0, 2.1])], -36.0)


def test_an_array_of_three_axes_has_no_place_on_paper():
    with pytest.raises(GraphError, match=r"\(2, 2, 2\)"):
        Show(6)(np.zeros((2, 2, 2)))
