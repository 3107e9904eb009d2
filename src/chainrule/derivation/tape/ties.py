"""Where a choice tips: an order among equals, a condition that only just holds, two that are the largest of a window.

Such an operation has the derivative of the choice that was made, and beside the point another choice is made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import book
from chainrule.core.state import Quiet
from chainrule.core.term import Term, constant, forward_order, frozen, name_of, replay, symbols_in, with_others
from chainrule.derivation.tape.tape import Tape, size_of
from chainrule.errors import UNFIT
from chainrule.program import Kind, Program, Step, run
from chainrule.program.lift import NODES
from chainrule.program.run import run_operation
from chainrule.rules.composed import LEAST_PROBABILITY

SHARES = (1e-6, 1e-9)
"""Steps to either side of a point, beside its largest entry: what bends is straight at the smaller one."""

KINK = 1e-3
"""What differs by more than this share of the step has a kink; where the step does not matter, it jumps."""

GUARDS = ("isnan", "isinf", "isfinite")
"""What tells numbers that are none, or infinite, from others."""

MOST_RANKS = 2
"""Places in an order of which a formula speaks."""

EXTREMES = {"shares_of_largest": "largest", "shares_of_smallest": "smallest"}
"""What finds the extremes among entries, and what gives them."""


class Tie(NamedTuple):
    """A node whose choice tips, and whether the output jumps there."""

    node: Any
    jumps: bool


def ties(tape: Tape) -> list[Tie]:
    """The operations on the way to the output that choose by what moves, and whose choice tips at this very point.

    The point is moved to either side along one direction, drawn at random. What an operation gives there is compared
    with what the choice made here would give, by the effect on the output. O(one forward) for each step.
    """
    if not any(map(takes_in_more, tape.path)):
        return []
    lifted = tape.lifted
    program = lifted.program
    wrt = [lifted.step[x] for x in tape.wrt] or [x for x in program.leaves if x.kind is Kind.PARAMETER]
    path = [lifted.step[node] for node in tape.path]
    choosing = choices(program, path, wrt)
    # What moves conditions alone has no gradient.
    gradients = [tape.gradients.get(lifted.nodes[x.place], 0.0) for x in wrt]
    if not choosing or not all([np.all(np.isfinite(g)) for g in gradients]):
        return []
    random = np.random.default_rng(0)
    here = {x: np.asarray(lifted.numbers[x.place]) for x in (*program.leaves, *wrt)}
    by = {x: random.uniform(0.5, 1.5, x.shape) * random.choice([-1.0, 1.0], x.shape) for x in wrt}
    size = max([size_of(here[x]) for x in wrt]) or 1.0
    found: dict[Step, bool] = {}
    with Quiet():
        chosen = run(program, here, in_double=True)
        for side in (size, -size):
            points = [{x: here[x] + side * share * by[x] for x in wrt} for share in SHARES]
            beside = [run(program, {**here, **point}, in_double=True) for point in points]
            for step, places in choosing.items():
                g = tape.gradients[lifted.nodes[step.place]]
                apart = np.array([abs(np.sum(g * difference(step, places, chosen, moved))) for moved in beside])
                if np.all(apart > KINK * size * np.max(np.abs(g), initial=0.0) * np.array(SHARES)):
                    found[step] = found.get(step, False) or bool(apart[1] > apart[0] / 2)
    return [Tie(lifted.nodes[step.place], jumps) for step, jumps in found.items()]


def takes_in_more(node: Any) -> bool:
    """Whether a node takes in something to which it hands on no gradient."""
    return len(node.edges) < len([x for x in node.inputs if isinstance(x, NODES)])


def choices(program: Program, path: Iterable[Step], wrt: Collection[Step]) -> dict[Step, set[int]]:
    """The steps with an input that was made of what moves and hands on no gradient, and the places of such inputs."""
    moving = program.taking_in(wrt)
    found: dict[Step, set[int]] = {}
    for step in path:
        passed = {i for i, _ in step.edges}
        given = [i for i, x in enumerate(step.inputs) if isinstance(x, Step) and x in moving]
        if places := set(given).difference(passed):
            found[step] = places
    return found


def difference(step: Step, places: set[int], chosen: Sequence[Any], moved: Sequence[Any]) -> Any:
    """How far what a step gives at a moved point is from what it gives there by the choice of the point itself."""
    given, settings = step.given(lambda x: moved[x.place])
    before, _ = step.given(lambda x: chosen[x.place])
    inputs = [before[i] if i in places else x for i, x in enumerate(given)]
    assert step.op is not None
    return np.asarray(moved[step.place]) - run_operation(step.op, inputs, settings, True)


def unguarded(term: Any, numbers: Mapping[Term, Any]) -> Any:
    """A term without its guards against what is not there: nan, infinities, and logarithms that `BCELoss` bounds.

    Nor has it choices that are made already.
    """
    found: dict[Term, Any] = {}
    for x in forward_order([term]):
        if name_of(x) != "where" or not is_guard(x.inputs[0]):
            continue
        holds = np.asarray(replay([x.inputs[0]], numbers)[0])
        if np.all(holds) or not np.any(holds):
            found[x] = with_others(x.inputs[1 if np.any(holds) else 2], found)
    return with_others(term, found)


def is_guard(condition: Any) -> bool:
    """Whether a condition asks for numbers that a computation is safe from."""
    if name_of(condition) == "less_equal":
        return bool(condition.inputs[1] == LEAST_PROBABILITY)
    return not symbols_in(condition) or any([name_of(x) in GUARDS for x in forward_order([condition])])


def by_rank(term: Any, numbers: Mapping[Term, Any]) -> Any:
    """A term in which the middle one of some entries is where they are as large as it, if it is alone.

    As what goes back to entries that were sorted is recorded, their order is in it.
    """
    found: dict[Term, Any] = {}
    for x in forward_order([term]):
        of: Any = x.inputs[1] if name_of(x) == "add_along_axis" else None
        if name_of(of) != "argsort" or not isinstance(x.inputs[0], Term) or x.inputs[0].number is None:
            continue
        axis = x.settings["axis"] % x.ndim
        weights = np.moveaxis(x.inputs[0].number, axis, 0)
        ranks = [k for k, row in enumerate(weights) if np.any(row)]
        if len(ranks) > MOST_RANKS or any([np.ptp(weights[k]) for k in ranks]):
            continue
        ordered = book["take_along_axis"](of.inputs[0], of, axis=axis)
        share: Any = 0.0
        sorted_numbers = np.moveaxis(replay([ordered], numbers)[0], axis, 0)
        alone = [k for k in ranks if k - 1 not in ranks or np.any(sorted_numbers[k] != sorted_numbers[k - 1])]
        for k in alone:
            there = book["index"](ordered, key=k if x.ndim == 1 else (*[slice(None)] * axis, slice(k, k + 1)))
            share = share + float(weights[k].flat[0]) * book["equal"](of.inputs[0], there)
        before, after = replay([x, share], numbers)
        if np.array_equal(before, after):
            found[x] = share
    return with_others(term, found)


def at_its_places(term: Any, numbers: Mapping[Term, Any]) -> Any:
    """A term in which what was made of picked entries, and put back, is made of all times ones there: Y ⊘ P.

    Where another entry has no such number, as 1/p of a share of 0, it stays as it is.
    """
    found: dict[Term, Any] = {}
    for x in forward_order([term]):
        if name_of(x) != "scatter" or x.ndim != 2:
            continue
        key = frozen(x.settings["key"])
        picked = [y for y in forward_order(x.inputs) if name_of(y) == "index" and frozen(y.settings["key"]) == key]
        ones = np.zeros(x.shape)
        ones[x.settings["key"]] = 1.0
        try:
            whole = constant(ones) * with_others(x.inputs[0], {y: y.inputs[0] for y in picked})
        except UNFIT:
            continue
        if picked and whole.shape == x.shape and np.array_equal(*replay([x, whole], numbers)):
            found[x] = whole
    return with_others(term, found)


def untied(slope: Any, numbers: Mapping[Term, Any]) -> Any:
    """A slope without what equals share, where none are equal: [x > y] in place of [x > y] + ½ [x = y].

    The largest entry is where [x = max(x)], if it is alone, and its share is not divided by how many there are.
    """
    order = forward_order([slope])
    ordered = [set(x.inputs) for x in order if name_of(x) in ("greater", "less")]
    shares = [x for x in order if name_of(x) == "equal" and set(x.inputs) in ordered]
    found = {x: constant(np.zeros(x.shape)) for x in shares if not np.any(replay([x], numbers)[0])}
    for x in order:
        if (extreme := EXTREMES.get(name_of(x))) and np.all(np.isin(replay([x], numbers)[0], (0, 1))):
            largest = book[extreme](x.inputs[0], axis=x.settings["axis"], keepdims=x.settings["axis"] is not None)
            found[x] = book["equal"](x.inputs[0], book["broadcast_to"](largest, shape=x.shape))
    return with_others(slope, found)
