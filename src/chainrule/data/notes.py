"""What is told of columns: each by itself, or in one line what holds of many."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

from chainrule.errors import DataWarning
from chainrule.printable import printable

MANY = 4
"""From so many columns on, what is told of each is told in one line."""

NAMED = 3
"""Columns that such a line names."""


class Note(str):
    """A sentence on a `column`, and in `kind` how one on many columns ends: that they "miss values", say."""

    column: str
    kind: str
    __slots__ = ("column", "kind")

    def __new__(cls, text: str, column: str = "", kind: str = "") -> Note:
        made = super().__new__(cls, text)
        made.column, made.kind = column, kind
        return made


def together(notes: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Lines in the order of their first notes, each with what it tells of: one, or what holds of many columns.

    >>> from chainrule.data.notes import Note, together
    >>> notes = [Note(f"column {name!r} is empty", name, "are empty") for name in "abcde"]
    >>> [line for line, _ in together(["too long", *notes])]
    ['too long', '5 columns are empty: a, b, c and 2 more']
    """
    groups: dict[str, list[str]] = {}
    for note in notes:
        groups.setdefault(note.kind if isinstance(note, Note) and note.kind else f"\0{note}", []).append(note)
    for kind, alike in groups.items():
        if len(alike) < MANY:
            yield from ((note, [note]) for note in alike)
        else:
            names = [note.column for note in alike if isinstance(note, Note)]
            rest = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
            yield f"{len(names):,} columns {kind}: {', '.join(names[:NAMED])}{rest}", alike


def warn_of(notes: Iterable[str], source: str) -> None:
    """Say every note as a warning, those of one kind together, at the line of whoever called our caller."""
    for line, told in together(notes):
        each = [printable(f"{source}: {note}") for note in told]
        warnings.warn(DataWarning(printable(f"{source}: {line}"), notes=each), stacklevel=3)
