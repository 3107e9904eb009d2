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
from chainrule.core.walk import finished_first
from chainrule.errors import UNFIT
from chainrule.program import Kind, Program, Step
from chainrule.verify.answers.traced import Tape
from chainrule.verify.marking.problem import BENDS, Problem, probes_of

DEEPEST = 10
"""Operations of which a written-out activation consists at most, one after the other."""

ENDS = ("div", "reciprocal", "pow", "mul", "where", "maximum", "sub", "add", "log", "log1p", "logaddexp", "put")
"""The operation with which one ends."""

Whole = tuple[Callable[..., Any], dict[str, Any]]

KINDS: tuple[Whole, ...] = (
    *[(book[name], {}) for name in ("sigmoid", "tanh", "relu", "softplus", "silu", "gelu", "gelu_tanh")],
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
        x, y = random.normal(size=shape)[()], random.normal(size=shape)[()]
        draws = [x, -x, y, -y]  # of either sign in every entry: left of 0 alone a product looks like a leaky ReLU
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


def other_readings(problem: Problem) -> Iterator[tuple[Problem, str]]:
    """A typed problem with its activations as single steps, and with the other form of GELU, and what is to be said."""
    whole = with_whole_activations(problem)
    if whole is not None:
        yield whole, ""
    across = with_whole_activations(whole or problem, across_lines=True)
    if across is not None:
        yield across, ""
    for own, other, form in (("gelu", "gelu_tanh", "by tanh"), ("gelu_tanh", "gelu", "by erf")):
        with_other = {s: (book[other], {}, s.inputs) for s in (whole or problem).program.steps if s.operation == own}
        if with_other:
            yield exchanged(whole or problem, with_other), f"right for the gelu {form}"


Replaced = Mapping[Step, tuple[Any, dict[str, Any], tuple[Any, ...]]]
"""The operation that takes the place of a step's, its settings and its inputs."""


def with_whole_activations(problem: Problem, across_lines: bool = False) -> Problem | None:
    """The problem with each activation that is written out as one step; None where there is none.

    What has a name of its own is a step of its own, unless an activation may go `across_lines`.
    """
    numbers = probes_of(problem, {}, 1)[0]
    tape = Tape()
    place: dict[Step, int] = {}
    for step in problem.program.steps:
        inputs = [place[x] if isinstance(x, Step) else tape.add(None, (), {}, x).place for x in step.inputs]
        place[step] = tape.add(
            None if step.op is None else as_noted(step.op), tuple(inputs), step.settings, numbers[step]
        ).place
        tape.notes[-1].name = problem.names.get(step, "")
    step_at = {at: step for step, at in place.items()}
    found: dict[Step, tuple[Any, dict[str, Any], tuple[Any, ...]]] = {}
    for step in problem.program.steps:
        whole = written_out(tape, place[step]) if step.op is not None else None
        start = None if whole is None else step_at.get(whole[2])
        if whole is None or start is None:
            continue
        inside = [s for s in problem.program.between([start], [step]) if s not in (start, step)]
        if across_lines or problem.names.keys().isdisjoint(inside):
            found[step] = whole[0], whole[1], (start,)
    return exchanged(problem, found) if found else None


def as_noted(op: Any) -> Callable[..., Any]:
    """An operation as it is written down, by its name."""

    def run(*inputs: Any, **settings: Any) -> Any:
        return op.function(*inputs, **settings)

    run.__name__ = op.name
    return run


def exchanged(problem: Problem, found: Replaced) -> Problem:
    """The problem with other operations for some steps; what is then computed for nothing is left out."""
    new: dict[Step, Step] = {}
    for step in problem.program.steps:
        op, settings, inputs = found.get(step, (step.op, step.settings, step.inputs))
        inputs = tuple([new[x] if isinstance(x, Step) else x for x in inputs])
        if step in found:
            settings = op.complete(settings)
        new[step] = Step(step.kind, step.shape, step.dtype, op=op, inputs=inputs, settings=settings)
    out = new[problem.output]
    needed = set(finished_first([out], lambda step: step.needs))
    kept = {old: step for old, step in new.items() if step in needed or step.kind is Kind.PARAMETER}
    other = Problem(
        Program(list(kept.values()), [out]),
        {name: new[step] for name, step in problem.named.items() if step in kept},
        {kept[step]: text for step, text in problem.text.items() if step in kept},
        {kept[step]: line for step, line in problem.line.items() if step in kept},
    )
    other.source, other.given = problem.source, problem.given
    return other


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
        except UNFIT:
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
