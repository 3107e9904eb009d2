"""Whether arrays agree: in shape, up to rounding, or up to a factor."""

# Arrays hold numbers of any type.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

RTOL = 1e-7
"""Two ways to compute the same number differ by rounding alone, some 1e-14; a mistake that changes less is none."""

NOTHING = 1e-12
"""What is left by rounding of numbers around 1 that cancel."""

SMALLEST_FACTOR = 1e-6
"""A smaller multiple is none: nobody's factor is off by a million."""

Values = Sequence[Any]
"""One answer at each probe; None where it could not be computed."""


def broadcasts(shape: tuple[int, ...], into: tuple[int, ...]) -> bool:
    """Whether an array of one shape fits another as it stands."""
    try:
        return np.broadcast_shapes(shape, into) == into
    except ValueError:
        return False


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([n for n in shape if n != 1])


def agrees(answer: Any, value: Any, loose: bool = False) -> bool:
    """Whether two results are the same up to rounding; a row, a column and a vector are one.

    With `loose` a matrix may also be the transpose of the other.
    """
    if answer is None or value is None:
        return False
    if not getattr(answer, "shape", ()) and not getattr(value, "shape", ()):
        a, v = float(answer), float(value)
        return math.isfinite(a) and math.isfinite(v) and abs(a - v) <= RTOL * max(abs(a), abs(v)) + NOTHING
    answer, value = np.asarray(answer, float), np.asarray(value, float)
    if answer.shape != value.shape:
        if loose and answer.ndim == 2 and answer.shape == value.T.shape:
            value = value.T
        elif squeezed(answer.shape) == squeezed(value.shape):
            value = value.reshape(answer.shape)
        else:
            return False
    scale = max(np.max(np.abs(value), initial=0.0), np.max(np.abs(answer), initial=0.0))
    return bool(np.isfinite(scale) and np.all(np.abs(answer - value) <= RTOL * scale + NOTHING))


def agrees_everywhere(answers: Values, values: Any, loose: bool = False) -> bool:
    """Whether that holds at every probe; `values` are asked for one by one, for most fail at the first."""
    return all(agrees(answer, value, loose) for answer, value in zip(answers, values, strict=True))


def ratio_everywhere(answers: Values, values: Any) -> float | None:
    """The one number by which the answer is larger than something, at every probe and entry."""
    found: float | None = None
    for answer, value in zip(answers, values, strict=True):
        if answer is None or value is None:
            return None
        a, v = np.asarray(answer, float), np.asarray(value, float)
        if squeezed(a.shape) != squeezed(v.shape):
            return None
        v = v.reshape(a.shape)
        if not np.any(v):
            if np.any(a):
                return None
            continue
        if found is None:
            at = np.unravel_index(np.argmax(np.abs(v)), v.shape) if v.ndim else ()
            found = float(a[at] / v[at])
            # An answer of nothing is no multiple: its rounding would be taken for a factor.
            if not np.isfinite(found) or abs(found) < SMALLEST_FACTOR:
                return None
        if not agrees(a, found * v):
            return None
    return found
