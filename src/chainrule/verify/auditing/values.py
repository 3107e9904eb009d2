"""What a reader of somebody's code holds: numbers on a tape, functions and objects of theirs, and what is not known."""

# What a program holds is known only when it is read.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.verify.answers.traced import Tape, Traced


class Stop(Exception):
    """A statement that leaves what it stands in, or reading that has taken long enough."""


class Leaves(Stop):
    """``break`` and ``continue``."""

    def __init__(self, goes_on: bool) -> None:
        super().__init__()
        self.goes_on = goes_on


class Returns(Stop):
    """``return``."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class TooLong(Stop):
    """More steps than a reader takes."""


@dataclass(frozen=True)
class Unknown:
    """What the reader does not know, why, and the variable that holds it; what is made of it is not known either."""

    why: str = ""
    name: str = ""


def unknown_among(parts: Iterable[Any]) -> Unknown | None:
    """The first of several values that is not known, if any is."""
    return next((x for x in parts if isinstance(x, Unknown)), None)


@dataclass
class Scope:
    """Names and what they stand for, inside others."""

    names: dict[str, Any] = field(default_factory=dict[str, Any])
    outer: Scope | None = None
    given: list[Any] = field(default_factory=list[Any])
    """What a generator has given."""

    def find(self, name: str) -> Any:
        """What a name stands for; Unknown where nothing does."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return Unknown(f"{name} is not known")

    @property
    def globals(self) -> Scope:
        return self if self.outer is None else self.outer.globals


@dataclass
class Function:
    """A function of theirs, with the scope in which it was made, and the object whose method it is."""

    node: ast.FunctionDef | ast.Lambda
    scope: Scope
    cell: Any
    owner: Any = None
    defaults: list[Any] = field(default_factory=list[Any])
    keyword_defaults: list[Any] = field(default_factory=list[Any])

    @property
    def name(self) -> str:
        return self.node.name if isinstance(self.node, ast.FunctionDef) else ""


@dataclass
class Class:
    """A class of theirs: its attributes, looked up in its bases too."""

    name: str
    attributes: dict[str, Any]
    bases: list[Class]

    def find(self, name: str) -> Any:
        """An attribute, here or in a base; None where there is none."""
        if name in self.attributes:
            return self.attributes[name]
        return next((found for base in self.bases if (found := base.find(name)) is not None), None)


@dataclass
class Thing:
    """An object of a class of theirs."""

    kind: Class
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Module:
    """A library that the reader knows, or a part of one."""

    name: str


@dataclass(frozen=True)
class Builtin:
    """A function that the reader runs, by its name."""

    name: str
    owner: Any = None


def is_number(x: Any) -> bool:
    """Whether it is a plain number and no truth value."""
    return isinstance(x, int | float | np.number) and not isinstance(x, bool | np.bool_)


def on_tape(tape: Tape, x: Any, name: str = "") -> Any:
    """Numbers and arrays of numbers as traced leaves, also inside lists and dicts of moderate length."""
    if is_number(x) or (isinstance(x, np.ndarray) and x.dtype.kind in "fiub"):
        leaf = tape.add(None, (), {}, x)
        tape.notes[leaf.place].name = name
        return leaf
    if isinstance(x, list) and len(x) <= 1_000:
        for i, part in enumerate(x):
            x[i] = on_tape(tape, part, name)
    return x


def parts_of(x: Any, name: str = "", depth: int = 3) -> Iterator[tuple[str, Traced]]:
    """The traced things in a value, with what they are called there."""
    if isinstance(x, Traced):
        yield name, x
    elif depth and isinstance(x, list | tuple) and len(x) <= 1_000:
        for i, part in enumerate(x):
            yield from parts_of(part, f"{name}[{i}]", depth - 1)
    elif depth and isinstance(x, dict) and len(x) <= 1_000:
        for key, part in x.items():
            yield from parts_of(part, str(key) if isinstance(key, str) else f"{name}[{key!r}]", depth - 1)
    elif depth and isinstance(x, Thing):
        for key, part in x.attributes.items():
            yield from parts_of(part, key, depth - 1)
