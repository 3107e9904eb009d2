"""Schedules: how the rate of an optimizer changes from epoch to epoch, after PyTorch's names and formulas.

A schedule sets the rate of every group from the group's first rate and the epoch alone, so a resumed run has the same
rates to the last bit. Where something else has changed a rate meanwhile, another schedule or the program, it goes on
from that in its own proportion, as PyTorch's do. `SequentialLR` joins schedules one after the other, `ChainedScheduler`
all at once.

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
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

from chainrule.errors import ChainruleError, DtypeError
from chainrule.kinds import is_whole
from chainrule.optim.optimizer import Optimizer, Settings, is_number


class LRScheduler:
    """The base of schedules: write `rate`, the rate of a group in an epoch; `step` moves on by one epoch.

    Each group's first rate is kept in it as ``"initial_lr"``, as PyTorch does. Attributes are the schedule's settings.
    A schedule with ``by_step = True`` counts steps of the optimizer: `fit` moves it on after each.

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

    by_step = False
    not_saved: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise DtypeError(f"{type(self).__name__} takes an optimizer, not {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.last_epoch = 0
        self._set_rates([group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups])

    def rate(self, initial: float, epoch: int) -> float:
        """The rate in an epoch, counted from 0, of a group that began with the rate `initial`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method rate(self, initial, epoch)")

    def rate_of(self, group: int, initial: float, epoch: int) -> float:
        """The same for the group at a place among the optimizer's, for schedules that tell groups apart."""
        return self.rate(initial, epoch)

    def settings_of(self, group: int, epoch: int) -> Settings:
        """Other settings of a group in an epoch."""
        return {}

    def moved(self, lr: float, before: float, now: float) -> float:
        """A rate that something else has changed, moved on where this schedule alone goes from one rate to another."""
        return lr * (now / before) if before else now

    def step(self) -> None:
        """Move on by one epoch; call it after the optimizer's steps."""
        before = self._rates()
        self.last_epoch += 1
        self._set_rates(before)

    def get_last_lr(self) -> list[float]:
        """The rate of each group now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The epoch, the rates and the settings, as plain numbers."""
        own = {name: held for name, held in vars(self).items() if name not in self.not_saved}
        return {**own, "lr": self.get_last_lr()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved epoch; `ChainruleError` lists every setting that is not this schedule's own."""
        own = self.state_dict()
        wrong = [f"it lacks {name}" for name in sorted(own.keys() - state.keys())]
        wrong += [f"it has {name}" for name in sorted(state.keys() - own.keys())]
        wrong += [
            f"its {name} is {state[name]!r}, and this one's {own[name]!r}"
            for name in own
            if name not in self.moving() and name in state and _plain(state[name]) != _plain(own[name])
        ]
        if wrong:
            raise ChainruleError(f"the saved schedule does not fit this {type(self).__name__}: {'; '.join(wrong)}")
        epoch = state["last_epoch"]
        if not is_whole(epoch, 0):
            raise ChainruleError(f"a schedule's last_epoch is a whole number from 0, not {epoch!r}")
        groups = self.optimizer.param_groups
        now = cast("list[Any]", state["lr"])
        if not isinstance(now, list | tuple) or len(now) != len(groups) or not all(map(is_number, now)):
            raise ChainruleError(f"a schedule's lr has a number for each of the {len(groups)} groups, not {now!r}")
        self.last_epoch = epoch
        for i, group in enumerate(groups):
            group.update(self.settings_of(i, epoch), lr=now[i])

    def moving(self) -> tuple[str, ...]:
        """The parts of its state that change while it runs; the others are settings."""
        return "last_epoch", "lr"

    def _rates(self) -> list[float]:
        groups = enumerate(self.optimizer.param_groups)
        return [self.rate_of(i, group["initial_lr"], self.last_epoch) for i, group in groups]

    def _set_rates(self, before: Sequence[float]) -> None:
        """Bring every group to this epoch, from the rates that this schedule alone would have set before."""
        for i, (group, now) in enumerate(zip(self.optimizer.param_groups, self._rates(), strict=True)):
            group["lr"] = now if group["lr"] == before[i] else self.moved(group["lr"], before[i], now)
            group.update(self.settings_of(i, self.last_epoch))


class StepLR(LRScheduler):
    """The rate times `gamma` after every `step_size` epochs.

    >>> import chainrule as cr
    >>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = cr.optim.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> [schedule.rate(1.0, epoch) for epoch in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = counted("StepLR", step_size=step_size)
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, initial: float, epoch: int) -> float:
        return initial * self.gamma ** (epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """The rate times `gamma` from every epoch in `milestones` on; an epoch that is named twice counts twice.

    >>> import chainrule as cr
    >>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = cr.optim.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> [schedule.rate(1.0, epoch) for epoch in range(5)]
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        self.milestones = sorted(counted("MultiStepLR", milestone=milestone) for milestone in milestones)
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, initial: float, epoch: int) -> float:
        return initial * self.gamma ** bisect_right(self.milestones, epoch)


class ExponentialLR(LRScheduler):
    """The rate times `gamma` after every epoch.

    >>> import chainrule as cr
    >>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = cr.optim.ExponentialLR(optimizer, gamma=0.5)
    >>> [schedule.rate(1.0, epoch) for epoch in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, initial: float, epoch: int) -> float:
        return initial * self.gamma**epoch


class LambdaLR(LRScheduler):
    """The first rate times ``lr_lambda(epoch)``, a function of the user's or a list with one for each group.

    Epochs count from 0. It sets the rate anew each time, so what another schedule did before is lost, as in PyTorch.
    The functions are not saved: a program that resumes gives them again.

    >>> import chainrule as cr
    >>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=0.5)
    >>> schedule = cr.optim.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> schedule.step()
    >>> optimizer.lr
    0.25
    """

    not_saved = ("optimizer", "lr_lambdas")

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]
    ) -> None:
        groups = len(getattr(optimizer, "param_groups", ()))
        given = [lr_lambda] * groups if callable(lr_lambda) else lr_lambda
        self.lr_lambdas = list(given) if isinstance(given, Sequence) else []
        if len(self.lr_lambdas) != groups or not all(map(callable, self.lr_lambdas)):
            raise ValueError(
                f"LambdaLR takes one function of the epoch, or one for each of the {groups} groups, not {lr_lambda!r}"
            )
        super().__init__(optimizer)

    def rate_of(self, group: int, initial: float, epoch: int) -> float:
        return initial * self.lr_lambdas[group](epoch)

    def moved(self, lr: float, before: float, now: float) -> float:
        """The rate of the function, whatever the rate was."""
        return now


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
        self.T_max = counted("CosineAnnealingLR", T_max=T_max)
        self.eta_min = eta_min
        super().__init__(optimizer)

    def rate(self, initial: float, epoch: int) -> float:
        return self.eta_min + (initial - self.eta_min) * (1 + math.cos(math.pi * epoch / self.T_max)) / 2

    def moved(self, lr: float, before: float, now: float) -> float:
        """What lies above `eta_min` in proportion."""
        return self.eta_min + super().moved(lr - self.eta_min, before - self.eta_min, now - self.eta_min)


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
        self.total_iters = counted("LinearLR", total_iters=total_iters)
        super().__init__(optimizer)

    def rate(self, initial: float, epoch: int) -> float:
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

    not_saved = ("optimizer", "schedulers", "by_step")

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        self.schedulers = _parts("SequentialLR", optimizer, schedulers)
        self.milestones = [counted("SequentialLR", milestone=milestone) for milestone in milestones]
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(self.schedulers)} schedules need one milestone between each two, and there are "
                f"{len(self.milestones)}"
            )
        if any(first >= second for first, second in pairwise(self.milestones)):
            raise ValueError(f"SequentialLR: milestones rise, and these are {self.milestones}")
        self.by_step = any(part.by_step for part in self.schedulers)
        for group in optimizer.param_groups:  # What the parts set when they were made is undone.
            group["lr"] = group["initial_lr"]
        super().__init__(optimizer)

    def rate(self, initial: float, epoch: int) -> float:
        """The rate of the first group in an epoch, counted from 0."""
        return self.rate_of(0, initial, epoch)

    def rate_of(self, group: int, initial: float, epoch: int) -> float:
        part, epoch = self._under_way(epoch)
        return part.rate_of(group, initial, epoch)

    def settings_of(self, group: int, epoch: int) -> Settings:
        """What the schedule that is under way sets besides."""
        part, epoch = self._under_way(epoch)
        return part.settings_of(group, epoch)

    def state_dict(self) -> dict[str, Any]:
        """The epoch, the milestones, and the settings of every part."""
        return {**super().state_dict(), "schedulers": _settings(self.schedulers)}

    def _under_way(self, epoch: int) -> tuple[LRScheduler, int]:
        """The part that an epoch belongs to, and its own number of it."""
        place = bisect_right(self.milestones, epoch)
        return self.schedulers[place], epoch - ([0, *self.milestones])[place]


class ChainedScheduler(LRScheduler):
    """Schedules all at once: every step moves each of them, one after the other, so that their factors multiply.

    >>> import chainrule as cr
    >>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=1.0)
    >>> parts = [cr.optim.LinearLR(optimizer, 0.5, total_iters=1), cr.optim.ExponentialLR(optimizer, 0.5)]
    >>> schedule, rates = cr.optim.ChainedScheduler(parts), []
    >>> for epoch in range(3):
    ...     rates.append(optimizer.lr)
    ...     schedule.step()
    >>> rates
    [0.5, 0.5, 0.25]
    """

    not_saved = ("optimizer", "schedulers", "by_step")

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        own = optimizer if optimizer is not None else getattr(next(iter(schedulers), None), "optimizer", None)
        self.schedulers = _parts("ChainedScheduler", own, schedulers)
        self.by_step = any(part.by_step for part in self.schedulers)
        super().__init__(self.schedulers[0].optimizer)

    def step(self) -> None:
        """Move every schedule on by one epoch."""
        for part in self.schedulers:
            part.step()
        self.last_epoch += 1

    def state_dict(self) -> dict[str, Any]:
        """The state of every part."""
        return {**super().state_dict(), "schedulers": [part.state_dict() for part in self.schedulers]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved epoch, in every part."""
        super().load_state_dict(state)
        for part, saved in zip(self.schedulers, state["schedulers"], strict=True):
            part.load_state_dict(saved)

    def moving(self) -> tuple[str, ...]:
        """The parts judge their own states."""
        return *super().moving(), "schedulers"

    def _set_rates(self, before: Sequence[float]) -> None:
        """Leave the rates to the parts."""


def _parts(owner: str, optimizer: Any, schedulers: Sequence[LRScheduler]) -> list[LRScheduler]:
    """Schedules that can be joined: of one optimizer, and of epochs alone."""
    parts = list(schedulers)
    if not parts or any(part.optimizer is not optimizer for part in parts):
        raise ChainruleError(f"{owner}: every schedule is made for the same optimizer as the whole")
    for part in parts:
        if type(part).step not in (LRScheduler.step, ChainedScheduler.step):
            raise ChainruleError(f"{owner}: {type(part).__name__} follows a number that training gives: step it itself")
    return parts


def _settings(schedulers: Sequence[LRScheduler]) -> list[dict[str, Any]]:
    """What schedules are apart from where they stand."""
    return [
        {name: held for name, held in part.state_dict().items() if name not in part.moving()} for part in schedulers
    ]


def _plain(held: Any) -> Any:
    """A setting as JSON gives it back: lists for tuples."""
    return [_plain(part) for part in cast("Sequence[Any]", held)] if isinstance(held, list | tuple) else held


def counted(owner: str, **counts: Any) -> int:
    """A number of epochs: a whole number of at least 1."""
    ((name, count),) = counts.items()
    if not is_whole(count, 1):
        raise ValueError(f"{owner}: {name} is a whole number of at least 1, not {count!r}")
    return int(count)


def for_each(owner: str, name: str, given: float | Sequence[float], groups: int) -> list[float]:
    """A number for each group of parameters, of one for all or of one for each."""
    numbers: list[float] = list(given) if isinstance(given, Sequence) else [given] * groups
    if len(numbers) != groups:
        raise ValueError(f"{owner}: {name} has {len(numbers)} numbers for {groups} groups of parameters")
    return numbers
