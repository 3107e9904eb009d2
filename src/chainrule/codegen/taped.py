"""A graph of single numbers in which little repeats, as a tape for the kernel machine.

All numbers lie in one row: those of the program, those that are given, and then every result behind what it reads.
Sums, products and negatives follow each other as they come, since each is a product and what is added to it; all else
waits until several of a kind can be computed as one vector. The local derivatives depend on the forward alone and are
computed after it, kind by kind; then one loop over all edges passes the gradient on. What is computed comes from the
rule book (codegen/forms.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.codegen.forms import WORDS, Input, Made, NoForm, forward_of, local_of
from chainrule.codegen.native import machine
from chainrule.codegen.readings import Alike, Column, Reading
from chainrule.core.instructions import FIRST_INPUT, IN_ORDER, LANES, WORKSPACE, Plan
from chainrule.core.place import Place, steps_of
from chainrule.core.tree import LEAF

Longs = NDArray[np.int64]
Shapes = Sequence[tuple[int, ...]]

DOUBLE = np.dtype(np.float64)
OPERANDS = 3
"""The most that an operation reads."""

MOST_MULTIPLE = 1024
"""By no larger numbers are local derivatives multiplied before the backward pass."""

ONE, MINUS_ONE, MINUS_ZERO = -1, -2, -3
"""Where the first numbers of every program are."""

AS_PRODUCT = {
    "identity": (0, ONE, MINUS_ZERO),
    "add": (0, ONE, 1),
    "sub": (1, MINUS_ONE, 0),
    "mul": (0, 1, MINUS_ZERO),
    "neg": (0, MINUS_ONE, MINUS_ZERO),
    "square": (0, 0, MINUS_ZERO),
    "mul_add": (0, 1, 2),
}
"""Operations as a product and what is added to it, exact to the last bit: which operands, and numbers."""

IS_ADD, IS_MUL, FIRST_MARK = 1, 2, 8
"""What the machine knows of sums when it looks for what repeats, and the marks of all other operations."""


class Numbers:
    """The numbers of a program, each once: one that is asked for is told by a place below 0."""

    def __init__(self) -> None:
        self.asked: list[NDArray[np.float64]] = []
        self.count = 0
        self.column([1.0, -1.0, -0.0])

    def column(self, numbers: Any) -> Longs:
        """The places of some numbers."""
        row = np.atleast_1d(np.asarray(numbers, float))
        self.asked.append(row)
        self.count += len(row)
        return -1 - np.arange(self.count - len(row), self.count)

    def distinct(self) -> tuple[NDArray[np.float64], Longs]:
        """Those that differ in their bits, and for each that was asked for which it is."""
        bits, which = np.unique(np.concatenate(self.asked).view(np.int64), return_inverse=True)
        return bits.view(np.float64), which


class Operations:
    """What is computed, before it has its order: operations on nodes, on what lies between, and on numbers.

    A node is known by its place in the graph; what lies between by numbers from there on.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.numbers = Numbers()
        self.count = len(reading)
        leaves = np.flatnonzero(reading.is_leaf)
        none = np.full(len(leaves), -1)
        self.parts: list[tuple[int, Longs, Longs, list[Longs], int]] = [(-1, leaves, leaves, [none] * OPERANDS, 0)]
        """An operation, what is made, the nodes for which, the operands, and which instruction of these nodes it is."""
        self.local: list[tuple[int, Longs, list[Longs]]] = []
        """For local derivatives: an operation, what is made, and the operands."""
        self.edges: list[tuple[Longs, Longs, Longs, bool]] = []
        """Inputs, the nodes that read them, local derivatives, and whether these select."""
        self.kinds = [(alike, [self.of_column(x) for x in alike.columns]) for alike in reading.alike()]
        """The nodes that are no leaves, kind by kind, and their inputs as operands."""
        for alike, inputs in self.kinds:
            self.add_forward(alike, inputs)

    def add_forward(self, alike: Alike, inputs: Sequence[Longs]) -> None:
        """The results of nodes of one kind."""
        form = forward_of(alike.operation, alike.settings, alike.fixed)
        made: list[Longs] = []
        for rank, (word, operands) in enumerate(form):
            made.append(alike.places if rank == len(form) - 1 else self.fresh(len(alike.places)))
            given = [self.operand(x, inputs, made, alike.places) for x in operands]
            self.parts.append((WORDS[word], made[-1], alike.places, given, rank))

    def differentiate(self) -> None:
        """Add the local derivatives of all nodes, and the edges to their inputs."""
        for alike, inputs in self.kinds:
            local, made = local_of(alike.operation, alike.settings, alike.fixed, alike.moves), []
            with_output = [*inputs, alike.places]
            for word, operands in local.instructions:
                made.append(self.fresh(len(alike.places)))
                given = [self.operand(x, with_output, made, alike.places) for x in operands]
                self.local.append((WORDS[word], made[-1], given))
            for column, slope in zip(alike.columns, local.slopes, strict=True):
                if column.places is not None and any([x is not None for x in local.slopes]):
                    times = self.operand(0.0 if slope is None else slope, with_output, made, alike.places)
                    self.edges.append((column.places, alike.places, times, local.selects))

    def fresh(self, count: int) -> Longs:
        """So many values that are no nodes."""
        self.count += count
        return np.arange(self.count - count, self.count)

    def of_column(self, column: Column) -> Longs:
        """An input of nodes as operands."""
        if column.places is not None:
            return column.places
        return self.numbers.column(column.numbers if column.fixed is None else column.fixed)

    def operand(self, x: Any, inputs: Sequence[Longs], made: Sequence[Longs], places: Longs) -> Longs:
        """An operand of an instruction for all nodes of a kind."""
        if type(x) is Input:
            return inputs[x.place]
        return made[x.place] if type(x) is Made else np.broadcast_to(self.numbers.column(x), places.shape)


class Forward:
    """The entries in an order in which each stands behind what it reads, leaves among them."""

    def __init__(self, entries: Operations) -> None:
        parts = entries.parts
        self.words = np.concatenate([np.full(len(made), word) for word, made, *_ in parts])
        made = np.concatenate([made for _, made, *_ in parts])
        owners = np.concatenate([owners for _, _, owners, *_ in parts])
        ranks = np.concatenate([np.full(len(made), rank) for _, made, _, _, rank in parts])
        order = np.lexsort((ranks, owners))
        self.made, self.words = made[order], self.words[order]
        self.place = np.full(entries.count, -1)
        """Where a value stands in this order."""
        self.place[self.made] = np.arange(len(order))
        self.counts = np.zeros(max(WORDS.values()) + 1, np.int64)
        """How many operands each operation has."""
        for word, _, _, given, _ in parts[1:]:
            self.counts[word] = len(given)
        self.operands = [
            np.where(x < 0, x, self.place[np.maximum(x, 0)])
            for x in [row[order] for row in three([part[3] for part in parts])]
        ]

    def repeats(self, most: int) -> bool:
        """Whether the same operations lead to many results, sums taken as a whole: `most` kinds of them at most."""
        marks = np.where(self.words == WORDS["add"], IS_ADD, self.words + FIRST_MARK)
        marks[self.words == WORDS["mul"]] = IS_MUL
        kinds = machine.kinds(*self.operands, marks)[self.words >= 0]
        return len(np.unique(kinds[kinds != 0])) <= most

    def join_products(self, read_later: Longs) -> None:
        """Take products along in the sums that alone read them, except for values that are read after the forward."""
        read = np.concatenate(self.operands)
        uses = np.bincount(read[read >= 0], minlength=len(self.words))
        alone = (self.words == WORDS["mul"]) & (uses == 1)
        alone[self.place[read_later]] = False
        sums = np.flatnonzero(self.words == WORDS["add"])
        first, second = [x[sums] for x in self.operands[:2]]
        joins = [(x >= 0) & alone[np.maximum(x, 0)] for x in (first, second)]
        product = np.where(joins[0], first, second)
        other = np.where(joins[0], second, first)
        some = joins[0] | joins[1]
        sums, product, other = sums[some], product[some], other[some]
        self.operands[2][sums] = other
        for i in (0, 1):
            self.operands[i][sums] = self.operands[i][product]
        self.words[sums] = WORDS["mul_add"]
        self.words[product] = -1


def three(rows: Sequence[Sequence[Longs]]) -> list[Longs]:
    """The operands of many operations in a row each, a number where an operation has fewer than three."""
    missing = [np.full(len(given[0]), ONE) for given in rows]
    return [
        np.concatenate([given[i] if i < len(given) else none for given, none in zip(rows, missing, strict=True)])
        for i in range(OPERANDS)
    ]


class Layout:
    """Where everything lies in the row, in which runs it is computed, and how the gradient passes."""

    def __init__(self, entries: Operations, forward: Forward) -> None:
        reading = entries.reading
        self.numbers, which = entries.numbers.distinct()
        self.given = np.array([*reading.given, *reading.others], np.int64)
        """The nodes whose numbers follow; -1 for one that is not used."""
        self.first = len(self.numbers) + len(self.given)
        self.slot = np.concatenate([np.full(entries.count, -1), which[::-1]])
        """Where values lie in the row, and where numbers do, whose places count from the end."""
        self.slot[self.given[self.given >= 0]] = len(self.numbers) + np.flatnonzero(self.given >= 0)
        self.values = len(forward.place) - sum([len(x) for _, x, _ in entries.local])
        """How many values the forward makes; those behind are local derivatives."""
        forward.join_products(self.read_later(entries))
        waits = (forward.words >= 0) & ~np.isin(forward.words, [WORDS[word] for word in AS_PRODUCT])
        marks = np.where(forward.words < 0, -1, np.where(waits, forward.words, IN_ORDER))
        made, runs = machine.scheduled(*forward.operands, marks)
        self.slot[forward.made[made]] = self.first + np.arange(len(made))
        self.output = int(self.slot[len(reading) - 1])
        self.size = self.first + len(made) + sum([len(x) for _, x, _ in entries.local])
        in_order = runs[:, 0] == IN_ORDER
        counts = np.where(in_order, OPERANDS, forward.counts[np.where(in_order, 0, runs[:, 0])])
        self.runs = [np.insert(runs, 1, counts, axis=1)]
        self.operands = [self.of_forward(forward, made)]
        self.add_local(entries)
        self.edges(entries)

    def read_later(self, entries: Operations) -> Longs:
        """The values that local derivatives read or are, and the last one."""
        read = [np.array([len(entries.reading) - 1])]
        read += [x for *_, given in entries.local for x in given]
        read += [times for _, _, times, _ in entries.edges]
        every = np.concatenate(read)
        return np.unique(every[(every >= 0) & (every < self.values)])

    def of_forward(self, forward: Forward, made: Longs) -> Longs:
        """The places of the operands of the forward."""
        given = [x[made] for x in forward.operands]
        words, found = forward.words[made], [x.copy() for x in given]
        for word, places in AS_PRODUCT.items():
            some = words == WORDS[word]
            for i, place in enumerate(places):
                found[i][some] = given[place][some] if place >= 0 else place
        return np.stack([self.slot[np.where(x < 0, x, forward.made[np.maximum(x, 0)])] for x in found])

    def add_local(self, entries: Operations) -> None:
        """The local derivatives: each operation is a run for all nodes of its kind."""
        before = self.size - sum([len(x) for _, x, _ in entries.local])
        for _, made, _ in entries.local:
            self.slot[made] = before + np.arange(len(made))
            before += len(made)
        if entries.local:
            self.runs.append(np.array([(word, len(given), len(made)) for word, made, given in entries.local]))
            self.operands.append(np.stack([self.slot[x] for x in three([given for *_, given in entries.local])]))

    def edges(self, entries: Operations) -> None:
        """The edges in the order of the engine's backward pass, so that shares add up, and cancel, as they do there.

        What only one reads, times 1, has that one's share of the gradient: an edge less.
        """
        count, leaves = len(entries.reading), entries.reading.is_leaf
        nothing = np.empty(0, np.int64)
        into, readers, slopes = [
            np.concatenate([nothing, *[edge[i] for edge in entries.edges]]) for i in range(OPERANDS)
        ]
        selects = np.concatenate([nothing, *[np.full(len(edge[0]), edge[3]) for edge in entries.edges]]).astype(bool)
        order = np.argsort(-readers, kind="stable")
        if len(np.union1d(readers, np.flatnonzero(leaves))) < count:
            order = reached(into, readers, order, count)
        into, readers, slopes, selects = into[order], readers[order], self.slot[slopes][order], selects[order]
        alone = (np.bincount(into, minlength=count)[into] == 1) & (slopes == self.slot[ONE]) & ~leaves[into]
        shared = np.arange(count)
        shared[into[alone]] = readers[alone]
        while not np.array_equal(shared, shared[shared]):
            shared = shared[shared]
        own = np.flatnonzero((shared == np.arange(count)) & ~leaves)
        share = np.full(count, -1)
        share[self.given[self.given >= 0]] = np.flatnonzero(self.given >= 0)
        share[own] = len(self.given) + np.arange(len(own))
        share = share[shared]
        self.shares = len(self.given) + len(own)
        self.seed = int(share[-1])
        into, readers, slopes, selects = share[into[~alone]], share[readers[~alone]], slopes[~alone], selects[~alone]
        self.shorten(into, readers, slopes, selects)

    def shorten(self, into: Longs, readers: Longs, slopes: Longs, selects: Any) -> None:
        """The edges, less those to what one alone reads and what is taken times numbers: its inputs take from that one.

        A local derivative times such a number is one more local derivative, computed in vectors. The numbers are from 1
        on, so that none makes a 0 of what is none, and too small to let much run over.
        """
        entries, count = np.bincount(into, minlength=self.shares), len(self.numbers)
        sizes = np.abs(self.numbers[np.minimum(slopes, count - 1)])
        known = (slopes < count) & (sizes >= 1) & (sizes <= MOST_MULTIPLE)
        gone = (entries == 1) & (np.bincount(readers[~known], minlength=self.shares) == 0)
        gone[: len(self.given)] = False
        gone[self.seed] = False
        entry = np.zeros(self.shares, np.int64)
        entry[into] = np.arange(len(into))
        follows = np.zeros(self.shares, bool)
        follows[into] = gone[readers]
        gone &= ~follows
        edge = np.where(gone[readers], entry[readers], np.arange(len(readers)))
        stays = ~gone[into]
        times = np.flatnonzero(stays & gone[readers] & (slopes != self.slot[ONE]))
        found = slopes[edge]
        found[times] = self.multiples(found[times], slopes[times])
        place = np.cumsum(~gone) - 1
        passes = np.stack([place[into], place[readers[edge]], found])[:, stays]
        order = by_urgency(passes[0], passes[1])
        self.passes = passes[:, order]
        self.selects = selects[edge][stays][order] if np.any(selects) else None
        self.shares, self.seed = int(place[-1]) + 1, int(place[self.seed])

    def multiples(self, slopes: Longs, numbers: Longs) -> Longs:
        """The places of local derivatives times numbers, a run for each number."""
        order = np.argsort(numbers, kind="stable")
        places = np.empty_like(order)
        places[order] = self.size + np.arange(len(order))
        _, counts = np.unique(numbers, return_counts=True)
        self.size += len(order)
        self.runs.append(np.array([(WORDS["mul"], 2, n) for n in counts], np.int64).reshape(-1, 3))
        self.operands.append(np.stack([slopes, numbers, np.broadcast_to(self.slot[ONE], numbers.shape)])[:, order])
        return places


def by_urgency(into: Longs, readers: Longs) -> Longs:
    """The order of edges in which those furthest from the end come first: a processor then passes several at a time.

    Each follows the one before it with the same share to add to, so that all add up as they did, and the last one that
    adds to the share it takes.
    """
    count = len(into)
    by_share = np.argsort(into, kind="stable")
    follows = np.append(False, into[by_share][1:] == into[by_share][:-1])[:count]
    before = np.full(count, -1)
    before[by_share[follows]] = by_share[np.flatnonzero(follows) - 1]
    latest = np.full(max(into.max(initial=0), readers.max(initial=0)) + 1, -1)
    latest[into] = np.arange(count)
    order, _ = machine.scheduled(before, latest[readers], np.full(count, -1), np.full(count, IN_ORDER))
    return order


def reached(into: Longs, readers: Longs, order: Longs, count: int) -> Longs:
    """The edges, of some in the order of the backward pass, through which a gradient of the last node passes.

    What is read by flat results alone, as signs are, is not reached, and 0 times a derivative may be nan.
    """
    meets = [False] * (count - 1) + [True]
    for x, reader in zip(into[order].tolist(), readers[order].tolist(), strict=True):
        meets[x] = meets[x] or meets[reader]
    return order[np.array(meets)[readers[order]]]


class Tape:
    """A graph as a program of the machine: of numbers in a row, the value and its derivatives, in a row too.

    The program takes them in arrays. Where the leaves of arguments are these arrays, `attempt` takes the arguments.
    """

    def __init__(self, layout: Layout, shapes: Shapes) -> None:
        self.shapes = shapes
        self.ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
        self.program = program_of(layout, shapes)
        self.attempt: Callable[[Any], Any] | None = None

    def __call__(self, every: NDArray[np.float64]) -> tuple[Any, NDArray[np.float64]]:
        parts = [x.reshape(shape) for x, shape in zip(np.split(every, self.ends), self.shapes, strict=True)]
        value, *slopes = self.program(*parts)
        return value, np.concatenate([np.ravel(x) for x in slopes])

    def takes(self, structure: Any) -> None:
        """Let the machine take arguments of this structure apart, of which the arrays are the leaves."""
        self.program.shape(structure, (tuple, None, (LEAF, structure)))
        self.attempt = self.program.attempt


def attempt(reading: Reading, most: int, shapes: Shapes | None = None) -> tuple[Tape | None, str]:
    """The tape of a graph with more kinds of results than `most`; None, and why, where there is none.

    It takes its numbers in arrays of these shapes, else all in a row.
    """
    if machine is None:
        return None, "the kernels were not built with this package"
    try:
        entries = Operations(reading)
        forward = Forward(entries)
        if forward.repeats(most):
            return None, ""
        entries.differentiate()
    except NoForm as operation:
        return None, f"the kernels have nothing for {operation}"
    layout = Layout(entries, forward)
    return Tape(layout, [layout.given.shape] if shapes is None else shapes), ""


def program_of(layout: Layout, shapes: Shapes) -> Any:
    """The machine's program of a graph: of arrays, one after the other, the value and its derivatives."""
    sizes = [math.prod(shape) for shape in shapes]
    plan = Plan({FIRST_INPUT + k: 8 * n for k, n in enumerate([*sizes, 1, *sizes])})

    def at(memory: int, first: int, *shape: int) -> Place:
        return Place(memory, 8 * first, shape, steps_of(shape), DOUBLE)

    row, shares = [plan.workspace.take(8 * n) // 8 for n in (layout.size + LANES, layout.shares)]
    numbers = len(layout.numbers)
    plan.copy(plan.constant(layout.numbers), at(WORKSPACE, row, numbers))
    firsts = np.cumsum([0, *sizes[:-1]]).tolist()
    for k, (first, n) in enumerate(zip(firsts, sizes, strict=True)):
        plan.copy(at(FIRST_INPUT + k, 0, n), at(WORKSPACE, row + numbers + first, n))
    whole = at(WORKSPACE, row, layout.size + LANES)
    plan.tape(whole, layout.first, np.concatenate(layout.runs), np.concatenate(layout.operands, axis=1))
    plan.sweep(whole, at(WORKSPACE, shares, layout.shares), layout.seed, layout.passes, layout.selects)
    value = FIRST_INPUT + len(sizes)
    plan.copy(at(WORKSPACE, row + layout.output), at(value, 0))
    for k, (first, n) in enumerate(zip(firsts, sizes, strict=True)):
        plan.copy(at(WORKSPACE, shares + first, n), at(value + 1 + k, 0, n))
    plan.check()
    kinds = tuple([(DOUBLE.num, tuple(shape)) for shape in shapes])
    words = np.array(plan.words, np.int64)
    outputs = ((DOUBLE.num, ()), *kinds)
    return machine.Program(words, plan.constants, plan.workspace.size, kinds, outputs, (), False, plan.work)
