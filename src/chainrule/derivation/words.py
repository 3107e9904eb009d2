r"""Words with mathematics between dollar signs: how a dialect writes them, and how a format takes them apart.

``\$`` is a dollar sign and ``\\`` a backslash; any other backslash is itself.
"""

from __future__ import annotations

import re

PIECE = re.compile(r"\$((?:[^$\\]|\\.)+)\$|\\([$\\])|([^$\\]+|.)", re.DOTALL)


def literal(text: str) -> str:
    r"""Text from a user, such as a label, as words that mean nothing but themselves.

    >>> from chainrule.derivation.words import literal
    >>> literal("costs $5")
    'costs \\$5'
    """
    return text.replace("\\", r"\\").replace("$", r"\$")


def pieces(text: str) -> list[tuple[str, str]]:
    r"""The words and the mathematics of a text, in order, each with the other empty.

    >>> from chainrule.derivation.words import pieces
    >>> pieces(r"the slope in $w_{1}$")
    [('the slope in ', ''), ('', 'w_{1}')]
    """
    found: list[tuple[str, str]] = []
    for maths, escaped, words in PIECE.findall(text):
        if maths:
            found.append(("", maths))
        elif found and not found[-1][1]:
            found[-1] = (found[-1][0] + escaped + words, "")
        else:
            found.append((escaped + words, ""))
    return found
