"""Every number of a program by an id, so that one can be followed through reshapes, transposes and casts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.core.operation import Fused, Linear
from chainrule.program.run import run_operation
from chainrule.program.steps import Program, Step

Ids = np.ndarray[Any, Any]
"""An array of ids; −1 stands for no number, and counts as 0."""


class Numbered:
    """The ids of a program: the numbers of a step have neighbouring ones, in its shape; plain numbers come after them.

    >>> import numpy as np
    >>> import chainrule as cr
    >>> from chainrule.program import lift
    >>> from chainrule.program.numbered import Numbered
    >>> x = cr.Tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    >>> ids = Numbered(lift(cr.exp(x.T)).program)
    >>> leaf, turned, out = ids.program.steps
    >>> ids.seen(turned).tolist(), ids.seen(out).tolist()
    ([[0], [1], [2]], [[6], [7], [8]])
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.first: Ids = np.cumsum([0, *[step.size for step in program.steps]])
        """The first id of each step, and the number of ids that steps have."""
        self._constants: dict[Any, Ids] = {}
        self._held: list[float] = []
        self._seen: dict[Step, Ids] = {}
        self._rearranges: dict[Step, bool] = {}

    def own(self, step: Step) -> Ids:
        start = int(self.first[step.place])
        return np.arange(start, start + step.size, dtype=np.int64).reshape(step.shape)

    def seen(self, step: Step) -> Ids:
        """The ids of the numbers that a step holds: those of what was reshaped, transposed, repeated or cast."""
        chain: list[Step] = []
        source: Step | None = step
        while source is not None and source not in self._seen:
            chain.append(source)
            source = self.rearranged(source)
        for x in reversed(chain):
            if self.rearranged(x) is None or x.op is None:
                self._seen[x] = self.own(x)
            else:
                self._seen[x] = np.asarray(run_operation(x.op, [self._seen[x.inputs[0]]], x.settings, in_double=True))
        return self._seen[step]

    def rearranged(self, step: Step) -> Step | None:
        """The input of a step that only moves or repeats its entries; None for what does more."""
        op, needed = step.op, step.needs
        if not isinstance(op, Linear) or isinstance(op, Fused) or len(needed) != 1 or step.inputs != tuple(needed):
            return None
        if step not in self._rearranges:
            self._rearranges[step] = only_rearranges(op, needed[0].shape, step.settings)
        return needed[0] if self._rearranges[step] else None

    def constant(self, key: Any, numbers: Any) -> Ids:
        """The ids of a plain number or array among the inputs; the same key gives the same ids."""
        if key not in self._constants:
            start = int(self.first[-1]) + len(self._held)
            self._constants[key] = np.arange(start, start + np.size(numbers)).reshape(np.shape(numbers))
            self._held += np.ravel(numbers).tolist()
        return self._constants[key]

    def step_of(self, number: int) -> Step | None:
        """The step that an id belongs to; None for a plain number."""
        if number >= self.first[-1]:
            return None
        return self.program.steps[int(np.searchsorted(self.first, number, "right")) - 1]

    def place_of(self, number: int) -> tuple[int, ...]:
        step = self.step_of(number)
        assert step is not None
        return tuple(map(int, np.unravel_index(number - int(self.first[step.place]), step.shape)))

    def steps_of(self, ids: Ids) -> Iterator[Step]:
        """The steps that some numbers belong to, each once, in order."""
        held = np.ravel(ids)
        if not held.size:
            return
        low, high = np.searchsorted(self.first, [np.min(held), np.max(held)], "right") - 1
        if low == high:  # of one step, as most are, or plain numbers
            yield from self.program.steps[low : low + 1]
            return
        starts = np.searchsorted(np.sort(held), self.first)
        yield from [self.program.steps[place] for place in np.flatnonzero(np.diff(starts)).tolist()]

    def flat(self, numbers_of: Callable[[Step], Any]) -> Ids:
        """All numbers by id; index it with ids. What `numbers_of` has none for (None) is nan, and no number is 0."""
        parts = [numbers_of(step) for step in self.program.steps]
        flat = np.full(int(self.first[-1]) + len(self._held) + 1, np.nan)
        for step, part in zip(self.program.steps, parts, strict=True):
            if part is not None:
                flat[self.first[step.place] : self.first[step.place + 1]] = np.ravel(part)
        flat[self.first[-1] : -1] = self._held
        flat[-1] = 0.0
        return flat


def only_rearranges(op: Linear, shape: tuple[int, ...], settings: dict[str, Any]) -> bool:
    """Whether each result of a linear operation is one of its inputs.

    It is a weighted mean of them where ones give ones; and one of them alone where the mean of the squares is the
    square of the mean, as for no weights that are shared out.
    """
    counted = np.arange(1, math.prod(shape) + 1).reshape(shape)
    ones, once, squared = [run_operation(op, [x], settings, in_double=True) for x in (counted**0, counted, counted**2)]
    return bool(np.all(ones == 1) and np.all(np.square(once) == squared))
