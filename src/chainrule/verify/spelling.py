"""How learners spell a formula, and what is typed for it: words, fractions and roots as signs, names side by side."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from chainrule.errors import FormulaError
from chainrule.expression.typed.tokens import Token, pieces_from

WORDS = {
    "times": "*", "plus": "+", "minus": "-", "over": "/", "divided by": "/", "squared": "^2", "cubed": "^3",
    "transpose": ".T", "transposed": ".T",
}  # fmt: skip
"""What is said for a sign."""

SAME = str.maketrans({"∘": "⊙", "•": "·", "∗": "*", "’": "'"})
"""Signs that look otherwise, and mean the same."""

HAT = "\u0302"
"""What Unicode puts over a letter."""

FRACTION_SLASH = "\u2044"
ROOT = re.compile(r"√\s*(\w+)")
RAISED_T = re.compile(r"\^\s*(?:\{\s*)?[T⊤](?:\s*\})?(?!\w)")
RAISED = re.compile(r"[⁰¹²³⁴-⁹⁺⁻]*[{0}][⁰¹²³⁴-⁹⁺⁻{0}]*".format("ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵘᵛʷˣʸᶻ"))
"""A power with letters in it, as in eˣ⁻¹; ᵗ is left out, for it is a transpose as well."""
LOWERED = re.compile(r"_\s*\{\s*(\w+)\s*\}")
LENGTH = re.compile(r"(?:\|\||‖)([^|‖]+)(?:\|\||‖)")
ABSOLUTE = re.compile(r"\|([^|]+)\|")
ONES = re.compile(r"(?<![\w.)])[1𝟏]\s*(?:ᵀ|\.T)\s*[@·*]?\s*(\w+|\([^()]*\))")
"""A row of ones before a matrix, which adds up its rows."""
LARGER = re.compile(r"\b(max|min)\(\s*(?=\d+(?:\.\d*)?\s*,)")
"""The larger of a number and something, as in ``max(0, z)``; NumPy's ``max`` is of an array."""
SPOKEN = re.compile(rf"(?<![\w.])({'|'.join(WORDS)})(?![\w(])")
BRANCHES = re.compile(
    r"(?P<where>.+?),?\s+(?:if|for|when|where)\s+(?P<condition>[^,]*[<>≤≥][^,]*?)\s*"
    r"(?:,\s*(?:and\s+)?|\s+else\s+|\s+and\s+)(?:else\s+)?(?:otherwise\s+)?(?P<other>[^,]+?)(?:,?\s*(?:otherwise|else))?"
)
"""A formula for one case and another for all else, in Python's words or a book's."""


def typed(text: str, is_name: Callable[[str], bool]) -> str:
    """An answer as it is typed: words and single signs for several are written out.

    >>> from chainrule.verify.spelling import typed
    >>> typed("½(ŷ − y) times h", {"h", "y"}.__contains__)
    '(1/2)(ŷ − y) * h'
    """
    text = unicodedata.normalize("NFC", text)
    text = "".join([written_out(sign) for sign in text.translate(SAME)])
    text = RAISED.sub(lambda match: f"^({unicodedata.normalize('NFKC', match[0])})", text)
    text = LOWERED.sub(r"_\1", text)
    text = ROOT.sub(r"sqrt(\1)", text).replace("√", "sqrt")
    text = LARGER.sub(r"\1imum(", text)
    if not is_name("T"):
        text = ONES.sub(r"sum(\1, axis=0)", RAISED_T.sub(".T", text))
    text = ABSOLUTE.sub(r"abs(\1)", LENGTH.sub(r"norm(\1)", text))
    return SPOKEN.sub(lambda match: match[0] if is_name(match[0]) else WORDS[match[0]], text)


def with_branches(line: str) -> str:
    """``x if z > 0 else 0``, or ``x for z > 0, 0 otherwise``, as a choice; any other line as it is.

    >>> from chainrule.verify.spelling import with_branches
    >>> with_branches("2*x if x > 0 else 0")
    'where(x > 0, 2*x, 0)'
    """
    found = BRANCHES.fullmatch(line.strip())
    return line if found is None else f"where({found['condition']}, {found['where']}, {found['other']})"


def with_signs(text: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The lines of a problem with ½, ^ and products without a sign as they are typed: ``½(a − y)²``, ``2x``.

    A matrix, by the shapes that are known, has a matrix product with what is no single number.

    >>> from chainrule.verify.spelling import with_signs
    >>> with_signs("z = w x; L = ½(z − y)^2", {})
    'z = w*x; L = (1/2)*(z − y)**2'
    >>> with_signs("L = ||X w||", {"X": (3, 2), "w": (2,)})
    'L = norm(X@w)'
    """
    parts = re.split(r"([;\n])", typed(text, lambda name: True).replace("^", "**"))
    return "".join([part if part in (";", "\n") else signs_put_in(part, shapes) for part in parts])


def signs_put_in(line: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """A line with a sign for every product without one; a line that cannot be read as it is."""
    try:
        pieces = [token for found in pieces_from(line) for token in found]
    except FormulaError:
        return line
    for before, token in reversed(list(pairwise(pieces))):
        if lacks_sign(before, token):
            of_matrix = token.kind == "name" and len(shapes.get(before.text, ())) == 2 and shapes.get(token.text) != ()
            line = f"{line[: before.stop]}{'@' if of_matrix else '*'}{line[token.start :]}"
    return line


def lacks_sign(before: Token, token: Token) -> bool:
    """Whether two pieces side by side are meant as a product; a name before a parenthesis is called."""
    begins = token.kind == "name" or token.text == "(" or (token.kind == "number" and before.text == ")")
    if not before.ends_operand or before.text == "T" or not begins:
        return False
    return not (before.kind == "name" and token.text == "(")


def written_out(sign: str) -> str:
    """A sign that stands for a fraction as a quotient."""
    plain = unicodedata.normalize("NFKC", sign)
    return f"({plain.replace(FRACTION_SLASH, '/')})" if FRACTION_SLASH in plain and plain != FRACTION_SLASH else sign


def with_hat(letter: str) -> str:
    """A letter with a hat, as one sign where there is one."""
    return unicodedata.normalize("NFC", letter + HAT)


def side_by_side(word: str, is_name: Callable[[str], bool]) -> list[str]:
    """The names that were written without a sign between them, where there is one way to part the word.

    >>> from chainrule.verify.spelling import side_by_side
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
