"""What a function reads around it, and whether that is still what it was: a program holds for that alone.

Variables of the function and of those that it calls, their code and what their parameters are without an argument, what
stands in their containers, the attributes that they read of objects, of classes and of the user's own modules, and all
that modules of nets hold. Arrays that a program reads anew at each call may hold other numbers. What Python's own
library and other packages keep to themselves, as the environment, is not looked at, nor what a weak reference leads to.
"""

# What variables hold is known only when a program runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import builtins
import sys
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from itertools import chain, islice
from operator import is_
from types import CellType, CodeType, FunctionType, MappingProxyType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import Value
from chainrule.core.compiled import machine
from chainrule.core.graph import Node
from chainrule.core.labels import is_users_file
from chainrule.kinds import PLAIN, is_equal

MOST_PLACES = 4000
"""No more is watched."""
MOST_BYTES = 1 << 22
"""Of an array that is larger only the name is watched, and not its numbers."""
CONTAINERS = (list, tuple, dict, set, deque, bytearray, UserList, UserDict, ChainMap, MappingProxyType)
VIEWS = tuple(map(type, ({}.keys(), {}.values(), {}.items())))
"""What shows a part of a dict."""
ROWS = (list, tuple)
BY_NAME = {"globals", "vars", "eval"}
"""What finds a variable by a word."""
OF_FUNCTIONS = ("__code__", "__defaults__", "__kwdefaults__")
NOT_READ = {
    "__init__", "__new__", "__post_init__", "__init_subclass__", "__repr__", "__str__", "__format__", "__hash__",
    "__setattr__", "__delattr__", "__del__", "__reduce__", "__getstate__", "__setstate__",
}  # fmt: skip
"""Methods of classes that no expression calls."""
MISSING = object()
GONE = (ValueError, AttributeError, RuntimeError)
"""What Python raises where a variable is set no more, or another thread changes a container just now."""


class Place(NamedTuple):
    """Where something was found: how it is read again, what it was, and its name."""

    read: Callable[[], Any]
    was: Any
    name: str

    def changed(self) -> str:
        """The name of what is another thing now, or empty."""
        try:
            now = self.read()
        except GONE:
            return self.name
        if self.was is SAME:
            return "" if now is SAME else now
        return "" if is_equal(now, self.was) else self.name


def owner_and_key(read: Any) -> tuple[Any, str | tuple[str, ...] | None]:
    """Where a place is read: in a dict, by a name or several, in a cell, as an attribute; or by a call, with no key."""
    if type(read) is partial:
        owner = getattr(read.func, "__self__", None)
        if type(owner) is dict and read.func.__name__ == "get":
            return owner, read.args[0]
        if (read.func is first_set and type(read.args[0]) is dict) or (read.func is getattr and len(read.args) == 2):
            return read.args
    return read, None


SAME = object()
"""What a container says that holds what it held."""


class Around:
    """What a function read around it when it was traced; `held` are arrays and Tensors whose numbers may change.

    Of `arguments` that are objects the attributes are watched too.
    """

    def __init__(self, f: Any, held: Collection[Any], arguments: Collection[Any] = ()) -> None:
        self.held = {id(x) for x in held}
        self.places: list[Place] = []
        self.copies: list[tuple[Any, Any, str]] = []
        """Arrays whose numbers are in the program, with these numbers."""
        self.most = self.left = MOST_PLACES
        self.seen: set[Any] = set()
        self.kept: list[Any] = []
        """What was seen, which must live as long as its place in memory stands for it."""
        self.functions: list[Any] = [f]
        self.waiting: list[tuple[str, Any]] = []
        self.objects: list[tuple[str, Any]] = [(type(x).__name__, x) for x in arguments]
        self.names: set[str] = set()
        """The variables and attributes that the user's functions read."""
        self.words: set[str] = set()
        """What they may hand to getattr and its like."""
        self.unset: dict[int, tuple[dict[str, Any], set[str]]] = {}
        """Names that no variable of a module has, and the module's variables; most are names of attributes."""
        known = 0
        while self.functions or self.waiting or known < len(self.objects):
            read = self.names | self.words
            while self.functions or self.waiting:
                if self.functions:
                    self.function(self.functions.pop())
                else:
                    self.see(*self.waiting.pop())
            # What was found last may read attributes of what was found first.
            found = self.objects[known if read == self.names | self.words else 0 :]
            known = len(self.objects)
            for name, x in found:
                self.object(name, x)
        for variables, names in self.unset.values():
            self.place(min(names), partial(first_set, variables, tuple(sorted(names))), SAME)
        self.reads, self.was = [place.read for place in self.places], [place.was for place in self.places]
        self.is_as_it_was: Callable[[], bool] = self.compared
        """Whether every place has the very thing that it had: asked at each call."""
        if machine is not None:
            rows = zip(self.reads, self.was, strict=True)
            self.is_as_it_was = machine.Watch(tuple([(*owner_and_key(read), was) for read, was in rows]), MISSING)

    def __bool__(self) -> bool:
        return bool(self.places or self.copies)

    def changed(self) -> str:
        """The name of something that is another thing now, or empty."""
        if not self.is_as_it_was():
            name = next(filter(None, [place.changed() for place in self.places]), "")
            if name:
                return name
        for array, numbers, name in self.copies:
            if not np.array_equal(numbers_of(array), numbers, equal_nan=numbers.dtype.kind in "fc"):
                return name
        return ""

    def is_new(self, x: Any, key: Any = None) -> bool:
        """Whether something is met for the first time."""
        place = (id(x), key)
        if place in self.seen:
            return False
        self.seen.add(place)
        self.kept.append(x)
        return True

    def compared(self) -> bool:
        """The same without the machine, place by place."""
        try:
            return all(map(is_, [read() for read in self.reads], self.was))
        except GONE:
            return False

    def place(self, name: str, read: Callable[[], Any], was: Any) -> None:
        """Remember what is found somewhere, and look into it later."""
        self.left -= 1
        self.places.append(Place(read, was, name))
        if not isinstance(was, PLAIN) and was is not MISSING:
            self.waiting.append((name, was))
        elif isinstance(was, str) and was.isidentifier():
            self.words.add(was)

    def function(self, function: Any) -> None:
        if not self.is_new(function):
            return
        if isinstance(function, partial):
            self.functions.append(function.func)
            self.waiting += [("partial", function.args), ("partial", function.keywords)]
        elif isinstance(function, MethodType):
            self.functions.append(function.__func__)
            self.waiting.append(("self", function.__self__))
        elif isinstance(function, FunctionType):
            self.written(function)
        elif is_wrapper(function):
            self.functions.append(function.__wrapped__)
        else:
            self.waiting.append(("net", function))

    def written(self, function: FunctionType) -> None:
        """Look at the variables of a function in Python."""
        code, cells = function.__code__, function.__closure__ or ()
        if not is_users_file(code.co_filename):  # what a transform has around it is what it was made with
            self.waiting += zip(code.co_freevars, map(contents, cells), strict=True)
            return
        names = set(names_in(code))
        words = set(words_in(code))
        self.names |= names
        self.words |= words
        variables = function.__globals__
        names |= words if names & BY_NAME else set()
        known = names & (variables.keys() | vars(builtins).keys())
        for name in sorted(known):
            self.place(name, partial(variables.get, name, MISSING), variables.get(name, MISSING))
        if names - known:
            self.unset.setdefault(id(variables), (variables, set()))[1].update(names - known)
        for name, cell in zip(code.co_freevars, cells, strict=True):
            held = contents(cell)
            read = partial(contents, cell) if held is MISSING else partial(getattr, cell, "cell_contents")
            self.place(name, read, held)
        self.attributes(function.__name__, function, function.__dict__, function.__dict__.keys() & (names | self.words))
        for part in OF_FUNCTIONS:
            if getattr(function, part) is not None:
                self.place(f"{function.__name__}.{part}", partial(getattr, function, part), getattr(function, part))

    def see(self, name: str, x: Any) -> None:
        """Look into what is found somewhere; at attributes of objects later."""
        if self.left <= 0 or isinstance(x, CodeType) or x is MISSING:
            return
        if hasattr(type(x), "on_arrays") and not is_users(type(x)):
            self.recordings(name, x)
        elif isinstance(x, VIEWS):
            self.waiting.append((name, x.mapping))
        elif isinstance(x, FunctionType | MethodType | partial) or is_wrapper(x):
            self.functions.append(x)
        elif isinstance(x, property | staticmethod | classmethod):
            self.functions.append(x.fget if isinstance(x, property) else x.__func__)
        elif isinstance(x, Value):
            if id(x) not in self.held and self.is_new(x):
                self.place(f"{name}.data", partial(getattr, x, "data"), x.data)
        elif isinstance(x, ContextVar):
            if self.is_new(x):
                self.place(name, partial(x.get, MISSING), x.get(MISSING))
        elif not isinstance(x, bytearray) and (numbers := numbers_of(x)) is not None:
            if id(x) not in self.held and numbers.nbytes <= MOST_BYTES and numbers.dtype != object and self.is_new(x):
                self.copies.append((x, numbers.copy(), name))
        else:
            if isinstance(x, CONTAINERS) and self.is_new(x):
                self.container(name, x)
            if (hasattr(x, "__dict__") or is_users(type(x))) and self.is_new(x, "object"):
                self.objects.append((name, x))

    def recordings(self, name: str, frozen: Any) -> None:
        """Look at what frozen code recorded, which is what it computes: its function runs when it is called alone."""
        held = frozen.recordings
        was = list(held.values())

        def read() -> Any:
            return SAME if len(held) == len(was) and all(map(is_, held.values(), was)) else name

        if self.is_new(frozen):
            self.place(name, read, SAME)

    def container(self, name: str, x: Any) -> None:
        """Look at what stands in a container, and how much that is."""
        held, values = list(islice(x, self.left)), list(islice(x.values(), self.left)) if isinstance(x, Mapping) else []
        count = len(x)
        if count == len(held) and type(x) in ROWS and are_alike(entries_of(x)):
            was = [part[:] if type(part) in ROWS else part for part in held]
            if isinstance(x, list) or any([isinstance(part, list) for part in held]):
                self.numbers(name, x, was if isinstance(x, list) else tuple(was))
            return  # a tuple of numbers stays what it is

        def read() -> Any:
            if len(x) == count and all(map(is_, x, held)) and (not values or all(map(is_, x.values(), values))):
                return SAME
            return changed_in(x, count, held, values, name)

        self.place(name, read, SAME)
        self.left -= len(held)
        named = zip(held, values, strict=True) if values else enumerate(held)
        self.waiting += [(f"{name}[{key!r}]", part) for key, part in named if not isinstance(part, PLAIN)]

    def numbers(self, name: str, x: Any, was: Any) -> None:
        """Look at numbers of one type in a row, or in rows, all at once: equal ones of that type are the same."""
        kinds, rows = set(map(type, entries_of(was))), type(was[0]) in ROWS

        def read() -> Any:
            same = x == was and set(map(type, chain.from_iterable(x) if rows else x)) == kinds
            return SAME if same else changed_row(x, was, name)

        self.place(name, read, SAME)
        self.left -= len(was) + rows * len(entries_of(was))

    def object(self, name: str, x: Any) -> None:
        """Look at what is read of an object, a class or a module of the user's, and at all that nets hold."""
        whole = hasattr(type(x), "named_parts") or hasattr(type(x), "parameters")
        if isinstance(x, ModuleType):
            if is_users(x):
                self.attributes(name, x, vars(x), self.names & vars(x).keys())
            return
        classes: list[type] = [x, type(x)] if isinstance(x, type) else [type(x)]
        kinds = [kind for one in classes for kind in one.__mro__ if is_users(kind)]
        read = self.names | {key for kind in kinds for key, part in vars(kind).items() if is_called(key, part)}
        shared = {key for kind in kinds for key in read & vars(kind).keys()}
        for kind in kinds:
            self.attributes(kind.__name__, kind, vars(kind), shared)
        if isinstance(x, type):
            return
        own = getattr(x, "__dict__", None)
        if isinstance(own, dict):
            if whole:
                self.held |= {id(part) for part in own.values() if isinstance(part, Node)}
            keys = own.keys() if whole else (self.names | self.words) & own.keys()
            self.attributes(name, x, own, {*keys, *shared, *(self.words if kinds else ())})
        slots = {
            key for key in shared if any([isinstance(vars(kind).get(key), MemberDescriptorType) for kind in kinds])
        }
        if slots:
            self.attributes(name, x, Slots(x), slots)
        if not kinds:
            for kind in type(x).__mro__:
                for key in self.names & vars(kind).keys():
                    getter = getattr(vars(kind)[key], "fget", None)
                    if isinstance(getter, FunctionType):
                        self.names |= set(names_in(getter.__code__))

    def attributes(self, name: str, owner: Any, holder: Any, keys: Collection[str]) -> None:
        """Look at some attributes, each once."""
        for key in sorted(keys):
            if self.left > 0 and self.is_new(owner, key):
                self.place(f"{name}.{key}", partial(holder.get, key, MISSING), holder.get(key, MISSING))


def entries_of(x: Any) -> list[Any]:
    """What stands in a row, or in rows of which it is made."""
    return [*chain.from_iterable(x)] if all([type(part) in ROWS for part in x]) else [*x]


def first_set(variables: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The first of some names that a variable has by now; that all is the same where none has."""
    return next(filter(variables.__contains__, names), SAME)


def are_alike(parts: Sequence[Any]) -> bool:
    """Whether there are some, and all are floats or all are whole numbers."""
    kinds = set(map(type, parts))
    return kinds == {float} or kinds == {int}


def changed_row(x: Any, was: Any, name: str) -> Any:
    """The name of what is another number in a row, or in rows."""
    for k, (row, before) in enumerate(zip(x, was, strict=False)):
        if type(row) is type(before) and type(row) in ROWS:
            found = changed_in(row, len(before), list(before), [], f"{name}[{k}]")
            if found is not SAME:
                return found
        elif not is_equal(row, before):
            return f"{name}[{k}]"
    return name


def changed_in(x: Any, count: int, held: list[Any], values: list[Any], name: str) -> Any:
    """The name of what is another thing in a container; `SAME` where only equal numbers took the place of others."""
    if len(x) != count:
        return name
    rows = list(zip(x, held, strict=False)) + (list(zip(x.values(), values, strict=False)) if values else [])
    for k, (now, was) in enumerate(rows):
        if not is_equal(now, was):
            return f"{name}[{held[k - len(held)]!r}]" if values else f"{name}[{k}]"
    return SAME


class Slots:
    """The slots of an object, read as a dict is."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def get(self, key: str, otherwise: Any) -> Any:
        return getattr(self.x, key, otherwise)


def contents(cell: CellType) -> Any:
    """What a variable around a function holds now."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def numbers_of(x: Any) -> Any:
    """The numbers of an array, of a Tensor or of another thing that lends its memory; None for what does not."""
    if isinstance(x, Node | np.ndarray):
        return x.data if isinstance(x, Node) else x
    try:
        return np.asarray(memoryview(x))
    except (TypeError, ValueError, BufferError):
        return None


def names_in(code: CodeType) -> Iterator[str]:
    """The variables and attributes that some code reads, with the functions inside it."""
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from names_in(part)


def words_in(code: CodeType) -> Iterator[str]:
    """The words in some code that may be attributes."""
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from words_in(part)
        elif isinstance(part, str) and part.isidentifier():
            yield part


def is_wrapper(x: Any) -> bool:
    """Whether something stands for a function that it holds, as a compiled or a cached one."""
    attributes = getattr(x, "__dict__", None)
    return isinstance(attributes, dict) and "__wrapped__" in attributes and not isinstance(x, type)


def is_called(key: str, part: Any) -> bool:
    """Whether an entry of a class runs where an expression has an object of it."""
    return key == "forward" or (key[:2] == "__" and key not in NOT_READ and isinstance(part, FunctionType))


def is_users(x: Any) -> bool:
    """Whether a class or a module is the user's own, and no library's."""
    name = x.__name__ if isinstance(x, ModuleType) else x.__module__
    file = getattr(x if isinstance(x, ModuleType) else sys.modules.get(name), "__file__", None)
    return is_users_file(file) if file else str(name).split(".")[0] not in sys.stdlib_module_names
