"""All ways through a graph of entries: how many there are, which carry most, and what a real nudge does.

The number of ways grows exponentially with the depth, so none is walked that is not shown: they are counted, and the
largest of them found, by dynamic programming over the edges.
"""

from __future__ import annotations

import copy
import heapq
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import Value
from chainrule.core.state import Quiet
from chainrule.custom import CustomRule
from chainrule.derivation.scalars.graph import Edge, Node, ScalarGraph
from chainrule.derivation.tape.tape import Tape, run

EXACTLY = 10**18
"""Up to this many ways the count is exact; beyond it a power of ten says as much, and the numbers stay small."""


def count_of_paths(entries: ScalarGraph) -> int | float:
    """How many ways lead from the entry to the output: an int up to 10¹⁸, beyond that the power of ten as a float."""
    counts: list[int | float] = [0] * len(entries)
    counts[-1] = 1
    for k in range(entries.last - 1, -1, -1):
        counts[k] = total_count([counts[e.target] for e in entries.departures[k]])
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
    """What lies ahead of an entry: single steps of this cost, up to the entry where ways part."""

    parting: int
    cost: float


Best = list[tuple[float, int, int]]
"""The best ways from a parting on: the cost, which of its edges comes first, and the rank of the rest."""


def largest_paths(entries: ScalarGraph, count: int) -> list[list[Edge]]:
    """The ways with the largest product of slopes by size, largest first, each as its edges from the entry on.

    Of ways alike in size the one through the earlier edge comes first. O(edges), and for each parting of ways O(count)
    steps of a heap; sizes are kept as logarithms, so no product overflows.
    """
    if count < 1:
        return []
    ahead: list[Ahead] = [Ahead(entries.last, 0.0)] * len(entries)
    best: dict[int, Best] = {entries.last: [(0.0, 0, 0)]}
    for k in range(entries.last - 1, -1, -1):
        edges = entries.departures[k]
        if len(edges) == 1:
            parting, cost = ahead[edges[0].target]
            ahead[k] = Ahead(parting, cost + cost_of(edges[0].slope))
        else:
            ahead[k] = Ahead(k, 0.0)
            onward = [ahead[edge.target] for edge in edges]
            costs = [cost_of(edge.slope) + cost for edge, (_, cost) in zip(edges, onward, strict=True)]
            best[k] = merged(costs, [best[parting] for parting, _ in onward], count)
    first = best[ahead[0].parting]
    return [unrolled(entries, ahead, best, rank) for rank in range(len(first))]


def merged(costs: list[float], onward: list[Best], count: int) -> Best:
    """The best ways that begin with one of some edges, each with its cost and the best ways after it."""
    heap = [(cost + rest[0][0], i, 0) for i, (cost, rest) in enumerate(zip(costs, onward, strict=True))]
    heapq.heapify(heap)
    found: Best = []
    while heap and len(found) < count:
        way = heap[0]
        found.append(way)
        _, i, rank = way
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


def unrolled(entries: ScalarGraph, ahead: list[Ahead], best: dict[int, Best], rank: int) -> list[Edge]:
    """The edges of one of the largest ways."""
    way: list[Edge] = []
    k = 0
    while k != entries.last:
        i = 0
        if ahead[k].parting == k:
            _, i, rank = best[k][rank]
        way.append(entries.departures[k][i])
        k = way[-1].target
    return way


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


def nudged(entries: ScalarGraph, step: float) -> tuple[Nudge, dict[Node, Any]]:
    """The computation run again with the entry a step further: what comes out, and all numbers that moved."""
    opened = entries.opened
    node, place = entries.entries[0]
    start = np.array(opened.numbers[node], dtype=np.float64)
    start[place] += step
    moved: dict[Node, Any] = {node: start}
    run_again(opened, moved)
    before, after = float(opened.numbers[opened.output]), float(moved[opened.output])
    # The step that was really taken: 0.1 + 0.01 is not 0.11 in binary.
    taken = float(start[place]) - entries.value(0)
    change = after - before
    step = taken or step
    return Nudge(step, after, change, entries.gradients[0] * step), moved


def run_again(opened: Tape, moved: dict[Node, Any]) -> None:
    """Run every operation that something moved enters, in the order of the forward."""
    with Quiet():
        for node in reversed(opened.path):
            if node in moved or not any(x in moved for _, x in node.edges):
                continue
            if isinstance(node, Value):
                numbers = [np.float64(moved.get(x, x.data) if isinstance(x, Value) else x) for x in node.inputs]
            else:
                numbers = opened.inputs(node)
                for slot, x in node.edges:
                    if x in moved:
                        numbers[slot] = moved[x]
            # A custom rule keeps what its last call needs backwards: the user's own must not be disturbed.
            rule = copy.copy(node.op) if isinstance(node.op, CustomRule) else node.op
            moved[node] = run(rule, numbers, node.settings)
