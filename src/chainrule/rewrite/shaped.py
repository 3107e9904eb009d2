"""Shaping and repeating beside arithmetic: which of the two comes first in the normal form.

A row or a column is calculated with as a vector, and what was shaped or repeated from one shape before it was.
"""

from __future__ import annotations

from typing import Any

from chainrule.core.operation import book
from chainrule.core.term import Shape, Term, constant, name_of

MOVED = ("reshape", "broadcast_to")
"""Operations that move a product's factors each by itself."""


def same_move(terms: list[Term]) -> Shape | None:
    """The shape before the shaping or repeating that all these terms share, if they do."""
    if any(name_of(x) not in MOVED for x in terms):
        return None
    first = terms[0]
    if is_flattened(first):
        return None
    same = all(x.op is first.op and x.inputs[0].shape == first.inputs[0].shape for x in terms)
    return first.inputs[0].shape if same else None


def flattened(x: Term) -> Any:
    """A row or a column as a vector."""
    while name_of(x) == "reshape":
        x = x.inputs[0]
        if x.ndim == 1:
            return x
    return book["reshape"](x, shape=(x.size,))


def is_flattened(x: Term) -> bool:
    """Whether a term is a row, a column or one entry as a vector or number: there, shaping is done last."""
    return name_of(x) == "reshape" and x.ndim < 2 and x.inputs[0].ndim == 2


def is_moved(x: Any) -> bool:
    """Whether a term is shaped or repeated in a way that products are made before."""
    return name_of(x) in MOVED and not is_flattened(x)


def moved_as(x: Term, part: Term) -> Term:
    """Part of what was shaped or repeated, shaped or repeated as that was."""
    if name_of(x) == name_of(part) == "reshape" and part.inputs[0].shape == x.shape:
        return part.inputs[0]
    return x.op(part, **x.settings)  # type: ignore[misc]


def is_vector_lifted(x: Term) -> bool:
    """Whether a row or column is a vector in that shape, or a product with one."""
    while name_of(x) == "matmul":
        x = x.inputs[1] if x.shape[1] == 1 else x.inputs[0]
    return name_of(x) == "reshape" and x.inputs[0].ndim == 1


def repeat(x: Any, shape: Shape) -> Any:
    if not shape:
        return x
    return book["broadcast_to"](x if isinstance(x, Term) else constant(x), shape=shape)
