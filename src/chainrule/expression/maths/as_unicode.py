r"""Formulas in the signs that a terminal has: ``∂L/∂w₁ = (ŷ − y) · w₂ · x``, in one line or with tall matrices.

A piece of a formula is a `Box`: lines of text, and the line that stands on the writing line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.expression.maths.reader import read
from chainrule.expression.maths.signs import ACCENTS, PRODUCTS, RELATIONS, SIGNS, WORDS, word_of
from chainrule.expression.maths.trees import (
    Call,
    Fence,
    Fraction,
    Index,
    Matrix,
    Name,
    Number,
    Prefix,
    Relation,
    Root,
    Script,
    Series,
    Sign,
    Tree,
    is_sum,
)
from chainrule.expression.typed.caret import width
from chainrule.maths.as_unicode import LOWERED, RAISED

HALVES = {("1", "2"): "½", ("1", "3"): "⅓", ("2", "3"): "⅔", ("1", "4"): "¼", ("3", "4"): "¾"}
SIDES = {"|": "||", r"\lvert": "||", r"\lVert": "‖‖", "(": "()", "[": "[]", r"\{": "{}"}
TALL = {"(": "⎛⎜⎝", ")": "⎞⎟⎠", "[": "⎡⎢⎣", "]": "⎤⎥⎦", "|": "│││", "‖": "‖‖‖", "{": "⎧⎨⎩", "}": "⎫⎬⎭"}


@dataclass(frozen=True, slots=True)
class Box:
    """Lines of equal width; `base` is the one on the writing line."""

    lines: tuple[str, ...]
    base: int = 0

    @property
    def width(self) -> int:
        """How many columns of a terminal it takes."""
        return columns(self.lines[0])


def unicode_of(latex: str) -> str:
    r"""A formula in one line.

    >>> from chainrule.expression.maths.as_unicode import unicode_of
    >>> unicode_of(r"\frac{\partial L}{\partial w_{1}} = \left(\hat{y} - y\right) \cdot w_{2}^{2} = -2.5 \cdot 10^{-9}")
    '∂L/∂w₁ = (ŷ − y) · w₂² = −2.5·10⁻⁹'
    """
    return Writer(tall=False).box(read(latex)).lines[0]


def sides_of(latex: str, *, tall: bool = True) -> list[Box]:
    """The sides of a chain of relations, each but the first with its sign before it; a matrix in lines if `tall`."""
    tree = read(latex)
    writer = Writer(tall=tall)
    if not isinstance(tree, Relation):
        return [writer.box(tree)]
    signs = ["", *[f"{RELATIONS[sign].sign} " for sign in tree.signs]]
    return [beside(line(sign), writer.box(side)) for sign, side in zip(signs, tree.sides, strict=True)]


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(map(width, text))


def line(text: str) -> Box:
    """A box of one line."""
    return Box((text,))


def beside(*boxes: Box) -> Box:
    """Boxes in a row, on one writing line."""
    if all([len(box.lines) == 1 for box in boxes]):
        return line("".join([box.lines[0] for box in boxes]))
    above = max([box.base for box in boxes])
    below = max([len(box.lines) - box.base for box in boxes])
    rows: list[str] = []
    for row in range(-above, below):
        cells = [
            box.lines[row + box.base] if 0 <= row + box.base < len(box.lines) else " " * box.width for box in boxes
        ]
        rows.append("".join(cells))
    return Box(tuple(rows), above)


def enclosed(inner: Box, opening: str, closing: str) -> Box:
    """Between delimiters as tall as what they hold."""
    if len(inner.lines) == 1:
        return beside(line(opening), inner, line(closing))
    middle = len(inner.lines) - 2
    sides: list[Box] = []
    for sign in (opening, closing):
        top, between, bottom = TALL[sign]
        sides.append(Box((top, *([between] * middle), bottom), inner.base))
    return beside(sides[0], inner, sides[1])


class Writer:
    """Writes trees as boxes; matrices in one line, or `tall`."""

    def __init__(self, *, tall: bool) -> None:
        self.tall = tall

    def text(self, tree: Tree) -> str:
        """A part in one line."""
        return Writer(tall=False).box(tree).lines[0]

    def box(self, tree: Tree) -> Box:
        """Any part."""
        match tree:
            case Number(text):
                return line(number(text))
            case Name(latex):
                return line(name(latex))
            case Script():
                return self.scripted(tree)
            case Index(base, places):
                return beside(self.box(base), line(f"[{', '.join([self.text(place) for place in places])}]"))
            case Sign(sign, inner):
                return beside(line("−" if sign == "-" else sign), self.within(inner, is_sum(inner)))
            case Series(operands, operators):
                return self.series(operands, operators)
            case Prefix(sign, inner):
                space = " " if bare(sign) in (r"\sum", r"\prod") else ""
                return beside(self.box(sign), line(space), self.box(inner))
            case Relation(sides, signs):
                return self.relation(sides, signs)
            case Fraction(above, below):
                return line(self.fraction(above, below))
            case Root(inner):
                return beside(line("√"), self.within(inner, not isinstance(inner, Number | Name)))
            case Fence(opening, parts, _):
                return self.fence(opening, parts)
            case Call(function, arguments, below, primes):
                below_it = "" if below is None else lowered(self.text(below))
                return beside(line(name(function) + below_it + "′" * primes), self.fence("(", arguments))
            case Matrix(rows):
                return self.matrix(rows)

    def within(self, tree: Tree, needed: bool) -> Box:
        """A part, in parentheses where a linear writing needs them and LaTeX does not."""
        return enclosed(self.box(tree), "(", ")") if needed else self.box(tree)

    def relation(self, sides: Sequence[Tree], signs: Sequence[str]) -> Box:
        """Sides with their signs; the colon of a slice stands without spaces."""
        parts = [self.box(sides[0])]
        for sign, side in zip(signs, sides[1:], strict=True):
            parts += [line(":" if sign == ":" else f" {RELATIONS[sign].sign} "), self.box(side)]
        return beside(*parts)

    def series(self, operands: Sequence[Tree], operators: Sequence[str]) -> Box:
        """Terms or factors in a row."""
        signs = {"+": " + ", "-": " − ", "": " ", r"\,": " ", **{key: f" {x.sign} " for key, x in PRODUCTS.items()}}
        parts = [self.box(operands[0])]
        for before, sign, operand in zip(operands, operators, operands[1:], strict=False):
            applied = sign == "" and is_symbol(before) and isinstance(operand, Fence) and operand.opening == "("
            together = sign == "" and is_letter(before) and is_letter(operand)
            parts += [line("" if applied or together else signs[sign]), self.box(operand)]
        return beside(*parts)

    def fraction(self, above: Tree, below: Tree) -> str:
        """Numerator and denominator with a stroke between them."""
        top, bottom = self.text(above), self.text(below)
        if (top, bottom) in HALVES:
            return HALVES[top, bottom]
        top = f"({top})" if is_sum(above) or isinstance(above, Fraction) else top
        atom = not isinstance(below, Series | Sign | Fraction)
        return f"{top}/{bottom}" if atom else f"{top}/({bottom})"

    def scripted(self, tree: Script) -> Box:
        """A base with small signs above and below, where they exist."""
        base = self.within(tree.base, isinstance(tree.base, Series | Sign | Fraction | Prefix | Relation))
        above = "" if tree.above is None else raised(self.text(tree.above), tree.above)
        below = "" if tree.below is None else lowered(self.text(tree.below))
        scripts = above + below if tree.raised_first else below + above
        if len(base.lines) == 1:
            return beside(base, line(scripts))
        rest = (" " * columns(scripts),) * (len(base.lines) - 1)
        # A power or a transpose stands at the upper corner of what it is taken of.
        return beside(base, Box((scripts, *rest), base.base))

    def fence(self, opening: str, parts: Sequence[Tree]) -> Box:
        """What stands between delimiters, with commas between the parts."""
        boxes: list[Box] = []
        for i, part in enumerate(parts):
            boxes += [line(", " if i else ""), self.box(part)]
        inner = beside(*boxes) if boxes else line("")
        if opening in ("", "{"):
            return inner
        tall = self.tall and len(parts) == 1 and isinstance(parts[0], Matrix) and opening == "("
        return inner if tall else enclosed(inner, *SIDES[opening])

    def matrix(self, rows: Sequence[Sequence[Tree]]) -> Box:
        """Entries in columns, the numbers flush right; in one line with semicolons between the rows."""
        cells = [[self.text(entry) for entry in row] for row in rows]
        if not self.tall or len(rows) == 1:
            separator = ", " if len(rows) == 1 else " "
            return line(f"[{'; '.join([separator.join(row) for row in cells])}]")
        widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join([" " * (w - columns(cell)) + cell for w, cell in zip(widths, row, strict=True)]) for row in cells
        ]
        return enclosed(Box(tuple(lines), (len(lines) - 1) // 2), "[", "]")


def bare(tree: Tree) -> str:
    """The name without its scripts."""
    while isinstance(tree, Script):
        tree = tree.base
    return tree.latex if isinstance(tree, Name) else ""


def is_symbol(tree: Tree) -> bool:
    """Whether it is a name, perhaps with scripts, so that parentheses behind it hold what it is applied to."""
    return bool(bare(tree)) and not bare(tree).startswith(r"\text{")


def is_letter(tree: Tree) -> bool:
    """Whether it is one letter, as in the index jk."""
    return isinstance(tree, Name) and len(tree.latex) == 1


def number(text: str) -> str:
    """Digits, and a power of ten where there is one."""
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}·10{raised(exponent.replace('-', '−'), Number(exponent))}" if exponent else text


def name(latex: str) -> str:
    """A name in its own letters."""
    if latex == r"\mathbf{1}":
        return "𝟏"
    if latex.startswith(WORDS):
        return word_of(latex).strip() if latex.startswith(r"\text{") else word_of(latex)
    for accent, mark in ACCENTS.items():
        if latex.startswith(accent + "{"):
            under = name(latex[len(accent) + 1 : -1])
            return unicodedata.normalize("NFC", under[:1] + mark + under[1:])
    if latex.startswith("'"):
        return "′" * len(latex)
    return SIGNS[latex].sign if latex in SIGNS else latex


def raised(text: str, tree: Tree) -> str:
    """A superscript, in small signs where all of it has them."""
    # There is no small ⊙; the power of an array is entry by entry to whoever reads a terminal.
    small = text.replace(" ", "").removeprefix("⊙")
    if set(small) <= {"′"}:
        return small
    if all([sign in RAISED for sign in small]):
        return "".join([RAISED[sign] for sign in small])
    return f"^{text}" if isinstance(tree, Number | Name) else f"^({text})"


def lowered(text: str) -> str:
    """A subscript, in small signs where all of it has them."""
    small = text.replace(" ", "")
    if all([sign in LOWERED for sign in small]):
        return "".join([LOWERED[sign] for sign in small])
    return f"_{text}" if len(small) == 1 or small.isalnum() else f"_({text})"
