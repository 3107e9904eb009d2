"""Scalar code frozen: a graph of Values recorded once becomes a program on arrays, value and gradients in one call."""

# What a user's function takes and gives is known only when it runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

import numpy as np

from chainrule.codegen.compiled import MOST_VERSIONS, identifier
from chainrule.codegen.copied import made_again
from chainrule.codegen.readings import Reading
from chainrule.codegen.recorded import Arguments, Recorded
from chainrule.collector import without_collector
from chainrule.core import Value
from chainrule.core.graph import Node
from chainrule.core.stand_in import Argument
from chainrule.core.state import switches
from chainrule.core.tree import flatten, unflatten
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.kinds import Array, is_real, what_is
from chainrule.program.around import Around
from chainrule.program.trace import names_of_arguments
from chainrule.threads import RLock


class Frozen:
    """Scalar code as a program; what `freeze` gives.

    Called with the numbers that the function takes, it gives its value and a tuple of gradients, one for each argument
    and built like it: of arrays, which the function gets as nested lists, arrays. Frozen from a graph it is called
    without numbers, reads its leaves, and gives the gradients in the order of `leaves`.
    """

    def __init__(self, f: Any) -> None:
        self.graph = f if isinstance(f, Value) else None
        if self.graph is None and not callable(f):
            raise DtypeError(f"freeze takes a function of Values, or a recorded Value, not {what_is(f)}")
        self.f: Any = f
        if self.graph is None:
            update_wrapper(self, self.f, updated=())
        self.name = identifier(getattr(f, "__name__", "frozen"))
        self.recordings: dict[tuple[Any, Any], Recorded] = {}
        """Graphs by the structure of the arguments, and the shape of each."""
        self.latest: Recorded | None = None
        self.anew: Counter[str] = Counter()
        """Why it was recorded anew: what around it became another thing, by name."""
        self.lock = RLock()
        if self.graph is not None:
            with without_collector():
                self.latest = Recorded(f, self.name, Reading(self.graph), np.empty(0), [])

    def __repr__(self) -> str:
        from chainrule.printable import several  # its tables of characters are for when something is said

        return (
            f"<frozen {self.name}{'' if self.latest is None else ' of ' + several(len(self.latest.reading), 'step')}>"
        )

    def __reduce__(self) -> Any:
        """Its function: it is recorded where a copy is called."""
        return made_again(self)

    @property
    def leaves(self) -> list[Value]:
        """The Values that a graph began with, in the order of its gradients."""
        return list(self.ready().reading.held)

    def ready(self) -> Recorded:
        """The recording of the latest call; an error where there is none yet."""
        if self.latest is None:
            raise GraphError(f"{self.name} was not called yet: call it once with numbers like those it is for")
        return self.latest

    def __call__(self, *numbers: Any) -> tuple[float, Any]:
        if self.graph is not None:
            if numbers:
                raise GraphError(
                    "a recorded graph is frozen with the path that it took, and takes no numbers: change its leaves' "
                    "data, or freeze the function that recorded it"
                )
            value, slopes = self.ready().computed(np.empty(0))
            return value, slopes.tolist()
        latest = self.latest
        if latest is not None and latest.attempt is not None:
            around = latest.around
            if around is None or (not around.copies and around.is_as_it_was()):
                found = latest.attempt(numbers)
                if found is not NotImplemented:
                    return float(found[0]), found[1]
        leaves, structure = flatten(numbers)
        leaves = [as_number(x) for x in leaves]
        given = in_a_row(leaves)
        shapes = tuple([x.shape if type(x) is np.ndarray else None for x in leaves])
        recording = self.recordings.get((structure, shapes))
        changed = "" if recording is None or recording.around is None else recording.around.changed()
        if recording is None or changed:
            names = names_of_arguments(self.f, numbers, {})
            names = [path for x, name in zip(leaves, names, strict=True) for path in each(x, name)]
            with self.lock, without_collector():
                reading = self.record(leaves, structure)
                arrays = [x for x in shapes if x is not None]
                arguments = Arguments(structure, arrays) if arrays and len(arrays) == len(shapes) else None
                recording = Recorded(self.f, self.name, reading, given, names, arguments)
                recording.around = Around(self.f, reading.held) or None
                self.anew.update([changed] if changed else [])
                while len(self.recordings) >= MOST_VERSIONS:
                    del self.recordings[next(iter(self.recordings))]
                self.recordings[structure, shapes] = recording
        self.latest = recording
        value, slopes = recording.computed(given)
        return value, unflatten(structure, like(slopes, shapes))

    def on_arrays(self, *arguments: Any) -> Any:
        """The value as a function of arrays, for every transform: ``grad``, ``compile`` of a whole training step.

        The arguments are built like those of the first call, with an array of the same shape, or a Tensor, for each
        array; so that call comes before. Raises GraphError where nothing repeats, since then there are no arrays.

        >>> import chainrule as cr, numpy as np
        >>> frozen = cr.freeze(lambda w: sum(wi * wi for wi in w))
        >>> frozen(np.array([1.0, 2.0]))
        (5.0, (array([2., 4.]),))
        >>> cr.hessian(frozen.on_arrays)(np.array([1.0, 2.0]))
        array([[2., 0.],
               [0., 2.]])
        """
        latest = self.ready()
        if latest.lanes is None or latest.version is None:
            raise GraphError(f"{self.name} repeats nothing, so there are no arrays: call it with numbers")
        leaves, structure = flatten(arguments)
        wanted = [getattr(x, "shape", None) or None for x in leaves]
        for (known, shapes), recording in self.recordings.items():
            if known == structure and [shape or None for shape in shapes] == wanted and recording.version is not None:
                return recording.on_arrays(leaves)
        raise ShapeError(f"{self.name} was frozen for arguments of other shapes: call it once with such ones")

    def record(self, leaves: Sequence[Any], structure: Any) -> Reading:
        """The graph that the function records, the same for these numbers and for others."""
        first = record(self.f, leaves, structure)
        for other in ([-x for x in leaves], [x * 1.25 + 0.5 + 0.01 * k for k, x in enumerate(leaves)]):
            if not first.equals(record(self.f, other, structure)):
                raise GraphError(
                    "the function records another graph for other numbers: a branch depends on the data, or a number "
                    "was taken out of a Value. Such code cannot be frozen; relu, maximum, clip and abs choose "
                    "inside a graph"
                )
        return first

    def source(self, target: str = "numpy") -> str:
        """The program on arrays, for "numpy", "jax", "javascript" or "c": what the scalar code's loops amount to.

        Its arguments are the arrays that were found, called after the nested lists. Raises GraphError where nothing
        repeats.
        """
        latest = self.ready()
        if latest.version is None:
            raise GraphError(
                f"{self.name} repeats nothing, so there are no arrays to write: its graph runs as a loop over "
                f"{len(latest.reading)} steps"
            )
        return latest.version.written(self.name, target)

    def explain(self) -> str:
        """What was found in the graph."""
        latest = self.ready()
        path = (
            "its path is fixed: it was recorded once, with the branches it took"
            if self.graph is not None
            else ("recorded on three sets of numbers, which gave one structure")
        )
        lines = [f"{self.name}: {len(latest.reading)} steps, {path}"]
        if len(self.recordings) > 1:
            lines.append(f"it was recorded {len(self.recordings)} times, for arguments of other shapes")
        if self.anew:
            lines.append(f"it was recorded anew, as other things stood around it: {', '.join(self.anew)}")
        return "\n".join([*lines, *latest.told()])


def freeze(f: Any) -> Frozen:
    """Scalar code as a program on arrays that gives its value and all its gradients.

    f takes numbers, or nested lists of them, as Values, and gives one Value: it is recorded on the first numbers and on
    two other sets, and refused with GraphError where it compares Values or the graphs differ, since a branch on data
    cannot be frozen. (Not noticed is a comparison of `x.data` that comes out alike for all three.) Of structure that
    repeats, the same neuron for each example, an array is made, and of sums of products over a grid a
    matrix product; `source()` shows the result. Or f is a Value that was recorded: its path is fixed.

    What f reads around it is watched as by `compile`: it is recorded anew where something has become another thing. The
    numbers of Values around it are read at each call.

    Recording costs three runs of f; a call costs a few operations on arrays, whatever the graph's size. A long graph in
    which hardly anything repeats runs as a loop over numbers in a row, some nanoseconds a step, and has no source.

    >>> import chainrule as cr
    >>> frozen = cr.freeze(lambda w, x: (w[0] * x[0] + w[1] * x[1]).tanh())
    >>> value, (dw, dx) = frozen([0.5, -0.25], [1.0, 2.0])
    >>> value, dw
    (0.0, [1.0, 2.0])
    """
    return Frozen(f)


def as_number(x: Any) -> Any:
    """A number that was given, or an array of them."""
    if isinstance(x, np.ndarray) and x.dtype.kind in "fiu":
        return x if x.shape else float(x)
    value: Any = x
    if isinstance(x, Node | Argument) or (isinstance(x, Value) and switches.transforms and value.requires_grad):
        raise GraphError(
            "frozen scalar code takes plain numbers and gives its own gradients: differentiate, compile or map its "
            ".on_arrays, or its function"
        )
    if isinstance(x, Value):
        return float(x.data)
    if not is_real(x):
        raise DtypeError(f"frozen scalar code takes numbers and nested lists of them, or arrays, not {what_is(x)}")
    return float(x)


def in_a_row(leaves: Sequence[Any]) -> Array:
    """All numbers that were given."""
    if not any([type(x) is np.ndarray for x in leaves]):
        return np.array(leaves, float)
    if len(leaves) == 1:
        return leaves[0].astype(float, copy=False).reshape(-1)
    return np.concatenate([np.ravel(x) for x in leaves], dtype=float)


def like(row: Array, shapes: Sequence[tuple[int, ...] | None]) -> list[Any]:
    """Numbers in a row as what was given: arrays of these shapes, and floats."""
    if not any(shapes):
        return row.tolist()[: len(shapes)]
    found: list[Any] = []
    start = 0
    for shape in shapes:
        stop = start + (1 if shape is None else math.prod(shape))
        found.append(float(row[start]) if shape is None else row[start:stop].reshape(shape))
        start = stop
    return found


def each(x: Any, name: str) -> list[str]:
    """The names of the numbers in an array, or that of a number."""
    if type(x) is not np.ndarray:
        return [name]
    return [name + "".join([f"[{i}]" for i in place]) for place in np.ndindex(x.shape)]


def record(f: Callable[..., Any], leaves: Sequence[Any], structure: Any) -> Reading:
    """What f records on Values of these numbers."""
    values: list[Value] = []
    before = switches.freezing

    def made(x: Any) -> Any:
        if isinstance(x, list):
            return [made(part) for part in x]
        values.append(Value(x))
        return values[-1]

    switches.freezing = True
    try:
        out = f(*unflatten(structure, [made(x.tolist()) if type(x) is np.ndarray else made(x) for x in leaves]))
    finally:
        switches.freezing = before
    if not isinstance(out, Value):
        raise DtypeError(f"the frozen function gives one Value, and this one gave {what_is(out)}")
    return Reading(out, values)
