"""Backward passes in a wrong order: nodes that do not wait, a recursion that counts twice, shares that overwrite.

Those that `what_if` shows are run by the same code; here they are run at many numbers, with a few more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.walk import inputs_of
from chainrule.derivation.wrong import mistakes
from chainrule.program import Step
from chainrule.verify.marking.walk import Walk

MOST_STEPS = 2_000
"""A recursion that walks every path by itself is stopped after so many shares."""

Gradients = dict[Step, Any]


def naive(walk: Walk, reverse: bool) -> Gradients:
    attempt = mistakes.naive_recursion(walk, reverse, MOST_STEPS)
    return attempt.gradients if attempt.finished else {}


def by_consumer(walk: Walk, reverse: bool) -> Gradients:
    """A node gives all its inputs their shares and then runs each of them: a shared one runs once for each consumer."""
    gradients: Gradients = {walk.problem.output: np.ones(walk.problem.output.shape)[()]}
    stack = [walk.problem.output]
    count = 0
    while stack:
        step = stack.pop()
        count += 1
        if count > MOST_STEPS:
            return {}
        for slot, x in step.edges[::-1] if reverse else step.edges:
            share = walk.share(step, slot, gradients[step])
            gradients[x] = share if x not in gradients else gradients[x] + share
        stack += list(dict.fromkeys(inputs_of(step, not reverse)))
    return gradients


def per_arrival(walk: Walk, reverse: bool) -> Gradients:
    """A node stands in the order once for each use, and hands on all that it has collected each time."""
    order: list[Step] = []
    stack = [walk.problem.output]
    while stack and len(order) < MOST_STEPS:
        step = stack.pop(0)
        order.append(step)
        stack += inputs_of(step, reverse)
    return walk.backward(order)


def breadth_first(walk: Walk, reverse: bool) -> Gradients:
    """Level by level from the result: a node that is also used further down hands on too early."""
    order: dict[Step, None] = {walk.problem.output: None}
    level = [walk.problem.output]
    while level:
        level = [x for step in level for x in inputs_of(step, reverse) if x not in order]
        order.update(dict.fromkeys(level))
    return walk.backward(list(order))


def depth_first(walk: Walk, reverse: bool) -> Gradients:
    return mistakes.depth_first(walk, reverse).gradients


def overwriting(walk: Walk, reverse: bool) -> Gradients:
    return mistakes.overwriting(walk)[-1 if reverse else 0].gradients


def kept(walk: Walk) -> Gradients:
    """A second pass on what the first one left in every node."""
    return mistakes.not_zeroed(walk)[-1].gradients


def both(
    run: Callable[[Walk, bool], Gradients], name: str, says: str
) -> list[tuple[str, str, Callable[[Walk], Gradients]]]:
    """A pass that depends on the order of a node's inputs, in both."""
    return [(name, says, lambda walk, way=way: run(walk, way)) for way in (False, True)]


PASSES: list[tuple[str, str, Callable[[Walk], Gradients]]] = [
    *both(naive, "wrong-order", "a node hands on all it has whenever something arrives, so a share is passed on twice"),
    *both(by_consumer, "wrong-order", "a node runs its backward once for each consumer, and passes a share on again"),
    *both(per_arrival, "wrong-order", "a node that is used twice runs its backward twice, and passes a share on again"),
    *both(depth_first, "wrong-order", "a node hands on when it is first met, before all its consumers have reported"),
    *both(breadth_first, "wrong-order", "a node hands on before a consumer further down has reported"),
    *both(overwriting, "overwritten", "gradients are set with = where += is needed"),
    ("not-zeroed", "a second pass started on the gradients of the first, in every node", kept),
]
"""By name: what is said, and the pass."""


def left_by(walk: Walk, k: int) -> Gradients:
    """What one of these passes leaves at a probe; it is run once."""
    if k not in walk.passes:
        walk.passes[k] = PASSES[k][2](walk)
    return walk.passes[k]
