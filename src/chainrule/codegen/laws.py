"""The laws by which written programs get shorter: each turns one step into another that gives the same numbers.

They hold for all numbers of floating point, infinite and undefined ones included, up to rounding, and near the largest
numbers up to what overflows first; a law that would not is not here (``x·0`` is no 0, since x may be infinite). Each is
a function of the builder and a step, and gives a step, a plain number, or None where it does not fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.codegen.simplified import MOST_FOLDED, Builder, is_constant, key_of, simplified
from chainrule.core.instructions import FLOATS
from chainrule.core.operation import Pointwise, book
from chainrule.core.term import cover, name_of, part_of_axis
from chainrule.program import Kind, Step, Trace
from chainrule.program.steps import axes_along, steps_in
from chainrule.rules.linear import kept

Law = Callable[[Builder, Step], Any]

LAWS: list[tuple[str, Law]] = []
"""Every law with its name, in the order in which they are tried."""

LAST: list[tuple[str, Law]] = []
"""Those that are tried once, when no other fits any more."""

SIGNS_PASS = frozenset(
    {"broadcast_to", "expand_dims", "flip", "index", "mean", "reshape", "roll", "scatter", "squeeze", "sum", "sum_to",
     "swap", "transpose"}
)  # fmt: skip
"""Linear operations on one input, in front of which a sign may stand as well."""

SHAPES = ("broadcast_to", "expand_dims", "reshape", "squeeze", "sum_to")
"""Operations that may leave everything as it is."""

MOST_CLASSES = 4096
"""One-hot rows of more entries are not taken from an identity matrix."""

MOST_FACTORS = 100
"""In products of more factors no common denominator is looked for."""


def law(
    name: str,
    *operations: str,
    pointwise: bool = False,
    around: bool = False,
    last: bool = False,
    again: bool = False,
    into: list[tuple[str, Law]] = LAWS,
) -> Callable[[Law], Law]:
    """Declare a law under the name that `explain` gives it, for steps of these operations, or of all pointwise ones.

    Where neither is said it is for every step. One that looks `around` asks what else was met in a pass, and is tried
    again in the next. The `last` ones are tried when no other fits any more, and so is one that is tried `again`. A law
    is put `into` a list, that of all programs if none is given.
    """

    def declared(function: Law) -> Law:
        if not last:
            into.append((name, function))
        if last or again:
            LAST.append((name, function))
        if operations or pointwise:
            function.scope = frozenset(operations), pointwise  # type: ignore[attr-defined]  (where the builder looks)
        function.around = around  # type: ignore[attr-defined]
        return function

    return declared


def shortened(trace: Trace) -> tuple[Trace, Counter[str]]:
    """A program as short as these laws make it, and how often each of them did something."""
    return simplified(trace, LAWS, LAST)


def is_only(x: Any, *names: str) -> bool:
    """Whether a step is one of these operations."""
    op = getattr(x, "op", None)
    return op is not None and op.name in names


@law("numbers worked out")
def work_out(b: Builder, step: Step) -> Any:
    """What depends on no argument is a number of the program's own."""
    if step.kind is Kind.RESULT and step.size <= MOST_FOLDED and not step.shape:
        parts = [x for x in (*step.inputs, *steps_in(step.settings)) if isinstance(x, Step)]
        if step.op is not None and all([is_constant(x) for x in parts]):
            return b.constant(b.computed(step.op, step.inputs, step.settings), step.dtype)
    return None


@law("x itself", *SHAPES, "astype", "identity", "pow")
def same_again(b: Builder, step: Step) -> Any:
    """A copy, or a change that changes nothing, is what was there."""
    x = step.inputs[0] if step.inputs else None
    if not isinstance(x, Step) or x.shape != step.shape or x.dtype != step.dtype:
        return None
    if type(b.numbers[x]) is float and type(b.numbers[step]) is not float:
        return None  # an argument that takes the type of what it meets is not the array that is made of it
    return x if not is_only(step, "pow") or b.number(step.inputs[1]) == 1 else None


@law("repeated where it is used", pointwise=True)
def repeat_in_place(b: Builder, step: Step) -> Any:
    """Pointwise operations repeat their inputs by themselves."""
    if not isinstance(step.op, Pointwise):
        return None
    inputs = list(step.inputs)
    for i, x in enumerate(inputs):
        if is_only(x, "broadcast_to"):
            others = [y.shape for k, y in enumerate(inputs) if k != i and isinstance(y, Step)]
            inner = x.inputs[0]
            if isinstance(inner, Step) and np.broadcast_shapes(inner.shape, *others) == step.shape:
                inputs[i] = inner
    return b.step(step.op, *inputs, **step.settings) if inputs != list(step.inputs) else None


@law("numbers stand alone", pointwise=True)
def bare_number(b: Builder, step: Step) -> Any:
    """A constant beside an array of its own type is written as a plain number, which takes that type."""
    if not isinstance(step.op, Pointwise):
        return None
    others = [x for x in step.inputs if isinstance(x, Step) and not is_constant(x)]
    if not any([x.dtype == step.dtype or step.dtype.kind == "b" for x in others]):
        return None
    inputs = list(step.inputs)
    for i, x in enumerate(inputs):
        number = b.number(x)
        if isinstance(x, Step) and number is not None and any([x.dtype == y.dtype for y in others]):
            inputs[i] = as_typed(number.item(), step)
    return b.plain(step.op, inputs, step.settings) if inputs != list(step.inputs) else None


def as_typed(number: Any, step: Step) -> Any:
    """A number as a person writes it beside an array of floating point: 5 and not 5.0."""
    whole = isinstance(number, float) and number.is_integer() and abs(number) < 2**31
    floating = step.dtype.kind == "f" and is_only(step, "add", "sub", "mul", "div", "maximum", "minimum")
    return int(number) if whole and floating and not (number == 0 and np.signbit(number)) else number


@law("·1", "mul", "div")
def times_one(b: Builder, step: Step) -> Any:
    """x·1 and x/1 are x; x·(−1) is −x."""
    x, y = step.inputs
    for factor, other in ((y, x), (x, y)) if is_only(step, "mul") else ((y, x),):
        number = b.number(factor)
        if number is not None and isinstance(other, Step) and (other.shape, other.dtype) == (step.shape, step.dtype):
            if number == 1:
                return other
            if number == -1:
                return b.step("neg", other)
    return None


@law("x⁰ is 1", "pow")
def power_of_zero(b: Builder, step: Step) -> Any:
    """Every number to the power of 0 is 1, by IEEE 754 what is no number too."""
    if b.number(step.inputs[1]) != 0 or step.dtype.kind != "f":
        return None
    one = b.constant(1, step.dtype)
    return b.step("broadcast_to", one, shape=step.shape) if step.shape else one


@law("+0", "add", "sub")
def plus_zero(b: Builder, step: Step) -> Any:
    """x + 0 and x − 0 are x."""
    x, y = step.inputs
    if b.number(y) == 0 and isinstance(x, Step):
        return x
    return y if is_only(step, "add") and b.number(x) == 0 and isinstance(y, Step) else None


@law("double transposes", "swap", "transpose")
def twice_turned(b: Builder, step: Step) -> Any:
    """What is turned twice is turned once, or not at all."""
    x = step.inputs[0]
    order = axes_of(step)
    if order == tuple(range(step.ndim)):
        return x
    if is_only(x, "swap", "transpose"):
        inner = axes_of(x)
        return b.step("transpose", x.inputs[0], axes=tuple([inner[i] for i in order]))
    if is_only(step, "swap") and step.ndim == 2:
        return b.step("transpose", x)
    if is_only(step, "transpose") and step.settings["axes"] is not None and step.ndim == 2:
        return b.step("transpose", x)
    if turns_matrices(step) and is_only(x, "matmul") and [y.ndim for y in x.inputs] == [x.ndim, x.ndim]:
        if any(map(turns_matrices, x.inputs)):
            return b.step("matmul", *[b.step("swap", y) for y in x.inputs[::-1]])
    return None


def turns_matrices(x: Any) -> bool:
    """Whether a step turns a matrix over, or each one of a stack."""
    return is_only(x, "swap", "transpose") and axes_of(x) == (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)


def axes_of(step: Step) -> tuple[int, ...]:
    """The order of axes that a transpose gives."""
    every = tuple(range(step.ndim))
    if is_only(step, "swap"):
        return (*every[:-2], every[-1], every[-2])
    axes = step.settings["axes"]
    return every[::-1] if axes is None else tuple([int(a) % step.ndim for a in axes])


@law("shapes in one step", "broadcast_to", "expand_dims", "reshape", "squeeze")
def reshaped_twice(b: Builder, step: Step) -> Any:
    """Two changes of shape, or two repetitions, are one."""
    if is_only(step, "expand_dims", "squeeze"):
        return b.step("reshape", step.inputs[0], shape=step.shape)
    x: Any = step.inputs[0] if step.inputs else None
    if is_only(step, "reshape"):
        if is_only(x, "reshape"):
            return b.step("reshape", x.inputs[0], shape=step.shape)
        if step.settings["shape"] != step.shape:
            return b.step("reshape", x, shape=step.shape)
        if is_only(x, "sum"):
            axis, keepdims = x.settings["axis"], not x.settings["keepdims"]
            whole = x.inputs[0].shape
            left = kept(whole, axis) if keepdims else tuple([n for a, n in enumerate(whole) if a not in axes_along(x)])
            if left == step.shape:
                return b.step("sum", x.inputs[0], axis=axis, keepdims=keepdims)
        if is_only(x, "broadcast_to") and isinstance(x.inputs[0], Step) and not x.inputs[0].shape:
            return b.step("broadcast_to", x.inputs[0], shape=step.shape)
    if is_only(step, "broadcast_to") and is_only(x, "broadcast_to"):
        inner = x.inputs[0]
        if np.broadcast_shapes(inner.shape, step.shape) == step.shape:
            return b.step("broadcast_to", inner, shape=step.shape)
    return None


@law("what is repeated is computed once", "index", "reshape", "swap", "transpose", pointwise=True)
def computed_before_repeating(b: Builder, step: Step) -> Any:
    """What moves the copies of one number leaves copies, and what is done to all copies is done to one."""
    moves = is_only(step, "reshape", "transpose", "swap") or (is_only(step, "index") and len(step.needs) == 1)
    if moves and (number := copies_of(step.inputs[0])) is not None:
        return b.step("broadcast_to", number, shape=step.shape) if step.shape else number
    repeats = any([is_only(x, "broadcast_to") for x in step.inputs])
    if repeats and isinstance(step.op, Pointwise) and not is_only(step, "neg"):  # a sign goes further out
        inner = [x.inputs[0] if is_only(x, "broadcast_to") else x for x in step.inputs]
        if np.broadcast_shapes(*[x.shape for x in inner if isinstance(x, Step)]) != step.shape:
            return b.step("broadcast_to", b.step(step.op, *inner, **step.settings), shape=step.shape)
    return None


def copies_of(x: Any) -> Step | None:
    """The number that an array holds copies of."""
    inner = x.inputs[0] if is_only(x, "broadcast_to") else None
    return inner if isinstance(inner, Step) and not inner.shape else None


@law("shapes outside", "reshape", pointwise=True)
def shapes_outside(b: Builder, step: Step) -> Any:
    """An operation entry by entry on arrays that are shaped alike is shaped after it: then shapes meet and cancel."""
    if is_only(step, "reshape") and is_only(step.inputs[0], "transpose"):
        x = step.inputs[0].inputs[0]
        return b.step("reshape", x, shape=step.shape) if max(x.shape, default=1) == x.size else None
    if not isinstance(step.op, Pointwise) or is_only(step, "neg"):  # a sign goes further out
        return None
    arrays = [x for x in step.inputs if isinstance(x, Step) and x.shape]
    if any([x.shape != step.shape for x in arrays]):
        return None
    before = [unshaped(b, x) for x in arrays]
    if len({None if x is None else x.shape for x in before}) != 1 or before[0] is None:
        return None
    whole = iter(before)
    inputs = [next(whole) if isinstance(x, Step) and x.shape else x for x in step.inputs]
    return b.step("reshape", b.step(step.op, *inputs, **step.settings), shape=step.shape)


def unshaped(b: Builder, x: Step) -> Any:
    """What an array was before it was shaped, with a sign that can go no further out; None if it was not shaped."""
    if is_only(x, "neg") and is_only(x.inputs[0], "reshape"):
        return b.step("neg", x.inputs[0].inputs[0])
    return x.inputs[0] if is_only(x, "reshape") else None


@law("sums in one", "sum")
def sums_in_one(b: Builder, step: Step) -> Any:
    """The sum of all is the same in any shape, and of sums the sum; along axes of one entry nothing is added."""
    x: Any = step.inputs[0]
    if x.size == step.size:
        return b.step("reshape", x, shape=step.shape)
    if step.settings["axis"] is None and is_only(x, "reshape", "transpose", "swap", "sum"):
        total = b.step("sum", x.inputs[0])
        return b.step("reshape", total, shape=step.shape)
    return None


@law("x + x is 2x", "add")
def twice(b: Builder, step: Step) -> Any:
    """What is added to itself is doubled."""
    if step.inputs[0] is step.inputs[1]:
        return b.step("mul", b.constant(2, step.dtype), step.inputs[0])
    return None


@law("vectors in products", "matmul", "reshape", "transpose")
def vector_products(b: Builder, step: Step) -> Any:
    """A product with a vector that stands as a column or a row is one with the vector itself, or with a number."""
    if is_only(step, "reshape") and is_only(step.inputs[0], "matmul") and step.ndim < 2:
        left, right = step.inputs[0].inputs
        row, column = as_vector(left, 0), as_vector(right, 1)
        if row is not None or column is not None:
            product = b.step("matmul", left if row is None else row, right if column is None else column)
            return product if product.shape == step.shape else None
    if is_only(step, "matmul") and step.ndim == 2 and (1, 1) in [x.shape for x in step.inputs]:
        return b.step("mul", *map(as_number, step.inputs))
    if is_only(step, "matmul") and step.ndim == 2:
        left, right = [as_vector(x, axis) for x, axis in zip(step.inputs, (1, 0), strict=True)]
        if left is not None and right is not None:
            return b.step("outer", left, right)
    if is_only(step, "transpose") and step.ndim == 2 and is_only(step.inputs[0], "reshape") and 1 in step.shape:
        return b.step("reshape", step.inputs[0].inputs[0], shape=step.shape)
    return None


def as_vector(x: Any, axis: int) -> Step | None:
    """The vector that a matrix is, which is one entry long along an axis."""
    if is_only(x, "reshape") and x.ndim == 2 and x.shape[axis] == 1 and x.inputs[0].ndim == 1:
        return x.inputs[0]
    return None


@law("sums over the axes that were repeated", "sum_to")
def as_sum(b: Builder, step: Step) -> Any:
    """What adds up the copies of a broadcast is a sum over axes."""
    x: Any = step.inputs[0]
    lead = x.ndim - step.ndim
    ones = tuple([lead + i for i, n in enumerate(step.shape) if n == 1 and x.shape[lead + i] != 1])
    axes: Any = (*range(lead), *ones)
    axis = None if len(axes) == x.ndim and not ones else axes[0] if len(axes) == 1 else axes
    total = b.step("sum", x, axis=axis, keepdims=bool(ones))
    return b.step("reshape", total, shape=step.shape) if lead and ones else total


def as_number(x: Any) -> Any:
    """The number that a matrix with one entry is made of; what is no such matrix itself."""
    of_number = is_only(x, "reshape", "broadcast_to") and x.shape == (1, 1) and not x.inputs[0].shape
    return x.inputs[0] if of_number else x


@law("numbers out of denominators", "div")
def number_out_of_denominator(b: Builder, step: Step) -> Any:
    """x/(2s) is (x/s)/2, where numbers meet."""
    x, bottom = step.inputs
    split = number_in(b, bottom) if isinstance(bottom, Step) and bottom.dtype == step.dtype else None
    if split is None or not split[0] or not isinstance(x, Step):
        return None
    number = split[0] if is_only(bottom, "mul") else 1 / split[0]
    return scaled(b, 1 / number, b.step("div", x, split[1]), step)


@law("a quotient that is known", "mul", around=True)
def known_quotient(b: Builder, step: Step) -> Any:
    """(x/s)·y is x·(y/s) where y/s is there, is read more than once, and has more entries than x/s."""
    for quotient, y in (step.inputs, step.inputs[::-1]):
        if is_only(quotient, "div") and isinstance(y, Step) and is_free(b, quotient.inputs[1]):
            x, s = quotient.inputs
            known = b.known.get(key_of(book["div"], (y, s), {}))
            if known in b.met and b.readers[known] > 1 and quotient.size < known.size:
                return b.step("mul", x, known)
    return None


@law("what is the same along an axis stands before a sum", "sum", "mean", around=True)
def denominator_out_of_sum(b: Builder, step: Step) -> Any:
    """∑ⱼ (aᵢⱼ/sᵢ) is (∑ⱼ aᵢⱼ)/sᵢ, if s is never 0: 1/0 and 0/0 add up to no number, 1 + 0 over 0 is infinite."""
    x: Any = step.inputs[0]
    own = x.inputs[1:] if is_only(x, "div") and is_free(b, x.inputs[1]) else ()  # to leave it out costs nothing
    for s in (*own, *denominators_of(b, x)):
        if is_same_along(s, x, axes_along(step)) and is_above_zero(b, s):
            total = b.step(step.operation, multiplied_by(b, x, s), **step.settings)
            return b.step("div", total, s)
    return None


@law("one denominator", "add", "sub", around=True)
def one_denominator(b: Builder, step: Step) -> Any:
    """x/s + y/s is (x + y)/s, if s is never 0."""
    x, y = step.inputs
    there = denominators_of(b, y)
    for s in denominators_of(b, x):
        whole = [z for z in (x, y) if is_only(z, "div") and z.inputs[1] is s and z.shape == step.shape]
        if s in there and whole and is_above_zero(b, s):
            return b.step("div", b.step(step.operation, multiplied_by(b, x, s), multiplied_by(b, y, s)), s)
    return None


def denominators_of(b: Builder, x: Any) -> list[Step]:
    """What a product of quotients that nobody else reads is divided by, numbers left out; nothing of a long one."""
    found: list[Step] = []
    parts = [x]
    for y in parts:
        if is_only(y, "mul", "div") and b.readers[y] == 1:
            if len(parts) > MOST_FACTORS:
                return []
            top, bottom = y.inputs
            parts.append(top)
            if is_only(y, "mul"):
                parts.append(bottom)
            elif is_free(b, bottom):
                found.append(bottom)
    return found


def multiplied_by(b: Builder, x: Any, s: Step) -> Any:
    """A product of quotients without one of its denominators."""
    top, bottom = x.inputs
    if is_only(x, "div"):
        return top if bottom is s else b.step("div", multiplied_by(b, top, s), bottom)
    if s in denominators_of(b, top):
        return b.step("mul", multiplied_by(b, top, s), bottom)
    return b.step("mul", top, multiplied_by(b, bottom, s))


def is_same_along(s: Step, x: Step, axes: set[int]) -> bool:
    """Whether all copies of s along axes of x are one."""
    return all([a < x.ndim - s.ndim or s.shape[a - x.ndim + s.ndim] == 1 for a in axes])


def is_above_zero(b: Builder, s: Step) -> bool:
    """Whether something is the root of squares and of a number above 0; it may be infinite."""
    return squares_under(b, s) is not None


def squares_under(b: Builder, s: Step) -> Step | None:
    """The sum or mean of squares of which, with a number above 0, something is the root."""
    inside: Any = s.inputs[0] if is_only(s, "sqrt") else None
    if is_only(inside, "add"):
        for x, number in (inside.inputs, inside.inputs[::-1]):
            if s.dtype.type(b.number(number) or 0) > 0 and is_only(x, "mean", "sum") and is_square(b, x.inputs[0]):
                return x
    return None


def is_square(b: Builder, x: Any) -> bool:
    """Whether entries are multiplied by themselves."""
    if is_only(x, "mul"):
        return x.inputs[0] is x.inputs[1]
    return is_only(x, "square") or (is_only(x, "pow") and b.number(x.inputs[1]) == 2)


@law("a mean of 0 is not taken off again", "sub")
def no_mean_again(b: Builder, step: Step) -> Any:
    """What is left of x + c·y when its mean is taken off is so of x alone, if y is normalised: it has none."""
    x, taken = step.inputs
    axes = axes_of_mean(b, taken, x)
    if axes is None or not is_only(x, "add", "sub"):
        return None
    for k, (rest, product) in enumerate((x.inputs, x.inputs[::-1])):
        parts = parts_of(product)
        normalised = next((y for y in parts if is_normalised(b, y, axes)), None)
        others = [y for y in parts if y is not normalised and isinstance(y, Step)]
        if normalised is not None and isinstance(rest, Step) and all([is_same_along(y, x, axes) for y in others]):
            left = b.step("sub", rest, with_input(b, taken, x, rest))
            return b.step(x.op, *((left, product) if k == 0 else (product, left)))
    return None


def axes_of_mean(b: Builder, taken: Any, x: Any) -> set[int] | None:
    """The axes along which something is the mean of x, kept as axes of one entry; None if it is not."""
    total, count = taken, 1.0
    if is_only(taken, "div"):
        total, count = taken.inputs[0], b.number(taken.inputs[1])
    if not is_only(total, "mean", "sum") or total.inputs[0] is not x or not total.settings["keepdims"]:
        return None
    return axes_along(total) if count == (1 if is_only(total, "mean") else x.size / max(total.size, 1)) else None


def with_input(b: Builder, mean: Step, old: Step, new: Step) -> Step:
    """The same mean of something else."""
    inputs = [new if x is old else with_input(b, x, old, new) if isinstance(x, Step) else x for x in mean.inputs]
    return b.step(mean.operation, *inputs, **mean.settings)


def parts_of(x: Any) -> list[Any]:
    """The factors of a product of quotients by numbers."""
    if is_only(x, "mul"):
        return [part for y in x.inputs for part in parts_of(y)]
    return parts_of(x.inputs[0]) if is_only(x, "div") and not isinstance(x.inputs[1], Step) else [x]


def is_normalised(b: Builder, y: Any, axes: set[int]) -> bool:
    """Whether y is what is left of something without its mean, over the root of the mean of its squares and more."""
    if not is_only(y, "div") or not is_only(y.inputs[0], "sub"):
        return False
    away, s = y.inputs
    squares = squares_under(b, s)
    return (
        squares is not None
        and squares.inputs[0].inputs[0] is away
        and axes_along(squares) == axes == axes_of_mean(b, away.inputs[1], away.inputs[0])
        and is_same_along(s, y, axes)
    )


@law("numbers where they are fewest", "mul", "div", last=True)
def number_to_smaller(b: Builder, step: Step) -> Any:
    """n·(x·y), of which x has fewer entries, is (n·x)·y."""
    number, product = number_in(b, step) or (0.0, step)
    if not number or not is_only(product, "mul") or b.readers[product] != 1:
        return None
    for k, x in enumerate(product.inputs):
        if is_free(b, x) and x.size < step.size and x.dtype == step.dtype:
            other = product.inputs[1 - k]
            less = b.step(step.operation, *((x, step.inputs[1]) if is_only(step, "div") else (step.inputs[0], x)))
            return b.step("mul", *((less, other) if k == 0 else (other, less)))
    return None


@law("a sum over how many there are is the mean", "div", "mul", last=True)
def as_mean(b: Builder, step: Step) -> Any:
    """Sums that nobody else reads are divided where they are taken."""
    multiple = is_only(step, "mul")  # which has its number in front
    total, number = step.inputs[multiple], b.number(step.inputs[not multiple])
    if not is_only(total, "sum") or b.readers[total] != 1 or total.inputs[0].dtype not in FLOATS:
        return None
    x = total.inputs[0]
    if not x.size or number != (total.size / x.size if multiple else x.size / total.size):
        return None
    return b.step("mean", x, **total.settings)


@law("sums of copies", "sum", "mean")
def sum_of_copies(b: Builder, step: Step) -> Any:
    """The sum over an axis along which a number was repeated is a multiple of it."""
    x: Any = step.inputs[0]
    inner = copies_of(x)
    if inner is None:
        return None
    count = 1 if is_only(step, "mean") else x.size // max(step.size, 1)
    number = b.step("mul", inner, b.constant(count, step.dtype))
    return number if not step.shape else b.step("broadcast_to", number, shape=step.shape)


@law("rows with one entry", "sum")
def row_sums_of_scatter(b: Builder, step: Step) -> Any:
    """Rows into which one entry each was put have that entry as their sum."""
    x = step.inputs[0]
    if not isinstance(x, Step) or step.settings["axis"] not in (last := x.ndim - 1, -1, (last,), (-1,)):
        return None
    if is_only(x, "scatter") and is_one_a_row(b, x) and isinstance(x.inputs[0], Step):
        return b.step("reshape", x.inputs[0], shape=step.shape)
    number, rows = factor_of(b, x, step) or (1.0, x)
    if is_only(rows, "index") and rows.ndim == x.ndim and is_constant(rows.inputs[0]):
        table = b.numbers[rows.inputs[0]]
        if isinstance(rows.settings["key"], Step) and np.array_equal(table, np.eye(len(table))):
            return b.step("broadcast_to", b.constant(number, step.dtype), shape=step.shape)
    return None


def is_one_a_row(b: Builder, x: Step) -> bool:
    """Whether a scatter puts one entry into each row, along the last axis, at a place of its own."""
    key = x.settings["key"]
    if not x.ndim or not isinstance(key, tuple) or len(key) != x.ndim:
        return False
    *grid, places = [b.numbers[part] if isinstance(part, Step) and is_constant(part) else part for part in key]
    if not isinstance(places, Step | np.ndarray) or places.shape != x.shape[:-1]:
        return False
    if not all([isinstance(part, np.ndarray) for part in grid]):
        return False
    return all([np.array_equal(part + 0 * own, own) for part, own in zip(grid, np.indices(x.shape[:-1]), strict=True)])


@law("one-hot rows", "scatter")
def one_hot_rows(b: Builder, step: Step) -> Any:
    """Ones put at a place of each row are rows of the identity matrix."""
    if not is_one_a_row(b, step) or step.shape[-1] > MOST_CLASSES:
        return None
    value = step.inputs[0]
    if not is_only(value, "broadcast_to") or b.number(value.inputs[0]) is None:
        return None
    rows = b.step("index", b.constant(np.eye(step.shape[-1]), step.dtype), key=step.settings["key"][-1])
    return b.step("mul", value.inputs[0], rows)


@law("layers put together", "add")
def layers(b: Builder, step: Step) -> Any:
    """Arrays of zeros with one layer each, added up, are the layers one behind the other."""
    parts = layers_of(step)
    if parts is None or len(parts) != step.shape[0] or sorted(parts) != list(range(len(parts))):
        return None
    return b.step("stack", *[parts[i] for i in range(len(parts))], axis=0)


def terms_of(x: Any) -> Iterator[Any]:
    """What sums of sums are made of."""
    waiting = [x]
    while waiting:
        y = waiting.pop()
        if is_only(y, "add"):
            waiting += y.inputs
        else:
            yield y


def layers_of(x: Any) -> dict[int, Step] | None:
    """The layers of a sum by their place, if it is a sum of scatters into single places of the first axis."""
    found: dict[int, Step] = {}
    for y in terms_of(x):
        key = y.settings["key"] if is_only(y, "scatter") else None
        if type(key) is not int or not isinstance(y.inputs[0], Step) or key % y.shape[0] in found:
            return None
        found[key % y.shape[0]] = y.inputs[0]
    return found


@law("chosen by a factor", "chosen")
def chosen_by_factor(b: Builder, step: Step) -> Any:
    """To choose 0 where a factor is 0 is to multiply by it, where what is multiplied is finite in any case."""
    x, factor = step.inputs
    by_number = isinstance(factor, Step) and factor.dtype.kind == "f"
    return b.step("mul", x, factor) if by_number and is_finite(b, x) else None


def is_finite(b: Builder, x: Any) -> bool:
    """Whether it is a finite number, a share of an extreme, or a product of the two, whatever the data are."""
    if is_only(x, "broadcast_to"):
        x = x.inputs[0]
    known = b.number(x)
    if known is not None:
        return bool(np.isfinite(float(known)))
    number = number_in(b, x)
    return is_only(number[1] if number else x, "shares_of_largest", "shares_of_smallest")


@law("pieces put together", "scatter")
def whole(b: Builder, step: Step) -> Any:
    """What was seen with more axes of length 1 has all its entries put back."""
    x, key = step.inputs[0], step.settings["key"]
    parts = key if isinstance(key, tuple) else (key,)
    everything = all([part is None or (isinstance(part, slice) and part == slice(None)) for part in parts])
    return b.step("reshape", x, shape=step.shape) if everything and x.size == step.size else None


@law("pieces put together", "add")
def pieces(b: Builder, step: Step) -> Any:
    """Arrays of zeros with one piece each, added up, are the pieces one behind the other."""
    found = sorted(pieces_of(step) or [], key=lambda piece: piece[:3])
    axes = {axis for axis, *_ in found}
    if len(axes) != 1 or not cover([(start, stop) for _, start, stop, _ in found], step.shape[min(axes)]):
        return None
    return b.step("concatenate", *[x for *_, x in found], axis=min(axes))


def pieces_of(x: Any) -> list[tuple[int, int, int, Step]] | None:
    """The axis, the first place, the one after the last, and what is put there, of all pieces that a sum is made of."""
    found: list[tuple[int, int, int, Step]] = []
    for y in terms_of(x):
        part = part_of_axis(y.shape, y.settings["key"]) if is_only(y, "scatter") else None
        if part is None or not isinstance(y.inputs[0], Step):
            return None
        axis, start, stop = part
        if y.inputs[0].shape != (*y.shape[:axis], stop - start, *y.shape[axis + 1 :]):
            return None
        found.append((*part, y.inputs[0]))
    return found


@law("signs in front", "neg")
def sign_of_number(b: Builder, step: Step) -> Any:
    """Minus a difference or a multiple has no sign in front."""
    return negated(b, step.inputs[0])


@law("signs in front", *SIGNS_PASS, "add", "chosen", "div", "matmul", "mul", "outer", "sub", again=True)
def signs(b: Builder, step: Step) -> Any:
    """Minus signs move outwards, where they become a subtraction or cancel."""
    name = name_of(step)
    if any([isinstance(x, Step) and x.dtype.kind in "iu" and x.dtype != step.dtype for x in step.inputs]):
        return None  # minus a whole number without a sign runs over before it meets another type
    if name in SIGNS_PASS and is_only(step.inputs[0], "neg"):
        return b.step("neg", b.step(step.operation, step.inputs[0].inputs[0], **step.settings))
    if name in ("mul", "div", "matmul", "outer"):
        x, y = step.inputs
        if is_only(x, "neg"):
            return b.step("neg", b.step(name, x.inputs[0], y))
        if is_only(y, "neg"):
            return b.step("neg", b.step(name, x, y.inputs[0]))
    if name == "chosen" and is_only(step.inputs[0], "neg"):
        return b.step("neg", b.step("chosen", step.inputs[0].inputs[0], step.inputs[1]))
    if name == "add":
        x, y = step.inputs
        if is_only(y, "neg"):
            return b.step("sub", x, y.inputs[0])
        if is_only(x, "neg"):
            return b.step("sub", y, x.inputs[0])
    if name == "sub" and is_only(step.inputs[1], "neg"):
        return b.step("add", step.inputs[0], step.inputs[1].inputs[0])
    return None


@law("signs in front", "add", "sub", around=True, again=True)
def less_a_multiple(b: Builder, step: Step) -> Any:
    """To add −3x is to subtract 3x."""
    x, y = step.inputs
    if is_less(b, y):
        return b.step("sub" if is_only(step, "add") else "add", x, negated(b, y))
    return b.step("sub", y, negated(b, x)) if is_only(step, "add") and is_less(b, x) else None


def is_less(b: Builder, x: Any) -> bool:
    """Whether a step is the multiple by a number below 0, and read once."""
    found = multiple(b, x) if isinstance(x, Step) else None
    return found is not None and found[2] and b.readers[x] == 1


def negated(b: Builder, x: Any) -> Any:
    """Minus x, without a minus sign."""
    if is_only(x, "neg"):
        return x.inputs[0]
    if is_only(x, "sub"):
        return b.step("sub", x.inputs[1], x.inputs[0])
    if is_only(x, "mul", "div") and x.dtype.kind != "u":
        left, right = x.inputs
        for i, factor in enumerate((left, right)):
            number = b.number(factor)
            if number is not None:
                other = -number if not isinstance(factor, Step) else b.constant(-number, factor.dtype)
                return b.step(x.op, *((other, right) if i == 0 else (left, other)))
    return None


@law("numbers gathered", "mul", "div")
def numbers_gathered(b: Builder, step: Step) -> Any:
    """The numbers in a product are one number, in front."""
    x, y = step.inputs
    if is_only(step, "mul"):
        if b.number(x) is None and b.number(y) is not None:
            return b.step("mul", y, x)
        for number, rest in ((x, y), (y, x)):
            split = factor_of(b, rest, step)
            if split is None:
                continue
            if b.number(number) is not None:
                if not is_moderate(b.number(number), step):
                    return None
                return scaled(b, b.number(number) * split[0], split[1], step)
            if isinstance(number, Step) and step.size >= max(number.size, rest.size):
                product = b.step("mul", *((number, split[1]) if number is x else (split[1], number)))
                if product.dtype == step.dtype and product.shape == step.shape:
                    return scaled(b, split[0], product, step)
    split = factor_of(b, x, step) if is_only(step, "div") else None
    if split is not None and b.number(y) and is_moderate(b.number(y), step):
        return scaled(b, split[0] / b.number(y), split[1], step)
    return None


def factor_of(b: Builder, x: Any, step: Step) -> tuple[Any, Step] | None:
    """A number that x is a multiple of, and the rest, where a step that reads x computes in the type of x.

    In another type the multiple may be another number: 2n runs over in eight bits, and is rounded in float32.
    """
    found = number_in(b, x) if isinstance(x, Step) and x.dtype == step.dtype else None
    if found is None or is_only(x, "mul"):
        return found
    return (1 / found[0], found[1]) if found[0] else None


def number_in(b: Builder, x: Step) -> tuple[float, Step] | None:
    """The number by which a step multiplies or divides, where it is moderate, and what it multiplies or divides."""
    if not is_only(x, "mul", "div") or x.dtype.kind != "f":
        return None
    number, rest = x.inputs if is_only(x, "mul") else x.inputs[::-1]
    known = b.number(number)
    if known is None or not isinstance(rest, Step) or not is_moderate(known, x):
        return None
    return float(known), rest


def is_moderate(number: Any, step: Step) -> bool:
    """Whether a product with another such number is finite, and 0 only where one of them is.

    Else numbers that a program keeps apart would be infinite, or 0, together: x · 1e200 · 1e200 at x = 1e-300.
    """
    number = float(number)  # whole numbers of any length, which NumPy has no type for
    exponent = np.frexp(number)[1]
    return bool(np.isfinite(number)) and abs(exponent) <= np.finfo(step.dtype).maxexp // 4


def scaled(b: Builder, number: Any, x: Step, like: Step) -> Step:
    """A multiple of x; by 1/n as a quotient, which reads better and rounds less."""
    number = float(number)
    whole = round(1 / number) if 2**-40 < abs(number) < 1 else 0
    if abs(whole) > 1 and abs(number * whole - 1) < 2 * np.finfo(like.dtype).eps:
        return b.step("div", x, b.constant(whole, like.dtype))
    return b.step("mul", b.constant(number, like.dtype), x)


@law("one quotient", "mul")
def quotients(b: Builder, step: Step) -> Any:
    """A reciprocal times x is a quotient, and what is divided last is what is largest."""
    for x, y in (step.inputs, step.inputs[::-1]):
        if is_only(x, "div") and isinstance(y, Step):
            top, bottom = x.inputs
            number = b.number(top)
            if number is not None and isinstance(bottom, Step) and b.number(bottom) is None:
                if step.dtype.kind != "f" or not is_moderate(number, step):
                    return None
                quotient = b.step("div", y, bottom)
                return scaled(b, number, quotient, step) if quotient.shape == step.shape else None
    return None


@law("softmax with cross-entropy is p − y", "add", "sub")
def common_number(b: Builder, step: Step) -> Any:
    """c·p − c·y is c·(p − y)."""
    left, right = [factor_of(b, x, step) for x in step.inputs]
    if left is None or right is None or abs(left[0]) != abs(right[0]):
        return None
    (number, x), (other, y) = left, (right[0] if is_only(step, "add") else -right[0], right[1])
    if number == other:
        inner = b.step("add", x, y)
    else:  # the positive one stands first
        inner = b.step("sub", x, y) if number > 0 else b.step("sub", y, x)
        number = abs(number)
    return scaled(b, number, inner, step) if inner.shape == step.shape else None


@law("masks from the output", "greater", around=True)
def mask_from_output(b: Builder, step: Step) -> Any:
    """Where relu let x pass, its output is positive: x need not be kept."""
    if b.number(step.inputs[1]) != 0:
        return None
    x = step.inputs[0]
    relu = next((now for now in b.met if is_only(now, "relu") and now.inputs[0] is x), None)
    return None if relu is None else b.step("greater", relu, step.inputs[1])


@law("relu after the pool", "pick_at_largest", "chosen")
def relu_after_pool(b: Builder, step: Step) -> Any:
    """The largest of relu's results is relu of the largest, and so is what passes back: a window has fewer of these.

    Where a window has nothing positive, another of its entries may count as the largest; it gets the same nothing.
    """
    if is_only(step, "pick_at_largest"):
        y, x = step.inputs
        return b.step("relu", pooled(b, x, step)) if y is x and is_only(x, "relu") else None
    put, mask = step.inputs
    if is_only(put, "put_at_largest") and is_only(mask, "greater") and b.number(mask.inputs[1]) == 0:
        g, x = put.inputs
        if is_only(x, "relu") and mask.inputs[0] in (x, x.inputs[0]) and isinstance(g, Step):
            passed = b.step("greater", pooled(b, x, put), mask.inputs[1])
            return b.step(put.op, b.step("chosen", g, passed), x.inputs[0], **put.settings)
    return None


@law("sums of what was put", "sum")
def sum_of_put(b: Builder, step: Step) -> Any:
    """Each window's number is put at one place of its image: the sum over images is the sum of these numbers."""
    x = step.inputs[0]
    if not is_only(x, "put_at_largest") or not isinstance(x.inputs[0], Step):
        return None
    return b.step("sum", x.inputs[0], **step.settings) if {2, 3} <= axes_along(step) else None


def pooled(b: Builder, x: Step, like: Step) -> Step:
    """The largest of what relu was given, in windows that slide like those of a step."""
    inner = x.inputs[0]
    return b.step("pick_at_largest", inner, inner, **like.settings)


@law("numbers before products", "sum")
def number_out_of_sum(b: Builder, step: Step) -> Any:
    """The sum of all multiples is the multiple of the sum."""
    split = None if step.shape else factor_of(b, step.inputs[0], step)
    return None if split is None else scaled(b, split[0], b.step("sum", split[1], **step.settings), step)


@law("a multiple once", "mul", "div", last=True)
def multiple_once(b: Builder, step: Step) -> Any:
    """2(g·x) and 2(g·y) are (2g)·x and (2g)·y: what several products are multiples of is multiplied once."""
    found = multiple(b, step)
    if found is None:
        return None
    if "multiples" not in b.noted:
        b.noted["multiples"] = count_multiples(b, b.program)
    size, product, less = found
    many = {x: b.noted["multiples"][size, x] for x in factors_of(b, product)}
    shared = max(many, key=many.__getitem__)
    if many[shared] < 2 or (shared is product and not less):
        return None
    number = step.inputs[is_only(step, "div")]
    if less:
        number = b.constant(size[1], step.dtype) if isinstance(number, Step) else -number
    once = b.step(size[0], *((shared, number) if is_only(step, "div") else (number, shared)))
    out = once if shared is product else with_factor(b, product, shared, once)
    return b.step("neg", out) if less else out


def multiple(b: Builder, step: Step) -> tuple[tuple[str, float], Step, bool] | None:
    """How a step multiplies or divides by a number, of which size, what, and whether the number is less than 0."""
    number, x = number_in(b, step) or (0.0, step)
    return ((name_of(step), abs(number)), x, number < 0) if number and x.dtype == step.dtype else None


def factors_of(b: Builder, x: Step) -> list[Step]:
    """The factors of a product that nobody else reads; of anything else the step itself."""
    if not is_only(x, "mul") or b.readers[x] > 1 or any([not is_free(b, y) or y.dtype != x.dtype for y in x.inputs]):
        return [x]
    return [factor for y in x.inputs for factor in factors_of(b, y)]


def is_free(b: Builder, x: Any) -> bool:
    """Whether an input is no number of the program's own."""
    return isinstance(x, Step) and b.number(x) is None


def with_factor(b: Builder, x: Step, old: Step, new: Step) -> Step:
    """A product with another factor in the place of one."""
    left, right = x.inputs
    if left is old or (left is not old and old in factors_of(b, left)):
        left = new if left is old else with_factor(b, left, old, new)
    else:
        right = new if right is old else with_factor(b, right, old, new)
    return b.step("mul", left, right)


def count_multiples(b: Builder, steps: Sequence[Step]) -> Counter[tuple[tuple[str, float], Step]]:
    """How often each factor stands in a multiple of each size."""
    found: Counter[tuple[tuple[str, float], Step]] = Counter()
    for step in steps:
        whole = multiple(b, step)
        if whole is not None:
            found.update([(whole[0], x) for x in dict.fromkeys(factors_of(b, whole[1]))])
    return found
