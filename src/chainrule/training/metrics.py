"""Metrics: how good predictions are, in numbers that people read; any function of two arrays is one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.operation import as_array
from chainrule.core.tensor import Tensor
from chainrule.errors import ShapeError


def accuracy(prediction: Any, target: Any, sample_weight: Any = None) -> float:
    """The share of examples whose class is right.

    `prediction` holds raw results: of shape (…, classes) with whole numbers `target` of shape (…), where the class is
    that of the largest; or of the same shape as `target`, 0s and 1s, where the class is 1 above 0. Targets of shape
    (…, classes) in floating point are probabilities. `sample_weight`, of shape (examples,), says how often an example
    counts. Other shapes and no examples raise `ShapeError`. O(entries).

    >>> import chainrule as cr
    >>> cr.training.accuracy([[2.0, 1.0], [0.0, 3.0]], [0, 0])
    0.5
    >>> cr.training.accuracy([-2.0, 1.0, 3.0, 1.0], [0, 1, 1, 0])
    0.75
    """
    said, right, _ = _classes("accuracy", prediction, target)
    if sample_weight is not None:
        return _mean(said == right, sample_weight)
    return int(np.count_nonzero(said == right)) / said.size


def confusion_matrix(prediction: Any, target: Any) -> NDArray[np.int64]:
    """How often each class was taken for each, shape (classes, classes): rows are what it is, columns what was said.

    `prediction` and `target` are those of `accuracy`. O(entries + classes²).

    >>> import chainrule as cr
    >>> cr.training.confusion_matrix([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]], [0, 0, 1]).tolist()
    [[1, 1], [1, 0]]
    """
    said, right, classes = _classes("confusion_matrix", prediction, target)
    return np.bincount(right.ravel() * classes + said.ravel(), minlength=classes**2).reshape(classes, classes)


def precision_recall_f1(
    prediction: Any, target: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 of each class, each of shape (classes,).

    Precision is the share that is right of what was said to be the class, recall the share of the class that was found,
    F1 their harmonic mean; where there is nothing to divide by they are 0. `prediction` and `target` are those of
    `accuracy`.

    >>> import chainrule as cr
    >>> [each.round(3).tolist() for each in cr.training.precision_recall_f1([1.0, 1.0, -1.0, -1.0], [1, 0, 0, 0])]
    [[1.0, 0.5], [0.667, 1.0], [0.8, 0.667]]
    """
    counts = confusion_matrix(prediction, target)
    found, said, actual = counts.diagonal().astype(float), counts.sum(0), counts.sum(1)
    return _shares(found, said), _shares(found, actual), _shares(2 * found, said + actual)


def balanced_accuracy(prediction: Any, target: Any) -> float:
    """The mean of the shares of each class that were found: 1 / classes for who always says the same.

    Classes that have no example do not count. `prediction` and `target` are those of `accuracy`.

    Source: K. Brodersen et al., The balanced accuracy and its posterior distribution, 2010.

    >>> import chainrule as cr
    >>> cr.training.balanced_accuracy([-1.0, -1.0, -1.0, -1.0], [1, 0, 0, 0])
    0.5
    """
    counts = confusion_matrix(prediction, target)
    actual = counts.sum(1)
    there = actual > 0
    found: NDArray[np.float64] = counts.diagonal()[there] / actual[there]
    return float(np.mean(found))


def roc_auc(scores: Any, target: Any) -> float:
    """How probable it is that an example of class 1 has a larger score than one of class 0; equal ones count half.

    `scores` has shape (examples,), or (examples, 2) of which the second minus the first counts; `target` holds 0s and
    1s, and where only one of them occurs the result is nan. O(examples log examples).

    Source: J. A. Hanley and B. J. McNeil, The meaning and use of the area under a ROC curve, 1982.

    >>> import chainrule as cr
    >>> cr.training.roc_auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    said, right = _numbers(scores), _numbers(target)
    if said.ndim == 2 and said.shape[1] == 2:
        said = said[:, 1] - said[:, 0]
    if said.shape != right.shape or said.ndim != 1 or not said.size or not np.isin(right, (0, 1)).all():
        raise _misfit("roc_auc", said, right)
    _, places, sizes = np.unique(said, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[places]
    ones = int(right.sum())
    pairs = ones * (len(right) - ones)
    return float((ranks[right == 1].sum() - ones * (ones + 1) / 2) / pairs) if pairs else float("nan")


def r2(prediction: Any, target: Any, sample_weight: Any = None) -> float:
    """The share of the variance of the target that is explained, 1 at best: 1 - Σ(y - ŷ)² / Σ(y - ȳ)².

    Both have the same shape, any; a target of shape (examples, outputs) has one such share for each output, and the
    result is their mean. A target that does not vary gives 1 where it is met exactly, else 0. `sample_weight` as of
    `accuracy`. O(entries).

    >>> import chainrule as cr
    >>> cr.training.r2([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.7857142857142857
    """
    said, right = _matched("r2", prediction, target)
    weight = np.ones(len(right)) if sample_weight is None else _numbers(sample_weight)
    weight = weight.reshape(-1, *[1] * (right.ndim - 1))
    left = (weight * np.square(right - said)).sum(0)
    whole = (weight * np.square(right - (weight * right).sum(0) / weight.sum())).sum(0)
    flat = whole == 0
    shares: NDArray[np.float64] = (1 - left / (whole + flat)) * (~flat | (left == 0))
    return float(np.mean(shares))


def mean_absolute_error(prediction: Any, target: Any, sample_weight: Any = None) -> float:
    """The mean distance |y - ŷ|, in the target's own unit; both have the same shape, any. O(entries).

    `sample_weight` as of `accuracy`.

    >>> import chainrule as cr
    >>> cr.training.mean_absolute_error([1.0, 2.0], [1.5, 3.0])
    0.75
    """
    said, right = _matched("mean_absolute_error", prediction, target)
    return _mean(np.abs(right - said), sample_weight)


def _classes(owner: str, prediction: Any, target: Any) -> tuple[NDArray[Any], NDArray[np.int64], int]:
    """The classes that were said and those that are right, as whole numbers, and how many there are."""
    said, right = _numbers(prediction), _numbers(target)
    classes = 2
    if said.ndim >= 2 and said.shape[-1] > 1 and said.shape[:-1] == right.shape:
        said, classes = said.argmax(-1), said.shape[-1]
    elif said.ndim >= 2 and said.shape[-1] > 1 and said.shape == right.shape and right.dtype.kind == "f":
        said, right, classes = said.argmax(-1), right.argmax(-1), said.shape[-1]
    elif said.shape == right.shape:
        said = (said > 0).astype(int)
    else:
        raise _misfit(owner, said, right)
    whole = right.astype(np.int64, copy=False)
    if not said.size:
        raise _misfit(owner, said, right)
    if owner != "accuracy" and ((whole != right) | (whole < 0) | (whole >= classes)).any():
        raise ShapeError(f"{owner} takes targets that are whole numbers from 0 to {classes - 1}")
    # A target that is no class is never right.
    return said, whole if whole is right else np.where(whole == right, whole, -1), classes


def _shares(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """The quotients, 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _mean(of_entries: NDArray[Any], sample_weight: Any) -> float:
    """The mean over all entries, those of each example counted by its weight."""
    if sample_weight is None:
        return float(of_entries.mean())
    weight = _numbers(sample_weight)
    if weight.shape != of_entries.shape[:1]:
        raise ShapeError(f"a metric takes one weight for each of {len(of_entries)} examples, not shape {weight.shape}")
    return float(np.average(of_entries.reshape(len(of_entries), -1).mean(1), weights=weight))


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
