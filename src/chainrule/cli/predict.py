"""`chainrule predict`: what a trained network says of new rows, as CSV or JSON."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.cli.examples import Examples
from chainrule.cli.judge import outputs_of, written
from chainrule.cli.model_file import Model


def predictions(model: Model, examples: Examples) -> list[dict[str, Any]]:
    """For each row its number, what is predicted, and for classes the probability of each."""
    outputs = outputs_of(model.net, examples.x)
    said = model.columns.decode(outputs).tolist()
    found = [{"row": row, "predicted": word} for row, word in zip(examples.rows.tolist(), said, strict=True)]
    if model.columns.task == "classification":
        with cr.no_grad():
            shares = cr.softmax(cr.Tensor(outputs, dtype=float), axis=-1).data
        names = [str(name) for name in model.columns.classes]
        for entry, share in zip(found, shares.tolist(), strict=True):
            entry["probabilities"] = dict(zip(names, share, strict=True))
    return found


def as_csv(model: Model, found: list[dict[str, Any]]) -> str:
    """A line for each row: its number, what is predicted, and for classes how probable that is."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if model.columns.task == "regression":
        writer.writerow(("row", "predicted"))
        writer.writerows((entry["row"], written(entry["predicted"], model.columns)) for entry in found)
    else:
        writer.writerow(("row", "predicted", "probability"))
        writer.writerows(
            (entry["row"], entry["predicted"], f"{np.max(list(entry['probabilities'].values())):.4f}")
            for entry in found
        )
    return text.getvalue()
