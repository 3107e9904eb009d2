"""One function over many examples at once: `vmap`, after JAX's name and meaning."""

# What a user's function gives is known only when it has run, and isinstance narrows it to containers of unknown things.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import numpy as np

from chainrule.core.graph import from_array
from chainrule.core.mapped import Level, Mapped, levels_of, one_level, size_along
from chainrule.core.operation import book, is_node
from chainrule.core.tensor import Tensor
from chainrule.core.tree import flatten, unflatten
from chainrule.errors import GraphError, ShapeError
from chainrule.kinds import is_whole, what_is

Function = Callable[..., Any]


def vmap(f: Function, in_axes: Any = 0, out_axes: Any = 0) -> Function:
    """A function that runs f on every example of its arguments, written as for one, and stacks what it gives.

    `in_axes` says along which axis of an argument the examples lie, -1 the last; None gives the whole argument to each.
    It is one for all arguments or a tuple of one for each, and for an argument in containers it may be such containers.
    `out_axes` says the same of the results. Arguments by keyword are mapped along axis 0; numbers, words and None there
    are settings. Arrays give arrays, Tensors give Tensors, and maps nest with each other and with every transform:
    ``vmap(grad(loss), (None, 0, 0))`` gives a gradient for each example.

    f runs once: a branch may not depend on the data, where `cr.where` chooses. Pointwise rules, sums, products, indices
    and matrices run on all examples together; a rule for which that is not known (convolutions, say) runs example by
    example, which is as right and slower. Raises ShapeError where lengths differ, GraphError at such a branch.

    >>> import chainrule as cr, numpy as np
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> cr.vmap(cr.dot, in_axes=(0, None))(x, np.array([1.0, 10.0]))
    array([21., 43.])
    >>> cr.vmap(cr.grad(lambda row: cr.sum(row**3)))(x)
    array([[ 3., 12.],
           [27., 48.]])
    """

    @wraps(f)
    def over_all(*args: Any, **settings: Any) -> Any:
        leaves, structure = flatten((args, settings))
        axes = [*axes_of_arguments(in_axes, args)]
        axes += [0 if getattr(x, "shape", ()) else None for x in leaves[len(axes) :]]
        with one_level(common_size(leaves, axes)) as level:
            given = [one_of(x, axis, level) for x, axis in zip(leaves, axes, strict=True)]
            inputs, keywords = unflatten(structure, given)
            out = f(*inputs, **keywords)
            results, out_structure = flatten(out)
            out_places = list(axes_of(out_axes, out, "out_axes"))
            tensors = any(isinstance(x, Tensor) for x in leaves)
            stacked = [all_of(x, axis, level, tensors) for x, axis in zip(results, out_places, strict=True)]
        return unflatten(out_structure, stacked)

    return over_all


def axes_of_arguments(in_axes: Any, args: tuple[Any, ...]) -> Iterator[Any]:
    """An axis or None for every leaf of the arguments by position."""
    if isinstance(in_axes, list | tuple) and len(in_axes) != len(args):
        raise ShapeError(f"in_axes={in_axes!r} is for {len(in_axes)} arguments, and {len(args)} were given by position")
    return axes_of(tuple(in_axes) if isinstance(in_axes, list) else in_axes, args, "in_axes")


def axes_of(axes: Any, tree: Any, what: str) -> Iterator[Any]:
    """An axis or None for every leaf of a tree; one for a container holds for all that is in it."""
    if axes is None or is_whole(axes):
        yield from [axes] * len(flatten(tree)[0])
    elif isinstance(axes, dict) and isinstance(tree, dict) and axes.keys() == tree.keys():
        for key, part in tree.items():
            yield from axes_of(axes[key], part, what)
    elif isinstance(axes, list | tuple) and isinstance(tree, list | tuple) and len(axes) == len(tree):
        for axis, part in zip(axes, tree, strict=True):
            yield from axes_of(axis, part, what)
    else:
        raise ShapeError(f"{what} has {axes!r} for {what_is(tree)}: give a whole number, None, or a container like it")


def common_size(leaves: list[Any], axes: list[Any]) -> int:
    """How many examples there are, the same along every mapped axis."""
    sizes = [
        size_along(x, axis, f"argument leaf {i}")
        for i, (x, axis) in enumerate(zip(leaves, axes, strict=True))
        if axis is not None
    ]
    if not sizes:
        raise ShapeError("vmap has nothing to map over: at least one argument needs an axis in in_axes")
    if len({*sizes}) > 1:
        told = ", ".join(
            f"{size} in {x.shape} along axis {axis}"
            for size, (x, axis) in zip(
                sizes, [pair for pair in zip(leaves, axes, strict=True) if pair[1] is not None], strict=True
            )
        )
        raise ShapeError(f"vmap maps over axes of one length, and these differ: {told}")
    return sizes[0]


def one_of(x: Any, axis: Any, level: Level) -> Any:
    """What f sees of an argument."""
    return x if axis is None else Mapped(moved(x, axis % len(x.shape), 0), level)


def all_of(x: Any, axis: Any, level: Level, tensors: bool) -> Any:
    """A result of f for all examples, with these along an axis."""
    if level in levels_of(x):
        if axis is None:
            raise ShapeError("out_axes is None for a result that differs from example to example: give an axis")
        out = x.inner
    elif axis is None:
        return x
    elif is_node(x) or isinstance(x, float | int | np.ndarray | np.number | np.bool_):
        x = x if hasattr(x, "shape") else np.asarray(x)
        out = book["broadcast_to"](x, shape=(level.size, *x.shape))
        out = np.array(out) if isinstance(out, np.ndarray) else out
    else:
        raise GraphError(f"a mapped function gives numbers, arrays or Tensors, not {type(x).__name__}")
    if not -len(out.shape) <= axis < len(out.shape):
        raise ShapeError(f"out_axes={axis} asks for an axis that a result of shape {out.shape} has not")
    out = moved(out, 0, axis % len(out.shape))
    return from_array(out) if tensors and isinstance(out, np.ndarray) else out


def moved(x: Any, source: int, target: int) -> Any:
    """x with one axis in another place."""
    order = [axis for axis in range(len(x.shape)) if axis != source]
    order.insert(target, source)
    return x if source == target else book["transpose"](x, axes=tuple(order))
