"""Functions that move, repeat, join and part entries, with NumPy's names: made of the rules in linear.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.operation import NUMBERS, composed, is_node
from chainrule.errors import ShapeError
from chainrule.rules import linear
from chainrule.rules.composed import gathered, shape_of
from chainrule.rules.linear import broadcast_to, index, reshape, transpose
from chainrule.rules.order import Places


@composed
def ravel(x: Any) -> Any:
    """All entries in one row, row by row.

    >>> import chainrule as cr, numpy as np
    >>> cr.ravel(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 2., 3., 4.])
    """
    return reshape(gathered(x), shape=(-1,))


@composed
def flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The axes from one to another as a single axis; of all of them, `ravel`.

    >>> import chainrule as cr, numpy as np
    >>> cr.flatten(np.ones((2, 3, 4)), 1).shape
    (2, 12)
    """
    x = gathered(x)
    shape = shape_of(x)
    if not shape:
        return reshape(x, shape=(1,))
    first, last = an_axis(start_dim, len(shape)), an_axis(end_dim, len(shape))
    if first > last:
        raise ShapeError(f"flatten goes from an axis to a later one, and not from {start_dim} to {end_dim}")
    return reshape(x, shape=(*shape[:first], int(np.prod(shape[first : last + 1])), *shape[last + 1 :]))


@composed
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged.

    >>> import chainrule as cr, numpy as np
    >>> cr.swapaxes(np.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    x = gathered(x)
    count = len(shape_of(x))
    first, second = an_axis(axis1, count), an_axis(axis2, count)
    order = list(range(count))
    order[first], order[second] = second, first
    return transpose(x, axes=tuple(order))


@composed
def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """One axis or several moved to other places, the rest in their order.

    >>> import chainrule as cr, numpy as np
    >>> cr.moveaxis(np.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = gathered(x)
    count = len(shape_of(x))
    moved, places = some_axes(source, count), some_axes(destination, count)
    if len(moved) != len(places):
        raise ShapeError(f"moveaxis moves axes to as many places, and {len(moved)} are not {len(places)}")
    order = [axis for axis in range(count) if axis not in moved]
    for place, axis in sorted(zip(places, moved, strict=True)):
        order.insert(place, axis)
    return x if order == [*range(count)] else transpose(x, axes=tuple(order))


@composed
def permute(x: Any, *axes: Any) -> Any:
    """The axes in another order, which names each of them once.

    >>> import chainrule as cr, numpy as np
    >>> cr.permute(np.ones((2, 3, 4)), 2, 0, 1).shape
    (4, 2, 3)
    """
    return transpose(gathered(x), axes=tuple(axes[0]) if len(axes) == 1 and not isinstance(axes[0], int) else axes)


@composed
def repeat(x: Any, repeats: Places, axis: int | None = None) -> Any:
    """Each entry (or slice along an axis) so many times in a row; `repeats` is one number or one for each.

    >>> import chainrule as cr, numpy as np
    >>> cr.repeat(np.array([1.0, 2.0]), [2, 1])
    array([1., 1., 2.])
    """
    x, axis = with_axis(gathered(x), axis)
    return index(x, key=along(axis, np.repeat(np.arange(shape_of(x)[axis]), np.asarray(repeats))))


@composed
def tile(x: Any, reps: int | Sequence[int]) -> Any:
    """The whole array so many times along each axis.

    >>> import chainrule as cr, numpy as np
    >>> cr.tile(np.array([1.0, 2.0]), 2)
    array([1., 2., 1., 2.])
    """
    x = gathered(x)
    times = tuple(np.atleast_1d(reps).tolist())
    shape = shape_of(x)
    count = max(len(times), len(shape))
    times, shape = (1,) * (count - len(times)) + times, (1,) * (count - len(shape)) + shape
    apart = tuple(n for pair in zip((1,) * count, shape, strict=True) for n in pair)
    filled = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    whole = tuple(k * n for k, n in zip(times, shape, strict=True))
    return reshape(broadcast_to(reshape(x, shape=apart), shape=filled), shape=whole)


@composed
def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """A list of equal parts along an axis, or of the parts between given places.

    >>> import chainrule as cr, numpy as np
    >>> cr.split(np.arange(6.0), 3)
    [array([0., 1.]), array([2., 3.]), array([4., 5.])]
    """
    x = gathered(x)
    length = length_along(x, axis, "split")
    if np.ndim(indices_or_sections) == 0 and length % int(indices_or_sections):  # type: ignore[arg-type]
        raise ShapeError(f"split needs equal parts, and {length} entries are not {indices_or_sections} of them")
    return array_split(x, indices_or_sections, axis)


@composed
def array_split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Parts along an axis, as equal as can be (longer ones first), or those between given places.

    >>> import chainrule as cr, numpy as np
    >>> cr.array_split(np.arange(3.0), 2)
    [array([0., 1.]), array([2.])]
    """
    x = gathered(x)
    length = length_along(x, axis, "array_split")
    if np.ndim(indices_or_sections) == 0:
        count = int(indices_or_sections)  # type: ignore[arg-type]
        if count < 1:
            raise ShapeError(f"an array is split into one part or more, not {count}")
        sizes = [length // count + (k < length % count) for k in range(count)]
        ends = np.cumsum(sizes)[:-1].tolist()
    else:
        ends = [int(end) for end in indices_or_sections]  # type: ignore[union-attr]
    axis = an_axis(axis, len(shape_of(x)))
    return [index(x, key=along(axis, slice(*pair))) for pair in zip([0, *ends], [*ends, length], strict=True)]


@composed
def chunk(x: Any, chunks: int, axis: int = 0) -> list[Any]:
    """At most so many parts of one length along an axis, the last one shorter where they do not come out even.

    >>> import chainrule as cr, numpy as np
    >>> [len(part) for part in cr.chunk(np.arange(7.0), 3)]
    [3, 3, 1]
    """
    length = length_along(gathered(x), axis, "chunk")
    size = max(-(-length // chunks), 1)
    return array_split(x, list(range(size, length, size)), axis)


@composed
def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """The slices along an axis, one by one.

    >>> import chainrule as cr, numpy as np
    >>> cr.unstack(np.eye(2))
    (array([1., 0.]), array([0., 1.]))
    """
    x = gathered(x)
    length = length_along(x, axis, "unstack")
    return tuple([index(x, key=along(an_axis(axis, len(shape_of(x))), i)) for i in range(length)])


@composed
def vstack(arrays: Sequence[Any]) -> Any:
    """Arrays one below the other: along the first axis, where vectors are rows.

    >>> import chainrule as cr, numpy as np
    >>> cr.vstack([np.ones(2), np.zeros(2)])
    array([[1., 1.],
           [0., 0.]])
    """
    return linear.concatenate(*[atleast_2d(x) for x in listed("vstack", arrays)], axis=0)


@composed
def hstack(arrays: Sequence[Any]) -> Any:
    """Arrays side by side: along the second axis, and vectors end to end.

    >>> import chainrule as cr, numpy as np
    >>> cr.hstack([np.ones(2), np.zeros(1)])
    array([1., 1., 0.])
    """
    parts = [atleast_1d(x) for x in listed("hstack", arrays)]
    return linear.concatenate(*parts, axis=0 if len(shape_of(parts[0])) == 1 else 1)


@composed
def dstack(arrays: Sequence[Any]) -> Any:
    """Arrays one behind the other, along the third axis.

    >>> import chainrule as cr, numpy as np
    >>> cr.dstack([np.ones(2), np.zeros(2)]).shape
    (1, 2, 2)
    """
    return linear.concatenate(*[atleast_3d(x) for x in listed("dstack", arrays)], axis=2)


@composed
def column_stack(arrays: Sequence[Any]) -> Any:
    """Vectors as the columns of a matrix; matrices side by side.

    >>> import chainrule as cr, numpy as np
    >>> cr.column_stack([np.ones(2), np.zeros(2)])
    array([[1., 0.],
           [1., 0.]])
    """
    columns = [x if len(shape_of(x)) > 1 else reshape(x, shape=(-1, 1)) for x in listed("column_stack", arrays)]
    return linear.concatenate(*columns, axis=1)


@composed
def atleast_1d(*arrays: Any) -> Any:
    """A number as a row of one; several arrays give a tuple.

    >>> import chainrule as cr
    >>> cr.atleast_1d(2.0)
    array([2.])
    """
    return each(arrays, lambda x: x if shape_of(x) else reshape(x, shape=(1,)))


@composed
def atleast_2d(*arrays: Any) -> Any:
    """A vector as a matrix of one row; several arrays give a tuple.

    >>> import chainrule as cr, numpy as np
    >>> cr.atleast_2d(np.ones(3)).shape
    (1, 3)
    """
    return each(arrays, lambda x: x if len(shape_of(x)) > 1 else reshape(x, shape=(1, -1)))


@composed
def atleast_3d(*arrays: Any) -> Any:
    """A matrix with a third axis of length 1; several arrays give a tuple.

    >>> import chainrule as cr, numpy as np
    >>> cr.atleast_3d(np.ones((2, 3))).shape
    (2, 3, 1)
    """

    def deep(x: Any) -> Any:
        shape = shape_of(x)
        return x if len(shape) > 2 else reshape(x, shape=(*shape, 1) if len(shape) == 2 else (1, -1, 1))

    return each(arrays, deep)


@composed
def fliplr(x: Any) -> Any:
    """The columns in reverse.

    >>> import chainrule as cr, numpy as np
    >>> cr.fliplr(np.array([[1.0, 2.0]]))
    array([[2., 1.]])
    """
    return linear.flip(gathered(x), axis=1)


@composed
def flipud(x: Any) -> Any:
    """The rows in reverse.

    >>> import chainrule as cr, numpy as np
    >>> cr.flipud(np.array([1.0, 2.0]))
    array([2., 1.])
    """
    return linear.flip(gathered(x), axis=0)


@composed
def rot90(x: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """Turned by k right angles, from the first of two axes towards the second.

    >>> import chainrule as cr, numpy as np
    >>> cr.rot90(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[2., 4.],
           [1., 3.]])
    """
    x = gathered(x)
    first, second = some_axes(axes, len(shape_of(x)))
    for _ in range(k % 4):
        x = linear.flip(swapaxes(x, first, second), axis=first)
    return x


@composed
def meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False) -> list[Any]:
    """A grid for each coordinate; with ``indexing="xy"`` the first runs along the columns, with "ij" along the rows.

    >>> import chainrule as cr, numpy as np
    >>> across, down = cr.meshgrid(np.array([1.0, 2.0, 3.0]), np.array([5.0, 6.0]))
    >>> across.shape, down[:, 0]
    ((2, 3), array([5., 6.]))
    """
    if indexing not in ("xy", "ij"):
        raise ShapeError(f"meshgrid has indexing='xy' and 'ij', not {indexing!r}")
    places = [*range(len(xi))]
    if indexing == "xy" and len(xi) > 1:
        places[:2] = 1, 0
    columns = [atleast_1d(x) for x in xi]
    grids = [
        reshape(x, shape=tuple(-1 if axis == place else 1 for axis in range(len(xi))))
        for x, place in zip(columns, places, strict=True)
    ]
    whole = np.broadcast_shapes(*[shape_of(grid) for grid in grids])
    return grids if sparse else [broadcast_to(grid, shape=whole) for grid in grids]


@composed
def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """Arrays repeated to the one shape that they have together.

    >>> import chainrule as cr, numpy as np
    >>> [x.shape for x in cr.broadcast_arrays(np.ones((2, 1)), np.ones(3))]
    [(2, 3), (2, 3)]
    """
    parts = [gathered_array(x) for x in arrays]
    shape = np.broadcast_shapes(*[shape_of(x) for x in parts])
    return tuple([x if shape_of(x) == shape else broadcast_to(x, shape=shape) for x in parts])


def each(arrays: Sequence[Any], change: Any) -> Any:
    """A function of one array on each of several; of a single one, its result alone."""
    changed = tuple([change(gathered_array(x)) for x in arrays])
    return changed[0] if len(changed) == 1 else changed


def gathered_array(x: Any) -> Any:
    """One node or array; a number becomes one."""
    x = gathered(x)
    return x if is_node(x) else np.asarray(x)


def listed(name: str, arrays: Any) -> list[Any]:
    """A list of arrays or nodes from anything that can be walked through, not empty."""
    parts = [] if is_single(arrays) else [gathered_array(x) for x in arrays]
    if not parts:
        raise ShapeError(f"{name} takes a list of at least one array")
    return parts


def is_single(x: Any) -> bool:
    """Whether it is one number, or an array or node of one."""
    return isinstance(x, NUMBERS) or (hasattr(x, "shape") and not shape_of(x))


def an_axis(axis: int, count: int) -> int:
    """An axis counted from the front; one that is not there is refused."""
    if not isinstance(axis, int | np.integer):
        raise TypeError(f"an axis is a whole number, not {axis!r}")
    if not -count <= axis < count:
        raise ShapeError(f"axis {axis} does not exist: there are {count}")
    return int(axis) % count


def with_axis(x: Any, axis: int | None) -> tuple[Any, int]:
    """An array and one of its axes; without one, all entries in a row and its axis."""
    return (ravel(x), 0) if axis is None else (x, an_axis(axis, len(shape_of(x))))


def some_axes(axes: int | Sequence[int] | None, count: int) -> tuple[int, ...]:
    """Axes counted from the front, all of them for None; none may stand twice."""
    if axes is None:
        return tuple(range(count))
    found = tuple([an_axis(axis, count) for axis in np.atleast_1d(axes).tolist()])
    if len({*found}) < len(found):
        raise ShapeError(f"an axis stands twice in {axes}")
    return found


def along(axis: int, part: Any) -> tuple[Any, ...]:
    """An index for one axis, with everything of those before it."""
    return (slice(None),) * axis + (part,)


def length_along(x: Any, axis: int, name: str) -> int:
    """How many entries there are along an axis."""
    shape = shape_of(x)
    if not shape:
        raise ShapeError(f"{name} needs an axis, and a number has none")
    return shape[an_axis(axis, len(shape))]
