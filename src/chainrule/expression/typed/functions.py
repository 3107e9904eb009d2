"""The functions that a formula may call, found in the book by rule and never listed by hand."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.core.numpy_calls import OTHER_NAMES
from chainrule.core.operation import book, compositions
from chainrule.errors import ShapeError

ALIASES = {"ln": "log", "tr": "trace", "σ": "sigmoid", **OTHER_NAMES}
"""Other names that textbooks and NumPy have for functions."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a formula may call, by the names of its inputs and settings."""

    name: str
    call: Callable[..., Any]
    inputs: tuple[str, ...]
    settings: tuple[str, ...]
    required: tuple[str, ...]
    """The settings without a default."""

    @property
    def usage(self) -> str:
        """How it is written: ``sum(x, axis=…, keepdims=…)``."""
        return f"{self.name}({', '.join([*self.inputs, *(f'{name}=…' for name in self.settings)])})"


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

    Its inputs are counted, each of them is one array of doubles, and its settings can be typed.
    """
    name = ALIASES.get(name, name)
    call, rule = compositions.get(name) or book.get(name), book.get(name)
    if call is None or (rule is not None and rule.variadic):
        return None
    inputs: list[str] = []
    settings: list[str] = []
    required: list[str] = []
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return None
        kind = str(parameter.annotation)
        if "Sequence" in kind or "Places" in kind:
            return None
        has_default = parameter.default is not parameter.empty
        if has_default and not can_be_typed(parameter.default):
            continue
        is_setting = has_default or parameter.kind is parameter.KEYWORD_ONLY or kind == "int"
        if not is_setting and not (rule is not None and parameter.name in rule.defaults):
            inputs.append(parameter.name)
            continue
        settings.append(parameter.name)
        if not has_default:
            required.append(parameter.name)
    examples = () if rule is None else rule.examples
    if not all(can_be_typed(example[setting]) for example in examples for setting in required if setting in example):
        return None
    return Function(name, call, tuple(inputs), tuple(settings), tuple(required))


def in_a_list(*parts: Any) -> Any:
    """Things of one shape side by side along a new first axis, as ``[x**2*y, sin(x)]`` and ``[[a, b], [c, d]]``."""
    shapes = list(dict.fromkeys([tuple(getattr(part, "shape", ())) for part in parts]))
    if len(shapes) > 1:
        raise ShapeError(f"what stands in a list has one shape, and here are {' and '.join(map(str, shapes[:2]))}")
    return book["stack"](*parts, axis=0)


def can_be_typed(setting: Any) -> bool:
    """Whether a formula can have the setting: a number, a word, or several."""
    if isinstance(setting, tuple):
        return all(map(can_be_typed, setting))
    return setting is None or isinstance(setting, bool | int | float)
