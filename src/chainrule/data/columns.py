"""What the columns of a table mean to a network, as plain data that is saved with it and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.data.spelling import Spelling
from chainrule.errors import DataError, ShapeError
from chainrule.kinds import Array
from chainrule.printable import printable, several
from chainrule.table import Table

if TYPE_CHECKING:
    import polars as pl

Task = Literal["classification", "regression"]
VERSION = 1
"""Counted up when a saved `Columns` can no longer be read as it was."""

PREDICTED = "to be predicted"
"""What is done with a target."""

PARTS = ("year", "month", "day", "weekday", "days", "hour")
"""The numbers that a network can take from a date."""


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: one feature. Missing ones become the `mean`; `scale` is their standard deviation.

    With `flag` there is one feature more, 1 where the number is missing. A target with `log` is learned as its
    logarithm, of which `mean` and `scale` are then.
    """

    name: str
    mean: float
    scale: float
    flag: bool = False
    log: bool = False

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (self.name, *_flag(self))

    @property
    def done(self) -> str:
        """What is made of the column, in words."""
        return f"one feature{_flagged(self)}"


@dataclass(frozen=True)
class Categories:
    """A column of categories: one feature for each, 1 where the row has it and else 0 (one-hot).

    With `flag` there is one feature more, 1 where the category is missing.
    """

    name: str
    categories: tuple[str, ...] | tuple[float, ...]
    """Texts, in the order of the alphabet; for a target of numbers, those, in order."""
    flag: bool = False

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (*[f"{self.name}={category}" for category in self.categories], *_flag(self))

    @property
    def done(self) -> str:
        return f"a feature for each of {len(self.categories):,}{_flagged(self)}"


@dataclass(frozen=True)
class Dates:
    """A column of dates or times, written as `form` says in the signs of ``strptime``: one feature for each part.

    A part is a year, a month, a day of the month, a weekday (Monday is 1), days since `since`, or an hour; each is
    shifted and scaled as `Numbers` are.
    """

    name: str
    form: str
    since: str
    parts: tuple[Numbers, ...]
    flag: bool = False

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (*[f"{self.name} {part.name}" for part in self.parts], *_flag(self))

    @property
    def done(self) -> str:
        return f"{', '.join(part.name for part in self.parts)}{_flagged(self)}"


@dataclass(frozen=True)
class Hashed:
    """A column of texts of very many kinds: each falls into one of `size` drawers by its checksum, a feature each.

    `drawers` are those that a row to learn from fell into; a text of another drawer has 0 everywhere.
    """

    name: str
    size: int
    drawers: tuple[int, ...]
    flag: bool = False

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (*[f"{self.name}#{drawer}" for drawer in self.drawers], *_flag(self))

    @property
    def done(self) -> str:
        return f"hashed to {len(self.drawers):,} features{_flagged(self)}"


@dataclass(frozen=True)
class Embedded:
    """A column of texts of very many kinds, for each of which a network learns a vector of `width` numbers.

    Its feature is the place of the text among `texts`, the most frequent being 1. A missing or unseen text has 0, whose
    vector is 0. With `flag` there is one feature more, 1 where the text is missing.
    """

    name: str
    texts: tuple[str, ...]
    width: int
    flag: bool = False

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (self.name, *_flag(self))

    @property
    def done(self) -> str:
        return f"a vector of {self.width} for each of {len(self.texts):,}{_flagged(self)}"


Target = Numbers | Categories
Column = Numbers | Categories | Dates | Hashed | Embedded


@dataclass(frozen=True)
class Decision:
    """What was decided of one column of a file: its `kind`, `why` it was seen as that, and what was `done` with it."""

    column: str
    kind: str
    why: str
    done: str
    used: bool = True
    """Whether the network sees it, or predicts it."""


@dataclass(frozen=True, repr=False)
class Columns:
    r"""How a file's columns become features and targets: the headers, categories, means and scales that were learned.

    `features` are the columns that are used, in order; `target` is what is to be predicted, `Categories` for
    classification and `Numbers` for regression. `left_out` names columns that were in the file and are not used,
    `missing` the texts that stand for a missing value, `spelling` how its numbers are written. With `standardized`,
    numbers are shifted and scaled to mean 0 and deviation 1, those of the target too. `decisions` say of every column
    of the file what it was taken for, why, and what was done with it; they are what columns print. ``to_dict()`` is
    plain JSON, and ``from_dict()`` reads it back exactly.

    >>> import chainrule as cr
    >>> from pathlib import Path
    >>> _ = Path("pets.csv").write_text("kind,kilograms,friendly\ncat,4,no\ndog,20,yes\ndog,30,no\ncat,6,yes\n")
    >>> columns = cr.data.read_table("pets.csv", target="friendly").columns
    >>> columns.names, columns.classes
    (('kind=cat', 'kind=dog', 'kilograms'), ('no', 'yes'))
    >>> columns
    column     kind        why                                     what is done
    kind       categories  2 different texts                       a feature for each of 2
    kilograms  quantity    every value is a number                 one feature
    friendly   classes     classification with 2 classes, no, yes  to be predicted
    >>> cr.data.Columns.from_dict(columns.to_dict()) == columns
    True
    """

    features: tuple[Column, ...]
    target: Target
    left_out: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    standardized: bool = True
    decisions: tuple[Decision, ...] = ()
    spelling: Spelling = field(default_factory=Spelling)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each feature, in order: the column's, with ``=category``, a part of a date or ``missing``."""
        return tuple(name for column in self.features for name in column.feature_names)

    def table(self) -> Table:
        """What was decided of each column of the file, as a table: column, kind, why, what is done."""
        said = self.decisions or tuple(Decision(column.name, "", "", column.done) for column in self.features)
        rows = tuple((one.column, one.kind, one.why, one.done) for one in said)
        return Table(("column", "kind", "why", "what is done"), rows)

    def in_a_line(self, most: int = 3) -> str:
        """How many columns are used, and which are left out: a few of them, each with what it is."""
        used = sum(one.used and one.done != PREDICTED for one in self.decisions)
        left = [f"{one.column} ({one.kind})" for one in self.decisions if not one.used]
        more = ", …" * (len(left) > most)
        names = f", {len(left):,} left out: {', '.join(left[:most])}{more}" if left else ""
        return printable(f"{several(used, 'column')} used{names}")

    def __repr__(self) -> str:
        return repr(self.table())

    def __rich__(self) -> Any:
        return self.table().__rich__()

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
        from chainrule.data.encode import as_texts, features_of
        from chainrule.data.notes import warn_of

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
            return self.target_in_units(numbers)
        classes = np.array(self.classes)
        if outputs.ndim == 2 and outputs.shape[1] == len(classes):
            outputs = outputs.argmax(axis=1)
        if outputs.ndim != 1 or outputs.dtype.kind not in "ui" or not np.isin(outputs, np.arange(len(classes))).all():
            raise ShapeError(
                f"decode of {self.target.name!r} takes a score for each of {len(classes)} classes, shape (rows, "
                f"{len(classes)}), or class numbers, and got {outputs.dtype} of shape {outputs.shape}"
            )
        return classes[outputs]

    def target_in_units(self, numbers: Array) -> Array:
        """Numbers as the network has them in the unit of the file: with its mean, its deviation and its powers."""
        target = self.target
        if not isinstance(target, Numbers):
            raise ShapeError(f"{target.name!r} is a class, and has no unit")
        found = numbers * target.scale + target.mean if self.standardized else numbers
        if not target.log:
            return found
        with np.errstate(over="ignore"):
            return np.exp(found)

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists, texts and numbers, for JSON."""
        # Through lists, as JSON has no tuples, so that what is written equals what is read.
        plain = cast("dict[str, Any]", _listed(asdict(self)))
        plain["features"] = [_sparse(column) for column in plain["features"]]
        return {"version": VERSION, **plain, "target": _sparse(plain["target"])}

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
                target=_target(saved["target"]),
                left_out=_texts(saved["left_out"]),
                missing=_texts(saved["missing"]),
                standardized=bool(saved["standardized"]),
                decisions=tuple(_decision(decision) for decision in saved.get("decisions", ())),
                spelling=Spelling.from_dict(saved["spelling"]) if "spelling" in saved else Spelling(),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"this is not what Columns.to_dict() gave: {type(error).__name__} {error}") from error
        return columns


def _flag(column: Column) -> tuple[str, ...]:
    return (f"{column.name} missing",) if column.flag else ()


def _flagged(column: Column) -> str:
    return ", and whether it is missing" if column.flag else ""


def _sparse(column: dict[str, Any]) -> dict[str, Any]:
    """Without what is not so."""
    sparse = {name: held for name, held in column.items() if held is not False}
    return {**sparse, "parts": [_sparse(part) for part in column["parts"]]} if "parts" in column else sparse


def _column(saved: Mapping[str, Any]) -> Column:
    name, flag = str(saved["name"]), saved.get("flag", False) is True
    if "form" in saved:
        since = datetime.fromisoformat(saved["since"]).strftime("%Y-%m-%d")
        parts = tuple(_numbers(part) for part in saved["parts"])
        if any(part.name not in PARTS for part in parts):
            raise ValueError(f"the parts of the dates {name!r} are none of {', '.join(PARTS)}")
        return Dates(name, str(saved["form"]), since, parts, flag)
    if "drawers" in saved:
        return Hashed(name, int(saved["size"]), tuple(int(drawer) for drawer in saved["drawers"]), flag)
    if "texts" in saved:
        return Embedded(name, _texts(saved["texts"]), _positive(saved["width"]), flag)
    if "categories" not in saved:
        return _numbers(saved)
    categories: list[Any] = list(saved["categories"])
    if not any(all(type(category) in kinds for category in categories) for kinds in ((str,), (int, float))):
        raise TypeError(f"the categories of {name!r} are neither texts nor numbers")
    return Categories(name, tuple(categories), flag)


def _positive(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{number!r:.40} is no number of entries")
    return number


def _target(saved: Mapping[str, Any]) -> Target:
    column = _column(saved)
    if not isinstance(column, Numbers | Categories):
        raise TypeError(f"the target {column.name!r} is neither classes nor numbers")
    return column


def _numbers(saved: Mapping[str, Any]) -> Numbers:
    flag, log = (saved.get(word, False) is True for word in ("flag", "log"))
    return Numbers(str(saved["name"]), float(saved["mean"]), float(saved["scale"]), flag, log)


def _decision(saved: Mapping[str, Any]) -> Decision:
    words = [str(saved[word]) for word in ("column", "kind", "why", "done")]
    return Decision(*words, used=bool(saved["used"]))


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
