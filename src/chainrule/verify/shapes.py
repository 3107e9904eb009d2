"""Shapes of arrays beside each other."""

from __future__ import annotations

import numpy as np


def broadcasts(shape: tuple[int, ...], into: tuple[int, ...]) -> bool:
    """Whether an array of one shape fits another as it stands."""
    try:
        return np.broadcast_shapes(shape, into) == into
    except ValueError:
        return False


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its ones."""
    return tuple([n for n in shape if n != 1])
