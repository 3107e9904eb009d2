"""A graph of Values that is recorded again at each call: what is left where the kernels have nothing for a graph."""

# What operations take and give is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.operation import book
from chainrule.kinds import Array
from chainrule.program import Program, Step

OPERATORS = {book[name]: getattr(operator, name) for name in ("add", "sub", "mul", "neg", "pow")}
OPERATORS[book["div"]] = operator.truediv
"""What Values compute without a look into the book."""


class Again:
    """A graph that is recorded anew at each call, step by step, and differentiated by the engine.

    `todo` has for every step its place, what makes it, and the places of its inputs, numbers too.
    """

    def __init__(self, program: Program, leaves: Sequence[Step | None]) -> None:
        steps = program.steps
        self.leaves = [None if step is None else step.place for step in leaves]
        self.made: list[Any] = [None] * len(steps)
        self.todo: list[tuple[int, Callable[..., Any], int, int, Any]] = []
        for step in steps:
            if step.op is None:
                continue
            made = OPERATORS.get(step.op, step.op)
            made = partial(made, **step.settings) if step.settings else made
            places = [x.place if isinstance(x, Step) else self.number(x) for x in step.inputs]
            one, other = places if len(places) == 2 else (places[0], -1)
            self.todo.append((step.place, made, one, other, places if len(places) > 2 else None))
        self.output = program.output.place

    def number(self, x: Any) -> int:
        """The place of a plain number."""
        self.made.append(x)
        return len(self.made) - 1

    def __call__(self, every: Array) -> tuple[float, Array]:
        """The value, and the derivatives in all leaves, of which those that are not read have none."""
        made, leaves = self.made.copy(), [Value(x) for x in every.tolist()]
        for place, leaf in zip(self.leaves, leaves, strict=True):
            if place is not None:
                made[place] = leaf
        for place, make, one, other, more in self.todo:
            if other >= 0:
                made[place] = make(made[one], made[other])
            else:
                made[place] = make(made[one]) if more is None else make(*[made[i] for i in more])
        out = made[self.output]
        out.backward()
        return float(out.data), np.array([leaf.grad for leaf in leaves])
