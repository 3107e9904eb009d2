"""Layers in a row, run on plain arrays, and the objectives that training minimises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.graph import from_array
from chainrule.core.tensor import Tensor
from chainrule.nn.layers import Linear, Sequential
from chainrule.nn.losses import CrossEntropyLoss
from chainrule.nn.module import Parameter
from chainrule.rules.fused import affine, binary_cross_entropy, cross_entropy, squared_error
from chainrule.rules.linear import sum as total
from chainrule.rules.pointwise import exp, square
from chainrule.transforms import value_and_grad

Array = NDArray[Any]
Objective = Callable[[Array, Array, Array | None], tuple[float, Array]]


class Chain:
    """A net of linear layers and activations in a row, trained on plain arrays with the rules of the book.

    In a small net the record of a batch costs as much as its arithmetic. A chain has only one order to go back in, so
    it asks the same rules for the same shares without a record. And it keeps all weights in one array, the first of
    `flat`, and all biases in the other, so that an optimizer has two arrays to move however many layers there are.
    The net gets the numbers back by `hand_back`. Calls belong in a `Quiet` block.

    >>> import chainrule as cr, numpy as np
    >>> from chainrule.sklearn.chain import Chain
    >>> net = cr.nn.Sequential(cr.nn.Linear(2, 1, dtype=float, rng=0), cr.nn.ReLU())
    >>> chain, x = Chain(net), np.array([[1.0, 2.0]])
    >>> bool(chain.forward(x) == net(x))
    True
    """

    def __init__(self, net: Sequential, flat: Sequence[Tensor] | None = None) -> None:
        layers = [module for module in net if isinstance(module, Linear)]
        self.owned = [[layer.weight for layer in layers], [layer.bias for layer in layers if layer.bias is not None]]
        self.flat = [Tensor(joined(group), requires_grad=True) for group in self.owned] if flat is None else list(flat)
        for held, group in zip(self.flat, self.owned, strict=True):
            held.data[...] = joined(group)
            held.mark_changed()
            held.grad = from_array(np.zeros_like(held.data))
        arrays = [pieces(held.data, group) for held, group in zip(self.flat, self.owned, strict=True)]
        gradients = [pieces(g, group) for g, group in zip(self.gradients(), self.owned, strict=True)]
        numbers, shares = zip(*arrays, strict=True), zip(*gradients, strict=True)
        self.steps: list[tuple[Any, tuple[Array, ...], tuple[Array, ...], dict[str, Any]]] = []
        for module in net:
            if isinstance(module, Linear):
                self.steps.append((affine, next(numbers), next(shares), {}))
            else:
                self.steps.append((module.rule, (), (), module.settings))
        self.inputs: list[tuple[Array, ...]] = []
        self.outputs: list[Array] = []

    def gradients(self) -> list[Array]:
        """The gradients in all weights and in all biases."""
        return [held.grad.data for held in self.flat if held.grad is not None]

    def forward(self, x: Array) -> Array:
        """The raw results of a batch; what every layer took and gave is kept for `backward`."""
        self.inputs, self.outputs = [], []
        for operation, arrays, _, settings in self.steps:
            inputs = (x, *arrays)
            x = operation.function(*inputs, **settings)
            self.inputs.append(inputs)
            self.outputs.append(x)
        return x

    def backward(self, g: Array) -> None:
        """From the gradient in the results to that in every weight and bias."""
        for k in range(len(self.steps) - 1, -1, -1):
            operation, _, shares, settings = self.steps[k]
            inputs, out = self.inputs[k], self.outputs[k]
            for i, share in enumerate(shares, 1):
                share[...] = operation.pull(i, g, out, inputs, settings)
            if k:
                g = operation.pull(0, g, out, inputs, settings)

    def hand_back(self) -> None:
        """Give the net the numbers that it has by now."""
        for held, group in zip(self.flat, self.owned, strict=True):
            for parameter, numbers in zip(group, pieces(held.data, group), strict=True):
                parameter.data[...] = numbers
                parameter.mark_changed()

    def finish(self) -> None:
        """Hand the numbers back, and let go of the last batch and its gradients."""
        self.hand_back()
        self.inputs, self.outputs = [], []
        for held in self.flat:
            held.grad = None


def joined(group: Sequence[Parameter]) -> Array:
    """The numbers of several parameters in a row."""
    return np.concatenate([parameter.data.ravel() for parameter in group])


def pieces(flat: Array, group: Sequence[Parameter]) -> list[Array]:
    """Views of an array in the shapes of several parameters."""
    ends = np.cumsum([parameter.size for parameter in group])
    return [part.reshape(p.shape) for part, p in zip(np.split(flat, ends[:-1]), group, strict=True)]


def surprise_at_classes(z: Array, y: Array, weight: Array | None) -> tuple[float, Array]:
    """The mean surprise at the right classes `y`, and its gradient in the raw results `z`."""
    if weight is None:
        return at_once(cross_entropy, (z,), {"target": y})
    return weighed(CrossEntropyLoss(reduction="none"), z, y, weight)


def surprise_at_labels(z: Array, y: Array, weight: Array | None) -> tuple[float, Array]:
    """The surprise at every label of 0 or 1, added up over the labels of an example, and its gradient."""
    each = 1 / len(z) if weight is None else (weight / weight.sum())[:, None]
    return at_once(binary_cross_entropy, (z, y), {"at_one": each, "at_zero": each})


def half_squared_error(z: Array, y: Array, weight: Array | None) -> tuple[float, Array]:
    """Half the squared error, added up over the outputs of an example, and its gradient."""
    if weight is None:
        return at_once(squared_error, (z, y), {"scale": 0.5 / len(z)})
    return weighed(lambda z, y: 0.5 * square(z - y), z, y, weight)


def half_poisson_deviance(z: Array, y: Array, weight: Array | None) -> tuple[float, Array]:
    """Half the Poisson deviance of the counts `y` from the means e^z, and its gradient."""
    of_counts = y * np.log(np.where(y > 0, y, 1)) - y
    return weighed(lambda z, y: exp(z) - y * z + of_counts, z, y, weight)


def at_once(rule: Any, inputs: tuple[Array, ...], settings: dict[str, Any]) -> tuple[float, Array]:
    """The value of one rule, and its gradient in the first input."""
    value = rule.function(*inputs, **settings)
    return float(value), rule.pull(0, 1.0, value, inputs, settings)


def weighed(each: Callable[..., Any], z: Array, y: Array, weight: Array | None) -> tuple[float, Array]:
    """The mean over the examples of what they lose each, and its gradient in `z`."""
    shares = np.full(len(z), 1 / len(z), z.dtype) if weight is None else weight / weight.sum()

    def mean_of(z: Any) -> Any:
        losses = each(z, y)
        return total(losses * (shares if losses.ndim == 1 else shares[:, None]))

    value, gradient = value_and_grad(mean_of)(z)
    return float(value), gradient
