"""What a short answer may say, each thing in several lengths, and which of these have room."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from chainrule.derivation.equations import with_places
from chainrule.derivation.formats.displayed import lines_of
from chainrule.derivation.record import Block, Equation


@dataclass
class Version:
    """One way to say something."""

    blocks: tuple[Block, ...]

    @cached_property
    def lines(self) -> int:
        return sum(map(lines_of, self.blocks))

    @property
    def formulas(self) -> int:
        return sum([isinstance(x, Equation) and len(x.sides) - x.numbers > 1 for x in self.blocks])


@dataclass
class Piece:
    """A block that may be said shorter: its versions, the longest first, the empty one last where it may go."""

    versions: list[Version]
    weight: int
    """What weighs least is shortened first."""
    is_firm: bool = False
    """Whether it is shortened last of all."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The version that is left."""
        return self.versions[0].blocks

    @property
    def turn(self) -> tuple[bool, bool, int]:
        """What comes first is shortened first; what is left without a formula, or goes, comes after that."""
        now, then = self.versions[:2]
        return self.is_firm, not then.blocks or then.formulas < now.formulas, self.weight

    @property
    def lines(self) -> int:
        return self.versions[0].lines


def piece_of(versions: Iterable[tuple[Block, ...]], weight: int, *, is_firm: bool = False) -> Piece:
    return Piece([Version(blocks) for blocks in versions], weight, is_firm)


def blocks_of(pieces: Iterable[Piece]) -> list[Block]:
    """What is left to be said."""
    return [block for piece in pieces for block in piece.blocks]


def fit(found: Sequence[Piece], room: int) -> None:
    """Say things in fewer lines until all have room: arrays in symbols alone, then what weighs least not at all."""
    lines = sum([piece.lines for piece in found])
    more = lines_on_places(found)
    if lines + more <= room:
        return
    for piece in found:
        piece.versions = those_that_save(piece.versions)
    heap = [(piece.turn, i) for i, piece in enumerate(found) if len(piece.versions) > 1]
    heapq.heapify(heap)
    while lines + more > room and heap:
        _, i = heapq.heappop(heap)
        piece = found[i]
        lines -= piece.lines
        piece.versions.pop(0)
        lines += piece.lines
        more = more and lines_on_places(found)
        if len(piece.versions) > 1:
            heapq.heappush(heap, (piece.turn, i))


def lines_on_places(pieces: Sequence[Piece]) -> int:
    """The lines that will say which entries the unit vectors of all pieces pick."""
    blocks = blocks_of(pieces)
    both = zip(with_places(blocks), blocks, strict=True)
    return sum([lines_of(new) - lines_of(old) for new, old in both if new is not old])


def those_that_save(versions: list[Version]) -> list[Version]:
    """The first version, and of the others those that take fewer lines than all before them."""
    kept = versions[:1]
    for version in versions[1:]:
        if version.lines < kept[-1].lines:
            kept.append(version)
    return kept


def result_alone(equation: Equation) -> Equation:
    """What was asked for and what it is."""
    return replace(equation, sides=(equation.sides[0], equation.sides[-1]))
