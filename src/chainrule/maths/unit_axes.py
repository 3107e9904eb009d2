"""Formulas without the reshapes that NumPy's broadcasting makes needless: ``X @ W + b`` for a ``b`` of one entry.

A simplified formula has each thing in the shape that its law needs, and so many an axis of length 1 comes and goes.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.maths.tree import Applied, Shape, Tree, applied, innermost_first, inputs_of


class Written(NamedTuple):
    """How a formula is written in its own shape, and where axes of length 1 in front, or of one entry, say nothing."""

    exact: Tree
    free: Tree


def without_reshapes(tree: Tree) -> Tree:
    """The same formula, with no more reshapes than NumPy needs; O(parts that are new).

    >>> from chainrule.maths import Symbol, plain
    >>> from chainrule.maths.tree import applied
    >>> x, b = Symbol("x", shape=(3, 1)), Symbol("b", shape=(1,))
    >>> plain(x + applied("reshape", b, shape=()))
    'x + b'
    """
    for x in innermost_first(tree, lambda x: hasattr(x, "written"), inputs_of):
        object.__setattr__(x, "written", written(x))
    return tree.written.exact


def written(tree: Tree) -> Written:
    """A part of a formula, whose own parts have been written."""
    if not isinstance(tree, Applied):
        return Written(tree, tree)
    exact = on(tree, [x.written.exact for x in tree.inputs], tree.shape)
    if isinstance(tree.operation, Pointwise):
        return entry_by_entry(tree, exact)
    if tree.name in ("reshape", "broadcast_to") or (tree.name == "transpose" and tree.size == 1):
        free = tree.inputs[0].written.free
        if in_front(free.shape) != in_front(tree.shape):
            return Written(exact, exact)
        brief = in_shape(free, tree.shape)
        return Written(exact if brief is None else brief, free)
    if tree.name == "sum" and not tree.shape and tree.given["axis"] is None:
        whole = on(tree, [tree.inputs[0].written.free], ())
        return Written(whole, whole)
    if tree.name == "matmul" and all([x.ndim == 1 for x in tree.inputs]):
        # A row times a column is a matrix of one entry, and with a vector on one side a vector of one.
        return Written(exact, applied("matmul", *[line(x.written.exact, axis) for axis, x in enumerate(tree.inputs)]))
    if tree.name == "matmul" and tree.shape == (1, 1) and any([is_made_of_vector(x) for x in tree.inputs]):
        # A row times a column, one of which is a vector in another shape.
        keys = (0, (slice(None), 0))
        return Written(exact, applied("matmul", *map(vector_in, tree.inputs, keys)))
    return Written(exact, exact)


def entry_by_entry(tree: Applied, exact: Applied) -> Written:
    """An operation on entries, whose inputs NumPy brings to one shape."""
    free = brought_together(tree, [x.written.free for x in tree.inputs])
    if free is None:
        return Written(exact, exact)
    if free.shape == tree.shape:
        return Written(free, free)
    mixed = brought_together(tree, [x.written.free if x.size == 1 else x.written.exact for x in tree.inputs])
    return Written(mixed if mixed is not None and mixed.shape == tree.shape else exact, free)


def brought_together(tree: Applied, inputs: list[Tree]) -> Applied | None:
    """The same operation where NumPy brings these inputs to its shape, but for axes of length 1 in front."""
    shape = np.broadcast_shapes(*[x.shape for x in inputs]) if fit(inputs) else None
    return on(tree, inputs, shape) if shape is not None and in_front(shape) == in_front(tree.shape) else None


def fit(inputs: list[Tree]) -> bool:
    """Whether NumPy brings shapes together."""
    lengths = zip(*[reversed((1,) * (8 - x.ndim) + x.shape) for x in inputs], strict=True)
    return all([len({*axis} - {1}) < 2 for axis in lengths])


def in_shape(x: Tree, shape: Shape) -> Tree | None:
    """Something in a shape with other axes of length 1 in front, where that is shorter than a reshape."""
    if x.shape == shape:
        return x
    if shape == (1,) and isinstance(x, Applied) and x.name == "sum" and x.inputs[0].shape[1:] == shape:
        return applied("sum", *x.inputs, axis=0)
    if x.shape != (1, *shape) or not shape:
        return None
    if isinstance(x, Applied) and x.name == "transpose":
        return applied("index", x.inputs[0], key=(slice(None), 0))
    return applied("index", x, key=0)


def on(tree: Applied, inputs: list[Tree], shape: Shape) -> Applied:
    """The same operation on other inputs."""
    if all([new is old for new, old in zip(inputs, tree.inputs, strict=True)]):
        return tree
    return replace(tree, inputs=tuple(inputs), shape=shape)


def in_front(shape: Shape) -> Shape:
    """A shape without the axes of length 1 in front; of one entry without any."""
    while shape and (shape[0] == 1 or prod(shape) == 1):
        shape = shape[1:]
    return shape


def line(x: Tree, axis: int) -> Tree:
    """The row or the column of which a vector has the entries, with its one entry along an axis; else the vector."""
    inner = x.inputs[0] if isinstance(x, Applied) and x.name in ("reshape", "index") else x
    if inner.ndim != 2 or inner.size != x.size or 1 not in inner.shape:
        return x
    return inner if inner.shape[axis] == 1 else turned(inner)


def is_made_of_vector(x: Tree) -> bool:
    return isinstance(x, Applied) and x.name == "reshape" and x.inputs[0].ndim == 1


def vector_in(x: Tree, key: Any) -> Tree:
    """The vector of which a row or a column is made, or the one that stands in it at a key."""
    if isinstance(x, Applied) and is_made_of_vector(x):
        return x.inputs[0].written.exact
    return applied("index", x.written.exact, key=key)


def turned(x: Tree) -> Tree:
    if isinstance(x, Applied) and x.name == "transpose":
        return x.inputs[0]
    return applied("transpose", x)
