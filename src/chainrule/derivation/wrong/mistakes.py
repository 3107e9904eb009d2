"""Wrong backward passes, really run on a recorded graph: each is the right algorithm with one line changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from chainrule.core.operation import Linear, Operation, Pointwise
from chainrule.core.walk import Edges, every_way, finished_last, first_met, replacing, together, walk
from chainrule.errors import GraphError
from chainrule.maths import Number

if TYPE_CHECKING:  # a locator of mistakes opens no tape, and need not wait for one
    from chainrule.derivation.tape.tape import Tape

MOST_STEPS = 100_000
"""A recursion that passes a gradient on for every path is stopped after so many steps."""

Node = Any
Edge = tuple[Node, int]
"""A node and the place of one of its inputs."""


class Graph(Protocol):
    """What a wrong pass needs of a graph: a tape has it, a program at some numbers, and a page's own graph."""

    @property
    def output(self) -> Node:
        """The result that is differentiated."""

    @property
    def order(self) -> Sequence[Node]:
        """All nodes, inputs before what uses them."""
        raise NotImplementedError

    def share(self, node: Node, slot: int, g: Any, /) -> Any:
        """What a node on which the gradient `g` arrived hands back to its input `slot`."""


class Event(NamedTuple):
    """A share arrives at a node: what was there, what arrived, and what is there then."""

    source: Node
    node: Node
    before: Any
    share: Any
    after: Any


def event_of(source: Node, node: Node, before: Any, share: Any, after: Any) -> Event:
    """The arrival of a share where nothing (None) or something was before."""
    return Event(source, node, np.zeros(node.shape)[()] if before is None else before, share, after)


@dataclass(frozen=True)
class Attempt:
    """A backward pass: its name, its program, the gradients it leaves, and what happened on the way."""

    name: str
    code: tuple[str, ...]
    gradients: dict[Node, Any]
    events: tuple[Event, ...]
    finished: bool = True


INDENT = "\N{NO-BREAK SPACE}" * 4
LOOP = ("output.grad = 1", "for node in order:", f"{INDENT}for x, local in node.inputs:")
RIGHT = (*LOOP, f"{INDENT}{INDENT}x.grad += local * node.grad")
OVERWRITING = (*LOOP, f"{INDENT}{INDENT}x.grad = local * node.grad  # = in place of +=")
DEPTH_FIRST = (
    "def backward(node):  # hands on when it is first met, and waits for nobody",
    f"{INDENT}for x, local in node.inputs:",
    f"{INDENT}{INDENT}x.grad += local * node.grad",
    f"{INDENT}for x, local in node.inputs:",
    f"{INDENT}{INDENT}if x is new: backward(x)",
)
NAIVE = (
    "def backward(node):  # hands on all it has whenever something arrives",
    f"{INDENT}for x, local in node.inputs:",
    f"{INDENT}{INDENT}x.grad += local * node.grad",
    f"{INDENT}{INDENT}backward(x)",
)
FORGETTING = (*LOOP, f"{INDENT}{INDENT}x.grad += node.grad  # for one input, without local")
FORGETTING_AN_ARRAY = (*FORGETTING, "# a product of arrays has ones where what it is multiplied by belongs")


def sweep(
    graph: Graph,
    order: Iterable[Node],
    *,
    name: str = "right",
    code: tuple[str, ...] = RIGHT,
    overwrite: bool = False,
    start: dict[Node, Any] | None = None,
    forgotten: Edge | None = None,
) -> Attempt:
    """One pass over the nodes in the given order; `start` has what earlier passes left."""
    events: list[Event] = []

    def shares(node: Node, edges: Edges, g: Any) -> list[Any]:
        left_out = None if forgotten is None or node is not forgotten[0] else forgotten[1]
        return [g if slot == left_out else graph.share(node, slot, g) for slot, _ in edges]

    def arrived(source: Node, slot: int, x: Node, before: Any, share: Any, after: Any) -> None:
        events.append(event_of(source, x, before, share, after))

    begin = {**(start or {}), graph.output: np.float64(1.0)}
    gradients = walk(order, begin, shares, add=replacing if overwrite else together, arrived=arrived)
    return Attempt(name, code, gradients, tuple(events))


def orders(graph: Graph) -> Iterator[tuple[str, list[Node]]]:
    """Two orders in which every node comes after its consumers: they differ in which input is visited first."""
    first = finished_last(graph.output, reverse=False)
    second = finished_last(graph.output, reverse=True)
    yield "inputs visited in order", first
    if list(map(id, second)) != list(map(id, first)):
        yield "inputs visited in reverse", second


def overwriting(graph: Graph) -> list[Attempt]:
    """``=`` in place of ``+=``, in both orders."""
    return [sweep(graph, order, name=name, code=OVERWRITING, overwrite=True) for name, order in orders(graph)]


def out_of_order(graph: Graph) -> list[Attempt]:
    """Nodes that hand on before all has arrived: too early, and again whenever something arrives."""
    return [run(graph, reverse) for run in (depth_first, naive_recursion) for reverse in (False, True)]


def depth_first(graph: Graph, reverse: bool) -> Attempt:
    """Every node hands on when it is first met, with what has arrived until then."""
    name = f"depth first, inputs in {'reverse' if reverse else 'order'}"
    return sweep(graph, first_met(graph.output, reverse), name=name, code=DEPTH_FIRST)


def naive_recursion(graph: Graph, reverse: bool, most: int = MOST_STEPS) -> Attempt:
    """Every share that arrives makes a node hand on all it has: what came earlier is counted again."""
    gradients: dict[Node, Any] = {graph.output: np.float64(1.0)}
    events: list[Event] = []
    for node, slot, x in islice(every_way(graph.output, reverse), most):
        share, before = graph.share(node, slot, gradients[node]), gradients.get(x)
        gradients[x] = share if before is None else before + share
        events.append(event_of(node, x, before, share, gradients[x]))
    name = f"naive recursion, inputs in {'reverse' if reverse else 'order'}"
    return Attempt(name, NAIVE, gradients, tuple(events), finished=len(events) < most)


def not_zeroed(graph: Graph) -> list[Attempt]:
    """A second pass on what the first one left: on the leaves alone, and on every node."""
    order = graph.order[::-1]
    first = sweep(graph, order).gradients
    leaves = {node: g for node, g in first.items() if node.op is None}
    twice = (*RIGHT, "# and all of it once more, without zero_grad in between")
    return [
        sweep(graph, order, name="leaves keep theirs (PyTorch, chainrule)", code=twice, start=leaves),
        sweep(graph, order, name="every node keeps its own (micrograd)", code=twice, start=first),
    ]


def factors_of(op: Operation, slot: int, count: int) -> tuple[int, ...] | None:
    """The other inputs that one input is multiplied by, none where it is only moved or added up.

    None of an operation that is not linear in that input: its local derivative is all the factor there is.
    """
    if not isinstance(op, Linear):
        return None
    of_result, read = op.reads(slot, count)
    return None if of_result or slot in read else tuple([i for i in read if op.differentiable(i)])


def without_factors(op: Operation, slot: int, inputs: Sequence[Any]) -> list[Any]:
    """The inputs with ones for those that one is multiplied by: of these its share is, where they are left out."""
    others = factors_of(op, slot, len(inputs)) or ()
    return [np.ones(np.shape(x)) if i in others else x for i, x in enumerate(inputs)]


def can_be_forgotten(tape: Tape, node: Node, slot: int) -> bool:
    """Whether an edge has a factor that could be left out: a local derivative that is not always 1."""
    return isinstance(node.op, Pointwise) and tape.slope_formula(node, slot) != Number("1")


def forgetting(tape: Tape, edge: Edge) -> Attempt:
    return sweep(tape, tape.order[::-1], name="forgotten", code=FORGETTING, forgotten=edge)


def forgetting_each(tape: Tape) -> list[Attempt]:
    edges = [(node, slot) for node in tape.order[::-1] for slot, _ in node.edges]
    return [forgetting(tape, edge) for edge in edges if can_be_forgotten(tape, *edge)]


def differs(ours: Any, theirs: Any) -> bool:
    """Whether two gradients are told apart by more than rounding."""
    return not np.allclose(ours, theirs, rtol=1e-9, atol=1e-12, equal_nan=True)


def used_several_times(tape: Tape, nodes: Sequence[Node]) -> list[Node]:
    return [node for node in nodes if len(tape.consumers.get(node, ())) > 1]


@dataclass(frozen=True)
class Mistake:
    """A well-known mistake: its name in docs/mistakes.md, what is asked, what comes of it, and the wrong passes."""

    name: str
    title: str
    answer: str
    why: str
    attempts: Callable[[Tape], list[Attempt]]


MISTAKES = {
    "overwrite": Mistake(
        "overwritten",
        "What if gradients were overwritten",
        "Wrong: = in place of +=",
        "A node that is used several times gets a share of its gradient from each use. With = in place of += each"
        " share overwrites the one before, and the last one to arrive is all that is left. Which one is last "
        "depends on the order, so the wrong answer does too; micrograd keeps inputs in a set, whose order is not "
        "fixed.",
        overwriting,
    ),
    "order": Mistake(
        "wrong-order",
        "What if nodes did not wait for each other",
        "Wrong: nodes that do not wait",
        "A node may hand its gradient on only when all of its consumers have reported: then it is complete. A "
        "search that visits each node when it is first met hands on too little, and what arrives later is lost. A"
        " recursion that hands on at every arrival sends what came earlier again, and counts it twice.",
        out_of_order,
    ),
    "zero_grad": Mistake(
        "not-zeroed",
        "What if zero_grad were forgotten",
        "Wrong: a second pass without zero_grad",
        "Gradients add up on purpose, within a pass and over passes. Without zero_grad a second pass adds to what"
        " the first one left. Where only leaves keep their gradients (PyTorch, and here) each simply counts once "
        "more; where intermediate nodes keep theirs too (micrograd) the old sums are handed on again, and the "
        "error grows.",
        not_zeroed,
    ),
    "forgotten": Mistake(
        "missing-factor",
        "What if a local derivative were forgotten",
        "Wrong: a local derivative left out",
        "Each arrow of the graph has a local derivative, a factor in every path through it. Here it is left out, "
        "as if the gradient were handed on unchanged. A factor that is 1 at these numbers, or through which "
        "nothing flows, can be left out unnoticed: choose other numbers to test a derivation.",
        forgetting_each,
    ),
}
"""The mistakes that `what_if` runs and a picture shows, by name."""


def key_of(name: str) -> str:
    """What is meant by a name, here or in docs/mistakes.md."""
    return next((key for key, mistake in MISTAKES.items() if mistake.name == name), name)


def mistake_of(name: str) -> Mistake:
    """The mistake of that name; GraphError with what there is for any other."""
    name = key_of(name)
    if name not in MISTAKES:
        raise GraphError(f"there is no mistake {name!r}: choose one of {', '.join(MISTAKES)}")
    return MISTAKES[name]
