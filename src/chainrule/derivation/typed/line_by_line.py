"""Several lines without numbers, differentiated from line to line in the names that they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from chainrule.derivation.fitting import blocks_of, fit, piece_of
from chainrule.derivation.formats.displayed import MOST_LINES, lines_of
from chainrule.derivation.in_names import in_names
from chainrule.derivation.record import Block, Equation
from chainrule.derivation.short import ASKED, MOST_GRADIENTS
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.typed.room import counted


class LineByLine(NamedTuple):
    """Several lines in their own names without numbers: how each is computed, and the gradients back through them."""

    forward: list[Equation]
    back: list[Equation]
    asked: list[Equation]

    def in_short(self, notes: Sequence[Block]) -> list[Block]:
        """What has room in a short answer above its notes, and how many of the gradients asked for have none."""
        shown = self.asked[:MOST_GRADIENTS]
        more = counted(len(self.asked) - len(shown), len(self.asked))
        steps = [piece_of([(x,), ()], i) for i, x in enumerate(self.forward)]
        steps += [piece_of([(x,), ()], len(steps) + i) for i, x in enumerate(reversed(self.back))][::-1]
        found = [*steps, *[piece_of([(x,)], ASKED) for x in shown]]
        last = [*more, *notes]
        fit(found, MOST_LINES - sum(map(lines_of, last)))
        return [*blocks_of(found), *last]


def line_by_line(tape: Tape) -> LineByLine | None:
    """A program of several lines in its own names; None where something in it has no formula.

    The formulas are those of the program, whatever numbers it was recorded with.
    """
    named = in_names(tape, lent=False)
    if named is None or len(named.formulas) < len(named.named):
        return None
    slopes: dict[Any, Equation] = {}
    for node in named.totals:
        formulas = () if node is tape.output else named.gradient(node)
        if formulas:
            slopes[node] = Equation((tape.gradient(node), *formulas))
        elif node is not tape.output:
            return None
    asked_for = set(tape.wrt)
    if not asked_for <= slopes.keys():
        return None
    forward = [Equation((tape.symbols[node], formula)) for node, formula in named.formulas]
    back = [slope for node, slope in slopes.items() if node not in asked_for]
    return LineByLine(forward, back, [slopes[node] for node in tape.wrt])
