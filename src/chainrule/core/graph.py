"""Walks over a recorded graph: one order, reverse mode and forward mode, for every kind of node.

A node has `op`, `inputs` (an ordered tuple of nodes and plain numbers), `settings`, `data`, and `edges`: the pairs
``(i, input)`` through which a change can pass. Nothing here recurses, so a chain of millions is no deeper than one.

Both modes run either on numbers (fast) or on the nodes themselves (`record=True`): then the same rules record what they
do, and the result can be differentiated again. Nodes are told apart by identity, so perturbations cannot be confused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chainrule.core.state import Quiet, switches

Node = Any


def backward_order(outputs: Sequence[Node]) -> list[Node]:
    """Every node that the outputs depend on, each after all of its consumers (Kahn, 1962); O(nodes + edges).

    The scalar engine's compiled backward pass visits nodes in this same order.
    """
    waiting: dict[Node, int] = dict.fromkeys(outputs, 0)
    stack = list(waiting)
    while stack:
        for _, x in stack.pop().edges:
            uses = waiting.get(x)
            if uses is None:
                stack.append(x)
            waiting[x] = 1 if uses is None else uses + 1
    order: list[Node] = []
    stack = [node for node in dict.fromkeys(outputs) if not waiting[node]]
    while stack:
        node = stack.pop()
        order.append(node)
        for _, x in node.edges:
            waiting[x] -= 1
            if not waiting[x]:
                stack.append(x)
    return order


def pullback(
    outputs: Sequence[Node],
    cotangents: Sequence[Any],
    arrived: Callable[[Node, Any, bool], bool],
    *,
    among: Sequence[Node] | None = None,
    record: bool = False,
) -> None:
    """Reverse mode from the outputs towards the leaves, or through the nodes `among` alone (consumers first).

    ``arrived(node, gradient, fresh)`` is called with every node's complete gradient and says whether to go on through
    it; `fresh` tells of a leaf's gradient that nothing else holds its memory.
    """
    gradients: dict[Node, Any] = {}
    fresh: set[Node] = set()
    for node, g in zip(outputs, cotangents, strict=True):
        gradients[node] = gradients[node] + g if node in gradients else g
    path = None if among is None else set(among)
    with Quiet():
        for node in backward_order(outputs) if among is None else among:
            g = gradients.pop(node, None)
            if g is None or not arrived(node, g, node in fresh):
                continue
            for x, share in shares(node, g, record, path):
                if x in gradients:
                    gradients[x] = gradients[x] + share
                    fresh.add(x)
                else:
                    gradients[x] = share
                    if not x.edges and share is not g and getattr(share, "base", g) is None:
                        fresh.add(x)


def shares(node: Node, g: Any, record: bool, path: set[Node] | None = None) -> Iterable[tuple[Node, Any]]:
    """What of a node's gradient each of its inputs gets, or each of those on the path: no other derivative is run."""
    edges = node.edges if path is None else [(i, x) for i, x in node.edges if x in path]
    if not edges:
        return ()
    node.check_unchanged(edges)
    pull, settings = node.op.pull, node.settings
    if record:
        if node.op.composition is not None:
            stand_ins, out = opened(node, edges)
            found = gradients_of([out], [g], stand_ins, record=True)
            return [(x, share) for (_, x), share in zip(edges, found, strict=True) if share is not None]
        return [(x, pull(i, g, node, node.inputs, settings)) for i, x in edges]
    inputs, out = node.plain()
    found = [(x, x.fit(pull(i, g, out, inputs, settings))) for i, x in edges]
    if switches.anomaly:
        for (i, _), (_, share) in zip(edges, found, strict=True):
            node.check_share(i, g, share)
    return found


def opened(node: Node, edges: Sequence[tuple[int, Node]]) -> tuple[list[Node], Node]:
    """A fused node's composition, run on stand-ins for the inputs of some edges: the stand-ins, and the output."""
    inputs = list(node.inputs)
    for i, x in edges:
        inputs[i] = x.alias()
    return [inputs[i] for i, _ in edges], node.op.composition(*inputs, **node.settings)


def gradients_of(
    outputs: Sequence[Node], cotangents: Sequence[Any], inputs: Sequence[Node], *, record: bool
) -> list[Any]:
    """The gradients in the given nodes alone (None where the outputs do not depend on one)."""
    found: dict[Node, Any] = {}
    wanted = set(inputs)

    def arrived(node: Node, g: Any, fresh: bool) -> bool:
        if node in wanted:
            found[node] = g
        return node not in wanted

    pullback(outputs, cotangents, arrived, among=between(inputs, outputs), record=record)
    return [found.get(x) for x in inputs]


def between(inputs: Sequence[Node], outputs: Sequence[Node]) -> list[Node]:
    """The nodes on a path from the inputs to the outputs, consumers first."""
    order = backward_order(outputs)
    moving = set(inputs)
    for node in reversed(order):
        if any(x in moving for _, x in node.edges):
            moving.add(node)
    return [node for node in order if node in moving]


def tangents_of(inputs: Sequence[Node], tangents: Sequence[Any], outputs: Sequence[Node], *, record: bool) -> list[Any]:
    """Forward mode: the tangents of the outputs (None where an output does not depend on the inputs)."""
    moving: dict[Node, Any] = dict(zip(inputs, tangents, strict=True))
    with Quiet():
        for node in reversed(between(inputs, outputs)):
            if node in moving:
                continue
            edges = [(i, x) for i, x in node.edges if x in moving]
            if not edges:
                continue
            node.check_unchanged(edges)
            tangents_in = [moving[x] for _, x in edges]
            if node.op.composition is not None:
                stand_ins, out = opened(node, edges)
                tangent = tangents_of(stand_ins, tangents_in, [out], record=record)[0]
            else:
                by_slot: list[Any] = [None] * len(node.inputs)
                for (i, _), t in zip(edges, tangents_in, strict=True):
                    by_slot[i] = t
                arguments, out = (node.inputs, node) if record else node.plain()
                tangent = node.op.push(by_slot, out, arguments, node.settings)
            if tangent is not None:
                moving[node] = tangent if record else node.fit(tangent)
    return [moving.get(node) for node in outputs]
