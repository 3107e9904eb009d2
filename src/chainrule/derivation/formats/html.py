"""HTML with MathML: one page that needs no network and no script, in light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

from chainrule.derivation.formats.page import page
from chainrule.derivation.formats.plain import one_line
from chainrule.derivation.formats.terminal import words as terminal_words
from chainrule.derivation.ink import Ink
from chainrule.derivation.record import Block, Derivation, Equation, Heading, Note, Paragraph, Steps, Table
from chainrule.derivation.words import Words, pieces
from chainrule.errors import MissingExtra
from chainrule.maths import Relation, Tree, as_mathml, mathml

STYLE = """\
.chainrule { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; }
.chainrule .equation, .chainrule .table { overflow-x: auto; margin: 0.75rem 0; }
.chainrule .equation math { text-align: left; padding-left: 1.5rem; }
.chainrule table { border-collapse: collapse; }
.chainrule caption { text-align: left; font-style: italic; }
.chainrule th, .chainrule td { text-align: left; padding: 0.25rem 0.75rem; border-bottom: 1px solid #8886; }
.chainrule aside { border-left: 0.25rem solid #36c; padding: 0.25rem 1rem; margin: 0.75rem 0; }
.chainrule aside.warning { border-color: #c80; }
.chainrule aside.wrong { border-color: #c33; }
.chainrule .beside { opacity: 0.75; }"""

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<main class="chainrule">
{body}
</main>
</body>
</html>
"""
LONGEST = 110
"""A longer chain is set with one side under the other."""


def write(derivation: Derivation, *, fragment: bool = False, detail: str = "full") -> str:
    """A whole page, or one element with its own style."""
    body = "\n".join([block(part) for part in page(derivation, detail)])
    if fragment:
        return f'<div class="chainrule">\n<style>\n{STYLE}\n</style>\n{body}\n</div>\n'
    return PAGE.format(title=escape(terminal_words(derivation.title).plain), style=STYLE, body=body)


def converter() -> Callable[..., str]:
    """What turns LaTeX into MathML, if it is installed."""
    try:
        from latex2mathml.converter import convert
    except ImportError:
        raise MissingExtra("latex2mathml", "html") from None
    return convert


def block(part: Block) -> str:
    """One block."""
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
        case Steps(lines, caption):
            items = "\n".join([f"<li>{cell(text)}</li>" for text in lines])
            return (f"<p><em>{words(caption)}</em></p>\n" if caption else "") + f"<ol>\n{items}\n</ol>"


def words(text: Words) -> str:
    """Words with their formulas."""
    found = [escape(one_line(plain)) if plain else maths(inside) for plain, inside in pieces(text)]
    return "".join(found).strip()


def displayed(part: Equation) -> str:
    """An equation on its own: a long one with one side under the other."""
    sides = trees_of(part)
    if not sides:
        return maths(aligned(part), "block")
    if len(sides) == 1:
        return mathml(sides[0], block=True)
    chain = Relation(tuple(sides), part.between)
    return mathml(chain, block=True) if len(part.latex) <= LONGEST else as_mathml.aligned(chain)


def trees_of(part: Equation) -> list[Tree]:
    """The sides of an equation; none where one is no tree."""
    sides = [side for side in part.sides if isinstance(side, Tree)]
    return sides if len(sides) == len(part.sides) else []


def maths(latex: Ink, display: str = "inline") -> str:
    """A formula as MathML; the converter leaves it to us to escape words."""
    if isinstance(latex, Tree):
        return mathml(latex, block=display == "block")
    latex = re.sub(r"\\text\{((?:[^{}\\]|\\.)*)\}", lambda found: escape(found[0], quote=False), latex)
    return converter()(latex, display=display)


def aligned(part: Equation) -> str:
    """A long chain with one side under the other."""
    if len(part.latex) <= LONGEST or len(part.parts) < 3:
        return part.latex
    signs = part.between
    lines = [f"{part.parts[0]} &{signs[0]} {part.parts[1]}"]
    lines += [f"&{sign} {side}" for sign, side in zip(signs[1:], part.parts[2:], strict=True)]
    return r"\begin{align*} " + r" \\ ".join(lines) + r" \end{align*}"


def beside(part: Equation) -> str:
    """A few words beside an equation."""
    return f' <span class="beside">({words(part.note)})</span>' if part.note else ""


def cell(part: Words | Equation) -> str:
    """A cell of a table, or a line of steps."""
    if not isinstance(part, Equation):
        return words(part)
    sides = trees_of(part)
    chain = Relation(tuple(sides), part.between) if len(sides) > 1 else sides[0] if sides else part.latex
    return maths(chain) + beside(part)


def table(part: Table) -> str:
    """A table whose first row names the columns."""
    caption = f"<caption>{words(part.caption)}</caption>\n" if part.caption else ""
    head = "".join([f'<th scope="col">{words(name)}</th>' for name in part.columns])
    rows = ["<tr>" + "".join([f"<td>{cell(x)}</td>" for x in row]) + "</tr>" for row in part.rows]
    body = "\n".join([f"<thead><tr>{head}</tr></thead>", "<tbody>", *rows, "</tbody>"])
    return f'<div class="table"><table>\n{caption}{body}\n</table></div>'
