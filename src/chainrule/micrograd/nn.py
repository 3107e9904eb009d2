"""Neurons, layers and networks of Values, as in micrograd (A. Karpathy, 2020).

>>> import random
>>> from chainrule.micrograd.nn import MLP
>>> random.seed(1337)
>>> net = MLP(2, [2, 1])
>>> net
MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]
>>> len(net.parameters())
9
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from chainrule.core import Value, weighted_sum
from chainrule.errors import ShapeError


class Module:
    """The base of neurons, layers and networks."""

    def zero_grad(self) -> None:
        """Set every parameter's gradient to 0."""
        for p in self.parameters():
            p.grad = 0.0

    def parameters(self) -> list[Value]:
        """Every weight and bias, in a fixed order."""
        return []


class Neuron(Module):
    """One neuron with `nin` weights drawn from ``random.uniform(-1, 1)`` and a bias of 0; ReLU unless `nonlin` is off.

    Called with `nin` numbers or Values it gives one Value; another number of inputs raises `ShapeError` (micrograd
    would drop some silently).
    """

    def __init__(self, nin: int, nonlin: bool = True) -> None:
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0)
        self.nonlin = nonlin

    def __call__(self, x: Iterable[Any]) -> Value:
        inputs: list[Any] = x if isinstance(x, list) else list(x)
        if len(inputs) != len(self.w):
            raise ShapeError(f"{self!r} has {len(self.w)} weights and got {len(inputs)} inputs")
        act: Any = weighted_sum(self.b, self.w, inputs)
        return act.relu() if self.nonlin else act

    def parameters(self) -> list[Value]:
        """The weights, then the bias."""
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """`nout` neurons that all see the same `nin` inputs; gives a list of Values, or the one Value of one neuron."""

    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None:
        self.neurons = [Neuron(nin, **kwargs) for _ in range(nout)]

    def __call__(self, x: Iterable[Any]) -> Any:
        inputs: list[Any] = x if isinstance(x, list) else list(x)
        out = [neuron(inputs) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self) -> list[Value]:
        """Each neuron's parameters in turn."""
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Layers of `nouts` neurons on `nin` inputs, ReLU in all but the last."""

    def __init__(self, nin: int, nouts: Sequence[int]) -> None:
        sizes = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [Layer(sizes[i], sizes[i + 1], nonlin=i != last) for i in range(len(nouts))]

    def __call__(self, x: Iterable[Any]) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self) -> list[Value]:
        """Each layer's parameters in turn."""
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
