"""What a training step changes: parameters, what the optimizer keeps for them, running statistics; and its settings."""

# What modules and optimizers hold is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.errors import GraphError
from chainrule.kinds import Array
from chainrule.named import NamedTuple
from chainrule.nn.module import Module
from chainrule.optim.optimizer import Memory, Optimizer, Settings

NO_SETTINGS_OF_A_STEP = ("params", "initial_lr")


class Member(NamedTuple):
    """A parameter that is moved, by name, with what is kept for it, and the place of its group."""

    name: str
    parameter: Tensor
    memory: Memory
    group: int


class State:
    """Everything that a step changes, as arrays in one order: that of `tree`.

    Counts, which are whole numbers in the optimizer's memory or in a buffer without axes, are floats in a program.
    Parameters of which no gradient comes, the `unmoved` by name, are no part of it, and frozen ones neither.
    """

    def __init__(self, parts: Sequence[Module], optimizer: Optimizer, unmoved: Collection[str] = ()) -> None:
        self.parts = parts
        names = names_of_parameters(parts)
        groups = [g for g, group in enumerate(optimizer.param_groups) for _ in group["params"]]
        self.members: list[Member] = []
        self.places: list[int] = []
        """Of the members among what the optimizer moves."""
        self.without = tuple(unmoved)
        self.unmoved: list[Tensor] = []
        moved = zip(optimizer.params, optimizer.memory, groups, strict=True)
        for place, (parameter, memory, group) in enumerate(moved):
            if not parameter.requires_grad or names.get(id(parameter)) in unmoved:
                self.unmoved.append(parameter)
                continue
            if id(parameter) not in names:
                raise GraphError(
                    f"the optimizer moves {parameter.describe()}, which is no parameter of the model or of the loss"
                )
            self.places.append(place)
            self.members.append(Member(names[id(parameter)], parameter, memory, group))
        buffers = {name: held for part in parts for name, held in part.named_buffers()}
        self.buffers = {name: held for name, held in buffers.items() if not is_count(held)}
        self.counting = {name: held for name, held in buffers.items() if is_count(held)}
        self.shared = is_written_here(optimizer)
        self.look()

    @cached_property
    def modules(self) -> list[Module]:
        return [module for part in self.parts for module in part.modules()]

    def look(self) -> None:
        """What the optimizer keeps for the members: which arrays, and which counts are one."""
        self.kept = list(dict.fromkeys([name for m in self.members for name, x in m.memory.items() if is_array(x)]))
        self.names = [set(m.memory) for m in self.members]
        counts: dict[Hashable, list[tuple[int, str]]] = {}
        for i, member in enumerate(self.members):
            for name, x in member.memory.items():
                if not is_array(x):
                    counts.setdefault((member.group, name, x) if self.shared else (i, name), []).append((i, name))
        self.places_of_counts = [*counts.values()]
        """The counts that are one: members, by number, and names."""
        self.find_counts()

    def find_counts(self) -> None:
        """Where the counts that are one are: memories, and names there."""
        self.counts = [[(self.members[i].memory, name) for i, name in places] for places in self.places_of_counts]

    def of(self, parts: Sequence[Module], optimizer: Optimizer) -> State:
        """The state of other modules that are made alike and have no buffers, moved by such an optimizer."""
        other = object.__new__(State)
        vars(other).update(vars(self))
        vars(other).pop("modules", None)
        other.parts = parts
        moved = list(zip(optimizer.params, optimizer.memory, strict=True))
        other.members = [
            Member(member.name, *moved[place], member.group)
            for place, member in zip(self.places, self.members, strict=True)
        ]
        other.unmoved = [x for place, (x, _) in enumerate(moved) if place not in self.places]
        if self.shared:
            other.find_counts()
        else:  # nobody here knows what such an optimizer keeps
            other.look()
        return other

    def tree(self) -> tuple[Any, ...]:
        """Parameters, what is kept for each by name, the optimizer's counts, buffers, and counts in buffers."""
        kept = {name: {m.name: m.memory[name] for m in self.members if name in m.memory} for name in self.kept}
        return (
            {m.name: m.parameter.data for m in self.members},
            kept,
            [float(places[0][0][places[0][1]]) for places in self.counts],
            {name: held.data for name, held in self.buffers.items()},
            {name: float(held.data) for name, held in self.counting.items()},
        )

    def is_as_it_was(self) -> bool:
        """Whether the optimizer keeps what it kept, and counts that were equal still are."""
        for member, names in zip(self.members, self.names, strict=True):
            if member.memory.keys() != names:
                return False
        return all([len({memory[name] for memory, name in places}) == 1 for places in self.counts])

    def arrays(self) -> list[Array]:
        """All of it in the order of the tree; counts as arrays of their own."""
        found = [m.parameter.data for m in self.members]
        found += [m.memory[name] for name in self.kept for m in self.members if name in m.memory]
        found += [np.array(float(places[0][0][places[0][1]])) for places in self.counts]
        found += [held.data for held in self.buffers.values()]
        found += [np.array(float(held.data)) for held in self.counting.values()]
        return found

    def written(self, arrays: Sequence[Array]) -> None:
        """The arrays hold new numbers: tell the counts, and graphs that have the old ones."""
        at = len(self.members) + sum([name in m.memory for name in self.kept for m in self.members])
        for places, array in zip(self.counts, arrays[at:], strict=False):
            now = int(array)
            for memory, name in places:
                memory[name] = now
        at += len(self.counts) + len(self.buffers)
        for held, array in zip(self.counting.values(), arrays[at:], strict=True):
            held.data[...] = array
            held.mark_changed()
        for member in self.members:
            member.parameter.mark_changed()
        for held in self.buffers.values():
            held.mark_changed()


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray)


def is_count(buffer: Tensor) -> bool:
    """Whether a buffer holds one whole number."""
    return not buffer.shape and buffer.dtype.kind in "iu"


def names_of_parameters(parts: Sequence[Module]) -> dict[int, str]:
    """The name of every parameter of a model, and of a loss that has some."""
    found: dict[int, str] = {}
    for part, front in zip(parts, ("", "loss."), strict=False):
        for name, parameter in part.named_parameters():
            found.setdefault(id(parameter), front + name)
    return found


def memory_key(optimizer: Optimizer) -> Hashable:
    """What tells apart what an optimizer keeps: names, kinds, and which counts are equal."""
    counts: dict[Any, int] = {}
    return tuple(
        [
            tuple(
                [
                    (name, -1 - counts.setdefault((name, x), len(counts)) if type(x) is int else x.dtype.num)
                    for name, x in memory.items()
                ]
            )
            for memory in optimizer.memory
        ]
    )


def settings_of(optimizer: Optimizer) -> tuple[Hashable, list[float]]:
    """Which settings a program has as numbers, and these; all others are part of the program.

    A number that is 0 is part of it, since a branch asks whether it is there; the rate is always a number.
    """
    numbers: list[float] = []
    structure: list[Hashable] = []
    for group in optimizer.param_groups:
        for name, held in group.items():
            if name not in NO_SETTINGS_OF_A_STEP:
                structure.append((name, shape_of_setting(name, held, numbers)))
    return tuple(structure), numbers


class Free(NamedTuple):
    """The place of a setting among the numbers of a program."""

    place: int


def shape_of_setting(name: str, held: Any, numbers: list[float]) -> Hashable:
    """A setting with its numbers taken out."""
    if isinstance(held, list | tuple):
        return tuple([shape_of_setting(name, part, numbers) for part in held])
    if isinstance(held, bool | np.bool_) or not isinstance(held, int | float | np.number):
        return held if isinstance(held, Hashable) else repr(held)
    if not held and name != "lr":
        return float(held)
    numbers.append(float(held))
    return Free(len(numbers) - 1)


def settings_with(optimizer: Optimizer, structure: Any, number: Any) -> list[Settings]:
    """The settings of every group with ``number(name, place)`` in the places of numbers; betas have betas_1 first."""

    def filled(name: str, held: Any) -> Any:
        if isinstance(held, Free):
            return number(name, held.place)
        several = isinstance(held, tuple)
        return tuple([filled(f"{name}_{k}", part) for k, part in enumerate(held, 1)]) if several else held

    named = iter(structure)
    found: list[Settings] = []
    for group in optimizer.param_groups:
        settings = dict(group)
        for name in group:
            if name not in NO_SETTINGS_OF_A_STEP:
                settings[name] = filled(name, next(named)[1])
        found.append(settings)
    return found


def attributes_of(modules: Iterable[Module]) -> list[Any]:
    """What modules hold, and whether their parameters are trained: a program is made for that."""
    found: list[Any] = []
    for module in modules:
        for held in vars(module).values():
            found.append(held)
            if isinstance(held, list | tuple):
                found += held
            elif isinstance(held, dict):
                found += held.values()
            elif isinstance(held, Tensor):
                found.append(held.requires_grad)
    return found


def are_the_same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two lists hold the same things, or equal plain ones."""
    return len(one) == len(other) and all(
        [x is y or (type(x) is type(y) and isinstance(x, PLAIN) and x == y) for x, y in zip(one, other, strict=True)]
    )


PLAIN = (bool, int, float, str, tuple, type(None))


def is_written_here(x: Any) -> bool:
    """Whether a function, or the class of an object, is this package's."""
    found = getattr(x, "__module__", None)
    return (found if isinstance(found, str) else type(x).__module__).startswith("chainrule.")
