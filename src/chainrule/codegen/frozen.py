"""Scalar code frozen: a graph of Values recorded once becomes a program on arrays, value and gradients in one call."""

# What a user's function takes and gives is known only when it runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.codegen.as_numpy import numpy_source
from chainrule.codegen.compiled import identifier
from chainrule.codegen.lanes import Arrays, Lanes, own_arrays
from chainrule.codegen.laws import LAWS
from chainrule.codegen.simplified import simplified
from chainrule.core import Value
from chainrule.core.state import Quiet
from chainrule.core.tree import flatten, unflatten
from chainrule.errors import DtypeError, GraphError
from chainrule.program import Program, Step, lift, trace
from chainrule.program.run import applied
from chainrule.program.trace import labels_around, names_of_arguments
from chainrule.transforms import value_and_grad

MOST_ON_LINES = 200
"""Graphs of more steps and no repeated structure run as a loop, and are not written line by line."""

NARROWEST = 4
"""Classes of fewer members are no lanes."""


class Recorded(NamedTuple):
    """A graph as a program: the leaf of each number that was given, None if it is not used, and the other leaves."""

    program: Program
    given: tuple[Step | None, ...]
    held: dict[Step, Value]


class Frozen:
    """Scalar code as a program; what `freeze` gives.

    Called with the numbers that the function takes, it gives its value and a tuple of gradients, one for each argument
    and built like it. Frozen from a graph it is called without numbers, reads its leaves, and gives the gradients in
    the order of `leaves`.
    """

    def __init__(self, f: Any) -> None:
        self.graph = f if isinstance(f, Value) else None
        if self.graph is None and not callable(f):
            raise DtypeError(f"freeze takes a function of Values, or a recorded Value, not a {type(f).__name__}")
        self.f = f
        self.name = identifier(getattr(f, "__name__", "frozen"))
        self.structure: Any = None
        self.recorded: Recorded | None = None
        self.run: Callable[..., Any] | None = None
        self.text = ""
        self.lanes: Lanes | None = None
        self.arrays: list[tuple[tuple[Step, ...], tuple[int, ...]]] = []
        self.paths: dict[Step, str] = {}
        if self.graph is not None:
            lifted = lift(self.graph)
            self.prepare(Recorded(lifted.program, (), held_in(lifted, ())), [])

    def __repr__(self) -> str:
        steps = f" of {len(self.recorded.program)} steps" if self.recorded is not None else ""
        return f"<frozen {self.name}{steps}>"

    @property
    def leaves(self) -> list[Value]:
        """The Values that a graph began with, in the order of its gradients."""
        return list(self.ready().held.values())

    def ready(self) -> Recorded:
        """The recording; an error where there is none yet."""
        if self.recorded is None:
            raise GraphError(f"{self.name} was not called yet: call it once with numbers like those it is for")
        return self.recorded

    def __call__(self, *numbers: Any) -> tuple[float, Any]:
        if self.graph is not None and numbers:
            raise GraphError(
                "a recorded graph is frozen with the path that it took, and takes no numbers: change its leaves' data, "
                "or freeze the function that recorded it"
            )
        leaves, structure = flatten(numbers)
        given = [as_float(x) for x in leaves]
        if self.graph is None and self.structure != structure:
            recorded = self.record(given, structure)
            names = names_of_arguments(self.f, numbers, {})
            self.paths = {step: name for step, name in zip(recorded.given, names, strict=True) if step is not None}
            self.prepare(recorded, given)
            self.structure = structure
        recorded = self.ready()
        held = [float(x.data) for x in recorded.held.values()]
        value, gradients = self.computed(recorded, given, held)
        if self.graph is not None:
            return value, gradients[len(given) :]
        return value, unflatten(structure, gradients[: len(given)])

    def computed(self, recorded: Recorded, given: list[float], held: list[float]) -> tuple[float, list[float]]:
        """The value, and the derivatives in what is given and in the other leaves."""
        if self.run is None:
            return looped(recorded, given, held)
        numbers = dict(zip([step for step in recorded.given if step is not None], self.used(given), strict=True))
        numbers.update(zip(recorded.held, held, strict=True))
        inputs = [np.array([numbers[x] for x in members]).reshape(shape)[()] for members, shape in self.arrays]
        with Quiet():
            out, *shares = self.run(*inputs)
        slopes: dict[Step, float] = {}
        for (members, _), share in zip(self.arrays, shares, strict=True):
            slopes.update(zip(members, np.ravel(share).tolist(), strict=True))
        found = [0.0 if step is None else slopes[step] for step in recorded.given]
        return float(out), found + [slopes[step] for step in recorded.held]

    def record(self, given: list[float], structure: Any) -> Recorded:
        """The graph that the function records, the same for these numbers and for others."""
        first = record(self.f, given, structure)
        for other in ([-x for x in given], [x * 1.25 + 0.5 + 0.01 * k for k, x in enumerate(given)]):
            refuse_if_different(self.name, first, record(self.f, other, structure))
        return first

    def prepare(self, recorded: Recorded, given: list[float]) -> None:
        """Find lanes, and write the program out; without lanes a long one stays a loop."""
        self.recorded, self.run = recorded, None
        labels = labels_around(self.f, list(recorded.held.values()))
        self.paths.update({step: labels.get(id(x), "leaf") for step, x in recorded.held.items()})
        leaves = [*[step for step in recorded.given if step is not None], *recorded.held]
        numbers = dict(zip([step for step in recorded.given if step is not None], self.used(given), strict=True))
        numbers.update({step: float(x.data) for step, x in recorded.held.items()})
        self.lanes = Lanes(recorded.program, {step: (0, k) for k, step in enumerate(leaves)})
        if not leaves or (self.lanes.widest < NARROWEST and len(recorded.program) > MOST_ON_LINES):
            return
        # Once on all leaves in a row, to see which are read together; then each such group is an array.
        groups = Arrays(self.lanes, [np.array([numbers[step] for step in leaves])]).groups
        self.arrays = own_arrays(groups, leaves)
        places = {step: (k, i) for k, (members, _) in enumerate(self.arrays) for i, step in enumerate(members)}
        self.lanes = lanes = Lanes(recorded.program, places)
        examples = [np.array([numbers[x] for x in members]).reshape(shape)[()] for members, shape in self.arrays]

        def on_arrays(*inputs: Any) -> Any:
            return Arrays(lanes, inputs).output(recorded.program.output)

        both = value_and_grad(on_arrays, argnums=tuple(range(len(examples))))
        whole = trace(both, *examples)
        named = {x: self.name_of_array(members) for x, (members, _) in zip(whole.given, self.arrays, strict=True) if x}
        shorter, _ = simplified(whole._replace(names=named), LAWS)
        said = f"{len(recorded.program)} steps as {len(lanes.classes)} classes of up to {lanes.widest} lanes."
        self.text = numpy_source(shorter, self.name, said)
        module: dict[str, Any] = {}
        exec(builtins.compile(self.text, f"<frozen {self.name}>", "exec"), module)  # noqa: S102  (this package's text)
        self.run = module[self.name]

    def used(self, given: Sequence[float]) -> list[float]:
        """The numbers among the given ones that the graph reads."""
        return [x for x, step in zip(given, self.ready().given, strict=True) if step is not None]

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
        self.ready()
        if self.run is None:
            raise GraphError(
                f"{self.name} repeats nothing, so there are no arrays to write: its graph runs as a loop over "
                f"{len(self.ready().program)} steps"
            )
        return self.text

    def explain(self) -> str:
        """What was found in the graph."""
        recorded = self.ready()
        path = (
            "its path is fixed: it was recorded once, with the branches it took"
            if self.graph is not None
            else ("recorded on three sets of numbers, which gave one structure")
        )
        lines = [f"{self.name}: {len(recorded.program)} steps, {path}"]
        if self.run is None or self.lanes is None:
            return "\n".join([*lines, "nothing repeats: the graph runs as a loop"])
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

    Recording costs three runs of f; a call costs a few operations on arrays, whatever the graph's size.

    >>> import chainrule as cr
    >>> frozen = cr.freeze(lambda w, x: (w[0] * x[0] + w[1] * x[1]).tanh())
    >>> value, (dw, dx) = frozen([0.5, -0.25], [1.0, 2.0])
    >>> value, dw
    (0.0, [1.0, 2.0])
    """
    return Frozen(f)


def as_float(x: Any) -> float:
    """A number that was given."""
    if isinstance(x, Value):
        return float(x.data)
    if isinstance(x, bool) or not isinstance(x, int | float | np.number):
        raise DtypeError(f"frozen scalar code takes numbers and nested lists of them, not a {type(x).__name__}")
    return float(x)


def record(f: Callable[..., Any], given: Sequence[float], structure: Any) -> Recorded:
    """What f records on Values of these numbers."""
    values = [Value(x) for x in given]
    out = f(*unflatten(structure, values))
    if not isinstance(out, Value):
        raise DtypeError(f"the frozen function gives one Value, and this one gave a {type(out).__name__}")
    lifted = lift(out)
    return Recorded(lifted.program, tuple([lifted.step.get(x) for x in values]), held_in(lifted, values))


def held_in(lifted: Any, values: Sequence[Value]) -> dict[Step, Value]:
    """The leaves that were not given, with their Values."""
    mine = {id(x) for x in values}
    return {step: node for node, step in lifted.step.items() if step.op is None and id(node) not in mine}


def refuse_if_different(name: str, one: Recorded, other: Recorded) -> None:
    """Two recordings must have one structure; numbers inside them must be the same."""
    why = (
        f"{name} records another graph for other numbers: a branch depends on the data, or a number was taken out of a "
        "Value. Such code cannot be frozen; cr.where, relu, maximum and abs choose inside a graph"
    )
    if len(one.program) != len(other.program):
        raise GraphError(why)
    leaf = {step: ("given", k) for k, step in enumerate(one.given) if step is not None}
    twin = {step: ("given", k) for k, step in enumerate(other.given) if step is not None}
    for x, y in zip(one.program.steps, other.program.steps, strict=True):
        if x.op is None or y.op is None:
            same = x.op is y.op and leaf.get(x) == twin.get(y)
            if same and x in one.held:
                same = float(one.held[x].data) == float(other.held[y].data)
        else:
            same = x.op is y.op and x.settings == y.settings and places(x) == places(y)
        if not same:
            raise GraphError(why)


def places(step: Step) -> list[Any]:
    """What a step reads: places of steps, and numbers."""
    return [("step", x.place) if isinstance(x, Step) else ("number", x) for x in step.inputs]


def looped(recorded: Recorded, given: Sequence[float], held: Sequence[float]) -> tuple[float, list[float]]:
    """Forward and backward as loops over the graph."""
    leaves = {step: x for step, x in zip(recorded.given, given, strict=True) if step is not None}
    leaves.update(zip(recorded.held, held, strict=True))
    steps = recorded.program.steps
    numbers: list[Any] = []
    slopes = [0.0] * len(steps)
    with Quiet():
        for step in steps:
            if step.op is None:
                numbers.append(leaves[step])
            else:
                inputs = [numbers[x.place] if isinstance(x, Step) else x for x in step.inputs]
                numbers.append(applied(step.op, inputs, step.settings))
        slopes[recorded.program.output.place] = 1.0
        for step in reversed(steps):
            if step.op is None or not step.edges:
                continue
            inputs = [numbers[x.place] if isinstance(x, Step) else x for x in step.inputs]
            for i, x in step.edges:
                share = step.op.pull(i, slopes[step.place], numbers[step.place], inputs, step.settings)
                slopes[x.place] += float(share)
    found = [0.0 if step is None else slopes[step.place] for step in recorded.given]
    return float(numbers[recorded.program.output.place]), found + [slopes[step.place] for step in recorded.held]
