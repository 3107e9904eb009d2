"""PyTorch itself, loaded when it is first needed."""

from __future__ import annotations

from typing import Any

from chainrule.errors import MissingExtra


def pytorch() -> Any:
    """The library; where it is not installed, `MissingExtra` says how to get it."""
    try:
        import torch  # pyright: ignore[reportMissingImports]  (a judge, and no part of what make test installs)
    except ImportError:
        raise MissingExtra("PyTorch", "torch") from None
    return torch
