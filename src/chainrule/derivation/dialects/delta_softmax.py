"""Why softmax and cross-entropy together leave prediction minus target, on one example."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from chainrule.core.forward import tangents_of
from chainrule.derivation.arrays import largest
from chainrule.derivation.computed import computed_by
from chainrule.derivation.dialects.delta_story import Story
from chainrule.derivation.record import Block, Paragraph, Steps
from chainrule.derivation.scalars.probabilities import Probabilities, SoftmaxLoss
from chainrule.derivation.words import said
from chainrule.maths import Derivative, Sigma, Symbol

PROBABILITIES = Symbol("p")


def fused_softmax(story: Story) -> list[Block]:
    """The fused cost opened: the sum over the probabilities, and what is left of it; nothing for any other cost."""
    layer, known, s, last = story.net[story.last], story.letters, story.symbols, story.last
    cost = story.net.tape.output
    if cost.op.name != "cross_entropy" or not story.net.is_output(cost.inputs[0]):
        return []
    target = np.asarray(cost.settings["target"])
    opened = SoftmaxLoss(story.net.tape, cost)
    j, i = largest(layer.by_z)
    place, one = story.example(i), np.zeros(opened.logits.shape)
    one[i, j] = 1.0
    z = s.z(last, j + 1, *place)
    known[PROBABILITIES], known[s.target] = opened.node.data.T, np.eye(layer.z.shape[0])[target].T
    by_probability = opened.tape.gradients[opened.node]
    moves = tangents_of([opened.logits], [one], [opened.node], record=False)[0]
    entries = cache(lambda: Probabilities(opened, (i, j)))
    for k, (first, second) in enumerate(zip(by_probability[i], np.asarray(moves)[i], strict=True)):
        probability = replace(PROBABILITIES, at=(k + 1, *place))
        known[Derivative(s.cost, probability)] = computed_by(first, lambda k=k: entries().by_probability(k))
        known[Derivative(probability, z)] = computed_by(second, lambda k=k: entries().by_logit(k))
    words = said(
        "The cost holds a softmax of its own: it turns ",
        s.z(last),
        " into probabilities ",
        PROBABILITIES,
        " that add up to 1. Opened, the chain rule goes through the probabilities, whose Jacobian is not diagonal; the "
        "sum leaves the probability minus the right answer, ",
        "divided by the number of examples."
        if story.examples > 1
        else "and nothing of a derivative that could vanish.",
    )
    each, own = replace(PROBABILITIES, at=("k", *place)), (j + 1, *place)
    through = Sigma(Derivative(s.cost, each) * Derivative(each, z), "k", layer.z.shape[0])
    left = replace(PROBABILITIES, at=own) - replace(s.target, at=own)
    sides = [through, left if story.examples == 1 else left / story.examples]
    lines = tuple([story.entries.equation([s.error(last, *own), side], known) for side in sides])
    return [Paragraph(words), Steps(lines, f"softmax and cross-entropy{story.of_example(i)}")]
