"""Wrong local derivatives: of activations, products, powers and softmaxes, as shares that pass one edge."""

# A table of functions of numbers: the checker does not follow their types.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import Pointwise, book
from chainrule.program import Step
from chainrule.verify.agreement import broadcasts
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.walk import Arrival, Share, Walk
from chainrule.verify.marking.wrong_slopes import WRONG, wrong_slopes

ACTIVATIONS = (
    "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "gelu_tanh", "mish", "selu", "softmax",
)  # fmt: skip
"""What textbooks call activations, among the functions of the book."""

SWITCHES = ("relu", "leaky_relu")
"""Activations whose derivative is a mask."""

TAKEN_FOR = ("sigmoid", "tanh", "relu", "softplus")
"""Activations whose derivative is often used for another's."""


class Slip(NamedTuple):
    """What may wrongly pass an edge: the mistake's name, what is said of it, and the share.

    ``{out}``, ``{own}``, ``{other}`` and ``{value}`` in what is said stand for the names of the step, of what goes in
    there, of what goes in beside it, and of another value that is used.
    """

    name: str
    says: str
    share: Share
    value: Step | None = None
    kin: Any = None
    """What tells it from others of which the same is said."""

    def said(self, problem: Problem, step: Step, slot: int) -> str:
        """What is said, with the problem's names."""
        beside = [x for i, x in enumerate(step.inputs) if i != slot]
        return self.says.format(
            out=problem.name(step),
            own=problem.name(step.inputs[slot]),
            other=spelled(problem, beside[0]) if beside else "",
            value="" if self.value is None else problem.name(self.value),
            written=problem.text.get(step) or step.operation,
        )


def slope(name: str, says: str, change: Callable[..., Any], value: Step | None = None) -> Slip:
    """Another local derivative in the place of the right one: made of what arrives, and perhaps of another value."""
    if value is None:
        return Slip(name, says, lambda at: at.g * change(at))
    return Slip(name, says, lambda at: at.g * change(at, at.walk.numbers[value]), value)


def pointwise_shares(problem: Problem, walks: Sequence[Walk], step: Step, slot: int, x: Step) -> Iterator[Slip]:
    """Wrong local derivatives of an operation on single numbers."""
    op = step.op
    assert op is not None
    activation = op.name in ACTIVATIONS
    # At one probe every unit of a ReLU may be on.
    if any(not np.allclose(walk.slope(step, slot), 1.0) for walk in (walks if op.name in SWITCHES else walks[:1])):
        yield from left_out_or_twice(problem, step, slot, activation)
        added = "the local derivative is added to what arrives"
        yield Slip("added-for-multiplied", added, lambda at: at.g + at.slope)
        if np.all(walks[0].slope(step, slot)):
            of_number = op.name in ("mul", "div") and not all(isinstance(x, Step) for x in step.inputs)
            name = "factor" if of_number else WRONG
            yield slope(name, "divided by the local derivative", lambda at: 1 / at.slope)
    # Where a number arrives, that factor is what is missing.
    if not problem.is_a_number(problem.output, step):
        alone = "the local derivative alone passes"
        yield Slip("no-incoming-gradient", alone, lambda at: at.slope * np.ones(step.shape))
    if activation:
        yield from activation_shares(problem, step)
    elif len(step.inputs) == 1:
        yield slope(WRONG, "the function itself stands for its derivative", lambda at: at.out)
    elif op.name == "mul":
        yield from product_shares(problem, step, slot, x)
    for wrong in wrong_slopes(op.name, slot if len(step.inputs) > 1 else -1):
        yield slope(wrong.name, wrong.says, partial(at_inputs, wrong))
    if x.operation == "sub":
        for k, who in enumerate(x.inputs):
            says = f"{braced(spelled(problem, who))} stands for {{own}}"
            yield slope("prediction-for-error", says, lambda at, k=k: at.slope_with(at.walk.inputs(x)[k]))
        sums = "the sum stands for the difference {own}"
        yield slope(WRONG, sums, lambda at: at.slope_with(np.add(*at.walk.inputs(x))))


def at_inputs(function: Callable[..., Any], at: Arrival) -> Any:
    """What a function gives of a step's inputs."""
    return function(*at.inputs)


AVERAGED = ("it is not divided by the number of examples", "it is divided by the number of examples twice")
"""What is said of an average that is left out, and of one that stands twice."""


def spelled(problem: Problem, x: Any) -> str:
    """A name, or a number as it is."""
    return problem.name(x) if isinstance(x, Step) else str(x)


def braced(text: str) -> str:
    """A text in which no name is looked for."""
    return text.replace("{", "{{").replace("}", "}}")


def left_out_or_twice(problem: Problem, step: Step, slot: int, activation: bool) -> Iterator[Slip]:
    """A local derivative that is left out, or stands twice."""
    if step.operation in SWITCHES:
        yield slope("relu-mask-wrong", "the ReLU's mask is missing", lambda at: 1.0)
    for name in ["activation-derivative-missing"] if activation else left_out(problem, step, slot):
        says = AVERAGED[0] if name == "wrong-average" else "the derivative of {written} is left out"
        yield slope(name, says, lambda at: 1.0)
    if step.operation in ("", "relu"):
        return
    twice = "activation-derivative-twice" if activation else "extra-factor"
    for name in dict.fromkeys([*["wrong-average"] * is_average(problem, step, slot), twice, "extra-factor"]):
        says = AVERAGED[1] if name == "wrong-average" else "the derivative of {written} stands twice"
        yield slope(name, says, lambda at: at.slope**2)


def left_out(problem: Problem, step: Step, slot: int) -> list[str]:
    """What it is called where an operation's local derivative is left out."""
    name = step.operation
    if name in ("sub", "neg"):
        return ["sign"]
    if is_average(problem, step, slot):
        return ["wrong-average", "missing-factor"]
    others = [x for i, x in enumerate(step.inputs) if i != slot]
    if name in ("mul", "div") and others and not isinstance(others[0], Step):
        # Inside another function a number is a link of its own, as the 3 of exp(3x).
        return ["missing-factor", "factor"] if problem.is_inside(step) else ["factor"]
    return ["missing-factor"]


def is_average(problem: Problem, step: Step, slot: int) -> bool:
    """Whether a link divides by a number of examples, or multiplies by one over it."""
    if step.operation not in ("mul", "div") or len(step.inputs) != 2:
        return False
    other = step.inputs[1 - slot]
    if step.operation == "div":
        return slot == 0 and other in problem.counts
    return isinstance(other, Step) and other.operation == "div" and other.inputs[1] in problem.counts


def slope_of(rule: Any, out: Any, x: Any) -> Any:
    """A unary rule's derivative, as a number."""
    return np.asarray(rule.partial(0, out, [x], rule.defaults), np.float64)


def activation_shares(problem: Problem, step: Step) -> Iterator[Slip]:
    """Another function, another place or another layer in an activation's derivative."""
    op = step.op
    assert isinstance(op, Pointwise)
    another = "activation-derivative-of-another"
    yield slope("activation-for-derivative", f"{op.name} itself stands for its derivative", lambda at: at.out)
    if op.name != "relu":
        at_output = f"{op.name}′ is taken at the output"
        yield slope("activation-derivative-at-output", at_output, lambda at: at.slope_with(at.out))
        # The same may be read otherwise: the slope that belongs to a layer whose output this input is.
        for name, says in (
            ("activation-derivative-at-input", f"the output's form of {op.name}′ is used with the input"),
            (another, "this would be the slope of an activation whose output is {own}"),
        ):
            yield slope(name, says, lambda at: at.walk.slope(step, at.slot, at.own))
    for rule in [book[name] for name in TAKEN_FOR if name != op.name]:
        says = f"{rule.name}′ for {op.name}′"
        yield slope(another, says, lambda at, rule=rule: slope_of(rule, rule.function(at.own), at.own))
        yield slope(another, f"{says}, of the output", lambda at, rule=rule: slope_of(rule, at.out, at.own))
    for layer in problem.program.steps:
        if layer is not step and isinstance(layer.op, Pointwise) and layer.op.name in ACTIVATIONS:
            says = "the slope at {value} is used"
            yield slope(another, says, lambda at, _, e=layer: at.walk.slope(e, 0), layer)
            own = lambda at, out, e=layer: at.walk.slope(step, at.slot, out, at.walk.inputs(e))  # noqa: E731
            yield slope(another, f"{says}, by this one's function", own, layer)
    if op.name in SWITCHES:
        left = step.settings.get("slope", 0.0)
        yield slope("relu-mask-wrong", "the mask is turned", lambda at: np.where(np.less(at.own, 0), 1.0, left))
        for other in problem.program.steps:
            if other not in (step, step.inputs[0]) and other.shape == step.shape:
                yield slope("relu-mask-wrong", "the mask is taken from {value}", Arrival.slope_with, other)


def product_shares(problem: Problem, step: Step, slot: int, x: Step) -> Iterator[Slip]:
    """Something else in the place of a product's other operand."""
    other = step.inputs[1 - slot]
    if x.size < step.size and isinstance(other, Step) and other.shape == step.shape:
        for says, c in zip(SUMMED_APART, (x.size / step.size, 1), strict=True):
            sums = lambda at, c=c: product_of_sums(at, x, other) * c  # noqa: E731
            yield Slip("elementwise-for-matrix-product", says, sums)
    yield slope("swapped-operands", "{own} itself stands for the other operand", lambda at: at.own)
    if not isinstance(other, Step):
        return
    # What is made of the operand has it still, and something beside it.
    is_another = lambda value: broadcasts(value.shape, step.shape) and other not in value.inputs  # noqa: E731
    yield from for_the_other(problem, step, slot, is_another)


def for_the_other(problem: Problem, step: Step, slot: int, fits: Callable[[Step], bool]) -> Iterator[Slip]:
    """A gradient, or another value of those that fit, in the place of a product's other operand."""
    x, other = step.inputs[slot], step.inputs[1 - slot]
    of_gradient = lambda at: at.share_with_other(at.walk.right.get(other))  # noqa: E731
    yield Slip("gradient-for-value", "the gradient of {other} stands where {other} belongs", of_gradient)
    for value in problem.program.steps:
        if value not in (x, other, problem.output) and fits(value):
            with_value = lambda at, value=value: at.share_with_other(at.walk.numbers[value])  # noqa: E731
            for name in names_of_another(problem, step, other, value):
                yield Slip(name, "{value} stands where {other} belongs", with_value, value)


SUMMED_APART = (
    "{other} and what arrives are averaged each by itself: their product has another mean",
    "{other} and what arrives are summed each by itself: their product has another sum",
)
"""What is said where two things are averaged, or summed, before they are multiplied."""


def product_of_sums(at: Arrival, x: Step, other: Step) -> Any:
    """What arrives and the other operand, each summed over what was repeated, where their products are to be."""
    return at.walk.fitted(np.asarray(at.g), x) * at.walk.fitted(at.walk.numbers[other], x)


def names_of_another(problem: Problem, step: Step, other: Step, value: Step) -> list[str]:
    """What it is called where another value stands for an operand.

    It may be a local derivative elsewhere, or a factor of the operand, which has lost the other.
    """
    kept = {"mul": other.inputs, "div": other.inputs[:1]}.get(other.operation, ())
    lost = value in kept and all(isinstance(x, Step) for x in other.inputs)
    elsewhere = any(other is not step and other.operation in ("mul", "matmul") for other, _ in problem.consumers(value))
    return ["local-derivative-of-another"] * elsewhere + ["missing-factor"] * lost + [WRONG]


def softmax_shares(step: Step) -> Iterator[Slip]:
    """A softmax without what its outputs have to do with each other."""
    of_logs = step.operation == "log_softmax"

    def s(at: Arrival) -> Any:
        return np.exp(at.out) if of_logs else at.out

    if of_logs:
        yield Slip("softmax-diagonal", "1 − s alone, the diagonal", lambda at: at.g * (1 - s(at)))
    else:
        yield Slip("softmax-diagonal", "s(1 − s) alone, the diagonal", lambda at: at.g * (1 - s(at)) * s(at))
    missing = "the softmax's sum over the other outputs is missing"
    yield Slip("missing-path", missing, lambda at: at.g if of_logs else at.g * s(at))
    if not of_logs:
        without = "s·g, without the other outputs of the softmax"
        yield Slip("softmax-diagonal", without, lambda at: at.g * s(at))
        yield Slip("activation-derivative-missing", "the softmax's Jacobian is left out", lambda at: at.g)
    # The sum that is taken off, over another axis or over all.
    summed = "g" if of_logs else "s·g"
    for axis in (None, *range(step.ndim)):
        if axis is None or axis != step.settings.get("axis", -1) % step.ndim:

            def over_axis(at: Arrival, axis: int | None = axis) -> Any:
                whole = np.sum(at.g if of_logs else at.g * s(at), axis=axis, keepdims=True)
                return at.g - s(at) * whole if of_logs else s(at) * (at.g - whole)

            over = "everything" if axis is None else f"axis {axis}"
            yield Slip("summed-over-wrong-axis", f"the sum of {summed} runs over {over}", over_axis)
    says = "s(1 − s) is multiplied although the softmax's derivative is there already"
    for name in ("activation-derivative-twice", "extra-factor"):
        yield Slip(name, says, lambda at: at.share * s(at) * (1 - s(at)))
