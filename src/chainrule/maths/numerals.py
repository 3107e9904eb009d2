"""The one way to write numbers: digits that say something, and powers of ten only far from 1."""

from __future__ import annotations

import math
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
    if x == 0 and np.signbit(x):
        return "-0"  # atan2 and a division tell it from 0
    special = exceptional(x) or whole(x, 1e16) or as_fraction(x)
    return special or positional(np.format_float_scientific(x, trim="-"), FULL)


def exceptional(x: float) -> str:
    """What has no digits: nan, infinities, and zero."""
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


def in_pi(x: float) -> tuple[Fraction, float] | None:
    """The factor and the power of π that come to this number, for small factors; None for any other number.

    A root is one of the factor too: (2, 0.5) is √(2π), and (2, −0.5) one over it.

    >>> import math
    >>> from chainrule.maths.numerals import in_pi
    >>> in_pi(-2 * math.pi / 3), in_pi(math.pi**2), in_pi(math.sqrt(2 * math.pi)), in_pi(3.14)
    ((Fraction(-2, 3), 1), (Fraction(1, 1), 2), (Fraction(2, 1), 0.5), None)
    """
    if not 1e-6 < abs(x) < 1e6:
        return None
    size, sign = abs(x), int(math.copysign(1, x))
    for power in (1, 2, -1, 0.5, -0.5):
        is_root = power in (0.5, -0.5)
        factor = Fraction(size ** (1 / power) / math.pi if is_root else size / math.pi**power).limit_denominator(12)
        if not 0 < factor.numerator <= 100:
            continue
        number = (float(factor) * math.pi) ** power if is_root else float(factor) * math.pi**power
        if abs(number - size) <= 2 * math.ulp(size):
            return sign * factor, power
    return None


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
