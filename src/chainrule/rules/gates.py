"""Activations that gate themselves: x times a share of it that x decides.

Their local derivatives are written from what they are made of by machine (rules/derivatives/gates.py).
"""

from __future__ import annotations

import numpy as np

from chainrule.core.operation import pointwise
from chainrule.rules import kernels
from chainrule.rules.derivatives import gates as derivatives
from chainrule.rules.pointwise import erfc, sigmoid, tanh

HALF_ROOT = float(np.sqrt(0.5))
ROOT_TWO_BY_PI = float(np.sqrt(2 / np.pi))


@pointwise(r"\operatorname{gelu}\left({x}\right)", of=lambda x: 0.5 * x * erfc(-HALF_ROOT * x), partials=derivatives)
def gelu(x):
    """x times the chance that a standard normal number lies below x (Hendrycks and Gimpel, 2016)."""
    return x * kernels.normal_cdf(x)


@pointwise(
    r"\operatorname{gelu}_{\tanh}\left({x}\right)",
    of=lambda x: 0.5 * x * (1 + tanh(ROOT_TWO_BY_PI * (x + 0.044715 * x * x * x))),
    partials=derivatives,
)
def gelu_tanh(x):
    """The tanh form of gelu, close to the exact one and cheaper."""
    return 0.5 * x * (1 + np.tanh(ROOT_TWO_BY_PI * (x + 0.044715 * x * x * x)))


@pointwise(r"\operatorname{silu}\left({x}\right)", of=lambda x: x * sigmoid(x), partials=derivatives)
def silu(x):
    """x times its own sigmoid, also called swish (Elfwing, Uchibe and Doya, 2018)."""
    return x * kernels.logistic(x)
