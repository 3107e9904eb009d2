"""Feed-forward nets recognised in a program: layers of weighted sums with their activations, and a cost on top.

How a net was written makes no difference: by modules, by hand with examples in rows or in columns, or number by number
on Values, one example after the other. What comes out is the same for all: one `Layer` after the other, an example in
each row, as ids of the program's numbers.
"""

from __future__ import annotations

from collections.abc import Callable

from chainrule.program.nets.arrays import OfArrays
from chainrule.program.nets.net import Layer, Net, NotANet
from chainrule.program.nets.values import OfValues
from chainrule.program.steps import Program, Step

__all__ = ["Layer", "Net", "NotANet", "recognised"]


def recognised(program: Program, name_of: Callable[[Step], str | None] | None = None) -> Net:
    """The net that a program with one output is; NotANet says what does not fit.

    `name_of` gives the name of a step, for messages, and to tell a weight from an input where both are leaves that
    gradients reach. O(steps + entries).

    >>> import chainrule as cr
    >>> from chainrule.micrograd.nn import MLP
    >>> from chainrule.program import lift, recognised
    >>> net = MLP(3, [4, 4, 1])
    >>> loss = sum((net(x) - y) ** 2 for x, y in [([2.0, 3.0, -1.0], 1.0), ([3.0, -1.0, 0.5], -1.0)])
    >>> found = recognised(lift(loss).program)
    >>> [layer.weights.shape for layer in found.layers], found.examples, found.parameters
    ([(4, 3), (4, 4), (1, 4)], 2, 41)
    """
    name_of = name_of or (lambda step: None)
    of_values = all([step.shape == () for step in program.steps])
    reader = OfValues(program, name_of) if of_values else OfArrays(program, name_of)
    return reader.net()
