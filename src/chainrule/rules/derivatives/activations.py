"""Derivatives for rules/activations.py, written by `docs/write_derivatives.py` from what each rule is made of."""

from __future__ import annotations

from chainrule.rules.pointwise import sigmoid, softplus, tanh


def log_sigmoid_x(out, x):
    """How log_sigmoid moves with x."""
    return sigmoid(-x)


def mish_x(out, x):
    """How mish moves with x."""
    t1 = tanh(softplus(x))
    return t1 + x * (1 - t1 * t1) * sigmoid(x)
