"""What books do differently, found in a recorded computation: the cost's factor, slopes at kinks, the precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.operation import Pointwise
from chainrule.core.state import Quiet
from chainrule.derivation.record import Convention
from chainrule.derivation.tape.tape import Tape, has_nan
from chainrule.derivation.words import Words, listed, said
from chainrule.maths import Number, Symbol, numeral
from chainrule.maths.tree import applied

NUDGE = 1e-6
"""A step to both sides of a point, small beside any curvature."""

MOST_LISTED = 5
"""So many nodes are named; the others are counted."""

Node = Any

LAYOUTS = {
    "numerator": "numerator layout: a Jacobian has a row for each output and a column for each input",
    "denominator": "denominator layout: a Jacobian has a row for each input and a column for each output",
}

SQUARES = applied("sum", applied("square", Symbol("y", mark="hat") - Symbol("y")))
COUNT = Symbol("n")

COSTS: dict[str, Words] = {
    "half_sum": said(
        "half the sum of the squared errors, ",
        applied("mul", Number("1/2"), SQUARES),
        ": the 2 of the derivative cancels",
    ),
    "sum": said("the sum of the squared errors, ", SQUARES, ", without a factor: the derivative has a 2"),
    "mean": said(
        "the mean of the squared errors, ",
        applied("mul", 1 / COUNT, SQUARES),
        ": the derivative has ",
        2 / COUNT,
    ),
    "cross_entropy": "the cross-entropy at the right classes, averaged over the examples: "
    "the derivative is divided by their number",
}


def conventions_of(tape: Tape, layout: str = "") -> tuple[Convention, ...]:
    """All conventions that this computation makes use of, the layout where there are Jacobians. O(nodes)."""
    cost = cost_of(tape)
    found = [Convention("cost", COSTS[cost])] if cost else []
    if layout:
        found.append(Convention("layout", LAYOUTS[layout]))
    found += kinks_of(tape)
    found += outside_of(tape)
    if tape.single:
        holds = (
            "the computation ran in single precision (float32); it was run again in double precision to be explained"
        )
        found.append(Convention("precision", holds))
    return tuple(found)


def cost_of(tape: Tape) -> str:
    """Which of the usual costs the output is: ``half_sum``, ``sum``, ``mean``, ``cross_entropy``, or none of them.

    >>> import chainrule as cr
    >>> from chainrule.derivation.tape.conventions import cost_of
    >>> from chainrule.derivation.tape.tape import Tape
    >>> cost_of(Tape(0.5 * (cr.Value(2.0) - 20.0) ** 2))
    'half_sum'
    """
    node, scale = tape.output, 1.0
    while (step := unscaled(tape, node)) is not None:
        node, scale = step[0], scale * step[1]
    name = node.op.name if node.op is not None else ""
    if name == "cross_entropy":
        return "cross_entropy" if scale == 1 else ""
    if name == "squared_error":
        return named(scale * node.settings["scale"], float(np.size(node.arrays[0])))
    if name == "mean":
        (x,) = [x for _, x in node.edges]
        return "mean" if scale == 1 and is_square(tape, x) else ""
    terms = list(terms_of(node))
    if terms and all([is_square(tape, x) for x in terms]):
        return named(scale, float(sum([np.size(tape.numbers[x]) for x in terms])))
    return ""


def unscaled(tape: Tape, node: Node) -> tuple[Node, float] | None:
    """What a node is a fixed multiple of, and the factor."""
    if node.op is None or len(node.edges) != 1 or node.op.name not in ("mul", "div"):
        return None
    slot, x = node.edges[0]
    other = tape.inputs(node)[1 - slot]
    if np.ndim(other) or (node.op.name == "div" and (slot == 1 or other == 0)):
        return None
    return x, float(other) if node.op.name == "mul" else 1 / float(other)


def terms_of(node: Node) -> Iterator[Node]:
    """What a node is the sum of: itself, the terms of its additions, or the array that it sums. O(nodes)."""
    stack, seen = [node], set[Node]()
    while stack:
        node = stack.pop()
        name = node.op.name if node.op is not None else ""
        if name in ("add", "sum", "sum_of") and node not in seen:
            seen.add(node)
            stack += [x for _, x in node.edges]
        else:
            yield node


def is_square(tape: Tape, node: Node) -> bool:
    name = node.op.name if node.op is not None else ""
    if name == "mul":
        squared = node.inputs[0] is node.inputs[1]
    else:
        squared = name == "square" or (name == "pow" and bool(np.all(tape.inputs(node)[1] == 2.0)))
    return squared and is_difference(node.inputs[0])


def is_difference(x: Any) -> bool:
    """Whether something is what is left of one thing after another, in any shape."""
    while getattr(x, "op", None) is not None and x.op.name in ("reshape", "transpose", "squeeze", "expand_dims"):
        x = x.inputs[0]
    return getattr(x, "op", None) is not None and x.op.name == "sub"


def named(scale: float, entries: float) -> str:
    """The convention with this factor; of a single entry, the sum and the mean are the same."""
    if scale == 1:
        return "sum"
    if scale == 0.5:
        return "half_sum"
    return "mean" if abs(scale * entries - 1) < 1e-12 else ""


def kinks_of(tape: Tape) -> list[Convention]:
    """The nodes that sit exactly on a kink, and what slope is taken there; one convention for each operation."""
    groups: dict[Any, list[Node]] = {}
    for node in tape.path:
        operation = node.op
        if isinstance(operation, Pointwise) and operation.at_kink:
            alone = None if isinstance(node, Value) and not node.settings else node
            groups.setdefault((operation, len(node.inputs), alone), []).append(node)
    on_kinks: dict[str, dict[Node, None]] = {}
    slopes: dict[str, set[float]] = {}
    with Quiet():
        for (operation, _, alone), nodes in groups.items():
            columns = [tape.inputs(node) for node in nodes]
            inputs = [np.array(x, dtype=float) for x in zip(*columns, strict=True)] if alone is None else columns[0]
            for i, _ in nodes[0].edges:
                sharp = np.reshape(kinked(operation, i, inputs, nodes[0].settings), (len(nodes), -1))
                for row in np.flatnonzero(np.any(sharp, axis=1)):
                    on_kinks.setdefault(operation.name, {})[nodes[row]] = None
                    taken = np.reshape(tape.slope(nodes[row], i), -1)[sharp[row]]
                    slopes.setdefault(operation.name, set()).update(np.unique(taken).tolist())
    return [kink_convention(tape, name, list(nodes), slopes[name]) for name, nodes in on_kinks.items()]


def kinked(operation: Any, i: int, inputs: list[Any], settings: dict[str, Any]) -> Any:
    """Where the slope to the left of input `i` is not that to the right: both by a hair and by a small step."""
    x = np.asarray(inputs[i], dtype=float)

    def jumps(below: Any, above: Any) -> Any:
        left, here, right = [
            operation.function(*inputs[:i], at, *inputs[i + 1 :], **settings) for at in (below, x, above)
        ]
        return np.abs((right - here) / (above - x) - (here - left) / (x - below)) > 1e-3

    step = NUDGE * np.maximum(np.abs(x), 1.0)
    return jumps(np.nextafter(x, -np.inf), np.nextafter(x, np.inf)) & jumps(x - step, x + step)


def outside_of(tape: Tape) -> list[Convention]:
    """The nodes whose operation has no value where it was asked, such as the logarithm below 0; one for each operation.

    A derivative's formula may have a number there (1/x of a logarithm), which is no derivative.
    """
    groups: dict[str, list[Node]] = {}
    for node in tape.path:
        if isinstance(node.op, Pointwise) and has_nan(tape.numbers[node]):
            missing = np.isnan(tape.numbers[node])
            for x in tape.inputs(node):
                missing = missing & ~np.isnan(np.asarray(x, float))
            if np.any(missing):
                groups.setdefault(node.op.name, []).append(node)
    return [
        Convention(
            f"domain of {name}",
            said(
                named_nodes(tape, nodes),
                f" {'has' if len(nodes) == 1 else 'have'} no value, so there is no derivative; what stands for it is "
                "what its formula gives, as in PyTorch and JAX",
            ),
        )
        for name, nodes in groups.items()
    ]


def named_nodes(tape: Tape, nodes: list[Node]) -> Words:
    """Nodes by their symbols: the first few, and how many more."""
    more = f" and {len(nodes) - MOST_LISTED} more" if len(nodes) > MOST_LISTED else ""
    return said(listed([said(tape.symbols[node]) for node in nodes[:MOST_LISTED]]), more)


def kink_convention(tape: Tape, name: str, nodes: list[Node], slopes: set[float]) -> Convention:
    """Which nodes are on a kink of this operation, in words."""
    taken = listed([said(numeral(slope)) for slope in sorted(slopes)], " or ")
    has = "has a kink here, and its slope" if len(nodes) == 1 else "have a kink here, and their slope"
    words = said(named_nodes(tape, nodes), f" {has} is taken as ", taken)
    return Convention(f"kink of {name}", words)
