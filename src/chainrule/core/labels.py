"""Names for nodes, found in the user's own variables when a message or an explanation needs them."""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from types import FrameType, FunctionType
from typing import Any

from chainrule.errors import DtypeError

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STANDARD = os.path.dirname(os.__file__) + os.sep
"""Where Python's own files lie."""
INSTALLED = {"site-packages", "dist-packages"}
"""Folders of packages, wherever they are: a test runner's variables are many, and none is the user's."""
DEPTH = 8
"""How many containers deep a name may be, as in ``net.layers[0].neurons[1].w[2]``, which is six."""


MOST_ENTRIES = 10_000
"""Longer lists are data, and nobody calls an entry by its place in one."""

Path = tuple[Any, str, Any]
"""Where a thing is held: the path of what holds it, how a program writes the step from there, and what it fills in."""
Part = tuple[str, Any, Any]
"""What is held: the step to it, and itself."""


def as_label(label: Any) -> str:
    """A label as a plain string, whatever kind of string was given."""
    if not isinstance(label, str):
        raise DtypeError(f"a label is a string, not {type(label).__name__}")
    return "".join(label)


def users_frames() -> Iterator[FrameType]:
    """The frames of the user's program, innermost first: not this package, and not libraries that call back."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if is_users(frame):
            yield frame
        frame = frame.f_back


def is_users(frame: FrameType) -> bool:
    """Whether a frame runs the user's program, and no library."""
    return is_users_file(frame.f_code.co_filename)


@cache
def is_users_file(file: str) -> bool:
    """Whether a file is no library's: asked at every return of a traced function, so each file is looked at once."""
    return not file.startswith((HERE, STANDARD, "<frozen")) and INSTALLED.isdisjoint(file.split(os.sep))


def users_line() -> str:
    """The line of the user's program that is running: ``file.py:12: y = log(x)``."""
    import linecache

    for frame in users_frames():
        name, line = frame.f_code.co_filename, frame.f_lineno
        text = linecache.getline(name, line).strip()
        return f"{os.path.basename(name)}:{line}" + (f": {text}" if text else "")
    return "an unknown line"


def find_labels(nodes: Iterable[Any]) -> dict[int, str]:
    """For each node's id, its label, or the shortest name under which the user's program holds it.

    Looks through local and global variables, lists, tuples, dicts and attributes; O(what the variables hold).
    """
    wanted = {id(node): node for node in nodes}
    found = {key: node.label for key, node in wanted.items() if getattr(node, "label", "")}
    looked: dict[int, Any] = {}
    """The variables that were looked through: those of a module belong to all of its functions."""
    for frame in users_frames():
        for scope in (frame.f_locals, frame.f_globals):
            if id(scope) in looked:
                continue
            looked[id(scope)] = scope
            level: list[tuple[Path, Any]] = [
                ((None, "%s", name), held) for name, held in scope.items() if name.isidentifier() and name[0] != "_"
            ]
            seen: set[int] = set()
            for _ in range(DEPTH):
                deeper: list[tuple[Path, Any]] = []
                for path, held in level:
                    if id(held) in wanted and id(held) not in found:
                        found[id(held)] = spelled(path)
                    elif id(held) not in seen:
                        seen.add(id(held))
                        if (look := way_into(type(held))) is not None:
                            deeper.extend([((path, form, key), part) for form, key, part in look(held)])
                level = deeper
                if len(found) == len(wanted):
                    return found
    return found


def names_by_role(nodes: Iterable[Any], labels: Mapping[int, str]) -> dict[int, str]:
    """For data without a name, by id, what the operation calls that takes it, as the mask of an attention.

    Where operations call it by a single letter it has none, and of several masks each has its number.
    """
    found: dict[int, str] = {}
    for node in nodes:
        if node.op is None or node.op.variadic or len(node.edges) == len(node.inputs):
            continue
        for role, x in zip(node.op.inputs, node.inputs, strict=True):
            is_data = getattr(x, "op", node) is None and not x.requires_grad and getattr(x, "origin", None) is None
            if is_data and len(role) > 1 and id(x) not in labels:
                found.setdefault(id(x), role)
    roles = [*found.values()]
    count: dict[str, int] = {}
    for key, role in found.items():
        count[role] = count.get(role, 0) + 1
        found[key] = role if roles.count(role) == 1 else f"{role}{count[role]}"
    return {key: name for key, name in found.items() if name not in {*labels.values()}}


def spelled(path: Path) -> str:
    """The name that a program would use for what lies at the end of a path."""
    outer, form, key = path
    return ("" if outer is None else spelled(outer)) + form % (key,)


def parts(name: str, held: Any) -> Iterator[tuple[str, Any]]:
    """What a container holds, with the name a program would use for it."""
    look = way_into(type(held))
    return ((name + form % (key,), part) for form, key, part in (() if look is None else look(held)))


@lru_cache(maxsize=1024)
def way_into(kind: type) -> Callable[[Any], Iterable[Part]] | None:
    """How one looks into what is of a type; None for what holds nothing that has a name."""
    if kind in (list, tuple):
        return entries
    if kind in (dict, OrderedDict):
        return items
    if (named := getattr(kind, "named_parts", None)) is not None:
        return lambda held: [("%s", path, part) for path, part in named(held)]
    has_none = not kind.__dictoffset__ or issubclass(kind, type | FunctionType)
    return None if has_none or kind.__module__.split(".")[0] in {*sys.stdlib_module_names, "numpy"} else attributes


def entries(held: Sequence[Any]) -> Iterable[Part]:
    """The entries of a list that is no data."""
    return [("[%r]", i, part) for i, part in enumerate(held)] if len(held) <= MOST_ENTRIES else ()


def items(held: Mapping[Any, Any]) -> Iterable[Part]:
    """What a dict has under keys that can be written."""
    return [("[%r]", key, part) for key, part in list(held.items()) if isinstance(key, (str, int))]


def attributes(held: Any) -> Iterable[Part]:
    """What an object of the user's own keeps."""
    return [(".%s", key, part) for key, part in list(vars(held).items())]
