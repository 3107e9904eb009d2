"""The one way to write numbers: digits that say something, and powers of ten only far from 1."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np

DIGITS = 6
"""Significant digits of a printed number."""

FULL = 17
"""Digits that tell every double from its neighbours."""

THIRDS = (3, 6, 7, 9, 11, 12)
"""Denominators whose fractions are shorter than their decimals; halves and quarters are not."""

THIRDS_TOGETHER = math.lcm(*THIRDS)
MOST_ABOVE = 99
"""The largest numerator of such a fraction."""

MOST_BELOW = 12
"""The largest denominator of the factor of a root, of e or of a logarithm."""
MOST_UNDER = 10_000
"""Under a root that is taken for one stands less."""
LOGARITHMS = (2, 10, 3, 5, 7)
"""Whole numbers whose logarithms are known by their digits."""
IRRATIONAL = 15
"""A number with fewer digits is a decimal."""


def written(x: float, digits: int = DIGITS) -> str:
    """A number in so many significant digits; the printed decimal is the number."""
    special = exceptional(x) or whole(x, 10.0 ** max(digits, 6)) or as_fraction(x)
    if special:
        return special
    if digits >= FULL or digits < IRRATIONAL:
        # Python writes most numbers so itself.
        text = repr(float(x)) if digits >= FULL else f"{x:.{digits}g}"
        if "e" not in text:
            return text
    return positional(np.format_float_scientific(x, trim="-") if digits >= FULL else f"{x:.{digits - 1}e}", digits)


def in_full(x: float) -> str:
    """A constant of a program, with all its digits: 0.044715 stays 0.044715, whole numbers and thirds are short."""
    if x == 0 and np.signbit(x):
        return "-0"  # atan2 and a division tell it from 0
    special = exceptional(x) or whole(x, 1e16) or as_fraction(x)
    return special or positional(np.format_float_scientific(x, trim="-"), FULL)


def exceptional(x: float) -> str:
    """What has no digits: nan, infinities, and zero."""
    if math.isnan(x):
        return "nan"
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    return "0" if x == 0 else ""


def as_fraction(x: float) -> str:
    """A short fraction that is this very number, where its decimal would not end."""
    if abs(x) > MOST_ABOVE or abs(x * THIRDS_TOGETHER - round(x * THIRDS_TOGETHER)) > 1e-9:
        return ""
    fraction = Fraction(x).limit_denominator(12)
    same = fraction.denominator in THIRDS and fraction.numerator / fraction.denominator == x
    return f"{fraction.numerator}/{fraction.denominator}" if same and abs(fraction.numerator) <= MOST_ABOVE else ""


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


def in_root(x: float) -> tuple[Fraction, int] | None:
    """The factor and the whole number under the root that come to this number, for small ones; None for any other.

    >>> import math
    >>> from chainrule.maths.numerals import in_root
    >>> in_root(math.sqrt(2)), in_root(-math.sqrt(8) / 3), in_root(1.5)
    ((Fraction(1, 1), 2), (Fraction(-2, 3), 2), None)
    """
    if not may_be_irrational(x):
        return None
    square = Fraction(x * x).limit_denominator(MOST_BELOW**2)
    under, factor = square.numerator * square.denominator, 1
    if not 1 < under < MOST_UNDER:
        return None
    for k in range(2, math.isqrt(under) + 1):
        while under % (k * k) == 0:
            under, factor = under // (k * k), factor * k
    found = Fraction(factor, square.denominator)
    same = (
        under > 1
        and found.denominator <= MOST_BELOW
        and abs(float(found) * math.sqrt(under) - abs(x)) <= 2 * math.ulp(x)
    )
    return (int(math.copysign(1, x)) * found, under) if same else None


def in_e(x: float) -> tuple[Fraction, int] | None:
    """The factor and the power of e that come to this number; (1, 1) is e. None for any other number."""
    for power in (1, 2, -1) if may_be_irrational(x) else ():
        factor = Fraction(x / math.e**power).limit_denominator(MOST_BELOW)
        if factor and abs(float(factor) * math.exp(power) - x) <= 2 * math.ulp(x):
            return factor, power
    return None


def in_log(x: float) -> tuple[Fraction, int, int] | None:
    """A factor, a whole number and a power so that this is the power of its natural logarithm, times the factor."""
    if not may_be_irrational(x):
        return None
    for of, power in product(LOGARITHMS, (1, -1)):
        factor = Fraction(x / math.log(of) ** power).limit_denominator(MOST_BELOW)
        if factor and abs(float(factor) * math.log(of) ** power - x) <= 2 * math.ulp(x):
            return factor, of, power
    return None


def may_be_irrational(x: float) -> bool:
    """Whether a root, e or a logarithm is looked for in a number: it is of middle size and has all its digits."""
    return 1e-3 < abs(x) < 1e3 and has_all_digits(repr(x))


def has_all_digits(text: str) -> bool:
    """Whether a number has as many digits as a double has, as an irrational one."""
    return text[-1:].isdigit() and len(mantissa_of(text).replace(".", "").lstrip("0")) >= IRRATIONAL


def mantissa_of(text: str) -> str:
    return text.lstrip("-").partition("e")[0]


def first_digits(text: str) -> str:
    """The first digits of a number that has all of a double, as they are and not rounded, and dots.

    >>> from chainrule.maths.numerals import first_digits
    >>> first_digits("-1.2345678901234567e-9"), first_digits("123456789.01234567")
    ('-1.23456…e-9', '123456789…')
    """
    mantissa, exponent = text.partition("e")[::2]
    leading = len(mantissa) - len(mantissa.lstrip("-0."))
    cut = max(leading + DIGITS + ("." in mantissa[leading : leading + DIGITS]), len(mantissa.partition(".")[0]))
    return mantissa[:cut] + "…" + (f"e{exponent}" if exponent else "")


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
