"""What a formula comes to where its letters stand for certain numbers: each part is worked out once."""

# What letters stand for is known only when a formula is worked out.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isfinite
from operator import is_
from types import MappingProxyType
from typing import Any

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.errors import GraphError
from chainrule.maths.tree import (
    Applied,
    Change,
    Derivative,
    Environment,
    Matrix,
    Number,
    Sigma,
    Symbol,
    Tree,
    Unknown,
    all_parts,
    computed,
    innermost_first,
    parts,
)


def value(tree: Tree, environment: Environment) -> Any:
    """What a tree comes to, with the digits that are printed; a part that is used twice is worked out once. O(parts).

    >>> from chainrule.maths import Symbol
    >>> from chainrule.maths.values import value
    >>> x = Symbol("x")
    >>> value(x * x - 1, {x: 3.0})
    np.float64(8.0)
    """
    return Values(environment).of(tree)


NOTHING_RUNS: Mapping[str, Any] = MappingProxyType({})


class Values:
    """What trees come to where their letters stand for certain numbers; each part is worked out once.

    In a term of a sum each of its letters that is `running` has a place, counted from 1.
    """

    def __init__(self, environment: Environment, running: Mapping[str, Any] = NOTHING_RUNS) -> None:
        self.environment = environment
        self.running = running
        self._found: dict[int, Any] = {}
        self._trees: list[Tree] = []
        """What is known by its identity has to live."""

    def of(self, tree: Tree) -> Any:
        """What a tree comes to. O(parts that are new)."""
        found = self._found
        if id(tree) in found:
            return found[id(tree)]
        self._trees.append(tree)
        waiting = [tree]
        while waiting:
            x = waiting[-1]
            if id(x) not in found:
                if unknown := [part for part in of_numbers(x) if id(part) not in found]:
                    waiting += unknown
                    continue
                found[id(x)] = self._worked_out(x)
            waiting.pop()
        return found[id(tree)]

    def array(self, tree: Tree) -> Any:
        """The same as a double or an array of them."""
        found = self.of(tree)
        return found if isinstance(found, np.float64) else np.asarray(found, dtype=float)

    def are_ordinary(self) -> bool:
        """Whether all that has been worked out is finite and not 0."""
        return all([is_finite(x) and (bool(x) if isinstance(x, float) else np.all(x)) for x in self._found.values()])

    def terms(self, tree: Sigma) -> Iterator[Values]:
        """What a sum's body is worked out with, term by term."""
        for k in range(1, tree.count + 1):
            yield self.at(tree.letter, k)

    def at(self, letter: str, place: Any) -> Values:
        """The same environment where a letter has this place; several at once for entries of arrays."""
        return Values(self.environment, {**self.running, letter: place})

    def of_terms(self, tree: Sigma) -> Any:
        """What the terms of a sum come to; operations on single numbers are done on those of all terms at once."""
        found: dict[int, Any] = {}
        each: list[Values] = []
        together = self.at(tree.letter, np.arange(tree.count) + 1)
        for x in innermost_first(tree.body, lambda x: id(x) in found, of_numbers):
            if x.shape or isinstance(x, Sigma | Matrix):
                return np.array([at.of(tree.body) for at in self.terms(tree)], dtype=float)
            match x:
                case Applied(operation) if isinstance(operation, Pointwise):
                    found[id(x)] = computed(operation, [found[id(y)] for y in x.inputs], x.given)
                case Symbol() if tree.letter in x.at:
                    found[id(x)] = np.reshape(together.of(x), tree.count)
                case Number():
                    found[id(x)] = x.value
                case Derivative() if (all_at_once := together.all_at_once(x)) is not None:
                    found[id(x)] = np.broadcast_to(all_at_once, tree.count)
                case _:
                    each = each or list(self.terms(tree))
                    found[id(x)] = np.reshape([at.of(x) for at in each], tree.count)
        return np.broadcast_to(found[id(tree.body)], tree.count)

    def _entry_of(self, array: Any, symbol: Symbol) -> Any:
        """What of an array stands at the place of a symbol; at several where a letter runs over them."""
        at = [(self.running[i] if isinstance(i, str) else i) - 1 for i in symbol.at]
        return np.asarray(array, dtype=float)[tuple(at)]

    def all_at_once(self, tree: Derivative) -> Any:
        """A derivative at all places of its letters, where these numbers are known together; else None."""
        if (found := self.at_its_place(tree)) is not None:
            return np.asarray(found, dtype=float)
        above, below = tree.above, tree.below
        if tree.held or not isinstance(below, Symbol) or not isinstance(above, Symbol) or above.at:
            return None
        whole: Any = self.environment.get(Derivative(above, below.whole))
        return self._entry_of(whole, below) if below.at and np.ndim(whole) == len(below.at) else None

    def at_its_place(self, tree: Tree) -> Any:
        """What is known of something by a letter that runs, where that has its place; None for what is not."""
        letter = next(running_in(tree), None) if self.running else None
        if letter is None or (numbers := self.environment.get(tree)) is None:
            return None
        return numbers[self.running[letter] - 1]

    def stands_for(self, tree: Tree) -> Any:
        """What is known of a derivative or a function here."""
        found = self.at_its_place(tree)
        return self.environment[fixed(tree, self.running)] if found is None else found

    def _worked_out(self, tree: Tree) -> Any:
        """What a tree comes to whose parts are known."""
        environment, found = self.environment, self._found
        match tree:
            case Applied():
                return computed(tree.operation, [found[id(x)] for x in tree.inputs], tree.given)
            case Number():
                return tree.value
            case Symbol() if not tree.at:
                return np.asarray(environment[tree], dtype=float)[()]
            case Symbol():
                return self._entry_of(environment[tree.whole], tree)
            case Derivative() | Change() | Unknown():
                return np.asarray(self.stands_for(tree), dtype=float)[()]
            case Matrix():
                entries = [[found[id(x)] for x in row] for row in tree.rows]
                return np.asarray(entries, dtype=float).reshape(tree.shape)
            case Sigma():
                return np.sum(self.of_terms(tree), axis=0)
            case _:
                raise GraphError(f"{type(tree).__name__} has no value of its own")


def is_finite(x: Any) -> bool:
    return isfinite(x) if isinstance(x, float) else bool(np.all(np.isfinite(x)))


def running_in(tree: Tree) -> Iterator[str]:
    """The letters that are places of symbols in a part of a formula. O(parts)."""
    return (i for x in all_parts(tree) if isinstance(x, Symbol) for i in x.at if isinstance(i, str))


def of_numbers(tree: Tree) -> tuple[Tree, ...]:
    """The parts whose numbers make that of the whole; what a sum adds up has others for each term."""
    if isinstance(tree, Applied):
        return tree.inputs
    return parts(tree) if isinstance(tree, Matrix) else ()


def fixed(tree: Any, running: Mapping[str, int]) -> Any:
    """A derivative or a function with numbers in place of the letters that run."""
    if not running:
        return tree
    match tree:
        case Symbol() if any([isinstance(i, str) for i in tree.at]):
            return tree.placed(tuple([running.get(i, i) if isinstance(i, str) else i for i in tree.at]), tree.shape)
        case Derivative():
            above, below = fixed(tree.above, running), fixed(tree.below, running)
            if above is tree.above and below is tree.below:
                return tree
            return Derivative(above, below, tree.shape, tree.held, tree.is_gradient, tree.is_total)
        case Unknown():
            inputs = tuple([fixed(x, running) for x in tree.inputs])
            return tree if all(map(is_, inputs, tree.inputs)) else replace(tree, inputs=inputs)
        case _:
            return tree
