r"""Words with formulas among them: a tuple of texts and trees, or a text alone.

``\$`` is a dollar sign and ``\\`` a backslash; any other backslash is itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from chainrule.maths import Tree, latex

Words = str | tuple[str | Tree, ...]
"""What a reader is told; a text alone has no formula in it."""

PIECE = re.compile(r"\$((?:[^$\\]|\\.)+)\$|\\([$\\])|([^$\\]+|.)", re.DOTALL)


def said(*parts: Words | Tree) -> Words:
    """Texts, trees, and words that were made before, as words in a row."""
    found: list[str | Tree] = []
    for part in parts:
        found += part if isinstance(part, tuple) else [part]
    return tuple(found)


def listed(parts: Iterable[Words | Tree], between: str = ", ") -> Words:
    """Words with something between them."""
    found: list[Words | Tree] = []
    for part in parts:
        found += [between, part] if found else [part]
    return said(*found)


def literal(text: str) -> str:
    r"""Text from a user, such as a label, as words that mean nothing but themselves.

    >>> from chainrule.derivation.words import literal
    >>> literal("costs $5")
    'costs \\$5'
    """
    return text.replace("\\", r"\\").replace("$", r"\$")


def pieces(words: Words) -> list[tuple[str, Tree | str]]:
    r"""The words and the mathematics of a text, in order, each with the other empty.

    >>> from chainrule.derivation.words import pieces
    >>> pieces(r"the slope in $w_{1}$")
    [('the slope in ', ''), ('', 'w_{1}')]
    """
    if isinstance(words, tuple):
        return [x for part in words for x in ([("", part)] if isinstance(part, Tree) else pieces(part))]
    found: list[tuple[str, Tree | str]] = []
    for maths, escaped, words_ in PIECE.findall(words):
        if maths:
            found.append(("", maths))
        elif found and not found[-1][1]:
            found[-1] = (found[-1][0] + escaped + words_, "")
        else:
            found.append((escaped + words_, ""))
    return found


def text_of(words: Words) -> str:
    """Words as one text, with LaTeX between dollar signs."""
    if isinstance(words, str):
        return words
    return "".join([part if isinstance(part, str) else f"${latex(part)}$" for part in words])
