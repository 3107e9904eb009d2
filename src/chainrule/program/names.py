"""Names of a program's steps: the user's own, at any depth, and no two alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chainrule.core.labels import find_labels
from chainrule.program.lift import Lifted
from chainrule.program.steps import Step


def names_of(lifted: Lifted) -> dict[Step, str]:
    """The names that the user has for steps, as ``net[0].weight`` or ``mlp.layers[0].neurons[1].b``; all different.

    Names are looked for in the variables of the program that asks, so they stand beside a program and not in it. Of two
    steps with one name the second is called ``x_2``. O(steps and what the variables hold).

    >>> import chainrule as cr
    >>> from chainrule.program import lift, names_of
    >>> first, second = cr.Value(2.0, label="x"), cr.Value(3.0, label="x")
    >>> list(names_of(lift(first * second)).values())
    ['x', 'x_2']
    """
    labels = find_labels(lifted.nodes)
    called = {step: labels.get(id(node), "") for step, node in zip(lifted.program.steps, lifted.nodes, strict=True)}
    return all_different({step: name for step, name in called.items() if name})


def all_different(names: Mapping[Step, str]) -> dict[Step, str]:
    """The names, with a number behind each that another step has already."""
    reserved = set(names.values())
    taken: set[str] = set()
    return {step: unused(name, taken, reserved) for step, name in names.items()}


def unused(name: str, taken: set[str], reserved: Iterable[str]) -> str:
    """A name, or with the first number behind it that makes it another's neither now nor later."""
    found, count = name, 1
    while found in taken or (count > 1 and found in reserved):
        count += 1
        found = f"{name}_{count}"
    taken.add(found)
    return found
