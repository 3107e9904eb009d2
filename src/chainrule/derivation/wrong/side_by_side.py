"""The graph with the gradients of a wrong backward pass, beside the graph with the right ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.derivation.opened.opened import Opened
from chainrule.derivation.wrong import mistakes
from chainrule.derivation.wrong.mistakes import Attempt
from chainrule.errors import GraphError
from chainrule.pictures.draw import sketch_of
from chainrule.pictures.live import Live
from chainrule.pictures.picture import Picture

ATTEMPTS: dict[str, Callable[[Opened], list[Attempt]]] = {
    "overwrite": mistakes.overwriting,
    "order": lambda opened: [mistakes.depth_first(opened, reverse) for reverse in (False, True)],
    "zero_grad": mistakes.not_zeroed,
    "forgotten": lambda opened: [
        mistakes.forgetting(opened, (node, slot))
        for node in opened.order[::-1]
        for slot, _ in node.edges
        if mistakes.can_be_forgotten(opened, node, slot)
    ],
}
"""The wrong passes of each mistake that `what_if` knows."""

TITLES = {
    "overwrite": "Wrong: = in place of +=",
    "order": "Wrong: nodes that do not wait",
    "zero_grad": "Wrong: a second pass without zero_grad",
    "forgotten": "Wrong: a local derivative left out",
}


def side_by_side(output: Any, mistake: str, *, digits: int, direction: str) -> Picture:
    """The right gradients, and those of the first wrong pass that shows; a wrong one is marked, with the right number.

    The passes run on stand-ins: `grad` of the user's nodes is not touched. O(edges) for each wrong pass.
    """
    if mistake not in ATTEMPTS:
        raise GraphError(f"there is no mistake {mistake!r}: choose one of {', '.join(ATTEMPTS)}")
    opened = Opened(output)
    right = opened.gradients
    attempts = ATTEMPTS[mistake](opened)
    shows = [x for x in attempts if any([mistakes.differs(g, right[node]) for node, g in x.gradients.items()])]
    before = sketch_of(Live([output], digits, right), title="Right")
    if not shows:
        return Picture(
            (before, sketch_of(Live([output], digits, right), title=f"{TITLES[mistake]} (no number changes)"))
        )
    wrong = Live([output], digits, shows[0].gradients, right)
    return Picture((before, sketch_of(wrong, title=TITLES[mistake])), direction)
