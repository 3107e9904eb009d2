"""Derivatives for rules/convolution.py, written by `docs/write_derivatives.py` from what each rule is made of."""

from __future__ import annotations

from chainrule.rules.image_kernels import convolve_back, convolve_weights, put_at_largest
from chainrule.rules.kernels import sum_to


def conv2d_plus_x(g, x, w, b, stride, padding, dilation, groups):
    """What of the gradient of conv2d_plus reaches x."""
    return convolve_back(g, w, x.shape, stride, padding, dilation, groups)


def conv2d_plus_w(g, x, w, b, stride, padding, dilation, groups):
    """What of the gradient of conv2d_plus reaches w."""
    return convolve_weights(g, x, w.shape, stride, padding, dilation, groups)


def conv2d_plus_b(g, x, w, b, stride, padding, dilation, groups):
    """What of the gradient of conv2d_plus reaches b."""
    return sum_to(g, (len(b), 1, 1)).reshape(b.shape)


def max_pool2d_x(g, x, kernel_size, stride, padding, dilation):
    """What of the gradient of max_pool2d reaches x."""
    return put_at_largest(g, x, kernel_size, stride, padding, dilation)
