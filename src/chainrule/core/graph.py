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
    order: Iterable[Node] | None = None,
    record: bool = False,
) -> None:
    """Reverse mode from the outputs towards the leaves.

    ``arrived(node, gradient, fresh)`` is called with every node's complete gradient and says whether to go on through
    it; `fresh` tells of a leaf's gradient that nothing else holds its memory.
    """
    gradients: dict[Node, Any] = {}
    fresh: set[Node] = set()
    for node, g in zip(outputs, cotangents, strict=True):
        gradients[node] = gradients[node] + g if node in gradients else g
    with Quiet():
        for node in backward_order(outputs) if order is None else order:
            g = gradients.pop(node, None)
            if g is None or not arrived(node, g, node in fresh):
                continue
            for x, share in shares(node, g, record):
                if x in gradients:
                    gradients[x] = gradients[x] + share
                    fresh.add(x)
                else:
                    gradients[x] = share
                    if not x.edges and share is not g and getattr(share, "base", g) is None:
                        fresh.add(x)


def shares(node: Node, g: Any, record: bool) -> Iterable[tuple[Node, Any]]:
    """What of a node's gradient each of its inputs gets."""
    if not node.edges:
        return ()
    node.check_unchanged()
    pull, settings = node.op.pull, node.settings
    if record:
        if node.op.composition is not None:
            return opened_shares(node, g)
        return [(x, pull(i, g, node, node.inputs, settings)) for i, x in node.edges]
    inputs, out = node.plain()
    found = [(x, x.fit(pull(i, g, out, inputs, settings))) for i, x in node.edges]
    if switches.anomaly:
        for (i, _), (_, share) in zip(node.edges, found, strict=True):
            node.check_share(i, g, share)
    return found


def opened(node: Node) -> tuple[list[Node], Node]:
    """A fused node's composition, run on stand-ins for its inputs: the stand-ins of its edges, and the output."""
    inputs = list(node.inputs)
    for i, x in node.edges:
        inputs[i] = x.alias()
    return [inputs[i] for i, _ in node.edges], node.op.composition(*inputs, **node.settings)


def opened_shares(node: Node, g: Any) -> list[tuple[Node, Any]]:
    stand_ins, out = opened(node)
    found = gradients_of([out], [g], stand_ins, record=True)
    return [(x, share) for (_, x), share in zip(node.edges, found, strict=True) if share is not None]


def gradients_of(
    outputs: Sequence[Node], cotangents: Sequence[Any], inputs: Sequence[Node], *, record: bool
) -> list[Any]:
    """The gradients in the given nodes alone (None where the outputs do not depend on one)."""
    order = between(inputs, outputs)
    found: dict[Node, Any] = {}
    wanted = set(inputs)
    on_path = set(order)

    def arrived(node: Node, g: Any, fresh: bool) -> bool:
        if node in wanted:
            found[node] = g
        return node in on_path and node not in wanted

    pullback(outputs, cotangents, arrived, order=order, record=record)
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
            slots = [(i, moving.get(x)) for i, x in node.edges]
            if all(t is None for _, t in slots):
                continue
            node.check_unchanged()
            if node.op.composition is not None:
                stand_ins, out = opened(node)
                live = [(x, t) for x, (_, t) in zip(stand_ins, slots, strict=True) if t is not None]
                tangent = tangents_of([x for x, _ in live], [t for _, t in live], [out], record=record)[0]
            else:
                by_slot: list[Any] = [None] * len(node.inputs)
                for i, t in slots:
                    by_slot[i] = t
                arguments, out = (node.inputs, node) if record else node.plain()
                tangent = node.op.push(by_slot, out, arguments, node.settings)
            if tangent is not None:
                moving[node] = tangent if record else node.fit(tangent)
    return [moving.get(node) for node in outputs]
