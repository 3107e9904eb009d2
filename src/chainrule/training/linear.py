"""The linear model beside which a network is judged: least squares for numbers, logistic regression for classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
STEPS = 3000
"""Of accelerated descent at most; fewer on many examples, where a step takes longer."""
WORK = 1e9
"""Multiplications that are spent on the steps."""
CLOSE = 1e-6
"""The norm of the gradient at which descent ends."""


@dataclass(frozen=True)
class Linear:
    """A linear model: ``x @ weight + bias``, of shape (features, outputs) and (outputs,)."""

    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        """The outputs, shape (examples, outputs), float64."""
        return x.astype(float) @ self.weight + self.bias


def fit_linear(x: Array, y: Array, *, classes: int = 0, weights: Array | None = None) -> Linear:
    """The linear model of features, shape (examples, features), and targets; nothing is drawn at random.

    For `classes`, whole numbers of shape (examples,), it is the softmax regression with the penalty |w|²/2 on the sum
    of losses, as scikit-learn has it by default, and `weights` weigh each class; for numbers, shape (examples, 1), it
    is ridge regression with the same penalty. The bias is not penalised.

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
    if classes:
        weight, bias = _softmax_regression(centred, y, classes, weights)
    else:
        bias: Array = y.astype(float).mean(0)
        square: Array = centred.T @ centred + np.eye(centred.shape[1])
        weight: Array = np.linalg.solve(square, centred.T @ (y - bias))
    turned: Array = weight if turn is None else turn.T @ weight
    return Linear(turned, bias - mean @ turned)


def _softmax_regression(x: Array, y: Array, classes: int, weights: Array | None) -> tuple[Array, Array]:
    """Nesterov's accelerated descent, begun again whenever it turns uphill (O'Donoghue and Candès 2015)."""
    count, features = x.shape
    each = np.ones(count) if weights is None else weights[y].astype(float)
    each = each / each.sum()
    # Of two classes one vector of weights would do, and two have each half of its square.
    penalty = (2 if classes == 2 else 1) / count
    wide = np.concatenate([x, np.ones((count, 1))], axis=1)
    # The loss bends nowhere more than half the largest eigenvalue of the weighed squares.
    rate = 1 / (0.5 * np.linalg.eigvalsh((wide * each[:, None]).T @ wide)[-1] + penalty)
    right = np.eye(classes)[y]
    steps = int(min(STEPS, max(50, WORK / (2 * wide.size * classes))))
    at = ahead = np.zeros((features + 1, classes))
    speed = 1.0
    for _ in range(steps):
        scores = wide @ ahead
        shares = np.exp(scores - scores.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        slope = wide.T @ ((shares - right) * each[:, None])
        slope[:-1] += penalty * ahead[:-1]
        if np.abs(slope).max() < CLOSE:
            at = ahead
            break
        new = ahead - rate * slope
        if np.sum(slope * (new - at)) > 0:
            speed = 1.0
        faster = (1 + np.sqrt(1 + 4 * speed**2)) / 2
        ahead, at, speed = new + (speed - 1) / faster * (new - at), new, faster
    return at[:-1], at[-1]
