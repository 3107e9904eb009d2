"""Where a function has one variable its derivative is written df/dx; where it has several, ∂f/∂x."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.derivation.record import Derivation, rebuilt
from chainrule.derivation.tape.tape import Node, Tape
from chainrule.maths import Derivative


def with_d(derivation: Derivation, tape: Tape) -> Derivation:
    """The same explanation; with d where nothing moves what is above but what is below. O(what is printed)."""
    leaves = [x for x in tape.order if x.op is None and not (isinstance(x, Value) and x.is_constant)]
    if len(leaves) != 1 or np.ndim(leaves[0].data):
        return derivation
    (variable,) = leaves
    nodes = tape.node_of

    def is_total(x: Derivative) -> bool:
        if x.held or nodes.get(x.below) is variable:
            return not x.held
        above, below = nodes.get(x.above), nodes.get(x.below)
        return above is not None and below is not None and not leads_around(variable, below, above)

    return marked(derivation, is_total)


def leads_around(variable: Node, below: Node, above: Node) -> bool:
    """Whether a path from the variable to a node leads around another one. O(edges between), mostly a few."""
    stack, seen = [above] if above is not below else [], set[Node]()
    while stack:
        node = stack.pop()
        if node is variable:
            return True
        if node not in seen:
            seen.add(node)
            stack += [x for _, x in node.edges if x is not below]
    return False


def marked(derivation: Derivation, is_total: Callable[[Derivative], bool]) -> Derivation:
    """The derivatives of an explanation, written with d where they are total ones."""

    def changed(x: Any) -> Any:
        if not isinstance(x, Derivative):
            return None
        # A second derivative is one where that which is differentiated again is.
        first = changed(x.above)
        whole = x if first is None else replace(x, above=first.above)
        is_one = is_total(whole) and (first is None or first.is_total)
        return replace(x, above=x.above if first is None else first, is_total=is_one)

    names = ("title", "symbols", "conventions", "story", "short", "known")
    return replace(derivation, **{name: rebuilt(getattr(derivation, name), changed) for name in names})
