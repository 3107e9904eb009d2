"""The one structure behind every explanation: plain data that says how a gradient came to be.

A dialect fills it in, a format reads it, and neither knows the other. All of it is words, numbers, formulas as trees,
or tuples of these; ``schema.json`` beside this file describes how it is written as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from operator import is_
from pathlib import Path
from typing import Any

from chainrule.derivation.words import Words
from chainrule.maths import Relation, Tree, latex
from chainrule.maths.numerals import DIGITS
from chainrule.maths.tree import all_of

VERSION = "chainrule.derivation/2"


@dataclass(frozen=True, slots=True)
class Large:
    """What is said of an array too large to print whole."""

    shape: tuple[int, ...]
    smallest: float
    largest: float
    zeros: int
    length: float
    """The Euclidean norm of all entries."""


Numbers = float | tuple["Numbers", ...] | Large
"""A number, nested tuples of them row by row, or a summary."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a symbol, or a derivative, on the page stands for."""

    symbol: Tree
    value: Numbers


@dataclass(frozen=True, slots=True)
class Convention:
    """Something that books do differently, and how it is done here: the cost, the layout, a kink."""

    subject: str
    holds: Words


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of the table of symbols: what a symbol stands for, and how other books write it."""

    symbol: Tree
    meaning: Words
    shape: tuple[int, ...] = ()
    elsewhere: tuple[tuple[str, Tree], ...] = ()
    """Pairs of a notation's name and its symbol."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """One input of a node: how fast the node moves with it, and what it hands back."""

    source: int
    """The id of the input."""
    derivative: Tree | None
    """The local derivative in symbols; None where it is a large array that has no short formula."""
    value: Numbers | None
    """The local derivative in numbers; None for an operation on arrays whose Jacobian was not asked for."""
    contribution: Numbers
    """What this arrow adds to the input's gradient: the local derivative times the gradient that arrived."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the computation."""

    id: int
    symbol: Tree
    operation: str
    """The rule's name; empty for a leaf."""
    formula: Tree | None
    """How it was computed, in the symbols of its inputs; None for a leaf."""
    shape: tuple[int, ...]
    value: Numbers
    gradient: Numbers | None
    """The gradient of the output in this node; None where none was asked for."""
    inputs: tuple[Arrow, ...] = ()


@dataclass(frozen=True, slots=True)
class Accumulation:
    """One line of the log: a contribution arrives at a node and is added to what is there."""

    step: int
    node: int
    source: int
    """The node that hands it back."""
    contribution: Numbers
    total: Numbers


@dataclass(frozen=True, slots=True)
class Equation:
    """A chain of equal things: the name, the symbols, the numbers, the result.

    `numbers` tells how many sides at the end are numbers alone.
    """

    sides: tuple[Tree, ...]
    numbers: int = 0
    signs: tuple[str, ...] = ()
    """What stands between the sides; equality where empty."""
    note: Words = ""
    """A few words beside it."""
    digits: int = DIGITS
    """Significant digits of the result."""

    @property
    def between(self) -> tuple[str, ...]:
        return self.signs or ("=",) * (len(self.sides) - 1)

    @property
    def tree(self) -> Tree:
        """The whole chain, or its only side."""
        first, *rest = self.sides
        return Relation(self.sides, self.between) if rest else first

    @property
    def parts(self) -> tuple[str, ...]:
        """The sides in LaTeX."""
        return tuple(map(latex, self.sides))

    @property
    def latex(self) -> str:
        """The whole chain as one formula in LaTeX."""
        return latex(self.tree)


@dataclass(frozen=True, slots=True)
class Heading:
    """A title within the story."""

    text: Words
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Words, with mathematics among them."""

    text: Words


@dataclass(frozen=True, slots=True)
class Note:
    """Words that warn or point out, set apart."""

    text: Words
    kind: str = "note"
    """``note``, ``warning``, or ``wrong`` for what a mistake gives."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; a cell is words or an equation."""

    columns: tuple[Words, ...]
    rows: tuple[tuple[Words | Equation, ...], ...]
    caption: Words = ""


@dataclass(frozen=True, slots=True)
class Steps:
    """An algorithm or a log, line by line; numbered."""

    lines: tuple[Words | Equation, ...]
    caption: Words = ""


Block = Heading | Paragraph | Note | Equation | Table | Steps


@dataclass(frozen=True, slots=True, repr=False)
class Derivation:
    """How the gradient of `output` in `wrt` came to be, told in one dialect.

    It shows itself in a terminal and in a notebook, and is written in every format; these load when they are used. What
    is shown is the answer in a dozen lines; ``detail="full"`` tells the whole story. JSON always has all.
    """

    dialect: str
    title: Words
    output: int
    """The id of the node that was differentiated."""
    wrt: tuple[int, ...]
    """The ids of the nodes it was differentiated in; empty for all."""
    entry: tuple[int, ...] | None
    """The one entry that was asked for, or None for all."""
    value: Numbers | None
    """The output; None where a name has a shape and no value."""
    gradient: Numbers | None
    """The gradient in the first of `wrt`, or in its entry."""
    notation: str
    digits: int
    conventions: tuple[Convention, ...]
    symbols: tuple[Meaning, ...]
    counts: dict[str, int]
    """How much there is of everything: nodes, arrows, paths, entries not listed."""
    nodes: tuple[Node, ...]
    """The nodes on the way, in the order of the forward; not all of them where there are very many."""
    log: tuple[Accumulation, ...]
    story: tuple[Block, ...]
    short: tuple[Block, ...] = ()
    """The answer in a dozen lines: what a reader sees first."""
    known: tuple[Known, ...] = ()
    """What the letters of the page stand for: with these every side of every equation can be worked out."""
    version: str = field(default=VERSION)

    def text(self, *, width: int = 100, color: bool = False, detail: str = "short") -> str:
        """As a terminal shows it, in the signs of mathematics, wrapped at `width`."""
        return self.written("terminal", width=width, color=color, detail=detail)

    def plain(self, *, width: int = 100, detail: str = "short") -> str:
        """As plain text, with formulas that a program can read."""
        return self.written("plain", width=width, detail=detail)

    def markdown(self, *, detail: str = "short") -> str:
        """As Markdown with LaTeX between dollar signs, for notebooks and GitHub."""
        return self.written("markdown", detail=detail)

    def latex(self, *, fragment: bool = False, detail: str = "short") -> str:
        """As a LaTeX document; as a `fragment`, only what stands between its begin and its end."""
        return self.written("latex", fragment=fragment, detail=detail)

    def html(self, *, fragment: bool = False, detail: str = "short") -> str:
        """As a page of HTML with MathML that needs no network; as a `fragment`, one element to put into a page."""
        return self.written("html", fragment=fragment, detail=detail)

    def json(self) -> str:
        """As JSON, which the published schema describes."""
        return self.written("json")

    def written(self, form: str, **options: Any) -> str:
        """In the format of that name."""
        from chainrule.derivation.formats import write

        return write(self, form, **options)

    def save(self, path: str | Path, *, detail: str = "full") -> None:
        """Write it to a file, whose suffix says in which format: .txt, .md, .tex, .html or .json."""
        from chainrule.derivation.formats import save

        save(self, path, detail=detail)

    def __repr__(self) -> str:
        from chainrule.derivation.formats.page import every_step, left_out
        from chainrule.maths import plain

        rest = f'{every_step(self, plain)}: .plain(detail="full")\n' if left_out(self) else ""
        return self.plain() + rest

    def __rich__(self) -> Any:
        from chainrule.derivation.formats import terminal

        return terminal.renderable(self, "short")

    def _repr_html_(self) -> str:
        return self.html(fragment=True)

    def _repr_markdown_(self) -> str:
        return self.markdown()


def rebuilt(x: Any, change: Callable[[Any], Any]) -> Any:
    """A record, or a part of one, of which every part is what `change` gives for it; None goes on to what is inside it.

    What nothing changes in is the same object. O(what is in it).
    """
    done: dict[int, Any] = {}
    opened: dict[int, tuple[Any, ...]] = {}
    waiting = [x]
    while waiting:
        part = waiting[-1]
        if id(part) not in done and id(part) not in opened:
            found = change(part)
            if found is None:
                opened[id(part)] = inside(part)
            else:
                done[id(part)] = found
        if id(part) not in done:
            if new := [y for y in opened[id(part)] if id(y) not in done]:
                waiting += reversed(new)
                continue
            done[id(part)] = with_parts(part, opened[id(part)], [done[id(y)] for y in opened[id(part)]])
        waiting.pop()
    return done[id(x)]


def inside(x: Any) -> tuple[Any, ...]:
    """What a record, or a part of one, is made from."""
    return parts_of_kind(type(x))(x)


@cache
def parts_of_kind(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    """What gives the parts of what is of a kind."""
    if issubclass(kind, tuple):
        return tuple
    return all_of(given_to(kind) if is_dataclass(kind) else ())


def with_parts(x: Any, old: Sequence[Any], new: Sequence[Any]) -> Any:
    """The same made from other parts; itself where these are the same."""
    if all(map(is_, old, new)):
        return x
    return tuple(new) if isinstance(x, tuple) else replace(x, **dict(zip(given_to(type(x)), new, strict=True)))


@cache
def given_to(kind: Any) -> tuple[str, ...]:
    """What a record of a kind is made from."""
    return tuple([f.name for f in fields(kind) if f.init])


def trees_in(x: Any) -> Iterator[Tree]:
    """Every formula of a record or of a part of one, in the order in which they stand. O(what is in it)."""
    waiting = [tuple(x) if isinstance(x, list) else x]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Tree):
            yield part
        else:
            waiting += reversed(inside(part))
