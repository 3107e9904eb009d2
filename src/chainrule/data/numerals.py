"""Texts that are not simply the number they look like: with a decimal comma, with %, or with too many digits."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

SPACES = " \u00a0\u202f\u2009\u2007"
"""The usual one, two that do not break a line, a thin one and one as wide as a digit: what stands between thousands."""

NUMBER = rf"[+-]?[0-9](?:[0-9.,'’{SPACES}]*[0-9])?"
LOOKALIKES = {
    "a percent sign": rf"^{NUMBER}[{SPACES}]?%$",
    "a currency sign": rf"^(?:[+-]?[$€£¥][{SPACES}]?{NUMBER}|{NUMBER}[{SPACES}]?[$€£¥])$",
    "a decimal comma or marks for thousands": (
        rf"^[+-]?(?:[0-9]*,[0-9]+|[0-9]{{1,3}}(?:[.,'’{SPACES}][0-9]{{3}})+(?:[.,][0-9]+)?)$"
    ),
}
"""What a number may be written with that no number here has, and how it looks; Python and polars read these alike."""

LARGEST_EXACT = 2.0**53
"""From here on float64 rounds whole numbers."""


LEADING_ZERO = "^0[0-9]+$"
"""How codes are written that are no quantities, as 01001."""


def number_in(text: str) -> float:
    """The number that a text is, nan where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def looks_like_number(texts: pl.Series) -> pl.Series:
    """Which texts of a column are numbers in another spelling."""
    return texts.str.contains("|".join(LOOKALIKES.values())).fill_null(False)


def hint(text: str) -> str:
    """What makes a text a number in another spelling, and what to say of it; nothing where it is none."""
    for sign, pattern in LOOKALIKES.items():
        if re.search(pattern, text):
            said = f", or say {marks_of(text)}" if "decimal" in sign else ""
            return f"it looks like one with {sign}: write numbers as 1234.5{said}"
    return ""


def marks_of(text: str) -> str:
    """The arguments with which a number with other marks than a decimal point is read; both, if it may be either."""
    marks = re.sub(r"[0-9+-]", "", text)
    first, last = marks[0], marks[-1]
    if first != last:
        said = [f"decimal={last!r}"] * (last != ".") + [f"thousands={first!r}"]
        return " and ".join(said)
    if len(marks) > 1 or first not in ",.":
        return f"thousands={first!r}"
    return "decimal=',' or thousands=','" if first == "," else "thousands='.' and decimal=','"


def too_long(texts: pl.Series, numbers: pl.Series) -> str:
    """One of the whole numbers of a column, if rounding makes some of them equal; nothing where all stay apart."""
    large = texts.str.contains("^[+-]?[0-9]+$") & (numbers.abs() >= LARGEST_EXACT)
    written, rounded = texts.filter(large).str.replace("^[+]?0*", "").str.replace("^-0*", "-"), numbers.filter(large)
    return str(written[0]) if written.n_unique() > rounded.n_unique() else ""
