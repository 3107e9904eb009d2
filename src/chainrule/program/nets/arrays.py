"""Layers that are written as matrix products."""

from __future__ import annotations

import numpy as np

from chainrule.program.nets.net import NotANet
from chainrule.program.nets.recogniser import Recogniser, Sum
from chainrule.program.numbered import Ids
from chainrule.program.steps import Step


class OfArrays(Recogniser):
    """Weighted sums that are matrix products."""

    def sums(self) -> list[Sum]:
        products = [step for step in self.program.steps if step.operation in ("affine", "matmul")]
        found = [self.sum(step) for step in products if step.requires_grad]
        if not found:
            raise NotANet("there is no layer in it: no matrix of weights is multiplied")
        return found

    def sum(self, step: Step) -> Sum:
        """A matrix product as weighted sums, turned so that each example is a row."""
        if not step.size:
            raise NotANet(f"{self.say(step)} has no entries")
        if step.ndim != 2:
            raise NotANet(f"{self.say(step)} multiplies batches of matrices")
        self.claimed.add(step)
        sides = [self.seen_at(step, slot) for slot in range(len(step.inputs))]
        if step.operation == "affine":
            weights, fed, z, in_rows = sides[1], sides[0], self.ids.own(step), True
        else:
            sources = [self.comes_from(x) for x in step.inputs[:2]]
            if all([x.op is not None for x in sources]):
                raise NotANet(f"{self.say(step)} multiplies two computed matrices")
            in_rows = self.weight_of((sources[0], sources[1])) == 1
            weights, fed, z = (sides[1].T, sides[0], self.ids.own(step))
            if not in_rows:
                weights, fed, z = sides[0], sides[1].T, self.ids.own(step).T
        leaf = next(self.ids.steps_of(weights), None)
        if leaf is not None and leaf.op is not None:
            raise NotANet(f"{self.say(step)} multiplies two computed matrices")
        # A mean of one number has a fraction for its id.
        is_plain = weights.dtype.kind == "i" and np.max(np.bincount(weights.ravel() + 1), initial=0) < 2
        if not is_plain or (leaf is not None and leaf.size != weights.size):
            raise NotANet(f"{self.say(step)} repeats its weights, or takes a part of them")
        bias = sides[2] if step.operation == "affine" else None
        return Sum(weights, bias, fed, z, in_rows)

    def seen_at(self, step: Step, slot: int) -> Ids:
        x = step.inputs[slot]
        return self.ids.seen(x) if isinstance(x, Step) else self.ids.constant((step, slot), np.asarray(x, dtype=float))

    def with_bias(self, found: Sum, is_last: bool) -> Sum:
        """The sum with the leaf that is added to it, if one is."""
        (product,) = self.ids.steps_of(found.z)
        users = self.users(product)
        if len(users) != 1 or users[0][0].operation != "add":
            return self.checked(found, product)
        added, slot = users[0]
        other = added.inputs[1 - slot]
        source = self.comes_from(other) if isinstance(other, Step) else None
        if (source is not None and source.op is not None) or (is_last and (source is None or not source.requires_grad)):
            return self.checked(found, product)
        if found.bias is not None:
            raise NotANet(f"{self.say(added)} adds to a layer that has its bias already")
        if added.size != product.size:
            raise NotANet(f"{self.say(added)} repeats the weighted sums of shape {product.shape}")
        self.claimed.add(added)
        becomes, gets = np.full((2, int(self.ids.first[-1])), -1)
        becomes[self.ids.seen(added.inputs[slot])] = self.ids.own(added)
        gets[self.ids.seen(added.inputs[slot])] = np.broadcast_to(self.seen_at(added, 1 - slot), added.shape)
        bias = gets[found.z]
        if np.any(bias != bias[0]):
            raise NotANet(f"{self.say(added)} adds something other than one bias for each neuron")
        return self.checked(found._replace(z=becomes[found.z], bias=bias[0]), added)

    def checked(self, found: Sum, z: Step) -> Sum:
        """A sum whose biases are one for each neuron."""
        if found.bias is not None and (
            found.bias.shape != found.z.shape[1:] or len(set(found.bias)) != len(found.bias)
        ):
            raise NotANet(f"{self.say(z)} adds something other than one bias for each neuron")
        return found
