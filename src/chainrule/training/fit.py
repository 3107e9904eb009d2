"""Fitting a model to data: one call from the first step to the last."""

# Programs without types call this too, so arguments are checked when it runs.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.data.loader import DataLoader, checked_batch_size
from chainrule.data.structure import is_several, joined, leaves, lengths, mapped, shapes
from chainrule.errors import (
    UNFIT,
    ChainruleError,
    CheckpointError,
    DivergenceWarning,
    DtypeError,
    ShapeError,
    TrainingWarning,
)
from chainrule.kinds import is_whole, what_is
from chainrule.nn.hooks import in_use
from chainrule.nn.module import Module
from chainrule.optim.lr_scheduler import LRScheduler
from chainrule.optim.optimizer import Optimizer
from chainrule.training.batches import Batches, arrays_of, as_given, batches_of, dtype_of, output_of
from chainrule.training.callbacks import Callback, Checkpoints, JsonLines
from chainrule.training.checkpoint import load_checkpoint, refusal, states_of
from chainrule.training.cost import refuse_loss, takes_weights
from chainrule.training.divergence import ADVICE, in_words
from chainrule.training.history import History
from chainrule.training.progress import progress_of
from chainrule.training.run import Diverged, Metric, Run, judged, numbers_in

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
    sample_weight: Any = None,
    drop_last: bool = False,
) -> History:
    """Train a model for some epochs, and give back the history of its numbers.

    `x` and `y` hold one example for each entry of their first axis, and floating point is taken in the dtype of the
    parameters. Either may be several arrays in a tuple or dict, nested as you like: a tuple or dict of inputs is spread
    over the parameters of ``model.forward`` where it has a place for each, and else given whole; the loss gets what the
    model gave and the targets as they are. Or `x` is a loader, any iterable of pairs (x, y), or (x, y, sample_weight),
    that can be gone through once an epoch, and `y` is left out. Arrays are cut into batches of `batch_size` (None: all
    at once) in an order that depends on `seed` and epoch alone, without the last one if that is smaller and `drop_last`
    is set; a loader, as `DataLoader`, has an order of its own. `sample_weight`, of shape (examples,), says how often an
    example counts: the loss and the metrics are told, as ``loss(prediction, target, sample_weight=…)``.

    Each batch makes one step: ``loss(model(x), y)``, backward, gradients scaled to `clip_norm` at most,
    ``optimizer.step()``; a batch of which nothing counts makes none. After each epoch `validation`, a pair (x, y), with
    weights a triple, or a loader, is judged; `metrics` are functions of all predictions and targets of an epoch, or a
    dict of them by name; `scheduler` moves on (after each step, if its `by_step` is set, as that of `OneCycleLR` is; a
    `ReduceLROnPlateau` is told its number), and the `callbacks` are told. The model ends in evaluation mode.

    The loss of an epoch is that of all its examples, whatever the size of the batches: a mean is one over examples and
    their weights, a sum is a sum. Losses of this package say how much a batch weighs; any other is taken for a mean.

    After the first 20 steps of a run they are compiled, where all of a step has kernels and nothing of the program's
    own has to be told in between (hooks, a loader, callbacks beside a model or loss of its own): then many are made in
    a call, each equal to the engine's up to rounding. ``history.made_by`` says what was done, and why.

    `progress` shows a bar on a terminal, and lines on standard error elsewhere. `log` is a file that gets a line of
    JSON for each epoch. `checkpoint` is a file that holds the whole run after each epoch, and after every
    `checkpoint_every` batches; with ``resume=True`` a run goes on from it (or begins, where there is none), made with
    the same arguments, and ends with the very weights of a run that was never stopped. `epochs` counts from the first
    beginning. Settings of the optimizer that the program has changed meanwhile, as `lr`, hold from there on, and a
    `TrainingWarning` says so; so does one for an optimizer that moves no parameter of the model.

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
    _check(model, loss, optimizer, epochs)
    named = by_name(metrics)
    order: Any = {"shuffle": shuffle, "seed": seed, "drop_last": drop_last}
    data = batches_of(model, x, y, batch_size=batch_size, sample_weight=sample_weight, owner="fit", **order)
    held_out = None if validation is None else _validation(model, validation, batch_size)
    run = Run(model, loss, optimizer, scheduler, data, held_out, named, epochs, clip_norm)
    run.callbacks = list(callbacks)
    _look_over(run, sample_weight is not None)
    if resume:
        _resume(run, checkpoint)
    beside = [*progress_of(progress), *([JsonLines(log)] if log is not None else [])]
    if checkpoint_every is not None and checkpoint is None:
        raise CheckpointError("fit: checkpoint_every= needs checkpoint=, the file to save to")
    last = [Checkpoints(checkpoint, checkpoint_every)] if checkpoint is not None else []
    with run.interrupts:
        train(run, [*run.callbacks, *beside, *last])
    if run.history.diverged:
        warnings.warn(run.history.stopped, DivergenceWarning, stacklevel=2)
    return run.history


def evaluate(
    model: Module,
    x: Any,
    y: Any = None,
    *,
    loss: Callable[..., Any] | None = None,
    metrics: Sequence[Metric] | Mapping[str, Metric] = (),
    batch_size: int | None = 256,
    sample_weight: Any = None,
) -> dict[str, float]:
    """Loss and metrics of a model on data, by name; in evaluation mode, in batches, without a trace.

    `x`, `y` and `sample_weight` are taken as by `fit`. The loss is that of all examples together, whatever
    `batch_size`.

    >>> import chainrule as cr
    >>> net = cr.nn.Linear(1, 1, rng=0)
    >>> net.load_state_dict({"weight": [[2.0]], "bias": [0.0]})
    >>> cr.training.evaluate(net, [[1.0], [2.0]], [[2.0], [5.0]], loss=cr.nn.MSELoss())
    {'loss': 0.5}
    """
    if sample_weight is not None and loss is not None:
        _refuse_unweighed(loss)
    order: Any = {"shuffle": False, "seed": 0, "sample_weight": sample_weight}
    data = batches_of(model, x, y, batch_size=batch_size, owner="evaluate", **order)
    return judged(model, data, loss, by_name(metrics))


def predict(model: Module, x: Any, *, batch_size: int | None = 256) -> Any:
    """What a model gives for many inputs, as an array; in evaluation mode, in batches, without a trace.

    `x` is one array or several in a tuple or dict, as of `fit`, or a loader of inputs or of pairs (x, y), of which y is
    left aside. The result has one entry for each example along its first axis; it is a tuple or dict of arrays where
    the model gives one of Tensors. Afterwards every module is in the mode it was in.

    >>> import chainrule as cr, numpy as np
    >>> net = cr.nn.Sequential(cr.nn.Linear(3, 2, rng=0), cr.nn.Dropout(0.5))
    >>> found = cr.training.predict(net, np.zeros((1000, 3)), batch_size=100)
    >>> found.shape, net.training
    ((1000, 2), True)
    """
    dtype = dtype_of(model)
    with in_use(model):
        batches = _inputs(x, dtype, batch_size)
        parts = [mapped(lambda out: np.array(numbers_in(out)), output_of(model, batch)) for batch in batches]
    if not parts:
        raise ShapeError("predict got no batch: give at least one example")
    return joined(parts)


def _inputs(x: Any, dtype: Any, batch_size: int | None) -> Iterator[Any]:
    first = cast("list[Any]", x)[0] if isinstance(x, list) and x else None
    if _is_loader(x) or (isinstance(first, tuple) and is_several(cast("tuple[Any, ...]", first))):
        for batch in cast("Iterable[Any]", x):
            pair = isinstance(batch, list | tuple) and len(cast("list[Any]", batch)) in (2, 3)
            several = isinstance(x, DataLoader) and x.y is None
            yield mapped(as_given, arrays_of(batch[0] if pair and not several else batch, dtype, "x", -1))
        return
    inputs = arrays_of(x, dtype, "x")
    counts = lengths(inputs)
    if len(counts) != 1 or not counts - {None, 0}:
        raise ShapeError(f"predict needs as many entries in every input, at least one, and got shapes {shapes(inputs)}")
    examples = len(next(leaves(inputs)))
    size = examples if batch_size is None else checked_batch_size("predict", batch_size, ", or None for all")
    for start in range(0, examples, size):
        yield mapped(lambda part, start=start: as_given(part[start : start + size]), inputs)


def _is_loader(x: Any) -> bool:
    """Whether something gives batches, and is not data itself."""
    data = isinstance(x, np.ndarray | Tensor | list | tuple | Mapping) or hasattr(x, "__array__")
    return isinstance(x, Iterable) and not data


def _look_over(run: Run, weighed: bool) -> None:
    """Refuse or tell what would make a run useless, before it begins."""
    owned = {id(parameter) for parameter in run.model.parameters()}
    if isinstance(run.loss, Module):
        owned |= {id(parameter) for parameter in run.loss.parameters()}
    if owned.isdisjoint(map(id, run.optimizer.params)):
        warnings.warn(
            "fit: the optimizer moves no parameter of this model, so nothing is learnt: make it from "
            "model.parameters(), after the model",
            TrainingWarning,
            stacklevel=3,
        )
    if weighed:
        _refuse_unweighed(run.loss)
    total = getattr(run.scheduler, "total_steps", None)
    steps = run.epochs * (run.data.count or 0)
    if run.scheduler is not None and run.scheduler.by_step and isinstance(total, int) and total < steps:
        name = type(run.scheduler).__name__
        raise ChainruleError(f"fit makes {steps} steps, and {name} was made for {total}: give total_steps={steps}")


def _refuse_unweighed(loss: Callable[..., Any]) -> None:
    if not takes_weights(loss):
        name = getattr(loss, "__name__", type(loss).__name__)
        raise DtypeError(
            f"the loss {name} takes no sample_weight: write it as {name}(prediction, target, sample_weight), or take a "
            "loss of cr.nn"
        )


def train(run: Run, everyone: Sequence[Callback], advice: str = ADVICE) -> None:
    """The epochs that a run has left, with everyone told; what is not finite ends it, and the history says why."""
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
        run.stop(in_words(run, diverged, start, advice))
    finally:
        for callback in begun:
            callback.on_end(run)
        run.history.made_by = run.compiled.told()
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
    _take_new_settings(run, saved.extra["given"])


def _take_new_settings(run: Run, before: list[dict[str, Any]]) -> None:
    """Let settings hold that the program gives the optimizer now, and did not when the run began, and say so."""
    told: list[str] = []
    for group, was, now in zip(run.optimizer.param_groups, before, run.given, strict=True):
        for name in sorted(now.keys() & was.keys() - {"initial_lr"}):
            old = tuple(cast("list[Any]", was[name])) if isinstance(was[name], list) else was[name]
            if old == now[name]:
                continue
            told.append(f"{name} was {old} and is {now[name]}")
            if name == "lr":
                # Where a schedule has moved it, it stays moved by as much.
                group["lr"] = now["lr"] if group["lr"] == old or not old else group["lr"] * (now["lr"] / old)
                if "initial_lr" in group:
                    group["initial_lr"] = now["lr"]
            else:
                group[name] = now[name]
    if told:
        warnings.warn(
            f"fit goes on with other settings than the run began with: {'; '.join(dict.fromkeys(told))}",
            TrainingWarning,
            stacklevel=4,
        )


def _validation(model: Module, validation: Any, batch_size: int | None) -> Batches:
    given = isinstance(validation, tuple) and len(cast("tuple[Any, ...]", validation)) in (2, 3)
    x, y, *weight = cast("tuple[Any, ...]", validation if given else (validation, None))
    order: Any = {"shuffle": False, "seed": 0, "sample_weight": weight[0] if weight else None}
    return batches_of(model, x, y, batch_size=batch_size, owner="validation", **order)


def by_name(metrics: Sequence[Metric] | Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics by the names under which their numbers stand."""
    named = metrics.items() if isinstance(metrics, Mapping) else [(name_of(metric), metric) for metric in metrics]
    for name, metric in named:
        if not callable(metric):
            raise DtypeError(f"metrics are functions of prediction and target, and {name!r} is {what_is(metric)}")
    return dict(named)


def name_of(function: Any) -> str:
    """What a function, a class or an object that is called goes by."""
    return getattr(function, "__name__", type(function).__name__)


def _check(model: Any, loss: Any, optimizer: Any, epochs: Any) -> None:
    if not isinstance(model, Module):
        raise DtypeError(f"fit trains a module of cr.nn, not {type(model).__name__}")
    refuse_loss("fit", loss)
    if not isinstance(optimizer, Optimizer):
        raise DtypeError(f"fit takes an optimizer of cr.optim, not {type(optimizer).__name__}")
    refuse_epochs("fit", epochs)


def refuse_epochs(owner: str, epochs: Any) -> None:
    if not is_whole(epochs, 0):
        raise ValueError(f"{owner}: epochs is a whole number from 0, not {epochs!r}")
