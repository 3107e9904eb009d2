"""Which inputs mattered: for a network on a whole table, and for what it says of one row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.data.columns import Column, Dates, Numbers
from chainrule.data.table import Table as Examples
from chainrule.errors import ShapeError
from chainrule.kinds import Array
from chainrule.nn.module import Module
from chainrule.rules.composed import logsumexp
from chainrule.table import Table
from chainrule.training.judge import outputs_of, probabilities_of
from chainrule.training.metrics import balanced_accuracy, r2


def permutation_importance(net: Module, table: Examples, *, repeats: int = 10, seed: int = 0) -> Table:
    r"""How much worse a network becomes when one column at a time is shuffled between the rows; the largest first.

    For classes it is what balanced accuracy loses, for numbers what R² loses; `spread` is the standard deviation over
    the `repeats`. All features of a column move together. A column of no use loses about 0; two columns that tell
    the same may both lose little, as the other one is still there. Takes columns × repeats runs over the rows.

    Source: L. Breiman, Random forests, 2001; A. Fisher et al., All models are wrong, but many are useful, 2019.

    >>> import numpy as np, chainrule as cr
    >>> from pathlib import Path
    >>> rows = [f"{i % 7},{i % 5},{3 * (i % 7)}.5" for i in range(70)]
    >>> _ = Path("sums.csv").write_text("a,b,y\n" + "\n".join(rows) + "\n")
    >>> table = cr.data.read_table("sums.csv", target="y")
    >>> net = cr.nn.Linear(2, 1)
    >>> net.load_state_dict({"weight": np.array([[1.0, 0.0]]), "bias": np.array([0.0])})
    >>> cr.training.permutation_importance(net, table)["column"]
    ['a', 'b']
    """
    if repeats < 1:
        raise ShapeError(f"permutation_importance: repeats is at least 1, not {repeats}")
    classes = table.columns.task == "classification"
    right = table.y if table.y is not None else table.targets
    measure = balanced_accuracy if classes else r2
    whole = measure(outputs_of(net, table.x), right)
    draw = np.random.default_rng(seed)
    found: list[tuple[Any, ...]] = []
    for column, places in blocks(table):
        losses: list[float] = []
        for _ in range(repeats):
            mixed = table.x.copy()
            mixed[:, places] = mixed[draw.permutation(len(mixed)), places]
            losses.append(whole - measure(outputs_of(net, mixed), right))
        found.append((column.name, float(np.mean(losses)), float(np.std(losses))))
    found.sort(key=lambda row: -row[1])
    what = "balanced accuracy" if classes else "R²"
    return Table(("column", "loses", "spread"), tuple(found), f"{what} is {whole:.3f} with all columns as they are")


def blocks(table: Examples) -> Iterator[tuple[Column, slice]]:
    """Each column with the places of its features."""
    place = 0
    for column in table.columns.features:
        width = len(column.feature_names)
        yield column, slice(place, place + width)
        place += width


def input_effects(net: Module, table: Examples, place: int = 0) -> Table:
    r"""Which inputs moved what a network says of one row, gradient × input; the largest first.

    For numbers it is the prediction in its unit that is differentiated, for classes the log-odds of the class that is
    said. `slope` is how it changes for one more unit of the column; `effect` is the slope times the distance of the
    value from the mean of the rows learned from, and for a category its own share. To first order, effects add up to
    how the prediction differs from that of a mean row without any category. `place` counts the table's rows from 0.

    Source: A. Shrikumar et al., Not just a black box: learning important features through propagating activation
    differences, 2016.

    >>> import numpy as np, chainrule as cr
    >>> from pathlib import Path
    >>> _ = Path("sums.csv").write_text("a,b,y\n1,1,3.5\n3,1,7.5\n1,3,3.5\n3,3,7.5\n")
    >>> net = cr.nn.Linear(2, 1)
    >>> net.load_state_dict({"weight": np.array([[1.0, 0.0]]), "bias": np.array([0.0])})
    >>> cr.training.input_effects(net, cr.data.read_table("sums.csv", target="y"))
    column  value  slope  effect
    a       1          2      -2
    b       1          0       0
    it predicts 3.5
    """
    if not 0 <= place < len(table):
        raise ShapeError(f"input_effects: the table has {len(table)} rows, counted from 0, and no row {place}")
    columns = table.columns
    dtype = next(iter(net.parameters())).dtype
    taken = Tensor(table.x[place : place + 1], dtype=dtype, requires_grad=True)
    out = net(taken)
    target = columns.target
    if isinstance(target, Numbers):
        said = float(columns.decode(out)[0])
        score, unit = out[0, 0], (target.scale if columns.standardized else 1.0) * (said if target.log else 1.0)
        note = f"it predicts {said:.6g}"
    else:
        best = int(out.data[0].argmax())
        others = [i for i in range(out.shape[1]) if i != best]
        score, unit = out[0, best] - logsumexp(out[0, others], axis=-1), 1.0
        share = probabilities_of(out.data)[0, best]
        note = f"it says {columns.classes[best]!r}, with probability {share:.4f}; effects are in log-odds"
    score.backward()
    slopes = np.zeros(taken.shape[1]) if taken.grad is None else np.asarray(taken.grad, float)[0] * unit
    rows = [row for column, places in blocks(table) for row in _effects(table, place, column, places, slopes)]
    rows.sort(key=lambda row: -abs(row[3]))
    return Table(("column", "value", "slope", "effect"), tuple(rows), note)


def _effects(table: Examples, place: int, column: Column, places: slice, slopes: Array) -> Iterator[tuple[Any, ...]]:
    """The rows of one column: a quantity has one, a date one for each part, categories one together."""
    x, g = table.x[place, places].astype(float), slopes[places]
    value = table.cell(place, column.name)
    parts = column.parts if isinstance(column, Dates) else (column,) if isinstance(column, Numbers) else ()
    for i, part in enumerate(parts):
        scale = part.scale if table.columns.standardized else 1.0
        shift = 0.0 if table.columns.standardized else part.mean
        own = float(x[i] * part.scale + part.mean) if table.columns.standardized else float(x[i])
        name = f"{column.name} {part.name}" if isinstance(column, Dates) else column.name
        shown = f"{own:.6g}" if isinstance(column, Dates) or not value else value
        yield name, shown, float(g[i] / scale), float(g[i] * (x[i] - shift)) + 0.0
    rest = slice(len(parts), None)
    if not parts or (column.flag and x[-1]):
        yield column.name if not parts else f"{column.name} missing", value or "missing", None, float(g[rest] @ x[rest])
