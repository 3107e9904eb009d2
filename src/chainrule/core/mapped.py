"""Nodes that stand for one example of many: the many lie along the first axis of what they hold, out of sight.

A `Mapped` takes operations over like every other node, and hands them to what it holds (an array, a Tensor, or a
`Mapped` of a map around this one) with one axis more. So whatever can be computed or recorded can be mapped, and the
graph is that of ordinary Tensors.

Pointwise rules need no more than aligned axes, and fused ones are their composition. Others say what they do with an
axis in front: ``batches=True`` where they work on the last axes alone, or `mapped`, a function of the number of
examples, the inputs with that axis, and the settings. A rule that says nothing is run example by example, and the
results are stacked: that is right for all of them.
"""

# What a user hands over is known only when it runs, and isinstance narrows it to containers of unknown things.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.core.numpy_calls import called, operation_of
from chainrule.core.operation import Operation, book, compositions, is_node
from chainrule.core.stand_in import Argument, Shape
from chainrule.core.state import Quiet, unwrap
from chainrule.core.tree import flatten, unflatten
from chainrule.errors import GraphError, ShapeError
from chainrule.threads import Local


class Level:
    """One running map: later ones have larger numbers; and how many examples it runs over."""

    __slots__ = ("number", "size")

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.size = size

    def __lt__(self, other: Level) -> bool:
        return self.number < other.number


class Running(Local):
    """The maps that run in this thread, from the outermost to the innermost."""

    def __init__(self) -> None:
        self.levels: list[Level] = []
        self.count = 0


running = Running()


@contextmanager
def one_level(size: int) -> Iterator[Level]:
    """A map over so many examples, while its function runs."""
    running.count += 1
    level = Level(running.count, size)
    running.levels.append(level)
    try:
        yield level
    except ValueError as error:
        unwrap(error)
        raise
    finally:
        running.levels.remove(level)


class Mapped(Argument):
    """What a mapped function sees of one argument: an example's shape, whose numbers are those of all examples.

    >>> import chainrule as cr, numpy as np
    >>> cr.vmap(lambda row: row * row.shape[0])(np.ones((2, 3))).tolist()
    [[3.0, 3.0, 3.0], [3.0, 3.0, 3.0]]
    """

    __slots__ = ("inner", "level")
    inner: Any
    """All examples along a first axis: an array, a Tensor, or a `Mapped` of a map around."""
    level: Level

    unknown = "inside vmap there is no"

    def __init__(self, inner: Any, level: Level) -> None:
        self.inner = inner
        self.level = level

    @staticmethod
    def __apply__(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        return applied(operation, inputs, settings)

    @property
    def shape(self) -> Shape:
        """The shape of one example."""
        return self.inner.shape[1:]

    @property
    def dtype(self) -> Any:
        return self.inner.dtype

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient may pass."""
        return bool(getattr(self.inner, "requires_grad", False))

    def detach(self) -> Mapped:
        """The same numbers outside the graph: no gradient passes."""
        return on_core(self, lambda x: x.detach().data if is_node(x) else x)

    def __bool__(self) -> bool:
        raise GraphError(
            "inside vmap a branch cannot depend on the data, which differ from example to example: choose with "
            "cr.where(condition, x, y), or loop over the examples"
        )

    def refuse_number(self, *_: Any, **__: Any) -> Any:
        raise GraphError(
            "inside vmap there is no single number or array here, but one for each example: stay with the functions "
            "of chainrule (cr.index(x, key=i) picks by it), or loop over the examples"
        )

    __float__ = __int__ = __index__ = __array__ = item = tolist = numpy = refuse_number

    def __repr__(self) -> str:
        return f"<one of {self.level.size} examples {self.shape}>"

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        operation = operation_of(ufunc)
        if method == "__call__" and operation is not None and not settings:
            return operation(*inputs)
        return of_numbers(getattr(ufunc, method), inputs, settings)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in (np.shape, np.ndim, np.size):
            return getattr(args[0], function.__name__)
        if function in REDUCTIONS and not self.requires_grad and len(args) <= 2:
            return reduced(function, *args, **kwargs)
        operation = operation_of(function)
        if isinstance(operation, Operation) or (operation is not None and self.requires_grad):
            return called(function, args, kwargs, core)
        return of_numbers(function, args, kwargs)


REDUCTIONS = (np.all, np.any, np.max, np.min, np.sum)
"""What composed functions ask of plain numbers, along axes: done for all examples at once."""


def reduced(function: Any, x: Mapped, axis: Any = None, **settings: Any) -> Mapped:
    """A reduction of plain numbers along axes of one example."""
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    moved = tuple([a % max(1, x.ndim) + 1 for a in axes])
    return Mapped(function(x.inner, axis=moved, **settings), x.level)


def of_numbers(function: Callable[..., Any], args: Sequence[Any], settings: dict[str, Any]) -> Any:
    """A NumPy function without a rule, example by example: of plain numbers, which carry no gradient."""
    if any(getattr(x, "requires_grad", False) for x in args):
        name = getattr(function, "__name__", "this function")
        raise GraphError(f"np.{name} has no rule here, so its gradient would be lost: use a function of chainrule")
    return looped(function, args, settings, deepest((*args, *settings.values())))


# How an operation is mapped


def applied(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
    """An operation on inputs of which some are mapped: one step further in, with one axis more."""
    own = [part for setting in settings.values() for part in (setting if isinstance(setting, tuple) else (setting,))]
    level = deepest((*inputs, *own))
    if level not in running.levels:
        raise GraphError("a number from inside vmap was kept and used outside: let the mapped function give it back")
    if operation.composition is not None:
        return operation.composition(*inputs, **settings)
    if any(isinstance(part, Mapped) for part in own):
        if operation is book["index"] and all(map(lists_places, own)):
            return Mapped(picked(in_front(inputs[0], level), own, level), level)
        return example_by_example(operation, inputs, settings, level)
    if operation.broadcasts:
        return Mapped(operation(*aligned(operation, inputs, settings, level), **settings), level)
    out = NotImplemented
    if operation.batches:
        out = operation(*[in_front(x, level) for x in inputs], **settings)
    elif operation.mapped is not None:
        out = operation.mapped(level.size, *[in_front(x, level) for x in inputs], **settings)
    return example_by_example(operation, inputs, settings, level) if out is NotImplemented else Mapped(out, level)


def lists_places(part: Any) -> bool:
    """Whether a part of an index is a whole number or an array of them."""
    return (
        getattr(part, "dtype", np.asarray(part).dtype if isinstance(part, int | list) else np.dtype(bool)).kind in "iu"
    )


def picked(x: Any, places: Sequence[Any], level: Level) -> Any:
    """The entries of every example at its own places."""
    listed: list[Any] = [part if hasattr(part, "shape") else np.asarray(part) for part in places]
    most = max([len(part.shape) for part in listed])
    first = np.arange(level.size).reshape(-1, *(1,) * most)
    return book["index"](x, key=(first, *[with_axes(part, most) if of_level(part, level) else part for part in listed]))


def deepest(parts: Iterable[Any]) -> Level:
    """The innermost map that some of the parts belong to."""
    return max([part.level for part in parts if isinstance(part, Mapped)])


def aligned(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any], level: Level) -> list[Any]:
    """The inputs of a pointwise operation, so that the axes of the examples meet and theirs comes first."""
    shapes = [getattr(x, "shape", ()) for x in (*inputs, *settings.values())]
    most = max(map(len, shapes))
    if operation.variadic:
        whole = np.broadcast_shapes(*shapes)
        return [in_front(book["broadcast_to"](x, shape=whole), level) for x in inputs]
    return [with_axes(x, most) if of_level(x, level) else x for x in inputs]


def with_axes(x: Mapped, count: int) -> Any:
    """What is mapped, with so many axes for an example."""
    if x.ndim == count:
        return x.inner
    return book["reshape"](x.inner, shape=(x.level.size, *(1,) * (count - x.ndim), *x.shape))


def of_level(x: Any, level: Level) -> bool:
    """Whether x belongs to that map itself."""
    return isinstance(x, Mapped) and x.level == level


def in_front(x: Any, level: Level) -> Any:
    """x with the examples along a first axis; what is the same for all is repeated, without memory of its own."""
    if of_level(x, level):
        return x.inner
    x = x if hasattr(x, "shape") else np.asarray(x)
    return book["broadcast_to"](x, shape=(level.size, *x.shape))


def example_by_example(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any], level: Level) -> Any:
    """The operation run for every example by itself, and the results stacked."""
    if not level.size:
        shape = operation.shape_of_result([getattr(x, "shape", ()) for x in inputs], settings)
        return Mapped(np.zeros((0, *shape)), level)
    if book.get(operation.name) is operation:
        return looped(operation, inputs, settings, level)
    # An operation of the user's may keep what its own derivative needs: each example has one to itself.
    return looped(apart(operation), inputs, settings, level)


def apart(operation: Operation) -> Callable[..., Any]:
    """The operation as a function that each call has to itself."""
    from copy import copy  # most programs copy nothing

    def called(*inputs: Any, **settings: Any) -> Any:
        own = copy(operation)
        return own(*inputs, **settings)

    return called


def looped(function: Callable[..., Any], args: Sequence[Any], settings: dict[str, Any], level: Level) -> Any:
    """A function run for every example by itself, and the results stacked, each part of several by itself."""
    with Quiet():
        results = [
            function(*[example(x, i, level) for x in args], **{k: example(x, i, level) for k, x in settings.items()})
            for i in range(level.size)
        ]
    structure = flatten(results[0] if results else 0.0)[1]
    columns = zip(*[flatten(result)[0] for result in results], strict=True) if results else [()]
    stacked = [compositions["stack"]([x if hasattr(x, "shape") else np.asarray(x) for x in row]) for row in columns]
    return unflatten(structure, [Mapped(x, level) for x in stacked])


def example(x: Any, i: int, level: Level) -> Any:
    """What x is for the i-th example of a map."""
    if isinstance(x, tuple | list):
        return type(x)([example(part, i, level) for part in x])
    return book["index"](x.inner, key=i) if of_level(x, level) else x


# What a transform needs, whose graph is that of the Tensors inside


def core(x: Any) -> Any:
    """What lies inside all maps."""
    while isinstance(x, Mapped):
        x = x.inner
    return x


def on_core(x: Any, function: Callable[[Any], Any]) -> Any:
    """The same with something else inside all maps."""
    return Mapped(on_core(x.inner, function), x.level) if isinstance(x, Mapped) else function(x)


def levels_of(x: Any) -> list[Level]:
    """The maps that x belongs to, from the outermost to the innermost."""
    found: list[Level] = []
    while isinstance(x, Mapped):
        found.insert(0, x.level)
        x = x.inner
    return found


def filled(x: Any, levels: Sequence[Level]) -> Any:
    """x as belonging to every one of these maps: each example has a copy of its own."""
    if not levels:
        return x
    *around, level = levels
    return Mapped(filled(in_front(x, level), around), level)


def size_along(x: Any, axis: int, what: str) -> int:
    """How many examples lie along an axis."""
    shape = getattr(x, "shape", None)
    if shape is None:
        raise ShapeError(f"vmap maps over the axes of arrays and Tensors, and {what} is a {type(x).__name__}")
    if not -len(shape) <= axis < len(shape):
        none = ": give in_axes=None for it" if not shape else ""
        raise ShapeError(f"vmap: {what} of shape {shape} has no axis {axis}{none}")
    return shape[axis]
