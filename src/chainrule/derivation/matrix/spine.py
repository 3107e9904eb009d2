"""The ways between two nodes of a graph: what all of them pass, how many there are, what is handed down along them."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.derivation.opened.opened import Opened, without_casts

Node = Any


def on_the_way(opened: Opened, wrt: Node) -> list[Node]:
    """The nodes between the output and one node, consumers first."""
    reaching = {wrt}
    for node in opened.order:
        if any(x in reaching for _, x in node.edges):
            reaching.add(node)
    return [node for node in reversed(opened.order) if node in reaching]


def met_by_all(opened: Opened, path: list[Node]) -> list[Node]:
    """The nodes that every way from the output passes: those that are reached when no other is waiting."""
    waiting, inside, spine = {opened.output}, set(path), list[Node]()
    for node in path:
        waiting.discard(node)
        if not waiting:
            spine.append(node)
        waiting.update(x for _, x in node.edges if x in inside)
    return spine


def number_of_ways(inside: list[Node], lower: Node) -> int:
    """How many ways lead from the first node to the last, by adding up along the order."""
    ways, within = {inside[0]: 1}, set(inside)
    for node in inside:
        for _, x in node.edges:
            if x in within and node is not lower:
                ways[x] = ways.get(x, 0) + ways[node]
    return ways[lower]


def handed_down(opened: Opened, inside: list[Node], gradient: Any) -> Any:
    """A gradient at the first of some nodes taken down to the last, by the rule book."""
    shares: dict[Node, Any] = {inside[0]: gradient}
    within = set(inside)
    for node in inside[:-1]:
        if node not in shares:
            continue
        for k, (slot, x) in enumerate(node.edges):
            if x in within:
                g = shares[node]
                share = node.share(k, g) if isinstance(node, Value) else one_step(opened, node, slot, g)
                shares[x] = shares[x] + share if x in shares else share
    return shares[inside[-1]]


def one_step(opened: Opened, node: Node, slot: int, g: Any) -> Any:
    """What one operation hands back to one input."""
    share = node.op.pull(slot, g, opened.numbers[node], opened.inputs(node), without_casts(node))
    return np.asarray(share, dtype=float)


def is_same_entries(node: Node) -> bool:
    """Whether a node holds the entries of its input in the same order, in another shape."""
    return node.op is not None and node.op.name in ("reshape", "squeeze", "expand_dims", "identity", "astype")
