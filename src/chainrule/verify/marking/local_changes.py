"""Wrong local derivatives: of activations, products, powers and softmaxes, as shares that pass one edge."""

# A change keeps its place as a default of its function, whose type the checker does not follow.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.operation import Pointwise, book
from chainrule.program import Step
from chainrule.verify.differing import broadcasts
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.walk import Share, Walk

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "mish", "selu", "softmax")
"""What textbooks call activations, among the functions of the book."""

TAKEN_FOR = ("sigmoid", "tanh", "relu", "softplus")
"""Activations whose derivative is often used for another's."""


Told = tuple[str, str, Share]


def times_slope(change: Callable[[Walk, Step, int], Any]) -> Share:
    """A share with another local derivative."""
    return lambda walk, step, slot, g: g * change(walk, step, slot)


def pointwise_shares(problem: Problem, walks: Sequence[Walk], step: Step, slot: int, x: Step) -> Iterator[Told]:
    """Wrong local derivatives of an operation on single numbers."""
    op = step.op
    assert op is not None
    slope = walks[0].slope(step, slot)
    activation = op.name in ACTIVATIONS
    # At one probe every unit of a ReLU may be on.
    if any(not np.allclose(walk.slope(step, slot), 1.0) for walk in (walks if op.name == "relu" else walks[:1])):
        if op.name == "relu":
            yield "relu-mask-wrong", "the ReLU's mask is missing", times_slope(lambda w, s, i: 1.0)
        written = problem.text.get(step, op.name)
        for name in ["activation-derivative-missing"] if activation else left_out(problem, step, slot):
            says = f"the derivative of {written} is left out"
            yield name, AVERAGED[0] if name == "wrong-average" else says, times_slope(lambda w, s, i: 1.0)
        twice = "activation-derivative-twice" if activation else "extra-factor"
        if op.name != "relu":
            for name in dict.fromkeys([*["wrong-average"] * is_average(problem, step, slot), twice, "extra-factor"]):
                says = AVERAGED[1] if name == "wrong-average" else f"the derivative of {written} stands twice"
                yield name, says, times_slope(lambda w, s, i: w.slope(s, i) ** 2)
        yield (
            "added-for-multiplied",
            "the local derivative is added to what arrives",
            lambda w, s, i, g: g + w.slope(s, i),
        )
        if np.all(slope):
            yield (
                "wrong-local-derivative",
                "divided by the local derivative",
                times_slope(lambda w, s, i: 1 / w.slope(s, i)),
            )
    yield (
        "no-incoming-gradient",
        "the local derivative alone passes",
        lambda w, s, i, g: w.slope(s, i) * np.ones(s.shape),
    )
    if len(step.inputs) == 1:
        yield from unary_shares(problem, step, activation)
    elif op.name == "mul":
        yield from product_shares(problem, step, slot, x)
    elif op.name == "div" and slot == 1:
        yield (
            "wrong-local-derivative",
            "the minus of the quotient's derivative is lost, and the square",
            times_slope(lambda w, s, i: w.inputs(s)[0] / w.inputs(s)[1]),
        )
        yield (
            "wrong-local-derivative",
            "the numerator is missing",
            times_slope(lambda w, s, i: -1 / w.inputs(s)[1] ** 2),
        )
        yield (
            "wrong-local-derivative",
            "the square of the denominator is missing",
            times_slope(lambda w, s, i: -w.inputs(s)[0] / w.inputs(s)[1]),
        )
        yield "wrong-local-derivative", "the denominator alone", times_slope(lambda w, s, i: 1 / w.inputs(s)[1] ** 2)
        yield (
            "wrong-local-derivative",
            "it is integrated",
            times_slope(lambda w, s, i: w.inputs(s)[0] * np.log(np.abs(w.inputs(s)[1]))),
        )
    elif op.name == "div":
        yield "wrong-local-derivative", "multiplied where it divides", times_slope(lambda w, s, i: w.inputs(s)[1])
    elif op.name == "pow":
        yield from base_shares() if slot == 0 else exponent_shares()
    if isinstance(x.op, Pointwise) and x.op.name == "sub":
        for k, who in enumerate(x.inputs):
            yield (
                "prediction-for-error",
                f"{spelled(problem, who)} stands for {problem.name(x)}",
                times_slope(lambda w, s, i, k=k: slope_elsewhere(w, s, i, w.inputs(s.inputs[i])[k])),
            )
        yield (
            "wrong-local-derivative",
            f"the sum stands for the difference {problem.name(x)}",
            times_slope(lambda w, s, i: slope_elsewhere(w, s, i, np.add(*w.inputs(s.inputs[i])))),
        )


AVERAGED = ("it is not divided by the number of examples", "it is divided by the number of examples twice")
"""What is said of an average that is left out, and of one that stands twice."""


def spelled(problem: Problem, x: Any) -> str:
    """A name, or a number as it is."""
    return problem.name(x) if isinstance(x, Step) else str(x)


def left_out(problem: Problem, step: Step, slot: int) -> list[str]:
    """What it is called where an operation's local derivative is left out."""
    name = "" if step.op is None else step.op.name
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
    if step.op is None or step.op.name not in ("mul", "div") or len(step.inputs) != 2:
        return False
    other = step.inputs[1 - slot]
    if step.op.name == "div":
        return slot == 0 and other in problem.counts
    return (
        isinstance(other, Step)
        and other.op is not None
        and other.op.name == "div"
        and other.inputs[1] in problem.counts
    )


def slope_elsewhere(walk: Walk, step: Step, slot: int, x: Any) -> Any:
    """The local derivative with another number as the input."""
    inputs = walk.inputs(step)
    inputs[slot] = x
    assert step.op is not None
    return walk.slope(step, slot, step.op.function(*inputs, **step.settings), **{f"x{slot}": x})


def unary_shares(problem: Problem, step: Step, activation: bool) -> Iterator[Told]:
    """Wrong derivatives of a function of one number."""
    op = step.op
    assert isinstance(op, Pointwise)
    called = op.name
    if activation:
        yield (
            "activation-for-derivative",
            f"{called} itself stands for its derivative",
            times_slope(lambda w, s, i: w.numbers[s]),
        )
        if op.name != "relu":
            yield (
                "activation-derivative-at-output",
                f"{called}′ is taken at the output",
                times_slope(lambda w, s, i: slope_elsewhere(w, s, i, w.numbers[s])),
            )
            at_input = times_slope(lambda w, s, i: w.slope(s, i, w.inputs(s)[0]))
            yield "activation-derivative-at-input", f"the output's form of {called}′ is used with the input", at_input
            # The same read otherwise: the slope that belongs to a layer whose output this input is.
            says = f"this would be the slope of an activation whose output is {problem.name(step.inputs[0])}"
            yield "activation-derivative-of-another", says, at_input
        for other in TAKEN_FOR:
            if other != op.name:
                rule = book[other]
                yield (
                    "activation-derivative-of-another",
                    f"{other}′ for {called}′",
                    times_slope(
                        lambda w, s, i, rule=rule: slope_of(rule, rule.function(w.inputs(s)[0]), w.inputs(s)[0])
                    ),
                )
                yield (
                    "activation-derivative-of-another",
                    f"{other}′ for {called}′",
                    times_slope(lambda w, s, i, rule=rule: slope_of(rule, w.numbers[s], w.inputs(s)[0])),
                )
        for elsewhere in problem.program.steps:
            if elsewhere is not step and isinstance(elsewhere.op, Pointwise) and elsewhere.op.name in ACTIVATIONS:
                yield (
                    "activation-derivative-of-another",
                    f"the slope at {problem.name(elsewhere)} is used",
                    times_slope(lambda w, s, i, e=elsewhere: w.slope(e, 0)),
                )
                yield (
                    "activation-derivative-of-another",
                    f"the slope at {problem.name(elsewhere)} is used",
                    times_slope(lambda w, s, i, e=elsewhere: slope_of(s.op, w.numbers[e], w.inputs(e)[0])),
                )
        if op.name == "relu":
            yield from mask_shares(problem, step)
    else:
        itself = "the function itself stands for its derivative"
        yield "wrong-local-derivative", itself, times_slope(lambda w, s, i: w.numbers[s])
    for says, wrong in WRONG_SLOPES.get(op.name, ()):
        yield (
            "wrong-local-derivative",
            f"{called}′ is not {says}",
            times_slope(lambda w, s, i, wrong=wrong: wrong(w.numbers[s], w.inputs(s)[0])),
        )


def slope_of(rule: Any, out: Any, x: Any) -> Any:
    """A unary rule's derivative, as a number."""
    return np.asarray(rule.partial(0, out, [x], rule.defaults), np.float64)


WRONG_SLOPES: dict[str, tuple[tuple[str, Callable[[Any, Any], Any]], ...]] = {
    "tanh": (
        ("−tanh²", lambda out, x: -(out**2)),
        ("1 + tanh²", lambda out, x: 1 + out**2),
        ("1 − tanh", lambda out, x: 1 - out),
        ("tanh²", lambda out, x: out**2),
        ("(1 − tanh)²", lambda out, x: (1 - out) ** 2),
        ("tanh² − 1", lambda out, x: out**2 - 1),
    ),
    "sigmoid": (
        ("1 − σ", lambda out, x: 1 - out),
        ("σ²", lambda out, x: out**2),
        ("σ(1 + σ)", lambda out, x: out * (1 + out)),
        ("1 − σ²", lambda out, x: 1 - out**2),
        ("(1 − σ)²", lambda out, x: (1 - out) ** 2),
        ("σ + (1 − σ)", lambda out, x: np.ones_like(out)),
        ("e⁻ᶻ/(1 + e⁻ᶻ)", lambda out, x: np.exp(-x) * out),
    ),
    "exp": (
        ("its input", lambda out, x: x),
        ("x·eˣ⁻¹", lambda out, x: x * np.exp(x - 1)),
        ("x·eˣ", lambda out, x: x * out),
        ("its logarithm", lambda out, x: 1 / out),
    ),
    "log": (
        ("its input", lambda out, x: x),
        ("1/x²", lambda out, x: 1 / x**2),
        ("1/log", lambda out, x: 1 / out),
        ("eˣ", lambda out, x: np.exp(x)),
    ),
    "sqrt": (
        ("1/(2x)", lambda out, x: 0.5 / x),
        ("√x/2", lambda out, x: 0.5 * out),
        ("1/√x", lambda out, x: 1 / out),
    ),
    "square": (("2x²", lambda out, x: 2 * out), ("x³/3", lambda out, x: out * x / 3)),
    "sin": (("−cos", lambda out, x: -np.cos(x)), ("−sin", lambda out, x: -out)),
    "cos": (("sin", lambda out, x: np.sin(x)), ("−cos", lambda out, x: -out)),
    "tan": (
        ("1/cos", lambda out, x: 1 / np.cos(x)),
        ("1 − tan²", lambda out, x: 1 - out**2),
        ("−1/cos²", lambda out, x: -1 / np.cos(x) ** 2),
        ("1/sin²", lambda out, x: 1 / np.sin(x) ** 2),
        ("tan²", lambda out, x: out**2),
    ),
    "atan": (
        ("1/(1 − x²)", lambda out, x: 1 / (1 - x**2)),
        ("1/(1 + x)", lambda out, x: 1 / (1 + x)),
        ("1/tan²", lambda out, x: 1 / np.tan(x) ** 2),
        ("1/√(1 + x²)", lambda out, x: 1 / np.sqrt(1 + x**2)),
    ),
    "sinh": (("−cosh", lambda out, x: -np.cosh(x)), ("cos", lambda out, x: np.cos(x))),
    "cosh": (("−sinh", lambda out, x: -np.sinh(x)), ("sin", lambda out, x: np.sin(x))),
    "reciprocal": (
        ("1/x²", lambda out, x: out**2),
        ("−1/x", lambda out, x: -out),
        ("log", lambda out, x: np.log(np.abs(x))),
    ),
    "softplus": (("1 − σ", lambda out, x: 1 / (1 + np.exp(x))),),
}
"""Local derivatives that people write by mistake, of the output and the input."""


def mask_shares(problem: Problem, step: Step) -> Iterator[Told]:
    """A ReLU's mask, turned or taken from somewhere else."""
    yield "relu-mask-wrong", "the mask is turned", times_slope(lambda w, s, i: np.less(w.inputs(s)[0], 0) * 1.0)
    for other in problem.program.steps:
        if other not in (step, step.inputs[0]) and other.shape == step.shape:
            yield (
                "relu-mask-wrong",
                f"the mask is taken from {problem.name(other)}",
                times_slope(lambda w, s, i, other=other: np.greater(w.numbers[other], 0) * 1.0),
            )


def exponent_shares() -> Iterator[Told]:
    """Wrong derivatives of a power in its exponent, as of 2ˣ."""
    power_rule = times_slope(lambda w, s, i: w.inputs(s)[1] * w.numbers[s] / w.inputs(s)[0])
    yield "wrong-local-derivative", "the rule for powers of x is used where x is the exponent", power_rule
    yield "missing-factor", "the logarithm of the base is left out", times_slope(lambda w, s, i: w.numbers[s])


def base_shares() -> Iterator[Told]:
    """Wrong derivatives of a power in its base."""
    yield (
        "wrong-local-derivative",
        "the exponent is not lowered",
        times_slope(lambda w, s, i: w.inputs(s)[1] * w.numbers[s]),
    )
    yield (
        "wrong-local-derivative",
        "the power itself stands for its derivative",
        times_slope(lambda w, s, i: w.numbers[s]),
    )
    yield (
        "factor",
        "the exponent does not come down",
        times_slope(lambda w, s, i: w.inputs(s)[0] ** (np.asarray(w.inputs(s)[1]) - 1.0)),
    )
    yield (
        "wrong-local-derivative",
        "it is integrated",
        times_slope(lambda w, s, i: w.numbers[s] * w.inputs(s)[0] / (np.asarray(w.inputs(s)[1]) + 1.0)),
    )
    yield (
        "wrong-local-derivative",
        "the exponent is lowered by two",
        times_slope(lambda w, s, i: w.inputs(s)[1] * w.numbers[s] / w.inputs(s)[0] ** 2),
    )
    yield (
        "wrong-local-derivative",
        "the lowered exponent comes down",
        times_slope(lambda w, s, i: (np.asarray(w.inputs(s)[1]) - 1.0) * w.numbers[s] / w.inputs(s)[0]),
    )
    yield (
        "wrong-local-derivative",
        "the exponent is raised",
        times_slope(lambda w, s, i: w.inputs(s)[1] * w.numbers[s] * w.inputs(s)[0]),
    )


def product_shares(problem: Problem, step: Step, slot: int, x: Step) -> Iterator[Told]:
    """Something else in the place of a product's other operand."""
    yield (
        "swapped-operands",
        f"{problem.name(x)} itself stands for the other operand",
        times_slope(lambda w, s, i: w.inputs(s)[i]),
    )
    other = step.inputs[1 - slot]
    if not isinstance(other, Step):
        return
    yield (
        "gradient-for-value",
        f"the gradient of {problem.name(other)} stands for its value",
        times_slope(lambda w, s, i: w.right.get(other, 0.0)),
    )
    slopes = factors_elsewhere(problem, step)
    for value in problem.program.steps:
        if value in (x, other) or value is problem.output:
            continue
        if not broadcasts(value.shape, step.shape) or other in value.inputs:
            # What is made of the operand has it still, and something beside it.
            continue
        says = f"{problem.name(value)} stands for {problem.name(other)}"
        for name in ["local-derivative-of-another"] * (value in slopes) + ["wrong-local-derivative"]:
            yield name, says, times_slope(lambda w, s, i, value=value: w.numbers[value])


def factors_elsewhere(problem: Problem, step: Step) -> set[Step]:
    """The values that are local derivatives of other products."""
    return {
        x
        for other in problem.program.steps
        if other is not step and other.op is not None and other.op.name in ("mul", "matmul")
        for x in other.inputs
        if isinstance(x, Step)
    }


def softmax_shares(step: Step) -> Iterator[Told]:
    """A softmax without what its outputs have to do with each other."""
    if step.op is not None and step.op.name == "softmax":
        yield (
            "softmax-diagonal",
            "s(1 − s) alone, the diagonal",
            lambda w, s, i, g: g * w.numbers[s] * (1 - w.numbers[s]),
        )
        yield (
            "missing-path",
            "the softmax's sum over the other outputs is missing: s·g is its first part alone",
            (lambda w, s, i, g: g * w.numbers[s]),
        )
        yield "softmax-diagonal", "s·g, without the other outputs of the softmax", lambda w, s, i, g: g * w.numbers[s]
        yield "activation-derivative-missing", "the softmax's Jacobian is left out", lambda w, s, i, g: g
        says = "s(1 − s) is multiplied although the softmax's derivative is there already"
        for name in ("activation-derivative-twice", "extra-factor"):
            yield name, says, lambda w, s, i, g: w.share(s, i, g) * w.numbers[s] * (1 - w.numbers[s])
    else:
        says = "s(1 − s) is multiplied although the derivative is there already"
        for name in ("activation-derivative-twice", "extra-factor"):
            yield name, says, (lambda w, s, i, g: w.share(s, i, g) * np.exp(w.numbers[s]) * (1 - np.exp(w.numbers[s])))
        yield "softmax-diagonal", "1 − s alone, the diagonal", lambda w, s, i, g: g * (1 - np.exp(w.numbers[s]))
        yield "missing-path", "the softmax's sum over the outputs is missing", lambda w, s, i, g: g
