"""What a program that was read claims to be gradients: what parameters moved by, and what is called so."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chainrule.verify.auditing.reader import Assigned, Reader
from chainrule.verify.auditing.source import Line

LOSS = re.compile(
    r"(?:sum_?|running_?|epoch_?|total_?|avg_?|mean_?|train_?|batch_?|data_?)*(?:loss|cost|mse|sse|nll|bce|objective|cross_?entropy|error|err|"
    r"l|j|c|e)(?:es|s)?(?:_?(?:value|val|fn|func|function|total|mean|hist|history|list|\d+))*|compute_(?:cost|loss)|"
    r"(?:calculate|calc|get)_(?:cost|loss)|total|(?:mse|cross_?entropy|squared|binary_cross_entropy|bce|nll|cost|loss)_?\w*",
    re.IGNORECASE,
)
"""What people call a loss."""

GRADIENT = (
    "d{0}", "d_{0}", "grad_{0}", "{0}_grad", "{0}grad", "g{0}", "g_{0}", "nabla_{0}", "{0}_gradient", "{0}_gradients",
    "gradient_{0}", "dL_d{0}", "dL_{0}", "dC_d{0}", "dJ_d{0}", "dE_d{0}", "d_L_d_{0}", "dLd{0}", "dLoss_d{0}",
    "dloss_d{0}", "dl_d{0}", "dcost_d{0}", "d{0}s", "delta_{0}",
)  # fmt: skip
"""What people call the gradient of a name."""

GRADIENTS = re.compile(r"d|g|(?:\w*_)?(?:d?grads?|gradients?|derivatives?|deltas?|nabla)(?:_\w*)?", re.IGNORECASE)
"""What people call a dict of gradients, each under the name of what it is the gradient of."""

BARE = re.compile(r"grads?|gradients?|nabla", re.IGNORECASE)
"""What people call a gradient that does not say of what."""


@dataclass(frozen=True)
class Claim:
    """A place on the tape that is to be a gradient: of which value, with which factor, and where it is said."""

    name: str
    of: int
    place: int
    factor: float
    """What the gradient is multiplied by there: a rate that stands inside, and −1 where it is added."""
    line: Line
    update: int | None = None
    """The place of the new value, where a parameter moved."""
    called: int | None = None
    """The place of what is called its gradient and the step is made of, as an optimizer's step is."""


def claims_of(reader: Reader) -> list[Claim]:
    """What parameters moved by, each once; where nothing moves, what is named a gradient of something."""
    moves: dict[int, tuple[Assigned, int]] = {}
    for event in reader.assigned:
        moved = reader.moved_by(event)
        if moved is not None and event.before is not None and event.before in reader.tape.above(moved):
            moves.setdefault(event.before, (event, moved))
    later = {event.place for event, _ in moves.values()}
    # What is computed from a parameter is none, as scores from which their largest is taken off.
    moves = {
        before: move
        for before, move in moves.items()
        if before not in later and reader.tape.above(before).isdisjoint(moves)
    }
    if not moves:
        return named_claims(reader)
    claims = [update_claim(reader, event, moved, moves.keys(), later) for event, moved in moves.values()]
    called = called_gradients(reader, {claim.of: claim.name for claim in claims})
    return unique_names([replace(c, called=gradient_in(reader, c, called.get(c.of, []))) for c in claims])


def called_gradients(reader: Reader, parameters: Mapping[int, str]) -> dict[int, list[int]]:
    """What is called the gradient of each parameter, in order."""
    forms = {form.format(name): place for place, name in parameters.items() for form in GRADIENT}
    found: dict[int, list[int]] = {}
    for event in reader.assigned:
        name = f"d{event.name}" if GRADIENTS.fullmatch(event.inside) and f"d{event.name}" in forms else event.name
        if name in forms:
            found.setdefault(forms[name], []).append(event.place)
    return found


def gradient_in(reader: Reader, claim: Claim, called: Sequence[int]) -> int | None:
    """The last of these that a step is made of."""
    above = reader.tape.above(claim.place)
    return next((place for place in reversed(called) if place in above and claim.of in reader.tape.above(place)), None)


def update_claim(
    reader: Reader, event: Assigned, moved: int, parameters: Collection[int], updates: Collection[int]
) -> Claim:
    """The claim of a parameter's step: what it moved by is the rate times its gradient."""
    note = reader.tape.notes[event.place]
    assert event.before is not None
    kept = note.inputs[1] if note.inputs[0] == moved else note.inputs[0]
    down = note.operation == "sub" and note.inputs[0] == kept
    rates: list[int] = []

    def is_rate(place: int, rest: int) -> bool:
        """Whether a factor is a number that neither depends on parameters nor is used in the gradient itself."""
        known = reader.tape.above(place) | {place}
        beside = reader.tape.above(rest, updates)
        is_one = np.size(reader.tape.notes[place].value) == 1 and known.isdisjoint(parameters) and place not in beside
        rates.extend([place] * is_one)
        return is_one

    place, factor = rate_of(reader, moved, is_rate)
    number = reader.shrunk(kept, event.before)
    if number is not None:
        place = with_decay(reader, event, place, number, rates[:1])
    name = reader.tape.notes[event.before].name or event.name
    return Claim(name, event.before, place, factor if down else -factor, event.line, event.place)


def with_decay(reader: Reader, event: Assigned, place: int, number: int, rate: Sequence[int]) -> int:
    """The place of a gradient to which is added what a parameter was shrunk by, over the rate."""
    tape = reader.tape
    assert event.before is not None
    lost, parameter, gradient = [tape.at(x) for x in (number, event.before, place)]
    share = 1.0 - lost
    for x in rate:
        share = share / tape.at(x)
    return (gradient + share * parameter).place


def rate_of(reader: Reader, moved: int, is_rate: Callable[[int, int], bool]) -> tuple[int, float]:
    """The place of the gradient in ``rate * gradient``, and what it is still multiplied by there."""
    note = reader.tape.notes[moved]
    if note.operation == "placed":
        place, factor = rate_of(reader, note.inputs[0], is_rate)
        return reader.library.placed(reader.tape.at(place), note.settings["key"], note.settings["shape"]).place, factor
    if note.operation == "neg":
        place, factor = rate_of(reader, note.inputs[0], is_rate)
        return place, -factor
    if note.operation == "mul":
        for rate, rest in (note.inputs, note.inputs[::-1]):
            if is_rate(rate, rest):
                return rest, float(np.sign(np.ravel(reader.tape.notes[rate].value)[0]))
    # rate * a * b is (rate * a) * b, and rate * a / n is (rate * a) / n: the rate stands in the first, and stays there.
    while note.operation in ("mul", "div", "matmul", "dot") and len(note.inputs) == 2:
        if note.operation == "mul" and is_rate(*note.inputs):
            return moved, abs(float(np.ravel(reader.tape.notes[note.inputs[0]].value)[0]))
        note = reader.tape.notes[note.inputs[0]]
    return moved, 1.0


def named_claims(reader: Reader) -> list[Claim]:
    """Values whose names say that they are gradients of what the program starts from, the last of each."""
    named = {event.place for event in reader.assigned}
    starts: dict[str, int] = {}
    for event in reader.assigned:
        if not reader.tape.above(event.place) & named:
            starts.setdefault(event.name, event.place)
    forms = {form.format(name): name for name in starts for form in GRADIENT}
    found: dict[str, Claim] = {}
    for event in reader.assigned:
        name = forms.get(event.name)
        if name is None and BARE.fullmatch(event.name):
            shape = np.shape(reader.tape.notes[event.place].value)
            alike = [x for x, place in starts.items() if np.shape(reader.tape.notes[place].value) == shape]
            name = alike[0] if len(alike) == 1 else None
        # The gradient of a product in one factor has it not: of what goes back the name is enough.
        if name is not None and (len(reader.entry) > 1 or starts[name] in reader.tape.above(event.place)):
            found[name] = Claim(name, starts[name], event.place, 1.0, event.line)
    return list(found.values())


def unique_names(claims: Sequence[Claim]) -> list[Claim]:
    """Claims with names that differ: a second layer's ``weights`` is ``weights (2)``."""
    counts: dict[str, int] = {}
    found: list[Claim] = []
    for claim in claims:
        counts[claim.name] = counts.get(claim.name, 0) + 1
        name = claim.name if counts[claim.name] == 1 else f"{claim.name} ({counts[claim.name]})"
        found.append(replace(claim, name=name))
    return found


def losses_of(reader: Reader, claims: Sequence[Claim]) -> list[int]:
    """Places of single numbers that are called a loss and depend on parameters before they moved, the widest first."""
    moved = {claim.update for claim in claims}
    named = [(event.place, event.name) for event in reader.assigned]
    named += [(place, name) for name, place in reader.returned]
    found: dict[int, tuple[int, int]] = {}
    for place, name in named:
        if np.size(reader.tape.notes[place].value) != 1 or not LOSS.fullmatch(name.partition("[")[0]):
            continue
        above = reader.tape.above(place)
        covered = sum(claim.of in above for claim in claims)
        if covered and not above & moved and place not in moved:
            found.setdefault(place, (covered, len(above)))
    return sorted(found, key=lambda place: found[place], reverse=True)


def differences_of(reader: Reader, claims: Sequence[Claim]) -> list[list[tuple[int, int]]]:
    """Pairs of a prediction and a target whose difference is taken, those of one line together, in their order."""
    parameters = {claim.of for claim in claims}
    moved = {claim.update for claim in claims}
    found: dict[Line | int, list[tuple[int, int]]] = {}
    named: set[Line | int] = set()
    for at, note in enumerate(reader.tape.notes):
        if note.operation != "sub" or len(note.inputs) != 2:
            continue
        for prediction, target in (note.inputs, note.inputs[::-1]):
            above, beside = (reader.tape.above(x) | {x} for x in (prediction, target))
            if not above & parameters or beside & parameters or above & moved:
                continue
            shapes = [np.shape(reader.tape.notes[x].value) for x in (prediction, target)]
            if shapes[0] == shapes[1]:
                line = reader.lines.get(at, at)
                found.setdefault(line, []).append((prediction, target))
                named |= {line} if shapes[0] or reader.tape.notes[target].name else set[Line | int]()
    return [pairs for line, pairs in found.items() if line in named]
