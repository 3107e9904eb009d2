"""Names for nodes, found in the user's own variables when a message or an explanation needs them."""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
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
            level = [(name, held) for name, held in scope.items() if name.isidentifier() and name[0] != "_"]
            seen: set[int] = set()
            for _ in range(DEPTH):
                deeper: list[tuple[str, Any]] = []
                for name, held in level:
                    if id(held) in wanted and id(held) not in found:
                        found[id(held)] = name
                    elif id(held) not in seen:
                        seen.add(id(held))
                        deeper.extend(parts(name, held))
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


def parts(name: str, held: Any) -> Iterator[tuple[str, Any]]:
    """What a container holds, with the name a program would use for it."""
    if type(held) in (list, tuple):
        if len(held) <= 10_000:
            yield from ((f"{name}[{i}]", part) for i, part in enumerate(held))
    elif type(held) in (dict, OrderedDict):
        yield from ((f"{name}[{key!r}]", part) for key, part in list(held.items()) if isinstance(key, (str, int)))
    elif named := getattr(type(held), "named_parts", None):
        yield from ((f"{name}{path}", part) for path, part in named(held))
    elif isinstance(getattr(held, "__dict__", None), dict) and not isinstance(held, type | FunctionType):
        if type(held).__module__.split(".")[0] not in sys.stdlib_module_names | {"numpy"}:
            yield from ((f"{name}.{key}", part) for key, part in list(vars(held).items()))
