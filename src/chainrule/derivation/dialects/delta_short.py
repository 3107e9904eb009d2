"""The short answer of the dialect of errors: BP1, then BP2 down to the layer that was asked for, then its gradient."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.derivation.dialects.delta_story import Story
from chainrule.derivation.record import Block, Equation


def telling(story: Story, blocks: Sequence[Block]) -> tuple[Equation, ...]:
    """The equations of a story on which one gradient rests, from the last layer back; it is the last of them."""
    s = story.symbols
    number, role, place = story.place_of_wrt or (1, "weights", ())
    names = [s.error(k) for k in range(story.last, number - 1, -1)]
    places = [i + 1 for i in place]
    if role == "weights":
        names.append(s.by(s.w(number, *places) if places else s.weights(number)))
    else:
        names.append(s.by(s.b(number, *places)))
    equations = [x for x in blocks if isinstance(x, Equation) and len(x.sides) > 1]
    found = [next((x for x in equations if x.sides[0] == name), None) for name in names]
    return () if found[-1] is None else tuple([x for x in found if x is not None])
