"""The pointwise rules in mpmath's words, for tests that need more digits than a double has."""

from __future__ import annotations

from typing import Any

import mpmath

mp: Any = mpmath.mp


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def gelu_tanh(x):
    return x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf(0.044715) * x**3)))


def sum_of_powers(x, y):
    """ln(e^x + e^y); a power that no digit of the sum can show is not worked out."""
    apart = abs(x - y)
    return max(x, y) + (mp.log1p(mp.exp(-apart)) if apart < 10**4 else 0)


MPMATH = {
    "abs": abs,
    "add": lambda x, y: x + y,
    "atan2": lambda x, y: mp.atan2(x, y),
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "chosen": lambda x, weight: x * weight,
    "clip": lambda x, a_min, a_max: min(
        max(x, -mp.inf if a_min is None else a_min), mp.inf if a_max is None else a_max
    ),
    "div": lambda x, y: x / y,
    "elu": lambda x, alpha: x if x > 0 else alpha * mp.expm1(x),
    "exp2": lambda x: 2**x,
    "fmod": lambda x, y: x - y * (mp.floor(x / y) if x / y > 0 else mp.ceil(x / y)),
    "gelu": lambda x: x * mp.ncdf(x),
    "gelu_tanh": gelu_tanh,
    "hardtanh": lambda x, min_val, max_val: min(max(x, min_val), max_val),
    "leaky_relu": lambda x, slope: x if x > 0 else slope * x,
    "log_sigmoid": lambda x: -sum_of_powers(0, -x),
    "log2": lambda x: mp.log(x) / mp.log(2),
    "logaddexp": lambda x, y: sum_of_powers(x, y),
    "logaddexp2": lambda x, y: sum_of_powers(x * mp.ln2, y * mp.ln2) / mp.ln2,
    "maximum": max,
    "minimum": min,
    "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
    "mul": lambda x, y: x * y,
    "neg": lambda x: -x,
    "pow": lambda x, y: mp.power(x, y),
    "power_and_log": lambda x, y, count, settled: mp.power(x, y) * mp.log(x) ** count if x or y <= 0 else x,
    "reciprocal": lambda x: 1 / x,
    "relu": lambda x: max(x, 0),
    "remainder": lambda x, y: x - y * mp.floor(x / y),
    "sigmoid": logistic,
    "silu": lambda x: x * logistic(x),
    "sinc": mp.sincpi,
    "softplus": lambda x: sum_of_powers(0, x),
    "square": lambda x: x * x,
    "sub": lambda x, y: x - y,
}
"""Rules in mpmath's words; others have one name in both."""


def function_of(name):
    """The function of a rule's name, on mpmath's numbers; None where neither the table nor mpmath has it."""
    return MPMATH.get(name) or getattr(mp, name, None)
