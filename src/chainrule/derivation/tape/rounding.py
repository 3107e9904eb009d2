"""How far a gradient may be off by rounding: what is handed back where all numbers on the way are off by a little."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.core.walk import Edges, walk
from chainrule.maths.check import moved_by_rounding
from chainrule.program import Lifted, Program, Step, run


def moved_in(lifted: Lifted, node: Any) -> float:
    """How far the gradient in a node may be off if every number on the way is off by a rounding. O(some sweeps)."""
    with Quiet():
        return moved_by_rounding(*slope_beside(lifted, node))


def slope_beside(lifted: Lifted, node: Any) -> tuple[Callable[..., Any], dict[Step, Any]]:
    """The gradient in a node as a function of the leaves that are no whole numbers, and what these are.

    The function may also be given what rounds each number that it computes.
    """
    program, step = lifted.program, lifted.step[node]
    given = {x: np.asarray(lifted.numbers[x.place]) for x in program.leaves}
    near = {x: numbers.astype(float) for x, numbers in given.items() if numbers.dtype.kind == "f"}

    def slope(leaves: Mapping[Step, Any], rounded: Callable[[Any], Any] | None = None) -> Any:
        return gradients_at(program, step, run(program, {**given, **leaves}, in_double=True, rounded=rounded))[step]

    return slope, near


def gradients_at(program: Program, leaf: Step, numbers: Sequence[Any]) -> dict[Step, Any]:
    """The gradients on the way from a program's output to a leaf, where its steps have these numbers."""
    return swept_back(program, leaf, numbers, lambda step, x, pull, g: pull(g))


def swept_back(
    program: Program, leaf: Step, numbers: Sequence[Any], share: Callable[[Step, Step, Callable[[Any], Any], Any], Any]
) -> dict[Step, Any]:
    """What arrives on the way from an output to a leaf, where `share` says what a step hands back."""

    def shares(step: Step, edges: Edges, g: Any) -> list[Any]:
        given, settings = step.given(lambda x: np.asarray(numbers[x.place]))
        op: Any = step.op
        return [share(step, x, lambda g, i=i: op.pull(i, g, numbers[step.place], given, settings), g) for i, x in edges]

    path = program.between([leaf])
    with Quiet():
        return {leaf: 0.0, **walk(path, {program.output: np.float64(1.0)}, shares, among=set(path))}
