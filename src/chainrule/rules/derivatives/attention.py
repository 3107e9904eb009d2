"""Derivatives for rules/attention.py, written by `docs/write_derivatives.py` from what each rule is made of."""

from __future__ import annotations

import numpy as np

from chainrule.rules.kernels import softmax_rows, softmax_rows_backward, sum_to


def self_attention_x(g, x, mask, heads, scale):
    """What of the gradient of self_attention reaches x."""
    t1 = g.reshape(len(x), x.shape[-2], heads, -1).transpose(0, 2, 1, 3)
    t2 = x.reshape(len(x), x.shape[-2], 3, heads, -1).transpose(2, 0, 3, 1, 4)
    t3 = t1 @ np.swapaxes(t2[2], -1, -2)
    t4 = t2[0] * scale
    t5 = t2[1]
    t6 = softmax_rows(t4 @ np.swapaxes(t5, -1, -2) + mask)
    t7 = softmax_rows_backward(t3, t6)
    t8 = (t7 @ t5 * scale).transpose(0, 2, 1, 3)
    t9 = (np.swapaxes(t7, -1, -2) @ t4).transpose(0, 2, 1, 3)
    t10 = (np.swapaxes(t6, -1, -2) @ t1).transpose(0, 2, 1, 3)
    return np.stack((t8, t9, t10), axis=2).reshape(x.shape)


def self_attention_mask(g, x, mask, heads, scale):
    """What of the gradient of self_attention reaches mask."""
    t1 = x.reshape(len(x), len(mask), 3, heads, -1).transpose(2, 0, 3, 1, 4)
    t2 = g.reshape(len(x), len(mask), heads, -1).transpose(0, 2, 1, 3) @ np.swapaxes(t1[2], -1, -2)
    t3 = softmax_rows(t1[0] * scale @ np.swapaxes(t1[1], -1, -2) + mask)
    return sum_to(softmax_rows_backward(t2, t3), mask.shape)
