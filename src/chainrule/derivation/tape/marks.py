"""Arrays with a 1 in each row, as right classes are written: a page has a letter for them, and not their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.core.term import Term
from chainrule.derivation.equations import ELSEWHERE
from chainrule.derivation.tape.naming import names_of_arrays
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.words import Words, listed, said
from chainrule.maths import Number, Symbol, Tree, numerals
from chainrule.maths.calls import is_identity
from chainrule.maths.names import symbols_for, unlike
from chainrule.maths.tree import applied, constant, times

LETTER = "Y"
SMALL = 6
"""Entries of an array that is read at once as it is."""
MOST_PLACES = 5
"""Ones whose places are listed."""


def with_marks(tape: Tape, terms: Iterable[Term]) -> dict[Term, Tree]:
    """Constants that are multiples of marks, and a number elsewhere, in the letters of the page for these."""
    found: dict[Term, Tree] = {}
    for x in terms:
        if x.number is None or x.ndim != 2:
            continue
        parts, is_turned = marks_in(x.number), False
        if parts is None:
            parts, is_turned = marks_in(x.number.T), True
        if parts is not None:
            ones, scale, rest = parts
            tree: Tree = letter_for(tape, ones)
            tree = applied("transpose", tree) if is_turned else tree
            tree = tree if scale == 1 else multiple(scale, tree)
            found[x] = tree if not rest else tree + multiple(rest) if rest > 0 else tree - multiple(-rest)
    return found


def multiple(x: float, of: Tree | None = None) -> Tree:
    """A number of something by a short fraction where it is one, as the share 0.1/27 of each class."""
    near = Fraction(x).limit_denominator(1000)
    if float(near) == x and numerals.has_all_digits(numerals.in_full(x)):
        return times(near, of or Number("1"))
    return constant(x) if of is None else constant(x) * of


def marks_in(array: Any) -> tuple[Any, float, float] | None:
    """Ones, a number and another one, where an array is that number at the one in each row and the other elsewhere."""
    if min(array.shape) < 2 or array.size <= SMALL or is_identity(array):
        return None
    low, *more = np.unique(array).tolist()
    if len(more) != 1:
        return None
    for at, elsewhere in ((more[0], low), (low, more[0])):
        ones = np.where(array == at, 1.0, 0.0)
        if np.all(np.sum(ones, axis=1) == 1) and (array.shape[1] > 2 or not elsewhere):
            return ones, at - elsewhere, elsewhere
    return None


def letter_for(tape: Tape, ones: Any) -> Symbol:
    """The letter that a page has for ones in one place of each row."""
    for node, letter in tape.marks.items():
        if np.array_equal(node.data, ones):
            return letter
    taken = {x for x in tape.symbols.values() if isinstance(x, Symbol)}
    letter = unlike(Symbol(LETTER, shape=ones.shape, name=LETTER), taken)
    node = Tensor(ones)
    tape.marks[node] = tape.symbols[node] = letter
    tape.numbered.add(node)
    tape.node_of[letter] = node
    return letter


def places_of(ones: Any) -> Words:
    """Where marks stand: by the user's own places where these have a name."""
    columns = np.argmax(ones, axis=1)
    name = next(iter(names_of_arrays([Tensor(columns, dtype=columns.dtype)]).values()), None)
    if name is not None:
        return said("1 in each row at the column that ", symbols_for([name])[name], f" has for it{ELSEWHERE}")
    first = [said(f"[{i}, {column}]") for i, column in enumerate(columns[:MOST_PLACES].tolist())]
    more = len(columns) - len(first)
    if more:
        return said("1 in one place of each row, as [0, ", str(columns[0]), f"],{ELSEWHERE}")
    return said("1 at ", listed(first), ELSEWHERE)
