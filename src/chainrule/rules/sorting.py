"""Functions of order, made of the rules in order.py: sorted entries, the largest few, medians and quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import composed, holds_differentiable, is_node
from chainrule.errors import DtypeError, ShapeError
from chainrule.rules import linear, logic, order, pointwise
from chainrule.rules.arrange import along, an_axis, moveaxis, some_axes, with_axis
from chainrule.rules.composed import alike, array_of, gathered, require_numbers, shape_of
from chainrule.rules.linear import index, reshape
from chainrule.rules.order import Places, whole_numbers

Axis = int | tuple[int, ...] | None


@composed
def sort(x: Any, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Any:
    """The entries in rising (or falling) order along an axis, or all of them with None; the gradient follows each.

    Equal entries keep their order, and nan comes last when rising, as in NumPy. O(n log n).

    >>> import chainrule as cr, numpy as np
    >>> cr.sort(np.array([3.0, 1.0, 2.0]), descending=True)
    array([3., 2., 1.])
    """
    require_numbers(x, "the order")
    x, axis = with_axis(gathered(x), axis)
    return order.take_along_axis(x, order.argsort(x, axis=axis, descending=descending), axis=axis)


class ValuesAndIndices(NamedTuple):
    """What `topk` gives, with PyTorch's names."""

    values: Any
    indices: Places


@composed
def topk(x: Any, k: int, axis: int = -1, largest: bool = True) -> ValuesAndIndices:
    """The k largest (or smallest) entries along an axis, best first, and their places.

    >>> import chainrule as cr, numpy as np
    >>> values, places = cr.topk(np.array([1.0, 5.0, 3.0]), 2)
    >>> values, places
    (array([5., 3.]), array([1, 2]))
    """
    require_numbers(x, "the order")
    x = gathered(x)
    axis = an_axis(axis, len(shape_of(x)))
    if not 0 <= k <= shape_of(x)[axis]:
        raise ShapeError(f"topk cannot take {k} of {shape_of(x)[axis]} entries")
    places = index(order.argsort(x, axis=axis, descending=largest), key=along(axis, slice(0, k)))
    return ValuesAndIndices(order.take_along_axis(x, places, axis=axis), places)


@composed
def median(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The middle entry, or the mean of the two in the middle; nan where an entry is.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.median(np.array([1.0, 9.0, 2.0])))
    2.0
    """
    x = gathered(x)
    rows = merged(x, axis)
    n = shape_of(rows)[0]
    ordered = sort(rows, axis=0)
    middle = linear.mean(index(ordered, key=slice((n - 1) // 2, n // 2 + 1)), axis=0)
    return with_axes(spoilt(middle, rows), shape_of(x), axis, keepdims)


def plain_shares(q: Any) -> Any:
    if holds_differentiable([q]):
        raise DtypeError("there is no derivative in the shares q: give plain numbers, or q.detach()")
    return np.asarray(array_of(q) if is_node(q) else q, np.float64)


@composed
def quantile(x: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Any:
    """What a share q of the entries lies below; several shares lie along a new first axis; nan where an entry is.

    Between two entries `method` takes a share of each ("linear"), the "lower", the "higher", the "nearest" or the
    "midpoint".

    >>> import chainrule as cr, numpy as np
    >>> cr.quantile(np.array([0.0, 10.0, 20.0]), [0.25, 1.0])
    array([ 5., 20.])
    """
    x = gathered(x)
    shares = plain_shares(q)
    if not np.all((shares >= 0) & (shares <= 1)):
        raise ShapeError(f"a quantile is for shares between 0 and 1, not {q}")
    rows = merged(x, axis)
    places = shares * (shape_of(rows)[0] - 1)
    low, high = np.floor(places).astype(int), np.ceil(places).astype(int)
    between = places - low
    entries = {"lower": low, "higher": high, "nearest": np.rint(places).astype(int)}
    parts = {"linear": between, "midpoint": (between > 0) * 0.5}
    if method not in entries | parts:
        raise ShapeError(f"quantile has the methods {', '.join([*parts, *entries])}, not {method!r}")
    ordered = sort(rows, axis=0)
    if method in entries:
        found = index(ordered, key=entries[method])
    else:
        rest = shape_of(rows)[1:]
        share = parts[method].reshape(shares.shape + (1,) * len(rest)).astype(np.result_type(rows.dtype, np.float32))
        below, above = index(ordered, key=low), index(ordered, key=high)
        way = above - below
        # Of infinite ends a share of each is taken: both may be the same infinity, whose difference is no number.
        mixed = pointwise.where(logic.isfinite(way), below + share * way, (1 - share) * below + share * above)
        found = pointwise.where(share == 0, below, mixed)
    out = spoilt(found, rows)
    return with_axes(out, shape_of(x), axis, keepdims, len(shares.shape))


@composed
def percentile(x: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Any:
    """`quantile` for shares in hundredths.

    >>> import chainrule as cr, numpy as np
    >>> float(cr.percentile(np.array([0.0, 10.0, 20.0]), 25))
    5.0
    """
    return quantile(x, plain_shares(q) / 100, axis, method, keepdims)


@composed
def take(x: Any, indices: Places, axis: int | None = None, mode: str = "raise") -> Any:
    """The entries (or slices along an axis) at given places; places outside raise, "wrap" round or "clip" to the ends.

    >>> import chainrule as cr, numpy as np
    >>> cr.take(np.array([10.0, 20.0, 30.0]), [2, 0, 2])
    array([30., 10., 30.])
    """
    x, axis = with_axis(gathered(x), axis)
    if mode == "raise" and getattr(indices, "origin", None) is not None:
        return picked(x, indices, axis)
    places, length = whole_numbers(indices), shape_of(x)[axis]
    if places.size and not length:
        raise IndexError(f"take finds no entry in {shape_of(x)} along axis {axis}")
    if mode == "wrap":
        places = places % np.maximum(length, 1)
    elif mode == "clip":
        places = np.clip(places, 0, length - 1)
    elif mode != "raise":
        raise ShapeError(f"take has the modes raise, wrap and clip, not {mode!r}")
    return index(x, key=along(axis, places))


def picked(x: Any, places: Any, axis: int) -> Any:
    """The slices at places that are no plain numbers but were computed, with the places as an input of the rule."""
    before, behind = shape_of(x)[:axis], shape_of(x)[axis + 1 :]
    along_axis = reshape(places, shape=((1,) * len(before) + (-1,) + (1,) * len(behind)))
    each = linear.broadcast_to(along_axis, shape=(*before, places.size, *behind))
    return reshape(order.take_along_axis(x, each, axis=axis), shape=(*before, *places.shape, *behind))


@composed
def compress(condition: Any, x: Any, axis: int | None = None) -> Any:
    """The entries (or slices along an axis) for which a condition holds.

    >>> import chainrule as cr, numpy as np
    >>> cr.compress([True, False, True], np.array([1.0, 2.0, 3.0]))
    array([1., 3.])
    """
    return take(x, flatnonzero(gathered(condition)), axis)


@composed
def index_select(x: Any, axis: int, indices: Places) -> Any:
    """`take` along an axis, with PyTorch's name and order of arguments.

    >>> import chainrule as cr, numpy as np
    >>> cr.index_select(np.eye(3), 1, [2]).ravel()
    array([0., 0., 1.])
    """
    return take(x, indices, axis)


@composed
def index_add(x: Any, axis: int, indices: Places, values: Any) -> Any:
    """x with slices added at places along an axis, adding up where one is met twice; x itself stays.

    >>> import chainrule as cr, numpy as np
    >>> cr.index_add(np.zeros(3), 0, [0, 2, 0], np.ones(3))
    array([2., 0., 1.])
    """
    x, values = gathered(x), gathered(values)
    axis = an_axis(axis, len(shape_of(x)))
    return pointwise.add(x, linear.scatter(values, key=along(axis, whole_numbers(indices)), shape=shape_of(x)))


@composed
def scatter_add(x: Any, axis: int, indices: Places, values: Any) -> Any:
    """x with entries added at places along an axis, entry by entry; x itself stays.

    >>> import chainrule as cr, numpy as np
    >>> cr.scatter_add(np.zeros((2, 2)), 1, np.array([[0, 0], [1, 0]]), np.ones((2, 2)))
    array([[2., 0.],
           [1., 1.]])
    """
    x = gathered(x)
    added = order.add_along_axis(gathered(values), indices, shape=shape_of(x), axis=axis)
    return pointwise.add(x, added)


@composed
def masked_fill(x: Any, mask: Any, value: Any) -> Any:
    """A value where a mask holds, and x elsewhere.

    >>> import chainrule as cr, numpy as np
    >>> cr.masked_fill(np.array([1.0, 2.0]), np.array([True, False]), 0.0)
    array([0., 2.])
    """
    x = gathered(x)
    if type(value) in (int, float) and hasattr(x, "dtype"):
        value = np.asarray(value, x.dtype)[()]
    return pointwise.where(gathered(mask), value, x)


@composed
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Entry by entry the first choice whose condition holds, and a default where none does.

    >>> import chainrule as cr, numpy as np
    >>> x = np.array([-2.0, 0.5, 3.0])
    >>> cr.select([x < 0, x < 1], [-x, x * x], 1.0)
    array([2.  , 0.25, 1.  ])
    """
    if not (is_list(condlist) and is_list(choicelist)):
        raise ShapeError("select takes a list of conditions and one of choices")
    if len(condlist) != len(choicelist):
        raise ShapeError(f"select takes a choice for each condition, not {len(choicelist)} for {len(condlist)}")
    out = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = pointwise.where(condition, choice, out)
    return out


def is_list(x: Any) -> bool:
    """Whether it has a length: a list, a tuple, or an array or node with axes."""
    return isinstance(x, list | tuple) or bool(shape_of(x))


@composed
def choose(indices: Places, choices: Sequence[Any]) -> Any:
    """Entry by entry the choice whose number stands there.

    >>> import chainrule as cr, numpy as np
    >>> cr.choose(np.array([1, 0]), [np.array([1.0, 2.0]), np.array([10.0, 20.0])])
    array([10.,  2.])
    """
    places = whole_numbers(indices)
    if places.size and not 0 <= places.min() <= places.max() < len(choices):
        raise IndexError(f"choose has {len(choices)} choices, and the numbers go from {places.min()} to {places.max()}")
    out = choices[0]
    for k in range(1, len(choices)):
        out = pointwise.where(places == k, choices[k], out)
    return out


@composed
def nonzero(x: Any) -> tuple[Any, ...]:
    """The places of the entries that are not 0, as one row of numbers for each axis.

    >>> import chainrule as cr, numpy as np
    >>> cr.nonzero(np.array([0.0, 3.0, 0.0, 4.0]))
    (array([1, 3]),)
    """
    x = gathered(x)
    if not shape_of(x):
        raise ShapeError("nonzero gives a row of places for each axis, and a single number has none")
    return tuple([alike(x, places) for places in np.nonzero(array_of(x))])


@composed
def flatnonzero(x: Any) -> Any:
    """The places of the entries that are not 0, counted row by row.

    >>> import chainrule as cr, numpy as np
    >>> cr.flatnonzero(np.eye(2))
    array([0, 3])
    """
    x = gathered(x)
    return alike(x, np.flatnonzero(array_of(x)))


@composed
def argwhere(x: Any) -> Any:
    """The places of the entries that are not 0, a row for each.

    >>> import chainrule as cr, numpy as np
    >>> cr.argwhere(np.eye(2)).tolist()
    [[0, 0], [1, 1]]
    """
    x = gathered(x)
    return alike(x, np.argwhere(array_of(x)))


@composed
def unique(
    x: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
) -> Any:
    """The different entries in rising order, each as it stands first in x, where its gradient goes.

    With `axis` they are the different parts along it (rows, of a matrix and axis 0). Asked for, their first places, the
    places that rebuild x, and how often each stands there come too, as plain arrays.

    >>> import chainrule as cr, numpy as np
    >>> cr.unique(np.array([3.0, 1.0, 3.0]), return_counts=True)
    (array([1., 3.]), array([1, 2]))
    """
    x = gathered(x)
    _, first, inverse, counts = np.unique(array_of(x), True, True, True, axis)
    found = take(x, alike(x, first), axis=axis)
    more = [
        part for part, asked in ((first, return_index), (inverse, return_inverse), (counts, return_counts)) if asked
    ]
    return (found, *more) if more else found


def merged(x: Any, axis: Axis) -> Any:
    """The array with some of its axes joined to one that comes first."""
    shape = shape_of(x)
    axes = some_axes(axis, len(shape))
    if len(shape) == 1 == len(axes):
        return x
    first = moveaxis(x, axes, tuple(range(len(axes)))) if len(axes) < len(shape) else x
    rest = tuple([n for i, n in enumerate(shape) if i not in axes])
    return reshape(first, shape=(int(np.prod([shape[i] for i in axes])), *rest))


def with_axes(x: Any, shape: Sequence[int], axis: Axis, keepdims: bool, new: int = 0) -> Any:
    """A result without some axes with these back, of length 1, behind the `new` ones that it begins with."""
    if not keepdims:
        return x
    axes = some_axes(axis, len(shape))
    kept = tuple([1 if i in axes else n for i, n in enumerate(shape)])
    return reshape(x, shape=(*shape_of(x)[:new], *kept))


def spoilt(out: Any, rows: Any) -> Any:
    """A result with nan where an entry of its rows is nan: sorting has put those last."""
    if rows.dtype.kind != "f":
        return out
    lost = order.any(logic.isnan(rows), axis=0)
    return pointwise.where(lost, np.nan, out)
