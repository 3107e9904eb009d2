"""The parts that run compiled: those that were built, unless ``CHAINRULE_PLAIN=1`` in the environment asks for none."""

from __future__ import annotations

import importlib
import os
from typing import Any


def find_compiled(name: str) -> Any:
    """A compiled module of this package, or None."""
    if os.environ.get("CHAINRULE_PLAIN"):
        return None
    try:
        return importlib.import_module(f"chainrule.core.{name}")
    except ImportError:
        return None


loops = find_compiled("_loops")
"""Quick twins of kernels, by their names."""
