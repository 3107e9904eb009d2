"""The derivatives of a determinant of every order: a polynomial has them everywhere, at singular matrices too.

The derivative of det x along some directions is linear in each, and does not ask for their order. So one operation has
all of them: `cofactors` of x and k directions is the matrix whose product with a further direction, entry by entry and
added up, is the next derivative. To move x is to add a direction, and to pull a cotangent back is to put it in place of
one. O(k! n^3) where x has an inverse to rely on, elsewhere O(k! n^(k + 1)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.core.operation import Function, Linear, added, register
from chainrule.rules import determinant_kernels as kernels


class Cofactors(Linear):
    """An operation of a matrix and directions, linear in each of these: how it moves is another direction."""

    def __init__(self, function: Function, formula: str, **declared: Any) -> None:
        super().__init__(function, formula, self.shared, multilinear=True, **declared)

    def shared(self, g: Any, i: int, *matrices: Any) -> Any:
        """What a direction in place of an input gives: in which order they are makes no difference."""
        return self(*matrices, g) if i == 0 else self(*matrices[:i], g, *matrices[i + 1 :])

    def reads(self, i: int, count: int) -> tuple[bool, tuple[int, ...]]:
        return False, tuple([j for j in range(count) if j != i or i == 0])

    def push(self, tangents: Sequence[Any], out: Any, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        return added(self.shared(t, i, *inputs) for i, t in enumerate(tangents) if t is not None)


def along_directions(function: Function) -> Cofactors:
    """Enter the forward of such an operation into the book."""
    formula = r"\operatorname{cof}\left({matrices}\right)"
    return register(Cofactors(function, formula, shapes=((3, 3), (3, 3)), batches=True))


@along_directions
def cofactors(*matrices):
    """What each entry is multiplied with in the determinant: its derivative, and how that moves along directions."""
    return kernels.cofactors(*matrices)
