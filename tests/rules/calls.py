"""How the functions of arrays, and those made of a few rules, are called, for the tests of composed functions."""

from __future__ import annotations

import numpy as np

import chainrule as cr

MATRIX, SQUARE, ROW, CUBE = ((2, 3),), ((3, 3),), ((4,),), ((2, 3, 4),)
MASK = np.array([[True, False, True], [False, False, True]])

CALLS = {
    "array_split": [(lambda x: cr.array_split(x, 2, axis=1)[0], MATRIX), (lambda x: cr.array_split(x, [1, 3])[1], ROW)],
    "atleast_1d": [(cr.atleast_1d, ((),)), (lambda x, y: cr.atleast_1d(x, y)[0] * y, ((), (3,)))],
    "atleast_2d": [(cr.atleast_2d, ROW), (cr.atleast_2d, CUBE)],
    "atleast_3d": [(cr.atleast_3d, MATRIX), (cr.atleast_3d, ROW), (cr.atleast_3d, ((),))],
    "avg_pool1d": [(lambda x: cr.avg_pool1d(x, 2), ((2, 3, 5),))],
    "average": [
        (cr.average, MATRIX),
        (lambda x, w: cr.average(x, weights=w * w + 1.0), ((2, 3), (2, 3))),
        (lambda x, w: cr.average(x, axis=-1, weights=w * w + 1.0, keepdims=True), ((2, 3), (3,))),
    ],
    "broadcast_arrays": [(lambda x, y: cr.broadcast_arrays(x, y)[0] * y, ((2, 1), (3,)))],
    "celu": [(cr.celu, MATRIX)],
    "choose": [(lambda x, y: cr.choose(np.array([1, 0, 1]), [x, y]), ((3,), (3,)))],
    "chunk": [(lambda x: cr.chunk(x, 3)[2], ((7,),)), (lambda x: cr.chunk(x, 2, axis=1)[0], MATRIX)],
    "clip": [
        (lambda x: cr.clip(x, -0.5, 0.5), MATRIX),
        (lambda x: cr.clip(x, min=-0.5), MATRIX),
        (lambda x, low, high: cr.clip(x, low - 0.5, high + 0.5), ((2, 3), (3,), (2, 1))),
        (lambda x: cr.clip(x, np.zeros(3, np.float32), None), MATRIX),
    ],
    "column_stack": [(lambda x, y: cr.column_stack([x, y]), ((3,), (3, 2)))],
    "compress": [
        (lambda x: cr.compress([True, False, True], x, axis=1), MATRIX),
        (lambda x: cr.compress([1, 0], x), ROW),
    ],
    "conv1d": [(cr.conv1d, ((2, 3, 5), (4, 3, 2)))],
    "conv2d": [(cr.conv2d, ((1, 2, 4, 3), (3, 2, 2, 2)))],
    "convolve": [
        (cr.convolve, ((5,), (3,))),
        (lambda x, y: cr.convolve(x, y, "same"), ((2,), (5,))),
        (lambda x, y: cr.convolve(x, y, mode="valid"), ((5,), (2,))),
    ],
    "copysign": [(lambda x: cr.copysign(x, np.array([1.0, -1.0, -0.0])), MATRIX)],
    "cot": [(lambda x: cr.cot(x + 10.0), ((2,),))],
    "cross": [
        (cr.cross, ((3,), (3,))),
        (cr.cross, ((2, 3), (3,))),
        (lambda x, y: cr.cross(x, y, axis=0), ((3, 2), (3, 2))),
    ],
    "csc": [(lambda x: cr.csc(0.2 * x + 1.5), MATRIX)],
    "cumprod": [
        (cr.cumprod, MATRIX),
        (lambda x: cr.cumprod(x, axis=0), SQUARE),
        (lambda x: cr.cumprod(x, -1), ((2, 5),)),
    ],
    "cumulative_prod": [(lambda x: cr.cumulative_prod(x, axis=0, include_initial=True), MATRIX)],
    "cumulative_sum": [(cr.cumulative_sum, ROW), (lambda x: cr.cumulative_sum(x, -1, include_initial=True), MATRIX)],
    "deg2rad": [(cr.deg2rad, MATRIX)],
    "diagflat": [(cr.diagflat, MATRIX), (lambda x: cr.diagflat(x, -2), ((3,),))],
    "diagonal": [
        (cr.diagonal, MATRIX),
        (lambda x: cr.diagonal(x, -1), SQUARE),
        (lambda x: cr.diagonal(x, 1, 2, 0), CUBE),
        (lambda x: cr.diagonal(x, 7), SQUARE),
    ],
    "diff": [
        (cr.diff, MATRIX),
        (lambda x: cr.diff(x, 2, axis=0), ROW),
        (lambda x, y: cr.diff(x, prepend=y, append=0.0), ((2, 3), (2, 1))),
    ],
    "divmod": [(lambda x: cr.divmod(x, 0.7)[1], ((2,),))],
    "dstack": [(lambda x, y: cr.dstack([x, y, x]), ((2, 3), (2, 3)))],
    "fabs": [(cr.fabs, MATRIX)],
    "flatten": [(cr.flatten, CUBE), (lambda x: cr.flatten(x, 1), CUBE), (cr.flatten, ((),))],
    "fliplr": [(cr.fliplr, MATRIX)],
    "flipud": [(cr.flipud, MATRIX)],
    "float_power": [(lambda x: cr.float_power(x, 2).astype(x.dtype), MATRIX)],
    "fmax": [(cr.fmax, ((2, 3), (3,)))],
    "fmin": [(cr.fmin, ((2, 3), (3,)))],
    "full_like": [(lambda x, y: cr.full_like(x, y) * x, ((2, 3), ()))],
    "glu": [(cr.glu, ((2, 4),))],
    "hardsigmoid": [(cr.hardsigmoid, MATRIX)],
    "hardswish": [(cr.hardswish, MATRIX)],
    "heaviside": [(lambda x: cr.heaviside(x, 0.5) * x, MATRIX)],
    "hstack": [(lambda x, y: cr.hstack([x, y]), ((2, 3), (2, 1))), (lambda x, y: cr.hstack((x, y)), ((3,), (2,)))],
    "index_add": [(lambda x, y: cr.index_add(x, -1, [2, 0, 2], y), ((2, 3), (2, 3)))],
    "index_select": [(lambda x: cr.index_select(x, 1, [2, 0, 2]), MATRIX)],
    "inner": [(cr.inner, ((2, 3), (4, 3))), (cr.inner, ((3,), (3,))), (cr.inner, ((), (3,)))],
    "interp": [
        (lambda x, y: cr.interp(x, np.array([-1.0, 0.0, 2.0], np.float32), y), ((5,), (3,))),
        (lambda x, y: cr.interp(0.3 * x, np.array([-1.0, 1.0, 2.0], np.float32), y, left=0.0), ((2, 2), (3,))),
    ],
    "kron": [(cr.kron, ((2, 3), (2, 2))), (cr.kron, ((3,), (2, 2))), (cr.kron, ((), (3,)))],
    "masked_fill": [
        (lambda x: cr.masked_fill(x, MASK, 7.0), MATRIX),
        (lambda x, y: cr.masked_fill(x, MASK, y), ((2, 3), ())),
    ],
    "max_pool1d": [(lambda x: cr.max_pool1d(x, 2), ((2, 3, 6),))],
    "mean": [
        (cr.mean, MATRIX),
        (lambda x: cr.mean(x, axis=(0, -1), keepdims=True), CUBE),
        (lambda x: cr.mean(x, axis=1, where=MASK), MATRIX),
    ],
    "median": [
        (cr.median, MATRIX),
        (lambda x: cr.median(x, axis=1, keepdims=True), MATRIX),
        (lambda x: cr.median(x, axis=(0, 2)), CUBE),
    ],
    "meshgrid": [
        (lambda x, y: cr.meshgrid(x, y)[0] * cr.meshgrid(x, y)[1], ((3,), (2,))),
        (lambda x, y: cr.meshgrid(x, y, indexing="ij", sparse=True)[1] * x[0], ((3,), (2,))),
    ],
    "moveaxis": [(lambda x: cr.moveaxis(x, 0, -1), CUBE), (lambda x: cr.moveaxis(x, (0, 2), (2, 1)), CUBE)],
    "nan_to_num": [(cr.nan_to_num, MATRIX)],
    "nanmean": [(cr.nanmean, MATRIX), (lambda x: cr.nanmean(x, axis=0, keepdims=True), MATRIX)],
    "nansum": [(cr.nansum, MATRIX), (lambda x: cr.nansum(x, axis=0, keepdims=True), MATRIX)],
    "ones_like": [(lambda x: cr.ones_like(x) * x, MATRIX)],
    "outer": [(cr.outer, ((3,), (4,))), (cr.outer, ((2, 2), (3,))), (cr.outer, ((), (3,)))],
    "percentile": [(lambda x: cr.percentile(x, 30.0), MATRIX)],
    "permute": [(lambda x: cr.permute(x, 2, 0, 1), CUBE), (lambda x: cr.permute(x, (1, 0)), MATRIX)],
    "ptp": [(cr.ptp, MATRIX), (lambda x: cr.ptp(x, axis=1, keepdims=True), MATRIX)],
    "quantile": [
        (lambda x: cr.quantile(x, 0.3), MATRIX),
        (lambda x: cr.quantile(x, [[0.1, 0.9], [0.5, 1.0]], axis=1, keepdims=True), MATRIX),
        (lambda x: cr.quantile(x, 0.4, axis=(0, 1), method="higher"), CUBE),
    ],
    "rad2deg": [(cr.rad2deg, MATRIX)],
    "ravel": [(cr.ravel, CUBE), (cr.ravel, ((),))],
    "relu6": [(cr.relu6, MATRIX)],
    "repeat": [
        (lambda x: cr.repeat(x, 3), MATRIX),
        (lambda x: cr.repeat(x, [2, 0, 1], axis=-1), MATRIX),
        (lambda x: cr.repeat(x, 2, axis=0), MATRIX),
    ],
    "rot90": [(cr.rot90, MATRIX), (lambda x: cr.rot90(x, -1, (1, 2)), CUBE), (lambda x: cr.rot90(x, 2), MATRIX)],
    "scatter_add": [(lambda x, y: cr.scatter_add(x, 0, np.array([[0, 1, 1], [0, 0, 1]]), y), ((2, 3), (2, 3)))],
    "sec": [(lambda x: cr.sec(0.2 * x), MATRIX)],
    "select": [(lambda x, y: cr.select([MASK, ~MASK & (np.arange(3) > 0)], [x, y], 0.0), ((2, 3), (3,)))],
    "selu": [(cr.selu, MATRIX)],
    "sort": [
        (cr.sort, MATRIX),
        (lambda x: cr.sort(x, axis=None), MATRIX),
        (lambda x: cr.sort(x, axis=1, descending=True), CUBE),
    ],
    "split": [(lambda x: cr.split(x, 2)[1], ROW), (lambda x: cr.split(x, [1, 2], axis=1)[2], MATRIX)],
    "swapaxes": [(lambda x: cr.swapaxes(x, 0, -1), CUBE)],
    "take": [
        (lambda x: cr.take(x, [[0, 2], [5, 0]]), MATRIX),
        (lambda x: cr.take(x, [4, -1], axis=1, mode="wrap"), MATRIX),
        (lambda x: cr.take(x, 9, axis=0, mode="clip"), MATRIX),
    ],
    "tensordot": [
        (cr.tensordot, ((2, 3, 4), (3, 4, 2))),
        (lambda x, y: cr.tensordot(x, y, axes=([0, 2], [1, 0])), ((2, 3, 4), (4, 2))),
        (lambda x, y: cr.tensordot(x, y, axes=0), ((2,), (3,))),
    ],
    "tile": [
        (lambda x: cr.tile(x, 2), MATRIX),
        (lambda x: cr.tile(x, (2, 1, 3)), MATRIX),
        (lambda x: cr.tile(x, (2,)), CUBE),
    ],
    "topk": [(lambda x: cr.topk(x, 2).values, MATRIX), (lambda x: cr.topk(x, 1, axis=0, largest=False)[0], MATRIX)],
    "trapezoid": [
        (cr.trapezoid, MATRIX),
        (lambda y, x: cr.trapezoid(y, x), ((2, 4), (4,))),
        (lambda y, x: cr.trapezoid(y, x, axis=0), ((3, 2), (3, 2))),
        (lambda y: cr.trapezoid(y, dx=0.5, axis=0), MATRIX),
    ],
    "unique": [(cr.unique, MATRIX)],
    "unstack": [(lambda x: cr.unstack(x, axis=1)[1], MATRIX)],
    "vdot": [(cr.vdot, ((2, 3), (3, 2)))],
    "vecdot": [(cr.vecdot, ((2, 3), (3,))), (lambda x, y: cr.vecdot(x, y, axis=0), ((2, 3), (2, 3)))],
    "vstack": [(lambda x, y: cr.vstack([x, y]), ((3,), (2, 3)))],
    "zeros_like": [(lambda x: cr.zeros_like(x) + x, MATRIX)],
}
"""For every such function: how it is called, and the shapes of its inputs."""

FLAT = {"allclose", "argwhere", "array_equal", "flatnonzero", "isclose", "nonzero"}
"""Functions whose results do not move with their inputs; test_numpy_calls.py compares them with NumPy."""
