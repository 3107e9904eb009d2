"""What a NumPy function does, seen from inside: its arguments write down every operation they take part in.

A function need not have source, and may branch, loop and call others: what is recorded is what happened.
"""

# What a function does with its arguments is known only when it runs.
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from chainrule.core.numpy_names import OTHER_NAMES
from chainrule.core.operation import book
from chainrule.core.tensor import Tensor
from chainrule.core.walk import finished_first
from chainrule.errors import GraphError
from chainrule.verify.marking.working import Part

MOST_PARTS = 20_000
"""Operations that are written down of one run; a longer one is compared by its results alone."""


class Misfit(ValueError):
    """Arrays of these shapes do not go together."""


@dataclass(eq=False, slots=True)
class Noted:
    """One operation that happened: the function, its inputs by place, what it gave, and what the program called it."""

    function: Any
    inputs: tuple[int, ...]
    settings: dict[str, Any]
    value: Any
    name: str = ""
    line: int = 0
    spot: Any = None
    """Where in the program's text it stands: what a loop does again and again has one."""

    @property
    def operation(self) -> str:
        """What the operation is called; nothing of what was given."""
        return getattr(self.function, "__name__", "")

    def part(self, inputs: tuple[int, ...], line: str, function: Any = None) -> Part:
        """The same as a part of an answer, with its inputs among the other parts and the line in which it stands."""
        return Part(
            function or self.function, inputs, self.settings, name=self.name, text=self.name, line=line, spot=self.spot
        )


class Tape:
    """The operations of one run, in order."""

    def __init__(self, arrangement: tuple[bool, bool, bool] | None = None) -> None:
        self.notes: list[Noted] = []
        self.line = 0
        self.file: str | None = None
        """The file of a function that is watched."""
        self.spot: Any = None
        """Where in its text a program that is read is now."""
        self.arrangement = arrangement
        """How a matrix product that does not fit is tried: the first factor turned, the second, their order."""
        self.rearranged: list[int] = []
        """The places of the products that did not fit."""

    def add(self, function: Any, inputs: tuple[int, ...], settings: dict[str, Any], value: Any) -> Traced:
        if len(self.notes) >= MOST_PARTS:
            raise GraphError(f"this function takes more than {MOST_PARTS:,} steps: ask with smaller shapes")
        note = Noted(function, inputs, settings, value)
        note.line = self.line
        note.spot = self.here()
        self.notes.append(note)
        return Traced(self, len(self.notes) - 1, value)

    def here(self) -> Any:
        """Where in the program's text it is now."""
        frame = None if self.file is None else sys._getframe(2)  # type: ignore[reportPrivateUsage]  # as inspect does
        while frame is not None and frame.f_code.co_filename != self.file:
            frame = frame.f_back
        return self.spot if frame is None else (frame.f_code, frame.f_lasti)

    def call(self, function: Any, name: str, args: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        """Run a function on what the traced things stand for, and write it down."""
        places: dict[int, None] = {}

        def hole(x: Traced) -> Hole:
            places[x.place] = None
            return Hole(x.place)

        template = exchanged(tuple(args), Traced, hole)
        plain = {key: bare(x) for key, x in settings.items()}
        template, extra = by_keyword(name, template)
        plain = {**plain, **extra}
        if places and all(isinstance(x, Hole) or is_numeric(x) for x in template):
            inputs = [x.place if isinstance(x, Hole) else self.add(None, (), {}, x).place for x in template]

            def run(*values: Any, **given: Any) -> Any:
                return function(*values, **given)

            run.__name__ = name
            numbers = [self.notes[i].value for i in inputs]
            try:
                value = run(*numbers, **plain)
            except ValueError:
                if self.arrangement is None or name not in ("matmul", "dot") or len(numbers) != 2:
                    raise Misfit(f"{name} of shapes {' and '.join(str(np.shape(x)) for x in numbers)}") from None
                value = arranged(numbers[0], numbers[1], self.arrangement)
                self.rearranged.append(len(self.notes))
            return self.add(run, tuple(inputs), plain, value)

        def rebuilt(*values: Any) -> Any:
            known = dict(zip(places, values, strict=True))
            return function(*exchanged(template, Hole, lambda hole: known[hole.place]), **plain)

        rebuilt.__name__ = name
        value = rebuilt(*[self.notes[i].value for i in places])
        return self.add(rebuilt, tuple(places), {}, value)

    def at(self, place: int) -> Any:
        """What stands at a place, to be computed with."""
        return Traced(self, place, self.notes[place].value)

    def above(self, place: int, cut: Collection[int] = ()) -> set[int]:
        """All that something was computed from; not beyond what is cut."""
        return set(finished_first(self.notes[place].inputs, lambda x: () if x in cut else self.notes[x].inputs))


def arranged(a: Any, b: Any, arrangement: tuple[bool, bool, bool]) -> Any:
    """A matrix product with factors turned or exchanged."""
    first, second, exchanged = arrangement
    a, b = (a.T if first else a), (b.T if second else b)
    return b @ a if exchanged else a @ b


class Hole:
    """Where a traced value goes in a call."""

    __slots__ = ("place",)

    def __init__(self, place: int) -> None:
        self.place = place


def is_numeric(x: Any) -> bool:
    """Whether something is a number or an array, which may be an input of an operation."""
    return isinstance(x, int | float | np.ndarray | np.generic)


def exchanged(x: Any, kind: type[Any], of: Callable[[Any], Any]) -> Any:
    """An argument with something else for all of one kind that is in it, in lists and tuples too."""
    if isinstance(x, kind):
        return of(x)
    return type(x)([exchanged(part, kind, of) for part in x]) if isinstance(x, list | tuple) else x


def bare(x: Any) -> Any:
    """What a traced thing stands for."""
    return exchanged(x, Traced, lambda traced: traced.value)


def by_keyword(name: str, template: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An axis given by position becomes a setting, so that sums can be compared."""
    if name in ("sum", "mean", "max", "min") and len(template) > 1 and not isinstance(template[1], Hole):
        return template[:1], {"axis": template[1]}
    return template, {}


def entered(x: Any, new: Any, key: Any = None, *, at: Any = None) -> Any:
    """An array with other entries at a place: of Tensors too, by a derivative of their own."""
    at = key if at is None else at
    if not any(isinstance(part, Tensor) for part in (x, new)):
        copy = np.array(x)
        copy[at] = new
        return copy
    there = np.zeros(np.shape(x), bool)
    there[at] = True
    wide = book["broadcast_to"](new, shape=there[at].shape)
    return book["where"](there, book["scatter"](wide, key=at, shape=there.shape), x)


class Traced(NDArrayOperatorsMixin):
    """A number or an array that writes down what is done with it."""

    __slots__ = ("place", "tape", "value")
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]  # it compares entry by entry, as arrays do

    def __init__(self, tape: Tape, place: int, value: Any) -> None:
        self.tape = tape
        self.place = place
        self.value = np.asarray(value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        out = settings.pop("out", None)
        name = book_name(ufunc)
        if method == "reduce" and name == "add":
            name = "sum"
            return self.tape.call(
                np.sum, name, inputs, {k: v for k, v in settings.items() if k in ("axis", "keepdims")}
            )
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        found = self.tape.call(function, name, inputs, settings)
        if out is None or not isinstance(out[0], Traced):
            return found
        there = out[0]
        if not there.value.ndim or found.value.shape != there.value.shape:
            return found  # no array that is changed where it is: the name alone is given to something else
        there.place, there.value = found.place, found.value
        return there

    def __pos__(self) -> Any:
        return self

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = book_name(function)
        if name in ("shape", "ndim", "size", "result_type"):
            return function(*[bare(x) for x in args], **kwargs)
        if name == "where" and len(args) == 1:
            return function(bare(args[0]))
        settings = {key: x for key, x in kwargs.items() if not isinstance(x, Traced)}
        extra = [x for x in kwargs.values() if isinstance(x, Traced)]
        return self.tape.call(function, name, [*args, *extra], settings)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.value, dtype=dtype)

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "ndim", "size", "dtype", "nbytes"):
            return getattr(self.value, name)
        if name == "T":
            return self.tape.call(np.transpose, "transpose", (self,), {})
        if name in ("item", "tolist"):
            return getattr(self.value, name)
        function = getattr(np, name, None)
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"an array has no {name}")
        if function is None or name in ("astype", "copy", "repeat", "fill"):
            function = lambda x, *args, **kwargs: getattr(np.asarray(x), name)(*args, **kwargs)  # noqa: E731
        if name in ("reshape", "transpose"):
            return lambda *args: self.tape.call(
                function, name, (self, args[0] if len(args) == 1 else args) if args else (self,), {}
            )
        return lambda *args, **kwargs: self.tape.call(function, OTHER_NAMES.get(name, name), (self, *args), kwargs)

    def __getitem__(self, key: Any) -> Any:
        if has_traced(key):
            return self.tape.call(lambda x, at: as_array(x)[at], "getitem", (self, key), {})
        key = bare(key)
        return self.tape.call(lambda x: as_array(x)[key], "getitem", (self,), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        known = None if has_traced(key) else bare(key)
        more = [key] if known is None else []
        found = self.tape.call(entered, "put", (self, value, *more), {"at": known})
        self.place, self.value = found.place, found.value

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __index__(self) -> int:
        return int(self.value)

    def __round__(self, digits: int = 0) -> Any:
        return self.tape.call(np.round, "round", (self, digits), {})


def as_array(x: Any) -> Any:
    """A number or a list as an array; what has a shape is left as it is, so that a Tensor may stand there too."""
    return x if hasattr(x, "shape") else np.asarray(x)


def book_name(function: Any) -> str:
    """What a function of NumPy is called in the book."""
    name = str(function.__name__)
    return OTHER_NAMES.get(name, name)


MADE = ("zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like", "array", "eye")
"""NumPy's functions that make arrays."""


class Library:
    """NumPy as a traced function sees it: what it makes is written down too, and may be filled entry by entry."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if name not in MADE:
            return found

        def make(*args: Any, **settings: Any) -> Any:
            if any(map(has_traced, args)) and name == "array":
                return self.tape.call(np.array, "array", args, {})
            made = found(*[bare(x) for x in args], **{key: bare(x) for key, x in settings.items()})
            return self.tape.add(None, (), {}, made) if made.dtype.kind in "fc" else made

        return make


def has_traced(x: Any) -> bool:
    """Whether a traced thing is in a nested argument."""
    return isinstance(x, Traced) or (isinstance(x, list | tuple) and any(map(has_traced, x)))


def watched(tape: Tape, f: Callable[..., Any], args: Mapping[str, Any]) -> Any:
    """Run a function on traced arguments; what its variables are called is noted line by line."""
    tape.file = own = f.__code__.co_filename if hasattr(f, "__code__") else None

    def see(frame: FrameType) -> None:
        for name, held in frame.f_locals.items():
            for called, x in [(name, held), *dict_entries(name, held)]:
                if isinstance(x, Traced) and not tape.notes[x.place].name:
                    tape.notes[x.place].name = called

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename != own:
            return None
        if event in ("line", "return"):
            see(frame)
            tape.line = frame.f_lineno
        return trace

    variables = getattr(f, "__globals__", {})
    libraries = {name: held for name, held in variables.items() if held is np}
    before = sys.gettrace()
    variables.update(dict.fromkeys(libraries, Library(tape)))
    sys.settrace(trace)
    try:
        return f(**args)
    finally:
        sys.settrace(before)
        variables.update(libraries)


def dict_entries(name: str, held: Any) -> list[tuple[str, Any]]:
    """The entries of a small dict, as a program calls them."""
    if not isinstance(held, dict) or len(held) > 50:
        return []
    return [(f"{name}[{key!r}]", x) for key, x in held.items() if isinstance(key, str | int)]
