"""Operations whose forward is written for NumPy alone, by other operations of the book.

Their rules call loops of their own, or write into arrays; here is what the same result is made of. Tests hold each to
its rule.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import book
from chainrule.core.traced import Traced, leaf_from_outside
from chainrule.errors import ChainruleError
from chainrule.rules import multiplication, slides
from chainrule.rules.linear import along_axes, count


def within(x: Any, a_min: Any, a_max: Any) -> Any:
    """Numbers held inside limits, of which either may be missing."""
    x = x if a_min is None else book["maximum"](x, a_min)
    return x if a_max is None else book["minimum"](x, a_max)


def mean(x: Any, axis: Any, keepdims: bool) -> Any:
    """A sum over how many there are."""
    return book["div"](book["sum"](x, axis=axis, keepdims=keepdims), float(count(x.shape, axis)))


def outer(x: Any, y: Any) -> Any:
    """A column times a row."""
    return book["mul"](book["reshape"](x, shape=(-1, 1)), book["reshape"](y, shape=(1, -1)))


def length(x: Any, axis: Any, keepdims: bool, count: float) -> Any:
    """The root of the sum of squares over a count, in units of the largest entry, so that no square overflows."""
    size = book["largest"](book["abs"](x), axis=axis, keepdims=True)
    unit = book["where"](book["logical_and"](book["isfinite"](size), book["not_equal"](size, 0)), size, 1.0)
    total = book["sum"](book["square"](book["div"](x, unit)), axis=axis, keepdims=True)
    out = book["mul"](book["sqrt"](book["div"](total, float(count))), unit)
    return out if keepdims else book["squeeze"](out, axis=axis)


def logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    """The logarithm of a sum of powers, from the largest entry if that is finite."""
    largest = book["largest"](x, axis=axis, keepdims=True)
    shift = book["where"](book["isfinite"](largest), largest, 0.0)
    total = book["sum"](book["exp"](book["sub"](x, shift)), axis=axis, keepdims=True)
    out = book["add"](book["log"](total), shift)
    return out if keepdims else book["squeeze"](out, axis=axis)


def einsum(*operands: Any, subscripts: str) -> Any:
    """Products of operands turned to the same letters, summed over those that the result leaves out."""
    given, result = subscripts.split("->")
    rest = "".join(sorted({*given} - {*result, ","}))
    letters = result + rest
    product: Any = None
    for x, own in zip(operands, given.split(","), strict=True):
        order = tuple(sorted(range(len(own)), key=lambda axis, own=own: letters.index(own[axis])))
        turned = book["transpose"](x, axes=order)
        lengths = dict(zip(own, x.shape, strict=True))
        turned = book["reshape"](turned, shape=tuple([lengths.get(letter, 1) for letter in letters]))
        product = turned if product is None else book["mul"](product, turned)
    return book["sum"](product, axis=tuple(range(len(result), len(letters)))) if rest else product


def places_along(shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Any, ...]:
    """An index that picks along one axis, and goes through the others."""
    axis %= len(indices.shape)
    ranges: list[Any] = [
        np.arange(n).reshape([-1 if k == i else 1 for k in range(len(shape))]) for i, n in enumerate(indices.shape)
    ]
    ranges[axis] = indices
    return tuple(ranges)


def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    """Entries at places along an axis."""
    return book["index"](x, key=places_along(x.shape, indices, axis))


def add_along_axis(x: Any, indices: Any, shape: tuple[int, ...], axis: int) -> Any:
    """Entries added at places along an axis."""
    return book["scatter"](x, key=places_along(shape, indices, axis), shape=shape)


class Turned(NamedTuple):
    """An index of slices and places: the slices alone, and how the axes turn so that those with places come first."""

    slices: tuple[Any, ...]
    order: tuple[int, ...]
    places: tuple[Any, ...]
    back: tuple[int, ...]
    """How the axes of what is picked turn into NumPy's order."""


def turned(shape: tuple[int, ...], key: Any) -> Turned:
    """An index of both slices and places: places side by side stay where they stand, and else come first (NumPy)."""
    parts = along_axes(key, len(shape))
    slices = tuple([part if part is None or isinstance(part, slice) else slice(None) for part in parts])
    along = [k for k, part in enumerate(parts) if part is not None and not isinstance(part, slice)]
    places = tuple([parts[k] for k in along])
    rest = [k for k in range(len(parts)) if k not in along]
    picked = len(np.broadcast_shapes(*[np.shape(getattr(part, "number", part)) for part in places]))
    first = along[0] if along == list(range(along[0], along[-1] + 1)) else 0
    after = [*range(picked, picked + first), *range(picked), *range(picked + first, picked + len(rest))]
    return Turned(slices, (*along, *rest), places, tuple(after))


def index_among_slices(x: Any, key: Any) -> Any:
    """The slices first, and then the places."""
    way = turned(x.shape, key)
    sliced = book["transpose"](book["index"](x, key=way.slices), axes=way.order)
    return book["transpose"](book["index"](sliced, key=way.places), axes=way.back)


def scatter_among_slices(x: Any, key: Any, shape: tuple[int, ...]) -> Any:
    """The places first, and then the slices."""
    way = turned(shape, key)
    sliced = np.zeros(shape)[way.slices].transpose(way.order).shape
    put = book["scatter"](book["transpose"](x, axes=back(way.back)), key=way.places, shape=sliced)
    return book["scatter"](book["transpose"](put, axes=back(way.order)), key=way.slices, shape=shape)


def back(order: Sequence[int]) -> tuple[int, ...]:
    """The order of axes that undoes another."""
    return tuple([order.index(k) for k in range(len(order))])


def searchsorted(a: Any, v: Any, side: str) -> Any:
    """How many come before, of a list that rises; what is no number is larger than all."""
    v = book["reshape"](v, shape=(*v.shape, 1))
    if side == "left":
        before = book["logical_or"](book["less"](a, v), book["logical_and"](book["isnan"](v), book["equal"](a, a)))
    else:
        before = book["logical_or"](book["less_equal"](a, v), book["isnan"](v))
    return book["sum"](book["where"](before, 1, 0), axis=-1, keepdims=False)


def cumsum(x: Any, axis: int | None) -> Any:
    """Running sums: every entry counts in all sums from its own on, which is a product with a triangle of ones."""
    if axis is None:
        x, axis = book["reshape"](x, shape=(-1,)), 0
    ndim, n = len(x.shape), x.shape[axis]
    order = (*[k for k in range(ndim) if k != axis % ndim], axis % ndim)
    rows = book["reshape"](book["transpose"](x, axes=order), shape=(x.size // max(n, 1), n))
    sums = book["matmul"](rows, np.triu(np.ones((n, n))))
    return book["transpose"](book["reshape"](sums, shape=tuple([x.shape[k] for k in order])), axes=back(order))


def lower_half(x: Any) -> Any:
    """The triangle below the diagonal, and half of the diagonal."""
    n = x.shape[-1]
    return book["chosen"](x, np.tril(np.ones((n, n))) - np.eye(n) / 2)


def windows_of(shape: tuple[int, ...], plan: Any) -> tuple[Any, ...]:
    """The index by which padded images give (images, channels, window down and across, places down and across)."""
    size, steps, _, spread, fits = plan
    down, across = [
        np.arange(k)[:, None] * gap + np.arange(n) * step
        for k, gap, n, step in zip(size, spread, fits, steps, strict=True)
    ]
    return (slice(None), slice(None), down[:, None, :, None], across[None, :, None, :])


def edges(around: Any) -> tuple[tuple[int, int], ...]:
    """The zeros around images, for `pad`."""
    return ((0, 0), (0, 0), (around[0], around[0]), (around[1], around[1]))


def apart(x: Any, groups: int, axis: int) -> Any:
    """The channels along an axis by groups."""
    shape = (*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1 :])
    return book["reshape"](x, shape=shape)


def seen(x: Any, plan: Any) -> Any:
    """What every window sees."""
    return book["index"](book["pad"](x, pad_width=edges(plan[2])), key=windows_of(x.shape, plan))


def put_back(x: Any, shape: tuple[int, ...], plan: Any) -> Any:
    """What every window gives, added up where windows overlap."""
    (top, left), (_, _, height, width) = plan[2], shape
    whole = (*shape[:2], height + 2 * top, width + 2 * left)
    out = book["scatter"](x, key=windows_of(shape, plan), shape=whole)
    inside = (slice(None), slice(None), slice(top, top + height), slice(left, left + width))
    return book["index"](out, key=inside)


def conv2d(x: Any, w: Any, **settings: Any) -> Any:
    """Sums of products over what each window sees."""
    groups, plan = settings["groups"], planned(x.shape, w.shape, settings)
    left, right = apart(seen(x, plan), groups, 1), apart(w, groups, 0)
    out = book["einsum"](left, right, subscripts="agcijhw,gocij->agohw")
    return book["reshape"](out, shape=(x.shape[0], w.shape[0], *plan[-1]))


def conv2d_input(g: Any, w: Any, *, shape: Any, **settings: Any) -> Any:
    """What each window got, by the weights, put back where it was seen."""
    groups, plan = settings["groups"], planned(shape, w.shape, settings)
    out = book["einsum"](apart(g, groups, 1), apart(w, groups, 0), subscripts="agohw,gocij->agcijhw")
    return put_back(book["reshape"](out, shape=(*shape[:2], *out.shape[3:])), tuple(shape), plan)


def conv2d_weight(g: Any, x: Any, *, shape: Any, **settings: Any) -> Any:
    """Sums of products of what each window got with what it saw."""
    groups, plan = settings["groups"], planned(x.shape, shape, settings)
    out = book["einsum"](apart(g, groups, 1), apart(seen(x, plan), groups, 1), subscripts="agohw,agcijhw->gocij")
    return book["reshape"](out, shape=tuple(shape))


def planned(shape: Any, weights: Any, settings: dict[str, Any]) -> Any:
    """How the windows of a convolution slide."""
    around = [settings[name] for name in ("stride", "padding", "dilation", "groups")]
    return slides.slide_of_weights(shape, weights, *around)


def places_of_largest(x: Any, plan: Any) -> list[Any]:
    """For each entry of the window in turn, where it is the largest and none before it was."""
    from chainrule.rules import image_kernels  # for images alone

    (_, steps, around, spread, fits) = plan
    edge = np.pad(np.zeros(x.shape), edges(around), constant_values=-np.inf)
    within = np.pad(np.ones((1, 1, *x.shape[2:]), bool), edges(around))
    padded = book["add"](book["pad"](x, pad_width=edges(around)), edge)
    inside = book["index"](padded, key=windows_of(x.shape, plan))
    largest = book["largest"](inside, axis=(2, 3))
    found: list[Any] = []
    waiting: Any = None
    for i, j in np.ndindex(*plan[0]):
        entry = book["index"](inside, key=(slice(None), slice(None), i, j))
        here = book["logical_or"](book["equal"](entry, largest), book["isnan"](entry))
        allowed = image_kernels.seen_from(within, i, j, steps, spread, fits)
        if not allowed.all():  # the edge is as large as what is minus infinity
            here = book["logical_and"](here, allowed)
        if waiting is not None:
            here = book["logical_and"](waiting, here)
        left = book["logical_not"](here)
        waiting = left if waiting is None else book["logical_and"](waiting, left)
        found.append(here)
    return found


def pick_at_largest(y: Any, x: Any, *, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Of every window, the entry of y where x is largest."""
    plan = slides.slide(x.shape, kernel_size, stride, padding, dilation)
    inside, out = seen(y, plan), None
    for (i, j), here in zip(np.ndindex(*plan[0]), places_of_largest(x, plan), strict=True):
        one = book["where"](here, book["index"](inside, key=(slice(None), slice(None), i, j)), 0.0)
        out = one if out is None else book["add"](out, one)
    return out


def put_at_largest(g: Any, x: Any, *, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The gradient where x is largest in each window, and 0 elsewhere."""
    plan = slides.slide(x.shape, kernel_size, stride, padding, dilation)
    shares = book["stack"](*[book["where"](here, g, 0.0) for here in places_of_largest(x, plan)], axis=2)
    return put_back(book["reshape"](shares, shape=(*x.shape[:2], *plan[0], *plan[-1])), x.shape, plan)


def whole(word: str) -> Callable[..., Any]:
    """Whether all entries, or any, are not 0: an extreme of truth values."""
    return lambda x, axis, keepdims: book["not_equal"](
        book[word](book["where"](book["not_equal"](x, 0), 1.0, 0.0), axis=axis, keepdims=keepdims), 0
    )


def kinds(*inputs: Any) -> str:
    """The kinds of some numbers' types, a letter each."""
    return "".join([np.result_type(getattr(x, "dtype", x)).kind for x in inputs])


def converted(x: Any, dtype: Any) -> Any:
    """Numbers as those of another type: truth values of what is not 0, whole numbers cut towards zero."""
    dtype = np.dtype(dtype)
    if dtype == np.bool_:
        return book["not_equal"](x, 0)
    cut = dtype.kind in "iu" and x.dtype.kind == "f"
    if dtype.kind in "iu" and dtype != np.int64 and not np.can_cast(x.dtype, dtype):
        raise ChainruleError(f"numbers of {x.dtype} go round in {dtype}, which NumPy and JAX alone have: take int64")
    return book["trunc"](x) if cut else book["identity"](x)


def place_of(word: str) -> Callable[..., Any]:
    """The first place of an extreme, or of a nan where there is one."""

    def place(x: Any, axis: int | None, keepdims: bool) -> Any:
        shape = x.shape
        if axis is None:
            x = book["reshape"](x, shape=(-1,))
        along = axis or 0
        best = book[word](x, axis=along, keepdims=True)
        here = book["logical_or"](book["equal"](x, best), book["isnan"](x))
        n = x.shape[along]
        places = np.arange(n).reshape([n if k == along % len(x.shape) else 1 for k in range(len(x.shape))])
        first = book["smallest"](book["where"](here, places, n), axis=along, keepdims=keepdims)
        return book["reshape"](first, shape=(1,) * len(shape)) if axis is None and keepdims else first

    return place


def log1p(x: Any) -> Any:
    """log(1 + x): near 0 by the area tangent, where 1 + x has lost x."""
    near = book["less"](book["abs"](x), 0.5)
    inside = book["where"](near, x, 0.0)
    small = book["mul"](book["atanh"](book["div"](inside, book["add"](inside, 2.0))), 2.0)
    return book["where"](near, small, book["log"](book["add"](x, 1.0)))


def expm1(x: Any) -> Any:
    """eˣ − 1 as tanh(x/2) (eˣ + 1), in which nothing cancels."""
    return book["mul"](book["tanh"](book["div"](x, 2.0)), book["add"](book["exp"](x), 1.0))


def logaddexp(x: Any, y: Any) -> Any:
    """The larger one, and what the other adds; of equals, which may be infinite, log 2."""
    apart = book["neg"](book["abs"](book["sub"](x, y)))
    more = book["where"](book["equal"](x, y), float(np.log(2)), book["softplus"](apart))
    return book["add"](book["maximum"](x, y), more)


def signbit(x: Any) -> Any:
    """Whether a number is negative; of the two zeros the reciprocal tells."""
    return book["less"](book["where"](book["equal"](x, 0), book["div"](1.0, x), x), 0)


def cbrt(x: Any) -> Any:
    """The third root of the size, with the sign."""
    return book["mul"](book["sign"](x), book["pow"](book["abs"](x), 1 / 3))


def hypot(x: Any, y: Any) -> Any:
    """The root of the sum of squares, in units of the larger, so that no square overflows; of infinity it is that."""
    x, y = book["abs"](x), book["abs"](y)
    larger = book["maximum"](x, y)
    unit = book["where"](book["logical_and"](book["isfinite"](larger), book["not_equal"](larger, 0)), larger, 1.0)
    squares = [book["square"](book["div"](leg, unit)) for leg in (x, y)]
    endless = book["logical_or"](book["isinf"](x), book["isinf"](y))
    return book["where"](endless, np.inf, book["mul"](book["sqrt"](book["add"](*squares)), unit))


def atan2(y: Any, x: Any) -> Any:
    """The angle of the sizes, from 0 to a right one, put where the signs say; it is 0 for two zeros."""
    tall, wide = book["abs"](y), book["abs"](x)
    both = book["logical_and"](book["isinf"](tall), book["isinf"](wide))
    none = book["logical_and"](book["equal"](tall, 0), book["equal"](wide, 0))
    slope = book["where"](both, 1.0, book["where"](none, 0.0, book["div"](tall, book["where"](none, 1.0, wide))))
    angle = book["atan"](slope)
    angle = book["where"](book["signbit"](x), book["sub"](float(np.pi), angle), angle)
    return book["where"](book["signbit"](y), book["neg"](angle), angle)


def cut_towards_zero(x: Any, y: Any) -> tuple[Any, Any]:
    """What is left of a division that cuts towards zero, and whether its sign is not the divisor's."""
    left = book["fmod"](x, y)
    other = book["logical_xor"](book["less"](left, 0), book["less"](y, 0))
    return left, book["logical_and"](book["not_equal"](left, 0), other)


def remainder(x: Any, y: Any) -> Any:
    """What is left of a division that cuts towards zero, brought to the divisor's sign."""
    left, other = cut_towards_zero(x, y)
    return book["where"](other, book["add"](left, y), left)


def floor_divide(x: Any, y: Any) -> Any:
    """How often y goes into x without what is left; by 0 it is the quotient itself, and of whole numbers 0."""
    left, other = cut_towards_zero(x, y)
    cut = book["rint"](book["div"](book["sub"](x, left), y))
    whole = book["where"](other, book["sub"](cut, 1), cut)
    return book["where"](book["equal"](y, 0), book["div"](x, y) if "f" in kinds(x, y) else 0, whole)


def left_of_whole(word: str) -> Callable[..., Any]:
    """What a division leaves; of whole numbers in floating point, and 0 where they are divided by 0."""

    def left(x: Any, y: Any) -> Any:
        whole = [book["astype"](part, dtype=np.dtype(float)) if isinstance(part, Traced) else part for part in (x, y)]
        none = book["equal"](y, 0)
        rest = book[word](whole[0], book["where"](none, 1.0, whole[1]))
        return book["astype"](book["where"](none, 0.0, rest), dtype=np.result_type(*map(dtype_of, (x, y))))

    return lambda x, y: remainder(x, y) if word == "remainder" and "f" in kinds(x, y) else left(x, y)


def dtype_of(x: Any) -> Any:
    """The type of a number or an array."""
    return getattr(x, "dtype", x)


def in_order(x: Any, axis: int | None, descending: bool, stable: bool) -> Any:
    """Places in order: that of an entry is how many come before it, smaller ones, and equal ones that stand before it.

    All pairs are compared, in time O(n²), so that nothing is moved about. What is no number is larger than all.
    """
    x, axis = (book["reshape"](x, shape=(-1,)), 0) if axis is None else (x, axis % len(x.shape))
    n, left, right = x.shape[axis], x.shape[:axis], x.shape[axis + 1 :]

    def down(y: Any) -> Any:
        return book["reshape"](y, shape=(*left, n, 1, *right) if y is not places else (n, 1, *(1,) * len(right)))

    def across(y: Any) -> Any:
        return book["reshape"](y, shape=(*left, 1, n, *right) if y is not places else (1, n, *(1,) * len(right)))

    def how_many(*conditions: Any) -> Any:
        held = functools.reduce(book["logical_and"], conditions)
        return book["sum"](book["where"](held, 1, 0), axis=axis + 1, keepdims=False)

    places = leaf_from_outside(np.arange(n))
    this, other, sooner = down(x), across(x), book["less"](across(places), down(places))
    if x.dtype.kind != "f":
        rank = how_many(book["greater" if descending else "less"](other, this))
    else:
        counts = this if descending else other
        outside = book["less_equal" if descending else "greater_equal"](other, this)
        rank = how_many(book["logical_not"](outside), book["equal"](counts, counts))
        rank = book["add"](rank, how_many(book["isnan"](this), book["isnan"](other), sooner))
    rank = book["add"](rank, how_many(book["equal"](other, this), sooner))
    here = book["equal"](across(rank), down(places))
    return book["sum"](book["where"](here, across(places), 0), axis=axis + 1, keepdims=False)


def rounded(x: Any, decimals: int) -> Any:
    """The nearest number of so many decimals; of two the even one."""
    if not decimals:
        return book["rint"](x)
    into, back = ("mul", "div") if decimals > 0 else ("div", "mul")
    unit = 10.0 ** abs(decimals)
    return book[back](book["rint"](book[into](x, unit)), unit)


def sinc(x: Any) -> Any:
    """sin(πx)/(πx), and 1 at 0."""
    none = book["equal"](x, 0)
    turn = book["mul"](float(np.pi), book["where"](none, 1.0, x))
    return book["where"](none, 1.0, book["div"](book["sin"](turn), turn))


OTHERWISE: dict[str, Callable[..., Any]] = {
    "add_along_axis": add_along_axis,
    "all": whole("smallest"),
    "any": whole("largest"),
    "argmax": place_of("largest"),
    "argmin": place_of("smallest"),
    "argsort": in_order,
    "astype": converted,
    "atan2": atan2,
    "cbrt": cbrt,
    "clip": within,
    "conv2d": conv2d,
    "conv2d_input": conv2d_input,
    "conv2d_weight": conv2d_weight,
    "count_nonzero": lambda x, axis, keepdims: book["sum"](
        book["where"](book["not_equal"](x, 0), 1.0, 0.0), axis=axis, keepdims=keepdims
    ),
    "cumprod": lambda x, axis: multiplication.running(axis, x),
    "cumsum": cumsum,
    "einsum": einsum,
    "erfc": lambda x: book["sub"](1.0, book["erf"](x)),
    "exp2": lambda x: book["pow"](2.0, x),
    "expm1": expm1,
    "floor_divide": floor_divide,
    "fmod": left_of_whole("fmod"),
    "hypot": hypot,
    "index among slices": index_among_slices,
    "isfinite": lambda x: book["logical_not"](book["isnan"](book["sub"](x, x))),
    "length": length,
    "log10": lambda x: book["div"](book["log"](x), float(np.log(10))),
    "log1p": log1p,
    "log2": lambda x: book["div"](book["log"](x), float(np.log(2))),
    "logaddexp": logaddexp,
    "logaddexp2": lambda x, y: book["div"](
        book["logaddexp"](book["mul"](x, float(np.log(2))), book["mul"](y, float(np.log(2)))), float(np.log(2))
    ),
    "logsumexp": logsumexp,
    "lower_half": lower_half,
    "mean": mean,
    "not_equal": lambda x, y: book["logical_not"](book["equal"](x, y)),
    "outer": outer,
    "pick_at_largest": pick_at_largest,
    "prod": multiplication.by_halves,
    "product_of_others": lambda x, axis: multiplication.others_by_halves(axis, x),
    "put_at_largest": put_at_largest,
    "remainder": left_of_whole("remainder"),
    "round": rounded,
    "scatter among slices": scatter_among_slices,
    "searchsorted": searchsorted,
    "signbit": signbit,
    "sinc": sinc,
    "stack": lambda *arrays, axis: book["concatenate"](*[book["expand_dims"](x, axis=axis) for x in arrays], axis=axis),
    "take_along_axis": take_along_axis,
    "trunc": lambda x: book["where"](book["less"](x, 0), book["ceil"](x), book["floor"](x)),
}
"""How each is made."""
