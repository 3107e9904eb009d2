"""Nested lists, tuples and dicts as a flat list of leaves, and back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

LEAF, SEQUENCES, DICTS = "*", (list, tuple), (dict, OrderedDict)


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """The leaves in order, and a structure that can be compared and filled again. Dicts go by insertion order."""
    leaves: list[Any] = []
    return leaves, take_leaves(tree, leaves)


def take_leaves(part: Any, leaves: list[Any]) -> Any:
    """Add the leaves to the list and give the structure.

    A function of its own: one inside `flatten` that calls itself would be a reference cycle, and keep the leaves and
    all they were computed from until the garbage collector comes.
    """
    if type(part) in DICTS:
        return type(part), tuple(part), tuple([take_leaves(p, leaves) for p in part.values()])
    if isinstance(part, SEQUENCES):
        return type(part), None, tuple([take_leaves(p, leaves) for p in part])
    if part is None:
        return None
    leaves.append(part)
    return LEAF


def unflatten(structure: Any, leaves: Iterable[Any]) -> Any:
    """Fill a structure with leaves."""
    remaining = iter(leaves)
    if structure is None:
        return None
    if structure == LEAF:
        return next(remaining)
    kind, keys, parts = structure
    built = [unflatten(part, remaining) for part in parts]
    if keys is not None:
        return kind(zip(keys, built, strict=True))
    return kind(*built) if hasattr(kind, "_fields") else kind(built)


def matched(structure: Any, given: Any) -> list[Any]:
    """The leaves of something of that structure, where None may stand for any part of it: then for all its leaves.

    Lists and tuples pass for each other, and dicts may have another order. What does not fit raises a ValueError.
    """
    if structure is None:
        return []
    if structure == LEAF:
        if isinstance(given, dict | list | tuple):
            raise ValueError
        return [given]
    _, keys, parts = structure
    if given is None:
        pieces = [None] * len(parts)
    elif keys is not None and isinstance(given, dict) and given.keys() == set(keys):
        pieces = [given[key] for key in keys]
    elif keys is None and isinstance(given, list | tuple) and len(given) == len(parts):
        pieces = list(given)
    else:
        raise ValueError
    return [leaf for part, piece in zip(parts, pieces, strict=True) for leaf in matched(part, piece)]


def outline(structure: Any) -> str:
    """A structure as a program would write it, with a star for each leaf."""
    if structure is None or structure == LEAF:
        return str(structure)
    kind, keys, parts = structure
    shown = [outline(part) for part in parts]
    if keys is not None:
        return "{" + ", ".join(f"{key!r}: {part}" for key, part in zip(keys, shown, strict=True)) + "}"
    return f"[{', '.join(shown)}]" if issubclass(kind, list) else f"({', '.join(shown)}{',' * (len(shown) == 1)})"
