"""How good a trained network is on examples: a confusion matrix for classes, a table of residuals for numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from chainrule import nn
from chainrule.cli.examples import Examples
from chainrule.data.columns import Columns, Numbers
from chainrule.training import Table, accuracy, mean_absolute_error, r2

Array = NDArray[Any]
PORTION = 1024
"""Rows that a network is run on at a time."""
MOST_CLASSES = 12
"""Of more classes the matrix is too wide to read, and the most frequent mistakes are listed."""
LISTED = 10
"""Mistakes that are listed."""
FARTHEST = 5
"""Residuals that are listed."""
DIGITS = 7
"""That float32 holds of a target's deviation, and so of what a network says of it."""


@dataclass(frozen=True)
class Judgement:
    """What a network was found to be worth: a sentence, a table, and all of it as plain data."""

    headline: str
    title: str
    table: Table
    numbers: dict[str, float]
    """The measures by name: accuracy, or r2, rmse and mean_absolute_error."""
    details: dict[str, Any]

    def plain(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**self.numbers, **self.details}


def outputs_of(net: nn.Sequential, x: Array) -> Array:
    """What the network says of every example, without a trace; shape (rows, outputs)."""
    with cr.no_grad():
        return np.concatenate([net(x[start : start + PORTION]).data for start in range(0, len(x), PORTION)])


def judge(net: nn.Sequential, examples: Examples) -> Judgement:
    """Compare what the network says with what is so."""
    right = examples.targets
    outputs = outputs_of(net, examples.x)
    if examples.columns.task == "classification":
        return judged_classes(outputs, right, examples.columns)
    return judged_numbers(outputs, right, examples)


def judged_classes(outputs: Array, right: Array, columns: Columns) -> Judgement:
    """The confusion matrix: how often each class was taken for each."""
    names = [str(name) for name in columns.classes]
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (right, outputs.argmax(axis=1)), 1)
    share = accuracy(outputs, right)
    actual = counts.sum(axis=1)
    common = int(actual.argmax())
    baseline = float(actual[common] / len(right))
    headline = f"accuracy {share:.3f} (to say {names[common]!r} every time: {baseline:.3f})"
    if len(names) <= MOST_CLASSES:
        title = "confusion matrix (rows: what it is; columns: what the network says)"
        table = Table(("", *names, "right"), tuple(confusion_rows(names, counts)))
    else:
        title = "the most frequent mistakes"
        table = Table(("it is", "the network says", "times"), tuple(mistakes(names, counts)))
    details = {"baseline": baseline, "classes": list(columns.classes), "confusion": counts.tolist()}
    return Judgement(headline, title, table, {"accuracy": share}, details)


def confusion_rows(names: list[str], counts: Array) -> Iterator[tuple[Any, ...]]:
    """A row for each class, with the share that was right."""
    for i, name in enumerate(names):
        total = int(counts[i].sum())
        yield (name, *counts[i].tolist(), f"{counts[i, i] / total:.3f}" if total else "")


def mistakes(names: list[str], counts: Array) -> Iterator[tuple[Any, ...]]:
    """The pairs of classes that were mixed up most often."""
    wrong = counts * (1 - np.eye(len(names), dtype=int))
    for place in np.argsort(-wrong, axis=None, kind="stable")[:LISTED].tolist():
        i, j = divmod(place, len(names))
        if wrong[i, j]:
            yield names[i], names[j], int(wrong[i, j])


def judged_numbers(outputs: Array, right: Array, examples: Examples) -> Judgement:
    """How far the network is off, in the target's own unit."""
    columns = examples.columns
    unit = scale_of(columns) if columns.standardized else 1.0
    # In the network's own unit squares neither overflow nor vanish, however large or small the target is.
    outputs, right = outputs.astype(float).reshape(-1), right.astype(float).reshape(-1)
    said, actual, residuals = columns.decode(outputs), columns.decode(right), (right - outputs) * unit
    numbers = {
        "r2": r2(outputs, right),
        "rmse": float(np.sqrt(np.mean(np.square(right - outputs)))) * unit,
        "mean_absolute_error": mean_absolute_error(outputs, right) * unit,
    }
    baseline = float(right.std()) * unit
    headline = (
        f"R² {numbers['r2']:.3f}, RMSE {numbers['rmse']:.4g} (to say the mean every time: R² 0, RMSE {baseline:.4g})"
    )
    farthest = np.argsort(-np.abs(residuals), kind="stable")[:FARTHEST]
    names = ("row", "actual", "predicted", "residual")
    rows = [(int(examples.rows[i]), float(actual[i]), float(said[i]), float(residuals[i])) for i in farthest.tolist()]
    # A decimal is shown with all of its digits; a float with six, which may be too few to tell two rows apart.
    shown = tuple(
        (row, *[Decimal(written(number, columns)) for number in (is_so, said_so)], residual)
        for row, is_so, said_so, residual in rows
    )
    quarters = [float(x) for x in np.quantile(residuals, [0, 0.25, 0.5, 0.75, 1])]
    note = f"half of all residuals lie between {quarters[1]:.4g} and {quarters[3]:.4g}"
    details = {
        "baseline": baseline,
        "residuals": dict(zip(("least", "lower_quarter", "middle", "upper_quarter", "largest"), quarters, strict=True)),
        "farthest": [dict(zip(names, row, strict=True)) for row in rows],
    }
    title = "residuals (actual - predicted), the largest first"
    return Judgement(headline, title, Table(names, shown, note), numbers, details)


def written(number: float, columns: Columns) -> str:
    """A number of the target's kind: its digits end where those of the deviation do, wherever its own begin."""
    places = DIGITS - 1 - math.floor(math.log10(scale_of(columns)))
    return repr(round(number, places)).removesuffix(".0")


def scale_of(columns: Columns) -> float:
    """The deviation of a target of numbers."""
    return columns.target.scale if isinstance(columns.target, Numbers) else 1.0
