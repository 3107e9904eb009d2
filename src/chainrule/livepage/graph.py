"""The graph of a page: the picture that `draw` makes, with room for any number that its boxes may come to hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chainrule.core.operation import Pointwise
from chainrule.livepage.passes import edges_of
from chainrule.livepage.subject import Subject
from chainrule.pictures.draw import edges_between, opened, sketch_in
from chainrule.pictures.ink import drawn
from chainrule.pictures.layout import DOWN, RIGHT
from chainrule.pictures.sketch import Arrow, Box, Sketch
from chainrule.pictures.svg import svg
from chainrule.program import Step

WIDEST = "−0.0001234"
"""As wide as a number gets on the page."""
WIDEST_SHORT = "−0.00123"
"""The same for an end of the range of an array."""
WIDEST_RANGE = "−0.0012…−0.0012"
"""The same for the range of the local derivatives on an arrow."""


@dataclass(frozen=True)
class Places:
    """The pictures, from left to right and from top to bottom, and what their boxes and arrows stand for."""

    right: str
    down: str
    boxes: list[list[int]]
    """The steps in each box, by place."""
    arrows: list[list[int]]
    """The edges of each arrow, by number; none where no gradient passes."""
    notes: tuple[str, ...]


def places_of(subject: Subject) -> Places:
    live = subject.live.again()
    blocks, owner = opened(live)
    sketch = sketch_in(live, blocks, owner)
    edges = {(step.place, slot): n for (step, slot), n in edges_of(subject.program).items()}
    between = [found for _, found in edges_between(blocks)]
    links = [[edges[s.place, slot] for s, slot, _ in found if (s.place, slot) in edges] for found in between]
    roomy = Sketch(
        "",
        tuple([with_room(box, block) for box, block in zip(sketch.boxes, blocks, strict=True)]),
        tuple([arrow_with_room(arrow, found) for arrow, found in zip(sketch.arrows, between, strict=True)]),
        sketch.frames,
    )
    right, down = [svg(drawn(roomy, direction), "light") for direction in (RIGHT, DOWN)]
    return Places(right, down, [[step.place for step in block] for block in blocks], links, sketch.notes)


def with_room(box: Box, block: Sequence[Step]) -> Box:
    """A box as wide as its numbers may get."""
    span = f"{WIDEST_SHORT} … {WIDEST_SHORT}"
    if len(block) > 1:
        return replace(box, data=span, grad=span if box.grad else "", wrong="")
    (step,) = block
    text = span if step.shape else WIDEST
    more = ("×".join(map(str, step.shape)),) if step.shape else ()
    return replace(box, data=text, grad=text if step.requires_grad else "", wrong="", more=more)


def arrow_with_room(arrow: Arrow, edges: Sequence[tuple[Step, int, Step]]) -> Arrow:
    """An arrow with room for any local derivative; what is done to a gradient in symbols stays as it is."""
    factor = arrow.factor
    step, _, x = edges[0]
    if len(edges) == 1 and factor:
        if not step.shape and not x.shape:
            factor = WIDEST
        elif isinstance(step.op, Pointwise):
            factor = WIDEST_RANGE
    return replace(arrow, factor=factor, carries=None, wrong=False)
