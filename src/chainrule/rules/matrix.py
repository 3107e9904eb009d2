"""Rules of linear algebra, by their differentials: how a matrix function moves with its matrix.

The gradients are their transposes, taken by machine. Sources: M. B. Giles, Collected matrix derivative results for
forward and reverse mode algorithmic differentiation (2008); for `cholesky` I. Murray, Differentiation of the Cholesky
decomposition (2016).

All work on one matrix or on a batch of them, of shape (..., n, n). A singular matrix gives nan, and nothing raises.
"""

# A derivative may call the rule it belongs to, and there the checker stops.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

import numpy as np

from chainrule.core.differential import differential
from chainrule.core.term import Term
from chainrule.rules import kernels
from chainrule.rules.determinants import cofactors
from chainrule.rules.linear import lower_half, matmul, reshape, sum, swap, symmetric


def dominant(x):
    """A random matrix with a heavy diagonal, which is well conditioned."""
    return x + x.shape[-1] * np.eye(x.shape[-1], dtype=x.dtype)


def paired(x, y):
    """The sum of the products of all entries, for each matrix of a batch."""
    return sum(x * y, axis=None if x.ndim == 2 else (-2, -1))


@differential(
    r"{x}^{-1}",
    differential=(lambda dx, out, x: -matmul(matmul(out, dx), out),),
    shapes=((3, 3),),
    domain=(-0.8, 0.8),
    prepare=(dominant,),
    batches=True,
)
def inv(x):
    """The inverse matrix: as 1/x falls by the square of itself, it moves by itself on both sides of the change."""
    return kernels.inverse(x)


@differential(
    r"{a}^{-1} \, {b}",
    differential=(lambda da, out, a, b: -solve(a, matmul(da, out)), None),
    adjoint=(None, lambda g, a, b: solve(swap(a), g)),
    shapes=((3, 3), (3, 2)),
    domain=(-0.8, 0.8),
    prepare=(dominant, None),
    batches=True,
)
def solve(a, b):
    """The x with a x = b, for matrices or equal batches: a change of a acts as one of b by minus it times x."""
    return kernels.solution(a, b)


@differential(
    r"\det\left({x}\right)",
    differential=(lambda dx, out, x: paired(cofactors_of(x), dx),),
    adjoint=(lambda g, x: over_entries(g, x) * cofactors_of(x),),
    shapes=((3, 3),),
    domain=(-0.8, 0.8),
    prepare=(dominant,),
    batches=True,
)
def det(x):
    """The volume of the box that the columns span: its relative change is the trace of the inverse times the change."""
    return np.linalg.det(x)


def cofactors_of(x):
    """The derivative of the determinant; of a symbol, which is taken to have an inverse, it is written with that."""
    return over_entries(det(x), x) * swap(inv(x)) if isinstance(x, Term) else cofactors(x)


def over_entries(g, x):
    """One number for each matrix of a batch, so that it meets all of the matrix's entries."""
    return g if x.ndim == 2 else reshape(g, shape=(*x.shape[:-2], 1, 1))


@differential(
    r"\ln\left|\det\left({x}\right)\right|",
    differential=(lambda dx, out, x: paired(swap(inv(x)), dx),),
    shapes=((3, 3),),
    domain=(-0.8, 0.8),
    prepare=(dominant,),
    batches=True,
)
def logabsdet(x):
    """The logarithm of the determinant's size: its change is the trace of the inverse times the change."""
    return np.linalg.slogdet(x)[1]


@differential(
    r"\operatorname{sign}\left(\det\left({x}\right)\right)",
    differential=(None,),
    shapes=((3, 3),),
    domain=(-0.8, 0.8),
    prepare=(dominant,),
    batches=True,
)
def sign_of_det(x):
    """Whether a matrix keeps (1) or turns (-1) the orientation, 0 where it is singular; flat."""
    return np.linalg.slogdet(x)[0]


@differential(
    r"\operatorname{chol}\left({x}\right)",
    differential=(lambda dx, out, x: matmul(out, lower_half(between_inverses(out, symmetric(dx)))),),
    shapes=((3, 3),),
    domain=(-0.8, 0.8),
    prepare=(dominant,),
    batches=True,
)
def cholesky(x):
    """The lower triangle that gives x when multiplied by its transpose; x counts with its symmetric part."""
    return kernels.cholesky_factor(x)


def between_inverses(factor, x):
    """A symmetric x between the inverse of a factor and that inverse's transpose."""
    return solve(factor, swap(solve(factor, x)))
