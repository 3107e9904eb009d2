"""Nodes and graphs: what records a computation and what walks it.

Three files of this package are compiled where a C compiler is found, and run as plain Python elsewhere: the rule book's
operations, the graph of arrays, and the scalar engine. The compiled module then stands in the plain one's place.
``CHAINRULE_PLAIN=1`` in the environment asks for the plain ones.
"""

from __future__ import annotations

import sys

from chainrule.core.compiled import find_compiled

for _name in ("operation", "graph", "value"):
    _module = find_compiled(f"_{_name}")
    if _module is not None:
        sys.modules[f"{__name__}.{_name}"] = globals()[_name] = _module

from chainrule.core import graph  # noqa: E402  (after the compiled modules took their places)
from chainrule.core.value import Value, add_all, dot_all, restore, weighted_sum  # noqa: E402

COMPILED: bool = Value.__module__.endswith("._value")
"""Whether the engines are the compiled ones."""

__all__ = ["COMPILED", "Value", "add_all", "dot_all", "graph", "restore", "weighted_sum"]
