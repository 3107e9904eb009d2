"""The derivatives of a determinant of every order: a polynomial has them everywhere, at singular matrices too.

The derivative of det x along some directions is linear in each, and does not ask for their order. So one operation has
all of them: `cofactors` of x and k directions is the matrix whose product with a further direction, entry by entry and
added up, is the next derivative. To move x is to add a direction, and to pull a cotangent back is to put it in place of
one.

They are sums over permutations, as the determinant is (Leibniz, 1693): where x has an inverse to rely on, of traces of
it times the directions; elsewhere of the directions between the singular vectors of x, times the singular values that
are left (N. J. Higham, What is the adjugate of a matrix?, 2020). O(k! n^3), and O(k! n^(k + 1)) for the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.operation import Function, Linear, added, register
from chainrule.rules.kernels import inverse
from chainrule.rules.matrix_kernels import nan_where_not_finite

Matrices = NDArray[np.float64]

MOST_LOST = 1e4
"""By how much an inverse may enlarge a rounding before singular values are asked."""


class Cofactors(Linear):
    """An operation of a matrix and directions, linear in each of these: how it moves is another direction."""

    def __init__(self, function: Function, formula: str, **declared: Any) -> None:
        super().__init__(function, formula, self.shared, multilinear=True, **declared)

    def shared(self, g: Any, i: int, *matrices: Any) -> Any:
        """What a direction in place of an input gives: in which order they are makes no difference."""
        return self(*matrices, g) if i == 0 else self(*matrices[:i], g, *matrices[i + 1 :])

    def reads(self, i: int, count: int) -> tuple[bool, tuple[int, ...]]:
        return False, tuple([j for j in range(count) if j != i or i == 0])

    def push(self, tangents: Sequence[Any], out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        return added(self.shared(t, i, *inputs) for i, t in enumerate(tangents) if t is not None)


def along_directions(function: Function) -> Cofactors:
    """Enter the forward of such an operation into the book."""
    formula = r"\operatorname{cof}\left({matrices}\right)"
    return register(Cofactors(function, formula, shapes=((3, 3), (3, 3)), batches=True))


@along_directions
def cofactors(*matrices: NDArray[Any]) -> NDArray[Any]:
    """What each entry is multiplied with in the determinant: its derivative, and how that moves along directions."""
    x, *directions = [matrix.astype(float, copy=False) for matrix in matrices]
    order, size = len(matrices), x.shape[-1]
    if order > size:
        return np.zeros_like(matrices[0])
    largest = np.abs(x).max((-2, -1), keepdims=True)
    scale = np.exp2(np.frexp(np.where(np.isfinite(largest), largest, 0))[1])
    x = x / scale
    inverses = inverse(x)
    enlarged = np.linalg.norm(x, axis=(-2, -1)) * np.linalg.norm(inverses, axis=(-2, -1)) / size
    sure = np.asarray(enlarged**order < MOST_LOST)
    out = np.empty(x.shape)
    if sure.any():
        out[sure] = by_inverse(x[sure], inverses[sure], [h[sure] for h in directions])
    if not sure.all():
        rest = [h[~sure] for h in directions]
        out[~sure] = nan_where_not_finite(lambda x: by_singular_values(x, rest), x[~sure])
    return (out * scale ** (size - order)).astype(np.result_type(*matrices), copy=False)


def by_inverse(x: Matrices, inverses: Matrices, directions: Sequence[Matrices]) -> Matrices:
    """The cofactors of matrices whose inverses are known: the determinant times traces, and one product left open."""
    moved = [inverses @ h for h in directions]
    total = np.zeros_like(x)
    for permutation in permutations(range(len(directions) + 1)):
        cycles = cycles_of(permutation)
        term = sign_of(cycles) * np.linalg.det(x)[..., None, None]
        for cycle in cycles:
            *first, last = cycle
            product = moved[last] if last < len(moved) else inverses
            for k in reversed(first):
                product = moved[k] @ product
            term = term * (product.swapaxes(-1, -2) if last == len(moved) else traces(product))
        total += term
    return total


def by_singular_values(x: Matrices, directions: Sequence[Matrices]) -> Matrices:
    """The cofactors of any matrices: of the diagonal one that lies between their singular vectors, turned back."""
    left, values, right = np.linalg.svd(x)
    turned = [left.swapaxes(-1, -2) @ h @ right.swapaxes(-1, -2) for h in directions]
    order = len(directions) + 1
    rows = "abcdefghijklmnopqrstuvwxyz"[:order]
    weights, unit = products_of_others(values, order), np.eye(values.shape[-1])
    total = np.zeros_like(x)
    for permutation in permutations(range(order)):
        *pairs, (a, b) = [(row, rows[k]) for row, k in zip(rows, permutation, strict=True)]
        terms = ",".join([f"...{rows}", *[f"...{row}{column}" for row, column in pairs]])
        part = np.einsum(f"{terms}->...{a if a == b else a + b}", weights, *turned)
        total += sign_of(cycles_of(permutation)) * (part[..., None] * unit if a == b else part)
    orientation = np.round(np.linalg.det(left) * np.linalg.det(right))
    return orientation[..., None, None] * (left @ total @ right)


def products_of_others(values: Matrices, count: int) -> Matrices:
    """At (i, j, …), so many places, the product of the values at all others; 0 where a place is named twice."""
    size = values.shape[-1]
    stretch = np.zeros((*values.shape[:-1], size + 1, size + 1))
    for start in range(size + 1):
        stretch[..., start, start] = 1
        stretch[..., start, start + 1 :] = np.cumprod(values[..., start:], -1)
    places = np.sort(np.indices((size,) * count).reshape(count, -1), axis=0)
    ends = np.full((1, places.shape[1]), size)
    # From the end of a place to its own beginning no stretch leads: there the table has its 0.
    between = stretch[..., np.concatenate([0 * ends, places + 1]), np.concatenate([places, ends])]
    return between.prod(-2).reshape(*values.shape[:-1], *(size,) * count)


def cycles_of(permutation: Sequence[int]) -> list[list[int]]:
    """The cycles of a permutation, each ending with its largest place."""
    left, cycles = set(permutation), list[list[int]]()
    while left:
        last = max(left)
        cycle = [permutation[last]]
        while cycle[-1] != last:
            cycle.append(permutation[cycle[-1]])
        cycles.append(cycle)
        left -= set(cycle)
    return cycles


def sign_of(cycles: Sequence[Sequence[int]]) -> int:
    """-1 for a permutation that an odd number of exchanges makes, 1 for others."""
    return (-1) ** sum([len(cycle) - 1 for cycle in cycles])


def traces(x: Matrices) -> Matrices:
    """The trace of each matrix, as a matrix of one entry."""
    return np.trace(x, 0, -2, -1)[..., None, None]
