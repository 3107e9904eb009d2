"""What a wrong gradient tells: the catalogue's mistakes, each as the number that it gives, printed with the program.

A mistake is run on stand-ins, so its number follows whatever is moved on the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.errors import UNFIT
from chainrule.livepage.passes import leaf_names, printed
from chainrule.livepage.subject import Subject, nodes_at
from chainrule.maths import unicode
from chainrule.program import Step
from chainrule.program.run import record
from chainrule.verify.marking.changes import Change
from chainrule.verify.marking.fingerprints import what_mistakes_give
from chainrule.verify.marking.problem import Problem, probes_of, recorded_problem, texts_of
from chainrule.verify.marking.walk import Walk
from chainrule.verify.mistakes import KINDS

MOST_STEPS, MOST_ENTRIES = 40, 60_000
"""Steps of a program whose mistakes are known ahead, and entries of all its arrays."""
MOST_OF_A_KIND = 6
"""Mistakes of one name that are known of one gradient."""
DIGITS = 7
"""Digits in which the numbers of two mistakes are compared."""
Hint = tuple[int, str, str, str]
"""Of which step a mistake is, its name, what was done, and how to mend it."""


def print_hints(subject: Subject, asked: Collection[int]) -> tuple[str, list[Hint]] | None:
    """A function that gives the number of every known mistake in the gradients that are asked, and what each is.

    `asked` are the places of steps. None where the program is too long, its arrays are large, or a mistake has no word
    in JavaScript.
    """
    size = sum([step.size for step in subject.program.steps])
    if len(subject.program) > MOST_STEPS or size > MOST_ENTRIES:
        return None
    try:
        # Several operations in one are what they are composed of, since mistakes are made between these.
        apart = dict(zip(subject.program.steps, nodes_at(subject, subject.leaves, apart=True), strict=True))
        names = {node: subject.names[step] for step, node in apart.items()}
        problem = recorded_problem(apart[subject.program.output], names)
        place_of = {problem.step_of[node]: step.place for step, node in apart.items() if node in problem.step_of}
        with Quiet():
            probes = [Walk(problem, numbers) for numbers in probes_of(problem, {}, 2)]
        # What is said has the names and formulas of the page.
        problem.names |= {step: subject.live.name(subject.program.steps[place]) for step, place in place_of.items()}
        problem.text = texts_of(problem.program, problem.named, unicode)
        known = [
            (step, change)
            for step, place in place_of.items()
            if place in asked
            for change in telling(problem, step, probes)
        ]
        return printed_changes(subject, problem, place_of, known)
    except UNFIT:
        return None


def printed_changes(
    subject: Subject, problem: Problem, place_of: Mapping[Step, int], known: Sequence[tuple[Step, Change]]
) -> tuple[str, list[Hint]]:
    leaf_of = {step.place: n for n, step in enumerate(subject.program.leaves)}
    told: list[Hint] = []

    def computed(leaves: list[Any]) -> list[Any]:
        held = [
            leaves[leaf_of[place_of[step]]] if step in place_of else problem.recorded[step]
            for step in problem.program.leaves
        ]
        numbers = record(problem.program, held)
        walk = Walk(problem, dict(zip(problem.program.steps, numbers, strict=True)))
        told.clear()
        found: list[Any] = []
        for step, change in known:
            try:
                gives = change.gives(walk)
            except UNFIT:
                continue
            if gives is None or not fits(np.shape(gives), step):
                continue
            told.append((place_of[step], change.name, change.says, KINDS[change.name].fix))
            found.append(gives)
        return found or [0.0]

    return printed(computed, subject.leaves, leaf_names(subject)), told


def fits(shape: tuple[int, ...], step: Step) -> bool:
    """Whether an array is a gradient of a step, or as many as there are examples that were to be summed over."""
    return shape == step.shape or (len(shape) > step.ndim > 0 and shape[-step.ndim :] == step.shape)


def telling(problem: Problem, step: Step, probes: Sequence[Walk]) -> Iterator[Change]:
    """The mistakes on the way to a step that give another number than the right one, each number once.

    As `grade` does of a number, what a wrong pass gives is said first: it may also be one share alone. Of each kind
    there are a few, so that none crowds out another.
    """
    if not step.requires_grad or step is problem.output:
        return
    seen = {print_of([walk.right.get(step, 0.0) for walk in probes])}
    count: Counter[str] = Counter()
    for change, gives in what_mistakes_give(problem, step, probes, of_program=True):
        if count[change.name] == MOST_OF_A_KIND or not all([fits(np.shape(x), step) for x in gives]):
            continue
        if (found := print_of(gives)) not in seen:
            seen.add(found)
            count[change.name] += 1
            yield change


def print_of(gives: Sequence[Any]) -> bytes:
    """What tells numbers at the probes from others: their leading digits."""
    found: list[bytes] = []
    for x in gives:
        row = np.asarray(x, float)
        exponent = np.floor(np.log10(np.max(np.abs(row), initial=1e-300)))
        # A 0 that is added takes a sign away from 0.
        found += [exponent.tobytes(), (np.round(row / 10.0**exponent, DIGITS) + 0.0).tobytes()]
    return b"".join(found)
