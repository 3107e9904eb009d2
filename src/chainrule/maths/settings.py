"""How the settings of an operation look, and which of them say anything."""

# What settings hold is known only when a formula is printed.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.maths import looks
from chainrule.maths.looks import NOTHING, Looks, fenced
from chainrule.maths.tree import Applied, exact, is_default, slice_text

MOST_ENTRIES = 6
"""Entries of an array among the settings that are written out."""


def setting(x: Any) -> Looks:
    if isinstance(x, bool | np.bool_) or x is None or isinstance(x, str):
        return looks.text(str(x))
    if x is Ellipsis:
        return looks.text("…")
    if isinstance(x, int | float | np.number):
        return looks.digits(exact(float(x)).text)
    if isinstance(x, slice):
        return looks.text(slice_text(x))
    if isinstance(x, np.ndarray):
        return setting(
            tuple(x.tolist()) if x.ndim and x.size <= MOST_ENTRIES else x.item() if x.size == 1 else Ellipsis
        )
    if isinstance(x, list):
        return setting(tuple(x))
    if isinstance(x, tuple):
        return fenced("(", *map(setting, x))
    return looks.text(getattr(x, "__name__", str(x)))


def settings_below(given: Mapping[str, Any]) -> Looks:
    """Settings set below what they belong to, each with its name."""
    # One axis alone needs no brackets.
    only = {name: x[0] if isinstance(x, tuple) and len(x) == 1 else x for name, x in given.items()}
    shown = [Looks("rel", (looks.text(name), setting(x)), ("=",)) for name, x in only.items()]
    return looks.listed(*shown) if shown else NOTHING


def settings_shown(tree: Applied) -> dict[str, Any]:
    """The settings that say something; whether an axis of length 1 is kept changes no number.

    Nor does the axis of a vector, which has one alone.
    """
    silent = {"keepdims", "axis"} if max([tree.ndim, *[x.ndim for x in tree.inputs]]) < 2 else {"keepdims"}
    given = tree.given.items()
    return {name: x for name, x in given if name not in silent and not is_default(tree.operation, name, x)}
