"""Settings for a table's network, tried side by side on folds of the rows that it may learn from."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from chainrule.data.table import Table as Examples
from chainrule.errors import ChainruleError, DataError, DataWarning
from chainrule.nn.module import Module
from chainrule.optim import Adam, AdamW
from chainrule.training.fit_table import (
    PATIENCE,
    Recipe,
    training_of,
    with_dropout,
)
from chainrule.training.sweep import Run, Sweep, sweep
from chainrule.training.table_net import network_of, sizes_of

FIELDS = {
    "lr": "rate",
    "layers": "layers",
    "epochs": "epochs",
    "batch": "batch",
    "weight-decay": "weight_decay",
    "dropout": "dropout",
}
"""What may be tried, as it is typed, and what a recipe calls it."""
OF_SWEEP = {"weight-decay": "weight_decay", "batch": "batch_size"}
"""What `sweep` calls some of them."""
WHOLE = ("epochs", "batch")
VALUES = 5
"""How many values a span has unless it is told."""
SPAN = re.compile(r"([^./]+(?:\.\d+)?(?:e[+-]?\d+)?)\.\.([^/]+)(?:/(\d+))?")
MOST_SETTINGS = 10_000


class Found(NamedTuple):
    """The recipe with the best settings, and all that were tried."""

    recipe: Recipe
    sweep: Sweep


def sweep_table(
    table: Examples,
    grid: Mapping[str, Sequence[Any]],
    recipe: Recipe | None = None,
    *,
    folds: int = 5,
    n_jobs: int = 1,
    progress: bool = False,
) -> Found:
    r"""Try settings of a network for a table, each on folds of its rows, and give the recipe with the best.

    `grid` has the values to try by name: lr, layers (tuples of widths), epochs, batch, weight-decay, dropout; whatever
    else comes from `recipe`. Rows that `recipe` holds back to judge by take no part, so `fit_table` with the recipe
    found judges on rows that chose nothing. Every fold encodes its own rows, its networks train side by side, stop
    when the loss on the rows left out has not got better for some epochs, and are ranked by its mean.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> rows = [f"{i % 7},{i % 5},{3 * (i % 7) + i % 5}.5" for i in range(60)]
    >>> _ = Path("sums.csv").write_text("a,b,y\n" + "\n".join(rows) + "\n")
    >>> table = cr.data.read_table("sums.csv", target="y")
    >>> grid = {"lr": [1e-6, 0.03], "layers": [(), (8,)]}
    >>> found = cr.training.sweep_table(table, grid, cr.training.Recipe(epochs=20), folds=3)
    >>> found.recipe.rate, len(found.sweep.runs)
    (0.03, 12)
    """
    recipe = recipe or Recipe()
    unknown = [name for name in grid if name not in FIELDS]
    if unknown:
        raise ChainruleError(f"a table's sweep tries {', '.join(FIELDS)}, not {', '.join(unknown)}")
    split = table.split(recipe.by)
    learned, _ = split.hold_out(share=recipe.share, seed=recipe.seed)
    runs: list[Run] = []
    alone: Counter[str] = Counter()
    # What is unseen in some fold is no news beside that each has its own rows.
    with warnings.catch_warnings(action="ignore", category=DataWarning):
        for fold, (kept, back) in enumerate(split.part(learned).folds(folds, seed=recipe.seed)):
            train, judged_by = table.parts(learned[kept], learned[back], by=recipe.by)
            found = of_fold(train, judged_by, grid, recipe, n_jobs=n_jobs, progress=progress)
            runs += [run._replace(fold=fold, settings=as_typed(run.settings, grid)) for run in found.runs]
            alone.update(found.alone)
    together = Sweep(runs, "val_loss", least=True, alone=alone)
    best = {FIELDS[name]: held for name, held in together.best.items()}
    return Found(replace(recipe, **best), together)


def of_fold(
    train: Examples,
    judged_by: Examples,
    grid: Mapping[str, Sequence[Any]],
    recipe: Recipe,
    *,
    n_jobs: int,
    progress: bool,
) -> Sweep:
    if train.y is None or judged_by.y is None:
        raise DataError("a sweep needs a table with targets, and this has none")

    def build(seed: int, layers: tuple[int, ...] | None = recipe.layers, dropout: float = recipe.dropout) -> Module:
        sizes = sizes_of(train.columns, len(train), layers)
        net = network_of(sizes, train.columns, rng=np.random.default_rng(seed))
        return with_dropout(net, replace(recipe, dropout=dropout, seed=seed))

    decays = "weight-decay" in grid or recipe.weight_decay
    tried: dict[str, Sequence[Any]] = {"lr": [recipe.rate]}
    if decays:
        tried["weight_decay"] = [recipe.weight_decay]
    return sweep(
        build,
        tried | {OF_SWEEP.get(name, name): held for name, held in grid.items()},
        (train.x, train.y),
        validation=(judged_by.x, judged_by.y),
        optimizer=AdamW if decays else Adam,
        seeds=[recipe.seed],
        patience=PATIENCE,
        n_jobs=n_jobs,
        progress=progress,
        **training_of(train, recipe),
    )


def as_typed(settings: Mapping[str, Any], grid: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run that were tried, by the names that they are typed by."""
    return {name: settings[OF_SWEEP.get(name, name)] for name in grid}


def grid_of(text: str) -> dict[str, list[Any]]:
    """The settings to try as they are typed: ``lr=0.001..0.1 layers=16|32,16 batch=16|64``.

    Values stand between bars. A span, ``0.001..0.1`` or ``0.001..0.1/7``, has five values or so many: evenly spaced on
    a logarithmic scale where both ends are positive and ten times apart, and else evenly. Raises ChainruleError for
    what cannot be read.

    >>> from chainrule.training.sweep_table import grid_of
    >>> grid_of("lr=0.001..0.1/3 layers=16|32,16|none")
    {'lr': [0.001, 0.01, 0.1], 'layers': [(16,), (32, 16), ()]}
    """
    grid: dict[str, list[Any]] = {}
    for part in text.split():
        name, sign, values = part.partition("=")
        name = name.replace("_", "-")
        if not sign or name not in FIELDS:
            raise ChainruleError(
                f"{part!r} is no setting to try: write name=value|value or name=least..most, where name is one of "
                f"{', '.join(FIELDS)}"
            )
        if name in grid:
            raise ChainruleError(f"{name} stands twice: write all its values between bars, as {name}=value|value")
        given = [held for one in values.split("|") for held in values_of(name, one)]
        grid[name] = [*dict.fromkeys(given)]
    if not grid:
        raise ChainruleError('nothing to try: write settings as "lr=0.001..0.1 layers=16|32,16"')
    if math.prod(map(len, grid.values())) > MOST_SETTINGS:
        raise ChainruleError(
            f"these are {math.prod(map(len, grid.values())):,} settings, and {MOST_SETTINGS:,} are tried at most: give "
            "fewer values"
        )
    return grid


def values_of(name: str, text: str) -> list[Any]:
    """One value, or those of a span."""
    if name == "layers":
        parts = [] if text == "none" else text.split(",")
        if not all([part.isdecimal() and int(part) > 0 for part in parts]):
            raise ChainruleError(f"layers={text}: widths are whole numbers, as 32,16, or none")
        return [tuple(map(int, parts))]
    span = SPAN.fullmatch(text)
    if span is None:
        return [number_of(name, text)]
    least, most, count = number_of(name, span[1]), number_of(name, span[2]), int(span[3] or VALUES)
    if not (2 <= count <= MOST_SETTINGS and least < most):
        raise ChainruleError(f"{name}={text}: a span goes up and has from 2 to {MOST_SETTINGS:,} values")
    shares = [i / (count - 1) for i in range(count)]
    if 0 < least <= most / 10:
        spaced = [least * (most / least) ** share for share in shares]
    else:
        spaced = [least + (most - least) * share for share in shares]
    return [round(held) if name in WHOLE else float(f"{held:.6g}") for held in spaced]


def number_of(name: str, text: str) -> Any:
    try:
        number = int(text) if name in WHOLE else float(text)
    except ValueError:
        kind = "a whole number" if name in WHOLE else "a number"
        raise ChainruleError(f"{name}={text}: {name} is {kind}") from None
    least, open_end = (1, False) if name in WHOLE else (0, name == "lr")
    if not math.isfinite(number) or number < least or (open_end and number == 0) or (name == "dropout" and number >= 1):
        raise ChainruleError(f"{name}={text}: {name} cannot be that")
    return number
