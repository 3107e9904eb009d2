"""The one way to write numbers: digits that say something, and powers of ten only far from 1."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from chainrule.maths.tree import Number

DIGITS = 6
"""Significant digits of a printed number."""

FULL = 17
"""Digits that tell every double from its neighbours."""

THIRDS = (3, 6, 7, 9, 11, 12)
"""Denominators whose fractions are shorter than their decimals; halves and quarters are not."""


def numeral(x: float, digits: int = DIGITS) -> Number:
    """A number in so many significant digits; the printed decimal is the number.

    >>> from chainrule.maths import numeral
    >>> [numeral(x).text for x in (-18.0, 1 / 3, 0.1 + 0.2, 2.5e-9, 12345678.9)]
    ['-18', '1/3', '0.3', '2.5e-9', '1.23457e7']
    """
    x = float(x)
    special = exceptional(x) or whole(x, 10.0 ** max(digits, 6)) or as_fraction(x)
    if special:
        return Number(special)
    written = np.format_float_scientific(x, trim="-") if digits >= FULL else f"{x:.{digits - 1}e}"
    return Number(positional(written, digits))


def exact(x: float) -> Number:
    """A constant of a program, with all its digits: 0.044715 stays 0.044715, whole numbers and thirds are short."""
    x = float(x)
    special = exceptional(x) or whole(x, 1e16) or as_fraction(x)
    return Number(special or positional(np.format_float_scientific(x, trim="-"), FULL))


def exceptional(x: float) -> str:
    """What has no digits: nan, infinities, and zero with its sign."""
    if np.isnan(x):
        return "nan"
    if np.isinf(x):
        return "inf" if x > 0 else "-inf"
    return "0" if x == 0 else ""


def as_fraction(x: float) -> str:
    """A short fraction that is this very number, where its decimal would not end."""
    fraction = Fraction(x).limit_denominator(12)
    same = fraction.denominator in THIRDS and fraction.numerator / fraction.denominator == x
    return f"{fraction.numerator}/{fraction.denominator}" if same and abs(fraction.numerator) < 100 else ""


def whole(x: float, limit: float) -> str:
    """A whole number below a limit, digit by digit."""
    return str(int(x)) if abs(x) < limit and x == int(x) else ""


def positional(written: str, digits: int) -> str:
    """A number in scientific notation as it is usually written, if it is not far from 1."""
    mantissa, _, exponent = written.partition("e")
    power = int(exponent)
    if -5 <= power < digits:
        return np.format_float_positional(float(written), trim="-")
    shown = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{shown}e{power}"


def last_place(number: Number, digits: int = DIGITS) -> float:
    """One unit of the last of so many digits; trailing zeros are not printed and count. 0 for fractions and exceptions.

    >>> from chainrule.maths import Number
    >>> from chainrule.maths.numerals import last_place
    >>> last_place(Number("2.5")), last_place(Number("0"))
    (1e-05, 1e-06)
    """
    text = number.text.lstrip("-")
    if "/" in text or not text[0].isdigit():
        return 0.0
    if number.value == 0:
        return 10.0**-digits
    shown = len(text.partition("e")[0].replace(".", "").strip("0"))
    return float(10.0 ** (np.floor(np.log10(abs(number.value))) - max(digits, shown) + 1))
