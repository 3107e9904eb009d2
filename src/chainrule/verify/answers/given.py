"""Numbers that were given for names of a problem, where an answer has them in place of the names: 5 for m."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.verify.answers.formula import other_spellings
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.working import Part, Working

BROUGHT = {0.0, 0.5, 1.0, 2.0}
"""Numbers that derivatives bring themselves."""

TIMES = (1.0, 2.0, 0.5, 3.0, 4.0)
"""By what a given number may be multiplied, or divided into, where it is worked out: 0.4 is 2/5."""

COUNTING = ("mean", "average", "length_along", "size")
"""Functions of an answer that bring the length of an axis."""


def held_numbers(
    problem: Problem, working: Working, wanted: Sequence[str], values: Mapping[str, Any]
) -> Iterator[dict[str, float]]:
    """Given numbers to try an answer at, because it has a number of its own and not their names: one, then all.

    A number that derivatives bring, that the problem has itself or that was given for two names may be there for
    another reason, and so may one beside its own name, as the 3 of ``3*x**2`` for x = 3.
    """
    arrays = {name: np.asarray(values[name]) for name in problem.leaves if name in values}
    single = {name: float(x) for name, x in arrays.items() if x.ndim == 0 and x.dtype.kind in "iuf"}
    parts = [working.parts[i] for i in working.needed(wanted)]
    own = numbers_of(problem, parts)
    if any(list(single.values()).count(x) > 1 for x in own):
        return
    said = {part.text for part in parts if part.look_up is not None}
    unnamed = {
        name: x
        for name, x in single.items()
        if name not in wanted and not problem.leaves[name].shape and said.isdisjoint({name, *other_spellings(name)})
    }
    if own:
        yield from ({name: x} for name, x in unnamed.items() if any(stands_for(c, x) for c in own))
    if own and len(unnamed) > 1:
        yield unnamed


def with_names(problem: Problem, working: Working, values: Mapping[str, Any]) -> Iterator[tuple[str, Working]]:
    """The answer with a given name for a number in it that derivatives bring too: ``a - y`` for ``a - 1`` where y = 1.

    Only a number that is added or taken away is asked about: a factor may be there for another reason, as in ``2*x``.
    """
    terms: set[int] = {
        k for part in working.parts if getattr(part.function, "__name__", "") in ("add", "sub") for k in part.inputs
    }
    for name, step in problem.leaves.items():
        value = np.asarray(values.get(name, np.nan))
        if step.shape or value.ndim or value.dtype.kind not in "iuf" or float(value) not in BROUGHT:
            continue
        same = [k for k in sorted(terms) if is_number(working.parts[k], float(value))]
        named = Part(look_up=lambda walk, step=step: walk.numbers[step], text=name)
        for changed in [[k] for k in same] + ([same] if len(same) > 1 else []):
            parts = tuple([named if k in changed else part for k, part in enumerate(working.parts)])
            yield name, Working(parts, working.results)


def is_number(part: Part, value: float) -> bool:
    """Whether a part is this number, typed out."""
    return part.number is not None and np.ndim(part.number) == 0 and float(part.number) == value


def numbers_of(problem: Problem, parts: Sequence[Part]) -> set[float]:
    """The numbers in an answer that are neither the problem's nor brought by derivatives."""
    found = {abs(float(part.number)) for part in parts if part.number is not None and np.ndim(part.number) == 0}
    if any(getattr(part.function, "__name__", "") in COUNTING for part in parts):
        found |= {float(n) for step in problem.program.steps for n in step.shape}
    return found - BROUGHT - problem.literals


def stands_for(number: float, given: float) -> bool:
    """Whether a number may be what was given, worked out with a number that derivatives bring."""
    reached = [k * given for k in TIMES] + [k / given for k in TIMES if given]
    return any(abs(number - x) <= 1e-9 * abs(x) for x in reached)
