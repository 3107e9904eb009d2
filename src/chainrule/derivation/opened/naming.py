"""A symbol for every node of a graph: the user's own names, and numbered letters for what has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.labels import find_labels, users_frames
from chainrule.core.tensor import Tensor
from chainrule.expression.formula import as_formula
from chainrule.expression.names import latex_name

Node = Any


def labels_for(order: Sequence[Node]) -> dict[int, str]:
    """The user's names for the nodes and for the tensors of data that they use, by id; looked for once."""
    return find_labels([*order, *dict.fromkeys(data_of(order))])


def symbols_for(order: Sequence[Node], labels: Mapping[int, str]) -> dict[Node, str]:
    """A symbol for each node, and for the tensors of data that the nodes use; no two are the same. O(nodes)."""
    givens = list(dict.fromkeys(data_of(order)))
    arrays = names_of_arrays([x for x in givens if id(x) not in labels])
    symbols: dict[Node, str] = {}
    taken: set[str] = set()
    for node in (*order, *givens):
        label = labels.get(id(node)) or arrays.get(id(node))
        if label:
            symbols[node] = unused(latex_name(label), taken)
    numbered = (f"v_{{{count}}}" for count in range(1, len(order) + len(taken) + 2))
    for node in order:
        if node not in symbols:
            symbols[node] = next(symbol for symbol in numbered if symbol not in taken)
    count = 0
    for x in givens:
        if x not in symbols:
            count += x.ndim > 0
            symbols[x] = unused(f"c_{{{count}}}", taken) if x.ndim else str(as_formula(x.item()))
    return symbols


def unused(symbol: str, taken: set[str]) -> str:
    """The symbol, with a number above it where another node has the same."""
    found, count = symbol, 1
    while found in taken:
        count += 1
        found = rf"{{{symbol}}}^{{({count})}}"
    taken.add(found)
    return found


def data_of(order: Iterable[Node]) -> Iterator[Tensor]:
    """The tensors that operations use and no gradient passes."""
    for node in order:
        if isinstance(node, Tensor) and len(node.edges) < len(node.inputs):
            moving = {i for i, _ in node.edges}
            yield from (x for i, x in enumerate(node.inputs) if isinstance(x, Tensor) and i not in moving)


def names_of_arrays(tensors: Sequence[Tensor]) -> dict[int, str]:
    """Names of the user's own NumPy arrays and lists that a tensor without a name was copied from."""
    found: dict[int, str] = {}
    wanted = [x for x in tensors if x.ndim]
    if not wanted:
        return found
    for frame in users_frames():
        for scope in (frame.f_locals, frame.f_globals):
            for name, held in list(scope.items()):
                if not isinstance(held, np.ndarray) or name.startswith("_"):
                    continue
                for x in wanted:
                    if id(x) not in found and held.shape == x.shape and np.array_equal(held, x.data):
                        found[id(x)] = name
        if len(found) == len(wanted):
            break
    return found
