"""What the columns of a table mean, learned from all of its rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from chainrule.data import dates
from chainrule.data.block import (
    Block,
    any_by_column,
    block_of,
    means_and_scales,
    numbers_where_all_are,
    stacked,
    texts_in,
)
from chainrule.data.columns import (
    PREDICTED,
    Categories,
    Column,
    Columns,
    Dates,
    Decision,
    Embedded,
    Hashed,
    Numbers,
    Target,
    Task,
)
from chainrule.data.doubts import notes_on_capitals, notes_on_stand_ins, notes_on_totals
from chainrule.data.encode import (
    drawer_numbers,
    gaps_in,
    listing,
    logs_of,
    no_number,
    not_a_number,
    numbers_of,
    parse,
    where,
)
from chainrule.data.kinds import (
    CODES,
    Kind,
    evident_categories,
    evident_kinds,
    has_leading_zeros,
    is_code,
    kind_of_numbers,
    kind_of_texts,
)
from chainrule.data.notes import Note
from chainrule.data.numerals import LARGEST_EXACT, LEADING_ZERO, looks_like_number, too_long
from chainrule.data.words import Words, words_of
from chainrule.errors import DataError, meant
from chainrule.kinds import Array

if TYPE_CHECKING:
    import polars as pl

MOST_CLASSES = 20
"""Whole numbers with more different values than this are a quantity, not classes."""

EXAMPLES_OF_A_CLASS = 3
"""So many rows for each class, on average, are needed before whole numbers are taken for classes."""

FLAGGED = 0.05
FEWEST_FLAGGED = 5
"""From this share of missing values on, and in so many rows, a feature says where a column has none."""

SLIPS, MOST_SLIPS = 0.1, 10
"""Texts among numbers are meant as texts from this share of the cells on, if more than so many of them differ."""

MOST_WIDE = 32
"""Numbers of a vector that is learned for a text."""

QUANTITY, CATEGORIES = Numbers("", 0.0, 1.0), Categories("", ())
"""Any column of numbers or of categories that has not been measured."""

LEFT_OUT, EMPTY, CONSTANT = "left out", "it is empty", "it is constant"
LEFT_TOGETHER = {
    "empty": "are empty and left out",
    "constant": "do not vary and are left out",
    "row counter": "only count the rows and are left out; keep= would use them",
    "id": "are ids and left out; keep= would use them",
    "date": "are dates and left out; dates=True would use their parts",
    "time": "are times and left out; dates=True would use their parts",
}
"""What is told of many columns of a kind that are left out."""

TOO_MANY = "have very many different texts and are left out; hashed=64 or embedded=True would use them"
NOT_ALL_NUMBERS = "have a few cells that are no numbers, as their others are, and are read as categories"
ALL_LONG = "have whole numbers above 2**53, which are not exact as numbers, and are read as categories"
SWAPPED = "have dates in which day and month could be the other way round"
"""What is told of many columns at once."""

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
    keep: tuple[str, ...] = ()
    dates: bool = False
    drawers: int = 0
    """Into so many features texts of very many kinds are hashed; 0 leaves them out."""
    embedded: bool = False
    """Whether a vector is learned for each text of very many kinds."""
    log_target: bool = False

    def __post_init__(self) -> None:
        if self.task not in ("auto", "classification", "regression"):
            raise DataError(f"task is auto, classification or regression, not {self.task!r}")
        if self.drawers < 0:
            raise DataError(f"hashed is a number of features, or 0 for none, not {self.drawers}")
        if self.drawers and self.embedded:
            raise DataError(
                f"texts of very many kinds are either hashed={self.drawers} or embedded=True: give one of both"
            )


def typed(frame: pl.DataFrame, wishes: Wishes) -> pl.DataFrame:
    """The tidy frame with those columns as numbers in which every cell that is not missing is one, and stays itself."""
    read = numbers_where_all_are(frame, set(frame.columns) - set(wishes.categorical))
    if read is frame:
        return frame
    numeric = [i for i, (was, now) in enumerate(zip(frame.dtypes, read.dtypes, strict=True)) if was != now]
    if not numeric:
        return read
    columns, written = read.get_columns(), frame.get_columns()
    texts = [written[i] for i in numeric]
    # Few columns have numbers that are long or begin with zeros: those alone are looked at one by one.
    large = any_by_column(stacked([columns[i] for i in numeric]).abs() >= LARGEST_EXACT, len(numeric))
    zeros = any_by_column(stacked(texts).str.contains(LEADING_ZERO), len(numeric))
    named = [CODES.search(text.name) is not None for text in texts]
    for place in np.flatnonzero(np.logical_or(np.logical_or(large, zeros), named)).tolist():
        i, text = numeric[place], texts[place]
        if too_long(text, columns[i]) or (_is_code(text, wishes) and text.name not in wishes.keep):
            columns[i] = text
    return type(frame)(columns)


def _is_code(series: pl.Series, wishes: Wishes) -> bool:
    """Whether zeros before whole numbers, or a name, make them codes; of a target, only where it may be classes."""
    if series.dtype.is_numeric() or not (has_leading_zeros(series) or is_code(series.drop_nulls())):
        return False
    return series.name != wishes.target or _are_few_and_frequent(series.drop_nulls())


def learn(
    frame: pl.DataFrame, block: Block, rows: Array, wishes: Wishes, entire: pl.DataFrame | None = None
) -> tuple[Columns, list[str]]:
    """The meaning of every column of a typed frame, whose target is complete, and notes: on the target first.

    `block` is that of the frame, and `entire` has the rows without a target too, where there are any.
    """
    _refuse_unknown(frame.columns, wishes)
    target, notes = _target(frame[wishes.target], rows, wishes)
    odd: list[str] = []
    others = [name for name in frame.columns if name != wishes.target]
    words = words_of([series for series in texts_in(frame) if series.name != wishes.target])
    evident = _evident(block, words, wishes)
    found = {name: evident.get(name) or _found(frame[name], rows, wishes) for name in others}
    if entire is not None:
        found |= _counters(entire, block, [name for name, one in found.items() if one.kind.name == "quantity"], wishes)
    if not any(one.column for one in found.values()):
        # A count of the rows is better than nothing at all, as the x of a curve.
        found |= {name: replace(one, column=QUANTITY) for name, one in found.items() if one.counts}
    features: dict[str, Column] = {}
    unused: dict[str, str] = {}
    measured = _fit_together({name: one.column for name, one in found.items() if one.column}, block, words)
    for name, one in found.items():
        fitted = measured.get(name) or (fit_column(one.column, frame[name], rows) if one.column else one.left_out)
        if isinstance(fitted, str):
            unused[name] = fitted
        else:
            features[name] = fitted
            odd += one.notes
            if name not in evident:
                odd += _notes_on_odd_cells(frame, fitted, rows, wishes)
            if isinstance(fitted, Categories):
                odd += notes_on_capitals(name, [word for word in fitted.categories if isinstance(word, str)])
    if isinstance(target, Categories):
        odd += notes_on_capitals(target.name, [word for word in target.categories if isinstance(word, str)])
    odd += notes_on_totals(block, rows)
    doubts = notes_on_stand_ins(block)
    odd += [doubts[name] for name, feature in features.items() if name in doubts and isinstance(feature, Numbers)]
    said = [_left_out(name, why, found[name].kind) for name, why in unused.items() if name not in wishes.ignore]
    if not features:
        raise DataError(f"no column is left to learn {wishes.target!r} from: {'; '.join(said) or 'there is no other'}")
    decisions = [
        Decision(name, "quantity" if isinstance(target, Numbers) else "classes", notes[0].partition(": ")[2], PREDICTED)
        if name == wishes.target
        else _decision(found[name], name, features.get(name), unused.get(name, ""))
        for name in frame.columns
    ]
    left_out = (*wishes.ignore, *[name for name in unused if name not in wishes.ignore])
    columns = Columns(tuple(features.values()), target, left_out, wishes.missing, wishes.standardize, tuple(decisions))
    return columns, [*notes, *said, *odd]


def measured_again(
    columns: Columns, frame: pl.DataFrame, rows: Array, without: Collection[str] = ()
) -> tuple[Columns, list[str]]:
    """The same columns as these rows alone teach them, so that rows held back stay unseen, and notes.

    Means, scales, categories, flags and drawers are those of these rows. What does not vary in them teaches nothing and
    is left out: its weight would stay as it was drawn, and a scale of other rows would have been peeked at. So are the
    columns in `without`.
    """
    unused: dict[str, str] = {}
    features: dict[str, Column] = {}
    known = {column.name: column for column in columns.features}
    words = words_of([series for series in texts_in(frame) if isinstance(known.get(series.name), Categories)])
    measured = _fit_together(known, block_of(frame), words)
    for name, column in known.items():
        if name in without:
            feature = "rows are held back by it"
        else:
            feature = measured.get(name) or fit_column(column, frame[name], rows)
        if isinstance(feature, str):
            unused[name] = feature
        else:
            features[name] = feature
    notes: list[str] = [_left_out(name, why) for name, why in unused.items()]
    target = columns.target
    if isinstance(target, Numbers):
        target = _target_of_numbers(frame[target.name], rows, log=target.log)
    if not features:
        raise DataError(f"no column is left to learn {target.name!r} from: {'; '.join(notes)}")
    decisions = tuple(
        replace(one, done=features[one.column].done)
        if one.column in features
        else replace(one, why=unused[one.column], done=LEFT_OUT, used=False)
        if one.column in unused
        else one
        for one in columns.decisions
    )
    left_out = (*columns.left_out, *unused)
    learned = tuple(features.values())
    return replace(columns, features=learned, target=target, left_out=left_out, decisions=decisions), notes


def _decision(found: _Found, name: str, fitted: Column | None, why: str) -> Decision:
    kind = found.kind
    if fitted is None:
        return Decision(name, kind.name, kind.why or why, LEFT_OUT, used=False)
    why = f"{kind.why}; used as there is no other" if found.counts else kind.why
    return Decision(name, kind.name, why, fitted.done)


def _refuse_unknown(known: Collection[str], wishes: Wishes) -> None:
    named = {
        "target": (wishes.target,),
        "ignore": wishes.ignore,
        "categorical": wishes.categorical,
        "keep": wishes.keep,
    }
    for said, names in named.items():
        for name in names:
            if name not in known:
                close = meant(name, known) or f": there are {listing(list(known))}"
                raise DataError(f"{said} names a column {name!r} that is not there{close}")
    if wishes.target in wishes.ignore:
        raise DataError(f"ignore names the target, {wishes.target!r}")


@dataclass(frozen=True)
class _Found:
    """What a column was found to be, and as what it is used; or why it is left out."""

    kind: Kind
    column: Column | None = None
    """Not yet measured, and without its name."""
    left_out: str = ""
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether it only counts the rows."""
        return self.kind.name == "row counter" and bool(self.left_out)


def _evident(block: Block, words: Words, wishes: Wishes) -> dict[str, _Found]:
    """The columns of which a look at all together tells what they are."""
    special = {*wishes.ignore, *wishes.keep, *wishes.categorical}
    quantities, categories = evident_kinds(block), evident_categories(words, most=wishes.max_categories)
    # Columns of numbers are of two kinds: one object each is enough.
    kinds = {kind.name: kind for kind in quantities.values()}
    as_numbers = {word: _Found(kind, QUANTITY) for word, kind in kinds.items()}
    found = {name: as_numbers[kind.name] for name, kind in quantities.items()}
    found |= {name: _Found(kind, CATEGORIES) for name, kind in categories.items()}
    return {name: one for name, one in found.items() if name not in special}


def _counters(entire: pl.DataFrame, block: Block, names: Collection[str], wishes: Wishes) -> dict[str, _Found]:
    """Those of the named quantities that count the rows of the file, though not those of its rows with a target."""
    rising = np.diff(np.sort(block.values, axis=0), axis=0)
    may_count = block.measures.whole & ~block.gappy & (rising > 0).all(axis=0)
    found: dict[str, _Found] = {}
    wanted = set(names)
    for name in [name for name, may in zip(block.names, may_count.tolist(), strict=True) if may and name in wanted]:
        numbers = parse(entire[name]).drop_nulls()
        if numbers.is_finite().all() and (kind := kind_of_numbers(numbers)).name == "row counter":
            found[name] = _Found(kind, QUANTITY) if name in wishes.keep else _Found(kind, left_out=_reason(kind))
    return found


def _found(series: pl.Series, rows: Array, wishes: Wishes) -> _Found:
    name, given = series.name, series.drop_nulls()
    if name in wishes.ignore:
        return _Found(Kind("ignored", "as was asked"), left_out="it is to be ignored")
    if not len(given):
        return _Found(Kind("empty", "no row has a value"), left_out=EMPTY)
    kept = name in wishes.keep
    if given.n_unique() == 1 and len(given) == len(series):
        value = repr(given[0]) if not given.dtype.is_numeric() else f"{given[0]:.6g}"
        return _Found(Kind("constant", f"{value} in every row"), left_out=f"{CONSTANT}, {value} in every row")
    if given.dtype.is_numeric():
        numbers_of(series, rows)
        kind = kind_of_numbers(series)
        if kind.form and (kept or wishes.dates):
            return _Found(kind, Dates("", kind.form, "", ()))
        if kind.name in ("row counter", "id", "date") and not kept:
            return _Found(kind, left_out=_reason(kind))
        return _Found(kind, QUANTITY)
    kind = kind_of_texts(series, most=wishes.max_categories)
    if name in wishes.categorical:
        return _found_texts(series, rows, Kind("categories", "as was asked"), wishes)
    if kind.form:
        return _found_dates(series, kind, used=kept or wishes.dates)
    if kind.name == "date" and not kept:
        return _Found(kind, left_out=f"it has dates, {kind.why}: write all in one way, as 2024-01-31")
    if kind.name == "id" and not kept and not len(_odd_cells(series)):
        return _Found(kind, left_out=_reason(kind))
    return _found_texts(series, rows, kind, wishes)


def _found_dates(series: pl.Series, kind: Kind, *, used: bool) -> _Found:
    """Dates are used if that was asked; that day and month could be swapped is told."""
    if not used:
        return _Found(kind, left_out=_reason(kind))
    given = series.drop_nulls()
    twice = dates.swapped(kind.form, given)
    note = (
        f"column {series.name!r}: {given[0]!r} is read as {{}}, and could be {{}}".format(
            *[str(dates.moments(given.head(1), form)[0])[:10] for form in (kind.form, twice)]
        )
        if twice
        else ""
    )
    notes = (Note(note, series.name, SWAPPED),) if note else ()
    return _Found(kind, Dates("", kind.form, "", ()), notes=notes)


def _found_texts(series: pl.Series, rows: Array, kind: Kind, wishes: Wishes) -> _Found:
    """Texts are categories, if they are not too many: those are hashed if that was asked."""
    name, count = series.name, series.drop_nulls().n_unique()
    kept = name in wishes.keep
    if count <= wishes.max_categories or (kept and not (wishes.drawers or wishes.embedded)):
        return _Found(kind, CATEGORIES)
    odd = _odd_cells(series)
    if (
        len(odd)
        and name not in wishes.categorical
        and kind.name != "code"
        and not _are_names(series.gather(odd), series)
    ):
        # Mostly numbers, so it is the others that need a word: this names the first of them.
        numbers_of(series, rows)
    if wishes.embedded:
        return _Found(kind, Embedded("", (), 1))
    if wishes.drawers:
        return _Found(kind, Hashed("", wishes.drawers, ()))
    return _Found(kind, left_out=_too_many(series, count))


def _too_many(series: pl.Series, count: int) -> str:
    """Why texts of very many kinds are left out, and what would be done with them on request."""
    long = too_long(series, parse(series))
    why = f"{TOO_LONG.format(long)}, and " if long else ""
    first = series.drop_nulls()[0]
    return (
        f"{why}it has {count:,} different texts, as {first!r}; max_categories={count} would make "
        "each a feature, hashed=64 would share 64 among them, embedded=True would learn a vector for each"
    )


def _reason(kind: Kind) -> str:
    """Why a column is left out that looks like numbers to learn from, or could be made such."""
    if kind.name in ("date", "time"):
        return f"it is a {kind.name}, {kind.why}; dates=True would use its parts"
    return f"it is {'a row counter' if kind.name == 'row counter' else 'an id'}, {kind.why}; keep= would use it"


def _fit_together(columns: Mapping[str, Column], block: Block, words: Words) -> dict[str, Column]:
    """The columns of numbers and of categories that vary, as these rows teach them; others are fitted one by one."""
    numbers = {name for name, column in columns.items() if isinstance(column, Numbers)}
    rows = len(block.values)
    found = block.measures
    flags = is_flagged(found.gaps, rows)
    measured = zip(block.names, *[each.tolist() for each in (found.means, found.scales, flags)], strict=True)
    fitted: dict[str, Column] = {
        name: Numbers(name, mean, scale, flag) for name, mean, scale, flag in measured if scale and name in numbers
    }
    for name, texts in words.texts.items():
        if len(texts) > 1 and isinstance(columns.get(name), Categories):
            fitted[name] = Categories(name, texts, is_flagged(rows - words.given[name], rows))
    return fitted


def is_flagged(gaps: Any, rows: int) -> Any:
    """Whether a feature says where a value is missing, if so many are in so many rows; of one column or of many."""
    return gaps >= max(FEWEST_FLAGGED, FLAGGED * rows)


def fit_column(column: Column, series: pl.Series, rows: Array) -> Column | str:
    """A column as these rows teach it, or why they teach nothing of it."""
    column, gaps = replace(column, name=series.name), gaps_in(series, column)
    flag = bool(is_flagged(gaps.sum(), len(gaps)))
    if gaps.all():
        return EMPTY
    if isinstance(column, Numbers):
        return _fit_numbers(replace(column, flag=flag), series, rows)
    if isinstance(column, Dates):
        return _fit_dates(replace(column, flag=flag), series)
    if isinstance(column, Hashed):
        numbers = drawer_numbers(series, column.size)
        return replace(column, drawers=tuple(np.unique(numbers[numbers >= 0]).tolist()), flag=flag)
    given = series.drop_nulls()
    if given.n_unique() == 1 and not gaps.any():
        return f"{CONSTANT}, {given[0]!r} in every row"
    if given.dtype.is_numeric():
        return column
    if isinstance(column, Embedded):
        texts, counts = np.unique(given.to_numpy().astype(str), return_counts=True)
        ordered: list[str] = texts[np.argsort(-counts, kind="stable")].tolist()
        return replace(column, texts=tuple(ordered), width=width_of(len(ordered)), flag=flag)
    categories: tuple[str, ...] = tuple(given.unique().sort().to_list())
    return replace(column, categories=categories, flag=flag)


def width_of(kinds: int) -> int:
    """How many numbers the vector of each of so many texts has: it grows as the fourth root, as word vectors' do."""
    return min(MOST_WIDE, max(2, round(2 * kinds**0.25)))


def _fit_numbers(column: Numbers, series: pl.Series, rows: Array) -> Column | str:
    mean, scale = _mean_and_scale(numbers_of(series, rows))
    if scale:
        return replace(column, mean=mean, scale=scale)
    if column.flag:
        # Whether there is a number is all that it tells.
        return Categories(column.name, (int(mean) if mean.is_integer() else mean,))
    return f"{CONSTANT}, {mean:.6g} in every row that has it"


def _fit_dates(column: Dates, series: pl.Series) -> Column | str:
    since, names = dates.since_of(series, column.form), dates.parts_of(column.form)
    values = dates.numbers_in(series, column.form, names, since)
    measured = [Numbers(name, *_mean_and_scale(values[:, i])) for i, name in enumerate(names)]
    parts = tuple(part for part in measured if part.scale)
    return replace(column, since=since, parts=parts) if parts else "it is the same date in every row that has one"


def _left_out(name: str, why: str, kind: Kind | None = None) -> Note:
    found = "empty" if why == EMPTY else "constant" if kind is None or why.startswith(CONSTANT) else kind.name
    return Note(f"column {name!r} is left out: {why}", name, LEFT_TOGETHER.get(found, TOO_MANY))


def _odd_cells(series: pl.Series) -> Array:
    """In a column of texts that are mostly numbers, however spelt, the places of those that do not read as one."""
    odd = no_number(series)
    strange = odd & ~looks_like_number(series).to_numpy()
    mostly = strange.sum() < (len(series) - series.null_count()) / 2
    return np.flatnonzero(odd & mostly)


def _are_names(odd: pl.Series, series: pl.Series) -> bool:
    """Whether what is no number among numbers is there too often, in too many ways, to be slips."""
    strange = odd.filter(~looks_like_number(odd))
    return strange.n_unique() > MOST_SLIPS and len(strange) > SLIPS * (len(series) - series.null_count())


def missing_words(frame: pl.DataFrame) -> list[str]:
    """Words without digits in columns that are mostly numbers, in their order: they may stand for missing values."""
    words: dict[str, None] = {}
    for series in frame.get_columns():
        if not series.dtype.is_numeric():
            odd = series.gather(_odd_cells(series)).unique(maintain_order=True).to_list()
            words |= {word: None for word in odd if not any(sign.isdigit() or sign in ',"' for sign in word)}
    return list(words)


def _notes_on_odd_cells(frame: pl.DataFrame, feature: Column, rows: Array, wishes: Wishes) -> list[str]:
    """That a few cells made categories of what may have been meant for numbers."""
    if not isinstance(feature, Categories) or feature.name in wishes.categorical:
        return []
    series = frame[feature.name]
    if series.dtype.is_numeric():
        return []
    odd, long = _odd_cells(series), too_long(series, parse(series))
    so = f", so the column is read as {len(feature.categories):,} categories"
    if len(odd):
        return [Note(not_a_number(series, odd, rows, so), feature.name, NOT_ALL_NUMBERS)]
    return [Note(f"column {feature.name!r}: {TOO_LONG.format(long)}{so}", feature.name, ALL_LONG)] if long else []


def _target(series: pl.Series, rows: Array, wishes: Wishes) -> tuple[Target, list[str]]:
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
        logs = " by their logarithms" * wishes.log_target
        note = f"target {name!r}: regression of {count:,} different numbers{logs}"
        return _target_of_numbers(series, rows, log=wishes.log_target), [note]
    if wishes.log_target:
        raise DataError(f"log_target needs numbers to predict, and {name!r} are classes")
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
    named = [] if numeric or not dates.format_of(series) else [f"column {name!r}: its dates are taken for classes"]
    notes = [f"target {name!r}: classification with {len(classes):,} classes, {listing(classes)}"]
    rare = np.flatnonzero(series.is_unique().to_numpy())
    if len(rare):
        notes.append(f"column {name!r}, {where(rare, rows)}: a class that has no other row")
    return Categories(name, classes), [*notes, *named]


def _target_of_numbers(series: pl.Series, rows: Array, *, log: bool) -> Numbers:
    values = numbers_of(series, rows)
    mean, scale = _mean_and_scale(logs_of(values, series, rows) if log else values)
    if not scale:
        raise DataError(f"the target {series.name!r} is {values[0]:.6g} in every row, so there is nothing to learn")
    return Numbers(series.name, mean, scale, log=log)


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
    (mean,), (scale,) = means_and_scales(values[:, None])
    return float(mean), float(scale)
