"""Operations whose forward is written for NumPy alone, by other operations of the book.

Their rules call loops of their own, or write into arrays; here is what the same result is made of. Tests hold each to
its rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operation import book
from chainrule.rules.linear import count


def whole_power(x: Any, y: Any) -> Any:
    """A small whole power as a product; NotImplemented of any other."""
    if type(y) in (int, float) and y in (1, 2, 3, 4):
        square = book["mul"](x, x) if y > 1 else book["identity"](x)
        return square if y < 3 else book["mul"](square, x if y == 3 else square)
    return NotImplemented


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


def softmax(x: Any, axis: Any) -> Any:
    """e^x over its sum, from the largest entry."""
    grown = book["exp"](book["sub"](x, book["largest"](x, axis=axis, keepdims=True)))
    return book["div"](grown, book["sum"](grown, axis=axis, keepdims=True))


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


def cumsum(x: Any, axis: int | None) -> Any:
    """Running sums: every entry counts in all sums from its own on, which is a product with a triangle of ones."""
    if axis is None:
        x, axis = book["reshape"](x, shape=(-1,)), 0
    ndim, n = len(x.shape), x.shape[axis]
    order = (*[k for k in range(ndim) if k != axis % ndim], axis % ndim)
    rows = book["reshape"](book["transpose"](x, axes=order), shape=(x.size // max(n, 1), n))
    sums = book["matmul"](rows, np.triu(np.ones((n, n))))
    back = tuple([order.index(k) for k in range(ndim)])
    return book["transpose"](book["reshape"](sums, shape=tuple([x.shape[k] for k in order])), axes=back)


def lower_half(x: Any) -> Any:
    """The triangle below the diagonal, and half of the diagonal."""
    n = x.shape[-1]
    return book["chosen"](x, np.tril(np.ones((n, n))) - np.eye(n) / 2)


def symmetric(x: Any) -> Any:
    """Half of the sum with the transpose."""
    return book["div"](book["add"](x, book["swap"](x)), 2.0)


def whole(word: str) -> Callable[..., Any]:
    """Whether all entries, or any, are not 0: an extreme of truth values."""
    return lambda x, axis, keepdims: book["not_equal"](
        book[word](book["where"](book["not_equal"](x, 0), 1.0, 0.0), axis=axis, keepdims=keepdims), 0
    )


OTHERWISE: dict[str, Callable[..., Any]] = {
    "add_along_axis": add_along_axis,
    "all": whole("smallest"),
    "any": whole("largest"),
    "astype": lambda x, dtype: book["identity"](x),
    "clip": within,
    "count_nonzero": lambda x, axis, keepdims: book["sum"](
        book["where"](book["not_equal"](x, 0), 1.0, 0.0), axis=axis, keepdims=keepdims
    ),
    "cumsum": cumsum,
    "einsum": einsum,
    "floor_divide": lambda x, y: book["rint"](book["div"](book["sub"](x, book["remainder"](x, y)), y)),
    "length": length,
    "logaddexp2": lambda x, y: book["div"](
        book["logaddexp"](book["mul"](x, float(np.log(2))), book["mul"](y, float(np.log(2)))), float(np.log(2))
    ),
    "logsumexp": logsumexp,
    "lower_half": lower_half,
    "mean": mean,
    "outer": outer,
    "pow": whole_power,
    "softmax": softmax,
    "symmetric": symmetric,
    "take_along_axis": take_along_axis,
}
"""How each is made; one that gives NotImplemented is written with a word after all."""
