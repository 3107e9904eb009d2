"""The backward pass of a problem at one probe, and what it gives when one link of it is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import Pointwise, takes_over
from chainrule.core.state import Quiet
from chainrule.core.walk import Edges, replacing, together, walk
from chainrule.program import Program, Step
from chainrule.program.run import run_operation
from chainrule.rules.kernels import sum_to
from chainrule.verify.marking.problem import Numbers, Problem
from chainrule.verify.marking.whole import Whole

Share = Callable[["Arrival"], Any]
"""What passes a link, of what arrives there; None where it does not fit."""

Shares = Callable[[Step, Edges, Any], list[Any]]
"""What passes some edges of a step, of the gradient that arrives at it."""


def forward(
    program: Program, leaves: Mapping[Step, Any], settled: Callable[[Step, Any], Any]
) -> tuple[dict[Step, Any], dict[Step, Any]]:
    """What every step comes to, and what is used of it further on: what `settled` makes of a step and its number."""
    computed: dict[Step, Any] = {}
    used: dict[Step, Any] = {}
    with Quiet():
        for step in program.steps:
            if step.op is None:
                computed[step] = leaves[step]
            else:
                inputs = [used[x] if isinstance(x, Step) else x for x in step.inputs]
                computed[step] = run_operation(step.op, inputs, step.settings)
            used[step] = settled(step, computed[step])
    return computed, used


def in_double(x: Any) -> Any:
    """Numbers in double precision; what only stands in for some is left to whoever computes with it."""
    return x if takes_over(x) else np.asarray(x, np.float64)


class Arrival(NamedTuple):
    """A gradient `g` that arrives at a step of a pass, where some of it is for the input in one slot."""

    walk: Walk
    step: Step
    slot: int
    g: Any

    @property
    def out(self) -> Any:
        return self.walk.numbers[self.step]

    @property
    def inputs(self) -> list[Any]:
        return self.walk.inputs(self.step)

    @property
    def own(self) -> Any:
        """The number of the input that it is for."""
        return self.inputs[self.slot]

    @property
    def slope(self) -> Any:
        """The local derivative, of a pointwise step."""
        return self.walk.slope(self.step, self.slot)

    @property
    def share(self) -> Any:
        """What rightly passes."""
        return self.walk.share(self.step, self.slot, self.g)

    def slope_with(self, x: Any) -> Any:
        """The local derivative with another number as the input."""
        inputs = self.inputs
        inputs[self.slot] = x
        assert self.step.op is not None
        return self.walk.slope(self.step, self.slot, self.step.op.function(*inputs, **self.step.settings), inputs)

    def share_with_other(self, value: Any) -> Any:
        """What passes a product by the right rule with another value for the other operand; None with none."""
        inputs = self.inputs
        inputs[1 - self.slot] = value
        return None if value is None else self.share_with(inputs)

    def share_with(self, inputs: Sequence[Any]) -> Any:
        """What passes by the right rule with other inputs."""
        assert self.step.op is not None
        g = self.g if takes_over(self.g) else np.asarray(self.g)
        return self.step.op.pull(self.slot, g, self.out, inputs, self.step.settings)


class Walk:
    """The right gradients of every step at one probe, and the means to change a link and walk on from there."""

    def __init__(self, problem: Problem, numbers: Numbers) -> None:
        self.problem = problem
        self.numbers = numbers
        self.passes: dict[int, dict[Step, Any]] = {}
        self._right_shares: dict[tuple[Step, int], Any] = {}
        self._backs: dict[tuple[Step, int], Callable[[Any], Any]] = {}
        self._slopes: dict[tuple[Step, Step], Any] = {}
        self._below: dict[tuple[Step, Step], list[Step]] = {}

    @property
    def output(self) -> Step:
        return self.problem.output

    @property
    def order(self) -> Sequence[Step]:
        """The steps, inputs before what uses them."""
        return self.problem.program.steps

    @cached_property
    def right(self) -> dict[Step, Any]:
        """The gradient of the output in every step that it depends on."""
        return self.backward()

    def backward(
        self,
        order: Sequence[Step] | None = None,
        *,
        start: Mapping[Step, Any] | None = None,
        shares: Shares | None = None,
        overwrite: bool = False,
    ) -> dict[Step, Any]:
        """One pass over the steps, consumers first, from 1 in the result or from what `start` holds.

        `shares` may give others than the right ones; with `overwrite` each replaces what was there.
        """
        start = {self.problem.output: np.ones(self.problem.output.shape)[()]} if start is None else start
        with Quiet():
            steps = reversed(self.problem.program.steps) if order is None else order
            return walk(steps, start, shares or self.shares, add=replacing if overwrite else together)

    def shares(self, step: Step, edges: Edges, g: Any) -> list[Any]:
        """What of a gradient that arrives at a step passes along some of its edges."""
        return [self.share(step, slot, g) for slot, _ in edges]

    def inputs(self, step: Step) -> list[Any]:
        return [self.numbers[x] if isinstance(x, Step) else x for x in step.inputs]

    def share(self, step: Step, slot: int, g: Any) -> Any:
        """What of a gradient that arrives at a step reaches one of its inputs."""
        return self.fitted(self.raw(step, slot, g), step.inputs[slot])

    def right_share(self, step: Step, slot: int) -> Any:
        """What of the right gradient of a step reaches one of its inputs."""
        if (step, slot) not in self._right_shares:
            self._right_shares[step, slot] = self.share(step, slot, self.right[step])
        return self._right_shares[step, slot]

    def raw(self, step: Step, slot: int, g: Any) -> Any:
        """The same before it is summed over what was repeated to fit."""
        assert step.op is not None
        # A single number needs none of the kernels that arrays have, which would be recorded at their first use.
        g = g if takes_over(g) else np.asarray(g)[()]
        if isinstance(step.op, Whole):
            if (step, slot) not in self._backs:
                self._backs[step, slot] = step.op.back(slot, self.inputs(step), step.settings)
            return self._backs[step, slot](g)
        return step.op.pull(slot, g, self.numbers[step], self.inputs(step), step.settings)

    def slope(self, step: Step, slot: int, out: Any = None, inputs: Sequence[Any] | None = None) -> Any:
        """The local derivative of a pointwise step in one input, perhaps with another output or other inputs."""
        assert isinstance(step.op, Pointwise)
        out = self.numbers[step] if out is None else out
        given = self.inputs(step) if inputs is None else inputs
        return in_double(step.op.partial(slot, out, given, step.settings))

    def fitted(self, share: Any, x: Step) -> Any:
        share = in_double(share)
        if share.shape == x.shape or takes_over(share):
            return share
        if share.ndim >= x.ndim and np.broadcast_shapes(share.shape, x.shape) == share.shape:
            return sum_to(share, x.shape)
        return np.broadcast_to(share, x.shape)

    def below(self, top: Step, wrt: Step) -> list[Step]:
        """The steps from one down to another, consumers first."""
        if (top, wrt) not in self._below:
            self._below[top, wrt] = self.problem.program.between([wrt], [top])
        return self._below[top, wrt]

    def handed_down(self, top: Step, g: Any, wrt: Step) -> Any:
        """What reaches `wrt` of a gradient in `top`, along every way between them."""
        if top is wrt:
            return g
        if not top.shape and not wrt.shape and self.problem.is_scalar:
            # One number leads from one to the other, whatever arrives.
            if (top, wrt) not in self._slopes:
                self._slopes[top, wrt] = self.walked_down(top, np.float64(1.0), wrt)
            return g * self._slopes[top, wrt]
        return self.walked_down(top, g, wrt)

    def all_below(self, top: Step, g: Any, wrt: Step) -> dict[Step, Any]:
        """What reaches every step on the way from one to `wrt` of a gradient there."""
        inside = self.below(top, wrt)
        return walk(inside, {top: g}, self.shares, among={*inside, wrt})

    def walked_down(self, top: Step, g: Any, wrt: Step) -> Any:
        return self.all_below(top, g, wrt).get(wrt, np.zeros(wrt.shape))

    def with_change(self, step: Step, slot: int, share: Share, wrt: Step) -> Any:
        """The gradient in `wrt` where another share passes one edge, and all else is right; None where none fits."""
        x = step.inputs[slot]
        g = self.right[step]
        changed = share(Arrival(self, step, slot, g))
        if changed is None:
            return None
        difference = self.fitted(changed, x) - self.right_share(step, slot)
        return self.right[wrt] + self.handed_down(x, difference, wrt)

    def with_changes(self, changed: Mapping[tuple[Step, int], Share], wrt: Step) -> Any:
        """The gradient in `wrt` where other shares pass several edges; None where one does not fit.

        Above the changed edges all is as it is right, and beside the way to `wrt` nothing matters but that it fits.
        """
        inside = {*self.below(self.output, wrt), wrt}
        fits, moved = True, set[Step]()

        def along(step: Step, edges: Edges, g: Any) -> list[Any]:
            nonlocal fits
            found: list[Any] = []
            for slot, x in edges:
                share = changed.get((step, slot))
                if share is None and step not in moved:
                    found.append(self.right_share(step, slot))
                    continue
                moved.add(x)
                passed = self.share(step, slot, g) if share is None else share(Arrival(self, step, slot, g))
                fits = fits and passed is not None
                found.append(None if passed is None else self.fitted(passed, x))
            return found

        with Quiet():
            for (step, slot), share in changed.items():
                if step not in inside or step.inputs[slot] not in inside:
                    fits = fits and share(Arrival(self, step, slot, self.right[step])) is not None
            if not fits:
                return None
            held = walk(reversed(self.order), {self.output: self.right[self.output]}, along, among=inside)
        return held.get(wrt) if fits else None
