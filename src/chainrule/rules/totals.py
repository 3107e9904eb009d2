"""Totals over axes with all of NumPy's settings, made of sums: weights, masks, missing numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.operation import composed
from chainrule.errors import ShapeError
from chainrule.rules import linear, logic, pointwise
from chainrule.rules.composed import array_of, gathered, max, min, shape_of, sum
from chainrule.rules.linear import reshape

Axis = int | tuple[int, ...] | None


@composed
def mean(x: Any, axis: Axis = None, keepdims: bool = False, dtype: Any = None, where: Any = None) -> Any:
    """The mean of the entries, all or along axes; with `where`, of those for which it holds.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.mean(np.array([1.0, 3.0])))
    2.0
    >>> float(cr.mean(np.array([1.0, 3.0]), where=np.array([False, True])))
    3.0
    """
    x = gathered(x)
    if dtype is not None:
        x = linear.astype(x, dtype=np.dtype(dtype))
    if where is None:
        # To hand settings over takes as long as to add up eight numbers.
        return linear.mean(x, axis=axis, keepdims=keepdims) if axis is not None or keepdims else linear.mean(x)
    kind = np.float32 if getattr(x, "dtype", None) == np.float32 else np.float64
    count = sum(np.ones(shape_of(x), kind), axis, keepdims, where=where)
    return sum(x, axis, keepdims, where=where) / count


@composed
def average(x: Any, axis: Axis = None, weights: Any = None, keepdims: bool = False) -> Any:
    """The mean, in which entries count by their weights: of the shape of x, or one for each place along the axis.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.average(np.array([1.0, 3.0]), weights=np.array([3.0, 1.0])))
    1.5
    """
    x = gathered(x)
    if weights is None:
        return linear.mean(x, axis=axis, keepdims=keepdims)
    weights = gathered(weights)
    if shape_of(weights) != shape_of(x):
        if len(shape_of(weights)) != 1 or not isinstance(axis, int):
            raise ShapeError(
                f"weights {shape_of(weights)} are for {shape_of(x)}, or for one axis of it, which is named"
            )
        weights = reshape(weights, shape=tuple([-1 if i == axis % len(shape_of(x)) else 1 for i in range(x.ndim)]))
        weights = linear.broadcast_to(weights, shape=shape_of(x))
    total = sum(pointwise.mul(x, weights), axis=axis, keepdims=keepdims)
    return total / sum(weights, axis=axis, keepdims=keepdims)


@composed
def ptp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """How far the smallest entry is from the largest.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.ptp(np.array([1.0, 5.0, 3.0])))
    4.0
    """
    return pointwise.sub(max(x, axis, keepdims), min(x, axis, keepdims))


@composed
def nansum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum of what is a number; nan counts nothing and gets no gradient.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.nansum(np.array([1.0, np.nan, 2.0])))
    3.0
    """
    x = gathered(x)
    return sum(x, axis, keepdims, where=pointwise.equal(x, x))


@composed
def nanmean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean of what is a number; nan counts nothing and gets no gradient.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.nanmean(np.array([1.0, np.nan, 2.0])))
    1.5
    """
    x = gathered(x)
    return mean(x, axis, keepdims, where=pointwise.equal(x, x))


@composed
def isclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Entry by entry, whether two numbers are within atol + rtol |y| of each other.

    >>> import chainrule as cr
    >>> cr.isclose(cr.Tensor([1.0, 2.0]), cr.Tensor([1.0, 2.1]))
    Tensor([ True, False], dtype=bool)
    """
    x, y = gathered(x), gathered(y)
    apart = pointwise.less_equal(pointwise.abs(x - y), atol + rtol * pointwise.abs(y))
    close = logic.logical_and(apart, logic.isfinite(y))
    same = pointwise.equal(x, y)
    if equal_nan:
        same = logic.logical_or(same, logic.logical_and(logic.isnan(x), logic.isnan(y)))
    return logic.logical_or(close, same)


@composed
def allclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all entries of two arrays are within atol + rtol |y| of each other.

    >>> import chainrule as cr
    >>> cr.allclose(cr.Tensor([1.0, 2.0]), [1.0, 2.0 + 1e-9])
    True
    """
    return bool(np.allclose(array_of(gathered(x)), array_of(gathered(y)), array_of(rtol), array_of(atol), equal_nan))


@composed
def array_equal(x: Any, y: Any, equal_nan: bool = False) -> bool:
    """Whether two arrays have one shape and the same entries.

    >>> import chainrule as cr
    >>> cr.array_equal(cr.Tensor([1.0, 2.0]), [1.0, 2.0])
    True
    """
    return bool(np.array_equal(array_of(gathered(x)), array_of(gathered(y)), equal_nan))
