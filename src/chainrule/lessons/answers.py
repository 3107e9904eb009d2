"""Answers as people type them: numbers with few digits, fractions, lists, words."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.lessons.numbers import same

SHORT = 6
"""A number of no more digits is wanted with all of them."""


def numbers_in(answer: Any) -> Any:
    """A number or a list of numbers that was typed or given; None for anything else."""
    if not isinstance(answer, str):
        try:
            given = np.asarray(answer, dtype=float)
        except (TypeError, ValueError):
            return None
        return given if given.ndim < 2 else None
    parts = answer.strip().strip("[]()").replace("−", "-").split(",")
    try:
        found = [fraction(part) for part in parts]
    except ValueError:
        return None
    return np.asarray(found if len(found) > 1 else found[0])


def fraction(text: str) -> float:
    """A number as it is typed: ``0.5``, ``1/2``."""
    above, sign, below = text.partition("/")
    if not sign:
        return float(above)
    if float(below) == 0:
        raise ValueError("nothing is divided by 0")
    return float(above) / float(below)


def is_rounded(number: Any, expected: Any, typed: Any) -> bool:
    """Whether every number is the expected one, rounded to the digits that were typed.

    Of a short number all digits are wanted, of any other two at least.
    """
    parts = typed.strip("[]() ").split(",") if isinstance(typed, str) else [repr(float(x)) for x in np.ravel(typed)]
    return all(
        [
            abs(x - y) <= unit(y, max(2, significant(part), wanted(y))) / 2 * (1 + 1e-9) or same(x, y, 1e-9)
            for x, y, part in zip(np.ravel(number), np.ravel(expected), parts, strict=True)
        ]
    )


def wanted(x: float) -> int:
    """How many digits of a number have to be typed at least."""
    digits = significant(f"{x:.9g}".rstrip("0") if "." in f"{x:.9g}" else f"{x:.9g}")
    return digits if digits <= SHORT else 2


def significant(text: str) -> int:
    """How many digits of a typed number say something."""
    mantissa = text.strip().lower().partition("e")[0]
    return len("".join([sign for sign in mantissa if sign.isdigit()]).lstrip("0")) if "/" not in text else 15


def unit(x: float, digits: int) -> float:
    """One unit of the last of so many digits; nothing is rounded to 0."""
    return 10.0 ** (np.floor(np.log10(abs(x))) - digits + 1) if x else 0.0


def is_answer(typed: str, wrong: str) -> bool:
    """Whether what was typed is a prepared answer: the same number, rounded or not, or the same words."""
    x, y = numbers_in(typed), numbers_in(wrong)
    if x is not None and y is not None:
        return x.shape == y.shape and is_rounded(x, y, typed)
    return "".join(typed.split()) == "".join(wrong.split())


def same_answer(one: str, other: str) -> bool:
    """Whether two answers are the same number, or the same words."""
    x, y = numbers_in(one), numbers_in(other)
    if x is not None and y is not None:
        return x.shape == y.shape and bool(np.allclose(x, y, rtol=1e-9))
    return "".join(one.split()) == "".join(other.split())
