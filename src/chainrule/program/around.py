"""What a function reads around it, and whether that is still what it was: a program holds for that alone.

Variables of the function and of those that it calls, what stands in their lists, tuples and dicts, the attributes that
they read of objects, and all that modules hold. Arrays that a program reads anew at each call may hold other numbers.
"""

# What variables hold is known only when a program runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from functools import partial
from itertools import islice
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.graph import Node
from chainrule.core.labels import is_users_file

MOST_PLACES, DEPTH = 2000, 3
"""More is not looked at, nor what lies deeper in containers."""
MOST_BYTES = 1 << 22
"""Of an array that is larger only the name is watched, and not its numbers."""
PLAIN = (bool, int, float, complex, str, bytes, np.generic)
MISSING = object()


class Around:
    """What a function read around it when it was traced; `held` are arrays and Tensors whose numbers may change.

    Of `arguments` that are objects the attributes are watched too.
    """

    def __init__(self, f: Any, held: Collection[Any], arguments: Collection[Any] = ()) -> None:
        self.held = {id(x) for x in held}
        self.places: list[tuple[Any, Any, Any, str]] = []
        """Where something was found: a cell, or a container and a key; what; and its name."""
        self.copies: list[tuple[Any, Any, str]] = []
        """Arrays whose numbers are in the program, with these numbers."""
        self.looked_at: set[int] = set()
        self.seen: set[Any] = set()
        self.functions: list[Any] = [f]
        self.objects: dict[int, tuple[str, Any]] = {id(x): (type(x).__name__, x) for x in arguments}
        self.names: set[str] = set()
        known = 0
        while self.functions or known < len(self.objects):
            names = len(self.names)
            while self.functions:
                self.function(self.functions.pop())
            # What was found last may read attributes of what was found first.
            waiting = list(self.objects.values())[known if len(self.names) == names else 0 :]
            known = len(self.objects)
            for name, x in waiting:
                self.object(name, x)

    def __bool__(self) -> bool:
        return bool(self.places or self.copies)

    def changed(self) -> str:
        """The name of something that is another thing now, or empty."""
        for holder, key, was, name in self.places:
            now = found(holder, key)
            if now is not was and not (type(now) is type(was) and isinstance(was, PLAIN) and now == was):
                return name
        for array, numbers, name in self.copies:
            if not np.array_equal(numbers_of(array), numbers, equal_nan=numbers.dtype.kind in "fc"):
                return name
        return ""

    def function(self, function: Any) -> None:
        """Look at what a function reads."""
        if id(function) in self.looked_at:
            return
        self.looked_at.add(id(function))
        if isinstance(function, partial):
            self.functions.append(function.func)
            self.see("partial", function.args, None, None, 0)
            self.see("partial", function.keywords, None, None, 0)
        elif isinstance(function, MethodType):
            self.functions.append(function.__func__)
            self.objects.setdefault(id(function.__self__), ("self", function.__self__))
        elif isinstance(function, FunctionType):
            names = set(names_in(function.__code__))
            self.names |= names
            cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
            read: list[tuple[str, Any, Any]] = [(name, cell, None) for name, cell in cells]
            users = is_users_file(function.__code__.co_filename)
            if users:
                read += [(name, function.__globals__, name) for name in sorted(names & function.__globals__.keys())]
            for name, holder, key in read:  # what a transform has around it is what it was made with
                self.see(name, found(holder, key), holder if users else None, key, 0)
        else:
            self.objects.setdefault(id(function), ("net", function))

    def see(self, name: str, x: Any, holder: Any, key: Any, depth: int) -> None:
        """Remember what is found somewhere, and look into containers; at attributes of objects later."""
        if isinstance(x, ModuleType | type | BuiltinFunctionType) or x is MISSING or len(self.places) > MOST_PLACES:
            return
        if isinstance(x, FunctionType | MethodType | partial):
            if holder is not None and is_users_file(code_of(x).co_filename):
                self.places.append((holder, key, x, name))
            self.functions.append(x)
            return
        if holder is not None:
            self.places.append((holder, key, x, name))
        if isinstance(x, np.ndarray | Node) and not isinstance(x, Value):
            numbers = numbers_of(x)
            if id(x) not in self.held and numbers.nbytes <= MOST_BYTES and numbers.dtype != object:
                self.copies.append((x, numbers.copy(), name))
        elif type(x) in (list, tuple, dict) and depth < DEPTH and id(x) not in self.seen:
            self.seen.add(id(x))
            for k, part in islice(entries(x), MOST_PLACES):
                self.see(f"{name}[{k!r}]", part, x, k, depth + 1)
        elif x is not None and not isinstance(x, (*PLAIN, np.ndarray, Value)):
            self.objects.setdefault(id(x), (name, x))

    def object(self, name: str, x: Any) -> None:
        """Look at the attributes that are read of an object of the user's, and at all those of modules of nets."""
        attributes = getattr(x, "__dict__", None)
        if not isinstance(attributes, dict):
            return
        net = hasattr(type(x), "named_parts")
        if not net and not is_users_class(type(x)):
            return
        for key in list(attributes) if net else sorted(self.names & attributes.keys()):
            if (id(x), key) in self.seen:
                continue
            self.seen.add((id(x), key))
            part = attributes[key]
            if net and isinstance(part, Node):
                self.held.add(id(part))
            self.see(f"{name}.{key}", part, attributes, key, 0)
        if is_users_class(type(x)):
            methods = [getattr(type(x), method, None) for method in sorted({"forward", "__call__"} | self.names)]
            self.functions += [m for m in methods if isinstance(m, FunctionType) and id(m) not in self.looked_at]


def found(holder: Any, key: Any) -> Any:
    """What a cell or a container holds now."""
    try:
        return holder.cell_contents if type(holder) is CellType else holder[key]
    except (ValueError, KeyError, IndexError):
        return MISSING


def entries(container: Any) -> Iterator[tuple[Any, Any]]:
    """What a list, a tuple or a dict holds, by place or key."""
    return iter(container.items() if type(container) is dict else enumerate(container))


def numbers_of(x: Any) -> Any:
    """The numbers of an array or a Tensor."""
    return x.data if isinstance(x, Node) else x


def names_in(code: CodeType) -> Iterator[str]:
    """The variables and attributes that some code reads, with the functions inside it."""
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from names_in(part)


def code_of(function: Any) -> CodeType:
    """The code of a function, also behind a method or a partial one."""
    while not isinstance(function, FunctionType):
        function = function.func if isinstance(function, partial) else getattr(function, "__func__", names_in)
    return function.__code__


def is_users_class(kind: type) -> bool:
    """Whether a class is the user's own, and no library's."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return kind.__module__ != "builtins" and (file is None or is_users_file(file))
