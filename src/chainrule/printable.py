"""Texts of others, made safe to print: what would steer a terminal, or hide, is shown as its code."""

from __future__ import annotations

from unicodedata import category

DISTURBING = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
"""Control, format (directions, joiners), surrogates, unassigned, private use, separators of lines and paragraphs."""


def disturbs(character: str) -> bool:
    """Whether a terminal would obey the character, or show nothing, where it was meant to be read."""
    return category(character) in DISTURBING


def printable(text: str, *, lines: bool = False) -> str:
    r"""The text with its codes in the place of characters that a terminal would obey; with `lines`, lines stay lines.

    >>> from chainrule.printable import printable
    >>> print(printable("red\x1b[31m\u202eder"))
    red\x1b[31m\u202eder
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if disturbs(character) and character not in kept
        else character
        for character in text
    )
