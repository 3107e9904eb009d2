"""One walk over a computation, for whoever hands something from node to node: gradients, sizes, terms, wrong gradients.

The engine has a loop of its own, since it computes in memory that is free. Everything that tells of a computation, asks
what if, or marks, walks here, and says in hooks what it wants to know on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

Node = Any
"""A Value, a Tensor, a term or a step of a program: whatever has `edges`, the pairs ``(slot, input)``."""

Edges = Sequence[tuple[int, Node]]


def together(held: Any, new: Any) -> Any:
    """What meets at a node adds up."""
    return held + new


def replacing(held: Any, new: Any) -> Any:
    """The mistake ``=`` in place of ``+=``."""
    return new


def walk(
    order: Iterable[Node],
    start: Mapping[Node, Any],
    shares: Callable[[Node, Edges, Any], Iterable[Any]],
    *,
    among: Container[Node] | None = None,
    add: Callable[[Any, Any], Any] = together,
    arrived: Callable[[Node, int, Node, Any, Any, Any], None] | None = None,
) -> dict[Node, Any]:
    """Hand what each node holds along its edges, in the given order: what every node holds in the end; O(edges).

    `start` is what some nodes hold to begin with. ``shares(node, edges, held)`` gives what passes along each of the
    node's edges (None for nothing), and `add` joins what meets. Edges that lead to no node `among` are left out.
    ``arrived(source, slot, node, before, share, after)`` is told of each arrival.

    >>> import chainrule as cr
    >>> from chainrule.core.graph import backward_order
    >>> from chainrule.core.walk import walk
    >>> a = cr.Value(3.0)
    >>> b = a * a
    >>> slopes = lambda node, edges, g: [g * slope for slope in node.local_derivatives]
    >>> walk(backward_order([b]), {b: 1.0}, slopes)[a]
    6.0
    """
    held: dict[Node, Any] = dict(start)
    for node in order:
        if node not in held:
            continue
        edges = node.edges if among is None else [(slot, x) for slot, x in node.edges if x in among]
        if not edges:
            continue
        for (slot, x), share in zip(edges, shares(node, edges, held[node]), strict=True):
            if share is None:
                continue
            before = held.get(x)
            after = held[x] = share if before is None else add(before, share)
            if arrived is not None:
                arrived(node, slot, x, before, share, after)
    return held


def made_from(order: Iterable[Node], sources: Iterable[Node], *, without: Node = None) -> set[Node]:
    """The nodes that some sources are in, and these, where one node is left out; `order` has inputs first."""
    found = set(sources)
    for node in order:
        if node is not without and not found.isdisjoint([x for _, x in node.edges]):
            found.add(node)
    return found


def met_by_all(order: Sequence[Node]) -> list[Node]:
    """The nodes that every path from the first passes, of some nodes, consumers first; O(edges)."""
    waiting, among, found = {order[0]}, set(order), list[Node]()
    for node in order:
        waiting.discard(node)
        if not waiting:
            found.append(node)
        waiting.update([x for _, x in node.edges if x in among])
    return found


def inputs_of(node: Node, reverse: bool) -> list[Node]:
    """A node's inputs, in order or in reverse."""
    found = [x for _, x in node.edges]
    return found[::-1] if reverse else found


def finished_first(starts: Sequence[Node], below: Callable[[Node], Sequence[Node]]) -> list[Node]:
    """The nodes in the order in which a depth-first search leaves them, each after all that lies below it; O(edges).

    ``below(node)`` is asked once of every node, when the search comes to it.
    """
    met, left = set[Node](), list[Node]()
    stack = [(node, False) for node in reversed(starts)]
    while stack:
        node, ready = stack.pop()
        if ready:
            left.append(node)
        elif node not in met:
            met.add(node)
            stack.append((node, True))
            stack += [(x, False) for x in reversed(below(node))]
    return left


def finished_last(output: Node, reverse: bool) -> list[Node]:
    """The reverse of the order in which a depth-first search leaves the nodes, as micrograd builds it.

    Every node comes after all that use it. With `reverse` the search takes a node's inputs from the last on.
    """
    return finished_first([output], lambda node: inputs_of(node, reverse))[::-1]


def first_met(output: Node, reverse: bool) -> list[Node]:
    """The nodes in the order in which a depth-first search meets them: some before others that use them."""
    order: dict[Node, None] = {}
    stack = [output]
    while stack:
        node = stack.pop()
        if node not in order:
            order[node] = None
            stack += inputs_of(node, not reverse)
    return list(order)


def every_way(output: Node, reverse: bool) -> Iterator[tuple[Node, int, Node]]:
    """The edges of every way down from a node, one way after the other: ``(node, slot, input)``.

    A shared edge comes once for each way, so there may be exponentially many.
    """

    def edges(node: Node) -> Iterator[tuple[Node, int, Node]]:
        pairs = list(node.edges)
        return iter([(node, slot, x) for slot, x in (pairs[::-1] if reverse else pairs)])

    stack = [edges(output)]
    while stack:
        edge = next(stack[-1], None)
        if edge is None:
            stack.pop()
            continue
        yield edge
        stack.append(edges(edge[2]))
