"""Chains for the kernel machine, recorded from the NumPy that says what they compute.

A kernel of rules/kernels.py, a rule, or the product of a gradient with a rule's local derivative is run once on
stand-ins that note down every operation. So what runs compiled is stated once, and no kernel of the machine knows a
derivative.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from chainrule.core.instructions import REGISTERS, Chain, Plan, Slot, bits
from chainrule.core.numpy_names import OTHER_NAMES
from chainrule.core.operation import book
from chainrule.core.place import Place

UNREAD, ENTRIES, CHANGED, NUMBER = range(4)
"""What an argument is, as arrays.h has it."""
ROLES = {"entries": ENTRIES, "changed": CHANGED, "number": NUMBER}

FRESH, TOTAL, NOTHING = -1, -2, -3
"""What a chain gives, if it is no argument."""

PRIMITIVE = {"erf": "erf", "erfc": "erfc", "logistic": "sigmoid", "relu": "relu", "normal_cdf": "share"}
"""Kernels and rules that are operations of the machine."""

NUMBERS, FIRST_ARGUMENT = range(2)
"""The pieces of a chain's memory: its numbers, then the arguments, then what is given."""

DTYPE = object()
"""The type of all entries."""


class Node:
    """One value: an argument, a number, or an operation on others; whether it is one number for all entries."""

    __slots__ = ("name", "one", "operands", "which")

    def __init__(self, name: str, one: bool, operands: tuple[Node, ...] = (), which: Any = None) -> None:
        self.name = name
        self.one = one
        self.operands = operands
        self.which = which


class Recorder:
    """All nodes in their order; equal ones are one."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[Any, ...], Node] = {}

    def node(self, name: str, one: bool, operands: tuple[Node, ...] = (), which: Any = None) -> Node:
        key = (name, *map(id, operands), which)
        if key not in self.nodes:
            self.nodes[key] = Node(name, one, operands, which)
        return self.nodes[key]

    def taken(self, x: Any) -> Node:
        """The node of what an operation was given."""
        return x.node if isinstance(x, Recorded) else self.node("number", True, (), float(x))

    def operate(self, name: str, *inputs: Any) -> Recorded:
        """An elementwise operation."""
        operands = tuple([self.taken(x) for x in inputs])
        return Recorded(self, self.node(name, all([x.one for x in operands]), operands))

    def total(self, x: Recorded) -> Recorded:
        """The sum of all entries."""
        return Recorded(self, self.node("total", True, (x.node,)))


class Recorded(NDArrayOperatorsMixin):
    """Stands for an array while a function is recorded: a variable, whose node changes where it is written to."""

    __array_priority__ = 1000

    def __init__(self, recorder: Recorder, node: Node) -> None:
        self.recorder = recorder
        self.node = node

    @property
    def dtype(self) -> Any:
        """That of all arrays, or of truth values."""
        return np.dtype(np.bool_) if self.node.name.startswith(("greater", "less")) else DTYPE

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (None,), axis: Any = None) -> Any:
        if method == "reduce":
            return self.recorder.total(*inputs)
        name = str(ufunc.__name__)
        found = self.recorder.operate(OTHER_NAMES.get(name, name), *inputs)
        if out[0] is None:
            return found
        out[0].node = found.node
        return out[0]

    def __array_function__(self, function: Any, types: Any, inputs: Any, settings: Any) -> Any:
        if function is np.vdot:
            return self.recorder.total(self.recorder.operate("mul", *inputs))
        return self.recorder.operate(function.__name__, *inputs)

    @staticmethod
    def __apply__(operation: Any, inputs: Any, settings: Any) -> Recorded:
        (recorder,) = {x.recorder for x in inputs if isinstance(x, Recorded)}
        return recorder.operate(operation.name, *inputs)

    @staticmethod
    def __kernel__(name: str, x: Recorded) -> Any:
        return x.recorder.operate(PRIMITIVE[name], x)


SLOPES = {"gelu": "share_bell_mul"}
"""Rules whose slope the machine has whole, times a gradient: two operations would each take the same power of e."""


def forward(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function, or the operation that the machine has for it."""
    name = function.__name__
    return functools.partial(Recorded.__kernel__, name) if name in PRIMITIVE else function


def backward(name: str) -> Callable[..., Any]:
    """What a rule makes of a gradient, its output and its input."""
    rule: Any = book[name]

    def back(g: Recorded, out: Recorded, x: Recorded) -> Recorded:
        if name in SLOPES:
            share = g.recorder.operate(SLOPES[name], x, g)
        else:
            share = rule.passed(g, rule.stated(0, out, (x,), {}))
        g.node = share.node
        return g

    return back


def record(function: Callable[..., Any], words: str) -> tuple[bytes, bytes, tuple[int, ...], int]:
    """What the machine's Chain is made of, for a function whose arguments have these roles.

    These are the words of the instruction, its constants, what each argument is, and what is given.
    """
    recorder = Recorder()
    roles = tuple([ROLES[word] for word in words.split()])
    starts = [recorder.node("argument", role == NUMBER, (), i) for i, role in enumerate(roles)]
    arguments = [Recorded(recorder, x) for x in starts]
    out = function(*arguments)
    changed = {i: x.node for i, x in enumerate(arguments) if roles[i] == CHANGED and x.node is not starts[i]}
    given = [i for i, x in enumerate(arguments) if x is out]
    if out is None:
        gives = NOTHING
    elif given:
        gives = given[0]
    else:
        gives = TOTAL if out.node.name == "total" else FRESH
        changed[len(roles)] = out.node
    writer = Writer(roles, changed, list(recorder.nodes.values()))
    return *writer.written(), gives


class Writer:
    """Writes the nodes that are wanted, in the memory of arguments or of the result, as one chain."""

    def __init__(self, roles: tuple[int, ...], wanted: dict[int, Node], order: list[Node]) -> None:
        self.roles = roles
        self.wanted = wanted
        self.order = joined(needed(wanted.values(), order), wanted.values())
        self.last = {x: k for k, node in enumerate(self.order) for x in node.operands}
        self.constants = [node.which for node in self.order if node.name == "number"]
        self.chain = Chain(np.dtype(np.float64), (1,))
        self.found: dict[Node, int] = {}

    def written(self) -> tuple[bytes, bytes, tuple[int, ...]]:
        """The words of the instruction, its constants, and the roles of what it reads or writes."""
        into = self.targets()
        for k, node in enumerate(self.order):
            self.write(node, into.get(node))
            for x in dict.fromkeys(node.operands):
                if self.last[x] == k and x not in self.wanted.values() and not x.one and self.found[x] < REGISTERS:
                    self.chain.free.append(self.found[x])
        for place, node in self.wanted.items():
            if into.get(node) != place and node.name != "total":
                self.chain.operate("identity", self.at(place), self.found[node])
        plan = Plan({})
        self.chain.written(plan)
        met = {node.which for node in self.order if node.name == "argument"} | self.wanted.keys()
        roles = tuple([role if i in met else UNREAD for i, role in enumerate(self.roles)])
        words, constants = np.array(plan.words, np.int64), np.array(self.constants, np.float64)
        return words.tobytes(), constants.tobytes(), roles

    def targets(self) -> dict[Node, int]:
        """Values that are computed where they are wanted: what was there before is not read any more."""
        into: dict[Node, int] = {}
        for place, node in self.wanted.items():
            before = [x for x in self.order if x.name == "argument" and x.which == place]
            if node.operands and node.name != "total" and node not in into:
                if not before or self.last.get(before[0], -1) <= self.order.index(node):
                    into[node] = place
        return into

    def at(self, place: int, kind: int = Slot.STREAM) -> int:
        """The operand of an argument, or of the result."""
        return self.chain.slot(kind, Place(FIRST_ARGUMENT + place, 0, (1,), (1,), np.dtype(np.float64)))

    def number(self, place: int) -> int:
        """The operand of a constant, or of an argument that is a number."""
        return self.chain.slot(Slot.ONE, Place(NUMBERS, 8 * place, (), (), np.dtype(np.float64)))

    def write(self, node: Node, into: int | None) -> None:
        """A node's operand, and the operation that computes it."""
        if node.name == "number":
            self.found[node] = self.number(self.constants.index(node.which))
        elif node.name == "argument":
            self.found[node] = self.number(len(self.constants) + node.which) if node.one else self.at(node.which)
        elif node.name == "total":
            self.found[node] = self.at(len(self.roles), Slot.RESULT)
            self.chain.operate("total", self.found[node], self.found[node.operands[0]], bits(1.0))
        else:
            self.found[node] = self.chain.register() if into is None else self.at(into)
            operands = [self.found[x] for x in node.operands]
            self.chain.operate(node.name, self.found[node], *operands, once=node.one)


def needed(wanted: Iterable[Node], order: list[Node]) -> list[Node]:
    """What values are made of, in its order."""
    reached: set[Node] = set()
    waiting = list(wanted)
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += node.operands
    return [node for node in order if node in reached]


def joined(order: list[Node], wanted: Iterable[Node]) -> list[Node]:
    """What the machine has as one operation and a chain does not find by itself: a mask, a bell, a share of something.

    Other pairs are joined where the chain is written.
    """
    for node in order:
        if node.name == "chosen" and is_positive(node.operands[1]):
            node.name, node.operands = "gate", (node.operands[0], node.operands[1].operands[0])
        elif node.name == "exp" and is_minus_square(node.operands[0]):
            node.name, node.operands = "bell", node.operands[0].operands[0].operands[:1]
        elif node.name == "mul" and any([x.name == "share" for x in node.operands]):
            share, other = sorted(node.operands, key=lambda x: x.name != "share")
            node.name, node.operands = "share_mul", (*share.operands, other)
    return needed(wanted, order)


def is_positive(x: Node) -> bool:
    """Whether a node asks what is above 0."""
    return x.name == "greater" and x.operands[1].which == 0


def is_minus_square(x: Node) -> bool:
    """Whether a node is minus a product of something with itself."""
    return x.name == "neg" and x.operands[0].name == "mul" and len(set(x.operands[0].operands)) == 1
