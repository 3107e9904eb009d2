"""Schedules: how the rate of an optimizer changes from epoch to epoch, after PyTorch's names and formulas.

A schedule sets the rate of every group from the group's first rate and the epoch alone, so a resumed run has the same
rates to the last bit. One schedule drives an optimizer; `SequentialLR` joins several into one.

>>> import chainrule as cr
>>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=0.5)
>>> warm_up = cr.optim.LinearLR(optimizer, start_factor=0.5, total_iters=2)
>>> halves = cr.optim.StepLR(optimizer, step_size=2, gamma=0.5)
>>> schedule = cr.optim.SequentialLR(optimizer, [warm_up, halves], milestones=[2])
>>> rates = []
>>> for epoch in range(6):
...     rates.append(optimizer.lr)
...     optimizer.step()
...     schedule.step()
>>> rates
[0.25, 0.375, 0.5, 0.5, 0.25, 0.25]
"""

# Programs without types call this too, so arguments are checked when it runs.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from chainrule.errors import ChainruleError, DtypeError
from chainrule.optim.optimizer import Optimizer


class LRScheduler:
    """The base of schedules: write `rate`, the rate of a group in an epoch; `step` moves on by one epoch.

    Each group's first rate is kept in it as ``"initial_lr"``, as PyTorch does. Attributes are the schedule's settings.

    >>> import chainrule as cr
    >>> class Harmonic(cr.optim.LRScheduler):
    ...     def rate(self, initial, epoch):
    ...         return initial / (1 + epoch)
    >>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = Harmonic(optimizer)
    >>> schedule.step()
    >>> optimizer.lr
    0.5
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise DtypeError(f"{type(self).__name__} takes an optimizer, not {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.last_epoch = 0
        self._set_rates()

    def rate(self, initial: float, epoch: int) -> float:
        """The rate in an epoch, counted from 0, of a group that began with the rate `initial`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method rate(self, initial, epoch)")

    def step(self) -> None:
        """Move on by one epoch; call it after the optimizer's steps."""
        self.last_epoch += 1
        self._set_rates()

    def get_last_lr(self) -> list[float]:
        """The rate of each group now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The epoch and the settings, as plain numbers."""
        return {name: held for name, held in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved epoch; `ChainruleError` lists every setting that is not this schedule's own."""
        own = self.state_dict()
        wrong = [f"it lacks {name}" for name in sorted(own.keys() - state.keys())]
        wrong += [f"it has {name}" for name in sorted(state.keys() - own.keys())]
        wrong += [
            f"its {name} is {state[name]!r}, and this one's {own[name]!r}"
            for name in own
            if name != "last_epoch" and name in state and state[name] != own[name]
        ]
        if wrong:
            raise ChainruleError(f"the saved schedule does not fit this {type(self).__name__}: {'; '.join(wrong)}")
        epoch = state["last_epoch"]
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
            raise ChainruleError(f"a schedule's last_epoch is a whole number from 0, not {epoch!r}")
        self.last_epoch = epoch
        self._set_rates()

    def _set_rates(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(group.setdefault("initial_lr", group["lr"]), self.last_epoch)


class StepLR(LRScheduler):
    """The rate times `gamma` after every `step_size` epochs.

    >>> import chainrule as cr
    >>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = cr.optim.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> [schedule.rate(1.0, epoch) for epoch in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = _count("StepLR", step_size=step_size)
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, initial: float, epoch: int) -> float:
        """The rate in an epoch, counted from 0."""
        return initial * self.gamma ** (epoch // self.step_size)


class CosineAnnealingLR(LRScheduler):
    """The rate falls from its first value to `eta_min` in `T_max` epochs, along half a cosine; then it rises again.

    (Loshchilov and Hutter, SGDR, 2017; without the restarts.)

    >>> import chainrule as cr
    >>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = cr.optim.CosineAnnealingLR(optimizer, T_max=4)
    >>> [round(schedule.rate(1.0, epoch), 3) for epoch in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.146]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:  # noqa: N803 - PyTorch's name
        self.T_max = _count("CosineAnnealingLR", T_max=T_max)
        self.eta_min = eta_min
        super().__init__(optimizer)

    def rate(self, initial: float, epoch: int) -> float:
        """The rate in an epoch, counted from 0."""
        return self.eta_min + (initial - self.eta_min) * (1 + math.cos(math.pi * epoch / self.T_max)) / 2


class LinearLR(LRScheduler):
    """A warm-up: the rate's factor goes from `start_factor` to `end_factor` in `total_iters` equal steps, and stays.

    >>> import chainrule as cr
    >>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = cr.optim.LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> [schedule.rate(1.0, epoch) for epoch in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(
                "LinearLR: start_factor is above 0 and at most 1, end_factor from 0 to 1, "
                f"not {start_factor} and {end_factor}"
            )
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = _count("LinearLR", total_iters=total_iters)
        super().__init__(optimizer)

    def rate(self, initial: float, epoch: int) -> float:
        """The rate in an epoch, counted from 0."""
        done = min(epoch, self.total_iters) / self.total_iters
        return initial * (self.start_factor + (self.end_factor - self.start_factor) * done)


class SequentialLR(LRScheduler):
    """Schedules one after the other: each from its milestone on, with its own epochs counted from there.

    `milestones` are the epochs at which the second schedule and those after it begin. All belong to one optimizer, and
    only the whole is stepped.

    >>> import chainrule as cr
    >>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=1.0)
    >>> parts = [cr.optim.LinearLR(optimizer, 0.5, total_iters=2), cr.optim.CosineAnnealingLR(optimizer, T_max=2)]
    >>> schedule = cr.optim.SequentialLR(optimizer, parts, milestones=[2])
    >>> [round(schedule.rate(1.0, epoch), 3) for epoch in range(5)]
    [0.5, 0.75, 1.0, 0.5, 0.0]
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        self.schedulers = list(schedulers)
        self.milestones = [_count("SequentialLR", milestone=milestone) for milestone in milestones]
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(self.schedulers)} schedules need one milestone between each two, and there are "
                f"{len(self.milestones)}"
            )
        if any(first >= second for first, second in pairwise(self.milestones)):
            raise ValueError(f"SequentialLR: milestones rise, and these are {self.milestones}")
        if any(schedule.optimizer is not optimizer for schedule in self.schedulers):
            raise ChainruleError("SequentialLR: every schedule is made for the same optimizer as the whole")
        super().__init__(optimizer)

    def rate(self, initial: float, epoch: int) -> float:
        """The rate in an epoch, counted from 0."""
        place = bisect_right(self.milestones, epoch)
        return self.schedulers[place].rate(initial, epoch - ([0, *self.milestones])[place])

    def state_dict(self) -> dict[str, Any]:
        """The epoch, the milestones, and the settings of every part."""
        return {**super().state_dict(), "schedulers": [schedule.state_dict() for schedule in self.schedulers]}


def _count(owner: str, **counts: Any) -> int:
    """A number of epochs: a whole number of at least 1."""
    ((name, count),) = counts.items()
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"{owner}: {name} is a whole number of at least 1, not {count!r}")
    return count
