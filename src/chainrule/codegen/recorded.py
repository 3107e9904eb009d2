"""A recorded graph of Values and what runs it: arrays where structure repeats, a loop where hardly anything does."""

# What operations take and give is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from chainrule.codegen import taped
from chainrule.codegen.again import Again
from chainrule.codegen.lanes import Arrays, Lanes, own_arrays
from chainrule.codegen.laws import shortened
from chainrule.codegen.native import machine
from chainrule.codegen.readings import Reading
from chainrule.codegen.version import Version, default_target
from chainrule.core.operation import book
from chainrule.core.state import Quiet
from chainrule.kinds import Array
from chainrule.program import Program, Step, lift, trace
from chainrule.program.around import Around
from chainrule.program.trace import labels_around
from chainrule.transforms import value_and_grad

MOST_ON_LINES = 200
"""Graphs of more steps and no repeated structure run as a loop, and are not written line by line."""

NARROWEST = 4
"""Members that a class has on average, from which on it pays to make arrays."""


class Group(NamedTuple):
    """Leaves that are an array of their own: its shape, and where its numbers lie among all that are given."""

    shape: tuple[int, ...]
    places: Any


class Arguments(NamedTuple):
    """What a function was given where all leaves are arrays: their structure and shapes."""

    structure: Any
    shapes: Sequence[tuple[int, ...]]


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


class Recorded:
    """A graph that `f` recorded, as what runs it; `given` are example numbers for what it was given, by their `names`.

    It stays as it is, so threads may run it at the same time.
    """

    def __init__(
        self,
        f: Any,
        name: str,
        reading: Reading,
        given: Array,
        names: Sequence[str],
        arguments: Arguments | None = None,
    ) -> None:
        self.f = f
        self.name = name
        self.reading = reading
        self.around: Around | None = None
        """What the function read around it when it was recorded."""
        self.program: Program | None = None
        self.version: Version | None = None
        self.lanes: Lanes | None = None
        self.groups: list[Group] = []
        self.singles = np.empty(0, int)
        """Where the numbers lie that are in no array."""
        self.order: list[int] = []
        """Which array, or number after all arrays, each argument of the program is: they are in the user's order."""
        self.paths: dict[Step, str] = {}
        most = max(len(reading) // NARROWEST, MOST_ON_LINES)
        self.loop: Callable[[Array], tuple[Any, Array]] | None
        """What runs where hardly anything repeats: a tape, or what records the graph again."""
        self.attempt: Callable[[Any], Any] | None = None
        """What takes the arguments as they are, where each leaf of them is an array, and nothing else is read."""
        if reading.held:
            arguments = None
        self.loop, self.reason = tape, _ = taped.attempt(reading, most, arguments and arguments.shapes)
        if tape is not None and arguments is not None:
            tape.takes(arguments.structure)
            self.attempt = tape.attempt
        if self.loop is None:
            self.on_lanes(given, names, most)
        reading.forget()

    def on_lanes(self, given: Array, names: Sequence[str], most: int) -> None:
        """Find lanes, and plan the program; where hardly anything repeats, the graph is recorded again at each call."""
        reading = self.reading
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
        groups = sorted(found, key=lambda group: min([place[x] for x in group[0]]))
        places = {step: (k, i) for k, (members, _) in enumerate(groups) for i, step in enumerate(members)}
        self.lanes = lanes = Lanes(program, places)
        self.groups = [Group(shape, as_slice([place[x] for x in members])) for members, shape in groups if shape]
        self.singles = np.array([place[members[0]] for members, shape in groups if not shape], int)
        self.order = np.argsort(np.argsort([not shape for _, shape in groups], kind="stable")).tolist()
        examples = self.inputs(every)

        def on_arrays(*inputs: Any) -> Any:
            return Arrays(lanes, inputs).output(program.output)

        both = value_and_grad(on_arrays, argnums=tuple(range(len(examples))))
        whole = trace(both, *examples)
        names = [self.name_of_array(members) for members, _ in groups]
        named = {x: name for x, name in zip(whole.given, names, strict=True) if x}
        shorter, fired = shortened(whole._replace(names=named))
        said = f"a graph of {len(program)} steps, in {len(lanes.classes)} classes of up to {lanes.widest} lanes"
        self.version = Version(shorter, whole, fired, said, self.name, default_target())

    def name_of_array(self, members: Sequence[Step]) -> str:
        """What the numbers in an array have in common in their names."""
        paths = [self.paths.get(step, "leaf") for step in members]
        common = os.path.commonprefix(paths)  # noqa: RUF071  (names are no paths of files)
        words = re.findall(r"\w+", common)
        return "_".join(words) or "leaf"

    def computed(self, given: Array) -> tuple[float, Array]:
        """The value, and the derivatives in what is given, in a row, and in the other leaves."""
        every = self.every(given)
        if self.version is None:
            assert self.loop is not None
            value, slopes = self.loop(every)
            return float(value), slopes
        with Quiet():
            out, *given_back = self.version.run(*self.inputs(every))
        shares = [share for _, share in sorted(zip(self.order, given_back, strict=True), key=itemgetter(0))]
        slopes = np.zeros(len(every))
        for group, share in zip(self.groups, shares, strict=False):
            slopes[group.places] = share.ravel()
        slopes[self.singles] = shares[len(self.groups) :]
        return float(out), slopes

    def inputs(self, every: Array) -> list[Any]:
        found = [every[group.places].reshape(group.shape) for group in self.groups] + [*every[self.singles]]
        return [found[k] for k in self.order]

    def every(self, given: Array) -> Array:
        """All numbers that a graph begins with: what is given, and the leaves from outside."""
        held = self.reading.held
        return np.concatenate([given, [float(x.data) for x in held]]) if held else given

    def on_arrays(self, leaves: Sequence[Any]) -> Any:
        """The value, by operations on what stands for all that was given."""
        assert self.lanes is not None
        assert self.program is not None
        held = [np.array([float(x.data) for x in self.reading.held])] * bool(self.reading.held)
        every = Row([*leaves, *held])
        inputs = [every.part(group.places, group.shape) for group in self.groups]
        inputs += [every.part(slice(place, place + 1), ()) for place in self.singles.tolist()]
        return Arrays(self.lanes, [inputs[k] for k in self.order]).output(self.program.output)

    def told(self) -> list[str]:
        """What was found in the graph, for `explain`."""
        if self.version is None or self.lanes is None:
            how = f" of the scalar engine, which records it again at each call: {self.reason}"
            how = how if self.reason else f" over numbers in a row, on kernels ({machine.kernels()})"
            return [f"nothing repeats: the graph runs as a loop{how}"]
        lines: list[str] = []
        for one in self.lanes.classes:
            what = one.members[0].op.name if one.members[0].op and one.key[0] != "sum" else "sum of products"
            lines.append(f"  {len(one.members):>6} × {what}")
        return lines


def as_slice(places: Sequence[int]) -> Any:
    """Places in a row, as a slice where each follows the last."""
    start = places[0]
    return slice(start, start + len(places)) if [*places] == [*range(start, start + len(places))] else np.array(places)
