"""Numbers that were given for names of a problem, where an answer has them in place of the names: 5 for m."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.verify.answers.formula import other_spellings
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.working import Working

BROUGHT = {0.0, 0.5, 1.0, 2.0}
"""Numbers that derivatives bring themselves."""


def given_numbers(problem: Problem, working: Working, wrt: str, values: Mapping[str, Any]) -> dict[float, str]:
    """The numbers that can only stand for a name in an answer, each with that name.

    One that derivatives bring, that the problem has itself or that was given for two names may be there for another
    reason; and so may one beside its own name, as the 3 of ``3*x**2`` for x = 3.
    """
    arrays = {name: np.asarray(values[name]) for name in problem.leaves if name in values}
    single = {name: float(x) for name, x in arrays.items() if x.ndim == 0 and x.dtype.kind in "iuf"}
    said = {part.text for part in working.parts if part.look_up is not None}
    often = [*BROUGHT, *problem.literals, *single.values()]
    return {
        number: name
        for name, number in single.items()
        if name != wrt
        and not problem.leaves[name].shape
        and often.count(number) == 1
        and said.isdisjoint({name, *other_spellings(name)})
    }
