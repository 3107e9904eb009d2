r"""The commands that a formula may hold, with the sign that a terminal shows and the word that plain text has.

This is a white list: the reader refuses every other command, so nothing that a label brings along reaches LaTeX.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from chainrule.maths.template import GREEK


class Written(NamedTuple):
    """A sign in Unicode and in ASCII."""

    sign: str
    plain: str


# fmt: off
FUNCTIONS = [
    "exp", "log", "ln", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh",
    "max", "min", "det", "lim",
]
# fmt: on

SYMBOLS = {
    **{rf"\{name}": Written(sign, name) for name, sign in GREEK.items()},
    **{rf"\{name}": Written(name, name) for name in FUNCTIONS},
    r"\arcsin": Written("arcsin", "asin"),
    r"\arccos": Written("arccos", "acos"),
    r"\arctan": Written("arctan", "atan"),
    r"\ln": Written("ln", "log"),
    r"\partial": Written("∂", "d"),
    r"\nabla": Written("∇", "grad"),
    r"\sum": Written("∑", "sum"),
    r"\prod": Written("∏", "prod"),
    r"\top": Written("ᵀ", "T"),
    r"\infty": Written("∞", "inf"),
    r"\ell": Written("ℓ", "l"),
    r"\ldots": Written("…", "..."),
    r"\cdots": Written("⋯", "..."),
    r"\vdots": Written("⋮", "..."),
    r"\ddots": Written("⋱", "..."),
    r"\circ": Written("∘", "o"),
    r"\emptyset": Written("∅", "{}"),
    r"\$": Written("$", "$"),
    r"\%": Written("%", "%"),
}
"""Names, one sign each."""

RELATIONS = {
    "=": Written("=", "="),
    "<": Written("<", "<"),
    ">": Written(">", ">"),
    ":": Written(":", ":"),
    r"\le": Written("≤", "<="),
    r"\ge": Written("≥", ">="),
    r"\ne": Written("≠", "!="),
    r"\approx": Written("≈", "~="),
    r"\equiv": Written("≡", "=="),
    r"\sim": Written("∼", "~"),
    r"\propto": Written("∝", "~"),
    r"\in": Written("∈", "in"),
    r"\to": Written("→", "->"),
    r"\mapsto": Written("↦", "->"),
    r"\Rightarrow": Written("⇒", "=>"),
}
"""What stands between the sides of a relation."""

PRODUCTS = {
    r"\cdot": Written("·", "*"),
    r"\times": Written("×", "*"),
    r"\odot": Written("⊙", "*"),
    r"\oslash": Written("⊘", "/"),
    r"\otimes": Written("⊗", "(x)"),
    "/": Written("/", "/"),
}
"""What stands between factors."""

SIGNS = {**SYMBOLS, **RELATIONS, **PRODUCTS}
"""All of these: a sign alone is a formula too, as in a table that explains it."""

SPACES = (r"\,", r"\;", r"\:", r"\!", r"\ ", r"\quad", r"\qquad")
ACCENTS = {r"\hat": "\u0302", r"\bar": "\u0304", r"\tilde": "\u0303", r"\dot": "\u0307", r"\ddot": "\u0308"}
WORDS = (r"\mathtt", r"\mathit", r"\mathrm", r"\mathbf", r"\mathbb", r"\text", r"\operatorname")

IN_WORDS = {r"\backslash": "\\", r"\wedge": "^", r"\sim": "~", r"\ ": " ", r"\,": " "}
"""What stands in a word for a character that LaTeX keeps for itself; the rest have a backslash before them."""


def word_of(latex: str) -> str:
    r"""The bare text of ``\mathtt{a\_b}``: ``a_b``."""
    inside = latex[latex.index("{") + 1 : -1]
    return re.sub(r"\\[A-Za-z]+ ?|\\.", lambda found: IN_WORDS.get(found[0].rstrip() or found[0], found[0][1:]), inside)
