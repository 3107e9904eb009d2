"""The functions that a formula may call, found in the book by rule and never listed by hand."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from chainrule.core.numpy_names import OTHER_NAMES
from chainrule.core.operation import book, compositions
from chainrule.errors import ShapeError

ALIASES = {"ln": "log", "tr": "trace", "σ": "sigmoid", "logdet": "logabsdet", **OTHER_NAMES}
"""Other names that textbooks and NumPy have for functions."""


WHOLE = ("int", "int | Sequence[int]", "Places")
"""How settings are annotated that are whole numbers and have no default."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a formula may call, by the names of its inputs and settings."""

    name: str
    call: Callable[..., Any]
    inputs: tuple[str, ...]
    settings: tuple[str, ...]
    required: tuple[str, ...]
    """The settings without a default."""
    places: tuple[str, ...] = ()
    """The settings that are whole numbers, one or a list of them."""
    listed: bool = False
    """Whether its only input is a list of arrays."""

    @property
    def usage(self) -> str:
        """How it is written: ``sum(x, axis=…, keepdims=…)``."""
        inputs = ("[x, …]",) if self.listed else self.inputs
        return f"{self.name}({', '.join([*inputs, *(f'{name}=…' for name in self.settings)])})"


def usages() -> list[str]:
    """How each function that a formula may call is written, in alphabetical order, for a help text.

    >>> from chainrule.expression import usages
    >>> [usage for usage in usages() if usage.startswith("norm")]
    ['norm(x, ord=…, axis=…, keepdims=…)']
    """
    return [function.usage for name in sorted({*book, *compositions}) if (function := look_up(name)) is not None]


def function_names() -> list[str]:
    return [name for name in (*sorted({*book, *compositions}), *ALIASES) if look_up(name) is not None]


def look_up(name: str) -> Function | None:
    """The function of that name, if a formula may call it.

    Its inputs are counted, each of them is one array of doubles or all of them stand in a list, and its settings can be
    typed.
    """
    name = ALIASES.get(name, name)
    call, rule = compositions.get(name) or book.get(name), book.get(name)
    if call is None:
        return None
    parameters = inspect.signature(call).parameters.values()
    listed = next(iter(parameters)).name == "arrays" and name in compositions
    if rule is not None and rule.variadic and not listed:
        return None
    inputs: list[str] = []
    settings: list[str] = []
    required: list[str] = []
    places: list[str] = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return None
        kind = str(parameter.annotation)
        if ("Sequence[Any]" in kind and not (listed and not inputs)) or (kind == "Places" and name not in compositions):
            return None
        has_default = parameter.default is not parameter.empty
        if has_default and not can_be_typed(parameter.default):
            continue
        is_setting = has_default or parameter.kind is parameter.KEYWORD_ONLY or kind in WHOLE
        if not is_setting and not (rule is not None and parameter.name in rule.defaults):
            if settings:
                return None
            inputs.append(parameter.name)
            continue
        settings.append(parameter.name)
        if kind == "Places":
            places.append(parameter.name)
        if not has_default:
            required.append(parameter.name)
    examples = () if rule is None else rule.examples
    typed = [setting for setting in required if setting not in places]
    if not all(can_be_typed(example[setting]) for example in examples for setting in typed if setting in example):
        return None
    return Function(name, call, tuple(inputs), tuple(settings), tuple(required), tuple(places), listed)


def in_a_list(*parts: Any) -> Any:
    """Things of one shape side by side along a new first axis, as ``[x**2*y, sin(x)]`` and ``[[a, b], [c, d]]``."""
    shapes = list(dict.fromkeys([tuple(getattr(part, "shape", ())) for part in parts]))
    if len(shapes) > 1:
        raise ShapeError(f"what stands in a list has one shape, and here are {' and '.join(map(str, shapes[:2]))}")
    return book["stack"](*parts, axis=0)


@cache
def of_parts(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a list, as one of what stands in the list."""

    def of(*parts: Any, **settings: Any) -> Any:
        return function(parts, **settings)

    of.__name__ = function.__name__
    return of


def can_be_typed(setting: Any) -> bool:
    """Whether a formula can have the setting: a number, a word, or several."""
    if isinstance(setting, tuple):
        return all(map(can_be_typed, setting))
    return setting is None or isinstance(setting, bool | int | float)
