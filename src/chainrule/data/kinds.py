"""What sort of thing a column holds: a quantity, categories, dates, a count of the rows, codes, names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from chainrule.data import dates
from chainrule.data.block import Block
from chainrule.data.library import polars
from chainrule.data.numerals import LEADING_ZERO, LOOKALIKES
from chainrule.data.words import Words

if TYPE_CHECKING:
    import polars as pl

Name = Literal[
    "quantity",
    "yes/no",
    "categories",
    "code",
    "date",
    "time",
    "row counter",
    "id",
    "text",
    "constant",
    "empty",
    "ignored",
]
WHOLE = r"^[0-9]+(?:\.0*)?$"
FEWEST = 12
"""Rows below which numbers in equal steps, and texts that all differ, may be chance."""

YES_AND_NO = (
    "yes no, y n, true false, t f, on off, ja nein, j n, wahr falsch, oui non, o n, vrai faux, sí no, si no, sì no, "
    "s n, verdadero falso, sim não, sim nao, verdadeiro falso, vero falso, ja nee, waar onwaar, ja nej, ja nei, "
    "kyllä ei, tak nie, ano ne, áno nie, igen nem, da nu, da ne, evet hayır, evet hayir, ναι όχι, да нет, так ні, "
    "ya tidak, có không, 是 否, はい いいえ, 예 아니오, نعم لا, כן לא, हाँ नहीं"
)
TRUTHS = tuple({word.casefold() for word in pair.split()} for pair in YES_AND_NO.split(","))
"""Pairs of words for yes and no, whatever their capitals."""

CODED = "id|uuid|guid|key|code|zip|zipcode|postcode|plz"
NUMBERED = f"{CODED}|number|num|no|nr"


def _ending(words: str) -> re.Pattern[str]:
    """Names that end with one of some words: id, row_id, PassengerId."""
    capital = "|".join([f"{word[0].upper()}(?i:{word[1:]})" for word in words.split("|")])
    return re.compile(rf"(?:^|[_\s.-])(?i:{words})$|[a-z](?:{capital})$")


CODES, IDENTITY = _ending(CODED), _ending(NUMBERED)
"""How columns are called whose whole numbers are names and no quantities, and which are ids if they all differ."""


@dataclass(frozen=True)
class Kind:
    """What a column is, and by what that was seen; for dates also how they are written."""

    name: Name
    why: str
    form: str = ""


def kind_of_numbers(series: pl.Series) -> Kind:
    """What a column is whose every value is a number; it has at least one."""
    values = series.drop_nulls().to_numpy()
    whole = bool((values == np.floor(values)).all())
    if whole and dates.is_compact(values):
        return Kind("date", f"days written like {int(values[0])}", dates.COMPACT)
    if whole and len(values) >= FEWEST:
        steps = np.diff(np.sort(values))
        if len(values) == len(series) and steps.min() == steps.max() > 0:
            return Kind("row counter", f"whole numbers, all different, in equal steps of {int(steps[0])}")
        if steps.min() > 0 and IDENTITY.search(series.name):
            return Kind("id", f"whole numbers, all different, under the name {series.name!r}")
    if values.min() == values.max():
        return Kind("yes/no", f"{values[0]:.6g} or nothing")
    if np.isin(values, (0, 1)).all():
        return Kind("yes/no", "0 and 1")
    return Kind("quantity", "every value is a number")


def evident_kinds(block: Block) -> dict[str, Kind]:
    """What `kind_of_numbers` says of columns, for those of many that are seen to be no dates, counts, ids or constants.

    Whole numbers that could be one of these need a closer look.
    """
    if not block.names:
        return {}
    least, most = block.ends
    values, whole = block.values, block.measures.whole
    named = np.array([IDENTITY.search(name) is not None for name in block.names])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # Where there are fewer whole numbers between the ends than rows, some are repeated.
        counts = whole & (most - least >= len(values) - 1) & (least < most) & ~block.gappy
        step = (most - least) / max(len(values) - 1, 1)
        counts[counts] = named[counts] | ((values[1] - least) % step == 0)[counts]
        steps = np.diff(np.sort(values[:, counts], axis=0), axis=0)
    counts[counts] = (steps.min(axis=0) > 0) & ((steps.min(axis=0) == steps.max(axis=0)) | named[counts])
    counts |= whole & named & block.gappy
    days = whole & (least >= dates.FIRST_COMPACT) & (most <= dates.LAST_COMPACT)
    evident = (least < most) & ~counts & ~days
    truths = whole & (least == 0) & (most == 1)
    yes_no, quantity = Kind("yes/no", "0 and 1"), Kind("quantity", "every value is a number")
    return {
        name: yes_no if is_truth else quantity
        for name, is_truth, is_evident in zip(block.names, truths, evident, strict=True)
        if is_evident
    }


def kind_of_texts(series: pl.Series, *, most: int) -> Kind:
    """What a column of texts is; it has at least one. More than `most` different ones are too many for categories."""
    given = series.drop_nulls()
    count = given.n_unique()
    if has_leading_zeros(given):
        zero = given.filter(given.str.contains(LEADING_ZERO))[0]
        if count == len(given) >= FEWEST and count > most:
            return Kind("id", f"codes, all different, as {zero!r}")
        return Kind("code", f"whole numbers with leading zeros, as {zero!r}")
    if is_code(given):
        return Kind("code", f"whole numbers that repeat, under the name {given.name!r}")
    if form := dates.format_of(given):
        return Kind("date" if "%Y" in form or "%y" in form else "time", f"written like {given[0]!r}", form)
    if ways := dates.different_ways(given):
        return Kind("date", f"written in several ways, as {' and '.join(map(repr, ways))}")
    if count == len(given) >= FEWEST:
        return Kind("id", f"{count:,} different texts in {len(given):,} rows, as {given[0]!r}")
    if count > most:
        return Kind("text", f"{count:,} different texts, as {given[0]!r}")
    if count == 1:
        return Kind("yes/no", f"{given[0]!r} or nothing")
    return kind_of_few(given.unique().sort().to_list())


def kind_of_few(texts: Sequence[str]) -> Kind:
    """What a column is that has these texts again and again, in the order of the alphabet."""
    if len(texts) == 2 and {text.casefold() for text in texts} in TRUTHS:
        return Kind("yes/no", " and ".join(map(repr, texts)))
    return Kind("categories", f"{len(texts):,} different texts")


def evident_categories(words: Words, *, most: int) -> dict[str, Kind]:
    """What `kind_of_texts` says of columns of few texts that come again, none being like a number or a date."""
    texts = [text for those in words.texts.values() for text in those]
    if not texts:
        return {}
    looks = "|".join([LEADING_ZERO, dates.LOOKS, *LOOKALIKES.values()])
    cells = polars().Series(texts)
    odd = cells.str.contains(looks) | cells.cast(float, strict=False).is_not_null()
    marks, end, found = odd.to_list(), 0, dict[str, Kind]()
    for name, those in words.texts.items():
        begin, end = end, end + len(those)
        if 2 <= len(those) <= most and len(those) < words.given[name] and not any(marks[begin:end]):
            found[name] = kind_of_few(those)
    return found


def is_code(given: pl.Series) -> bool:
    """Whether whole numbers that repeat are names of things, by the name of their column, as store_id."""
    if CODES.search(given.name) is None or not len(given):
        return False
    return given.n_unique() < len(given) and bool(given.str.contains(WHOLE).all())


def has_leading_zeros(texts: pl.Series) -> bool:
    """Whether whole numbers are written with zeros before them, as codes are, and as no quantity is."""
    return bool(texts.str.contains(LEADING_ZERO).any())
