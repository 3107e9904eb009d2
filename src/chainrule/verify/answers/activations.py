"""Activations that somebody wrote out, as 1/(1 + exp(−z)), seen as the one step that they are."""

# Arrays hold numbers of any type.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.core.operation import book
from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.errors import ChainruleError
from chainrule.verify.answers.traced import Tape

DEEPEST = 7
"""Operations of which a written-out activation consists at most, one after the other."""

ENDS = ("div", "reciprocal", "pow", "mul", "where", "maximum", "sub")
"""The operation with which one ends."""

Whole = tuple[Callable[..., Any], dict[str, Any]]

KINDS: tuple[Whole, ...] = (
    (book["sigmoid"], {}),
    (book["tanh"], {}),
    (book["relu"], {}),
    (book["softmax"], {"axis": -1}),
    (book["softmax"], {"axis": 0}),
)


def written_out(tape: Tape, place: int) -> tuple[Callable[..., Any], dict[str, Any], int] | None:
    """The activation that ends at a place of the tape, its settings, and the place of its input; None if none does."""
    note = tape.notes[place]
    if note.operation not in ENDS:
        return None
    shape = np.shape(note.value)
    random = np.random.default_rng(0)
    for start in sorted(set(near(tape, place)), reverse=True):
        if np.shape(tape.notes[start].value) != shape or is_written_down(tape, start):
            continue
        draws = [random.normal(size=shape)[()] * sign for sign in (1, -1, 1, -1)]
        with Quiet():
            given = [run_from(tape, start, place, x) for x in draws]
            for function, settings in KINDS if all(x is not None for x in given) else ():
                if len(shape) > (settings.get("axis") == 0) - (not settings):
                    pairs = zip(draws, given, strict=True)
                    if all(near_by(function(x if shape else float(x), **settings), found) for x, found in pairs):
                        return function, settings, unshifted(tape, start) if settings else start
    return None


def on_tensors(tape: Tape, place: int, found: Mapping[int, Any]) -> Any:
    """An operation done again on what stands at earlier places now; what is of no Tensor keeps its number.

    An activation that was written out is one step.
    """
    note = tape.notes[place]
    function, settings, inputs = note.function, note.settings, note.inputs
    whole = written_out(tape, place)
    if whole is not None and whole[2] in found:
        function, settings, inputs = whole[0], whole[1], (whole[2],)
    given = [found[x] for x in inputs]
    return function(*given, **settings) if any(isinstance(x, Tensor) for x in given) else note.value


def unshifted(tape: Tape, place: int) -> int:
    """What a softmax is of where its largest entry was taken off first, which changes nothing."""
    note = tape.notes[place]
    if note.operation == "sub" and len(note.inputs) == 2:
        whole, largest = note.inputs
        if tape.notes[largest].operation == "max" and whole in tape.notes[largest].inputs:
            return whole
    return place


def near_by(x: Any, y: Any) -> bool:
    """Whether two results differ by rounding alone."""
    return bool(np.allclose(x, y, rtol=1e-10, atol=1e-14))


def is_written_down(tape: Tape, place: int) -> bool:
    """Whether something is a number of the text and no variable."""
    note = tape.notes[place]
    return note.function is None and not note.name


def run_from(tape: Tape, start: int, place: int, x: Any) -> Any:
    """What stands at a place when something that it is computed from is another number; None where that fails."""
    found: dict[int, Any] = {start: x}
    above = sorted(p for p in tape.above(place) | {place} if p > start)
    for at in above:
        note = tape.notes[at]
        if found.keys().isdisjoint(note.inputs):
            continue
        inputs = [found.get(p, tape.notes[p].value) for p in note.inputs]
        try:
            found[at] = note.function(*inputs, **note.settings)
        except (ChainruleError, ValueError, TypeError, IndexError, ArithmeticError, AttributeError):
            return None
    return found.get(place)


def near(tape: Tape, place: int) -> Iterator[int]:
    """What something was computed from in a few operations."""
    level = {place}
    seen: set[int] = set()
    for _ in range(DEEPEST):
        level = {x for at in level for x in tape.notes[at].inputs} - seen
        seen |= level
        yield from level
