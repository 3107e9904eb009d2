"""HTML with MathML: one page that needs no network and no script, in light and dark."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from chainrule.derivation.formats.figure import figure
from chainrule.derivation.formats.page import page
from chainrule.derivation.formats.plain import one_line
from chainrule.derivation.formats.terminal import words as terminal_words
from chainrule.derivation.record import Block, Derivation, Equation, Heading, Note, Paragraph, Steps, Table
from chainrule.derivation.words import Words, pieces
from chainrule.maths import Relation, mathml, unicode
from chainrule.maths.as_mathml import in_lines
from chainrule.webpage import webpage

LINES = """\
.chainrule .lines { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.35rem 0; }
.chainrule .lines { padding-left: 1.5rem; }
.chainrule td .lines { padding-left: 0; }
.chainrule .lines > * { align-self: baseline; }
.chainrule .side { grid-column: 2; padding-left: 1.5rem; text-indent: -1.5rem; }
.chainrule .lines math { text-indent: 0; padding-block: 0.18rem; }
.chainrule .below { grid-template-columns: minmax(0, 1fr); }
.chainrule .below > .side { grid-column: 1; padding-left: 3rem; }
@media (max-width: 40rem) {
  .chainrule .lines { grid-template-columns: minmax(0, 1fr); padding-left: 0; }
  .chainrule .side { grid-column: 1; padding-left: 3rem; }
}"""
"""How equal things stand below each other."""

STYLE = f"""\
.chainrule {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; }}
.chainrule .equation, .chainrule .table, .chainrule .graph {{ overflow-x: auto; margin: 0.75rem 0; }}
.chainrule .equation > math {{ width: max-content; margin: 0 0 0 1.5rem; }}
.chainrule li :is(.equation, math, .lines) {{ margin: 0; padding-left: 0; }}
.chainrule table {{ border-collapse: collapse; }} .chainrule caption {{ text-align: left; font-style: italic; }}
.chainrule th, .chainrule td {{ text-align: left; padding: 0.25rem 0.75rem; border-bottom: 1px solid #8886; }}
.chainrule td.wordy {{ min-width: 9rem; }}
.chainrule aside {{ border-left: 0.25rem solid #36c; padding: 0.25rem 1rem; margin: 0.75rem 0; }}
.chainrule aside.warning {{ border-color: #c80; }} .chainrule aside.wrong {{ border-color: #c33; }}
.chainrule .beside {{ opacity: 0.75; }} {" ".join(LINES.split())}"""

LONGEST = 70
"""A longer chain is set with one side under the other."""
LONGEST_CELL = 48
"""The same in a table."""


def write(derivation: Derivation, *, fragment: bool = False, detail: str = "full", picture: bool = True) -> str:
    """A whole page, or one element with its own style; with the graph as a picture, where it is small."""
    body = "\n".join([block(part) for part in page(derivation, detail)])
    drawn = figure(derivation) if picture else ""
    if drawn:
        body += f'\n<figure class="graph">\n{drawn}</figure>'
    if fragment:
        return f'<div class="chainrule">\n<style>\n{STYLE}\n</style>\n{body}\n</div>\n'
    return webpage(terminal_words(derivation.title).plain, STYLE, f'<main class="chainrule">\n{body}\n</main>')


def block(part: Block) -> str:
    match part:
        case Heading(text, level):
            return f"<h{level}>{words(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{words(text)}</p>"
        case Note(text, kind):
            kind = escape(kind)
            return f'<aside class="{kind}"><strong>{kind.capitalize()}:</strong> {words(text)}</aside>'
        case Equation():
            return f'<div class="equation">{displayed(part)}{beside(part)}</div>'
        case Table():
            return table(part)
        case Steps():
            return steps(part)


def words(text: Words) -> str:
    found = [escape(one_line(part)) if isinstance(part, str) else mathml(part) for part in pieces(text)]
    return "".join(found).strip()


def displayed(part: Equation, longest: int = LONGEST, *, block: bool = True) -> str:
    """An equation; a long chain with one side under the other, aligned at the signs."""
    is_long = len(unicode(part.tree)) > longest
    return in_lines(part.tree) if is_long and isinstance(part.tree, Relation) else mathml(part.tree, block=block)


def beside(part: Equation) -> str:
    return f' <span class="beside">({words(part.note)})</span>' if part.note else ""


def cell(part: Words | Equation) -> str:
    """A cell of a table; a long formula has as many lines as it needs."""
    return displayed(part, LONGEST_CELL, block=False) + beside(part) if isinstance(part, Equation) else words(part)


def line(part: Words | Equation) -> str:
    """A line of steps; a long chain goes on below, and what is wider than the page is moved in its place."""
    if not isinstance(part, Equation):
        return words(part)
    return f'<div class="equation">{displayed(part, block=False)}{beside(part)}</div>'


def steps(part: Steps, cell: Callable[[Words | Equation], str] = line) -> str:
    items = "\n".join([f"<li>{cell(text)}</li>" for text in part.lines])
    return (f"<p><em>{words(part.caption)}</em></p>\n" if part.caption else "") + f"<ol>\n{items}\n</ol>"


FEW, WORDY = 24, ' class="wordy"'
"""A cell with more signs than these keeps a width that can be read where the page is narrow."""


def is_wordy(part: Words | Equation) -> bool:
    return not isinstance(part, Equation) and sum([len(x) for x in pieces(part) if isinstance(x, str)]) > FEW


def table(part: Table, cell: Callable[[Words | Equation], str] = cell) -> str:
    """A table whose first row names the columns."""
    caption = f"<caption>{words(part.caption)}</caption>\n" if part.caption else ""
    head = "".join([f'<th scope="col">{words(name)}</th>' for name in part.columns])
    rows = ["<tr>" + "".join([f"<td{WORDY * is_wordy(x)}>{cell(x)}</td>" for x in row]) + "</tr>" for row in part.rows]
    body = "\n".join([f"<thead><tr>{head}</tr></thead>", "<tbody>", *rows, "</tbody>"])
    return f'<div class="table"><table>\n{caption}{body}\n</table></div>'
