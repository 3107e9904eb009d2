"""What a formula comes to in decimals, which have many more digits than a double: the rules themselves run on these."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.maths.tree import (
    Applied,
    Environment,
    Matrix,
    Number,
    Symbol,
    Tree,
    all_parts,
    computed,
    innermost_first,
    inputs_of,
)

PLACES = 60
"""Significant digits of the decimals."""
ONE_ROUNDING = Decimal(2) ** -52
MOST_PARTS = 100
"""Parts of a formula that is worked out so."""
MOST_NUMBERS = 30
"""Numbers that it is made of, each of which is moved by a rounding."""
IN_DECIMALS: Mapping[str, Callable[[Decimal], Decimal]] = {
    "log": Decimal.ln,
    "log1p": lambda x: (1 + x).ln(),
    "expm1": lambda x: x.exp() - 1,
    "tanh": lambda x: 1 - 2 / ((2 * x).exp() + 1),
    "softplus": lambda x: (1 + x.exp()).ln(),
}
"""Functions for which NumPy's of a decimal is none."""


def vanishes_precisely(tree: Tree, environment: Environment, given: Container[Tree]) -> bool | None:
    """Whether terms cancel out in a number whose letters are what they are `given` as, or the next doubles to these.

    None where that is not known: a letter was computed, or a function has no decimals. O(parts · numbers given).

    >>> from chainrule.maths import Symbol
    >>> from chainrule.maths.precise import vanishes_precisely
    >>> x, y = Symbol("x"), Symbol("y")
    >>> numbers = {x: 1e16, y: 0.5}
    >>> [vanishes_precisely(tree, numbers, numbers) for tree in (x - y - x, x + y - x - y)]
    [False, True]
    """
    leaves: dict[Tree, Any] = {}
    if tree.shape:
        return None
    with localcontext() as context:
        context.prec = PLACES
        try:
            for i, x in enumerate(all_parts(tree, made_of)):
                whole = x.whole if isinstance(x, Symbol) else x
                if i > MOST_PARTS:
                    return None
                if isinstance(x, Number) or whole in given:
                    number = np.asarray(x.value if isinstance(x, Number) else environment[whole])
                    leaves[x] = decimals(number[tuple([i - 1 for i in getattr(x, "at", ())])])
                elif not made_of(x):
                    return None
            # A whole numeral is what it says.
            rounded = [x for x in leaves if not (isinstance(x, Number) and leaves[x] % 1 == 0)]
            places = [(x, place) for x in rounded for place in np.ndindex(leaves[x].shape)]
            if len(places) > MOST_NUMBERS:
                return None
            found = in_decimals(tree, leaves)
            off = [in_decimals(tree, {**leaves, x: moved(leaves[x], place)}) for x, place in places] if found else []
            return bool(abs(found) <= sum([abs(near - found) for near in off]))
        except (ArithmeticError, AttributeError, ChainruleError, IndexError, TypeError, ValueError):
            return None


def decimals(numbers: Any) -> Any:
    """Numbers, each as the decimal that is written for it."""
    return as_array(np.frompyfunc(lambda x: Decimal(repr(float(x))), 1, 1)(numbers))


def as_array(numbers: Any) -> Any:
    return np.array(numbers, dtype=object)


def moved(numbers: Any, place: tuple[int, ...]) -> Any:
    """Numbers of which one is the next double."""
    numbers = numbers.copy()
    numbers[place] *= 1 + ONE_ROUNDING
    return numbers


def in_decimals(tree: Tree, leaves: Mapping[Tree, Any]) -> Any:
    """What a formula comes to. O(parts)."""
    found: dict[int, Any] = {}
    for x in innermost_first(tree, lambda x: id(x) in found, made_of):
        inputs = [found[id(y)] for y in made_of(x)]
        if isinstance(x, Matrix):
            out = np.reshape(as_array([y.item() for y in inputs]), x.shape)
        elif not isinstance(x, Applied):
            out = leaves[x]
        elif x.name in IN_DECIMALS:
            out = np.frompyfunc(IN_DECIMALS[x.name], 1, 1)(*inputs)
        elif x.name == "index":
            out = inputs[0][x.given["key"]]
        elif x.name == "length" and x.given.get("axis") is None:
            out = np.sqrt(as_array(np.sum(inputs[0] ** 2)))
        else:
            out = computed(x.operation, inputs, x.given)
        found[id(x)] = as_array(out)
    return found[id(tree)].item()


def made_of(tree: Tree) -> tuple[Tree, ...]:
    """What a formula is made of, and a matrix of its entries."""
    return tuple([x for row in tree.rows for x in row]) if isinstance(tree, Matrix) else inputs_of(tree)
