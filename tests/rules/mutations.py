"""Broken copies of a rule: for each of its derivatives, the mistakes that people make."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from oracles import places

from chainrule.core.differential import Differential
from chainrule.core.operation import Fused, Operation, Pointwise

TRANSPOSES = ("swap", "transpose")


class Mutant(NamedTuple):
    """A broken copy, which of its derivatives is broken, and how."""

    operation: Operation
    place: int
    mistake: str


def mutants(operation: Operation) -> Iterator[Mutant]:
    """Every applicable mistake in every derivative of an operation."""
    for i in places(operation):
        for factor, mistake in ((-1.0, "sign"), (2.0, "factor 2"), (0.0, "dropped"), (1.001, "relative 1e-3")):
            yield Mutant(broken(operation, i, lambda share, factor=factor: factor * share), i, mistake)
        if len(places(operation)) > 1:
            if not isinstance(operation, Differential):
                yield Mutant(exchanged(operation, i), i, "exchanged derivatives")
            if not operation.variadic and {*operation.reads(i, len(operation.shapes))[1]} & {*places(operation)[:2]}:
                yield Mutant(inputs_swapped(operation, i), i, "swapped inputs")
        for mutant in transposes_missing(operation, i):
            yield Mutant(mutant, i, "missing transpose")
        if operation.at_kink:
            yield Mutant(wrong_at_kinks(operation, i), i, "wrong at the kink")


def derivative(operation: Operation, i: int) -> Callable[..., Any]:
    """The stated derivative in input i as a function of what comes first, then the inputs, and the settings.

    First comes `out` for a partial, `g` for an adjoint, and the movement and `out` for a differential.
    """
    if isinstance(operation, Differential):
        return operation.adjoint[i] or operation.differential[i]  # type: ignore[return-value]
    stated: Any = operation.partials if isinstance(operation, Pointwise) else operation.adjoint  # type: ignore[attr-defined]
    if not callable(stated):
        return stated[i]
    if isinstance(operation, Pointwise):
        return lambda out, *inputs, **settings: stated(i, out, *inputs, **settings)
    return lambda g, *inputs, **settings: stated(g, i, *inputs, **settings)


def with_derivative(operation: Operation, i: int, new: Callable[..., Any]) -> Operation:
    """A copy of an operation with another derivative in input i."""
    mutant: Any = copy.copy(operation)
    mutant._reads = {}
    if isinstance(operation, Differential):
        kind = "differential" if operation.adjoint[i] is None else "adjoint"
        stated = list(getattr(operation, kind))
        stated[i] = new
        setattr(mutant, kind, tuple(stated))
        return mutant
    every = [derivative(operation, k) if operation.differentiable(k) else None for k in range(len(operation.shapes))]
    every[i] = new
    if isinstance(operation, Pointwise):
        if operation.variadic:
            mutant.partials = lambda k, out, *inputs, **settings: every[k](out, *inputs, **settings)
        else:
            mutant.partials = tuple(every)
    elif operation.variadic:
        mutant.adjoint = lambda g, k, *inputs, **settings: every[k](g, *inputs, **settings)
    else:
        mutant.adjoint = tuple(every)
    if isinstance(operation, Fused):
        mutant.backs = (None,) * len(every)  # a loop in place of an adjoint would hide it
    return mutant


def broken(operation: Operation, i: int, change: Callable[[Any], Any]) -> Operation:
    """The derivative in input i, changed."""
    right = derivative(operation, i)
    return with_derivative(operation, i, lambda *given, **settings: change(right(*given, **settings)))


def exchanged(operation: Operation, i: int) -> Operation:
    """Input i gets the derivative of another input."""
    moving = places(operation)
    return with_derivative(operation, i, derivative(operation, moving[(moving.index(i) + 1) % len(moving)]))


def inputs_swapped(operation: Operation, i: int) -> Operation:
    """The derivative in input i takes two inputs for each other."""
    right = derivative(operation, i)
    first, second = places(operation)[:2]

    def swapped(*given: Any, **settings: Any) -> Any:
        mixed = list(given)
        lead = len(given) - len(operation.shapes)
        mixed[lead + first], mixed[lead + second] = mixed[lead + second], mixed[lead + first]
        return right(*mixed, **settings)

    return with_derivative(operation, i, swapped)


def transposes_missing(operation: Operation, i: int) -> Iterator[Operation]:
    """The derivative in input i without its transposes, where it has some; on square shapes, so that no shape tells."""
    right = derivative(operation, i)
    if not isinstance(right, FunctionType):
        return
    names = right.__code__.co_names
    if not {*names} & {*TRANSPOSES, "T"}:
        return
    code = right.__code__.replace(co_names=tuple("real" if name == "T" else name for name in names))
    same = {name: lambda x, **settings: x for name in TRANSPOSES}
    forgetful = FunctionType(code, {**right.__globals__, **same}, right.__name__, right.__defaults__, right.__closure__)
    mutant = with_derivative(operation, i, forgetful)
    mutant.shapes = tuple((3,) * len(shape) for shape in operation.shapes)
    yield mutant


def wrong_at_kinks(operation: Operation, i: int) -> Operation:
    """The derivative in input i, off by a quarter at the kinks and right everywhere else."""
    right = derivative(operation, i)

    def off(out: Any, *inputs: Any, **settings: Any) -> Any:
        kinked = np.zeros(np.shape(out), bool)
        for point in operation.at_kink:
            kinked |= np.all([np.equal(x, k) for x, k in zip(inputs, point, strict=True)], axis=0)
        return right(out, *inputs, **settings) + 0.25 * kinked

    return with_derivative(operation, i, off)
