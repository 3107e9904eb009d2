"""Straight lines between points that are given in order."""

from __future__ import annotations

from typing import Any

from chainrule.core.operation import composed
from chainrule.errors import ShapeError
from chainrule.rules import order, pointwise
from chainrule.rules.composed import gathered, shape_of
from chainrule.rules.linear import index, reshape
from chainrule.rules.pointwise import where


@composed
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None) -> Any:
    """The heights at x of lines through the points (xp, fp), where xp rises; outside, the first or last height.

    >>> import chainrule as cr, numpy as np
    >>> cr.interp(np.array([0.5, 9.0]), np.array([0.0, 1.0]), np.array([10.0, 20.0]))
    array([15., 20.])
    """
    x, xp, fp = gathered(x), gathered(xp), gathered(fp)
    count = shape_of(xp)[0] if shape_of(xp) else 0
    if not count or shape_of(xp) != shape_of(fp) or len(shape_of(xp)) != 1:
        raise ShapeError(f"interp takes as many heights as places, in two rows, not {shape_of(fp)} for {shape_of(xp)}")
    first, last = index(fp, key=0), index(fp, key=count - 1)
    out = first + 0.0 * x
    if count > 1:
        shape, row = shape_of(x), reshape(x, shape=(-1,))
        below = pointwise.clip(order.searchsorted(xp, row, side="right") - 1, a_min=0, a_max=count - 2)
        x0, x1, y0, y1 = [
            reshape(order.take_along_axis(points, places, axis=0), shape=shape)
            for points in (xp, fp)
            for places in (below, below + 1)
        ]
        upright = x0 == x1
        out = where(upright, y1, y0 + (x - x0) * ((y1 - y0) / where(upright, 1.0, x1 - x0)))
    out = where(x < index(xp, key=0), first if left is None else left, out)
    return where(x > index(xp, key=count - 1), last if right is None else right, out)
