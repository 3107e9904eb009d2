"""A network for a table in use: what it says of new rows, how good it is, and its file, whose loading runs no code.

The file is a checkpoint, whose `extra` says all that is needed to build the network again.
"""

# What a file holds is not known before the program runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.core.tensor import Tensor
from chainrule.data.columns import Columns
from chainrule.data.files import PathLike, checksum_of, existing
from chainrule.data.table import Table as Examples
from chainrule.data.table import as_table
from chainrule.errors import CheckpointError, DataError
from chainrule.kinds import Array
from chainrule.table import Table
from chainrule.training.checkpoint import read, save_checkpoint
from chainrule.training.fit_table import Fitted, Spread, loss_of
from chainrule.training.importance import input_effects, permutation_importance
from chainrule.training.judge import Judgement, Threshold, judge, outputs_of, probabilities_of, said_classes
from chainrule.training.linear import Linear
from chainrule.training.predictions import Predictions
from chainrule.training.table_net import MOST_PARAMETERS, for_linear, network_of, shapes_of, width_of

KIND = "network of chainrule train"
VERSION = 1
"""Counted up when a saved network can no longer be read as it was."""
MOST_BYTES = 4 * MOST_PARAMETERS + 2**27
"""Of a file: its parameters, and a header as long as safetensors allows."""
MOST_KEPT = 20_000
"""Numbers of a linear model that are saved with a network, to stand beside it later."""


@dataclass(frozen=True)
class Model:
    r"""A trained network with the columns it reads.

    `data`, in every method, is a CSV or TSV file, columns by name, a polars frame, or a `Table` read with the model's
    `columns`. `about` is plain data on its training.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> rows = [f"{i % 9},{'cat' if i % 9 < 5 else 'dog'}" for i in range(90)]
    >>> _ = Path("pets.csv").write_text("kilograms,kind\n" + "\n".join(rows) + "\n")
    >>> table = cr.data.read_table("pets.csv", target="kind")
    >>> cr.training.save_model("pets.safetensors", cr.training.fit_table(table, cr.training.Recipe(rate=0.02)))
    >>> model = cr.load_model("pets.safetensors")
    >>> model.predict({"kilograms": [1, 8]})
    array(['cat', 'dog'], dtype='<U3')
    >>> model.judge("pets.csv").numbers["accuracy"]
    1.0
    """

    path: PathLike
    net: nn.Sequential
    sizes: tuple[int, ...]
    """The width of each linear layer, from what the first takes to the outputs."""
    columns: Columns
    about: Mapping[str, Any] = field(repr=False)
    threshold: Threshold | None = None
    """From which probability on one of two classes is said, if not from a half on."""
    linear: Linear | None = field(default=None, repr=False)
    """The linear model of the same rows, to stand beside it."""

    def read(self, data: Any, *, targets: bool = True, dtype: Any = np.float32) -> Examples:
        """The rows of `data` as the network takes them: all, or with `targets` those that have one if any has.

        What does not fit the columns raises `DataError`; what is missing or unseen gives a `DataWarning`.
        """
        if isinstance(data, Examples):
            if data.columns.names != self.columns.names:
                raise DataError("the table has other features than the model: read it with columns=model.columns")
            return data
        columns = self.columns if targets else without_target(self.columns)
        return replace(as_table(data, columns, dtype=dtype), columns=self.columns)

    def has_learned_from(self, path: PathLike) -> bool:
        """Whether a file is, byte for byte, the one it was trained on, or shipped data all of which it has seen."""
        source = self.about.get("source", {})
        known = source.get("checksum")
        if known is None and source.get("name") == str(path):
            return bool(source.get("refitted"))
        return known is not None and Path(path).is_file() and checksum_of(Path(path)) == known

    def predict(self, data: Any) -> Array:
        """What it says of each row, shape (rows,): classes as the table has them, or numbers in its unit."""
        return self._said(outputs_of(self.net, self.read(data, targets=False).x))

    def predict_proba(self, data: Any) -> Array:
        """The probability of each class, shape (rows, classes), in the order of ``columns.classes``.

        A model for numbers has none, and raises `DataError`.
        """
        if not self.columns.classes:
            raise DataError(f"{self.columns.target.name!r} is a number, and has no classes with probabilities")
        return probabilities_of(outputs_of(self.net, self.read(data, targets=False).x))

    def predictions(self, data: Any, passed: Sequence[str] = ()) -> Predictions:
        """The same with the number of each row, its columns in `passed`, and its target, to the letter, if it has one.

        Columns that are not there, or would stand twice, raise `DataError`.
        """
        table = self.read(data, targets=False)
        outputs = outputs_of(self.net, table.x)
        return Predictions(
            columns=self.columns,
            rows=table.rows,
            said=self._said(outputs),
            probabilities=probabilities_of(outputs) if self.columns.classes else None,
            actual=table.actual,
            passed={name: table.texts(name) for name in passed},
        )

    def judge(self, data: Any) -> Judgement:
        """How good it is on rows whose target is known, beside the linear model and the best constant."""
        weighted = self.about.get("balanced") is True
        return judge(self.net, self.read(data), linear=self.linear, threshold=self.threshold, weighted=weighted)

    def importance(self, data: Any) -> Table:
        """What is lost when a column is shuffled between the rows, for each: `permutation_importance`."""
        return permutation_importance(self.net, self.read(data))

    def recorded(self, table: Examples, place: int | None = 0) -> tuple[Tensor, dict[str, Tensor]]:
        r"""The loss of one row of a table, recorded in float64, and the weights by name, each as a program calls it.

        Without a `place` it is the loss of all rows.

        >>> import chainrule as cr
        >>> from pathlib import Path
        >>> _ = Path("line.csv").write_text("x,y\n" + "".join(f"{i % 9},{i % 9 + 0.5}\n" for i in range(60)))
        >>> fitted = cr.training.fit_table(cr.data.read_table("line.csv", target="y"))
        >>> cr.training.save_model("line.safetensors", fitted)
        >>> model = cr.load_model("line.safetensors")
        >>> loss, weights = model.recorded(model.read("line.csv"))
        >>> loss.dtype, [weight.label for weight in weights.values()][:2]
        (dtype('float64'), ['net[0].weight', 'net[0].bias'])
        """
        if table.y is None:
            raise DataError(f"there are no targets: add the column {self.columns.target.name!r} to the table")
        rows = slice(place, None if place is None else place + 1)
        net, right = self.exact(), table.y[rows]
        weights = named_weights(net)
        taken = Tensor(table.x[rows], dtype=float, label="x")
        loss: Tensor = loss_of(self.columns.task == "classification")(net(taken), right)
        loss.label = "L"
        return loss, weights

    def effects(self, data: Any, row: int = 1) -> Table:
        """Which inputs moved what it says of one row, counted as the file's are from 1: `input_effects`."""
        table = self.read(data, targets=False, dtype=np.float64)
        place = np.flatnonzero(table.rows == row)
        if not len(place):
            raise DataError(f"there is no row {row}: rows are counted from 1, and there are {len(table):,}")
        return input_effects(self.exact(), table, int(place[0]))

    def exact(self) -> nn.Sequential:
        """The same network with the same weights in float64, in which explanations are told."""
        net = network_of(self.sizes, self.columns, dtype=np.float64)
        net.load_state_dict(self.net.state_dict())
        return net.eval()

    def _said(self, outputs: Array) -> Array:
        classes = self.columns.classes
        return self.columns.decode(said_classes(outputs, self.threshold) if classes else outputs)


def named_weights(net: nn.Sequential) -> dict[str, Tensor]:
    """The weights of a network by name, each labelled as a program calls it."""
    weights: dict[str, Tensor] = dict(net.named_parameters())
    for name, parameter in weights.items():
        layer, _, kind = name.partition(".")
        parameter.label = f"net[{layer}].{kind}"
    return weights


def without_target(columns: Columns) -> Columns:
    """The same columns for a file whose targets are not looked at, so that rows with and without are all predicted."""
    nameless = replace(columns.target, name="")
    return replace(columns, target=nameless, left_out=(*columns.left_out, columns.target.name))


def save_model(
    path: PathLike, fitted: Fitted, *, source: Mapping[str, Any] | None = None, spread: Spread | None = None
) -> None:
    r"""Write what `fit_table` gave to one safetensors file, whole or not at all; `load_model` reads it.

    `source`, plain data on where the rows came from, and the `spread` over other splits are kept in its ``about``. The
    same training gives the same bytes. What the system refuses raises `CheckpointError`, and leaves what was there.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> _ = Path("line.csv").write_text("x,y\n" + "".join(f"{i % 9},{i % 9 + 0.5}\n" for i in range(60)))
    >>> fitted = cr.training.fit_table(cr.data.read_table("line.csv", target="y"))
    >>> cr.training.save_model("line.safetensors", fitted, source={"name": "line.csv"})
    >>> cr.load_model("line.safetensors").about["source"]["name"]
    'line.csv'
    """
    extra = {
        "kind": KIND,
        "version": VERSION,
        "sizes": list(fitted.sizes),
        "columns": fitted.columns.to_dict(),
        "about": about_of(fitted, source or {}, spread),
    }
    save_checkpoint(path, model=fitted.net, extra=extra)


def about_of(fitted: Fitted, source: Mapping[str, Any], spread: Spread | None) -> dict[str, Any]:
    """What a file says of how its network came to be."""
    recipe, linear, threshold = fitted.recipe, fitted.linear, fitted.threshold
    is_kept = linear.weight.size <= MOST_KEPT and not fitted.refitted
    return {
        "source": {
            **source,
            "rows": fitted.rows["trained"],
            "share": recipe.share,
            "seed": recipe.seed,
            **({"refitted": fitted.refitted} if fitted.refitted else {}),
        },
        "seed": recipe.seed,
        "training": fitted.training(),
        "held_out": {"rows": fitted.rows["held_out"], **fitted.judgement.numbers},
        "threshold": None if threshold is None else [threshold.positive, threshold.least],
        "balanced": recipe.balanced,
        "linear": [linear.weight.tolist(), linear.bias.tolist(), linear.converged] if is_kept else None,
        **({} if spread is None else {"splits": spread.plain()}),
        "versions": {"chainrule": cr.__version__, "numpy": np.__version__, "python": platform.python_version()},
    }


def load_model(path: PathLike) -> Model:
    """The network that `save_model` or ``chainrule train`` wrote, with its columns; nothing in the file is run.

    A file that is missing, damaged or something else raises `DataError` or `CheckpointError`, which says what is wrong.

    >>> import chainrule as cr
    >>> cr.load_model("nowhere.safetensors")
    Traceback (most recent call last):
    ...
    chainrule.errors.DataError: there is no file nowhere.safetensors
    """
    arrays, states = read(existing(path), most=MOST_BYTES)
    held = states["extra"]
    if not isinstance(held, dict) or held.get("kind") != KIND or "model" not in states:
        raise CheckpointError(f"{path} is a checkpoint, but holds no network that chainrule train has saved")
    if held.get("version") != VERSION:
        raise CheckpointError(
            f"{path} is of version {held.get('version')}, and this chainrule reads version {VERSION}: train it again, "
            "or install the chainrule that wrote it"
        )
    weights = {name.removeprefix("model."): arrays[name] for name in states["model"]}
    try:
        sizes, columns, about = held["sizes"], Columns.from_dict(held["columns"]), dict(held["about"])
    except (AttributeError, DataError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: its columns cannot be read ({error})") from error
    if not isinstance(about.get("source", {}), dict):
        raise CheckpointError(f"{path} is damaged: what it says of its source cannot be read")
    # The sizes are compared with the arrays before anything of that size is made.
    if not weights or {name: array.shape for name, array in weights.items()} != shapes_of(sizes, columns):
        raise CheckpointError(f"{path} is damaged: its weights are not those of a network {sizes}")
    if (sizes[0], sizes[-1]) != (width_of(columns), len(columns.classes) or 1):
        raise CheckpointError(f"{path} is damaged: its network {sizes} does not fit its columns")
    net = network_of(sizes, columns)
    net.load_state_dict(weights)
    try:
        threshold, linear = threshold_in(about, columns), linear_in(about, columns)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: what it says of its training cannot be read ({error})") from error
    return Model(path, net.eval(), tuple(sizes), columns, about, threshold, linear)


def threshold_in(about: Mapping[str, Any], columns: Columns) -> Threshold | None:
    """The threshold between two classes that was saved, if any."""
    saved = about.get("threshold")
    if saved is None:
        return None
    positive, least = saved
    if len(columns.classes) != 2 or positive not in (0, 1) or not 0 <= float(least) <= 1:
        raise ValueError(f"{saved} is no threshold between two classes")
    return Threshold(int(positive), float(least))


def linear_in(about: Mapping[str, Any], columns: Columns) -> Linear | None:
    """The linear model that was saved, if any."""
    saved = about.get("linear")
    if saved is None:
        return None
    weight, bias = (np.asarray(part, float) for part in saved[:2])
    features = for_linear(np.empty((0, len(columns.names))), columns).shape[1]
    outputs = len(columns.classes) or 1
    if weight.shape != (features, outputs) or bias.shape != (outputs,):
        raise ValueError(f"its linear model has shapes {weight.shape} and {bias.shape}")
    return Linear(weight, bias, *[converged is True for converged in saved[2:3]])
