"""Edges around an array, as ``np.pad`` has them: a constant, or the array's own entries once more."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.operation import composed
from chainrule.errors import ShapeError
from chainrule.rules import linear, pointwise
from chainrule.rules.arrange import along
from chainrule.rules.composed import gathered, shape_of

MODES = ("edge", "reflect", "symmetric", "wrap")
"""The ways to fill an edge with the array's own entries."""


@composed
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0.0, reflect_type: str = "even") -> Any:
    """Edges around an array: a constant, or its own entries in the modes "edge", "reflect", "symmetric" and "wrap".

    >>> import chainrule as cr, numpy as np
    >>> cr.pad(np.array([1.0, 2.0]), (1, 0))
    array([0., 1., 2.])
    >>> cr.pad(np.array([1.0, 2.0, 3.0]), 2, mode="reflect")
    array([3., 2., 1., 2., 3., 2., 1.])
    """
    x = gathered(x)
    if mode in MODES and reflect_type == "even":
        for axis, (n, widths) in enumerate(zip(shape_of(x), pairs(pad_width, len(shape_of(x))), strict=True)):
            if any(widths):
                x = linear.index(x, key=along(axis, np.pad(np.arange(n), widths, mode)))  # type: ignore[call-overload]
        return x
    if mode != "constant":
        raise ShapeError(f"pad has the modes constant, {', '.join(MODES)} (the even ones), not {mode!r}")
    padded = linear.pad(x, pad_width=pad_width)
    if np.ndim(constant_values) == 0 and constant_values == 0.0:
        return padded
    edge = np.pad(np.zeros(shape_of(x), padded.dtype), pad_width, constant_values=constant_values)
    return pointwise.add(padded, edge)


def pairs(pad_width: Any, count: int) -> list[tuple[int, int]]:
    """How far to go before and behind each axis, in whichever of NumPy's forms it was said."""
    if isinstance(pad_width, dict):
        said = {axis % count: width for axis, width in pad_width.items()}
        pad_width = [np.broadcast_to(said.get(axis, 0), 2) for axis in range(count)]
    return [(int(before), int(behind)) for before, behind in np.broadcast_to(pad_width, (count, 2))]
