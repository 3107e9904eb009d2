"""Nodes and graphs: what records a computation and what walks it.

Three files of this package are compiled where a C compiler is found, and run as plain Python elsewhere: the operations
of the rule book and the graph of arrays, which make the tensor engine, and the scalar engine.
``CHAINRULE_PLAIN=1`` in the environment asks for the plain ones.
"""

from __future__ import annotations

from chainrule.core.compiled import machine, put_in_place

TENSORS_COMPILED: bool = all([put_in_place("operation"), put_in_place("graph"), machine is not None])
"""Whether the tensor engine is compiled, and its kernels with it."""

VALUES_COMPILED: bool = put_in_place("value")
"""Whether the scalar engine is compiled."""

COMPILED = TENSORS_COMPILED and VALUES_COMPILED

from chainrule.core import graph  # noqa: E402  (after the compiled modules took their places)
from chainrule.core.value import Value, add_all, dot_all, read_graph, restore, weighted_sum  # noqa: E402

__all__ = [
    "COMPILED",
    "TENSORS_COMPILED",
    "VALUES_COMPILED",
    "Value",
    "add_all",
    "dot_all",
    "graph",
    "read_graph",
    "restore",
    "weighted_sum",
]
