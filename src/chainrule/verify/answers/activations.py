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

ENDS = ("div", "reciprocal", "pow", "mul", "where", "maximum", "sub", "add", "log", "log1p", "logaddexp", "put")
"""The operation with which one ends."""

BENDS = frozenset({"exp", "expm1", "tanh", "erf", "maximum", "where", "greater", "greater_equal", "less", "less_equal"})
"""Operations of which one is in every activation."""

Whole = tuple[Callable[..., Any], dict[str, Any]]

KINDS: tuple[Whole, ...] = (
    *[(book[name], {}) for name in ("sigmoid", "tanh", "relu", "softplus", "silu")],
    (book["softmax"], {"axis": -1}),
    (book["softmax"], {"axis": 0}),
)

LEFT_OF_ZERO: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "leaky_relu": ("slope", lambda out, x: out / x),
    "elu": ("alpha", lambda out, x: out / np.expm1(x)),
}
"""Activations that are the identity right of 0: the setting that says what they are left of it, and how it shows."""


def kinds_for(x: Any, out: Any) -> Iterator[Whole]:
    """The activations that a function may be which gives `out` at `x`; those with a setting as it shows there."""
    yield from KINDS
    left = np.ravel(x) < 0
    for name, (setting, shows) in LEFT_OF_ZERO.items() if np.any(left) else ():
        found = float(shows(np.ravel(out)[left][0], np.ravel(x)[left][0]))
        if np.isfinite(found) and found > 0 and not near_by(found, 1.0 if name == "leaky_relu" else 0.0):
            yield book[name], {setting: float(f"{found:.12g}")}


def written_out(tape: Tape, place: int) -> tuple[Callable[..., Any], dict[str, Any], int] | None:
    """The activation that ends at a place of the tape, its settings, and the place of its input; None if none does."""
    note = tape.notes[place]
    starts = sorted(set(near(tape, place)), reverse=True) if note.operation in ENDS else []
    if BENDS.isdisjoint([note.operation, *[tape.notes[start].operation for start in starts]]):
        return None
    if note.operation == "sub" and any(tape.notes[x].name and written_out(tape, x) for x in note.inputs):
        return None  # 1 − a is made of an activation, and is no other one of −z
    shape = np.shape(note.value)
    random = np.random.default_rng(0)
    for start in starts:
        if np.shape(tape.notes[start].value) != shape or is_written_down(tape, start):
            continue
        draws = [random.normal(size=shape)[()] * sign for sign in (1, -1, 1, -1)]
        with Quiet():
            given = [run_from(tape, start, place, x) for x in draws]
            if any(np.shape(x) != shape for x in given):
                continue
            negative = 0 if np.any(draws[0] < 0) else 1
            for function, settings in kinds_for(draws[negative], given[negative]):
                axis = settings.get("axis")
                if axis is not None and len(shape) <= (axis == 0):
                    continue
                pairs = zip(draws, given, strict=True)
                if all(near_by(function(x if shape else float(x), **settings), found) for x, found in pairs):
                    return function, settings, start if axis is None else unshifted(tape, start)
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
