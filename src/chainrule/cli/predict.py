"""`chainrule predict`: what a trained network says of new rows, as CSV or JSON."""

from __future__ import annotations

import csv
import io
from typing import Any

from chainrule.cli.examples import Examples
from chainrule.cli.model_file import Model
from chainrule.errors import DataError
from chainrule.training.judge import outputs_of, probabilities_of, said_classes, written


def predictions(model: Model, examples: Examples, passed: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """For each row its number, the columns passed through, what is predicted, and for classes all probabilities.

    Where the file has the target too, `actual` is what it says there, to the letter.
    """
    table, columns = examples.table, model.columns
    taken = {"row", "predicted", "probability", "probabilities", "actual"} & set(passed)
    if taken:
        raise DataError(f"--id {taken.pop()}: the predictions have a column of that name: rename it in the file")
    outputs = outputs_of(model.net, table.x)
    classes = columns.task == "classification"
    said = columns.decode(said_classes(outputs, model.threshold) if classes else outputs).tolist()
    beside = {name: table.texts(name) for name in passed}
    found = [
        {"row": row, **{name: texts[i] for name, texts in beside.items()}, "predicted": word}
        for i, (row, word) in enumerate(zip(table.rows.tolist(), said, strict=True))
    ]
    if classes:
        names = [str(name) for name in columns.classes]
        for entry, share in zip(found, probabilities_of(outputs).tolist(), strict=True):
            entry["probabilities"] = dict(zip(names, share, strict=True))
    actual = table.actual
    if any(actual):
        for entry, text in zip(found, actual, strict=True):
            entry["actual"] = text
    return found


def as_csv(model: Model, found: list[dict[str, Any]]) -> str:
    """A line for each row: its number, what is passed through, what is predicted, how probable each class is."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    first = found[0]
    own = [name for name in first if name not in ("probabilities", "actual")]
    names = list(first.get("probabilities", ()))
    actual = ["actual"] if "actual" in first else []
    each = [f"probability of {name}" for name in names]
    writer.writerow([*own, *(["probability"] if names else []), *each, *actual])
    for entry in found:
        said = [
            written(entry[name], model.columns) if name == "predicted" and not names else entry[name] for name in own
        ]
        shares = entry.get("probabilities", {})
        sure = [shares[str(entry["predicted"])], *shares.values()] if names else []
        writer.writerow([*said, *[f"{share:.4f}" for share in sure], *[entry[name] for name in actual]])
    return text.getvalue()
