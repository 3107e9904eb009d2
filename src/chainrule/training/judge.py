"""How good a network is on a table: measures beside those of trivial and linear models, and a verdict in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from chainrule.core.state import no_grad
from chainrule.core.tensor import Tensor
from chainrule.data.columns import Columns, Numbers
from chainrule.data.table import Table as Examples
from chainrule.kinds import Array
from chainrule.table import Table
from chainrule.training.linear import Linear
from chainrule.training.metrics import accuracy, balanced_accuracy, confusion_matrix, precision_recall_f1, roc_auc
from chainrule.training.table_net import for_linear

PORTION = 1024
"""Rows that a network is run on at a time."""
MOST_CLASSES, MOST_SCORED = 12, 6
"""Of more classes the matrix is too wide to read, and the most frequent mistakes are listed; of more than the second,
too wide to have precision, recall and F1 beside it."""
LISTED = 10
"""Mistakes that are listed."""
FARTHEST = 5
"""Residuals that are listed."""
DIGITS = 7
"""That float32 holds of a target's deviation, and so of what a network says of it."""
MOST_TOLD, LEAST_TOLD = 5, 3
"""Of so many classes each is told of in a line; of more, so many of which least was found."""
FEWEST_MISSED = 3
"""Rows of a class from which on it is a warning that none was found."""
WRITTEN_OUT = 1e9
"""Numbers from here on are written with a power of ten."""
WEIGHED, MOVED = "try balanced=True", "try threshold='auto'"
IMBALANCED = 4
"""A class that has so many times fewer rows than the largest is rare."""
CLEARLY = 2.0
"""Standard errors by which a network must be better than a constant, to be so for more than by chance."""
BINS = 9
LINEAR = "linear model"
UNFINISHED = f"{LINEAR} (not converged)"


@dataclass(frozen=True)
class Judgement:
    """What a network was found to be worth on some rows.

    `warning` says in words that it is no better than a constant, or is empty; `measures` has a row for the network, the
    linear model and the best constant; `table` is the confusion matrix, or the largest residuals, under its `title`;
    `numbers` are the network's measures by name, and `details` all else, as plain data.
    """

    warning: str
    measures: Table
    title: str
    table: Table
    numbers: dict[str, float]
    details: dict[str, Any]
    short: str = ""
    """What it found, or how far it is off, in a line."""
    advice: str = ""
    """What is worth a try where classes are rare, and was not done."""
    more: tuple[tuple[str, Table], ...] = field(default=())
    """Tables for who wants to know more, each with its title."""

    def plain(self) -> dict[str, Any]:
        return {**self.numbers, **self.details, "warning": self.warning}

    def parts(self) -> Iterator[str | Table]:
        """All that it holds, texts and tables in their order, but for the warning."""
        yield self.measures
        if rare := self.details.get("imbalanced"):
            advice = f"; {self.advice}" if self.advice else ""
            yield f"rare: {', '.join(map(str, rare))}; look at balanced accuracy{advice}"
        for title, table in ((self.title, self.table), *self.more):
            yield f"\n{title}"
            yield table

    def __repr__(self) -> str:
        return "\n".join(
            [*([self.warning] if self.warning else []), repr(self.measures), "", self.title, repr(self.table)]
        )


def outputs_of(net: Callable[[Array], Any], x: Array) -> Array:
    """What a network says of every example, without a trace; shape (rows, outputs)."""
    with no_grad():
        found = [net(x[start : start + PORTION]) for start in range(0, len(x), PORTION)]
    return np.concatenate([out.data if isinstance(out, Tensor) else np.asarray(out) for out in found])


def probabilities_of(outputs: Array) -> Array:
    """The softmax of scores, shape (rows, classes), float64."""
    raised = np.exp(outputs.astype(float) - outputs.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Threshold:
    """From which probability on the class of number `positive` is said, of two."""

    positive: int
    least: float

    def classes(self, outputs: Array) -> Array:
        """The number of the class that is said of each row."""
        return np.where(probabilities_of(outputs)[:, self.positive] >= self.least, self.positive, 1 - self.positive)


def said_classes(outputs: Array, threshold: Threshold | None) -> Array:
    """The number of the class that is said of each row: the most probable, or as the threshold has it."""
    return outputs.argmax(axis=1) if threshold is None else threshold.classes(outputs)


def best_threshold(outputs: Array, right: Array, positive: int) -> Threshold:
    """The threshold with the best balanced accuracy on these rows, halfway to the next probability."""
    share = probabilities_of(outputs)[:, positive]
    values = np.unique(share)
    cuts = np.concatenate([[values[0]], (values[1:] + values[:-1]) / 2])
    found = np.sort(share[right == positive])
    other = np.sort(share[right != positive])
    if not len(found) or not len(other):
        return Threshold(positive, 0.5)
    recalls = 1 - np.searchsorted(found, cuts) / len(found) + np.searchsorted(other, cuts) / len(other)
    return Threshold(positive, float(cuts[int(recalls.argmax())]))


def rarer_class(y: Array) -> int:
    """The number of the class of two that has fewer rows; the second, if both have as many."""
    counts = np.bincount(y, minlength=2)
    return 0 if counts[0] < counts[1] else 1


def judge(
    net: Callable[[Array], Any],
    table: Examples,
    *,
    linear: Linear | None = None,
    threshold: Threshold | None = None,
    weighted: bool = False,
) -> Judgement:
    """Judge a network on the rows of a table, beside the best constant and, where given, a linear model.

    `net` takes features of shape (rows, features); `linear` is what `fit_linear` gave for the rows it learned from.
    With `threshold`, or `weighted` classes, it is balanced accuracy that must be better than a constant's. A table
    without targets raises `DataError`.

    >>> import numpy as np, chainrule as cr
    >>> columns = cr.data.Columns((), cr.data.columns.Categories("y", ("no", "yes")))
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    >>> table = cr.data.Table(x, np.array([0, 1, 1, 1]), columns, np.arange(4))
    >>> cr.training.judge(lambda x: x, table).numbers["accuracy"]
    0.75
    """
    right = table.targets
    outputs = outputs_of(net, table.x)
    beside = None if linear is None else linear(for_linear(table.x, table.columns))
    if table.columns.task == "classification":
        judgement = _judged_classes(outputs, beside, right, table.columns, threshold, weighted)
    else:
        judgement = _judged_numbers(outputs, beside, right, table)
    return judgement if linear is None or linear.converged else _with_doubt(judgement)


def _with_doubt(judgement: Judgement) -> Judgement:
    """The same, where the linear model could be better: what it may cost did not suffice to find the best."""
    rows = tuple((UNFINISHED, *row[1:]) if row[0] == LINEAR else row for row in judgement.measures.rows)
    details = {**judgement.details, "linear_converged": False}
    return replace(judgement, measures=replace(judgement.measures, rows=rows), details=details)


def _judged_classes(
    outputs: Array, beside: Array | None, right: Array, columns: Columns, threshold: Threshold | None, weighted: bool
) -> Judgement:
    names = [str(name) for name in columns.classes]
    said = said_classes(outputs, threshold)
    counts = confusion_matrix(np.eye(len(names))[said], right)
    actual = counts.sum(axis=1)
    common = int(actual.argmax())
    always = np.eye(len(names))[np.full(len(right), common)]
    numbers = _measures_of_classes(outputs, said, right)
    others = {"constant": _measures_of_classes(always, always.argmax(1), right)}
    if beside is not None:
        others["linear"] = _measures_of_classes(beside, beside.argmax(1), right)
    precision, recall, f1 = precision_recall_f1(np.eye(len(names))[said], right)
    each = [
        {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
        for name, p, r, f, n in zip(columns.classes, precision, recall, f1, actual, strict=True)
    ]
    rare = [i for i, n in enumerate(actual) if 0 < n * IMBALANCED <= actual[common]]
    by_class = weighted or threshold is not None
    hits = (said == right).astype(float) - (right == common)
    weights = len(right) / (np.count_nonzero(actual) * actual[right]) if by_class else np.ones(len(right))
    what = "balanced accuracy" if by_class else "accuracy"
    measure = what.replace(" ", "_")
    warning = _verdict(
        hits * weights, f"to say {names[common]!r} every time", what, numbers[measure], others["constant"][measure]
    )
    missed = [f"{names[i]!r}: 0 of {n} found" for i, n in enumerate(actual) if n >= FEWEST_MISSED and not counts[i, i]]
    if missed:
        warning = "; ".join([*([warning] if warning else []), *missed[:3]])
    details = {
        "baseline": float(actual[common] / len(right)),
        "baselines": others,
        "better_than_baseline": not warning or not warning.startswith("no"),
        "imbalanced": [columns.classes[i] for i in rare],
        "classes": list(columns.classes),
        "confusion": counts.tolist(),
        "per_class": each,
        **(
            {} if threshold is None else {"threshold": threshold.least, "positive": columns.classes[threshold.positive]}
        ),
    }
    rows = [("network", numbers), *([(LINEAR, others["linear"])] if beside is not None else [])]
    measures = _measures_table([*rows, (f"always {names[common]!r}", others["constant"])])
    scores = list(zip(precision, recall, f1, strict=True))
    if len(names) <= MOST_CLASSES:
        title = "confusion matrix (rows: what it is; columns: what the network says)"
        scored = len(names) <= MOST_SCORED
        heads = ("", *names, *(("precision", "recall", "F1") if scored else ("recall",)))
        ends = [_three(score if scored else score[1:2]) for score in scores]
        table = Table(heads, tuple((name, *counts[i].tolist(), *ends[i]) for i, name in enumerate(names)))
    else:
        title = "the most frequent mistakes"
        table = Table(("it is", "the network says", "times"), tuple(_mistakes(names, counts)))
    more = [("calibration: of what is said to be so probable, so much is right", _calibration(outputs, right))]
    if len(names) > MOST_SCORED:
        rows_of = tuple((name, int(actual[i]), *_three(scores[i])) for i, name in enumerate(names))
        more.insert(0, ("each class", Table(("class", "rows", "precision", "recall", "F1"), rows_of)))
    advice = _advice(len(names), weighted, threshold) if rare else ""
    found = _found(names, counts, rare, advice)
    return Judgement(warning, measures, title, table, numbers, details, found, advice, tuple(more))


def _advice(classes: int, weighted: bool, threshold: Threshold | None) -> str:
    """What more may be done for rare classes."""
    if not weighted:
        return WEIGHED
    return MOVED if classes == 2 and threshold is None else ""


def _found(names: Sequence[str], counts: Array, rare: Sequence[int], advice: str) -> str:
    """How many rows of each class were found; of many classes, those of which least was."""
    actual = counts.sum(axis=1)
    there: list[int] = np.flatnonzero(actual).tolist()
    shares = np.diag(counts)[there] / actual[there]
    few = len(there) <= MOST_TOLD
    least: list[int] = np.argsort(shares, kind="stable")[:LEAST_TOLD].tolist()
    told = there if few else [there[i] for i in least]
    words = ", ".join(f"{names[i]}: {counts[i, i]:,} of {actual[i]:,}" for i in told)
    which = ", ".join(names[i] for i in rare[:LEAST_TOLD]) + ", …" * (len(rare) > LEAST_TOLD)
    beside = "; ".join([f"rare: {which}", *([advice] if advice else [])])
    return f"found {'of each class' if few else 'least of'}: {words}{f' ({beside})' if rare else ''}"


def _measures_of_classes(outputs: Array, said: Array, right: Array) -> dict[str, float]:
    hot = np.eye(outputs.shape[1])[said]
    found = {"accuracy": accuracy(hot, right), "balanced_accuracy": balanced_accuracy(hot, right)}
    _, _, f1 = precision_recall_f1(hot, right)
    found["macro_f1"] = float(f1.mean())
    if outputs.shape[1] == 2:
        found["auc"] = roc_auc(outputs, right)
    return found


def _verdict(gains: Array, constant: str, what: str, reached: float, other: float) -> str:
    """Whether the rows show that a network is better than a constant; what each row adds to that is its gain."""
    mean = float(gains.mean())
    if not mean > 0:
        return f"no better than {constant}: {what} {reached:.3f}, and {other:.3f}"
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else math.inf
    if mean < CLEARLY * error:
        return (
            f"not clearly better than {constant}: {what} {reached:.3f}, and {other:.3f}, may be chance on "
            f"{len(gains):,} rows"
        )
    return ""


def _measures_table(rows: Sequence[tuple[str, dict[str, float]]]) -> Table:
    heads = {
        "accuracy": "accuracy",
        "balanced_accuracy": "balanced",
        "macro_f1": "mean F1",
        "auc": "AUC",
        "r2": "R²",
        "rmse": "RMSE",
        "mean_absolute_error": "mean |error|",
    }
    names = list(rows[0][1])
    return Table(("", *[heads[name] for name in names]), tuple((who, *_shown(held, names)) for who, held in rows))


def _shown(held: dict[str, float], names: Sequence[str]) -> Iterator[Any]:
    """Shares with three digits behind the point, numbers of the target's unit with four in all."""
    for name in names:
        yield _four(held[name]) if name in ("rmse", "mean_absolute_error") else Decimal(f"{held[name]:.3f}")


def _four(number: float) -> Decimal:
    """Four digits of a number, written out unless that would be long."""
    rounded = Decimal(f"{number:.4g}")
    return Decimal(format(rounded, "f")) if math.isfinite(number) and 1e-4 <= abs(number) < WRITTEN_OUT else rounded


def _three(numbers: Sequence[float]) -> list[Decimal]:
    return [Decimal(f"{number:.3f}") for number in numbers]


def _mistakes(names: list[str], counts: Array) -> Iterator[tuple[Any, ...]]:
    """The pairs of classes that were mixed up most often."""
    wrong = counts * (1 - np.eye(len(names), dtype=int))
    for place in np.argsort(-wrong, axis=None, kind="stable")[:LISTED].tolist():
        i, j = divmod(place, len(names))
        if wrong[i, j]:
            yield names[i], names[j], int(wrong[i, j])


def _calibration(outputs: Array, right: Array) -> Table:
    """The probability of what was said beside the share of it that is right, by fifths of the probability."""
    shares = probabilities_of(outputs)
    sure, hit = shares.max(axis=1), shares.argmax(axis=1) == right
    fifth = np.minimum((sure * 5).astype(int), 4)
    rows = tuple(
        (
            f"{n / 5:.1f} to {(n + 1) / 5:.1f}",
            int((fifth == n).sum()),
            *_three([sure[fifth == n].mean(), hit[fifth == n].mean()]),
        )
        for n in range(5)
        if (fifth == n).any()
    )
    off: Array = np.square(shares - np.eye(shares.shape[1])[right])
    brier = float(off.sum(axis=1).mean())
    return Table(("probability", "rows", "mean probability", "right"), rows, f"Brier score {brier:.4f}: 0 is best")


def _judged_numbers(outputs: Array, beside: Array | None, right: Array, table: Examples) -> Judgement:
    """How far the network is off, in the target's own unit."""
    columns = table.columns
    said: Array = columns.decode(outputs)
    mean = float(right.mean())
    numbers = _measures_of_numbers(said, right)
    others = {"constant": _measures_of_numbers(np.full_like(right, mean), right)}
    if beside is not None:
        others["linear"] = _measures_of_numbers(columns.decode(beside), right)
    # Squares of very large and very small numbers would overflow or vanish.
    unit = _unit(right)
    gains = np.square((right - mean) / unit) - np.square((right - said) / unit)
    warning = _verdict(gains, "to say the mean every time", "R²", numbers["r2"], others["constant"]["r2"])
    residuals: Array = right - said
    farthest: list[int] = np.argsort(-np.abs(residuals), kind="stable")[:FARTHEST].tolist()
    names = ("row", "actual", "predicted", "residual")
    actual = table.actual
    # What is so is the file's own text; what is said has as many digits as tell two rows apart.
    shown: tuple[tuple[Any, ...], ...] = tuple(
        (int(table.rows[i]), _own(actual[i]), Decimal(written(float(said[i]), columns)), float(residuals[i]))
        for i in farthest
    )
    quarters = [float(x) for x in np.quantile(residuals, [0, 0.25, 0.5, 0.75, 1])]
    note = f"half of all residuals lie between {_four(quarters[1])} and {_four(quarters[3])}"
    details = {
        "baseline": others["constant"]["rmse"],
        "baselines": others,
        "better_than_baseline": not warning.startswith("no"),
        "residuals": dict(zip(("least", "lower_quarter", "middle", "upper_quarter", "largest"), quarters, strict=True)),
        "farthest": [
            dict(zip(names, (int(table.rows[i]), *map(float, (right[i], said[i], residuals[i]))), strict=True))
            for i in farthest
        ],
    }
    rows = [("network", numbers), *([(LINEAR, others["linear"])] if beside is not None else [])]
    measures = _measures_table([*rows, ("always the mean", others["constant"])])
    title = "residuals (actual - predicted), the largest first"
    more = (("all residuals (actual - predicted)", _histogram(residuals)),)
    row, so, said_so, _ = shown[0]
    short = f"farthest off is row {row}: {so}, and it says {said_so}"
    return Judgement(warning, measures, title, Table(names, shown, note), numbers, details, short, more=more)


def _own(text: str) -> Decimal | str:
    """A number as the file has it, to its last digit."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _unit(numbers: Array) -> float:
    """A power of two of the size of the largest."""
    largest = float(np.abs(numbers).max())
    return 2.0 ** (math.frexp(largest)[1] - 1) if 0 < largest < math.inf else 1.0


def _measures_of_numbers(said: Array, right: Array) -> dict[str, float]:
    unit = _unit(right)
    off = (right - said) / unit
    # Shifted by their mean first, numbers far from 0 lose no digits.
    centred = right / unit - np.mean(right / unit)
    left, whole = float(np.mean(np.square(off))), float(np.mean(np.square(centred)))
    share = 1 - left / whole if whole else float(left == 0)
    return {
        "r2": share,
        "rmse": math.sqrt(left) * unit if math.isfinite(left) else left,
        "mean_absolute_error": float(np.mean(np.abs(off))) * unit,
    }


def _histogram(residuals: Array) -> Table:
    """How many residuals lie where, as a small picture."""
    finite = residuals[np.isfinite(residuals)]
    counts, edges = np.histogram(finite, bins=BINS)
    longest = max(int(counts.max()), 1)
    rows = tuple(
        (f"{edges[i]:.4g} to {edges[i + 1]:.4g}", int(n), "#" * round(40 * n / longest)) for i, n in enumerate(counts)
    )
    return Table(("residual", "rows", ""), rows)


def written(number: float, columns: Columns) -> str:
    """A number of the target's kind: its digits end where those of the deviation do, wherever its own begin."""
    scale = columns.target.scale if isinstance(columns.target, Numbers) else 1.0
    if isinstance(columns.target, Numbers) and columns.target.log:
        return f"{number:.{DIGITS}g}"
    places = DIGITS - 1 - math.floor(math.log10(scale))
    return repr(round(float(number), places)).removesuffix(".0")
