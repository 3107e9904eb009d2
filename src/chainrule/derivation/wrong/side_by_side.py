"""The graph with the gradients of a wrong backward pass, beside the graph with the right ones."""

from __future__ import annotations

from typing import Any

from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.wrong.mistakes import differs, mistake_of
from chainrule.pictures.draw import sketch_of
from chainrule.pictures.live import Live
from chainrule.pictures.picture import Picture


def side_by_side(output: Any, mistake: str, *, digits: int, direction: str) -> Picture:
    """The right gradients, and those of the first wrong pass that shows; a wrong one is marked, with the right number.

    The passes run on stand-ins: `grad` of the user's nodes is not touched. O(edges) for each wrong pass.
    """
    known = mistake_of(mistake)
    tape = Tape(output)
    right = tape.gradients
    attempts = [attempt for attempt in known.attempts(tape) if attempt.finished]
    shows = [x for x in attempts if any([differs(g, right[node]) for node, g in x.gradients.items()])]
    before = sketch_of(Live([output], digits, right), title="Right")
    if not shows:
        same = sketch_of(Live([output], digits, right), title=f"{known.answer} (no number changes)")
        return Picture((before, same))
    wrong = Live([output], digits, shows[0].gradients, right)
    return Picture((before, sketch_of(wrong, title=known.answer)), direction)
