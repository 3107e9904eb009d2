"""How a file writes its numbers and its text: what was said of it, and what its columns agree on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from chainrule.data.block import any_by_column, stacked
from chainrule.data.library import polars
from chainrule.data.notes import Note
from chainrule.data.numerals import NUMBER, SPACES
from chainrule.errors import DataError
from chainrule.printable import in_words

if TYPE_CHECKING:
    import polars as pl

MARKS = {"": "", ",": ",", ".": r"\.", " ": f"[{SPACES}]", "'": "['’]", "_": "_"}
"""What may stand between thousands, and the pattern of it."""

SHARES, SIGNS = "%‰", "$€£¥₹₽₩₺₪₫₴"
CODES = "USD EUR GBP CHF JPY CNY INR AUD CAD NZD SEK NOK DKK PLN CZK HUF RON BRL MXN ZAR KRW RUB TRY SGD HKD US[$] R[$]"
BEFORE = rf"[{SIGNS}{SHARES}]|{'|'.join(CODES.split())}"
"""What a number may have before it: else a word before one is a name, as in Room 4."""

BEHIND = rf"[{SIGNS}{SHARES}°µμΩ]|[°µμ]?[^\W\d_][^\d,;:()\"<>=]{{0,11}}"
"""What a number may have behind it: a sign or the word of a unit, as kg or km/h."""

MOSTLY = 0.8
"""The share of cells of which what is seen of a column must hold; the others are told of with their rows."""

DASHES = "−–"
"""What else a minus is written with; a number in brackets, as accounts have it, is negative too."""

DECIMALS = ".,"
UNITED = re.compile(
    rf"[+\-{DASHES}]?(?P<before>{BEFORE})?[{SPACES}]?\(?(?P<inside>{BEFORE})?[{SPACES}]?"
    rf"(?P<digits>[+\-{DASHES}]?(?:{NUMBER}|[.,][0-9]+)(?:[eE][+-]?[0-9]+(?![\w]))?)[{SPACES}]?\)?[{SPACES}]?"
    rf"(?P<behind>{BEHIND})?\)?"
)
"""A number in any spelling with what stands beside it, for Python."""

NUMBERLIKE = rf"^[+\-{DASHES}(]*(?:{BEFORE})?[{SPACES}(+\-{DASHES}]*[.,]?[0-9]"
"""How such a number begins."""

SEEN = 30
"""Cells by which it is seen what stands beside the numbers of a column."""

FEWEST_AMOUNTS, MOST_UNITS = 10, 4
"""So many different numbers, with so few units, are amounts in several units rather than names."""

LISTED = 3
"""Columns that are named before the rest is counted."""


@dataclass(frozen=True)
class Form:
    """How the numbers of a column are written.

    `decimal` and `thousands` are the signs before decimals and between thousands, `unit` what stands before or behind a
    number, and `minus` has what marks those below 0 beside a hyphen: dashes, or ( for brackets.
    """

    column: str
    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    minus: str = ""

    @property
    def pattern(self) -> str:
        """A number so written; its first group is a sign before the unit, the second the digits."""
        whole = "[0-9]+"
        if self.thousands:
            mark = MARKS[self.thousands]
            whole = rf"(?:[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+|[0-9]+)"
            if self.thousands == ",":
                # In India hundreds of thousands have a comma of their own: 1,00,000.
                whole = rf"(?:[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}}|{whole})"
        point, gap = re.escape(self.decimal), f"[{SPACES}]?"
        digits = rf"[+-]?(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?"
        if not self.unit:
            return rf"^()({digits})$"
        return rf"^([+-]?)(?:{re.escape(self.unit)}{gap})?({digits})(?:{gap}{re.escape(self.unit)})?$"

    @property
    def words(self) -> str:
        """What is unusual in it, and how it could be said."""
        found = ["a decimal comma (decimal=',')"] if self.decimal == "," else []
        found += [f"{self.thousands!r} between thousands (thousands={self.thousands!r})"] if self.thousands else []
        found += [f"{self.unit} beside them"] if self.unit else []
        dashes = " and ".join([repr(sign) for sign in self.minus if sign != "("])
        found += [f"{dashes} for a minus"] if dashes else []
        found += ["brackets around those below 0"] if "(" in self.minus else []
        return in_words(found)

    def plain(self, texts: pl.Series) -> pl.Series:
        """The texts with their numbers as programs write them; what is no number so written stays as it is."""
        library = polars()
        signed = self._signed(texts)
        signs, digits = (signed.str.extract(self.pattern, group) for group in (1, 2))
        if self.thousands:
            digits = digits.str.replace_all(MARKS[self.thousands], "")
        digits = digits.str.replace(self.decimal, ".", literal=True) if self.decimal != "." else digits
        return library.select(library.coalesce(signs + digits, texts)).to_series().alias(texts.name)

    def share(self, given: pl.Series) -> float:
        """How many of the cells are numbers so written."""
        matched: Any = self._signed(given).str.contains(self.pattern).mean()
        return float(matched or 0.0)

    def _signed(self, texts: pl.Series) -> pl.Series:
        """The texts with a hyphen wherever a number is below 0."""
        for sign in self.minus:
            if sign == "(":
                texts = texts.str.replace(r"^([^0-9()+-]*)\(([^()+-]+)\)([^0-9()]*)$", "-${1}${2}${3}")
            else:
                texts = texts.str.replace(sign, "-", literal=True)
        return texts


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
        if columns:
            # Of a wide table few columns of texts begin as numbers do, and only those can be numbers in another form.
            like = any_by_column(stacked(columns).str.contains(NUMBERLIKE), len(columns))
            columns = [series for series, is_like in zip(columns, like, strict=True) if is_like]
        notes: list[str] = []
        for series in columns:
            given = series.drop_nulls()
            form = _form_of(given, self)
            if form is None:
                notes += _notes_on_units(given)
            else:
                odd = given.filter(form.plain(given) != given)
                found.append((form, (odd if len(odd) else given)[0]))
        unusual = tuple(form for form, _ in found if form != Form(form.column))
        return replace(self, columns=unusual), [*_notes(found, self), *notes]

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
    units = _units_in(given.head(SEEN).to_list())
    unit = max(units, key=lambda each: units[each], default="")
    minus = "".join([sign for sign in (*DASHES, "(") if given.str.contains(sign, literal=True).any()])
    bare = Form(given.name, unit=unit, minus=minus)
    if spelling.is_told:
        told = replace(bare, decimal=spelling.decimal, thousands=spelling.thousands)
        usual = [told, *([] if spelling.thousands else [replace(told, thousands=mark) for mark in (".", " ")])]
        # A few cells that are no numbers are told of with their rows, when the column is read.
        best = max(usual, key=lambda form: form.share(given))
        return best if best.share(given) > 0.5 else None
    # With % a number is another one than without; that kg was left off in a few cells is told of with their rows.
    if unit and _share_with(given, unit) < (1.0 if unit in SHARES else MOSTLY):
        return None
    shares = {form: form.share(given) for form in _forms(bare)}
    best = max(shares.values())
    if best < (MOSTLY if unit else 1.0):
        return None
    fits = [form for form, share in shares.items() if share == best]
    values = [form.plain(given).cast(float, strict=False) for form in fits]
    others = [form for form, value in zip(fits, values, strict=True) if not value.equals(values[0])]
    if others:
        # Nobody writes money with three decimals: there, and only there, one mark before three digits is of thousands.
        is_money = unit not in SHARES and re.fullmatch(BEFORE, unit) is not None
        return next((form for form in others if form.thousands and is_money), None)
    form = fits[0]
    # A comma alone may be a slip in one cell, or stand for either: that is for the user to say.
    if not unit and (form.decimal, form.thousands) in ((",", ""), (".", ",")) and not _has_marks(given):
        return None
    return form if form != Form(given.name) else None


def _forms(bare: Form) -> Iterator[Form]:
    for decimal, thousands in ((".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'")):
        yield replace(bare, decimal=decimal, thousands=thousands)


def _has_marks(given: pl.Series) -> bool:
    """Whether a number has a comma and a point, or two commas, so that it is seen what a comma is."""
    return given.str.contains(r",.*[.,]|\..*,").any()


def _units_in(cells: Sequence[str]) -> Counter[str]:
    """What stands beside the numbers of some cells, and in how many."""
    found = [match for match in map(UNITED.fullmatch, cells) if match]
    units = [match["before"] or match["inside"] or match["behind"] or "" for match in found]
    return Counter([unit.strip() for unit in units if unit.strip()])


def _share_with(given: pl.Series, unit: str) -> float:
    """How many of the cells have a unit in them."""
    found: Any = given.str.contains(unit, literal=True).mean()
    return float(found or 0.0)


def _notes_on_units(given: pl.Series) -> Iterator[str]:
    """That a column of amounts stays one of texts, as it has several units, or marks that may be of either kind."""
    cells = given.unique(maintain_order=True).to_list()
    matches = [match for match in map(UNITED.fullmatch, cells) if match]
    units = _units_in(cells)
    amounts = {match["digits"] for match in matches}
    bare = len(matches) - sum(units.values())
    # Few cells with a unit among numbers are told of with their rows, when the column is read.
    if len(matches) < MOSTLY * len(cells) or 2 * bare > len(matches):
        return
    if len(amounts) < FEWEST_AMOUNTS or len(units) > MOST_UNITS:
        return
    if len(units) > 1 or bare:
        beside = ", ".join(sorted(units)) + " or nothing" * bool(bare)
        why = f"numbers with {beside} beside them stay texts: write all in one unit"
    else:
        why = f"{cells[0]!r} may be read in more than one way, so it stays text: say decimal= or thousands="
    yield Note(f"column {given.name!r}: {why}", given.name, "hold amounts that stay texts: write each in one unit")


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
