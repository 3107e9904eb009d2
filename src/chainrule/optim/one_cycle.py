"""A rate that rises once and falls once, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from chainrule.errors import ChainruleError
from chainrule.optim.optimizer import Optimizer, Settings
from chainrule.optim.schedule import LRScheduler, counted, for_each

Numbers = float | Sequence[float]
"""One number for every group, or one for each."""


class OneCycleLR(LRScheduler):
    """The rate rises to `max_lr` and falls far below where it began, while momentum does the opposite (Smith, 2018).

    It counts steps of the optimizer, `total_steps` in all, or ``epochs * steps_per_epoch``: call `step` after each;
    `fit` does. The rate begins at ``max_lr / div_factor``, is at its largest after the share `pct_start` of the steps,
    and ends ``final_div_factor`` times below its beginning; with `three_phase` it first comes back to where it began.
    The way is half a cosine ("cos") or straight ("linear"). With `cycle_momentum` the momentum, Adam's first beta, goes
    from `max_momentum` to `base_momentum` and back. `max_lr` and both momenta may be lists, one for each group.
    Formulas and settings are PyTorch's. (Smith and Topin, Super-convergence, 2018.)

    >>> import chainrule as cr
    >>> optimizer = cr.optim.Adam([cr.nn.Parameter([1.0])])
    >>> schedule = cr.optim.OneCycleLR(optimizer, max_lr=1.0, total_steps=10, pct_start=0.5, anneal_strategy="linear")
    >>> [round(schedule.rate_of(0, 0.04, step), 2) for step in range(10)]
    [0.04, 0.28, 0.52, 0.76, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0]
    """

    by_step = True

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Numbers,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Numbers = 0.85,
        max_momentum: Numbers = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        self.total_steps = _steps(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start is a share from 0 to 1, not {pct_start}")
        if anneal_strategy not in WAYS:
            raise ValueError(f"OneCycleLR: anneal_strategy is one of {', '.join(WAYS)}, not {anneal_strategy!r}")
        groups = getattr(optimizer, "param_groups", ())
        if cycle_momentum and not all("momentum" in group or "betas" in group for group in groups):
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas: give cycle_momentum=False"
            )
        self.pct_start, self.anneal_strategy, self.three_phase = pct_start, anneal_strategy, three_phase
        self.cycle_momentum, self.div_factor, self.final_div_factor = cycle_momentum, div_factor, final_div_factor
        self.max_lr = for_each("OneCycleLR", "max_lr", max_lr, len(groups))
        self.base_momentum = for_each("OneCycleLR", "base_momentum", base_momentum, len(groups))
        self.max_momentum = for_each("OneCycleLR", "max_momentum", max_momentum, len(groups))
        for group, most in zip(groups, self.max_lr, strict=True):
            group["lr"] = group["initial_lr"] = most / div_factor
        super().__init__(optimizer)

    def rate_of(self, group: int, initial: float, epoch: int) -> float:
        """The rate of a group in a step, counted from 0."""
        most = self.max_lr[group]
        first = most / self.div_factor
        least = first / self.final_div_factor
        return self._between([first, most, first, least] if self.three_phase else [first, most, least], epoch)

    def settings_of(self, group: int, epoch: int) -> Settings:
        """The momentum of a group in a step."""
        if not self.cycle_momentum:
            return {}
        most, least = self.max_momentum[group], self.base_momentum[group]
        momentum = self._between([most, least, most, most] if self.three_phase else [most, least, most], epoch)
        settings = self.optimizer.param_groups[group]
        return {"betas": (momentum, *settings["betas"][1:])} if "betas" in settings else {"momentum": momentum}

    def moved(self, lr: float, before: float, now: float) -> float:
        """The rate of the cycle, whatever the rate was."""
        return now

    def _between(self, numbers: list[float], step: int) -> float:
        """Where a step stands on the way from each number to the next."""
        if step > self.total_steps:
            raise ChainruleError(
                f"OneCycleLR has {self.total_steps} steps and was moved on {step} times: give total_steps=, epochs "
                "times steps in an epoch"
            )
        share = self.pct_start * self.total_steps
        ends = [share - 1, *([2 * share - 2] if self.three_phase else []), self.total_steps - 1]
        spans = list(zip(pairwise([0, *ends]), pairwise(numbers), strict=True))
        (begin, end), (start, goal) = next((span for span in spans if step <= span[0][1]), spans[-1])
        return WAYS[self.anneal_strategy](start, goal, (step - begin) / (end - begin) if end != begin else 1.0)


def cosine(start: float, goal: float, share: float) -> float:
    """A share of the way from one number to another, along half a cosine."""
    return goal + (start - goal) / 2 * (math.cos(math.pi * share) + 1)


def straight(start: float, goal: float, share: float) -> float:
    """A share of the way from one number to another."""
    return (goal - start) * share + start


WAYS: dict[str, Callable[[float, float, float], float]] = {"cos": cosine, "linear": straight}


def _steps(total: Any, epochs: Any, steps: Any) -> int:
    given = {"total_steps": total} if total is not None else {"epochs": epochs, "steps_per_epoch": steps}
    if None in given.values():
        raise ValueError("OneCycleLR needs total_steps, or both epochs and steps_per_epoch")
    return math.prod([counted("OneCycleLR", **{name: count}) for name, count in given.items()])
