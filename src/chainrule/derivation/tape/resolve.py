"""What a reader asked to differentiate in: a node, an entry of one, a name, or several of these."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np

from chainrule.core import Value, graph
from chainrule.core.labels import find_labels
from chainrule.core.tensor import Tensor
from chainrule.core.term import name_of
from chainrule.derivation.tape.tape import not_in_graph
from chainrule.derivation.tape.unchanged import called
from chainrule.errors import DtypeError, GraphError

Node = Any
Place = tuple[int, ...]


def resolve(output: Node, wrt: Any) -> tuple[tuple[Node, ...], Place | None]:
    """The nodes of `output`'s graph that are meant, and the entry where one is; nothing for None. O(nodes).

    An entry is written as ``net[0].weight[3, 1]``: that records an index, which leads back to the weight. Raises
    GraphError, with what could be meant, for what the output was not computed from, and DtypeError for other things.
    """
    if wrt is None:
        return (), None
    order = graph.backward_order([output])
    if isinstance(wrt, Iterable) and not isinstance(wrt, Value | Tensor | str):
        wrt = list(cast("Iterable[Any]", wrt))
        if not wrt:
            raise GraphError("wrt is an empty list: leave it out to differentiate in every leaf")
        inside = set(order)
        found = [resolve_one(order, inside, x) for x in wrt]
        if len(found) > 1 and any(place is not None for _, place in found):
            raise GraphError("a list asks for whole arrays: ask for one entry at a time, as wrt=weight[3, 1]")
        return tuple([node for node, _ in found]), found[0][1] if len(found) == 1 else None
    node, place = resolve_one(order, set(order), wrt)
    return (node,), place


def resolve_one(order: Sequence[Node], inside: set[Node], wrt: Any) -> tuple[Node, Place | None]:
    if isinstance(wrt, str):
        return by_name(order, wrt)
    if not isinstance(wrt, Value | Tensor):
        raise DtypeError(
            "wrt is a Value, a Tensor, an entry such as weight[3, 1], a name, or a list of these, not a "
            f"{type(wrt).__name__}"
        )
    if wrt in inside:
        return wrt, None
    if isinstance(wrt, Tensor) and name_of(wrt) == "index":
        weight, positions = index_of(wrt)
        if weight in inside:
            if positions.size != 1:
                raise GraphError(f"an entry or the whole of an array is explained, and this has shape {wrt.shape}")
            return weight, placed(int(positions.ravel()[0]), weight.shape)
    name = called([wrt])[0]
    if isinstance(wrt, Tensor) and wrt.op is None and not wrt.requires_grad and not wrt.ndim:
        raise GraphError(
            f"{not_in_graph(wrt, name)}. An entry such as weight[3, 1] leads back to its weight only where it is "
            "recorded: index it outside `with cr.no_grad():`, or give its name as wrt='net[0].weight[3, 1]'"
        )
    raise GraphError(not_in_graph(wrt, name))


def index_of(x: Tensor) -> tuple[Tensor, Any]:
    """The tensor that was indexed, once or several times, and the flat positions that were taken."""
    keys: list[Any] = []
    while name_of(x) == "index":
        keys.append(x.settings["key"])
        x = x.inputs[0]
    positions: Any = np.arange(x.size).reshape(x.shape)
    for key in reversed(keys):
        positions = positions[key]
    return x, np.asarray(positions)


def placed(position: int, shape: Place) -> Place:
    return tuple([int(i) for i in np.unravel_index(position, shape)])


def by_name(order: Sequence[Node], name: str) -> tuple[Node, Place | None]:
    """The node of that label or variable, and the entry where the name ends in an index."""
    names = find_labels(order)
    nodes = {names[id(node)]: node for node in order if id(node) in names}
    if name in nodes:
        return nodes[name], None
    entry = re.fullmatch(r"(.+?)\s*\[(-?\d+(?:\s*,\s*-?\d+)*)\]", name)
    if entry and entry[1] in nodes:
        node, key = nodes[entry[1]], tuple([int(i) for i in entry[2].split(",")])
        try:
            position = np.arange(np.size(node.data)).reshape(node.shape)[key]
        except IndexError as error:
            raise GraphError(f"{entry[1]} has shape {node.shape}, and no entry {list(key)}") from error
        if np.ndim(position):
            raise GraphError(f"{name} is not one entry: {entry[1]} has shape {node.shape}")
        return node, placed(int(position), node.shape)
    near = difflib.get_close_matches(name, nodes, 5, 0.0)
    raise GraphError(f"the graph has nothing named {name!r}" + (f"; it has {', '.join(near)}" if near else ""))
