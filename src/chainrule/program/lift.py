"""A recorded graph as a program: Values and Tensors alike, each node once, with the numbers as they were recorded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.core import Value
from chainrule.core.graph import backward_order
from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError
from chainrule.program.steps import Kind, Program, Step

Node = Any
"""A Value or a Tensor."""


class Lifted(NamedTuple):
    """A program, and what the recording knew beside it.

    Running a program again gives other last digits (another library's tanh, sums in another order), so what was
    recorded is kept: `numbers` by the step's place, and `nodes` for names and pictures.
    """

    program: Program
    numbers: tuple[Any, ...]
    nodes: tuple[Node, ...]
    step: dict[Node, Step]


def lift(*outputs: Node) -> Lifted:
    """The program that some recorded results were computed by; O(nodes), without recursion.

    Leaves that gradients reach are parameters, tensors without a gradient are data.

    >>> import chainrule as cr
    >>> from chainrule.program import lift
    >>> x = cr.Tensor([1.0, 2.0], requires_grad=True)
    >>> lifted = lift((x * x).sum())
    >>> [step.op.name if step.op else step.kind.value for step in lifted.program.steps]
    ['parameter', 'mul', 'sum']
    >>> float(lifted.numbers[-1])
    5.0
    """
    for output in outputs:
        if not isinstance(output, Value | Tensor):
            raise DtypeError(f"a program is lifted from Values and Tensors, not from a {type(output).__name__}")
    step: dict[Node, Step] = {}
    nodes: list[Node] = []
    for node in reversed(backward_order(outputs)):
        op = node.op
        if op is None:
            add_leaf(node, step, nodes)
            continue
        given = tuple([lifted_input(x, step, nodes) for x in node.inputs])
        step[node] = Step(Kind.RESULT, node.shape, dtype_of(node), op=op, inputs=given, settings=node.settings)
        nodes.append(node)
    program = Program(list(step.values()), [step[output] for output in outputs])
    return Lifted(program, tuple([node.data for node in nodes]), tuple(nodes), step)


def lifted_input(x: Any, step: dict[Node, Step], nodes: list[Node]) -> Any:
    """An input of a node: its step, or a plain number as it is."""
    if not isinstance(x, Value | Tensor):
        return x
    if x not in step:  # data: no edge leads there, so no order has it
        add_leaf(x, step, nodes)
    return step[x]


def add_leaf(node: Node, step: dict[Node, Step], nodes: list[Node]) -> None:
    """A node that nothing recorded made."""
    step[node] = Step(Kind.PARAMETER if node.requires_grad else Kind.DATA, node.shape, dtype_of(node))
    nodes.append(node)


def dtype_of(node: Node) -> np.dtype[Any]:
    """The type of a node's numbers; a Value's is double precision."""
    return np.dtype(np.float64) if isinstance(node, Value) else node.dtype
