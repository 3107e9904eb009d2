"""What a wrong gradient tells: the catalogue's mistakes, each as the number that it gives, printed with the program.

A mistake is run on stand-ins, so its number follows whatever is moved on the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.core.state import Quiet
from chainrule.errors import ChainruleError
from chainrule.livepage.passes import all_names, leaf_names, printed
from chainrule.livepage.subject import Subject, forward
from chainrule.program import Step
from chainrule.verify.marking.changes import Change, changes
from chainrule.verify.marking.fingerprints import agrees
from chainrule.verify.marking.problem import Problem, probes_of, recorded_problem
from chainrule.verify.marking.walk import Walk
from chainrule.verify.mistakes import KINDS, rank

MOST_STEPS, MOST_ENTRIES = 40, 300
"""Steps of a program whose mistakes are known ahead, and entries of all its arrays."""
MOST_HINTS = 24
"""Mistakes that are known of one gradient."""
REFUSED = (ChainruleError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a change says that has no number here, or none in symbols."""


class Traced(Walk):
    """A walk over stand-ins: every share is a step of what will be printed."""

    def share(self, step: Step, slot: int, g: Any) -> Any:
        assert step.op is not None
        return step.op.pull(slot, g, self.numbers[step], self.inputs(step), step.settings)

    def raw(self, step: Step, slot: int, g: Any) -> Any:
        return self.share(step, slot, g)

    def slope(self, step: Step, slot: int, out: Any = None, **other: Any) -> Any:
        inputs = self.inputs(step)
        for key, number in other.items():
            inputs[int(key[1:])] = number
        assert isinstance(step.op, Pointwise)
        return step.op.partial(slot, self.numbers[step] if out is None else out, inputs, step.settings)

    def fitted(self, share: Any, x: Step) -> Any:
        return share


def print_hints(subject: Subject) -> tuple[str, list[tuple[int, str, str, str]]] | None:
    """A function that gives the number of every known mistake, and beside it of which step, its name, and how to mend.

    None where the program is too long, or its arrays are large.
    """
    size = sum([step.size for step in subject.program.steps])
    if len(subject.program) > MOST_STEPS or size > max(MOST_ENTRIES, len(subject.program)):
        return None
    names = {node: subject.names[subject.lifted.step[node]] for node in subject.lifted.nodes}
    problem = recorded_problem(subject.output, names)
    with Quiet():
        try:
            probes = [Walk(problem, numbers) for numbers in probes_of(problem, {}, 2)]
        except ChainruleError:
            return None
        known = [(step, change) for step in problem.program.steps for change in telling(problem, step, probes)]
    told: list[tuple[int, str, str, str]] = []

    def computed(leaves: list[Any]) -> list[Any]:
        numbers = forward(problem.program, leaves, all_names(subject))
        walk = Traced(problem, dict(zip(problem.program.steps, numbers, strict=True)))
        told.clear()
        found: list[Any] = []
        for step, change in known:
            try:
                gives = change.gives(walk)
            except REFUSED:
                continue
            if gives is None or np.shape(gives) != step.shape:
                continue
            told.append((step.place, change.name, change.says, KINDS[change.name].fix))
            found.append(gives)
        return found or [0.0]

    return printed(computed, subject.leaves, leaf_names(subject)), told


def telling(problem: Problem, step: Step, probes: Sequence[Walk]) -> Iterator[Change]:
    """The mistakes on the way to a step that give another number than the right one, each number once.

    As `grade` does of a number, what a wrong pass gives is said first: it may also be one share alone.
    """
    if not step.moves or step is problem.output:
        return
    seen: list[list[Any]] = [[walk.right.get(step, 0.0) for walk in probes]]
    found = sorted(changes(problem, step, probes), key=lambda change: rank(change.name, of_program=True))
    count = 0
    for change in found:
        gives = numbers_of(change, step, probes)
        if gives is None or any([all(map(agrees, gives, other)) for other in seen]):
            continue
        seen.append(gives)
        yield change
        count += 1
        if count == MOST_HINTS:
            return


def numbers_of(change: Change, step: Step, probes: Sequence[Walk]) -> list[Any] | None:
    """What a change gives at each probe; None where that has not the shape of the step."""
    try:
        found = [change.gives(walk) for walk in probes]
    except REFUSED:
        return None
    return None if any([x is None or np.shape(x) != step.shape for x in found]) else found
