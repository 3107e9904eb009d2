"""Whether a recorded graph is still what it was when it was recorded, and which node changed where it is not.

Every operation is run again on the inputs it has now, and must give what it gave; a scalar node must also hold the
local derivatives that its inputs now give. Scalar nodes are looked at by operation, thousands at a time. What does not
fit says "one of these changed"; what does fit clears its inputs; and the two together mostly leave one name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import Value
from chainrule.core.labels import find_labels
from chainrule.core.operation import Operation, Pointwise
from chainrule.core.tensor import Tensor
from chainrule.core.term import name_of
from chainrule.errors import GraphError
from chainrule.program.run import run_operation

CLOSE = {"rtol": 1e-9, "atol": 1e-300, "equal_nan": True}
"""The same double-precision arithmetic, by C or by NumPy: a few units in the last place."""

CLOSE_SINGLE = {"rtol": 1e-4, "atol": 1e-30, "equal_nan": True}
"""The same single-precision arithmetic, summed in another order."""

MOST_PARTIALS = 64
"""Longer sums and dot products are judged by their result alone: each partial would look at all inputs again."""

Node = Any


class Misfit(NamedTuple):
    """A node that no longer follows from its inputs, and the nodes of which one must have changed."""

    node: Node
    gives: float
    suspects: tuple[Node, ...]


class Checked(NamedTuple):
    """What running one operation again said of all scalar nodes that it made, row by row."""

    nodes: Sequence[Value]
    given: Sequence[tuple[Any, ...]]
    """Their inputs."""
    gives: Any
    """What comes out now."""
    fits: Any
    """Whether that is what came out then."""
    slopes: Sequence[Slope]


class Slope(NamedTuple):
    """The local derivatives in the input at one place: whether they fit, and which inputs they are made of."""

    place: int
    flat: Any
    fits: Any
    reads: Sequence[int]
    reads_out: bool
    sure: bool
    """Whether it is known to look at just these."""


class Findings:
    """What the checks of all nodes found."""

    def __init__(self) -> None:
        self.misfits: list[Misfit] = []
        self.cleared: set[Node] = set()
        self.changed: set[Node] = set()
        self.checked: list[Checked] = []

    def raise_if_any(self) -> None:
        """The error that names what changed, as far as the numbers tell."""
        wrong = [not (check.fits.all() and all([slope.fits.all() for slope in check.slopes])) for check in self.checked]
        if not self.misfits and not any(wrong):
            return
        for check in self.checked:
            self.sort(check)
        left = [(m, [x for x in dict.fromkeys(m.suspects) if x not in self.cleared] or [m.node]) for m in self.misfits]
        certain = self.changed | {suspects[0] for _, suspects in left if len(suspects) == 1}
        open_still = [pair for pair in left if not certain.intersection(pair[1])]
        shown = next((m for m, suspects in left if not certain or certain.intersection(suspects)), self.misfits[0])
        culprits = [x for m in self.misfits for x in (*m.suspects, m.node) if x in certain]
        names = called(dict.fromkeys(culprits) if culprits else open_still[0][1])
        raise GraphError(
            f"{(' and ' if culprits else ' or ').join(names)} changed after the forward: {shown.node.op.name} gave "
            f"{first(shown.node.data):.6g} then and would give {shown.gives:.6g} now, so no gradient would fit. "
            "Run the forward again and explain its result"
        )

    def sort(self, check: Checked) -> None:
        """Sort nodes into those that are cleared and those of which one must have changed."""
        for row, (node, given) in enumerate(zip(check.nodes, check.given, strict=True)):
            value = float(check.gives[row])
            if check.fits[row]:
                self.cleared.add(node)
            else:
                inputs = [given[slope.place] for slope in check.slopes] or [x for _, x in node.edges]
                self.misfits.append(Misfit(node, value, (*inputs, node)))
            for slope in check.slopes:
                if not slope.fits[row]:
                    suspects = [given[j] for j in slope.reads] + [node] * slope.reads_out
                    self.misfits.append(Misfit(node, value, tuple(suspects)))
                elif slope.sure:
                    self.cleared.update([given[j] for j in slope.reads])
            if check.fits[row] and all([slope.fits[row] for slope in check.slopes]):
                self.cleared.update([given[slope.place] for slope in check.slopes if not slope.flat[row]])


def check_unchanged(order: Sequence[Node]) -> None:
    """Refuse a graph with a node that was changed after the forward. O(nodes), in bulk for scalar nodes."""
    findings = Findings()
    groups: dict[Any, list[Value]] = {}
    for node in order:
        if node.op is None:
            continue
        if isinstance(node, Value):
            inputs = node.inputs
            alone = type(node.op) is not Pointwise or node.op.variadic or bool(node.settings)
            groups.setdefault((node.op, tuple([type(x) is Value for x in inputs]), node if alone else None), []).append(
                node
            )
        else:
            check_tensor(node, findings)
    for (operation, places, alone), nodes in groups.items():
        check_values(operation, [i for i, place in enumerate(places) if place], nodes, alone is None, findings)
    findings.raise_if_any()


def check_values(
    operation: Operation, places: Sequence[int], nodes: Sequence[Value], in_bulk: bool, findings: Findings
) -> None:
    """Run one operation again for all scalar nodes that it made, with Values in the same places."""
    given = [node.inputs for node in nodes]
    columns: list[Any] = [
        np.array([x.data if isinstance(x, Value) else float(x) for x in column]) for column in zip(*given, strict=True)
    ]
    data: Any = np.array([node.data for node in nodes])
    settings = nodes[0].settings
    if in_bulk:
        out = np.broadcast_to(operation.function(*columns), data.shape)
    else:
        columns, data = [column[0] for column in columns], data[0]
        out = np.reshape(np.asarray(operation.fitting(columns, given[0], settings), dtype=float), 1)
    slopes: list[Slope] = []
    if len(places) <= MOST_PARTIALS:
        stored = np.array([node.local_derivatives for node in nodes])
        for k, i in enumerate(places):
            found = np.asarray(operation.pull(i, np.float64(1.0), data, columns, settings), dtype=float)
            reads_out, reads = operation.reads(i, len(columns))
            close = np.isclose(found, stored[:, k], **CLOSE)
            seen = [j for j in reads if j in places]
            # A slope that chooses between branches fits after many a change: it clears nothing.
            sure = not (operation.variadic or operation.selects or operation.at_kink)
            slopes.append(Slope(i, stored[:, k] == 0, close, seen, reads_out, sure))
    findings.checked.append(Checked(nodes, given, out, np.reshape(np.isclose(out, data, **CLOSE), -1), slopes))


def check_tensor(node: Tensor, findings: Findings) -> None:
    """Run one operation again on the arrays it had, and compare those with what its inputs hold now."""
    tensors = [(i, x) for i, x in enumerate(node.inputs) if isinstance(x, Tensor)]
    replaced = [x for i, x in tensors if x.data is not node.arrays[i] and not same(x.data, as_taken(node, i, x))]
    arrays = list(node.arrays)
    for i, x in tensors:
        arrays[i] = x.data
    out = np.asarray(run_operation(node.op, arrays, node.settings))
    if not replaced and same(out, node.data, node.dtype):
        findings.cleared.update([node, *[x for _, x in node.edges]])
        return
    written = [x for x in map(owner, [x for _, x in tensors]) if x.changed > node.born]
    findings.changed.update(written or replaced)
    findings.misfits.append(Misfit(node, first(out), tuple(written or replaced or [owner(x) for _, x in tensors])))


def as_taken(node: Tensor, i: int, x: Tensor) -> Any:
    """The array that an operation took from its input: before the repeating that was recorded as a node of its own."""
    repeated = name_of(x) == "broadcast_to" and np.ndim(node.arrays[i]) <= x.ndim
    return np.broadcast_to(node.arrays[i], x.shape) if repeated else node.arrays[i]


def owner(x: Tensor) -> Tensor:
    """The tensor in whose memory this one lies."""
    while x.view_of is not None:
        x = x.view_of
    return x


def same(ours: Any, theirs: Any, dtype: Any = None) -> bool:
    """Whether two arrays agree as far as their precision goes."""
    if np.shape(ours) != np.shape(theirs):
        return False
    return bool(np.allclose(ours, theirs, **(CLOSE_SINGLE if dtype == np.float32 else CLOSE)))


def first(x: Any) -> float:
    array = np.asarray(x, dtype=float).ravel()
    return float(array[0]) if array.size else float("nan")


def called(nodes: Iterable[Node]) -> list[str]:
    held = list(nodes)
    names = find_labels(held)
    return [
        names.get(id(x)) or (f"a result of {x.op.name}" if x.op is not None else "a leaf without a name") for x in held
    ]
