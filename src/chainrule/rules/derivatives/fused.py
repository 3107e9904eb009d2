"""Derivatives for rules/fused.py, written by `docs/write_derivatives.py` from what each rule is made of."""

from __future__ import annotations

import numpy as np

from chainrule.rules.kernels import column_sums, less_one, logistic, outer_sum, softmax


def affine_x(g, x, w, b):
    """What of the gradient of affine reaches x."""
    return np.dot(g, w)


def affine_w(g, x, w, b):
    """What of the gradient of affine reaches w."""
    return outer_sum(g, x)


def affine_b(g, x, w, b):
    """What of the gradient of affine reaches b."""
    return column_sums(g)


def squared_error_x(g, x, y, scale):
    """What of the gradient of squared_error reaches x."""
    return 2 * g * scale * (x - y)


def squared_error_y(g, x, y, scale):
    """What of the gradient of squared_error reaches y."""
    return -2 * g * scale * (x - y)


def cross_entropy_x(g, x, target):
    """What of the gradient of cross_entropy reaches x."""
    return g / len(x) * less_one(softmax(x, -1), (np.arange(len(x)), target))


def binary_cross_entropy_x(g, x, y, at_one, at_zero):
    """What of the gradient of binary_cross_entropy reaches x."""
    t1 = at_zero * logistic(x) * (1 - y) - at_one * y * logistic(-x)
    return g * t1


def binary_cross_entropy_y(g, x, y, at_one, at_zero):
    """What of the gradient of binary_cross_entropy reaches y."""
    return g * (at_one * np.logaddexp(-x, 0.0) - at_zero * np.logaddexp(x, 0.0))


def layer_norm_x(g, x, w, b, eps):
    """What of the gradient of layer_norm reaches x."""
    t1 = g * w
    t2 = x - np.add.reduce(x, axis=-1, keepdims=True) / x.shape[-1]
    t3 = eps + np.add.reduce(t2 * t2, axis=-1, keepdims=True) / x.shape[-1]
    t4 = np.add.reduce(t1 * t2, axis=-1, keepdims=True) / t3 * t2
    return (t1 + (np.add.reduce(t4 / x.shape[-1] - t1, axis=-1, keepdims=True) - t4) / x.shape[-1]) / np.sqrt(t3)


def layer_norm_w(g, x, w, b, eps):
    """What of the gradient of layer_norm reaches w."""
    t1 = x - np.add.reduce(x, axis=-1, keepdims=True) / len(w)
    t2 = g * (t1 / np.sqrt(np.add.reduce(t1 * t1, axis=-1, keepdims=True) / len(w) + eps))
    return column_sums(t2)


def layer_norm_b(g, x, w, b, eps):
    """What of the gradient of layer_norm reaches b."""
    return column_sums(g)
