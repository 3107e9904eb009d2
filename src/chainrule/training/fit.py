"""Fitting a model to data: one call from the first step to the last."""

# Programs without types call this too, so arguments are checked when it runs.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from chainrule.errors import CheckpointError, DivergenceWarning, DtypeError
from chainrule.nn.module import Module
from chainrule.optim.lr_scheduler import LRScheduler
from chainrule.optim.optimizer import Optimizer
from chainrule.training.batches import Batches, batches_of
from chainrule.training.callbacks import Callback, Checkpoints, JsonLines
from chainrule.training.checkpoint import UNFIT, load_checkpoint, refusal, states_of
from chainrule.training.divergence import in_words
from chainrule.training.history import History
from chainrule.training.progress import progress_of
from chainrule.training.run import Diverged, Metric, Run, judged

FilePath = str | os.PathLike[str]


def fit(
    model: Module,
    x: Any,
    y: Any = None,
    *,
    loss: Callable[..., Any],
    optimizer: Optimizer,
    epochs: int,
    batch_size: int | None = 32,
    validation: Any = None,
    metrics: Sequence[Metric] | Mapping[str, Metric] = (),
    scheduler: LRScheduler | None = None,
    clip_norm: float | None = None,
    callbacks: Sequence[Callback] = (),
    seed: int = 0,
    shuffle: bool = True,
    progress: bool = True,
    log: FilePath | None = None,
    checkpoint: FilePath | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
) -> History:
    """Train a model for some epochs, and give back the history of its numbers.

    `x` and `y` hold one example for each entry of their first axis, and floating point is taken in the dtype of the
    parameters; or `x` is a loader, any iterable of pairs (x, y) that can be gone through once an epoch, and `y` is left
    out. Arrays are cut into batches of `batch_size` (None: all at once) in an order that depends on `seed` and epoch
    alone; a loader, as `DataLoader`, has an order of its own. Each batch makes one step: ``loss(model(x), y)``,
    backward, gradients scaled to `clip_norm` at most, ``optimizer.step()``. After each epoch `validation`, a pair
    (x, y) or a loader, is judged; `metrics` are functions of all predictions and targets of an epoch, or a dict of them
    by name; `scheduler` moves on, and the `callbacks` are told. The model ends in evaluation mode.

    `progress` shows a bar on a terminal, and lines on standard error elsewhere. `log` is a file that gets a line of
    JSON for each epoch. `checkpoint` is a file that holds the whole run after each epoch, and after every
    `checkpoint_every` batches; with ``resume=True`` a run goes on from it (or begins, where there is none), made with
    the same arguments, and ends with the very weights of a run that was never stopped. `epochs` counts from the first
    beginning.

    A loss that is infinite or nan, or a parameter at the end of an epoch, ends the run with a `DivergenceWarning` that
    says where and why, and stands in ``history.stopped``; such an epoch is neither noted nor saved. Data and
    settings that do not fit raise the errors of `ChainruleError`.

    Ctrl-C ends the run when the step that has begun is finished, with `Interrupted`, a `KeyboardInterrupt` that has the
    history: parameters and optimizer are those of one step, and the callbacks are told of the end, so that
    `EarlyStopping` brings the best weights back. A second Ctrl-C stops at once.

    >>> import chainrule as cr
    >>> x, y = cr.data.load_digits()
    >>> net = cr.nn.Sequential(cr.nn.Linear(64, 16, rng=0), cr.nn.ReLU(), cr.nn.Linear(16, 10, rng=1))
    >>> history = cr.training.fit(
    ...     net, x[:1500], y[:1500], validation=(x[1500:], y[1500:]), metrics=[cr.training.accuracy],
    ...     loss=cr.nn.CrossEntropyLoss(), optimizer=cr.optim.Adam(net.parameters(), lr=0.01), epochs=3, progress=False,
    ... )
    >>> history["val_accuracy"][-1] > 0.8
    True
    """
    _check(model, optimizer, epochs)
    named = _named(metrics)
    data = batches_of(model, x, y, batch_size=batch_size, shuffle=shuffle, seed=seed, owner="fit")
    held_out = None if validation is None else _validation(model, validation, batch_size)
    run = Run(model, loss, optimizer, scheduler, data, held_out, named, epochs, clip_norm)
    run.callbacks = list(callbacks)
    if resume:
        _resume(run, checkpoint)
    beside = [*progress_of(progress), *([JsonLines(log)] if log is not None else [])]
    if checkpoint_every is not None and checkpoint is None:
        raise CheckpointError("fit: checkpoint_every= needs checkpoint=, the file to save to")
    last = [Checkpoints(checkpoint, checkpoint_every)] if checkpoint is not None else []
    with run.interrupts:
        _train(run, [*run.callbacks, *beside, *last])
    return run.history


def evaluate(
    model: Module,
    x: Any,
    y: Any = None,
    *,
    loss: Callable[..., Any] | None = None,
    metrics: Sequence[Metric] | Mapping[str, Metric] = (),
    batch_size: int | None = 256,
) -> dict[str, float]:
    """Loss and metrics of a model on data, by name; in evaluation mode, in batches, without a trace.

    `x` and `y` are taken as by `fit`. The loss is the mean over the batches, each weighed by its size.

    >>> import chainrule as cr
    >>> net = cr.nn.Linear(1, 1, rng=0)
    >>> net.load_state_dict({"weight": [[2.0]], "bias": [0.0]})
    >>> cr.training.evaluate(net, [[1.0], [2.0]], [[2.0], [5.0]], loss=cr.nn.MSELoss())
    {'loss': 0.5}
    """
    data = batches_of(model, x, y, batch_size=batch_size, shuffle=False, seed=0, owner="evaluate")
    return judged(model, data, loss, _named(metrics))


def _train(run: Run, everyone: list[Callback]) -> None:
    """The epochs that are left, with everyone told."""
    told = [callback for callback in everyone if callback.watches_batches()]
    start = states_of(run.model)
    begun: list[Callback] = []
    try:
        for callback in everyone:
            begun.append(callback)
            callback.on_start(run)
        while len(run.history) < run.epochs and not run.history.stopped:
            run.train_epoch(told)
            for callback in everyone:
                callback.on_epoch_end(run)
            run.check_interrupts()
    except Diverged as diverged:
        run.history.diverged = True
        run.stop(in_words(run, diverged, start))
        warnings.warn(run.history.stopped, DivergenceWarning, stacklevel=3)
    finally:
        for callback in begun:
            callback.on_end(run)
        run.model.eval()


def _resume(run: Run, checkpoint: FilePath | None) -> None:
    """Bring the run to where its checkpoint stands, if there is one."""
    if checkpoint is None:
        raise CheckpointError("fit: resume=True needs checkpoint=, the file to go on from")
    if not Path(checkpoint).exists():
        return
    saved = load_checkpoint(checkpoint)
    try:
        run.load(saved.extra, saved.position)
    except UNFIT as error:
        raise refusal(checkpoint, error) from error
    load_checkpoint(checkpoint, model=run.model, optimizer=run.optimizer, scheduler=run.scheduler)


def _validation(model: Module, validation: Any, batch_size: int | None) -> Batches:
    pair = isinstance(validation, tuple) and len(cast("tuple[Any, ...]", validation)) == 2
    x, y = cast("tuple[Any, Any]", validation if pair else (validation, None))
    return batches_of(model, x, y, batch_size=batch_size, shuffle=False, seed=0, owner="validation")


def _named(metrics: Sequence[Metric] | Mapping[str, Metric]) -> dict[str, Metric]:
    """Metrics by name."""
    if isinstance(metrics, Mapping):
        return dict(metrics)
    return {getattr(metric, "__name__", type(metric).__name__): metric for metric in metrics}


def _check(model: Any, optimizer: Any, epochs: Any) -> None:
    if not isinstance(model, Module):
        raise DtypeError(f"fit trains a module of cr.nn, not {type(model).__name__}")
    if not isinstance(optimizer, Optimizer):
        raise DtypeError(f"fit takes an optimizer of cr.optim, not {type(optimizer).__name__}")
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 0:
        raise ValueError(f"fit: epochs is a whole number from 0, not {epochs!r}")
