"""Wrong shares of matrix products, and what is left where a sum over examples is missing or runs the wrong way."""

# A change keeps its place as a default of its function, whose type the checker does not follow.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from chainrule.core.operation import Pointwise, takes_over
from chainrule.derivation.wrong.mistakes import factors_of, without_factors
from chainrule.program import Step
from chainrule.verify.agreement import squeezed
from chainrule.verify.marking.local_changes import SUMMED_APART, Slip, for_the_other
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.walk import Arrival, Share, Walk


def as_array(x: Any) -> Any:
    """Numbers as an array; what stands for numbers as it is."""
    return x if takes_over(x) else np.asarray(x)


def column(a: Any) -> Any:
    """A vector as a column, a matrix as it is."""
    a = as_array(a)
    return a.reshape(-1, 1) if a.ndim == 1 else a


def operands(at: Arrival) -> tuple[Any, Any, Any]:
    """The gradient that arrives, the operand's own value and the other's, all as matrices."""
    left, right = at.inputs
    own, other = (left, right) if at.slot == 0 else (right, left)
    g = as_array(at.g)
    if np.ndim(left) == 1:
        if at.slot == 0:
            own = np.reshape(left, (1, -1))
        else:
            other = np.reshape(left, (1, -1))
        g = g.reshape(1, -1)
    elif np.ndim(right) == 1:
        g = g.reshape(-1, 1)
    return g, column(own), column(other)


def tried(make: Callable[[Any, Any, Any], Any], shape: tuple[int, ...]) -> Share:
    """A share that stands only where its shapes fit the operand."""

    def share(at: Arrival) -> Any:
        try:
            found = as_array(make(*operands(at)))
        except ValueError:
            return None
        if found.shape != shape and found.size == int(np.prod(shape)) and squeezed(found.shape) == squeezed(shape):
            found = found.reshape(shape)
        return found if found.shape == shape else None

    return share


def matrix_shares(problem: Problem, step: Step, slot: int) -> Iterator[Slip]:
    """What may wrongly reach one factor of a matrix product."""
    op, x = step.op, step.inputs[slot]
    assert op is not None
    # What is no product has no other factor that could be left out.
    if factors_of(op, slot, len(step.inputs)):
        without = lambda at: at.share_with(without_factors(op, slot, at.inputs))  # noqa: E731
        yield Slip("missing-factor", "{other} is left out", without)
    if step.operation not in ("matmul", "dot", "outer", "inner") or len(step.inputs) != 2:
        yield Slip("missing-factor", "nothing is multiplied", lambda at: at.g if np.shape(at.g) == x.shape else None)
        if step.operation.startswith("conv"):
            yield from convolution_shares(step)
        return
    other = step.inputs[1 - slot]
    if not isinstance(other, Step) or len(x.shape) > 2 or len(other.shape) > 2 or step.operation != "matmul":
        return
    first = slot == 0

    def right(g: Any, a: Any, b: Any) -> Any:
        return g @ b.T if first else b.T @ g

    def told(name: str, says: str, make: Callable[[Any, Any, Any], Any]) -> Slip:
        return Slip(name, says, tried(make, x.shape))

    yield told("transposed", "the product is the transpose of {own}'s gradient", lambda g, a, b: right(g, a, b).T)
    yield from arrangements(told, first)
    for says, averaged in zip(SUMMED_APART, (True, False), strict=True):
        sums = lambda g, a, b, averaged=averaged: product_of_sums(g, b, first, averaged)  # noqa: E731
        yield told("elementwise-for-matrix-product", says, sums)
    for one, (says, whole) in product((0, -1), ONE_ALONE if x.op is None else ()):
        alone = lambda g, a, b, one=one, whole=whole: one_example(g, b, first, one, whole)  # noqa: E731
        yield told("batch-sum-missing", says, alone)._replace(kin=one)
    for name, says, makes in (
        ("elementwise-for-matrix-product", "multiplied by {other} entry by entry", (
            lambda g, a, b: g * b,
            lambda g, a, b: g * b.T,
        )),
        ("missing-factor", "{other} is left out", (lambda g, a, b: np.broadcast_to(g, x.shape),)),
        ("no-incoming-gradient", "{other} alone passes", (
            lambda g, a, b: right(np.ones_like(g), a, b),
            lambda g, a, b: np.broadcast_to(b.T, x.shape),
        )),
    ):  # fmt: skip
        for k, make in enumerate(makes):
            yield told(name, says, make)._replace(kin=k)

    yield from for_the_other(problem, step, slot, lambda value: value.shape == other.shape)


def arrangements(told: Callable[..., Slip], first: bool) -> Iterator[Slip]:
    """The factors in every other order, transposed or not, and an operand's own value for the other's."""
    for u, v, flip in product((False, True), repeat=3):

        def arranged(g: Any, m: Any, u: bool = u, v: bool = v, flip: bool = flip) -> Any:
            g, m = (g.T if u else g), (m.T if v else m)
            return m @ g if flip else g @ m

        how = (u, v, flip)
        if how != (False, True, not first):
            name = "wrong-product-order" if (u, v) == (False, True) else "transposed"
            says = "the factors around {other} stand in another order or are transposed"
            yield told(name, says, lambda g, a, b, arranged=arranged: arranged(g, b))._replace(kin=how)
        says = "{own}'s own value stands where {other}'s belongs"
        yield told("swapped-operands", says, lambda g, a, b, arranged=arranged: arranged(g, a))._replace(kin=how)


ONE_ALONE = (
    ("one example alone is counted", False),
    ("one example alone is counted, and not as its share of the average", True),
)
"""What is said where one example stands for all; whether it counts as if it were all."""


def one_example(g: Any, b: Any, first: bool, one: int, whole: bool) -> Any:
    """What the first or the last example gives to a weight's gradient: its share, or that times their number."""
    g, b = (g.T, b.T) if first else (g, b)
    c = len(g) if whole else 1
    return c * (np.outer(g[one], b[one]) if first else np.outer(b[one], g[one]))


def product_of_sums(g: Any, b: Any, first: bool, averaged: bool) -> Any:
    """A product of sums for the sum of products; of a cost's average the 1/n is in what arrives."""
    axis = 1 if first else 0
    n = g.shape[axis]
    if n < 2:
        raise ValueError  # there is nothing to sum
    sums = [g.sum(axis=axis), b.sum(axis=axis) / (n if averaged else 1)]
    return np.outer(*(sums if first else sums[::-1]))


def convolution_shares(step: Step) -> Iterator[Slip]:
    """A kernel that is turned round where it should not be, or the reverse: the way back turns what forward left."""

    def turned(a: Any) -> Any:
        return np.flip(a, axis=tuple(range(2 if np.ndim(a) > 2 else 0, np.ndim(a))))

    says = "{other} has to be turned round by 180° here, or not to be"
    yield Slip("wrong-local-derivative", says, lambda at: at.share_with_other(turned(at.inputs[1 - at.slot])))
    says = "the gradient of {own} stands there turned round by 180°"
    yield Slip("wrong-local-derivative", says, lambda at: turned(at.share))


def raw_values(problem: Problem, step: Step, slot: int, wrt: Step) -> Iterator[tuple[str, str, Callable[[Walk], Any]]]:
    """What the last link gives where it is not summed, or summed along another axis: with a shape of its own."""
    if step.operation == "broadcast_to":  # a recorded step says what a typed one does by itself
        yield from reductions(problem, step, wrt, lambda walk: walk.right[step])
    elif isinstance(step.op, Pointwise) and step.shape != wrt.shape:
        whole = lambda walk: np.broadcast_to(walk.raw(step, slot, walk.right[step]), step.shape)  # noqa: E731
        yield from reductions(problem, step, wrt, whole)
    elif step.operation == "matmul" and all(isinstance(x, Step) and x.ndim for x in step.inputs):
        other = problem.name(step.inputs[1 - slot])

        def elementwise(walk: Walk, turned: bool = False) -> Any:
            g, _, b = operands(Arrival(walk, step, slot, walk.right[step]))
            try:
                return g * (b.T if turned else b)
            except ValueError:
                return None

        for turned in (False, True):
            says = f"the error and {other} are multiplied entry by entry, and nothing is summed"
            yield "elementwise-for-matrix-product", says, lambda walk, turned=turned: elementwise(walk, turned)
            yield "batch-sum-missing", says, lambda walk, turned=turned: elementwise(walk, turned)


def reductions(
    problem: Problem, step: Step, wrt: Step, whole: Callable[[Walk], Any]
) -> Iterator[tuple[str, str, Callable[[Walk], Any]]]:
    """What was repeated to fit, and is not summed back as it was repeated."""
    name = problem.name(wrt)
    for kind in ("broadcast-not-summed", "batch-sum-missing"):
        yield kind, f"{name} was used for every entry of {problem.name(step)}, and nothing is summed", whole
    for axis, one, (says, full) in product(range(step.ndim), (0, -1), ONE_ALONE):
        c = step.shape[axis] if full else 1
        alone = lambda walk, axis=axis, one=one, c=c: c * np.take(whole(walk), one, axis=axis)  # noqa: E731
        yield "batch-sum-missing", says, alone
    if step.ndim < 2:
        return
    where = "the sum runs over the wrong axis"
    yield "summed-over-wrong-axis", "the sum runs over everything", lambda walk: np.sum(whole(walk))
    everything = "the sum runs over everything"
    yield "summed-over-wrong-axis", everything, lambda walk: np.broadcast_to(np.sum(whole(walk)), wrt.shape)
    yield "summed-over-wrong-axis", "the mean runs over everything", lambda walk: np.mean(whole(walk))
    for axis in range(len(step.shape)):
        yield "summed-over-wrong-axis", where, lambda walk, axis=axis: np.sum(whole(walk), axis=axis)
        yield "summed-over-wrong-axis", where, lambda walk, axis=axis: np.mean(whole(walk), axis=axis)
