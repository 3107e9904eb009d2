"""Plain NumPy functions without derivatives: what a rule calls where one expression is not enough."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from chainrule.core.operation import kernel

HALF_ROOT = math.sqrt(0.5)

ERFC_BLOCK = 16384
"""How many numbers `erfc` works on at a time, so that they stay in the processor's cache."""


@kernel
def erfc(x):
    """1 - erf(x) to double precision (single for single), without cancellation for large x.

    erfc(|x|) = e^(-x^2) P(t) with t = (|x| - 3.75) / (|x| + 3.75); P is a Chebyshev series of 29 terms, after
    M. M. Shepherd and J. G. Laframboise, Chebyshev Approximation of (1 + 2x) exp(x^2) erfc x, Math. Comp. 36 (1981).
    """
    coefficients = (
        1.1775789345674017,
        -0.004590054580646478,
        -0.08424913336651792,
        0.05920993999819189,
        -0.026658668435305753,
        0.009074997670705265,
        -0.002413163540417608,
        0.0004907758365258086,
        -6.916973302501207e-05,
        4.13902798607301e-06,
        7.74038306619849e-07,
        -2.1886401049234397e-07,
        1.076499946567091e-08,
        4.521959811218287e-09,
        -7.754400208831351e-10,
        -6.318088340886684e-11,
        2.86879501093067e-11,
        1.9455868545777347e-13,
        -9.65469674843344e-13,
        3.25254814814874e-14,
        3.3478119482868056e-14,
        -1.864562880419313e-15,
        -1.2507950530688648e-15,
        7.418235256624044e-17,
        5.068148904796111e-17,
        -2.2370566594359995e-18,
        -2.187342944303018e-18,
        2.6766327399258762e-20,
        9.736561401741451e-20,
    )
    kind = np.result_type(x, np.float32)
    single = kind == np.float32
    x = np.asarray(x, np.float32 if single else np.float64)
    flat, out = x.ravel(), np.empty(x.size, x.dtype)
    for start in range(0, x.size, ERFC_BLOCK):
        part = flat[start : start + ERFC_BLOCK]
        # From 28 on the result is 0; held there, infinity needs no case of its own.
        z = np.minimum(np.abs(part), 28)
        t = (z - 3.75) / (z + 3.75)
        twice, later, sum_, spare = 2 * t, np.zeros_like(t), np.zeros_like(t), np.empty_like(t)
        # Single precision has no use for the terms after the fourteenth, of some 1e-9 and less.
        for c in coefficients[13 if single else 28 : 0 : -1]:
            np.multiply(twice, sum_, out=spare)
            spare -= later
            spare += c
            later, sum_, spare = sum_, spare, later
        series = t * sum_ - later + coefficients[0]
        high = np.round(z * 16) / 16
        tail = np.exp(-high * high) * np.exp((high - z) * (high + z)) * series / (1 + 2 * z)
        tail[z == 0] = 1
        # 2 - tail left of zero, without a choice entry by entry, which would take longer than all of the above.
        # Adding 0 puts the zero with a minus sign on the right.
        side = np.copysign(1, part + 0)
        np.multiply(side, tail, out=out[start : start + ERFC_BLOCK])
        out[start : start + ERFC_BLOCK] += 1 - side
    return out.reshape(x.shape).astype(kind)[()]


@kernel
def erf(x):
    """The error function to double precision: its Maclaurin series near 0, 1 - erfc(x) elsewhere."""
    z = np.asarray(x, dtype=np.float64)
    near = np.abs(z) < 0.5
    square = np.where(near, z * z, 0.0)
    term, total = np.ones_like(z), np.ones_like(z)
    for n in range(1, 14):
        term = term * -square / n
        total = total + term / (2 * n + 1)
    out = np.where(near, 2 / np.sqrt(np.pi) * z * total, 1 - erfc(z))
    return out.astype(np.result_type(x, np.float32))[()]


@kernel
def normal_cdf(x):
    """The share of the standard normal distribution below x."""
    return 0.5 * erfc(-HALF_ROOT * x)


@kernel
def logistic(x):
    """1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


@kernel
def half_power(x):
    """x**0.5, which is infinite at minus infinity, where a root is no number."""
    return np.where(x == -np.inf, np.inf, np.power(x, 0.5))


@kernel
def power(x, y):
    """x**y by IEEE 754; small whole exponents by multiplication, which is up to 58 times faster and as exact."""
    if isinstance(y, float) and getattr(x, "dtype", np.dtype(float)).kind in "biu":
        x = x.astype(np.float64)
    if isinstance(y, (int, float)) and y in (1, 2, 3, 4) and getattr(x, "dtype", np.dtype(float)).kind != "b":
        square = x * x if y > 1 else x
        return square if y == 2 else square * x if y == 3 else square * square if y == 4 else np.positive(x)
    if isinstance(y, (int, float, np.number, np.ndarray)) and np.ndim(y) == 0 and y == 0.5:
        return half_power(x)
    return np.power(x, y)


@kernel
def power_and_log(x, y, count, settled):
    """x**y ln(x)**count, and 0 where x is 0 and y positive; if `settled`, where both are 0 too."""
    nothing = np.logical_and(x == 0, (y >= 0) if settled else (y > 0))
    return np.where(nothing, 0, np.power(x, y) * np.log(x) ** count) if count else power(x, y)


@kernel
def settled(key):
    """An index whose arrays are nobody else's: NumPy checks them, and then reads by them what may be others by now."""
    if isinstance(key, tuple):
        return tuple([settled(part) for part in key])
    return key.copy() if isinstance(key, np.ndarray) else key


@kernel
def owned(x):
    """x in memory of its own: a copy, if it is a view; what a list of places picks is none."""
    return x if x.base is None else x.copy()


@kernel
def add_at(g, key, shape):
    """Zeros of a shape, with the entries of g added where the index points; entries met twice add up."""
    out = np.zeros(shape, g.dtype)
    key = settled(np.asarray(key) if isinstance(key, list) else key)
    parts = key if isinstance(key, tuple) else (key,)
    if all(isinstance(part, (int, slice, type(None), type(Ellipsis))) for part in parts):
        out[key] = g
    elif isinstance(key, np.ndarray) and key.dtype.kind in "iu":
        add_to_rows(out, key, g)
    else:
        add_to_rows(out.reshape(-1), np.arange(out.size).reshape(shape)[key], g)
    return out


@kernel
def add_to_rows(out, places, g):
    """Adds each row of g to the row of `out`, in its memory, that stands at its place."""
    np.add.at(out, places, g)
    return out


@kernel
def repeat_to(x, shape):
    """x repeated to fill a shape, as a view; for one number NumPy's constructor is ten times faster."""
    if x.ndim == 0 and isinstance(shape, tuple):
        out = np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
        out.flags.writeable = False
        return out
    return np.broadcast_to(x, shape)


@kernel
def plus(x, b):
    """x + b, in place where the types allow: x is a result that nobody else has."""
    return np.add(x, b, out=x if np.result_type(x, b) == x.dtype else None)


@kernel
def weighted(x, w, b):
    """Every row of x weighed by every row of w, plus b."""
    return plus(np.dot(x, w.T), b)


@kernel
def outer_sum(g, x):
    """The outer products of the rows of g with those of x, added up."""
    return g.T @ x


@kernel
def column_sums(g):
    """The sum of all rows of an array; as a product with a row of ones, which is faster than a reduction."""
    rows = g.reshape(-1, g.shape[-1])
    return np.dot(np.ones(len(rows), g.dtype), rows)


@kernel
def sum_to(g, shape):
    """Sum over the axes along which an array of `shape` was repeated to give g's shape."""
    lead = g.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1 and g.shape[lead + i] != 1)
    return np.add.reduce(g, axis=axes, keepdims=True).reshape(shape) if axes else g


@kernel
def negative_log_likelihood(x, target):
    """Minus the log of the softmax at the target of each row, averaged over the rows."""
    target = settled(target)
    if target.size and target.min() < 0:
        raise IndexError(f"the classes are counted from 0, and one of the targets is {target.min()}")
    shifted = x - np.maximum.reduce(x, 1, keepdims=True)
    right = shifted[np.arange(len(target)), target]
    return np.add.reduce(np.log(np.add.reduce(np.exp(shifted), 1)) - right) / len(target)


@kernel
def less_one(x, places):
    """An array that is nobody else's, less 1 at some places, each of which is named once; in its place."""
    x[places] -= 1
    return x


@kernel
def bce_with_logits(x, y, at_one, at_zero):
    """The surprise at answers from 0 to 1 to which the logistic of x gave their shares, weighed and added up."""
    rest = np.log1p(np.exp(np.minimum(x, -x)))
    return np.add.reduce(
        at_one * y * (rest + np.maximum(-x, 0)) + at_zero * (1 - y) * (rest + np.maximum(x, 0)), axis=None
    )


@kernel
def shares_of_extreme(x, largest, axis):
    """1 for the largest or smallest entry along axes, as a share where several are equal, and 0 for all others."""
    find = np.maximum if largest else np.minimum
    found = find.reduce(x, axis=axis, keepdims=True)
    places = np.where(np.isnan(found), np.isnan(x), x == found)
    return (places / np.add.reduce(places, axis=axis, keepdims=True)).astype(np.result_type(x, np.float32))


@kernel
def length(x, axis, keepdims, count):
    """The root of the sum of squares along axes over a count, at any size of x."""
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    plain = np.add.reduce(x * x, axis=axis, keepdims=keepdims)
    if np.all((plain > np.finfo(x.dtype).tiny / np.finfo(x.dtype).eps) & (plain < np.inf)):
        return np.sqrt(plain / count)
    # Squares overflowed or lost digits, or all is 0: measured by the power of two below the largest entry.
    size = np.maximum.reduce(np.abs(x), axis=axis, keepdims=True, initial=0)
    unit = np.ldexp(np.ones_like(size), np.frexp(np.where(np.isfinite(size), size, 1))[1] - 1)
    total = np.add.reduce((x / unit) ** 2, axis=axis, keepdims=True)
    out = np.sqrt(total / count) * unit
    return out if keepdims else out.reshape(plain.shape)


@kernel
def powers_that_even(x):
    """Powers of two whose product is 1, by which factors along the first axis are all of about one size.

    Then no group of them overflows or vanishes where the product of all does not. There are two for each, to be
    multiplied one after the other: the whole can be beyond the largest. None where nothing is to be moved.
    """
    if x.dtype.kind != "f" or not x.size:
        return None
    sizes, most = np.abs(x), np.finfo(x.dtype).maxexp - 2
    reach = 2.0 ** (most // len(sizes))
    if np.maximum.reduce(sizes, None) <= reach and np.minimum.reduce(sizes, None) >= 1 / reach:
        return None
    movable = np.isfinite(x) & (x != 0)
    powers = np.rint(np.log2(np.where(movable, sizes, 1))).astype(int)
    total = powers.sum(0)
    within = np.abs(total) <= most
    if np.abs(powers).sum(0).max() <= most or not within.any():
        return None
    place, count = np.cumsum(movable, 0), np.maximum(movable.sum(0), 1)
    level = place * total // count - (place - 1) * total // count
    moved, one = np.where(movable & within, level - powers, 0), x.dtype.type(1)
    return np.ldexp(one, moved // 2), np.ldexp(one, moved - moved // 2)


@kernel
def factors_in_front(x, axis):
    """The entries along axes as a first axis, the powers of two that even them out, and the order of axes."""
    axes = tuple(range(x.ndim)) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, x.ndim)
    order = (*axes, *[i for i in range(x.ndim) if i not in axes])
    turned = np.transpose(x, order)
    count = np.prod(turned.shape[: len(axes)], dtype=int)
    factors = turned.reshape(count, *turned.shape[len(axes) :])
    powers = powers_that_even(factors)
    return factors if powers is None else factors * powers[0] * powers[1], powers, order


@kernel
def product(x, axis, keepdims):
    """The product over axes, which overflows or vanishes where the whole does, whatever the order of the factors."""
    factors, powers, order = factors_in_front(x, axis)
    if powers is None:
        return np.multiply.reduce(x, axis=axis, keepdims=keepdims)
    whole = np.multiply.reduce(factors, axis=0)
    if not keepdims:
        return whole
    return np.expand_dims(whole, order[: x.ndim - whole.ndim])


@kernel
def product_of_others(x, axis):
    """At each place the product of those before it and those behind it along axes: nothing is divided."""
    factors, powers, order = factors_in_front(x, axis)
    before, behind = np.ones_like(factors), np.ones_like(factors)
    np.multiply.accumulate(factors[:-1], axis=0, out=before[1:])
    np.multiply.accumulate(factors[:0:-1], axis=0, out=behind[-2::-1])
    out = before * behind
    if powers is not None:
        out = out * powers[0] * powers[1]
    return np.transpose(out.reshape([x.shape[i] for i in order]), np.argsort(order))


@kernel
def running_products(x, axis):
    """The products of all entries up to each along an axis, of ever more neighbours (Hillis and Steele, 1986)."""
    out, reach = np.moveaxis(x, axis, 0).copy(), 1
    while reach < len(out):
        out[reach:] = out[reach:] * out[:-reach]
        reach *= 2
    return np.moveaxis(out, 0, axis)


@kernel
def softmax_rows(x):
    """The softmax of each row of an array that is nobody else's, in its place."""
    x -= np.maximum.reduce(x, -1, keepdims=True)
    np.exp(x, x)
    x /= np.add.reduce(x, -1, keepdims=True)
    return x


def softmax_along_rows(x, axis):
    """The softmax along the last axis, for which the machine has an instruction."""
    if x.ndim and axis in (-1, x.ndim - 1) and x.dtype.kind == "f":
        return softmax_rows(x.copy())
    return NotImplemented


@partial(kernel, quick=softmax_along_rows)
def softmax(x, axis):
    """e^x over the sum of e^x along axes, at any size of x."""
    grown = np.exp(x - np.maximum.reduce(x, axis=axis, keepdims=True))
    return grown / np.add.reduce(grown, axis=axis, keepdims=True)


@kernel
def log_softmax(x, axis):
    """The logarithm of the softmax, exact where that is 0 in floating point."""
    below = x - np.maximum.reduce(x, axis=axis, keepdims=True)
    return below - np.log(np.add.reduce(np.exp(below), axis=axis, keepdims=True))


@kernel
def logsumexp(x, axis, keepdims):
    """The logarithm of the sum of e^x along axes, at any size of x; of none it is minus infinity."""
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    largest = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    largest = np.where(np.isfinite(largest), largest, np.zeros_like(largest))
    out = np.log(np.add.reduce(np.exp(x - largest), axis=axis, keepdims=True)) + largest
    return out if keepdims else np.squeeze(out, axis)


@kernel
def squared_distance(x, y):
    """The squares of all differences, added up."""
    apart = x - y
    return np.vdot(apart, apart)


@kernel
def softmax_rows_backward(g, shares):
    """The gradient before a softmax from that after it, in its place; `shares` is what the softmax gave."""
    g -= np.add.reduce(g * shares, -1, keepdims=True)
    g *= shares
    return g


@kernel
def normalized(x, eps):
    """Each row less its mean, divided by the root of its variance plus eps."""
    away = x - np.add.reduce(x, -1, keepdims=True) / x.shape[-1]
    away /= np.sqrt(np.add.reduce(away * away, -1, keepdims=True) / x.shape[-1] + eps)
    return away


@kernel
def symmetric_part(x):
    """The mean of each matrix and its transpose."""
    return (x + np.swapaxes(x, -1, -2)) / 2


@kernel
def lower_half(x):
    """The lower triangle of each matrix, with half of the diagonal."""
    return (np.tril(x) + np.tril(x, -1)) / 2


@kernel
def nan_where_singular(function, *matrices):
    """A function of square matrices, with nan for those of a batch for which NumPy finds no answer."""
    x = matrices[0]
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError("it needs a square matrix, or a batch of them")
    try:
        return function(*matrices)
    except np.linalg.LinAlgError:
        if x.ndim == 2:
            return np.full_like(matrices[-1], np.nan, dtype=np.result_type(*matrices, np.float32))
        return np.stack([nan_where_singular(function, *parts) for parts in zip(*matrices, strict=True)])


@kernel
def inverse(x):
    return nan_where_singular(np.linalg.inv, x)


@kernel
def solution(a, b):
    """The x with a x = b."""
    return nan_where_singular(np.linalg.solve, a, b)


@kernel
def cholesky_factor(x):
    """The lower triangular L with L L^T = the symmetric part of x; nan where that is not positive definite."""
    return nan_where_singular(lambda part: np.linalg.cholesky(symmetric_part(part)), x)


@kernel
def sinc_slope(x, order):
    """A derivative of sin(πx)/(πx).

    With t = πx it is π^k times the integral of u^k cos^(k)(tu) over u from 0 to 1: taken by Gauss's quadrature near 0,
    and by the recurrence t s_k = sin^(k)(t) - k s_(k-1) further out, where that is stable.
    """
    order, t = int(order), np.pi * np.asarray(x)
    near = np.abs(t) < order + 1.0
    nodes, weights = np.polynomial.legendre.leggauss(16 + 2 * order)
    u = (nodes + 1) / 2
    inside, outside = np.where(near, t, 0.0)[..., None] * u, np.where(near, 1.0, t)
    turn = (np.cos(inside), -np.sin(inside), -np.cos(inside), np.sin(inside))[order % 4]
    by_quadrature = np.add.reduce(weights / 2 * u**order * turn, -1)
    turns = (np.sin(outside), np.cos(outside), -np.sin(outside), -np.cos(outside))
    further = turns[0] / outside
    for k in range(1, order + 1):
        further = (turns[k % 4] - k * further) / outside
    out = np.pi**order * np.where(near, by_quadrature, further)
    return out.astype(np.result_type(x, np.float32))[()]


@kernel
def sorting_places(x, axis, descending):
    """The places that sort x; where they fall, equals keep their order, which a list turned round would not."""
    if axis is None:
        x, axis = x.reshape(-1), 0
    if not descending:
        return np.argsort(x, axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)


@kernel
def one_hot(x, num_classes):
    """A row of zeros with a 1 for each class number."""
    x = np.asarray(x)
    if x.dtype.kind not in "iub":
        raise ValueError("class numbers are whole numbers")
    if num_classes is None:
        num_classes = int(x.max(initial=-1)) + 1
    if x.size and not 0 <= x.min() <= x.max() < num_classes:
        raise IndexError(f"{num_classes} classes are counted from 0, and the numbers go from {x.min()} to {x.max()}")
    return (x[..., None] == np.arange(num_classes)).astype(np.float64)


@kernel
def add_along_axis(x, indices, shape, axis):
    """Zeros of a shape, with the entries of x added at places along an axis."""
    x = np.asarray(x)
    out = np.zeros(shape, x.dtype)
    axis = np.lib.array_utils.normalize_axis_index(axis, len(shape))
    key = [np.arange(n).reshape((1,) * i + (-1,) + (1,) * (len(shape) - 1 - i)) for i, n in enumerate(shape)]
    key[axis] = indices
    np.add.at(out, tuple(key), x)
    return out
