"""The paths between two nodes of a graph: what all of them pass, how many there are, what is handed down along them."""

from __future__ import annotations

from typing import Any

from chainrule.core.term import name_of
from chainrule.core.walk import walk
from chainrule.derivation.tape.tape import Tape
from chainrule.rewrite.local import SAME_ENTRIES

Node = Any


def number_of_paths(inside: list[Node], lower: Node) -> int:
    """How many paths lead from the first node to the last, by adding up along the order."""
    return walk(inside, {inside[0]: 1}, lambda node, edges, paths: [paths] * len(edges), among=set(inside))[lower]


def handed_down(tape: Tape, inside: list[Node], gradient: Any) -> Any:
    """A gradient at the first of some nodes taken down to the last, by the rule book."""
    return walk(inside, {inside[0]: gradient}, tape.handed_on, among=set(inside))[inside[-1]]


def is_same_entries(node: Node) -> bool:
    """Whether a node holds the entries of its input in the same order, in another shape."""
    return name_of(node) in SAME_ENTRIES
