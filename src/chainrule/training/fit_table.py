"""A network for a table, from its rows to a judgement: which rows train it, which watch, which judge."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from chainrule import nn, optim
from chainrule.data.columns import Columns
from chainrule.data.doubts import notes_on_features
from chainrule.data.notes import warn_of
from chainrule.data.table import Table as Examples
from chainrule.errors import DataError, DataWarning, DivergenceError, ShapeError
from chainrule.kinds import Array
from chainrule.table import Table
from chainrule.training.callbacks import EarlyStopping
from chainrule.training.fit import fit
from chainrule.training.history import History
from chainrule.training.interrupt import Interrupted
from chainrule.training.judge import (
    Judgement,
    Threshold,
    best_threshold,
    judge,
    outputs_of,
    rarer_class,
)
from chainrule.training.linear import Linear, fit_linear
from chainrule.training.metrics import accuracy, r2
from chainrule.training.table_net import for_linear, network_of, sizes_of

PATIENCE = 20
WATCHED, FEWEST_WATCHED, MOST_WATCHED = 0.1, 20, 0.25
"""The share of rows by which it is seen when to stop: of few rows so many, and never more than the last share."""
TOO_FEW = 12
"""Fewer rows than this leave none to watch by; then the loss in training is watched."""
STEPS = 10_000
FEWEST_EPOCHS, MOST_EPOCHS = 20, 300
"""Unless told otherwise, so many epochs as make about so many steps."""
SMALL = 10_000
"""Rows from which on larger batches are taken."""
JUDGED = "the network that was judged"
NEVER = -1e4
"""The score of a class that no row taught."""


@dataclass(frozen=True)
class Recipe:
    """How a network for a table is made and trained; None leaves a number to the data.

    >>> import chainrule as cr
    >>> cr.training.Recipe(layers=(32,), dropout=0.2, by="group:patient").seed
    0
    """

    layers: tuple[int, ...] | None = None
    epochs: int | None = None
    batch: int | None = None
    rate: float = 0.003
    seed: int = 0
    weight_decay: float = 0.0
    dropout: float = 0.0
    balanced: bool = False
    """Whether rare classes weigh as much as frequent ones."""
    threshold: float | Literal["auto"] | None = None
    """From which probability on the rarer of two classes is said."""
    refit: bool = False
    """Whether, once it is judged, a network is trained again on all rows."""
    by: str = ""
    """How rows are split: drawn, or by ``time``, ``time:COLUMN`` or ``group:COLUMN``."""
    share: float = 0.2
    progress: bool = False


@dataclass(frozen=True)
class Fitted:
    """A network that was trained on a table, what judged it, and which rows did what."""

    net: nn.Sequential
    sizes: tuple[int, ...]
    columns: Columns
    history: History
    kept_epoch: int
    """The epoch whose weights were kept."""
    rows: dict[str, int]
    """How many rows trained it, how many watched when to stop, and how many were held back to judge it."""
    judgement: Judgement
    linear: Linear = field(repr=False)
    recipe: Recipe = field(repr=False)
    threshold: Threshold | None = None
    interrupted: str = ""
    """Which weights these are, where Ctrl-C ended the training; else nothing."""
    refitted: int = 0
    """The rows that the network was trained on again after it was judged, or 0; its weights are then of those."""

    @property
    def parameters(self) -> int:
        return sum(parameter.size for parameter in self.net.parameters())

    def training(self) -> dict[str, Any]:
        """What the optimizer did, as plain data."""
        recipe = self.recipe
        return {
            "optimizer": "AdamW" if recipe.weight_decay else "Adam",
            "lr": recipe.rate,
            "weight_decay": recipe.weight_decay,
            "dropout": recipe.dropout,
            "batch": recipe.batch or usual_batch(self.rows["trained"]),
            "epochs": len(self.history),
            "kept_epoch": self.kept_epoch,
            "stopped": self.history.stopped,
        }


def usual_batch(rows: int) -> int:
    """How many rows make a step."""
    return 32 if rows < SMALL else 128


def usual_epochs(rows: int, batch: int) -> int:
    """How often all rows are gone through at most."""
    return min(max(STEPS // -(-rows // batch), FEWEST_EPOCHS), MOST_EPOCHS)


def loss_of(classes: bool, weight: Array | None = None) -> nn.Module:
    return nn.CrossEntropyLoss(weight=weight) if classes else nn.MSELoss()


def fit_table(table: Examples, recipe: Recipe | None = None, *, held: Examples | None = None) -> Fitted:
    r"""Train a network on a table with Adam, stop when rows that only watch say so, and judge it by rows held back.

    Rows are parted three ways before anything is learned from them: those that train settle means, categories and
    flags, about a tenth watches when to stop, and `recipe.share` judges; or `held` does, where it is given. With
    `recipe.refit` the network is trained again on all rows for as many epochs, after it was judged. After a Ctrl-C the
    best network so far is judged and given back, and `Fitted.interrupted` says which. A run that diverges
    raises `DivergenceError`; tables that cannot be split raise `ShapeError` or `DataError`.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> rows = [f"{i % 7},{i % 5},{3 * (i % 7) + i % 5}.5" for i in range(140)]
    >>> _ = Path("sums.csv").write_text("a,b,y\n" + "\n".join(rows) + "\n")
    >>> fitted = cr.training.fit_table(cr.data.read_table("sums.csv", target="y"), cr.training.Recipe(rate=0.02))
    >>> fitted.rows, fitted.judgement.numbers["r2"] > 0.9
    ({'trained': 92, 'watched': 20, 'held_out': 28}, True)
    """
    recipe = recipe or Recipe()
    everything = table
    if held is None:
        places, back = table.split(recipe.by).hold_out(share=recipe.share, seed=recipe.seed)
    else:
        places, back = np.arange(len(table)), np.empty(0, int)
    learned, watching = _watched(table, places, recipe)
    if held is None:
        train, watched, held = everything.parts(learned, watching, back, by=recipe.by)
    else:
        train, watched = everything.parts(learned, watching)
    warn_of(notes_on_features(train.x, train.targets, train.columns), "the rows that train")
    fitted = _trained(train, watched if len(watching) else None, held, recipe)
    if not recipe.refit or fitted.interrupted:
        return fitted
    (whole,) = everything.parts(np.arange(len(everything)), by=recipe.by)
    # More rows must not make another network of it than the one that was judged.
    hidden, batch = fitted.sizes[1:-1], fitted.training()["batch"]
    same = replace(recipe, layers=hidden, batch=batch, epochs=max(fitted.kept_epoch, 1))
    net, _, _, interrupted = _run(whole, None, same, stop=False)
    if interrupted:
        return replace(fitted, interrupted=JUDGED)
    return replace(
        fitted,
        net=net,
        columns=whole.columns,
        sizes=sizes_of(whole.columns, len(whole), hidden),
        refitted=len(whole),
    )


def _watched(table: Examples, places: Array, recipe: Recipe) -> tuple[Array, Array]:
    """The rows that train, and those by which it is seen when to stop."""
    count = len(places)
    if count < TOO_FEW:
        return places, places[:0]
    share = max(round(WATCHED * count), min(FEWEST_WATCHED, round(MOST_WATCHED * count))) / count
    try:
        kept, watching = table.split(recipe.by).part(places).hold_out(share=share, seed=recipe.seed)
    except ShapeError:
        # One group or one time cannot be parted.
        return places, places[:0]
    return places[kept], places[watching]


def _run(
    train: Examples, watched: Examples | None, recipe: Recipe, *, stop: bool = True
) -> tuple[nn.Sequential, History, int, str]:
    """A network that was trained, its history, the epoch whose weights it has, and which these are after a Ctrl-C."""
    assert train.y is not None
    sizes = sizes_of(train.columns, len(train), recipe.layers)
    net = network_of(sizes, train.columns, rng=np.random.default_rng(recipe.seed))
    stopping, interrupted = EarlyStopping(PATIENCE), ""
    settings: dict[str, Any] = {
        **training_of(train, recipe),
        "optimizer": optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
        if recipe.weight_decay
        else optim.Adam(net.parameters(), lr=recipe.rate),
        "validation": None if watched is None else (watched.x, watched.y),
        "callbacks": [stopping] if stop else [],
        "seed": recipe.seed,
        "progress": recipe.progress,
    }
    try:
        history = fit(with_dropout(net, recipe), train.x, train.y, **settings)
    except Interrupted as ended:
        history, best = ended.history, stopping.best_epoch
        interrupted = f"the weights of epoch {best}" if best else "the weights of the last step"
    if history.diverged:
        raise DivergenceError(history.stopped)
    if not all(np.isfinite(parameter.data).all() for parameter in net.parameters()):
        raise DivergenceError("the training diverged: weights became infinite or nan: try a smaller lr")
    _silence_untaught(net, train)
    return net.eval(), history, stopping.best_epoch if stop else len(history), interrupted


def training_of(train: Examples, recipe: Recipe) -> dict[str, Any]:
    """The loss, the epochs, the batches and the measure with which a table is learned, for `fit` and `sweep` alike."""
    classes = train.columns.task == "classification"
    batch = recipe.batch or usual_batch(len(train))
    return {
        "loss": loss_of(classes, class_weights(train) if classes and recipe.balanced else None),
        "epochs": recipe.epochs or usual_epochs(len(train), batch),
        "batch_size": batch,
        "metrics": [accuracy if classes else r2],
    }


def with_dropout(net: nn.Sequential, recipe: Recipe) -> nn.Module:
    """The same layers, with dropout after each activation while they learn."""
    if not recipe.dropout:
        return net
    steps: list[nn.Module] = []
    for i, step in enumerate(net):
        steps += [step, nn.Dropout(recipe.dropout, rng=recipe.seed + i)] if isinstance(step, nn.ReLU) else [step]
    return nn.Sequential(*steps)


def class_weights(table: Examples) -> Array:
    """A weight for each class with which all weigh the same: rows / (classes × rows of the class)."""
    counts = np.bincount(table.targets, minlength=len(table.columns.classes))
    return np.where(counts > 0, counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1)), 1.0)


def _silence_untaught(net: nn.Sequential, train: Examples) -> None:
    """A class that no row taught must not be predicted by a weight that was drawn."""
    if train.columns.task != "classification":
        return
    absent = np.bincount(train.targets, minlength=len(train.columns.classes)) == 0
    if absent.any():
        last: Any = list(net)[-1]
        last.weight.data[absent] = 0
        last.bias.data[absent] = NEVER
        names = ", ".join(repr(train.columns.classes[i]) for i in np.flatnonzero(absent))
        warnings.warn(
            f"the rows that are not held back: no row has the class {names}, so it is never predicted",
            DataWarning,
            stacklevel=2,
        )


def _trained(train: Examples, watched: Examples | None, held: Examples, recipe: Recipe) -> Fitted:
    """A network that was trained and judged."""
    assert train.y is not None
    count = len(train.columns.classes)
    if recipe.threshold is not None and count != 2:
        raise DataError(f"a threshold parts two classes, and {train.columns.target.name!r} has {count or 'none'}")
    if recipe.balanced and not count:
        raise DataError(f"balanced weights are of classes, and {train.columns.target.name!r} is a number")
    net, history, kept, interrupted = _run(train, watched, recipe)
    threshold = None
    if recipe.threshold is not None:
        seen = train if watched is None else watched
        positive = rarer_class(train.targets)
        if recipe.threshold == "auto":
            threshold = best_threshold(outputs_of(net, seen.x), seen.targets, positive)
        else:
            threshold = Threshold(positive, recipe.threshold)
    weights = class_weights(train) if count and recipe.balanced else None
    linear = fit_linear(for_linear(train.x, train.columns), train.y, classes=count, weights=weights)
    return Fitted(
        net=net,
        sizes=sizes_of(train.columns, len(train), recipe.layers),
        columns=train.columns,
        history=history,
        kept_epoch=kept,
        rows={"trained": len(train), "watched": 0 if watched is None else len(watched), "held_out": len(held)},
        judgement=judge(net, held, linear=linear, threshold=threshold, weighted=recipe.balanced),
        linear=linear,
        recipe=recipe,
        threshold=threshold,
        interrupted=interrupted,
    )


@dataclass(frozen=True)
class Spread:
    """What several splits of the same table gave: a judgement for each, and a table of mean and spread."""

    judgements: tuple[Judgement, ...]
    table: Table

    def plain(self) -> dict[str, Any]:
        """Mean, standard deviation, least and largest of each measure of each model, for JSON."""
        return {
            who: {
                name: dict(zip(("mean", "spread", "least", "largest"), _four(values), strict=True))
                for name, values in measures.items()
            }
            for who, measures in _collected(self.judgements).items()
        }

    def __repr__(self) -> str:
        return repr(self.table)


def cross_validate(
    table: Examples, recipe: Recipe | None = None, *, folds: int | None = None, seeds: int = 1
) -> Spread:
    r"""Train and judge on several splits of a table: each of some `folds`, or a share held back for each of `seeds`.

    With both, the folds are dealt anew for each seed. Every network is trained from the start, on encodings of its own
    rows. The spread is the standard deviation over the splits, which share rows: it shows how far one split can be
    trusted, and is no interval for the mean.

    Source: Y. Bengio and Y. Grandvalet, No unbiased estimator of the variance of k-fold cross-validation, 2004.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> rows = [f"{i % 7},{i % 5},{3 * (i % 7) + i % 5}.5" for i in range(60)]
    >>> _ = Path("sums.csv").write_text("a,b,y\n" + "\n".join(rows) + "\n")
    >>> table = cr.data.read_table("sums.csv", target="y")
    >>> len(cr.training.cross_validate(table, cr.training.Recipe(epochs=3), folds=4).judgements)
    4
    """
    recipe = recipe or Recipe()
    # What is unseen in some split is no news beside that each has its own rows.
    with warnings.catch_warnings(action="ignore", category=DataWarning):
        found: list[Judgement] = []
        for pieces in _splits(table, recipe, folds, seeds):
            fitted = _trained(*pieces)
            if fitted.interrupted:
                raise KeyboardInterrupt
            found.append(fitted.judgement)
    return Spread(tuple(found), _spread_table(found))


def _splits(
    table: Examples, recipe: Recipe, folds: int | None, seeds: int
) -> Iterator[tuple[Examples, Examples | None, Examples, Recipe]]:
    """What trains, watches and judges in each split, and the recipe with its seed."""
    for seed in range(recipe.seed, recipe.seed + seeds):
        one = replace(recipe, seed=seed, refit=False, progress=False)
        split = table.split(one.by)
        pairs = [split.hold_out(share=one.share, seed=seed)] if folds is None else split.folds(folds, seed=seed)
        for kept, back in pairs:
            learned, watching = _watched(table, kept, one)
            train, watched, held = table.parts(learned, watching, back, by=one.by)
            yield train, watched if len(watching) else None, held, one


def _collected(found: Sequence[Judgement]) -> dict[str, dict[str, list[float]]]:
    """The measures of every split, by model and name."""
    models = {"network": [one.numbers for one in found]}
    for name in ("linear", "constant"):
        models[name] = [one.details["baselines"][name] for one in found]
    return {who: {name: [one[name] for one in all_of] for name in all_of[0]} for who, all_of in models.items()}


def _four(values: Sequence[float]) -> tuple[float, float, float, float]:
    """Mean, standard deviation, least and largest of the numbers that are any."""
    given = np.array([value for value in values if np.isfinite(value)])
    if not len(given):
        return float("nan"), float("nan"), float("nan"), float("nan")
    # Equal numbers have a mean that may be rounded.
    spread = float(given.std(ddof=1)) if given.min() < given.max() else 0.0
    return float(given.mean()), spread, float(given.min()), float(given.max())


def _spread_table(found: Sequence[Judgement]) -> Table:
    heads = ("measure", "network", "from", "to", "linear model", "constant")
    collected = _collected(found)
    rows: list[tuple[str, ...]] = []
    for name, values in collected["network"].items():
        mean, spread, least, largest = _four(values)
        others = [_four(collected[who][name])[:2] for who in ("linear", "constant")]
        both = [f"{m:.3g} ± {s:.2g}" for m, s in [(mean, spread), *others]]
        rows.append((name.replace("_", " "), both[0], f"{least:.3g}", f"{largest:.3g}", *both[1:]))
    return Table(heads, tuple(rows), f"mean ± standard deviation over {len(found)} splits")
