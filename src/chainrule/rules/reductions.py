"""Rules along axes that are not linear: the largest and smallest entry, lengths, and shares of what grows by powers."""

# A derivative may call the rule it belongs to, and there the checker stops.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

import numpy as np

from chainrule.core.differential import differential
from chainrule.rules import kernels
from chainrule.rules.linear import behind, spread, sum
from chainrule.rules.pointwise import chosen, direction, exp, share

ALONG = ({}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)})


@differential(
    r"\operatorname{ismax}\left({x}\right)",
    differential=(None,),
    examples=({}, {"axis": 1}),
    mapped=lambda n, x, axis: shares_of_largest(x, axis=behind(axis, x.ndim)),
)
def shares_of_largest(x, *, axis=None):
    """Where the largest entry along axes is: equals share evenly, and all others have 0; flat."""
    return kernels.shares_of_extreme(x, True, axis)


@differential(
    r"\operatorname{ismin}\left({x}\right)",
    differential=(None,),
    examples=({}, {"axis": 1}),
    mapped=lambda n, x, axis: shares_of_smallest(x, axis=behind(axis, x.ndim)),
)
def shares_of_smallest(x, *, axis=None):
    """Where the smallest entry along axes is: equals share evenly, and all others have 0; flat."""
    return kernels.shares_of_extreme(x, False, axis)


@differential(
    r"\max\left({x}\right)",
    differential=(
        lambda dx, out, x, axis, keepdims: sum(
            chosen(dx, shares_of_largest(x, axis=axis)), axis=axis, keepdims=keepdims
        ),
    ),
    examples=ALONG,
    mapped=lambda n, x, axis, keepdims: largest(x, axis=behind(axis, x.ndim), keepdims=keepdims),
    symbol="max",
)
def largest(x, *, axis=None, keepdims=False):
    """The largest entry gets the gradient, and equals share it evenly."""
    return np.maximum.reduce(x, axis=axis, keepdims=keepdims)


@differential(
    r"\min\left({x}\right)",
    differential=(
        lambda dx, out, x, axis, keepdims: sum(
            chosen(dx, shares_of_smallest(x, axis=axis)), axis=axis, keepdims=keepdims
        ),
    ),
    examples=ALONG,
    mapped=lambda n, x, axis, keepdims: smallest(x, axis=behind(axis, x.ndim), keepdims=keepdims),
    symbol="min",
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


def of_floats(kernel, x, axis):
    """A kernel of x, of which truth values are numbers that NumPy can subtract; of nothing it is nothing."""
    x = x.astype(np.float64) if x.dtype == bool else x
    return kernel(x, axis) if x.size else np.exp(x)


@differential(
    r"\operatorname{softmax}\left({x}\right)",
    differential=(lambda dx, out, x, axis: out * dx - sum(out * dx, axis=axis, keepdims=True) * out,),
    examples=({}, {"axis": 0}, {"axis": (0, 1)}),
    mapped=lambda n, x, axis: softmax(x, axis=behind(axis, x.ndim)),
)
def softmax(x, *, axis=-1):
    """Shares add up to 1: what one entry gains by a step of its own, all lose in proportion to their shares."""
    return of_floats(kernels.softmax, x, axis)


@differential(
    r"\operatorname{logsoftmax}\left({x}\right)",
    differential=(lambda dx, out, x, axis: dx - sum(exp(out) * dx, axis=axis, keepdims=True),),
    examples=({}, {"axis": 0}, {"axis": (0, 1)}),
    mapped=lambda n, x, axis: log_softmax(x, axis=behind(axis, x.ndim)),
)
def log_softmax(x, *, axis=-1):
    """The logarithm of a share moves with its own entry, less the mean step of all, weighed by their shares."""
    return of_floats(kernels.log_softmax, x, axis)


@differential(
    r"\operatorname{logsumexp}\left({x}\right)",
    differential=(
        lambda dx, out, x, axis, keepdims: sum(
            shares_of_total(x, spread(out, x.shape, axis), axis) * dx, axis=axis, keepdims=keepdims
        ),
    ),
    examples=ALONG,
    mapped=lambda n, x, axis, keepdims: logsumexp(x, axis=behind(axis, x.ndim), keepdims=keepdims),
)
def logsumexp(x, *, axis=None, keepdims=False):
    """A smooth maximum moves with each entry by its share, the softmax."""
    return kernels.logsumexp(x, axis, keepdims)


def shares_of_total(x, total, axis):
    """The softmax: e^(x - total), without what rounding took from the total; entries beside an infinite one have 0."""
    if axis is None:
        axis = -1 if x.ndim == 1 else tuple(range(x.ndim))
    return share(softmax(x, axis=axis), exp(x - total))
