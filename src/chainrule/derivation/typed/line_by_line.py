"""Several lines without numbers, differentiated from line to line in the names that they give."""

from __future__ import annotations

from typing import Any, NamedTuple

from chainrule.derivation.in_names import in_names
from chainrule.derivation.record import Block, Equation, Paragraph
from chainrule.derivation.short import ASKED, MOST_GRADIENTS, MOST_LINES, fit, piece_of
from chainrule.derivation.tape.tape import Tape


class LineByLine(NamedTuple):
    """Several lines in their own names without numbers: how each is computed, and the gradients back through them."""

    forward: list[Equation]
    back: list[Equation]
    asked: list[Equation]

    def in_short(self) -> list[Block]:
        """What has room in a short answer, with a word on how many of the gradients that were asked for have none."""
        shown = self.asked[:MOST_GRADIENTS]
        left = len(self.asked) - len(shown)
        more: list[Block] = [Paragraph(f"and {left:,} more.")] if left else []
        steps = [piece_of([(x,), ()], i) for i, x in enumerate((*self.forward, *reversed(self.back)))]
        ordered = [*steps[: len(self.forward)], *reversed(steps[len(self.forward) :])]
        found = [*ordered, *[piece_of([(x,)], ASKED) for x in shown]]
        fit(found, MOST_LINES - 1 - len(more))
        return [*[block for piece in found for block in piece.blocks], *more]


def line_by_line(tape: Tape) -> LineByLine | None:
    """A program of several lines in its own names; None where something in it has no formula.

    The formulas are those of the program, whatever numbers it was recorded with.
    """
    named = in_names(tape, lent=False)
    if named is None or len(named.formulas) < len(named.named):
        return None
    slopes: dict[Any, Equation] = {}
    for node in named.totals:
        formula = None if node is tape.output else named.gradient(node)
        if formula is not None:
            slopes[node] = Equation((tape.gradient(node), formula))
        elif node is not tape.output:
            return None
    asked_for = set(tape.wrt)
    if not asked_for <= slopes.keys():
        return None
    forward = [Equation((tape.symbols[node], formula)) for node, formula in named.formulas]
    back = [slope for node, slope in slopes.items() if node not in asked_for]
    return LineByLine(forward, back, [slopes[node] for node in tape.wrt])
