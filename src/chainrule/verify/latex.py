"""An answer that was written in LaTeX, as a formula that is typed: fractions, hats, layers in raised brackets."""

from __future__ import annotations

import unicodedata

from chainrule.errors import FormulaError
from chainrule.expression.typed.caret import error_at
from chainrule.verify.spelling import with_hat

SPACES = ("quad", "qquad", ",", ";", "!", ":", " ")
SKIPPED = ("left", "right", "big", "Big", "bigl", "bigr", "Bigl", "Bigr", "displaystyle", "limits", "nonumber")
TRANSPOSES = ("T", "top", "intercal", "⊤")

SIGNS = {
    "cdot": " * ", "times": " * ", "ast": " * ", "odot": " ⊙ ", "circ": " ⊙ ", "div": " / ", "partial": "∂",
    "le": "<=", "leq": "<=", "ge": ">=", "geq": ">=", "lt": "<", "gt": ">", "prime": "'", "\\": "\n",
    **dict.fromkeys(SPACES, " "), **dict.fromkeys(SKIPPED, ""), **dict.fromkeys(TRANSPOSES, "T"),
}  # fmt: skip
"""Signs, and what is typed for them."""

FUNCTIONS = (
    "tanh", "exp", "log", "ln", "sin", "cos", "sinh", "cosh", "tan", "max", "min", "softmax", "sigmoid", "relu",
)  # fmt: skip
"""Functions that LaTeX has commands for, or people write as if it had."""

AS_IT_IS = (
    "mathbf", "boldsymbol", "mathrm", "mathit", "text", "operatorname", "mathcal", "bar", "vec", "tilde", "bm",
)  # fmt: skip
"""Commands that change the looks of what follows, and not what it is."""

FRACTIONS = ("frac", "dfrac", "tfrac", "cfrac")
HATS = ("hat", "widehat")

INSTEAD = {
    "sum": "write the sum as code, sum(x, axis=0)",
    "begin": "write one formula in a line",
    "prod": "write the product out",
    "int": "no gradient has an integral",
}


class Latex:
    """Reads a text from left to right, group by group."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def formula(self) -> str:
        """All of it, as it is typed."""
        return self.until("")

    def until(self, stop: str) -> str:
        """What stands before a sign, which is passed over; of the whole text where none is given."""
        found: list[str] = []
        while self.at < len(self.text):
            if stop and self.text[self.at] == stop:
                self.at += 1
                return "".join(found)
            found.append(self.piece("".join(found)))
        if stop:
            raise self.error("this { is never closed")
        return "".join(found)

    def error(self, problem: str) -> FormulaError:
        """An error at the place where reading stands."""
        at = max(0, min(self.at, len(self.text)) - 1)
        return error_at(self.text, at, at + 1, problem)

    def piece(self, before: str) -> str:
        """The next piece; what stands before tells what a raised or lowered one belongs to."""
        sign = self.text[self.at]
        self.at += 1
        if sign == "\\":
            return self.command()
        if sign == "{":
            return self.until("}")
        if sign == "^":
            return self.raised(before)
        if sign == "_":
            inner = self.group()
            return f"_{inner}" if inner.isalnum() else "_" + "".join(c for c in inner if c.isalnum())
        return "" if sign in "$&" else sign

    def group(self) -> str:
        """What is in the braces that follow, or the one sign or command."""
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        if self.at >= len(self.text):
            raise self.error("something is missing after this")
        return self.piece("")

    def command(self) -> str:
        """What is typed for a command; its backslash has been read."""
        start = self.at
        if self.at < len(self.text) and not self.text[self.at].isalpha():
            self.at += 1
        else:
            while self.at < len(self.text) and self.text[self.at].isalpha():
                self.at += 1
        name = self.text[start : self.at]
        if name in FRACTIONS:
            return quotient(self.group(), self.group())
        if name in HATS:
            inner = self.group().strip()
            return with_hat(inner) if len(inner) == 1 else inner + "hat"
        if name in AS_IT_IS:
            return self.group()
        if name in SIGNS:
            return SIGNS[name]
        if name == "begin" and self.text.startswith("{cases}", self.at):
            return self.cases()
        if name == "sqrt":
            return f"sqrt({self.group()})"
        if name in FUNCTIONS:
            return self.function(name)
        letter = greek(name)
        if not letter:
            instead = INSTEAD.get(name, "write it as it is typed, or as code")
            raise error_at(self.text, start - 1, self.at, f"an answer has no \\{name}: {instead}")
        return letter

    def cases(self) -> str:
        """Two or more cases as choices; the last one holds for all else."""
        start = self.at + len("{cases}")
        end = self.text.find("\\end{cases}", start)
        if end < 0:
            raise self.error("these cases are never closed with \\end{cases}")
        self.at = end + len("\\end{cases}")
        rows = [row.partition("&") for row in self.text[start:end].split("\\\\") if row.strip()]
        *first, (last, _, _) = [(from_latex(value), "", from_latex(condition)) for value, _, condition in rows]
        found = f"({last.strip()})"
        for value, _, condition in reversed(first):
            found = f"where({condition.strip().removeprefix('if ').strip(' ,')}, {value.strip(' ,')}, {found})"
        return found

    def function(self, name: str) -> str:
        if self.text[self.at :].lstrip()[:1] in ("(", "\\", "^", "'"):
            return f" {name}"
        return f" {name}({self.group()})"

    def raised(self, before: str) -> str:
        """A power, a transpose, a prime, or the number of a layer in brackets."""
        inner = self.group().strip()
        if inner in TRANSPOSES:
            return "ᵀ"
        if inner and set(inner) == {"'"}:
            return inner
        layer, turned = inner.removesuffix("T"), inner.endswith("T")
        if len(layer) > 2 and layer[0] + layer[-1] in ("()", "[]") and layer[1:-1].isdigit() and before[-1:].isalnum():
            return layer[1:-1] + "ᵀ" * turned
        return f"^{inner}" if inner.isdigit() else f"^({inner})"


def quotient(top: str, bottom: str) -> str:
    """A fraction; that of two differentials is one thing."""
    top, bottom = top.strip(), bottom.strip()
    if top[:1] in ("∂", "d") and bottom[:1] in ("∂", "d") and f"{top}{bottom}".replace("_", "").isalnum():
        return f" {top}/{bottom} "
    if all(part.replace(" ", "").replace("_", "").replace("∂", "").isalnum() for part in (top, bottom)) and "∂" in top:
        return f" {top.replace(' ', '')}/{bottom.replace(' ', '')} "
    return f"(({top})/({bottom}))"


def greek(name: str) -> str:
    """The letter of that name, or nothing."""
    kind = "CAPITAL" if name[:1].isupper() else "SMALL"
    called = name.removeprefix("var").replace("ambda", "amda")  # as Unicode spells it
    try:
        return unicodedata.lookup(f"GREEK {kind} LETTER {called}")
    except KeyError:
        return ""


def from_latex(text: str) -> str:
    r"""A text of LaTeX as it is typed.

    >>> from chainrule.verify.latex import from_latex
    >>> from_latex(r"\frac{\partial L}{\partial w_2} = (\hat y - y)\, h")
    ' ∂L/∂w_2  = (ŷ - y)  h'
    """
    return Latex(text).formula()
