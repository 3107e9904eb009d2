"""Terms as trees: a formula that was derived on symbols, as it is read and printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from chainrule.core.term import Term, symbols_in
from chainrule.errors import GraphError
from chainrule.maths.calls import Call, call_of, is_identity
from chainrule.maths.names import symbols_for
from chainrule.maths.tree import Applied, Matrix, Tree, applied, is_cast, named, times, tree_of

LONGEST = 4_000
"""Formulas of more parts are refused: a shared part is written out wherever it is used."""
DEEPEST = 150
"""So are formulas nested more deeply than anybody reads."""


def tree_of_term(term: Any, letters: Mapping[Term, Tree] | None = None) -> Tree:
    """A term as a tree; its symbols are `letters`, or their own names. O(parts that are written).

    Raises GraphError for a formula that is too long to be read.

    >>> from chainrule.core.term import symbol
    >>> from chainrule.maths import plain, unicode
    >>> from chainrule.maths.of_terms import tree_of_term
    >>> A, x = symbol("A", (2, 2)), symbol("x", (2,))
    >>> tree = tree_of_term((A + A.T) @ x)
    >>> plain(tree), unicode(tree)
    ('(A + A.T) @ x', '(A + Aᵀ) x')
    """
    if not isinstance(term, Term) or term.number is not None:
        # Where a number is all there is the sign of a zero says nothing.
        return constant(np.add(term.number if isinstance(term, Term) else term, 0.0))
    found: dict[Term, Tree] = dict(letters or own_names(term))
    extent: dict[Term, tuple[int, int]] = {}
    calls: dict[Term, Call] = {}
    stack = [term]
    while stack:
        x = stack[-1]
        if x in found:
            stack.pop()
            continue
        call = calls.get(x) or call_of(x)
        if call is None:
            found[x] = constant(x.number)
            continue
        calls[x] = call
        inner = [y for y in call.inputs if isinstance(y, Term)]
        waiting = [y for y in inner if y not in found]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        sizes = [extent.get(y, (1, 1)) for y in inner]
        extent[x] = 1 + sum([size for size, _ in sizes]), 1 + max([depth for _, depth in sizes], default=0)
        if extent[x][0] > LONGEST or extent[x][1] > DEEPEST:
            raise GraphError("this formula is too long to be read: differentiate a part of it, or run it on numbers")
        found[x] = called(call, [found[y] if isinstance(y, Term) else y for y in call.inputs])
    return found[term]


def readable(term: Any, letters: Mapping[Term, Tree]) -> Tree | None:
    """A term as a tree; None where it is too long to be read."""
    try:
        return tree_of_term(term, letters)
    except GraphError:
        return None


def called(call: Call, inputs: list[Any]) -> Tree:
    """A call as a tree, under the name that was guessed for it."""
    written = WRITTEN_OUT.get(call.name)
    found = None if written is None else written(*map(tree_of, inputs), **call.settings)
    if found is not None:
        return found
    function = named(call.name, call.settings)
    if is_cast(function, call.settings):
        return tree_of(inputs[0])
    if function is None:
        raise GraphError(f"{call.name} has a backward pass of the user's own and no formula")
    return applied(function, *inputs, **call.settings)


def power_and_log(x: Tree, y: Tree, *, count: int, settled: bool = False) -> Tree:
    """A power times logarithms, as books have it; what holds at base 0 is a convention, and said where it is met."""
    power = applied("pow", x, y)
    logarithms = applied("log", x) if count == 1 else applied("pow", applied("log", x), count)
    return applied("mul", power, logarithms) if count else power


def column(*entries: Tree, axis: int) -> Tree | None:
    """Numbers as a column, and rows of numbers as a matrix; None for arrays that go by a name."""
    if axis == 0 and not any([x.shape for x in entries]):
        return Matrix(tuple([(x,) for x in entries]), (len(entries),))
    rows = [tuple([row[0] for row in x.rows]) for x in entries if isinstance(x, Matrix) and x.ndim == 1]
    return Matrix(tuple(rows), (len(rows), len(rows[0]))) if axis == 0 and len(rows) == len(entries) else None


def middle(x: Tree, *, axis: Any = None, keepdims: bool = False) -> Tree | None:
    """The mean of what stands in the middle of an order is the median; None for another mean."""
    if not isinstance(x, Applied) or x.name != "index" or keepdims:
        return None
    key: Any = x.given["key"]
    return median_of(x.inputs[0], key.start, key.stop) if type(key) is slice else None


def entry(x: Tree, *, key: Any) -> Tree | None:
    """The entry in the middle of an order is the median; None for another entry."""
    return median_of(x, key, key + 1) if type(key) is int else None


def median_of(ordered: Tree, start: Any, stop: Any) -> Tree | None:
    """The median of a vector that was sorted, where these are its places in the middle."""
    if not isinstance(ordered, Applied) or ordered.name != "sort" or ordered.ndim != 1:
        return None
    is_middle = start == (ordered.size - 1) // 2 and stop == ordered.size // 2 + 1
    return applied("median", ordered.inputs[0]) if is_middle and not ordered.given.get("descending") else None


WRITTEN_OUT: dict[str, Callable[..., Tree | None]] = {
    "power_and_log": power_and_log,
    "stack": column,
    "mean": middle,
    "index": entry,
}
"""Operations that books have under another name, or write out; None leaves one under its own."""


def own_names(*terms: Term) -> dict[Term, Tree]:
    """A symbol for each unknown of some terms, by the names they have."""
    unknown = symbols_in(*terms)
    named = symbols_for({x.label: x.shape for x in unknown})
    return {x: named[x.label] for x in unknown}


def constant(number: Any) -> Tree:
    """A number or an array; multiples of the identity are written with its name, and what differs in equal entries."""
    array = np.asarray(number)
    if array.ndim == 2 and min(array.shape) > 1 and array[0, 0] and is_identity(array / array[0, 0]):
        return multiple(float(array[0, 0]), applied("eye", n=len(array)))
    beside = beside_identity(array)
    return tree_of(array if array.ndim else array.item()) if beside is None else beside


def multiple(number: float, x: Tree) -> Tree:
    return x if number == 1 else applied("mul", number, x)


def beside_identity(array: Any) -> Tree | None:
    """A matrix of equal entries but for those along its diagonal as multiples of 𝐈 and 𝟏 𝟏ᵀ; None for others."""
    count = len(array) if array.ndim == 2 and array.shape[0] == array.shape[1] else 0
    if count < LEAST or not array[0, 1] or not np.all(np.isfinite(array)):
        return None
    scale, rest = Fraction(array[0, 0] - array[0, 1]).limit_denominator(MOST_BELOW), array[0, 1]
    ones = applied("broadcast_to", 1.0, shape=(count,))
    share = Fraction(rest).limit_denominator(MOST_BELOW)
    if not scale or not np.allclose(array, float(scale) * np.eye(count) + float(share), rtol=1e-15, atol=0.0):
        return None
    identity = multiple(float(scale), applied("eye", n=count))
    return applied("sub" if share < 0 else "add", identity, times(abs(share), applied("outer", ones, ones)))


LEAST = 3
"""Smaller matrices are read at once as they are."""
MOST_BELOW = 1000
"""Entries that are no fractions with so small a denominator are not taken for such."""
