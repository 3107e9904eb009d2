"""Nodes and graphs: what records a computation and what walks it.

`Value` is the compiled engine where the extension was built, and the same file run as plain Python elsewhere;
``CHAINRULE_PLAIN=1`` in the environment asks for the plain one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING or os.environ.get("CHAINRULE_PLAIN"):
    from chainrule.core.value import Value, add_all, dot_all, restore, weighted_sum
else:
    try:
        from chainrule.core._value import Value, add_all, dot_all, restore, weighted_sum
    except ImportError:
        from chainrule.core.value import Value, add_all, dot_all, restore, weighted_sum

COMPILED: bool = Value.__module__.endswith("._value")
"""Whether the scalar engine is the compiled one."""

__all__ = ["COMPILED", "Value", "add_all", "dot_all", "restore", "weighted_sum"]
