"""Many steps of a compiled function in one call, as `jax.lax.scan` runs them: what a step leaves, the next one gets."""

# What a user's function takes and gives is known only when it runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.codegen.version import ADVANCES, STAYS, Version, plain
from chainrule.core.graph import Node
from chainrule.core.instructions import FIRST_INPUT
from chainrule.core.tree import flatten, outline, unflatten
from chainrule.errors import DtypeError, ShapeError
from chainrule.kinds import is_whole
from chainrule.program import Step


def scan(compiled: Any, carry: Any, each: Any, steps: int | None) -> tuple[Any, Any]:
    """What `compiled` leaves after all steps, and what the steps gave, stacked."""
    parts, shape_of_each = flatten(each)
    parts = [np.asarray(plain(x)) for x in parts]
    count = number_of_steps(compiled.name, parts, steps)
    held, shape_of_carry = flatten(carry)
    refuse_settings(compiled.name, held)
    first = unflatten(shape_of_each, [x[0] for x in parts])
    leaves, structure = flatten(((carry, first), {}))
    version = compiled.version_for(leaves, structure, (carry, first), {})
    check_kinds(compiled.name, version, held, shape_of_carry)
    if version.native is None or not all([isinstance(x, Step) for x in version.trace.outputs]):
        return step_by_step(compiled, carry, parts, shape_of_each, count)
    return on_kernels(version, held, parts, shape_of_carry, count)


def number_of_steps(name: str, parts: Sequence[Any], steps: int | None) -> int:
    """How many steps there are: as many as each array has rows."""
    if steps is not None and not is_whole(steps, 1):
        raise ShapeError(f"scan of {name}: steps is a whole number of at least 1, not {steps!r}")
    if steps is None and not parts:
        raise ShapeError(f"scan of {name}: give arrays of which each step gets its own row, or say how many steps=")
    counts = {len(x) if x.ndim else 0 for x in parts} | ({int(steps)} if steps is not None else set())
    if len(counts) != 1 or not min(counts):
        raise ShapeError(
            f"scan of {name}: arrays of which each step gets its own row need one length along their first axis, of at "
            f"least 1 and equal to steps where that is given; these have {', '.join(map(str, sorted(counts)))}"
        )
    return counts.pop()


def refuse_settings(name: str, held: Sequence[Any]) -> None:
    """What a step hands to the next must be data: a whole number of Python's would be a setting, and never change."""
    for x in held:
        if not isinstance(x, float | np.ndarray | np.generic | Node) or isinstance(x, np.bool_):
            raise DtypeError(
                f"scan of {name}: the carry holds {x!r}, a setting, which no step can change: give a float or an array"
            )


def check_kinds(name: str, version: Version, held: Sequence[Any], structure: Any) -> None:
    """A step must give a pair, and leave its carry in the shapes and types in which it got it."""
    made = version.trace.structure
    if not isinstance(made, tuple) or made[0] is not tuple or len(made[2]) != 2:
        raise ShapeError(f"scan of {name}: a step gives a pair, the next carry and what is kept of the step")
    if made[2][0] != structure:
        raise ShapeError(
            f"scan of {name}: the carry comes as {outline(structure)}, and the step leaves {outline(made[2][0])}"
        )
    for x, out in zip(held, version.trace.outputs, strict=False):
        wanted = np.shape(x), np.asarray(plain(x)).dtype
        found = (out.shape, out.dtype) if isinstance(out, Step) else (np.shape(out), np.asarray(out).dtype)
        if wanted != found:
            raise ShapeError(
                f"scan of {name}: a part of the carry comes as {wanted[1]} {wanted[0]}, and the step leaves it as "
                f"{found[1]} {found[0]}"
            )


def on_kernels(
    version: Version, held: Sequence[Any], parts: Sequence[Any], structure: Any, count: int
) -> tuple[Any, Any]:
    """All steps in one call of the machine."""
    trace = version.trace
    carried = len(held)
    given = [*map(plain, held), *parts]
    known = [k for k, step in enumerate(trace.given) if step is not None]
    roles = [k if k < carried else ADVANCES for k in known] + [STAYS] * len(trace.held)
    outside = map(plain, trace.held.values())
    first_result = FIRST_INPUT + len(roles)
    plan = version.plan
    in_place = plan is not None and all(
        [plan.in_place(FIRST_INPUT + i, first_result + k) for i, k in enumerate(roles) if k >= 0]
    )
    if in_place:  # in copies, which are the result
        given[:carried] = [np.array(x, order="C") for x in given[:carried]]
    results = version.native.scan(count, tuple(roles), (*[given[k] for k in known], *outside), -1, in_place)
    left = [np.asarray(x)[()] for x in results[:carried]]
    return unflatten(structure, left), unflatten(trace.structure[2][1], results[carried:])


def step_by_step(compiled: Any, carry: Any, parts: Sequence[Any], structure: Any, count: int) -> tuple[Any, Any]:
    rows: list[list[Any]] = []
    shape: Any = None
    for i in range(count):
        carry, kept = compiled(carry, unflatten(structure, [x[i] for x in parts]))
        leaves, shape = flatten(kept)
        rows.append(leaves)
    return carry, unflatten(shape, [np.stack([np.asarray(x) for x in column]) for column in zip(*rows, strict=True)])
