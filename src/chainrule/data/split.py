"""Holding examples back, so that a network is judged on what it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ShapeError


def hold_out(
    x: ArrayLike, y: ArrayLike, *, share: float = 0.2, seed: int = 0
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Shuffle examples and hold a share of them back: ``x_train, y_train, x_held_out, y_held_out``.

    `x` and `y` have one entry for each example along the first axis; the same `seed` gives the same split. Lengths that
    differ, or a share that leaves a side empty, raise `ShapeError`.

    >>> import chainrule as cr
    >>> x, y = cr.data.load_digits()
    >>> [len(part) for part in cr.data.hold_out(x, y)]
    [1438, 1438, 359, 359]
    """
    x, y = np.asarray(x), np.asarray(y)
    if not x.ndim or not y.ndim or len(x) != len(y):
        raise ShapeError(f"hold_out needs as many targets as examples, and got shapes {x.shape} and {y.shape}")
    held = round(len(x) * share)
    if not 0 < held < len(x):
        raise ShapeError(f"hold_out of a share {share} of {len(x)} examples leaves a side empty: choose another share")
    order = np.random.default_rng(seed).permutation(len(x))
    return x[order[held:]], y[order[held:]], x[order[:held]], y[order[:held]]
