r"""LaTeX: a document that pdfLaTeX compiles with amsmath, or its body alone."""

from __future__ import annotations

import re
import unicodedata

from chainrule.derivation.formats.page import page
from chainrule.derivation.formats.plain import one_line
from chainrule.derivation.record import Block, Derivation, Equation, Heading, Note, Paragraph, Steps, Table
from chainrule.derivation.words import pieces
from chainrule.expression.maths.signs import PRODUCTS, RELATIONS, SYMBOLS

PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{amsmath,amssymb,longtable}
\usepackage[margin=2cm]{geometry}
\setcounter{MaxMatrixCols}{100}
\allowdisplaybreaks
\begin{document}
"""
COMMANDS = {key: written for key, written in (SYMBOLS | RELATIONS | PRODUCTS).items() if key != r"\top"}
ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: rf"\{sign}" for sign in "{}$&#%_"},
    **dict(zip("–—‘’“”…", ("--", "---", "`", "'", "``", "''", r"\ldots{}"), strict=True)),
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "′": "$'$",
    **{written.sign: f"${command}$" for command, written in COMMANDS.items() if not written.sign.isascii()},
}
HEADINGS = {1: r"\section*", 2: r"\subsection*"}
LOWEST = r"\subsubsection*"
LONGEST = 90
"""A longer chain is set with one side under the other."""


def write(derivation: Derivation, *, fragment: bool = False) -> str:
    """A whole document, or what stands in it."""
    body = "\n\n".join([block(part) for part in page(derivation)]) + "\n"
    return body if fragment else f"{PREAMBLE}\n{body}\n\\end{{document}}\n"


def block(part: Block) -> str:
    """One block."""
    match part:
        case Heading(text, level):
            return f"{HEADINGS.get(level, LOWEST)}{{{words(text)}}}"
        case Paragraph(text):
            return words(text)
        case Note(text, kind):
            return f"\\begin{{quote}}\n\\textbf{{{escaped(kind.capitalize())}:}} {words(text)}\n\\end{{quote}}"
        case Equation():
            return displayed(part)
        case Table():
            return table(part)
        case Steps(lines, caption):
            items = [rf"\item {cell(text)}" for text in lines]
            body = ["\\begin{enumerate}", *items, "\\end{enumerate}"] if items else []
            return "\n".join([*([words(caption)] if caption else []), *body])


def words(text: str) -> str:
    """Words with their formulas."""
    found = [f"${maths(inside)}$" if inside else escaped(plain) for plain, inside in pieces(text)]
    return "".join(found).strip()


def escaped(text: str) -> str:
    """Words in which no sign means anything to LaTeX; a sign that its fonts lack is named by its number."""
    return "".join([escaped_sign(sign) for sign in one_line(text)])


def escaped_sign(sign: str) -> str:
    """One character of words."""
    if sign in ESCAPES:
        return ESCAPES[sign]
    known = sign.isascii() or (ord(sign) < 0x180 and unicodedata.category(sign)[0] == "L")
    return sign if known else rf"\texttt{{U+{ord(sign):04X}}}"


def maths(latex: str) -> str:
    """A formula; letters that mathematical fonts lack are set as text."""
    return re.sub(r"[^\x00-\x7f]", lambda found: rf"\text{{{escaped_sign(found[0])}}}", latex)


def displayed(part: Equation) -> str:
    """An equation on its own."""
    note = rf" \qquad \text{{({words(part.note)})}}" if part.note else ""
    if len(part.latex) <= LONGEST or len(part.parts) < 3:
        return f"\\[\n{maths(part.latex)}{note}\n\\]"
    signs = part.signs or ("=",) * (len(part.parts) - 1)
    lines = [rf"{maths(part.parts[0])} &{signs[0]} {maths(part.parts[1])}"]
    lines += [f"  &{sign} {maths(side)}" for sign, side in zip(signs[1:], part.parts[2:], strict=True)]
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + f"{note}\n\\end{{align*}}"


def cell(part: str | Equation) -> str:
    """A cell of a table, or a line of steps; an item that begins with a bracket is no option."""
    if isinstance(part, str):
        return "{}" + words(part) if words(part).startswith("[") else words(part)
    return f"${maths(part.latex)}$" + (f" ({words(part.note)})" if part.note else "")


def table(part: Table) -> str:
    """A table that may run over several pages."""
    lines = [" & ".join([rf"\textbf{{{words(name)}}}" for name in part.columns]) + r" \\ \hline"]
    lines += [" & ".join([cell(x) for x in row]) + r" \\" for row in part.rows]
    caption = f"{words(part.caption)}\n\n" if part.caption else ""
    return f"{caption}\\begin{{longtable}}{{{'l' * len(part.columns)}}}\n" + "\n".join(lines) + "\n\\end{longtable}"
