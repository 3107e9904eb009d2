"""The plain data of a derivation: nodes, arrows and the log of accumulations, as far as a reader can take them in."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.core.term import name_of
from chainrule.derivation.record import Accumulation, Arrow, Large, Node, Numbers
from chainrule.derivation.tape.tape import Tape

LISTED = 400
"""Nodes that a derivation lists; of a larger graph those nearest to its output and to `wrt`."""

ENTRIES = 64
"""An array with more entries is described and not written out."""

ENTRIES_ON_REQUEST = 10_000


def numbers_of(x: Any, whole: bool = False) -> Numbers:
    """A number as a float, a small array as nested tuples, a large one by what can be said of it. O(entries).

    >>> from chainrule.derivation.tape.nodes import numbers_of
    >>> numbers_of([[1, 2], [3, 4]])
    ((1.0, 2.0), (3.0, 4.0))
    """
    array = np.asarray(x, dtype=np.float64)
    if array.size <= (ENTRIES_ON_REQUEST if whole else ENTRIES):
        return nested(array.tolist())
    with np.errstate(all="ignore"):
        return Large(
            shape=array.shape,
            smallest=float(np.min(array)),
            largest=float(np.max(array)),
            zeros=int(array.size - np.count_nonzero(array)),
            length=float(np.sqrt(np.sum(np.square(array)))),
        )


def nested(x: Any) -> Numbers:
    return tuple([nested(part) for part in x]) if isinstance(x, list) else x


class Listed:
    """The nodes of an opened graph that are listed, each with its id: its place in the order of the forward."""

    def __init__(self, tape: Tape, whole: bool = False) -> None:
        self.tape = tape
        self.whole = whole
        self.ids: dict[Any, int] = {node: k for k, node in enumerate(tape.order)}
        self.listed = chosen(tape)
        self.nodes: tuple[Node, ...] = tuple(
            [self._node(node) for node in sorted(self.listed, key=self.ids.__getitem__)]
        )
        self.log: tuple[Accumulation, ...] = tuple(self._log())

    def _node(self, node: Any) -> Node:
        tape = self.tape
        gradient = tape.gradients.get(node)
        return Node(
            id=self.ids[node],
            symbol=tape.symbols[node],
            operation=name_of(node),
            formula=None if node.op is None else tape.formula(node),
            shape=tuple(node.shape),
            value=numbers_of(tape.numbers[node], self.whole),
            gradient=None if gradient is None else numbers_of(gradient, self.whole),
            inputs=tuple(self._arrows(node)),
        )

    def _arrows(self, node: Any) -> list[Arrow]:
        found: list[Arrow] = []
        for slot, x, share in self.tape.handed_by.get(node, []):
            pointwise = isinstance(node.op, Pointwise)
            derivative = self.tape.slope_formula(node, slot)
            value = numbers_of(self.tape.slope(node, slot), self.whole) if pointwise else None
            found.append(Arrow(self.ids[x], derivative, value, numbers_of(share, self.whole)))
        return found

    def _log(self) -> list[Accumulation]:
        return [
            Accumulation(
                step,
                self.ids[arrival.node],
                self.ids[arrival.source],
                numbers_of(arrival.contribution, self.whole),
                numbers_of(arrival.total, self.whole),
            )
            for step, arrival in enumerate(self.tape.arrivals, 1)
            if arrival.node in self.listed and arrival.source in self.listed
        ]


def chosen(tape: Tape) -> set[Any]:
    """The nodes to list: all on the way, or those nearest to the two ends."""
    path = tape.path
    if len(path) <= LISTED:
        return set(path)
    half = LISTED // 2
    return {*path[:half], *path[-half:], *tape.wrt[:LISTED]}
