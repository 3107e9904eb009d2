"""Where numbers by chance come from; `numpy.random` takes as long to load as a small net's first step to be planned."""

from __future__ import annotations

import math
import os
import sys
from typing import Any

import numpy as np

FEW = 4096
"""Up to so many numbers are asked of the operating system, which takes some 20 ns for each."""


class Unseeded:
    """Draws the first numbers of a parameter where nobody gave a seed."""

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
        """Numbers from `low` to `high`, all in all as a Generator draws them."""
        size = math.prod(shape)
        if size > FEW:
            return np.random.default_rng().uniform(low, high, shape)
        digits = np.frombuffer(os.urandom(8 * size), np.uint64) >> np.uint64(11)  # 53, as many as a float64 has
        return (low + (high - low) * (digits * 2.0**-53)).reshape(shape)


def draws_of(rng: np.random.Generator | int | None) -> np.random.Generator | Unseeded:
    """What draws a parameter's first numbers: by a seed, by a generator, or anew each time."""
    return Unseeded() if rng is None else np.random.default_rng(rng)


def is_generator(x: Any) -> bool:
    """Whether something is a NumPy Generator, which nothing is before `numpy.random` has loaded."""
    return isinstance(x, getattr(sys.modules.get("numpy.random"), "Generator", ()))
