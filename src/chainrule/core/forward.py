"""Forward mode: the tangents of outputs from those of inputs, along a recorded graph, each node after its inputs.

A branch that was not taken has no influence, on what comes after the choice either: the root of a relu is flat below 0,
though its tangent, 0, meets an infinite slope there. In numbers that 0 looks like any other, and 0 · ∞ is nan. So where
a tangent comes out as nan the walk is made once more, and keeps beside each tangent which of its entries stand still:
those that nothing moving reaches, because a choice, a mask or a padding stops it. The slopes they meet are not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from chainrule.core.graph import between, edges_of, is_flat, opened
from chainrule.core.operation import Pointwise, added, chosen, is_mask, is_node, takes_over
from chainrule.core.state import Quiet

ARRAYS = (np.ndarray, np.floating)
Still = dict[Any, Any]
"""For nodes whose tangent has such entries: a truth value for each."""


def tangents_of(inputs: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any], *, record: bool) -> list[Any]:
    """The tangents of the outputs, from those of the inputs; None where an output does not depend on the inputs.

    With `record` they are nodes, made by the same rules, and can be differentiated again.
    """
    with Quiet():
        found = walk(inputs, tangents, outputs, record, None)
        return walk(inputs, tangents, outputs, record, {}) if any(map(undefined, found)) else found


def walk(
    inputs: Sequence[Any], tangents: Sequence[Any], outputs: Sequence[Any], record: bool, still: Still | None
) -> list[Any]:
    """Hand the tangents on from node to node; with `still`, and what of them stands still."""
    moving: dict[Any, Any] = dict(zip(inputs, tangents, strict=True))
    for node in reversed(between(inputs, outputs)):
        if node in moving:
            continue
        edges = [edge for edge in edges_of(node) if edge[1] in moving]
        op = node.op
        if not edges or (op.flat and is_flat(op, edges)):
            continue
        node.check_unchanged(edges)
        if op.composition is not None:
            tangent = opened_and_walked(node, edges, moving, record, still)
        else:
            by_slot: list[Any] = [None] * len(node.inputs)
            for i, x in edges:
                by_slot[i] = moving[x]
            arguments, out = (node.inputs, node) if record else node.plain()
            if still is None:
                tangent = op.push(by_slot, out, arguments, node.settings)
            else:
                tangent = with_stillness(node, edges, by_slot, out, arguments, still)
        if tangent is not None:
            moving[node] = tangent if record else node.fit(tangent)
    return [moving.get(node) for node in outputs]


def opened_and_walked(node: Any, edges: Any, moving: dict[Any, Any], record: bool, still: Still | None) -> Any:
    """The tangent of a fused node, through its composition."""
    stand_ins, out = opened(node, edges)
    known = None if still is None else {s: still[x] for s, (_, x) in zip(stand_ins, edges, strict=True) if x in still}
    (tangent,) = walk(stand_ins, [moving[x] for _, x in edges], [out], record, known)
    if known is not None and out in known:
        cast(Still, still)[node] = known[out]
    return tangent


def undefined(tangent: Any) -> bool:
    """Whether there may be a nan among the numbers of a tangent; a symbol has none, those of a program are unknown.

    Their sum shows it in a third of the time of asking each, and is nan of opposite infinities as well.
    """
    if not isinstance(tangent, ARRAYS):
        if tangent is None or takes_over(tangent) or (is_node(tangent) and not hasattr(tangent, "data")):
            return False
        tangent = np.asarray(tangent.data if is_node(tangent) else tangent)
    total = np.add.reduce(tangent, None) if tangent.ndim else tangent
    return bool(total != total)  # noqa: PLR0124  (nan alone differs from itself)


def with_stillness(node: Any, edges: Any, tangents: list[Any], out: Any, arguments: Any, still: Still) -> Any:
    """The tangent of a node, where what stands still meets no slope; and, noted in `still`, its entries that do."""
    if isinstance(node.op, Pointwise):
        terms, stopped = each_by_itself(node, edges, tangents, out, arguments, still)
        if np.any(stopped):
            still[node] = stopped
        return added(terms)
    tangent = node.op.push(tangents, out, arguments, node.settings)
    stopped = reached_by_nothing(node, edges, still)
    if tangent is None or not np.any(stopped):
        return tangent
    still[node] = stopped
    return chosen(tangent, ~stopped)


def each_by_itself(
    node: Any, edges: Any, tangents: list[Any], out: Any, arguments: Any, still: Still
) -> tuple[list[Any], Any]:
    """What each input adds to the tangent of a pointwise operation, and where none of them moves."""
    rule, (numbers, result) = node.op, node.plain()
    terms: list[Any] = []
    everywhere: Any = True
    for i, x in edges:
        if not rule.differentiable(i):
            continue
        slope = rule.partial(i, result, numbers, node.settings)
        stopped = np.asarray(still.get(x, False))
        if rule.selects or is_mask(slope):
            stopped = stopped | (np.asarray(slope) == 0)
        term = rule.passed(tangents[i], rule.partial(i, out, arguments, node.settings))
        terms.append(chosen(term, ~stopped if stopped.ndim else not stopped) if np.any(stopped) else term)
        everywhere = everywhere & stopped
    return terms, everywhere


def reached_by_nothing(node: Any, edges: Any, still: Still) -> Any:
    """Where the tangent of an operation stands still: where nan in all that moves does not arrive."""
    numbers, result = node.plain()
    probes: list[Any] = [None] * len(node.inputs)
    for i, x in edges:
        shape = getattr(x, "shape", ())
        probes[i] = np.where(still.get(x, False), 0.0, np.full(shape, np.nan))
    arrived = node.op.push(probes, result, numbers, node.settings)
    return np.zeros((), bool) if arrived is None else ~np.isnan(np.asarray(arrived, float))
