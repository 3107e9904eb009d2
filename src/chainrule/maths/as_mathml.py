"""Looks as MathML, which browsers draw themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from chainrule.maths.as_unicode import CLOSING, RELATIONS, shown, unicode
from chainrule.maths.looks import NOTHING, Looks, binds
from chainrule.maths.notation import lay
from chainrule.maths.tree import Relation, Tree
from chainrule.maths.writer import Writer

MARKS = {"hat": "^", "bar": "¯", "tilde": "~"}
SHORT = 16
"""A formula with no more signs than this stays on one line."""
Markup = str | tuple[Any, ...]
"""Markup in pieces, which are joined once: text that is put into text at every level takes time with its square."""
TALL = ("frac", "ratio", "root", "matrix", "cases")
"""Forms that parentheses grow with; around a letter with a hat or a raised number they stay as they are."""


def mathml(x: Tree | Looks, *, block: bool = False) -> str:
    """A tree as a ``math`` element.

    >>> from chainrule.maths import Symbol, mathml
    >>> mathml(Symbol("x") ** 2)
    '<math><msup><mi>x</mi><mn>2</mn></msup></math>'
    """
    return text_of(element("math", MathML.once(x), **({"display": "block"} if block else {})))


def in_lines(chain: Relation) -> str:
    """A chain of equations as HTML, a side a line, aligned at the sign; where the first is long, below it.

    A long side is several formulas in a row, so that it goes on in the next line where there is no room: browsers do
    not break a formula.
    """
    form, writer = lay(chain), MathML()
    left = writer.pieces(form, 0)
    found = [element("span", *separated(" ", map(displayed, left)), **{"class": "left"})]
    for n, sign in enumerate(form.word, 1):
        first, *rest = writer.pieces(form, n)
        first = (operator(str(RELATIONS.get(sign, sign)), form="infix"), first)
        found.append(element("span", *separated(" ", map(displayed, [first, *rest])), **{"class": "side"}))
    return text_of(element("div", *found, **{"class": "lines" if len(left) == 1 else "lines below"}))


def is_tall(x: Looks) -> bool:
    """Whether a form is taller than a line, whatever is in it."""
    is_fraction, has_range = x.kind == "num" and "/" in x.word, x.kind == "big" and x.parts[0] != NOTHING
    return x.kind in TALL or is_fraction or has_range


def displayed(inner: Markup) -> Markup:
    """A formula in a line, as large as one that has the line for itself."""
    return element("math", inner, displaystyle="true")


def element(tag: str, *inner: Markup, **attributes: str) -> Markup:
    given = "".join([f' {name}="{escape(value)}"' for name, value in attributes.items()])
    return (f"<{tag}{given}>", *inner, f"</{tag}>")


def text_of(markup: Markup) -> str:
    """Pieces as one text, however deep they lie in each other."""
    found: list[str] = []
    waiting = [markup]
    while waiting:
        x = waiting.pop()
        if isinstance(x, str):
            found.append(x)
        else:
            waiting += reversed(x)
    return "".join(found)


def operator(sign: str, **attributes: str) -> Markup:
    return element("mo", escape(sign), **attributes)


def row(*inner: Markup) -> Markup:
    return inner[0] if len(inner) == 1 else element("mrow", *inner)


def separated(sign: Markup, parts: Iterable[Markup]) -> list[Markup]:
    return [x for part in parts for x in (sign, part)][1:]


def visible(word: str) -> str:
    """A word that is text and nothing else."""
    return escape("".join(map(shown, word)))


class MathML(Writer[Markup]):
    """MathML Core, two-dimensional."""

    def __init__(self) -> None:
        super().__init__()
        self.tall: set[int] = set()
        """What is taller than a line in the form that is being printed, by its identity."""

    def begin(self, forms: Sequence[Looks]) -> None:
        self.tall = set()
        for x in forms:
            if is_tall(x) or any([id(part) in self.tall for part in x.parts]):
                self.tall.add(id(x))

    def between(self, opening: str, inner: Markup, closing: str, *of: Looks) -> Markup:
        grows = {} if any([id(x) in self.tall for x in of]) else {"stretchy": "false"}
        start = operator(opening, form="prefix", fence="true", **grows)
        return row(start, inner, operator(closing, form="postfix", fence="true", **grows))

    def pieces(self, x: Looks, i: int) -> list[Markup]:
        """A part of a form, cut where a line may end: before a sign between terms or factors."""
        inner: Looks = x.parts[i]
        if binds(inner, line=self.line) >= self.needs(x, i):
            return self.cut(inner)
        if inner.kind == "rel":
            return [self.enclosed(inner)]
        first, *rest = self.cut(inner)
        if not rest:
            return [self.enclosed(inner)]
        *between, last = rest
        return [(operator("(", form="prefix"), first), *between, (last, operator(")", form="postfix"))]

    def cut(self, x: Looks) -> list[Markup]:
        """A form, cut where a line may end."""
        if x.kind not in ("sum", "prod", "beside") or len(unicode(x)) <= SHORT:
            return [self.write(x)]
        if x.kind == "sum":
            signs = ["−" if x.word[0] < 0 else "", *["+" if sign > 0 else "−" for sign in x.word[1:]]]
        else:
            signs = ["", *[x.word if x.kind == "prod" else ""] * (len(x.parts) - 1)]
        found: list[Markup] = []
        for i, sign in enumerate(signs):
            first, *rest = self.pieces(x, i)
            before = operator(sign, form="infix" if i else "prefix") if sign else ""
            found += [(before, first), *rest]
        return found

    def num_(self, x: Looks) -> Markup:
        text = x.word.replace("inf", "∞")
        if text.startswith("-"):
            return row(operator("−", form="prefix"), self.num_(Looks("num", (), text[1:])))
        above, slash, below = text.partition("/")
        if slash:
            return element("mfrac", element("mn", above), element("mn", below))
        mantissa, _, exponent = text.partition("e") if text[:1].isdigit() else (text, "", "")
        if not exponent:
            return element("mn", text)
        ten = element("msup", element("mn", "10"), element("mn", str(int(exponent)).replace("-", "−")))
        return ten if mantissa == "1" else row(element("mn", mantissa), operator("·"), ten)

    def id_(self, x: Looks) -> Markup:
        word: str = x.word
        if len(word) == 1:
            return element("mi", visible(word))
        if word.isalpha():
            return element("mi", visible(word), style="font-style:italic")
        return element("mtext", visible(word), style="font-family:monospace")

    def text_(self, x: Looks) -> Markup:
        return element("mtext", visible(x.word))

    def const_(self, x: Looks) -> Markup:
        return element("mi", x.word, mathvariant="normal")

    def none_(self, x: Looks) -> Markup:
        return ""

    def dots_(self, x: Looks) -> Markup:
        return operator("⋯")

    def top_(self, x: Looks) -> Markup:
        top = element("mi", "⊤", mathvariant="normal")
        return row(operator("−", form="prefix"), top) if x.word else top

    def sum_(self, x: Looks) -> Markup:
        first, *rest = self.parts(x)
        found = [operator("−", form="prefix"), first] if x.word[0] < 0 else [first]
        for sign, part in zip(x.word[1:], rest, strict=True):
            found += [operator("+" if sign > 0 else "−"), part]
        return row(*found)

    def prod_(self, x: Looks) -> Markup:
        return row(*separated(operator(x.word), self.parts(x)))

    def beside_(self, x: Looks) -> Markup:
        space = element("mspace", "", width="0.17em")
        first, *rest = self.parts(x)
        return row(first, *([] if x.parts[0].kind == "num" else [space]), *separated(space, rest))

    def neg_(self, x: Looks) -> Markup:
        return row(operator("−", form="prefix"), self.part(x, 0))

    def frac_(self, x: Looks) -> Markup:
        return element("mfrac", *self.parts(x))

    def d_(self, x: Looks) -> Markup:
        sign, order = self.sign_and_order(x)
        letter = element("mi", sign, mathvariant="normal") if sign == "d" else element("mi", sign)
        raised = element("msup", letter, element("mn", order)) if order else letter
        return row(raised, self.base(x.parts[0]))

    def delta_(self, x: Looks) -> Markup:
        return row(element("mi", "Δ"), self.base(x.parts[0]))

    def applied_(self, x: Looks) -> Markup:
        inside = self.list_(Looks("list", x.parts[1:]))
        return row(self.write(x.parts[0]), operator("\u2061"), self.between("(", inside, ")", *x.parts[1:]))

    def pow_(self, x: Looks) -> Markup:
        base, exponent = self.parts(x)
        return element("msup", base, (row(operator("⊙"), exponent) if x.word else exponent))

    def raised_(self, x: Looks) -> Markup:
        return element("msup", self.part(x, 0), self.write(x.parts[1]))

    def layer_(self, x: Looks) -> Markup:
        return element("msup", self.part(x, 0), self.between("(", self.write(x.parts[1]), ")", x.parts[1]))

    def sub_(self, x: Looks) -> Markup:
        base: Looks = x.parts[0]
        if base.kind == "layer":
            layer = self.between("(", self.write(base.parts[1]), ")", base.parts[1])
            return element("msubsup", self.part(base, 0), self.write(x.parts[1]), layer)
        return element("msub", self.part(x, 0), self.write(x.parts[1]))

    def entry_(self, x: Looks) -> Markup:
        return row(self.base(x.parts[0]), self.between("[", self.list_(Looks("list", x.parts[1:])), "]", *x.parts[1:]))

    def list_(self, x: Looks) -> Markup:
        return row(*separated(operator(",", separator="true"), list(map(self.write, x.parts))))

    def mark_(self, x: Looks) -> Markup:
        return element("mover", self.write(x.parts[0]), operator(MARKS[x.word]))

    def prime_(self, x: Looks) -> Markup:
        return element("msup", self.write(x.parts[0]), operator("′" * x.word))

    def root_(self, x: Looks) -> Markup:
        return element("msqrt", self.part(x, 0))

    def call_(self, x: Looks) -> Markup:
        name, below = element("mi", visible(x.word)), self.write(x.parts[0])
        scripted = element("msub", name, below) if below else name
        inside = self.list_(Looks("list", x.parts[1:])) if len(x.parts) > 1 else ""
        fenced = inside if self.is_bracketed(x) else self.between("(", inside, ")", *x.parts[1:])
        return row(scripted, operator("\u2061"), fenced)

    def fence_(self, x: Looks) -> Markup:
        inner = self.list_(Looks("list", x.parts)) if x.parts else ""
        return self.between(x.word, inner, CLOSING[x.word], *x.parts)

    def big_(self, x: Looks) -> Markup:
        sign, below = operator(x.word, movablelimits="false"), self.write(x.parts[0])
        return row(element("munder", sign, below) if below else sign, self.part(x, 1))

    def cases_(self, x: Looks) -> Markup:
        value, condition, otherwise = map(self.write, x.parts)
        when = row(element("mtext", "if\u00a0"), condition)
        rows = [
            element("mtr", *[element("mtd", cell, style="text-align:left") for cell in cells])
            for cells in ((value, when), (otherwise, element("mtext", "else")))
        ]
        return row(operator("{", form="prefix", fence="true"), element("mtable", *rows))

    def matrix_(self, x: Looks) -> Markup:
        rows = [element("mtr", *[element("mtd", self.write(entry)) for entry in line.parts]) for line in x.parts]
        return self.between("(", element("mtable", *rows), ")", x)

    def rel_(self, x: Looks) -> Markup:
        first, *rest = self.parts(x)
        found = [first]
        for sign, part in zip(x.word, rest, strict=True):
            found += [operator(str(RELATIONS.get(sign, sign))), part]
        return row(*found)
