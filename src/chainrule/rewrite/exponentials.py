"""Functions of the book recognised in products: a sigmoid and a softmax written out in exponentials."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from chainrule.core.operation import book, compositions
from chainrule.core.term import Term, name_of, shape_of
from chainrule.rewrite.algebra import Product, build_product, build_sum, product_of, sum_of
from chainrule.rewrite.rearranging import broadcast, reshaped, total
from chainrule.rewrite.rewriting import Rewriting, as_number, exact
from chainrule.rules.linear import kept

ONCE = Fraction(1)


def with_named_functions(product: Product, way: Rewriting) -> Product:
    """A product with its sigmoids and softmaxes called by name, and no absolute value beside its own sign."""
    product = with_signs_taken_in(product, way)
    powers = product.powers
    if not any(e < 0 for e in powers.values()) and not any(name_of(base) == "sigmoid" for base in powers):
        return product
    out = Product(product.number, powers)
    for base, exponent in powers.items():
        inner = exponential_plus_one(base)
        while inner is not None and out.powers.get(base, ONCE) <= -1:
            out.times(base)
            exponential = book["exp"](inner)
            above = out.powers.get(exponential, Fraction(0)) >= 1
            if above:
                out.times(exponential, -ONCE)
            out.times(book["sigmoid"](inner if above else minus(inner, way)))
            way.note("known function")
        if name_of(base) == "exp" and exponent >= 1:
            take_softmax(out, base, way)
    for base in [base for base in out.powers if name_of(base) == "sigmoid"]:
        exponential = book["exp"](minus(base.inputs[0], way))
        if out.powers.get(base, Fraction(0)) >= 1 and out.powers.get(exponential, Fraction(0)) >= 1:
            way.note("known function")
            out.times(base, -ONCE)
            out.times(exponential, -ONCE)
            out.times(book["sigmoid"](minus(base.inputs[0], way)))
    for base in [base for base in out.powers if name_of(base) == "sigmoid"]:
        other = book["sigmoid"](minus(base.inputs[0], way))
        if other in out.powers and base in out.powers and out.powers[base] >= 1 and out.powers[other] >= 1:
            way.note("known function")
            first = min(base, other, key=lambda x: product_of(x.inputs[0]).number < 0)
            second = other if first is base else base
            out.times(second, -ONCE)
            out.times(build_sum(sum_of(1 - first, way), first.shape, way.plainly()))
    return out


def with_signs_taken_in(product: Product, way: Rewriting) -> Product:
    """A product in which no absolute value stands beside its own sign."""
    out = product
    for base in [base for base, exponent in product.powers.items() if name_of(base) == "sign" and exponent >= 1]:
        size = book["abs"](base.inputs[0])
        if product.powers.get(size, Fraction(0)) >= 1:
            way.note("known function")
            out = out * Product(powers={base: -ONCE, size: -ONCE}) * product_of(base.inputs[0])
    return out


def exponential_plus_one(x: Term) -> Any:
    """The z of 1 + e^z; None for anything else."""
    if name_of(x) != "add":
        return None
    first, second = x.inputs
    if as_number(second) != 1:
        first, second = second, first
    return first.inputs[0] if as_number(second) == 1 and name_of(first) == "exp" else None


def minus(x: Any, way: Rewriting) -> Any:
    return build_product(Product(exact(-1)) * product_of(x), shape_of(x), way.plainly())


def take_softmax(product: Product, exponential: Term, way: Rewriting) -> None:
    """Replace e^x over the sum of e^x, along any one axis, by the softmax of x."""
    shape = exponential.shape
    for axis in range(len(shape)):
        added = total(exponential, (axis,), way.plainly())
        kept = (*shape[:axis], 1, *shape[axis + 1 :])
        below = broadcast(reshaped(added, kept), shape, way.plainly())
        base = below.inputs[0] if not shape_of(added) else below
        if product.powers.get(base, Fraction(0)) <= -1:
            way.note("known function")
            product.times(base)
            product.times(exponential, -ONCE)
            place = axis - len(shape) if axis == len(shape) - 1 else axis
            product.times(compositions["softmax"](exponential.inputs[0], axis=place))
            return


def as_softmax(exponential: Any) -> Any:
    """The softmax of x in place of e^(x - logsumexp(x)); None for anything else."""
    if name_of(exponential) != "exp" or name_of(exponential.inputs[0]) != "sub":
        return None
    x, total = exponential.inputs[0].inputs
    repeated = total
    while name_of(total) in ("broadcast_to", "reshape"):
        total = total.inputs[0]
    if name_of(total) != "logsumexp" or total.inputs[0] is not x:
        return None
    axis = total.settings["axis"]
    spread = broadcast(reshaped(total, kept(x.shape, axis)), x.shape, Rewriting())
    if repeated not in (spread, broadcast(total, x.shape, Rewriting()) if not total.shape else spread):
        return None
    return book["softmax"](x, axis=-1 if x.ndim == 1 else axis)
