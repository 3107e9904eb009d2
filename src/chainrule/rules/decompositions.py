"""Rules of matrix decompositions, each factor by itself: how it moves with its matrix.

Sources: M. B. Giles, Collected matrix derivative results for forward and reverse mode algorithmic differentiation
(2008); J. Townsend, Differentiating the singular value decomposition (2016); G. H. Golub and V. Pereyra, The
differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate (1973).

All work on one matrix or on a batch of them. Where a factor has no derivative (vectors of values that are equal,
factors of a matrix without full rank), it is nan; equal is what differs by no more than rounding.
"""

# A derivative may call the rule it belongs to, and there the checker stops.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

import numpy as np

from chainrule.core.differential import differential
from chainrule.rules import matrix_kernels as kernels
from chainrule.rules.linear import index, matmul, mean, reshape, sum, swap, symmetric, tril
from chainrule.rules.matrix import solve


def spread(x):
    """A random matrix with a heavy diagonal, every entry of it larger than the one before."""
    rows, columns = x.shape[-2:]
    return x + 3 * np.eye(rows, columns, dtype=x.dtype) * np.arange(1, columns + 1, dtype=x.dtype)


def row(x):
    """Numbers as a matrix of one row."""
    return reshape(x, shape=(*x.shape[:-1], 1, x.shape[-1]))


def column(x):
    """Numbers as a matrix of one column."""
    return reshape(x, shape=(*x.shape, 1))


@differential(
    r"\operatorname{reciprocal\,gaps}\left({x}\right)",
    differential=(lambda dx, out, x: out * out * (column(dx) - row(dx)),),
    shapes=((3,),),
    prepare=(lambda x: x + 8 * np.arange(x.shape[-1]),),
    batches=True,
)
def reciprocal_gaps(x):
    """One over how far each number is from each other, 0 for itself: the nearer two are, the more they mix."""
    return kernels.reciprocal_gaps(x)


@differential(
    r"\left[{x} \ne 0\right]",
    differential=(None,),
    shapes=((3,),),
    batches=True,
)
def beyond_rounding(x):
    """1 where a number is more than rounding beside the largest, else 0; flat."""
    return kernels.beyond_rounding(x)


# Symmetric matrices


def values_moved(dx, x):
    """How eigenvalues move: by what the change does to their own vectors."""
    v = eigenvectors(x)
    return sum(v * matmul(symmetric(dx), v), axis=-2)


@differential(
    r"\lambda\left({x}\right)",
    differential=(lambda dx, out, x: values_moved(dx, x),),
    shapes=((3, 3),),
    domain=(-0.8, 0.8),
    prepare=(spread,),
    batches=True,
)
def eigvalsh(x):
    """The eigenvalues of a symmetric matrix, rising: each moves by the change along its own vector."""
    return kernels.eigenvalues(x)


def eigenvectors_moved(dx, out, x):
    """How eigenvectors move: they turn towards each other, the more the nearer their values are."""
    mixed = matmul(matmul(swap(out), symmetric(dx)), out)
    return matmul(out, reciprocal_gaps(eigvalsh(x)) * mixed)


@differential(
    r"\operatorname{eigenvectors}\left({x}\right)",
    differential=(eigenvectors_moved,),
    shapes=((3, 3),),
    domain=(-0.8, 0.8),
    prepare=(spread,),
    batches=True,
)
def eigenvectors(x):
    """The eigenvectors of a symmetric matrix as columns: a change turns them towards each other."""
    return kernels.eigenvectors(x)


# Any matrices


def singular_values_moved(dx, out, x):
    """How singular values move; one that is 0 is at a kink, and stays."""
    return sum(left_vectors(x) * matmul(dx, right_vectors(x)), axis=-2) * beyond_rounding(out)


@differential(
    r"\sigma_{\text{values}}\left({x}\right)",
    differential=(singular_values_moved,),
    shapes=((4, 3),),
    domain=(-0.8, 0.8),
    prepare=(spread,),
    batches=True,
)
def svdvals(x):
    """How much a matrix stretches along its main directions, falling: each moves by the change between its vectors."""
    return kernels.singular_values(x)


def turned(p, values, sign):
    """How the vectors of one side turn, from the change between the vectors of both sides."""
    even = symmetric(p)
    return reciprocal_gaps(values) * even + sign * (p - even) / (row(values) + column(values) + np.eye(p.shape[-1]))


def leaving(change, vectors, values):
    """How vectors leave the space that they span; they have no direction to leave to where the value is 0."""
    certain = beyond_rounding(values)
    return (change - matmul(vectors, matmul(swap(vectors), change))) * row(certain / (certain * values))


def left_moved(dx, out, x):
    values, right = svdvals(x), right_vectors(x)
    change = matmul(dx, right)
    inside = matmul(out, turned(matmul(swap(out), change), values, 1))
    return inside if x.shape[-2] <= x.shape[-1] else inside + leaving(change, out, values)


def right_moved(dx, out, x):
    values, left = svdvals(x), left_vectors(x)
    change = matmul(swap(dx), left)
    inside = matmul(out, turned(matmul(swap(change), out), values, -1))
    return inside if x.shape[-1] <= x.shape[-2] else inside + leaving(change, out, values)


@differential(
    r"\operatorname{left\,vectors}\left({x}\right)",
    differential=(left_moved,),
    shapes=((4, 3),),
    domain=(-0.8, 0.8),
    prepare=(spread,),
    batches=True,
)
def left_vectors(x):
    """The directions into which a matrix stretches, as columns: a change turns them, also out of their span."""
    return kernels.left_vectors(x)


@differential(
    r"\operatorname{right\,vectors}\left({x}\right)",
    differential=(right_moved,),
    shapes=((4, 3),),
    domain=(-0.8, 0.8),
    prepare=(spread,),
    batches=True,
)
def right_vectors(x):
    """The directions that a matrix stretches, as columns: a change turns them, also out of their span."""
    return kernels.right_vectors(x)


def into_what_is_dropped(dx, out, x):
    """What a pseudo-inverse gains where the matrix begins to reach what it dropped; 0 for a square one."""
    change, transposed = swap(dx), swap(out)
    wide = matmul(out, matmul(transposed, change))
    tall = matmul(matmul(change, transposed), out)
    return wide - matmul(matmul(wide, x), out) + tall - matmul(out, matmul(x, tall))


def pinv_moved(dx, out, x):
    """How a pseudo-inverse moves; nan without full rank, where the smallest change makes it jump."""
    certain = beyond_rounding(svdvals(x))
    moved = into_what_is_dropped(dx, out, x) - matmul(matmul(out, dx), out)
    return moved * column(column(mean(certain / certain, axis=-1)))


@differential(
    r"\operatorname{pinv}\left({x}\right)",
    differential=(pinv_moved,),
    shapes=((4, 3),),
    domain=(-0.8, 0.8),
    prepare=(spread,),
    batches=True,
)
def pinv(x):
    """The inverse of what a matrix does on the space that it does not drop (Moore, 1920; Penrose, 1955)."""
    return kernels.pseudo_inverse(x)


def over_triangle(dx, triangle):
    """A change times the inverse of a triangle; nan where that has no inverse but for rounding."""
    places = np.arange(triangle.shape[-1])
    certain = beyond_rounding(index(triangle, key=(Ellipsis, places, places)))
    return swap(solve(swap(triangle), swap(dx))) * row(certain / certain)


def rotation(c):
    """The skew matrix with the lower triangle of c."""
    below = tril(c, k=-1)
    return below - swap(below)


def orthogonal_moved(dx, out, x):
    """How the orthogonal factor moves: it turns in itself, and tilts out of the space that its columns span."""
    change = over_triangle(dx, triangular_factor(x))
    inside = matmul(swap(out), change)
    return matmul(out, rotation(inside) - inside) + change


def triangular_moved(dx, out, x):
    """How the triangle moves: by what of the change is no turn."""
    inside = matmul(swap(orthogonal_factor(x)), over_triangle(dx, out))
    return matmul(inside - rotation(inside), out)


@differential(
    r"\operatorname{Q}\left({x}\right)",
    differential=(orthogonal_moved,),
    shapes=((4, 3),),
    domain=(-0.8, 0.8),
    prepare=(spread,),
    batches=True,
)
def orthogonal_factor(x):
    """The columns of a square or tall matrix made orthonormal one after the other, as `qr` has them."""
    return kernels.orthogonal_factor(x)


@differential(
    r"\operatorname{R}\left({x}\right)",
    differential=(triangular_moved,),
    shapes=((4, 3),),
    domain=(-0.8, 0.8),
    prepare=(spread,),
    batches=True,
)
def triangular_factor(x):
    """How a square or tall matrix is made from its orthonormal columns: the upper triangle of `qr`."""
    return kernels.triangular_factor(x)
