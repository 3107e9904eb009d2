r"""LaTeX: a document that pdfLaTeX compiles with amsmath and graphicx, or its body alone."""

from __future__ import annotations

import unicodedata

from chainrule.derivation.formats.page import page
from chainrule.derivation.formats.plain import one_line
from chainrule.derivation.record import Block, Derivation, Equation, Heading, Note, Paragraph, Steps, Table
from chainrule.derivation.words import Words, pieces
from chainrule.maths import latex, plain
from chainrule.maths.as_latex import LETTERS, PRODUCTS, RELATIONS
from chainrule.maths.as_unicode import RELATIONS as SIGNS

PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{amsmath,amssymb,graphicx,longtable}
\usepackage[margin=2cm]{geometry}
\setcounter{MaxMatrixCols}{100}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt plus 2pt}
\allowdisplaybreaks
\begin{document}
"""
OF_WORDS = {"→": r"\to", "∞": r"\infty", "∂": r"\partial", "∑": r"\sum", "⊤": r"\top"}
COMMANDS = LETTERS | PRODUCTS | {SIGNS[sign]: command for sign, command in RELATIONS.items()} | OF_WORDS
"""What LaTeX calls the signs of mathematics that stand among words."""
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
    **{sign: f"${command}$" for sign, command in COMMANDS.items() if not sign.isascii()},
}
HEADINGS = {1: r"\section*", 2: r"\subsection*"}
LOWEST = r"\subsubsection*"
LONGEST = 90
"""A longer chain is set with one side under the other."""

LONGEST_IN_CELL = 60
LONGEST_WORDS = 36
"""Characters of words in a cell; longer ones are set in lines."""

LONGEST_TABLE = 25
"""Rows of a table that stands on one page, made smaller where it is too wide."""

SPACE = r"\noalign{\vspace{3pt}}"
"""Between the rows of a table, whose fractions would touch."""

FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{"
"""Makes what follows as wide as the page where it is wider."""


def write(derivation: Derivation, *, fragment: bool = False, detail: str = "full") -> str:
    """A whole document, or what stands in it."""
    body = "\n\n".join([block(part) for part in page(derivation, detail)]) + "\n"
    return body if fragment else f"{PREAMBLE}\n{body}\n\\end{{document}}\n"


def block(part: Block) -> str:
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
            items = [rf"\item {step(text)}" for text in lines]
            body = ["\\begin{enumerate}", *items, "\\end{enumerate}"] if items else []
            return "\n".join([*([words(caption)] if caption else []), *body])


def words(text: Words) -> str:
    """Words with their formulas; one that may be wider than a page is made to fit."""
    return "".join(
        [escaped(part) if isinstance(part, str) else within(maths(latex(part))) for part in pieces(text)]
    ).strip()


def within(formula: str) -> str:
    return f"${formula}$" if len(formula) <= 2 * LONGEST else f"{FITTED}${formula}$}}"


def escaped(text: str) -> str:
    """Words in which no sign means anything to LaTeX; a sign that its fonts lack is named by its number."""
    return "".join([escaped_sign(sign) for sign in one_line(text)])


def escaped_sign(sign: str) -> str:
    if sign in ESCAPES:
        return ESCAPES[sign]
    known = sign.isascii() or (ord(sign) < 0x180 and unicodedata.category(sign)[0] == "L")
    return sign if known else rf"\texttt{{U+{ord(sign):04X}}}"


def maths(latex: str) -> str:
    """A formula; letters that mathematical fonts lack are set as text."""
    return "".join([sign if sign.isascii() else rf"\text{{{escaped_sign(sign)}}}" for sign in latex])


def displayed(part: Equation) -> str:
    note = words(part.note)
    beside = rf" \qquad \text{{({note})}}" if 0 < len(note) <= LONGEST_WORDS else ""
    # A sentence is set below the formula, where it may run over several lines.
    below = f"\n({note})" if note and not beside else ""
    if len(part.latex) <= LONGEST or len(part.parts) < 3:
        shown = f"{maths(part.latex)}{beside}"
        return f"\\[\n{shown if len(shown) <= LONGEST else fitted(shown)}\n\\]{below}"
    lines = under_each_other(part)
    if max([len(plain(side)) for side in part.sides]) > LONGEST or max(map(len, lines)) > 2 * LONGEST:
        return "\\[\n" + fitted(aligned(lines) + beside) + f"\n\\]{below}"
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + f"{beside}\n\\end{{align*}}{below}"


def under_each_other(part: Equation) -> list[str]:
    """The sides of an equation in lines that align at its signs."""
    signs = part.between
    lines = [rf"{maths(part.parts[0])} &{signs[0]} {maths(part.parts[1])}"]
    return lines + [f"  &{sign} {maths(side)}" for sign, side in zip(signs[1:], part.parts[2:], strict=True)]


def aligned(lines: list[str]) -> str:
    return r"\begin{aligned}[t] " + r" \\ ".join([line.strip() for line in lines]) + r" \end{aligned}"


def fitted(latex: str) -> str:
    """A formula that is made smaller where it is wider than the page."""
    return rf"{FITTED}$\displaystyle {latex}$}}"


def cell(part: Words | Equation) -> str:
    """A cell of a table, or a line of steps; an item that begins with a bracket is no option."""
    if not isinstance(part, Equation):
        return "{}" + words(part) if words(part).startswith("[") else words(part)
    long = len(part.latex) > LONGEST_IN_CELL and len(part.parts) > 2
    shown = aligned(under_each_other(part)) if long else maths(part.latex)
    return f"${shown}$" + (f" ({words(part.note)})" if part.note else "")


def step(part: Words | Equation) -> str:
    shown = cell(part)
    return f"{FITTED}{shown}}}" if isinstance(part, Equation) and len(shown) > 2 * LONGEST else shown


def table(part: Table) -> str:
    """A table that fits the page; a long one may run over several pages."""
    caption = f"{words(part.caption)}\n\n" if part.caption else ""
    lines = [" & ".join([rf"\textbf{{{words(name)}}}" for name in part.columns]) + rf" \\ \hline {SPACE}"]
    lines += [" & ".join([cell(x) for x in row]) + rf" \\ {SPACE}" for row in part.rows]
    columns = "".join([column(cells) for cells in zip(*part.rows, strict=True)]) or "l" * len(part.columns)
    if len(part.rows) > LONGEST_TABLE:
        return f"{caption}\\begin{{longtable}}{{{columns}}}\n" + "\n".join(lines) + "\n\\end{longtable}"
    inside = f"\\begin{{tabular}}{{{columns}}}\n" + "\n".join(lines) + "\n\\end{tabular}"
    return f"{caption}{FITTED}{inside}}}"


def column(cells: tuple[Words | Equation, ...]) -> str:
    """How a column is set: words in lines of a good length, all else as wide as it is."""
    wordy = any([not isinstance(x, Equation) and "$" not in words(x) and len(words(x)) > LONGEST_WORDS for x in cells])
    return r"p{0.35\linewidth}" if wordy else "l"
