"""A rate that falls where training stands still."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule.optim.optimizer import Optimizer
from chainrule.optim.schedule import LRScheduler, for_each


class ReduceLROnPlateau(LRScheduler):
    """The rate times `factor` when a number has not got better for more than `patience` epochs.

    ``step(number)`` is told the number: smaller is better with `mode` "min", larger with "max", by more than the share
    `threshold` of the best so far, or by `threshold` itself with ``threshold_mode="abs"``. After a fall nothing counts
    as bad for `cooldown` epochs. The rate stays at `min_lr`, which may be a list, one for each group, and a fall of
    less than `eps` is left out. Settings and results are PyTorch's. `fit` tells it the number of its history that
    `watch` names: ``"val_loss"``, or ``"loss"`` where there is no validation data, unless told otherwise.

    >>> import chainrule as cr
    >>> optimizer = cr.optim.SGD([cr.nn.Parameter([1.0])], lr=1.0)
    >>> schedule, rates = cr.optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1), []
    >>> for loss in (3.0, 2.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    ...     rates.append(optimizer.lr)
    >>> rates
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
        *,
        watch: str | None = None,
    ) -> None:
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor is below 1, not {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                "ReduceLROnPlateau: mode is min or max and threshold_mode rel or abs, "
                f"not {mode!r} and {threshold_mode!r}"
            )
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = threshold, threshold_mode, cooldown, eps
        groups = len(getattr(optimizer, "param_groups", ()))
        self.min_lrs = for_each("ReduceLROnPlateau", "min_lr", min_lr, groups)
        self.watch = watch
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer)

    def _set_rates(self, before: Sequence[float]) -> None:
        """Leave the rates as they are: only `step` knows the number."""

    def step(self, metrics: Any = None) -> None:
        """Move on by one epoch, in which the number was `metrics`; call it after the optimizer's steps."""
        if metrics is None:
            raise TypeError("ReduceLROnPlateau.step takes the number that it follows: schedule.step(loss)")
        number = float(metrics)
        self.last_epoch += 1
        if self.is_better(number):
            self.best, self.num_bad_epochs = number, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def is_better(self, number: float) -> bool:
        """Whether a number is better than the best so far by the threshold; nan never is."""
        worse = -1 if self.mode == "min" else 1
        if self.threshold_mode == "abs":
            return worse * number > worse * (self.best + worse * self.threshold)
        return worse * number > worse * self.best * (1 + worse * self.threshold)

    def moving(self) -> tuple[str, ...]:
        """Also the best number, and what is counted."""
        return *super().moving(), "best", "num_bad_epochs", "cooldown_counter"

    def load_state_dict(self, state: Any) -> None:
        """Go on from a saved epoch."""
        super().load_state_dict(state)
        self.best = float(state["best"])
        self.num_bad_epochs, self.cooldown_counter = int(state["num_bad_epochs"]), int(state["cooldown_counter"])

    def _reduce(self) -> None:
        for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            rate = max(group["lr"] * self.factor, least)
            if group["lr"] - rate > self.eps:
                group["lr"] = rate
