"""What the delta dialect says of a net before it differentiates: layers, shapes, the cost, and which entry is which."""

from __future__ import annotations

from chainrule.derivation.dialects.delta_story import Story
from chainrule.derivation.network.equations import ACTIVATION, WEIGHTED_INPUT, WITHOUT_BIAS
from chainrule.derivation.record import Block, Equation, Heading, Paragraph, Table
from chainrule.derivation.tape.conventions import COSTS, cost_of
from chainrule.derivation.words import Words, listed, said
from chainrule.maths import Symbol, Tree
from chainrule.maths.tree import equation, made
from chainrule.program.nets import Layer


def the_net(story: Story) -> list[Block]:
    s, n = story.symbols, story.examples
    rows: list[tuple[Words | Equation, ...]] = []
    for number in range(1, story.last + 1):
        layer = story.layer(number)
        function = "none" if layer.activation is None else said(formula_of_activation(layer, s.z(number)))
        bias = f"{layer.neurons} × 1" if layer.bias is not None else "none"
        columns = listed([said(x) for x in (s.z(number), s.a(number), s.error(number))])
        weights = said(s.weights(number), f": {layer.neurons} × {layer.inputs}")
        rows.append((str(number), weights, bias, function, said(columns, f": {layer.neurons} × {n}")))
    biased = any(layer.bias is not None for layer in story.net.net.layers)
    forward = equation(*story.sides(WEIGHTED_INPUT if biased else WITHOUT_BIAS, "l"))
    activated = equation(*story.sides(ACTIVATION, "l"))
    words = said("Every layer computes ", forward, " and then ", activated, ".")
    if n > 1:
        columns = f" There are {n} examples, one in each column of every matrix"
        words = said(words, columns)
        turned = "; the program's arrays are the transposes, with one in each row."
        words = said(words, turned if story.layer(1).in_rows else ".")
    first = said(" The net takes in ", s.a(0), f", which is {story.layer(1).inputs} × {n}.")
    table = Table(("layer", "weights", "bias", "activation", "shapes"), tuple(rows))
    return [Heading("The net"), Paragraph(said(words, first)), table]


def the_cost(story: Story) -> list[Block]:
    """The cost's convention, its number, and what it does with the examples."""
    known = cost_of(story.net.tape)
    cost_symbol = story.symbols.cost
    words = (
        said("The cost is ", COSTS[known], ".")
        if known
        else said("The cost ", cost_symbol, " is computed from the output.")
    )
    if story.examples > 1:
        words = said(
            words,
            f" It is one number for all {story.examples} examples: its factor, of a mean as of a sum, is inside"
            " every error below, and the gradients of the examples are added and not averaged once more.",
        )
    cost = story.entries.given([cost_symbol], story.net.tape.numbers[story.net.tape.output])
    return [Heading("The cost"), Paragraph(words), cost]


def mapping(story: Story) -> list[Block]:
    """Which entry of which array each index names."""
    s = story.symbols
    words = said(
        "In ",
        s.w("l", "j", "k"),
        " the first index is the neuron that the weight goes to, and the second the one it comes from; books count "
        "from 1 and programs from 0.",
    )
    if story.examples > 1:
        words = said(words, " Of ", s.z("l", "j", "i"), " and the like the second index is the example.")
    rows: list[tuple[Words | Equation, ...]] = []
    for number in story.layers_shown:
        layer = story.layer(number)
        last = (layer.neurons - 1, layer.inputs - 1)
        for j, k in dict.fromkeys([(0, 0), last]):
            name = story.net.name(layer.weights[j, k])
            if name is not None:
                rows.append((said(s.w(number, j + 1, k + 1)), f"from {k + 1} to {j + 1}", said(name)))
        name = None if layer.bias is None else story.net.name(layer.bias[0])
        if name is not None:
            rows.append((said(s.b(number, 1)), "of neuron 1", said(name)))
    columns = ("in the formulas", "which", "in the program")
    return [Heading("Which entry is which"), Paragraph(words), Table(columns, tuple(rows))]


def formula_of_activation(layer: Layer, z: Symbol) -> Tree:
    """A layer's activation function, from its rule's template."""
    return z if layer.activation is None else made(layer.activation, (z,), layer.settings, z.shape)
