"""Numbers as they are printed, and the proof that what is printed is right.

An equation is written with few digits, worked out from what it shows, and compared: its factors must give its result
within one unit of the last place printed. Where they do not, the factors get more digits. Where no number of digits
helps, or the result is not the engine's, this package has a fault, and says so instead of printing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.state import Quiet
from chainrule.derivation.record import Block, Equation
from chainrule.derivation.words import Words, listed, said, text_of
from chainrule.errors import UNFIT, ChainruleError
from chainrule.maths import Number, Tree, check, numeral, plain
from chainrule.maths.arranged import units_in
from chainrule.maths.check import AMPLIFIED, EPSILON, SMALLEST, alike, is_finite, left_by_rounding, magnitude, vanishes
from chainrule.maths.numerals import DIGITS, FULL
from chainrule.maths.tree import Applied, all_parts, applied, equation, matrix
from chainrule.maths.values import Values, value

EXACT = 1e-9
"""How far an equation with all digits may be from the engine, relative to its largest term: its rounding."""


ELSEWHERE = " and 0 elsewhere"
"""How the words on unit vectors end."""

RESIDUE = 1e-14
"""What is left of terms that cancel out, relative to the largest of them, is rounding below this."""


TELLING = 1e-9
"""Rounding that may be larger than this is no mere nothing, and its size is told."""


class Show(NamedTuple):
    """Writes numbers with so many significant digits."""

    digits: int

    def __call__(self, x: Any) -> Tree:
        """A number, a column for a vector, a matrix."""
        return matrix(x, self.number) if np.ndim(x) else self.number(x if isinstance(x, float) else float(x))

    def number(self, x: float) -> Number:
        return numeral(x, self.digits)

    def product(self, factors: Sequence[Any]) -> Tree:
        """Several factors in a row; arrays entry by entry."""
        return in_a_row("mul", list(map(self, factors)))

    def sum(self, terms: Sequence[Any]) -> Tree:
        return in_a_row("add", list(map(self, terms)))


TOO_FEW_DIGITS = "of numbers so far apart in size rounding leaves too few digits to compare"
"""What is said where two sides differ by what rounding makes of their letters."""
rounding_of_page: ContextVar[Callable[[Any], float]] = ContextVar("rounding_of_page", default=lambda number: 0.0)
"""How far a number may be off by the rounding of all that it is computed from, while a page of it is told."""


@contextmanager
def known_rounding(rounding: Callable[[Any], float]) -> Iterator[None]:
    """While a page is told inside, its numbers may be so far off."""
    token = rounding_of_page.set(rounding)
    try:
        yield
    finally:
        rounding_of_page.reset(token)


Sides = Callable[[Show], Sequence[Tree]]
"""Writes the sides of an equation that are numbers, all but the result."""


def in_a_row(operation: str, trees: Sequence[Tree]) -> Tree:
    """Trees with an operation between them, from the left; a single one as it is."""
    first, *rest = trees
    for tree in rest:
        first = applied(operation, first, tree)
    return first


def proved(
    symbols: Sequence[Tree],
    numbers: Sides | None,
    result: Any,
    *,
    digits: int = DIGITS,
    note: Words = "",
    size: float = 0.0,
) -> Equation:
    r"""An equation whose numbers come out when they are worked out by hand.

    `symbols` are its sides in symbols; `numbers` writes its sides in numbers with a `Show`, all but the last, which is
    the engine's `result`. The factors get as many digits as it takes; `digits` sets those of the result, which has
    fewer where rounding leaves no more: of a sum that cancels out but for rounding, 0 is shown and the rest is noted.
    `size` is what the result would be if nothing cancelled in what its factors are computed from. A result that is not
    finite has no equals sign before it.

    >>> from chainrule.derivation.equations import proved
    >>> from chainrule.maths import Symbol
    >>> proved([Symbol("e") * Symbol("x")], lambda show: [show.product([-18.0, 2.0])], -36.0).parts
    ('\\mathit{e} \\cdot x', '-18 \\cdot 2', '-36')
    """
    with Quiet():
        return worked_out(symbols, numbers, result, digits, note, size)


def once(part: Equation) -> Equation:
    """An equation whose result does not say again what its last formula says, and of two numbers has the shorter."""
    if len(part.sides) < 3:
        return part
    *first, formula, result = part.sides
    if isinstance(formula, Number) and formula.shown:
        return replace(part, sides=(*first, result))
    return replace(part, sides=part.sides[:-1]) if plain(result) == plain(formula) else part


def with_places(blocks: Sequence[Block]) -> list[Block]:
    """Blocks of which the first that has a unit vector says which entry it picks: the program counts these from 0."""
    explained: set[int] = set()
    found: list[Block] = []
    for block in blocks:
        units = units_of(block) if isinstance(block, Equation) else {}
        new = sorted(units.keys() - explained)
        explained |= units.keys()
        if new and isinstance(block, Equation) and ELSEWHERE not in text_of(block.note):
            are = listed([said(units[place], f" is 1 at [{place}]") for place in new])
            block = replace(block, note=together(block.note, said(are, ELSEWHERE)))
        found.append(block)
    return found


def units_of(part: Equation) -> dict[int, Tree]:
    """The unit vectors in an equation, by the places that they pick."""
    units: dict[int, Tree] = {}
    for side in part.sides:
        for x in all_parts(side):
            if isinstance(x, Applied) and x.name == "scatter":
                units |= {place: applied("scatter", 1, key=place, shape=(size,)) for place, size in units_in(x)}
    return units


def cell(
    symbols: Sequence[Tree],
    numbers: Sides | None,
    result: Any,
    *,
    digits: int = DIGITS,
    note: Words = "",
) -> Words | Equation:
    """The same in a cell of a table: words alone where nothing but a number would stand, and there is none."""
    if not symbols and not np.all(np.isfinite(result)):
        return not_finite(result)
    return proved(symbols, numbers, result, digits=digits, note=note)


def given(symbol: Tree, number: Any, *, digits: int = DIGITS, note: Words = "", size: float = 0.0) -> Equation:
    """The number of a symbol; 0 where one is what rounding leaves of terms of this `size`."""
    if np.ndim(number) == 0 and is_residue(number, size):
        return cancelled([symbol], number, digits, note, size=size)
    return proved([symbol], None, number, digits=digits, note=note)


def cancelled(symbols: Sequence[Tree], result: float, digits: int, note: Words = "", *, size: float) -> Equation:
    """The 0 of terms that cancel out, and what rounding left of them; `size` is that of the terms."""
    return Equation((*symbols, Number("0")), 1, note=together(note, left_over(result, digits, size)), digits=digits)


def left_over(result: float, digits: int, size: float) -> Words:
    """What rounding left of terms that cancel out; where they are so large that this may be much, how large."""
    terms = said(" of terms as large as ", numeral(size, 2)) if size * RESIDUE > TELLING else ""
    return said("up to rounding", terms, ": the computer has ", Show(digits)(result))


def is_residue(result: float, size: float) -> bool:
    """Whether a number is what rounding leaves of terms of this size, and has no digits of its own."""
    return 0 < abs(result) <= RESIDUE * size < np.inf


def worked_out(
    symbols: Sequence[Tree], numbers: Sides | None, result: Any, digits: int, note: Words, size: float
) -> Equation:
    """A proved equation, where NumPy says nothing of what is not finite."""
    exact = [] if numbers is None else list(numbers(Show(FULL)))
    values = Values({})
    sides = list(map(values.array, exact))
    finite, ordinary = all(map(is_finite, sides)), values.are_ordinary()
    if not is_finite(result):
        # On its own way the engine may leave the numbers that a computer has.
        if exact and finite and rounding_of_page.get()(result) < np.inf:
            raise wrong(exact[0], result)
        return Equation(tuple(symbols), note=together(note, not_finite(result)))
    if finite and not ordinary and any(map(has_infinite, exact)):
        return Equation((*symbols, Show(digits)(result)), 1, note=note, digits=digits)
    if not finite:
        # The engine has a 0 where a product has none, or another order of its factors.
        why = NOT_TAKEN if any([np.any(np.isnan(x)) for x in sides]) else OVERFLOWS
        return Equation((*symbols, Show(digits)(result)), 1, note=together(note, why), digits=digits)
    if not ordinary and any([vanishes(side, values) for side in exact]):
        return Equation((*symbols, Show(digits)(result)), 1, note=together(note, VANISHES), digits=digits)
    sizes = [magnitude(side, values) for side in exact]
    for side, ours, its_size in zip(exact, sides, sizes, strict=True):
        if not near(ours, result, EXACT * its_size + AMPLIFIED * EPSILON * size):
            if np.size(ours) == np.size(result) and near(ours, result, rounding_of_page.get()(result)):
                return Equation(tuple(symbols), note=together(note, TOO_FEW_DIGITS))
            raise wrong(side, result)
    size = max([size, *[float(np.max(x, initial=0.0)) for x in sizes]])
    has_rest = any([bool(np.any(side)) for side in sides])
    is_lost = np.ndim(result) == 0 and (is_residue(result, size) or (has_rest and not result))
    if is_lost:
        # What is left of terms that cancel out has no digits of its own.
        note = together(note, left_over(result, digits, size))
    elif np.ndim(result) == 0:
        digits = min(digits, max(1, left_by_rounding(result, size)))
    shown = Number("0") if is_lost else Show(digits)(result)
    for more in range(digits, FULL + 1) if exact else ():
        parts = list(numbers(Show(more))) if numbers else []
        if check(equation(*parts, shown), {}, digits=digits) is None:
            # A formula of numerals alone is a side in numbers already.
            named = symbols[:-1] if parts and symbols[-1:] == parts[:1] else symbols
            return Equation((*named, *parts, shown), len(parts) + 1, note=note, digits=digits)
    if not exact:
        return Equation((*symbols, shown), 1, note=note, digits=digits)
    if is_lost:
        return Equation((*symbols, *exact, shown), len(exact) + 1, note=note, digits=digits)
    last, fewer, left = as_far_as_rounding_allows(exact, result, digits, size)
    return Equation((*symbols, *exact, last), len(exact) + 1, note=together(note, left), digits=fewer)


def has_infinite(tree: Tree) -> bool:
    return any(isinstance(x, Number) and not isfinite(x.value) for x in all_parts(tree))


def wrong(side: Tree, result: Any) -> ChainruleError:
    """The error for numbers that do not give the engine's: a fault of this package."""
    return ChainruleError(f"internal error, please report it: {plain(side)} is not the engine's {result!r}")


NOT_TAKEN = "of what is infinite nothing passes a branch that was not taken"
VANISHES = "on the way from factor to factor the product is too small for a number"
OVERFLOWS = "on the way from factor to factor the product is too large for a number"


def together(*notes: Words) -> Words:
    """Notes with semicolons between them."""
    found: list[Words] = [note for note in notes if note]
    return said(*[part for i, note in enumerate(found) for part in (["; "] * (i > 0) + [note])]) if found else ""


NOT_FINITE = ("not a finite number", "not all of it is a finite number")


def not_finite(x: Any) -> str:
    """What to say in place of a result that is no number."""
    return NOT_FINITE[np.size(x) > 1]


def as_far_as_rounding_allows(parts: Sequence[Tree], result: Any, digits: int, size: float) -> tuple[Tree, int, Words]:
    """The result in as many digits as its factors give in any order, how many, and what is to be said of the rest."""
    if digits < FULL:
        for fewer in range(digits - 1, 0, -1):
            shown = Show(fewer)(result)
            if check(equation(*parts, shown), {}, digits=fewer) is None:
                return shown, fewer, ""
        if np.ndim(result) == 0 and abs(result) <= EXACT * size:
            return Number("0"), digits, left_over(result, digits, size)
    return Show(FULL)(result), FULL, ""


def comes_out(numbers: Sides, result: Any) -> bool:
    """Whether sides of numbers with all their digits give the engine's result: whether a reader can work them out."""
    try:
        found = [np.asarray(value(side, {}), dtype=float) for side in numbers(Show(FULL))]
    except UNFIT:
        return False
    return all([near(x, result, 1e-300) for x in found])


def near(ours: Any, engine: Any, tolerance: Any) -> bool:
    """Whether two numbers or arrays are the same up to rounding."""
    ours, engine = [x if isinstance(x, float) else np.asarray(x, dtype=float) for x in (ours, engine)]
    # Doubles below the smallest normal one have few digits left.
    loose = max(tolerance if isinstance(tolerance, float) else np.max(tolerance, initial=0.0), SMALLEST)
    return alike(ours, engine, loose + EXACT * np.abs(engine))
