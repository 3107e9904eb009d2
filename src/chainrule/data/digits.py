"""The handwritten digits that ship with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("digits.npz")
FULL_INK = 16
"""The darkest value of a pixel in the file, which counts inked dots in a 4×4 square."""


def load_digits() -> tuple[NDArray[Any], NDArray[Any]]:
    """The 1,797 handwritten digits of the UCI set, 8×8 pixels each, as (images, labels).

    Images have shape (1797, 64), float32, row by row, scaled from 0 (paper) to 1 (full ink); labels have shape (1797,),
    int64, from 0 to 9. Nothing is downloaded; about a millisecond.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998
    (CC BY 4.0), the test part, in its order; see ``digits.txt``.

    >>> import chainrule as cr
    >>> x, y = cr.data.load_digits()
    >>> y[:10].tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    >>> float(x.min()), float(x.max())
    (0.0, 1.0)
    """
    with np.load(FILE, allow_pickle=False) as stored:
        return stored["pixels"].astype(np.float32) / np.float32(FULL_INK), stored["labels"].astype(np.int64)
