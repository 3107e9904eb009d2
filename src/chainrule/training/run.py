"""One training run: what it works on, where it stands, and the state that a checkpoint keeps of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.data.structure import joined, leaves, mapped
from chainrule.errors import CheckpointError, ShapeError
from chainrule.nn.hooks import in_use
from chainrule.nn.module import Module
from chainrule.optim.lr_scheduler import LRScheduler
from chainrule.optim.optimizer import Optimizer
from chainrule.optim.plateau import ReduceLROnPlateau
from chainrule.printable import several
from chainrule.training.batches import Batch, Batches, OfArrays, output_of
from chainrule.training.checkpoint import checked
from chainrule.training.compiled_steps import CompiledSteps
from chainrule.training.cost import descend, loss_number, loss_of, refuse_cut_off, takes_weights, weight_of
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
    """The loss and the metrics of the batches so far: what they are of all examples together."""

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.metrics = metrics
        self.total = 0.0
        self.weight = 0.0
        """What the total is divided by: how many examples, or entries, or how much they weigh; 1 for a sum."""
        self.examples = 0
        self.said: list[Any] = []
        self.right: list[Any] = []
        self.weights: list[Any] = []

    @property
    def loss(self) -> float:
        """The sum of the batches' losses, or their mean, each counted by what it weighs."""
        return self.total / self.weight if self.weight else math.nan

    def add(self, loss: float, weight: float | None, out: Any, batch: Batch) -> None:
        """One more batch, that weighs so much in the mean; None if the loss is a sum."""
        self.total += loss if weight is None else loss * weight
        self.weight = 1.0 if weight is None else self.weight + weight
        self.note(out, batch)

    def note(self, out: Any, batch: Batch) -> None:
        """Keep what the metrics need of a batch."""
        self.examples += batch.examples
        if self.metrics:
            self.said.append(mapped(numbers_in, out))
            self.right.append(batch.y)
            if batch.weight is not None:
                self.weights.append(batch.weight)

    def result(self) -> dict[str, float]:
        """The loss, and every metric of all examples together."""
        found = {"loss": self.loss}
        if self.metrics:
            said, right = joined(self.said), joined(self.right)
            weighs = {"sample_weight": np.concatenate(self.weights)} if self.weights else {}
            for name, metric in self.metrics.items():
                weighed = weighs if weighs and takes_weights(metric) else {}
                found[name] = float(metric(said, right, **weighed))
        return found

    def state(self) -> dict[str, Any]:
        """What the batches so far have left, for a checkpoint in the middle of an epoch."""
        names = ("total", "weight", "examples", "said", "right", "weights")
        return {name: getattr(self, name) for name in names}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved tally."""
        self.total = checked(state["total"], float, "the total of the losses")
        self.weight = checked(state["weight"], float, "the weight of the losses")
        self.examples = checked(state["examples"], int, "the number of examples")
        self.said = as_saved(checked(state["said"], list, "the list of predictions"))
        self.right = as_saved(checked(state["right"], list, "the list of targets"))
        self.weights = checked(state["weights"], list, "the list of weights")
        for parts in (self.said, self.right, *([self.weights] if self.weights else [])):
            held = len(next(leaves(joined(parts)), ())) if parts else 0
            if held != (self.examples if self.metrics else 0):
                raise CheckpointError(
                    f"predictions or targets of {held} of {self.examples} examples were saved, and metrics= "
                    f"{'need them' if self.metrics else 'are gone'}: give the metrics that the run began with"
                )


def as_saved(parts: list[Any]) -> list[Any]:
    """What a tally kept, where a list, which is what JSON has, is a tuple again."""

    def again(held: Any) -> Any:
        if isinstance(held, list):
            return tuple([again(part) for part in cast("list[Any]", held)])
        return {k: again(v) for k, v in cast("dict[Any, Any]", held).items()} if isinstance(held, dict) else held

    return [again(part) for part in parts]


def numbers_in(out: Any) -> Any:
    return out.data if isinstance(out, Tensor) else out


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
        self.given = settings_given(optimizer)
        """The optimizer's settings as the program gave them."""
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
        self.compiled = CompiledSteps(self)

    def stop(self, reason: str) -> None:
        """End the run after this epoch; the reason is told in the history."""
        self.history.stopped = reason

    def train_epoch(self, told: Sequence[Callback]) -> None:
        """One epoch, or what is left of it; some callbacks are told of each batch."""
        self.epoch = len(self.history) + 1
        self.model.train()
        began = time.perf_counter() - self.seconds
        for _ in self.steps(told):
            self.seconds = time.perf_counter() - began
            for callback in told:
                callback.on_batch_end(self)
            self.check_interrupts()
        self.check_parameters()
        row = self.finished()
        self.seconds = time.perf_counter() - began
        self.history.rows.append({**row, "seconds": self.seconds})
        if self.scheduler is not None and not self.scheduler.by_step:
            self.scheduler.step(*followed(self.scheduler, row))
        self.examples = self.tally.examples
        self.batch, self.tally, self.seconds = 0, Tally(self.metrics), 0.0
        self.last = (None, None)

    def steps(self, told: Sequence[Callback]) -> Iterator[None]:
        """Make the steps that an epoch has left, one by one or some at a time; between two of them others are told."""
        if not isinstance(self.data, OfArrays) or self.compiled.reason:
            for batch in self.data.epoch(self.epoch, self.batch):
                self.learn(batch)
                yield
            return
        order, count = self.data.order(self.epoch), self.data.count or 0
        while self.batch < count:
            most = min([count, *[callback.steps_until_told(self) for callback in told]])
            if not self.compiled.make(self, order, most):
                self.learn(self.data.batch(order, self.batch))
            yield

    def learn(self, batch: Batch) -> None:
        """One step on one batch; none where no example of it counts."""
        out = output_of(self.model, batch.x)
        weight = weight_of(self.loss, out, batch)
        if weight == 0:
            self.tally.note(out, batch)
            self.batch += 1
            return
        loss = loss_of(self.loss, out, batch)
        number = self.batch_loss = loss_number(loss)
        if not math.isfinite(number):
            raise Diverged("the loss", number, self.batch + 1, batch.x, batch.y)
        refuse_cut_off(loss, self.model)
        descend(loss, self.optimizer, self.clip_norm)
        if self.scheduler is not None and self.scheduler.by_step:
            self.scheduler.step()
        self.tally.add(number, weight, out, batch)
        self.batch += 1
        self.last = batch.x, batch.y

    def check_interrupts(self) -> None:
        """End the run where Ctrl-C was pressed: a step, or all that follows an epoch, has just been finished."""
        if self.interrupts.noted:
            steps = f"{several(self.batch, 'step')} of it"
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
            "given": self.given,
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
        given = checked(state["given"], list, "the settings of the optimizer")
        for group in given:
            checked(checked(group, dict, "the settings of a group")["lr"], float, "a rate")
        if len(given) != len(self.given):
            raise CheckpointError(f"the optimizer had {len(given)} groups of parameters, and has {len(self.given)}")
        self.tally.load(state["tally"])
        self.seconds = checked(state["seconds"], float, "seconds")
        for callback, saved in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(saved["state"])


def judged(
    model: Module, data: Batches, loss: Callable[..., Any] | None, metrics: Mapping[str, Metric]
) -> dict[str, float]:
    """Loss and metrics of a model on data, as it is used: in evaluation mode, without recording."""
    with in_use(model):
        return judged_in_use(model, data, loss, metrics)


def judged_in_use(
    model: Module, data: Batches, loss: Callable[..., Any] | None, metrics: Mapping[str, Metric]
) -> dict[str, float]:
    """The same of a model that is in use already."""
    tally = Tally(metrics)
    for batch in data.epoch(1):
        out = output_of(model, batch.x)
        weight = 0 if loss is None else weight_of(loss, out, batch)
        if loss is None or weight == 0:
            tally.note(out, batch)
        else:
            tally.add(loss_number(loss_of(loss, out, batch), to_learn=False), weight, out, batch)
    found = tally.result()
    if loss is None:
        del found["loss"]
    return found


def settings_given(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The settings of every group at the beginning, before a schedule has changed them."""
    return [
        {**{name: held for name, held in group.items() if name != "params"}, "lr": group.get("initial_lr", group["lr"])}
        for group in optimizer.param_groups
    ]


def followed(scheduler: LRScheduler, row: Mapping[str, Any]) -> list[float]:
    """The number of an epoch that a schedule follows, if it follows one."""
    if not isinstance(scheduler, ReduceLROnPlateau):
        return []
    watch = scheduler.watch or ("val_loss" if "val_loss" in row else "loss")
    if watch not in row:
        raise ShapeError(f"ReduceLROnPlateau watches {watch}, and an epoch has {', '.join(row)}: watch one of these")
    return [row[watch]]
