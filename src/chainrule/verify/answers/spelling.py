"""How learners spell an answer, and what is typed for it: words, fractions and roots as signs, names side by side."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

from chainrule.verify.answers.latex import from_latex, is_latex

WORDS = {
    "times": "*", "plus": "+", "minus": "-", "over": "/", "divided by": "/", "squared": "^2", "cubed": "^3",
    "transpose": ".T", "transposed": ".T",
}  # fmt: skip
"""What is said for a sign."""

FRACTION_SLASH = "\u2044"
ROOT = re.compile(r"√\s*(\w+)")
RAISED_T = re.compile(r"\^\s*(?:\{\s*)?[T⊤](?:\s*\})?(?!\w)")
SPOKEN = re.compile(rf"(?<![\w.])({'|'.join(WORDS)})(?![\w(])")


def typed(text: str, is_name: Callable[[str], bool]) -> str:
    """An answer as it is typed: LaTeX, words and single signs for several are written out.

    >>> from chainrule.verify.answers.spelling import typed
    >>> typed("½(ŷ − y) times h", {"h", "y"}.__contains__)
    '(1/2)(ŷ − y) * h'
    """
    text = unicodedata.normalize("NFC", from_latex(text) if is_latex(text) else text)
    text = "".join([written_out(sign) for sign in text])
    text = ROOT.sub(r"sqrt(\1)", text).replace("√", "sqrt")
    if not is_name("T"):
        text = RAISED_T.sub(".T", text)
    return SPOKEN.sub(lambda match: match[0] if is_name(match[0]) else WORDS[match[0]], text)


def written_out(sign: str) -> str:
    """A sign that stands for a fraction as a quotient."""
    plain = unicodedata.normalize("NFKC", sign)
    return f"({plain.replace(FRACTION_SLASH, '/')})" if FRACTION_SLASH in plain and plain != FRACTION_SLASH else sign


def side_by_side(word: str, is_name: Callable[[str], bool]) -> list[str]:
    """The names that were written without a sign between them, where there is one way to part the word.

    >>> from chainrule.verify.answers.spelling import side_by_side
    >>> side_by_side("Xw", {"X", "w", "b"}.__contains__)
    ['X', 'w']
    """
    ways = list(partings(word, is_name))
    return ways[0] if len(ways) == 1 else []


def partings(word: str, is_name: Callable[[str], bool]) -> Iterator[list[str]]:
    """Every way to part a word into names; two at most are of interest."""
    if is_name(word):
        yield [word]
    for cut in range(1, len(word)):
        if is_name(word[:cut]):
            for rest in partings(word[cut:], is_name):
                yield [word[:cut], *rest]
