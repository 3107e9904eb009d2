"""Mistakes of an update: what a parameter may wrongly move by, and gradients after some parameters have moved."""

# A change keeps its place as a default of its function, whose type the checker does not follow.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from chainrule.program import Step, run
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.walk import Walk

RATE_NAMES = ("lr", "eta", "η", "alpha", "α", "rate", "learning_rate")
"""Names for the rate of an update, which is no part of a gradient."""

A_RATE = 0.0137
"""Any number that no derivative brings, for a rate by name."""

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


def moved_on(walk: Walk, moved: Sequence[Step], rate: float, forward_again: bool) -> Walk:
    """The same point with some parameters updated: with a new forward pass, or the values of the old one."""
    numbers = dict(walk.numbers)
    for step in moved:
        numbers[step] = walk.numbers[step] - rate * np.asarray(walk.right[step])
    if forward_again:
        leaves = {step: numbers[step] for step in walk.problem.program.leaves}
        numbers = dict(zip(walk.problem.program.steps, run(walk.problem.program, leaves), strict=True))
    return Walk(walk.problem, numbers)
