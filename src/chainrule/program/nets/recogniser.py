"""What all feed-forward nets have in common: followed from the last layer to the first, and looked at from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.core.walk import made_from
from chainrule.program.nets.net import Layer, Net, NotANet
from chainrule.program.numbered import Ids, Numbered
from chainrule.program.steps import Program, Step

OF_COSTS = ("square", "abs", "log", "exp", "neg", "sqrt", "log1p", "reciprocal")
"""Functions of one number that belong to a cost where they follow the last layer."""


class Sum(NamedTuple):
    """The weighted sums of a layer, as ids."""

    weights: Ids
    bias: Ids | None
    fed: Ids
    z: Ids
    in_rows: bool = True


class Recogniser:
    """Follows a net from its last layer to its first; how weighted sums are written is known to the classes below."""

    def __init__(self, program: Program, name_of: Callable[[Step], str | None]) -> None:
        self.program = program
        self.name_of = name_of
        self.ids = Numbered(program)
        self.claimed: set[Step] = set()
        """The steps that are of a layer."""

    def sums(self) -> list[Sum]:
        """The weighted sums, in the order of the forward."""
        raise NotImplementedError

    def with_bias(self, found: Sum, is_last: bool) -> Sum:
        """Weighted sums with what is added to each."""
        raise NotImplementedError

    def net(self) -> Net:
        """The whole net, or `NotANet`."""
        sums = self.sums()
        layers: list[Layer] = []
        for found in reversed(sums):
            above = layers[0].fed if layers else None
            layer = self.layer(self.with_bias(found, above is None), above)
            if above is not None and not np.array_equal(layer.a, above):
                raise NotANet(self.why_not_a_layer(above, layer.a))
            layers.insert(0, layer)
            self.claim(layer)
        if any([step.edges for step in self.ids.steps_of(layers[0].fed)]):
            raise NotANet(self.why_not_a_layer(layers[0].fed))
        self.check_used_once(layers)
        self.check_rest(layers)
        return Net(tuple(layers), self.ids)

    def layer(self, found: Sum, above: Ids | None) -> Layer:
        """A layer with its activation: what the layer above is fed, or the only function that follows the last."""
        op, settings, a = None, {}, found.z
        steps = list(self.ids.steps_of(found.z))
        users = [[user for user, _ in self.users(step)] for step in steps]
        functions = [[user for user in each if is_function(user)] for each in users]
        if above is not None:
            wanted = set(self.ids.steps_of(above))
            functions = [[user for user in each if user in wanted] for each in functions]
        elif any([len(each) != 1 for each in users]):
            functions = []
        chosen = [each[0] for each in functions if each]
        kinds = {(user.op, repr(user.settings)) for user in chosen}
        if len(chosen) == len(steps) and (above is not None or chosen[0].operation not in OF_COSTS):
            if len(kinds) > 1:
                raise NotANet(f"the neurons beside {self.say(steps[0])} have different activation functions")
            op, settings = chosen[0].op, chosen[0].settings
            becomes = np.full(int(self.ids.first[-1]), -1)
            for user in chosen:
                becomes[self.ids.seen(user.inputs[0])] = self.ids.own(user)
            a = becomes[found.z]
        return Layer(found.weights, found.bias, found.fed, found.z, a, op, settings, found.in_rows)

    def users(self, step: Step) -> list[tuple[Step, int]]:
        """What takes a step's numbers in, seen through changes of place: each user and its slot."""
        found: list[tuple[Step, int]] = []
        stack = [step]
        while stack:
            for user, slot in self.program.consumers[stack.pop().place]:
                if self.ids.rearranged(user) is None:
                    found.append((user, slot))
                else:
                    stack.append(user)
        return found

    def claim(self, layer: Layer) -> None:
        for part in (layer.weights, layer.bias, layer.fed, layer.z, layer.a):
            if part is not None:
                self.claimed.update(self.ids.steps_of(part))

    def check_used_once(self, layers: list[Layer]) -> None:
        """Each weight and bias is used once for each example, and is nothing else."""
        parts = [part.ravel() for layer in layers for part in (layer.weights, layer.bias) if part is not None]
        learned = np.concatenate(parts)
        often = np.bincount(learned + 1, minlength=int(self.ids.first[-1]) + 1)[1:]
        # What comes in may do so for several examples.
        fed = layers[0].fed
        often[fed[(fed >= 0) & (fed < len(often))]] += 1
        for step in self.ids.steps_of(learned):
            if not step.requires_grad:
                continue
            places, users = int(np.max(often[self.ids.own(step)])), len(self.users(step))
            if places > 1 or max(places, users) > self.most_uses(layers):
                raise NotANet(f"{self.say(step)} is used in {max(places, users)} places, so its errors mix")

    def most_uses(self, layers: list[Layer]) -> int:
        """How many steps take a weight in."""
        return 1

    def check_rest(self, layers: list[Layer]) -> None:
        """What is not of a layer is of the cost, and the cost sees the last activations alone."""
        outputs = set(self.ids.steps_of(layers[-1].a))
        leaves = set(self.ids.steps_of(layers[0].fed))
        of_cost = made_from(self.program.steps, outputs) - outputs
        for step in self.program.steps:
            if not step.requires_grad or self.ids.rearranged(step) is not None or step in of_cost:
                continue
            users = [user for user, _ in self.users(step)]
            outside = next((user for user in users if user not in self.claimed), None)
            if step in self.claimed:
                if outside is not None and step not in outputs | leaves:
                    raise NotANet(f"{self.say(step)} also goes into {self.say(outside)}, outside the layers")
            elif step.op is not None or not all([user in of_cost for user in users]):
                raise NotANet(f"{self.say(step)} belongs to no layer")

    def why_not_a_layer(self, fed: Ids, below: Ids | None = None) -> str:
        """What else a layer is fed than the activations of the one below."""
        step = next(x for x in self.ids.steps_of(fed) if x.edges or below is not None)
        if below is not None and np.array_equal(np.sort(fed, axis=None), np.sort(below, axis=None)):
            return f"{self.say(step)} is turned or reshaped on its way to the next layer"
        made = [x for _, x in step.edges if self.comes_from(x).op is not None]
        if step.operation in ("add", "sub") and len(made) > 1:
            return f"{self.say(step)} joins two ways, as a skip connection does"
        if is_function(step) and made:
            step = self.comes_from(made[0])
        return f"{self.say(step)} is neither a weighted sum nor an activation on one"

    def comes_from(self, step: Step) -> Step:
        """What a step is a change of place of."""
        source = self.ids.rearranged(step)
        while source is not None:
            step, source = source, self.ids.rearranged(source)
        return step

    def say(self, step: Step) -> str:
        name = self.name_of(step) or ("a constant" if step.op is None and not step.requires_grad else repr(step))
        return name if step.op is None else f"{name} (by {step.op.name})"

    def is_called_weight(self, step: Step) -> bool:
        name = (self.name_of(step) or "").lower()
        return "weight" in name or name.startswith(("w", "theta"))

    def weight_of(self, pair: tuple[Step, Step]) -> int:
        """Which of two factors is the weight.

        It is the leaf; of two leaves the one that gradients reach, or that is called so; else the one with more axes.
        """
        leaves = [x.op is None for x in pair]
        if sum(leaves) == 1:
            return leaves.index(True)
        moving = [x.requires_grad for x in pair]
        if sum(moving) == 1:
            return moving.index(True)
        called = [self.is_called_weight(x) for x in pair]
        if sum(called) == 1:
            return called.index(True)
        return 1 if pair[1].ndim >= pair[0].ndim > 0 else 0


def is_leaf(x: Any) -> bool:
    return isinstance(x, Step) and x.op is None


def is_function(step: Step) -> bool:
    """Whether a step is a function of one number, entry by entry."""
    return isinstance(step.op, Pointwise) and not step.op.variadic and len(step.inputs) == 1
