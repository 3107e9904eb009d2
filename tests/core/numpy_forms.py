"""How NumPy's functions are called on Tensors: every function with a rule, in the forms in which programs call it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Form(NamedTuple):
    """The arguments of one call; its arrays become Tensors."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def c(*args: Any, **kwargs: Any) -> Form:
    return Form(args, kwargs)


RANDOM = np.random.default_rng(20)
M, N, S, C, V, W = (
    np.round(RANDOM.normal(size=n), 3) + 0.0005 for n in ((2, 3), (2, 3), (3, 3), (2, 3, 4), (4,), (3,))
)
P = np.abs(M) + 0.3
"""Positive numbers."""
INSIDE = M / 4
"""Numbers within (-1, 1)."""
SPD = S @ S.T + np.eye(3)
ONE = np.array(1.25)
SINGLE = M.astype(np.float32)
WHOLE, SHORT, TRUTH = np.array([[3, -1, 2], [0, 5, 2]]), np.array([[100, 27, 5], [3, 90, 1]], np.int8), M > 0
BITS = np.array([6, 3, 12])
NAN = np.where(TRUTH, M, np.nan)
PLACES = np.array([[0, 1, 1], [1, 0, 0]])

PAIRS = [c(M, N), c(M, W), c(2.0, M), c(M, 3), c(SINGLE, 2.0), c(WHOLE, BITS)]
SINGLES = [c(M), c(ONE), c(SINGLE), c(WHOLE)]
TOTALS = [c(M), c(M, 0), c(C, (0, -1)), c(C, axis=-2, keepdims=True), c(SINGLE, 1), c(WHOLE), c(ONE)]
COUNTS = [*TOTALS, c(SHORT), c(SHORT, 0), c(TRUTH)]
COMPARED = [*PAIRS, c(M, M)]

UFUNCS = {
    np.absolute: SINGLES,
    np.add: PAIRS,
    np.arccos: [c(INSIDE)],
    np.arccosh: [c(P + 1)],
    np.arcsin: [c(INSIDE)],
    np.arcsinh: SINGLES,
    np.arctan: SINGLES,
    np.arctan2: PAIRS,
    np.arctanh: [c(INSIDE)],
    np.bitwise_and: [c(WHOLE, BITS), c(TRUTH, M < 1), c(SHORT, 3)],
    np.bitwise_or: [c(WHOLE, BITS), c(TRUTH, M < 1), c(SHORT, 3)],
    np.bitwise_xor: [c(WHOLE, BITS), c(TRUTH, M < 1), c(SHORT, 3)],
    np.cbrt: SINGLES,
    np.ceil: SINGLES,
    np.conjugate: SINGLES,
    np.copysign: [c(M, N), c(M, -1.0), c(SINGLE, 1.0)],
    np.cos: SINGLES,
    np.cosh: SINGLES,
    np.deg2rad: SINGLES[:3],
    np.degrees: SINGLES[:3],
    np.divide: PAIRS,
    np.divmod: [c(M, N), c(M, 0.7), c(WHOLE, BITS)],
    np.equal: COMPARED,
    np.exp: SINGLES,
    np.exp2: SINGLES,
    np.expm1: SINGLES,
    np.fabs: SINGLES,
    np.float_power: [c(P, N), c(P, 2), c(SINGLE, 2)],
    np.floor: SINGLES,
    np.floor_divide: PAIRS,
    np.fmax: PAIRS,
    np.fmin: PAIRS,
    np.fmod: PAIRS,
    np.greater: COMPARED,
    np.greater_equal: COMPARED,
    np.heaviside: [c(M, 0.5), c(M, N), c(SINGLE, 1.0)],
    np.hypot: PAIRS,
    np.invert: [c(WHOLE), c(TRUTH), c(SHORT)],
    np.isfinite: [*SINGLES, c(NAN)],
    np.isinf: [*SINGLES, c(np.array([np.inf, 0.0, -np.inf]))],
    np.isnan: [*SINGLES, c(NAN)],
    np.left_shift: [c(WHOLE, 2), c(BITS, BITS)],
    np.less: COMPARED,
    np.less_equal: COMPARED,
    np.log: [c(P)],
    np.log10: [c(P)],
    np.log1p: [c(P)],
    np.log2: [c(P)],
    np.logaddexp: PAIRS,
    np.logaddexp2: PAIRS,
    np.logical_and: COMPARED,
    np.logical_not: SINGLES,
    np.logical_or: COMPARED,
    np.logical_xor: COMPARED,
    np.matmul: [
        c(M, S),
        c(C[:, :, 0], W),
        c(W, S),
        c(W, W),
        c(C, C.swapaxes(1, 2)),
        c(S, C[:, :, :2]),
        c(SINGLE, SINGLE.T),
    ],
    np.maximum: PAIRS,
    np.minimum: PAIRS,
    np.multiply: PAIRS,
    np.negative: SINGLES,
    np.not_equal: COMPARED,
    np.positive: SINGLES,
    np.power: [c(P, N), c(P, 2), c(2.0, M), c(SINGLE, 3), c(BITS, 2)],
    np.rad2deg: SINGLES[:3],
    np.radians: SINGLES[:3],
    np.reciprocal: [c(P), c(SINGLE)],
    np.remainder: PAIRS,
    np.right_shift: [c(WHOLE, 1), c(BITS, BITS)],
    np.rint: SINGLES,
    np.sign: SINGLES,
    np.signbit: SINGLES[:3],
    np.sin: SINGLES,
    np.sinh: SINGLES,
    np.sqrt: [c(P), c(BITS)],
    np.square: SINGLES,
    np.subtract: PAIRS,
    np.tan: SINGLES,
    np.tanh: SINGLES,
    np.trunc: SINGLES,
    np.vecdot: [c(M, N), c(M, W)],
}
"""NumPy's functions of single numbers (and two that are built like them)."""

EXTREMES = [c(M), c(M, 0), c(C, (0, 1)), c(M, axis=1, keepdims=True)]

FUNCTIONS = {
    np.amax: EXTREMES,
    np.amin: EXTREMES,
    np.around: [c(M, 1)],
    np.cumulative_prod: [c(V), c(M, axis=1, include_initial=True), c(SINGLE, axis=0)],
    np.cumulative_sum: [c(V), c(M, axis=1, include_initial=True), c(WHOLE, axis=0)],
    np.fix: [c(M)],
    np.all: [*TOTALS, c(TRUTH), c(TRUTH, 0)],
    np.allclose: [c(M, M), c(M, N), c(M, M + 1e-9), c(M, N, 10.0), c(NAN, NAN, equal_nan=True)],
    np.any: [*TOTALS, c(TRUTH), c(TRUTH, 0)],
    np.argmax: [c(M), c(M, 0), c(M, axis=-1, keepdims=True), c(WHOLE, 1)],
    np.argmin: [c(M), c(M, 0), c(M, axis=-1, keepdims=True), c(WHOLE, 1)],
    np.argsort: [c(M), c(M, 0), c(M, None), c(WHOLE, kind="stable"), c(WHOLE, axis=0, stable=True)],
    np.argwhere: [c(M), c(TRUTH)],
    np.array_equal: [c(M, M), c(M, N), c(M, W), c(NAN, NAN, True)],
    np.array_split: [c(V, 3), c(M, 2, 1), c(V, [1, 2])],
    np.astype: [c(M, np.dtype(np.float32)), c(WHOLE, np.dtype(np.float64))],
    np.atleast_1d: [c(ONE), c(M), c(ONE, V)],
    np.atleast_2d: [c(ONE), c(V), c(M, V)],
    np.atleast_3d: [c(ONE), c(V), c(M), c(C)],
    np.average: [c(M), c(M, 0), c(M, weights=P), c(M, 1, P[0]), c(M, axis=0, keepdims=True)],
    np.broadcast_arrays: [c(M, W)],
    np.broadcast_to: [c(W, (2, 3)), c(ONE, (2,)), c(W, shape=(2, 3))],
    np.choose: [c(PLACES, [M, N])],
    np.clip: [
        c(M, -0.5, 0.5),
        c(M, None, 0.5),
        c(M, a_min=0.0, a_max=None),
        c(M, min=-0.5, max=0.5),
        c(M, W, None),
        c(M, -P, P / 2),
        c(WHOLE, 0, 3),
    ],
    np.column_stack: [c([W, W]), c((M.T, W))],
    np.compress: [c([True, False, True], M, 1), c([False, True], V), c(condition=[1, 0], a=M, axis=0)],
    np.concatenate: [c([M, N]), c((M, N), 1), c([M, N], axis=-1), c([M, W], axis=None), c([M, WHOLE])],
    np.convolve: [c(V, W), c(V, W, "same"), c(W, V, mode="valid")],
    np.copy: [c(M)],
    np.count_nonzero: [c(M), c(TRUTH, 0), c(TRUTH, axis=1, keepdims=True)],
    np.cross: [c(W, S[0]), c(S, W), c(S, S.T, axis=0)],
    np.cumprod: [c(M), c(M, 0), c(V, axis=-1), c(WHOLE, 1)],
    np.cumsum: [c(M), c(M, 0), c(V, axis=-1), c(WHOLE, 1)],
    np.diag: [c(V), c(V, 1), c(S, k=-1), c(M), c(M, 1)],
    np.diagflat: [c(M), c(V, -1)],
    np.diagonal: [c(S), c(C, 1), c(C, 0, 1, 2), c(M, offset=-1)],
    np.diff: [c(V), c(M, 2), c(M, axis=0), c(M, 1, 0), c(V, prepend=0.0), c(M, append=N)],
    np.dot: [c(V, V), c(M, S), c(M, W), c(W, M.T), c(ONE, M), c(2.0, M), c(M, C), c(C, V), c(C, C.swapaxes(1, 2))],
    np.dstack: [c([M, N]), c([V, V])],
    np.einsum: [c("ij,jk->ik", M, S), c("ii", S), c("ij->j", M), c("ij,ij->", M, N, optimize=True)],
    np.expand_dims: [c(M, 0), c(M, (0, -1)), c(M, axis=1)],
    np.flatnonzero: [c(M), c(TRUTH)],
    np.flip: [c(M), c(M, 0), c(C, axis=(0, 2))],
    np.fliplr: [c(M)],
    np.flipud: [c(M), c(V)],
    np.full_like: [c(M, 2.0), c(M, 2, dtype=np.int64), c(WHOLE, 3), c(M, 1.5, shape=(2,))],
    np.hstack: [c([M, N]), c((V, W)), c([ONE, V])],
    np.inner: [c(V, V), c(M, N), c(M, 2.0), c(C, V)],
    np.interp: [c(M, np.array([-1.0, 0.0, 2.0]), W), c(V, np.array([-0.5, 0.1]), V[:2], -7.0, 8.0)],
    np.isclose: [c(M, M), c(M, N, 0.5), c(M, N, rtol=0.0, atol=1.0), c(NAN, NAN), c(NAN, NAN, equal_nan=True)],
    np.kron: [c(M, S), c(V, M), c(ONE, M)],
    np.linalg.cholesky: [c(SPD)],
    np.linalg.cond: [c(S), c(M), c(S, 1), c(S, "fro"), c(S, -2)],
    np.linalg.det: [c(S)],
    np.linalg.eigh: [c(SPD), c(SPD, UPLO="L")],
    np.linalg.eigvalsh: [c(SPD)],
    np.linalg.inv: [c(S)],
    np.linalg.lstsq: [c(M.T, W), c(S, M.T)],
    np.linalg.matmul: [c(M, S)],
    np.linalg.matrix_power: [c(S, 3), c(S, -2), c(S, n=0)],
    np.linalg.matrix_rank: [c(S), c(M)],
    np.linalg.matrix_transpose: [c(C)],
    np.linalg.norm: [c(V), c(M, None, 1), c(C, axis=2, keepdims=True), c(V, 1), c(M, 2, 0), c(M, 1), c(S, "nuc")],
    np.linalg.pinv: [c(M), c(S)],
    np.linalg.qr: [c(S), c(M), c(M.T, mode="r")],
    np.linalg.slogdet: [c(S)],
    np.linalg.solve: [c(S, M.T), c(S, W)],
    np.linalg.svd: [c(S), c(M, full_matrices=False), c(M.T, compute_uv=False)],
    np.linalg.svdvals: [c(M)],
    np.linalg.tensordot: [c(C, C, axes=([0, 1], [0, 1]))],
    np.linalg.vecdot: [c(M, N), c(M, W), c(M, N, axis=0)],
    np.matrix_transpose: [c(C)],
    np.max: EXTREMES,
    np.mean: [*COUNTS, c(M, dtype=np.float32), c(M, where=TRUTH), c(M, 1, where=M < 9)],
    np.median: [c(M), c(M, 1), c(C, (0, 2)), c(M, axis=0, keepdims=True), c(V), c(WHOLE), c(NAN, 0)],
    np.meshgrid: [c(V, W), c(V, W, indexing="ij"), c(V, W, M[0], sparse=True)],
    np.min: EXTREMES,
    np.moveaxis: [c(C, 0, -1), c(C, [0, 1], [2, 0]), c(C, source=2, destination=0)],
    np.nan_to_num: [c(NAN), c(NAN, True, 7.0), c(np.array([np.inf, 0.5, -np.inf]), posinf=9.0)],
    np.nanmean: [c(NAN), c(NAN, 0), c(M, axis=1, keepdims=True)],
    np.nansum: [c(NAN), c(NAN, 0), c(M, axis=1, keepdims=True)],
    np.nonzero: [c(M), c(TRUTH)],
    np.ones_like: [c(M), c(SHORT), c(M, np.int64)],
    np.outer: [c(V, W), c(M, V)],
    np.pad: [
        c(M, 1),
        c(M, ((1, 0), (0, 2)), "constant"),
        c(M, 1, "constant", constant_values=2.5),
        c(M, (1, 2), mode="edge"),
        c(V, 3, "reflect"),
        c(M, ((0, 1), (2, 2)), "symmetric"),
        c(V, (5, 6), "wrap"),
        c(WHOLE, 1),
    ],
    np.percentile: [c(M, 30), c(M, [25, 50], 0), c(V, 40.0, method="nearest")],
    np.prod: [c(M), c(M, 0), c(M, axis=-1, keepdims=True), c(WHOLE, 1)],
    np.ptp: [c(M), c(M, 0), c(M, axis=1, keepdims=True)],
    np.quantile: [
        c(M, 0.3),
        c(M, [0.25, 0.5], 0),
        c(V, 0.4, method="midpoint"),
        c(V, 0.4, method="lower"),
        c(C, 0.7, axis=(0, 1), keepdims=True),
        c(NAN, 0.5, 0),
    ],
    np.ravel: [c(M), c(ONE)],
    np.repeat: [c(M, 2), c(M, [1, 0, 2], 1), c(V, repeats=3, axis=0)],
    np.reshape: [c(M, (3, 2)), c(M, -1), c(M, shape=(6,))],
    np.roll: [c(M, 1), c(M, [1, 2], [0, 1]), c(M, -1, axis=1), c(V, shift=2), c(M, 2, (0, 1))],
    np.rot90: [c(M), c(M, 2), c(C, 1, (1, 2)), c(M, k=-1)],
    np.round: [c(M), c(M, 1), c(M, decimals=2), c(WHOLE, -1)],
    np.searchsorted: [c(np.sort(V), W), c(np.sort(V), 0.1), c(np.sort(V), M, "right")],
    np.select: [c([M > 0, M < -1], [M, N]), c([M > 0], [M * 1.0], 7.0), c([M > 0], [W], default=M)],
    np.sinc: [c(M), c(ONE)],
    np.sort: [c(M), c(M, 0), c(M, None), c(WHOLE, kind="stable"), c(NAN)],
    np.split: [c(V, 2), c(M, [1], 1), c(M, 3, axis=-1)],
    np.squeeze: [c(M[None]), c(M[None, :, None], 0), c(M[None, :, None], axis=(0, 2))],
    np.stack: [c([M, N]), c([M, N], 1), c([M, N], axis=-1), c([ONE, 2.0]), c([SINGLE, SINGLE])],
    np.std: [c(M), c(M, 0), c(M, axis=1, ddof=1), c(C, (0, 2), keepdims=True), c(M, correction=1)],
    np.sum: [
        *COUNTS,
        c(M, dtype=np.float32),
        c(M, 0, np.float64),
        c(M, where=TRUTH),
        c(M, 1, initial=2.0, where=TRUTH),
        c(M, 0, None, None, True),
    ],
    np.swapaxes: [c(C, 0, 2), c(C, axis1=-1, axis2=0)],
    np.take: [c(M, [4, 0]), c(M, [[0, 2]], 1), c(V, 1), c(M, [7, -9], mode="wrap"), c(M, 9, 1, mode="clip")],
    np.take_along_axis: [c(M, PLACES[:1], 0), c(M, PLACES, 1), c(V, np.array([3, 0]), axis=0)],
    np.tensordot: [c(C, C.transpose(1, 2, 0)), c(M, S, 1), c(C, C, ([0, 1], [0, 1])), c(V, W, axes=0)],
    np.tile: [c(V, 2), c(M, (2, 1, 2)), c(C, (2,))],
    np.trace: [c(S), c(M, 1), c(C, 0, 1, 2), c(S, offset=-1)],
    np.transpose: [c(M), c(C, (2, 0, 1)), c(C, axes=(1, 0, 2))],
    np.trapezoid: [c(V), c(M, W), c(M, dx=0.5, axis=0), c(M, x=N, axis=1)],
    np.tril: [c(S), c(M, 1), c(C, k=-1)],
    np.triu: [c(S), c(M, 1), c(C, k=-1)],
    np.unique: [c(WHOLE), c(M), c(WHOLE, True), c(WHOLE, return_inverse=True, return_counts=True)],
    np.unstack: [c(M), c(C, axis=1)],
    np.var: [c(M), c(M, 0), c(M, axis=1, ddof=1), c(C, (0, 2), keepdims=True), c(M, correction=1)],
    np.vdot: [c(M, N), c(V, V)],
    np.vstack: [c([M, N]), c((V, V)), c([W, M])],
    np.where: [c(TRUTH, M, N), c(TRUTH, M, 0.0), c(M > 0, W, M), c(TRUTH)],
    np.zeros_like: [c(M), c(SHORT), c(M, dtype=np.int64)],
}
"""NumPy's functions of arrays."""

FORMS = {**UFUNCS, **FUNCTIONS}
