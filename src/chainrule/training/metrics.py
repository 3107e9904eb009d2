"""Metrics: how good predictions are, in numbers that people read; any function of two arrays is one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.operation import as_array
from chainrule.core.tensor import Tensor
from chainrule.errors import ShapeError


def accuracy(prediction: Any, target: Any) -> float:
    """The share of examples whose class is right.

    `prediction` holds raw results: of shape (…, classes) with whole numbers `target` of shape (…), where the class is
    that of the largest; or of the same shape as `target`, 0s and 1s, where the class is 1 above 0. Targets of shape
    (…, classes) in floating point are probabilities. Other shapes and no examples raise `ShapeError`. O(entries).

    >>> import chainrule as cr
    >>> cr.training.accuracy([[2.0, 1.0], [0.0, 3.0]], [0, 0])
    0.5
    >>> cr.training.accuracy([-2.0, 1.0, 3.0, 1.0], [0, 1, 1, 0])
    0.75
    """
    said, right = _numbers(prediction), _numbers(target)
    if said.ndim >= 2 and said.shape[-1] > 1 and said.shape[:-1] == right.shape:
        said = said.argmax(-1)
    elif said.ndim >= 2 and said.shape[-1] > 1 and said.shape == right.shape and right.dtype.kind == "f":
        said, right = said.argmax(-1), right.argmax(-1)
    elif said.shape == right.shape:
        said = said > 0
    else:
        raise _misfit("accuracy", said, right)
    if not said.size:
        raise _misfit("accuracy", said, right)
    return int(np.count_nonzero(said == right)) / said.size


def r2(prediction: Any, target: Any) -> float:
    """The share of the variance of the target that is explained, 1 at best: 1 - Σ(y - ŷ)² / Σ(y - ȳ)².

    Both have the same shape, any; a target of shape (examples, outputs) has one such share for each output, and the
    result is their mean. A target that does not vary gives 1 where it is met exactly, else 0. O(entries).

    >>> import chainrule as cr
    >>> cr.training.r2([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.7857142857142857
    """
    said, right = _matched("r2", prediction, target)
    left = np.square(right - said).sum(0)
    whole = np.square(right - right.mean(0)).sum(0)
    flat = whole == 0
    shares: NDArray[np.float64] = (1 - left / (whole + flat)) * (~flat | (left == 0))
    return float(np.mean(shares))


def mean_absolute_error(prediction: Any, target: Any) -> float:
    """The mean distance |y - ŷ|, in the target's own unit; both have the same shape, any. O(entries).

    >>> import chainrule as cr
    >>> cr.training.mean_absolute_error([1.0, 2.0], [1.5, 3.0])
    0.75
    """
    said, right = _matched("mean_absolute_error", prediction, target)
    return float(np.abs(right - said).mean())


def _numbers(x: Any) -> NDArray[Any]:
    return x.data if isinstance(x, Tensor) else as_array(x, "a metric")


def _matched(owner: str, prediction: Any, target: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    said, right = _numbers(prediction), _numbers(target)
    if said.shape != right.shape or not said.size or not said.ndim:
        raise _misfit(owner, said, right)
    return said.astype(float), right.astype(float)


def _misfit(owner: str, said: NDArray[Any], right: NDArray[Any]) -> ShapeError:
    if not said.size:
        return ShapeError(f"{owner} of no examples has no value: give at least one")
    return ShapeError(f"{owner} got predictions of shape {said.shape}, which do not fit targets of shape {right.shape}")
