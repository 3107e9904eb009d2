r"""Looks as LaTeX (amsmath)."""

from __future__ import annotations

import unicodedata

from chainrule.maths.as_unicode import shown
from chainrule.maths.looks import Looks, name
from chainrule.maths.template import FUNCTIONS, GREEK
from chainrule.maths.tree import Tree
from chainrule.maths.writer import LineWriter

LETTERS = {sign: rf"\{spelled}" for spelled, sign in GREEK.items()} | {
    "𝟎": r"\mathbf{0}",
    "𝟏": r"\mathbf{1}",
    "𝐞": r"\mathbf{e}",
    "𝐈": r"\mathbf{I}",
    "∇": r"\nabla",
    "⋯": r"\cdots",
    "⊙": r"\odot",
    "⊗": r"\otimes",
}
RELATIONS = {"<=": r"\le", ">=": r"\ge", "!=": r"\ne", "~": r"\approx"}
DIFFERENTIALS = {"∂": r"\partial", "d": r"\mathrm{d}"}
PRODUCTS = {"·": r"\cdot", "⊙": r"\odot", "⊘": r"\oslash", "⊗": r"\otimes", "×": r"\times"}
DELIMITERS = {
    "(": ("(", ")"),
    "[": ("[", "]"),
    "|": (r"\lvert ", r"\rvert"),
    "‖": (r"\lVert ", r"\rVert"),
    "⌊": (r"\lfloor ", r"\rfloor"),
    "⌈": (r"\lceil ", r"\rceil"),
}
KEPT = {"\\": r"\backslash ", "^": r"\wedge ", "~": r"\sim ", " ": r"\ ", **{c: rf"\{c}" for c in "{}$&#%_"}}
"""How a word in LaTeX spells the characters that LaTeX keeps for itself."""


def latex(x: Tree | Looks) -> str:
    r"""A tree as LaTeX.

    >>> from chainrule.maths import Symbol, latex
    >>> y, t = Symbol("y", mark="hat"), Symbol("y")
    >>> latex((y - t) * Symbol("x") ** 2)
    '\\left(\\hat{y} - y\\right) \\cdot x^{2}'
    """
    return Latex.once(x)


def harmless(word: str) -> str:
    """A word whose every character means itself; what cannot be shown has a stand-in."""
    return "".join([KEPT.get(c, KEPT[" "] if c.isspace() else shown(c)) for c in word])


def is_bold(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith("MATHEMATICAL BOLD")


class Latex(LineWriter):
    relations = RELATIONS

    def between(self, opening: str, inner: str, closing: str, *of: Looks) -> str:
        return rf"\left{opening}{inner}\right{closing}"

    def num_(self, x: Looks) -> str:
        text = x.word.replace("inf", r"\infty").replace("nan", r"\text{nan}").replace("…", r"\ldots ")
        sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
        above, slash, below = text.partition("/")
        if slash:
            return rf"{sign}\frac{{{above}}}{{{below}}}"
        mantissa, _, exponent = text.partition("e") if text[:1].isdigit() else (text, "", "")
        if not exponent:
            return sign + text
        ten = f"10^{{{int(exponent)}}}"
        return sign + (ten if mantissa == "1" else rf"{mantissa} \cdot {ten}")

    def id_(self, x: Looks) -> str:
        word: str = x.word
        if word in LETTERS:
            return LETTERS[word]
        if len(word) == 1 and is_bold(word):
            return rf"\mathbf{{{unicodedata.normalize('NFKC', word)}}}"
        if len(word) == 1 and word.isascii() and word.isalpha():
            return word if word != "e" else r"\mathit{e}"
        if word.isascii() and word.isalpha():
            return rf"\mathit{{{word}}}"
        return rf"\mathtt{{{harmless(word) or '?'}}}"

    def const_(self, x: Looks) -> str:
        return r"\pi " if x.word == "π" else str(x.word)

    def text_(self, x: Looks) -> str:
        return rf"\mathrm{{{harmless(x.word)}}}" if x.word else ""

    def dots_(self, x: Looks) -> str:
        return r"\cdots"

    def top_(self, x: Looks) -> str:
        return rf"{x.word}\top"

    def prod_(self, x: Looks) -> str:
        return f" {PRODUCTS[x.word]} ".join(self.parts(x))

    def beside_(self, x: Looks) -> str:
        first, *rest = self.parts(x)
        return first + (" " if x.parts[0].kind == "num" else r" \, ") + r" \, ".join(rest)

    def frac_(self, x: Looks) -> str:
        above, below = self.parts(x)
        return rf"\frac{{{above}}}{{{below}}}"

    def d_(self, x: Looks) -> str:
        sign, order = self.sign_and_order(x)
        power = f"^{{{order}}}" if order else ""
        return rf"{DIFFERENTIALS[sign]}{power} {self.base(x.parts[0])}"

    def delta_(self, x: Looks) -> str:
        return rf"\Delta {self.base(x.parts[0])}"

    def pow_(self, x: Looks) -> str:
        base, exponent = self.parts(x)
        entrywise = r"\odot " if x.word else ""
        return f"{base}^{{{entrywise}{exponent}}}"

    def raised_(self, x: Looks) -> str:
        return f"{self.part(x, 0)}^{{{self.write(x.parts[1])}}}"

    def layer_(self, x: Looks) -> str:
        return f"{self.part(x, 0)}^{{({self.write(x.parts[1])})}}"

    def sub_(self, x: Looks) -> str:
        return f"{self.part(x, 0)}_{{{self.write(x.parts[1])}}}"

    def mark_(self, x: Looks) -> str:
        return rf"\{x.word}{{{self.write(x.parts[0])}}}"

    def prime_(self, x: Looks) -> str:
        return self.write(x.parts[0]) + "'" * x.word

    def root_(self, x: Looks) -> str:
        return rf"\sqrt{{{self.part(x, 0)}}}"

    def call_(self, x: Looks) -> str:
        below = self.write(x.parts[0])
        scripted = self.function(x.word) + (f"_{{{below}}}" if below else "")
        if self.is_bracketed(x):
            return scripted + self.write(x.parts[1])
        return scripted + self.between("(", ", ".join(map(self.write, x.parts[1:])), ")")

    def function(self, word: str) -> str:
        if word in FUNCTIONS:
            return rf"\{word}"
        if word in LETTERS:
            return LETTERS[word]
        if len(word) == 1:
            return self.id_(name(word))
        spaced = r"\,".join(map(harmless, word.split(" ")))
        return rf"\operatorname{{{spaced}}}"

    def fence_(self, x: Looks) -> str:
        opening, closing = DELIMITERS[x.word]
        return self.between(opening, ", ".join(map(self.write, x.parts)), closing)

    def big_(self, x: Looks) -> str:
        below = self.write(x.parts[0])
        sign = r"\sum" if x.word == "∑" else r"\prod"
        return f"{sign}{f'_{{{below}}}' if below else ''} {self.part(x, 1)}"

    def cases_(self, x: Looks) -> str:
        value, condition, otherwise = map(self.write, x.parts)
        rows = rf"{value} & \text{{if }} {condition} \\ {otherwise} & \text{{else}}"
        return rf"\begin{{cases}} {rows} \end{{cases}}"

    def matrix_(self, x: Looks) -> str:
        rows = r" \\ ".join([" & ".join(map(self.write, row.parts)) for row in x.parts])
        return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"
