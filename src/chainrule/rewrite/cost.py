"""What a term costs: the operations of a program that works every shared part out once."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from chainrule.core.operation import Pointwise
from chainrule.core.term import Term, forward_order, shape_of

MOVES = frozenset(
    {"astype", "broadcast_to", "concatenate", "expand_dims", "flip", "identity", "index", "pad", "reshape", "roll"}
    | {"scatter", "squeeze", "stack", "swap", "transpose"}
)
"""Operations that only move entries."""

CUBES = {"inv": 3, "solve": 1, "det": 1, "logabsdet": 1, "sign_of_det": 1, "cholesky": 1}
"""Operations that eliminate: how many thirds of n³ multiply-adds they take (Golub and Van Loan, 2013, table 3.2)."""


class Operations(NamedTuple):
    """How many operations a program runs, and how many multiplications and additions they take for its shapes."""

    count: int
    multiply_adds: int


def operations(*terms: Any) -> Operations:
    """What some terms cost together when each shared part is worked out once; O(nodes).

    Reshaping, transposing, repeating and picking entries is free, and so is what is made of numbers alone.

    >>> from chainrule.core.term import symbol
    >>> from chainrule.rewrite import operations
    >>> W, x = symbol("W", (3, 2)), symbol("x", (2,))
    >>> operations((W @ x) * (W @ x))
    Operations(count=2, multiply_adds=9)
    """
    count = total = 0
    moving: set[Term] = set()
    for term in forward_order(terms):
        if term.op is None:
            if term.number is None:
                moving.add(term)
            continue
        if not any(x in moving for x in term.inputs):
            continue
        moving.add(term)
        if term.op.name not in MOVES:
            count += 2 if term.op.name == "mean" else 1
            total += multiply_adds(term)
    return Operations(count, total)


def multiply_adds(term: Any) -> int:
    name, shapes = term.op.name, [shape_of(x) for x in term.inputs]
    if isinstance(term.op, Pointwise):
        return term.size * (len(shapes) if term.op.variadic else 1)
    if name == "matmul":
        return term.size * shapes[0][-1]
    if name == "einsum":
        sizes = dict(
            pair
            for letters, shape in zip(term.settings["subscripts"].split("->")[0].split(","), shapes, strict=True)
            for pair in zip(letters, shape, strict=True)
        )
        return math.prod(list(sizes.values())) * max(1, len(shapes) - 1)
    if name in CUBES:
        size = math.prod(shapes[0]) * shapes[0][-1] * CUBES[name] // 3
        return size + (term.size * shapes[0][-1] if name == "solve" else 0)
    if name == "mean":
        return math.prod(shapes[0]) + term.size
    return max(term.size, *[math.prod(shape) for shape in shapes])
