"""Arithmetic on Python floats by IEEE 754, where Python itself would raise or turn complex.

Only the plain-Python scalar engine needs it: compiled code has C's functions, arrays have NumPy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.state import Quiet


def _ieee(quick: Callable[..., float], careful: Callable[..., Any]) -> Callable[..., float]:
    def function(*x: float) -> float:
        try:
            return quick(*x)
        except (ValueError, OverflowError, ZeroDivisionError):
            with Quiet():
                return float(careful(*map(np.float64, x)))

    return function


exp = _ieee(math.exp, np.exp)
log = _ieee(math.log, np.log)
power = _ieee(math.pow, np.power)
divide = _ieee(lambda x, y: x / y, np.divide)
tanh = math.tanh
