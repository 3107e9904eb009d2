"""What a formula comes to in decimals, which have many more digits than a double: the rules themselves run on these."""

from __future__ import annotations

from collections.abc import Container
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.maths.tree import Applied, Environment, Number, Tree, computed, innermost_first

PLACES = 60
"""Significant digits of the decimals."""
NOTHING = Decimal("1e-14")
"""What numbers of sixteen digits leave of what cancels out, relative to the smallest of them, is less than this."""
MOST_PARTS = 100
"""Parts of a formula that is worked out so."""


def vanishes_precisely(tree: Tree, environment: Environment, given: Container[Tree]) -> bool | None:
    """Whether terms cancel out in a number whose letters are exactly what they are `given` as.

    None where that is not known: a letter was computed, or a function has no decimals.

    >>> from chainrule.maths import Symbol
    >>> from chainrule.maths.precise import vanishes_precisely
    >>> x, y = Symbol("x"), Symbol("y")
    >>> numbers = {x: 1e16, y: 0.5}
    >>> [vanishes_precisely(tree, numbers, numbers) for tree in (x - y - x, x + y - x - y)]
    [False, True]
    """
    found: dict[int, Any] = {}
    smallest = Decimal(1)
    with localcontext() as context:
        context.prec = PLACES
        try:
            for x in innermost_first(tree, lambda x: id(x) in found, inputs_of):
                if x.shape or len(found) > MOST_PARTS:
                    return None
                if isinstance(x, Applied):
                    found[id(x)] = computed(x.operation, [found[id(y)] for y in x.inputs], x.given)
                elif isinstance(x, Number) or x in given:
                    number = float(x.value if isinstance(x, Number) else environment[x])
                    found[id(x)] = np.array(Decimal(repr(number)), dtype=object)
                    smallest = min(smallest, abs(Decimal(number)) or smallest)
                else:
                    return None
            return bool(abs(found[id(tree)]) <= NOTHING * smallest)
        except (ArithmeticError, AttributeError, ChainruleError, TypeError, ValueError):
            return None


def inputs_of(tree: Tree) -> tuple[Tree, ...]:
    return tree.inputs if isinstance(tree, Applied) else ()
