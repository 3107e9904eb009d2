"""A feed-forward net as data: its layers with their numbers, however it was written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.operation import Operation, Pointwise
from chainrule.derivation.opened.opened import Opened
from chainrule.errors import GraphError
from chainrule.maths import Tree

Array = np.ndarray[Any, Any]


class Misfit(GraphError):
    """Why a computation is not a feed-forward net."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer with its numbers, an example in each row, and the engine's gradients of the cost in them."""

    weights: Array
    """Shape (neurons, inputs): row j holds the weights into neuron j."""
    bias: Array | None
    fed: Array
    """What comes in, of shape (examples, inputs)."""
    z: Array
    a: Array
    slope: Array
    """The activation's derivative at z, entry by entry, from the rule book."""
    activation: Operation | None
    settings: dict[str, Any]
    by_weights: Array | None
    """None where the weights are constants."""
    by_bias: Array | None
    by_z: Array
    by_a: Array
    weight_name: Callable[[int, int], Tree | None]
    """What the program calls the weight to neuron j from input k, both counted from 0."""
    bias_name: Callable[[int], Tree | None]
    nodes: dict[str, tuple[Any, ...]]
    """The recorded nodes of each role: weights, bias, z, a, and what is fed in."""
    in_rows: bool
    """Whether the recorded arrays have an example in each row; else in each column."""
    places: dict[str, Array | None]
    """For each weight and bias the place of its number in the leaf, or its leaf's place among the nodes."""

    @property
    def neurons(self) -> int:
        """How many numbers come out."""
        return self.weights.shape[0]

    @property
    def inputs(self) -> int:
        """How many numbers come in."""
        return self.weights.shape[1]

    def passed(self, g: Array) -> Array:
        """What of a gradient in a, an example in each column, the activation passes to z."""
        return self.activation.passed(g, self.slope.T) if isinstance(self.activation, Pointwise) else g * self.slope.T

    def find(self, node: Any, entry: tuple[int, ...] | None) -> tuple[str, tuple[int, ...]] | None:
        """Where in the layer a leaf (or one entry of it) stands: the role, and the place counted from 0."""
        for role in ("weights", "bias"):
            for serial, leaf in enumerate(self.nodes[role]):
                places = self.places[role]
                if leaf is not node or places is None:
                    continue
                if np.size(node.data) > 1 and entry is None:
                    return role, ()
                here = int(np.ravel_multi_index(entry, node.shape)) if entry else serial
                hit = np.argwhere(places == here)[0]
                return role, tuple([int(i) for i in hit])
        return None

    @property
    def parameters(self) -> int:
        """How many weights and biases it has."""
        return self.weights.size + (0 if self.bias is None else self.bias.size)

    @property
    def function(self) -> str:
        """The activation's name."""
        return "identity" if self.activation is None else self.activation.name


@dataclass(frozen=True, slots=True)
class Net:
    """A feed-forward net with a cost on top."""

    layers: tuple[Layer, ...]
    opened: Opened
    outputs: tuple[Any, ...]
    """The nodes of the last activations, from which the cost is made."""

    @property
    def examples(self) -> int:
        """How many examples there are."""
        return self.layers[0].fed.shape[0]

    @property
    def is_chain(self) -> bool:
        """Whether there is one neuron a layer and one example: then every matrix is a number."""
        return self.examples == 1 and all(layer.weights.size == 1 for layer in self.layers)

    @property
    def parameters(self) -> int:
        """How many weights and biases there are."""
        return sum(layer.parameters for layer in self.layers)
