"""Holding examples back, so that a network is judged on what it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ShapeError


def hold_out(
    x: ArrayLike, y: ArrayLike, *, share: float = 0.2, seed: int = 0, stratify: bool = False
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Shuffle examples and hold a share of them back: ``x_train, y_train, x_held_out, y_held_out``.

    `x` and `y` have one entry for each example along the first axis; the same `seed` gives the same split. With
    `stratify`, `y` holds classes, shape (count,), and each gives its share to within one example. Lengths that differ,
    or a share that leaves a side empty, raise `ShapeError`. O(count log count).

    >>> import chainrule as cr
    >>> x, y = cr.data.load_digits()
    >>> [len(part) for part in cr.data.hold_out(x, y)]
    [1438, 1438, 359, 359]
    """
    x, y = np.asarray(x), np.asarray(y)
    if not x.ndim or not y.ndim or len(x) != len(y):
        raise ShapeError(f"hold_out needs as many targets as examples, and got shapes {x.shape} and {y.shape}")
    kept, held = split_places(len(x), share=share, seed=seed, classes=_classes(y, "hold_out") if stratify else None)
    return x[kept], y[kept], x[held], y[held]


def k_folds(
    y: ArrayLike, *, k: int = 5, seed: int = 0, stratify: bool = False
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Split k times so that every example is held back once: pairs of places, ``(train, held_out)``.

    `y` has one entry for each example along the first axis. The folds' sizes differ by at most one; with `stratify`,
    `y` holds classes, shape (count,), and so do each class's numbers in them. Fewer than two folds, or more than
    examples, raise `ShapeError`. O(count log count) and O(count) for each fold.

    Source: M. Stone, Cross-validatory choice and assessment of statistical predictions, 1974.

    >>> import chainrule as cr
    >>> _, y = cr.data.make_xor(8)
    >>> [held.tolist() for _, held in cr.data.k_folds(y, k=4, stratify=True)]
    [[4, 2], [3, 6], [0, 5], [7, 1]]
    """
    y = np.asarray(y)
    count = len(y) if y.ndim else 0
    if not 2 <= k <= count:
        raise ShapeError(f"k_folds makes from 2 folds to as many as there are examples, {count}, not {k}")
    order = np.random.default_rng(seed).permutation(count)
    if stratify:
        order = order[np.argsort(_classes(y, "k_folds")[order], kind="stable")]
    return _dealt(order, k)


def _dealt(order: NDArray[Any], k: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Deals the examples out in turn, as cards: what stood side by side lies in different folds."""
    fold = np.arange(len(order)) % k
    for i in range(k):
        yield order[fold != i], order[fold == i]


def split_places(
    count: int, *, share: float, seed: int, classes: NDArray[Any] | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Which examples are kept to train on and which are held back, as places."""
    held = round(count * share)
    if not 0 < held < count:
        raise ShapeError(f"hold_out of a share {share} of {count} examples leaves a side empty: choose another share")
    order = np.random.default_rng(seed).permutation(count)
    if classes is None:
        return order[held:], order[:held]
    _, number, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    exact = sizes * (held / count)
    quota = np.floor(exact).astype(int)
    # What rounding down leaves over goes to the classes that lost most by it.
    quota[np.argsort(quota - exact, kind="stable")[: held - quota.sum()]] += 1
    by_class = np.argsort(number[order], kind="stable")
    rank = np.empty(count, int)
    rank[by_class] = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    back = rank < quota[number[order]]
    return order[~back], order[back]


def _classes(y: NDArray[Any], name: str) -> NDArray[Any]:
    if y.ndim != 1 or y.dtype.kind == "f":
        raise ShapeError(
            f"{name} stratifies by classes, one whole number or name for each example, and y has shape {y.shape} and "
            f"type {y.dtype}"
        )
    return y
