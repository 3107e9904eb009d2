"""Texts that people read as numbers and programs do not: with a decimal comma, marks for thousands, % or $."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

SPACES = " \u00a0\u202f"
"""The usual one, and two that do not break a line: what spreadsheets put between thousands."""

NUMBER = rf"[+-]?[0-9](?:[0-9.,'’{SPACES}]*[0-9])?"
LOOKALIKES = {
    "a percent sign": rf"^{NUMBER}[{SPACES}]?%$",
    "a currency sign": rf"^(?:[+-]?[$€£¥][{SPACES}]?{NUMBER}|{NUMBER}[{SPACES}]?[$€£¥])$",
    "a decimal comma or marks for thousands": (
        rf"^[+-]?(?:[0-9]*,[0-9]+|[0-9]{{1,3}}(?:[.,'’{SPACES}][0-9]{{3}})+(?:[.,][0-9]+)?)$"
    ),
}
"""What a number may be written with that no number here has, and how it looks; Python and polars read these alike."""


def looks_like_number(texts: pl.Series) -> pl.Series:
    """Which texts of a column are numbers in another spelling."""
    return texts.str.contains("|".join(LOOKALIKES.values())).fill_null(False)


def hint(text: str) -> str:
    """What makes a text a number in another spelling, and what to write instead; nothing where it is none."""
    for sign, pattern in LOOKALIKES.items():
        if re.search(pattern, text):
            return f"it looks like one with {sign}: write numbers as 1234.5"
    return ""
