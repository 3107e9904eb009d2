"""Rules that reduce an array along axes and are not linear: its largest and smallest entry, and its length."""

# A derivative may call the rule it belongs to, and there the checker stops.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

import numpy as np

from chainrule.core.differential import differential
from chainrule.rules import kernels
from chainrule.rules.linear import behind, spread, sum
from chainrule.rules.pointwise import chosen, direction

ALONG = ({}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)})


@differential(
    r"\operatorname{places}\left({x}\right)",
    differential=(None,),
    examples=({"largest": True}, {"largest": False, "axis": 1}),
    mapped=lambda n, x, axis, largest: shares_of_extreme(x, axis=behind(axis, x.ndim), largest=largest),
)
def shares_of_extreme(x, *, largest, axis=None):
    """Where the largest or smallest entry along axes is: equals share evenly, and all others have 0; flat."""
    return kernels.shares_of_extreme(x, largest, axis)


@differential(
    r"\max\left({x}\right)",
    differential=(
        lambda dx, out, x, axis, keepdims: sum(
            chosen(dx, shares_of_extreme(x, axis=axis, largest=True)), axis=axis, keepdims=keepdims
        ),
    ),
    examples=ALONG,
    mapped=lambda n, x, axis, keepdims: largest(x, axis=behind(axis, x.ndim), keepdims=keepdims),
)
def largest(x, *, axis=None, keepdims=False):
    """The largest entry gets the gradient, and equals share it evenly."""
    return np.maximum.reduce(x, axis=axis, keepdims=keepdims)


@differential(
    r"\min\left({x}\right)",
    differential=(
        lambda dx, out, x, axis, keepdims: sum(
            chosen(dx, shares_of_extreme(x, axis=axis, largest=False)), axis=axis, keepdims=keepdims
        ),
    ),
    examples=ALONG,
    mapped=lambda n, x, axis, keepdims: smallest(x, axis=behind(axis, x.ndim), keepdims=keepdims),
)
def smallest(x, *, axis=None, keepdims=False):
    """The smallest entry gets the gradient, and equals share it evenly."""
    return np.minimum.reduce(x, axis=axis, keepdims=keepdims)


@differential(
    r"\left\lVert {x} \right\rVert",
    differential=(
        lambda dx, out, x, axis, keepdims, count: (
            sum(dx * direction(x, spread(out, x.shape, axis)), axis=axis, keepdims=keepdims) / count
        ),
    ),
    examples=(*ALONG, {"axis": 0, "count": 2.0}),
    mapped=lambda n, x, axis, keepdims, count: length(x, axis=behind(axis, x.ndim), keepdims=keepdims, count=count),
)
def length(x, *, axis=None, keepdims=False, count=1.0):
    """The root of the sum of squares, divided by a count: it grows by the step's part in its own direction."""
    return kernels.length(x, axis, keepdims, count)
