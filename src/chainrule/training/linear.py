"""The linear model beside which a network is judged: least squares for numbers, logistic regression for classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.kinds import Array

STEPS = 100
"""Of Newton's method at most."""
WORK = 4e10
"""Multiplications that are spent on a model for classes; where they do not suffice, that is said."""
CLOSE = 1e-12
"""How far above the least cost, as the slope and the bending tell, it counts as least."""


@dataclass(frozen=True)
class Linear:
    """A linear model: ``x @ weight + bias``, of shape (features, outputs) and (outputs,)."""

    weight: Array
    bias: Array
    converged: bool = True
    """Whether it is the best there is, but for rounding; on very many examples the steps may end before that."""

    def __call__(self, x: Array) -> Array:
        """The outputs, shape (examples, outputs), float64."""
        return x.astype(float) @ self.weight + self.bias


def fit_linear(x: Array, y: Array, *, classes: int = 0, weights: Array | None = None) -> Linear:
    """The linear model of features, shape (examples, features), and targets; nothing is drawn at random.

    For `classes`, whole numbers of shape (examples,), it is the softmax regression with the penalty |w|²/2 on the sum
    of losses, as scikit-learn has it by default, and `weights` weigh each class; for numbers, shape (examples, 1), it
    is ridge regression with the same penalty, in closed form. The bias is not penalised. ``converged`` is False where
    the work it may cost, some ten seconds, did not reach the least cost.

    >>> import chainrule as cr, numpy as np
    >>> x = np.arange(40.0).reshape(40, 1)
    >>> cr.training.fit_linear(x, 2 * x + 1)(np.array([[100.0]])).round(1).tolist()
    [[201.0]]
    """
    exact = x.astype(float)
    mean = exact.mean(0)
    centred, turn = exact - mean, None
    if x.shape[1] > len(x):
        # The penalty keeps the weights in the space of the rows, which is smaller.
        left, sizes, turn = np.linalg.svd(centred, full_matrices=False)
        centred = left * sizes
    converged = True
    if classes:
        weight, bias, converged = _softmax_regression(centred, y, classes, weights)
    else:
        bias: Array = y.astype(float).mean(0)
        square: Array = centred.T @ centred + np.eye(centred.shape[1])
        weight: Array = np.linalg.solve(square, centred.T @ (y - bias))
    turned: Array = weight if turn is None else turn.T @ weight
    return Linear(turned, bias - mean @ turned, converged)


def _softmax_regression(x: Array, y: Array, classes: int, weights: Array | None) -> tuple[Array, Array, bool]:
    """Weights, biases, and whether the cost is least: Newton's method, its steps by conjugate gradients.

    Source: C.-J. Lin, R. Weng and S. Keerthi, Trust region Newton method for large-scale logistic regression, 2008.
    """
    count, features = x.shape
    each = np.ones(count) if weights is None else weights[y].astype(float)
    each = (each / each.sum())[:, None]
    # Of two classes one vector of weights would do, and two have each half of its square.
    penalty = (2 if classes == 2 else 1) / count
    wide = np.concatenate([x, np.ones((count, 1))], axis=1)
    kept = np.full((features + 1, 1), penalty)
    kept[-1] = 0
    right = np.eye(classes)[y]
    at, passes = np.zeros((features + 1, classes)), int(WORK / (2 * wide.size * classes))
    cost, shares = _cost(wide, right, each, kept, at)
    for _ in range(STEPS):
        slope = wide.T @ ((shares - right) * each) + kept * at

        def bend(step: Array, shares: Array = shares) -> Array:
            moved = wide @ step
            moved = shares * (moved - np.sum(shares * moved, axis=1, keepdims=True))
            return wide.T @ (moved * each) + kept * step

        step, taken = _solved(bend, -slope, min(0.1, np.sqrt(np.abs(slope).max())), passes)
        promised, passes = -np.sum(slope * step), passes - taken - 1
        if promised < CLOSE:
            return at[:-1], at[-1], True
        if passes <= 0:
            break
        at, cost, shares = _lower(lambda new: _cost(wide, right, each, kept, new), at, step, cost - 1e-4 * promised)
    return at[:-1], at[-1], False


def _lower(cost_of: Callable[[Array], tuple[float, Array]], at: Array, step: Array, most: float) -> Any:
    """Where a step, halved until the cost falls as it should, leads to, and the cost and the shares there."""
    cost, shares = cost_of(at + step)
    for _ in range(40):
        if cost <= most:
            break
        step = step / 2
        cost, shares = cost_of(at + step)
    return at + step, cost, shares


def _cost(wide: Array, right: Array, each: Array, kept: Array, at: Array) -> tuple[float, Array]:
    """The weighed mean of losses with the penalty, and the probability of every class for every example."""
    scores = wide @ at
    scores -= scores.max(axis=1, keepdims=True)
    shares = np.exp(scores)
    total = shares.sum(axis=1, keepdims=True)
    losses = np.log(total) - np.sum(scores * right, axis=1, keepdims=True)
    return float(np.sum(losses * each) + np.sum(kept * at**2) / 2), shares / total


def _solved(bend: Callable[[Array], Array], goal: Array, close: float, most: int) -> tuple[Array, int]:
    """The step whose bending is the goal, to within a share of it, by conjugate gradients; and how many were taken."""
    step, left = np.zeros_like(goal), goal
    direction, size = left, np.sum(left * left)
    enough, taken = close**2 * size, 0
    while size > enough and taken < min(most, goal.size):
        bent = bend(direction)
        part = size / np.sum(direction * bent)
        step, left = step + part * direction, left - part * bent
        size, before = np.sum(left * left), size
        direction = left + size / before * direction
        taken += 1
    return step, taken
