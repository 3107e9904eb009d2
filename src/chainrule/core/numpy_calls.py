"""NumPy's functions called on nodes: ``np.exp(t)`` records ``exp``, ``np.sum(t, 0)`` sums over the first axis.

Arguments mean what they mean in NumPy: they are sorted by NumPy's own signature, and handed on by name. What has no
rule, and what a rule has no setting for, is refused by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.core.numpy_names import OTHER_NAMES
from chainrule.core.operation import book, compositions
from chainrule.errors import DtypeError
from chainrule.kinds import is_equal

BY_LAST_AXES = {"cross", "diagonal", "matrix_norm", "outer", "trace", "vector_norm"}
"""Functions of ``np.linalg`` that mean something else than the one of the same name in ``np``, or than ours."""

HARMLESS = {"casting", "copy", "kind", "optimize", "overwrite_input", "stable", "subok"}
"""NumPy's keywords that say how a result is found and not what it is."""

OUR_NAMES = {"axes": "axes", "correction": "ddof", "m": "x", "newshape": "shape"}
"""NumPy's names for settings that have another one here."""

ANSWERED_PLAINLY = {
    "array2string",
    "array_repr",
    "array_str",
    "can_cast",
    "iscomplexobj",
    "isrealobj",
    "min_scalar_type",
    "ndim",
    "result_type",
    "save",
    "savetxt",
    "savez",
    "savez_compressed",
    "shape",
    "size",
}
"""Functions that ask about an array or write it down: they give nothing that could be differentiated."""


def operation_of(function: Any) -> Any:
    """The function of this project that a NumPy function stands for, or None."""
    name: str = function.__name__
    module = getattr(function, "__module__", None) or "numpy"
    if (module == "numpy.linalg" and name in BY_LAST_AXES) or module not in ("numpy", "numpy.linalg"):
        return None
    return function_named(name)


def function_named(name: str) -> Any:
    """The function of this project that NumPy, or Python's `math`, calls by that name, or None."""
    name = OTHER_NAMES.get(name, name)
    return compositions.get(name) or book.get(name)


def refused(ufunc: Any, method: str, settings: dict[str, Any]) -> DtypeError:
    """The error for a call of a universal function by which a gradient would be lost, naming what is not known here."""
    name = f"np.{ufunc.__name__}"
    if method != "__call__":
        return DtypeError(f"{name}.{method} has no rule here: use a function of chainrule, such as cr.sum or cr.cumsum")
    if "out" in settings:
        return DtypeError(
            f"{name} cannot write what nodes give into out: use what it returns, as in a = a + x for a += x"
        )
    if settings and operation_of(ufunc) is not None:
        return DtypeError(f"{name} on nodes has no keyword {', '.join(settings)} here: call it without")
    return DtypeError(
        f"{name} has no rule here, so its gradient would be lost: use a function of chainrule, declare one with "
        "@cr.pointwise, or take .detach() first"
    )


def called(function: Any, args: Sequence[Any], kwargs: dict[str, Any], numbers_of: Callable[[Any], Any]) -> Any:
    """What a NumPy function gives on nodes; `numbers_of` takes the plain numbers out of one."""
    if function.__name__ in ANSWERED_PLAINLY and function.__module__ == "numpy":
        return function(*map(numbers_of, args), **{name: numbers_of(x) for name, x in kwargs.items()})
    if function is np.where and len(args) == 1:
        return compositions["nonzero"](*args)
    ours = operation_of(function)
    if ours is None:
        raise DtypeError(
            f"{full_name(function)} has no rule here: use a function of chainrule, or np.asarray(x.detach()) first, "
            "which leaves the graph"
        )
    positional, settings = sorted_out(function, ours, args, kwargs)
    return ours(*positional, **settings)


def sorted_out(
    function: Any, ours: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Sequence[Any], dict[str, Any]]:
    """The arguments of a NumPy function as arguments of ours: by name, and else by place."""
    theirs, mine = parameters(function), parameters(ours)
    if theirs is None:  # an older NumPy does not tell how its oldest functions are called
        return args, kwargs
    many = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in theirs.values())
    order = list(theirs)
    places = [name for name, parameter in mine.items() if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    found: dict[str, Any] = {}
    for name, x in (kwargs if many else {**dict(zip(order, args, strict=False)), **kwargs}).items():
        if name in theirs and is_equal(x, theirs[name].default):
            continue
        place = order.index(name) if name in theirs else len(places)
        ours_is = OUR_NAMES.get(name, name)
        if ours_is in mine and mine[ours_is].kind is not inspect.Parameter.VAR_POSITIONAL:
            found[ours_is] = x
        elif place < len(places) and theirs[name].default is inspect.Parameter.empty and not many:
            found[places[place]] = x
        elif name not in HARMLESS:
            settings = [name for name, parameter in mine.items() if parameter.default is not parameter.empty]
            raise DtypeError(
                f"{full_name(function)} on a Tensor has no keyword {name} here: it has {', '.join(settings) or 'none'}"
            )
    if many:
        return args, found
    leading: list[Any] = []
    for name in places:
        if name not in found:
            break
        leading.append(found.pop(name))
    return leading, found


@lru_cache(maxsize=512)
def parameters(function: Any) -> Any:
    """How a function is called, or None where it does not say."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None


def full_name(function: Any) -> str:
    """A NumPy function as users write it."""
    module = (getattr(function, "__module__", None) or "numpy").replace("numpy", "np", 1)
    return f"{module}.{function.__name__}"
