"""Equations between matrices: small ones whole, of large ones one entry with its largest terms; all of them checked.

Nothing is printed of a large matrix but what can be worked out by hand, and still all of its entries are compared with
the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.derivation.arrays import SMALL
from chainrule.derivation.choices import chosen
from chainrule.derivation.computed import computed_by
from chainrule.derivation.equations import Show, in_a_row, proved, together
from chainrule.derivation.record import Equation
from chainrule.derivation.words import Words
from chainrule.errors import ChainruleError
from chainrule.maths import Applied, Derivative, Number, Sigma, Tree, plain
from chainrule.maths.numerals import FULL
from chainrule.maths.tree import Computed, Shape, applied
from chainrule.maths.values import Values, value

EXACT = 1e-9
"""How far two ways to the same numbers may be apart, relative to the largest of them: rounding of their sums."""


def checked(what: str, ours: Any, engine: Any, floor: float = 0.0) -> None:
    """Refuse to go on where a whole array is not the engine's; `floor` is what rounding leaves of what cancels out."""
    ours, engine = np.asarray(ours, dtype=float), np.asarray(engine, dtype=float)
    scale = float(np.max(np.abs(engine), initial=0.0, where=np.isfinite(engine)))
    atol = max(EXACT * scale, floor)
    is_near = ours.shape == engine.shape and (
        np.all(np.abs(ours - engine) <= atol) or np.allclose(ours, engine, rtol=EXACT, atol=atol, equal_nan=True)
    )
    if not is_near:
        raise ChainruleError(f"internal error, please report it: {what} is not what the engine has")


class Paper:
    """Prints matrices, or numbers where all matrices are 1 × 1, and proves what it prints."""

    def __init__(self, digits: int, top: int, as_numbers: bool, floor: float = 0.0) -> None:
        self.digits = digits
        self.floor = floor
        self.top = max(top, 1)
        self.as_numbers = as_numbers

    def result(self, x: Any) -> Any:
        """A result: a matrix, or a number."""
        return float(np.asarray(x).reshape(())) if self.as_numbers else np.atleast_2d(x)

    def given(self, symbols: Sequence[Tree], x: Any, note: Words = "") -> Equation:
        """What a matrix is, without a computation."""
        return proved(symbols, None, self.result(x), digits=self.digits, note=note)

    def equation(
        self,
        sides: Sequence[Tree],
        letters: Mapping[Tree, Any],
        note: Words = "",
        engine: Any = None,
        *,
        written: int = -1,
    ) -> Equation:
        """An equation in letters, the last side (or the one that is `written`) once more with numbers in their place.

        The result is what the first side stands for, or the engine's. Of a long sum the largest terms are written, and
        the rest as one number.
        """
        side = sides[written]
        result = self.result(value(sides[0], letters) if engine is None else engine)
        if not isinstance(side, Applied | Sigma):
            checked(plain(side), self.result(value(side, letters)), result, self.floor)
            return self.given(sides, result, note)
        write, left_out = self.in_numbers(side, Values(letters))
        words = f"the other {left_out} terms together give the last one" if left_out else ""
        return proved(sides, lambda show: [write(show)], result, digits=self.digits, note=together(note, words))

    def in_numbers(self, tree: Tree, values: Values, shape: Shape = ()) -> tuple[Callable[[Show], Tree], int]:
        """What writes a tree with numbers in place of its letters, and how many terms of its sums it leaves out.

        A number that is repeated along an axis is written out to the `shape` that it is repeated to.
        """
        if isinstance(tree, Sigma):
            return self.sum_in_numbers(tree, values)
        if isinstance(tree, Applied) and tree.name not in ("diag", "broadcast_to"):
            outer = tree.shape if tree.name in ("add", "sub", "mul") else ()
            found = [self.in_numbers(x, values, outer) for x in tree.inputs]
            operation, settings = tree.operation, tree.given
            return lambda show: applied(operation, *[write(show) for write, _ in found], **settings), sum(
                [left_out for _, left_out in found]
            )
        if isinstance(tree, Number):
            return lambda show: tree, 0
        numbers: Any = values.of(tree)
        if not tree.shape:
            known = values.stands_for(tree) if isinstance(tree, Derivative) else None
            numbers = known if isinstance(known, Computed) else float(np.reshape(numbers, ()))
        else:
            numbers = np.broadcast_to(numbers, shape) if shape else np.atleast_2d(numbers)
        return lambda show: show(numbers), 0

    def sum_in_numbers(self, tree: Sigma, values: Values) -> tuple[Callable[[Show], Tree], int]:
        """The terms of a sum, of many the largest, and the others as one number."""

        def term(k: int) -> Callable[[Show], Tree]:
            return self.in_numbers(tree.body, values.at(tree.letter, k + 1))[0]

        shown, rest = self.leading(values.of_terms(tree))
        terms, hidden = [term(k) for k in shown], [k for k in range(tree.count) if k not in shown]
        others = computed_by(rest, lambda: in_a_row("add", [term(k)(Show(FULL)) for k in hidden]))

        def write(show: Show) -> Tree:
            return in_a_row("add", [term(show) for term in terms] + ([show(others)] if hidden else []))

        return write, len(hidden)

    def leading(self, terms: Any) -> tuple[list[int], float]:
        """The places of the largest terms in their order, and the sum of the others."""
        terms = np.asarray(terms, dtype=float)
        if terms.size <= max(self.top, SMALL):
            return list(range(terms.size)), 0.0
        order = np.argsort(-np.abs(terms), kind="stable")
        shown = chosen(sorted([int(k) for k in order[: self.top] if terms[k] or k == order[0]]))
        return shown, float(np.sum(np.delete(terms, shown)))
