"""One weight's gradient as a product of links, read off the recorded graph and checked against the engine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import graph
from chainrule.core.tensor import Tensor
from chainrule.errors import ChainruleError, GraphError

Entry = tuple[int, ...]


@dataclass(frozen=True)
class Factor:
    """One link of the chain: how fast `of` moves with `by`."""

    of: str
    by: str
    value: float
    operation: str
    """The operation of the rule book between the two; empty where several lie between them."""

    @property
    def name(self) -> str:
        """The link in Leibniz's notation."""
        return f"∂{self.of}/∂{self.by}"


@dataclass(frozen=True)
class Path:
    """One way from an entry to the loss, where it fans out: the link that leaves it, and the gradient that arrives."""

    through: str
    link: Factor
    arriving: Factor

    @property
    def share(self) -> float:
        """What this path adds to the gradient."""
        return self.link.value * self.arriving.value


@dataclass(frozen=True)
class Product:
    """The gradient of a loss in one entry of a weight, as links from the loss (first) to the weight (last).

    The first link may itself be a sum over `paths`, the largest first.
    """

    weight: str
    gradient: float
    factors: tuple[Factor, ...]
    paths: tuple[Path, ...]


def product_of(loss: Tensor, weight: Tensor, place: Entry) -> Product:
    """The gradient of `loss` in ``weight[place]`` as a product of links.

    From the weight towards the loss, each node that moves with exactly one entry adds a link; where an entry moves
    several, the gradient that reaches it is the first factor and the sum over those paths explains it. Labels of nodes
    name the links. A product that does not give the engine's gradient, or would not when read off the screen, is an
    internal error.
    """
    gradients = _all_gradients(loss)
    consumers = _consumers(loss)
    node, entry, links = weight, place, list[Factor]()
    paths: list[Path] = []
    while node is not loss:
        after = consumers[node]
        if len(after) != 1:
            raise GraphError(f"{name_of(node, entry)} is used {len(after)} times, so its gradient is not one product")
        column = _column(node, entry, after[0])
        reached = [tuple(map(int, e)) for e in np.argwhere(column)]
        step = [_factor(after[0], e, node, entry, float(column[e])) for e in reached]
        if len(reached) > 1 and after[0] is not loss:
            for e, link in zip(reached, step, strict=True):
                arriving = _gradient_factor(loss, after[0], e, gradients)
                paths.append(Path(through=name_of(after[0], e), link=link, arriving=arriving))
            links.append(_gradient_factor(loss, node, entry, gradients))
            break
        if not reached:
            raise GraphError(f"the loss does not move with {name_of(node, entry)}: its gradient is 0")
        links.append(step[0])
        node, entry = after[0], reached[0]
    paths.sort(key=lambda path: -abs(path.share))
    product = Product(
        weight=name_of(weight, place),
        gradient=float(gradients[weight][place]),
        factors=tuple(reversed(links)),
        paths=tuple(paths),
    )
    _prove(product)
    return product


def name_of(node: Tensor, entry: Entry) -> str:
    """An entry as a reader would write it: ``w1[17,28]``; the batch of a single example is left out."""
    label = str(node.label or (node.op.name if node.op is not None else "x"))
    if node.op is not None and entry and node.shape[0] == 1:
        entry = entry[1:]
    return f"{label}[{','.join(map(str, entry))}]" if entry else label


def printed(value: float) -> str:
    """A factor with as many digits as make the product come out right when it is worked out by hand."""
    return f"{value:.6g}"


def _all_gradients(loss: Tensor) -> dict[Tensor, NDArray[Any]]:
    """The gradient that reaches each node of the graph."""
    found: dict[Tensor, NDArray[Any]] = {}

    def arrived(node: Tensor, g: Any, fresh: bool) -> bool:
        found[node] = np.array(g)
        return True

    graph.pullback([loss], [np.ones_like(loss.data)], arrived)
    return found


def _consumers(loss: Tensor) -> dict[Tensor, list[Tensor]]:
    """The nodes that use each node."""
    uses: dict[Tensor, list[Tensor]] = {}
    for node in graph.backward_order([loss]):
        for _, x in node.edges:
            uses.setdefault(x, []).append(node)
    return uses


def _column(node: Tensor, entry: Entry, after: Tensor) -> NDArray[Any]:
    """How every entry of the next node moves with one entry of this one: forward mode over one operation."""
    one = np.zeros_like(node.data)
    one[entry] = 1.0
    return np.asarray(graph.tangents_of([node], [one], [after], record=False)[0])


def _factor(of: Tensor, at: Entry, by: Tensor, entry: Entry, value: float) -> Factor:
    operation = of.op.name if of.op is not None else ""
    return Factor(of=name_of(of, at), by=name_of(by, entry), value=value, operation=operation)


def _gradient_factor(loss: Tensor, node: Tensor, entry: Entry, gradients: dict[Tensor, NDArray[Any]]) -> Factor:
    return Factor(of=name_of(loss, ()), by=name_of(node, entry), value=float(gradients[node][entry]), operation="")


def _prove(product: Product) -> None:
    exact = math.prod(factor.value for factor in product.factors)
    shown = math.prod(float(printed(factor.value)) for factor in product.factors)
    sums = [(product.factors[0].value, math.fsum(path.share for path in product.paths))] if product.paths else []
    pairs = [(product.gradient, exact, 1e-12), (product.gradient, shown, 2e-5), *[(a, b, 1e-10) for a, b in sums]]
    for engine, ours, tolerance in pairs:
        if not math.isclose(engine, ours, rel_tol=tolerance):
            raise ChainruleError(
                f"internal error, please report it: the links of {product.weight} give {ours!r}, the engine {engine!r}"
            )
