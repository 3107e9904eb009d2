"""Holding examples back, so that a network is judged on what it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Split:
    """Which examples may be parted: any, classes in equal shares, groups only whole, or the last in time from the rest.

    `classes`, `groups` and `times` have an entry for each example; at most one of them is given, `classes` beside
    `groups` being looked at no more. Examples of one time, or of one group, never stand on two sides.
    """

    count: int
    classes: NDArray[Any] | None = None
    groups: NDArray[Any] | None = None
    times: NDArray[Any] | None = None

    def part(self, places: NDArray[Any]) -> Split:
        """The same for some of the examples."""
        held = [None if one is None else one[places] for one in (self.classes, self.groups, self.times)]
        return Split(len(places), *held)

    def hold_out(self, *, share: float, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The places that are kept, and about a share of them that is held back; `ShapeError` if a side is empty."""
        if self.groups is None and self.times is None:
            return split_places(self.count, share=share, seed=seed, classes=self.classes)
        return self._cut(np.isin(self._blocks(seed), self._held_blocks(seed, share)))

    def folds(self, k: int, *, seed: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Pairs of places, kept and held back, k times; in time, what is held back follows all that is kept."""
        if self.groups is None and self.times is None:
            marks = np.zeros(self.count) if self.classes is None else self.classes
            yield from k_folds(marks, k=k, seed=seed, stratify=self.classes is not None)
            return
        blocks = self._blocks(seed)
        parts = k + 1 if self.times is not None else k
        if blocks.max() + 1 < parts:
            raise ShapeError(f"{k} folds need {parts} {self._things()}, and there are {blocks.max() + 1}")
        fold = self._fold_of_blocks(np.bincount(blocks), parts)[blocks]
        for i in range(parts - k, parts):
            yield np.flatnonzero(fold < i if self.times is not None else fold != i), np.flatnonzero(fold == i)

    def _things(self) -> str:
        return "groups" if self.groups is not None else "different times"

    def _blocks(self, seed: int) -> NDArray[Any]:
        """The number of what must stay together, in the order of time, or of a draw for groups."""
        kept = self.groups if self.groups is not None else self.times
        _, blocks = np.unique(np.asarray(kept), return_inverse=True)
        if self.groups is not None:
            blocks = np.random.default_rng(seed).permutation(blocks.max() + 1)[blocks]
        return blocks

    def _held_blocks(self, seed: int, share: float) -> NDArray[Any]:
        """The blocks that come near to a share of the examples, at least one and never all: the last, if in time."""
        sizes = np.bincount(self._blocks(seed))
        if len(sizes) < 2 or not 0 < share < 1:
            raise ShapeError(
                f"hold_out of a share {share} of {len(sizes)} {self._things()} leaves a side empty: at least 2 are "
                "needed"
            )
        if self.times is not None:
            held = np.cumsum(sizes[::-1])[:-1]
            return np.arange(len(sizes) - 1 - int(np.abs(held - share * self.count).argmin()), len(sizes))
        room, chosen = share * self.count, list[int]()
        for block, size in enumerate(sizes.tolist()):
            if size <= room:
                chosen.append(block)
                room -= size
        return np.array(chosen or [int(sizes.argmin())])

    def _cut(self, back: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        return np.flatnonzero(~back), np.flatnonzero(back)

    def _fold_of_blocks(self, sizes: NDArray[Any], parts: int) -> NDArray[Any]:
        """Each block's fold: in time one after the other, groups where there is most room, the largest first."""
        if self.times is not None:
            reached = (np.cumsum(sizes) - sizes / 2) / sizes.sum() * parts
            folds = np.minimum(reached.astype(int), parts - 1)
            # No fold is empty: where few times hold most rows, each block moves on by one at least.
            last = len(sizes) - 1
            for i in range(len(folds)):
                low = max(folds[i - 1] if i else 0, parts - 1 - (last - i))
                folds[i] = min(max(folds[i], low), (folds[i - 1] + 1) if i else 0)
            return folds
        room = np.zeros(parts)
        folds = np.zeros(len(sizes), int)
        for block in np.argsort(-sizes, kind="stable"):
            folds[block] = room.argmin()
            room[folds[block]] += sizes[block]
        return folds


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
