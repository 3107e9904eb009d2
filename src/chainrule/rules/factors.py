"""Decompositions of matrices and what is made of them, with NumPy's names, composed of the rules."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import composed, is_node
from chainrule.errors import DtypeError, ShapeError
from chainrule.kinds import is_whole
from chainrule.rules import decompositions as rules
from chainrule.rules import linear, matrix
from chainrule.rules.algebra import matmul
from chainrule.rules.composed import gathered, named, numbers_of, shape_of
from chainrule.rules.linear import index, swap
from chainrule.rules.pointwise import square, where


class Eigen(NamedTuple):
    """What `eigh` gives, with NumPy's names."""

    eigenvalues: Any
    eigenvectors: Any


class SingularValues(NamedTuple):
    """What `svd` gives, with NumPy's names: ``x = U @ diag(S) @ Vh``."""

    U: Any
    S: Any
    Vh: Any


class OrthogonalTriangular(NamedTuple):
    """What `qr` gives, with NumPy's names: ``x = Q @ R``."""

    Q: Any
    R: Any


class LeastSquares(NamedTuple):
    """What `lstsq` gives, in NumPy's order."""

    x: Any
    residuals: Any
    rank: Any
    s: Any


class SignAndLogarithm(NamedTuple):
    """What `slogdet` gives, with NumPy's names."""

    sign: Any
    logabsdet: Any


@composed
def eigh(a: Any, UPLO: str = "L") -> Eigen:  # noqa: N803  (NumPy's name)
    """The eigenvalues of symmetric matrices (..., n, n), rising, and the vectors (..., n, n) as columns.

    The symmetric part of a counts, whatever `UPLO` says: on symmetric matrices all agree. Eigenvalues alone can be
    differentiated where some are equal, if these enter alike (their sum, say); the vectors have nan there. O(n^3).

    >>> import chainrule as cr, numpy as np
    >>> cr.eigh(np.diag([2.0, 1.0])).eigenvalues
    array([1., 2.])
    """
    if UPLO not in ("L", "U", "l", "u"):
        raise DtypeError(f"eigh has UPLO='L' and UPLO='U', not {UPLO!r}")
    a = matrices("eigh", a)
    return Eigen(rules.eigvalsh(a), rules.eigenvectors(a))


@composed
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The singular value decomposition of matrices (..., m, n), as ``np.linalg.svd``; the values alone without uv.

    U is (..., m, k), S (..., k), falling, and Vh (..., k, n), with k the smaller of m and n. The further vectors of
    `full_matrices` are any that fit, so they have no derivative: a matrix that is not square takes
    ``full_matrices=False``. Vectors of equal values have nan as derivative. O(m n k).

    >>> import chainrule as cr, numpy as np
    >>> cr.svd(np.array([[0.0, 2.0], [1.0, 0.0]])).S
    array([2., 1.])
    """
    a = matrices("svd", a)
    if not compute_uv:
        return rules.svdvals(a)
    if full_matrices and shape_of(a)[-1] != shape_of(a)[-2]:
        if is_node(a):
            operands = (a,)
            raise ShapeError(
                f"svd of {named(operands)}: the vectors beyond the singular values have no derivative, give "
                "full_matrices=False"
            )
        return SingularValues(*np.linalg.svd(a))
    return SingularValues(rules.left_vectors(a), rules.svdvals(a), swap(rules.right_vectors(a)))


@composed
def qr(a: Any, mode: str = "reduced") -> Any:
    """The QR decomposition of matrices (..., m, n): orthonormal columns (..., m, k) and a triangle (..., k, n).

    k is the smaller of m and n, and signs are LAPACK's. ``mode="r"`` gives the triangle alone. Columns that depend on
    those before them have nan as derivative. O(m n k).

    >>> import chainrule as cr, numpy as np
    >>> q, r = cr.qr(np.array([[3.0, 1.0], [4.0, 2.0]]))
    >>> np.allclose(q @ r, [[3.0, 1.0], [4.0, 2.0]])
    True
    """
    if mode not in ("reduced", "r"):
        raise DtypeError(f"qr has mode='reduced' and mode='r', not {mode!r}")
    a = matrices("qr", a)
    rows, columns = shape_of(a)[-2:]
    if rows >= columns:
        triangle = rules.triangular_factor(a)
        return triangle if mode == "r" else OrthogonalTriangular(rules.orthogonal_factor(a), triangle)
    first, later = (index(a, key=(Ellipsis, part)) for part in (slice(0, rows), slice(rows, None)))
    q = rules.orthogonal_factor(first)
    triangle = linear.concatenate(rules.triangular_factor(first), linear.matmul(swap(q), later), axis=-1)
    return triangle if mode == "r" else OrthogonalTriangular(q, triangle)


@composed
def matrix_power(a: Any, n: int) -> Any:
    """Square matrices (..., m, m) to a whole power, by squaring; a negative one is that of the inverse.

    >>> import chainrule as cr, numpy as np
    >>> cr.matrix_power(np.array([[1.0, 1.0], [0.0, 1.0]]), 3)
    array([[1., 3.],
           [0., 1.]])
    """
    a = matrices("matrix_power", a)
    shape = shape_of(a)
    if shape[-1] != shape[-2]:
        raise ShapeError(f"matrix_power needs a square matrix or a batch of them, and got shape {shape}")
    if not is_whole(n):
        raise DtypeError(f"matrix_power takes a whole number as power, not {n!r}")
    power, count = (matrix.inv(a), -n) if n < 0 else (a, n)
    # With no factor the matrix is not asked, whatever stands in it.
    out = None if count else where(np.ones(shape, bool), np.eye(shape[-1], dtype=a.dtype), a)
    while count:
        if count % 2:
            out = power if out is None else linear.matmul(out, power)
        count //= 2
        power = linear.matmul(power, power) if count else power
    return out


@composed
def lstsq(a: Any, b: Any) -> LeastSquares:
    """The x for which ``a @ x`` is nearest to b, of all such the shortest; as ``np.linalg.lstsq``.

    a is (m, n), b (m,) or (m, k). Gives x, the sums of squares that remain (none where a has not full rank or is not
    tall), the rank, and the singular values. Without full rank the derivative is nan. O(m n k).

    >>> import chainrule as cr, numpy as np
    >>> cr.lstsq(np.array([[1.0], [1.0]]), np.array([1.0, 3.0])).x.round(12)
    array([2.])
    """
    a, b = matrices("lstsq", a), gathered(b)
    rows, columns = shape_of(a)[-2:]
    operands = (a, b)
    if len(shape_of(a)) != 2 or len(shape_of(b)) not in (1, 2) or shape_of(b)[0] != rows:
        raise ShapeError(f"lstsq takes a of shape (m, n) and b of shape (m,) or (m, k), and got {named(operands)}")
    x, rank = matmul(rules.pinv(a), b), matrix_rank(a).astype(np.intc)
    away = linear.sum(square(matmul(a, x) - b), axis=0, keepdims=len(shape_of(b)) == 1)
    known = rows > columns and rank == columns
    return LeastSquares(x, away if known else index(away, key=slice(0, 0)), rank, rules.svdvals(a))


@composed
def matrix_rank(a: Any) -> Any:
    """How many directions matrices (..., m, n) do not drop, as ``np.linalg.matrix_rank``; flat.

    >>> import chainrule as cr, numpy as np
    >>> int(cr.matrix_rank(np.array([[1.0, 2.0], [2.0, 4.0]])))
    1
    """
    return np.linalg.matrix_rank(numbers_of(gathered(a)))


def matrices(name: str, a: Any) -> Any:
    """A matrix or a batch of them."""
    a = gathered(a)
    if len(shape_of(a)) < 2:
        raise ShapeError(f"{name} needs a matrix or a batch of them, and got shape {shape_of(a)}")
    return a


@composed
def slogdet(x: Any) -> SignAndLogarithm:
    """The sign of a determinant and the logarithm of its size: two of shape (...) for matrices (..., n, n).

    It neither overflows nor vanishes where `det` would. A singular matrix has sign 0 and logarithm -inf. O(n^3).

    >>> import chainrule as cr, numpy as np
    >>> sign, logarithm = cr.slogdet(np.diag([-2.0, 3.0]))
    >>> float(sign), round(float(logarithm), 4)
    (-1.0, 1.7918)
    """
    x = gathered(x)
    return SignAndLogarithm(matrix.sign_of_det(x), matrix.logabsdet(x))
