"""NumPy functions called on nodes: ``np.exp(t)`` records ``exp``."""

from __future__ import annotations

from typing import Any

from chainrule.core.operation import book, compositions

OTHER_NAMES = {
    "absolute": "abs",
    "add": "add",
    "amax": "max",
    "amin": "min",
    "arccos": "acos",
    "arcsin": "asin",
    "arctan": "atan",
    "arctan2": "atan2",
    "divide": "div",
    "multiply": "mul",
    "negative": "neg",
    "power": "pow",
    "subtract": "sub",
    "true_divide": "div",
}
"""NumPy's names for operations that have another one here."""


def operation_of(function: Any) -> Any:
    """The function of this project that a NumPy function stands for, or None."""
    name: str = function.__name__
    name = OTHER_NAMES.get(name, name)
    return compositions.get(name) or book.get(name)
