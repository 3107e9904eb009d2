"""Diagonals with NumPy's names: read, summed, and written into new matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.operation import composed
from chainrule.errors import ShapeError
from chainrule.rules import linear
from chainrule.rules.arrange import moveaxis
from chainrule.rules.composed import gathered, shape_of, sum
from chainrule.rules.linear import index


@composed
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of a matrix, or of each in a stack along a new last axis; `offset` counts upwards from the main one.

    >>> import chainrule as cr, numpy as np
    >>> cr.diagonal(np.array([[1.0, 2.0], [3.0, 4.0]]), 1)
    array([2.])
    """
    x = gathered(x)
    if len(shape_of(x)) < 2:
        raise ShapeError(f"a diagonal needs a matrix, and got shape {shape_of(x)}")
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = shape_of(x)[-2:]
    down, across = (-offset, 0) if offset < 0 else (0, offset)
    places = np.arange(max(min(rows - down, columns - across), 0))
    key = (places + down, places + across)
    return index(x, key=key if len(shape_of(x)) == 2 else (Ellipsis, *key))


@composed
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """The sum of a matrix's diagonal, or of each of a stack; `offset` counts upwards from the main diagonal.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.trace(np.array([[1.0, 2.0], [3.0, 4.0]])))
    5.0
    """
    shape = shape_of(gathered(x))
    if len(shape) < 2:
        raise ShapeError(f"trace needs a matrix, and got shape {shape}")
    return sum(diagonal(x, offset, axis1, axis2), axis=None if len(shape) == 2 else -1, dtype=dtype)


@composed
def diag(x: Any, k: int = 0) -> Any:
    """A square matrix with the vector x on its k-th diagonal above the main one; of a matrix, that diagonal.

    >>> import chainrule as cr, numpy as np
    >>> cr.diag(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    x = gathered(x)
    shape = shape_of(x)
    if len(shape) not in (1, 2):
        raise ShapeError(f"diag takes a vector or a matrix, and got shape {shape}")
    return diagonal(x, k) if len(shape) == 2 else diagflat(x, k)


@composed
def diagflat(x: Any, k: int = 0) -> Any:
    """A square matrix with all entries of x, row by row, on its k-th diagonal.

    >>> import chainrule as cr, numpy as np
    >>> cr.diagflat(np.array([[1.0]]), 1)
    array([[0., 1.],
           [0., 0.]])
    """
    x = gathered(x)
    if len(shape_of(x)) != 1:
        x = linear.reshape(x, shape=(-1,))
    count = shape_of(x)[0]
    down, across = (-k, 0) if k < 0 else (0, k)
    places, size = np.arange(count), count + down + across
    return linear.scatter(x, key=(places + down, places + across), shape=(size, size))


@composed
def eye(n: int, M: int | None = None, k: int = 0, dtype: Any = float) -> Any:  # noqa: N803  (NumPy's name)
    """The identity matrix of n rows; M columns and the k-th diagonal where these are given.

    >>> import chainrule as cr
    >>> cr.eye(2)
    array([[1., 0.],
           [0., 1.]])
    """
    return np.eye(n, M, k, dtype)
