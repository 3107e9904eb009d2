"""Recognising a feed-forward net in a recorded computation: layers of weighted sums and activations, and a cost.

It does not matter how the net was written: by modules, by hand on Tensors with examples in rows or in columns, or
number by number on Values. What comes out is the same for all: one `Layer` after the other, an example in each row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.operation import Pointwise
from chainrule.core.tensor import Tensor
from chainrule.derivation.entries.entries import placed
from chainrule.derivation.network.net import Layer, Misfit, Net
from chainrule.derivation.opened.opened import Opened
from chainrule.maths import Tree, plain

Array = np.ndarray[Any, Any]

RESHAPING = ("reshape", "transpose", "swap", "squeeze", "expand_dims", "identity", "astype")
"""Operations that leave every number as it is."""

OF_COSTS = ("square", "abs", "log", "exp", "neg", "sqrt", "log1p", "reciprocal")
"""Functions of one number that belong to a cost where they follow the last layer."""


def recognised(opened: Opened) -> Net:
    """The net that a computation is; `Misfit` says which node does not fit.

    `opened` holds the gradients of all nodes, so it was opened without `wrt`. O(nodes + entries).
    """
    from chainrule.derivation.network.neurons import net_of_numbers

    if all(np.shape(node.data) == () for node in opened.order):
        return net_of_numbers(opened)
    return Recogniser(opened).net()


class Recogniser:
    """Follows a net of Tensors from its last layer to its first."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.claimed: set[Any] = set()
        self.maps = [node for node in opened.order if node.op is not None and node.op.name in ("affine", "matmul")]

    def net(self) -> Net:
        """The whole net, or `Misfit`."""
        if not self.maps:
            raise Misfit("there is no layer in it: no matrix of weights is multiplied")
        z, a = self.last_layer(self.maps[-1])
        outputs = (a,)
        layers: list[Layer] = []
        place = self.maps[-1]
        while True:
            layers.insert(0, self.layer(place, z, a))
            below = self.inside(place.inputs[1 - weight_slot(self.opened, place) if place.op.name == "matmul" else 0])
            if not is_recorded(below) or below.op is None:
                self.claimed.add(below)
                break
            a, z, place = self.layer_below(below)
        self.check_rest(outputs[0])
        return Net(tuple(layers), self.opened, outputs)

    def last_layer(self, place: Any) -> tuple[Any, Any]:
        """The weighted input and the activation above the last matrix product."""
        z = self.above(place)
        user = self.only_user(z)
        if user is not None and user.op.name == "add" and any(is_leaf(self.inside(x)) for x in user.inputs):
            z = self.above(user)
            user = self.only_user(z)
        unary = user is not None and is_activation(user) and user.op.name not in OF_COSTS
        return z, user if unary else z

    def above(self, node: Any) -> Any:
        """The node after any change of shape alone."""
        user = self.only_user(node)
        while user is not None and user.op.name in RESHAPING:
            self.claimed.add(node)
            node, user = user, self.only_user(user)
        return node

    def only_user(self, node: Any) -> Any:
        """What takes a node in, if it is one thing."""
        users = self.opened.consumers.get(node, [])
        return users[0][0] if len(users) == 1 else None

    def inside(self, x: Any) -> Any:
        """What an input is made of by a change of shape alone."""
        while isinstance(x, Tensor) and x.op is not None and (x.op.name in RESHAPING or x.op.name == "broadcast_to"):
            self.claimed.add(x)
            x = x.inputs[0]
        return x

    def layer_below(self, node: Any) -> tuple[Any, Any, Any]:
        """The activation, the weighted input and the product of the layer that ends in a node."""
        a = node
        z = self.inside(node.inputs[0]) if is_activation(node) else node
        if not isinstance(z, Tensor):
            raise Misfit(f"{self.say(node)} acts on a constant")
        place = z
        if z.op is not None and z.op.name == "add":
            ways = [x for x in map(self.inside, z.inputs) if is_recorded(x) and x.op is not None]
            if len(ways) != 1:
                raise Misfit(f"{self.say(z)} joins two ways, as a skip connection does")
            place = ways[0]
        if place not in set(self.maps):
            raise Misfit(f"{self.say(place)} is neither a weighted sum nor an activation on one")
        return a, z, place

    def layer(self, place: Any, z: Any, a: Any) -> Layer:
        """The numbers of a layer, turned so that each example is a row."""
        opened = self.opened
        slot = weight_slot(opened, place)
        in_rows = slot == 1
        affine = place.op.name == "affine"
        inputs = opened.inputs(place)
        if not place.size:
            raise Misfit(f"{self.say(place)} has no entries")
        if place.ndim != 2:
            raise Misfit(f"{self.say(place)} multiplies batches of matrices")

        def turned(array: Any) -> Array:
            array = np.asarray(array)
            if array.size != place.size:
                raise Misfit(f"{self.say(z)} repeats the weighted sums of shape {place.shape}")
            array = array.reshape(place.shape)
            return array if in_rows else array.T

        weights = inputs[slot] if affine or not in_rows else inputs[slot].T
        leaf, where = self.places(place.inputs[slot])
        where = where if affine or not in_rows else where.T
        if where.size != np.size(leaf if not isinstance(leaf, Tensor) else leaf.data):
            raise Misfit(f"{self.say(place)} repeats its weights")
        bias_input = place.inputs[2] if affine else None
        bias, bias_where, bias_leaf = None, None, None
        if not affine and z is not place and z.op.name == "add":
            side = next((x for x in z.inputs if self.inside(x) is not self.product_in(z)), None)
            bias_input = side
        elif affine and z is not place and z.op.name == "add":
            raise Misfit(f"{self.say(z)} adds to a layer that has its bias already")
        if bias_input is not None:
            bias, bias_leaf, bias_where = self.bias(bias_input, turned, z, weights.shape[0], affine)
        fed = place.inputs[0 if affine else 1 - slot]
        gradient = opened.gradients
        self.claimed.update(x for x in (place, z, a, leaf, bias_leaf) if isinstance(x, Tensor))
        for x in (leaf, bias_leaf):
            if isinstance(x, Tensor) and len(opened.consumers.get(x, [])) > 1:
                raise Misfit(
                    f"{plain(opened.symbols[x])} is used in {len(opened.consumers[x])} places, so its errors mix"
                )
        return Layer(
            weights=weights,
            bias=bias,
            fed=inputs[0 if affine else 1 - slot] if in_rows else inputs[1 - slot].T,
            z=turned(opened.numbers[z]),
            a=turned(opened.numbers[a]),
            slope=turned(opened.slope(a, 0) if a is not z else np.ones(place.shape)),
            activation=a.op if a is not z else None,
            settings=a.settings if a is not z else {},
            by_weights=gradient[leaf].ravel()[where] if leaf in gradient else None,
            by_bias=gradient[bias_leaf].ravel()[bias_where] if bias_leaf in gradient else None,
            by_z=turned(gradient[z]),
            by_a=turned(gradient[a]),
            weight_name=lambda j, k: self.name(leaf, where[j, k]),
            bias_name=lambda j: self.name(bias_leaf, bias_where[j]) if bias_where is not None else None,
            nodes={"weights": (leaf,), "bias": (bias_leaf,), "z": (z,), "a": (a,), "fed": (fed,)},
            in_rows=in_rows,
            places={"weights": where, "bias": bias_where},
        )

    def product_in(self, z: Any) -> Any:
        """The one of a sum's terms that was computed."""
        return next(x for x in map(self.inside, z.inputs) if is_recorded(x) and x.op is not None)

    def bias(self, given: Any, turned: Any, z: Any, neurons: int, affine: bool) -> tuple[Array, Any, Array]:
        """The bias of each neuron, the leaf it comes from, and where in it each stands."""
        numbers = self.opened.numbers
        held = numbers[given] if is_recorded(given) else np.asarray(getattr(given, "data", given), dtype=float)
        full = turned(np.broadcast_to(held, z.shape))
        leaf, where = self.places(given)
        if not affine or where.shape != (neurons,):
            where = turned(np.broadcast_to(where, z.shape))[0]
        if np.any(full != full[0]) or len(set(where.tolist())) != neurons:
            raise Misfit(f"{self.say(z)} adds something other than one bias for each neuron")
        return full[0], leaf, where

    def places(self, x: Any) -> tuple[Any, Array]:
        """The leaf that an input is made of, and for each entry of the input the place of its number in the leaf."""
        chain: list[Any] = []
        while isinstance(x, Tensor) and x.op is not None and (x.op.name in RESHAPING or x.op.name == "broadcast_to"):
            chain.append(x)
            x = x.inputs[0]
        self.claimed.update(chain)
        data = np.asarray(getattr(x, "data", x))
        where = np.arange(data.size).reshape(data.shape)
        for node in reversed(chain):
            if node.op.name != "astype":
                where = node.op.function(where, **node.settings)
        return x, where

    def name(self, leaf: Any, place: int) -> Tree | None:
        """What the program calls one number of a leaf."""
        if leaf not in self.opened.symbols:
            return None
        index = tuple([int(i) for i in np.unravel_index(int(place), leaf.shape)])
        return placed(self.opened.symbols[leaf], index)

    def say(self, node: Any) -> str:
        """A node in words."""
        if node not in self.opened.symbols:
            return "a constant"
        return plain(self.opened.symbols[node]) + (f" (by {node.op.name})" if node.op is not None else "")

    def check_rest(self, output: Any) -> None:
        """Every node that is not of a layer must be of the cost, and the cost must see the last activations alone."""
        of_cost = cost_nodes(self.opened, (output,))
        for node in self.opened.order:
            users = [user for user, _ in self.opened.consumers.get(node, [])]
            outside = next((user for user in users if user not in self.claimed), None)
            if node in self.claimed and node is not output and outside is not None:
                raise Misfit(f"{self.say(node)} also goes into {self.say(outside)}, outside the layers")
            if node in self.claimed or node in of_cost:
                continue
            if node.op is None and all(user in of_cost for user in users):
                continue
            raise Misfit(f"{self.say(node)} belongs to no layer")


def cost_nodes(opened: Opened, outputs: tuple[Any, ...]) -> set[Any]:
    """The nodes that depend on the last activations: those of the cost."""
    found = set(outputs)
    for node in opened.order:
        if any(x in found for _, x in node.edges):
            found.add(node)
    return found - set(outputs)


def is_recorded(x: Any) -> bool:
    """Whether something is a node that gradients pass."""
    return isinstance(x, Tensor | Value) and (isinstance(x, Value) or x.requires_grad)


def is_leaf(x: Any) -> bool:
    """Whether something is a leaf that gradients reach."""
    return is_recorded(x) and x.op is None


def is_activation(node: Any) -> bool:
    """Whether a node is a function of one number, entry by entry."""
    return isinstance(node.op, Pointwise) and len(node.inputs) == 1


def weight_slot(opened: Opened, place: Any) -> int:
    """Which factor of a matrix product holds the weights: the leaf; of two, as names and axes tell."""
    if place.op.name == "affine":
        return 1
    sources = [stripped(x) for x in place.inputs]
    leaves = [is_leaf(x) or not is_recorded(x) for x in sources]
    if leaves == [False, False]:
        raise Misfit(f"{plain(opened.symbols[place])} multiplies two computed matrices")
    if leaves != [True, True]:
        return leaves.index(True)
    learned = [is_leaf(x) for x in sources]
    if learned != [True, True]:
        return learned.index(True)
    named = [is_called_weight(opened.symbols[x]) for x in sources]
    if sum(named) == 1:
        return named.index(True)
    return 0 if np.ndim(sources[0].data) > np.ndim(sources[1].data) else 1


def is_called_weight(symbol: Tree) -> bool:
    """Whether a name is one that weights have."""
    name = plain(symbol)
    return "weight" in name or name.lower().startswith(("w", "theta"))


def stripped(x: Any) -> Any:
    """What an input is made of by a change of shape alone."""
    while isinstance(x, Tensor) and x.op is not None and x.op.name in RESHAPING:
        x = x.inputs[0]
    return x
