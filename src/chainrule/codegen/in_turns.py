"""A program whose examples go through it some at a time, so that what they leave stays in the near caches.

Most of a training step is done for each example by itself, and what depends on all of them is a sum: a weight's
gradient, a loss. Such a program is three: what no example changes; what is done with some of the examples, many times,
its sums added up; and what is left. Which axes are those of the examples is read from the program (codegen/axes.py).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.codegen.axes import Axes, Axis, axes_of, is_in_turn
from chainrule.core.instructions import FLOATS, NEAR_BYTES, WORKSPACE, Chain, Plan, Slot
from chainrule.core.operation import book
from chainrule.core.operators import NO_SETTINGS
from chainrule.core.place import Place
from chainrule.core.walk import finished_first
from chainrule.program import Kind, Program, Step, Trace
from chainrule.program.steps import replaced

if TYPE_CHECKING:
    from chainrule.codegen.native import Planner

SHARE_OF_WHOLE, SHARE_OF_SUMS = 0.5, 0.5
"""What is left at a time must be no more than so much of what was left before, and sums no more than so much of it."""

SMALLEST_TURNS = 2


class Within(NamedTuple):
    """A plan that a program becomes a part of: where its leaves lie, and where its results are to lie."""

    plan: Plan
    leaves: dict[Step, Place]
    results: dict[Step, Place]


class Turns(NamedTuple):
    """How a program can be taken in turns.

    `axis` has the axis of the examples for what is computed for some of them at a time, `sums` what is added up over
    all, `before` what no example changes, and `after` what is left. What is `ahead` has an axis of examples and no
    kernel, and is computed for all of them before.
    """

    axis: dict[Step, int]
    ahead: list[Step]
    sums: list[Step]
    before: list[Step]
    after: list[Step]


def planned_in_turns(planner: Planner) -> Plan | None:
    """A plan in turns for what a planner has planned as a whole; None where it has none, or gains nothing by it."""
    turns = turns_of(planner)
    if turns is None:
        return None
    times = how_many(planner, turns)
    if times is None:
        return None
    plan = InTurns(planner, turns, times).plan
    return plan if plan.workspace.most <= SHARE_OF_WHOLE * planner.plan.workspace.most else None


def how_many(planner: Planner, turns: Turns) -> int | None:
    """In how many turns the examples fit into the near caches; None where sums would be written too often."""
    most = gcd(*[step.shape[axis] for step, axis in turns.axis.items()])
    sums = sum([bytes_of(step) for step in turns.sums])
    size = planner.plan.workspace.most
    for times in range(SMALLEST_TURNS, most // 2 + 1):
        if most % times == 0 and size / times <= NEAR_BYTES:
            break
    else:
        times = most
    return times if times >= SMALLEST_TURNS and sums <= SHARE_OF_SUMS * size / times else None


def bytes_of(step: Step) -> int:
    return step.size * step.dtype.itemsize


def turns_of(planner: Planner) -> Turns | None:
    """How a program can be taken in turns along the axis that the most of its results have."""
    axes = {step: axes_of(step) for step in planner.steps if step.op is not None}
    together = axes_together(axes)
    weight: Counter[Axis] = Counter()
    for step in axes:
        for root in dict.fromkeys([together[step, a] for a in range(step.ndim) if (step, a) in together]):
            weight[root] += bytes_of(step) * (step not in planner.views)
    given = {together[x, a] for x in planner.arguments for a in [first_axis(x)] if (x, a) in together}
    for root, _ in weight.most_common():
        if root in given:
            turns = turns_along(planner, axes, {axis for axis in together if together[axis] == root})
            lies_apart = any([turns.axis[x] != first_axis(x) for x in read_whole(planner, turns)])
            return None if lies_apart else turns
    return None


def read_whole(planner: Planner, turns: Turns) -> set[Step]:
    """What is computed for some examples at a time and then needed for all of them."""
    read = {x for step in turns.after for x in step.needs} | {x for x, _ in planner.ends}
    return {x for x in turns.axis if x.op is not None and x in read} | set(turns.ahead)


def first_axis(step: Step) -> int:
    """The first axis that is longer than 1."""
    return next((a for a, n in enumerate(step.shape) if n != 1), 0)


def axes_together(axes: dict[Step, Axes]) -> dict[Axis, Axis]:
    """For every axis that goes along with others one that stands for all of these."""
    leader: dict[Axis, Axis] = {}

    def lead(axis: Axis) -> Axis:
        while leader.setdefault(axis, axis) is not axis:
            leader[axis] = leader[leader[axis]]
            axis = leader[axis]
        return axis

    for step, found in axes.items():
        pairs = [(given, (step, own)) for given, own in found.kept]
        pairs += [(group[0], other) for group in found.summed for other in group[1:]]
        for one, other in pairs:
            if one[0].shape[one[1]] != 1 and other[0].shape[other[1]] != 1:
                leader[lead(one)] = lead(other)
        for group in found.summed:
            lead(group[0])
    return {axis: lead(axis) for axis in list(leader)}


def turns_along(planner: Planner, axes: dict[Step, Axes], along: set[Axis]) -> Turns:
    """What of a program is done for some examples at a time, if these stand along those axes."""
    own: dict[Step, list[int]] = defaultdict(list)
    for step, a in along:
        own[step].append(a)
    axis: dict[Step, int] = {}
    turns = Turns(axis, [], [], [], [])
    late: set[Step] = set()
    for step in planner.steps:
        if step.op is None:
            if step in planner.arguments and own.get(step) == [first_axis(step)]:
                axis[step] = own[step][0]
            continue
        some = [x for x in step.needs if x in axis]
        if any([x in late for x in step.needs]):
            pass
        elif len(own.get(step, ())) == 1 and goes_along(axes[step], own[step][0], some, axis):
            axis[step] = own[step][0]
            if step in planner.called and all([x.op is None or x in turns.ahead or x not in axis for x in step.needs]):
                turns.ahead.append(step)
            continue
        elif is_summed(axes[step], some, axis) and step.dtype in FLOATS:
            turns.sums.append(step)
            late.add(step)
            continue
        elif all([x.op is None for x in some]):
            turns.before.append(step)
            continue
        late.add(step)
        turns.after.append(step)
    return turns


def goes_along(found: Axes, own: int, some: list[Step], axis: dict[Step, int]) -> bool:
    """Whether some entries of a step are made of some of its inputs'."""
    from_inputs = [given for given, a in found.kept if a == own]
    if not all([(x, axis[x]) in from_inputs for x in some]):
        return False
    return own in found.made or bool(some and all([x in axis for x, a in from_inputs if x.shape[a] != 1]))


def is_summed(found: Axes, some: list[Step], axis: dict[Step, int]) -> bool:
    """Whether a step adds up over all examples."""
    at = {(x, axis[x]) for x in some}
    return bool(some) and any([at == set(group) for group in found.summed])


class InTurns:
    """Writes a plan in turns, `times` of them: three programs, one after the other.

    `whole` says where results lie that more than one of them meet.
    """

    def __init__(self, planner: Planner, turns: Turns, times: int) -> None:
        self.planner = planner
        self.trace = planner.trace
        self.turns = turns
        self.times = times
        self.plan = planner.empty_plan()
        self.whole = planner.leaves(self.plan)
        self.ends = dict(reversed(planner.ends))
        """Where a result is to lie first."""
        inside = self.met_by_turns() | set(turns.ahead)
        self.write({x: self.room(x) for x in planner.steps if x in inside})
        self.write_turns()
        self.write({x: place for x, place in self.ends.items() if self.whole.get(x) != place})
        for x, place in planner.ends:
            if place != self.ends[x]:
                self.plan.copy(self.ends[x], place)

    def met_by_turns(self) -> set[Step]:
        """What turns need of what no example changes; what is a view of it is made again where it is needed."""
        before, found, seen = set(self.turns.before), set[Step](), set[Step]()
        stack = [x for step in [*self.turns.axis, *self.turns.sums] for x in step.needs]
        while stack:
            x = stack.pop()
            if x not in before or x in seen:
                continue
            seen.add(x)
            if x in self.planner.views:
                stack += x.needs
            else:
                found.add(x)
        return found

    def room(self, step: Step) -> Place:
        """Where a whole result lies: its own memory if it is one of the program's, or some of the workspace."""
        if step in self.ends:
            self.whole[step] = self.ends[step]
        elif step not in self.whole:
            offset = self.plan.workspace.take(bytes_of(step))
            self.whole[step] = Place(WORKSPACE, offset, *self.planner.like(step))
        return self.whole[step]

    def write(self, results: dict[Step, Place]) -> None:
        there = {x: place for x, place in self.whole.items() if x.op is None or x not in results}
        ready = Made(self, there)
        ready.write({ready.input(x): place for x, place in results.items()})

    def write_turns(self) -> None:
        """What is done with some of the examples, and sums, which begin with 0."""
        axis, sums, plan, made = self.turns.axis, set(self.turns.sums), self.plan, Made(self, dict(self.whole))
        read = read_whole(self.planner, self.turns)
        results: dict[Step, Place] = {}
        for step in self.planner.steps:
            if step in axis:
                some = made.some(step)
                if step in read and step not in self.turns.ahead:
                    results[some] = plan.turn_of(self.room(step), axis[step], self.times)
            elif step in sums:
                place = self.room(step)
                results[made.sum(step, place)] = place
                zero(plan, place)
        with plan.in_turns(self.times):
            made.write(results)


class Made:
    """One of the three programs, as its steps are made."""

    def __init__(self, writer: InTurns, whole: dict[Step, Place]) -> None:
        self.writer = writer
        self.whole = whole
        self.numbers: dict[Step, Any] = {}
        self.order: list[Step] = []
        self.places: dict[Step, Place] = {}
        self.made: dict[Step, Step] = {}
        self.small: dict[Step, Step] = {}
        """What stands for some of the examples; what no example changes may read all of them beside."""

    def add(self, step: Step, like: Step) -> Step:
        """A step of the program, of which the same is known as of another."""
        self.order.append(step)
        self.numbers[step] = self.writer.trace.numbers[like]
        return step

    def leaf(self, like: Step, place: Place) -> Step:
        """What lies somewhere already."""
        leaf = self.add(Step(Kind.FROZEN, place.shape, like.dtype), like)
        self.places[leaf] = place
        return leaf

    def input(self, x: Step) -> Step:
        """What stands for a step that another one needs."""
        if x in self.small:
            return self.small[x]
        for y in finished_first([x] * (x not in self.made), self.lacking):
            self.made[y] = (
                self.leaf(y, self.whole[y]) if y in self.whole else self.result(y, y.shape, self.made.__getitem__)
            )
        return self.made[x]

    def lacking(self, x: Step) -> list[Step]:
        """What a step is computed from here and that is not made yet."""
        return [] if x in self.whole else [y for y in x.needs if y not in self.made]

    def result(self, like: Step, shape: Any, stands: Callable[[Step], Step], changed: Any = NO_SETTINGS) -> Step:
        """A step that does the same as another one with what stands for its inputs."""
        inputs, settings = [replaced(x, stands) for x in (like.inputs, {**like.settings, **changed})]
        return self.add(Step(Kind.RESULT, shape, like.dtype, op=like.op, inputs=inputs, settings=settings), like)

    def some(self, step: Step) -> Step:
        """The step for some of the examples."""
        axis, times = self.writer.turns.axis[step], self.writer.times
        if step.op is None or step in self.writer.turns.ahead:
            made = self.leaf(step, self.writer.plan.turn_of(self.whole[step], axis, times))
        else:
            shape = (*step.shape[:axis], step.shape[axis] // times, *step.shape[axis + 1 :])
            made = self.result(step, shape, self.input, self.settings_of_some(step, shape, axis))
        self.small[step] = made
        return made

    def settings_of_some(self, step: Step, shape: tuple[int, ...], axis: int) -> dict[str, Any]:
        """The settings that some have for themselves: a shape, and of places that are all there are the first ones."""
        changed: dict[str, Any] = {"shape": shape} if "shape" in step.settings else {}
        key = step.settings.get("key")
        if not axis and isinstance(key, tuple) and key and is_in_turn(key[0], step.shape[0]):
            changed["key"] = (np.arange(shape[0]), *key[1:])
        return changed

    def sum(self, step: Step, place: Place) -> Step:
        """A sum over some of the examples, added to that over those before."""
        own = self.result(step, step.shape, self.input)
        if step.operation == "mean":
            own = self.plain("mul", step, own, 1 / self.writer.times)
        return self.plain("add", step, self.leaf(step, place), own)

    def plain(self, name: str, like: Step, *inputs: Any) -> Step:
        """An operation on steps that are made."""
        return self.add(Step(Kind.RESULT, like.shape, like.dtype, op=book[name], inputs=inputs), like)

    def write(self, results: dict[Step, Place]) -> None:
        if not results:
            return
        program = Program(self.order, list(results))
        trace = Trace(program, (), {}, {}, self.numbers, {}, frozenset(), tuple(results), None, (), frozenset(), {})
        type(self.writer.planner)(trace, Within(self.writer.plan, self.places, results)).write()


def zero(plan: Plan, place: Place) -> None:
    """Zeros, to which sums are added."""
    chain = Chain(place.dtype, (place.size,))
    flat = place._replace(shape=(place.size,), strides=(1,))
    chain.operate("identity", chain.slot(Slot.STREAM, flat), chain.slot(Slot.ONE, plan.number(0, place.dtype)))
    chain.written(plan)
