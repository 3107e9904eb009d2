"""The laws by which derivatives of rules are written: most of those of programs, and some of real numbers.

A derivative that is written once, for arrays of any size, is worth more thought than a program that runs today. These
laws move factors: what all entries of a row share is taken out of its sum, and out of both sides of a difference. They
hold up to rounding where these factors are neither 0 nor infinite; where one is, as the spread of a row of equals, what
was infinite may come out as undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.codegen.laws import LAWS, Law, axes_of, is_one_a_row, is_only
from chainrule.codegen.simplified import Builder, identity
from chainrule.core.operation import book
from chainrule.core.term import frozen
from chainrule.program import Step
from chainrule.program.steps import axes_along

UNFIT = frozenset(
    {
        "numbers before products", "numbers gathered", "one quotient", "one-hot rows", "signs in front",
        "softmax with cross-entropy is p − y", "sums over the axes that were repeated", "·1",
    }
)  # fmt: skip
"""Laws that write a number of entries into a program, and those in whose place one of these stands."""

ROW_LAWS: list[tuple[str, Law]] = [(name, law) for name, law in LAWS if name not in UNFIT]
"""Every law with its name, in the order in which they are tried."""


def law(name: str, *operations: str) -> Callable[[Law], Law]:
    """Declare a law under a name, for steps of these operations. It looks around: at products that were met before."""

    def declared(function: Law) -> Law:
        function.around = True  # type: ignore[attr-defined]
        function.scope = frozenset(operations), False  # type: ignore[attr-defined]  (where the builder looks first)
        ROW_LAWS.append((name, function))
        return function

    return declared


class Product(NamedTuple):
    """A number times factors over factors."""

    number: float
    above: tuple[Step, ...] = ()
    below: tuple[Step, ...] = ()


def product_of(b: Builder, x: Any) -> Product:
    """What x is a product of, down to what is neither a product nor a quotient nor negative."""
    number = b.number(x)
    if number is not None:
        return Product(float(number))
    if is_only(x, "broadcast_to"):
        return product_of(b, x.inputs[0])
    if is_only(x, "neg"):
        inner = product_of(b, x.inputs[0])
        return inner._replace(number=-inner.number)
    if is_only(x, "mul", "div"):
        (number, above, below), (other, over, under) = [product_of(b, y) for y in x.inputs]
        if is_only(x, "mul"):
            return Product(number * other, above + over, below + under)
        if other:
            return Product(number / other, above + under, below + over)
    return Product(1.0, (x,))


def made(b: Builder, name: str, *inputs: Any) -> Step:
    """A step as it is: in the next pass the laws have a look at it."""
    return b.plain(book[name], inputs, book[name].defaults)


def times_all(b: Builder, factors: Sequence[Any]) -> Any:
    """Their product, from left to right; 1 of none."""
    out: Any = 1
    for x in factors:
        out = x if is_one(out) else made(b, "mul", out, x)
    return out


def over(b: Builder, x: Any, factors: Sequence[Any]) -> Any:
    """x over the product of all."""
    return made(b, "div", x, times_all(b, factors)) if factors else x


def is_one(x: Any) -> bool:
    """Whether it is the number 1, which is left out of products."""
    return type(x) is int and x == 1


def as_step(b: Builder, product: Product, size: int) -> Any:
    """A product in which what has fewer entries than `size` is multiplied first; a number where it has no factor."""
    number = abs(product.number)
    few, many = parted(product.above, size)
    few_below, many_below = parted(product.below, size)
    if number != 1:
        few = [as_written(number), *few]
    elif len(few) == 1:
        few, many = met_before(b, few[0], many)
    out = over(b, times_all(b, many), many_below)
    if few:
        top = over(b, times_all(b, few), few_below)
        out = top if is_one(out) else made(b, "mul", top, out)
    else:
        out = over(b, out, few_below)
    return out if product.number > 0 else made(b, "neg", out) if isinstance(out, Step) else -out


def as_written(number: float) -> int | float:
    """A number as a person writes it: 2 and not 2.0, and what is 1/2 but for rounding as 0.5."""
    if number.is_integer():
        return int(number)
    whole = round(1 / number)
    return 1 / whole if whole and abs(number * whole - 1) < 2 * np.finfo(float).eps else number


def parted(factors: Sequence[Step], size: int) -> tuple[list[Any], list[Any]]:
    """The factors that have fewer entries, and those that have so many."""
    return [x for x in factors if x.size < size], [x for x in factors if x.size >= size]


def met_before(b: Builder, x: Step, factors: list[Any]) -> tuple[list[Any], list[Any]]:
    """x, and factors; if the product of x and one of these is computed already, that in place of the two."""
    op = book["mul"]
    for i, y in enumerate(factors):
        for pair in ((x, y), (y, x)):
            known = b.known.get((op, tuple([identity(z) for z in pair]), frozen(op.defaults)))
            if known in b.met:
                return [], [*factors[:i], known, *factors[i + 1 :]]
    return [x], factors


@law("what has few entries is multiplied first", "mul", "div", "neg")
def few_first(b: Builder, step: Step) -> Any:
    """A product of numbers, rows and whole arrays takes the numbers and rows together first."""
    product = product_of(b, step)
    out = as_step(b, product, step.size)
    return out if isinstance(out, Step) else None


@law("what all share comes out of a sum", "sum")
def out_of_sum(b: Builder, step: Step) -> Any:
    """The sum of multiples by what does not change along the axes is the multiple of the sum."""
    x: Any = step.inputs[0]
    keepdims, along = step.settings["keepdims"], {a - x.ndim for a in axes_along(step)}
    number, above, below = product_of(b, x)

    def is_shared(y: Step) -> bool:
        return not y.shape or (keepdims and all([-a > y.ndim or y.shape[a] == 1 for a in along]))

    outside = Product(number, *[tuple([y for y in side if is_shared(y)]) for side in (above, below)])
    inside = Product(1.0, *[tuple([y for y in side if not is_shared(y)]) for side in (above, below)])
    if outside == Product(1.0) or not inside.above:
        return None
    rest = as_step(b, inside, x.size)
    if rest.shape != x.shape:
        return None
    total = b.plain(book["sum"], (rest,), step.settings)
    return as_step(b, outside._replace(above=(*outside.above, total)), step.size)


@law("what both sides share stands outside", "add", "sub")
def out_of_both(b: Builder, step: Step) -> Any:
    """a·x + a·y is a·(x + y), and x/c − y/c is (x − y)/c; signs stand outside too, or turn the sum over."""
    left, right = [product_of(b, x) for x in step.inputs]
    if is_only(step, "sub"):
        right = right._replace(number=-right.number)
    shared = Product(1.0, in_both(left.above, right.above), in_both(left.below, right.below))
    if abs(left.number) == abs(right.number):
        shared = shared._replace(number=abs(left.number))
    if shared == Product(1.0) and left.number > 0 and (right.number > 0) == is_only(step, "add"):
        return None
    (x, plus), (y, also) = [
        (
            as_step(b, without(side, shared)._replace(number=abs(side.number / shared.number)), step.size),
            side.number > 0,
        )
        for side in (left, right)
    ]
    if not isinstance(x, Step) and not isinstance(y, Step):
        number = shared.number * ((x if plus else -x) + (y if also else -y))
        return as_step(b, shared._replace(number=number), step.size) if number else None
    inner = made(b, "add", x, y) if plus == also else made(b, "sub", *((x, y) if plus else (y, x)))
    sign = -1 if not plus and not also else 1
    return as_step(b, Product(sign * shared.number, (*shared.above, inner), shared.below), step.size)


@law("like terms together", "add")
def like_terms(b: Builder, step: Step) -> Any:
    """(a + 2b) + b is a + 3b."""
    first, last = step.inputs
    if not is_only(first, "add"):
        return None
    (number, *factors), (rest, term) = product_of(b, last), first.inputs
    times, *others = product_of(b, term)
    if others != factors or not factors[0]:
        return None
    both = as_step(b, Product(number + times, *factors), step.size)
    return made(b, "add", rest, both) if isinstance(both, Step) else None


def in_both(one: Sequence[Step], other: Sequence[Step]) -> tuple[Step, ...]:
    """The factors that two products have in common, each as often as both have it."""
    found, left = [], list(other)
    for x in one:
        if any([x is y for y in left]):
            left = remove(left, x)
            found.append(x)
    return tuple(found)


def remove(factors: Sequence[Step], x: Step) -> list[Step]:
    """Without one of the places where x stands."""
    place = next(i for i, y in enumerate(factors) if y is x)
    return [*factors[:place], *factors[place + 1 :]]


def without(product: Product, shared: Product) -> Product:
    """What is left of a product when shared factors stand outside."""
    above, below = list(product.above), list(product.below)
    for x in shared.above:
        above = remove(above, x)
    for x in shared.below:
        below = remove(below, x)
    return Product(product.number, tuple(above), tuple(below))


@law("e to the logarithm of shares is the shares", "exp")
def shares(b: Builder, step: Step) -> Any:
    """e^(log softmax) is the softmax."""
    x = step.inputs[0]
    return b.plain(book["softmax"], x.inputs, x.settings) if is_only(x, "log_softmax") else None


@law("numbers before what is put in places", "scatter")
def number_out_of_scatter(b: Builder, step: Step) -> Any:
    """Copies of a number, put in one place of each row, are the number times ones that are put there."""
    x = step.inputs[0]
    if not is_only(x, "broadcast_to") or x.inputs[0].shape or b.number(x.inputs[0]) == 1 or not is_one_a_row(b, step):
        return None
    ones = b.step("broadcast_to", b.constant(1.0, x.dtype), shape=x.shape)
    return made(b, "mul", x.inputs[0], b.plain(book["scatter"], (ones,), step.settings))


@law("sums along the last axis", "sum_to")
def along_last(b: Builder, step: Step) -> Any:
    """What adds up the copies along the last axis alone is a sum along it, however many axes there are."""
    x: Any = step.inputs[0]
    last_alone = x.ndim and step.shape == (*x.shape[:-1], 1) and x.shape != step.shape
    return b.step("sum", x, axis=-1, keepdims=True) if last_alone else None


@law("a product turned over", "swap", "transpose")
def product_turned(b: Builder, step: Step) -> Any:
    """The transpose of Aᵀ·B is Bᵀ·A."""
    x: Any = step.inputs[0]
    if not turns_matrices(step) or not is_only(x, "matmul") or not turns_matrices(x.inputs[0]):
        return None
    left, right = x.inputs
    return b.step("matmul", b.step("swap", right), left.inputs[0])


def turns_matrices(x: Any) -> bool:
    """Whether a step turns each matrix of a stack over."""
    return is_only(x, "swap", "transpose") and axes_of(x) == (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)


@law("turned before it is stacked", "transpose")
def turned_in_stack(b: Builder, step: Step) -> Any:
    """A stack whose axes change places is a stack of parts whose axes did, along another axis: one copy, not two."""
    x: Any = step.inputs[0]
    if not is_only(x, "stack"):
        return None
    order, axis = axes_of(step), x.settings["axis"] % x.ndim
    inner = tuple([a - (a > axis) for a in order if a != axis])
    parts = [b.step("transpose", part, axes=inner) for part in x.inputs]
    return b.step("stack", *parts, axis=order.index(axis))


def turned(b: Builder, step: Step) -> Any:
    """A difference takes a minus sign for nothing: −a·(x − y) is a·(y − x)."""
    product = product_of(b, step.inputs[0])
    difference = next((x for x in product.above if is_only(x, "sub")), None)
    if difference is None or product.number < 0:
        return None
    above = tuple([made(b, "sub", *x.inputs[::-1]) if x is difference else x for x in product.above])
    return as_step(b, product._replace(above=above), step.size)


turned.scope = frozenset({"neg"}), False  # type: ignore[attr-defined]
LAST_LAWS: list[tuple[str, Law]] = [*ROW_LAWS, ("a difference takes the minus sign", turned)]
"""Those for when no sign moves any more."""
