"""The derivations of a page: what `explain` tells, with every number that moves tied to what it is a number of.

A story is told twice, at two places beside each other, with all their digits. A number that differs between the two
belongs to something of the record, which `ties` finds; it stands in the page as a place that is filled in from the
program. A number that is nothing of the record keeps what it was, and is marked so. What holds on one side of a kink
alone is told for the other sides as well, where a computation of single numbers has few; a page that comes to a side
of which nothing was told says so, and shows the numbers of the start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from chainrule.derivation.choices import Choices
from chainrule.derivation.explain import NEAREST, NotSuited, explained_in_full
from chainrule.derivation.formats.html import beside, block, cell, displayed, steps, table
from chainrule.derivation.formats.page import page as blocks_of
from chainrule.derivation.meaning import intuition_of_sign
from chainrule.derivation.record import Block, Equation, Steps, Table
from chainrule.derivation.words import Words, said
from chainrule.livepage.equations import Made, Numbers, made_by_equations, origin
from chainrule.livepage.passes import edges_of
from chainrule.livepage.subject import DIGITS, Subject, recorded_at
from chainrule.livepage.ties import (
    MOST_ENTRIES,
    Branch,
    Key,
    Record,
    asked_of,
    finite_at,
    finite_place,
    with_any_zeros,
    with_room,
)
from chainrule.maths import Number, mathml, numeral, unicode
from chainrule.maths.as_mathml import in_lines
from chainrule.maths.numerals import FULL
from chainrule.maths.tree import Applied, Derivative, Relation, Symbol, Tree
from chainrule.program import Step

FIRST_SIGN = 0x20000
"""Rare ideographs, which no name of a program has, stand for what is filled in while formulas are printed."""
MOST_SIGNS = 6_000
LONGEST = 36
"""Signs of a formula that fits on one line, and beside others in a table."""
WORDED = 3
"""Columns of a table that says something of each formula."""
MOST_TOLD = 400
"""Steps of a graph that is told at all."""
OF_SIGN = tuple([intuition_of_sign(x) for x in (-1.0, 0.0, 1.0)])
"""What a gradient says to do: words that follow its sign."""


@dataclass(frozen=True)
class Telling:
    """A story as HTML for one branch, and what stands in its places, in order."""

    branch: str | None
    """The pattern of the branch; None for what holds at the start alone."""
    html: str
    places: list[list[Any]]
    still: int
    """How many numbers keep what they were."""


@dataclass(frozen=True)
class Story:
    """One derivation: for the branch of the start, and for others."""

    asked: str
    dialect: str
    tellings: list[Telling]


def stories(subject: Subject) -> list[Story]:
    """What is told of the leaves that are asked for first, in every dialect that applies."""
    if subject.bare is not None:
        return [
            replace(story, tellings=[replace(t, branch=with_room(t.branch, subject)) for t in story.tellings])
            for story in stories(subject.bare)
        ]
    size = sum([step.size for step in subject.program.steps])
    if len(subject.program) > MOST_TOLD:
        return []
    is_finite, is_live = finite_at(subject, subject.leaves), size <= MOST_ENTRIES
    leaves = subject.leaves if is_finite or not is_live else finite_place(subject)
    live = None if leaves is None else subject if is_finite else replace(subject, output=recorded_at(subject, leaves))
    record = Record(live) if is_live and live is not None else None
    of_start = not (is_finite and is_live) and bool(np.isfinite(subject.live.number(subject.program.output)))
    found: list[Story] = []
    for n, step in enumerate(asked_of(subject)):
        for dialect in NEAREST:
            tellings = [*still(subject, step, dialect, None if record else "")] if of_start else []
            if record is not None and live is not None:
                tellings += told(record, asked_of(live)[n], dialect, start=is_finite)
            if tellings:
                found.append(Story(subject.names[step], dialect, tellings))
    return found


def told(record: Record, step: Step, dialect: str, *, start: bool) -> list[Telling]:
    """One derivation for each branch, or for all at once; none where the dialect does not apply.

    Elsewhere than at the `start` of the page no number may stay: nobody would know of which numbers it is.
    """
    if record.together is not None:
        try:
            telling = told_in(record, record.together, step, dialect)
            if start or not telling.still:
                return [telling]
        except Unlike:
            pass
        except NotSuited:
            return []
    found: list[Telling] = []
    for n, branch in enumerate(record.branches):
        is_start = start and not n
        try:
            tellings = [told_in(record, branch, step, dialect)]
        except Unlike:
            tellings = still(record.subject, step, dialect, branch.code) if is_start else []
        except NotSuited:
            tellings = []
        found += [telling for telling in tellings if is_start or not telling.still]
    return found


def told_in(record: Record, branch: Branch, step: Step, dialect: str) -> Telling:
    """A derivation with live numbers.

    What it chooses and says by the numbers of the start, a structure of weights that are equal there, may hold nowhere
    else: then it chooses beside the start.
    """
    try:
        return told_from(0, record, branch, step, dialect)
    except Unlike:
        return told_from(1, record, branch, step, dialect)


def told_from(first: int, record: Record, branch: Branch, step: Step, dialect: str) -> Telling:
    """The same, where what is chosen is that of one of the branch's places."""
    places = list(zip(branch.outputs, branch.asked, strict=True))
    choices, told = Choices(general=first > 0), {}
    for n in sorted(range(len(places)), key=lambda n: n != first):
        output, nodes = places[n]
        with choices.held():
            told[n] = tuple(blocks_of(explained_in_full(output, nodes[step], dialect, FULL), "full")[1:])
    here, *there = [told[n] for n in sorted(told)]
    code = branch.code
    if branch.spare:
        there[-1] = told_alike(here, there[-1])
        code = with_any_zeros(code) if there[-1] == told[len(there)] else code
    filling = Filling(record, branch)
    filling.made = made_by_equations([here, *there], filling.of_record)
    shown = filling.filled(here, there)
    html, filled = filling.printed("\n".join(map(on_page, shown)))
    return Telling(code, html, filled, filling.still)


def told_alike(here: Any, other: Any) -> Any:
    """What is told elsewhere, with None for what differs in more than its numbers."""
    if isinstance(here, tuple) and isinstance(other, tuple) and len(here) == len(other):
        return tuple([told_alike(x, y) for x, y in zip(here, other, strict=True)])
    if isinstance(here, Table) and isinstance(other, Table) and len(here.rows) == len(other.rows):
        rows = [y if is_alike(x, y) else None for x, y in zip(here.rows, other.rows, strict=True)]
        return replace(other, rows=tuple(rows)) if is_alike(here.columns, other.columns) else None  # type: ignore[arg-type]
    if isinstance(here, Steps) and isinstance(other, Steps):
        return replace(other, lines=told_alike(here.lines, other.lines))
    return other if is_alike(here, other) else None


def is_alike(x: Any, y: Any) -> bool:
    """Whether two parts of a story differ in numbers alone."""
    if type(x) is not type(y) or isinstance(x, Number):
        return type(x) is type(y)
    if isinstance(x, tuple):
        return len(x) == len(y) and all(map(is_alike, x, y))
    if is_dataclass(x):
        return all([is_alike(getattr(x, f.name), getattr(y, f.name)) for f in fields(x) if f.init])
    return bool(x == y)


def still(subject: Subject, step: Step, dialect: str, code: str | None) -> list[Telling]:
    """A derivation with the numbers of the start, where the dialect applies."""
    try:
        told = explained_in_full(subject.output, subject.live.node(step), dialect, DIGITS)
    except NotSuited:
        return []
    return [Telling(code, "\n".join(map(on_page, blocks_of(told, "full")[1:])), [], 1)]


def on_page(part: Block) -> str:
    """A block as HTML; of long equal things each has its line."""
    if isinstance(part, Equation):
        shown = in_lines_or(part, displayed)
        return f'<div class="equation">{shown}{beside(part)}</div>'
    if isinstance(part, Steps):
        return steps(part, cell_on_page)
    if not isinstance(part, Table):
        return block(part)
    found, first = table(part, cell_on_page), [row[0] for row in part.rows]
    if len(part.columns) > WORDED or not all([isinstance(x, Equation) for x in first]):
        return found
    # Where there is little room, what is said of a formula stands below it.
    longest = max([len(unicode(x.tree)) for x in first if isinstance(x, Equation)])
    return found.replace('class="table"', f'class="table told{" long" * (longest > LONGEST)}"', 1)


def cell_on_page(part: Words | Equation) -> str:
    """A cell of a table: a long formula has its number below it."""
    return in_lines_or(part, inline) + beside(part) if isinstance(part, Equation) else cell(part)


def in_lines_or(part: Equation, short: Callable[[Equation], str]) -> str:
    """An equation that may need more than a line: it holds signs in place of numbers, which have more digits."""
    text = unicode(part.tree)
    signs = sum([FIRST_SIGN <= ord(letter) < FIRST_SIGN + MOST_SIGNS for letter in text])
    is_long = len(text) + (DIGITS + 1) * signs > LONGEST
    return in_lines(part.tree) if is_long and isinstance(part.tree, Relation) else short(part)


def inline(part: Equation) -> str:
    return mathml(part.tree)


class Unlike(Exception):
    """Two tellings of a story are not told alike."""


class Filling:
    """The places of a story: what stands in each, and the sign that keeps it free while formulas are printed."""

    def __init__(self, record: Record, branch: Branch) -> None:
        self.subject = record.subject
        self.record = record
        self.branch = branch
        self.places: list[list[Any]] = []
        self.markup: list[str] = []
        self.still = 0
        self.made: Mapping[Numbers, Made] = {}
        """What numbers that are none of the record are made of."""
        self.frozen = False
        """Whether numbers keep what they were, since one of the same equation has to."""
        self.named = {name: step for step, name in self.subject.names.items()}
        self.edges = edges_of(self.subject.program)

    def filled(self, here: Any, there: Sequence[Any], beside: Any = None) -> Any:
        """A part of a story with signs in place of the numbers that move, and links where a derivative is an edge.

        `there` is the same part at the other places, and `beside` the part in letters that stands at the same place in
        an equation.
        """
        there = [x for x in there if x is not None]
        if any([type(x) is not type(here) for x in there]):
            raise Unlike
        if isinstance(here, Number):
            return self.number(here, there, beside)
        if isinstance(here, Derivative):
            return self.derivative(here)
        if isinstance(here, Equation):
            sides = self.sides(here.sides, [x.sides for x in there], here.numbers)
            return replace(here, sides=sides, note=self.filled(here.note, [x.note for x in there]))
        if isinstance(here, Relation):
            return replace(here, sides=self.sides(here.sides, [x.sides for x in there], len(here.sides) - 1))
        if is_dataclass(here) and not isinstance(here, type):
            of = beside if type(beside) is type(here) else None
            kept = {
                f.name: self.filled(
                    getattr(here, f.name), [getattr(x, f.name) for x in there], getattr(of, f.name, None)
                )
                for f in fields(here)
                if f.init
            }
            return replace(here, **kept)
        if isinstance(here, tuple):
            if any([len(x) != len(here) for x in there]):
                raise Unlike
            if len(here) == 2 and isinstance(here[0], Equation) and here[1] in OF_SIGN:
                return self.filled(here[0], [x[0] for x in there]), self.words_of_sign(here[0], here[1])
            of = beside if isinstance(beside, tuple) and len(beside) == len(here) else [None] * len(here)
            return tuple([self.filled(x, y, z) for x, y, z in zip(here, zip(*there, strict=True), of, strict=True)])
        if isinstance(here, str | int) and any([x != here for x in there]):
            raise Unlike
        return here

    def sides(self, here: Sequence[Tree], there: Sequence[Sequence[Tree]], numbers: int) -> tuple[Tree, ...]:
        """Equal things: a side in numbers beside the side in letters that has its form.

        What comes out is a number of what is named first.
        """
        if any([len(x) != len(here) for x in there]):
            raise Unlike
        kept, count = len(self.places), self.still
        found = self.sides_filled(here, there, numbers)
        if self.still > count and not self.frozen:
            # Numbers of now and of then in one equation would not be equal.
            del self.places[kept:], self.markup[kept:]
            self.frozen, self.still = True, count
            found = self.sides_filled(here, there, numbers)
            self.frozen = False
        return found

    def sides_filled(self, here: Sequence[Tree], there: Sequence[Sequence[Tree]], numbers: int) -> tuple[Tree, ...]:
        """Each side by itself."""
        found: list[Tree] = []
        count = len(here) - numbers
        for n, x in enumerate(here):
            alike = [z for z in reversed(here[:count]) if n >= count and has_form(x, z)]
            of = alike[0] if alike else here[0] if n >= count else None
            found.append(self.filled(x, [sides[n] for sides in there], of))
        return tuple(found)

    def number(self, here: Number, there: Sequence[Number], beside: Any) -> Tree:
        """A number that stays as it is, or the sign of its place."""
        numbers = [float(x.value) for x in (here, *there)]
        if len(set(numbers)) == 1 or len(self.places) >= MOST_SIGNS:
            # What was computed, and does not move all the same, has all its digits here.
            return here if len(here.text) <= DIGITS + 2 else numeral(numbers[0], DIGITS)
        found = None if self.frozen else self.known((here, *there), numbers, self.key_of(beside))
        if found is None:
            self.still += 1
            return self.sign([["number", numbers[0]], 1.0], '<mn class="still" data-place>…</mn>')
        return self.sign([*found], "<mn data-place>…</mn>")

    def known(self, told: Sequence[Number], numbers: Sequence[float], letter: Key | None) -> Made | None:
        """What a number is of: of the record, or of what it was computed from, or as equations have it."""
        if isinstance(told[0].origin, str):
            found = self.record.key_of(numbers, self.branch, None, told[0].origin)
            return None if found is None else ([*found[0]], found[1])
        return self.of_record(numbers, letter) or origin(told, self.solved) or self.made.get((*numbers,))

    def solved(self, numbers: Numbers) -> Made | None:
        """What a number is of, without what it says itself."""
        return self.of_record(numbers) or self.made.get(numbers)

    def of_record(self, numbers: Sequence[float], letter: Key | None = None) -> Made | None:
        """What some numbers are of in the record, and by how much they are multiplied."""
        found = self.record.key_of(numbers, self.branch, letter)
        return None if found is None else ([*found[0]], found[1])

    def key_of(self, letter: Any) -> Key | None:
        """What a letter of the page is of in the record; None where that has no such number."""
        if isinstance(letter, Derivative):
            above, below = self.step_of(letter.above), self.step_of(letter.below)
            if above is None or below is None:
                return None
            edge = self.edge_between(above, below)
            if edge is not None:
                return "local", edge
            is_gradient = above is self.subject.program.output
            return ("gradient", below.place, *entry_of(letter.below)) if is_gradient else None
        step = self.step_of(letter)
        return None if step is None else ("value", step.place, *entry_of(letter))

    def edge_between(self, above: Step, below: Step) -> int | None:
        found = [n for (step, slot), n in self.edges.items() if step is above and step.inputs[slot] is below]
        return found[0] if found else None

    def words_of_sign(self, part: Equation, words: str) -> Any:
        """Words that follow the sign of the gradient that stands beside them."""
        name = part.sides[0]
        step = self.step_of(name.below) if isinstance(name, Derivative) else None
        if step is None or step.shape:
            return words
        return said(self.sign([["gradient", step.place], list(OF_SIGN)], f"<span data-words>{words}</span>"))

    def derivative(self, tree: Derivative) -> Tree:
        """A derivative; where it is one link of the graph, its name lights that."""
        inside = mathml_inside(tree)
        link = self.link_of(tree)
        return tree if not link else self.sign([], f"<mrow {link}>{inside}</mrow>")

    def link_of(self, tree: Derivative) -> str:
        """The attribute that names an edge or a node of the graph; empty for a slope along several links."""
        above, below = self.step_of(tree.above), self.step_of(tree.below)
        if above is None or below is None:
            return ""
        edge = self.edge_between(above, below)
        if edge is not None:
            return f'data-edge="{edge}"'
        return f'data-node="{below.place}"' if above is self.subject.program.output else ""

    def step_of(self, symbol: Any) -> Step | None:
        """The step that a symbol stands for, by its name in the program."""
        if not isinstance(symbol, Symbol):
            return None
        return self.named.get(symbol.name or symbol.base)

    def sign(self, place: list[Any], markup: str) -> Symbol:
        """A sign of its own for a place; one with nothing in it has its markup alone."""
        self.places.append(place)
        self.markup.append(markup)
        return Symbol(chr(FIRST_SIGN + len(self.places) - 1))

    def printed(self, html: str) -> tuple[str, list[list[Any]]]:
        """The story with its places in place of their signs, and what stands in each, in the order of the page."""
        pieces: list[str] = []
        order: list[list[Any]] = []
        for piece in html.split("<mi"):
            opening, sign, rest = cut(piece)
            if sign:
                n = ord(sign) - FIRST_SIGN
                pieces += [self.markup[n], rest]
                order += [self.places[n]] * bool(self.places[n])
            else:
                pieces.append(("<mi" if pieces else "") + opening)
        found = "".join(pieces)
        for words in {markup for markup in self.markup if markup.startswith("<span")}:
            found = found.replace(f"<math>{words}</math>", words)
        return found, order


def entry_of(letter: Any) -> tuple[int, ...]:
    """The place of an entry that a letter stands for, counted from 0."""
    return tuple([i - 1 for i in letter.at if isinstance(i, int)])


def has_form(numbers: Tree, letters: Tree) -> bool:
    """Whether a side in numbers is put together as one in letters is."""
    if isinstance(numbers, Number):
        return isinstance(letters, Symbol | Derivative)
    if isinstance(numbers, Applied) and isinstance(letters, Applied):
        pairs = zip(numbers.inputs, letters.inputs, strict=False)
        same = numbers.operation is letters.operation and len(numbers.inputs) == len(letters.inputs)
        return same and all([isinstance(x, Number) or has_form(x, y) for x, y in pairs])
    return False


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
