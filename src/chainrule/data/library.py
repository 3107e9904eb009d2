"""The library that reads tables."""

from __future__ import annotations

from typing import Any

from chainrule.errors import MissingExtra


def polars() -> Any:
    """The library that reads tables, if it is installed."""
    try:
        import polars
    except ImportError:
        raise MissingExtra("polars", "data") from None
    return polars
