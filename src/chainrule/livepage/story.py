"""The derivations of a page: what `explain` tells, with every number that moves tied to what it is a number of.

A story is told twice, at the numbers of the start and at a place beside them, with all their digits. A number that
differs between the two belongs to a value, a local derivative, a gradient, a share, or a slope along several links:
whichever has the same two numbers. What is found stands in the page as a place that is filled in from the program; a
number that is none of these keeps what it was at the start, and is marked so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.core.walk import walk
from chainrule.derivation.explain import NEAREST, explain
from chainrule.derivation.formats.html import block
from chainrule.derivation.formats.page import page as blocks_of
from chainrule.derivation.record import Equation, trees_in
from chainrule.errors import ChainruleError
from chainrule.livepage.passes import Recorded, edges_of, right
from chainrule.livepage.subject import DIGITS, Subject, forward, recorded_at
from chainrule.maths import Number, mathml, numeral
from chainrule.maths.numerals import FULL
from chainrule.maths.tree import Derivative, Symbol, Tree
from chainrule.program import Step, lift

FIRST_SIGN = 0x20000
"""Rare ideographs, which no name of a program has, stand for what is filled in while formulas are printed."""
MOST_SIGNS = 6_000
MOST_ASKED = 4
"""Leaves whose gradient is told of; half as many where the numbers are too many to be live."""
MOST_ENTRIES = 1_500
"""Entries of all arrays together, up to which numbers of stories are live."""
MOST_STEPS = 60
"""Steps up to which slopes along several links are known."""
MOST_TOLD = 400
"""Steps of a graph that is told at all."""
VALUES_FIRST, SLOPES_FIRST = ("value", "gradient"), ("local", "gradient", "total", "share", "slope")
"""What a number is of where several are the same: in the forward, and in an equation of derivatives."""
NEAR = 1e-10
NUDGE = 2e-4
"""How far beside the start the other two places are: so near that nothing is told in another order."""
NUDGES = (0.01, 0.001, 0.0001)
"""The steps that the dialect of paths tries."""
SCALES = (1.0, -1.0, 0.01, 0.001, 0.0001, 2.0, 0.5)
"""Multiples that a story names beside the number itself: the change for a nudge, and a sign."""

Key = tuple[Any, ...]
"""What a number is of: its kind, and where it stands."""


@dataclass(frozen=True)
class Story:
    """One derivation as HTML, and what stands in its places, in order."""

    asked: str
    dialect: str
    html: str
    places: list[list[Any]]
    still: int
    """How many numbers keep what they were at the start."""


class Probes:
    """The numbers of a subject at its start and beside it: what each entry of everything comes to."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.points = [subject.leaves, moved(subject)]
        self.outputs = [subject.output, recorded_at(subject, self.points[1])]
        self.beside = lift(self.outputs[1]).nodes
        found = [self.table(leaves) for leaves in self.points]
        self.by_number: dict[float, list[tuple[Key, tuple[float, ...]]]] = {}
        for key in found[0]:
            numbers = tuple([one[key] for one in found if key in one])
            if len(numbers) == len(found) and moves(numbers):
                self.by_number.setdefault(rounded(numbers[-1]), []).append((key, numbers))

    def table(self, leaves: Sequence[Any]) -> dict[Key, float]:
        """Every number that a story may name, at one point."""
        program = self.subject.program
        found: dict[Key, float] = {}
        with Quiet():
            numbers = forward(program, leaves)
            graph = Recorded(program, numbers)
            attempt = right(graph)
            for kind, held in (
                ("value", numbers),
                ("gradient", [attempt.gradients.get(step) for step in program.steps]),
                ("local", [graph.local(step, slot) for step, slot in edges_of(program)]),
                ("share", [event.share for event in attempt.events]),
                ("total", [event.after for event in attempt.events]),
            ):
                for n, x in enumerate(held):
                    if x is not None:
                        found.update({(kind, n, *at): float(v) for at, v in np.ndenumerate(np.asarray(x, float))})
            if self.subject.is_scalar and len(program) <= MOST_STEPS:
                found.update({("slope", *pair): float(x) for pair, x in slopes(graph).items()})
                found.update(self.nudges(leaves, numbers, attempt.gradients))
        return found

    def nudges(self, leaves: Sequence[Any], numbers: Sequence[Any], gradients: Any) -> dict[Key, float]:
        """What small steps of each leaf that is asked for do to the result."""
        program = self.subject.program
        found: dict[Key, float] = {}
        for step in asked_of(self.subject):
            place = program.leaves.index(step)
            for h in NUDGES:
                there = [x + h if n == place else x for n, x in enumerate(leaves)]
                after, before = [float(x[program.output.place]) for x in (forward(program, there), numbers)]
                told = (after, after - before, (after - before) / h, after - before - h * float(gradients[step]))
                found.update({("nudge", place, h, n): x for n, x in enumerate(told)})
        return found

    def key_of(self, numbers: Sequence[float], wanted: Sequence[str]) -> tuple[Key, float] | None:
        """What some numbers, one at each point, are of, and by how much they are a multiple of it.

        Of several that are the same number, one of the first wanted kind.
        """
        if not np.isfinite(numbers).all():
            return None
        for scale in SCALES:
            found = [
                key
                for key, known in self.by_number.get(rounded(numbers[-1] / scale), ())
                if all([abs(scale * k - x) <= NEAR * max(abs(x), 1e-300) for k, x in zip(known, numbers, strict=True)])
            ]
            if found:
                return min(found, key=lambda key: wanted.index(key[0]) if key[0] in wanted else len(wanted)), scale
        return None


def moved(subject: Subject) -> list[Any]:
    """The leaves, each a little elsewhere, so that no two numbers agree by chance."""
    random = np.random.default_rng(1)

    def beside(x: Any) -> Any:
        array = np.asarray(x)
        if array.dtype.kind != "f":
            return x
        # A 0 in an array stays: a term that it takes away would come back, and the story be another.
        found = array * (1 + random.uniform(-1, 1, array.shape) * NUDGE)
        return found if array.shape else np.float64(found + random.uniform(0.2, 1) * NUDGE)

    return [beside(x) for x in subject.leaves]


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


def rounded(x: float) -> float:
    """A number to nine digits, as a key."""
    return float(f"{x:.8e}")


def moves(numbers: Sequence[float]) -> bool:
    """Whether numbers differ from point to point."""
    return any([x != numbers[0] for x in numbers[1:]])


def stories(subject: Subject) -> list[Story]:
    """What is told of the leaves that are asked for first, in every dialect that applies."""
    if len(subject.program) > MOST_TOLD or not np.isfinite(subject.live.number(subject.program.output)):
        return []
    size = sum([step.size for step in subject.program.steps])
    probes = Probes(subject) if size <= MOST_ENTRIES else None
    found: list[Story] = []
    for step in asked_of(subject):
        for dialect in NEAREST:
            story = told(subject, probes, step, dialect)
            if story is not None:
                found.append(story)
    return found


def asked_of(subject: Subject) -> list[Step]:
    """The leaves whose gradient is told of."""
    most = MOST_ASKED if sum([step.size for step in subject.program.steps]) <= MOST_ENTRIES else MOST_ASKED // 2
    return subject.in_turn[:most]


def told(subject: Subject, probes: Probes | None, step: Step, dialect: str) -> Story | None:
    """One derivation; None where the dialect does not apply."""
    name = subject.names[step]
    leaf = subject.live.node(step)
    try:
        if probes is None:
            raise Unlike
        twice = [(probes.outputs[0], leaf), (probes.outputs[1], probes.beside[step.place])]
        start, beside = [blocks_of(explain(output, x, dialect, digits=FULL), "full")[1:] for output, x in twice]
        filling = Filling(subject, probes)
        shown = filling.filled(start, [start, beside])
    except Unlike:
        filling = Filling(subject, None)
        filling.still = 1
        shown = blocks_of(explain(subject.output, leaf, dialect, digits=DIGITS), "full")[1:]
    except ChainruleError:
        return None
    html = "\n".join([block(part) for part in shown])
    return Story(name, dialect, filling.printed(html), filling.places, filling.still)


class Unlike(Exception):
    """Two tellings of a story are not told alike."""


class Filling:
    """The places of a story: what stands in each, and the sign that keeps it free while formulas are printed."""

    def __init__(self, subject: Subject, probes: Probes | None) -> None:
        self.subject = subject
        self.probes = probes
        self.places: list[list[Any]] = []
        self.markup: list[str] = []
        self.still = 0
        self.wanted = VALUES_FIRST
        self.named = {name: step for step, name in subject.names.items()}
        self.edges = edges_of(subject.program)

    def filled(self, start: Any, others: Sequence[Any]) -> Any:
        """A part of a story with signs in place of the numbers that move, and links where a derivative is an edge."""
        if isinstance(start, Number):
            if not all([isinstance(x, Number) for x in others]):
                raise Unlike
            return self.number(start, others)
        if isinstance(start, Derivative):
            return self.derivative(start)
        if any([type(x) is not type(start) for x in others]):
            raise Unlike
        if isinstance(start, Equation):
            of_slopes = any([isinstance(tree, Derivative) for tree in trees_in(start.sides)])
            self.wanted = SLOPES_FIRST if of_slopes else VALUES_FIRST
            sides = self.filled(start.sides, [x.sides for x in others])
            return replace(start, sides=sides, note=self.filled(start.note, [x.note for x in others]))
        if is_dataclass(start) and not isinstance(start, type):
            kept = {
                f.name: self.filled(getattr(start, f.name), [getattr(x, f.name) for x in others])
                for f in fields(start)
                if f.init
            }
            return replace(start, **kept)
        if isinstance(start, tuple):
            if any([len(x) != len(start) for x in others]):
                raise Unlike
            return tuple([self.filled(x, [y[i] for y in others]) for i, x in enumerate(start)])
        if isinstance(start, str) and any([x != start for x in others]):
            raise Unlike
        return start

    def number(self, start: Number, others: Sequence[Any]) -> Tree:
        """A number that stays as it is, or the sign of its place."""
        numbers = [float(x.value) for x in others]
        if not moves(numbers) or len(self.places) >= MOST_SIGNS:
            return start
        found = self.probes.key_of(numbers, self.wanted) if self.probes is not None else None
        if found is None:
            self.still += 1
            return self.sign(["still"], f'<mrow class="still">{mathml_inside(numeral(numbers[0], DIGITS))}</mrow>')
        key, scale = found
        return self.sign([list(key), scale], f'<mn data-place="{len(self.places)}">…</mn>')

    def derivative(self, tree: Derivative) -> Tree:
        """A derivative; where it is one link of the graph, its name lights that."""
        inside = mathml_inside(tree)
        link = self.link_of(tree)
        return tree if not link else self.sign(["link"], f"<mrow {link}>{inside}</mrow>")

    def link_of(self, tree: Derivative) -> str:
        """The attribute that names an edge or a node of the graph; empty for a slope along several links."""
        above, below = self.step_of(tree.above), self.step_of(tree.below)
        if above is None or below is None:
            return ""
        for (step, slot), n in self.edges.items():
            if step is above and step.inputs[slot] is below:
                return f'data-edge="{n}"'
        return f'data-node="{below.place}"' if above is self.subject.program.output else ""

    def step_of(self, symbol: Any) -> Step | None:
        """The step that a symbol stands for, by its name in the program."""
        if not isinstance(symbol, Symbol):
            return None
        return self.named.get(symbol.name or symbol.base)

    def sign(self, place: list[Any], markup: str) -> Symbol:
        """A sign of its own for a place."""
        self.places.append(place)
        self.markup.append(markup)
        return Symbol(chr(FIRST_SIGN + len(self.places) - 1))

    def printed(self, html: str) -> str:
        """The story with its places in place of their signs."""
        pieces: list[str] = []
        for piece in html.split("<mi"):
            opening, sign, rest = cut(piece)
            if sign:
                pieces += [self.markup[ord(sign) - FIRST_SIGN], rest]
            else:
                pieces.append(("<mi" if pieces else "") + opening)
        return "".join(pieces)


def cut(piece: str) -> tuple[str, str, str]:
    """What follows the start of a letter's element: the sign in it, if it has one, and what comes after."""
    inside, closing, rest = piece.partition("</mi>")
    text = inside.partition(">")[2]
    if closing and len(text) == 1 and FIRST_SIGN <= ord(text) < FIRST_SIGN + MOST_SIGNS:
        return "", text, rest
    return piece, "", ""


def mathml_inside(tree: Tree) -> str:
    """A formula in MathML, without the element around it."""
    return mathml(tree).partition(">")[2].removesuffix("</math>")
