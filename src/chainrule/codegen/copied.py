"""What was made of a function is pickled and copied as that function, of which it is made again where it arrives."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import reduce
from typing import Any

BEHIND = ".__wrapped__"
"""The way from what a decorator made to its function."""


def made_again(one: Any, *settings: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """What `__reduce__` gives for something that is made of its `f` and of settings.

    Pickle finds a function by its name; where a decorator has that name now, the function is found behind it.
    """
    f = one.f
    if named(f) is one and not f.__qualname__.endswith(BEHIND):
        f.__qualname__ += BEHIND
    return again, (type(one), f, settings)


def again(kind: Callable[..., Any], f: Any, settings: tuple[Any, ...]) -> Any:
    """What decorates the function here, or else one more."""
    decorator = named(f)
    return decorator if type(decorator) is kind and decorator.f is f else kind(f, *settings)


def named(f: Any) -> Any:
    """What stands where a function was defined, if that is at the top of a module or a class."""
    way = getattr(f, "__qualname__", "").removesuffix(BEHIND).split(".")
    return reduce(lambda x, name: getattr(x, name, None), way, sys.modules.get(getattr(f, "__module__", "")))
