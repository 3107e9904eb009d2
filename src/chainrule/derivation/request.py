"""What is asked of an explanation, and what a dialect answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chainrule.derivation.notation import USUAL
from chainrule.derivation.record import Block, Meaning, Note
from chainrule.maths import Tree
from chainrule.maths.numerals import DIGITS


@dataclass(frozen=True, slots=True)
class Request:
    """What the reader wants to see of an opened computation."""

    wrt: Any = None
    """The node to differentiate in; None for all leaves."""
    entry: tuple[int, ...] | None = None
    """One entry of it; None for the whole."""
    notation: str = USUAL
    layout: str = "numerator"
    digits: int = DIGITS
    top: int = 5
    """How many paths, terms or rows are listed where there are many."""
    nudge: float = 0.01
    whole: bool = False
    """Whether large arrays (the tensor of a whole layer) are written out."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A dialect's answer: the blocks of its story, the symbols it used, and how much there is of everything."""

    story: tuple[Block, ...]
    symbols: tuple[Meaning, ...] = ()
    counts: dict[str, int] = field(default_factory=dict[str, int])
    environment: dict[Tree, Any] = field(default_factory=dict[Tree, Any])
    """What the symbols stand for that are of no node of the graph."""
    short: tuple[Block, ...] = ()
    """What a short answer shows, the equation of the result last, where these are not the first of the story."""
    remarks: tuple[Note, ...] = ()
    """What a short answer must say besides."""
