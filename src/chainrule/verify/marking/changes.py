"""Mistakes as changes of the backward pass: one link replaced, one share dropped, one node handed on too early.

Each change says what it is called, where it is, and what the wrong program gives; that is found by walking the right
pass down from the changed link, so it is exact at any probe.
"""

# A change keeps its place as a default of its function, whose type the checker does not follow.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.program import Step
from chainrule.verify.marking.local_changes import (
    ACTIVATIONS,
    AVERAGED,
    Slip,
    pointwise_shares,
    softmax_shares,
)
from chainrule.verify.marking.problem import Problem, edges_of, gradient_in
from chainrule.verify.marking.rules_taken_wrong import exchanged, rules_taken_wrong
from chainrule.verify.marking.walk import Arrival, Share, Walk
from chainrule.verify.marking.wrong_slopes import WRONG
from chainrule.verify.shapes import broadcasts

Edge = tuple[Step, int]
"""A link, by its consumer and the slot there."""

MOST_LINKS = 3
"""Links that are written out of a mistake that is made again and again."""


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
    edge: tuple[Step, int, Share] | None = None
    """The edge that it changes, by its consumer and slot, and what passes there; None of what is no single edge."""


def changes(problem: Problem, wrt: Step, walks: Sequence[Walk]) -> Iterator[Change]:
    """Every single mistake that can be made on the way to `wrt`; the walks tell which links are 1 anyway."""
    walk = walks[0]
    edges = list(edges_of(problem, wrt))
    yield from stops(problem, wrt, walk)
    yield from extras(problem, wrt)
    for step, slot, x in edges:
        for told in shares_of(problem, walks, step, slot, x):
            yield edge_change(problem, wrt, step, slot, told)
    for step, slot, name, says, derived in rules_taken_wrong(problem, wrt):
        gives = lambda w, step=step, derived=derived: exchanged(w, step, wrt, derived(w))  # noqa: E731
        yield Change(name, edge_place(problem, step, slot, wrt), says, gives, site=(step.place, says))
    yield from errors(problem, wrt, walks)
    yield from ways(problem, wrt)
    yield from stretches(problem, wrt, walk)
    yield from orders_and_updates(problem, wrt)
    if problem.is_scalar or len(problem.consumers(wrt)) != 1:
        return
    from chainrule.verify.marking.matrix_changes import raw_values

    for step, slot in problem.consumers(wrt):
        for name, says, value in raw_values(problem, step, slot, wrt):
            yield Change(name, edge_place(problem, step, slot, wrt), says, value, loose=True)


def edge_place(problem: Problem, step: Step, slot: int, wrt: Step) -> str:
    """Where a link is, in the learner's names: the derivative, the line, and what was asked."""
    return f"{link_of(problem, step, slot)}, in {problem.where(step)}, on the way to {problem.name(wrt)}"


def link_of(problem: Problem, step: Step, slot: int) -> str:
    """A link as the derivative that it is."""
    return derivative(problem, step, step.inputs[slot])


def derivative(problem: Problem, above: Step, below: Any) -> str:
    """A derivative in the learner's names; what has none is written in brackets."""
    names = [problem.name(step) for step in (above, below)]
    top, bottom = [name if name.isidentifier() else f"({name})" for name in names]
    return f"∂{top}/∂{bottom}"


def edge_change(problem: Problem, wrt: Step, step: Step, slot: int, told: Slip) -> Change:
    """A change of what passes one edge."""
    says = told.said(problem, step, slot)
    return Change(
        told.name,
        edge_place(problem, step, slot, wrt),
        says,
        lambda walk: walk.with_change(step, slot, told.share, wrt),
        site=(step.place, slot, says),
        edge=(step, slot, told.share),
    )


def shares_of(problem: Problem, walks: Sequence[Walk], step: Step, slot: int, x: Step) -> Iterator[Slip]:
    """What may wrongly pass an edge: by the kind of its operation."""
    slots = [other for other, y in step.edges if y is x]
    if slot == slots[0]:
        # Both operands of w·w are one link: with a sign for each, half of it would cancel the other half.
        if np.any(walks[0].right[step]):
            yield Slip("sign", "what comes along this link has the other sign", times(-1.0, slots))
            yield Slip("factor", "twice what comes along this link", times(2.0, slots))
            yield Slip("factor", "half of what comes along this link", times(0.5, slots))
        if problem.has_several_ways:
            by = "straight from {out} to" if x.op is None else "through"
            yield Slip("missing-path", f"the way {by} {{own}} is left out", times(0.0, slots))
    if isinstance(step.op, Pointwise):
        yield from pointwise_shares(problem, walks, step, slot, x)
    elif step.operation in ("sum", "mean"):
        n = float(x.size // max(step.size, 1))
        if n > 1:
            yield Slip("wrong-average", f"divided by {n:g} once too often", lambda at: at.share / n)
            yield Slip("wrong-average", f"not divided by {n:g}", lambda at: at.share * n)
    elif step.operation in ("softmax", "log_softmax"):
        yield from softmax_shares(step)
    else:
        from chainrule.verify.marking.matrix_changes import matrix_shares

        yield from matrix_shares(problem, step, slot)


def times(c: float, slots: Sequence[int]) -> Share:
    """What passes all the slots into which one value goes, times a constant; the change is made in one of them."""

    def share(at: Arrival) -> Any:
        passed = c * at.share
        for other in slots:
            if other != at.slot:
                passed = passed + (c - 1.0) * at._replace(slot=other).share
        return passed

    return share


def repeated(problem: Problem, wrt: Step, walks: Sequence[Walk]) -> Iterator[Change]:
    """The same mistake at every link of a kind: what is wrong in a loop over times, or in a function, is so each time.

    Links are of a kind where they lead into the same operation of one shape, and from the same parameter if one is used
    several times. What is wrong in a function that is an activation is wrong in layers of all shapes.
    """
    made: dict[Any, dict[Edge, Slip]] = {}
    # A function that is wrong is so in the gradients of all layers, whatever was asked.
    layers = [s for s in problem.program.steps if s.operation in ACTIVATIONS and s in walks[0].right]
    others = [(s, 0, x) for s in layers if isinstance(x := s.inputs[0], Step)]
    for step, slot, x in dict.fromkeys([*edges_of(problem, wrt), *others]):
        used = [y.place for y in step.inputs if isinstance(y, Step) and y.op is None and len(problem.consumers(y)) > 1]
        kinds: list[Any] = [(step.operation, slot, step.shape, *used)]
        for told in shares_of(problem, walks, step, slot, x):
            of_function = told.name.startswith("activation-") or told.name in ("relu-mask-wrong", WRONG)
            every = ["every"] if step.operation in ACTIVATIONS and of_function else []
            at = None if told.value is None else told.value.place - step.place
            for kind in (*every, *kinds):
                made.setdefault((kind, told.name, told.says, told.kin, at), {}).setdefault((step, slot), told)
    seen: set[tuple[Any, ...]] = set()
    for site, told in made.items():
        if len(told) < 2 or (what := (*site[1:], *told)) in seen:
            continue
        seen.add(what)
        links = [link_of(problem, step, slot) for step, slot in told]
        place = "; ".join([*links[:MOST_LINKS], *["…"] * (len(links) > MOST_LINKS)])
        (step, slot), first = next(iter(told.items()))

        def passed(w: Walk, told: dict[Edge, Slip] = told) -> Any:
            return w.with_changes({edge: one.share for edge, one in told.items()}, wrt)

        where = ", at every activation" if site[0] == "every" else f", each time, on the way to {problem.name(wrt)}"
        says = f"{first.said(problem, step, slot)}, each time"
        yield Change(first.name, place + where, says, passed, site=site)


def stops(problem: Problem, wrt: Step, walk: Walk) -> Iterator[Change]:
    """The gradient of another node, and local derivatives without what arrives."""
    asked = problem.name(wrt)
    between = problem.program.between([wrt])
    for step in sorted(between, key=lambda step: step not in problem.names):
        if step in (problem.output, wrt):
            continue
        place = f"{problem.name(step)}, in {problem.where(step)}, on the way to {asked}"
        yield Change(
            "chain-stopped-early",
            place,
            f"this is the gradient of {problem.name(step)}, not yet of {asked}",
            lambda walk, step=step: walk.right[step],
            loose=True,
        )
        if problem.is_a_number(problem.output, step):
            continue
        yield Change(
            "no-incoming-gradient",
            place,
            f"this is {derivative(problem, step, wrt)}: the gradient that arrives at {problem.name(step)} is missing",
            lambda walk, step=step: walk.handed_down(step, np.ones(step.shape), wrt),
        )
    for leaf in problem.leaves.values():
        if leaf is not wrt:
            name = problem.name(leaf)
            yield Change(
                "other-parameter",
                f"{name}, where {asked} is asked",
                f"this is the gradient of {name}",
                lambda walk, leaf=leaf: walk.right.get(leaf),
                loose=True,
            )
    if wrt.ndim == 2:
        turned = lambda walk: np.transpose(walk.right[wrt])  # noqa: E731
        yield Change("transposed", gradient_in(asked), "the result is transposed", turned)
    for step in problem.named.values():
        if step.shape == wrt.shape:
            name = problem.name(step)
            yield Change(
                "gradient-for-value",
                f"{name}, where the gradient of {asked} is asked",
                f"this is the value of {name}, and no gradient",
                lambda walk, step=step: walk.numbers[step],
            )


def extras(problem: Problem, wrt: Step) -> Iterator[Change]:
    """A factor too many: a value of the problem that does not belong, or that stands twice."""
    asked = f"in the gradient of {problem.name(wrt)}"
    for step in problem.program.steps:
        if step is problem.output or not broadcasts(step.shape, wrt.shape):
            continue
        place = f"{problem.name(step)}, {asked}"
        if step in problem.counts:
            not_divided = lambda walk, step=step: walk.right[wrt] * walk.numbers[step]  # noqa: E731
            yield Change("wrong-average", place, AVERAGED[0], not_divided)
            divided_twice = lambda walk, step=step: walk.right[wrt] / walk.numbers[step]  # noqa: E731
            yield Change("wrong-average", place, AVERAGED[1], divided_twice)
        says = f"{problem.name(step)} is multiplied once too often"
        yield Change("extra-factor", place, says, lambda walk, step=step: walk.right[wrt] * walk.numbers[step])


def errors(problem: Problem, wrt: Step, walks: Sequence[Walk]) -> Iterator[Change]:
    """The prediction or the target where a gradient is their difference, as it is behind a cross-entropy."""
    between = problem.program.between([wrt])
    for step in between:
        for prediction in between:
            if prediction.shape != step.shape or prediction.op is None:
                continue
            for target in problem.leaves.values():
                if not broadcasts(target.shape, step.shape) or target is wrt:
                    continue
                if not is_their_difference(walks[:2], step, prediction, target):
                    continue
                error = f"{problem.name(prediction)} − {problem.name(target)}"
                place = f"the error {error}, at {problem.name(step)}, in {problem.where(step)}"
                for who, turn in ((prediction, 1.0), (target, 1.0), (target, -1.0)):

                    def gives(
                        w: Walk, who: Any = who, turn: float = turn, ends: Any = (step, prediction, target)
                    ) -> Any:
                        off = turn * w.numbers[who] - (w.numbers[ends[1]] - w.numbers[ends[2]])
                        return w.right[wrt] + w.handed_down(ends[0], scale_of_error(w, *ends) * off, wrt)

                    yield Change("prediction-for-error", place, f"{problem.name(who)} stands for {error}", gives)


def scale_of_error(walk: Walk, step: Step, prediction: Step, target: Step) -> float:
    """By which number the gradient in a step is a multiple of a difference; not a number where it is none."""
    found = constant_ratio(walk.right[step], walk.numbers[prediction] - walk.numbers[target])
    return np.nan if found is None else found


def is_their_difference(walks: Sequence[Walk], step: Step, prediction: Step, target: Step) -> bool:
    """Whether a gradient is a multiple of a difference: of one number it is at any probe, and has to be the same."""
    if np.isnan(first := scale_of_error(walks[0], step, prediction, target)):
        return False
    if len(walks) < 2:
        return step.size > 1
    other = scale_of_error(walks[1], step, prediction, target)
    return abs(other - first) <= 1e-8 * abs(first) or (step.size > 1 and bool(np.isfinite(other)))


def constant_ratio(top: Any, bottom: Any) -> float | None:
    """The one number by which an array is larger than another, if there is one."""
    top, bottom = np.asarray(top, float), np.asarray(bottom, float)
    if not top.shape and not bottom.shape:
        return float(top / bottom) if bottom and top else None
    if top.shape != bottom.shape or not np.any(bottom):
        return None
    where = np.unravel_index(np.argmax(np.abs(bottom)), bottom.shape) if bottom.ndim else ()
    c = float(top[where] / bottom[where])
    return c if c and np.allclose(top, c * bottom, rtol=1e-8, atol=1e-10 * abs(c)) else None


def ways(problem: Problem, wrt: Step) -> Iterator[Change]:
    """Where a value is used several times: one share alone, or their product for their sum."""
    inside = dict.fromkeys([*problem.program.between([wrt]), wrt])
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
                yield Change(name, place, says, alone, site=(x.place, step.place, slot))

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
            if any(x is low for _, x in high.edges) or not broadcasts(high.shape, low.shape):
                continue
            kinds = {s.operation for s in walk.below(high, low) if s.op is not None}
            only = kinds & set(ACTIVATIONS) and kinds <= {*ACTIVATIONS, "add", "sub", "reshape"}
            link = derivative(problem, high, low)
            name = "factor" if problem.is_a_number(high, low) else "missing-factor"
            yield Change(
                "activation-derivative-missing" if only else name,
                f"{link}, in {problem.where(high)}, on the way to {problem.name(wrt)}",
                f"from {problem.name(high)} to {problem.name(low)} nothing is multiplied",
                lambda w, high=high, low=low: w.right[wrt] + w.handed_down(low, w.right[high] - w.right[low], wrt),
            )


def orders_and_updates(problem: Problem, wrt: Step) -> Iterator[Change]:
    """Whole passes that go wrong where a value is used twice."""
    between = {*problem.program.between([wrt]), wrt}
    shared = [s for s in between if sum(step in between for step, _ in problem.consumers(s)) > 1]
    if not shared:
        return
    from chainrule.verify.marking import orders

    shared.sort(key=lambda s: (s.op is None, s.place))
    where = ", ".join(problem.name(s) for s in shared)
    for k, (name, says, _) in enumerate(orders.PASSES):
        place = f"{where}, used more than once"
        yield Change(name, place, says, lambda walk, k=k: orders.left_by(walk, k).get(wrt), site=("pass", k))
