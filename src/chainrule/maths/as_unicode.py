"""Looks in the signs that a terminal has, in one line: ``∂L/∂w₁ = (ŷ − y) · w₂ · x``."""

from __future__ import annotations

import unicodedata

from chainrule.maths.looks import Binds, Looks
from chainrule.maths.tree import Tree
from chainrule.maths.writer import LineWriter
from chainrule.printable import disturbs

RAISED = dict(
    zip(
        "0123456789+−-=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWβγδθφχᵀ",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵝᵞᵟᶿᵠᵡᵀ",
        strict=True,
    )
)
LOWERED = dict(zip("0123456789+−-=()aehijklmnoprstuvxβγρφχ,", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ,", strict=True))
FRACTIONS = {"1/2": "½", "1/3": "⅓", "2/3": "⅔", "1/4": "¼", "3/4": "¾"}
MARKS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"}
RELATIONS = {"<=": "≤", ">=": "≥", "!=": "≠", "~": "≈"}
CLOSING = {"(": ")", "[": "]", "|": "|", "‖": "‖", "⌊": "⌋", "⌈": "⌉"}


def shown(character: str) -> str:
    """A character, unless it is one that nobody can see."""
    return "�" if disturbs(character) else character


def unicode(x: Tree | Looks) -> str:
    """A tree in one line.

    >>> from chainrule.maths import Symbol, unicode
    >>> y, t = Symbol("y", mark="hat"), Symbol("y")
    >>> unicode((y - t) * Symbol("w", below=("1",)) ** 2)
    '(ŷ − y) · w₁²'
    """
    return Unicode.once(x)


def small(text: str, signs: dict[str, str], otherwise: str) -> str:
    """A script in small signs where all of it has them, and after a mark in full size where not."""
    bare = text.replace(" ", "")
    words = "=" in bare  # the name of a setting: nobody reads axis in small letters
    if bare and not words and all([c in signs for c in bare]):
        return "".join([signs[c] for c in bare])
    return f"{otherwise}{text}" if len(text) == 1 or text.isalnum() else f"{otherwise}({text})"


class Unicode(LineWriter):
    line = True
    minus = "−"
    relations = RELATIONS

    def needs(self, x: Looks, i: int) -> Binds:
        if x.kind == "frac" and i == 0:
            return Binds.PRODUCT if x.parts[0].kind == "big" else Binds.PREFIX
        if x.kind == "frac":
            return Binds.POWER
        return Binds.ATOM if x.kind == "root" else super().needs(x, i)

    def between(self, opening: str, inner: str, closing: str, *of: Looks) -> str:
        return f"{opening}{inner}{closing}"

    def num_(self, x: Looks) -> str:
        text = x.word.replace("inf", "∞")
        sign, text = ("−", text[1:]) if text.startswith("-") else ("", text)
        if text in FRACTIONS:
            return sign + FRACTIONS[text]
        mantissa, _, exponent = text.partition("e") if text[:1].isdigit() else (text, "", "")
        if not exponent:
            return sign + text
        ten = "10" + small(str(int(exponent)).replace("-", "−"), RAISED, "^")
        return sign + (ten if mantissa == "1" else f"{mantissa}·{ten}")

    def id_(self, x: Looks) -> str:
        return "".join([" " if c.isspace() else shown(c) for c in x.word])

    def text_(self, x: Looks) -> str:
        return str(x.word)

    def dots_(self, x: Looks) -> str:
        return "⋯"

    def top_(self, x: Looks) -> str:
        return "⁻ᵀ" if x.word else "ᵀ"

    def prod_(self, x: Looks) -> str:
        return f" {x.word} ".join(self.parts(x))

    def beside_(self, x: Looks) -> str:
        first, *rest = self.parts(x)
        if x.parts[0].kind == "num" and "/" in first:
            # 4/9 before x would be taken for 4 over 9x.
            sign, number = ("−", first[1:]) if first.startswith("−") else ("", first)
            first = f"{sign}({number})"
        # Digits and π stand close before what follows.
        signs = [part.kind in ("num", "const") for part in x.parts]
        text = first
        for before, part in zip(signs, rest, strict=False):
            text += ("" if before and (part[0].isalpha() or part[0] in "(√") else " ") + part
        return text

    def frac_(self, x: Looks) -> str:
        above, below = self.parts(x)
        return f"{above}/{below}"

    def d_(self, x: Looks) -> str:
        sign, order = self.sign_and_order(x)
        return f"{sign}{small(order, RAISED, '^') if order else ''}{self.base(x.parts[0])}"

    def delta_(self, x: Looks) -> str:
        return f"Δ{self.base(x.parts[0])}"

    def pow_(self, x: Looks) -> str:
        base, exponent = self.parts(x)
        return base + ("⊙" if x.word else "") + small(exponent, RAISED, "^")

    def raised_(self, x: Looks) -> str:
        return self.part(x, 0) + self.write(x.parts[1])

    def layer_(self, x: Looks) -> str:
        return self.part(x, 0) + small(f"({self.write(x.parts[1])})", RAISED, "^")

    def sub_(self, x: Looks) -> str:
        base, below = self.part(x, 0), self.write(x.parts[1])
        if min(len(base), len(below)) > 1 and base.isidentifier() and below[0].isalpha() and below.isidentifier():
            return f"{base}_{below}"  # words in small letters are hard to read
        return base + small(below, LOWERED, "_")

    def mark_(self, x: Looks) -> str:
        word = self.write(x.parts[0])
        return unicodedata.normalize("NFC", word[:1] + MARKS[x.word] + word[1:])

    def prime_(self, x: Looks) -> str:
        return self.write(x.parts[0]) + "′" * x.word

    def root_(self, x: Looks) -> str:
        return f"√{self.part(x, 0)}"

    def call_(self, x: Looks) -> str:
        below = self.write(x.parts[0])
        scripted = x.word + (small(below, LOWERED, "_") if below else "")
        inside = ", ".join(map(self.write, x.parts[1:]))
        if scripted.endswith(")"):  # what no small signs say stands among the inputs, as in a call of Python
            return f"{x.word}({inside}, {below})"
        return scripted + (inside if self.is_bracketed(x) else f"({inside})")

    def fence_(self, x: Looks) -> str:
        return f"{x.word}{', '.join(map(self.write, x.parts))}{CLOSING[x.word]}"

    def big_(self, x: Looks) -> str:
        below = self.write(x.parts[0])
        return x.word + (small(below, LOWERED, "_") if below else "") + f" {self.part(x, 1)}"

    def enclosed(self, x: Looks) -> str:
        # Cases in a line have braces.
        return self.write(x) if x.kind == "cases" else super().enclosed(x)

    def cases_(self, x: Looks) -> str:
        value, condition, otherwise = map(self.write, x.parts)
        return f"{{{value} if {condition}, else {otherwise}}}"

    def matrix_(self, x: Looks) -> str:
        between = " " if len(x.parts) > 1 else ", "
        return f"[{'; '.join([between.join(map(self.write, row.parts)) for row in x.parts])}]"
