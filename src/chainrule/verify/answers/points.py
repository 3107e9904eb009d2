"""Where an answer is tried: at generic numbers, at labels as they are, and at numbers given for names it has not."""

# What a user gives for a name is known only when it is looked at.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.verify.answers.given import held_numbers
from chainrule.verify.marking.problem import Problem, probes_of
from chainrule.verify.marking.walk import Walk

if TYPE_CHECKING:
    from chainrule.program import Step
    from chainrule.verify.marking.working import Working


class Points(NamedTuple):
    """Probes, what is special about them, and whether a mistake may be looked for there."""

    walks: list[Walk]
    note: str = ""
    telling: bool = True


def points_for(
    problem: Problem, values: Mapping[str, Any], asked: Sequence[str], working: Callable[[], Working | None]
) -> Iterator[Points]:
    """Generic numbers, special ones, and those that were given for names which the answer has as numbers."""
    yield Points(walks_for(problem, values))
    yield from special_points(problem, values, asked)
    read = working()
    for held in held_numbers(problem, read, asked, values) if read is not None else ():
        yield Points(walks_for(problem, values, held), as_given(held), len(held) == 1)


def as_given(numbers: Mapping[str, float]) -> str:
    """What is said of an answer that is right at numbers that were given."""
    return f"right where {' and '.join(f'{name} = {x:g}' for name, x in numbers.items())}, as given"


def walks_for(problem: Problem, values: Mapping[str, Any], held: Mapping[str, float] | None = None) -> list[Walk]:
    """The probes: generic numbers, labels as they are given or as shares, and some names at given numbers.

    Numbers of examples that are given are so at the first probe, which is what is shown.
    """
    fixed = {**given_for(problem, problem.labels, values), **(held or {})}
    probes = probes_of(problem, fixed)
    if counts := given_for(problem, problem.counts, values):
        probes[0] = probes_of(problem, {**counts, **fixed}, 1)[0]
    return [Walk(problem, numbers) for numbers in probes]


def given_for(problem: Problem, steps: Iterable[Step], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that were given for some steps, by their names."""
    names = [problem.names[step] for step in steps if step in problem.names]
    return {name: values[name] for name in names if name in values}


def special_points(problem: Problem, values: Mapping[str, Any], asked: Sequence[str]) -> Iterator[Points]:
    """Probes at which data are what they often are, and answers lean on that: zeros and ones, or shares of 1."""
    others = {name: step for name, step in problem.leaves.items() if name not in asked}
    free = {name: step for name, step in others.items() if step.ndim}
    marks = {name: kind for name in free if name in values and (kind := kind_of_labels(values[name]))}
    if marks and not set(marks) <= {problem.names[step] for step in problem.labels}:
        kinds = " or ".join(dict.fromkeys(marks.values()))
        note = f"right where {', '.join(marks)} holds {kinds}, as given"
        held = {name: values[name] for name in marks}
        yield Points([Walk(problem, numbers) for numbers in probes_of(problem, held)], note)
    # A single label is a case of its own: of y ln p + (1 − y) ln(1 − p) one term is left where y is 0 or 1.
    cases = {
        name: float(values[name])
        for name, step in others.items()
        if not step.ndim and name in values and is_label(problem, step, values[name])
    }
    if cases:
        yield Points(walks_for(problem, values, cases), as_given(cases))
    if problem.labels:
        return
    for name, step in free.items():
        if not problem.weighs_a_logarithm(step):
            continue
        for axis in range(step.ndim - 1, -1, -1):
            if step.shape[axis] > 1:
                note = f"right where {name} adds up to 1 along axis {axis}"
                shares = probes_of(problem, {}, labels={step: axis})
                yield Points([Walk(problem, numbers) for numbers in shares], note)


def kind_of_labels(given: Any) -> str:
    """What labels an array may hold, in words; nothing where its numbers are of other kinds."""
    numbers = np.asarray(given)
    return next((words for kind, words in LABELS.items() if np.isin(numbers, kind).all()), "")


LABELS = {(0, 1): "zeros and ones", (-1, 1): "1 and −1"}
"""What labels are, and in words."""


def is_label(problem: Problem, step: Step, given: Any) -> bool:
    """Whether a single number is given as a label is, and stands where one does."""
    return (given in (0, 1) and problem.weighs_a_logarithm(step)) or (
        given in (-1, 1) and problem.is_sign_of_a_margin(step)
    )
