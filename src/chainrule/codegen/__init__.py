"""Rules and computations written out as plain source that a person can read."""

from __future__ import annotations

from chainrule.codegen.numpy_source import write_rule

__all__ = ["write_rule"]
