"""Scalar code frozen: a graph of Values recorded once becomes a program on arrays, value and gradients in one call."""

# What a user's function takes and gives is known only when it runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.codegen import taped
from chainrule.codegen.again import Again
from chainrule.codegen.compiled import identifier
from chainrule.codegen.lanes import Arrays, Lanes, own_arrays
from chainrule.codegen.laws import LAWS
from chainrule.codegen.native import machine
from chainrule.codegen.readings import Reading
from chainrule.codegen.simplified import simplified
from chainrule.codegen.version import Version, default_target
from chainrule.core import Value
from chainrule.core.collector import without_collector
from chainrule.core.operation import book
from chainrule.core.state import Quiet, switches
from chainrule.core.tree import flatten, unflatten
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.program import Program, Step, lift, trace
from chainrule.program.around import Around
from chainrule.program.trace import labels_around, names_of_arguments
from chainrule.transforms import value_and_grad

MOST_ON_LINES = 200
"""Graphs of more steps and no repeated structure run as a loop, and are not written line by line."""

NARROWEST = 4
"""Members that a class has on average, from which on it pays to make arrays."""


Array = NDArray[Any]


class Group(NamedTuple):
    """Leaves that are an array of their own: its shape, and where its numbers lie among all that are given."""

    shape: tuple[int, ...]
    places: Any


class Row:
    """Arrays as if they were one row; what lies in one of them is taken from there."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = arrays
        self.ends = np.cumsum([math.prod(x.shape) for x in arrays])

    def part(self, places: Any, shape: tuple[int, ...]) -> Any:
        """The numbers at some places, in that shape."""
        if not isinstance(places, slice):
            row = [book["reshape"](x, shape=(-1,)) for x in self.arrays]
            row = book["concatenate"](*row, axis=0) if len(row) > 1 else row[0]
            return book["reshape"](book["index"](row, key=places), shape=shape)
        k = int(np.searchsorted(self.ends, places.start, side="right"))
        x, size = self.arrays[k], int(math.prod(self.arrays[k].shape))
        start, stop = [int(place - self.ends[k] + size) for place in (places.start, places.stop)]
        if stop > size:
            return self.part(np.arange(places.start, places.stop), shape)
        if (start, stop) != (0, size):
            x = book["index"](book["reshape"](x, shape=(-1,)), key=slice(start, stop))
        return book["reshape"](x, shape=shape)


class Frozen:
    """Scalar code as a program; what `freeze` gives.

    Called with the numbers that the function takes, it gives its value and a tuple of gradients, one for each argument
    and built like it: of arrays, which the function gets as nested lists, arrays. Frozen from a graph it is called
    without numbers, reads its leaves, and gives the gradients in the order of `leaves`.
    """

    def __init__(self, f: Any) -> None:
        self.graph = f if isinstance(f, Value) else None
        if self.graph is None and not callable(f):
            raise DtypeError(f"freeze takes a function of Values, or a recorded Value, not a {type(f).__name__}")
        self.f = f
        self.name = identifier(getattr(f, "__name__", "frozen"))
        self.kinds: Any = None
        """The structure of the arguments, and the shape of each."""
        self.reading: Reading | None = None
        """The graph as it was recorded."""
        self.program: Program | None = None
        self.version: Version | None = None
        self.loop: Callable[[Array], tuple[Any, Array]] | None = None
        """What runs where hardly anything repeats: a tape, or what records the graph again."""
        self.reason = ""
        """Why that is no tape."""
        self.lanes: Lanes | None = None
        self.around: Around | None = None
        """What the function read around it when it was recorded."""
        self.anew: Counter[str] = Counter()
        """Why it was recorded anew: what around it became another thing, by name."""
        self.groups: list[Group] = []
        self.singles = np.empty(0, int)
        """Where the numbers lie that are in no array."""
        self.paths: dict[Step, str] = {}
        if self.graph is not None:
            with without_collector():
                self.prepare(Reading(self.graph), np.empty(0), [])

    def __repr__(self) -> str:
        steps = f" of {len(self.reading)} steps" if self.reading is not None else ""
        return f"<frozen {self.name}{steps}>"

    @property
    def leaves(self) -> list[Value]:
        """The Values that a graph began with, in the order of its gradients."""
        return list(self.ready().held)

    def ready(self) -> Reading:
        """The recording; an error where there is none yet."""
        if self.reading is None:
            raise GraphError(f"{self.name} was not called yet: call it once with numbers like those it is for")
        return self.reading

    def __call__(self, *numbers: Any) -> tuple[float, Any]:
        if self.graph is not None:
            if numbers:
                raise GraphError(
                    "a recorded graph is frozen with the path that it took, and takes no numbers: change its leaves' "
                    "data, or freeze the function that recorded it"
                )
            value, slopes = self.computed(np.empty(0))
            return value, slopes.tolist()
        leaves, structure = flatten(numbers)
        leaves = [as_number(x) for x in leaves]
        given = in_a_row(leaves)
        kinds = structure, tuple([x.shape if type(x) is np.ndarray else None for x in leaves])
        changed = "" if self.around is None else self.around.changed()
        self.anew.update([changed] if changed else [])
        if changed or self.kinds != kinds:
            with without_collector():
                reading = self.record(leaves, structure)
                names = names_of_arguments(self.f, numbers, {})
                self.prepare(
                    reading, given, [path for x, name in zip(leaves, names, strict=True) for path in each(x, name)]
                )
            self.kinds, self.around = kinds, Around(self.f, reading.held) or None
        value, slopes = self.computed(given)
        return value, unflatten(structure, like(slopes, kinds[1]))

    def computed(self, given: Array) -> tuple[float, Array]:
        """The value, and the derivatives in what is given, in a row, and in the other leaves."""
        every = self.every(given)
        if self.version is None:
            assert self.loop is not None
            value, slopes = self.loop(every)
            return float(value), slopes
        with Quiet():
            arrays = [every[group.places].reshape(group.shape) for group in self.groups]
            out, *shares = self.version.run(*arrays, *every[self.singles])
        slopes = np.zeros(len(every))
        for group, share in zip(self.groups, shares, strict=False):
            slopes[group.places] = share.ravel()
        slopes[self.singles] = shares[len(self.groups) :]
        return float(out), slopes

    def every(self, given: Array) -> Array:
        """All numbers that a graph begins with: what is given, and the leaves from outside."""
        held = self.ready().held
        return np.concatenate([given, [float(x.data) for x in held]]) if held else given

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
        reading = self.ready()
        if self.lanes is None or self.version is None or self.program is None:
            raise GraphError(f"{self.name} repeats nothing, so there are no arrays: call it with numbers")
        leaves, structure = flatten(arguments)
        kinds = structure, tuple([getattr(x, "shape", None) or None for x in leaves])
        if self.kinds is None or kinds != (self.kinds[0], tuple([shape or None for shape in self.kinds[1]])):
            raise ShapeError(f"{self.name} was frozen for arguments of other shapes: call it once with such ones")
        if reading.held:
            leaves.append(np.array([float(x.data) for x in reading.held]))
        every = Row(leaves)
        inputs = [every.part(group.places, group.shape) for group in self.groups]
        inputs += [every.part(slice(place, place + 1), ()) for place in self.singles.tolist()]
        return Arrays(self.lanes, inputs).output(self.program.output)

    def record(self, leaves: Sequence[Any], structure: Any) -> Reading:
        """The graph that the function records, the same for these numbers and for others."""
        first = record(self.f, leaves, structure)
        for other in ([-x for x in leaves], [x * 1.25 + 0.5 + 0.01 * k for k, x in enumerate(leaves)]):
            if not first.equals(record(self.f, other, structure)):
                raise GraphError(
                    f"{self.name} records another graph for other numbers: a branch depends on the data, or a number "
                    "was taken out of a Value. Such code cannot be frozen; cr.where, relu, maximum and abs choose "
                    "inside a graph"
                )
        return first

    def prepare(self, reading: Reading, given: Array, names: Sequence[str]) -> None:
        """What runs from now on: arrays where structure repeats, and a loop where hardly anything does."""
        self.reading, self.version, self.lanes, self.program = reading, None, None, None
        most = max(len(reading) // NARROWEST, MOST_ON_LINES)
        self.loop, self.reason = taped.attempt(reading, most)
        if self.loop is None:
            self.on_lanes(reading, given, names, most)
        reading.forget()

    def on_lanes(self, reading: Reading, given: Array, names: Sequence[str], most: int) -> None:
        """Find lanes, and plan the program; where hardly anything repeats, the graph is recorded again at each call."""
        lifted = lift(reading.nodes[-1])
        self.program = program = lifted.program
        known = {id(x) for x in (*reading.nodes, *reading.held)}
        reading.held += [x for x, step in lifted.step.items() if step.op is None and id(x) not in known]
        given_steps = [None if k < 0 else lifted.step[reading.nodes[k]] for k in reading.given]
        starts = [*given_steps, *[lifted.step[x] for x in reading.held]]
        labels = labels_around(self.f, reading.held)
        named = [*names, *[labels.get(id(x), "leaf") for x in reading.held]]
        self.paths = {step: name for step, name in zip(starts, named, strict=True) if step is not None}
        place = {step: k for k, step in enumerate(starts) if step is not None}
        leaves, every = list(place), self.every(given)
        self.lanes = Lanes(program, {step: (0, k) for k, step in enumerate(leaves)}, most)
        if not leaves or not self.lanes.repeats:
            self.loop = Again(program, starts)
            return
        # Once on all leaves in a row, to see which are read together; then each such group is an array.
        found = own_arrays(Arrays(self.lanes, [every[list(place.values())]]).groups, leaves)
        groups = sorted(found, key=lambda group: not group[1])
        places = {step: (k, i) for k, (members, _) in enumerate(groups) for i, step in enumerate(members)}
        self.lanes = lanes = Lanes(program, places)
        self.groups = [Group(shape, as_slice([place[x] for x in members])) for members, shape in groups if shape]
        self.singles = np.array([place[members[0]] for members, shape in groups if not shape], int)
        examples = [every[group.places].reshape(group.shape) for group in self.groups] + [*every[self.singles]]

        def on_arrays(*inputs: Any) -> Any:
            return Arrays(lanes, inputs).output(program.output)

        both = value_and_grad(on_arrays, argnums=tuple(range(len(examples))))
        whole = trace(both, *examples)
        names = [self.name_of_array(members) for members, _ in groups]
        named = {x: name for x, name in zip(whole.given, names, strict=True) if x}
        shorter, fired = simplified(whole._replace(names=named), LAWS)
        said = f"{len(program)} steps as {len(lanes.classes)} classes of up to {lanes.widest} lanes"
        self.version = Version(shorter, whole, fired, said, self.name, default_target())

    def name_of_array(self, members: Sequence[Step]) -> str:
        """What the numbers in an array have in common in their names."""
        paths = [self.paths.get(step, "leaf") for step in members]
        common = os.path.commonprefix(paths)  # noqa: RUF071  (names are no paths of files)
        words = re.findall(r"\w+", common)
        return "_".join(words) or "leaf"

    def source(self) -> str:
        """The program as NumPy on arrays: what the loops of the scalar code amount to.

        Its arguments are all numbers in a row, and the leaves from outside in another, if there are any.
        """
        from chainrule.codegen.as_numpy import numpy_source

        self.ready()
        if self.version is None:
            raise GraphError(
                f"{self.name} repeats nothing, so there are no arrays to write: its graph runs as a loop over "
                f"{len(self.ready())} steps"
            )
        return numpy_source(self.version.trace, self.name, f"{self.version.made_for}.")

    def explain(self) -> str:
        """What was found in the graph."""
        reading = self.ready()
        path = (
            "its path is fixed: it was recorded once, with the branches it took"
            if self.graph is not None
            else ("recorded on three sets of numbers, which gave one structure")
        )
        lines = [f"{self.name}: {len(reading)} steps, {path}"]
        if self.anew:
            lines.append(f"it was recorded anew, as other things stood around it: {', '.join(self.anew)}")
        if self.version is None or self.lanes is None:
            how = f" of the scalar engine, which records it again at each call: {self.reason}"
            how = how if self.reason else f" over numbers in a row, on kernels ({machine.kernels()})"
            return "\n".join([*lines, f"nothing repeats: the graph runs as a loop{how}"])
        for one in self.lanes.classes:
            what = one.members[0].op.name if one.members[0].op and one.key[0] != "sum" else "sum of products"
            lines.append(f"  {len(one.members):>6} × {what}")
        return "\n".join(lines)


def freeze(f: Any) -> Frozen:
    """Scalar code as a program on arrays that gives its value and all its gradients.

    f takes numbers, or nested lists of them, as Values, and gives one Value: it is recorded on the first numbers and on
    two other sets, and refused with GraphError where the graphs differ, since a branch on data cannot be frozen. Of
    structure that repeats, the same neuron for each example, an array is made, and of sums of products over a grid a
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
    if isinstance(x, np.ndarray) and x.dtype.kind in "fiu" and x.shape:
        return x
    if isinstance(x, Value):
        value: Any = x
        if switches.transforms and value.requires_grad:
            raise GraphError(
                "frozen scalar code gives its own gradients: differentiate its .on_arrays, or its function"
            )
        return float(x.data)
    if isinstance(x, bool) or not isinstance(x, int | float | np.number):
        raise DtypeError(
            f"frozen scalar code takes numbers and nested lists of them, or arrays, not a {type(x).__name__}"
        )
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


def as_slice(places: Sequence[int]) -> Any:
    """Places in a row, as a slice where each follows the last."""
    start = places[0]
    return slice(start, start + len(places)) if [*places] == [*range(start, start + len(places))] else np.array(places)


def record(f: Callable[..., Any], leaves: Sequence[Any], structure: Any) -> Reading:
    """What f records on Values of these numbers."""
    values: list[Value] = []

    def made(x: Any) -> Any:
        if isinstance(x, list):
            return [made(part) for part in x]
        values.append(Value(x))
        return values[-1]

    out = f(*unflatten(structure, [made(x.tolist()) if type(x) is np.ndarray else made(x) for x in leaves]))
    if not isinstance(out, Value):
        raise DtypeError(f"the frozen function gives one Value, and this one gave a {type(out).__name__}")
    return Reading(out, values)
