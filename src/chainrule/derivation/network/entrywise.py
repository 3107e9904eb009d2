"""How a cost moves with one entry of an array, as a formula that holds for every entry alike.

The rule book's partials are run on letters, from the cost back to the array, as far as every step treats all entries
alike: functions of single numbers, sums and means. Fused operations are opened into their composition, and the one
rewriter tidies up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core import Value, graph
from chainrule.core.operation import Linear, Pointwise
from chainrule.core.tensor import Tensor
from chainrule.core.term import Term, replay, symbol
from chainrule.core.walk import Edges, walk
from chainrule.derivation.opened.opened import Opened
from chainrule.errors import GraphError
from chainrule.maths import Symbol, Tree, plain
from chainrule.maths.of_terms import tree_of_term
from chainrule.rewrite import simplify


def entrywise(opened: Opened, node: Any, letters: Mapping[Any, Tree], target: Tree | None = None) -> Tree | None:
    """The derivative of the output in any entry of a node, in letters; None where the entries are not treated alike.

    `letters` names the nodes to stop at, and `target` the data beside them where it is clear which that is. The formula
    is worked out on all entries and compared with the engine's gradient. O(nodes between).
    """
    path = graph.between([node], [opened.output])
    search = Search(opened, letters)
    search.name_target(path, target)
    found = search.derivative(node)
    if found is None or not search.holds(found, node):
        return None
    try:
        return tree_of_term(simplify(found) if isinstance(found, Term) else found, search.letters)
    except GraphError:
        return None


class NotAlike(Exception):
    """An operation does not treat all entries alike."""


class Search:
    """The walk from a cost back to an array, with a term for every node on the way."""

    def __init__(self, opened: Opened, letters: Mapping[Any, Tree], terms: Mapping[Any, Any] | None = None) -> None:
        self.opened = opened
        self.letters: dict[Term, Tree] = {}
        """What each term stands for on the page; all of them numbers, since every entry is treated alike."""
        self.terms: dict[Any, Any] = dict(terms or {})
        for x, letter in letters.items():
            self.terms[x] = self.unknown(letter)
        self.target: tuple[Term, Any] | None = None
        self.values = {term: opened.numbers[x] for x, term in self.terms.items() if isinstance(term, Term)}
        """What each letter stands for."""

    def derivative(self, node: Any) -> Any:
        """The derivative of the output as a term or a number, or None."""
        path = graph.between([node], [self.opened.output])
        for x in reversed(path):
            if x not in self.terms:
                entry = isinstance(x.op, Pointwise)
                self.terms[x] = x.op(*self.inputs(x), **x.settings) if entry else self.letter(x)

        def shares(x: Any, edges: Edges, g: Any) -> list[Any]:
            slopes = [self.step(x, slot) for slot, _ in edges]
            if None in slopes:
                raise NotAlike
            return [g * slope for slope in slopes]

        try:
            return walk(path, {self.opened.output: 1.0}, shares, among=set(path))[node]
        except NotAlike:
            return None

    def step(self, node: Any, slot: int) -> Any:
        """The local derivative of one operation in one input: a term or a number, or None."""
        if isinstance(node.op, Pointwise):
            return node.op.partial(slot, self.terms[node], self.inputs(node), node.settings)
        if node.op.composition is not None:
            return self.inside(node, slot)
        if not isinstance(node.op, Linear):
            return None
        ones = np.ones(node.shape)
        pulled = np.asarray(node.op.pull(slot, ones, ones, self.opened.inputs(node), node.settings), dtype=float)
        alike = pulled.size >= ones.size and pulled.size > 0 and bool(np.all(pulled == pulled.flat[0]))
        return float(pulled.flat[0]) if alike and pulled.flat[0] else None

    def inside(self, node: Any, slot: int) -> Any:
        """The derivative through the composition of a fused operation, whose output is a single number."""
        if node.shape != ():
            return None
        stand_ins = [Tensor(x, dtype=np.float64, requires_grad=True) for x in self.opened.inputs(node)]
        out = node.op.composition(*stand_ins, **node.settings)
        inner = Search(Opened(out), {}, dict(zip(stand_ins, self.inputs(node), strict=True)))
        found = inner.derivative(stand_ins[slot])
        self.values.update(inner.values)
        self.letters.update(inner.letters)
        return found

    def inputs(self, node: Any) -> list[Any]:
        """The inputs of a node: terms, plain numbers, and letters for data."""
        found: list[Any] = []
        for x in node.inputs:
            if isinstance(x, Value | Tensor) and x in self.terms:
                found.append(self.terms[x])
            elif isinstance(x, Value) or (isinstance(x, Tensor) and x.requires_grad):
                found.append(self.letter(x))
            elif np.ndim(x.data if isinstance(x, Tensor) else x):
                found.append(self.data(x))
            else:
                found.append(float(x.data if isinstance(x, Tensor) else x))
        return found

    def letter(self, node: Any) -> Term:
        """A letter of its own for a node."""
        found = self.unknown(self.opened.symbols[node])
        self.values[found] = self.opened.numbers[node]
        return found

    def unknown(self, letter: Tree) -> Term:
        """A term that is printed as a letter."""
        found = symbol(f"{len(self.letters)} {plain(letter)}")
        self.letters[found] = replace(letter, shape=()) if isinstance(letter, Symbol) else letter
        return found

    def data(self, x: Any) -> Any:
        """A term for data: the target, one minus the target, or a letter of its own."""
        held = np.asarray(x.data, dtype=float)
        found: Any = self.unknown(self.opened.symbols[x])
        if self.target is not None:
            letter, numbers = self.target
            found = (
                letter if np.array_equal(numbers, held) else 1 - letter if np.array_equal(1 - numbers, held) else found
            )
        if found.op is None:
            self.values[found] = held
        self.terms[x] = found
        return found

    def name_target(self, path: list[Any], letter: Tree | None) -> None:
        """Give the target's letter to the data that the user has a name for, or to the only one there is."""
        data = [x for node in path for x in node.inputs if isinstance(x, Tensor) and not x.requires_grad and x.ndim]
        named = [x for x in data if x not in self.opened.numbered and not is_path(self.opened.symbols[x])]
        chosen = named or data
        if letter is not None and len({x.data.tobytes() for x in chosen}) == 1:
            self.target = self.unknown(letter), np.asarray(chosen[0].data, dtype=float)
            self.values[self.target[0]] = self.target[1]

    def holds(self, found: Any, node: Any) -> bool:
        """Whether the formula gives the engine's gradient in every entry."""
        gradient = self.opened.gradients[node]
        ours = replay([found], self.values)[0]
        scale = float(np.max(np.abs(gradient), initial=0.0))
        return np.size(ours) in (1, np.size(gradient)) and bool(
            np.allclose(ours, gradient, rtol=1e-9, atol=1e-9 * scale)
        )


def is_path(symbol: Tree) -> bool:
    """Whether a name is a path through the user's objects, as ``net[0].weight``."""
    return isinstance(symbol, Symbol) and any([sign in symbol.base for sign in ".["])
