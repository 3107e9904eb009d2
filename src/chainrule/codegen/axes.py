"""Along which axes some entries of a step can be computed without the others, and of which of its inputs' entries.

An operation of which nothing is said here has no such axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.program import Step
from chainrule.program.steps import axes_along
from chainrule.rules.linear import along_axes

Axis = tuple[Step, int]
"""A step, and one of its axes."""


class Axes(NamedTuple):
    """What becomes of the axes of a step's inputs.

    `kept` are pairs of an input's axis and the step's own that goes along with it, `made` own axes along which all
    entries are alike, and `summed` groups of inputs' axes that are gone through together and added up.
    """

    kept: Sequence[tuple[Axis, int]] = ()
    made: Sequence[int] = ()
    summed: Sequence[Sequence[Axis]] = ()


def axes_of(step: Step) -> Axes:
    """What becomes of the axes of a step's inputs."""
    if isinstance(step.op, Pointwise) or step.operation in ("astype", "identity"):
        return Axes([pair for x in step.input_steps for pair in broadcast(x, step)])
    rule = AXES.get(step.operation)
    return Axes() if rule is None or not isinstance(step.inputs[0], Step) else rule(step)


def broadcast(x: Step, step: Step, lead: int | None = None) -> list[tuple[Axis, int]]:
    """The axes of an input that is repeated to fit; of the first ones alone where it is said how many."""
    behind = step.ndim - x.ndim
    axes = range(x.ndim if lead is None else lead)
    return [((x, a), a + behind) for a in axes if a + behind >= 0 and x.shape[a] == step.shape[a + behind] != 1]


def repeated(step: Step) -> Axes:
    kept = broadcast(step.inputs[0], step)
    return Axes(kept, [a for a in range(step.ndim) if a not in {own for _, own in kept}])


def reshaped(step: Step) -> Axes:
    """Of axes that tell the same entries apart, the first goes along with the first."""
    x: Step = step.inputs[0]
    kept: list[tuple[Axis, int]] = []
    a = b = 0
    while a < x.ndim and b < step.ndim:
        if x.shape[a] == 1 or step.shape[b] == 1:
            a, b = (a + 1, b) if x.shape[a] == 1 else (a, b + 1)
            continue
        kept.append(((x, a), b))
        one, other = x.shape[a], step.shape[b]
        while one != other:
            if one < other:
                a += 1
                one *= x.shape[a]
            else:
                b += 1
                other *= step.shape[b]
        a, b = a + 1, b + 1
    return Axes(kept)


def permuted(step: Step) -> Axes:
    x: Step = step.inputs[0]
    order = list(range(x.ndim))
    if step.operation == "swap":
        order[-2:] = order[:-3:-1]
    else:
        axes = step.settings["axes"]
        order = order[::-1] if axes is None else [a % x.ndim for a in axes]
    return Axes([((x, a), own) for own, a in enumerate(order)])


def multiplied(step: Step) -> Axes:
    x, y = step.inputs
    if not isinstance(y, Step) or min(x.ndim, y.ndim) < 2:
        return Axes()
    kept = [*broadcast(x, step, x.ndim - 2), *broadcast(y, step, y.ndim - 2)]
    kept += [((x, x.ndim - 2), step.ndim - 2), ((y, y.ndim - 1), step.ndim - 1)]
    return Axes(kept, summed=[[(x, x.ndim - 1), (y, y.ndim - 2)]])


def reduced(step: Step) -> Axes:
    x: Step = step.inputs[0]
    along = axes_along(step)
    left = [a for a in range(x.ndim) if a not in along]
    kept = [((x, a), a if step.ndim == x.ndim else own) for own, a in enumerate(left)]
    adds = step.operation in ("sum", "mean")
    return Axes(kept, summed=[[(x, a)] for a in sorted(along)] if adds else ())


def summed_to(step: Step) -> Axes:
    x: Step = step.inputs[0]
    kept = [((x, a + x.ndim - step.ndim), a) for a, n in enumerate(step.shape) if n == x.shape[a + x.ndim - step.ndim]]
    return Axes(kept, summed=[[(x, a)] for a in range(x.ndim) if a not in {given for (_, given), _ in kept}])


def along_rows(step: Step) -> Axes:
    x: Step = step.inputs[0]
    along = axes_along(step)
    left = [a for a in range(x.ndim) if a not in along]
    return Axes([((x, a), a if step.ndim == x.ndim else own) for own, a in enumerate(left)])


def joined(step: Step) -> Axes:
    """Arrays one behind the other, or as the layers of a new axis."""
    given = step.input_steps
    axis, layers = step.settings["axis"] % step.ndim, step.operation == "stack"
    if len(given) < len(step.inputs):
        return Axes()
    return Axes([((x, a), a + (layers and a >= axis)) for x in given for a in range(x.ndim) if layers or a != axis])


def of_images(step: Step) -> Axes:
    """An image goes through by itself; weights add up over all."""
    x, y = step.inputs
    if not isinstance(y, Step):
        return Axes()
    if step.operation == "conv2d_weight":
        return Axes(summed=[[(x, 0), (y, 0)]])
    both = [x, y] if step.operation.endswith("_at_largest") else [x]
    return Axes([((each, 0), 0) for each in both])


def picked(step: Step) -> Axes:
    """Entries picked, or put, by data; or by numbers and slices."""
    x: Step = step.inputs[0]
    key = step.settings["key"]
    parts = key if isinstance(key, tuple) else (key,)
    puts = step.operation == "scatter"
    table, rows = (step, x) if puts else (x, step)
    if are_places(parts):
        return picked_by_data(step, parts, table, rows)
    if not all([part is None or part is Ellipsis or type(part) in (int, slice) for part in parts]):
        return Axes()
    found = sliced(parts, table)
    return Axes([((x, b), a) if puts else ((x, a), b) for a, b in found])


def are_places(parts: tuple[Any, ...]) -> bool:
    """Whether a key is made of as many whole numbers each."""
    kinds = [isinstance(part, Step | np.ndarray) and part.dtype.kind in "iu" and part.ndim > 0 for part in parts]
    return all(kinds) and len({part.shape for part in parts}) == 1


def picked_by_data(step: Step, parts: tuple[Any, ...], table: Any, rows: Any) -> Axes:
    """Rows of a table by places that are data; one of each row in turn where the program says so."""
    x: Step = step.inputs[0]
    given = [part for part in parts if isinstance(part, Step)]
    lead = parts[0].ndim
    in_turn = is_in_turn(parts[0], table.shape[0])
    if not given or (len(given) < len(parts) - in_turn and rows.shape[:lead] != (1,) * lead):
        return Axes()
    behind = [(len(parts) + k, lead + k) for k in range(len(rows.shape) - lead)]
    kept = [((x, b), a) if table is step else ((x, a), b) for a, b in behind]
    along = [[(part, a) for part in given] for a in range(lead)]
    if in_turn:
        return Axes([*kept, *[(axis, 0) for axis in [(x, 0), *along[0]]]])
    if table is step:
        return Axes(kept, summed=[[(x, a), *axes] for a, axes in enumerate(along)])
    return Axes([*kept, *[(axis, a) for a, axes in enumerate(along) for axis in axes]])


def is_in_turn(places: Any, count: int) -> bool:
    """Whether places that the program knows are all there are, one after the other."""
    return isinstance(places, np.ndarray) and np.array_equal(places, np.arange(count))


def sliced(parts: tuple[Any, ...], table: Any) -> list[tuple[int, int]]:
    """The axes of a table of which slices take all, and which these become."""
    found: list[tuple[int, int]] = []
    a = b = 0
    for part in along_axes(parts, table.ndim):
        if part is None:
            b += 1
        else:
            if isinstance(part, slice):
                found += [(a, b)] * (part.indices(table.shape[a]) == (0, table.shape[a], 1))
                b += 1
            a += 1
    return found


AXES: dict[str, Callable[[Step], Axes]] = {
    "broadcast_to": repeated,
    "concatenate": joined,
    "conv2d": of_images,
    "conv2d_input": of_images,
    "conv2d_weight": of_images,
    "expand_dims": reshaped,
    "index": picked,
    "largest": reduced,
    "log_softmax": along_rows,
    "logsumexp": along_rows,
    "matmul": multiplied,
    "mean": reduced,
    "pick_at_largest": of_images,
    "put_at_largest": of_images,
    "reshape": reshaped,
    "scatter": picked,
    "smallest": reduced,
    "softmax": along_rows,
    "squeeze": reshaped,
    "stack": joined,
    "sum": reduced,
    "sum_to": summed_to,
    "swap": permuted,
    "transpose": permuted,
}
"""By the name of the operation."""
