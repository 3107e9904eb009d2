"""What a program gives beside a formula, read argument by argument; an error names the argument as Python writes it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.expression.typed.given import MOST_AXES
from chainrule.kinds import is_whole, what_is

NUMBERS = "biuf"
"""Kinds of array that are numbers: truth values, whole numbers and floats."""

LONGEST = 40
"""Characters of what was given, in an error."""


def mapping_of(argument: str, given: Any) -> dict[str, Any]:
    """What is given by name; nothing for None. DtypeError for what is no mapping, or has other keys than names."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise DtypeError(f"{argument} is a mapping from names, as {{'x': …}}, and this is {what_is(given)}")
    found = dict(cast("Mapping[Any, Any]", given))
    for name in found:
        if not isinstance(name, str):
            raise DtypeError(f"{argument} is a mapping from names, which are texts, and {name!r} is {what_is(name)}")
    return found


def numbers_in(argument: str, x: Any) -> Any:
    """A float, or an array of floats; an error that names the argument for texts, complex numbers and ragged lists.

    >>> from chainrule.expression.arguments import numbers_in
    >>> numbers_in("direction", [1, 2]), numbers_in("x", True)
    (array([1., 2.]), 1.0)
    """
    try:
        with warnings.catch_warnings():
            # Of a list that is read as complex numbers or as objects, some versions of NumPy would only warn.
            warnings.simplefilter("error")
            array = np.asarray(x)
            if array.dtype == object:
                array = as_floats(array)
    except Exception as error:
        if isinstance(x, Sequence) and isinstance(error, ValueError):
            problem = "a list of several shapes: every row of an array has the same length"
            raise ShapeError(f"{argument} is {problem}") from error
        raise DtypeError(f"{argument} is {what_is(x)} that gives no numbers: {error}") from error
    if array.dtype.kind == "c":
        raise DtypeError(f"{argument} is complex, and numbers are real here")
    if array.dtype.kind not in NUMBERS:
        raise DtypeError(f"{argument} is {shown(x)}: give a number, or an array of numbers")
    return float(array) if not array.ndim else array.astype(np.float64)


def as_floats(array: Any) -> Any:
    """Objects that are numbers, as fractions and decimals are; the array itself where one is none."""
    items = array.ravel().tolist()
    if any([not hasattr(item, "__float__") for item in items]):
        return array
    return np.array([float(item) for item in items]).reshape(array.shape)


def shown(x: Any) -> str:
    """What was given that is no number: its type, and the text itself where it is short."""
    text = repr(x)
    return f"{what_is(x)}, {text}" if x is not None and len(text) <= LONGEST and "\n" not in text else what_is(x)


def values_of(given: Any, argument: str = "values") -> dict[str, Any]:
    """Values by name: floats, and arrays of floats with at least one entry each."""
    found = {name: numbers_in(f"{argument}[{name!r}]", x) for name, x in mapping_of(argument, given).items()}
    for name, x in found.items():
        if not np.size(x):
            raise ShapeError(f"{argument}[{name!r}] is empty, of shape {np.shape(x)}: give at least one number")
    return found


def shapes_of(given: Any, argument: str = "shapes") -> dict[str, tuple[int, ...]]:
    """Shapes by name, each a whole number or several."""
    return {name: shape_in(f"{argument}[{name!r}]", shape) for name, shape in mapping_of(argument, given).items()}


def shape_in(argument: str, given: Any) -> tuple[int, ...]:
    """A shape: a positive whole number, or a tuple of them."""
    sizes: list[Any] = list(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else [given]
    if not all([is_whole(n, 1) for n in sizes]):
        raise ShapeError(
            f"{argument} is {given!r}, and a shape is a tuple of positive whole numbers, such as (3, 2), or ()"
        )
    if len(sizes) > MOST_AXES:
        raise ShapeError(f"{argument} has {len(sizes)} axes, and an array here has at most {MOST_AXES}")
    return tuple(map(int, sizes))


def names_of(argument: str, given: Any) -> list[str]:
    """One name or several, as texts; none for None."""
    if given is None:
        return []
    if isinstance(given, str):
        return [given]
    found: list[Any] = list(given) if isinstance(given, Iterable) else [given]
    for one in found:
        if not isinstance(one, str):
            raise DtypeError(
                f"{argument} is a name as a text, such as 'x', or a list of names, and {one!r} is {what_is(one)}"
            )
    if not found:
        raise GraphError(f"{argument} is an empty list: leave it out to have all names")
    return found


def whole_number(argument: str, x: Any, least: int, most: int | None = None) -> int:
    """A whole number of any type, in a range; a truth value is none."""
    if not is_whole(x, least) or (most is not None and x > most):
        raise GraphError(f"{argument} is a whole number from {least}{'' if most is None else f' to {most}'}, not {x!r}")
    return int(x)
