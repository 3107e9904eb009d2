"""Which kernel computes a step that is no view and no part of a chain, where there is one for its layout."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.instructions import CONSTANTS, FLOATS, Code, Convolution, Pool, Reduction, Row
from chainrule.core.place import Place, steps_of
from chainrule.named import NamedTuple
from chainrule.program import Step
from chainrule.program.steps import axes_along, steps_in
from chainrule.rules import slides

if TYPE_CHECKING:
    from chainrule.codegen.native import Planner

WHOLE = (np.dtype(np.int64), np.dtype(np.int32))

MOST_PLACES, MOST_RUNS = 1 << 22, 1 << 16
"""In larger arrays no places are looked up when a program is planned, and no more of them are kept."""

Kernel = Callable[["Planner", Step], "list[Step] | None"]
"""Emits what computes a step, and gives the steps that are computed by it; None where it has nothing for them."""


def product(planner: Planner, step: Step) -> list[Step] | None:
    x, y = step.inputs
    kinds = {p.dtype for p in (x, y) if isinstance(p, Step)}
    if kinds != {step.dtype} or step.dtype not in FLOATS or not isinstance(x, Step) or not isinstance(y, Step):
        return None
    left, right = planner.place(x), planner.place(y)
    if x.ndim == 1:
        left = left._replace(shape=(1, *left.shape), strides=(0, *left.strides))
    if y.ndim == 1:
        right = right._replace(shape=(*right.shape, 1), strides=(*right.strides, 0))
    batch = batches(left, right)
    if batch is None:
        return None
    after = After([step], {})
    if not batch and x.ndim == y.ndim == 2:
        after = what_follows(planner, step)
    out = planner.take(after.members[-1])
    rows, columns = left.shape[-2], right.shape[-1]
    lead = steps_before(out, batch, rows * columns)
    sides = [
        Place(p.memory, p.offset, p.shape[-2:], p.strides[-2:], p.dtype)
        for p in (left, right, out._replace(shape=(rows, columns), strides=(columns, 1)))
    ]
    if (
        columns == 1 and sides[0].strides[1] != 1 and not {"added", "mask"} & after.does.keys()
    ):  # a column of a transpose: as a row
        sides = [turned(sides[1]), turned(sides[0]), turned(sides[2])]
        lead = [(n, b, a, c) for n, a, b, c in lead]
        sides[2] = sides[2]._replace(strides=(rows, 1))
    planner.plan.product(*sides, batch=lead, **after.does)
    return after.members


def turned(place: Place) -> Place:
    """A matrix with its axes exchanged."""
    return place._replace(shape=place.shape[::-1], strides=place.strides[::-1])


def batches(left: Place, right: Place) -> list[tuple[int, int, int]] | None:
    """How many products there are along each leading axis, with the strides of both factors; None for too many axes."""
    shape = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    rows: list[tuple[int, int, int]] = []
    sides = []
    for p in (left, right):
        lead, own = len(shape) - len(p.shape) + 2, list(zip(p.shape[:-2], p.strides[:-2], strict=True))
        sides.append([0] * lead + [0 if n == 1 else s for n, s in own])
    for n, a, b in zip(shape, *sides, strict=True):
        if n == 1:
            continue
        if rows and rows[-1][1] == a * n and rows[-1][2] == b * n:
            rows[-1] = (rows[-1][0] * n, a, b)
        else:
            rows.append((n, a, b))
    return rows if len(rows) <= 2 else None


def steps_before(out: Place, batch: list[tuple[int, int, int]], size: int) -> list[tuple[int, int, int, int]]:
    """The batches, innermost first, with the result's strides."""
    found: list[tuple[int, int, int, int]] = []
    for n, a, b in reversed(batch):
        found.append((n, a, b, size))
        size *= n
    return found


class After(NamedTuple):
    """What follows a product: the steps computed with it, the last of them the result; and what `Plan.product` does."""

    members: list[Step]
    does: dict[str, Any]

    def and_then(self, *steps: Step, **does: Any) -> After:
        return After([*self.members, *steps], {**self.does, **does})


def what_follows(planner: Planner, step: Step) -> After:
    """A number times a product, what it is added to or taken from, a relu or its mask, where nobody else reads it."""
    after = After([step], {})
    for joined in (multiplied, added, let_through):
        reader = only_reader(planner, after.members[-1])
        if reader is None or reader.shape != step.shape or reader.dtype != step.dtype:
            break
        after = joined(planner, after, reader) or after
    # A multiple alone is worth nothing here: the chain that reads it multiplies by the way.
    return After([step], {}) if after.members[-1].operation == "mul" else after


def multiplied(planner: Planner, after: After, reader: Step) -> After | None:
    """The product times a number."""
    if reader.operation != "mul":
        return None
    scale = number_place(planner, other_input(reader, after.members[-1]), reader.dtype)
    return None if scale is None else after.and_then(reader, scale=scale)


def added(planner: Planner, after: After, reader: Step) -> After | None:
    """The product beside what it is added to, or taken from."""
    last = after.members[-1]
    minus = reader.operation == "sub" and reader.inputs[1] is last
    place = term_place(planner, other_input(reader, last), reader) if minus or reader.operation == "add" else None
    return None if place is None else after.and_then(reader, added=place, minus=minus)


def let_through(planner: Planner, after: After, reader: Step) -> After | None:
    """The positive part, or what passes where a relu let numbers pass."""
    if reader.operation == "relu":
        return after.and_then(reader, relu=True)
    mask = reader.inputs[1] if reader.operation == "chosen" else None
    if not isinstance(mask, Step) or mask.operation != "greater":
        return None
    least = mask.inputs[1]
    if isinstance(least, Step) or least != 0:
        return None
    place = term_place(planner, mask.inputs[0], reader)
    if place is None or place.shape != reader.shape:
        return None
    ended = [mask] if planner.readers[mask] == [reader] and mask not in planner.kept else []
    return after.and_then(*ended, reader, mask=place)


def other_input(step: Step, known: Step) -> Any:
    """What an operation on two takes beside a known input."""
    return step.inputs[1] if step.inputs[0] is known else step.inputs[0]


def number_place(planner: Planner, x: Any, dtype: np.dtype[Any]) -> Place | None:
    """Where a plain number, or a computed array of one entry, lies."""
    if not isinstance(x, Step):
        return planner.plan.number(x, dtype)
    if x.size == 1 and x.dtype == dtype and planner.is_there(x):
        return planner.place(x)._replace(shape=(), strides=())
    return None


def term_place(planner: Planner, x: Any, reader: Step) -> Place | None:
    """Where a row or a matrix lies that a product meets; None where it does not lie there now, or lies otherwise."""
    if not isinstance(x, Step) or x.dtype != reader.dtype or not planner.is_there(x):
        return None
    place = planner.place(x)
    if x.shape not in (reader.shape, reader.shape[1:]) or (place.strides[-1] != 1 and x.shape[-1] != 1):
        return None
    return place


def only_reader(planner: Planner, step: Step) -> Step | None:
    """The one step that reads a result, as it is and nothing else of it."""
    readers = planner.readers[step]
    if len(readers) != 1 or step in planner.kept or readers[0].inputs.count(step) != 1:
        return None
    return readers[0]


def reduction(kind: int) -> Kernel:
    """A sum, mean or extreme over axes, those that lie side by side at a time."""

    def emitted(planner: Planner, step: Step) -> list[Step] | None:
        x = step.inputs[0]
        if not isinstance(x, Step) or x.dtype != step.dtype or x.dtype not in FLOATS or not x.ndim:
            return None
        place, out = planner.straight(x), planner.take(step)
        runs = runs_of_axes(x.shape, axes_along(step))
        along = math.prod([x.shape[a] for a in axes_along(step)])
        divisor = along if step.operation == "mean" else 1
        shape = list(x.shape)
        for first, last in reversed(runs):  # from the innermost, whose entries follow each other
            size = [math.prod(shape[a:b]) for a, b in ((0, first), (first, last), (last, x.ndim))]
            shape[first:last] = [1] * (last - first)
            is_last = (first, last) == runs[0]
            into = out if is_last else planner.scratch(tuple(shape), x.dtype)
            planner.plan.reduce(kind, place, into, (size[0], size[1], size[2]), divisor if is_last else 1)
            place = into
        return [step]

    return emitted


def runs_of_axes(shape: tuple[int, ...], axes: set[int]) -> list[tuple[int, int]]:
    """Where axes, between which none is longer than 1, begin and end."""
    runs: list[tuple[int, int]] = []
    for a in [a for a in sorted(axes) if shape[a] != 1]:
        if runs and all([n == 1 for n in shape[runs[-1][1] : a]]):
            runs[-1] = (runs[-1][0], a + 1)
        else:
            runs.append((a, a + 1))
    return runs or [(len(shape), len(shape))]


def sum_to(planner: Planner, step: Step) -> list[Step] | None:
    """Sums over leading axes, as a bias needs them."""
    x = step.inputs[0]
    if not isinstance(x, Step) or x.dtype != step.dtype or x.dtype not in FLOATS:
        return None
    lead = x.ndim - len(step.shape)
    if x.shape[lead:] != step.shape:
        return None
    along = math.prod(x.shape[:lead])
    planner.plan.reduce(Reduction.SUM, planner.straight(x), planner.take(step), (1, along, step.size), 1)
    return [step]


def row(kind: int) -> Kernel:
    """A softmax, or the logarithm of its sum, along the last axis."""

    def emitted(planner: Planner, step: Step) -> list[Step] | None:
        x = step.inputs[0]
        if not isinstance(x, Step) or x.dtype != step.dtype or x.dtype not in FLOATS or not x.ndim:
            return None
        if axes_along(step) != {x.ndim - 1}:
            return None
        planner.plan.rows(kind, planner.straight(x), planner.take(step))
        return [step]

    return emitted


def looked_up(code: int) -> Kernel:
    """Entries, or rows, at places that are data; or such entries added there."""

    def emitted(planner: Planner, step: Step) -> list[Step] | None:
        x, key = step.inputs[0], step.settings["key"]
        table, rows = (x, step) if code == Code.TAKE else (step, x)
        if not steps_in([key]):
            return at_known_places(planner, step, code)
        parts = without_slices(key if isinstance(key, tuple) else (key,), table.shape)
        if not isinstance(x, Step) or not 0 < len(parts) <= len(table.shape) or x.dtype != step.dtype:
            return None
        if code == Code.PUT and x.dtype not in FLOATS:
            return None
        known = [
            p for p in parts if isinstance(p, Step | np.ndarray) and p.dtype in WHOLE and (p.ndim or len(parts) > 1)
        ]
        if len(known) != len(parts) or x.dtype.itemsize not in (4, 8):
            return None
        whole = np.broadcast_shapes(*[p.shape for p in known])
        if rows.shape != (*whole, *table.shape[len(parts) :]):
            return None
        places = [place for p in known if (place := places_of(planner, p, whole)) is not None]
        if len(places) != len(parts):
            return None
        source = planner.straight(x)
        out = planner.take(step)
        size = x.dtype.itemsize
        strides = [size * math.prod(table.shape[k + 1 :]) for k in range(len(parts))]
        indices = [(p, k, table.shape[k], strides[k]) for k, p in enumerate(places)]
        planner.plan.places(code, source, out, strides[-1], indices)
        return [step]

    return emitted


def without_slices(parts: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """A key whose first parts take whole axes, as a mapped one does, with the places along these in their stead."""
    whole = next((i for i, part in enumerate(parts) if not isinstance(part, slice) or part != slice(None)), 0)
    most = max([np.ndim(part) if not isinstance(part, Step) else part.ndim for part in parts[whole:]])
    axes = [np.arange(shape[i]).reshape(-1, *(1,) * (whole - 1 - i + most)) for i in range(whole)]
    return (*axes, *parts[whole:])


def places_of(planner: Planner, index: Any, whole: tuple[int, ...]) -> Place | None:
    """One index for each run, or one for all."""
    if not isinstance(index, Step):
        numbers: Any = index
    elif index.op is None and planner.place(index).memory == CONSTANTS:
        numbers = planner.trace.numbers[index]
    elif index.size == 1 or index.shape == whole:
        return planner.straight(index)
    else:
        numbers = None
    if np.prod(whole, dtype=int) > MOST_PLACES:
        return None
    if numbers is None:
        return repeated(planner, index, whole)
    return planner.plan.constant(numbers if np.size(numbers) == 1 else np.broadcast_to(numbers, whole))


def repeated(planner: Planner, index: Step, whole: tuple[int, ...]) -> Place:
    """Places that are not known now, written out as often as they count."""
    place, out = planner.place(index), planner.scratch(whole, index.dtype)
    new = len(whole) - index.ndim
    strides = [0 if index.shape[i - new] == 1 else place.strides[i - new] for i in range(new, len(whole))]
    planner.plan.copy(Place(place.memory, place.offset, whole, (*(0,) * new, *strides), index.dtype), out)
    return out


def at_known_places(planner: Planner, step: Step, code: int) -> list[Step] | None:
    """Entries picked, or put, where the program itself says: places found once, when it is planned."""
    x = step.inputs[0]
    table, rows = (x, step) if code == Code.TAKE else (step, x)
    if not isinstance(x, Step) or x.dtype != step.dtype or x.dtype not in FLOATS or table.size > MOST_PLACES:
        return None
    places = np.arange(table.size).reshape(table.shape)[step.settings["key"]]
    if places.shape != rows.shape:
        return None
    runs = in_runs(places)
    if len(runs) > MOST_RUNS:
        return None
    source = planner.straight(x)
    size = x.dtype.itemsize
    index = planner.plan.constant(runs[:, 0].astype(np.int64))
    planner.plan.places(code, source, planner.take(step), size * runs.shape[1], [(index, 0, table.size, size)])
    return [step]


def in_runs(places: Any) -> Any:
    """Places as rows, each of which goes on by ones: as long as whole trailing axes make them."""
    for axis in range(places.ndim):
        runs = places.reshape(-1, math.prod(places.shape[axis:]))
        if np.array_equal(runs, runs[:, :1] + np.arange(runs.shape[1])):
            return runs
    return places.reshape(-1, 1)


def copied(planner: Planner, step: Step) -> list[Step] | None:
    """Entries in another shape, which strides cannot say."""
    x = step.inputs[0]
    if not isinstance(x, Step) or x.dtype != step.dtype:
        return None
    planner.plan.copy(planner.place(x), planner.take(step))
    return [step]


def end_to_end(planner: Planner, step: Step) -> list[Step] | None:
    """Arrays one behind the other; along an axis with others in front of it, by way of one that has it in front."""
    axis, parts = step.settings["axis"] % step.ndim, step.inputs
    if not all([isinstance(x, Step) and x.dtype == step.dtype for x in parts]):
        return None
    places = [planner.place(x) for x in parts]
    straight = np.prod(step.shape[:axis]) == 1
    order = [axis, *[k for k in range(step.ndim) if k != axis]]
    whole = planner.take(step) if straight else planner.scratch(tuple([step.shape[k] for k in order]), step.dtype)
    if not straight and step.operation == "concatenate":  # what is stacked has no such axis
        places = [in_order(place, order) for place in places]
    at = 0
    for place in places:
        planner.plan.copy(place, whole.after(at)._replace(shape=place.shape, strides=steps_of(place.shape)))
        at += place.size
    if not straight:
        planner.plan.copy(in_order(whole, [order.index(k) for k in range(step.ndim)]), planner.take(step))
    return [step]


def in_order(place: Place, order: Sequence[int]) -> Place:
    """The same entries with their axes in another order."""
    return place._replace(
        shape=tuple([place.shape[k] for k in order]), strides=tuple([place.strides[k] for k in order])
    )


def convolution(what: int) -> Kernel:
    """A convolution, with a number for each channel added to it, or what its images or its weights get back."""

    def emitted(planner: Planner, step: Step) -> list[Step] | None:
        if not all([isinstance(x, Step) and x.dtype == step.dtype and x.dtype in FLOATS for x in step.inputs]):
            return None
        given = [planner.straight(x) for x in step.inputs]
        reader, added = only_reader(planner, step), None
        if what == Convolution.RESULTS and reader is not None and reader.operation == "add":
            added = number_a_channel(planner, other_input(reader, step), step)
        members = [step] if added is None or reader is None else [step, reader]
        out = planner.take(members[-1])
        images, weights, results = {
            Convolution.RESULTS: (given[0], given[1], out),
            Convolution.IMAGES: (out, given[1], given[0]),
            Convolution.WEIGHTS: (given[1], out, given[0]),
        }[what]
        stride, padding, dilation, groups = [step.settings[k] for k in ("stride", "padding", "dilation", "groups")]
        slide = slides.slide_of_weights(images.shape, weights.shape, stride, padding, dilation, groups)
        planner.plan.convolve(what, images, weights, results, groups, slide, added)
        return members

    return emitted


def number_a_channel(planner: Planner, x: Any, images: Step) -> Place | None:
    """Where the numbers lie that are added to images, one for each channel; None where it is something else."""
    if not isinstance(x, Step) or x.dtype != images.dtype or not planner.is_there(x):
        return None
    place = planner.place(x)
    return place if place.contiguous and x.shape in ((images.shape[1], 1, 1), (1, images.shape[1], 1, 1)) else None


def pool(what: int) -> Kernel:
    """Entries picked, or put, where windows have their largest."""

    def emitted(planner: Planner, step: Step) -> list[Step] | None:
        if not all([isinstance(x, Step) and x.dtype == step.dtype and x.dtype in FLOATS for x in step.inputs]):
            return None
        given, x = step.inputs
        kernel_size, stride, padding, dilation = [
            step.settings[k] for k in ("kernel_size", "stride", "padding", "dilation")
        ]
        slide = slides.slide(x.shape, kernel_size, stride, padding, dilation)
        sides = planner.straight(given), planner.straight(x)
        planner.plan.pool(what, *sides, planner.take(step), slide)
        return [step]

    return emitted


KERNELS: dict[str, Kernel] = {
    "concatenate": end_to_end,
    "conv2d": convolution(Convolution.RESULTS),
    "conv2d_input": convolution(Convolution.IMAGES),
    "conv2d_weight": convolution(Convolution.WEIGHTS),
    "index": looked_up(Code.TAKE),
    "largest": reduction(Reduction.LARGEST),
    "log_softmax": row(Row.LOG_SOFTMAX),
    "logsumexp": row(Row.LOG_SUM_EXP),
    "matmul": product,
    "mean": reduction(Reduction.SUM),
    "pick_at_largest": pool(Pool.PICK_LARGEST),
    "put_at_largest": pool(Pool.PUT_LARGEST),
    "reshape": copied,
    "scatter": looked_up(Code.PUT),
    "smallest": reduction(Reduction.SMALLEST),
    "softmax": row(Row.SOFTMAX),
    "stack": end_to_end,
    "sum": reduction(Reduction.SUM),
    "sum_to": sum_to,
}
"""By the name of the operation."""
