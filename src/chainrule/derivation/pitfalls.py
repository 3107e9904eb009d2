"""What a reader should be told of a gradient before he trusts it: a trap that made nan of it, or that it must be 0."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.differential import Differential
from chainrule.core.operation import Pointwise
from chainrule.core.state import Quiet
from chainrule.custom import CustomRule
from chainrule.derivation.checked import symbols_in
from chainrule.derivation.record import Note
from chainrule.derivation.scalars.paths import moved_to
from chainrule.derivation.tape.rounding import gradients_at, moved_in, slope_beside, swept_back
from chainrule.derivation.tape.tape import Tape, has_nan
from chainrule.derivation.words import Words, said
from chainrule.maths import Derivative, Tree, numeral
from chainrule.maths.check import EPSILON, signs
from chainrule.program import Program, Step, run

RESIDUE = 1e-15
"""What is left of terms that cancel out, relative to the largest gradient on the way, is rounding below this."""
SMALL = 1e-9
"""An output that moves by less, beside the size of its terms, stays where it is."""
TINY = 1e-12
"""A gradient this small beside the largest on the way may be rounding alone."""


SIGNS = 3
"""Draws of weights for what arrives at a step, so that what it hands back does not cancel out."""

POWERS = ("sqrt", "cbrt", "pow", "reciprocal", "div")
"""What may be one power together with another of the same thing."""


def trap(tape: Tape) -> list[Note]:
    """Where 0 · ∞ made nan: 0 is handed back to an infinite slope, or what is infinite to a slope 0. O(arrows)."""
    arrivals = tape.arrivals if np.isfinite(tape.numbers[tape.output]) else ()
    for arrival in arrivals:
        node, source, slot = arrival.node, arrival.source, arrival.slot
        if not has_nan(arrival.contribution) or not isinstance(source.op, Pointwise):
            continue
        came = np.asarray(tape.gradients[source], dtype=float)
        slope = tape.slope(source, slot)
        name = said(f"{source.op.name} of ", tape.symbols[node])
        if np.any(np.isinf(slope) & (came == 0)):
            branch = any([user.op.selects for user, _ in tape.consumers.get(source, ())])
            why = "a branch that was not taken" if branch else "a factor 0"
            words = said(name, f" hands on 0 · ∞, which is no number: it got 0 ({why}), and its own slope is infinite.")
            return [Note(said(words, safely(source, branch=branch)), "warning")]
        if np.any(np.isinf(came) & (slope == 0)):
            words = said(name, " hands on ∞ · 0, which is no number: what arrives is infinite, and its own slope is 0.")
            root = " For the length of a vector take norm(x), whose gradient at 0 is 0."
            return [Note(said(words, root if source.op.name in ("pow", "square", "mul") else ""), "warning")]
    return []


SAFE = (1.0, 0.5, 2.0)
"""Numbers at which functions that have an infinite slope somewhere have a finite one: the first in the domain."""


def safely(source: Any, *, branch: bool) -> str:
    """How to write a step so that no infinite slope meets a 0."""
    name, count, (low, high) = source.op.name, len(source.inputs), source.op.domain
    inside = next((x for x in SAFE if low < x < high), SAFE[0])
    chosen = "x / where(c, y, 1)" if name == "div" else f"{name}(where(c, x, {inside:g}){', y' * (count - 1)})"
    safe = f"choose the input first: where(c, {chosen}, 0)."
    if branch:
        return f" Both branches are computed, so {safe}"
    one_power = "write powers of one thing as one, as x**1.5 for x*sqrt(x), or " if name in POWERS else ""
    return f" {(one_power + safe)[0].upper()}{(one_power + safe)[1:]}"


Place = Any
"""Of an entry, or ``...`` for all entries together."""


def is_invariant(tape: Tape, node: Any, place: Place) -> bool:
    """Whether an entry has no influence however far it moves, or none as a factor, so that its gradient is 0.

    All entries together have none if they have none each and none however far all of them move.

    A step that is flat here alone, as a sigmoid far out or a branch that is not taken, is none of that. O(one forward)
    for each of a few steps.
    """
    gradient = np.abs(np.asarray(tape.gradients[node])[place])
    if node is tape.output or not np.all(gradient <= TINY * tape.largest_gradient):
        return False
    at = np.asarray(tape.numbers[node], dtype=float)[place]
    lifted = tape.lifted
    sizes = sizes_at(lifted.program, lifted.step[node], lifted.numbers)
    if np.any(gradient > TINY * np.asarray(sizes[lifted.step[node]])[place]):
        return False
    rounding = SMALL * influence(sizes, lifted.numbers)

    def stays(number: Any) -> bool:
        """Whether the output is the same with another number in this place, or in all."""
        after = moved_to(tape, node, place, number)[tape.output]
        return abs(float(after) - float(tape.numbers[tape.output])) <= rounding

    # A condition of data is not asked again when numbers are moved: of a branch that is not taken this says nothing.
    chooses = any([user.op is not None and user.op.selects and user.op.flat for user in tape.path])
    if not chooses and all(map(stays, shifted(at))):
        return stays_on_other_data(tape, node, place, shifted)
    return bool(
        np.ndim(at) == 0
        and at != 0
        and cancels(tape, node, place)
        and all(map(stays, scaled(at)))
        and stays_on_other_data(tape, node, place, scaled)
    )


STEPS = (1 / np.pi, -np.sqrt(2.0), 7 * np.e, -30.1)
"""By how much what may be a mere shift is moved: no period of a sine or the like is met by all of them."""
SCALES = (np.sqrt(0.3), np.e, 20.3)
"""Factors by which what is taken for a mere scale is multiplied."""
SIZES = (0.1, 1.0)
"""The sizes of other data: some of one size only saturate what others do not."""
TURNED = 4
"""Draws of other data with other signs."""


def shifted(at: Any) -> list[Any]:
    """Numbers at some distance from one, or from each of several."""
    return [at + step * (1 + abs(at)) for step in STEPS]


def scaled(at: Any) -> list[Any]:
    return [at * scale for scale in SCALES]


def stays_on_other_data(tape: Tape, node: Any, place: Place, moved: Callable[[Any], Sequence[Any]]) -> bool:
    """Whether an entry has no influence either when all the other numbers are others; O(one forward) for each.

    What is flat at one point by accident, beside a factor that is 0 there, moves at others. Where other numbers have
    no result they say nothing, and where none have one nothing is known.
    """
    program, step = tape.lifted.program, tape.lifted.step[node]
    if any([isinstance(x.op, CustomRule) or has_factor_0(x) for x in program.steps]):
        return False
    is_known = False
    for numbers in other_data(tape, step):
        verdict = stays_at(program, step, place, numbers, moved)
        if verdict is False:
            return False
        is_known = is_known or verdict is True
    return is_known


def has_factor_0(step: Step) -> bool:
    """Whether a plain 0 is multiplied, which may be what a condition came to on these data."""
    return step.operation in ("mul", "div", "pow") and any([np.ndim(x) == 0 and x == 0 for x in step.inputs])


def other_data(tape: Tape, node: Step) -> Iterator[dict[Step, Any]]:
    """Other numbers in the leaves, and in all that meets a node's results without being one; none of them 0.

    What is computed beside the node may be any number: a factor that is 0 because a branch was not taken is one that
    others are not. Some numbers are near their own, some of ordinary size, and some have other signs.
    """
    random = np.random.default_rng(0)
    program, numbers = tape.lifted.program, tape.lifted.numbers
    own = {step: np.asarray(numbers[step.place]) for step in (*program.leaves, *beside(program, node))}
    free = [step for step in own if step.dtype.kind == "f"]
    conditions = [step for step in own if step.dtype.kind == "b"]
    positive = {step: np.where(own[step] < 0, -1.0, 1.0) for step in free}
    near = {step: np.where(own[step] == 0, SIZES[0], own[step]) for step in free}
    yield {**own, **{step: near[step] * random.uniform(0.8, 1.25, step.shape) for step in free}}
    for size in SIZES:
        yield {**own, **{step: size * positive[step] * random.uniform(0.5, 1.5, step.shape) for step in free}}
    for _ in range(TURNED):
        turned = {step: random.choice([-1.0, 1.0], step.shape) for step in free}
        drawn = {step: turned[step] * random.uniform(0.5, 1.5, step.shape) for step in free}
        yield {**own, **drawn, **{step: random.random(step.shape) < 0.5 for step in conditions}}


def beside(program: Program, node: Step) -> list[Step]:
    """The results that meet what a node moves, and that it does not move."""
    moved = program.taking_in([node])
    met = [x for step in program.steps if step in moved and step is not node for x in step.needs if x.op is not None]
    return [step for step in dict.fromkeys(met) if step not in moved]


def stays_at(
    program: Program,
    step: Step,
    place: Place,
    leaves: Mapping[Step, Any],
    moved: Callable[[Any], Sequence[Any]],
) -> bool | None:
    """Whether a program's output is the same for every number in one place; None where it has no finite value."""
    own = np.array(run(program, leaves, in_double=True)[step.place], dtype=float)
    found, sums, slopes, terms = list[float](), list[float](), list[Any](), list[Any]()
    for number in moved(own[place].copy()):
        own[place] = number
        numbers = run(program, {**leaves, step: own}, in_double=True)
        found.append(float(numbers[program.output.place]))
        sizes = sizes_at(program, step, numbers)
        sums.append(influence(sizes, numbers))
        slopes.append(np.abs(np.asarray(gradients_at(program, step, numbers)[step])[place]))
        terms.append(np.asarray(sizes[step])[place])
    if not all([np.all(np.isfinite(x)) for x in (found, slopes, sums)]):
        return None
    # Beside a large output a change is lost to rounding, and a slope is not.
    return bool(np.ptp(found) <= SMALL * max(sums) and np.all(np.array(slopes) <= TINY * np.array(terms)))


def sizes_at(program: Program, leaf: Step, numbers: Sequence[Any]) -> dict[Step, Any]:
    """How large the terms are that make up the gradients on the way: what arrives where none cancels out another."""
    random = np.random.default_rng(0)

    def size(step: Step, x: Step, pull: Callable[[Any], Any], g: Any) -> Any:
        draws = (SIGNS, *np.shape(g))
        weights = random.choice([-1.0, 1.0], draws) * random.uniform(0.5, 1.5, draws)
        found = np.max([np.abs(pull(g * weight)) for weight in weights], axis=0)
        if not isinstance(step.op, Differential):
            return found
        # Inside of it terms may cancel out as well, as those of a softmax far out.
        sizes = [np.max(np.abs(numbers[part.place]), initial=0.0) for part in (step, x)]
        return np.maximum(found, np.max(g, initial=0.0) * sizes[0] / max(sizes[1], 1.0))

    return swept_back(program, leaf, numbers, size)


def influence(sizes: Mapping[Step, Any], numbers: Sequence[Any]) -> float:
    """The size of the terms that make up an output, of which rounding takes its share; 0 where all of them are 0."""
    return float(sum([np.sum(np.abs(numbers[step.place]) * size) for step, size in sizes.items()]))


def cancels(tape: Tape, node: Any, place: Place) -> bool:
    """Whether a user of a node hands something to a place, so that its gradient of 0 is what is left of such terms.

    What arrives at the user is weighed at random: terms that cancel do so no longer, and a unit that is off hands on 0.
    """
    random = np.random.default_rng(0)
    for user, slot in tape.consumers.get(node, ()):
        if user in tape.gradients:
            g = np.asarray(tape.gradients[user])
            if np.any(np.asarray(tape.share(user, slot, g * random.uniform(0.5, 1.5, g.shape)))[place]):
                return True
    return False


def rounding_floor(tape: Tape) -> float:
    """What rounding leaves of sums that cancel out on the way: an absolute error that no digits of a result show."""
    return RESIDUE * tape.largest_gradient


def is_left_over(tape: Tape, node: Any, place: Place) -> Any:
    """Whether a gradient, or each entry there, is what rounding left of terms that cancel out. O(sweeps), if tiny."""
    gradient = np.abs(np.asarray(tape.gradients[node])[place])
    tiny = (gradient > 0) & (gradient <= TINY * tape.largest_gradient)
    if node is tape.output or not np.any(tiny):
        return tiny & False
    return tiny & (gradient <= RESIDUE * size_of_terms(tape, node)[place])


def cancels_out(tape: Tape, node: Any) -> bool:
    """Whether all of a gradient is tiny beside the terms that it adds up of, and not for the smallness of a factor."""
    return bool(np.all(np.abs(tape.gradients[node]) <= TINY * size_of_terms(tape, node)))


def size_of_terms(tape: Tape, node: Any) -> Any:
    """How large a gradient would be if nothing in it cancelled out. O(some sweeps)."""
    step = tape.lifted.step[node]
    return np.asarray(sizes_at(tape.lifted.program, step, tape.lifted.numbers)[step])


def left_over_of(tape: Tape, letter: Tree, number: Any) -> Any:
    """Where the numbers of a letter are entries of a gradient that rounding left of terms that cancel out."""
    node = tape.node_of.get(letter.below) if isinstance(letter, Derivative) and not letter.held else None
    gradient, found = np.ravel(tape.gradients.get(node, ())), np.ravel(number)
    # Another thing's derivative in it, or one whose entries stand in another order, is not looked at.
    if not found.size or found.shape != gradient.shape or np.any(np.abs(found - gradient) > rounding_floor(tape)):
        return np.zeros(np.shape(number), bool)
    return np.reshape(left_over_in(tape, node), np.shape(number))


def left_over_in(tape: Tape, node: Any) -> Any:
    """Which entries of a gradient rounding left of terms that cancel out, and has no digits of."""
    left = is_left_over(tape, node, ())
    return left & is_moved_by_rounding(tape, node) if np.any(left) else left


def is_moved_by_rounding(tape: Tape, node: Any) -> Any:
    """Which entries of a gradient are others where every number given is off by a rounding: they have no digits."""
    slope, near = slope_beside(tape.lifted, node)
    random = np.random.default_rng(0)

    def moved() -> Any:
        beside = {x: v * (1 + EPSILON * signs(v.shape, random)) for x, v in near.items()}
        return np.abs(slope(beside) - here)

    with Quiet():
        here = np.asarray(slope(near))
        return np.max([moved() for _ in range(SIGNS)], axis=0) > 0.01 * np.abs(here)


def rounding_of_letter(tape: Tape, letter: Tree, number: Any) -> float:
    """How far a derivative in something, or in an entry of it, may be off by rounding; 0 for what is none."""
    below = next(symbols_in(letter.below), None) if isinstance(letter, Derivative) else None
    node = None if below is None else tape.node_of.get(below.whole)
    if node in tape.gradients and letter == tape.gradient(node):
        # What another way gives for the whole gradient is as far off as the engine's, however small it is.
        number = np.maximum(np.max(np.abs(number), initial=0.0), np.max(np.abs(tape.gradients[node]), initial=0.0))
    return rounding_beside(tape, () if node is None else [node], number)


def rounding_beside(tape: Tape, nodes: Iterable[Any], number: Any) -> float:
    """How far a number may be off if every number on the way to some gradients is off by a rounding. O(some sweeps).

    It is the same share of it as of the gradient that loses most.
    """
    found = [0.0]
    for node in nodes:
        if node in tape.gradients:
            size = float(np.max(np.abs(tape.gradients[node]), initial=0.0))
            share = float(np.max(np.abs(number), initial=0.0)) / size if size else 1.0
            found.append(share * moved_in(tape.lifted, node) if np.isfinite(size) else np.inf)
    return max(found)


def invariance(output: Tree, name: Tree, gradient: float) -> Words:
    """What to say of a gradient that is 0 whatever the number is."""
    rounding = said(" (", numeral(gradient, 3), " is rounding)") if gradient else ""
    return said(
        output,
        " does not depend on ",
        name,
        ": with other numbers in its place, and on other data, the result is the same, so this is 0 by invariance",
        rounding,
        ".",
    )
