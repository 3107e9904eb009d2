"""How the normal form of some operations is built: those that move entries, add them up, or multiply matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from chainrule.core.operation import Linear, Pointwise, book
from chainrule.core.term import Term, forward_order, name_of, shape_of, with_others
from chainrule.maths.calls import is_identity
from chainrule.rewrite.algebra import Product, build_product, product_of, with_exponents_added
from chainrule.rewrite.apart import taken_apart
from chainrule.rewrite.chains import build_chain, factored, inverse_of_chain, number_of, transposed_chain
from chainrule.rewrite.rearranging import (
    broadcast,
    is_diagonal,
    reshaped,
    scaled_by,
    total,
    transposed,
    with_scalars_in_front,
)
from chainrule.rewrite.rewriting import Rewriting, as_number, exact
from chainrule.rewrite.shaped import repeat


def as_number_or_none(x: Any) -> Any:
    """The number that an exponent is, also when it is repeated."""
    if name_of(x) == "broadcast_to":
        x = x.inputs[0]
    return as_number(x)


def changed(raw: Any, built: Any, law: str, way: Rewriting) -> Any:
    """What was built; the law is noted where it did something."""
    if built is not raw:
        way.note(law)
    return built


def build_reshape(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    scalars, x = with_scalars_in_front(inputs[0], way)
    return scaled_by(scalars, reshaped(x, shape), way)


def build_transpose(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    x = inputs[0]
    if x.ndim < 2:
        return x
    if x.ndim == 2:
        return transposed_chain(x, way) if settings.get("axes") in (None, (1, 0), (-1, -2)) else x
    return None


def build_broadcast(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    return broadcast(inputs[0], shape, way)


def build_total(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    x, axis = inputs[0], settings["axis"]
    axes = None if axis is None else tuple([i % x.ndim for i in (axis if isinstance(axis, tuple) else (axis,))])
    if axes is not None and len(axes) == x.ndim:
        axes = None
    trace = build_trace(x, way) if axes is None else None
    return reshaped(total(x, axes, way) if trace is None else trace, shape)


def build_mean(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    number = exact(math.prod(shape)) / exact(max(inputs[0].size, 1))
    added = build_total(inputs, settings, shape, way)
    return build_product(Product(exact(number)) * product_of(added), shape, way)


def build_sum_to(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    x = inputs[0]
    lead = x.ndim - len(shape)
    axes = tuple([i for i in range(x.ndim) if i < lead or shape[i - lead] != x.shape[i]])
    return reshaped(total(x, axes if len(axes) < x.ndim else None, way), shape) if axes else x


def build_matmul(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    if len(shape) != 2:
        return None
    left, right = factored(inputs[0]), factored(inputs[1])
    raw = book["matmul"](*inputs)
    return changed(raw, build_chain(left[0] * right[0], left[1] + right[1], way), "product of matrices", way)


def build_outer(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    left, right = inputs[0].size, inputs[1].size
    sides = [reshaped(inputs[0], (left, 1)), reshaped(inputs[1], (1, right))]
    return build_matmul(sides, settings, shape, way)


def build_solve(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    """To solve for every column of the identity is to invert; numbers of the right side stand in front."""
    right = inputs[1]
    scalars, rest = with_scalars_in_front(right, way)
    if rest is not right:
        return scaled_by(scalars, book["solve"](inputs[0], rest), way)
    if right.number is None or len(shape) != 2 or not is_identity(right.number):
        return None
    way.note("inverse")
    return book["inv"](inputs[0])


def build_inverse(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    """The inverse of a product is taken apart where products are written out: then it may cancel."""
    return inverse_of_chain(inputs[0], way) if len(shape) == 2 and way.takes("expand") else None


def build_where(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    known = as_number_or_none(inputs[0])
    if known is None and not are_same(*inputs[1:]):
        held = where_equal(inputs[0], inputs[1])
        return None if held is inputs[1] else book["where"](inputs[0], held, inputs[2])
    way.note("choice")
    taken = inputs[1] if known is None or known else inputs[2]
    return taken if shape_of(taken) == shape else broadcast(taken, shape, way)


def are_same(x: Any, y: Any) -> bool:
    """Whether two terms are one, or the same number everywhere."""
    number = as_number_or_none(x)
    return x is y or (number is not None and number == as_number_or_none(y))


def where_equal(condition: Any, x: Any) -> Any:
    """A term where a condition holds: of what is as large as what it was made of, as e = clip(e), that is left."""
    if name_of(condition) != "equal" or not isinstance(x, Term):
        return x
    order = forward_order([x])
    for made, inner in (condition.inputs, condition.inputs[::-1]):
        if made in order and made is not inner and isinstance(made, Term) and inner in forward_order([made]):
            return with_others(x, {made: inner})
    return x


def build_chosen(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    """A product, where the first factor is finite at all numbers; of an infinite one, a weight of 0 must leave 0.

    Of xˣ⁻¹ and x it is xˣ: where x is 0 it stands beside the logarithm of 0.
    """
    part, weight = inputs
    if as_number_or_none(part) == 0:
        way.note("choice")
        return repeat(0, shape)
    held = where_equal(weight, part)
    if held is not part:
        way.note("choice")
        return book["chosen"](held, weight)
    if not finite_everywhere(part) and not (name_of(part) == "pow" and part.inputs[0] is weight):
        return None
    return build_product(with_exponents_added(product_of(part) * product_of(weight)), shape, way)


def finite_everywhere(x: Any) -> bool:
    """Whether a term is finite at all finite numbers, but for overflow."""
    for term in forward_order([x]):
        if term.op is None or isinstance(term.op, Linear):
            continue
        power = as_number_or_none(term.inputs[1]) if term.op is book["pow"] else None
        if power is not None and power >= 0 and float(power).is_integer():
            continue
        if not isinstance(term.op, Pointwise) or not term.op.everywhere:
            return False
    return True


def build_identity(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    return inputs[0]


def build_index(inputs: list[Any], settings: Any, shape: Any, way: Rewriting) -> Any:
    """The diagonal of a diagonal matrix, or of a transpose; one of the parts that were put together."""
    x, key = inputs[0], settings["key"]
    part = taken_apart(x, key if isinstance(key, tuple) else (key,))
    if part is not None:
        way.note("part of a whole")
        return part
    if not is_diagonal(book["index"](x, **settings)):
        return None
    if name_of(x) == "scatter" and is_diagonal(x):
        way.note("diagonal")
        return x.inputs[0]
    if name_of(x) == "transpose":
        return book["index"](transposed(x), **settings)
    return None


def build_trace(x: Any, way: Rewriting) -> Any:
    """The trace of a chain that is one entry wide somewhere: a number, once it is turned to begin there."""
    scalars, x = with_scalars_in_front(x, way)
    if name_of(x) != "index" or not is_diagonal(x):
        return None
    inside, factors = factored(x.inputs[0])
    narrow = next((k for k, factor in enumerate(factors) if factor.shape[0] == 1), None)
    if narrow is None:
        return None
    way.note("trace")
    number = number_of([*factors[narrow:], *factors[:narrow]], way)
    return build_product(scalars * inside * product_of(number), (), way)


BUILDERS: dict[str, Callable[[list[Any], Any, Any, Rewriting], Any]] = {
    "reshape": build_reshape,
    "expand_dims": build_reshape,
    "squeeze": build_reshape,
    "transpose": build_transpose,
    "swap": build_transpose,
    "broadcast_to": build_broadcast,
    "sum": build_total,
    "mean": build_mean,
    "sum_to": build_sum_to,
    "matmul": build_matmul,
    "outer": build_outer,
    "inv": build_inverse,
    "solve": build_solve,
    "where": build_where,
    "chosen": build_chosen,
    "identity": build_identity,
    "index": build_index,
}
"""How the normal form of some operations is built; None goes on to what holds for all of a kind."""
