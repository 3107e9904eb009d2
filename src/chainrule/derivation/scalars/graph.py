"""The graph of single numbers: every entry that moves with one entry of a leaf, and how fast each moves with the last.

A graph of Values is one already. Of a graph of tensors only the entries between the asked one and the output are made,
found by pushing one-hot tangents through each operation; a weight of a large network meets a few hundred of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate, compress
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import Value
from chainrule.core.forward import tangents_of
from chainrule.core.graph import backward_order, is_flat
from chainrule.core.operation import Fused, Linear, Operation, Pointwise, book
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.custom import CustomRule
from chainrule.derivation.computed import computed_by
from chainrule.derivation.equations import in_a_row, is_residue
from chainrule.derivation.tape.rounding import moved_in
from chainrule.derivation.tape.tape import Tape, without_casts
from chainrule.errors import ChainruleError, GraphError
from chainrule.maths import Number, Tree, numeral, plain
from chainrule.maths.numerals import FULL
from chainrule.maths.tree import Computed, made
from chainrule.rewrite.entry_formulas import Place, in_general_position, one_hot, spots

Node = Any

MOST_ASKED = 4_000_000
"""Entries of a list, times the inputs that are each asked for all of them."""
MOST_EDGES = 200_000
"""More edges between the entries of tensors than this are walked only on request."""

MOST_WRITTEN = 300
"""Paths up to which a derivative is written out as the sum over them."""

EXACT = 1e-9
"""How far the sum over all paths may be from the engine, relative to what it would be if nothing cancelled."""


class NotReached(GraphError):
    """No path leads from an entry, which it names, to the output."""


class Entry(NamedTuple):
    """One number of the computation: a Value, or a place in a Tensor."""

    node: Node
    place: Place


class Edge(NamedTuple):
    """How fast one entry moves with another that the same operation reads: numbers of entries, and a slope."""

    source: int
    target: int
    slot: int
    slope: float


class ScalarGraph:
    """The entries on the paths from one entry (number 0) to the output (the last), each after those it is made from.

    `departures` has the edges that leave an entry and `arrivals` those that reach it. `gradients` has the derivative of
    the output in every entry. Raises `GraphError` where the output does not depend on the entry, or where the paths are
    too many to be walked unasked. O(edges); of Tensors also one run of an operation for each entry that enters it.

    >>> import chainrule as cr
    >>> from chainrule.derivation.scalars.graph import ScalarGraph
    >>> from chainrule.derivation.tape.tape import Tape
    >>> x = cr.Tensor([3.0, 4.0], requires_grad=True, label="x")
    >>> entries = ScalarGraph(Tape(cr.sum(x * x), [x]), x, (1,))
    >>> len(entries), entries.gradients[0]
    (3, 8.0)
    """

    def __init__(self, tape: Tape, node: Node, place: Place = (), *, whole: bool = False) -> None:
        self.tape = tape
        self.slopes: Any = None
        """Who can say what the slope of an edge is in letters."""
        self.entries: list[Entry] = [Entry(node, place)]
        edges: list[Edge] = []
        most = None if whole else MOST_EDGES
        with Quiet():
            self._spread(edges, most)
        self._keep_what_arrives(edges)
        self.gradients = list(self.derivatives(0, self.last).values())[::-1]
        self._size = self.size(0, self.last)
        """What the gradient in the first entry would be if nothing cancelled."""
        self._compare()

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def last(self) -> int:
        """The number of the output."""
        return len(self.entries) - 1

    def symbol(self, k: int) -> Tree:
        return entry_symbol(self.tape, *self.entries[k])

    def value(self, k: int) -> float:
        node, place = self.entries[k]
        number = self.tape.numbers[node]
        return float(number[place]) if place else float(number)

    def cuts(self, first: int = 0, last: int | None = None, among: set[int] | None = None) -> list[int]:
        """The entries on every path from the first to the last: no edge leaps over them (O(edges between))."""
        last = self.last if last is None else last
        found: list[int] = []
        reach = first
        for k in range(first, last + 1) if among is None else sorted(among):
            if k >= reach:
                found.append(k)
            if k < last:
                reach = max([reach, *[e.target for e in self.departures[k] if among is None or e.target in among]])
        return found

    def reachable(self, first: int, last: int) -> set[int]:
        """The entries on the paths from one entry to a later one."""
        forward = {first}
        for k in range(first, last):
            if k in forward:
                forward.update([e.target for e in self.departures[k] if e.target <= last])
        return forward & self.reaching(first, last)

    def reaching(self, first: int, last: int) -> set[int]:
        """The entries from one on that a later one is made of."""
        found = {last}
        for k in range(last, first, -1):
            if k in found:
                for e in self.arrivals[k]:
                    if e.source >= first:
                        found.add(e.source)
        return found

    def derivatives(self, first: int, last: int) -> dict[int, float]:
        """The derivative of a later entry in each entry from the first on; reverse mode between the two."""
        return self.swept(first, last, sum)

    def derivative(self, first: int, last: int) -> float:
        """The derivative of a later entry in an earlier one."""
        found = self.derivatives(first, last)
        return computed_by(found[first], lambda: self.written_out(found, last)(first).origin)

    def written_out(self, derivatives: Mapping[int, float], last: int) -> Callable[[int], Number]:
        """What writes the derivative of an entry in one before it: where paths are few, it knows the sum over them."""
        ways: dict[int, int] = {}
        for k in derivatives:
            ways[k] = sum([ways.get(e.target, 0) for e in self.departures[k]]) if k != last else 1

        return partial(self._written, derivatives, ways, last)

    def _written(self, derivatives: Mapping[int, float], ways: Mapping[int, int], last: int, k: int) -> Number:
        edges = [e for e in self.departures[k] if ways.get(e.target)]
        if k == last or not edges or ways[k] > MOST_WRITTEN:
            return numeral(derivatives[k], FULL)

        def made() -> Tree:
            return in_a_row("add", [self.shared(e, self._written(derivatives, ways, last, e.target)) for e in edges])

        return numeral(Computed(derivatives[k], made), FULL)

    def shared(self, edge: Edge, derivative: Tree) -> Tree:
        """What an edge makes of the derivative in its target, in numbers."""
        return numeral(Computed(edge.slope, lambda: self.made_of(edge)), FULL) * derivative

    def made_of(self, edge: Edge) -> Tree | None:
        """What the slope of an edge is computed from, where that is no number of the program."""
        return None if self.slopes is None else self.slopes.in_numbers(self.slopes.of(edge))

    def slope_of(self, edge: Edge) -> float:
        """The slope of an edge, which knows what it is computed from."""
        return computed_by(edge.slope, lambda: self.made_of(edge))

    def size(self, first: int, last: int) -> float:
        """What the derivative of a later entry in an entry would be if nothing cancelled."""
        return self.swept(first, last, lambda terms: sum(map(abs, terms)))[first]

    def swept(self, first: int, last: int, joined: Callable[[list[float]], float]) -> dict[int, float]:
        """What reaches each entry from a later one, which has 1, where what comes along several edges is `joined`."""
        found: dict[int, float] = {last: 1.0}
        with Quiet():
            for k in range(last - 1, first - 1, -1):
                shares: list[float] = []
                for e in self.departures[k]:
                    if e.target in found:
                        share = e.slope * found[e.target]
                        shares.append(share if e.slope else self.carried(e, found[e.target]))
                found[k] = joined(shares)
        return found

    @property
    def gradient(self) -> float:
        """The gradient in the entry as it is told: 0 where the paths cancel out but for rounding."""
        return 0.0 if is_residue(self.gradients[0], self._size) else self.gradients[0]

    def carried(self, edge: Edge, derivative: float) -> float:
        """What an edge makes of the derivative in its target; nothing where its operation did not take that branch."""
        share, node = edge.slope * derivative, self.entries[edge.target].node
        stopped = edge.slope == 0 and share != 0 and (node.op.selects or is_flat(node.op, node.edges))
        return 0.0 if stopped else share

    def _spread(self, edges: list[Edge], most: int | None) -> None:
        """Find every entry that moves, node by node in the order of the forward."""
        known: dict[Node, dict[Place, int]] = {self.entries[0].node: {self.entries[0].place: 0}}
        if isinstance(self.entries[0].node, Value):
            self._spread_values(edges)
            return
        for node in reversed(self.tape.path):
            if node in known:
                continue
            places: dict[Place, int] = {}
            slots = [(slot, x) for slot, x in node.edges if x in known]
            # Each input of a long list is asked for all of the list.
            if most is not None and len(slots) > 2:
                self._refuse(len(slots) * int(np.size(node.data)), MOST_ASKED)
            for slot, x in slots:
                for here, there, slope in local_slopes(self.tape, node, slot, list(known[x])):
                    if there not in places:
                        places[there] = len(self.entries)
                        self.entries.append(Entry(node, there))
                    edges.append(Edge(known[x][here], places[there], slot, slope))
                self._refuse(len(edges), most)
            if places:
                known[node] = places

    def _refuse(self, steps: int, most: int | None) -> None:
        """Raise GraphError for more steps than can be told."""
        if most is not None and steps > most:
            name = plain(self.tape.symbols[self.entries[0].node])
            raise GraphError(
                f"too many entries: more than {most:,} steps from entry to entry from {name} to the output; "
                "explain it with dialect='jacobian', which keeps arrays whole, or ask for whole=True"
            )

    def _spread_values(self, edges: list[Edge]) -> None:
        """The same for a graph of single numbers, where the nodes are the entries and hold their slopes."""
        numbers: dict[Node, int] = {self.entries[0].node: 0}
        for node in reversed(self.tape.path):
            inputs = node.edges
            moving = [k for k, (_, x) in enumerate(inputs) if x in numbers]
            if not moving or node in numbers:
                continue
            number = numbers[node] = len(self.entries)
            self.entries.append(Entry(node, ()))
            slopes = node.local_derivatives
            for k in moving:
                slot, x = inputs[k]
                edges.append(Edge(numbers[x], number, slot, slopes[k]))

    def _keep_what_arrives(self, edges: list[Edge]) -> None:
        """Leave out the entries from which no path leads to the output, and number the others anew."""
        target = self.tape.output
        end = [k for k, entry in enumerate(self.entries) if entry.node is target]
        if not end:
            raise NotReached(plain(self.symbol(0)))
        useful = bytearray(len(self.entries))
        useful[end[0]] = 1
        # Edges come in the order of their targets, so backwards each target is settled before its sources.
        for edge in reversed(edges):
            if useful[edge.target]:
                useful[edge.source] = 1
        if not all(useful):
            numbers = list(accumulate(useful, initial=0))
            self.entries = list(compress(self.entries, useful))
            # What reaches a useful entry is useful.
            edges = [Edge(numbers[e.source], numbers[e.target], e.slot, e.slope) for e in edges if useful[e.target]]
        self.departures: list[list[Edge]] = [[] for _ in self.entries]
        self.arrivals: list[list[Edge]] = [[] for _ in self.entries]
        for edge in edges:
            self.departures[edge.source].append(edge)
            self.arrivals[edge.target].append(edge)

    def _compare(self) -> None:
        """The sum over all paths is the engine's gradient; where one of them is 0 · ∞ or ∞ − ∞, the engine's stands."""
        node, place = self.entries[0]
        engine = float(np.asarray(self.tape.gradients[node])[place])
        if np.isnan(self.gradients[0]) or np.isnan(engine):
            self.gradients[0] = engine
            return
        tolerance = EXACT * self._size if np.isfinite(self._size) else 0.0
        if np.isclose(self.gradients[0], engine, rtol=EXACT, atol=tolerance, equal_nan=True):
            return
        # Beside a matrix that is nearly singular neither way has many digits.
        if not abs(self.gradients[0] - engine) <= moved_in(self.tape.lifted, node):
            raise ChainruleError(
                f"internal error, please report it: the paths from {plain(self.symbol(0))} add up to "
                f"{self.gradients[0]!r}, and the engine has {engine!r}"
            )


def entry_symbol(tape: Tape, node: Node, place: Place) -> Tree:
    """An entry as the program writes it, counted from 0: w₁[3, 1]."""
    return placed(tape.symbols[node], place)


def placed(symbol: Tree, place: Place) -> Tree:
    """An entry of an array."""
    if not place:
        return symbol
    (first, *rest) = place
    return made(book["index"], (symbol,), {"key": place if rest else first}, ())


def local_slopes(tape: Tape, node: Tensor, slot: int, places: Sequence[Place]) -> Iterable[tuple[Place, Place, float]]:
    """For each of some places of an input, the places of the node that can move with it, and how fast they do."""
    op = tape.in_double(node).op
    if isinstance(op, Pointwise):
        slopes = tape.slope(node, slot)
        return [(place, place, float(slopes[place])) for place in places]
    probe = Probe(op, tape.inputs(node), np.asarray(tape.numbers[node]), without_casts(node), slot)
    others = general_position(probe)
    found: list[tuple[Place, Place, float]] = []
    if probe.out.size < len(places):
        wanted = set(places)
        for there in np.ndindex(probe.out.shape):
            row = probe.row(there)
            may_move = (row != 0) | (others.row(there) != 0)
            found += [(here, there, float(row[here])) for here in spots(may_move) if here in wanted]
        return found
    for here in places:
        column = probe.column(here)
        may_move = (column != 0) | (others.column(here) != 0)
        found += [(here, there, float(column[there])) for there in spots(may_move)]
    return found


@dataclass
class Probe:
    """One input slot of an operation on arrays, asked for single rows and columns of its Jacobian."""

    op: Operation
    inputs: list[Any]
    out: Any
    settings: dict[str, Any]
    slot: int

    def column(self, place: Place) -> Any:
        """How the result moves with one entry of the input."""
        tangent = one_hot(np.shape(self.inputs[self.slot]), place)
        if self.op.composition is not None:
            stand_in, out = self.composition
            moved = tangents_of([stand_in], [tangent], [out], record=False)[0]
            return np.zeros(self.out.shape) if moved is None else np.asarray(moved)
        if isinstance(self.op, CustomRule):
            return np.reshape([self.row(there)[place] for there in np.ndindex(self.out.shape)], self.out.shape)
        tangents: list[Any] = [None] * len(self.inputs)
        tangents[self.slot] = tangent
        return np.asarray(self.op.push(tangents, self.out, self.inputs, self.settings))

    def row(self, place: Place) -> Any:
        """How one entry of the result moves with each entry of the input."""
        cotangent = one_hot(self.out.shape, place)
        return np.asarray(self.op.pull(self.slot, cotangent, self.out, self.inputs, self.settings))

    @cached_property
    def composition(self) -> tuple[Tensor, Tensor]:
        """What a fused operation stands for, recorded: the stand-in for the input, and the result."""
        stand_in = Tensor(self.inputs[self.slot], requires_grad=True)
        given = [stand_in if i == self.slot else x for i, x in enumerate(self.inputs)]
        assert self.op.composition is not None
        return stand_in, self.op.composition(*given, **self.settings)

    @property
    def chooses(self) -> bool:
        """Whether what a fused operation stands for looks the places of entries up in its own input."""
        made = backward_order(self.composition[1:]) if self.op.composition is not None else []
        return any([isinstance(x.inputs[i], Tensor) for x in made if x.op is not None for i in x.op.flat])


def general_position(probe: Probe) -> Probe:
    """The same operation on other numbers, none of them 0 or alike: what moves there may move anywhere.

    A pixel that is 0 and a prediction that hits its target then still count as paths, with the slope 0. Only for rules
    that work on any numbers: what is linear, and what stands for a composition. Where the numbers choose which entries
    pass, as in pooling, others would choose others.
    """
    if not isinstance(probe.op, Linear) or probe.chooses:
        return probe
    inputs = [x if i in probe.op.flat else in_general_position(x, i) for i, x in enumerate(probe.inputs)]
    out = probe.op.fitting(inputs, inputs, probe.settings) if isinstance(probe.op, Fused) else probe.out
    return Probe(probe.op, inputs, out, probe.settings, probe.slot)
