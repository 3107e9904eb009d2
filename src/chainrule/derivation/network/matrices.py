"""Equations between matrices: small ones whole, of large ones one entry with its largest terms; all of them checked.

Nothing is printed of a large matrix but what can be worked out by hand, and still all of its entries are compared with
the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.derivation.equations import Show, in_a_row, proved, together
from chainrule.derivation.record import Equation
from chainrule.derivation.words import Words
from chainrule.errors import ChainruleError
from chainrule.maths import Tree
from chainrule.maths.tree import applied

SMALL = 6
"""Rows and columns of a matrix that is printed whole."""

EXACT = 1e-9
"""How far two ways to the same numbers may be apart, relative to the largest of them: rounding of their sums."""


def fits(*arrays: Any) -> bool:
    """Whether arrays are small enough to be printed whole."""
    return all(np.ndim(x) <= 2 and max(np.shape(x), default=1) <= SMALL for x in arrays)


def checked(what: str, ours: Any, engine: Any) -> None:
    """Refuse to go on where a whole array is not the engine's."""
    ours, engine = np.asarray(ours, dtype=float), np.asarray(engine, dtype=float)
    scale = float(np.max(np.abs(engine), initial=0.0, where=np.isfinite(engine)))
    if ours.shape != engine.shape or not np.allclose(ours, engine, rtol=EXACT, atol=EXACT * scale, equal_nan=True):
        raise ChainruleError(f"internal error, please report it: {what} is not what the engine has")


def largest(x: Any) -> tuple[int, ...]:
    """The place of the entry that is largest in size; of equals the first."""
    array = np.abs(np.asarray(x, dtype=float))
    return tuple(
        [int(i) for i in np.unravel_index(int(np.argmax(np.where(np.isnan(array), -1.0, array))), array.shape)]
    )


class Paper:
    """Prints matrices, or numbers where all matrices are 1 × 1, and proves what it prints."""

    def __init__(self, digits: int, top: int, as_numbers: bool) -> None:
        self.digits = digits
        self.top = max(top, 1)
        self.as_numbers = as_numbers

    def put(self, show: Show, x: Any) -> Tree:
        """A matrix, or a number."""
        return show(self.value(x))

    def turned(self, x: Tree) -> Tree:
        """The transpose of a matrix; a number is its own."""
        return x if self.as_numbers else x.T

    def times(self, x: Tree, y: Tree) -> Tree:
        """A product of matrices, or of numbers."""
        return applied("mul" if self.as_numbers else "matmul", x, y)

    def value(self, x: Any) -> Any:
        """A result: a matrix, or a number."""
        return float(np.asarray(x).reshape(())) if self.as_numbers else np.atleast_2d(x)

    def equation(
        self, symbols: Sequence[Tree], write: Callable[[Show], Tree], value: Any, note: Words = ""
    ) -> Equation:
        """An equation between whole matrices."""
        return proved(symbols, lambda show: [write(show)], self.value(value), digits=self.digits, note=note)

    def given(self, symbols: Sequence[Tree], x: Any, note: Words = "") -> Equation:
        """What a matrix is, without a computation."""
        return proved(symbols, None, self.value(x), digits=self.digits, note=note)

    def product(self, symbols: Sequence[Tree], factors: Sequence[float], note: Words = "") -> Equation:
        """A product of single numbers."""
        numbers = [float(x) for x in factors]
        return proved(
            symbols, lambda show: [show.product(numbers)], float(np.prod(numbers)), digits=self.digits, note=note
        )

    def sum_of_products(
        self, symbols: Sequence[Tree], left: Any, right: Any, value: Any, *, factor: Any = None, note: Words = ""
    ) -> Equation:
        """A sum of products of single numbers, times a factor; of many the largest, and the rest as one number."""
        x, y = np.ravel(np.asarray(left, dtype=float)), np.ravel(np.asarray(right, dtype=float))
        shown, rest = self.leading(x * y)
        pairs = [(float(x[k]), float(y[k])) for k in shown]
        words = f"the other {x.size - len(shown)} terms together give the last one" if x.size > len(shown) else ""

        def write(show: Show) -> list[Tree]:
            terms = [show.product(pair) for pair in pairs]
            if x.size > len(shown):
                terms.append(show(rest))
            total = in_a_row("add", terms)
            return [total if factor is None else total * show(float(factor))]

        return proved(symbols, write, float(value), digits=self.digits, note=together(note, words))

    def leading(self, terms: Any) -> tuple[list[int], float]:
        """The places of the largest terms in their order, and the sum of the others."""
        terms = np.asarray(terms, dtype=float)
        if terms.size <= max(self.top, SMALL):
            return list(range(terms.size)), 0.0
        order = np.argsort(-np.abs(terms), kind="stable")
        rest = np.sort(order[self.top :])
        return sorted(int(k) for k in order[: self.top] if terms[k] or k == order[0]), float(np.sum(terms[rest]))
