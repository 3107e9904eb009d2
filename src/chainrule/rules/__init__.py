"""The rule book: every derivative of the project, declared once."""

from __future__ import annotations

from chainrule.rules import (
    activations,
    algebra,
    attention,
    composed,
    convolution,
    einsum,
    fused,
    linear,
    matrix,
    pointwise,
    windows,
)

__all__ = [
    "activations",
    "algebra",
    "attention",
    "composed",
    "convolution",
    "einsum",
    "fused",
    "linear",
    "matrix",
    "pointwise",
    "windows",
]
