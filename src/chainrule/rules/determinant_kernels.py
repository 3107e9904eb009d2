"""Plain NumPy functions of determinants: the matrix of cofactors, and how it moves along directions.

They are sums over permutations, as the determinant is (Leibniz, 1693): where a matrix has an inverse to rely on, of
traces of it times the directions; elsewhere of the directions between the singular vectors, times the singular values
that are left (N. J. Higham, What is the adjugate of a matrix?, 2020).
"""

from __future__ import annotations

import numpy as np

from chainrule.core.operation import kernel
from chainrule.rules.kernels import inverse
from chainrule.rules.matrix_kernels import nan_where_not_finite

MOST_LOST = 1e4
"""By how much an inverse may enlarge a rounding before singular values are asked."""


@kernel
def cofactors(x, *directions):
    """The matrix of cofactors of x, or of each of a batch, as it moves along directions."""
    order, size = len(directions) + 1, x.shape[-1]
    kind = np.result_type(x, *directions)
    if order > size:
        return np.zeros_like(x)
    x, directions = x.astype(float), [h.astype(float) for h in directions]
    largest = np.abs(x).max((-2, -1), keepdims=True)
    scale = np.exp2(np.frexp(np.where(np.isfinite(largest), largest, 0))[1])
    x = x / scale
    inverses = inverse(x)
    enlarged = np.linalg.norm(x, axis=(-2, -1)) * np.linalg.norm(inverses, axis=(-2, -1)) / size
    sure = np.asarray(enlarged**order < MOST_LOST)
    out = np.empty(x.shape)
    if sure.any():
        out[sure] = cofactors_by_inverse(x[sure], inverses[sure], [h[sure] for h in directions])
    if not sure.all():
        rest = [h[~sure] for h in directions]
        out[~sure] = nan_where_not_finite(lambda x: cofactors_by_singular_values(x, rest), x[~sure])
    return (out * scale ** (size - order)).astype(kind)


@kernel
def cofactors_by_inverse(x, inverses, directions):
    """The cofactors of matrices whose inverses are known: the determinant times traces, and one product left open."""
    moved = [inverses @ h for h in directions]
    total = np.zeros_like(x)
    for sign, permutation in signed_permutations(len(directions) + 1):
        term = sign * np.linalg.det(x)[..., None, None]
        for *first, last in cycles_of(permutation):
            product = moved[last] if last < len(moved) else inverses
            for k in reversed(first):
                product = moved[k] @ product
            closed = np.trace(product, 0, -2, -1)[..., None, None]
            term = term * (product.swapaxes(-1, -2) if last == len(moved) else closed)
        total += term
    return total


@kernel
def cofactors_by_singular_values(x, directions):
    """The cofactors of any matrices: of the diagonal one that lies between their singular vectors, turned back."""
    left, values, right = np.linalg.svd(x)
    turned = [left.swapaxes(-1, -2) @ h @ right.swapaxes(-1, -2) for h in directions]
    rows = "abcdefghijklmnopqrstuvwxyz"[: len(directions) + 1]
    weights, unit = products_of_others(values, len(rows)), np.eye(values.shape[-1])
    total = np.zeros_like(x)
    for sign, permutation in signed_permutations(len(rows)):
        *pairs, (a, b) = [(row, rows[k]) for row, k in zip(rows, permutation, strict=True)]
        terms = ",".join([f"...{rows}", *[f"...{row}{column}" for row, column in pairs]])
        part = np.einsum(f"{terms}->...{a if a == b else a + b}", weights, *turned)
        total += sign * (part[..., None] * unit if a == b else part)
    orientation = np.round(np.linalg.det(left) * np.linalg.det(right))
    return orientation[..., None, None] * (left @ total @ right)


@kernel
def products_of_others(values, count):
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


@kernel
def signed_permutations(count):
    """Every order of so many places, with -1 where an odd number of exchanges makes it and 1 elsewhere."""
    if count == 0:
        return [(1, ())]
    last = count - 1
    return [
        (sign * (-1) ** (last - k), (*order[:k], last, *order[k:]))
        for sign, order in signed_permutations(last)
        for k in range(count)
    ]


@kernel
def cycles_of(permutation):
    """The cycles of a permutation, each ending with its largest place."""
    left, cycles = set(permutation), []
    while left:
        last = max(left)
        cycle = [permutation[last]]
        while cycle[-1] != last:
            cycle.append(permutation[cycle[-1]])
        cycles.append(cycle)
        left -= set(cycle)
    return cycles
