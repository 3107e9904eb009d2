"""Products over axes and along them, with NumPy's names: made of matrix products, outer products and sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.operation import composed, is_mask, is_node
from chainrule.errors import ShapeError
from chainrule.rules import linear, multiplication, pointwise
from chainrule.rules.algebra import dot, matmul
from chainrule.rules.arrange import along, an_axis, moveaxis, ravel, some_axes, with_axis
from chainrule.rules.composed import gathered, multiplied, shape_of, sum
from chainrule.rules.linear import index, reshape, transpose


@composed
def tensordot(x: Any, y: Any, axes: int | Sequence[Any] = 2) -> Any:
    """Products summed over axes: over the last so many of x and the first of y, or over the axes listed for each.

    >>> import chainrule as cr, numpy as np
    >>> cr.tensordot(np.ones((2, 3, 4)), np.ones((3, 4, 5))).shape
    (2, 5)
    """
    x, y = gathered(x), gathered(y)
    left, right = shape_of(x), shape_of(y)
    if isinstance(axes, int | np.integer):
        if not 0 <= axes <= np.minimum(len(left), len(right)):
            raise ShapeError(f"tensordot sums over {axes} axes, and {left} and {right} do not both have as many")
        ours, theirs = tuple(range(len(left) - axes, len(left))), tuple(range(axes))
    else:
        ours, theirs = some_axes(axes[0], len(left)), some_axes(axes[1], len(right))
    if [left[i] for i in ours] != [right[i] for i in theirs]:
        raise ShapeError(f"tensordot sums over axes of equal lengths, and over {axes} {left} and {right} do not fit")
    rows = [i for i in range(len(left)) if i not in ours]
    columns = [i for i in range(len(right)) if i not in theirs]
    length = math.prod([left[i] for i in ours])
    height = math.prod([left[i] for i in rows])
    width = math.prod([right[i] for i in columns])
    flat_x = reshape(transpose(x, axes=(*rows, *ours)), shape=(height, length))
    flat_y = reshape(transpose(y, axes=(*theirs, *columns)), shape=(length, width))
    return reshape(linear.matmul(flat_x, flat_y), shape=(*[left[i] for i in rows], *[right[i] for i in columns]))


@composed
def inner(x: Any, y: Any) -> Any:
    """Products summed over the last axis of both.

    >>> import chainrule as cr, numpy as np
    >>> cr.inner(np.ones((2, 3)), np.ones((4, 3))).shape
    (2, 4)
    """
    x, y = gathered(x), gathered(y)
    if not shape_of(x) or not shape_of(y):
        return pointwise.mul(x, y)
    return tensordot(x, y, axes=((-1,), (-1,)))


@composed
def vdot(x: Any, y: Any) -> Any:
    """The sum of the products of all entries, whatever the shapes.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.vdot(np.ones((2, 3)), np.ones((3, 2))))
    6.0
    """
    return dot(ravel(x), ravel(y))


@composed
def vecdot(x: Any, y: Any, axis: int = -1) -> Any:
    """The dot products of the vectors along an axis.

    >>> import chainrule as cr, numpy as np
    >>> cr.vecdot(np.ones((2, 3)), np.ones(3))
    array([3., 3.])
    """
    return sum(pointwise.mul(gathered(x), gathered(y)), axis=axis)


@composed
def outer(x: Any, y: Any) -> Any:
    """Every entry of x times every entry of y, as a matrix; arrays of more axes are read row by row.

    >>> import chainrule as cr, numpy as np
    >>> cr.outer(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [6., 8.]])
    """
    return linear.outer(*[side if len(shape_of(side)) == 1 else ravel(side) for side in (gathered(x), gathered(y))])


@composed
def kron(x: Any, y: Any) -> Any:
    """Every entry of x times the whole of y: the Kronecker product.

    >>> import chainrule as cr, numpy as np
    >>> cr.kron(np.array([1.0, 10.0]), np.array([1.0, 2.0]))
    array([ 1.,  2., 10., 20.])
    """
    x, y = gathered(x), gathered(y)
    left, right = shape_of(x), shape_of(y)
    count = max(len(left), len(right))
    left, right = (1,) * (count - len(left)) + left, (1,) * (count - len(right)) + right
    spread = pointwise.mul(
        reshape(x, shape=tuple([n for a in left for n in (a, 1)])),
        reshape(y, shape=tuple([n for b in right for n in (1, b)])),
    )
    return reshape(spread, shape=tuple([a * b for a, b in zip(left, right, strict=True)]))


@composed
def cross(x: Any, y: Any, axis: int = -1) -> Any:
    """The vector product of vectors of three entries along an axis.

    >>> import chainrule as cr, numpy as np
    >>> cr.cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    array([0., 0., 1.])
    """
    x, y = moveaxis(x, axis, -1), moveaxis(y, axis, -1)
    if shape_of(x)[-1] != 3 or shape_of(y)[-1] != 3:
        raise ShapeError(f"cross takes vectors of three entries, not {shape_of(x)[-1]} and {shape_of(y)[-1]}")
    turned, back = np.array([1, 2, 0]), np.array([2, 0, 1])
    first = pointwise.mul(index(x, key=(..., turned)), index(y, key=(..., back)))
    second = pointwise.mul(index(x, key=(..., back)), index(y, key=(..., turned)))
    return moveaxis(pointwise.sub(first, second), -1, axis)


@composed
def cumprod(x: Any, axis: int | None = None) -> Any:
    """Running products along an axis, or of all entries in a row; exact gradients where entries are 0.

    Products of ever more neighbours, so nothing is divided. O(n log n).

    >>> import chainrule as cr, numpy as np
    >>> cr.cumprod(np.array([2.0, 3.0, 4.0]))
    array([ 2.,  6., 24.])
    """
    x = gathered(x)
    kind = multiplied(getattr(x, "dtype", None))
    if kind is not None:
        x = linear.astype(x, dtype=kind)
    x, axis = with_axis(x, axis)
    return multiplication.cumprod(x, axis=axis)


@composed
def cumulative_prod(x: Any, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """`cumprod` along an axis, which arrays of several axes must name; with a 1 before them if asked for.

    >>> import chainrule as cr, numpy as np
    >>> cr.cumulative_prod(np.array([2.0, 3.0]), include_initial=True)
    array([1., 2., 6.])
    """
    return cumulative(cumprod, 1, x, axis, dtype, include_initial)


@composed
def cumulative_sum(x: Any, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """`cumsum` along an axis, which arrays of several axes must name; with a 0 before them if asked for.

    >>> import chainrule as cr, numpy as np
    >>> cr.cumulative_sum(np.array([2.0, 3.0]), include_initial=True)
    array([0., 2., 5.])
    """
    return cumulative(linear.cumsum, 0, x, axis, dtype, include_initial)


def cumulative(run: Any, first: int, x: Any, axis: int | None, dtype: Any, include_initial: bool) -> Any:
    """Running results along an axis, with a first one before them if asked for."""
    x = gathered(x)
    count = len(shape_of(x))
    if axis is None and count != 1:
        raise ShapeError(f"running results of {count} axes need the axis along which they run")
    axis = an_axis(0 if axis is None else axis, count)
    out = run(x if dtype is None else linear.astype(x, dtype=np.dtype(dtype)), axis=axis)
    return linear.concatenate(edge_of(first, out, axis), out, axis=axis) if include_initial else out


@composed
def diff(x: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The differences of neighbours along an axis, n times over, after numbers joined to the front or the end.

    >>> import chainrule as cr, numpy as np
    >>> cr.diff(np.array([1.0, 4.0, 9.0]))
    array([3., 5.])
    """
    x = gathered(x)
    axis = an_axis(axis, len(shape_of(x)))
    if n < 0:
        raise ShapeError(f"differences are taken n = 0 times or more, not {n}")
    parts = [edge_of(prepend, x, axis), x, edge_of(append, x, axis)]
    if len(parts := [part for part in parts if part is not None]) > 1:
        x = linear.concatenate(*parts, axis=axis)
    for _ in range(n):
        later, before = index(x, key=along(axis, slice(1, None))), index(x, key=along(axis, slice(0, -1)))
        x = pointwise.not_equal(later, before) if is_mask(x) else later - before
    return x


def edge_of(part: Any, x: Any, axis: int) -> Any:
    """What is joined to an end of x: an array as it is, a number as a slice of that number in the type of x."""
    if part is None or shape_of(part):
        return part
    part = part if is_node(part) else np.asarray(part, np.result_type(x.dtype, part))
    return linear.broadcast_to(part, shape=(*shape_of(x)[:axis], 1, *shape_of(x)[axis + 1 :]))


@composed
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """The area under points joined by straight lines: at places x, or `dx` apart.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.trapezoid(np.array([0.0, 1.0, 0.0])))
    1.0
    """
    y = gathered(y)
    axis = an_axis(axis, len(shape_of(y)))
    widths: Any = dx
    if x is not None:
        x = gathered(x)
        widths = diff(x, axis=axis) if len(shape_of(x)) > 1 else diff(x)
        if len(shape_of(x)) == 1:
            widths = reshape(widths, shape=tuple([-1 if i == axis else 1 for i in range(len(shape_of(y)))]))
    heights = index(y, key=along(axis, slice(1, None))) + index(y, key=along(axis, slice(0, -1)))
    return sum(pointwise.mul(widths, heights) / 2.0, axis=axis)


@composed
def convolve(x: Any, y: Any, mode: str = "full") -> Any:
    """The products of two rows of numbers, one turned round and moved along the other; as multiplying polynomials.

    >>> import chainrule as cr, numpy as np
    >>> cr.convolve(np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    array([1., 5., 6.])
    """
    x, y = gathered(x), gathered(y)
    if len(shape_of(x)) != 1 or len(shape_of(y)) != 1 or not shape_of(x)[0] or not shape_of(y)[0]:
        raise ShapeError(f"convolve takes two rows of numbers, not {shape_of(x)} and {shape_of(y)}")
    if shape_of(x)[0] < shape_of(y)[0]:
        x, y = y, x
    length, width = shape_of(x)[0], shape_of(y)[0]
    padded = linear.pad(x, pad_width=width - 1)
    windows = np.arange(length + width - 1)[:, None] + np.arange(width)
    full = matmul(index(padded, key=windows), linear.flip(y))
    if mode == "full":
        return full
    if mode == "same":
        return index(full, key=slice((width - 1) // 2, (width - 1) // 2 + length))
    if mode == "valid":
        return index(full, key=slice(width - 1, length))
    raise ShapeError(f"convolve has the modes full, same and valid, not {mode!r}")
