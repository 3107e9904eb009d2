"""What the columns of a table mean to a network, as plain data that is saved with it and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.tensor import Tensor
from chainrule.errors import DataError, ShapeError

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
Task = Literal["classification", "regression"]
VERSION = 1
"""Counted up when a saved `Columns` can no longer be read as it was."""


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: one feature. Missing ones become the `mean`; `scale` is their standard deviation."""

    name: str
    mean: float
    scale: float


@dataclass(frozen=True)
class Categories:
    """A column of categories: one feature for each, 1 where the row has it and else 0 (one-hot)."""

    name: str
    categories: tuple[str, ...] | tuple[float, ...]
    """Texts, in the order of the alphabet; for a target of numbers, those, in order."""


Column = Numbers | Categories


@dataclass(frozen=True)
class Columns:
    r"""How a file's columns become features and targets: the headers, categories, means and scales that were learned.

    `features` are the columns that are used, in order; `target` is what is to be predicted, `Categories` for
    classification and `Numbers` for regression. `left_out` names columns that were in the file and are not used,
    `missing` the texts that stand for a missing value. With `standardized`, numbers are shifted and scaled to mean 0
    and deviation 1, those of the target too. ``to_dict()`` is plain JSON, and ``from_dict()`` reads it back exactly.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> _ = Path("pets.csv").write_text("kind,kilograms,friendly\ncat,4,no\ndog,20,yes\ndog,30,no\ncat,6,yes\n")
    >>> columns = cr.data.read_table("pets.csv", target="friendly").columns
    >>> columns.names, columns.classes
    (('kind=cat', 'kind=dog', 'kilograms'), ('no', 'yes'))
    >>> cr.data.Columns.from_dict(columns.to_dict()) == columns
    True
    """

    features: tuple[Column, ...]
    target: Column
    left_out: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    standardized: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each feature, in order: the column's, with ``=category`` where it has categories."""
        return tuple(
            name
            for column in self.features
            for name in (
                [column.name]
                if isinstance(column, Numbers)
                else [f"{column.name}={category}" for category in column.categories]
            )
        )

    @property
    def task(self) -> Task:
        """Whether the target is a class or a number."""
        return "classification" if isinstance(self.target, Categories) else "regression"

    @property
    def classes(self) -> tuple[Any, ...]:
        """The classes of the target in the order of their numbers; none for regression."""
        return self.target.categories if isinstance(self.target, Categories) else ()

    def encode(self, data: pl.DataFrame | Mapping[str, Any]) -> Array:
        """New examples as features, shape (rows, features), float32.

        `data` is a polars frame, or the columns by name, as ``{"kind": ["cat"], "kilograms": [5]}``. A missing column
        and a value that is no number where one belongs raise `DataError`; True and False are those of the file, however
        it spells them, and 1 and 0 where it has numbers. Missing values, unseen categories (all their
        features are 0) and unknown columns give a `DataWarning`. Column and row are named, rows counted from 1.
        """
        from chainrule.data.encode import as_texts, features_of, warn_of

        frame, rows = as_texts(data, self)
        x, notes = features_of(frame, self, rows, np.dtype(np.float32))
        warn_of(notes, "encode")
        return x

    def decode(self, outputs: Any) -> Array:
        """What a network's outputs say in the table's own words, shape (rows,): classes, or numbers in its unit.

        For classification, `outputs` has shape (rows, classes), and the largest wins, or (rows,) and holds class
        numbers; for regression, shape (rows, 1) or (rows,). Other shapes raise `ShapeError`.
        """
        outputs = np.asarray(outputs.data if isinstance(outputs, Tensor) else outputs)
        if isinstance(self.target, Numbers):
            if outputs.ndim not in (1, 2) or outputs.shape[1:] not in ((), (1,)):
                raise ShapeError(f"decode of {self.target.name!r} takes shape (rows, 1), not {outputs.shape}")
            numbers = outputs.reshape(-1).astype(np.float64)
            return numbers * self.target.scale + self.target.mean if self.standardized else numbers
        classes = np.array(self.classes)
        if outputs.ndim == 2 and outputs.shape[1] == len(classes):
            outputs = outputs.argmax(axis=1)
        if outputs.ndim != 1 or outputs.dtype.kind not in "ui" or not np.isin(outputs, np.arange(len(classes))).all():
            raise ShapeError(
                f"decode of {self.target.name!r} takes a score for each of {len(classes)} classes, shape (rows, "
                f"{len(classes)}), or class numbers, and got {outputs.dtype} of shape {outputs.shape}"
            )
        return classes[outputs]

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists, texts and numbers, for JSON."""
        # Through lists, as JSON has no tuples, so that what is written equals what is read.
        plain = cast("dict[str, Any]", _listed(asdict(self)))
        return {"version": VERSION, **plain}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Columns:
        """The columns that ``to_dict()`` gave; what it did not give raises `DataError`."""
        if saved.get("version") != VERSION:
            raise DataError(
                f"these columns are of version {saved.get('version')}, and this chainrule reads version {VERSION}"
            )
        try:
            columns = cls(
                features=tuple(_column(column) for column in saved["features"]),
                target=_column(saved["target"]),
                left_out=_texts(saved["left_out"]),
                missing=_texts(saved["missing"]),
                standardized=bool(saved["standardized"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"this is not what Columns.to_dict() gave: {type(error).__name__} {error}") from error
        return columns


def _column(saved: Mapping[str, Any]) -> Column:
    if "categories" not in saved:
        return Numbers(str(saved["name"]), float(saved["mean"]), float(saved["scale"]))
    categories: list[Any] = list(saved["categories"])
    if not any(all(type(category) in kinds for category in categories) for kinds in ((str,), (int, float))):
        raise TypeError(f"the categories of {saved['name']!r} are neither texts nor numbers")
    return Categories(str(saved["name"]), tuple(categories))


def _texts(saved: Any) -> tuple[str, ...]:
    if not isinstance(saved, list | tuple):
        raise TypeError(f"{saved!r} is not a list of texts")
    return tuple(str(text) for text in cast("list[Any]", saved))


def _listed(part: Any) -> Any:
    """The same with lists for tuples; columns are nested only three deep."""
    if isinstance(part, dict):
        return {name: _listed(held) for name, held in cast("dict[str, Any]", part).items()}
    if isinstance(part, list | tuple):
        return [_listed(held) for held in cast("list[Any]", part)]
    return part
