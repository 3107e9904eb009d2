"""A feed-forward net as data: layer by layer, which numbers of a program are its weights, its inputs, its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.operation import Operation
from chainrule.errors import GraphError
from chainrule.program.numbered import Ids, Numbered


class NotANet(GraphError):
    """Why a program is not a feed-forward net."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer, an example in each row: which numbers of the program are its weights, its inputs and its outputs."""

    weights: Ids
    """Shape (neurons, inputs): row j holds the weights into neuron j, −1 where it does not take an input in."""
    bias: Ids | None
    fed: Ids
    """What comes in, of shape (examples, inputs)."""
    z: Ids
    """The weighted sums, of shape (examples, neurons)."""
    a: Ids
    """What the activation makes of them."""
    activation: Operation | None
    settings: dict[str, Any]
    in_rows: bool
    """Whether the program's arrays have an example in each row; else in each column."""

    @property
    def neurons(self) -> int:
        return self.weights.shape[0]

    @property
    def inputs(self) -> int:
        return self.weights.shape[1]

    @property
    def parameters(self) -> int:
        return int(np.sum(self.weights >= 0)) + (0 if self.bias is None else int(np.sum(self.bias >= 0)))

    @property
    def function(self) -> str:
        return "identity" if self.activation is None else self.activation.name


@dataclass(frozen=True, eq=False)
class Net:
    """The layers of a feed-forward net, and the ids that they are made of; the program's output is the cost."""

    layers: tuple[Layer, ...]
    ids: Numbered

    @property
    def examples(self) -> int:
        return self.layers[0].fed.shape[0]

    @property
    def is_chain(self) -> bool:
        """Whether there is one neuron a layer and one example: then every matrix is a number."""
        return self.examples == 1 and all(layer.weights.size == 1 for layer in self.layers)

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)
