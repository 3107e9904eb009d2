"""Rules and computations written out as plain source that a person can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.codegen.numpy_source import write_rule

__all__ = ["write_rule"]


def __getattr__(name: str) -> Any:
    """Printers load when one is asked for: whoever runs kernels waits for none."""
    if name != "write_rule":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from chainrule.codegen.numpy_source import write_rule

    return write_rule
