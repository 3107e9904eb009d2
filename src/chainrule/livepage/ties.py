"""What the numbers of a story are numbers of: the record, worked out at the places where the story is told.

A number is tied to a value, a local derivative, a gradient, a share, or a slope along several links. Which of them it
is, the equation says: a number stands where a letter stands in another side of it, or comes out of what is named first.
Where no letter stands, it is what has the same numbers at every place on the same side of all kinks: there, but not
beyond, that is the same function. A story is told for one side, and live on that alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.core.state import Quiet
from chainrule.core.walk import walk
from chainrule.derivation.tape.conventions import kinked
from chainrule.livepage.passes import Recorded, edges_of, right
from chainrule.livepage.subject import Subject, forward, recorded_at
from chainrule.program import Step, lift

MOST_ENTRIES = 60_000
"""Entries of all arrays together, up to which numbers of stories are live."""
MOST_STEPS = 60
"""Steps up to which slopes along several links are known."""
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
MOST_BRANCHES = 3
"""Other branches for which a computation of single numbers is told as well."""
PLACES = ("value", "gradient", "local", "share", "total")

Key = tuple[Any, ...]
"""What a number is of: its kind, and where it stands."""
Leaves = list[Any]
Row = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Branch:
    """One side of every kink: where a story is told for it, twice, and how a page knows that it is there."""

    code: str
    outputs: tuple[Any, Any]
    """The computation, recorded at two places beside each other."""
    asked: tuple[dict[Step, Any], dict[Step, Any]]
    """The recorded nodes of the steps."""
    numbers: tuple[Row, Row, Row]
    """All numbers of the record at both, and at one more place, where no leaf is 0."""
    order: list[int]
    """Which of them move, by what they are at the second place."""
    ranked: list[float]


class Record:
    """All numbers of a subject in one row, at any place."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.edges = edges_of(subject.program)
        self.has_slopes = subject.is_scalar and len(subject.program) <= MOST_STEPS
        self.keys: list[Key] = []
        """What each number of the row is of."""
        self.place_of: dict[Key, int] = {}

    @cached_property
    def branches(self) -> list[Branch]:
        """That of the start, and of single numbers those that lie on the other sides of kinks."""
        found = [self.branch(self.subject.leaves, self.subject.output)]
        if not self.subject.is_scalar or not any([bends(step) for step, _ in self.edges]):
            return found
        codes = {found[0].code}
        for leaves in islice(elsewhere(self.subject), TRIED):
            if len(found) > MOST_BRANCHES:
                break
            with Quiet():
                graph = Recorded(self.subject.program, forward(self.subject.program, leaves))
            finite = all([np.isfinite(x) for x in graph.numbers])
            code = code_of(self.subject, graph)
            if finite and code not in codes:
                codes.add(code)
                found.append(self.branch(leaves))
        return found

    def branch(self, leaves: Leaves, output: Any = None) -> Branch:
        """The branch at a place."""
        subject = self.subject
        points = (leaves, beside(leaves))
        outputs = (recorded_at(subject, leaves) if output is None else output, recorded_at(subject, points[1]))
        with Quiet():
            code = code_of(subject, Recorded(subject.program, forward(subject.program, leaves)))
        numbers = (self.row(points[0]), self.row(points[1]), self.row(beside(leaves, zeros=True)))
        moving = np.flatnonzero(numbers[0] != numbers[1])
        order = moving[np.argsort(numbers[1][moving])]
        nodes = [dict(zip(subject.program.steps, lift(x).nodes, strict=True)) for x in outputs]
        return Branch(code, outputs, (nodes[0], nodes[1]), numbers, order.tolist(), numbers[1][order].tolist())

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
            numbers = forward(program, leaves)
            graph = Recorded(program, numbers)
            attempt = right(graph)
            for kind, held in zip(
                PLACES,
                (
                    numbers,
                    [attempt.gradients.get(step) for step in program.steps],
                    [graph.local(step, slot) for step, slot in self.edges],
                    [event.share for event in attempt.events],
                    [event.after for event in attempt.events],
                ),
                strict=True,
            ):
                for n, x in enumerate(held):
                    if x is not None:
                        put(kind, n, x)
            if self.has_slopes:
                for pair, x in slopes(graph).items():
                    put("slope", pair, x)
                for step in asked_of(self.subject):
                    for key, x in self.nudged(step, leaves, numbers, attempt.gradients):
                        put("nudge", key, x)
        if not self.place_of:
            self.keys = keys
            self.place_of = {key: n for n, key in enumerate(keys)}
        return np.concatenate(found)

    def nudged(self, step: Step, leaves: Leaves, numbers: Sequence[Any], gradients: Any) -> Iterator[tuple[Key, Any]]:
        """What small steps of a leaf do to the result."""
        program = self.subject.program
        place = program.leaves.index(step)
        for h in NUDGES:
            there = [x + h if n == place else x for n, x in enumerate(leaves)]
            after, before = [float(x[program.output.place]) for x in (forward(program, there), numbers)]
            told = (after, after - before, (after - before) / h, after - before - h * float(gradients[step]))
            for n, x in enumerate(told):
                yield (place, h, n), x

    def key_of(self, told: Sequence[float], branch: Branch, letter: Key | None) -> tuple[Key, float] | None:
        """What some numbers, one at each of a branch's two places, are of, and by how much they are a multiple of it.

        `letter` is what stands at this place in the same equation, if one does.
        """
        if not np.isfinite(told).all():
            return None
        for scale in SCALES:
            found = list(self.alike([x / scale for x in told], branch))
            if not found:
                continue
            named = None if letter is None else self.place_of.get(letter)
            if named in found:
                return self.keys[named], scale
            third = branch.numbers[2][found]
            return (self.keys[found[0]], scale) if all([same(third[0], x) for x in third]) else None
        return None

    def alike(self, told: Sequence[float], branch: Branch) -> Iterator[int]:
        """The numbers of the record that are these at both places."""
        room = NEAR * max(abs(told[1]), 1e-300)
        n = bisect_left(branch.ranked, told[1] - room)
        while n < len(branch.ranked) and branch.ranked[n] <= told[1] + room:
            place = branch.order[n]
            if abs(branch.numbers[0][place] - told[0]) <= NEAR * max(abs(told[0]), 1e-300):
                yield place
            n += 1


def same(x: float, y: float) -> bool:
    """Whether two numbers are the same up to rounding; of what is none nothing is said."""
    return not (np.isfinite(x) and np.isfinite(y)) or abs(x - y) <= NEAR * max(abs(x), abs(y))


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


def elsewhere(subject: Subject) -> Iterator[Leaves]:
    """The leaves far from the start, on either side of 0, again and again."""
    random = np.random.default_rng(2)

    def moved(x: Any) -> Any:
        array = np.asarray(x)
        if array.dtype.kind != "f":
            return x
        size = np.where(array == 0, 1.0, array)
        return (size * random.uniform(0.3, 2, array.shape) * random.choice([-1, 1, 1], array.shape))[()]

    while True:
        yield [moved(x) for x in subject.leaves]


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
        return bool(np.any(kinked(step.op, slot, inputs, step.settings)))


def watched(subject: Subject) -> list[tuple[int, bool]]:
    """The edges that tell on which side of every kink a computation is, and where it is flat; whether each has one."""
    return [(n, bends(step)) for (step, _), n in edges_of(subject.program).items() if isinstance(step.op, Pointwise)]


def code_now(subject: Subject) -> str:
    """The same of the numbers of a subject."""
    with Quiet():
        return code_of(subject, Recorded(subject.program, subject.numbers))


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
