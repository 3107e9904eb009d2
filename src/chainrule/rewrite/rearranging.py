"""The normal form of what moves entries or adds them up: shaping, transposing, repeating, summing."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from chainrule.core.operation import book, compositions
from chainrule.core.term import Shape, Term, constant, name_of, shape_of
from chainrule.rewrite.algebra import ONE, Product, build_product, build_sum, product_of, sum_of
from chainrule.rewrite.rewriting import Rewriting, as_term, exact
from chainrule.rewrite.shaped import repeat

MOST_ENTRIES = 1_000_000
"""Constants larger than this are not worked out."""


def with_scalars_in_front(x: Any, way: Rewriting) -> tuple[Product, Any]:
    """A term's scalar factors, and the term without them."""
    product = product_of(x)
    scalars = product.scalars()
    if not scalars.powers and scalars.number == 1:
        return scalars, x
    return scalars, as_term(build_product(product.arrays(), shape_of(x), way.plainly()))


def scaled_by(scalars: Product, x: Any, way: Rewriting) -> Any:
    if not scalars.powers and scalars.number == 1:
        return x
    way.note("numbers in front")
    return build_product(scalars * product_of(x), shape_of(x), way)


def reshaped(x: Any, shape: Shape) -> Any:
    """The entries in another shape, in one step."""
    if shape_of(x) == shape:
        return x
    while name_of(x) == "reshape":
        x = x.inputs[0]
        if x.shape == shape:
            return x
    if name_of(x) == "transpose" and is_line(x) and x.inputs[0].shape == shape:
        return x.inputs[0]
    if not shape_of(x):
        return repeat(x, shape)
    if not shape and name_of(x) == "index" and x.inputs[0].ndim == 1 and isinstance(x.settings["key"], slice):
        return book["index"](x.inputs[0], key=range(x.inputs[0].size)[x.settings["key"]][0])
    if name_of(x) == "broadcast_to" and not shape_of(x.inputs[0]):
        return repeat(x.inputs[0], shape)
    return book["reshape"](x, shape=shape)


def is_line(x: Term) -> bool:
    """Whether a term is a vector, a row or a column: its entries stand in one order, however it is turned."""
    return x.ndim == 1 or (x.ndim == 2 and 1 in x.shape)


def transposed(x: Term) -> Any:
    """A matrix's transpose; a row and a column of one vector are that vector in two shapes."""
    if name_of(x) == "transpose" and x.settings["axes"] is None:
        return x.inputs[0]
    if name_of(x) in ("reshape", "matmul") and 1 in x.shape:
        return reshaped(x, x.shape[::-1])
    if name_of(x) == "broadcast_to" and not shape_of(x.inputs[0]):
        return repeat(x.inputs[0], x.shape[::-1])
    if x.number is not None:
        return constant(x.number.T)
    if name_of(x) == "scatter" and is_diagonal(x):
        return x
    return book["transpose"](x)


def is_diagonal(x: Term) -> bool:
    """Whether a term puts a vector on the diagonal of a matrix, as `diag` does, or picks that diagonal."""
    key = x.settings["key"]
    shape = x.shape if name_of(x) == "scatter" else x.inputs[0].shape
    if len(shape) != 2 or shape[0] != shape[1] or not isinstance(key, tuple) or len(key) != 2:
        return False
    places = np.arange(shape[0])
    return all(isinstance(part, np.ndarray | list) and np.array_equal(part, places) for part in key)


def same_when_transposed(x: Term, way: Rewriting) -> bool:
    """Whether a sum is its own transpose, as A + Aᵀ is."""
    entries = sum_of(x, way)
    if len(entries) > 8:
        return False
    turned: dict[Term, Any] = {}
    for unit, number in entries.items():
        other = transposed(unit) if unit.shape else unit
        if name_of(unit) == "outer":
            other = book["outer"](*unit.inputs[::-1])
        turned[other] = number
    return turned == entries


def broadcast(x: Any, shape: Shape, way: Rewriting) -> Any:
    """Entries repeated to a shape, in one step."""
    if shape_of(x) == shape:
        return x
    scalars, x = with_scalars_in_front(as_term(x), way)
    if name_of(x) == "broadcast_to":
        x = x.inputs[0]
    if x.size == 1:
        x = reshaped(x, ())
        return repeat(build_product(scalars * product_of(x), (), way), shape)
    # An axis of length 1 in front is there already when entries are repeated.
    inner = x.shape
    while len(inner) > 1 and inner[0] == 1:
        inner = inner[1:]
    return scaled_by(scalars, book["broadcast_to"](reshaped(x, inner), shape=shape), way)


def total(x: Any, axes: tuple[int, ...] | None, way: Rewriting) -> Any:
    """The sum over some axes (all of them for None), without keeping them."""
    scalars, x = with_scalars_in_front(as_term(x), way)
    if axes is not None:
        axes = tuple(sorted([i for i in axes if x.shape[i] != 1]))
        rest = tuple([n for n in x.shape if n != 1])
        if not axes or len(rest) == len(axes):
            axes = None if axes else ()
    if axes == ():
        return scaled_by(scalars, reshaped(x, tuple([n for n in x.shape if n != 1])), way)
    out = total_of_all(x, way) if axes is None else total_along(x, axes, way)
    return scaled_by(scalars, out, way)


def total_along(x: Term, axes: tuple[int, ...], way: Rewriting) -> Any:
    """The sum over some axes; over an axis of copies it is a multiple."""
    if name_of(x) == "broadcast_to":
        inner = x.inputs[0]
        lead = x.ndim - inner.ndim
        copied = tuple([i for i in axes if i < lead or inner.shape[i - lead] == 1])
        if copied:
            way.note("sum")
            number = exact(math.prod([x.shape[i] for i in copied]))
            kept = tuple([n for i, n in enumerate(x.shape) if i not in copied])
            places = [i for i in range(x.ndim) if i not in copied]
            left = tuple([k for k, i in enumerate(places) if i in axes])
            smaller = broadcast(reshaped(inner, kept_shape(inner, copied, lead)), kept, way)
            return scaled_by(Product(number), total(smaller, left, way) if left else smaller, way)
    if name_of(x) == "softmax" and axes == (x.settings["axis"] % x.ndim,):
        way.note("shares")
        return repeat(1, without_axes(x.shape, axes))
    copies = {base: e for base, e in product_of(x).powers.items() if is_copied(base, axes)}
    if copies:
        return copies_in_front(x, copies, axes, way)
    if name_of(x) in ("add", "sub") and way.takes("expand"):
        entries = sum_of(x, way)
        if any([is_copied(unit, axes) for unit in entries]):
            # The sum of what is left of a mean along an axis may be nothing.
            return distributed_total(x, entries, axes, way)
    return book["sum"](x, axis=axes[0] if len(axes) == 1 else axes)


def without_axes(shape: Shape, axes: tuple[int, ...]) -> Shape:
    return tuple([n for i, n in enumerate(shape) if i not in axes])


def copies_in_front(x: Term, copies: dict[Term, Any], axes: tuple[int, ...], way: Rewriting) -> Any:
    """The sum over some axes, with the factors in front of it that are the same along these."""
    way.note("numbers in front")
    rest, front, shape = product_of(x), Product(), without_axes(x.shape, axes)
    for base, exponent in copies.items():
        rest.times(base, -exponent)
        inner = base.inputs[0]
        kept = kept_shape(inner, axes, x.ndim - inner.ndim)
        front.times(broadcast(reshaped(inner, kept), shape, way), exponent)
    added = total(build_product(rest, x.shape, way.plainly()), axes, way)
    return build_product(front * product_of(added), shape, way)


def is_copied(x: Term, axes: tuple[int, ...]) -> bool:
    """Whether an array is the same along some axes."""
    if name_of(x) != "broadcast_to" or not x.inputs[0].shape:
        return False
    inner = x.inputs[0]
    lead = x.ndim - inner.ndim
    return all([i < lead or inner.shape[i - lead] == 1 for i in axes])


def distributed_total(x: Term, entries: Any, axes: tuple[int, ...] | None, way: Rewriting) -> Any:
    way.note("distribution")
    shape = () if axes is None else without_axes(x.shape, axes)
    table: dict[Term, Any] = {}
    for unit, number in entries.items():
        part = total(repeat(1, x.shape) if unit is ONE else broadcast(unit, x.shape, way), axes, way)
        whole = product_of(part)
        key = build_product(Product(powers=whole.powers), shape, way.plainly()) if whole.powers else ONE
        table[key] = table.get(key, Fraction(0)) + number * whole.number
    return build_sum(table, shape, way)


def kept_shape(inner: Term, copied: tuple[int, ...], lead: int) -> Shape:
    """The shape of what was repeated, without the axes of copies."""
    return tuple([n for k, n in enumerate(inner.shape) if k + lead not in copied])


def total_of_all(x: Term, way: Rewriting) -> Any:
    while name_of(x) in ("reshape", "transpose", "swap", "expand_dims", "squeeze", "flip", "roll"):
        x = x.inputs[0]
    if x.size == 1:
        return reshaped(x, ())
    name = name_of(x)
    if name == "softmax":
        # Shares along an axis add up to 1, so all of them to the number of times that there is such an axis.
        way.note("shares")
        axes = x.settings["axis"]
        along = range(x.ndim) if axes is None else axes if isinstance(axes, tuple) else (axes,)
        return x.size // math.prod([x.shape[axis] for axis in along])
    if name == "broadcast_to":
        way.note("sum")
        inner = x.inputs[0]
        number = exact(x.size // max(inner.size, 1))
        return build_product(Product(number) * product_of(total(inner, None, way)), (), way)
    if name in ("sum", "scatter"):
        way.note("sum")
        return total(x.inputs[0], None, way)
    product = product_of(x)
    if x.ndim == 1 and any(e >= 1 for e in product.powers.values()):
        if sum(product.powers.values()) > 1 or len(product.powers) > 1:
            return dotted(x, product, way)
    entries = sum_of(x, way) if name in ("add", "sub") else {}
    # What is the same everywhere, as a mean, counts so many times: the sum of what is left of it may be nothing.
    if entries and (any([unit is not ONE and not unit.shape for unit in entries]) or way.takes("expand")):
        return distributed_total(x, entries, None, way)
    return book["sum"](x)


def dotted(x: Term, product: Product, way: Rewriting) -> Any:
    """The sum of a product of vectors as a dot product."""
    way.note("sum of a product")
    first = next(base for base, e in product.powers.items() if e >= 1)
    rest = Product(powers=product.powers)
    rest.times(first, Fraction(-1))
    return compositions["matmul"](first, build_product(rest, x.shape, way.plainly()))
