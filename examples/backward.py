"""A layer of a network with its backward pass written by hand: what `chainrule check` is for."""

import numpy as np


def forward(x, w, b):
    """tanh of x w + b, and what the backward pass needs."""
    h = np.tanh(x @ w + b)
    return h, (x, w, h)


def backward(kept, dout):
    """The gradients in x, w and b."""
    x, w, h = kept
    dz = dout * (1 - h**2)
    return dz @ w.T, x.T @ dz, dz.sum(0)


def forgetful(kept, dout):
    """The same with a mistake: the slope of tanh is left out."""
    x, w, _ = kept
    return dout @ w.T, x.T @ dout, dout.sum(0)
