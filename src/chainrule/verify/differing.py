"""What is wrong with a gradient, read off the two arrays: its shape, a factor, a transposition, a place.

Only what holds for every entry is said, and only of numbers that are generic enough for it to mean something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.verify.agreement import broadcasts

Array = NDArray[np.float64]

AGREE = 1e-6
"""Of two gradients one of which comes from differences, what is near enough to be the same."""
TELLING = 3
"""Entries whose common factor is no accident."""
MORE = 100
"""What an inverse may add to a difference."""
MOST_AXES = 4
"""Of arrays with more axes no permutation is looked for."""


@dataclass(frozen=True)
class Differing:
    """How a gradient differs from the right one: a name of the catalogue where there is one, and a sentence."""

    name: str
    says: str
    factor: float | None = None


@dataclass(frozen=True)
class Between:
    """A known array that may be the ratio of a gradient to the right one, and what that means."""

    name: str
    says: str
    ratio: Array


def differing(
    mine: Any,
    right: Any,
    near: float = AGREE,
    known: Sequence[Between] = (),
    matrices: Mapping[str, Array] | None = None,
) -> Differing | None:
    """How `mine` differs from `right`, None where it does not.

    `known` are ratios that would mean something; `matrices` such as may stand in a product the wrong way round. `near`
    is what counts as equal, relative to the largest entry. O(entries).
    """
    mine, right = np.asarray(mine, float), np.asarray(right, float)
    if mine.shape != right.shape:
        return other_shape(mine, right, near)
    if same(mine, right, near):
        return None
    return (
        whole(mine, right, near)
        or rearranged(mine, right, near)
        or by_known(mine, right, near, known)
        or by_matrices(mine, right, near, matrices or {})
        or line_by_line(mine, right, near)
        or places(mine, right, near)
        or unlike(mine, right)
    )


def unlike(mine: Array, right: Array) -> Differing:
    """Where two arrays differ most, of which there is nothing else to say."""
    at = worst(mine, right)
    return Differing("unclassified", f"the largest difference is {entry(at)}: {mine[at]:.6g} for {right[at]:.6g}")


def same(x: Array, y: Array, near: float) -> bool:
    """Whether two arrays are equal up to a share of their largest entry."""
    if x.shape != y.shape or not (np.isfinite(x) == np.isfinite(y)).all():
        return False
    size = np.abs(y[np.isfinite(y)]).max(initial=0.0)
    with np.errstate(invalid="ignore"):
        return bool((np.abs(np.nan_to_num(x - y)) <= near * size).all())


def worst(mine: Array, right: Array) -> tuple[int, ...]:
    """Where two arrays of one shape differ most."""
    gap = np.nan_to_num(np.abs(mine - right), nan=np.inf)
    return tuple([int(k) for k in np.unravel_index(int(gap.argmax()), gap.shape)]) if gap.ndim else ()


def entry(at: tuple[int, ...]) -> str:
    return f"at [{', '.join(map(str, at))}]" if at else "there"


def other_shape(mine: Array, right: Array, near: float) -> Differing:
    shapes = f"its shape is {mine.shape} and belongs {right.shape}"
    if mine.size == right.size and same(mine.ravel(), right.ravel(), near):
        fits = broadcasts(mine.shape, right.shape)
        return Differing("shape", f"the numbers are right, but {shapes}" + ("" if fits else ": reshape it"))
    for axes, turned in turns(mine):
        if same(turned, right, near):
            return Differing("transposed", f"it is transposed (axes {axes}): {shapes}")
    for axes in axes_between(mine.shape, right.shape):
        summed = mine.sum(axes).reshape(right.shape)
        over = f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"
        if same(summed, right, near):
            return Differing("broadcast-not-summed", f"it is not summed over {over}: {shapes}")
        count = int(np.prod([mine.shape[axis] for axis in axes]))
        if same(summed / count, right, near):
            return Differing("broadcast-not-summed", f"it is not averaged over {over}: {shapes}")
    for axes in axes_between(right.shape, mine.shape):
        if same(right.sum(axes).reshape(mine.shape), mine, near):
            over = f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"
            return Differing("summed-over-wrong-axis", f"it is summed over {over}, and should not be: {shapes}")
    return Differing("unclassified", shapes)


def turns(x: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """The array with its axes in every other order."""
    if 2 <= x.ndim <= MOST_AXES:
        for axes in permutations(range(x.ndim)):
            if axes != tuple(range(x.ndim)):
                yield axes, x.transpose(axes)


def axes_between(large: tuple[int, ...], small: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Which axes of a shape have to go, by a sum, to leave another; each set of as many axes as have to."""
    kept = tuple([size for size in small if size != 1])
    count = len(large)
    for bits in range(1, 2**count if count <= MOST_AXES else 1):
        gone = tuple([k for k in range(count) if bits >> k & 1])
        left = tuple([size for k, size in enumerate(large) if k not in gone and size != 1])
        if left == kept:
            yield gone


def whole(mine: Array, right: Array, near: float) -> Differing | None:
    """One thing that holds for all entries: zeros, a sign, a factor, a transposition, an order, a constant."""
    if not mine.any():
        return Differing("missing-path", "it is 0 everywhere: nothing comes back")
    if not right.any():
        return Differing("extra-factor", "it is not 0, and nothing should come back")
    finite = bool(np.isfinite(mine).all() and np.isfinite(right).all())
    if not finite:
        return Differing("unclassified", "it has entries that are no numbers")
    factor = float((mine * right).sum() / (right * right).sum())
    if factor and same(mine, factor * right, near * max(abs(factor), 1e-3)):
        return by_factor(factor)
    return None


def rearranged(mine: Array, right: Array, near: float) -> Differing | None:
    """The right numbers elsewhere, or all of them off by one and the same."""
    for axes, turned in turns(mine):
        if same(turned, right, near):
            return Differing("transposed", "it is transposed" + ("" if mine.ndim == 2 else f" (axes {axes})"))
    if right.size < TELLING:
        return None
    for axis in range(right.ndim):
        if same(np.flip(mine, axis), right, near):
            return Differing("unclassified", f"it is in reversed order along axis {axis}")
    if same(np.sort(mine.ravel()), np.sort(right.ravel()), near):
        return Differing("unclassified", "it has the right numbers in another order")
    gap = mine - right
    if same(gap, np.full_like(gap, gap.flat[0]), near):
        more = "large" if gap.flat[0] > 0 else "small"
        return Differing("unclassified", f"every entry is too {more} by {abs(gap.flat[0]):.6g}")
    return None


def line_by_line(mine: Array, right: Array, near: float) -> Differing | None:
    """A factor of its own for every index of one axis, as where something is wrong that an axis shares."""
    for axis in range(right.ndim):
        rest = tuple([k for k in range(right.ndim) if k != axis])
        if not rest or right.size // right.shape[axis] < TELLING:
            continue
        below = (right * right).sum(rest, keepdims=True)
        factors = (mine * right).sum(rest, keepdims=True) / np.where(below == 0, 1, below)
        if same(mine, factors * right, near):
            shown = ", ".join([neat(float(x)) for x in factors.ravel()[:3]]) + (", …" if factors.size > 3 else "")
            return Differing("unclassified", f"each index of axis {axis} is off by a factor of its own: {shown}")
    return None


def by_factor(factor: float) -> Differing:
    if abs(factor + 1) < AGREE:
        return Differing("sign", "its sign is turned", -1.0)
    return Differing("factor", f"it is off by the factor {neat(factor)}", factor)


def neat(factor: float) -> str:
    """A factor as people write it: 2, 1/32, or six digits."""
    for x, words in ((factor, "{}"), (1 / factor if factor else 0.0, "1/{}")):
        if abs(x - round(x)) < AGREE * abs(x) and round(x):
            return words.format(round(x)) if x > 0 else "-" + words.format(-round(x))
    return f"{factor:.6g}"


def by_known(mine: Array, right: Array, near: float, known: Sequence[Between]) -> Differing | None:
    """A known array as the factor between the two."""
    for between in known:
        ratio = between.ratio
        # A few entries, or equal ones, would fit by accident.
        if right.size < TELLING or np.unique(ratio).size < TELLING or not np.isfinite(ratio).all():
            continue
        if broadcasts(ratio.shape, right.shape) and same(mine, right * ratio, near):
            return Differing(between.name, between.says)
    return None


def by_matrices(mine: Array, right: Array, near: float, matrices: Mapping[str, Array]) -> Differing | None:
    """A matrix that stands the wrong way round in a product."""
    for name, x in matrices.items():
        if turned_in_product(mine, right, near, x):
            return Differing("transposed", f"it is multiplied with {name} where its transpose belongs, or the reverse")
    return None


def turned_in_product(mine: Array, right: Array, near: float, x: Array) -> bool:
    """Whether a square matrix stands in a product as it is where its transpose belongs."""
    if x.ndim != 2 or x.shape[0] != x.shape[1] or mine.ndim != 2 or np.linalg.cond(x) > 1 / np.sqrt(near):
        return False
    for a in (x, x.T):
        back = np.linalg.solve(a.T, a)
        if mine.shape[1] == len(x) and same(mine @ back, right, near * MORE):
            return True
        if mine.shape[0] == len(x) and same(back.T @ mine, right, near * MORE):
            return True
    return False


def places(mine: Array, right: Array, near: float) -> Differing | None:
    """Entries that are wrong while the others are right: which, and whether they are 0 or should be."""
    size = np.abs(right).max(initial=0.0)
    wrong = ~(np.abs(mine - right) <= near * size)
    count = int(wrong.sum())
    if not 0 < count < right.size or right.size < TELLING:
        return None
    told = f"{count} of {right.size} entries are wrong"
    if not mine[wrong].any():
        return Differing("unclassified", f"{told}: they are 0, and should not be")
    if not right[wrong].any():
        return Differing("unclassified", f"{told}: they should be 0")
    for axis in range(right.ndim):
        rest = tuple([k for k in range(right.ndim) if k != axis])
        lines = np.flatnonzero(wrong.any(rest))
        if rest and len(lines) < right.shape[axis] and wrong.sum() == len(lines) * (right.size // right.shape[axis]):
            shown = ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
            return Differing("unclassified", f"{told}: all of those at {shown} of axis {axis}")
    return Differing("unclassified", f"{told}, the worst {entry(worst(mine, right))}")
