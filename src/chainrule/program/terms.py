"""Programs and formulas: a step as a term down to leaves and named steps, and terms as a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.operators import NO_SETTINGS
from chainrule.core.term import Term, forward_order
from chainrule.core.walk import finished_first
from chainrule.program.steps import Kind, Program, Step


def term_of(step: Step, letters: Mapping[Step, Any]) -> Any:
    """The formula of a step, down to the steps that have a letter; every leaf needs one.

    `letters` gives a term, or a plain number, for those steps. O(steps that are opened).

    >>> import chainrule as cr
    >>> from chainrule.core.term import symbol
    >>> from chainrule.program import lift, term_of
    >>> a, b = cr.Value(2.0), cr.Value(3.0)
    >>> program = lift(a * b + a).program
    >>> x, y = program.leaves
    >>> term_of(program.output, {x: symbol("x"), y: symbol("y")})
    <term add ()>
    """
    found: dict[Step, Any] = dict(letters)
    for now in finished_first([step], lambda x: [] if x in letters else x.needs):
        if now in found:
            continue
        if now.op is None:
            raise KeyError(f"{now!r} has no letter")
        inputs, settings = now.given(found.__getitem__)
        found[now] = Term.__apply__(now.op, inputs, settings)
    return found[step]


def program_of(outputs: Sequence[Term]) -> tuple[Program, dict[Term, Step]]:
    """The program that some terms are formulas of, and the step that each became.

    Symbols are parameters, constant arrays data; what occurs twice in the terms is one step.

    >>> from chainrule.core.term import symbol
    >>> from chainrule.program import program_of
    >>> x = symbol("x")
    >>> program, step = program_of([x * x + 1])
    >>> program, step[x].kind.value
    (<program of 3 steps, 1 of them leaves>, 'parameter')
    """
    step: dict[Term, Step] = {}
    for term in forward_order(outputs):
        if term.op is None:
            kind = Kind.PARAMETER if term.number is None else Kind.DATA
            step[term] = Step(kind, term.shape, np.float64, settings=NO_SETTINGS)
        else:
            given = tuple([step[x] if isinstance(x, Term) else x for x in term.inputs])
            step[term] = Step(Kind.RESULT, term.shape, np.float64, op=term.op, inputs=given, settings=term.settings)
    return Program(list(step.values()), [step[term] for term in outputs]), step
