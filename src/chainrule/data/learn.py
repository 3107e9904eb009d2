"""What the columns of a table mean, learned from all of its rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.data.columns import Categories, Column, Columns, Numbers, Task
from chainrule.data.encode import listing, no_number, not_a_number, numbers_of, parse, where
from chainrule.data.files import meant
from chainrule.data.numerals import LARGEST_EXACT, looks_like_number, too_long
from chainrule.errors import DataError

if TYPE_CHECKING:
    import polars as pl

Array = NDArray[Any]
MOST_CLASSES = 20
"""Whole numbers with more different values than this are a quantity, not classes."""

EXAMPLES_OF_A_CLASS = 3
"""So many rows for each class, on average, are needed before whole numbers are taken for classes."""

TOO_LONG = "whole numbers above 2**53, as {}, cannot be told apart as numbers"


@dataclass(frozen=True)
class Wishes:
    """What the caller said about the columns."""

    target: str
    task: Literal["auto"] | Task
    ignore: tuple[str, ...]
    categorical: tuple[str, ...]
    standardize: bool
    max_categories: int
    missing: tuple[str, ...]


def typed(frame: pl.DataFrame, categorical: Collection[str]) -> pl.DataFrame:
    """The tidy frame with those columns as numbers in which every cell that is not missing is one, and stays itself."""
    columns: list[pl.Series] = []
    for series in frame:
        numbers = parse(series)
        stays = series.name in categorical or numbers.null_count() > series.null_count() or too_long(series, numbers)
        columns.append(series if stays else numbers)
    return frame.select(columns)


def learn(frame: pl.DataFrame, rows: Array, wishes: Wishes) -> tuple[Columns, list[str]]:
    """The meaning of every column of a typed frame, whose target is complete, and notes: on the target first."""
    _refuse_unknown(frame.columns, wishes)
    target, notes = _target(frame[wishes.target], rows, wishes)
    unused: list[str] = []
    odd: list[str] = []
    features: list[Column] = []
    left_out = list(wishes.ignore)
    for name in frame.columns:
        if name == wishes.target or name in wishes.ignore:
            continue
        feature = _feature(frame[name], rows, wishes)
        if isinstance(feature, str):
            left_out.append(name)
            unused.append(_left_out(name, feature))
        else:
            features.append(feature)
            odd += _notes_on_odd_cells(frame[name], feature, rows, wishes)
    if not features:
        raise DataError(
            f"no column is left to learn {wishes.target!r} from: {'; '.join(unused) or 'there is no other'}"
        )
    columns = Columns(tuple(features), target, tuple(left_out), wishes.missing, wishes.standardize)
    return columns, [*notes, *unused, *odd]


def measured_again(columns: Columns, frame: pl.DataFrame, rows: Array) -> tuple[Columns, list[str]]:
    """The same columns with the means and scales of these rows alone, so that rows held back stay unseen, and notes.

    A number that does not vary in these rows teaches nothing and is left out: its weight would stay as it was drawn,
    and a scale of other rows would have been peeked at.
    """
    features: list[Column] = []
    notes: list[str] = []
    for column in columns.features:
        feature = _numbers(frame[column.name], rows) if isinstance(column, Numbers) else column
        if isinstance(feature, str):
            notes.append(_left_out(column.name, feature))
        else:
            features.append(feature)
    target = columns.target
    if isinstance(target, Numbers):
        target = _target_of_numbers(frame[target.name], rows)
    if not features:
        raise DataError(f"no column is left to learn {target.name!r} from: {'; '.join(notes)}")
    kept = {feature.name for feature in features}
    dropped = [column.name for column in columns.features if column.name not in kept]
    left_out = (*columns.left_out, *dropped)
    return replace(columns, features=tuple(features), target=target, left_out=left_out), notes


def _refuse_unknown(known: Collection[str], wishes: Wishes) -> None:
    for said, names in (("target", (wishes.target,)), ("ignore", wishes.ignore), ("categorical", wishes.categorical)):
        for name in names:
            if name not in known:
                close = meant(name, known) or f": there are {listing(list(known))}"
                raise DataError(f"{said} names a column {name!r} that is not there{close}")
    if wishes.target in wishes.ignore:
        raise DataError(f"ignore names the target, {wishes.target!r}")


def _feature(series: pl.Series, rows: Array, wishes: Wishes) -> Column | str:
    """What a column becomes, or why it is left out."""
    name, given = series.name, series.drop_nulls()
    if not len(given):
        return "it is empty"
    if given.dtype.is_numeric():
        return _numbers(series, rows)
    categories: tuple[str, ...] = tuple(given.unique().sort().to_list())
    if len(categories) == 1 and len(given) == len(series):
        return f"it is constant, {given[0]!r} in every row"
    if len(categories) > wishes.max_categories:
        if len(_odd_cells(series)) and name not in wishes.categorical:
            # Mostly numbers, so it is the others that need a word: this names the first of them.
            numbers_of(series, rows)
        long = too_long(series, parse(series))
        why = f"{TOO_LONG.format(long)}, and " if long else ""
        return (
            f"{why}it has {len(categories):,} different texts, as {given[0]!r}; max_categories={len(categories)} would "
            "make each a feature"
        )
    return Categories(name, categories)


def _numbers(series: pl.Series, rows: Array) -> Numbers | str:
    """What a column of numbers becomes, or why it is left out."""
    values = numbers_of(series, rows)
    if np.isnan(values).all():
        return "it is empty"
    mean, scale = _mean_and_scale(values)
    return Numbers(series.name, mean, scale) if scale else f"it is constant, {mean:.6g} in every row that has it"


def _left_out(name: str, why: str) -> str:
    return f"column {name!r} is left out: {why}"


def _odd_cells(series: pl.Series) -> Array:
    """In a column of texts that are mostly numbers, however spelt, the places of those that do not read as one."""
    odd = no_number(series)
    strange = odd & ~looks_like_number(series).to_numpy()
    mostly = strange.sum() < (len(series) - series.null_count()) / 2
    return np.flatnonzero(odd & mostly)


def _notes_on_odd_cells(series: pl.Series, feature: Column, rows: Array, wishes: Wishes) -> list[str]:
    """That a few cells made categories of what may have been meant for numbers."""
    if not isinstance(feature, Categories) or feature.name in wishes.categorical:
        return []
    odd, long = _odd_cells(series), too_long(series, parse(series))
    so = f", so the column is read as {len(feature.categories):,} categories"
    if len(odd):
        return [not_a_number(series, odd, rows, so)]
    return [f"column {feature.name!r}: {TOO_LONG.format(long)}{so}"] if long else []


def _target(series: pl.Series, rows: Array, wishes: Wishes) -> tuple[Column, list[str]]:
    """What the target is, and how that was seen."""
    name, count = series.name, series.n_unique()
    if count < 2:
        raise DataError(
            f"the target {name!r} is {series[0]!r} in every row, so there is nothing to learn"
            if len(series)
            else f"the target {name!r} is empty"
        )
    numeric = series.dtype.is_numeric()
    task = wishes.task
    if not numeric and name not in wishes.categorical:
        if task == "auto":
            _refuse_odd_cells(series, rows)
        long = too_long(series, parse(series))
        if long and (task == "regression" or not _are_few_and_frequent(series)) and task != "classification":
            raise DataError(
                f"column {name!r}: {TOO_LONG.format(long)}: take off what they have in common, or say "
                "task='classification'"
            )
    if task == "auto":
        task = "classification" if not numeric or _looks_like_classes(series) else "regression"
    if task == "regression":
        return _target_of_numbers(series, rows), [f"target {name!r}: regression of {count:,} different numbers"]
    if numeric:
        numbers: list[float] = np.unique(numbers_of(series, rows)).tolist()
        if max(map(abs, numbers)) >= LARGEST_EXACT:
            raise DataError(
                f"column {name!r}: the class {numbers[-1]:.0f} is above 2**53 and not exact as a number: name the "
                "column with categorical= to keep its classes as they are written"
            )
        classes = tuple(int(number) if number.is_integer() else number for number in numbers)
    else:
        classes = tuple(series.unique().sort().to_list())
    notes = [f"target {name!r}: classification with {len(classes):,} classes, {listing(classes)}"]
    rare = np.flatnonzero(series.is_unique().to_numpy())
    if len(rare):
        notes.append(f"column {name!r}, {where(rare, rows)}: a class that has no other row")
    return Categories(name, classes), notes


def _target_of_numbers(series: pl.Series, rows: Array) -> Numbers:
    mean, scale = _mean_and_scale(numbers_of(series, rows))
    if not scale:
        raise DataError(f"the target {series.name!r} is {mean:.6g} in every row, so there is nothing to learn")
    return Numbers(series.name, mean, scale)


def _refuse_odd_cells(series: pl.Series, rows: Array) -> None:
    """Mistyped numbers must not turn a quantity into classes; classes may be numbers and texts, if each is frequent."""
    places = _odd_cells(series)
    if not len(places):
        return
    odd, numbers = series[places], parse(series).drop_nulls()
    if looks_like_number(odd).any() or not (_are_few_and_frequent(odd) and _looks_like_classes(numbers)):
        so = ", as most of its column seem to be (task='classification' takes each different text for a class)"
        raise DataError(not_a_number(series, places, rows, so))


def _looks_like_classes(numbers: pl.Series) -> bool:
    values = numbers.to_numpy()
    return bool((values == np.floor(values)).all()) and _are_few_and_frequent(numbers)


def _are_few_and_frequent(values: pl.Series) -> bool:
    return values.n_unique() <= min(MOST_CLASSES, len(values) / EXAMPLES_OF_A_CLASS)


def _mean_and_scale(values: Array) -> tuple[float, float]:
    """The mean and the standard deviation of what is not missing; exactly 0 where all are equal."""
    given = values[~np.isnan(values)]
    if given.min() == given.max():
        return float(given[0]), 0.0
    # Squares of numbers far from 1 would overflow or vanish; a power of two changes no digit.
    unit = 2.0 ** (np.frexp(np.abs(given).max())[1] - 1)
    given = given / unit
    return float(given.mean() * unit), float(given.std() * unit)
