"""Names as a program has them, as symbols: ``w1`` is w₁, ``yhat`` ŷ, ``delta_2`` δ₂; a path stays as it is typed.

All names of a page get their symbols at once, so that two names never look alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from chainrule.maths.template import GREEK
from chainrule.maths.tree import Shape, Symbol

NAME = re.compile(r"([^\W\d_]+?)(_?hat)?(?:_?(\d+)|_([^\W_]+))?")

SHORTER = {"lam": "λ", "lamda": "λ", "lambd": "λ", "eps": GREEK["epsilon"]}
"""Greek letters as programs spell them, where ``lambda`` is a word of the language."""


def symbols_for(names: dict[str, Shape] | Sequence[str]) -> dict[str, Symbol]:
    """A symbol for each name, with its shape where it is told; of two that would look alike the later is spelled out.

    >>> from chainrule.maths import unicode
    >>> from chainrule.maths.names import symbols_for
    >>> [unicode(x) for x in symbols_for(["x1", "x_1", "yhat", "net[0].weight"]).values()]
    ['x₁', 'x_1', 'ŷ', 'net[0].weight']
    """
    shapes: dict[str, Shape] = dict(names) if isinstance(names, dict) else dict.fromkeys(names, ())
    found: dict[str, Symbol] = {}
    taken: set[Symbol] = set()
    for name in sorted(shapes, key=lambda name: "_" in name):
        symbol = symbol_named(name)
        if symbol in taken:
            symbol = Symbol(name)
        taken.add(symbol)
        found[name] = Symbol(symbol.base, symbol.below, mark=symbol.mark, name=name, shape=shapes[name])
    return {name: found[name] for name in shapes}


def symbol_named(name: str) -> Symbol:
    parts = NAME.fullmatch(name)
    if parts is None:
        return Symbol(name)
    letters, hat, digits, word = parts.groups()
    below = digits or word
    letter = SHORTER.get(letters) or GREEK.get(letters, letters)
    return Symbol(letter, (below,) if below else (), mark="hat" if hat else "")


def unlike(symbol: Symbol, taken: set[Symbol]) -> Symbol:
    """A symbol, with a number above it where another thing on the page has the same; it is taken then."""
    found, count = symbol, 1
    while found in taken:
        count += 1
        found = replace(symbol, layer=str(count), name=f"{symbol.name}_{count}")
    taken.add(found)
    return found
