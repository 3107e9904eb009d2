"""A recorded graph as a program: Values and Tensors alike, each node once, with the numbers as they were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from chainrule.collector import without_collector
from chainrule.core import Value
from chainrule.core.graph import CUT, edges_of
from chainrule.core.tensor import Tensor
from chainrule.core.walk import finished_first
from chainrule.errors import DtypeError
from chainrule.kinds import what_is
from chainrule.program.steps import Kind, Program, Step, replaced

Node = Any
"""A Value or a Tensor."""

NODES = (Value, Tensor)
DOUBLE = np.dtype(np.float64)

Made = tuple[Any, tuple[Any, ...], dict[str, Any]]
"""An operation, its inputs and its settings."""


class Lifted(NamedTuple):
    """A program, and what the recording knew beside it.

    Running a program again gives other last digits (another library's tanh, sums in another order), so what was
    recorded is kept: `numbers` by the step's place, and `nodes` for names and pictures.
    """

    program: Program
    numbers: tuple[Any, ...]
    nodes: tuple[Node, ...]
    step: dict[Node, Step]


def lift(*outputs: Node, settings_as_data: bool = False) -> Lifted:
    """The program that some recorded results were computed by; O(nodes), without recursion.

    Leaves that gradients reach are parameters, tensors without a gradient are data. What was made of something that
    moves by an operation that has no gradient (masks, places, signs) is a step like any other, so the program holds on
    other data too; what was cut out of the graph on purpose is frozen, and so is a condition that was a plain number.
    With `settings_as_data` arrays among the settings (targets, the places of an index) are leaves as well.

    >>> import chainrule as cr
    >>> from chainrule.program import lift
    >>> x = cr.Tensor([1.0, -2.0], requires_grad=True)
    >>> lifted = lift((x * (x > 0)).sum())
    >>> [step.op.name if step.op else step.kind.value for step in lifted.program.steps]
    ['parameter', 'greater', 'mul', 'sum']
    >>> float(lifted.numbers[-1])
    1.0
    """
    for output in outputs:
        if not isinstance(output, Value | Tensor):
            raise DtypeError(f"a program is lifted from Values and Tensors, not from {what_is(output)}")
    with without_collector():
        return lifted(outputs, Lifting(settings_as_data))


def lifted(outputs: Sequence[Node], lifting: Lifting) -> Lifted:
    """All nodes behind some outputs, each after its inputs."""
    made: dict[Node, Made | None] = {}

    def inputs(node: Node) -> list[Node]:
        how = made[node] = how_made(node)
        return [] if how is None else [x for x in how[1] if isinstance(x, NODES)]

    for node in finished_first(outputs, inputs):
        lifting.add(node, made[node])
    program = Program(list(lifting.steps), [lifting.step[output] for output in outputs])
    return Lifted(program, tuple([node.data for node in lifting.nodes]), tuple(lifting.nodes), lifting.step)


class Lifting:
    """A program while it is read from a graph: the steps so far, the node of each, and the step of each node."""

    def __init__(self, settings_as_data: bool) -> None:
        self.settings_as_data = settings_as_data
        self.steps: list[Step] = []
        self.nodes: list[Node] = []
        self.step: dict[Node, Step] = {}

    def add(self, node: Node, made: Made | None) -> None:
        """The step of a node whose inputs have theirs."""
        if made is None:
            self.keep(node, Step(kind_of(node), node.shape, dtype_of(node)))
            return
        op, inputs, settings = made
        decided = op.flat if isinstance(node, Value) else ()
        given = [
            self.step[x] if isinstance(x, NODES) else self.frozen(x) if i in decided else x
            for i, x in enumerate(inputs)
        ]
        if settings and (self.settings_as_data or is_frozen(node)):
            kind = Kind.FROZEN if is_frozen(node) else Kind.DATA
            settings = replaced(settings, partial(self.data, kind), np.ndarray)
        self.keep(node, Step(Kind.RESULT, node.shape, dtype_of(node), op=op, inputs=tuple(given), settings=settings))

    def keep(self, node: Node, step: Step) -> Step:
        self.step[node] = step
        self.steps.append(step)
        self.nodes.append(node)
        return step

    def frozen(self, number: Any) -> Step:
        """A leaf for a number that was decided when the program ran, as a condition of Values is."""
        return self.keep(Value(float(number)), Step(Kind.FROZEN, ()))

    def data(self, kind: Kind, array: Any) -> Step:
        """A leaf for an array among the settings."""
        leaf = Tensor(array, dtype=array.dtype)
        return self.keep(leaf, Step(kind, leaf.shape, leaf.dtype))


def how_made(node: Node) -> Made | None:
    """The operation, inputs and settings that made a node, recorded or remembered; None for a leaf."""
    if node.op is not None:
        edges_of(node)  # which says so where the graph behind it was let go
        return node.op, node.inputs, node.settings
    if isinstance(node, Value) or node.requires_grad or node.origin is None:
        return None
    origin = node.origin()
    return None if origin is None else (origin.op, origin.inputs, origin.settings)


def is_frozen(node: Node) -> bool:
    """Whether settings of a recorded node came from what moves, and hold for this run alone."""
    return isinstance(node, Tensor) and node.requires_grad and node.origin is not None and CUT in node.origin


def kind_of(leaf: Node) -> Kind:
    """What a leaf is to the derivative."""
    if isinstance(leaf, Value):
        return Kind.FROZEN if leaf.is_constant else Kind.PARAMETER
    if leaf.requires_grad:
        return Kind.PARAMETER
    return Kind.DATA if leaf.origin is None else Kind.FROZEN


def dtype_of(node: Node) -> np.dtype[Any]:
    """The type of a node's numbers; a Value's is double precision."""
    return DOUBLE if isinstance(node, Value) else node.dtype
