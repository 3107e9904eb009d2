"""Plain NumPy functions of matrices: decompositions, and what counts as rounding beside the largest number."""

from __future__ import annotations

import numpy as np

from chainrule.core.operation import kernel
from chainrule.rules.kernels import symmetric_part


@kernel
def nan_where_not_finite(function, x):
    """A function of matrices, with nan for those of a batch that hold nan or infinity, which LAPACK refuses."""
    if x.ndim < 2:
        raise ValueError("it needs a matrix, or a batch of them")
    finite = np.isfinite(x).all((-2, -1), keepdims=True)
    out = function(np.where(finite, x, 0))
    return np.where(finite if out.ndim == x.ndim else finite[..., 0], out, np.nan)


@kernel
def of_symmetric_part(function, x):
    """A function of the symmetric parts of square matrices."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError("it needs a square matrix, or a batch of them")
    return nan_where_not_finite(lambda part: function(symmetric_part(part)), x)


@kernel
def eigenvalues(x):
    """The eigenvalues of the symmetric part of x, rising."""
    return of_symmetric_part(lambda part: np.linalg.eigh(part)[0], x)


@kernel
def eigenvectors(x):
    """The eigenvectors of the symmetric part of x, as columns in the order of their values."""
    return of_symmetric_part(lambda part: np.linalg.eigh(part)[1], x)


@kernel
def singular_values(x):
    """The singular values of x, falling; found with the vectors, so that all three belong together."""
    return nan_where_not_finite(lambda part: np.linalg.svd(part, full_matrices=False)[1], x)


@kernel
def left_vectors(x):
    """The left singular vectors of x as columns, as many as it has singular values."""
    return nan_where_not_finite(lambda part: np.linalg.svd(part, full_matrices=False)[0], x)


@kernel
def right_vectors(x):
    """The right singular vectors of x as columns, as many as it has singular values."""
    return nan_where_not_finite(lambda part: np.linalg.svd(part, full_matrices=False)[2].swapaxes(-1, -2), x)


@kernel
def pseudo_inverse(x):
    """The pseudo-inverse of x; what is rounding beside its largest singular value counts as 0."""
    return nan_where_not_finite(np.linalg.pinv, x)


@kernel
def square_or_tall(x):
    """x itself, if it has at least as many rows as columns."""
    if x.ndim < 2 or x.shape[-2] < x.shape[-1]:
        raise ValueError("it needs a matrix with at least as many rows as columns, or a batch of them")
    return x


@kernel
def orthogonal_factor(x):
    """The orthonormal columns of a QR decomposition."""
    return nan_where_not_finite(lambda part: np.linalg.qr(part)[0], square_or_tall(x))


@kernel
def triangular_factor(x):
    return nan_where_not_finite(lambda part: np.linalg.qr(part)[1], square_or_tall(x))


@kernel
def rounding_of(x):
    """How much of numbers along the last axis is rounding, beside the largest of them."""
    largest = np.max(np.abs(x), axis=-1, keepdims=True, initial=0.0)
    return largest * (8 * x.shape[-1] * np.finfo(np.result_type(x, np.float32)).eps)


@kernel
def beyond_rounding(x):
    """1 where a number is more than rounding beside the largest along the last axis, 0 elsewhere; nan stays nan."""
    return np.where(np.isnan(x), x, np.abs(x) > rounding_of(x)).astype(np.result_type(x, np.float32))


@kernel
def reciprocal_gaps(x):
    """At (i, j) one over x_j - x_i, 0 on the diagonal, and nan where the two differ by no more than rounding."""
    gaps = x[..., None, :] - x[..., :, None]
    equal = np.abs(gaps) <= rounding_of(x)[..., None]
    out = 1 / np.where(equal, np.nan, gaps)
    places = np.arange(x.shape[-1])
    out[..., places, places] = 0
    return out
