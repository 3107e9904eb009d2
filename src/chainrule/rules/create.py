"""New arrays, with NumPy's names: plain ones, since the transforms themselves make nodes of what they differentiate.

What is made after the pattern of a node is of its kind, without a gradient; what is filled with a node follows it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.operation import composed, is_node
from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError
from chainrule.rules import pointwise
from chainrule.rules.composed import gathered, shape_of
from chainrule.rules.linear import broadcast_to


def zeros(shape: Any, dtype: Any = float) -> Any:
    """An array of zeros.

    >>> import chainrule as cr
    >>> cr.zeros(3)
    array([0., 0., 0.])
    """
    return np.zeros(shape, dtype)


def ones(shape: Any, dtype: Any = float) -> Any:
    """An array of ones.

    >>> import chainrule as cr
    >>> cr.ones((1, 2))
    array([[1., 1.]])
    """
    return np.ones(shape, dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """An array filled with one number; a node's gradient is the sum of those of its copies.

    >>> import chainrule as cr
    >>> cr.full(2, 7.0)
    array([7., 7.])
    >>> cr.grad(lambda x: cr.sum(cr.full((2, 3), x)))(1.0)
    6.0
    """
    shape = (shape,) if np.ndim(shape) == 0 else tuple(shape)
    if not is_node(fill_value):
        return np.full(shape, fill_value, dtype)
    filled = broadcast_to(fill_value, shape=shape)
    return filled if dtype is None else filled.astype(dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """Numbers in equal steps, the end left out; with one argument from 0 up to it.

    >>> import chainrule as cr
    >>> cr.arange(3)
    array([0, 1, 2])
    """
    return np.arange(start, dtype=dtype) if stop is None else np.arange(start, stop, step, dtype=dtype)


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None) -> Any:
    """Numbers in equal steps, both ends included; the ends may be nodes.

    >>> import chainrule as cr
    >>> cr.linspace(0.0, 1.0, 3)
    array([0. , 0.5, 1. ])
    """
    if not (is_node(start) or is_node(stop)):
        return np.linspace(start, stop, num, endpoint, dtype=dtype)
    share = np.linspace(0.0, 1.0, num, endpoint)
    share = share.reshape(-1, *(1,) * max(len(shape_of(start)), len(shape_of(stop))))
    return pointwise.add(pointwise.mul(start, 1 - share), pointwise.mul(stop, share))


@composed
def zeros_like(x: Any, dtype: Any = None, shape: Any = None) -> Any:
    """Zeros of the shape and type of x.

    >>> import chainrule as cr
    >>> cr.zeros_like(cr.Tensor([1.0, 2.0]))
    Tensor([0., 0.])
    """
    return full_like(x, 0, dtype, shape)


@composed
def ones_like(x: Any, dtype: Any = None, shape: Any = None) -> Any:
    """Ones of the shape and type of x.

    >>> import chainrule as cr
    >>> cr.ones_like(cr.Tensor([1.0, 2.0]))
    Tensor([1., 1.])
    """
    return full_like(x, 1, dtype, shape)


@composed
def full_like(x: Any, fill_value: Any, dtype: Any = None, shape: Any = None) -> Any:
    """One number all over the shape of x, in its type; the gradient goes to the number.

    >>> import chainrule as cr
    >>> cr.full_like(cr.Tensor([1.0, 2.0]), 7.0)
    Tensor([7., 7.])
    """
    x = gathered(x)
    shape = shape_of(x) if shape is None else (shape,) if np.ndim(shape) == 0 else tuple(shape)
    kind = np.dtype(dtype or getattr(x, "dtype", None) or np.result_type(x if not isinstance(x, Value) else 1.0))
    if isinstance(fill_value, Value):
        if shape:
            raise DtypeError(
                f"full_like cannot fill the shape {shape} with a Value, which is one number: give a Tensor"
            )
        return fill_value
    if is_node(fill_value):
        filled = broadcast_to(fill_value, shape=shape)
        return filled if filled.dtype == kind else filled.astype(kind)
    array = np.full(shape, fill_value, kind)
    return type(x)(array if shape else array[()]) if isinstance(x, Tensor | Value) else array
