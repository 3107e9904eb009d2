"""Errors that point at the place: the line as it was typed, with carets under what is meant."""

from __future__ import annotations

from chainrule.errors import FormulaError
from chainrule.printable import columns, disturbs

WIDEST = 100
"""A longer line is shown around the place only."""


def error_at(text: str, start: int, stop: int, problem: str) -> FormulaError:
    """The error for the characters from `start` up to `stop` of what was typed.

    >>> from chainrule.expression.typed.caret import error_at
    >>> print(error_at("2 + x ^ 2", 6, 7, "a power is written with **"))
    a power is written with **
      2 + x ^ 2
            ^
    """
    begin = 1 + max(text.rfind(end, 0, start) for end in LINE_ENDS)
    line = (text[begin:].splitlines() or [""])[0]
    start, stop = start - begin, min(stop - begin, len(line))
    first = max(0, start - WIDEST // 2) if len(line) > WIDEST else 0
    last = min(len(line), first + WIDEST)
    before, after = "…" * (first > 0), "…" * (last < len(line))
    shown = before + "".join(map(printable, line[first:last])) + after
    indent = " " * len(before) + "".join(map(blank, line[first:start]))
    carets = sum(map(width, line[start : min(stop, last)]))
    return FormulaError(f"{problem}\n  {shown}\n  {indent}{'^' * max(carets, 1)}")


LINE_ENDS = ("\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")
"""Where `str.splitlines` begins a new line."""


def printable(character: str) -> str:
    """The character itself, or a stand-in for one that would disturb a terminal or cannot be encoded."""
    return "�" if disturbs(character) and character != "\t" else character


def width(character: str) -> int:
    """How many columns of a terminal the character takes, as it is shown."""
    return columns(printable(character))


def blank(character: str) -> str:
    """Space as wide as the character; a tab stays a tab, whose width only the terminal knows."""
    return character if character == "\t" else " " * width(character)
