"""What books do differently, found in a recorded computation: the cost's factor, slopes at kinks, the precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.differential import Differential
from chainrule.core.operation import Fused, Pointwise
from chainrule.core.state import Quiet
from chainrule.core.term import name_of
from chainrule.derivation.record import Convention
from chainrule.derivation.tape.tape import Tape, has_nan
from chainrule.derivation.tape.ties import Tie, ties
from chainrule.derivation.words import Words, listed, said
from chainrule.maths import Number, Symbol, numeral
from chainrule.maths.tree import applied

NUDGE = 1e-6
"""A step to both sides of a point, small beside any curvature."""

CORNER_STEPS = (1e-6, 1e-9)
"""Steps for whole arrays, beside their largest entry: what bends is straight at the smaller one."""

CORNER = 1e-3
"""Slopes that differ by more of their size are two."""

LOST = 1e-14
"""What a difference of two results loses of them."""

MOST_TESTED = 4096
"""Entries of an array whose kinks are looked for."""

ON_ARRAYS = (Differential, Fused)
"""Rules of operations on whole arrays that are not linear."""
MOST_ARRAYS = 50
"""Operations on arrays whose kinks are looked for."""

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
    name = name_of(node)
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
        name = name_of(node)
        if name in ("add", "sum", "sum_of") and node not in seen:
            seen.add(node)
            stack += [x for _, x in node.edges]
        else:
            yield node


def is_square(tape: Tape, node: Node) -> bool:
    name = name_of(node)
    if name == "mul":
        squared = node.inputs[0] is node.inputs[1]
    else:
        squared = name == "square" or (name == "pow" and bool(np.all(tape.inputs(node)[1] == 2.0)))
    return squared and is_difference(node.inputs[0])


def is_difference(x: Any) -> bool:
    """Whether something is what is left of one thing after another, in any shape."""
    while name_of(x) in ("reshape", "transpose", "squeeze", "expand_dims"):
        x = x.inputs[0]
    return name_of(x) == "sub"


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
    bent = {op for op in {x.op for x in tape.path} if isinstance(op, Pointwise) and (op.at_kink or op.edges or op.flat)}
    for node in tape.path if bent else ():
        operation = node.op
        if operation in bent:
            alone = None if isinstance(node, Value) and not node.settings else node
            moving = together(node)
            groups.setdefault((operation, len(node.inputs), moving, alone), []).append(node)
    on_kinks: dict[tuple[str, bool], dict[Node, None]] = {}
    slopes: dict[tuple[str, bool], set[float]] = {}
    jumping: set[tuple[str, bool]] = set()
    with Quiet():
        for (operation, _, moving, alone), nodes in groups.items():
            columns = [tape.inputs(node) for node in nodes]
            arrives = np.array([np.ravel(tape.gradients[node]) for node in nodes]) != 0
            inputs = [np.array(x, dtype=float) for x in zip(*columns, strict=True)] if alone is None else columns[0]
            for slots in moving:
                found = kinked(operation, slots, inputs, nodes[0].settings)
                bent, broken = [np.reshape(x, (len(nodes), -1)) for x in found]
                sharp = bent | broken
                for row in np.flatnonzero(np.any(sharp, axis=1)):
                    taken = np.reshape(sum([tape.slope(nodes[row], i) for i in slots]), -1)[sharp[row]]
                    if not np.all(np.isfinite(taken)):
                        continue
                    # Where the output does not move with the result, it has no kink from it either; but it may jump.
                    key = operation.name, bool(np.any((bent[row] & arrives[row]) | broken[row]))
                    on_kinks.setdefault(key, {})[nodes[row]] = None
                    slopes.setdefault(key, set()).update(np.unique(taken).tolist())
                    jumping |= {key} if np.any(broken[row]) else set()
    found = [
        kink_convention(tape, key[0], list(nodes), slopes[key], jumps=key in jumping, is_felt=key[1])
        for key, nodes in on_kinks.items()
    ]
    return [*found, *kinks_of_arrays(tape), *kinks_of_choices(tape)]


def kinks_of_arrays(tape: Tape) -> list[Convention]:
    """The operations on whole arrays that sit on a kink: a largest entry that is not alone, a length of 0."""
    nodes = [node for node in tape.path if isinstance(node.op, ON_ARRAYS)]
    small = [node for node in nodes if max(map(np.size, tape.inputs(node))) <= MOST_TESTED][:MOST_ARRAYS]
    groups: dict[str, list[Node]] = {}
    with Quiet():
        for node in small:
            arrives = np.asarray(tape.gradients[node]) != 0
            corners = [has_corner(node.op, i, tape.inputs(node), node.settings) for i, _ in node.edges]
            if any([np.any(corner & arrives) for corner in corners]):
                groups.setdefault(node.op.name, []).append(node)
        return [kink_convention(tape, name, found, one_slope(tape, found)) for name, found in groups.items()]


def kinks_of_choices(tape: Tape) -> list[Convention]:
    """The operations that choose by what moves (an order, a condition, the largest in a window), where that tips."""
    groups: dict[str, list[Tie]] = {}
    for tie in ties(tape):
        groups.setdefault(tie.node.op.name, []).append(tie)
    return [
        kink_convention(tape, name, [x.node for x in found], set(), jumps=any([x.jumps for x in found]))
        for name, found in groups.items()
    ]


def one_slope(tape: Tape, nodes: list[Node]) -> set[float]:
    """The numbers among the slopes of one result, if it is alone and a number; several have no room in a sentence."""
    if len(nodes) > 1 or np.ndim(tape.numbers[nodes[0]]):
        return set()
    slopes = set(np.unique([tape.share(nodes[0], i, np.float64(1.0)) for i, _ in nodes[0].edges]).tolist())
    # Of entries of which some are equally large the others are on no kink, and flat.
    return slopes - {0.0} or slopes


def has_corner(operation: Any, i: int, inputs: list[Any], settings: dict[str, Any]) -> Any:
    """Where the slope forwards is not that backwards along some direction, by a small step and by a smaller one.

    Where it is smooth and flat the two differ by the curvature alone, which fades with the step.
    """
    x = np.asarray(inputs[i], dtype=float)
    size = float(np.max(np.abs(x), initial=0.0)) or 1.0
    random = np.random.default_rng(0)
    by = random.uniform(0.5, 1.5, x.shape) * random.choice([-1.0, 1.0], x.shape)
    here = np.asarray(operation.function(*inputs, **settings), dtype=float)
    if not np.all(np.isfinite(here)):
        return False
    seen: Any = True
    before: Any = 0.0
    for share in CORNER_STEPS:
        step = share * size
        right, left = [
            (operation.function(*inputs[:i], x + sign * step * by, *inputs[i + 1 :], **settings) - here) / (sign * step)
            for sign in (1.0, -1.0)
        ]
        steepest = np.maximum(np.abs(right), np.abs(left))
        lost = LOST * np.abs(here) / step
        apart = np.abs(right - left)
        seen, before = seen & (apart > CORNER * steepest + lost) & (apart >= before / 2), apart
    return seen


def together(node: Node) -> tuple[tuple[int, ...], ...]:
    """The places of the inputs that move, of one thing given twice both: the larger of x and x has no kink."""
    places: dict[Node, tuple[int, ...]] = {}
    for i, x in node.edges:
        places[x] = (*places.get(x, ()), i)
    return tuple(places.values())


def kinked(operation: Any, slots: tuple[int, ...], inputs: list[Any], settings: dict[str, Any]) -> tuple[Any, Any]:
    """Where the slope to the left of an input is not that to the right, and where the result is another at once.

    Both hold by a hair and by a small step. The input stands in each of the `slots`.
    """
    x = np.asarray(inputs[slots[0]], dtype=float)

    def differ(below: Any, above: Any) -> tuple[Any, Any]:
        left, here, right = [
            operation.function(*[at if i in slots else other for i, other in enumerate(inputs)], **settings)
            for at in (below, x, above)
        ]
        after, before = (right - here) / (above - x), (here - left) / (x - below)
        bent = np.abs(after - before) > CORNER * np.maximum(1.0, np.maximum(np.abs(after), np.abs(before)))
        apart = np.maximum(np.abs(right - here), np.abs(here - left)) > CORNER * np.maximum(np.abs(here), 1.0)
        return bent & np.isfinite(here), apart & np.isfinite(here)

    # Beside a pole a curve bends within a step that is not small beside the distance to it.
    step = NUDGE * np.where(x == 0, 1.0, np.abs(x))
    (bent, apart), (bends, breaks) = [
        differ(np.nextafter(x, -np.inf), np.nextafter(x, np.inf)),
        differ(x - step, x + step),
    ]
    return bent & bends, apart & breaks


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


def kink_convention(
    tape: Tape, name: str, nodes: list[Node], slopes: set[float], *, jumps: bool = False, is_felt: bool = True
) -> Convention:
    """Which nodes are on a kink of this operation, in words, and whether the output has one from it."""
    one = len(nodes) == 1
    what = ("jumps" if one else "jump") if jumps else ("has a kink" if one else "have a kink")
    owner = "its" if one else "their"
    taken = listed([said(numeral(slope)) for slope in sorted(slopes)], " or ")
    of_each = " in each input" if any([len(together(node)) > 1 for node in nodes]) else ""
    slope = said(f"slope{of_each} is taken as ", taken) if slopes else "slope is what the rule gives"
    subject = f"kink of {name}" if is_felt else f"{name} at its kink, which a factor of 0 hides"
    return Convention(subject, said(named_nodes(tape, nodes), f" {what} here, and {owner} ", slope))
