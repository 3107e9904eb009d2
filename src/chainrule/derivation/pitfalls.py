"""What a reader should be told of a gradient before he trusts it: a trap that made nan of it, or that it must be 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.derivation.record import Note
from chainrule.derivation.scalars.paths import run_again
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.words import Words, said
from chainrule.maths import Tree, numeral

SMALL = 1e-9
"""A gradient this small beside the output may be rounding alone."""


def trap(opened: Tape) -> list[Note]:
    """Where 0 · ∞ made nan: a branch not taken hands back 0, and the slope before it is infinite. O(arrows)."""
    for arrival in opened.arrivals:
        node, source, slot = arrival.node, arrival.source, arrival.slot
        came = np.asarray(opened.gradients[source], dtype=float)
        if not isinstance(source.op, Pointwise) or not np.any(np.isnan(arrival.share) & (came == 0)):
            continue
        if np.any(np.isinf(opened.slope(source, slot))):
            advice = "choose its input before it is computed: where(x > 0, sqrt(where(x > 0, x, 1)), 0) for a root"
            words = (
                " got 0 from what uses it (a branch that was not taken, a factor 0), and its own slope is infinite: "
                f"0 · ∞ is no number. Of two branches both are computed, so {advice}."
            )
            return [
                Note(
                    said(opened.symbols[source], f" (by {source.op.name}, of ", opened.symbols[node], ")", words),
                    "warning",
                )
            ]
    return []


def is_invariant(opened: Tape, node: Any, place: tuple[int, ...]) -> bool:
    """Whether the output stays as it is however far an entry moves, so that its gradient is 0. O(one forward)."""
    output = float(opened.numbers[opened.output])
    gradient = float(np.asarray(opened.gradients[node])[place])
    if node is opened.output or not abs(gradient) <= SMALL * (1 + abs(output)):
        return False
    start = np.array(opened.numbers[node], dtype=np.float64)
    start[place] += 1.0
    moved = {node: start}
    run_again(opened, moved)
    return abs(float(moved[opened.output]) - output) <= SMALL * (1 + abs(output))


def invariance(output: Tree, name: Tree, gradient: float) -> Words:
    """What to say of a gradient that is 0 whatever the numbers are."""
    rounding = said(" (", numeral(gradient, 3), " is rounding)") if gradient else ""
    return said(
        output,
        " does not depend on ",
        name,
        " at all here: with 1 more it is the same, so this is 0 by invariance",
        rounding,
        ".",
    )
