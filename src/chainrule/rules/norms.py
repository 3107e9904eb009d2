"""Lengths of vectors and sizes of matrices, in NumPy's sense (``np.linalg.norm``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.operation import composed
from chainrule.errors import ShapeError
from chainrule.rules import decompositions, linear, logic, pointwise
from chainrule.rules.composed import Axis, in_real_numbers, length, max, min, shape_of, without_numbers
from chainrule.rules.factors import matrices
from chainrule.rules.linear import index, reshape
from chainrule.rules.matrix import inv
from chainrule.rules.pointwise import equal, where


@composed
def norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """The length of vectors or the size of matrices, as ``np.linalg.norm``; gradient 0 at 0.

    Without `ord` it is the root of the sum of squares, of all entries or along `axis`. With it, a vector or one axis
    has the order 1, 2, inf, -inf, 0 (how many are not 0; flat) or any other number p, and a matrix or a pair of axes
    "fro", "nuc", 1, -1, 2, -2, inf or -inf. Raises ShapeError for others, and for `ord` without `axis` where x has more
    than two axes.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.norm(np.array([3.0, 4.0])))
    5.0
    >>> cr.grad(cr.norm)(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    >>> float(cr.norm(np.array([[1.0, 2.0], [3.0, 4.0]]), 1))
    6.0
    """
    x = in_real_numbers(x)
    if ord is None:
        return length(x, axis, keepdims)
    axes = tuple(range(len(shape_of(x)))) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 1:
        return vector_norm(x, ord, axes[0], keepdims)
    if len(axes) == 2:
        return matrix_norm(x, ord, axes, keepdims)
    raise ShapeError(f"norm with ord={ord!r} is that of a vector or a matrix, and {len(axes)} axes are neither")


def vector_norm(x: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ShapeError(f"norm of a vector takes a number as ord, not {ord!r}")
    if ord == 2:
        return length(x, axis, keepdims)
    size = pointwise.abs(x)
    if ord in (np.inf, -np.inf):
        return extreme_size(size, ord, axis, keepdims)
    if ord == 0:
        return linear.sum(pointwise.not_equal(x, 0.0) * 1.0, axis=axis, keepdims=keepdims)
    if ord == 1:
        return linear.sum(size, axis=axis, keepdims=keepdims)
    if without_numbers(x) or ord < 0:
        return linear.sum(size ** float(ord), axis=axis, keepdims=keepdims) ** (1 / float(ord))
    total = linear.sum(size ** float(ord), axis=axis, keepdims=True)
    zero = equal(total, 0.0)
    nothing = 0.0 * length(where(zero, x, 1.0), axis, True)  # whose derivatives at 0 are those of every norm
    out = where(zero, nothing, where(zero, 1.0, total) ** (1 / float(ord)))
    return out if keepdims else linear.sum(out, axis=axis)


def extreme_size(sizes: Any, ord: Any, axis: int, keepdims: bool = False) -> Any:
    """The largest or smallest of some sizes, as the sign of the order says; the largest of none is 0."""
    if ord < 0:
        return min(sizes, axis=axis, keepdims=keepdims)
    return max(sizes, axis=axis, keepdims=keepdims, initial=None if shape_of(sizes)[axis] else 0.0)


def matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The norm of matrices along a pair of axes, rows first."""
    shape = shape_of(x)
    rows, columns = (int(np.lib.array_utils.normalize_axis_index(a, len(shape))) for a in axes)
    if rows == columns:
        raise ShapeError(f"norm of a matrix needs two axes, and axis={axes} names one twice")
    if ord == "fro":
        return length(x, axes, keepdims)
    if (isinstance(ord, str) and ord != "nuc") or ord not in ("nuc", 1, -1, 2, -2, np.inf, -np.inf):
        raise ShapeError(f"norm of a matrix takes ord 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, not {ord!r}")
    others = [a for a in range(len(shape)) if a not in (rows, columns)]
    x = linear.transpose(x, axes=(*others, rows, columns))
    if ord in ("nuc", 2, -2):
        values = decompositions.svdvals(x)
        out = linear.sum(values, axis=-1) if ord == "nuc" else extreme_size(values, ord, -1)
    else:
        totals = linear.sum(pointwise.abs(x), axis=-2 if ord in (1, -1) else -1)
        out = extreme_size(totals, ord, -1)
    return (
        reshape(out, shape=tuple([1 if a in (rows, columns) else n for a, n in enumerate(shape)])) if keepdims else out
    )


@composed
def cond(x: Any, p: Any = None) -> Any:
    """How much matrices (..., n, n) can enlarge a relative error, as ``np.linalg.cond``: the norm times the inverse's.

    Without `p`, or with 2, the largest singular value over the smallest, for matrices of any shape; -2 is one over
    that. Other `p` are orders of `norm`.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.cond(np.diag([4.0, 2.0])))
    2.0
    """
    x = matrices("cond", x)
    if p is None or (not isinstance(p, str) and p in (2, -2)):
        values = decompositions.svdvals(x)
        first, last = index(values, key=(Ellipsis, 0)), index(values, key=(Ellipsis, -1))
        return endless_where_nothing(first, last / first if p == -2 else first / last)
    size = norm(x, p, axis=(-2, -1))
    return endless_where_nothing(size, size * norm(inv(x), p, axis=(-2, -1)))


def endless_where_nothing(size: Any, ratio: Any) -> Any:
    """A condition number, infinite and without a derivative where a matrix whose size is a number has none."""
    if without_numbers(ratio):
        return ratio
    nothing = logic.logical_and(logic.isnan(ratio), logic.isfinite(size))
    return where(nothing, (1.0 + size) / where(nothing, 0.0 * size, 1.0), ratio)
