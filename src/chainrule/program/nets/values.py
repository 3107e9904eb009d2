"""Layers that are written number by number, as neurons of Values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from chainrule.program.nets.net import Layer, NotANet
from chainrule.program.nets.recogniser import Recogniser, Sum, is_function, is_leaf
from chainrule.program.steps import Program, Step


class Neuron(NamedTuple):
    """A weighted sum of single numbers."""

    z: Step
    terms: list[tuple[Step, Any]]
    """Each weight and what it multiplies: a step, or a plain number."""
    biases: list[Any]
    parts: list[Step]
    """The steps that the sum was made with."""

    @property
    def kind(self) -> tuple[Any, ...]:
        """What makes it the same neuron on another example: its weights and its bias."""
        return (*[weight for weight, _ in self.terms], *self.biases)


class OfValues(Recogniser):
    """Weighted sums that are written number by number: those with the same weights are one neuron on many examples."""

    def __init__(self, program: Program, name_of: Callable[[Step], str | None]) -> None:
        super().__init__(program, name_of)
        self.neurons = self.all_neurons()
        if not self.neurons:
            raise NotANet("there is no neuron in it: nothing is a weight times something")

    def sums(self) -> list[Sum]:
        levels = self.levels()
        row = self.examples(levels)
        found: list[Sum] = []
        column: dict[int, int] = {}
        for level in levels:
            found.append(self.sum(level, row, column))
            column = {number: j for numbers in found[-1].z.tolist() for j, number in enumerate(numbers)}
            for neuron in level:
                self.claimed.update(neuron.parts)
                own = column[int(self.ids.own(neuron.z))]
                column.update({int(self.ids.own(user)): own for user, _ in self.users(neuron.z) if is_function(user)})
        return found

    def with_bias(self, found: Sum, is_last: bool) -> Sum:
        return found

    def most_uses(self, layers: list[Layer]) -> int:
        return len(layers[0].fed)

    def all_neurons(self) -> dict[Step, Neuron]:
        """Every weighted sum that is not part of a larger one, by its step. O(steps)."""
        found: dict[Step, Neuron] = {}
        for step in self.program.steps:
            neuron = self.neuron(step, found)
            if neuron is not None:
                for part in neuron.parts[:-1]:
                    found.pop(part, None)
                found[step] = neuron
        return found

    def neuron(self, step: Step, found: Mapping[Step, Neuron]) -> Neuron | None:
        """A step as a sum of weights times numbers, and a bias; None where it is something else."""
        name = step.operation
        if name in ("mul", "dot_of"):
            half = len(step.inputs) // 2
            pairs = list(zip(step.inputs[:half], step.inputs[half:], strict=True))
            # What a condition says chooses: an infinite error stops at a 0 that it gives, where a product would not.
            chooses = any([isinstance(x, bool | np.bool_) for x in step.inputs])
            if chooses or not all([is_leaf(x) or is_leaf(y) for x, y in pairs]):
                return None
            return Neuron(step, [self.weight_first(x, y) for x, y in pairs], [], [step])
        if name not in ("add", "sum_of"):
            return None
        made = [x for x in step.inputs if isinstance(x, Step) and x.op is not None]
        if not made or not all([x in found and len(self.program.consumers[x.place]) == 1 for x in made]):
            return None
        own = [x for x in step.inputs if is_leaf(x) or (not isinstance(x, Step) and x != 0)]
        if len(own) + sum([len(found[x].biases) for x in made]) > 1:
            return None
        # Nothing else uses the parts, so the first one's lists may be taken over and added to.
        first, *rest = [found[x] for x in made]
        for part in rest:
            first.terms.extend(part.terms)
            first.biases.extend(part.biases)
            first.parts.extend(part.parts)
        first.biases.extend(own)
        first.parts.append(step)
        return first._replace(z=step)

    def weight_first(self, x: Any, y: Any) -> tuple[Step, Any]:
        both = isinstance(x, Step) and isinstance(y, Step)
        swap = self.weight_of((x, y)) == 1 if both else not isinstance(x, Step)
        return (y, x) if swap else (x, y)

    def below(self, x: Any) -> Step | None:
        """The weighted sum that an input of a neuron comes from, or None where it is an input of the net."""
        if not isinstance(x, Step) or x.op is None:
            return None
        if x in self.neurons:
            return x
        if is_function(x) and x.inputs[0] in self.neurons:
            return x.inputs[0]
        made = x.operation
        raise NotANet(
            f"a neuron takes in the result of {made}, which is neither a weighted sum nor an activation on one"
        )

    def levels(self) -> list[list[Neuron]]:
        """The neurons by layer: each takes in what the layer before gives, and nothing else."""
        depth: dict[Step | None, int] = {None: 0}
        levels: list[list[Neuron]] = []
        for neuron in self.neurons.values():
            depths = {depth[self.below(x)] for _, x in neuron.terms}
            if len(depths) != 1:
                raise NotANet(f"{self.say(neuron.z)} takes in numbers of different layers, as a skip connection does")
            depth[neuron.z] = depths.pop() + 1
            if depth[neuron.z] > len(levels):
                levels.append([])
            levels[depth[neuron.z] - 1].append(neuron)
        return levels

    def examples(self, levels: list[list[Neuron]]) -> dict[Step, int]:
        """Which example each weighted sum is of: those that lead to the same sums of the last layer are of one."""
        uses = Counter([neuron.kind for level in levels for neuron in level])
        count = max(uses.values())
        for kind, often in uses.items():
            if often != count:
                raise NotANet(f"{self.say(kind[0])} is used {often} times, and other weights {count} times")
        if count == 1:
            return dict.fromkeys(self.neurons, 0)
        row: dict[Step, int] = {}
        known: dict[Any, int] = {}
        met: Counter[Any] = Counter()
        for neuron in levels[-1]:
            # Plain numbers do not tell examples apart that are alike: these go by their order.
            key = tuple([self.below(x) or x for _, x in neuron.terms])
            met[key, neuron.kind] += len(levels) == 1
            row[neuron.z] = known.setdefault((key, met[key, neuron.kind]), len(known))
        if len(known) != count:
            raise NotANet("it has several examples, and which outputs are of which is not clear")
        for level in reversed(levels[1:]):
            for neuron in level:
                for source in [z for _, x in neuron.terms if (z := self.below(x)) is not None]:
                    if row.setdefault(source, row[neuron.z]) != row[neuron.z]:
                        raise NotANet(f"{self.say(source)} goes into more than one example")
        return row

    def sum(self, level: list[Neuron], row: Mapping[Step, int], column: dict[int, int]) -> Sum:
        """A layer's weighted sums; `column` has where in the layer before the numbers stand that are taken in."""
        kinds: dict[tuple[Any, ...], list[Neuron]] = {}
        for neuron in level:
            if neuron.z not in row:
                raise NotANet(f"{self.say(neuron.z)} is of an inner layer and reaches the cost directly")
            kinds.setdefault(neuron.kind, []).append(neuron)
        taken = {kind: [self.fed(neuron) for neuron in uses] for kind, uses in kinds.items()}
        if not column:
            for fed, *_ in sorted(taken.values(), key=lambda fed: -len(fed[0])):
                column.update({number: len(column) + k for k, number in enumerate([x for x in fed if x not in column])})
        examples = 1 + max([row[neuron.z] for neuron in level])
        weights = np.full((len(kinds), 1 + max(column.values())), -1)
        bias, z = np.full(len(kinds), -1), np.full((examples, len(kinds)), -1)
        inputs = np.full((examples, weights.shape[1]), -1)
        for j, (kind, uses) in enumerate(kinds.items()):
            places = [column[number] for number in taken[kind][0]]
            if len(set(places)) < len(places):
                raise NotANet(f"{self.say(uses[0].z)} takes a number in twice")
            weights[j, places] = [int(self.ids.own(weight)) for weight, _ in uses[0].terms]
            bias[j] = self.bias(uses[0])
            for neuron, numbers in zip(uses, taken[kind], strict=True):
                here = inputs[row[neuron.z], places]
                if np.any((here >= 0) & (here != numbers)):
                    raise NotANet("the neurons of a layer take in different numbers")
                inputs[row[neuron.z], places] = numbers
                z[row[neuron.z], j] = int(self.ids.own(neuron.z))
        return Sum(weights, bias if np.any(bias >= 0) else None, inputs, z)

    def fed(self, neuron: Neuron) -> list[int]:
        """The ids of what a neuron takes in; plain numbers have no identity and go by their place."""
        return [
            int(self.ids.own(x) if isinstance(x, Step) else self.ids.constant((k, float(x)), float(x)))
            for k, (_, x) in enumerate(neuron.terms)
        ]

    def bias(self, neuron: Neuron) -> int:
        """The id of a neuron's bias, or −1."""
        if not neuron.biases:
            return -1
        (x,) = neuron.biases
        return int(self.ids.own(x) if isinstance(x, Step) else self.ids.constant(("bias", float(x)), float(x)))
