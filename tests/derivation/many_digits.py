"""Numbers of sixty digits on which the rules of the book run themselves, for terms that cancel out in a double."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np

from chainrule.core.operation import Pointwise, book

sys.path.append(str(Path(__file__).parents[1] / "rules"))
from in_mpmath import function_of, mp

DIGITS = 60
context: Any = mpmath.MPContext()
context.dps = DIGITS


def as_method(function: Callable[[Any], Any]) -> Any:
    return lambda x: function(x)


for name in ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh"):
    # NumPy's function of an object is the object's own method of that name.
    setattr(context.mpf, name, as_method(getattr(context, name)))


def many_digits(x: Any) -> Any:
    """Each double as the decimal that is written for it, with so many digits; truths as the numbers 0 and 1."""
    found = np.frompyfunc(lambda e: e if isinstance(e, context.mpf) else context.mpf(repr(float(e))), 1, 1)(x)
    return np.asarray(found, dtype=object)[()]


def of_many_digits(name: str, rule: Callable[..., Any]) -> Callable[..., Any]:
    """A rule on such numbers: a function of a number as mpmath has it, anything else as the book says."""
    known = function_of(name) if isinstance(book[name], Pointwise) else None
    return with_arrays(rule) if known is None else by_entry(known)


def with_arrays(rule: Callable[..., Any]) -> Callable[..., Any]:
    def on_arrays(*inputs: Any, **settings: Any) -> Any:
        return rule(*[np.asarray(x) if isinstance(x, context.mpf) else x for x in inputs], **settings)

    return on_arrays


def by_entry(function: Callable[..., Any]) -> Callable[..., Any]:
    def each(*inputs: Any, **settings: Any) -> Any:
        with mp.workdps(DIGITS):
            # What is complex is no number of these, as it is nan in doubles.
            return np.frompyfunc(lambda *xs: context.mpf(function(*xs, **settings)), len(inputs), 1)(*inputs)

    return each
