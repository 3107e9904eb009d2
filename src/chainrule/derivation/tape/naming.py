"""A symbol for every node of a graph: the user's own names, and numbered letters for what has none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.labels import find_labels, names_by_role, users_frames
from chainrule.core.tensor import Tensor
from chainrule.derivation.tape.gates import letters_of_gates
from chainrule.derivation.tape.standardized import letters_of_normalisations
from chainrule.maths import Symbol, Tree
from chainrule.maths import names as maths_names
from chainrule.maths.tree import exact, made

Node = Any


def labels_for(order: Sequence[Node]) -> dict[int, str]:
    """The user's names for the nodes and for the tensors of data that they use, by id; looked for once."""
    givens = list(dict.fromkeys(data_of(order)))
    seen = {id(x) for x in (*order, *givens)}
    columns = [x for x in givens if x.view_of is not None and id(x.view_of) not in seen and is_column(x, x.view_of)]
    labels = find_labels([*order, *givens, *[x.view_of for x in columns]])
    # A vector that was made a column to be multiplied goes by its own name.
    labels |= {id(x): labels[id(x.view_of)] for x in columns if id(x) not in labels and id(x.view_of) in labels}
    labels = {**names_of_arrays([x for x in givens if id(x) not in labels]), **labels}
    return {**names_by_role(order, labels), **labels}


def is_column(x: Tensor, whole: Tensor) -> bool:
    """Whether a view has all entries of a vector, as a row or a column."""
    return whole.ndim == 1 and x.size == whole.size == max(x.shape)


def symbols_for(
    order: Sequence[Node],
    labels: Mapping[int, str],
    names: Collection[str] = (),
    own: Collection[Node] | None = None,
) -> tuple[dict[Node, Tree], set[Tree]]:
    """A symbol for each node, and for the tensors of data that the nodes use, and those of `names` besides. O(nodes).

    No two print alike. `names` stand on the same page and for none of these nodes, unless a label is one of them. A
    condition is written with the symbols of `own` nodes alone, if not all stand for something.
    """
    nodes = [*order, *dict.fromkeys(data_of(order))]
    labelled = [labels[id(node)] for node in nodes if labels.get(id(node))]
    letters = maths_names.symbols_for([*labelled, *names])
    besides = {letters[name] for name in {*names}.difference(labelled)}
    taken = set(besides)
    symbols: dict[Node, Tree] = {}
    for node in nodes:
        if labels.get(id(node)):
            symbol = replace(letters[labels[id(node)]], shape=tuple(node.shape))
            symbols[node] = maths_names.unlike(symbol, taken)
    results, constants = numbered("v", taken), numbered("c", taken)
    normal = letters_of_normalisations(nodes[: len(order)], taken)
    symbols = {**letters_of_gates(nodes[: len(order)], taken), **normal, **symbols}
    for node in nodes[: len(order)]:
        if node not in symbols:
            symbols[node] = shaped(next(results), node.shape)
    known = symbols if own is None else {x: symbol for x, symbol in symbols.items() if x in own}
    for x in nodes[len(order) :]:
        if x not in symbols:
            written = as_made(x, known)
            # Which conditions are made of `own` differs from result to result; the letters of a page do not.
            if written is None or own is not None:
                letter = shaped(next(constants), x.shape) if x.ndim else exact(float(x.item()))
                written = written or letter
            symbols[x] = written
        if own is not None and x in own:
            known[x] = symbols[x]
    return symbols, set[Tree](besides)


def shaped(symbol: Symbol, shape: Sequence[int]) -> Symbol:
    return replace(symbol, shape=tuple(shape)) if shape else symbol


def as_made(x: Tensor, symbols: Mapping[Node, Tree]) -> Tree | None:
    """A condition or an order as it was written, such as x > 0; None for what is no result, or has no symbol in it."""
    origin: Any = x.origin() if callable(x.origin) else None
    if origin is None:
        return None
    inputs = [symbols.get(y) if isinstance(y, Tensor) else y for y in origin.inputs]
    if any([y is None or np.ndim(y) > 0 for y in inputs if not isinstance(y, Tree)]):
        return None
    return made(origin.op, inputs, origin.settings, x.shape)


def numbered(letter: str, taken: set[Symbol]) -> Iterator[Symbol]:
    """A letter with numbers below it, but for those that the user has given away."""
    count, taken = 0, {x for x in taken if x.base == letter}
    while True:
        count += 1
        symbol = Symbol(letter, (str(count),), name=f"{letter}{count}")
        if not taken or symbol not in taken:
            yield symbol


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
