"""What the delta dialect says of a net before it differentiates: layers, shapes, the cost, and which entry is which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.derivation.network.net import Layer
from chainrule.derivation.opened.conventions import COSTS, cost_of
from chainrule.derivation.record import Block, Equation, Heading, Paragraph, Table
from chainrule.expression.formula import formula_of

if TYPE_CHECKING:
    from chainrule.derivation.dialects.delta import Story


def the_net(story: Story) -> list[Block]:
    """The layers and their shapes."""
    s, n = story.symbols, story.net.examples
    rows: list[tuple[str | Equation, ...]] = []
    for number in range(1, story.last + 1):
        layer = story.layer(number)
        function = "none" if layer.activation is None else f"${formula_of_activation(layer, s.z(number))}$"
        bias = f"${layer.neurons} \\times 1$" if layer.bias is not None else "none"
        rows.append(
            (
                str(number),
                f"${s.weights(number)}$: ${layer.neurons} \\times {layer.inputs}$",
                bias,
                function,
                f"${s.z(number)}, {s.a(number)}, {s.error(number)}$: ${layer.neurons} \\times {n}$",
            )
        )
    bias = f" + {s.b('l')}" if any(layer.bias is not None for layer in story.net.layers) else ""
    forward = f"{s.z('l')} = {s.weights('l')} \\, {s.a('l-1')}{bias}"
    words = f"Every layer computes ${forward}$ and then ${s.a('l')} = {s.function}\\left({s.z('l')}\\right)$."
    if n > 1:
        words += f" There are {n} examples, one in each column of every matrix"
        words += "; the program's arrays are the transposes, with one in each row." if story.layer(1).in_rows else "."
    first = f" The net takes in ${s.a(0)}$, which is ${story.layer(1).inputs} \\times {n}$."
    table = Table(("layer", "weights", "bias", "activation", "shapes"), tuple(rows))
    return [Heading("The net"), Paragraph(words + first), table]


def the_cost(story: Story) -> list[Block]:
    """The cost's convention, its number, and what it does with the examples."""
    known = cost_of(story.net.opened)
    words = f"The cost is {COSTS[known]}." if known else f"The cost ${story.symbols.cost}$ is computed from the output."
    if story.net.examples > 1:
        words += (
            f" It is one number for all {story.net.examples} examples: its factor, of a mean as of a sum, is inside"
            " every error below, and the gradients of the examples are added and not averaged once more."
        )
    cost = story.entries.given(story.symbols.cost, story.net.opened.numbers[story.net.opened.output])
    return [Heading("The cost"), Paragraph(words), cost]


def mapping(story: Story) -> list[Block]:
    """Which entry of which array each index names."""
    s = story.symbols
    words = (
        f"In ${s.w('l', 'j', 'k')}$ the first index is the neuron that the weight goes to, and the second the one "
        "it comes from; books count from 1 and programs from 0."
    )
    rows: list[tuple[str | Equation, ...]] = []
    for number in story.told:
        layer = story.layer(number)
        last = (layer.neurons - 1, layer.inputs - 1)
        for j, k in dict.fromkeys([(0, 0), last]):
            name = layer.weight_name(j, k)
            if name:
                rows.append((f"${s.w(number, j + 1, k + 1)}$", f"from {k + 1} to {j + 1}", f"${name}$"))
        name = layer.bias_name(0)
        if name:
            rows.append((f"${s.b(number, 1)}$", "of neuron 1", f"${name}$"))
    columns = ("in the formulas", "which", "in the program")
    return [Heading("Which entry is which"), Paragraph(words), Table(columns, tuple(rows))]


def formula_of_activation(layer: Layer, z: str) -> str:
    """A layer's activation function in LaTeX, from its rule's template."""
    return formula_of(layer.activation, z, **layer.settings) if layer.activation is not None else z
