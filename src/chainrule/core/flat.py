"""Rules whose output moves in jumps or not at all: places, counts, tests. No gradient passes through them.

A flat function of single numbers is declared with `pointwise` and None for its partials; this is for those on arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.core.operation import Function, Operation, register


class Flat(Operation):
    """An operation on arrays without a derivative in any input."""

    def __init__(self, function: Function, formula: str, **declared: Any) -> None:
        super().__init__(function, formula, **declared)
        self.flat = frozenset(range(len(self.inputs)))

    def reads(self, i: int, count: int) -> tuple[bool, tuple[int, ...]]:
        return False, ()


def flat(formula: str, **declared: Any) -> Callable[[Function], Flat]:
    r"""Declare an operation on arrays that no gradient passes; what else is declared is as for `pointwise`.

    >>> import chainrule as cr, numpy as np
    >>> from chainrule.core.flat import flat
    >>> @flat(r"\operatorname{rises}\left({x}\right)")
    ... def rises(x):
    ...     '''How often an entry is larger than the one before.'''
    ...     return np.count_nonzero(np.diff(x) > 0)
    >>> rises(cr.Tensor([1.0, 3.0, 2.0, 4.0], requires_grad=True)).item()
    2
    """
    return lambda function: register(Flat(function, formula, **declared))
