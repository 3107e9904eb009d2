"""Words with formulas among them: a text alone, or a tuple of texts and trees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from chainrule.maths import Tree, latex

Words = str | tuple[str | Tree, ...]
"""What a reader is told; a text alone has no formula in it."""

ZERO = "The gradient is 0"
"""How the words on why it is begin."""


def said(*parts: Words | Tree) -> Words:
    """Texts, trees, and words that were made before, as words in a row.

    >>> from chainrule.derivation.words import said, text_of
    >>> from chainrule.maths import Symbol
    >>> text_of(said("the slope in ", Symbol("w", ("1",))))
    'the slope in $w_{1}$'
    """
    found: list[str | Tree] = []
    for part in parts:
        for piece in part if isinstance(part, tuple) else (part,):
            if isinstance(piece, str) and found and isinstance(found[-1], str):
                found[-1] += piece
            elif isinstance(piece, Tree) or piece:
                found.append(piece)
    return tuple(found)


def listed(parts: Iterable[Words | Tree], between: str = ", ") -> Words:
    """Words with something between them."""
    found: list[Words | Tree] = []
    for part in parts:
        found += [between, part] if found else [part]
    return said(*found)


def together_in_words(parts: Sequence[Words | Tree]) -> Words:
    """Several things of one sentence: ``a, b and c``."""
    *first, last = parts
    return said(listed(first), " and ", last) if first else said(last)


def pieces(words: Words) -> tuple[str | Tree, ...]:
    """The texts and the trees of some words, in order."""
    return (words,) if isinstance(words, str) else words


def text_of(words: Words, write: Callable[[Tree], str] = latex) -> str:
    """Words as one text, with LaTeX between dollar signs; a dollar of the text has a backslash before it."""
    escaped = [
        part.replace("\\", r"\\").replace("$", r"\$") if isinstance(part, str) else part for part in pieces(words)
    ]
    return "".join([part if isinstance(part, str) else f"${write(part)}$" for part in escaped])
