"""Plain text: words, and formulas in letters and signs that every keyboard has and a program can read."""

from __future__ import annotations

import textwrap

from chainrule.derivation.formats.page import is_short, page
from chainrule.derivation.record import Block, Derivation, Equation, Heading, Note, Paragraph, Steps, Table
from chainrule.derivation.words import Words, pieces
from chainrule.expression.typed.caret import printable
from chainrule.maths import plain
from chainrule.printable import columns, in_columns

UNDERLINES = {1: "=", 2: "-"}


def write(derivation: Derivation, *, width: int = 100, detail: str = "full") -> str:
    """Words are wrapped at `width`; an equation stays on one line. A short answer has no empty lines inside."""
    title, *rest = [block(part, width) for part in page(derivation, detail)]
    between = "\n" if is_short(derivation, detail) else "\n\n"
    return f"{title}\n\n{between.join(rest)}\n" if rest else f"{title}\n"


def block(part: Block, width: int) -> str:
    match part:
        case Heading(text, level):
            title = words(text)
            return title + (f"\n{UNDERLINES[level] * columns(title)}" if level in UNDERLINES else "")
        case Paragraph(text):
            return wrapped(words(text), width)
        case Note(text, kind):
            return wrapped(words(text), width, f"{kind.capitalize()}: ")
        case Equation():
            return "  " + equation(part)
        case Table():
            return table(part)
        case Steps(lines, caption):
            places = [f"{i}. ".rjust(len(str(len(lines))) + 2) for i in range(1, len(lines) + 1)]
            numbered = [
                place + cell(line) if isinstance(line, Equation) else wrapped(cell(line), width, place)
                for place, line in zip(places, lines, strict=True)
            ]
            return "\n".join([*([words(caption)] if caption else []), *numbered])


def wrapped(text: str, width: int, first: str = "") -> str:
    """Words in lines of that width, the later ones flush with the first."""
    return textwrap.fill(
        text,
        max(width, 20),
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def words(text: Words) -> str:
    """Words with their formulas, in one line."""
    found = [one_line(part) if isinstance(part, str) else plain(part) for part in pieces(text)]
    return "".join(found).strip()


def one_line(text: str) -> str:
    """Without line breaks, and without what would steer a terminal."""
    return "".join([" " if sign.isspace() else printable(sign) for sign in text])


def equation(part: Equation) -> str:
    return plain(part.tree) + (f"   ({words(part.note)})" if part.note else "")


def cell(part: Words | Equation) -> str:
    return equation(part) if isinstance(part, Equation) else words(part)


def table(part: Table) -> str:
    """Columns flush left, under their names."""
    rows = [[words(name) for name in part.columns], *[[cell(x) for x in row] for row in part.rows]]
    rows.insert(1, ["-" * max(map(columns, column)) for column in zip(*rows, strict=True)])
    return "\n".join([*([words(part.caption)] if part.caption else []), *in_columns(rows)])
