"""Mistakes as changes of the backward pass: one link replaced, one share dropped, one node handed on too early.

Each change says what it is called, where it is, and what the wrong program gives; that is found by walking the right
pass down from the changed link, so it is exact at any probe.
"""

# A change keeps its place as a default of its function, whose type the checker does not follow.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from itertools import product
from operator import mul
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.program import Step
from chainrule.verify.agreement import broadcasts, ratio_everywhere
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
    return Changes(problem, wrt, walks).all()


def repeated(problem: Problem, wrt: Step, walks: Sequence[Walk]) -> Iterator[Change]:
    """The mistakes that are made again and again on the way to `wrt`."""
    return Changes(problem, wrt, walks).repeated()


class Changes:
    """The mistakes that can be made on the way to what is asked."""

    def __init__(self, problem: Problem, wrt: Step, walks: Sequence[Walk]) -> None:
        self.problem = problem
        self.wrt = wrt
        self.walks = walks
        self.asked = problem.name(wrt)
        self.between = problem.program.between([wrt])
        self.inside = dict.fromkeys([*self.between, wrt])

    def all(self) -> Iterator[Change]:
        yield from self.stops()
        yield from self.extras()
        yield from self.links()
        yield from self.errors()
        yield from self.ways()
        yield from self.stretches()
        yield from self.passes()
        yield from self.not_summed()

    def on_the_way(self, what: str, step: Step) -> str:
        """Where something is, in the learner's names: the line, and what was asked."""
        return f"{what}, in {self.problem.where(step)}, on the way to {self.asked}"

    def at_link(self, step: Step, slot: int) -> str:
        """Where a link is, as the derivative that it is."""
        return self.on_the_way(link_of(self.problem, step, slot), step)

    def links(self) -> Iterator[Change]:
        """What wrongly passes a link, and derivatives of what is there by a wrong rule."""
        problem, wrt = self.problem, self.wrt
        for step, slot, x in edges_of(problem, wrt):
            place = self.at_link(step, slot)
            for told in shares_of(problem, self.walks, step, slot, x):
                says, edge = told.said(problem, step, slot), (step, slot, told.share)
                passed = lambda walk, edge=edge: walk.with_change(*edge, wrt)  # noqa: E731
                yield Change(told.name, place, says, passed, site=(step.place, slot, says), edge=edge)
        for step, slot, name, says, derived in rules_taken_wrong(problem, wrt):
            gives = lambda w, step=step, derived=derived: exchanged(w, step, wrt, derived(w))  # noqa: E731
            yield Change(name, self.at_link(step, slot), says, gives, site=(step.place, says))

    def repeated(self) -> Iterator[Change]:
        """The same mistake at every link of a kind: what is wrong in a loop, or in a function, is so each time.

        Links are of a kind where they lead into the same operation of one shape, and from the same parameter if one is
        used several times. What is wrong in a function that is an activation is wrong in layers of all shapes.
        """
        problem = self.problem
        made: dict[Any, dict[Edge, Slip]] = {}
        # A function that is wrong is so in the gradients of all layers, whatever was asked.
        layers = [s for s in problem.program.steps if s.operation in ACTIVATIONS and s in self.walks[0].right]
        others = [(s, 0, x) for s in layers if isinstance(x := s.inputs[0], Step)]
        for step, slot, x in dict.fromkeys([*edges_of(problem, self.wrt), *others]):
            leaves = [y for y in step.input_steps if y.op is None]
            kind = (step.operation, slot, step.shape, *[y.place for y in leaves if len(problem.consumers(y)) > 1])
            for told in shares_of(problem, self.walks, step, slot, x):
                of_function = told.name.startswith("activation-") or told.name in ("relu-mask-wrong", WRONG)
                every = step.operation in ACTIVATIONS and of_function
                at = None if told.value is None else told.value.place - step.place
                for one in ("every", kind) if every else (kind,):
                    made.setdefault((one, told.name, told.says, told.kin, at), {}).setdefault((step, slot), told)
        seen: set[tuple[Any, ...]] = set()
        for site, told in made.items():
            if len(told) < 2 or (what := (*site[1:], *told)) in seen:
                continue
            seen.add(what)
            links = [link_of(problem, step, slot) for step, slot in told]
            place = "; ".join([*links[:MOST_LINKS], *["…"] * (len(links) > MOST_LINKS)])
            (edge, first), shares = next(iter(told.items())), {edge: one.share for edge, one in told.items()}
            where = ", at every activation" if site[0] == "every" else f", each time, on the way to {self.asked}"
            says = f"{first.said(problem, *edge)}, each time"
            passed = lambda walk, shares=shares: walk.with_changes(shares, self.wrt)  # noqa: E731
            yield Change(first.name, place + where, says, passed, site=site)

    def stops(self) -> Iterator[Change]:
        """The gradient of another node, and local derivatives without what arrives."""
        problem, wrt, asked = self.problem, self.wrt, self.asked
        for step in sorted(self.between, key=lambda step: step not in problem.names):
            if step in (problem.output, wrt):
                continue
            name = problem.name(step)
            place, says = self.on_the_way(name, step), f"this is the gradient of {name}, not yet of {asked}"
            yield Change("chain-stopped-early", place, says, lambda w, step=step: w.right[step], True)
            if not problem.is_a_number(problem.output, step):
                says = f"this is {derivative(problem, step, wrt)}: the gradient that arrives at {name} is missing"
                alone = lambda w, step=step: w.handed_down(step, np.ones(step.shape), wrt)  # noqa: E731
                yield Change("no-incoming-gradient", place, says, alone)
        for leaf in problem.leaves.values():
            if leaf is not wrt:
                name = problem.name(leaf)
                place, says = f"{name}, where {asked} is asked", f"this is the gradient of {name}"
                yield Change("other-parameter", place, says, lambda w, leaf=leaf: w.right.get(leaf), True)
        if wrt.ndim == 2:
            turned = "the result is transposed"
            yield Change("transposed", gradient_in(asked), turned, lambda w: np.transpose(w.right[wrt]))
        for step in problem.named.values():
            if step.shape == wrt.shape:
                name = problem.name(step)
                place = f"{name}, where the gradient of {asked} is asked"
                says = f"this is the value of {name}, and no gradient"
                yield Change("gradient-for-value", place, says, lambda w, step=step: w.numbers[step])

    def extras(self) -> Iterator[Change]:
        """A factor too many: a value of the problem that does not belong, or that stands twice."""
        for step in self.problem.program.steps:
            if step is self.problem.output or not broadcasts(step.shape, self.wrt.shape):
                continue
            name = self.problem.name(step)
            place = f"{name}, in the gradient of {self.asked}"
            times = lambda w, step=step: w.right[self.wrt] * w.numbers[step]  # noqa: E731
            over = lambda w, step=step: w.right[self.wrt] / w.numbers[step]  # noqa: E731
            if step in self.problem.counts:
                yield Change("wrong-average", place, AVERAGED[0], times)
                yield Change("wrong-average", place, AVERAGED[1], over)
            yield Change("extra-factor", place, f"{name} is multiplied once too often", times)

    def errors(self) -> Iterator[Change]:
        """The prediction or the target where a gradient is their difference, as it is behind a cross-entropy."""
        problem, wrt = self.problem, self.wrt
        for ends in product(self.between, self.between, problem.leaves.values()):
            step, prediction, target = ends
            if prediction.shape != step.shape or prediction.op is None:
                continue
            if not broadcasts(target.shape, step.shape) or target is wrt:
                continue
            if not is_their_difference(self.walks[:2], *ends):
                continue
            error = f"{problem.name(prediction)} − {problem.name(target)}"
            place = f"the error {error}, at {problem.name(step)}, in {problem.where(step)}"
            for who, turn in ((prediction, 1.0), (target, 1.0), (target, -1.0)):

                def gives(w: Walk, who: Step = who, turn: float = turn, ends: tuple[Step, Step, Step] = ends) -> Any:
                    off = turn * w.numbers[who] - (w.numbers[ends[1]] - w.numbers[ends[2]])
                    return w.right[wrt] + w.handed_down(ends[0], scale_of_error(w, *ends) * off, wrt)

                yield Change("prediction-for-error", place, f"{problem.name(who)} stands for {error}", gives)

    def ways(self) -> Iterator[Change]:
        """Where a value is used several times: one share alone, or their product for their sum."""
        for x in self.inside:
            uses = [(step, slot) for step, slot in self.problem.consumers(x) if step in self.inside]
            if len(uses) > 1:
                yield from self.ways_from(x, uses)

    def ways_from(self, x: Step, uses: Sequence[Edge]) -> Iterator[Change]:
        problem, wrt = self.problem, self.wrt
        name, lines = problem.name(x), dict.fromkeys([problem.where(step) for step, _ in uses])
        place = f"{name}, used in {' and '.join(lines)}"
        for edge in uses:
            alone = lambda w, edge=edge: w.handed_down(x, w.share(*edge, w.right[edge[0]]), wrt)  # noqa: E731
            says = f"only the share of {problem.name(edge[0])} reaches {name}"
            for mistake in ("missing-path", "overwritten"):
                yield Change(mistake, place, says, alone, site=(x.place, edge[0].place, edge[1]))

        def multiplied(w: Walk) -> Any:
            return w.handed_down(x, reduce(mul, [w.share(step, slot, w.right[step]) for step, slot in uses]), wrt)

        def bare(w: Walk) -> Any:
            return w.handed_down(x, sum([w.share(step, slot, np.ones(step.shape)) for step, slot in uses]), wrt)

        yield Change("multiplied-for-added", place, "the ways are multiplied, and they add", multiplied)
        # The same read otherwise: seen from one way, the other's derivative is a factor that does not belong.
        yield Change("extra-factor", place, "the derivative along one way is a factor of the other's", multiplied)
        yield Change("no-incoming-gradient", place, "the local derivatives are added without what arrives", bare)

    def stretches(self) -> Iterator[Change]:
        """Several links at once left out: the gradient of a node given to a later one as it is."""
        problem, wrt, walk = self.problem, self.wrt, self.walks[0]
        for low, high in product(self.between, self.between):
            if low is high or low not in walk.below(high, wrt) or high.place <= low.place:
                continue
            if any(x is low for _, x in high.edges) or not broadcasts(high.shape, low.shape):
                continue
            kinds = {s.operation for s in walk.below(high, low) if s.op is not None}
            only = kinds & set(ACTIVATIONS) and kinds <= {*ACTIVATIONS, "add", "sub", "reshape"}
            name = "factor" if problem.is_a_number(high, low) else "missing-factor"
            skipped = lambda w, high=high, low=low: (  # noqa: E731
                w.right[wrt] + w.handed_down(low, w.right[high] - w.right[low], wrt)
            )
            yield Change(
                "activation-derivative-missing" if only else name,
                self.on_the_way(derivative(problem, high, low), high),
                f"from {problem.name(high)} to {problem.name(low)} nothing is multiplied",
                skipped,
            )

    def passes(self) -> Iterator[Change]:
        """Whole passes that go wrong where a value is used twice."""
        inside = self.inside
        shared = [s for s in inside if sum(step in inside for step, _ in self.problem.consumers(s)) > 1]
        if not shared:
            return
        from chainrule.verify.marking import orders

        shared.sort(key=lambda s: (s.op is None, s.place))
        place = f"{', '.join(map(self.problem.name, shared))}, used more than once"
        for k, (name, says, _) in enumerate(orders.PASSES):
            left = lambda w, k=k: orders.left_by(w, k).get(self.wrt)  # noqa: E731
            yield Change(name, place, says, left, site=("pass", k))

    def not_summed(self) -> Iterator[Change]:
        """What the last link gives where it is not summed, or summed along another axis."""
        uses = self.problem.consumers(self.wrt)
        if self.problem.is_scalar or len(uses) != 1:
            return
        from chainrule.verify.marking.matrix_changes import raw_values

        for name, says, value in raw_values(self.problem, *uses[0], self.wrt):
            yield Change(name, self.at_link(*uses[0]), says, value, loose=True)


def link_of(problem: Problem, step: Step, slot: int) -> str:
    """A link as the derivative that it is."""
    return derivative(problem, step, step.inputs[slot])


def derivative(problem: Problem, above: Step, below: Any) -> str:
    """A derivative in the learner's names; what has none is written in brackets."""
    names = [problem.name(step) for step in (above, below)]
    top, bottom = [name if name.isidentifier() else f"({name})" for name in names]
    return f"∂{top}/∂{bottom}"


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


def scale_of_error(walk: Walk, step: Step, prediction: Step, target: Step) -> float:
    """By which number the gradient in a step is a multiple of a difference; not a number where it is none."""
    found = ratio_everywhere([walk.right[step]], [walk.numbers[prediction] - walk.numbers[target]])
    return np.nan if found is None else found


def is_their_difference(walks: Sequence[Walk], step: Step, prediction: Step, target: Step) -> bool:
    """Whether a gradient is a multiple of a difference: of one number it is at any probe, and has to be the same."""
    if np.isnan(first := scale_of_error(walks[0], step, prediction, target)):
        return False
    if len(walks) < 2:
        return step.size > 1
    other = scale_of_error(walks[1], step, prediction, target)
    return abs(other - first) <= 1e-8 * abs(first) or (step.size > 1 and bool(np.isfinite(other)))
