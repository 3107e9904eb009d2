"""The one way to write numbers: digits that say something, and powers of ten only far from 1."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

DIGITS = 6
"""Significant digits of a printed number."""

FULL = 17
"""Digits that tell every double from its neighbours."""

THIRDS = (3, 6, 7, 9, 11, 12)
"""Denominators whose fractions are shorter than their decimals; halves and quarters are not."""


def written(x: float, digits: int = DIGITS) -> str:
    """A number in so many significant digits; the printed decimal is the number."""
    special = exceptional(x) or whole(x, 10.0 ** max(digits, 6)) or as_fraction(x)
    if special:
        return special
    return positional(np.format_float_scientific(x, trim="-") if digits >= FULL else f"{x:.{digits - 1}e}", digits)


def in_full(x: float) -> str:
    """A constant of a program, with all its digits: 0.044715 stays 0.044715, whole numbers and thirds are short."""
    special = exceptional(x) or whole(x, 1e16) or as_fraction(x)
    return special or positional(np.format_float_scientific(x, trim="-"), FULL)


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


def positional(scientific: str, digits: int) -> str:
    """A number in scientific notation as it is usually written, if it is not far from 1."""
    mantissa, _, exponent = scientific.partition("e")
    power = int(exponent)
    if -5 <= power < digits:
        return np.format_float_positional(float(scientific), trim="-")
    shown = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{shown}e{power}"
