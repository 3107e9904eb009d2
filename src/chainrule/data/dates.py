"""Dates and times in columns of text: how they are written, and the numbers that a network can take from them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import product
from operator import ge
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.data.library import polars
from chainrule.kinds import Array

if TYPE_CHECKING:
    import polars as pl

DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y")
WORDED = ("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y")
SHORT = ("%d.%m.%y", "%d/%m/%y", "%m/%d/%y")
MONTHS = ("%Y-%m", "%m/%Y", "%b-%y", "%b-%Y", "%b %Y", "%B-%Y", "%B %Y")
TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S%.f", "%I:%M %p", "%I:%M:%S %p")
ZONES = ("", "Z", "%z", " %z")
FORMATS = (
    *DAYS,
    *WORDED,
    *SHORT,
    *MONTHS,
    *(f"{day}{gap}{time}" for day, gap, time in product((*DAYS, *WORDED, *SHORT), (" ", "T"), TIMES)),
    *(f"{DAYS[0]}{gap}{time}{zone}" for gap, time, zone in product((" ", "T"), TIMES[:3], ZONES[1:])),
    *TIMES,
)
"""How a date may be written, in the signs of ``strptime``; of several that fit, the first is taken."""

MARKS = "-/.:,"


def _marks_in(text: str) -> tuple[int, ...]:
    return tuple([text.count(mark) for mark in MARKS])


NEEDED = {form: _marks_in(form.replace("%.f", "")) for form in FORMATS}
"""How often a text must have each of these signs to be a date so written: most are seen to be none by that."""

COMPACT = "%Y%m%d"
"""A date without signs, which looks like a whole number."""

FIRST_COMPACT, LAST_COMPACT = 1900_01_01, 2100_12_31
"""Whole numbers between these may be such dates."""

SAMPLE = 30
"""Cells by which it is seen whether a column may hold dates at all."""

MOSTLY = 0.9
"""The share of a column's cells that must be dates; the others are told of, and count as missing."""

YEARS = (1000, 3000)
"""A date outside of these is another kind of number."""

LOOKS = r"^(?:[0-9]{1,4}[-/.: ][0-9a-zA-Z]|[A-Za-z]{3,9}(?: [0-9]|-[0-9]{2}))"
"""How a text begins that may be a date."""

ZERO = datetime(1970, 1, 1)


def format_of(series: pl.Series) -> str:
    """How the dates or times of a column of text are written; nothing where it holds none."""
    given = series.drop_nulls()
    sample = given.head(SAMPLE)
    if not len(given) or sum(bool(re.match(LOOKS, text)) for text in sample) < MOSTLY * len(sample):
        return ""
    fits = [form for form in _likely(sample) if moments(sample, form).is_not_null().sum() >= MOSTLY * len(sample)]
    found = {form: int(moments(given, form).is_not_null().sum()) for form in fits}
    best = max(found, key=lambda form: found[form], default="")
    return best if best and found[best] >= MOSTLY * len(given) else ""


def different_ways(series: pl.Series) -> list[str]:
    """Two cells of a column of dates that are written in different ways; nothing where it is no such column."""
    sample = series.drop_nulls().unique(maintain_order=True).head(SAMPLE)
    if not all(re.match(LOOKS, text) for text in sample):
        return []
    dated = [form for form in _likely(sample) if "%Y" in form or "%y" in form]
    fits = [fit for form in dated if any(fit := moments(sample, form).is_not_null().to_list())]
    if not fits or not all(map(any, zip(*fits, strict=True))):
        return []
    most = max(fits, key=sum)
    return [] if all(most) else [sample[most.index(True)], sample[most.index(False)]]


def _likely(sample: pl.Series) -> list[str]:
    """The ways to write a date whose signs some cell has."""
    found_marks = {_marks_in(text) for text in sample}
    return [form for form, needed in NEEDED.items() if any(all(map(ge, found, needed)) for found in found_marks)]


def is_compact(values: Array) -> bool:
    """Whether whole numbers are dates without signs, as 20240131: every one of them is a day that was or will be."""
    if not len(values) or values.min() < FIRST_COMPACT or values.max() > LAST_COMPACT:
        return False
    texts = polars().Series(values.astype(np.int64)).cast(polars().String)
    return bool(moments(texts, COMPACT).is_not_null().all())


def swapped(form: str, series: pl.Series) -> str:
    """The other reading of day and month, if every date of the column has it too."""
    other = form.replace("%d", "%#").replace("%m", "%d").replace("%#", "%m")
    if other not in FORMATS or other == form:
        return ""
    return other if moments(series, other).is_null().sum() == moments(series, form).is_null().sum() else ""


def moments(series: pl.Series, form: str) -> pl.Series:
    """Points in time, without a zone; null where a cell is missing or not written so."""
    library = polars()
    texts = series if series.dtype == library.String else _whole(series)
    if form in MONTHS:
        texts, form = texts + "-01", f"{form}-%d"
    if "%Y" not in form and "%y" not in form:
        texts, form = "2000-01-01 " + texts, f"%Y-%m-%d {form}"
    if form.endswith("Z"):
        texts, form = texts.str.replace(r"[Zz]$", "+0000"), f"{form[:-1]}%z"
    found = texts.str.to_datetime(form, strict=False, time_unit="us")
    if "%z" in form:
        found = found.dt.replace_time_zone(None)
    years = found.dt.year()
    return found.set((years < YEARS[0]) | (years > YEARS[1]), None)


def _whole(series: pl.Series) -> pl.Series:
    library = polars()
    return series.cast(library.Int64 if series.dtype.is_numeric() else library.String, strict=False).cast(
        library.String
    )


def parts_of(form: str) -> tuple[str, ...]:
    """The numbers that dates written so have."""
    dated = "%Y" in form or "%y" in form
    parts = ["year", "month", *(["day", "weekday"] if "%d" in form else []), "days"] if dated else []
    return (*parts, *(["hour"] if "%H" in form or "%I" in form else []))


def since_of(series: pl.Series, form: str) -> str:
    """The first date of a column, from which days are counted."""
    first: Any = moments(series, form).min()
    return (first or ZERO).strftime("%Y-%m-%d")


def numbers_in(series: pl.Series, form: str, parts: Sequence[str], since: str) -> Array:
    """The parts of each date, shape (rows, parts), float64, nan where there is none; Monday is 1."""
    found = moments(series, form)
    hours = found.dt.hour().cast(float) + found.dt.minute().cast(float) / 60 + found.dt.second().cast(float) / 3600
    days = (found - datetime.fromisoformat(since)).dt.total_seconds().cast(float) / 86400
    of = {
        "year": found.dt.year,
        "month": found.dt.month,
        "day": found.dt.day,
        "weekday": found.dt.weekday,
        "days": lambda: days,
        "hour": lambda: hours,
    }
    values = [of[part]().cast(float).fill_null(float("nan")).to_numpy() for part in parts]
    return np.stack(values, axis=1) if values else np.empty((len(series), 0))


def no_date(series: pl.Series, form: str) -> Array:
    """The places of cells that are neither missing nor a date."""
    return np.flatnonzero((moments(series, form).is_null() & series.is_not_null()).to_numpy())
