"""The numbers of a recognised net: matrices with a column for each example, and what its letters stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import Value
from chainrule.core.operation import Pointwise
from chainrule.derivation.notation import Symbols, at_layer
from chainrule.derivation.scalars.graph import placed
from chainrule.derivation.tape.tape import Tape
from chainrule.kinds import Array
from chainrule.maths import Derivative, Symbol, Tree, Unknown
from chainrule.program import Net, Step
from chainrule.program.nets import Layer
from chainrule.program.numbered import Ids


class Matrices(NamedTuple):
    """A layer's numbers and the engine's gradients of the cost in them."""

    weights: Array
    bias: Array | None
    fed: Array
    z: Array
    a: Array
    slope: Array
    """The activation's derivative at z, entry by entry, from the rule book."""
    by_weights: Array | None
    """None where not all weights are learned."""
    by_bias: Array | None
    by_z: Array
    by_a: Array


class NetNumbers:
    """A net, with the numbers that its computation has."""

    def __init__(self, tape: Tape, net: Net) -> None:
        self.tape = tape
        self.net = net
        self.last = len(net.layers)

    @cached_property
    def _gradients(self) -> Array:
        """The gradient of the cost in every number, by id; 0 in what moves conditions alone."""
        return self.net.ids.flat(lambda step: self.tape.all_gradients.get(self.node(step), np.zeros(step.shape)))

    @cached_property
    def _matrices(self) -> list[Matrices]:
        """The layers' numbers, in the order of the forward."""
        numbers = self.net.ids.flat(lambda step: self.tape.number_of(self.node(step)))
        return [self.matrices(layer, numbers) for layer in self.net.layers]

    def __getitem__(self, number: int) -> Matrices:
        """The matrices of a layer, counted from 1."""
        return self._matrices[number - 1]

    def layer(self, number: int) -> Layer:
        """A layer, counted from 1."""
        return self.net.layers[number - 1]

    def node(self, step: Step) -> Any:
        return self.tape.lifted.nodes[step.place]

    def nodes_of(self, ids: Ids) -> list[Any]:
        return [self.node(step) for step in self.net.ids.steps_of(ids)]

    def is_output(self, node: Any) -> bool:
        """Whether a node holds the last weighted inputs as they are, an example in each row."""
        step = self.tape.lifted.step.get(node)
        return step is not None and np.array_equal(self.net.ids.seen(step), self.net.layers[-1].z)

    def matrices(self, layer: Layer, numbers: Array) -> Matrices:
        """A layer's ids read as numbers."""
        gradients = self._gradients
        slopes = np.ones(layer.z.T.shape)
        if layer.activation is not None:
            flat = self.net.ids.flat(self.slope_at(layer.a))
            slopes = flat[layer.a].T
        return Matrices(
            weights=numbers[layer.weights],
            bias=None if layer.bias is None else numbers[layer.bias][:, None],
            fed=numbers[layer.fed].T,
            z=numbers[layer.z].T,
            a=numbers[layer.a].T,
            slope=slopes,
            by_weights=gradients[layer.weights] if self.is_learned(layer.weights) else None,
            by_bias=gradients[layer.bias][:, None]
            if layer.bias is not None and self.is_learned(layer.bias, whole=True)
            else None,
            by_z=gradients[layer.z].T,
            by_a=gradients[layer.a].T,
        )

    def in_columns(self, number: int, node: Any, numbers: Array) -> Array:
        """What has a number for each of a node's, in the order of a layer's activations: an example in each column."""
        flat = self.net.ids.flat(lambda step: numbers if self.node(step) is node else np.zeros(step.shape))
        return flat[self.layer(number).a].T

    def slope_at(self, a: Ids) -> Any:
        """For the steps of activations their slopes, for all others None."""
        steps = set(self.net.ids.steps_of(a))
        return lambda step: self.tape.slope(self.node(step), 0) if step in steps else None

    def is_learned(self, ids: Ids, *, whole: bool = False) -> bool:
        """Whether gradients reach all of these numbers."""
        held = list(self.net.ids.steps_of(ids))
        constants = np.any(ids >= self.net.ids.first[-1]) or (whole and np.any(ids < 0))
        return bool(held) and not constants and all([step.requires_grad for step in held])

    def gradients_in(self, ids: Ids) -> Array:
        return self._gradients[ids]

    def derivatives(self, identity: int, others: Ids, mode: Any) -> Array:
        """How others move with a number (by `tangents_of`), or it with them (`gradients_of`), in double precision."""
        node, one = self.one_hot(identity)
        nodes = [self.tape.in_double(self.node(step)) for step in self.net.ids.steps_of(others)]
        return self.gathered(others, mode([node], [one], nodes, record=False))

    def one_hot(self, identity: int) -> tuple[Any, Any]:
        """The node of a number, and zeros with a 1 in its place."""
        step = self.net.ids.step_of(identity)
        assert step is not None
        one = np.zeros(step.shape)
        one[self.net.ids.place_of(identity)] = 1.0
        node = self.tape.in_double(self.node(step))
        return node, 1.0 if isinstance(node, Value) else one

    def gathered(self, ids: Ids, found: Sequence[Any]) -> Array:
        """What was found for the steps of some numbers, number by number; nothing (None) counts as 0."""
        held = dict(zip(self.net.ids.steps_of(ids), found, strict=True))
        zeros = {step: np.zeros(step.shape) for step, x in held.items() if x is None}
        return self.net.ids.flat(lambda step: zeros.get(step, held.get(step)))[ids]

    def passed(self, number: int, gradient: Array) -> Array:
        """What of a gradient in a layer's activations passes to its weighted inputs: not what met an untaken branch."""
        activation, slope = self.layer(number).activation, self[number].slope
        return activation.passed(gradient, slope) if isinstance(activation, Pointwise) else gradient * slope

    def connected(self, number: int) -> Array:
        """Where a weight is: neurons that were written one by one need not take in everything."""
        return self.layer(number).weights >= 0

    def name(self, identity: int) -> Tree | None:
        """What the program calls a number; None for a plain one."""
        step = self.net.ids.step_of(int(identity)) if identity >= 0 else None
        symbol = None if step is None else self.tape.symbols.get(self.node(step))
        return None if symbol is None else placed(symbol, self.net.ids.place_of(int(identity)))

    def whole(self, ids: Ids) -> Any:
        """The node that holds just these numbers; of several none is the whole of them."""
        steps = list(self.net.ids.steps_of(ids))
        return self.node(steps[0]) if len(steps) == 1 and steps[0].size == ids.size else None

    def find(self, node: Any, entry: tuple[int, ...] | None) -> tuple[int, str, tuple[int, ...]] | None:
        """Where a leaf, or one entry of it, stands: the layer, the role, and the place there if it is one number."""
        step = self.tape.lifted.step.get(node)
        if step is None:
            return None
        own = self.net.ids.own(step)
        wanted = own[entry] if entry is not None else own.ravel()[0]
        for number, layer in enumerate(self.net.layers, 1):
            for role, ids in (("weights", layer.weights), ("b", layer.bias)):
                hits = np.argwhere(ids == wanted) if ids is not None else []
                if len(hits):
                    return number, role, () if own.size > 1 and entry is None else tuple(map(int, hits[0]))
        return None

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of what every net has one of, by role."""
        first, last, examples = self.net.layers[0], self.net.layers[-1], self.net.examples
        outputs = (last.neurons, examples)
        return {"cost": (), "input": (first.inputs, examples), "prediction": outputs, "target": outputs}


class Letters(dict[Tree, Any]):
    """What the letters of a net stand for: matrices, and entries of these."""

    def __init__(self, numbers: NetNumbers, symbols: Symbols) -> None:
        super().__init__()
        cost = numbers.tape.numbers[numbers.tape.output]
        # Which of the data is the target is not always known.
        self.update({symbols.cost: cost, symbols.a(0): numbers[1].fed, symbols.target: None})
        for number in range(1, numbers.last + 1):
            self.update(self.of_layer(numbers[number], symbols, number))

    def of_layer(self, layer: Matrices, s: Symbols, number: int) -> Iterator[tuple[Tree, Any]]:
        """The letters of one layer; the weights have one for all and one for each."""
        weight = at_layer(s.notation.weight, number)
        pairs: list[tuple[Tree, Any]] = [
            (s.z(number), layer.z),
            (s.a(number), layer.a),
            (s.function_at(0, number), layer.a),
            (s.slope(number), layer.slope),
            (s.by(s.z(number)), layer.by_z),
            (s.error(number), layer.by_z),
            (s.by(s.a(number)), layer.by_a),
            (s.weights(number), layer.weights),
            (weight, layer.weights),
            (s.by(s.weights(number)), layer.by_weights),
            (s.by(weight), layer.by_weights),
            (s.b(number), layer.bias),
            (s.by(s.b(number)), layer.by_bias),
        ]
        yield from [(letter, numbers) for letter, numbers in pairs if numbers is not None]

    def __missing__(self, key: Tree) -> Any:
        """What stands for an entry is kept, so that a page that speaks of it knows its number."""
        match key:
            case Unknown(function, (Symbol() as z,)) if z.at:
                whole, entry = Unknown(function, (z.whole,)), z
            case Derivative(above, Symbol() as entry) if entry.at and not is_entry(above):
                whole = Derivative(above, entry.whole)
            case _:
                raise KeyError(key)
        self[key] = entry_of(self[whole], entry)
        return self[key]


def is_entry(tree: Tree) -> bool:
    return isinstance(tree, Symbol) and bool(tree.at)


def entry_of(array: Any, symbol: Symbol) -> Any:
    """One number of a matrix, by its row alone where that has one column."""
    places = [i - 1 for i in symbol.at if isinstance(i, int)]
    return array[(*places, *[0] * (np.ndim(array) - len(places)))]
