"""Functions of single numbers made of the rules for them: what is defined by cases, by quotients or by a factor."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from chainrule.core.operation import composed, is_node
from chainrule.rules import elementary, linear, logic, pointwise
from chainrule.rules.composed import gathered, in_real_numbers
from chainrule.rules.pointwise import equal, greater, less, where


@composed
def sec(x: Any) -> Any:
    """One over the cosine.

    >>> import chainrule as cr
    >>> cr.sec(0.0)
    1.0
    """
    return pointwise.reciprocal(pointwise.cos(gathered(x)))


@composed
def csc(x: Any) -> Any:
    """One over the sine.

    >>> import chainrule as cr
    >>> round(cr.csc(1.0), 4)
    1.1884
    """
    return pointwise.reciprocal(pointwise.sin(gathered(x)))


@composed
def cot(x: Any) -> Any:
    """One over the tangent.

    >>> import chainrule as cr
    >>> round(cr.cot(1.0), 4)
    0.6421
    """
    return pointwise.div(pointwise.cos(gathered(x)), pointwise.sin(gathered(x)))


@composed
def deg2rad(x: Any) -> Any:
    """Degrees as radians.

    >>> import chainrule as cr
    >>> round(cr.deg2rad(180.0), 4)
    3.1416
    """
    return pointwise.mul(gathered(x), float(np.pi / 180))


@composed
def rad2deg(x: Any) -> Any:
    """Radians as degrees.

    >>> import chainrule as cr
    >>> cr.rad2deg(0.5)
    28.64788975654116
    """
    return pointwise.mul(gathered(x), float(180 / np.pi))


@composed
def divmod(x: Any, y: Any) -> tuple[Any, Any]:
    """How many whole steps of y there are in x, which is flat, and what is left.

    >>> import chainrule as cr
    >>> cr.divmod(7.0, 2.0)
    (3.0, 1.0)
    """
    return elementary.floor_divide(x, y), elementary.remainder(x, y)


@composed
def copysign(x: Any, y: Any) -> Any:
    """The size of x with the sign of y.

    >>> import chainrule as cr
    >>> cr.copysign(3.0, -0.5)
    -3.0
    """
    x = in_real_numbers(x)
    return where(equal(logic.signbit(x), logic.signbit(gathered(y))), x, pointwise.neg(x))


@composed
def heaviside(x: Any, y: Any) -> Any:
    """0 left of 0, 1 right of it, and y at 0: flat in x, and y's own where it is taken.

    >>> import chainrule as cr
    >>> cr.heaviside(2.0, 0.5), cr.heaviside(0.0, 0.5)
    (1.0, 0.5)
    """
    x = gathered(x)
    # What is neither left, nor right, nor equal is nan, and the fourth case hands it on.
    return where(less(x, 0.0), 0.0, where(greater(x, 0.0), 1.0, where(equal(x, 0.0), gathered(y), x)))


@composed
def fmax(x: Any, y: Any) -> Any:
    """The larger one, or the one that is a number; equals share the gradient.

    >>> import chainrule as cr
    >>> cr.fmax(1.0, float("nan"))
    1.0
    """
    x, y = gathered(x), gathered(y)
    return where(logic.isnan(x), y, where(logic.isnan(y), x, pointwise.maximum(x, y)))


@composed
def fmin(x: Any, y: Any) -> Any:
    """The smaller one, or the one that is a number; equals share the gradient.

    >>> import chainrule as cr
    >>> cr.fmin(1.0, float("nan"))
    1.0
    """
    x, y = gathered(x), gathered(y)
    return where(logic.isnan(x), y, where(logic.isnan(y), x, pointwise.minimum(x, y)))


@composed
def fabs(x: Any) -> Any:
    """The distance from 0 as a floating-point number.

    >>> import chainrule as cr, numpy as np
    >>> cr.fabs(np.array([-2]))
    array([2.])
    """
    return pointwise.abs(as_float(gathered(x)))


@composed
def float_power(x: Any, y: Any) -> Any:
    """A power in double precision, of whole numbers too.

    >>> import chainrule as cr, numpy as np
    >>> cr.float_power(np.array([2]), -1)
    array([0.5])
    """
    return pointwise.pow(as_double(gathered(x)), as_double(gathered(y)))


@composed
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Numbers in place of nan and infinities, which get no gradient: 0 and the largest there are, or others.

    >>> import chainrule as cr, numpy as np
    >>> cr.nan_to_num(np.array([np.nan, 1.0]))
    array([0., 1.])
    """
    x = gathered(x)
    kind = getattr(x, "dtype", np.dtype(np.float64))
    if kind.kind not in "fc":
        return x
    largest = sys.float_info.max if kind == np.float64 else float(np.finfo(kind).max)
    out = where(logic.isnan(x), nan, x)
    out = where(equal(x, np.inf), largest if posinf is None else posinf, out)
    return where(equal(x, -np.inf), -largest if neginf is None else neginf, out)


@composed
def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Numbers kept inside limits, which may be arrays or nodes; outside, the gradient goes to the limit.

    >>> import chainrule as cr, numpy as np
    >>> cr.clip(np.array([-2.0, 0.5, 2.0]), -1.0, 1.0)
    array([-1. ,  0.5,  1. ])
    """
    x = gathered(x)
    low, high = min if a_min is None else a_min, max if a_max is None else a_max
    if not any(is_node(limit) or isinstance(limit, np.ndarray | list | tuple) for limit in (low, high)):
        return pointwise.clip(x, a_min=low, a_max=high)
    if low is not None:
        low = gathered(low)
        x = where(less(x, low), low, x)
    if high is not None:
        high = gathered(high)
        x = where(greater(x, high), high, x)
    return x


def as_float(x: Any) -> Any:
    """Whole numbers and truths as doubles; everything else as it is."""
    kind = getattr(x, "dtype", None)
    return linear.astype(x, dtype=np.dtype(np.float64)) if kind is not None and kind.kind in "iub" else x


def as_double(x: Any) -> Any:
    """An array in double precision; a plain number or a Value is that already."""
    kind = getattr(x, "dtype", np.dtype(np.float64))
    return x if kind == np.float64 else linear.astype(x, dtype=np.dtype(np.float64))
