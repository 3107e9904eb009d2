"""A program run on numbers: other data in the leaves, or the same again in double precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.operation import Fused, Operation
from chainrule.core.state import Quiet
from chainrule.errors import GraphError, ShapeError
from chainrule.program.steps import Program, Step


def run(
    program: Program,
    leaves: Mapping[Step, Any] | Sequence[Any],
    *,
    in_double: bool = False,
    rounded: Callable[[Any], Any] | None = None,
) -> list[Any]:
    """What every step comes to, by its place, with these numbers in the leaves; O(one forward).

    A sequence gives the leaves in their order in the program; a mapping may also give numbers for a result, which is
    then not computed. With `in_double` single precision is computed in double, and a change of type is none.
    Each number computed is taken as `rounded` has it. Raises ShapeError for a leaf of another shape, and GraphError for
    one without numbers.

    >>> import chainrule as cr
    >>> from chainrule.program import lift, run
    >>> a, b = cr.Value(2.0), cr.Value(3.0)
    >>> run(lift(a * b + a).program, [10.0, 1.0])[-1]
    np.float64(20.0)
    """
    if not isinstance(leaves, Mapping):
        if len(leaves) != len(program.leaves):
            raise GraphError(f"{len(leaves)} numbers or arrays were given for {len(program.leaves)} leaves")
        leaves = dict(zip(program.leaves, leaves, strict=True))
    found: list[Any] = []
    with Quiet():
        for step in program.steps:
            if step.op is None or step in leaves:
                found.append(leaf_numbers(step, leaves, in_double))
            else:
                given, settings = step.given(lambda x: found[x.place])
                numbers = run_operation(step.op, given, settings, in_double)
                if rounded is not None and np.asarray(numbers).dtype.kind == "f":
                    numbers = rounded(numbers)
                found.append(numbers)
    return found


def record(program: Program, leaves: Sequence[Any], names: Sequence[str] = (), *, apart: bool = False) -> list[Any]:
    """What every step gives on leaves that may be nodes, or what stands for them, recorded on these; O(one forward).

    The leaves have the types of the numbers: a change of type is none. `names` are those of what is traced, by place.
    Several operations in one may be taken `apart`.

    >>> import chainrule as cr
    >>> from chainrule.program import lift
    >>> from chainrule.program.run import record
    >>> a, b = cr.Value(2.0), cr.Value(3.0)
    >>> record(lift(a * b + a).program, [cr.Value(10.0), cr.Value(1.0)])[-1].data
    20.0
    """
    given = iter(leaves)
    found: list[Any] = []
    for step in program.steps:
        found.append(next(given) if step.op is None else record_step(step, lambda x: found[x.place], apart=apart))
        if names and step.op is not None and hasattr(found[-1], "named"):
            found[-1].named(names[step.place])
    return found


def record_step(step: Step, known: Callable[[Step], Any], *, apart: bool = False) -> Any:
    """The same for one step, whose inputs are known."""
    assert step.op is not None
    inputs, settings = step.given(known)
    if step.op.name == "astype" and step.dtype.kind == "f":
        return inputs[0]
    if apart and isinstance(step.op, Fused):
        return step.op.composition(*inputs, **settings)  # type: ignore[misc]  # declared with what it is composed of
    return step.op(*inputs, **settings)


def leaf_numbers(step: Step, leaves: Mapping[Step, Any], in_double: bool) -> Any:
    """What was given for a leaf, in its type."""
    if step not in leaves:
        raise GraphError(f"{step!r} has no numbers: give some for every leaf of the program")
    double = in_double and step.dtype.kind == "f"
    array = np.asarray(leaves[step], np.float64 if double else step.dtype)
    if array.shape != step.shape:
        raise ShapeError(f"{step!r} was given numbers of shape {array.shape}")
    return array[()] if not array.ndim else array


def run_operation(op: Operation, inputs: Sequence[Any], settings: dict[str, Any], in_double: bool = False) -> Any:
    """An operation's forward on plain numbers and arrays."""
    if in_double and op.name == "astype":
        return inputs[0]
    return op.fitting(inputs, inputs, settings)
