"""Texts made safe to print: what would steer a terminal is shown as its code, what one lacks is spelled out."""

from __future__ import annotations

import codecs
from collections.abc import Container, Sequence
from functools import lru_cache
from itertools import groupby
from unicodedata import category, decomposition, east_asian_width, name, normalize

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


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: marks above a letter none, wide signs two.

    >>> from chainrule.printable import columns
    >>> columns("gradient"), columns("梯度"), columns("y\u0302")
    (8, 4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(map(columns_of, text))


@lru_cache(maxsize=4096)
def columns_of(character: str) -> int:
    return 0 if category(character) in ("Mn", "Me") else 2 if east_asian_width(character) in "WF" else 1


def in_columns(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """Rows of cells as lines in which each column stands below itself; those at the places `right` end together.

    >>> from chainrule.printable import in_columns
    >>> in_columns([("name", "count"), ("a", "12")], right=[1])
    ['name  count', 'a        12']
    """
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for row in rows:
        gaps = [" " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = zip(row, gaps, strict=True)
        lines.append("  ".join([gap + x if i in right else x + gap for i, (x, gap) in enumerate(cells)]).rstrip())
    return lines


SIGNS = {
    "∂": "d",
    "−": "-",
    "·": "*",
    "×": "x",
    "⊙": "(*)",
    "⊘": "(/)",
    "⊗": "(x)",
    "∘": "o",
    "∑": "sum ",
    "∇": "grad ",
    "√": "sqrt",
    "∞": "inf",
    "≈": "~",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "→": "->",
    "←": "<-",
    "↑": "^",
    "↓": "v",
    "½": "1/2",
    "¼": "1/4",
    "⅓": "1/3",
    "⅔": "2/3",
    "…": "...",
    "′": "'",
    "—": "--",
    "–": "-",
    "‖": "||",
    "∈": "in",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "•": "*",
    "█": "#",
    "▼": "v",
    "▲": "^",
    "─": "-",
    "━": "-",
    "│": "|",
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯", "+"),
    **dict.fromkeys("⎡⎢⎣⎛⎜⎝⎧⎨⎩", "["),
    **dict.fromkeys("⎤⎥⎦⎞⎟⎠⎫⎬⎭", "]"),
}
"""Signs of mathematics and of frames, by what stands for them on a typewriter."""
MARKS = {"\u0302": "hat", "\u0304": "bar", "\u0303": "tilde", "\u0307": "dot"}
SPELLED = "chainrule.spelled"
"""The name of the way to encode that spells signs out."""


def spelled(text: str) -> str:
    """The text in the signs of a typewriter: names of letters, ^ and _ before what was raised and lowered.

    >>> from chainrule.printable import spelled
    >>> spelled("∂L/∂ŷ = δ² · w₁₂ − ½")
    'dL/dyhat = delta^2 * w_12 - 1/2'
    """
    pieces: list[str] = []
    for place, run in groupby(text, height):
        inside = "".join([on_a_typewriter(character) for character in run])
        pieces.append(f"{place}{inside}" if not place or inside.isalnum() or inside[0] == "(" else f"{place}({inside})")
    return "".join(pieces)


def height(character: str) -> str:
    """The sign that a typewriter puts before a raised or a lowered character; nothing for one on the line."""
    kind = decomposition(character).partition(" ")[0]
    return {"<super>": "^", "<sub>": "_"}.get(kind, "")


def on_a_typewriter(character: str) -> str:
    """One character, spelled out where a typewriter lacks it; a question mark where nothing would do."""
    if character.isascii():
        return character
    if character in SIGNS:
        return SIGNS[character]
    if name(character, "").startswith("GREEK"):
        word = name(character).rpartition(" ")[2]
        return word.lower() if "SMALL" in name(character) else word.title()
    plain = "".join([MARKS.get(part, "" if category(part) == "Mn" else part) for part in normalize("NFKD", character)])
    plain = "".join([SIGNS.get(part, part) for part in plain])
    return plain if plain.isascii() and plain != character else "?"


def spell_out(error: UnicodeError) -> tuple[str, int]:
    """Spell out what an encoding lacks; for `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return spelled(error.object[error.start : error.end]), error.end


codecs.register_error(SPELLED, spell_out)


def in_words(parts: Sequence[str]) -> str:
    """Several texts as a sentence lists them; empty where there are none.

    >>> from chainrule.printable import in_words
    >>> in_words(["x", "y", "z"])
    'x, y and z'
    """
    *first, last = parts or [""]
    return f"{', '.join(first)} and {last}" if first else last


def several(count: int, thing: str) -> str:
    """A number of things, one or more.

    >>> from chainrule.printable import several
    >>> several(1, "row"), several(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {thing}{'s' * (count != 1)}"
