"""Rules for truth and bits: masks, tests of single numbers, bitwise arithmetic. All of them are flat.

Masks are bool arrays. ``&``, ``|``, ``^`` and ``~`` are bitwise, which on masks is the same as logical.
"""

from __future__ import annotations

import numpy as np

from chainrule.core.flat import flat
from chainrule.core.operation import pointwise
from chainrule.rules.order import Places


@pointwise(r"\operatorname{and}\left({x}, {y}\right)", partials=(None, None), symbol="&")
def logical_and(x, y):
    """Whether both hold; a number holds where it is not 0."""
    return np.logical_and(x, y)


@pointwise(r"\operatorname{or}\left({x}, {y}\right)", partials=(None, None), symbol="|")
def logical_or(x, y):
    """Whether one or both hold."""
    return np.logical_or(x, y)


@pointwise(r"\operatorname{xor}\left({x}, {y}\right)", partials=(None, None), symbol="^")
def logical_xor(x, y):
    """Whether exactly one holds."""
    return np.logical_xor(x, y)


@pointwise(r"\operatorname{not}\left({x}\right)", partials=(None,), symbol="~")
def logical_not(x):
    """Whether it does not hold."""
    return np.logical_not(x)


@pointwise(r"\operatorname{isnan}\left({x}\right)", partials=(None,))
def isnan(x):
    """Whether it is not a number."""
    return np.isnan(x)


@pointwise(r"\operatorname{isinf}\left({x}\right)", partials=(None,))
def isinf(x):
    """Whether it is infinite, on either side."""
    return np.isinf(x)


@pointwise(r"\operatorname{isfinite}\left({x}\right)", partials=(None,))
def isfinite(x):
    """Whether it is a number and not infinite."""
    return np.isfinite(x)


@pointwise(r"\operatorname{signbit}\left({x}\right)", partials=(None,))
def signbit(x):
    """Whether it has a minus sign; -0.0 has one."""
    return np.signbit(x)


def whole(x):
    """Random numbers as whole ones."""
    return np.rint(x).astype(np.int64)


def steps(x):
    """Random numbers as places to shift by."""
    return np.abs(whole(x))


@flat(r"\operatorname{bitand}\left({x}, {y}\right)", prepare=(whole, whole))
def bitwise_and(x: Places, y: Places):
    """The bits that both whole numbers have."""
    return np.bitwise_and(x, y)


@flat(r"\operatorname{bitor}\left({x}, {y}\right)", prepare=(whole, whole))
def bitwise_or(x: Places, y: Places):
    """The bits that one or both of two whole numbers have."""
    return np.bitwise_or(x, y)


@flat(r"\operatorname{bitxor}\left({x}, {y}\right)", prepare=(whole, whole))
def bitwise_xor(x: Places, y: Places):
    """The bits that exactly one of two whole numbers has."""
    return np.bitwise_xor(x, y)


@flat(r"\operatorname{bitnot}\left({x}\right)", prepare=(whole,))
def bitwise_invert(x: Places):
    """A whole number with every bit turned over."""
    return np.invert(x)


@flat(r"\operatorname{shiftleft}\left({x}, {y}\right)", prepare=(whole, steps))
def bitwise_left_shift(x: Places, y: Places):
    """A whole number with its bits moved up by y places."""
    return np.left_shift(x, y)


@flat(r"\operatorname{shiftright}\left({x}, {y}\right)", prepare=(whole, steps))
def bitwise_right_shift(x: Places, y: Places):
    """A whole number with its bits moved down by y places."""
    return np.right_shift(x, y)
