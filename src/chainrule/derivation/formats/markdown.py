"""Markdown for notebooks and GitHub, with LaTeX between dollar signs."""

from __future__ import annotations

import re

from chainrule.derivation.formats.page import page
from chainrule.derivation.formats.plain import one_line
from chainrule.derivation.record import Block, Derivation, Equation, Heading, Note, Paragraph, Steps, Table
from chainrule.derivation.words import Words, pieces
from chainrule.maths import latex

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")
KINDS = {"note": "NOTE", "warning": "WARNING", "wrong": "CAUTION"}


def write(derivation: Derivation, *, detail: str = "full") -> str:
    """Blocks with an empty line between them."""
    return "\n\n".join([block(part) for part in page(derivation, detail)]) + "\n"


def block(part: Block) -> str:
    match part:
        case Heading(text, level):
            return f"{'#' * level} {words(text)}"
        case Paragraph(text):
            return words(text)
        case Note(text, kind):
            return f"> [!{KINDS.get(kind, 'NOTE')}]\n> {words(text)}"
        case Equation():
            note = f"\n\n*{words(part.note)}*" if part.note else ""
            return f"$$\n{maths(part.latex)}\n$$" + note
        case Table(columns, rows, caption):
            head = [row([words(name) for name in columns]), row(["---"] * len(columns))]
            body = [row([cell(x) for x in cells]) for cells in rows]
            return "\n".join([*([f"**{words(caption)}**\n"] if caption else []), *head, *body])
        case Steps(lines, caption):
            numbered = [f"{i}. {cell(text)}" for i, text in enumerate(lines, 1)]
            return "\n".join([*([f"**{words(caption)}**\n"] if caption else []), *numbered])


def words(text: Words) -> str:
    """Words with their formulas; nothing in them is taken for Markdown."""
    found = [escaped(part) if isinstance(part, str) else f"${maths(latex(part))}$" for part in pieces(text)]
    line = "".join(found).strip()
    # At the start of a line these would begin a list or a line across the page.
    return re.sub(r"^([-+=]|\d+(?=[.)]))", r"\\\1" if line[:1] in "-+=" else r"\1&#8203;", line)


def escaped(text: str) -> str:
    """Words in which no sign means anything to Markdown."""
    return SPECIAL.sub(r"\\\1", one_line(text))


def maths(latex: str) -> str:
    r"""LaTeX in which nothing is HTML, a table's bar, or code; spacing and look are the same."""
    latex = latex.replace("|", r"\vert ").replace("<", r"\lt ").replace(">", r"\gt ").replace("`", "'")
    return " ".join(latex.split())


def cell(part: Words | Equation) -> str:
    if not isinstance(part, Equation):
        return words(part)
    return f"${maths(part.latex)}$" + (f" ({words(part.note)})" if part.note else "")


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
