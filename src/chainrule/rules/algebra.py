"""Products and linear systems with NumPy's names and shapes, composed of the rules in rules/linear.py and matrix.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core import Value, dot_all
from chainrule.core.operation import composed
from chainrule.errors import ShapeError
from chainrule.rules import linear, pointwise
from chainrule.rules.composed import gathered, named, shape_of
from chainrule.rules.linear import broadcast_to, reshape, transpose


@composed
def dot(x: Any, y: Any) -> Any:
    """The dot product of two vectors; of two lists with Values in them, one node for the whole of it.

    Matrices are multiplied; arrays of more axes are summed over the last axis of x and the last but one of y, as in
    ``np.dot``, where `matmul` takes them for batches.

    >>> import chainrule as cr
    >>> a, b = [cr.Value(1.0), cr.Value(2.0)], [3.0, 4.0]
    >>> cr.dot(a, b).data
    11.0
    """
    if any(isinstance(side, list | tuple) and any(type(part) is Value for part in side) for side in (x, y)):
        if len(x) != len(y):
            raise ShapeError(f"dot needs two lists of one length, and these have {len(x)} and {len(y)}")
        return dot_all(x, y)
    x, y = gathered(x), gathered(y)
    if not shape_of(x) or not shape_of(y):
        return pointwise.mul(x, y)
    right = shape_of(y)
    if len(right) < 3:
        return matmul(x, y)
    order = (len(right) - 2, *range(len(right) - 2), len(right) - 1)
    columns = (*right[:-2], right[-1])
    flat = reshape(transpose(y, axes=order), shape=(right[-2], int(np.prod(columns))))
    return reshape(matmul(x, flat), shape=(*shape_of(x)[:-1], *columns))


@composed
def matmul(x: Any, y: Any) -> Any:
    """The matrix product ``x @ y`` as NumPy defines it: vectors, matrices, batches that broadcast.

    >>> import chainrule as cr, numpy as np
    >>> cr.matmul(np.array([1.0, 2.0]), np.array([[1.0, 0.0], [0.0, 3.0]]))
    array([1., 6.])
    """
    x, y = gathered(x), gathered(y)
    left, right = shape_of(x), shape_of(y)
    operands = (x, y)
    if not left or not right:
        raise ShapeError(f"matmul needs at least one axis on each side, and got {named(operands)}: use * for numbers")
    if len(left) == len(right) == 2:
        return linear.matmul(x, y)
    if len(left) == 1:
        x = reshape(x, shape=(1, left[0]))
    if len(right) == 1:
        y = reshape(y, shape=(right[0], 1))
    rows, columns = shape_of(x), shape_of(y)
    if rows[-1] != columns[-2]:
        raise ShapeError(f"matmul does not fit {named(operands)}: {rows[-1]} columns meet {columns[-2]} rows")
    x, y = with_equal_batches("matmul", x, y, operands)
    batch = shape_of(x)[:-2]
    out = linear.matmul(x, y)
    if len(left) == 1 or len(right) == 1:
        out = reshape(out, shape=batch + left[-2:-1] + (right[-1:] if len(right) > 1 else ()))
    return out


def with_equal_batches(name: str, x: Any, y: Any, operands: Any = None) -> tuple[Any, Any]:
    """Two batches of matrices, each repeated to fill what NumPy's broadcasting makes of their leading axes."""
    left, right = shape_of(x), shape_of(y)
    try:
        batch = np.broadcast_shapes(left[:-2], right[:-2])
    except ValueError as error:
        raise ShapeError(f"{name} does not fit {named(operands or (x, y))}: their batches differ") from error
    if left[:-2] != batch:
        x = broadcast_to(x, shape=batch + left[-2:])
    if right[:-2] != batch:
        y = broadcast_to(y, shape=batch + right[-2:])
    return x, y


@composed
def solve(a: Any, b: Any) -> Any:
    """The x with ``a @ x = b``: a is (..., n, n), b a vector (n,) or matrices (..., n, k), and x has the shape of b.

    Batches broadcast. Raises ShapeError where the shapes do not fit; a singular a gives nan. O(n^3 + n^2 k).

    >>> import chainrule as cr, numpy as np
    >>> cr.solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0]))
    array([1. , 0.5])
    """
    from chainrule.rules import matrix  # not for those who only multiply

    a, b = gathered(a), gathered(b)
    rows, right = shape_of(a), shape_of(b)
    if len(rows) < 2 or rows[-1] != rows[-2]:
        raise ShapeError(f"solve needs a square matrix or a batch of them, and got {named((a,))}")
    if not right or right[0 if len(right) == 1 else -2] != rows[-1]:
        raise ShapeError(f"solve does not fit {named((a, b))}: b is a vector or matrices with {rows[-1]} rows")
    if len(right) > 1:
        return matrix.solve(*with_equal_batches("solve", a, b))
    out = matrix.solve(*with_equal_batches("solve", a, reshape(b, shape=(*right, 1))))
    return reshape(out, shape=rows[:-1])
