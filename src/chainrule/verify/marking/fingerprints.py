"""An answer's fingerprint: what it gives on generic probes, compared with the right gradient and with each mistake."""

# Arrays hold numbers of any type.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.state import Quiet
from chainrule.errors import UNFIT
from chainrule.program import Step
from chainrule.verify.agreement import Values, agrees_everywhere, ratio_everywhere
from chainrule.verify.marking.changes import Change, changes, repeated
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.walk import Arrival, Share, Walk, forward
from chainrule.verify.mistakes import PROGRAMS, rank


def is_credible(problem: Problem, c: float) -> bool:
    """Whether somebody may be off by that factor beside another mistake: a sign, a 2, a length, a number of the text.

    Any other number is more likely the trace of something else.
    """
    lengths = {float(n) for step in problem.program.steps for n in (*step.shape, step.size)}
    return any(
        math.isclose(abs(c), k, rel_tol=1e-9)
        for n in {1.0, 2.0, 4.0} | lengths | problem.literals
        if n
        for k in (n, 1 / n)
    )


COMMON = (
    "sign", "factor", "wrong-average", "missing-factor", "missing-path", "swapped-operands", "transposed",
    "activation-derivative-missing", "activation-derivative-at-output", "activation-derivative-at-input",
    "activation-for-derivative", "relu-mask-wrong", "softmax-diagonal", "prediction-for-error", "no-incoming-gradient",
)  # fmt: skip
"""Mistakes that are looked for two at a time; two of the rarer ones together give too many things by chance."""

MOST_PAIRS = 10_000
"""Pairs that are foretold for one answer."""

NEAR = 1e-5
"""What differences may put a foretold answer off, as a share of what is added up."""

STEP = 1e-6
"""How far what was asked is moved to see what moves with it."""


@dataclass(eq=False)
class Fingerprint:
    """What was answered for one parameter, at every probe."""

    problem: Problem
    walks: Sequence[Walk]
    wrt: Step
    answers: Values
    again: Callable[[int, int], Elsewhere | None] | None = None
    of_program: bool = False

    def is_right(self) -> bool:
        """Whether it is the gradient, in its layout or as a row for a column."""
        return agrees_everywhere(self.answers, (walk.right[self.wrt] for walk in self.walks))

    def is_defined(self) -> bool:
        """Whether it is a number at every probe, or at none."""
        finite = [a is not None and bool(np.all(np.isfinite(a))) for a in self.answers]
        return all(finite) or not any(finite)

    def ratio(self) -> float | None:
        """The constant factor by which it is off, if it is off by one."""
        return ratio_everywhere(self.answers, (walk.right[self.wrt] for walk in self.walks))

    @cached_property
    def changes(self) -> list[Change]:
        """Every single mistake on the way."""
        return list(changes(self.problem, self.wrt, self.walks))

    @cached_property
    def singles(self) -> list[Change]:
        """The single mistakes that give this answer at every probe, the more telling first; each name once."""
        with Quiet():
            found = [change for change in self.changes if self.fits(change)]
        false = self.not_elsewhere({change.name for change in found})
        found = [c for c in found if c.name != false]
        if all(change.name in PROGRAMS for change in found):
            found += self.repeated
        return sorted(found, key=lambda change: rank(change.name, self.of_program))

    @cached_property
    def repeated(self) -> list[Change]:
        """The mistakes that give this answer where they are made again and again, the more telling first."""
        with Quiet():
            found = [change for change in repeated(self.problem, self.wrt, self.walks) if self.fits(change)]
        return sorted(found, key=lambda change: rank(change.name, self.of_program))

    def not_elsewhere(self, names: set[str]) -> str:
        """Of a factor and an average that are the same number here, the one that does not give it at other lengths."""
        doubtful = {"factor", "wrong-average"}
        if not doubtful <= names or self.again is None:
            return ""
        for n in self.problem.lengths:
            there = self.elsewhere(n)
            left = set() if there is None else doubtful & {change.name for change in there.mark.singles}
            if len(left) == 1:
                return (doubtful - left).pop()
        return ""

    def elsewhere(self, n: int) -> Elsewhere | None:
        """The same answer where axes of a length have another one, that no axis has yet."""
        return None if self.again is None else self.again(n, max(self.problem.lengths) + 3)

    def fits(self, change: Change) -> bool:
        return agrees_everywhere(self.answers, (given(change, walk) for walk in self.walks), change.loose)

    def scaled(self) -> list[tuple[Change, float]]:
        """Mistakes that give the answer up to a constant factor or sign: two at once."""
        found: dict[str, tuple[Change, float]] = {}
        for change in self.changes:
            if change.name in ("factor", "sign") or change.name in found:
                continue
            c = ratio_everywhere(self.answers, (given(change, walk) for walk in self.walks))
            if c is not None and c != 1 and is_credible(self.problem, c):
                found[change.name] = (change, c)
        return sorted(found.values(), key=lambda pair: rank(pair[0].name))

    def pairs(self) -> list[tuple[Change, Change]]:
        """Two links that are both changed: each pair of the commoner mistakes is foretold, and made where it fits."""
        for one, other in foretold(self):
            both = {change.edge[:2]: change.edge[2] for change in (one, other) if change.edge is not None}
            with Quiet():
                gives = (given_by_both(both, walk, self.wrt) for walk in self.walks)
                if agrees_everywhere(self.answers, gives):
                    return [(one, other)]
        return []


class Elsewhere(NamedTuple):
    """An answer where axes have another length, and whether it has the length as a plain number, which stays."""

    mark: Fingerprint
    has_number: bool


def foretold(mark: Fingerprint) -> Iterator[tuple[Change, Change]]:
    """The pairs of changed links that give the answer along one random direction at the first probe.

    What a share adds to the gradient along a direction is its product with what moves along, so that of each pair only
    the lower share has to be made again, with what the upper one hands it.
    """
    walk, wrt = mark.walks[0], mark.wrt
    if np.shape(mark.answers[0]) != wrt.shape:
        return
    direction = np.random.default_rng(0).normal(size=wrt.shape)
    moves = moved_along(walk, wrt, direction)
    missing = float(np.vdot(direction, mark.answers[0] - np.asarray(walk.right[wrt])))
    links = [link for change in mark.changes if (link := link_of(change, walk, moves)) is not None]
    # Two names for one share are one link here; the first is the more telling.
    links = list({(link.edge[:2], round(link.adds, 9)): link for link in reversed(links)}.values())[::-1]
    tried = 0
    for one in links:
        below = walk.all_below(one.edge[0].inputs[one.edge[1]], one.difference, wrt)
        for other in links:
            step, slot, share = other.edge
            is_below = step in below
            if one.edge[:2] == other.edge[:2] or (not is_below and one.edge[0].place <= step.place):
                continue
            if (tried := tried + 1) > MOST_PAIRS:
                return
            adds = other.adds
            if is_below:
                g = walk.right[step] + below[step]
                passed = share(Arrival(walk, step, slot, g))
                if passed is None:
                    continue
                x = step.inputs[slot]
                adds = float(np.vdot(moves[x], walk.fitted(passed, x) - walk.share(step, slot, g)))
            if abs(one.adds + adds - missing) <= NEAR * (abs(one.adds) + abs(adds) + abs(missing)):
                yield one.change, other.change


class Link(NamedTuple):
    """A changed edge at the first probe: what passes more, and what that adds to the gradient along a direction."""

    change: Change
    edge: tuple[Step, int, Share]
    difference: Any
    adds: float


def link_of(change: Change, walk: Walk, moves: Mapping[Step, Any]) -> Link | None:
    """A change of one of the commoner kinds as a link; None of what is no single edge, or does not fit."""
    if change.edge is None or change.name not in COMMON:
        return None
    step, slot, share = change.edge
    passed = share(Arrival(walk, step, slot, walk.right[step]))
    if passed is None:
        return None
    x = step.inputs[slot]
    difference = walk.fitted(passed, x) - walk.right_share(step, slot)
    return Link(change, change.edge, difference, float(np.vdot(moves[x], difference)))


def moved_along(walk: Walk, wrt: Step, direction: Any) -> dict[Step, Any]:
    """How every step moves where what is asked moves along a direction, by differences."""
    program = walk.problem.program
    ends: list[dict[Step, Any]] = []
    for turn in (1.0, -1.0):
        there = walk.numbers[wrt] + turn * STEP * direction
        _, used = forward(program, walk.numbers, lambda step, x, there=there: there if step is wrt else x)
        ends.append(used)
    return {step: (np.asarray(ends[0][step], float) - ends[1][step]) / (2 * STEP) for step in program.steps}


def given_by_both(both: Mapping[tuple[Step, int], Any], walk: Walk, wrt: Step) -> Any:
    """What two changed edges give at a probe; None where their shapes do not fit."""
    try:
        return walk.with_changes(both, wrt)
    except UNFIT:
        return None


def given(change: Change, walk: Walk) -> Any:
    """What a change gives at a probe; None where it does not fit, or has no number."""
    try:
        with Quiet():
            return change.gives(walk)
    except UNFIT:
        return None


def what_mistakes_give(
    problem: Problem, wrt: Step, walks: Sequence[Walk], of_program: bool = False
) -> Iterator[tuple[Change, list[Any]]]:
    """Every mistake on the way to `wrt` with the numbers that it gives at the probes, the more telling first."""
    for change in sorted(changes(problem, wrt, walks), key=lambda change: rank(change.name, of_program)):
        numbers = [given(change, walk) for walk in walks]
        if all(x is not None and np.isfinite(x).all() for x in numbers):
            yield change, numbers
