"""A learner's training loop: its first step taken apart into the gradient that it must have used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.errors import UNFIT
from chainrule.program import Step
from chainrule.verify.agreement import agrees
from chainrule.verify.answers.code import arguments, run_plain
from chainrule.verify.marking.fingerprints import Fingerprint
from chainrule.verify.marking.marked import Grade, Mistake, number, three_hints, told
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.updates import moved_on, updates
from chainrule.verify.marking.walk import Walk


@dataclass(frozen=True)
class Loop:
    """A learner's training loop, with the points at which it is run and the rate that it is given."""

    problem: Problem
    f: Callable[..., Any]
    walks: Sequence[Walk]
    asked: Sequence[str]
    rate: float

    @cached_property
    def names(self) -> list[str]:
        return arguments(self.problem, self.f)

    def after(self, walk: Walk, steps: int) -> dict[str, Any]:
        """The parameters after so many steps from a point."""
        return run_plain(self.f, self.names, walk, self.asked, steps=steps, rate=self.rate)


def grade_training_step(loop: Loop, steps: int) -> Grade | dict[str, Fingerprint]:
    """The verdict where the update itself is wrong, or else the gradients that the first step used."""
    problem, walks, asked, rate = loop.problem, loop.walks, loop.asked, loop.rate
    first = [loop.after(walk, 1) for walk in walks]
    used: dict[str, list[Any]] = {}
    for name in asked:
        before = [np.asarray(walk.numbers[problem.named[name]]) for walk in walks]
        used[name] = [(old - one[name]) / rate for old, one in zip(before, first, strict=True)]
    marks = {name: Fingerprint(problem, walks, problem.named[name], used[name]) for name in asked}
    wrong = [name for name in asked if not marks[name].is_right()]
    if not wrong:
        return later_steps(loop, steps)
    mistakes: list[Mistake] = []
    for name in wrong:
        found = update_mistake(loop, name, used[name])
        mistakes += [found] if found is not None else []
    if not mistakes:
        return marks
    if len(mistakes) == len(asked) and all(m.name == "wrong-update" and "adds" in m.says for m in mistakes):
        mistakes.append(told("sign", mistakes[0].place, "the error, or the update"))
    return Grade(False, tuple(mistakes), three_hints(mistakes))


def update_mistake(loop: Loop, name: str, used: Sequence[Any]) -> Mistake | None:
    """The mistake in one parameter's update, if what it moved by is no gradient of its own."""
    walks, wrt = loop.walks, loop.problem.named[name]
    for kind, says, value in updates(loop.problem, wrt, loop.asked, loop.rate):
        try:
            if all(agrees(u, value(walk)) for u, walk in zip(used, walks, strict=True)):
                place = f"the update of {name} (d{name}), epoch 1"
                return told(kind, place, says, after_update(walks[0], wrt, used[0], loop.rate))
        except UNFIT:
            continue
    return None


def after_update(walk: Walk, wrt: Step, used: Any, rate: float) -> str:
    """The new value as it was computed, and as it should be."""
    if np.size(used) > 4:
        return ""
    now = walk.numbers[wrt]
    return f"yours {number(now - rate * used)}, right {number(now - rate * np.asarray(walk.right[wrt]))}"


def later_steps(loop: Loop, steps: int) -> Grade:
    """The verdict where the first step is right: gradients may pile up from the second on."""
    rate = loop.rate
    parameters = [loop.problem.named[name] for name in loop.asked]
    for count in range(2, max(steps, 2) + 1):
        for walk in loop.walks:
            theirs = loop.after(walk, count)
            points = [walk]
            for _ in range(count - 1):
                points.append(moved_on(points[-1], parameters, rate, True))
            for name, step in zip(loop.asked, parameters, strict=True):
                last = points[-1]
                ours = last.numbers[step] - rate * np.asarray(last.right[step])
                if not agrees(theirs[name], ours):
                    return later_mistake(name, step, theirs[name], points, rate)
    return Grade(True, (), ())


def later_mistake(name: str, step: Step, theirs: Any, points: Sequence[Walk], rate: float) -> Grade:
    """What goes wrong after the first step: gradients that are kept, or values that are not computed again."""
    count = len(points)
    used = (np.asarray(points[-1].numbers[step]) - theirs) / rate
    piled = sum(np.asarray(point.right[step]) for point in points)
    kind, says = "unclassified", f"step {count} is wrong, and those before it are right"
    if agrees(used, piled):
        kind, says = "not-zeroed", f"in step {count} the gradients of the steps before are still there"
    elif agrees(used, points[0].right[step]):
        says = f"step {count} uses the gradient of the first step: it is not computed again"
    place = f"the update of {name} (d{name}), epoch {count}"
    mistake = told(kind, place, says)
    return Grade(False, (mistake,), three_hints([mistake]), (), place if kind == "unclassified" else "")
