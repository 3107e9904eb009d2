"""One training run: what it works on, where it stands, and the state that a checkpoint keeps of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.state import no_grad
from chainrule.core.tensor import Tensor
from chainrule.errors import CheckpointError, ShapeError
from chainrule.nn.module import Module
from chainrule.optim.clip import clip_grad_norm_
from chainrule.optim.lr_scheduler import LRScheduler
from chainrule.optim.optimizer import Optimizer
from chainrule.training.batches import Batches
from chainrule.training.checkpoint import checked
from chainrule.training.history import History
from chainrule.training.interrupt import Interrupted, Interrupts

if TYPE_CHECKING:
    from chainrule.training.callbacks import Callback

Metric = Callable[[Any, Any], float]


class Diverged(Exception):
    """The loss of a batch, or a parameter after it, is infinite or nan; never leaves `fit`.

    `what` says which, `number` is what it became, `batch` that batch, counted from 1, with its inputs and targets.
    """

    def __init__(self, what: str, number: float, batch: int, x: Any, y: Any) -> None:
        super().__init__(what, number)
        self.what, self.number, self.batch, self.x, self.y = what, number, batch, x, y


class Tally:
    """The mean loss and the metrics of the batches so far."""

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.metrics = metrics
        self.total = 0.0
        self.examples = 0
        self.said: list[Any] = []
        self.right: list[Any] = []

    @property
    def loss(self) -> float:
        """The mean of the batches' losses, each weighed by its number of examples."""
        return self.total / self.examples if self.examples else math.nan

    def add(self, loss: float, out: Any, y: Any, examples: int) -> None:
        """One more batch."""
        self.total += loss * examples
        self.examples += examples
        if self.metrics:
            self.said.append(out.data if isinstance(out, Tensor) else out)
            self.right.append(y)

    def result(self) -> dict[str, float]:
        """The loss, and every metric of all examples together."""
        found = {"loss": self.loss}
        if self.metrics:
            said, right = np.concatenate(self.said), np.concatenate(self.right)
            found |= {name: float(metric(said, right)) for name, metric in self.metrics.items()}
        return found

    def state(self) -> dict[str, Any]:
        """What the batches so far have left, for a checkpoint in the middle of an epoch."""
        return {"total": self.total, "examples": self.examples, "said": self.said, "right": self.right}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved tally."""
        self.total = checked(state["total"], float, "the total of the losses")
        self.examples = checked(state["examples"], int, "the number of examples")
        self.said = checked(state["said"], list, "the list of predictions")
        self.right = checked(state["right"], list, "the list of targets")
        for parts in (self.said, self.right):
            held = len(np.concatenate(parts)) if parts else 0
            if held != (self.examples if self.metrics else 0):
                raise CheckpointError(
                    f"predictions or targets of {held} of {self.examples} examples were saved, and metrics= "
                    f"{'need them' if self.metrics else 'are gone'}: give the metrics that the run began with"
                )


class Run:
    """A training run, as callbacks see it.

    `model`, `loss`, `optimizer`, `scheduler` and `history` are what `fit` was given or fills; `epoch` counts from 1, of
    `epochs`; `batch` counts the batches of the epoch that are done, `batch_loss` is the loss of the last, and
    ``tally.loss`` the mean so far; `examples` are those of the last epoch. `data` knows how many batches there are
    (``data.count``, None where a loader does not say). `stop` ends the run.

    >>> import chainrule as cr
    >>> class EveryOther(cr.training.Callback):
    ...     def on_epoch_end(self, run):
    ...         if run.epoch == 2:
    ...             run.stop("two epochs are enough")
    >>> net = cr.nn.Linear(1, 1, rng=0)
    >>> cr.training.fit(
    ...     net, [[1.0]], [[2.0]], loss=cr.nn.MSELoss(), optimizer=cr.optim.SGD(net.parameters(), lr=0.1),
    ...     epochs=10, callbacks=[EveryOther()], progress=False,
    ... ).stopped
    'two epochs are enough'
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[..., Any],
        optimizer: Optimizer,
        scheduler: LRScheduler | None,
        data: Batches,
        validation: Batches | None,
        metrics: Mapping[str, Metric],
        epochs: int,
        clip_norm: float | None,
    ) -> None:
        self.model, self.loss, self.optimizer, self.scheduler = model, loss, optimizer, scheduler
        self.data, self.validation, self.metrics = data, validation, metrics
        self.epochs, self.clip_norm = epochs, clip_norm
        self.callbacks: Sequence[Callback] = ()
        """Those whose state belongs to the run: the user's own."""
        self.history = History()
        self.epoch = 0
        self.batch = 0
        self.batch_loss = math.nan
        self.last: tuple[Any, Any] = (None, None)
        """Inputs and targets of the last batch, to tell what went wrong in it."""
        self.examples = 0
        self.tally = Tally(metrics)
        self.seconds = 0.0
        self.interrupts = Interrupts()

    def stop(self, reason: str) -> None:
        """End the run after this epoch; the reason is told in the history."""
        self.history.stopped = reason

    def train_epoch(self, told: Sequence[Callback]) -> None:
        """One epoch, or what is left of it; some callbacks are told of each batch."""
        self.epoch = len(self.history) + 1
        self.model.train()
        began = time.perf_counter() - self.seconds
        for x, y, examples in self.data.epoch(self.epoch, self.batch):
            self.learn(x, y, examples)
            self.seconds = time.perf_counter() - began
            for callback in told:
                callback.on_batch_end(self)
            self.check_interrupts()
        self.check_parameters()
        row = self.finished()
        self.seconds = time.perf_counter() - began
        self.history.rows.append({**row, "seconds": self.seconds})
        if self.scheduler is not None:
            self.scheduler.step()
        self.examples = self.tally.examples
        self.batch, self.tally, self.seconds = 0, Tally(self.metrics), 0.0
        self.last = (None, None)

    def learn(self, x: Any, y: Any, examples: int) -> None:
        """One step on one batch."""
        out = self.model(x)
        loss = self.loss(out, y)
        number = self.batch_loss = float(loss.item())
        if not math.isfinite(number):
            raise Diverged("the loss", number, self.batch + 1, x, y)
        self.optimizer.zero_grad()
        loss.backward()
        if self.clip_norm is not None:
            clip_grad_norm_(self.optimizer.params, self.clip_norm)
        self.optimizer.step()
        self.tally.add(number, out, y, examples)
        self.batch += 1
        self.last = x, y

    def check_interrupts(self) -> None:
        """End the run where Ctrl-C was pressed: a step, or all that follows an epoch, has just been finished."""
        if self.interrupts.noted:
            steps = f"{self.batch:,} step{'s' * (self.batch != 1)} of it"
            place = f"in epoch {self.epoch}, after {steps}" if self.batch else f"after epoch {self.epoch}"
            self.stop(f"stopped by Ctrl-C {place}")
            raise Interrupted(self.history)

    def check_parameters(self) -> None:
        """Find a parameter that the last step has spoiled: no loss has shown it yet, and it must not be kept."""
        for parameter in self.optimizer.params:
            finite = np.isfinite(parameter.data)
            if not finite.all():
                names = {id(held): name for name, held in self.model.named_parameters()}
                what = f"the parameter {names.get(id(parameter), parameter.label)}".rstrip()
                raise Diverged(what, float(parameter.data[~finite][0]), self.batch, *self.last)

    def finished(self) -> dict[str, Any]:
        """The numbers of an epoch whose batches are done."""
        if not self.batch:
            raise ShapeError(
                f"the data gave no batch in epoch {self.epoch}: give something that can be gone through in each epoch"
            )
        row = {"epoch": self.epoch, **self.tally.result()}
        if self.validation is not None:
            found = judged(self.model, self.validation, self.loss, self.metrics)
            row |= {f"val_{name}": held for name, held in found.items()}
        return {**row, "lr": float(self.optimizer.param_groups[0]["lr"])}

    def state(self) -> dict[str, Any]:
        """Where the run stands, beside the states of model, optimizer and schedule."""
        return {
            "data": self.data.settings(),
            "loader": self.data.state(),
            "history": self.history.rows,
            "stopped": self.history.stopped,
            "tally": self.tally.state(),
            "seconds": self.seconds,
            "callbacks": [
                {"kind": type(callback).__name__, "state": callback.state_dict()} for callback in self.callbacks
            ],
        }

    def position(self) -> dict[str, int]:
        """Epochs that are done, and batches of the next one."""
        return {"epoch": len(self.history), "batch": self.batch}

    def load(self, state: Mapping[str, Any], position: Mapping[str, int]) -> None:
        """Go on where a saved run stood; `CheckpointError` names what this run would do otherwise."""
        if not isinstance(state, dict) or state.keys() != self.state().keys():
            raise CheckpointError(
                "the checkpoint holds no run of fit: load it with load_checkpoint, without resume=True"
            )
        was, now = checked(state["data"], dict, "data"), self.data.settings()
        wrong = [
            f"{name} was {was.get(name)}, and is {now.get(name)}"
            for name in {**was, **now}
            if was.get(name) != now.get(name)
        ]
        kinds = [checked(saved["kind"], str, "the kind of a callback") for saved in state["callbacks"]]
        own = [type(callback).__name__ for callback in self.callbacks]
        if (state["loader"] is None) != (self.data.state() is None):
            wrong.append("one of the two goes through a DataLoader, and the other does not")
        if kinds != own:
            wrong.append(f"the callbacks were {', '.join(kinds) or 'none'}, and are {', '.join(own) or 'none'}")
        if wrong:
            raise CheckpointError(f"this run is not the one that was saved: {'; '.join(wrong)}")
        if state["loader"] is not None:
            self.data.load(state["loader"])
        self.history.rows[:] = checked(state["history"], list, "history")
        for row in self.history.rows:
            checked(row["epoch"], int, "an epoch of the history")
            checked(row["loss"], float, "a loss of the history")
        self.history.stopped = checked(state["stopped"], str, "stopped")
        self.batch = checked(position["batch"], int, "batch")
        if position["epoch"] != len(self.history) or self.batch > (self.data.count or math.inf):
            raise CheckpointError(
                f"its position is epoch {position['epoch']}, batch {self.batch}; epochs in its history: "
                f"{len(self.history)}; batches in an epoch: {self.data.count}"
            )
        self.tally.load(state["tally"])
        self.seconds = checked(state["seconds"], float, "seconds")
        for callback, saved in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(saved["state"])


def judged(
    model: Module, data: Batches, loss: Callable[..., Any] | None, metrics: Mapping[str, Metric]
) -> dict[str, float]:
    """Loss and metrics of a model on data, as it is used: in evaluation mode, without recording."""
    tally = Tally(metrics)
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with no_grad():
            for x, y, examples in data.epoch(1):
                out = model(x)
                tally.add(float(loss(out, y).item()) if loss is not None else 0.0, out, y, examples)
    finally:
        for module, training in modes:
            module.training = training
    found = tally.result()
    if loss is None:
        del found["loss"]
    return found
