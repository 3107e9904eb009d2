"""All paths through a graph of entries: how many there are, which contribute most, and what a real nudge does.

The number of paths grows exponentially with the depth, so none is walked that is not shown: they are counted, and the
largest of them found, by dynamic programming over the edges.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import Value
from chainrule.core.state import Quiet
from chainrule.derivation.scalars.graph import Edge, Node, ScalarGraph
from chainrule.derivation.tape.tape import Tape
from chainrule.program import run
from chainrule.program.run import run_operation
from chainrule.rewrite.entry_formulas import Place

EXACTLY = 10**18
"""Up to this many paths the count is exact; beyond it a power of ten says as much, and the numbers stay small."""


def count_of_paths(graph: ScalarGraph) -> int | float:
    """How many paths lead from the entry to the output: an int up to 10¹⁸, beyond that the power of ten as a float."""
    counts: list[int | float] = [0] * len(graph)
    counts[-1] = 1
    for k in range(graph.last - 1, -1, -1):
        counts[k] = total_count([counts[e.target] for e in graph.departures[k]])
    return counts[0]


def total_count(counts: list[int | float]) -> int | float:
    """The sum of counts, of which floats are powers of ten."""
    if len(counts) == 1:
        return counts[0]
    if all(type(count) is int for count in counts):
        total = sum(counts)
        return total if total <= EXACTLY else math.log10(total)
    powers = [count if type(count) is float else math.log10(count) for count in counts if count]
    largest = max(powers)
    return largest + math.log10(sum([10 ** (power - largest) for power in powers]))


class Ahead(NamedTuple):
    """What lies ahead of an entry: single steps of this cost, up to the entry where paths part."""

    parting: int
    cost: float


Best = list[tuple[float, int, int]]
"""The best paths from a parting on: the cost, which of its edges comes first, and the rank of the rest."""


def largest_paths(graph: ScalarGraph, count: int) -> list[list[Edge]]:
    """The paths with the largest product of slopes by size, largest first, each as its edges from the entry on.

    Of paths alike in size the one through the earlier edge comes first. O(edges), and for each parting of paths
    O(count) steps of a heap; sizes are kept as logarithms, so no product overflows.
    """
    if count < 1:
        return []
    ahead: list[Ahead] = [Ahead(graph.last, 0.0)] * len(graph)
    best: dict[int, Best] = {graph.last: [(0.0, 0, 0)]}
    for k in range(graph.last - 1, -1, -1):
        edges = graph.departures[k]
        if len(edges) == 1:
            parting, cost = ahead[edges[0].target]
            ahead[k] = Ahead(parting, cost + cost_of(edges[0].slope))
        else:
            ahead[k] = Ahead(k, 0.0)
            onward = [ahead[edge.target] for edge in edges]
            costs = [cost_of(edge.slope) + cost for edge, (_, cost) in zip(edges, onward, strict=True)]
            best[k] = merged(costs, [best[parting] for parting, _ in onward], count)
    first = best[ahead[0].parting]
    return [unrolled(graph, ahead, best, rank) for rank in range(len(first))]


def merged(costs: list[float], onward: list[Best], count: int) -> Best:
    """The best paths that begin with one of some edges, each with its cost and the best paths after it."""
    heap = [(cost + rest[0][0], i, 0) for i, (cost, rest) in enumerate(zip(costs, onward, strict=True))]
    heapq.heapify(heap)
    found: Best = []
    while heap and len(found) < count:
        path = heap[0]
        found.append(path)
        _, i, rank = path
        rank += 1
        if rank < len(onward[i]):
            heapq.heapreplace(heap, (costs[i] + onward[i][rank][0], i, rank))
        else:
            heapq.heappop(heap)
    return found


def cost_of(slope: float) -> float:
    """Minus the logarithm of a slope's size; nan counts as infinite, since it decides the sum."""
    size = abs(slope)
    if size == 0.0:
        return math.inf
    return -math.log(size) if math.isfinite(size) else -1e300


def unrolled(graph: ScalarGraph, ahead: list[Ahead], best: dict[int, Best], rank: int) -> list[Edge]:
    """The edges of one of the largest paths."""
    path: list[Edge] = []
    k = 0
    while k != graph.last:
        i = 0
        if ahead[k].parting == k:
            _, i, rank = best[k][rank]
        path.append(graph.departures[k][i])
        k = path[-1].target
    return path


Way = Sequence[tuple[int, int]]
"""A path by the entries that it comes to, each with the slot by which it gets there."""


def followed(graph: ScalarGraph, way: Way) -> list[Edge]:
    """The edges of a path, as far as a graph of entries has them."""
    path: list[Edge] = []
    for step in way:
        k = path[-1].target if path else 0
        there = graph.departures[k] if k < len(graph) else []
        path += [edge for edge in there if (edge.target, edge.slot) == step]
    return path


@dataclass(frozen=True, slots=True)
class Nudge:
    """What a step of the entry does to the output, by its derivative and as measured."""

    step: float
    after: float
    """The output after the step."""
    change: float
    linear: float
    """The derivative times the step."""

    @property
    def ratio(self) -> float:
        """The output's change for each unit of the step."""
        return self.change / self.step

    @property
    def remainder(self) -> float:
        """What the derivative leaves unexplained."""
        return self.change - self.linear


def nudged(graph: ScalarGraph, step: float) -> tuple[Nudge, dict[Node, Any]]:
    """The computation run again with the entry a step further: what comes out, and all numbers that moved."""
    tape = graph.tape
    node, place = graph.entries[0]
    moved = stepped(tape, node, place, step)
    before, after = float(tape.numbers[tape.output]), float(moved[tape.output])
    # The step that was really taken: 0.1 + 0.01 is not 0.11 in binary.
    taken = float(moved[node][place]) - graph.value(0)
    change = after - before
    step = taken or step
    return Nudge(step, after, change, graph.gradient * step), moved


def stepped(tape: Tape, node: Node, place: Place, step: float) -> dict[Node, Any]:
    """The numbers that move where an entry is a step further; what then comes out is remembered."""
    moved = moved_to(tape, node, place, tape.numbers[node][place] + step)
    tape.after_steps[node, place, step] = float(moved[tape.output])
    return moved


def output_after(tape: Tape, node: Node, place: Place, step: float) -> float:
    """The output where an entry is a step further. O(one forward), if nobody has looked."""
    if (node, place, step) not in tape.after_steps:
        stepped(tape, node, place, step)
    return tape.after_steps[node, place, step]


def moved_to(tape: Tape, node: Node, place: Any, number: Any) -> dict[Node, Any]:
    """The numbers that move where an entry, or all of them (``...``), is another number."""
    start = np.array(tape.numbers[node], dtype=np.float64)
    start[place] = number
    if not isinstance(node, Value):
        program, step = tape.lifted.program, tape.lifted.step[node]
        given = {x: tape.lifted.numbers[x.place] for x in program.leaves}
        return dict(zip(tape.lifted.nodes, run(program, {**given, step: start}, in_double=True), strict=True))
    # What is chosen among Values is no step of theirs, and to lift very many of them takes long.
    moved: dict[Node, Any] = {node: start[()]}
    with Quiet():
        for user in reversed(tape.path):
            if user not in moved and any([x in moved for _, x in user.edges]):
                numbers = [moved[x] if x in moved else np.float64(x) for x in user.inputs]
                moved[user] = run_operation(user.op, numbers, user.settings, in_double=True)
    return moved
