"""What a page is about: a recorded result as a program, with the names of its steps and the numbers of its leaves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.tensor import Tensor
from chainrule.derivation.tape.tape import require_one_number
from chainrule.errors import DtypeError, FormulaError
from chainrule.expression import read_assignments
from chainrule.expression.arguments import values_of
from chainrule.pictures.live import Live
from chainrule.printable import in_words
from chainrule.program import Kind, Program, Step, run
from chainrule.program.run import record

DIGITS = 6
"""Digits of numbers on the page."""
DATA = re.compile(r"(x|y|t|target|label)_?\d*")
"""What books call data."""


@dataclass(frozen=True)
class Points:
    """Data with two features: how many rows there are, and the places of the steps that hold them.

    Leaves have room for more rows than there are points; `share` is the leaf that says how much each row counts.
    """

    count: int
    room: int
    x: int
    y: int
    share: int
    score: int
    """What the net says of each row."""
    logits: bool
    """Whether that is turned into a share by a sigmoid."""


@dataclass(frozen=True)
class Rows:
    """Rows of data behind a cost, which a step of training may take a few at a time: the places of what is compared."""

    loss: Any
    """What joins the rows; it takes how often each counts."""
    room: int
    x: int
    score: int
    target: int | None
    wanted: Any = None
    """The targets themselves, where they are no step, as the numbers of classes."""


@dataclass(frozen=True)
class Subject:
    """One computation on the page; `title` is what a menu calls it, and `text` how it was typed."""

    output: Any
    title: str = ""
    text: str = ""
    rate: float = 0.01
    points: Points | None = None
    note: str = ""
    rows: int = 0
    """How many rows of data there are behind the cost."""
    batches: Rows | None = None
    bare: Any = None
    """The same without room for more points, of which derivations are told; None where it has none."""
    told: bool = True
    """Whether derivations and hints are worked out, which takes most of the time."""
    data: tuple[str, ...] = field(default=())
    """Names that training leaves alone, though a gradient reaches them; without any, those like x, x1, y and t."""

    def named_parts(self) -> Iterable[tuple[str, Any]]:
        """What a variable that holds it gives names to, which is nothing: its steps are not called after it."""
        return ()

    @cached_property
    def live(self) -> Live:
        """The recorded graph, opened for drawing."""
        return Live([self.output], DIGITS)

    @cached_property
    def program(self) -> Program:
        """The same as steps, with arrays among the settings as leaves."""
        return self.lifted.program

    @cached_property
    def lifted(self) -> Any:
        """The program, and what the recording knew beside it."""
        return self.live.lifted

    @cached_property
    def names(self) -> dict[Step, str]:
        """A name for every step, no two alike."""
        return {step: self.live.letters[step].label for step in self.program.steps}

    @cached_property
    def leaves(self) -> list[Any]:
        """The numbers of the leaves in double precision, in the order of the program."""
        return [in_double(self.live.number(step)) for step in self.program.leaves]

    @cached_property
    def numbers(self) -> list[Any]:
        """What every step comes to in double precision, by its place."""
        return run(self.program, self.leaves, in_double=True)

    @cached_property
    def trained(self) -> list[Step]:
        """The leaves that training moves: without those that are data, or all where that leaves none."""
        moving = [step for step in self.program.leaves if step.kind is Kind.PARAMETER]
        if self.data:
            return [step for step in moving if self.names[step] not in self.data]
        return [step for step in moving if not DATA.fullmatch(self.names[step])] or moving

    @property
    def in_turn(self) -> list[Step]:
        """The same in the order in which they are asked for: weights before biases, and then by name."""
        first = [(-step.ndim, not self.names[step].startswith("w"), self.names[step], step) for step in self.trained]
        return [step for *_, step in sorted(first, key=lambda row: row[:3])]

    @property
    def computed(self) -> int:
        """How many steps there are, without what is given."""
        return sum([step.op is not None for step in self.program.steps])

    @property
    def is_scalar(self) -> bool:
        """Whether every step is a single number."""
        return not any([step.shape for step in self.program.steps])


def in_double(number: Any) -> Any:
    """Numbers in double precision; whole ones stay what they are."""
    array = np.asarray(number)
    array = array.astype(np.float64) if array.dtype.kind == "f" else array
    return array[()]


def subject_of(problem: Any, values: Mapping[str, Any] | None = None, **told: Any) -> Subject:
    """A typed problem with its values, or a recorded result."""
    if isinstance(problem, Subject):
        return problem
    if isinstance(problem, str):
        return typed_subject(problem, values_of(values), **told)
    if isinstance(problem, Value | Tensor):
        require_one_number(problem)
        subject = Subject(problem, **told)
        # A page is of now, though it is written later: names are found in variables, and numbers may be others then.
        return replace(subject, output=recorded_at(subject, subject.leaves))
    raise DtypeError(
        "a page is made of a text of assignments, a recorded result (Value, Tensor) or a network with data, not of a "
        f"{type(problem).__name__}"
    )


def recorded_at(subject: Subject, leaves: Sequence[Any]) -> Any:
    """The same computation recorded again on other numbers, in double precision, with the same names."""
    return nodes_at(subject, leaves)[subject.program.output.place]


def nodes_at(subject: Subject, leaves: Sequence[Any], *, apart: bool = False) -> list[Any]:
    """Every step of it so recorded; several operations in one may be taken `apart`."""
    program, live = subject.program, subject.live
    labels = [live.labels.get(id(node), "") for node in live.lifted.nodes]

    def leaf(step: Step, x: Any) -> Any:
        if isinstance(subject.output, Value):
            return Value(float(x), label=labels[step.place])
        is_moving = step.kind is Kind.PARAMETER
        return Tensor(x, dtype=np.asarray(x).dtype, requires_grad=is_moving, label=labels[step.place])

    nodes = record(program, [leaf(step, x) for step, x in zip(program.leaves, leaves, strict=True)], apart=apart)
    for step, node in zip(program.steps, nodes, strict=True):
        if step.op is not None and labels[step.place]:
            node.label = labels[step.place]
    return nodes


def typed_subject(text: str, values: Mapping[str, Any], **told: Any) -> Subject:
    """Lines of a problem as they are typed, with a number or an array for every name."""
    lines = read_assignments(text)
    missing = [name for name in lines.names if name not in values]
    if missing:
        has = "has" if len(missing) == 1 else "have"
        raise FormulaError(f"the page has numbers, and {in_words(missing)} {has} none: give a value for each")
    for name in values:
        if name not in lines.names and name not in lines.constants:
            raise FormulaError(f"{name} has a value, and the problem has no such name")
    _, result = lines.record(values)
    require_one_number(result)
    return Subject(result, text=text, **told)
