"""What is printed gives what is printed: the text of an equation, read by itself, comes to its result."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chainrule.derivation.proof import FULL, Show, number, proved
from chainrule.errors import ChainruleError
from chainrule.expression.maths.as_ascii import ascii_of
from chainrule.expression.maths.value import value_of

floats = st.floats(allow_nan=False, allow_infinity=False)
ordinary = st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6)


def last_place(text):
    """The unit of the last digit of a number in plain text: 0.01 for 3.14, 1e-7 for 2.5e-06."""
    mantissa, _, exponent = text.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def product_of(text):
    """The product or sum of a plain text such as ``(-18) * 0.5``, without this package's reader."""
    terms = [math.prod(float(x) for x in re.findall(r"[-\d.e+]+", term)) for term in re.split(r" \+ ", text)]
    return math.fsum(terms)


@given(st.lists(ordinary, min_size=1, max_size=6), st.integers(1, 16))
def test_printed_factors_give_the_printed_product(factors, digits):
    value = math.prod(factors)
    equation = proved(["x"], lambda show: [show.product(factors)], value, digits=digits)
    shown, result = map(ascii_of, equation.parts[1:])
    assert float(result) == pytest.approx(value, rel=10.0 ** (1 - digits), abs=0)
    # Beside one unit of the last place: five products are rounded here, five there, by half of 2.3e-16 each.
    assert abs(product_of(shown) - float(result)) <= 1.001 * last_place(result) + 1.2e-15 * abs(value)
    assert equation.numbers == 2
    assert equation.latex == f"x = {equation.parts[1]} = {equation.parts[2]}"


@given(st.lists(st.tuples(ordinary, ordinary), min_size=1, max_size=6), st.integers(1, 16))
@example([(1.0, 1.0), (-1.0, 1.0)], 6)
@example([(1e6, 1.0), (-1e6, 1.0), (1e-6, 1.0)], 6)
@example([(0.1, 1.0), (0.2, 1.0), (-0.3, 1.0)], 6)
@example([(-0.3, 1.0), (0.1, 1.0), (0.2, 1.0)], 6)
def test_printed_terms_give_the_printed_sum_even_where_they_cancel(pairs, digits):
    value = sum(x * y for x, y in pairs)
    equation = proved(["x"], lambda show: [" + ".join(show.product(pair) for pair in pairs)], value, digits=digits)
    shown, result = map(ascii_of, equation.parts[1:])
    # The sum of exact terms may differ from the engine's by the rounding of the largest.
    rounding = 1e-15 * len(pairs) * max(abs(x * y) for x, y in pairs)
    assert abs(product_of(shown) - float(result)) <= 1.001 * last_place(result) + rounding
    assert abs(float(result) - value) <= max(10.0 ** (1 - digits) * abs(value), rounding)


@given(floats)
@example(5e-324)
@example(1.7976931348623157e308)
@example(0.1 + 0.2)
@example(-0.0)
@example(1e16)
@example(123456789012345680.0)
def test_full_precision_comes_back_exactly(x):
    text = number(x, FULL)
    assert value_of(text) == x
    assert float(ascii_of(text)) == x
    equation = proved(["x"], lambda show: [show.product([x, 1.0])], x, digits=FULL)
    assert value_of(equation.parts[-1]) == x


@given(floats, st.integers(1, 16))
@example(1.7976931348623157e308, 2)
@example(999999.7, 6)
@example(9.9999e-6, 4)
def test_a_number_has_the_digits_that_it_should(x, digits):
    text = ascii_of(number(x, digits))
    if abs(x) < 1e300:
        # Half a unit of the last digit, and what the text itself is rounded by.
        assert float(text) == pytest.approx(x, rel=0.5001 * 10.0 ** (1 - digits), abs=5e-324)
    shown = re.sub(r"e.*|[-.]", "", text).lstrip("0")
    whole = x == int(x) if abs(x) < 1e17 else False
    assert len(shown.rstrip("0")) <= digits or (whole and float(text) == x)


@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_shown_and_read(x):
    assert np.array_equal(value_of(number(x, 6)), x, equal_nan=True)
    equation = proved(["x"], lambda show: [show.product([x, -2.0])], x * -2.0)
    assert np.array_equal(float(ascii_of(equation.parts[-1])), x * -2.0, equal_nan=True)
    matrix = np.array([[x, 1.0], [0.0, 2.0]])
    assert np.array_equal(
        value_of(proved(["x"], lambda show: [show(matrix)], matrix).parts[-1]), matrix, equal_nan=True
    )


def test_tiny_and_huge_factors_are_multiplied_without_overflow():
    for factors, value in (([1e200, 1e200, 1e-300], 1e100), ([1e-200, 1e-200, 1e300], 1e-100)):
        equation = proved(["x"], lambda show, factors=factors: [show.product(factors)], value)
        assert value_of(equation.parts[-1]) == pytest.approx(value, rel=1e-12)


@given(st.data(), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_products_of_matrices_are_proved(data, rows, inner, columns):
    def matrix(n, m):
        return np.array(data.draw(st.lists(ordinary, min_size=n * m, max_size=n * m))).reshape(n, m)

    x, y = matrix(rows, inner), matrix(inner, columns)
    value = x @ y
    equation = proved(["Z", r"X \, Y"], lambda show: [rf"{show(x)} \, {show(y)}"], value)
    shown = np.vectorize(float)(value_of(equation.parts[-1]))
    # Entries that cancel have fewer right digits than the largest term.
    scale = np.abs(x) @ np.abs(y)
    assert np.all(np.abs(value_of(equation.parts[2]) - shown) <= 1e-5 * np.abs(value) + 1e-14 * scale)
    assert equation.parts[:2] == ("Z", r"X \, Y")


def test_a_vector_is_a_column_and_one_entry_a_number():
    x, w = np.array([1.0, 2.0]), np.array([[3.0, 4.0]])
    column = proved(["z"], lambda show: [rf"{show(x)} \odot {show(x)}"], x * x)
    assert column.parts[-1] == r"\begin{pmatrix} 1 \\ 4 \end{pmatrix}"
    assert proved(["z"], lambda show: [rf"{show(w)} \, {show(x)}"], 11.0).parts[-1] == "11"


def test_more_digits_are_shown_where_few_do_not_give_the_product():
    equation = proved(["x"], lambda show: [show.product([1 / 3, 2 / 3, math.pi])], 2 / 9 * math.pi)
    assert equation.parts[1:] == (r"0.3333333 \cdot 0.6666667 \cdot 3.141593", "0.698132")


def test_what_only_rounding_has_left_is_shown_as_nothing():
    equation = proved(["x"], lambda show: [show.sum([-0.3, 0.1, 0.2])], 0.1 + 0.2 - 0.3, note="cancels")
    assert equation.parts[-1] == "0"
    assert equation.note == r"cancels; up to rounding: the computer has $5.55112 \cdot 10^{-17}$"


@pytest.mark.parametrize("digits", [3, 6, FULL])
@pytest.mark.parametrize("value", [-36.001, 36.0, math.nan, np.array([-36.0, 1.0]), math.inf])
def test_a_wrong_product_is_an_internal_error(value, digits):
    with pytest.raises(ChainruleError, match=r"internal error, please report it: w = e x gives .*18.* and the engine"):
        proved(["w", "e x"], lambda show: [show.product([-18.0, 2.0])], value, digits=digits)


def test_a_wrong_part_among_right_ones_is_found():
    with pytest.raises(ChainruleError, match="internal error"):
        proved(["w"], lambda show: [show.product([-18.0, 2.0]), show.product([-18.0, 2.1])], -36.0)


def test_an_array_of_three_axes_has_no_place_on_paper():
    with pytest.raises(ChainruleError, match=r"\(2, 2, 2\)"):
        Show(6)(np.zeros((2, 2, 2)))
