"""Rules for order and places: where the largest is, what sorts, what lies at given places along an axis.

Places are whole numbers and flat. What is taken from them keeps its gradient: `sort` is a `take_along_axis` at the
places that `argsort` found, so the gradient goes back to where each entry came from.
"""

# A derivative may call the rule it belongs to, and there the checker stops.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.flat import flat
from chainrule.core.operation import is_node, linear, refuse_masked
from chainrule.rules import kernels
from chainrule.rules.composed import array_of

Places = Any
"""Whole numbers, which a formula cannot hold: its numbers are doubles."""


def whole_numbers(indices: Places) -> Any:
    refuse_masked(indices, "an index")
    places = np.asarray(array_of(indices) if is_node(indices) else indices)
    if not places.size and places.dtype.kind == "f":
        return places.astype(int)
    if places.dtype.kind not in "iu":
        raise IndexError(f"places are whole numbers, and these are {places.dtype}")
    return places


def places(x):
    """Random truths as places of two entries."""
    return np.asarray(x).astype(np.int64)


def classes(x):
    """Random numbers as numbers of four classes."""
    return np.asarray(np.rint(np.abs(x))).astype(np.int64)


def rising(x):
    """Random numbers in order."""
    return np.sort(x)


@flat(
    r"\operatorname{argsort}\left({x}\right)",
    examples=({}, {"axis": 0}, {"axis": None}, {"axis": 1, "descending": True}),
)
def argsort(x, *, axis=-1, descending=False, stable=True):
    """The places of the entries in rising (or falling) order along an axis; equals keep their order in any case."""
    return kernels.sorting_places(x, axis, descending)


@flat(
    r"\operatorname{argmax}\left({x}\right)",
    examples=({}, {"axis": 0}, {"axis": -1, "keepdims": True}),
)
def argmax(x, *, axis=None, keepdims=False):
    """The place of the largest entry, the first of several, of all or along an axis."""
    return np.argmax(x, axis=axis, keepdims=keepdims)


@flat(
    r"\operatorname{argmin}\left({x}\right)",
    examples=({}, {"axis": 0}, {"axis": -1, "keepdims": True}),
)
def argmin(x, *, axis=None, keepdims=False):
    """The place of the smallest entry, the first of several, of all or along an axis."""
    return np.argmin(x, axis=axis, keepdims=keepdims)


@flat(
    r"\operatorname{searchsorted}\left({a}, {v}\right)",
    shapes=((4,), (2, 3)),
    examples=({}, {"side": "right"}),
    prepare=(rising, None),
)
def searchsorted(a, v, *, side: Any = "left"):
    """The places in a rising list a before (or behind) which the entries of v would keep it rising."""
    return np.searchsorted(a, v, side=side)


@flat(
    r"\operatorname{onehot}\left({x}\right)",
    examples=({"num_classes": 4}, {}),
    prepare=(classes,),
)
def one_hot(x: Places, *, num_classes=None):
    """A row for each class number: 1.0 at its place, 0.0 elsewhere; as many columns as classes."""
    return kernels.one_hot(x, num_classes)


@flat(
    r"\operatorname{count}\left({x}\right)",
    examples=({}, {"axis": 0}, {"axis": (0, 1), "keepdims": True}),
)
def count_nonzero(x, *, axis=None, keepdims=False):
    """How many entries are not 0, of all or along axes."""
    return np.count_nonzero(x, axis=axis, keepdims=keepdims)


@flat(
    r"\operatorname{any}\left({x}\right)",
    examples=({}, {"axis": 0}, {"axis": (0, 1), "keepdims": True}),
)
def any(x, *, axis=None, keepdims=False):
    """Whether some entry is not 0, of all or along axes; of none, no."""
    return np.any(x, axis=axis, keepdims=keepdims)


@flat(
    r"\operatorname{all}\left({x}\right)",
    examples=({}, {"axis": 0}, {"axis": (0, 1), "keepdims": True}),
)
def all(x, *, axis=None, keepdims=False):
    """Whether every entry is not 0, of all or along axes; of none, yes."""
    return np.all(x, axis=axis, keepdims=keepdims)


@linear(
    r"\operatorname{take}_{axis}\left({x}, {indices}\right)",
    adjoint=(lambda g, x, indices, axis: add_along_axis(g, indices, shape=x.shape, axis=axis), None),
    shapes=((2, 3), (4, 3)),
    examples=({"axis": 0},),
    prepare=(None, places),
)
def take_along_axis(x, indices: Places, *, axis=-1):
    """The entries at given places along an axis; the gradient goes back to them, adding up where one is met twice."""
    return np.take_along_axis(x if hasattr(x, "shape") else np.asarray(x), indices, axis)


@linear(
    r"\operatorname{put}_{axis}\left({x}, {indices}\right)",
    adjoint=(lambda g, x, indices, shape, axis: take_along_axis(g, indices, axis=axis), None),
    shapes=((4, 3), (4, 3)),
    examples=({"shape": (2, 3), "axis": 0},),
    prepare=(None, places),
)
def add_along_axis(x, indices: Places, *, shape, axis=-1):
    """Entries put into zeros at given places along an axis, adding up; the transpose of `take_along_axis`."""
    return kernels.add_along_axis(x, indices, shape, axis)
