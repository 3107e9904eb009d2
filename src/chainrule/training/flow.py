"""How the gradient fares on its way back through a network: layer by layer, and which factor makes it fade or grow."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import graph
from chainrule.core.operation import Pointwise
from chainrule.core.state import enable_grad
from chainrule.core.tensor import Tensor
from chainrule.errors import GraphError
from chainrule.maths import numeral, unicode
from chainrule.nn.activations import Activation
from chainrule.nn.hooks import calls_told
from chainrule.nn.module import Module, Parameter
from chainrule.table import Table
from chainrule.training.batches import batches_of, output_of
from chainrule.training.checkpoint import put_back, states_of
from chainrule.transforms import grad, vjp

COLUMNS = ("layer", "kind", "units", "delta", "gradient", "by_slope", "by_weights", "dead", "saturated")

SATURATED = 0.1
"""A unit is saturated where its slope is below this share of the slope at 0, on average over the batch."""

FADED, GROWN = 1e-2, 1e2
"""From the last layer to the first: below or above this the gradient is said to vanish or to explode."""


@dataclass(frozen=True)
class Layer:
    """A layer with weights, its inputs' sum z and, if there is one, the function h = σ(z) behind it."""

    name: str
    kind: str
    z: Tensor
    h: Tensor
    activation: Callable[..., Any] | None
    weights: tuple[Parameter, ...]


def gradient_flow(model: Module, x: Any, y: Any, *, loss: Callable[..., Any]) -> Table:
    """A row for each layer with weights: how large the gradient is, which factor changes it, which units are idle.

    Columns: ``layer`` and ``kind``; ``units``; ``delta``, the norm of δ = ∂L/∂z of the whole batch, where z are the
    sums of weighted inputs; ``gradient``, the norm of ∂L/∂W of its weights; ``by_slope`` = ‖δ‖ / ‖∂L/∂h‖, by which the
    slope σ′(z) of its activation h = σ(z) changed the gradient; ``by_weights`` = ‖∂L/∂h‖ / ‖δ of the next layer‖, by
    which the next layer's weights did (with all that lies between); ``dead``, units of a ReLU that are active on no
    example; ``saturated``, units of an S whose slope is on average below a tenth of that at 0.
    The note says whether the gradient vanishes or explodes from the last layer to the first, and through which factor
    (Hochreiter, 1991; Glorot and Bengio, 2010).

    Layers stand in the order in which they run. `x` and `y` are taken as by `fit`, in one batch; the model runs in the
    mode it is in, and is left as it was. A model without layers raises `GraphError`. Costs one training step and the
    slopes of the activations.

    >>> import chainrule as cr, numpy as np
    >>> steps = []
    >>> for depth in range(6):
    ...     steps += [cr.nn.Linear(8, 8, rng=depth), cr.nn.Sigmoid()]
    >>> x = np.random.default_rng(0).normal(size=(16, 8))
    >>> flow = cr.training.gradient_flow(cr.nn.Sequential(*steps), x, x > 0, loss=cr.nn.MSELoss())
    >>> flow["layer"], flow["delta"][0] < 1e-3 * flow["delta"][-1]
    (['0', '2', '4', '6', '8', '10'], True)
    >>> print(flow.note)
    the gradient vanishes: ...; above all the slopes of the activations multiply it by ...
    """
    data = batches_of(model, x, y, batch_size=None, shuffle=False, seed=0, owner="gradient_flow")
    ((batch, target, *_),) = data.epoch(1)
    before = states_of(model)
    calls: list[Call] = []

    def note(name: str, module: Module, inputs: tuple[Any, ...], out: Any) -> None:
        calls.append((name, module, inputs[0] if inputs else None, out))

    try:
        with calls_told(model, note), enable_grad():
            value: Tensor = loss(output_of(model, batch), target)
        gradients = gradients_everywhere(value)
    finally:
        put_back(before, model)
    layers = [layer for layer in layers_in(calls, gradients) if id(layer.z) in gradients]
    if not layers:
        raise GraphError(f"{type(model).__name__} has no layer with weights on which the loss depends")
    return table_of(layers, gradients)


Call = tuple[str, Module, Any, Any]
"""A module's name, itself, its first input and its result; calls stand in the order in which they end."""


def gradients_everywhere(loss: Tensor) -> dict[int, tuple[Tensor, NDArray[Any]]]:
    """The gradient of the loss in every node that it depends on, with the node so that it stays alive."""
    found: dict[int, tuple[Tensor, NDArray[Any]]] = {}

    def arrived(node: Tensor, g: Any) -> bool:
        found[id(node)] = (node, np.asarray(g))
        return True

    graph.pullback([loss], [np.ones_like(loss.data)], arrived)
    return found


def layers_in(calls: Sequence[Call], gradients: dict[int, tuple[Tensor, NDArray[Any]]]) -> list[Layer]:
    """The layers that have a matrix of weights of their own, each with the activation that follows.

    A layer whose result is that of a layer inside it, as of attention with its last projection, is one with it.
    """
    consumers: dict[int, list[Tensor]] = {}
    for node, _ in gradients.values():
        for _, source in node.edges:
            consumers.setdefault(id(source), []).append(node)
    found: dict[int, Layer] = {}
    for name, module, _, out in calls:
        weights = tuple(part for _, _, part in module.parts() if isinstance(part, Parameter) and part.ndim > 1)
        if not weights or not isinstance(out, Tensor):
            continue
        z = normalised(out, calls)
        h, activation = activated(z, calls, consumers.get(id(z), []))
        inner = found.get(id(z))
        kind = type(module).__name__
        # The model itself has no name inside itself.
        found[id(z)] = Layer(name or kind, kind, z, h, activation, (inner.weights if inner else ()) + weights)
    return list(found.values())


def normalised(z: Tensor, calls: Sequence[Call]) -> Tensor:
    """The sums after a normalisation behind them, if there is one: a module whose only parameters are vectors."""
    for _, module, taken, out in calls:
        own = [part for _, _, part in module.parts()]
        vectors = own and all(isinstance(part, Tensor) and part.ndim <= 1 for part in own)
        if taken is z and vectors and isinstance(out, Tensor):
            return out
    return z


def activated(z: Tensor, calls: Sequence[Call], consumers: Sequence[Tensor]) -> tuple[Tensor, Any]:
    """What an activation made of the sums, and the activation; the sums themselves where there is none."""
    for _, module, taken, out in calls:
        if taken is z and isinstance(module, Activation) and isinstance(out, Tensor) and entrywise(z, out):
            return out, module
    for node in consumers:
        if isinstance(node.op, Pointwise) and len(node.inputs) == 1:
            return node, partial(node.op, **node.settings)
    return z, None


def entrywise(z: Tensor, h: Tensor) -> bool:
    """Whether each entry of a result depends on one entry alone: every operation on the way is pointwise."""
    return h.shape == z.shape and all(
        isinstance(node.op, Pointwise) for node in graph.between([z], [h]) if node is not z
    )


def table_of(layers: Sequence[Layer], gradients: dict[int, tuple[Tensor, NDArray[Any]]]) -> Table:
    def size(node: Tensor) -> float:
        return float(np.linalg.norm(gradients[id(node)][1].astype(float))) if id(node) in gradients else 0.0

    found: list[Found] = []
    for layer in layers:
        arriving = size(layer.h) if layer.activation is not None else None
        gradient = math.hypot(*(size(weight) for weight in layer.weights))
        units = units_of(layer.z.data).shape[-1]
        found.append((layer.name, layer.kind, units, size(layer.z), gradient, arriving, *idle(layer)))
    return flow_of(found)


Found = tuple[str, str, int, float, float, float | None, int | None, int | None]
"""Of a layer: name, kind, units, ‖δ‖, ‖∂L/∂W‖, ‖∂L/∂h‖ where it has an activation, units dead and saturated."""


def flow_of(found: Sequence[Found]) -> Table:
    """A row for each layer with the factors between it and the next, and the verdict."""
    rows: list[tuple[Any, ...]] = []
    for place, (name, kind, units, delta, gradient, arriving, dead, saturated) in enumerate(found):
        by_slope = None if arriving is None else ratio(delta, arriving)
        later = found[place + 1][3] if place + 1 < len(found) else None
        by_weights = None if later is None else ratio(delta if arriving is None else arriving, later)
        rows.append((name, kind, units, delta, gradient, by_slope, by_weights, dead, saturated))
    return Table(COLUMNS, tuple(rows), verdict(rows))


def idle(layer: Layer) -> tuple[int | None, int | None]:
    """How many units are dead and how many saturated; None without an activation.

    Far out a sigmoid's slope rounds to 0 as well: what tells it from a ReLU is that it is steep at 0.
    """
    if layer.activation is None:
        return None, None
    _, back = vjp(layer.activation, layer.z.data)
    (slope,) = back(np.ones_like(layer.z.data))
    mean = np.abs(units_of(slope)).mean(0)
    return counted(mean, abs(float(grad(layer.activation)(0.0))))


def counted(mean: Any, at_zero: float) -> tuple[int, int]:
    """How many units are dead and how many saturated, of their mean slopes and the slope at 0."""
    return (0, int((mean < SATURATED * at_zero).sum())) if at_zero else (int((mean == 0).sum()), 0)


def units_of(array: NDArray[Any]) -> NDArray[Any]:
    """Entries by unit, as columns: of an image the channels, otherwise the last axis."""
    last = np.moveaxis(array, 1, -1) if array.ndim == 4 else array
    return last.reshape(-1, last.shape[-1])


def ratio(after: float, before: float) -> float | None:
    """How much of a gradient is left; None where none arrived."""
    return after / before if before else None


def verdict(rows: Sequence[tuple[Any, ...]]) -> str:
    """What becomes of the gradient on its way back, and through which factor."""
    first, last = rows[0], rows[-1]
    if not last[3] or not math.isfinite(last[3]) or not math.isfinite(first[3]):
        return (
            f"the gradient that reaches layer {last[0]} is {told_size(last[3])}, so nothing can be said of the way back"
        )
    whole = first[3] / last[3]
    if len(rows) == 1:
        return f"the gradient arrives: {first[0]} is the only layer, and the norm there is {told_size(first[3])}"
    sizes = f"its norm goes from {told_size(last[3])} to {told_size(first[3])}"
    told = f"from layer {last[0]} back to layer {first[0]} {sizes}"
    slopes = [row[5] for row in rows[:-1] if row[5] is not None]
    weights = [row[6] for row in rows[:-1] if row[6] is not None]
    if FADED <= whole <= GROWN:
        return f"the gradient arrives: {told}"
    by_slope, by_weights = mean_factor(slopes), mean_factor(weights)
    factors = [
        (by_slope, f"the slopes of the activations multiply it by {told_size(by_slope)} a layer"),
        (by_weights, f"the weights multiply it by {told_size(by_weights)} a layer"),
    ]
    vanishes = whole < FADED
    most, other = sorted(factors, reverse=not vanishes)
    return f"the gradient {'vanishes' if vanishes else 'explodes'}: {told}; above all {most[1]}; {other[1]}"


def told_size(x: float) -> str:
    return unicode(numeral(x, 3))


def mean_factor(factors: Sequence[float]) -> float:
    """The geometric mean of factors; 1 of none."""
    if any(factor == 0 for factor in factors):
        return 0.0
    return math.exp(sum(map(math.log, factors)) / len(factors)) if factors else 1.0
