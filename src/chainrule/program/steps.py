"""What a program is made of: steps in the order of the forward, each with an identity of its own.

Equal steps stay two: in ``c = a*b; d = a*b`` the user has two results, and says which one he asks about. (Terms, in
which equal things are one, are for formulas.) A program holds no live node, so it can be kept, pickled and run on
other numbers.
"""

# What settings and functions hold is known only when they run, and isinstance narrows it to containers of unknown
# things.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import Enum
from functools import cached_property, partial
from typing import Any

import numpy as np

from chainrule.core.operation import Operation, book
from chainrule.core.operators import NO_SETTINGS
from chainrule.core.stand_in import Shaped
from chainrule.core.walk import finished_first, made_from
from chainrule.errors import GraphError
from chainrule.named import NamedTuple

Shape = tuple[int, ...]


class Kind(Enum):
    """What a step is to the derivative."""

    RESULT = "result"
    """Made by an operation."""
    PARAMETER = "parameter"
    """A leaf that gradients reach."""
    DATA = "data"
    """A leaf without a derivative: other data may stand in its place."""
    FROZEN = "frozen"
    """What was cut out of the graph on purpose: the numbers are those of one run, and stay."""


class Step(Shaped):
    """One value of a program: a leaf, or an operation on earlier steps and plain numbers.

    `edges` are the pairs ``(slot, step)`` through which a change can pass, as those of an engine's node are, so the
    same walks serve both. `place` is where the step stands in its program.
    """

    __slots__ = ("_needs", "dtype", "edges", "inputs", "kind", "op", "place", "settings", "shape")
    op: Operation | None
    inputs: tuple[Any, ...]
    edges: tuple[tuple[int, Step], ...]
    settings: dict[str, Any]
    shape: Shape
    dtype: np.dtype[Any]
    kind: Kind
    place: int

    def __init__(
        self,
        kind: Kind,
        shape: Shape,
        dtype: Any = np.float64,
        *,
        op: Operation | None = None,
        inputs: tuple[Any, ...] = (),
        settings: dict[str, Any] = NO_SETTINGS,
        place: int = -1,
    ) -> None:
        self.kind = kind
        self.shape = shape
        self.dtype = dtype if isinstance(dtype, np.dtype) else np.dtype(dtype)
        self.op = op
        self.inputs = inputs
        self.settings = settings
        self.place = place
        self._needs: list[Step] | None = None
        if op is None or self.dtype.kind != "f":
            self.edges = ()
            return
        flat = op.flat
        edges = [(i, x) for i, x in enumerate(inputs) if isinstance(x, Step) and x.requires_grad]
        self.edges = tuple([edge for edge in edges if edge[0] not in flat] if flat else edges)

    @property
    def operation(self) -> str:
        """The name of its operation; nothing of a leaf."""
        return "" if self.op is None else self.op.name

    @property
    def requires_grad(self) -> bool:
        """Whether it depends on a parameter, so that a gradient can pass."""
        return self.kind is Kind.PARAMETER or bool(self.edges)

    @property
    def input_steps(self) -> list[Step]:
        """The steps among its inputs."""
        return [x for x in self.inputs if isinstance(x, Step)]

    @property
    def needs(self) -> list[Step]:
        """All steps that this one is computed from: inputs, and data in settings, as the places of an index."""
        found = self._needs
        if found is None:
            found = self._needs = steps_in([*self.inputs, *self.settings.values()])
        return found

    def given(self, known: Callable[[Step], Any]) -> tuple[Any, dict[str, Any]]:
        """Its inputs and its settings, with what is known of each step in the step's place."""
        return replaced(self.inputs, known), replaced(self.settings, known)

    def __repr__(self) -> str:
        what = self.kind.value if self.op is None else self.op.name
        return f"<step {self.place}: {what} {self.shape}>"


class Program:
    """Steps in the order of the forward, each after its inputs, and which of them are the outputs.

    >>> import chainrule as cr
    >>> from chainrule.program import lift
    >>> a, b = cr.Value(2.0), cr.Value(3.0)
    >>> program = lift(a * b + a).program
    >>> [step.op.name for step in program.steps if step.op]
    ['mul', 'add']
    """

    def __init__(self, steps: Sequence[Step], outputs: Sequence[Step]) -> None:
        self.steps = tuple(steps)
        self.outputs = tuple(outputs)
        for place, step in enumerate(self.steps):
            step.place = place

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        return f"<program of {len(self.steps)} steps, {len(self.leaves)} of them leaves>"

    @property
    def output(self) -> Step:
        if len(self.outputs) != 1:
            raise GraphError(f"this program has {len(self.outputs)} outputs: ask for one of .outputs")
        return self.outputs[0]

    @cached_property
    def leaves(self) -> tuple[Step, ...]:
        """The steps that nothing in the program made."""
        return tuple([step for step in self.steps if step.op is None])

    @cached_property
    def consumers(self) -> tuple[tuple[tuple[Step, int], ...], ...]:
        """For each step, by its place, the steps that take it in along an edge, and in which slot."""
        found: list[list[tuple[Step, int]]] = [[] for _ in self.steps]
        for step in self.steps:
            for slot, x in step.edges:
                found[x.place].append((step, slot))
        return tuple(map(tuple, found))

    def is_like(self, other: Program) -> bool:
        """Whether both do the same steps on leaves of the same kinds, in any order and under any names; O(steps).

        >>> import chainrule as cr
        >>> from chainrule.program import lift
        >>> a, b = cr.Value(2.0), cr.Value(3.0)
        >>> lift(a * b + a).program.is_like(lift(b * a + b).program)
        True
        >>> lift(a * b + a).program.is_like(lift(a * b + b).program)
        False
        """
        return self.numbered() == other.numbered()

    def numbered(self) -> list[tuple[Any, ...]]:
        """What each step does, in the order in which the outputs need them: equal for programs that are alike."""
        rows: list[tuple[Any, ...]] = []
        order: list[Step] = finished_first(self.outputs, lambda step: step.needs)
        number = {step: k for k, step in enumerate(order)}
        for step in order:
            inputs, settings = step.given(lambda x: Place(number[x]))
            rows.append((step.kind, named(step.op), step.shape, step.dtype, inputs, repr(settings)))
        return [*rows, tuple([number[output] for output in self.outputs])]

    def taking_in(self, some: Iterable[Step]) -> set[Step]:
        """Some steps, and all that were computed from them, also where no derivative goes; O(steps)."""
        found = set(some)
        for step in self.steps:
            if not found.isdisjoint(step.needs):
                found.add(step)
        return found

    def between(self, wrt: Collection[Step], outputs: Iterable[Step] | None = None) -> list[Step]:
        """The steps that move with some of `wrt` and reach some output, consumers first; O(steps)."""
        reaching = set(self.outputs if outputs is None else outputs)
        for step in reversed(self.steps):
            if step in reaching:
                reaching.update([x for _, x in step.edges])
        moving = made_from(self.steps, wrt)
        return [step for step in reversed(self.steps) if step in moving and step in reaching]

    def __reduce__(self) -> tuple[Any, ...]:
        """As a flat list: steps that point at steps would be pickled by a recursion as deep as the program."""
        rows = [
            (s.kind, s.shape, s.dtype.str, named(s.op), replaced(s.inputs, Place.of), replaced(s.settings, Place.of))
            for s in self.steps
        ]
        return read_rows, (rows, [step.place for step in self.outputs])


def named(op: Operation | None) -> str | None:
    """An operation by its name in the book, under which the reader finds it again."""
    if op is not None and book.get(op.name) is not op:
        raise GraphError(f"{op.name} has no entry in the book of rules, so a program with it cannot be stored")
    return None if op is None else op.name


class Place(NamedTuple):
    """A step by its place, where a program is stored."""

    number: int

    @classmethod
    def of(cls, step: Step) -> Place:
        return cls(step.place)


def axes_along(step: Step) -> set[int]:
    """The axes along which a step works, counted from the first."""
    ndim, axis = step.inputs[0].ndim, step.settings["axis"]
    return set(range(ndim)) if axis is None else {int(a) % ndim for a in np.atleast_1d(axis)}


def steps_in(parts: Any) -> list[Step]:
    if isinstance(parts, Step):
        return [parts]
    if isinstance(parts, dict):
        parts = parts.values()
    elif not isinstance(parts, list | tuple):
        return []
    found: list[Step] = []
    for part in parts:
        if isinstance(part, Step):
            found.append(part)
        elif isinstance(part, list | tuple | dict):
            found += steps_in(part)
    return found


def replaced(x: Any, new: Callable[[Any], Any], kind: type[Any] = Step) -> Any:
    """Inputs or settings with something else in place of each step (or each thing of another kind)."""
    if isinstance(x, kind):
        return new(x)
    if isinstance(x, dict):
        return {name: replaced(part, new, kind) for name, part in x.items()} if x else x
    if isinstance(x, list):
        return [replaced(part, new, kind) for part in x]
    if type(x) is not tuple:
        return x
    return tuple([new(part) if isinstance(part, kind) else replaced(part, new, kind) for part in x])


def read_rows(rows: Sequence[tuple[Any, ...]], outputs: Sequence[int]) -> Program:
    steps: list[Step] = []
    for kind, shape, dtype, name, inputs, settings in rows:
        if name is not None and name not in book:
            raise GraphError(f"the program uses {name}, which is not declared here: declare the operation first")
        given, settings = [replaced(x, partial(step_at, steps), Place) for x in (inputs, settings)]
        op = None if name is None else book[name]
        steps.append(Step(kind, shape, dtype, op=op, inputs=given, settings=settings))
    return Program(steps, [steps[place] for place in outputs])


def step_at(steps: Sequence[Step], place: Place) -> Step:
    return steps[place.number]
