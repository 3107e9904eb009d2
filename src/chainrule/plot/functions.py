"""What is plotted: a typed formula, an operation, or a function of the user's, with its slopes by the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.operation import Operation
from chainrule.core.tensor import Tensor
from chainrule.core.term import symbol
from chainrule.derivation.symbolic.derivative import derivative
from chainrule.errors import UNFIT, FormulaError, ShapeError
from chainrule.expression import read_assignments
from chainrule.kinds import what_is
from chainrule.maths import numeral, unicode
from chainrule.maths.of_terms import tree_of_term
from chainrule.rewrite import simplify

DIGITS = 5


class Function:
    """A function of some numbers, entry by entry, with its formula and the slopes that the engine gives."""

    def __init__(self, f: Any, names: Sequence[str]) -> None:
        self.call: Callable[..., Any]
        self.takes_arrays: bool | None = None
        if isinstance(f, str):
            parsed = read_assignments(f)
            unknown = [name for name in parsed.names if name not in names]
            if unknown and len(parsed.names) != len(names):
                raise FormulaError(f"{f!r} is a function of {', '.join(parsed.names)}: write it in {', '.join(names)}")
            # A formula in other letters is taken in the order in which they appear.
            self.names: tuple[str, ...] = tuple(parsed.names) if unknown else tuple(names)
            self.call = lambda *x: parsed.run(dict(zip(self.names, x, strict=True)))
        elif callable(f):
            self.names, self.call = tuple(names), f
        else:
            raise FormulaError(f"a function or a formula is plotted, not {what_is(f)}")
        self.formula = self.written()
        self.name = getattr(f, "name", "") if isinstance(f, Operation) else ""

    def term(self) -> Any:
        return self.call(*[symbol(name) for name in self.names])

    def written(self) -> str:
        """The formula as it is printed; empty for a function that needs numbers, and so refuses symbols."""
        try:
            return unicode(tree_of_term(self.term()))
        except UNFIT:
            return ""

    def slope_formula(self, name: str) -> str:
        """The derivative in a name as a formula, by the rules; empty where there is none."""
        try:
            return unicode(tree_of_term(simplify(derivative(self.term(), name).term)))
        except UNFIT:
            return ""

    def head(self) -> str:
        """What the function is called in a title: ``f(x)``."""
        return f"f({', '.join(self.names)})"

    def titled(self) -> str:
        """The function and its formula, of a long one the beginning."""
        return f"{self.head()} = {begun(self.formula)}" if self.formula else self.head()

    def values(self, *points: Any) -> Any:
        """The function at arrays of numbers, entry by entry."""
        return self.with_slopes(*points)[0]

    def with_slopes(self, *points: Any) -> tuple[Any, list[Any]]:
        """The values and the slopes in each input, entry by entry."""
        arrays = np.broadcast_arrays(*[np.asarray(x, dtype=float) for x in points])
        if self.takes_arrays is None and arrays[0].size > 1:
            self.takes_arrays = self.is_entrywise(arrays)
        if self.takes_arrays or arrays[0].size == 1:
            return self.at_once(arrays)
        each = [self.at_once([np.asarray(x) for x in point]) for point in zip(*map(np.ravel, arrays), strict=True)]
        shape = arrays[0].shape
        slopes = [np.array([float(found[n]) for _, found in each]).reshape(shape) for n in range(len(arrays))]
        return np.array([float(value) for value, _ in each]).reshape(shape), slopes

    def is_entrywise(self, arrays: Sequence[Any]) -> bool:
        """Whether arrays give, at three of their places, what the numbers there give by themselves.

        A function with an `if`, and one that sums or averages, is asked for each number.
        """
        few = [np.ravel(x)[[0, x.size // 2, -1]] for x in arrays]
        alone = [self.at_once([np.asarray(x) for x in point])[0] for point in zip(*few, strict=True)]
        try:
            return np.allclose(self.at_once(few)[0], alone, rtol=1e-9, atol=0.0, equal_nan=True)
        except UNFIT:
            return False

    def at_once(self, arrays: Sequence[Any]) -> tuple[Any, list[Any]]:
        """The function on arrays as they are, and its slopes: one backward pass from the sum."""
        nodes = [Tensor(x.copy(), requires_grad=True) for x in arrays]
        out = self.call(*nodes)
        if np.size(getattr(out, "data", out)) not in (1, arrays[0].size):
            raise ShapeError(f"{self.head()} gives {np.shape(out)} for one number: what is plotted gives one number")
        if not isinstance(out, Tensor) or not out.requires_grad:
            flat = np.broadcast_to(np.asarray(getattr(out, "data", out), dtype=float), arrays[0].shape)
            return flat, [np.zeros(arrays[0].shape) for _ in nodes]
        out.backward(np.ones(out.shape))
        found = np.broadcast_to(out.data.reshape(()) if out.size == 1 else out.data, arrays[0].shape)
        slopes = [np.zeros(arrays[0].shape) if x.grad is None else x.grad.data for x in nodes]
        # Where there is no value there is no slope either, whatever its formula gives.
        return found, [np.where(np.isnan(found), np.nan, slope) for slope in slopes]

    def at(self, *point: float) -> tuple[float, list[float]]:
        """The value and the slopes at one point."""
        value, slopes = self.with_slopes(*[np.float64(x) for x in point])
        return float(value), [float(slope) for slope in slopes]


def letters(count: int) -> tuple[str, ...]:
    """The names of so many numbers."""
    return ("x", "y", "z")[:count] if count <= 3 else tuple([f"x{n + 1}" for n in range(count)])


LONGEST = 44
"""Signs of a formula that fits into a title or a legend."""
SHORT = 32
"""The same for the legend of one panel among several."""


def begun(formula: str) -> str:
    """A formula, or as much of a long one as fits, up to a space."""
    return formula if len(formula) <= LONGEST else f"{formula[:LONGEST].rpartition(' ')[0] or formula[:LONGEST]} …"


def finite_part(x: Any) -> Any:
    """Numbers with gaps, nan, where they are infinite: what can be drawn."""
    return np.where(np.isfinite(x), x, np.nan)


def in_pieces(x: Any, y: Any, slopes: Any) -> tuple[Any, Any]:
    """A curve with a gap where it leaps over a pole: there it comes out against the slopes on both sides."""
    leap = np.sign(np.diff(y))
    at = np.flatnonzero((leap * np.sign(slopes[:-1]) < 0) & (leap * np.sign(slopes[1:]) < 0)) + 1
    return np.insert(x, at, (x[at - 1] + x[at]) / 2), np.insert(finite_part(y), at, np.nan)


def range_of(x: Any, share: float = 0.02) -> tuple[float, float]:
    """What is seen of numbers of which some may run away: all but a `share` at either end, if any is infinite.

    Raises FormulaError where none is finite.
    """
    finite = x[np.isfinite(x)]
    if not finite.size:
        raise FormulaError("there is no finite value here to draw: choose another place")
    low, high = float(finite.min()), float(finite.max())
    if finite.size < x.size:
        low, high = (float(end) for end in np.quantile(finite, [share, 1 - share]))
    return low, high if high > low else low + 1.0


def shown(x: float, digits: int = DIGITS) -> str:
    return unicode(numeral(x, digits))
