"""Nested lists, tuples and dicts as a flat list of leaves, and back."""

from __future__ import annotations

from typing import Any

LEAF = "*"


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """The leaves in order, and a structure that can be compared and filled again. Dicts go by insertion order."""
    leaves: list[Any] = []

    def walk(part: Any) -> Any:
        if type(part) is dict:
            return dict, tuple(part), tuple([walk(p) for p in part.values()])
        if isinstance(part, list | tuple):
            return type(part), None, tuple([walk(p) for p in part])
        if part is None:
            return None
        leaves.append(part)
        return LEAF

    structure = walk(tree)
    return leaves, structure


def unflatten(structure: Any, leaves: list[Any]) -> Any:
    """Fill a structure with leaves."""
    remaining = iter(leaves)

    def build(part: Any) -> Any:
        if part is None:
            return None
        if part == LEAF:
            return next(remaining)
        kind, keys, parts = part
        built = [build(p) for p in parts]
        if kind is dict:
            return dict(zip(keys, built, strict=True))
        return kind(*built) if hasattr(kind, "_fields") else kind(built)

    return build(structure)


def outline(structure: Any) -> str:
    """A structure as a program would write it, with a star for each leaf."""
    if structure is None or structure == LEAF:
        return str(structure)
    kind, keys, parts = structure
    shown = [outline(part) for part in parts]
    if kind is dict:
        return "{" + ", ".join(f"{key!r}: {part}" for key, part in zip(keys, shown, strict=True)) + "}"
    return f"[{', '.join(shown)}]" if issubclass(kind, list) else f"({', '.join(shown)}{',' * (len(shown) == 1)})"
