"""Wrong local derivatives: of activations, products, powers and softmaxes, as shares that pass one edge."""

# A table of functions of numbers: the checker does not follow their types.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import Pointwise, book
from chainrule.program import Step
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.walk import Share, Walk
from chainrule.verify.shapes import broadcasts

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


def slope(name: str, says: str, change: Callable[[Walk, Step, int], Any], value: Step | None = None) -> Slip:
    """Another local derivative in the place of the right one."""
    return Slip(name, says, lambda walk, step, slot, g: g * change(walk, step, slot), value)


def pointwise_shares(problem: Problem, walks: Sequence[Walk], step: Step, slot: int, x: Step) -> Iterator[Slip]:
    """Wrong local derivatives of an operation on single numbers."""
    op = step.op
    assert op is not None
    activation = op.name in ACTIVATIONS
    # At one probe every unit of a ReLU may be on.
    if any(not np.allclose(walk.slope(step, slot), 1.0) for walk in (walks if op.name in SWITCHES else walks[:1])):
        yield from left_out_or_twice(problem, step, slot, activation)
        yield Slip(
            "added-for-multiplied",
            "the local derivative is added to what arrives",
            lambda w, s, i, g: g + w.slope(s, i),
        )
        if np.all(walks[0].slope(step, slot)):
            of_number = op.name in ("mul", "div") and not all(isinstance(x, Step) for x in step.inputs)
            name = "factor" if of_number else WRONG
            yield slope(name, "divided by the local derivative", lambda w, s, i: 1 / w.slope(s, i))
    # Where a number arrives, that factor is what is missing.
    if not problem.is_a_number(problem.output, step):
        alone = lambda w, s, i, g: w.slope(s, i) * np.ones(s.shape)  # noqa: E731
        yield Slip("no-incoming-gradient", "the local derivative alone passes", alone)
    if activation:
        yield from activation_shares(problem, step)
    elif len(step.inputs) == 1:
        yield slope(WRONG, "the function itself stands for its derivative", lambda w, s, i: w.numbers[s])
    elif op.name == "mul":
        yield from product_shares(problem, step, slot, x)
    for name, says, wrong in WRONG_SLOPES.get(op.name if len(step.inputs) == 1 else f"{op.name} {slot}", ()):
        yield slope(name, says, lambda w, s, i, wrong=wrong: wrong(w.numbers[s], *w.inputs(s)))
    if x.operation == "sub":
        for k, who in enumerate(x.inputs):
            of_one = lambda w, s, i, k=k: slope_elsewhere(w, s, i, w.inputs(s.inputs[i])[k])  # noqa: E731
            yield slope("prediction-for-error", f"{braced(spelled(problem, who))} stands for {{own}}", of_one)
        of_sum = lambda w, s, i: slope_elsewhere(w, s, i, np.add(*w.inputs(s.inputs[i])))  # noqa: E731
        yield slope(WRONG, "the sum stands for the difference {own}", of_sum)


WRONG = "wrong-local-derivative"
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
    is_mask = step.operation in SWITCHES
    if is_mask:
        yield slope("relu-mask-wrong", "the ReLU's mask is missing", lambda w, s, i: 1.0)
    for name in ["activation-derivative-missing"] if activation else left_out(problem, step, slot):
        says = AVERAGED[0] if name == "wrong-average" else "the derivative of {written} is left out"
        yield slope(name, says, lambda w, s, i: 1.0)
    if step.operation in ("", "relu"):
        return
    twice = "activation-derivative-twice" if activation else "extra-factor"
    for name in dict.fromkeys([*["wrong-average"] * is_average(problem, step, slot), twice, "extra-factor"]):
        says = AVERAGED[1] if name == "wrong-average" else "the derivative of {written} stands twice"
        yield slope(name, says, lambda w, s, i: w.slope(s, i) ** 2)


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


def slope_elsewhere(walk: Walk, step: Step, slot: int, x: Any) -> Any:
    """The local derivative with another number as the input."""
    inputs = walk.inputs(step)
    inputs[slot] = x
    assert step.op is not None
    return walk.slope(step, slot, step.op.function(*inputs, **step.settings), inputs)


def slope_of(rule: Any, out: Any, x: Any) -> Any:
    """A unary rule's derivative, as a number."""
    return np.asarray(rule.partial(0, out, [x], rule.defaults), np.float64)


def activation_shares(problem: Problem, step: Step) -> Iterator[Slip]:
    """Another function, another place or another layer in an activation's derivative."""
    op = step.op
    assert isinstance(op, Pointwise)
    another = "activation-derivative-of-another"
    yield slope(
        "activation-for-derivative", f"{op.name} itself stands for its derivative", lambda w, s, i: w.numbers[s]
    )
    if op.name != "relu":
        at_output = lambda w, s, i: slope_elsewhere(w, s, i, w.numbers[s])  # noqa: E731
        yield slope("activation-derivative-at-output", f"{op.name}′ is taken at the output", at_output)
        at_input = lambda w, s, i: w.slope(s, i, w.inputs(s)[0])  # noqa: E731
        yield slope(
            "activation-derivative-at-input", f"the output's form of {op.name}′ is used with the input", at_input
        )
        # The same read otherwise: the slope that belongs to a layer whose output this input is.
        yield slope(another, "this would be the slope of an activation whose output is {own}", at_input)
    for rule in [book[name] for name in TAKEN_FOR if name != op.name]:
        says = f"{rule.name}′ for {op.name}′"
        of_input = lambda w, s, i, rule=rule: slope_of(rule, rule.function(w.inputs(s)[0]), w.inputs(s)[0])  # noqa: E731
        yield slope(another, says, of_input)
        of_output = lambda w, s, i, rule=rule: slope_of(rule, w.numbers[s], w.inputs(s)[0])  # noqa: E731
        yield slope(another, f"{says}, of the output", of_output)
    for layer in problem.program.steps:
        if layer is not step and isinstance(layer.op, Pointwise) and layer.op.name in ACTIVATIONS:
            says = "the slope at {value} is used"
            yield slope(another, says, lambda w, s, i, e=layer: w.slope(e, 0), layer)
            own = lambda w, s, i, e=layer: w.slope(s, i, w.numbers[e], w.inputs(e))  # noqa: E731
            yield slope(another, f"{says}, by this one's function", own, layer)
    if op.name in SWITCHES:
        turned = lambda w, s, i: np.where(np.less(w.inputs(s)[0], 0), 1.0, s.settings.get("slope", 0.0))  # noqa: E731
        yield slope("relu-mask-wrong", "the mask is turned", turned)
        for other in problem.program.steps:
            if other not in (step, step.inputs[0]) and other.shape == step.shape:
                of_other = lambda w, s, i, other=other: slope_elsewhere(w, s, i, w.numbers[other])  # noqa: E731
                yield slope("relu-mask-wrong", "the mask is taken from {value}", of_other, other)


Rows = tuple[tuple[str, str, Callable[..., Any]], ...]


def not_slopes(of: str, *rows: tuple[str, Callable[[Any, Any], Any]]) -> Rows:
    """Derivatives of a function that people write by mistake, of its output and its input."""
    return tuple([(WRONG, f"{of}′ is not {says}", wrong) for says, wrong in rows])


WRONG_SLOPES: dict[str, Rows] = {
    "tanh": not_slopes(
        "tanh",
        ("−tanh²", lambda out, x: -(out**2)),
        ("1 + tanh²", lambda out, x: 1 + out**2),
        ("1 − tanh", lambda out, x: 1 - out),
        ("tanh²", lambda out, x: out**2),
        ("(1 − tanh)²", lambda out, x: (1 - out) ** 2),
        ("tanh² − 1", lambda out, x: out**2 - 1),
    ),
    "sigmoid": not_slopes(
        "sigmoid",
        ("1 − σ", lambda out, x: 1 - out),
        ("σ²", lambda out, x: out**2),
        ("σ(1 + σ)", lambda out, x: out * (1 + out)),
        ("1 − σ²", lambda out, x: 1 - out**2),
        ("(1 − σ)²", lambda out, x: (1 - out) ** 2),
        ("σ + (1 − σ)", lambda out, x: np.ones_like(out)),
        ("e⁻ᶻ/(1 + e⁻ᶻ)", lambda out, x: np.exp(-x) * out),
    ),
    "exp": not_slopes(
        "exp",
        ("its input: it is its output", lambda out, x: x),
        ("x·eˣ⁻¹", lambda out, x: x * np.exp(x - 1)),
        ("x·eˣ", lambda out, x: x * out),
        ("its logarithm", lambda out, x: 1 / out),
    ),
    "log": not_slopes(
        "log",
        ("its input", lambda out, x: x),
        ("1/x²", lambda out, x: 1 / x**2),
        ("1/log", lambda out, x: 1 / out),
        ("eˣ", lambda out, x: np.exp(x)),
    ),
    "sqrt": (
        ("missing-factor", "the ½ comes down, and 1/√ is left out", lambda out, x: 0.5 + 0.0 * x),
        *not_slopes(
            "sqrt",
            ("1/(2x)", lambda out, x: 0.5 / x),
            ("√x/2", lambda out, x: 0.5 * out),
            ("1/√x", lambda out, x: 1 / out),
        ),
    ),
    "square": (
        ("missing-factor", "the 2 comes down, and {own} is left out", lambda out, x: 2.0 + 0.0 * x),
        *not_slopes("square", ("2x²", lambda out, x: 2 * out), ("x³/3", lambda out, x: out * x / 3)),
    ),
    "sin": not_slopes("sin", ("−cos", lambda out, x: -np.cos(x)), ("−sin", lambda out, x: -out)),
    "cos": not_slopes("cos", ("sin", lambda out, x: np.sin(x)), ("−cos", lambda out, x: -out)),
    "tan": not_slopes(
        "tan",
        ("1/cos", lambda out, x: 1 / np.cos(x)),
        ("1 − tan²", lambda out, x: 1 - out**2),
        ("−1/cos²", lambda out, x: -1 / np.cos(x) ** 2),
        ("1/sin²", lambda out, x: 1 / np.sin(x) ** 2),
        ("tan²", lambda out, x: out**2),
    ),
    "atan": not_slopes(
        "atan",
        ("1/(1 − x²)", lambda out, x: 1 / (1 - x**2)),
        ("1/(1 + x)", lambda out, x: 1 / (1 + x)),
        ("1/tan²", lambda out, x: 1 / np.tan(x) ** 2),
        ("1/√(1 + x²)", lambda out, x: 1 / np.sqrt(1 + x**2)),
    ),
    "sinh": not_slopes("sinh", ("−cosh", lambda out, x: -np.cosh(x)), ("cos", lambda out, x: np.cos(x))),
    "cosh": not_slopes("cosh", ("−sinh", lambda out, x: -np.sinh(x)), ("sin", lambda out, x: np.sin(x))),
    "reciprocal": not_slopes(
        "reciprocal",
        ("1/x²", lambda out, x: out**2),
        ("−1/x", lambda out, x: -out),
        ("log", lambda out, x: np.log(np.abs(x))),
    ),
    "softplus": not_slopes("softplus", ("1 − σ", lambda out, x: 1 / (1 + np.exp(x)))),
    "div 0": ((WRONG, "multiplied where it divides", lambda out, x, y: y),),
    "div 1": (
        (WRONG, "the minus of the quotient's derivative is lost, and the square", lambda out, x, y: x / y),
        (WRONG, "the numerator is missing", lambda out, x, y: -1 / y**2),
        (WRONG, "the square of the denominator is missing", lambda out, x, y: -x / y),
        (WRONG, "the denominator alone", lambda out, x, y: 1 / y**2),
        (WRONG, "it is integrated", lambda out, x, y: x * np.log(np.abs(y))),
    ),
    "pow 0": (
        ("missing-factor", "the exponent comes down, and {own} is left out", lambda out, x, n: n + 0.0 * x),
        (WRONG, "the exponent is not lowered", lambda out, x, n: n * out),
        (WRONG, "the power itself stands for its derivative", lambda out, x, n: out),
        ("factor", "the exponent does not come down", lambda out, x, n: x ** (np.asarray(n) - 1.0)),
        (WRONG, "it is integrated", lambda out, x, n: out * x / (np.asarray(n) + 1.0)),
        (WRONG, "the exponent is lowered by two", lambda out, x, n: n * out / x**2),
        (WRONG, "the lowered exponent comes down", lambda out, x, n: (np.asarray(n) - 1.0) * out / x),
        (WRONG, "the exponent is raised", lambda out, x, n: n * out * x),
    ),
    "pow 1": (
        (WRONG, "the rule for powers of x is used where x is the exponent", lambda out, x, n: n * out / x),
        ("missing-factor", "the logarithm of the base is left out", lambda out, x, n: out),
    ),
}
"""Local derivatives that people write by mistake, of the output and the inputs; of an operation on two by its slot."""


def product_shares(problem: Problem, step: Step, slot: int, x: Step) -> Iterator[Slip]:
    """Something else in the place of a product's other operand."""
    if x.size < step.size and isinstance(other := step.inputs[1 - slot], Step) and other.shape == step.shape:
        for says, averaged in SUMMED_APART:
            sums = lambda w, s, i, g, averaged=averaged: product_of_sums(w, s, i, g, averaged)  # noqa: E731
            yield Slip("elementwise-for-matrix-product", says, sums)
    own = "{own} itself stands for the other operand"
    yield slope("swapped-operands", own, lambda w, s, i: w.inputs(s)[i])
    other = step.inputs[1 - slot]
    if not isinstance(other, Step):
        return
    says = "the gradient of {other} stands for its value"
    yield slope("gradient-for-value", says, lambda w, s, i: w.right.get(s.inputs[1 - i], 0.0))
    # What is made of the operand has it still, and something beside it.
    for value in problem.program.steps:
        if (
            value not in (x, other, problem.output)
            and broadcasts(value.shape, step.shape)
            and other not in value.inputs
        ):
            for name in names_of_another(problem, step, other, value):
                yield slope(name, "{value} stands for {other}", lambda w, s, i, v=value: w.numbers[v], value)


SUMMED_APART = (
    ("{other} and what arrives are averaged each by itself: their product has another mean", True),
    ("{other} and what arrives are summed each by itself: their product has another sum", False),
)
"""What is said where two things are averaged, or summed, before they are multiplied."""


def product_of_sums(walk: Walk, step: Step, slot: int, g: Any, averaged: bool) -> Any:
    """What arrives and the other operand, each summed over what was repeated, where their products are to be."""
    x, other = step.inputs[slot], walk.inputs(step)[1 - slot]
    return walk.fitted(np.asarray(g), x) * walk.fitted(other, x) * (x.size / step.size if averaged else 1)


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

    def shares_at(w: Walk, s: Step) -> Any:
        return np.exp(w.numbers[s]) if of_logs else w.numbers[s]

    diagonal = "1 − s alone, the diagonal" if of_logs else "s(1 − s) alone, the diagonal"
    yield Slip(
        "softmax-diagonal", diagonal, lambda w, s, i, g: g * (1 - shares_at(w, s)) * (1 if of_logs else w.numbers[s])
    )
    says = "the softmax's sum over the other outputs is missing"
    yield Slip("missing-path", says, lambda w, s, i, g: g if of_logs else g * w.numbers[s])
    if not of_logs:
        says = "s·g, without the other outputs of the softmax"
        yield Slip("softmax-diagonal", says, lambda w, s, i, g: g * w.numbers[s])
        yield Slip("activation-derivative-missing", "the softmax's Jacobian is left out", lambda w, s, i, g: g)
    # The sum that is taken off, over another axis or over all.
    summed = "g" if of_logs else "s·g"
    for axis in (None, *range(step.ndim)):
        if axis is None or axis != step.settings.get("axis", -1) % step.ndim:

            def over_axis(w: Walk, s: Step, i: int, g: Any, axis: int | None = axis) -> Any:
                shares = shares_at(w, s)
                whole = np.sum(g if of_logs else g * shares, axis=axis, keepdims=True)
                return g - shares * whole if of_logs else shares * (g - whole)

            over = "everything" if axis is None else f"axis {axis}"
            yield Slip("summed-over-wrong-axis", f"the sum of {summed} runs over {over}", over_axis)
    says = "s(1 − s) is multiplied although the softmax's derivative is there already"
    for name in ("activation-derivative-twice", "extra-factor"):
        yield Slip(name, says, lambda w, s, i, g: w.share(s, i, g) * shares_at(w, s) * (1 - shares_at(w, s)))
