"""Exceptions to one operation a node: several as one, each with its reason and the composition that it is.

Their derivatives are written from the compositions by machine (rules/derivatives/fused.py).
"""

from __future__ import annotations

import numpy as np

from chainrule.core.operation import fused
from chainrule.rules.composed import away_over_spread, log_softmax
from chainrule.rules.derivatives import fused as derivatives
from chainrule.rules.kernels import (
    bce_with_logits,
    negative_log_likelihood,
    normalized,
    squared_distance,
    weighted,
)
from chainrule.rules.linear import index, mean, sum, transpose
from chainrule.rules.pointwise import softplus, square


@fused(
    r"{x} \, {w}^{\top} + {b}",
    of=lambda x, w, b: x @ transpose(w) + b,
    adjoint=derivatives,
    reason="one node in place of four is half of a small network's time",
    shapes=((4, 3), (2, 3), (2,)),
)
def affine(x, w, b):
    """A layer of neurons: every row of x against every neuron's weights, plus its bias."""
    return weighted(x, w, b)


@fused(
    r"{scale} \left\lVert {x} - {y} \right\rVert^{2}",
    of=lambda x, y, scale: scale * sum(square(x - y)),
    adjoint=derivatives,
    reason="one node in place of four, for the loss of every regression",
    shapes=((4, 2), (4, 2)),
    examples=({"scale": 0.5}, {"scale": 1.0}),
)
def squared_error(x, y, *, scale):
    """The squared distance between prediction and target, times a factor."""
    return scale * squared_distance(x, y)


@fused(
    r"\operatorname{cross\,entropy}\left({x}\right)",
    of=lambda x, target: -mean(index(log_softmax(x), key=(np.arange(len(target)), target))),
    adjoint=derivatives,
    reason="softmax and logarithm cancel to prediction minus target, 3 times faster and exact where they overflow",
    shapes=((4, 3),),
    examples=({"target": np.array([0, 2, 1, 1])},),
)
def cross_entropy(x, *, target):
    """The surprise at the right class, averaged; its gradient is the predicted shares minus the right answer."""
    return negative_log_likelihood(x, target)


@fused(
    r"\operatorname{binary\,cross\,entropy}\left({x}, {y}\right)",
    of=lambda x, y, at_one, at_zero: sum(at_one * y * softplus(-x) + at_zero * (1 - y) * softplus(x)),
    adjoint=derivatives,
    reason="one node in place of ten, and one exponential in place of four, for the loss of every yes or no",
    shapes=((4, 2), (4, 2)),
    examples=({"at_one": 0.25, "at_zero": 0.25}, {"at_one": np.array([1.5, 0.5], np.float32), "at_zero": 2.0}),
)
def binary_cross_entropy(x, y, *, at_one=1.0, at_zero=1.0):
    """The surprise at answers y from 0 to 1, weighed and added up; its gradient is the predicted shares minus them."""
    return bce_with_logits(x, y, at_one, at_zero)


@fused(
    r"\operatorname{normalize}\left({x}\right) \odot {w} + {b}",
    of=lambda x, w, b, eps: away_over_spread(x, -1, eps) * w + b,
    adjoint=derivatives,
    reason="one array in memory in place of seven, and a quarter of the time",
    shapes=((2, 4, 3), (3,), (3,)),
    examples=({"eps": 1e-5}, {"eps": 0.5}),
)
def layer_norm(x, w, b, *, eps):
    """Each row less its mean and divided by its spread, then scaled and moved: what all its entries share is lost."""
    return normalized(x, eps) * w + b
