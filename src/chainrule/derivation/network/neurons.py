"""Recognising a feed-forward net that was written number by number: neurons of single numbers, put into layers."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from chainrule.derivation.network.feedforward import (
    OF_COSTS,
    cost_nodes,
    is_activation,
    is_called_weight,
    is_leaf,
    is_recorded,
)
from chainrule.derivation.network.net import Layer, Misfit, Net
from chainrule.derivation.opened.opened import Opened
from chainrule.maths import plain


class Neuron(NamedTuple):
    """A weighted sum of numbers: pairs of a weight and what it multiplies, and the biases."""

    z: Any
    terms: tuple[tuple[Any, Any], ...]
    biases: tuple[Any, ...]
    parts: tuple[Any, ...]
    """The nodes that the sum was made with."""


def net_of_numbers(opened: Opened) -> Net:
    """The net that a computation on single numbers is; `Misfit` says what does not fit."""
    neurons = all_neurons(opened)
    if not neurons:
        raise Misfit("there is no neuron in it: nothing is a weight times something")
    levels = in_layers(opened, neurons)
    fed = inputs_of(levels[0])
    layers: list[Layer] = []
    for level in levels:
        layer, fed = layer_of(opened, level, fed)
        layers.append(layer)
    check_rest(opened, levels, fed)
    return Net(tuple(layers), opened, tuple(fed))


def all_neurons(opened: Opened) -> dict[Any, Neuron]:
    """Every weighted sum that is not part of a larger one."""
    found: dict[Any, Neuron] = {}
    inner: set[Any] = set()
    sums = weighted_sums(opened)
    for node in reversed(opened.order):
        if node in inner or node not in sums:
            continue
        neuron = weighted_sum(opened, node)
        if neuron is not None:
            found[node] = neuron
            inner.update(neuron.parts)
    return found


def weighted_sums(opened: Opened) -> set[Any]:
    """Every node that is a sum of products with leaves, whose parts are used once: no sum is opened twice. O(nodes)."""
    found: set[Any] = set()
    for node in opened.order:
        name = "" if node.op is None else node.op.name
        if name in ("add", "sum_of"):
            computed = [x for x in node.inputs if is_recorded(x) and x.op is not None]
            fits = all(x in found and len(opened.consumers[x]) == 1 for x in computed)
        else:
            half = len(node.inputs) // 2
            pairs = zip(node.inputs[:half], node.inputs[half:], strict=True) if name in ("mul", "dot_of") else ()
            fits = half > 0 and name in ("mul", "dot_of") and all(is_leaf(x) or is_leaf(y) for x, y in pairs)
        if fits:
            found.add(node)
    return found


def weighted_sum(opened: Opened, node: Any) -> Neuron | None:
    """A node as a sum of weights times numbers, and biases; None where it is something else."""
    terms: list[tuple[Any, Any]] = []
    biases: list[Any] = []
    parts: list[Any] = []
    waiting = [node]
    while waiting:
        x = waiting.pop()
        if not is_recorded(x) or x.op is None:
            biases.append(x)
            continue
        parts.append(x)
        if x.op.name in ("add", "sum_of"):
            waiting.extend(reversed(x.inputs))
        elif x.op.name == "mul":
            terms.append(weight_first(opened, *x.inputs))
        elif x.op.name == "dot_of":
            half = len(x.inputs) // 2
            terms.extend(weight_first(opened, *pair) for pair in zip(x.inputs[:half], x.inputs[half:], strict=True))
        else:
            return None
    biases = [b for b in biases if is_recorded(b) or b != 0]
    if not terms or not all(is_leaf(weight) for weight, _ in terms) or len(biases) > 1:
        return None
    return Neuron(node, tuple(terms), tuple(biases), tuple(parts))


def weight_first(opened: Opened, x: Any, y: Any) -> tuple[Any, Any]:
    """Of two factors, the one that is the weight first: the leaf; of two leaves the one that its name tells."""
    if is_leaf(x) and is_leaf(y):
        return (y, x) if is_called_weight(opened.symbols[y]) and not is_called_weight(opened.symbols[x]) else (x, y)
    return (y, x) if is_leaf(y) else (x, y)


def below(neurons: dict[Any, Neuron], x: Any) -> Any:
    """The weighted sum that an input of a neuron comes from, or None where it is an input of the net."""
    if not is_recorded(x) or x.op is None:
        return None
    if x in neurons:
        return x
    if is_activation(x) and x.inputs[0] in neurons:
        return x.inputs[0]
    raise Misfit(
        f"a neuron takes in the result of {x.op.name}, which is neither a weighted sum nor an activation on one"
    )


def in_layers(opened: Opened, neurons: dict[Any, Neuron]) -> list[list[Neuron]]:
    """The neurons by layer: each takes in what the layer before gives, and nothing else."""
    depth: dict[Any, int] = {}
    levels: list[list[Neuron]] = []
    for node in opened.order:
        if node not in neurons:
            continue
        sources = {below(neurons, x) for _, x in neurons[node].terms}
        depths = {0 if z is None else depth[z] for z in sources}
        if len(depths) != 1:
            raise Misfit(
                f"{plain(opened.symbols[node])} takes in numbers of different layers, as a skip connection does"
            )
        depth[node] = depths.pop() + 1
        if depth[node] > len(levels):
            levels.append([])
        levels[depth[node] - 1].append(neurons[node])
    uses = Counter(id(w) for neuron in neurons.values() for w in (*[w for w, _ in neuron.terms], *neuron.biases))
    for neuron in neurons.values():
        for w in (*[w for w, _ in neuron.terms], *neuron.biases):
            if is_recorded(w) and max(uses[id(w)], len(opened.consumers.get(w, []))) > 1:
                raise Misfit(
                    f"{plain(opened.symbols[w])} is used in several places, and the weight of a layer is used once"
                )
    return levels


def inputs_of(level: list[Neuron]) -> list[Any]:
    """What the first layer takes in: the nodes, and the constants by their place."""
    longest = max(level, key=lambda neuron: len(neuron.terms))
    fed = [x for _, x in longest.terms]
    for neuron in level:
        fed.extend(x for _, x in neuron.terms if is_recorded(x) and not any(x is y for y in fed))
    return fed


def layer_of(opened: Opened, level: list[Neuron], fed: list[Any]) -> tuple[Layer, list[Any]]:
    """The numbers of one layer, and the nodes of its activations."""
    shape = (len(level), len(fed))
    weights, by_weights = np.zeros(shape), np.zeros(shape)
    where = np.full(shape, -1)
    leaves: dict[tuple[int, int], Any] = {}
    for j, neuron in enumerate(level):
        for place, (weight, x) in enumerate(neuron.terms):
            k = position(fed, x, place)
            where[j, k] = len(leaves)
            leaves[j, k] = weight
            weights[j, k] = opened.numbers[weight]
            by_weights[j, k] = opened.gradients[weight]
    biases = [neuron.biases[0] if neuron.biases else 0.0 for neuron in level]
    z = [neuron.z for neuron in level]
    a = [activation_of(opened, node) for node in z]
    rules = {(x.op, tuple(x.settings.items())) if x is not y else (None, ()) for x, y in zip(a, z, strict=True)}
    if len(rules) != 1:
        raise Misfit(f"the neurons beside {plain(opened.symbols[z[0]])} have different activation functions")
    operation, settings = rules.pop()
    slopes = [1.0 if operation is None else opened.slope(x, 0) for x in a]

    def row(nodes: list[Any], numbers: dict[Any, Any]) -> Any:
        return np.array([[float(numbers.get(x, 0.0)) if is_recorded(x) else float(x) for x in nodes]])

    has_bias = any(neuron.biases for neuron in level)
    layer = Layer(
        weights=weights,
        bias=row(biases, opened.numbers)[0] if has_bias else None,
        fed=row(fed, opened.numbers),
        z=row(z, opened.numbers),
        a=row(a, opened.numbers),
        slope=np.array([slopes], dtype=float),
        activation=operation,
        settings=dict(settings),
        by_weights=by_weights,
        by_bias=np.array([float(opened.gradients[b]) if is_recorded(b) else np.nan for b in biases])
        if has_bias and all(is_recorded(b) for b in biases)
        else None,
        by_z=row(z, opened.gradients),
        by_a=row(a, opened.gradients),
        weight_name=lambda j, k: opened.symbols[leaves[j, k]] if (j, k) in leaves else None,
        bias_name=lambda j: opened.symbols.get(biases[j]) if is_recorded(biases[j]) else None,
        nodes={
            "weights": tuple(leaves.values()),
            "bias": tuple(biases),
            "z": tuple(z),
            "a": tuple(a),
            "fed": tuple(fed),
        },
        in_rows=True,
        places={"weights": where, "bias": np.arange(len(biases)) if has_bias else None},
    )
    return layer, a


def position(fed: list[Any], x: Any, place: int) -> int:
    """Which input of the layer a neuron's term takes; constants have no identity and go by their place."""
    for k, y in enumerate(fed):
        if x is y and is_recorded(x):
            return k
    if place < len(fed) and not is_recorded(x) and not is_recorded(fed[place]) and fed[place] == x:
        return place
    raise Misfit("the neurons of the first layer take in different numbers")


def activation_of(opened: Opened, z: Any) -> Any:
    """The activation on a weighted sum; the sum itself where there is none."""
    users = opened.consumers.get(z, [])
    if len(users) == 1 and is_activation(users[0][0]) and users[0][0].op.name not in OF_COSTS:
        return users[0][0]
    return z


def check_rest(opened: Opened, levels: list[list[Neuron]], outputs: list[Any]) -> None:
    """Every node that is not of a neuron must be of the cost."""
    of_cost = cost_nodes(opened, tuple(outputs))
    claimed = set(outputs)
    for neuron in (neuron for level in levels for neuron in level):
        claimed.update(neuron.parts)
        claimed.update(x for x in (*neuron.biases, *[x for pair in neuron.terms for x in pair]) if is_recorded(x))
    for node in opened.order:
        users = [user for user, _ in opened.consumers.get(node, [])]
        if (
            node not in claimed
            and node not in of_cost
            and (node.op is not None or any(u not in of_cost for u in users))
        ):
            raise Misfit(f"{plain(opened.symbols[node])} belongs to no neuron and not to the cost")
    for neuron in (neuron for level in levels[:-1] for neuron in level):
        if neuron.z in of_cost or activation_of(opened, neuron.z) in of_cost:
            raise Misfit(f"{plain(opened.symbols[neuron.z])} is of an inner layer and reaches the cost directly")
