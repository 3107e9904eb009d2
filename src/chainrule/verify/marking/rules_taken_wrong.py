"""The product, quotient and chain rule taken wrong: what u and v and their derivatives give in a wrong arrangement."""

# A change keeps its place as a default of its function, whose type the checker does not follow.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def rules_taken_wrong(problem: Problem, wrt: Step) -> Iterator[tuple[Step, int, str, str, Callable[[Walk], Any]]]:
    """The consumer and the slot of a link, the mistake, what is said of it, and the gradient that it gives."""
    between = problem.program.between([wrt])
    inside = {*between, wrt}
    for step in between:
        operands = [x for _, x in step.edges if x in inside]
        if step is wrt or not is_entry_by_entry(problem, step, wrt):
            continue
        if step.operation in OF_TWO and len(operands) == 2 and operands[0] is not operands[1]:
            for name, says, rule in OF_TWO[step.operation]:
                yield step, 0, name, says, given_by_rule(step, operands, wrt, rule)
        elif step.operation == "div" and len(operands) == 1 and step.inputs[1] is operands[0] is not wrt:
            says = f"{problem.name(operands[0])} is differentiated where it stands, below"
            above, below = step.inputs[0], operands[0]

            def below_alone(walk: Walk, step: Step = step, above: Any = above, below: Step = below) -> Any:
                top = walk.numbers[above] if isinstance(above, Step) else above
                return exchanged(walk, step, wrt, top / inner(walk, below, wrt))

            yield step, 1, WRONG, says, below_alone
        elif len(operands) == 1 and operands[0] is not wrt and bends(step):
            yield from inner_derivatives(problem, step, operands[0], wrt)


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


def given_by_rule(step: Step, operands: list[Step], wrt: Step, rule: Callable[..., Any]) -> Callable[[Walk], Any]:
    """The gradient where the derivative of a step is worked out by a wrong rule."""

    def gives(walk: Walk) -> Any:
        u, v = [walk.numbers[x] for x in operands]
        du, dv = [inner(walk, x, wrt) for x in operands]
        return exchanged(walk, step, wrt, rule(u, v, du, dv))

    return gives


def inner(walk: Walk, x: Step, wrt: Step) -> Any:
    """The derivative of a step in what is asked, entry by entry."""
    return walk.handed_down(x, np.ones(x.shape)[()], wrt)


def exchanged(walk: Walk, step: Step, wrt: Step, derivative: Any) -> Any:
    """The gradient where a step has another derivative in what is asked."""
    g = walk.right[step]
    return walk.right[wrt] - walk.handed_down(step, g, wrt) + g * derivative


def inner_derivatives(
    problem: Problem, step: Step, x: Step, wrt: Step
) -> Iterator[tuple[Step, int, str, str, Callable[[Walk], Any]]]:
    """The chain rule of f(u) with u′ in a wrong place, or u in the place of u′."""
    slot = next(i for i, y in step.edges if y is x)
    name = problem.name(x)

    def told(name: str, says: str, derivative: Callable[[Arrival, Any], Any]) -> Any:
        """What is said where the derivative is made of the step's numbers and of that of what is inside."""
        return (
            step,
            slot,
            name,
            says,
            lambda w: exchanged(w, step, wrt, derivative(Arrival(w, step, slot, None), inner(w, x, wrt))),
        )

    if step.operation == "exp":
        of_powers = f"the rule for powers is used on an exponential of {name}"
        yield told(WRONG, of_powers, lambda at, du: at.own * np.exp(at.own - 1.0))
    at_inner = f"the outer derivative is taken at the derivative of {name}"
    yield told(WRONG, f"{at_inner}, and nothing is multiplied", lambda at, du: at.slope_with(du))
    yield told(WRONG, f"{at_inner}, which is its value's place", lambda at, du: at.slope_with(du) * du)
    yield told("gradient-for-value", f"{name} itself stands for its derivative", lambda at, du: at.slope * at.own)
    added = f"the derivative of {name} is added, and it multiplies"
    yield told("added-for-multiplied", added, lambda at, du: at.slope + du)
