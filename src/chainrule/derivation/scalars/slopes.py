r"""Symbolic local derivatives of single entries, as terms over the letters that a reader knows.

A pointwise rule's partial is run on the letters of its inputs. An operation that is linear in each input is run with
other numbers in place of its inputs, all different: which of them comes out tells which entry the slope is. Nothing
here states a derivative, and every term is worked out and compared with the engine's slope before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.core.differential import Differential
from chainrule.core.operation import Fused, Linear, Pointwise
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.core.term import Term, forward_order, replay, symbol
from chainrule.derivation.scalars.graph import (
    Edge,
    Node,
    Place,
    Probe,
    ScalarGraph,
    general_position,
    placed,
    spots,
)
from chainrule.derivation.tape.tape import Tape, without_casts
from chainrule.errors import ChainruleError, GraphError
from chainrule.maths import Tree
from chainrule.maths.of_terms import tree_of_term
from chainrule.program.grid import derivatives_of_entry, grid_of

EXACT = 1e-9
"""How far a formula may be from the engine's slope, relative to its parts: rounding of a few operations."""

MOST_LETTERS = 1000
"""Results with more entries have no formula for one of them where every entry needs a letter."""

DEEPEST = 3
"""So many unnamed steps are written out within a formula; more would make it longer than the steps."""


class Slopes:
    """The local derivatives of a graph of entries in symbols.

    With `named_alone`, values without a name of the user's are written out by their inputs, and not as v₁, v₂, …
    """

    def __init__(self, entries: ScalarGraph, *, named_alone: bool = True) -> None:
        self.entries = entries
        self._depth = DEEPEST if named_alone else 0
        self.opened: Tape = entries.opened
        self._letters: dict[Term, tuple[Tree, float]] = {}
        self._probes: dict[tuple[Node, int], tuple[Probe, Probe]] = {}
        self._serial: dict[Node, int] = {}
        self.instead: dict[Term, Any] = {}
        """What to write for some letters: something equal in letters that tell more."""

    def of(self, edge: Edge) -> Any:
        """The slope of an edge: a term or a number, or None where it has no short formula."""
        node, there = self.entries.entries[edge.target]
        with Quiet():
            if isinstance(node.op, Pointwise):
                found = self._partial(node, there, edge.slot)
            elif isinstance(node.op, Linear):
                found = self._coefficient(node, edge.slot, self.entries.entries[edge.source].place, there)
            elif isinstance(node.op, Differential) and node.size <= MOST_LETTERS:
                found = self._moved(node, edge.slot, self.entries.entries[edge.source].place, there)
            else:
                found = None
            if self.instead and isinstance(found, Term):
                found = replay([found], {x: self.instead.get(x, x) for x in letters_in(found)})[0]
            if found is None or not is_finite(found) or not self.agrees(found, edge.slope):
                return None
        return found

    def agrees(self, term: Any, slope: float) -> bool:
        """Whether a term gives the engine's slope, and that it must where every part of it is finite."""
        ours = self.number(term)
        if np.isclose(ours, slope, rtol=EXACT, atol=EXACT, equal_nan=True):
            return True
        if np.isfinite(ours) and np.isfinite(slope) and not np.isclose(ours, slope, rtol=1e-4, atol=1e-4):
            raise ChainruleError(
                f"internal error, please report it: the slope {term!r} is {ours!r}, and the engine's {slope!r}"
            )
        return False

    def number(self, term: Any) -> float:
        """What a term comes to with the numbers of this computation."""
        with Quiet():
            numbers = {x: self._letters[x][1] for x in letters_in(term)}
            return float(replay([term], numbers)[0])

    def formula(self, term: Any) -> Tree | None:
        """A term as it is printed; None for none, and for what is too long to be read."""
        if term is None:
            return None
        try:
            return tree_of_term(term, {x: self._letters[x][0] for x in letters_in(term)})
        except GraphError:
            return None

    def entry(self, k: int) -> Term:
        """The letter of an entry of the graph."""
        return self.letter(*self.entries.entries[k])

    def letter(self, node: Node, place: Place) -> Term:
        """The letter of an entry, under its own name."""
        serial = self._serial.setdefault(node, len(self._serial))
        found = symbol(f"{serial}{list(place)}")
        if found not in self._letters:
            number = self.opened.numbers[node]
            self._letters[found] = placed(self.opened.symbols[node], place), float(number[place] if place else number)
        return found

    def expression(self, node: Node, place: Place, depth: int | None = None) -> Any:
        """The letter of an entry; without a name, how it is made from entries that have one."""
        depth = self._depth if depth is None else depth
        if not depth or not nameless(self.opened, node):
            return self.letter(node, place)
        if isinstance(node.op, Pointwise):
            return node.op(*self._inputs(node, place, depth - 1), **node.settings)
        slots = [slot for slot, _ in node.edges]
        if isinstance(node.op, Linear) and node.op.composition is None and len(slots) == len(node.inputs) == 1:
            row = self._probe(node, slots[0])[0].row(place)
            here = spots(row != 0)
            if len(here) == 1 and row[here[0]] == 1:
                return self.expression(node.inputs[0], here[0], depth)
        return self.letter(node, place)

    def _inputs(self, node: Node, place: Place, depth: int | None = None) -> list[Any]:
        """The inputs of one entry of a pointwise operation: letters, and numbers for what has no name."""
        edges = dict(node.edges)
        numbers = self.opened.inputs(node)
        given: list[Any] = []
        for slot, x in enumerate(node.inputs):
            if slot in edges:
                given.append(self.expression(edges[slot], place, depth))
            elif isinstance(x, Tensor):
                given.append(self._datum(x, np.broadcast_to(numbers[slot], node.shape), place))
            else:
                number = np.broadcast_to(numbers[slot], node.shape)[place]
                given.append(x if isinstance(x, int | float) else float(number))
        return given

    def _datum(self, x: Tensor, repeated: Any, place: Place) -> Any:
        """An entry of a tensor without gradient: its letter where the user has a name for it, else its number."""
        name = self.opened.own_name(x)
        own = place[len(place) - x.ndim :] if x.ndim <= len(place) else place
        own = tuple([0 if n == 1 else i for i, n in zip(own, x.shape, strict=True)])
        return float(repeated[place]) if name is None else self._named(x, name, own)

    def _named(self, x: Tensor, name: Tree, place: Place) -> Term:
        serial = self._serial.setdefault(x, len(self._serial))
        found = symbol(f"{serial}{list(place)}")
        self._letters[found] = placed(name, place), float(x.data[place])
        return found

    def _partial(self, node: Node, place: Place, slot: int) -> Any:
        """A pointwise rule's partial, run on letters."""
        out = self.expression(node, place) if nameless(self.opened, node) else self.letter(node, place)
        partial = node.op.partial(slot, out, self._inputs(node, place), node.settings)
        return partial if isinstance(partial, Term) else float(partial)

    def _moved(self, node: Tensor, slot: int, here: Place, there: Place) -> Any:
        """The derivative of an entry where a rule states how its result moves: that statement, run on letters."""
        inputs = [
            grid_of(self.opened.numbers[x], partial(self.letter, x)) if x in self.opened.numbers else numbers
            for x, numbers in zip(node.inputs, self.opened.inputs(node), strict=True)
        ]
        out = grid_of(self.opened.numbers[node], partial(self.letter, node))
        cell = derivatives_of_entry(node.op, slot, there, out, inputs, node.settings).get(here)
        known = cell is not None and all([x in self._letters for x in letters_in(cell.term)])
        return cell.term if known and cell is not None else None

    def _coefficient(self, node: Tensor, slot: int, here: Place, there: Place) -> Any:
        """The one entry, or the constant, that an operation linear in each input multiplies by."""
        probe, others = self._probe(node, slot)
        row_is_cheaper = isinstance(node.op, Fused) and probe.size == 1
        found, real = [float(p.row(there)[here] if row_is_cheaper else p.column(here)[there]) for p in (others, probe)]
        for i, codes in enumerate(others.inputs):
            where = spots(np.asarray(codes) == found) if i != slot and np.ndim(codes) else []
            if len(where) == 1:
                x = node.inputs[i]
                if any(x is y for _, y in node.edges):
                    return self.expression(x, where[0])
                name = self.opened.own_name(x) if isinstance(x, Tensor) else None
                return real if name is None else self._named(x, name, where[0])
        if found == real:
            return real
        return self._through_composition(node, slot, here) if isinstance(node.op, Fused) and not node.shape else None

    def _through_composition(self, node: Tensor, slot: int, here: Place) -> Any:
        """The derivative of a fused number by the way through the operations that it stands for, if there is one."""
        probe, _ = self._probe(node, slot)
        stand_ins: list[Any] = list(probe.inputs)
        owners: dict[Node, tuple[Node, Tree | None]] = {}
        for i, x in enumerate(node.inputs):
            if isinstance(x, Tensor):
                stand_ins[i] = Tensor(probe.inputs[i], requires_grad=i == slot)
                owners[stand_ins[i]] = x, self.opened.own_name(x)
        out = node.op.composition(*stand_ins, **node.settings)
        inner = ScalarGraph(Tape(out, [stand_ins[slot]]), stand_ins[slot], here)
        if any(len(edges) > 1 for edges in inner.departures) or len(inner) > 2 * DEEPEST:
            return None
        for stand_in, (_, name) in owners.items():
            if name is not None:
                inner.opened.call(stand_in, name)
        steps = Slopes(inner)
        return self.adopted(product_of([steps.of(edges[0]) for edges in inner.departures[:-1]]), steps, owners)

    def adopted(self, term: Any, inner: Slopes, owners: Mapping[Node, tuple[Node, Tree | None]]) -> Any:
        """A term over the letters of another graph, over this one's instead; None where a letter has no owner.

        `owners` has what each node stands for here: a node of this graph, or a tensor outside it and its name.
        """
        nodes = {serial: node for node, serial in inner._serial.items()}
        exchanged: dict[Term, Any] = {}
        for x in letters_in(term):
            serial, _, listed = x.label.partition("[")
            place = tuple([int(i) for i in listed.rstrip("]").split(",") if i])
            node, name = owners.get(nodes[int(serial)], (None, None))
            if node is None:
                return None
            if node in self.opened.numbers:
                exchanged[x] = self.expression(node, place)
            else:
                exchanged[x] = float(node.data[place]) if name is None else self._named(node, name, place)
        return replay([term], exchanged)[0] if isinstance(term, Term) else term

    def _probe(self, node: Tensor, slot: int) -> tuple[Probe, Probe]:
        """The operation as it ran, and on numbers that can be told apart."""
        if (node, slot) not in self._probes:
            opened = self.opened
            probe = Probe(node.op, opened.inputs(node), opened.numbers[node], without_casts(node), slot)
            self._probes[node, slot] = probe, general_position(probe)
        return self._probes[node, slot]


def nameless(opened: Tape, node: Node) -> bool:
    """Whether a computed node goes by a number (v₁, v₂, …), since the user has no name for it."""
    return node.op is not None and node in opened.numbered


def letters_in(term: Any) -> list[Term]:
    """The letters that a term is made of."""
    return [x for x in forward_order([term]) if x.op is None and x.number is None] if isinstance(term, Term) else []


def is_finite(term: Any) -> bool:
    """Whether no number in it is infinite or undefined: such a formula says nothing."""
    steps = forward_order([term]) if isinstance(term, Term) else []
    given = [x for step in steps for x in (step.number, *(step.inputs if step.op else ()))] if steps else [term]
    return all([x is None or isinstance(x, Term) or bool(np.all(np.isfinite(x))) for x in given])


def size_of(term: Any) -> int:
    """How many operations a term writes down; a change of sign is none."""
    if not isinstance(term, Term):
        return 0
    return sum([x.op is not None and x.op.name != "neg" for x in forward_order([term])])


def multiplied(x: Any, y: Any) -> Any:
    """A product of terms and numbers without the factors 1."""
    if not isinstance(x, Term) and not isinstance(y, Term):
        return x * y
    if not isinstance(x, Term) and x == 1:
        return y
    if not isinstance(y, Term) and y == 1:
        return x
    if isinstance(y, Term) or not isinstance(x, Term):
        return x * y
    return y * x


def product_of(terms: Sequence[Any]) -> Any:
    """The product of several terms and numbers, or None where one is missing."""
    total: Any = 1
    for term in terms:
        if term is None:
            return None
        total = multiplied(total, term)
    return total
