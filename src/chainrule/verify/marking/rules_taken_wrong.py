"""The product, quotient and chain rule taken wrong: what u and v and their derivatives give in a wrong arrangement."""

# A change keeps its place as a default of its function, whose type the checker does not follow.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.program import Step
from chainrule.verify.marking.problem import Problem
from chainrule.verify.marking.walk import Arrival, Walk
from chainrule.verify.marking.wrong_slopes import WRONG

Rule = tuple[str, str, Callable[[Any, Any, Any, Any], Any]]
"""A mistake's name, what is said, and what it gives of u, v, u′ and v′."""

OF_TWO: dict[str, tuple[Rule, ...]] = {
    "mul": (
        ("multiplied-for-added", "u′v′ is not the derivative of uv: that is u′v + uv′", lambda u, v, du, dv: du * dv),
        ("multiplied-for-added", "u′v and uv′ are multiplied, and they add", lambda u, v, du, dv: du * v * u * dv),
        ("swapped-operands", "each factor stands beside its own derivative", lambda u, v, du, dv: du * u + dv * v),
        (WRONG, "u′ + v′ is the derivative of u + v, and not of uv", lambda u, v, du, dv: du + dv),
    ),
    "div": (
        (WRONG, "u′/v′ is not the derivative of u/v", lambda u, v, du, dv: du / dv),
        (WRONG, "nothing is divided by v²", lambda u, v, du, dv: du * v - u * dv),
        (WRONG, "v stands for v² below", lambda u, v, du, dv: (du * v - u * dv) / v),
        (WRONG, "u² stands for v² below", lambda u, v, du, dv: (du * v - u * dv) / u**2),
        (WRONG, "v′² stands for v² below", lambda u, v, du, dv: (du * v - u * dv) / dv**2),
        (WRONG, "u′v′ stands for u′v − uv′ above", lambda u, v, du, dv: du * dv / v**2),
        (WRONG, "u′ − v′ stands for u′v − uv′ above", lambda u, v, du, dv: (du - dv) / v**2),
        (
            "swapped-operands",
            "each stands beside its own derivative above",
            lambda u, v, du, dv: (du * u - dv * v) / v**2,
        ),
    ),
}
"""The product and the quotient of u and v, which both depend on what is asked."""

OF_ONE: tuple[tuple[str, str, Callable[[Arrival, Any], Any]], ...] = (
    (WRONG, "the outer derivative is taken at the derivative of {u}, and nothing is multiplied", Arrival.slope_with),
    (
        WRONG,
        "the outer derivative is taken at the derivative of {u}, which is its value's place",
        lambda at, du: at.slope_with(du) * du,
    ),
    ("gradient-for-value", "{u} itself stands for its derivative", lambda at, du: at.slope * at.own),
    ("added-for-multiplied", "the derivative of {u} is added, and it multiplies", lambda at, du: at.slope + du),
)
"""The chain rule of f(u) with u′ in a wrong place, or u in the place of u′."""

POWERS = (
    WRONG,
    "the rule for powers is used on an exponential of {u}",
    lambda at, du: at.own * np.exp(at.own - 1.0),
)


def rules_taken_wrong(problem: Problem, wrt: Step) -> Iterator[tuple[Step, int, str, str, Callable[[Walk], Any]]]:
    """The consumer and the slot of a link, the mistake, what is said of it, and the derivative of the consumer then."""
    between = problem.program.between([wrt])
    inside = {*between, wrt}
    for step in between:
        operands = [(slot, x) for slot, x in step.edges if x in inside]
        if step is wrt or not is_entry_by_entry(problem, step, wrt):
            continue
        slot, u = operands[0]
        if step.operation in OF_TWO and len(operands) == 2 and u is not operands[1][1]:
            for name, says, rule in OF_TWO[step.operation]:
                yield step, 0, name, says, partial(of_both, rule, step, wrt)
        elif len(operands) == 2 or u is wrt:
            continue
        elif step.operation == "div" and slot == 1:
            says = f"{problem.name(u)} is differentiated where it stands, below"
            yield step, 1, WRONG, says, lambda w, step=step, u=u: w.inputs(step)[0] / inner(w, u, wrt)
        elif bends(step):
            for name, says, rule in (*[POWERS] * (step.operation == "exp"), *OF_ONE):
                yield step, slot, name, says.format(u=problem.name(u)), partial(of_inner, rule, step, slot, wrt)


def is_entry_by_entry(problem: Problem, step: Step, wrt: Step) -> bool:
    """Whether every entry of a step depends on the same entry of what is asked alone."""
    if step.shape != wrt.shape:
        return False
    return all(
        s.shape == wrt.shape and isinstance(s.op, Pointwise)
        for s in problem.program.between([wrt], [step])
        if s is not wrt
    )


def bends(step: Step) -> bool:
    """Whether a step is a function of one number whose slope is not the same everywhere."""
    return (len(step.inputs) == 1 or step.operation == "pow") and step.operation != "neg"


def of_both(rule: Callable[..., Any], step: Step, wrt: Step, walk: Walk) -> Any:
    """What a rule for two operands gives."""
    return rule(*walk.inputs(step), *[inner(walk, x, wrt) for x in step.input_steps])


def of_inner(rule: Callable[[Arrival, Any], Any], step: Step, slot: int, wrt: Step, walk: Walk) -> Any:
    """What a rule for the derivative of what is inside gives."""
    return rule(Arrival(walk, step, slot, None), inner(walk, step.inputs[slot], wrt))


def inner(walk: Walk, x: Step, wrt: Step) -> Any:
    """The derivative of a step in what is asked, entry by entry."""
    return walk.handed_down(x, np.ones(x.shape)[()], wrt)


def exchanged(walk: Walk, step: Step, wrt: Step, derivative: Any) -> Any:
    """The gradient where a step has another derivative in what is asked."""
    g = walk.right[step]
    return walk.right[wrt] - walk.handed_down(step, g, wrt) + g * derivative
