"""What a formula comes to in decimals, which have many more digits than a double: the rules themselves run on these."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.maths.tree import Applied, Environment, Number, Tree, all_parts, computed, innermost_first, inputs_of

PLACES = 60
"""Significant digits of the decimals."""
ONE_ROUNDING = Decimal(2) ** -52
MOST_PARTS = 100
"""Parts of a formula that is worked out so."""
IN_DECIMALS: Mapping[str, Callable[[Decimal], Decimal]] = {
    "log": Decimal.ln,
    "log1p": lambda x: (1 + x).ln(),
    "expm1": lambda x: x.exp() - 1,
    "tanh": lambda x: 1 - 2 / ((2 * x).exp() + 1),
}
"""Functions for which NumPy's of a decimal is none."""


def vanishes_precisely(tree: Tree, environment: Environment, given: Container[Tree]) -> bool | None:
    """Whether terms cancel out in a number whose letters are what they are `given` as, or the next doubles to these.

    None where that is not known: a letter was computed, or a function has no decimals.

    >>> from chainrule.maths import Symbol
    >>> from chainrule.maths.precise import vanishes_precisely
    >>> x, y = Symbol("x"), Symbol("y")
    >>> numbers = {x: 1e16, y: 0.5}
    >>> [vanishes_precisely(tree, numbers, numbers) for tree in (x - y - x, x + y - x - y)]
    [False, True]
    """
    leaves: dict[Tree, Decimal] = {}
    with localcontext() as context:
        context.prec = PLACES
        try:
            for x in all_parts(tree, inputs_of):
                if x.shape or len(leaves) > MOST_PARTS:
                    return None
                if isinstance(x, Number) or x in given:
                    leaves[x] = Decimal(repr(float(x.value if isinstance(x, Number) else environment[x])))
                elif not isinstance(x, Applied):
                    return None
            found = in_decimals(tree, leaves)
            # A whole numeral is what it says.
            rounded = [x for x in leaves if found and not (isinstance(x, Number) and leaves[x] % 1 == 0)]
            off = [{**leaves, x: leaves[x] * (1 + ONE_ROUNDING)} for x in rounded]
            return bool(abs(found) <= sum([abs(in_decimals(tree, near) - found) for near in off]))
        except (ArithmeticError, AttributeError, ChainruleError, TypeError, ValueError):
            return None


def in_decimals(tree: Tree, leaves: Mapping[Tree, Decimal]) -> Decimal:
    """What a formula comes to. O(parts)."""
    found: dict[int, Any] = {}
    for x in innermost_first(tree, lambda x: id(x) in found, inputs_of):
        if not isinstance(x, Applied):
            found[id(x)] = np.array(leaves[x], dtype=object)
        elif x.name in IN_DECIMALS:
            found[id(x)] = np.array(IN_DECIMALS[x.name](np.asarray(found[id(x.inputs[0])]).item()), dtype=object)
        else:
            found[id(x)] = computed(x.operation, [found[id(y)] for y in x.inputs], x.given)
    return np.asarray(found[id(tree)]).item()
