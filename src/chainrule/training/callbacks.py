"""Callbacks: what happens beside the training, from early stopping to the log."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.errors import CheckpointError, ShapeError
from chainrule.files import append, write_whole
from chainrule.kinds import is_whole
from chainrule.table import json_of
from chainrule.training.checkpoint import checked, save_checkpoint

if TYPE_CHECKING:
    from chainrule.training.run import Run


class Callback:
    """The base of callbacks: write any of the methods; each gets the `Run`.

    What a callback must remember over a stop and a resumption it gives as `state_dict`, of plain data and arrays.

    >>> import chainrule as cr
    >>> class Tell(cr.training.Callback):
    ...     def on_epoch_end(self, run):
    ...         print(run.epoch, "of", run.epochs)
    >>> net = cr.nn.Linear(1, 1, rng=0)
    >>> optimizer = cr.optim.SGD(net.parameters(), lr=0.1)
    >>> settings = {"loss": cr.nn.MSELoss(), "optimizer": optimizer, "epochs": 2, "progress": False}
    >>> _ = cr.training.fit(net, [[1.0]], [[2.0]], callbacks=[Tell()], **settings)
    1 of 2
    2 of 2
    """

    def on_start(self, run: Run) -> None:
        """Before the first epoch, also that of a resumed run."""

    def on_batch_end(self, run: Run) -> None:
        """After each step."""

    def on_epoch_end(self, run: Run) -> None:
        """After each epoch, when its numbers stand in ``run.history.rows[-1]``."""

    def on_end(self, run: Run) -> None:
        """After the last epoch, and also where the run was stopped or broke off."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""

    def watches_batches(self) -> bool:
        """Whether it does something after a step."""
        return type(self).on_batch_end is not Callback.on_batch_end

    def steps_until_told(self, run: Run) -> int:
        """After how many more steps it must be told, at the latest, where it watches batches.

        Compiled steps are made so many at a time. Each is the next one unless a callback can wait.
        """
        return 1


class EarlyStopping(Callback):
    """Stop when a number has not got better for `patience` epochs, and bring the best weights back (Prechelt, 1998).

    `watch` names a number of the history: ``"val_loss"``, or ``"loss"`` where there is no validation data, unless told
    otherwise. Better is smaller, or larger with ``largest=True``, by more than `least_gain`. However the run ends, the
    model then has the parameters and buffers of its best epoch. Keeps one copy of them.

    >>> import chainrule as cr
    >>> net = cr.nn.Linear(1, 1, rng=0)
    >>> optimizer = cr.optim.SGD(net.parameters(), lr=0.0)
    >>> settings = {"loss": cr.nn.MSELoss(), "optimizer": optimizer, "epochs": 99, "progress": False}
    >>> early = cr.training.EarlyStopping(patience=3)
    >>> cr.training.fit(net, [[1.0]], [[2.0]], callbacks=[early], **settings).stopped
    'loss did not get better in 3 epochs; the weights are those of epoch 1'
    """

    def __init__(
        self, patience: int = 10, watch: str | None = None, *, largest: bool = False, least_gain: float = 0.0
    ) -> None:
        if not is_whole(patience, 1):
            raise ValueError(f"EarlyStopping: patience is a whole number of at least 1, not {patience!r}")
        if not least_gain >= 0:
            raise ValueError(f"EarlyStopping: least_gain is at least 0, not {least_gain}")
        self.patience, self.watch, self.largest, self.least_gain = int(patience), watch, largest, least_gain
        self.best: float | None = None
        self.best_epoch = 0
        self.best_state: dict[str, Any] | None = None

    def on_start(self, run: Run) -> None:
        """Forget another run, unless this one goes on."""
        if not run.history.rows:
            self.best, self.best_epoch, self.best_state = None, 0, None

    def on_epoch_end(self, run: Run) -> None:
        """Keep the weights if they are the best so far; stop if patience is out."""
        row = run.history.rows[-1]
        watch = self.watch or ("val_loss" if "val_loss" in row else "loss")
        if watch not in row:
            raise ShapeError(f"EarlyStopping watches {watch}, and an epoch has {', '.join(row)}: watch one of these")
        if self.is_better(row[watch]):
            self.best, self.best_epoch = row[watch], run.epoch
            self.best_state = {name: held.data for name, held in run.model.state_dict().items()}
        elif run.epoch - self.best_epoch >= self.patience:
            run.stop(out_of_patience(watch, self.patience, self.best_epoch))

    def is_better(self, number: float) -> bool:
        """Whether a number is better than the best so far; nan never is."""
        if self.best is None:
            return not math.isnan(number)
        return (number - self.best if self.largest else self.best - number) > self.least_gain

    def on_end(self, run: Run) -> None:
        if self.best_state is not None:
            run.model.load_state_dict(self.best_state)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "best_state": self.best_state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        best, best_state = state["best"], state["best_state"]
        self.best = None if best is None else checked(best, float, "the best number")
        self.best_epoch = checked(state["best_epoch"], int, "the best epoch")
        self.best_state = None if best_state is None else checked(best_state, dict, "the state of the best epoch")


def out_of_patience(watch: str, patience: int, best_epoch: int) -> str:
    """Why a run stopped whose number did not get better."""
    weights = f"; the weights are those of epoch {best_epoch}" if best_epoch else ""
    return f"{watch} did not get better in {patience} epochs{weights}"


class JsonLines(Callback):
    """A log with a line of JSON for each epoch, there as soon as the epoch is over.

    A resumed run first brings the file to where its checkpoint stood, so no epoch is in it twice and no line is torn.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_start(self, run: Run) -> None:
        """Begin the file with what is already history."""
        lines = "".join(f"{json_of(row)}\n" for row in run.history.rows)
        write_whole(self.path, lines, error=CheckpointError)

    def on_epoch_end(self, run: Run) -> None:
        append(self.path, f"{json_of(run.history.rows[-1])}\n", error=CheckpointError)


class Checkpoints(Callback):
    """Save the run after each epoch, and after every `every` batches."""

    def __init__(self, path: str | os.PathLike[str], every: int | None) -> None:
        if every is not None and not is_whole(every, 1):
            raise ValueError(f"fit: checkpoint_every is a whole number of at least 1, not {every!r}")
        self.path, self.every = path, every

    def watches_batches(self) -> bool:
        return self.every is not None

    def steps_until_told(self, run: Run) -> int:
        every = self.every or 1
        return every - run.batch % every

    def on_batch_end(self, run: Run) -> None:
        if self.every is not None and run.batch % self.every == 0:
            self.save(run)

    def on_epoch_end(self, run: Run) -> None:
        self.save(run)

    def save(self, run: Run) -> None:
        """The run as it is now, unless the last step has spoiled it: an older checkpoint is worth more."""
        run.check_parameters()
        save_checkpoint(
            self.path,
            model=run.model,
            optimizer=run.optimizer,
            scheduler=run.scheduler,
            position=run.position(),
            extra=run.state(),
        )
