"""Vectors as factors: dot products, numbers in front, rows. What is given has its looks."""

from __future__ import annotations

from typing import TypeGuard

from chainrule.maths.looks import Looks, beside, fenced, turned
from chainrule.maths.tree import Applied, Tree


def is_inner(x: Tree) -> TypeGuard[Applied]:
    return isinstance(x, Applied) and x.name == "matmul" and not x.shape


def is_dot(x: Tree) -> bool:
    """Whether it is a number that two vectors make side by side; one with itself is a squared length."""
    return is_inner(x) and x.inputs[0] != x.inputs[1]


def number_first(x: Tree) -> list[Looks]:
    """A number as the factors before an array; a dot product in parentheses, lest the array join it."""
    found: list[Looks] = []
    waiting = [x]
    while waiting:
        factor = waiting.pop()
        if isinstance(factor, Applied) and factor.name == "mul" and any(map(is_dot, factor.inputs)):
            waiting += reversed(factor.inputs)
        else:
            found.append(fenced("(", factor.looks) if is_dot(factor) else factor.looks)
    return found


def as_row(x: Tree) -> Looks:
    """A vector as a row: xᵀ, and xᵀA as it stands."""
    behind: list[Looks] = []
    while isinstance(x, Applied) and x.name == "matmul" and x.inputs[0].ndim == 1:
        behind.append(x.inputs[1].looks)
        x = x.inputs[0]
    return beside(turned_multiple(x), *reversed(behind))


def turned_multiple(x: Tree) -> Looks:
    """The transpose, which of a multiple is a multiple of the transpose."""
    if isinstance(x, Applied) and x.name == "mul" and [side.size for side in x.inputs].count(1) == 1:
        number, array = sorted(x.inputs, key=lambda side: side.size)
        return beside(*number_first(number), turned(array.looks))
    return turned(x.looks)
