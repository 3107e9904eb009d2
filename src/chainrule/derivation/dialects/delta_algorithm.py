"""Backpropagation step by step on a net's own numbers, and what it saves beside nudging each weight."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.derivation.arrays import fits, length_of
from chainrule.derivation.dialects.delta_story import Story
from chainrule.derivation.equations import Show
from chainrule.derivation.network.equations import ACTIVATION
from chainrule.derivation.network.paper import checked
from chainrule.derivation.pitfalls import RESIDUE
from chainrule.derivation.record import Block, Equation, Heading, Paragraph, Steps, Table
from chainrule.derivation.tape.tape import largest_of
from chainrule.derivation.words import Words, said
from chainrule.maths import Tree
from chainrule.maths.tree import equation
from chainrule.maths.values import value


def algorithm(story: Story) -> list[Block]:
    """The trace: input, forward, output error, errors back, gradients, each by its equation."""
    s = story.symbols
    lines: list[Words | Equation] = [line(story, [s.a(0)], "the input")]
    for number in story.layers_shown:
        layer = story.layer(number)
        z, product = story.sides(story.forward(number), number)
        floor = RESIDUE * largest_of(story.net.tape.numbers.values())
        checked(f"the weighted input of layer {number}", value(product, story.letters), story.letters[z], floor)
        repeated = story.examples > 1 and layer.bias is not None
        lines.append(line(story, [z, product], "the bias once for each example" if repeated else ""))
        if layer.activation is not None:
            lines.append(
                line(story, story.sides(ACTIVATION, number), f"by {layer.function}, entry by entry", written_out=False)
            )
    for law in story.backward:
        numbers = [number for number in story.layers_of[law.name] if number in story.layers_shown]
        lines += [line(story, story.sides(law, number), f"by {law.name}", written_out=False) for number in numbers]
    rate = s.notation.learning_rate
    words = said("A step of gradient descent then takes ", rate, " times each gradient from its weights.")
    return [Heading("The algorithm, step by step"), Steps(tuple(lines)), Paragraph(words)]


def line(story: Story, sides: list[Tree], note: Words, *, written_out: bool = True) -> Words | Equation:
    """A line with an array: whole, `written_out` with what it is made of, or of a large one its shape and length."""
    numbers: Any = story.letters[sides[0]]
    if fits(numbers, *story.matrices_in(sides[-1])):
        return (
            story.paper.equation(sides, story.letters, note) if written_out else story.paper.given(sides, numbers, note)
        )
    rows, columns = np.shape(numbers)
    length = Show(story.request.digits)(length_of(numbers))
    shown = equation(*sides) if len(sides) > 1 else sides[0]
    return said(shown, f", {rows} × {columns} numbers of length ", length, " together", *([": ", note] if note else []))


def why_backpropagation(story: Story) -> list[Block]:
    """What the gradient costs, beside perturbing each weight."""
    layers, examples = story.net.net.layers, story.examples
    count = story.net.net.parameters
    forward = sum(layer.weights.size for layer in layers) * examples
    # Each layer's weights are met once more for BP4, and all but the first layer's once more for BP2.
    backward = 2 * forward - layers[0].weights.size * examples
    rows: list[tuple[Words | Equation, ...]] = [
        ("nudge each weight, forward differences", f"{count + 1:,}", f"{(count + 1) * forward:,}"),
        ("nudge each weight both ways, central differences", f"{2 * count:,}", f"{2 * count * forward:,}"),
        ("backpropagation", "1, and 1 backward pass", f"{forward + backward:,}"),
    ]
    words = (
        f"The net has {count:,} weights and biases. To learn how the cost moves with each by trying, each is nudged "
        "and the whole net run again; backpropagation gets all of them from one pass forward and one back, exactly."
    )
    columns = ("method", "forward passes", "multiplications of weights")
    return [Heading("Why backpropagation"), Paragraph(words), Table(columns, tuple(rows))]
