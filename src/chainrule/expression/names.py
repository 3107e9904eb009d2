r"""Names as a program has them, and as mathematics writes them: ``w1`` and ``w_{1}``, ``yhat`` and ``\hat{y}``."""

from __future__ import annotations

import re

from chainrule.errors import ChainruleError
from chainrule.expression.maths.reader import OPERATORS, read
from chainrule.expression.maths.trees import Index, Name, Script
from chainrule.maths.as_latex import harmless
from chainrule.maths.template import GREEK

NAME = re.compile(r"([A-Za-z]+?)(_?hat)?(?:_?(\d+)|_([A-Za-z0-9]+))?")


def latex_name(name: str) -> str:
    r"""A variable's name in LaTeX: Greek letters, hats, numbers and single letters after ``_`` below the line.

    An index keeps its brackets, and LaTeX for a symbol stays as it is. Anything else, such as a path through objects,
    is set in typewriter letters, with every character that would mean something to LaTeX made harmless.

    >>> from chainrule.expression.names import latex_name
    >>> latex_name("w1"), latex_name("yhat"), latex_name("delta_2"), latex_name("w1[3,1]"), latex_name("net[0].weight")
    ('w_{1}', '\\hat{y}', '\\delta_{2}', 'w_{1}[3, 1]', '\\mathtt{net[0].weight}')
    >>> latex_name(r"\alpha^{2}"), latex_name(r"\input{secret}")
    ('\\alpha^{2}', '\\mathtt{\\backslash input\\{secret\\}}')
    """
    if set(name) & set("\\{^") and is_symbol(name):
        return name
    indexed = re.fullmatch(r"(.+?)\[(-?\d+(?:\s*,\s*-?\d+)*)\]", name)
    if indexed:
        return f"{latex_name(indexed[1])}[{', '.join(part.strip() for part in indexed[2].split(','))}]"
    parts = NAME.fullmatch(name)
    if not parts:
        return typewriter(name)
    letters, hat, digits, below = parts.groups()
    # A bare e is the base of the exponential.
    plain = len(letters) == 1 and not (letters == "e" and not hat and not digits and not below)
    base = rf"\{letters}" if letters in GREEK else letters if plain else rf"\mathit{{{letters}}}"
    if hat:
        base = rf"\hat{{{base}}}"
    subscript = digits or below
    return f"{base}_{{{subscript}}}" if subscript else base


def typewriter(text: str) -> str:
    """Any text as one name in LaTeX."""
    return rf"\mathtt{{{harmless(text) or '?'}}}"


def is_symbol(latex: str) -> bool:
    """Whether a text is LaTeX for one symbol, with scripts and accents, that the formats can show."""
    try:
        tree = read(latex)
    except ChainruleError:
        return False
    while isinstance(tree, Script | Index):
        tree = tree.base
    return isinstance(tree, Name) and tree.latex not in OPERATORS
