"""Mistakes of an update: what a parameter may wrongly move by, and gradients after some parameters have moved."""

# A change keeps its place as a default of its function, whose type the checker does not follow.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from chainrule.program import Step
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.walk import Walk

RATE_NAMES = ("lr", "eta", "η", "alpha", "α", "rate", "learning_rate")
"""Names for the rate of an update, which is no part of a gradient."""

A_RATE = 0.0137
"""Any number that no derivative brings, for a rate by name."""

MOST_EXAMPLES = 100
"""Examples of a batch through which a loop with an update in it is followed."""

RATES = (0.1, 0.5, 1.0, 0.01, 0.05, 0.2, 0.3, 0.9, 0.001)
"""Rates that people use, where none was given."""


def updates(
    problem: Problem, wrt: Step, asked: Sequence[str], rate: float
) -> Iterator[tuple[str, str, Callable[[Walk], Any]]]:
    """What a parameter may wrongly move by, over the rate."""
    name = problem.name(wrt)
    steps: tuple[tuple[str, Callable[[Any, Any], Any]], ...] = (
        (f"{name} does not move", lambda w, g: 0.0 * w),
        ("it adds the gradient, and goes uphill", lambda w, g: -g),
        ("the rate is left out", lambda w, g: g / rate),
        ("the rate is left out, and the gradient is added", lambda w, g: -g / rate),
        ("the rate stands twice", lambda w, g: g * rate),
        (f"{name} is replaced by its gradient", lambda w, g: (w - g) / rate),
        (f"{name} is replaced by the step", lambda w, g: (w + rate * g) / rate),
        (f"{name} is replaced by the step", lambda w, g: (w - rate * g) / rate),
    )
    for says, used in steps:
        yield "wrong-update", says, lambda walk, used=used: used(walk.numbers[wrt], np.asarray(walk.right[wrt]))
    alike = {other: step for other, step in problem.named.items() if step.shape == wrt.shape}
    for other, step in alike.items():
        if step is not wrt:
            says = f"{name} moves by the gradient of {other}"
            yield "wrong-update", says, lambda walk, step=step: walk.right.get(step)
    for other, step in alike.items():
        for turn in (1.0, -1.0):
            says = f"{name} moves by the value of {other}"
            yield "wrong-update", says, lambda walk, step=step, turn=turn: turn * np.asarray(walk.numbers[step])
    others = [problem.named[n] for n in asked if problem.named[n] is not wrt]
    for count in sorted({1, 2, len(others)} & set(range(1, len(others) + 1))):
        for moved in combinations(others, count):
            says = f"the new {', '.join(map(problem.name, moved))} is used in the gradient of {name}"
            for again in (False, True):
                yield (
                    "new-weights",
                    says,
                    lambda walk, moved=moved, again=again: moved_on(walk, moved, rate, again).right[wrt],
                )
    yield from inside_the_loop(problem, wrt, [problem.named[n] for n in asked], rate)


def inside_the_loop(
    problem: Problem, wrt: Step, moving: Sequence[Step], rate: float
) -> Iterator[tuple[str, str, Callable[[Walk], Any]]]:
    """Updates that stand inside the loop over the examples and belong behind it, over the rate."""
    batch = summed_over(problem)
    for axis, n in enumerate(() if batch is None else batch.shape):
        if not 1 < n <= MOST_EXAMPLES:
            continue
        for name, says, piled, alone in (
            ("new-weights", "it is made after each example, and those that follow see weights that have moved", 0, 1),
            ("wrong-update", "it is made after each example, with all that has been added up until then", 1, 1),
            ("wrong-update", f"it is made {n} times, once for each example", 0, 0),
        ):
            for scale in (1.0, float(n)) if alone else (1.0,):
                loop = Loop(batch, axis, scale, bool(piled), bool(alone))
                yield (
                    name,
                    f"the update stands inside the loop over the examples: {says}",
                    lambda walk, loop=loop: (walk.numbers[wrt] - after_loop(walk, moving, rate, loop)[wrt]) / rate,
                )


class Loop(NamedTuple):
    """A loop over examples with an update in it: over which axis of what, and of which gradients."""

    batch: Any
    axis: int
    scale: float
    """By what the gradient of an example is larger than its share: their number where each is taken by itself."""
    piled: bool
    alone: bool


def summed_over(problem: Problem) -> Step | None:
    """What the result adds up or averages, if it is one array."""
    found = [s for s in problem.program.steps if s.operation in ("sum", "mean") and not s.shape]
    found = [s for s in found if s in problem.program.between([s]) and isinstance(s.inputs[0], Step)]
    return found[0].inputs[0] if len(found) == 1 else None


def after_loop(walk: Walk, moving: Sequence[Step], rate: float, loop: Loop) -> dict[Step, Any]:
    """The parameters after a loop over the examples that moves them each time."""
    problem, batch = walk.problem, loop.batch
    leaves = {step: walk.numbers[step] for step in problem.program.leaves}
    total = {step: np.zeros(step.shape) for step in moving}
    for i in range(batch.shape[loop.axis]):
        at = Walk(problem, problem.at(leaves))
        g = np.zeros(batch.shape)
        here = (slice(None),) * loop.axis + (i,)
        g[here] = loop.scale * at.right[batch][here]
        found = at.backward(start={batch: g}) if loop.alone else at.right
        for step in moving:
            share = np.asarray(found.get(step, np.zeros(step.shape)))
            total[step] = total[step] + share if loop.piled else share
            leaves[step] = leaves[step] - rate * total[step]
    return leaves


def moved_on(walk: Walk, moved: Sequence[Step], rate: float, forward_again: bool) -> Walk:
    """The same point with some parameters updated: with a new forward pass, or the values of the old one."""
    numbers = dict(walk.numbers)
    for step in moved:
        numbers[step] = walk.numbers[step] - rate * np.asarray(walk.right[step])
    if forward_again:
        numbers = walk.problem.at({step: numbers[step] for step in walk.problem.program.leaves})
    return Walk(walk.problem, numbers)
