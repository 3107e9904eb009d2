"""How a file writes its numbers and its text: what was said of it, and what its columns agree on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from chainrule.data.block import any_by_column, stacked
from chainrule.data.library import polars
from chainrule.data.numerals import SPACES
from chainrule.errors import DataError

if TYPE_CHECKING:
    import polars as pl

MARKS = {"": "", ",": ",", ".": r"\.", " ": f"[{SPACES}]", "'": "['’]", "_": "_"}
"""What may stand between thousands, and the pattern of it."""

SIGNS = "%‰$€£¥₹₽₩₺"
"""What a number may have before or behind it."""

DECIMALS = ".,"
NUMBERLIKE = re.compile(rf"[+-]?[{SIGNS}{SPACES}]*[+-]?[.,]?[0-9]")
LISTED = 3
"""Columns that are named before the rest is counted."""


@dataclass(frozen=True)
class Form:
    """How the numbers of a column are written: the sign before decimals, that between thousands, and one beside it."""

    column: str
    decimal: str = "."
    thousands: str = ""
    sign: str = ""

    @property
    def pattern(self) -> str:
        """A number so written; its first group is a sign before the unit, the second the digits."""
        whole = "[0-9]+"
        if self.thousands:
            whole = rf"(?:[1-9][0-9]{{0,2}}(?:{MARKS[self.thousands]}[0-9]{{3}})+|[0-9]+)"
        point, sign, gap = re.escape(self.decimal), re.escape(self.sign), f"[{SPACES}]?"
        digits = rf"[+-]?(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?"
        if not self.sign:
            return rf"^()({digits})$"
        return rf"^([+-]?)(?:{sign}{gap})?({digits})(?:{gap}{sign})?$"

    @property
    def words(self) -> str:
        """What is unusual in it, and how it could be said."""
        found = ["a decimal comma (decimal=',')"] if self.decimal == "," else []
        found += [f"{self.thousands!r} between thousands (thousands={self.thousands!r})"] if self.thousands else []
        return " and ".join([*found, *([f"{self.sign} beside them"] if self.sign else [])])

    def plain(self, texts: pl.Series) -> pl.Series:
        """The texts with their numbers as programs write them; what is no number so written stays as it is."""
        library = polars()
        signs, digits = (texts.str.extract(self.pattern, group) for group in (1, 2))
        if self.thousands:
            digits = digits.str.replace_all(MARKS[self.thousands], "")
        digits = digits.str.replace(self.decimal, ".", literal=True) if self.decimal != "." else digits
        return library.select(library.coalesce(signs + digits, texts)).to_series().alias(texts.name)


@dataclass(frozen=True)
class Spelling:
    """How a file is written, as far as that was said or its columns agree; None is found out from each file.

    `columns` are those whose numbers are written in another form than programs write them.
    """

    separator: str | None = None
    encoding: str | None = None
    comment: str | None = None
    decimal: str = "."
    thousands: str = ""
    columns: tuple[Form, ...] = ()

    def __post_init__(self) -> None:
        if self.separator is not None and (len(self.separator.encode()) != 1 or self.separator in '"\r\n'):
            raise DataError(f"separator is one ASCII sign, as ';', not {self.separator!r}")
        if self.decimal not in DECIMALS or len(self.decimal) != 1:
            raise DataError(f"decimal is '.' or ',', not {self.decimal!r}")
        if self.thousands not in MARKS:
            known = ", ".join(repr(mark) for mark in MARKS if mark)
            raise DataError(f"thousands is one of {known}, not {self.thousands!r}")
        if self.thousands == self.decimal:
            raise DataError(f"decimal and thousands are both {self.decimal!r}: one sign cannot be both")
        if self.decimal != "." and self.separator == self.decimal:
            raise DataError(f"decimal and separator are both {self.decimal!r}: one sign cannot be both")
        if self.comment is not None and (not self.comment.strip() or '"' in self.comment or "\n" in self.comment):
            raise DataError(f"comment is what a line begins with that is no data, as '#', not {self.comment!r}")

    @property
    def is_said(self) -> bool:
        """Whether anything was said."""
        return self != Spelling()

    @property
    def is_told(self) -> bool:
        """Whether it was said how numbers are written."""
        return (self.decimal, self.thousands) != (".", "")

    def said(self, **more: str | None) -> Spelling:
        """The same with what is said now of another file."""
        return replace(self, **{name: held for name, held in more.items() if held is not None})

    def plain(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A frame of texts with the numbers of `columns` as programs write them."""
        forms = {form.column: form for form in self.columns}
        if not forms:
            return frame
        columns = frame.get_columns()
        for i, series in enumerate(columns):
            if series.name in forms and not series.dtype.is_numeric():
                columns[i] = forms[series.name].plain(series)
        return type(frame)(columns)

    def learned(self, frame: pl.DataFrame, texts: Sequence[str]) -> tuple[Spelling, list[str]]:
        """With the forms that columns of text are found to have, but those in `texts`; and notes on what is unusual."""
        found: list[tuple[Form, str]] = []
        named = zip(frame.columns, frame.dtypes, strict=True)
        columns = [frame[name] for name, dtype in named if name not in texts and not dtype.is_numeric()]
        if columns and not self.is_told:
            # Of a wide table few columns have units, and only those can be in a form that nobody has told of.
            signed = any_by_column(stacked(columns).str.contains(f"[{SIGNS}]"), len(columns))
            columns = [series for series, has_sign in zip(columns, signed, strict=True) if has_sign]
        for series in columns:
            given = series.drop_nulls()
            if len(given) and NUMBERLIKE.match(given[0]) and (form := _form_of(given, self)):
                found.append((form, given[0]))
        unusual = tuple(form for form, _ in found if form != Form(form.column))
        return replace(self, columns=unusual), list(_notes(found, self))

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Spelling:
        """The spelling that ``dataclasses.asdict`` gave."""
        forms = tuple(Form(*[str(form[name]) for name in Form.__annotations__]) for form in saved["columns"])
        optional = {name: saved[name] for name in ("separator", "encoding", "comment")}
        if not all(held is None or isinstance(held, str) for held in optional.values()):
            raise TypeError(f"the spelling {optional} holds something else than texts")
        if any(form.decimal not in DECIMALS or form.thousands not in MARKS for form in forms):
            raise ValueError("the numbers of a column are written in no form that there is")
        return cls(**optional, decimal=str(saved["decimal"]), thousands=str(saved["thousands"]), columns=forms)


def _form_of(given: pl.Series, spelling: Spelling) -> Form | None:
    """The form of a column's numbers, if it holds numbers and leaves no doubt; `given` are its cells that are there."""
    signs = [sign for sign in SIGNS if sign in given[0]]
    sign = signs[0] if len(signs) == 1 else ""
    if spelling.is_told:
        told = Form(given.name, spelling.decimal, spelling.thousands, sign)
        usual = [told, *([] if spelling.thousands else [replace(told, thousands=mark) for mark in (".", " ")])]
        # A few cells that are no numbers are told of with their rows, when the column is read.
        return max(usual, key=lambda form: _share(given, form)) if _share(given, told) > 0.5 else None
    # A comma alone may be a slip in one cell, or stand for either: that is for the user to say.
    if not sign or not given.str.contains(sign, literal=True).all():
        return None
    fits = [form for form in _forms(given.name, sign) if _share(given, form) == 1]
    values = [form.plain(given).cast(float) for form in fits]
    others = [form for form, value in zip(fits, values, strict=True) if not value.equals(values[0])]
    if not others:
        return fits[0] if fits else None
    # Nobody writes money with three decimals: there, and only there, one mark before three digits is of thousands.
    return next((form for form in others if form.thousands and sign not in "%‰"), None)


def _forms(column: str, sign: str) -> Iterator[Form]:
    for decimal, thousands in ((".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'")):
        yield Form(column, decimal, thousands, sign)


def _share(given: pl.Series, form: Form) -> float:
    """How many of the cells are numbers so written."""
    matched: Any = given.str.contains(form.pattern).mean()
    return float(matched or 0.0)


def _notes(found: Sequence[tuple[Form, str]], spelling: Spelling) -> Iterator[str]:
    """A note for each unusual form that nobody had told of, with its first columns and an example."""
    # What was said of all numbers is no news of a column.
    news = [
        (replace(form, decimal=".", thousands="") if spelling.is_told else form, form, text) for form, text in found
    ]
    unusual = sorted([one for one in news if one[0].words], key=lambda one: one[0].words)
    for words, alike in groupby(unusual, key=lambda one: one[0].words):
        forms = list(alike)
        _, form, text = forms[0]
        names = ", ".join(repr(one.column) for one, _, _ in forms[:LISTED])
        rest = f", … ({len(forms):,} columns)" if len(forms) > LISTED else ""
        value = form.plain(polars().Series([text]))[0]
        yield f"column{'s' * (len(forms) > 1)} {names}{rest}: numbers with {words}; {text!r} is read as {value}"
