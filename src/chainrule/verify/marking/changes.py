"""Mistakes as changes of the backward pass: one link replaced, one share dropped, one node handed on too early.

Each change says what it is called, where it is, and what the wrong program gives; that is found by walking the right
pass down from the changed link, so it is exact at any probe.
"""

# A change keeps its place as a default of its function, whose type the checker does not follow.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import Pointwise, book
from chainrule.program import Step
from chainrule.verify.marking import orders
from chainrule.verify.marking.matrix_changes import matrix_shares, raw_values
from chainrule.verify.marking.problem import Problem, edges_of
from chainrule.verify.marking.walk import Share, Walk

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "mish", "selu", "softmax")
"""What textbooks call activations, among the functions of the book."""

TAKEN_FOR = ("sigmoid", "tanh", "relu", "softplus")
"""Activations whose derivative is often used for another's."""


class Change(NamedTuple):
    """A mistake at a place, and the gradient that it gives at a probe (None where it cannot stand there)."""

    name: str
    place: str
    says: str
    gives: Callable[[Walk], Any]
    loose: bool = False
    """Whether the result has a shape of its own, that of what was not summed."""
    site: Any = None
    """What tells its place from others, for whatever was asked."""


def changes(problem: Problem, wrt: Step, walk: Walk) -> Iterator[Change]:
    """Every single mistake that can be made on the way to `wrt`; `walk` tells which links are 1 anyway."""
    edges = list(edges_of(problem, wrt))
    yield from stops(problem, wrt, walk)
    yield from extras(problem, wrt)
    for step, slot, x in edges:
        for name, says, share in shares_of(problem, walk, step, slot, x):
            yield edge_change(problem, wrt, step, slot, name, says, share)
    yield from errors(problem, wrt, walk)
    yield from ways(problem, wrt)
    yield from stretches(problem, wrt, walk)
    yield from orders_and_updates(problem, wrt)
    for step, slot in problem.consumers(wrt):
        for name, says, value in raw_values(problem, step, slot, wrt):
            yield Change(name, edge_place(problem, step, slot, wrt), says, value, loose=True)


def edge_place(problem: Problem, step: Step, slot: int, wrt: Step) -> str:
    """Where a link is, in the learner's names: the derivative, the line, and what was asked."""
    x = step.inputs[slot]
    link = f"∂{bracketed(problem, step)}/∂{bracketed(problem, x)}"
    return f"{link}, in {problem.where(step)}, on the way to {problem.name(wrt)}"


def bracketed(problem: Problem, step: Step) -> str:
    """A name, or what was written in brackets."""
    name = problem.name(step)
    return name if name.isidentifier() else f"({name})"


def edge_change(problem: Problem, wrt: Step, step: Step, slot: int, name: str, says: str, share: Share) -> Change:
    """A change of what passes one edge."""
    place = edge_place(problem, step, slot, wrt)
    return Change(
        name, place, says, lambda walk: walk.with_change(step, slot, share, wrt), site=(step.place, slot, says)
    )


Told = tuple[str, str, Share]


def shares_of(problem: Problem, walk: Walk, step: Step, slot: int, x: Step) -> Iterator[Told]:
    """What may wrongly pass an edge: by the kind of its operation."""
    assert step.op is not None
    if np.any(walk.right[step]):
        yield "sign", "the share enters with the other sign", lambda w, s, i, g: -w.share(s, i, g)
        yield "factor", "twice the share", lambda w, s, i, g: 2.0 * w.share(s, i, g)
        yield "factor", "half the share", lambda w, s, i, g: 0.5 * w.share(s, i, g)
    if len(problem.program.outputs) and several_ways(problem, step, x):
        yield "missing-path", f"the way through {problem.name(step)} is left out", lambda w, s, i, g: np.zeros(x.shape)
    if isinstance(step.op, Pointwise):
        yield from pointwise_shares(problem, walk, step, slot, x)
    elif step.op.name in ("sum", "mean"):
        n = float(x.size // max(step.size, 1))
        if n > 1:
            yield "wrong-average", f"divided by {n:g} once too often", lambda w, s, i, g: w.share(s, i, g) / n
            yield "wrong-average", f"not divided by {n:g}", lambda w, s, i, g: w.share(s, i, g) * n
    elif step.op.name in ("softmax", "log_softmax"):
        yield from softmax_shares(step)
    else:
        yield from matrix_shares(problem, step, slot)


def several_ways(problem: Problem, step: Step, x: Step) -> bool:
    """Whether something on the way meets other ways, so that one of them can be left out."""
    return any(len(problem.consumers(s)) > 1 for s in problem.program.steps)


def times_slope(change: Callable[[Walk, Step, int], Any]) -> Share:
    """A share with another local derivative."""
    return lambda walk, step, slot, g: g * change(walk, step, slot)


def pointwise_shares(problem: Problem, walk: Walk, step: Step, slot: int, x: Step) -> Iterator[Told]:
    """Wrong local derivatives of an operation on single numbers."""
    op = step.op
    assert op is not None
    slope = walk.slope(step, slot)
    activation = op.name in ACTIVATIONS
    if not np.allclose(slope, 1.0):
        if op.name == "relu":
            yield "relu-mask-wrong", "the ReLU's mask is missing", times_slope(lambda w, s, i: 1.0)
        name = "activation-derivative-missing" if activation else left_out(op.name, step, slot)
        yield name, f"the derivative of {problem.text.get(step, op.name)} is left out", times_slope(lambda w, s, i: 1.0)
        twice = "activation-derivative-twice" if activation else "extra-factor"
        if op.name != "relu":
            yield twice, "this factor stands twice", times_slope(lambda w, s, i: w.slope(s, i) ** 2)
        yield (
            "added-for-multiplied",
            "the local derivative is added to what arrives",
            lambda w, s, i, g: g + w.slope(s, i),
        )
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
        yield from unary_shares(problem, walk, step, activation)
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
    elif op.name == "div":
        yield "wrong-local-derivative", "multiplied where it divides", times_slope(lambda w, s, i: w.inputs(s)[1])
    elif op.name == "pow" and slot == 0:
        yield from power_shares(problem, step)
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


def spelled(problem: Problem, x: Any) -> str:
    """A name, or a number as it is."""
    return problem.name(x) if isinstance(x, Step) else str(x)


def left_out(name: str, step: Step, slot: int) -> str:
    """What it is called where an operation's local derivative is left out."""
    if name in ("sub", "neg"):
        return "sign"
    others = [x for i, x in enumerate(step.inputs) if i != slot]
    if name in ("mul", "div") and others and not isinstance(others[0], Step):
        return "factor"
    return "missing-factor"


def slope_elsewhere(walk: Walk, step: Step, slot: int, x: Any) -> Any:
    """The local derivative with another number as the input."""
    inputs = walk.inputs(step)
    inputs[slot] = x
    assert step.op is not None
    return walk.slope(step, slot, step.op.function(*inputs, **step.settings), **{f"x{slot}": x})


def unary_shares(problem: Problem, walk: Walk, step: Step, activation: bool) -> Iterator[Told]:
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
        ("the logarithm itself", lambda out, x: out),
        ("1/x²", lambda out, x: 1 / x**2),
        ("1/log", lambda out, x: 1 / out),
        ("eˣ", lambda out, x: np.exp(x)),
    ),
    "sqrt": (
        ("1/(2x)", lambda out, x: 0.5 / x),
        ("√x/2", lambda out, x: 0.5 * out),
        ("1/√x", lambda out, x: 1 / out),
    ),
    "square": (("x²", lambda out, x: out), ("2x²", lambda out, x: 2 * out), ("x", lambda out, x: x)),
    "sin": (("sin", lambda out, x: out), ("−cos", lambda out, x: -np.cos(x))),
    "cos": (("cos", lambda out, x: out), ("sin", lambda out, x: np.sin(x))),
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


def power_shares(problem: Problem, step: Step) -> Iterator[Told]:
    """Wrong derivatives of a power."""
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
        if not fits(value.shape, step.shape):
            continue
        name = "local-derivative-of-another" if value in slopes else "wrong-local-derivative"
        yield (
            name,
            f"{problem.name(value)} stands for {problem.name(other)}",
            times_slope(lambda w, s, i, value=value: w.numbers[value]),
        )


def fits(shape: tuple[int, ...], into: tuple[int, ...]) -> bool:
    """Whether an array can be repeated to a shape."""
    try:
        return np.broadcast_shapes(shape, into) == into
    except ValueError:
        return False


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
    else:
        yield "softmax-diagonal", "1 − s alone, the diagonal", lambda w, s, i, g: g * (1 - np.exp(w.numbers[s]))
        yield "missing-path", "the softmax's sum over the outputs is missing", lambda w, s, i, g: g


def stops(problem: Problem, wrt: Step, walk: Walk) -> Iterator[Change]:
    """The gradient of another node, and local derivatives without what arrives."""
    asked = problem.name(wrt)
    between = problem.program.between([wrt])
    for step in between:
        if step is problem.output:
            continue
        place = f"{problem.name(step)}, in {problem.where(step)}, on the way to {asked}"
        yield Change(
            "chain-stopped-early",
            place,
            f"this is the gradient of {problem.name(step)}, not yet of {asked}",
            lambda walk, step=step: walk.right[step],
            loose=True,
        )
        if np.allclose(walk.right[step], 1.0):
            continue
        yield Change(
            "no-incoming-gradient",
            place,
            f"this is ∂{problem.name(step)}/∂{asked}: the gradient that arrives at {problem.name(step)} is missing",
            lambda walk, step=step: walk.handed_down(step, np.ones(step.shape), wrt),
        )
    for name, leaf in problem.leaves.items():
        if leaf is not wrt:
            yield Change(
                "other-parameter",
                f"{name}, where {asked} is asked",
                f"this is the gradient of {name}",
                lambda walk, leaf=leaf: walk.right.get(leaf),
                loose=True,
            )
    for name, step in problem.named.items():
        if step.shape == wrt.shape:
            yield Change(
                "gradient-for-value",
                f"{name}, where the gradient of {asked} is asked",
                f"this is the value of {name}, and no gradient",
                lambda walk, step=step: walk.numbers[step],
            )


def extras(problem: Problem, wrt: Step) -> Iterator[Change]:
    """A factor too many: a value of the problem that does not belong, or that stands twice."""
    for step in problem.program.steps:
        if step is not problem.output and fits(step.shape, wrt.shape):
            yield Change(
                "extra-factor",
                f"{problem.name(step)}, in the gradient of {problem.name(wrt)}",
                f"{problem.name(step)} is multiplied once too often",
                lambda walk, step=step: walk.right[wrt] * walk.numbers[step],
            )


def errors(problem: Problem, wrt: Step, walk: Walk) -> Iterator[Change]:
    """The prediction or the target where a gradient is their difference, as it is behind a cross-entropy."""
    for step in problem.program.between([wrt]):
        g = np.asarray(walk.right[step])
        for prediction in problem.program.steps:
            if prediction.shape != step.shape or prediction.op is None:
                continue
            for target in problem.leaves.values():
                if not fits(target.shape, step.shape) or target is wrt:
                    continue
                scale = constant_ratio(g, walk.numbers[prediction] - walk.numbers[target])
                if scale is None:
                    continue
                error = f"{problem.name(prediction)} − {problem.name(target)}"
                place = f"the error {error}, at {problem.name(step)}, in {problem.where(step)}"
                for who, factor in ((prediction, scale), (target, scale), (target, -scale)):

                    def gives(w: Walk, who: Step = who, c: float = factor, step: Step = step) -> Any:
                        return w.handed_down(step, c * np.broadcast_to(w.numbers[who], step.shape), wrt)

                    yield Change(
                        "prediction-for-error",
                        place,
                        f"{problem.name(who)} stands for {error}",
                        gives,
                    )


def constant_ratio(top: Any, bottom: Any) -> float | None:
    """The one number by which an array is larger than another, if there is one."""
    top, bottom = np.asarray(top, float), np.asarray(bottom, float)
    if top.shape != bottom.shape or not np.any(bottom):
        return None
    where = np.unravel_index(np.argmax(np.abs(bottom)), bottom.shape) if bottom.ndim else ()
    c = float(top[where] / bottom[where])
    return c if c and np.allclose(top, c * bottom, rtol=1e-8, atol=1e-10 * abs(c)) else None


def ways(problem: Problem, wrt: Step) -> Iterator[Change]:
    """Where a value is used several times: one share alone, or their product for their sum."""
    between = problem.program.between([wrt])
    inside = {*between, wrt}
    for x in inside:
        uses = [(step, slot) for step, slot in problem.consumers(x) if step in inside]
        if len(uses) < 2:
            continue
        place = f"{problem.name(x)}, used in {' and '.join(dict.fromkeys(problem.where(step) for step, _ in uses))}"
        for step, slot in uses:

            def alone(walk: Walk, x: Step = x, step: Step = step, slot: int = slot) -> Any:
                return walk.handed_down(x, walk.share(step, slot, walk.right[step]), wrt)

            for name in ("missing-path", "overwritten"):
                says = f"only the share of {problem.name(step)} reaches {problem.name(x)}"
                yield Change(name, place, says, alone)

        def product(walk: Walk, x: Step = x, uses: Any = uses) -> Any:
            total: Any = 1.0
            for step, slot in uses:
                total = total * walk.share(step, slot, walk.right[step])
            return walk.handed_down(x, total, wrt)

        yield Change("multiplied-for-added", place, "the ways are multiplied, and they add", product)
        # The same read otherwise: seen from one way, the other's derivative is a factor that does not belong.
        yield Change("extra-factor", place, "the derivative along one way is a factor of the other's", product)

        def bare(walk: Walk, x: Step = x, uses: Any = uses) -> Any:
            total: Any = 0.0
            for step, slot in uses:
                total = total + walk.share(step, slot, np.ones(step.shape))
            return walk.handed_down(x, total, wrt)

        yield Change("no-incoming-gradient", place, "the local derivatives are added without what arrives", bare)


def stretches(problem: Problem, wrt: Step, walk: Walk) -> Iterator[Change]:
    """Several links at once left out: the gradient of a node given to a later one as it is."""
    between = problem.program.between([wrt])
    for low in between:
        for high in between:
            if low is high or low not in walk.below(high, wrt) or high.place <= low.place:
                continue
            if any(x is low for _, x in high.edges) or not fits(high.shape, low.shape):
                continue
            links = [s for s in walk.below(high, low) if s.op is not None]
            kinds = {s.op.name for s in links if s.op is not None}
            only = kinds & set(ACTIVATIONS) and kinds <= {*ACTIVATIONS, "add", "sub", "reshape"}
            link = f"∂{bracketed(problem, high)}/∂{bracketed(problem, low)}"
            yield Change(
                "activation-derivative-missing" if only else "missing-factor",
                f"{link}, in {problem.where(high)}, on the way to {problem.name(wrt)}",
                f"from {problem.name(high)} to {problem.name(low)} nothing is multiplied",
                lambda w, high=high, low=low: w.handed_down(low, np.broadcast_to(w.right[high], low.shape), wrt),
            )


def all_passes(walk: Walk, k: int) -> dict[Step, Any]:
    """What a wrong pass gives at a probe, run once."""
    if k not in walk.passes:
        walk.passes[k] = orders.PASSES[k][2](walk)
    return walk.passes[k]


def orders_and_updates(problem: Problem, wrt: Step) -> Iterator[Change]:
    """Whole passes that go wrong where a value is used twice."""
    between = {*problem.program.between([wrt]), wrt}
    shared = [s for s in between if sum(step in between for step, _ in problem.consumers(s)) > 1]
    if not shared:
        return
    shared.sort(key=lambda s: (s.op is None, s.place))
    where = ", ".join(problem.name(s) for s in shared)
    for k, (name, says, _) in enumerate(orders.PASSES):
        place = f"{where}, used more than once"
        yield Change(name, place, says, lambda walk, k=k: all_passes(walk, k).get(wrt), site=("pass", k))
