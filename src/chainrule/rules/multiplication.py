"""The product of all entries along axes, whose derivative in each of them is the product of all others.

Factors are multiplied by halves, and nothing is divided: derivatives are exact where entries are 0, of any order.
"""

# A derivative may call the rule it belongs to, and there the checker stops.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.differential import differential
from chainrule.rules import kernels, linear
from chainrule.rules.linear import behind, concatenate, index, inverse, reshape, sum, transpose
from chainrule.rules.reductions import ALONG

Parts = tuple[Any, ...]
"""An array, or an array and how it moves."""


def by_halves(x: Any, axis: Any, keepdims: bool) -> Any:
    """The product of the entries along axes; O(n) in log n steps."""
    factors, order = in_front(x, axis)
    if factors.shape[0]:
        (whole,) = multiplied_up((factors,))[1]
    else:
        whole = 1 + sum(factors, axis=0)
    rest = factors.shape[1:]
    if not keepdims:
        return reshape(whole, shape=rest)
    return transpose(reshape(whole, shape=(*[1] * (x.ndim - len(rest)), *rest)), axes=inverse(order))


def others_by_halves(axis: Any, *moving: Any) -> Any:
    """The product of all other entries along axes: up the tree of products and down again; O(n) in log n steps.

    Of an array and how it moves it is how that product moves.
    """
    fronts = [in_front(part, axis) for part in moving]
    order, factors = fronts[0][1], tuple([front for front, _ in fronts])
    powers = powers_for(factors[0])
    out: Parts | None = None
    for left, right in reversed(multiplied_up(tuple([scaled(part, powers) for part in factors]))[0]):
        half = left[0].shape[0]
        if out is None:
            out = joined(right, left)
        else:
            above, rest = cut(out, 0, half), cut(out, half, None)
            out = joined(times(above, right), times(above, left), *[rest] * (rest[0].shape[0] > 0))
    last = factors[-1]
    if out is None:  # there are no others
        nothing = sum(index(last, key=slice(0, 0)), axis=0)
        out = (linear.broadcast_to(nothing if len(moving) > 1 else 1 + nothing, shape=last.shape),)
    shape = tuple([moving[0].shape[i] for i in order])
    return transpose(reshape(scaled(out[-1], powers), shape=shape), axes=inverse(order))


def running(axis: int, *moving: Any) -> Any:
    """The products of all entries up to each along an axis, or how they move; O(n log n) in log n steps.

    Products of ever more neighbours (Hillis and Steele, 1986).
    """
    axis %= moving[0].ndim
    parts, length, reach = moving, moving[0].shape[axis], 1
    while reach < length:
        later = times(cut(parts, reach, None, axis), cut(parts, 0, length - reach, axis))
        parts = joined(cut(parts, 0, reach, axis), later, axis=axis)
        reach *= 2
    return parts[-1]


def in_front(x: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """The entries along some axes as a first axis, and the order of axes in which they were taken."""
    axes = tuple(range(x.ndim)) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, x.ndim)
    order = (*axes, *[i for i in range(x.ndim) if i not in axes])
    rest = [x.shape[i] for i in order[len(axes) :]]
    return reshape(transpose(x, axes=order), shape=(linear.count(x.shape, axes), *rest)), order


def multiplied_up(factors: Parts) -> tuple[list[tuple[Parts, Parts]], Parts]:
    """The two halves of each step, which are multiplied, and what is left in the end."""
    pairs: list[tuple[Parts, Parts]] = []
    while (count := factors[0].shape[0]) > 1:
        half = count // 2
        left, right = cut(factors, 0, half), cut(factors, half, 2 * half)
        pairs.append((left, right))
        factors = joined(times(left, right), *[cut(factors, count - 1, count)] * (count % 2))
    return pairs, factors


def times(x: Parts, y: Parts) -> Parts:
    """A product, and how it moves."""
    moved = [x[0] * dy + dx * y[0] for dx, dy in zip(x[1:], y[1:], strict=True)]
    return (x[0] * y[0], *moved)


def cut(x: Parts, start: int, stop: int | None, axis: int = 0) -> Parts:
    return tuple([index(part, key=(slice(None),) * axis + (slice(start, stop),)) for part in x])


def joined(*pieces: Parts, axis: int = 0) -> Parts:
    return tuple([concatenate(*parts, axis=axis) if parts[1:] else parts[0] for parts in zip(*pieces, strict=True)])


def scaled(x: Any, powers: tuple[Any, Any] | None) -> Any:
    """Numbers times the powers of two that are moved between factors."""
    return x if powers is None else x * powers[0] * powers[1]


def powers_for(x: Any) -> tuple[Any, Any] | None:
    """The powers of two that even plain numbers out; None of what is recorded or written."""
    return kernels.powers_that_even(x) if isinstance(x, np.ndarray) else None


@differential(
    r"\operatorname{product\,of\,others}\left({x}\right)",
    differential=(lambda dx, out, x, axis: others_by_halves(axis, x, dx),),
    examples=({}, {"axis": 0}, {"axis": (0, 1)}),
    mapped=lambda n, x, axis: product_of_others(x, axis=behind(axis, x.ndim)),
)
def product_of_others(x, *, axis=None):
    """At each place the product of all entries but the one there."""
    return kernels.product_of_others(x, axis)


@differential(
    r"\prod {x}",
    differential=(
        lambda dx, out, x, axis, keepdims: sum(product_of_others(x, axis=axis) * dx, axis=axis, keepdims=keepdims),
    ),
    examples=ALONG,
    mapped=lambda n, x, axis, keepdims: prod(x, axis=behind(axis, x.ndim), keepdims=keepdims),
)
def prod(x, *, axis=None, keepdims=False):
    """A product moves with each factor by the product of all others."""
    return kernels.product(x, axis, keepdims)


@differential(
    r"\operatorname{cumprod}\left({x}\right)",
    differential=(lambda dx, out, x, axis: running(axis, x, dx),),
    examples=({"axis": 0}, {"axis": 1}),
    mapped=lambda n, x, axis: cumprod(x, axis=behind(axis, x.ndim)),
)
def cumprod(x, *, axis):
    """Each product moves with the factors that it has met, by the product of the others among them."""
    return kernels.running_products(x, axis)
