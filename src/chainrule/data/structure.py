"""Several arrays with one entry for each example, held together in tuples and dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError
from chainrule.kinds import Array


def structured(held: Any, leaf: Callable[[Any, str], Array], name: str, examples: int | None = None) -> Any:
    """Data as arrays in tuples and dicts, each array made by `leaf` from what is held there and its name.

    A tuple or dict with arrays or lists in it is several inputs, never one array. A list of arrays may be several
    inputs or the examples one by one: which of the two, the number of `examples` tells (-1 where a list is never
    examples). A list that could be both is refused.
    """
    if isinstance(held, Mapping):
        parts = cast("Mapping[Any, Any]", held)
        return {key: structured(part, leaf, f"{name}[{key!r}]", examples) for key, part in parts.items()}
    if isinstance(held, tuple) and is_several(cast("tuple[Any, ...]", held)):
        return _several(cast("tuple[Any, ...]", held), leaf, name, examples)
    if isinstance(held, list) and any(map(_is_whole, cast("list[Any]", held))):
        parts = cast("list[Any]", held)
        lengths = {len(part) if np.ndim(part) else None for part in parts if not isinstance(part, Mapping)}
        inputs, rows = examples == -1 or lengths == {examples}, examples != -1 and examples in (None, len(parts))
        if inputs and rows and None not in lengths:
            raise DtypeError(
                f"{name} is a list of {len(parts)} arrays with {examples} entries each, which may be inputs or "
                "examples: write a tuple for several inputs, np.stack for examples"
            )
        if inputs:
            return _several(parts, leaf, name, examples)
    return leaf(held, name)


def _several(parts: Sequence[Any], leaf: Callable[[Any, str], Array], name: str, examples: int | None) -> Any:
    return tuple(structured(part, leaf, f"{name}[{i}]", examples) for i, part in enumerate(parts))


def _is_whole(part: Any) -> bool:
    """Whether a part of a list is an array, or several, and not a row of numbers."""
    return isinstance(part, Mapping) or (isinstance(part, np.ndarray | Tensor) and part.ndim > 0)


def is_several(parts: tuple[Any, ...]) -> bool:
    """Whether a tuple holds arrays, and is not a row of numbers or an array written with brackets."""
    return any(map(_is_array, parts))


def _is_array(part: Any) -> bool:
    """Whether a part of a tuple is an array of its own, and not a number or a row of numbers."""
    if isinstance(part, tuple):
        return is_several(cast("tuple[Any, ...]", part))
    return isinstance(part, list | Mapping) or bool(np.ndim(part))


def mapped(function: Callable[[Any], Any], held: Any) -> Any:
    """The same structure, with what a function makes of every array."""
    if type(held) is tuple:
        return tuple([mapped(function, part) for part in cast("tuple[Any, ...]", held)])
    if type(held) is dict:
        return {key: mapped(function, part) for key, part in cast("dict[Any, Any]", held).items()}
    return function(held)


def leaves(held: Any) -> Iterator[Array]:
    if type(held) is dict:
        for part in cast("dict[Any, Any]", held).values():
            yield from leaves(part)
    elif type(held) is tuple:
        for part in cast("tuple[Any, ...]", held):
            yield from leaves(part)
    else:
        yield held


def joined(parts: Sequence[Any]) -> Any:
    """Structures of one kind, with their arrays one after the other."""
    first = parts[0]
    if type(first) is tuple:
        return tuple([joined(column) for column in zip(*parts, strict=True)])
    if type(first) is dict:
        return {key: joined([part[key] for part in parts]) for key in cast("dict[Any, Any]", first)}
    return np.concatenate(parts)


def shapes(held: Any) -> Any:
    return mapped(np.shape, held)


def lengths(*held: Any) -> set[int | None]:
    """How many entries the arrays have along their first axis; None where one has no axis."""
    return {len(part) if part.ndim else None for structure in held for part in leaves(structure)}
