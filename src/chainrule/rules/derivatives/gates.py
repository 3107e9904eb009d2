"""Derivatives for rules/gates.py, written by `docs/write_derivatives.py` from what each rule is made of."""

from __future__ import annotations

from chainrule.rules.pointwise import erfc, exp, sigmoid, tanh


def gelu_x(out, x):
    """How gelu moves with x."""
    return 0.3989422804014327 * x * exp(-(x * x / 2)) + erfc(-0.7071067811865476 * x) / 2


def gelu_tanh_x(out, x):
    """How gelu_tanh moves with x."""
    t1 = x * x
    t2 = tanh(x * (0.035677408136300125 * t1 + 0.7978845608028654))
    return x * (1 - t2 * t2) * (0.053516112204450184 * t1 + 0.3989422804014327) + (t2 + 1) / 2


def silu_x(out, x):
    """How silu moves with x."""
    t1 = sigmoid(x)
    return t1 * (1 + x * (1 - t1))
