"""The parts that run compiled: those that were built, unless ``CHAINRULE_PLAIN=1`` in the environment asks for none."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

PACKAGE = __name__.rpartition(".")[0]
OURS = PACKAGE.partition(".")[0] + "."


def find_compiled(name: str) -> Any:
    """A compiled module of this package, or None."""
    if os.environ.get("CHAINRULE_PLAIN"):
        return None
    try:
        return importlib.import_module(f"{PACKAGE}._{name}")
    except ImportError:
        return None


def put_in_place(name: str) -> bool:
    """Let a module's compiled twin stand where the plain one would, if there is one; before anybody imports it."""
    module = find_compiled(name)
    if module is not None:
        sys.modules[f"{PACKAGE}.{name}"] = module
        setattr(sys.modules[PACKAGE], name, module)
    return module is not None


machine = find_compiled("machine")
"""The kernel machine; None where it was not built."""

loops = find_compiled("loops")
"""The module of quick twins of kernels and rules; None where it was not built."""

TWINS: dict[str, Any] = {} if loops is None else vars(loops)
"""The twins by their names."""


def is_ours(function: Any) -> bool:
    """Whether a function is of this package, and not one of a user's."""
    return function.__module__.startswith(OURS)


def find_twin(function: Any, ending: str = "") -> Any:
    """The loop named like a function of this package, or None: one of a user's may have that name by chance."""
    return TWINS.get(function.__name__ + ending) if is_ours(function) else None
