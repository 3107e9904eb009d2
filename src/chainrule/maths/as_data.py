"""Trees as plain data and back: what JSON has, with every part of a formula under its own name."""

# What settings hold is known only when a formula is stored.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from chainrule.maths import tree as trees
from chainrule.maths.tree import Symbol, Unknown, innermost_first, named

KINDS = {
    kind.__name__.lower(): kind
    for kind in vars(trees).values()
    if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == trees.__name__
}


def data_of(x: Any) -> Any:
    """A tree, or anything that it is made of, as dicts, lists, strings and numbers; O(parts), however deep.

    >>> from chainrule.maths import Symbol
    >>> from chainrule.maths.as_data import data_of, tree_from
    >>> data_of(Symbol("x") * 2)["inputs"][1]
    {'kind': 'number', 'text': '2'}
    >>> tree_from(data_of(Symbol("x") * 2)) == Symbol("x") * 2
    True
    """
    found: dict[int, Any] = {}
    for part in innermost_first(x, lambda part: id(part) in found):
        found[id(part)] = written(part, found)
    return found[id(x)]


def written(x: Any, found: Mapping[int, Any]) -> Any:
    """The same for what is made of what was `found`."""
    if id(x) in found:
        return found[id(x)]
    if is_dataclass(x) and not isinstance(x, type):
        # What has no place in its name, as who says what a number was computed from, is no part of it.
        given = {f.name: getattr(x, f.name) for f in fields(x) if f.repr}
        if given.get("shown") == "":
            del given["shown"]
        return {"kind": type(x).__name__.lower(), **{name: written(part, found) for name, part in given.items()}}
    if isinstance(x, tuple | list):
        return [written(part, found) for part in x]
    if x is Ellipsis:
        return {"kind": "ellipsis"}
    if isinstance(x, np.dtype | type):
        return {"kind": "dtype", "name": np.dtype(x).str}
    x = x.item() if isinstance(x, np.generic) else x
    if x is None or isinstance(x, bool | int | float | str):
        return x
    return str(getattr(x, "__name__", x))


def tree_from(data: Any) -> Any:
    """What was stored, however deep; an operation that is not declared here goes by its name alone."""
    found: dict[int, Any] = {}
    for part in innermost_first(data, lambda part: id(part) in found, inside_of):
        found[id(part)] = read(part, found)
    return found[id(data)]


def inside_of(data: Any) -> Iterable[Any]:
    """The lists and objects directly inside of one."""
    held = data if isinstance(data, list) else data.values() if isinstance(data, dict) else ()
    return [x for x in held if isinstance(x, list | dict)]


def read(data: Any, found: Mapping[int, Any]) -> Any:
    """The same for what is made of what was `found`."""
    if isinstance(data, list):
        return tuple([found.get(id(part), part) for part in data])
    if not isinstance(data, dict):
        return data
    given = {name: found.get(id(part), part) for name, part in data.items() if name != "kind"}
    if data["kind"] == "ellipsis":
        return Ellipsis
    if data["kind"] == "dtype":
        return np.dtype(given["name"])
    if data["kind"] == "applied":
        name = given["operation"]
        operation = named(name, [setting for setting, _ in given["settings"]])
        if operation is None:
            return Unknown(Symbol(name), given["inputs"], given["shape"])
        given["operation"] = operation
    return KINDS[data["kind"]](**given)
