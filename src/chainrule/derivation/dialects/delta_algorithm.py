"""Backpropagation step by step on a net's own numbers, and what it saves beside nudging each weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.derivation.equations import Show
from chainrule.derivation.network.matrices import checked, fits
from chainrule.derivation.record import Block, Equation, Heading, Paragraph, Steps, Table
from chainrule.derivation.words import Words, said
from chainrule.maths import Tree
from chainrule.maths.tree import equation

if TYPE_CHECKING:
    from chainrule.derivation.dialects.delta import Story


def algorithm(story: Story) -> list[Block]:
    """The trace: input, forward, output error, errors back, gradients."""
    s = story.symbols
    lines: list[Words | Equation] = [given(story, s.a(0), story.layer(1).fed.T, "the input")]
    for number in story.told:
        layer = story.layer(number)
        checked(f"layer {number}", layer.fed @ layer.weights.T + (0.0 if layer.bias is None else layer.bias), layer.z)
        lines.append(weighted_input(story, number))
        if layer.activation is not None:
            lines.append(given(story, s.a(number), layer.a.T, f"by {layer.function}, entry by entry"))
    lines.append(given(story, s.error(story.last), story.layer(story.last).by_z.T, "by BP1, from the cost"))
    lines += [
        given(story, s.error(number), story.layer(number).by_z.T, said("by BP2, from ", s.error(number + 1)))
        for number in reversed(story.told[:-1])
    ]
    for number in story.told:
        layer = story.layer(number)
        if layer.by_bias is not None:
            lines.append(given(story, s.by(s.b(number)), layer.by_bias[:, None], "by BP3"))
        if layer.by_weights is not None:
            lines.append(given(story, s.by(s.weights(number)), layer.by_weights, "by BP4"))
    rate = s.notation.learning_rate
    words = said("A step of gradient descent then takes ", rate, " times each gradient from its weights.")
    return [Heading("The algorithm, step by step"), Steps(tuple(lines)), Paragraph(words)]


def given(story: Story, symbol: Tree, numbers: Any, note: Words) -> Words | Equation:
    """A line with an array: whole, or its shape and length."""
    if fits(numbers):
        return story.paper.given([symbol], numbers, note)
    rows, columns = numbers.shape
    length = Show(story.request.digits)(float(np.linalg.norm(numbers)))
    return said(symbol, f", {rows} × {columns} numbers of length ", length, " together: ", note)


def weighted_input(story: Story, number: int) -> Words | Equation:
    """The forward of one layer."""
    s, paper, layer = story.symbols, story.paper, story.layer(number)
    symbols: list[Tree] = [s.z(number), paper.times(s.weights(number), s.a(number - 1))]
    if layer.bias is not None:
        symbols[1] = symbols[1] + s.b(number)
    if not fits(layer.weights, layer.fed):
        rows, columns = layer.z.T.shape
        return said(equation(*symbols), f", {rows} × {columns} numbers, all of them checked")
    repeated = None if layer.bias is None else np.repeat(layer.bias[:, None], story.net.examples, axis=1)

    def write(show: Show) -> Tree:
        product = paper.times(paper.put(show, layer.weights), paper.put(show, layer.fed.T))
        return product if repeated is None else product + paper.put(show, repeated)

    return paper.equation(
        symbols,
        write,
        layer.z.T,
        "the bias once for each example" if story.net.examples > 1 and repeated is not None else "",
    )


def why_backpropagation(story: Story) -> list[Block]:
    """What the gradient costs, beside perturbing each weight."""
    net = story.net
    count = net.parameters
    forward = sum(layer.weights.size for layer in net.layers) * net.examples
    # Each layer's weights are met once more for BP4, and all but the first layer's once more for BP2.
    backward = 2 * forward - net.layers[0].weights.size * net.examples
    rows: list[tuple[Words | Equation, ...]] = [
        ("nudge each weight, forward differences", f"{count + 1:,}", f"{(count + 1) * forward:,}"),
        ("nudge each weight both ways, central differences", f"{2 * count:,}", f"{2 * count * forward:,}"),
        ("backpropagation", "1, and 1 backward pass", f"{forward + backward:,}"),
    ]
    words = (
        f"The net has {count:,} weights and biases. To learn how the cost moves with each by trying, each is nudged "
        "and the whole net run again; backpropagation gets all of them from one pass forward and one back, exactly."
    )
    columns = ("way", "forward passes", "multiplications of weights")
    return [Heading("Why backpropagation"), Paragraph(words), Table(columns, tuple(rows))]
