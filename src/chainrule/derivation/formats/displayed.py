"""Equations on a terminal: their rows, how many lines a short answer has, and which matrices have rows in these."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from chainrule.derivation.formats.plain import wrapped
from chainrule.derivation.record import Block, Equation, Note, Paragraph
from chainrule.derivation.words import pieces, said
from chainrule.maths import plain, unicode
from chainrule.maths.as_boxes import Box, beside, boxes, line
from chainrule.maths.as_unicode import RELATIONS

INDENT = 2
MOST_LINES = 9
"""Lines of a short answer below its title and the empty line after it."""
WIDTH = 80
"""Columns for which the lines are counted."""
WIDER = 120
"""Columns where formulas have more room, and may stand in more lines for it."""


class Displayed:
    """An equation on its own: in one row where it fits, else one side under the other."""

    def __init__(self, equation: Equation, *, is_flat: bool = False) -> None:
        self.equation = equation
        self.is_flat = is_flat
        """Whether matrices stand in the line."""

    @cached_property
    def sides(self) -> list[Box]:
        return self.flat if self.is_flat else signed(self.equation, tall=True)

    @cached_property
    def whole(self) -> Box:
        return beside(*spaced(self.sides))

    @cached_property
    def flat(self) -> list[Box]:
        return signed(self.equation, tall=False)

    def rows(self, room: int) -> list[tuple[int, Box]]:
        """Rows with how far they stand in; a side that is too wide becomes one line, which the terminal breaks."""
        sides, whole = self.sides, self.whole
        if whole.width <= room:
            return [(0, whole)]
        flat = self.flat
        if len(sides) == 1:
            return [(0, flat[0])]
        under = sides[0].width + 1
        if under + sides[1].width <= room and under <= room // 3:
            rows, rest = [(0, beside(*spaced(sides[:2])))], 2
        else:
            rows, rest, under = [(0, sides[0] if sides[0].width <= room else flat[0])], 1, INDENT
        fits = [side if under + side.width <= room else flat[i] for i, side in enumerate(sides)]
        return rows + [(under, side) for side in fits[rest:]]


def spaced(sides: Sequence[Box]) -> list[Box]:
    """Sides of an equation with their signs, each but the first with a space before it."""
    return [beside(line(" "), side) if i else side for i, side in enumerate(sides)]


def signed(part: Equation, *, tall: bool) -> list[Box]:
    """The sides of an equation, each but the first with its sign before it."""
    written = [boxes(side) if tall else line(unicode(side)) for side in part.sides]
    signs = ["", *[f"{RELATIONS.get(sign, sign)} " for sign in part.between]]
    return [beside(line(sign), side) for sign, side in zip(signs, written, strict=True)]


def lines_of(block: Block, *, is_flat: bool = True) -> int:
    """The lines that a block takes at least, with its matrices in the line, or where each has rows of its own."""
    if isinstance(block, Equation):
        note = lines_of(Paragraph(said("  (", block.note, ")"))) if block.note else 0
        displayed = Displayed(block, is_flat=is_flat)
        return note + max([lines_at(displayed, width - INDENT) for width in (WIDTH, WIDER)])
    if isinstance(block, Paragraph | Note):
        label = "" if isinstance(block, Paragraph) else f"{block.kind}: "
        # In plain text the same words are often longer.
        written = [[x if isinstance(x, str) else write(x) for x in pieces(block.text)] for write in (unicode, plain)]
        return max([wrapped("".join(parts), WIDTH, label).count("\n") for parts in written]) + 1
    return 1


def lines_at(displayed: Displayed, room: int) -> int:
    """The lines of an equation where there is so much room."""
    rows = [(indent, line) for indent, box in displayed.rows(room) for line in box.lines]
    return sum([1 + max(0, len(line) - 1) // (room - indent) for indent, line in rows])


def in_rows(blocks: Sequence[Block]) -> set[int]:
    """The places of the equations of a short answer whose matrices stand in the line, since others took the room."""
    flat = list(map(lines_of, blocks))
    left = MOST_LINES - sum(flat)
    found: set[int] = set()
    # The result stands last, and is what is asked for.
    for i in reversed(range(len(blocks))):
        more = (lines_of(blocks[i], is_flat=False) - flat[i]) if isinstance(blocks[i], Equation) else 0
        if more > left:
            found.add(i)
        else:
            left -= more
    return found
