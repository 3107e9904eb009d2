"""What the numbers of a story are numbers of: the record, worked out at the places where the story is told.

A number is tied to a value, a local derivative, a gradient, a share, or a slope along several links. Which of them it
is, the equation says: a number stands where a letter stands in another side of it, or comes out of what is named first.
Where no letter stands, it is what has the same numbers at every place on the same side of all kinks: there, but not
beyond, that is the same function. A story of single numbers is told for one side, and live on that alone. Of arrays,
which have too many sides, it is told at a few places that have each kink on both: what has the same numbers at all of
them holds beyond every kink that was crossed among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.core.state import Quiet
from chainrule.core.walk import walk
from chainrule.derivation.arrays import largest
from chainrule.derivation.computed import LEAST, LENGTH, MOST
from chainrule.derivation.tape.conventions import kinked
from chainrule.livepage.passes import Recorded, edges_of, right
from chainrule.livepage.subject import Subject, recorded_at
from chainrule.program import Step, lift
from chainrule.program.run import record

MOST_ENTRIES = 60_000
"""Entries of all arrays together, up to which numbers of stories are live."""
MOST_STEPS = 60
"""Steps up to which slopes along several links are known, and what nudges do."""
NEAR = 1e-10
"""How closely two numbers agree that are the same, relative to them."""
NUDGE = 2e-4
"""How far beside each other a story is told twice: so near that nothing is told in another order."""
NUDGES = (0.01, 0.001, 0.0001)
"""The steps that the dialect of paths tries."""
SCALES = (1.0, -1.0, 0.01, 0.001, 0.0001, 2.0, 0.5)
"""Multiples that a story names beside the number itself: the change for a nudge, and a sign."""
TRIED = 60
"""Places that are looked at for other branches."""
MOST_BENT, MOST_PLACES = 2_000, 8
"""Entries with kinks up to which a story of arrays is told on both sides of them, and the places where it is."""
MOST_BRANCHES = 3
"""Other branches for which a computation of single numbers is told as well."""
PLACES = ("value", "gradient", "local", "row", "softmax", "share", "total")

OF_ARRAYS = (LEAST, MOST, LENGTH)

Key = tuple[Any, ...]
"""What a number is of: its kind, and where it stands."""
Leaves = list[Any]
Row = Rows = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Branch:
    """Where a story is told, two places beside each other or more, and how a page knows that it holds."""

    code: str
    """A pattern: that of one side of every kink, or of those on both sides that the places are on."""
    outputs: list[Any]
    """The computation, recorded at each place."""
    spare: bool
    """Whether zeros in arrays have moved at the last place, where parts of the story may be told otherwise."""
    asked: list[dict[Step, Any]]
    """The recorded nodes of the steps."""
    numbers: Rows
    """All numbers of the record, a row for each place."""
    elsewhere: Rows
    """The same at places where nothing is told: what is alike has to be alike there as well."""
    order: Row
    """Which of them move, by what they are at the second place."""
    ranked: Row


class Record:
    """All numbers of a subject in one row, at any place."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.edges = edges_of(subject.program)
        self.is_short = len(subject.program) <= MOST_STEPS
        """Whether slopes along several links are known, and what nudges do."""
        self.keys: list[Key] = []
        """What each number of the row is of."""
        self.place_of: dict[Key, int] = {}

    @cached_property
    def entries(self) -> dict[Step, int]:
        """The entry of each leaf that a story tells of, by its place among all of them: the largest gradient's."""
        with Quiet():
            gradients = right(Recorded(self.subject.program, self.subject.numbers)).gradients
        found = {step: np.asarray(gradients[step], float) for step in asked_of(self.subject)}
        return {step: int(np.ravel_multi_index(largest(g), g.shape)) if g.ndim else 0 for step, g in found.items()}

    @cached_property
    def branches(self) -> list[Branch]:
        """That of the start, and of single numbers those beyond kinks and beyond slopes that are 0 at the start."""
        found = [self.branch(self.subject.leaves, self.subject.output)]
        if not self.subject.is_scalar or not (FLAT in found[0].code or any([bends(step) for step, _ in self.edges])):
            return found
        codes = {found[0].code}
        for leaves in islice(elsewhere(self.subject), TRIED):
            if len(found) > MOST_BRANCHES:
                break
            with Quiet():
                graph = Recorded(self.subject.program, record(self.subject.program, leaves))
            finite = all([np.isfinite(x) for x in graph.numbers])
            code = code_of(self.subject, graph)
            if finite and code not in codes:
                codes.add(code)
                found.append(self.branch(leaves))
        return found

    def branch(self, leaves: Leaves, output: Any = None) -> Branch:
        return self.told_at(self.branch_code(leaves), [leaves, beside(leaves)], [], output)

    def told_at(self, code: str, places: list[Leaves], elsewhere: list[Leaves], output: Any = None) -> Branch:
        """What is needed to tell a story at some places, the first of which has the numbers that stay."""
        program = self.subject.program
        without_zeros = beside(places[0], zeros=True)
        has_zeros = any([np.ndim(x) and not np.all(x) for x in places[0]])
        places, elsewhere = [*places, *[without_zeros] * has_zeros], [*elsewhere, without_zeros]
        first = recorded_at(self.subject, places[0]) if output is None else output
        outputs = [first, *[recorded_at(self.subject, leaves) for leaves in places[1:]]]
        numbers, others = [np.stack([self.row(leaves) for leaves in x]) for x in (places, elsewhere)]
        moving = np.flatnonzero((numbers != numbers[0]).any(axis=0))
        order = moving[np.argsort(numbers[1][moving])]
        nodes = [dict(zip(program.steps, lift(x).nodes, strict=True)) for x in outputs]
        return Branch(code, outputs, has_zeros, nodes, numbers, others, order, numbers[1][order])

    @cached_property
    def together(self) -> Branch | None:
        """Of arrays with kinks: places on both sides of as many as there are, where a story may be told at once.

        None where some number of the record would not be told from one that never moves.
        """
        subject = self.subject
        sharp = sum([step.size for (step, _), _ in self.edges.items() if bends(step)])
        if subject.is_scalar or not 0 < sharp <= MOST_BENT:
            return None
        start = subject.leaves
        pool = [leaves for leaves in islice(elsewhere(subject), TRIED) if np.isfinite(self.row(leaves)).all()]
        codes = [self.branch_code(leaves) for leaves in (start, *pool)]
        rows = np.stack([self.row(leaves) for leaves in (start, *pool)])
        taken = told_apart(codes, rows)
        told = np.stack([rows[0], *rows[taken]])
        if not (told[0] != told).any(axis=0)[(rows[0] != rows).any(axis=0)].all():
            return None
        places = [start, beside(start), *[pool[n - 1] for n in taken]]
        return self.told_at(pattern_of([codes[0], *[codes[n] for n in taken]]), places, pool, subject.output)

    def branch_code(self, leaves: Leaves) -> str:
        """On which side of every kink a place is."""
        with Quiet():
            return code_of(self.subject, Recorded(self.subject.program, record(self.subject.program, leaves)))

    def row(self, leaves: Leaves) -> Row:
        """Every number that a story may name, at one place."""
        program, keys, found = self.subject.program, [], []

        def put(kind: str, n: Any, x: Any) -> None:
            array = np.asarray(x, float)
            found.append(array.ravel())
            if not self.place_of:
                head = n if isinstance(n, tuple) else (n,)
                keys.extend([(kind, *head, *at) for at in np.ndindex(array.shape)])

        with Quiet():
            numbers = record(program, leaves)
            graph = Recorded(program, numbers)
            attempt = right(graph)
            for kind, held in zip(
                PLACES,
                (
                    numbers,
                    [attempt.gradients.get(step) for step in program.steps],
                    [graph.local(step, slot) for step, slot in self.edges],
                    [graph.rows(step, slot) for step, slot in self.edges],
                    list(map(graph.probabilities, program.steps)),
                    [event.share for event in attempt.events],
                    [event.after for event in attempt.events],
                ),
                strict=True,
            ):
                for n, x in enumerate(held):
                    if x is not None:
                        put(kind, n, x)
            for step in program.steps:
                if step.shape:
                    for kind, x in (("value", numbers[step.place]), ("gradient", attempt.gradients.get(step))):
                        for of, number in of_entries(x).items():
                            put(of, (kind, step.place), number)
            if self.is_short:
                for kind, key, x in self.between(graph, leaves, attempt.gradients):
                    put(kind, key, x)
        if not self.place_of:
            self.keys = keys
            self.place_of = {key: n for n, key in enumerate(keys)}
        return np.concatenate(found)

    def between(self, graph: Recorded, leaves: Leaves, gradients: Any) -> Iterator[tuple[str, Key, Any]]:
        """Slopes along several links of single numbers, and what nudges do."""
        if self.subject.is_scalar:
            for pair, x in slopes(graph).items():
                yield "slope", pair, x
        for step in asked_of(self.subject):
            yield from self.nudged(step, leaves, graph.numbers, gradients)

    def nudged(
        self, step: Step, leaves: Leaves, numbers: Sequence[Any], gradients: Any
    ) -> Iterator[tuple[str, Key, Any]]:
        """What small steps of a leaf, or of the entry that is told of, do to the result, and the first to every step.

        A step is as long as the sum with it says, which rounds.
        """
        program = self.subject.program
        place, g, at = program.leaves.index(step), np.asarray(gradients[step], float), self.entries[step]
        for h in NUDGES:
            moved = np.array(leaves[place], float)
            moved.flat[at] += h
            length = float(moved.flat[at] - np.ravel(leaves[place])[at])
            there = [moved[()] if n == place else x for n, x in enumerate(leaves)]
            nodes = record(program, there)
            after, before = [float(x[program.output.place]) for x in (nodes, numbers)]
            change = after - before
            told = (after, change, change / length, change - length * float(g.flat[at]), length)
            for n, x in enumerate(told):
                yield "nudge", (place, h, n, at), x
            if h == NUDGES[0]:
                for x in program.steps:
                    if x.op is not None and x.requires_grad:
                        moves = np.asarray(nodes[x.place], float) - np.asarray(numbers[x.place], float)
                        yield "moved", (place, h, at, x.place), moves

    def key_of(
        self, told: Sequence[float], branch: Branch, letter: Key | None, of_array: str = ""
    ) -> tuple[Key, float] | None:
        """What some numbers, one at each of a branch's places or all but the last, are of, and by how much a multiple.

        `letter` is what stands at this place in the same equation, if one does. What is said `of_array`, of all of its
        entries together, is no entry, though it may be as large as one.
        """
        if not np.isfinite(told).all():
            return None
        for scale in SCALES:
            found = alike(np.asarray(told) / scale, branch)
            found = found[[(self.keys[n][0] if self.keys[n][0] in OF_ARRAYS else "") == of_array for n in found]]
            if not len(found):
                continue
            named = None if letter is None else self.place_of.get(letter)
            if named is not None and named in found:
                return self.keys[named], scale
            same = agree(branch.elsewhere[:, found[:1]], branch.elsewhere[:, found])
            return (self.keys[found[0]], scale) if same.all() else None
        return None


def of_entries(x: Any) -> dict[str, Any]:
    """What a story says of all entries of an array together; nothing of none."""
    if x is None:
        return {}
    array = np.asarray(x, float)
    return {LEAST: np.min(array, initial=np.inf), MOST: np.max(array, initial=-np.inf), LENGTH: np.linalg.norm(array)}


def alike(told: Row, branch: Branch) -> Row:
    """The numbers of the record that are these at all places."""
    room = NEAR * max(abs(told[1]), 1e-300)
    first = np.searchsorted(branch.ranked, told[1] - room)
    last = np.searchsorted(branch.ranked, told[1] + room, side="right")
    found = branch.order[first:last]
    near = (
        np.abs(branch.numbers[: len(told), found] - told[:, None]) <= NEAR * np.maximum(np.abs(told), 1e-300)[:, None]
    )
    return found[near.all(axis=0)]


def agree(x: Any, y: Any) -> Any:
    """Whether numbers are the same up to rounding; of what is none nothing is said."""
    return ~(np.isfinite(x) & np.isfinite(y)) | (np.abs(x - y) <= NEAR * np.maximum(np.abs(x), np.abs(y)))


def told_apart(codes: Sequence[str], rows: Rows) -> list[int]:
    """Few places after the first, at which kinks are told from each other and each number from one that stays."""
    taken: list[int] = []
    labels: Sequence[tuple[str, ...]] = [(x,) for x in codes[0]]
    moves = np.zeros(rows.shape[1], bool)
    while len(taken) < MOST_PLACES:
        gain = [
            (len({*zip(labels, code, strict=True)}), int((moves | (row != rows[0])).sum()))
            for code, row in zip(codes, rows, strict=True)
        ]
        best = max(range(len(codes)), key=gain.__getitem__)
        if gain[best] <= (len({*labels}), int(moves.sum())):
            break
        taken.append(best)
        labels = [(*x, y) for x, y in zip(labels, codes[best], strict=True)]
        moves |= rows[best] != rows[0]
    return taken


def pattern_of(codes: Sequence[str]) -> str:
    """A pattern that codes of one length match, and what differs from them place by place."""
    digits = ["".join(sorted({*row})) for row in zip(*codes, strict=True)]
    return "".join([x if len(x) == 1 else f"[{x}]" for x in digits])


def beside(leaves: Leaves, *, zeros: bool = False) -> Leaves:
    """The leaves, each a little elsewhere, so that no two numbers agree by chance.

    A 0 in an array stays, unless `zeros` are to move too: a term that it takes away would come back, and the story be
    another.
    """
    random = np.random.default_rng(1 + zeros)

    def moved(x: Any) -> Any:
        array = np.asarray(x)
        if array.dtype.kind != "f":
            return x
        found = array * (1 + random.uniform(-1, 1, array.shape) * NUDGE)
        if zeros:
            found = np.where(array == 0, random.uniform(0.2, 1, array.shape) * NUDGE, found)
        return found if array.shape else np.float64(found + random.uniform(0.2, 1) * NUDGE)

    return [moved(x) for x in leaves]


def elsewhere(subject: Subject, sized: Callable[[Any], Any] = np.asarray) -> Iterator[Leaves]:
    """The leaves far from the start, or from what they are `sized` to, on either side of 0, again and again."""
    random = np.random.default_rng(2)

    def moved(x: Any) -> Any:
        array = np.asarray(x)
        if array.dtype.kind != "f":
            return x
        # A 0 in an array stays: a code says where they are.
        size = np.where(array == 0, 0.0 if array.ndim else 1.0, sized(array))
        return (size * random.uniform(0.3, 2, array.shape) * random.choice([-1, 1, 1], array.shape))[()]

    while True:
        yield [moved(x) for x in subject.leaves]


SIZED = (
    np.asarray,
    lambda array: np.where(np.isfinite(array), array, 1.0),
    lambda array: np.clip(np.nan_to_num(array, nan=1.0), -1.0, 1.0),
)
"""What leaves are sized to where the numbers of the start lead to none: as they are, what is none as 1, and small."""


def finite_place(subject: Subject) -> Leaves | None:
    """Leaves at which what is told of is finite, with the fewest slopes of 0 among those tried; None where none is."""
    tried = chain.from_iterable([islice(elsewhere(subject, sized), TRIED) for sized in SIZED])
    found = [leaves for leaves in tried if finite_at(subject, leaves)]
    numbers = Record(subject)
    return min(found, key=lambda leaves: numbers.branch_code(leaves).count(FLAT), default=None)


def finite_at(subject: Subject, leaves: Leaves) -> bool:
    """Whether the result and the gradients that are told of are finite."""
    with Quiet():
        graph = Recorded(subject.program, record(subject.program, leaves))
        gradients = right(graph).gradients
    of = [graph.numbers[subject.program.output.place], *[gradients.get(step, 0.0) for step in asked_of(subject)]]
    return all([bool(np.isfinite(x).all()) for x in of])


def slopes(graph: Recorded) -> dict[tuple[int, int], Any]:
    """How every step moves with every step below it, along all ways."""
    found: dict[tuple[int, int], Any] = {}
    for top in graph.order:
        held = walk(
            reversed(graph.order),
            {top: np.float64(1.0)},
            lambda step, edges, g: [graph.share(step, slot, g) for slot, _ in edges],
        )
        found.update({(top.place, x.place): g for x, g in held.items() if x is not top})
    return found


def bends(step: Step) -> bool:
    """Whether a step takes one of several branches."""
    return step.op is not None and (step.op.selects or bool(getattr(step.op, "at_kink", ())))


def kinks_of(subject: Subject) -> list[tuple[int, int, list[float], int]]:
    """Where kinks lie: a step, what it takes in, and at which numbers of that, or else at which other step's (or −1).

    The rule says at which numbers it has one in its examples; of a limit that is set, as of `clip`, that is one too.
    """
    found: list[tuple[int, int, list[float], int]] = []
    for step in subject.program.steps:
        op = step.op
        if not isinstance(op, Pointwise) or not op.at_kink:
            continue
        places = [x.place for _, x in step.edges]
        if len(places) == len(op.at_kink[0]) == 2:
            found.append((step.place, places[0], [], places[1]))
            continue
        if len(step.edges) != 1:
            continue
        ((slot, x),) = step.edges
        given = [y for i, y in enumerate(step.inputs) if i != slot] + list(step.settings.values())
        numbers = [float(y) for y in given if isinstance(y, int | float)]
        declared = [point[0] for point in op.at_kink if len(point) == 1]
        where = [k for k in dict.fromkeys([*declared, *numbers]) if is_kink(step, slot, k)]
        if where:
            found.append((step.place, x.place, where, -1))
    return found


def is_kink(step: Step, slot: int, at: float) -> bool:
    """Whether a step with its other inputs and settings has a kink where this input is that number."""
    inputs = [x if i != slot else np.float64(at) for i, x in enumerate(step.inputs)]
    if any([isinstance(x, Step) for x in inputs]):
        return False
    with Quiet():
        return bool(np.any(kinked(step.op, (slot,), inputs, step.settings)[0]))


def watched(subject: Subject) -> list[tuple[int, bool]]:
    """The edges that tell on which side of every kink a computation is, and where it is flat; whether each has one."""
    return [(n, bends(step)) for (step, _), n in edges_of(subject.program).items() if isinstance(step.op, Pointwise)]


ANY_ZEROS = ".*?"
"""The pattern of an array whose zeros may be anywhere."""


def with_any_zeros(pattern: str) -> str:
    """The pattern of what holds wherever arrays have zeros."""
    *zeros, digits = pattern.split(";")
    return ";".join([*[ANY_ZEROS] * len(zeros), digits])


def with_room(pattern: str | None, subject: Subject) -> str | None:
    """The pattern of a bare subject for the one with room, whose further rows may be on any side.

    How much each row counts says which rows there are: the others, with a share of 0, are none of the story.
    """
    if pattern is None:
        return None
    with Quiet():
        now = code_of(subject, Recorded(subject.program, subject.numbers))
    *zeros, rest = pattern.split(";")
    digits = iter(SIGN.findall(rest))
    edges = list(edges_of(subject.program))
    arrays = [x for x in subject.program.leaves if x.shape]
    assert subject.points is not None
    found = [
        (x if x == ANY_ZEROS and leaf.place != subject.points.share else own) + ";"
        for x, own, leaf in zip(zeros, now.split(";"), arrays, strict=False)
    ]
    for n, _ in watched(subject):
        step, _ = edges[n]
        size = subject.bare.program.steps[step.place].size
        found += [*islice(digits, size), "." * (step.size - size)]
    return "".join(found)


SIGN = re.compile(r"\[.*?\]|.")
"""One digit of a pattern, or those that it may be."""


FLAT = "1"
"""The digit of a slope that is 0, where no kink is."""


def code_of(subject: Subject, graph: Recorded) -> str:
    """On which side of every kink a computation is, a digit for each entry of each edge: `Model.branch` has the same.

    1 is a slope of 0; where a kink may be, 2 is a slope of 1, 4 one below 0, and 8 that nothing was changed. Before
    them stand the places of zeros in arrays that are given, each of which takes away a term.
    """
    arrays = [x for x in subject.program.leaves if x.shape]
    found = [",".join(map(str, np.flatnonzero(graph.numbers[x.place] == 0))) + ";" for x in arrays]
    edges = list(edges_of(subject.program))
    for n, sharp in watched(subject):
        step, slot = edges[n]
        out = np.asarray(graph.numbers[step.place], float)
        slope = np.broadcast_to(np.asarray(graph.local(step, slot), float), out.shape)
        code = (slope == 0).astype(int)
        if sharp:
            given = np.asarray(graph.numbers[step.inputs[slot].place], float)
            code = code + 2 * (slope == 1) + 4 * (slope < 0) + 8 * (given == out if given.shape == out.shape else 0)
        found.append("".join([f"{x:X}" for x in np.ravel(code)]))
    return "".join(found)


MOST_ASKED = 4
"""Leaves whose gradient is told of; half as many where the numbers are many."""
MANY = 1_500


def asked_of(subject: Subject) -> list[Step]:
    """The leaves whose gradient is told of."""
    few = sum([step.size for step in subject.program.steps]) <= MANY
    return subject.in_turn[: MOST_ASKED if few else MOST_ASKED // 2]
