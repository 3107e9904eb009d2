r"""The errors of the layers and the four equations of backpropagation, with symbols, shapes and numbers.

After M. Nielsen, Neural Networks and Deep Learning (2015), chapter 2. For a batch, the examples are the columns of
every matrix, and the cost's own factor (a sum, a mean) is inside the errors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.derivation.dialects.delta_algorithm import algorithm, why_backpropagation
from chainrule.derivation.dialects.delta_net import mapping, the_cost, the_net
from chainrule.derivation.dialects.delta_proofs import fused_softmax, proofs, whole_layer
from chainrule.derivation.network.entrywise import entrywise
from chainrule.derivation.network.feedforward import recognised
from chainrule.derivation.network.matrices import Paper, checked, fits, largest
from chainrule.derivation.network.net import Layer, Misfit, Net
from chainrule.derivation.notation import Symbols, derivative, transposed
from chainrule.derivation.opened.opened import Opened
from chainrule.derivation.record import Block, Equation, Heading, Note, Paragraph
from chainrule.derivation.request import Request, Told
from chainrule.expression.formula import derivative_of

MOST_LAYERS = 6
"""Of a deeper net the first and the last layers are told; all are checked."""


MOST_NODES = 100_000
"""A net of single numbers this large is better told with matrices."""


def applies(opened: Opened, request: Request) -> str:
    """Empty for a feed-forward net of weighted sums and activations; else which node does not fit."""
    if len(opened.order) > MOST_NODES:
        return f"the delta dialect is for up to {MOST_NODES:,} nodes, and here are {len(opened.order):,}"
    try:
        net = recognised(complete(opened))
    except Misfit as misfit:
        return f"the delta dialect tells feed-forward nets of weighted sums and activations, and {misfit}"
    if request.wrt is not None and wanted(net, request) is None:
        return "the delta dialect gives the gradients of weights and biases, and this is neither"
    return ""


def tell(opened: Opened, request: Request) -> Told:
    """The whole story; every equation in it is proved on the numbers."""
    with Quiet():
        net = recognised(complete(opened))
        story = Story(net, request)
        return Told(tuple(story.blocks()), story.symbols.meanings(shapes(net)), counts(net))


def complete(opened: Opened) -> Opened:
    """The same computation with the gradients of all nodes."""
    return Opened(opened.output) if opened.wrt else opened


def wanted(net: Net, request: Request) -> tuple[int, str, tuple[int, ...]] | None:
    """The layer (from 0), the role and the place of what was asked for."""
    for number, layer in enumerate(net.layers):
        found = layer.find(request.wrt, request.entry)
        if found is not None:
            return number, *found
    return None


def shapes(net: Net) -> dict[str, tuple[int, ...]]:
    """The shapes of a net with one layer; of more, those of the input and the output, since the others differ."""
    last = net.layers[-1]
    found = {"cost": (), "input": (net.layers[0].inputs, net.examples), "prediction": (last.neurons, net.examples)}
    return {**found, "target": (last.neurons, net.examples)}


def counts(net: Net) -> dict[str, int]:
    """How much there is of everything."""
    return {
        "layers": len(net.layers),
        "neurons": sum(layer.neurons for layer in net.layers),
        "parameters": net.parameters,
        "examples": net.examples,
    }


class Story:
    """The blocks of the explanation of one net."""

    def __init__(self, net: Net, request: Request) -> None:
        self.net = net
        self.request = request
        self.last = len(net.layers)
        self.symbols = Symbols(request.notation, self.last)
        self.paper = Paper(request.digits, request.top, net.is_chain)
        self.entries = Paper(request.digits, request.top, True)
        """Prints single numbers, where `paper` prints matrices unless all are 1 × 1."""
        self.wanted = wanted(net, request) if request.wrt is not None else None
        told = range(1, self.last + 1)
        self.told = [n for n in told if self.last <= MOST_LAYERS or n <= 2 or n > self.last - 2]
        """The layers (from 1) that are told in full."""

    def blocks(self) -> list[Block]:
        """Everything, in order."""
        parts = [the_net(self), the_cost(self), self.output_error()]
        if self.last > 1:
            parts.append(self.errors_back())
        parts += [self.bias_gradients(), self.weight_gradients(), mapping(self)]
        if self.wanted is not None and self.wanted[2]:
            parts.append(self.one_entry())
        if all(np.all(np.isfinite(layer.by_z)) and np.all(np.isfinite(layer.slope)) for layer in self.net.layers):
            parts += [proofs(self), whole_layer(self)]
        else:
            parts.append([Note("Some errors are not finite, so the proofs cannot be worked out on them.", "warning")])
        parts += [algorithm(self), why_backpropagation(self)]
        return [block for part in parts for block in part]

    def layer(self, number: int) -> Layer:
        """A layer, counted from 1."""
        return self.net.layers[number - 1]

    def gradient_of_cost(self) -> str:
        """How the cost moves with the last activations, as a symbol."""
        if self.paper.as_numbers:
            return derivative(self.symbols.cost, self.symbols.a(self.last))
        return rf"\nabla_{{{self.symbols.a(self.last)}}} {self.symbols.cost}"

    def slope_words(self, number: int) -> str:
        """The derivative of a layer's activation, from the rule book."""
        layer, s = self.layer(number), self.symbols
        if layer.activation is None:
            return f"Layer {number} has no activation function, so ${s.slope(number)} = 1$ everywhere."
        z = s.z(number)
        return f"Here ${s.slope(number)} = {slope_of_activation(layer, z)}$, by the rule of {layer.function}."

    def output_error(self) -> list[Block]:
        """BP1: the error of the last layer."""
        s, paper, layer, last = self.symbols, self.paper, self.layer(self.last), self.last
        error, by_a, slope = layer.by_z.T, layer.by_a.T, layer.slope.T
        checked("the error of the last layer", layer.passed(by_a), error)
        times = r"\cdot" if paper.as_numbers else s.times
        symbols = [s.error(last), rf"{self.gradient_of_cost()} {times} {s.slope(last)}"]
        blocks: list[Block] = [Heading("BP1: the error of the last layer")]
        blocks += self.cost_in_letters()
        blocks.append(Paragraph(self.slope_words(last)))
        if fits(error):
            write = lambda show: rf"{paper.put(show, by_a)} {times} {paper.put(show, slope)}"  # noqa: E731
            blocks.append(paper.equation(symbols, write, error))
        else:
            j, i = largest(error)
            parts = [s.error(last, j + 1), rf"{derivative(s.cost, s.a(last, j + 1))} \cdot {s.slope(last, j + 1)}"]
            blocks.append(Equation((*symbols,), note=self.size_note(error)))
            blocks.append(self.entries.product(parts, (by_a[j, i], slope[j, i]), self.example_note(i)))
        return blocks + fused_softmax(self)

    def cost_in_letters(self) -> list[Block]:
        """How the cost moves with an output and with its weighted input, as formulas that hold for every entry."""
        s, last, opened = self.symbols, self.last, self.net.opened
        node, z = self.net.outputs[0], self.layer(self.last).nodes["z"][0]
        letters = {x: s.a(last, *place) for x, place in self.output_letters().items()}
        found = entrywise(opened, node, letters, s.target)
        if not found:
            return []
        words = f"The cost moves with an output by ${derivative(s.cost, letters[node])} = {found}$."
        inner = "" if z is node else entrywise(opened, z, {**letters, z: s.z(last)}, s.target)
        if inner:
            words += f" With the slope of the activation multiplied in, ${derivative(s.cost, s.z(last))} = {inner}$."
        return [Paragraph(words)]

    def output_letters(self) -> dict[Any, tuple[int, ...]]:
        """The nodes of the outputs with their places: of a Tensor one letter for all, of Values one each."""
        if len(self.net.outputs) == 1:
            return {self.net.outputs[0]: ()}
        return {x: (j + 1,) for j, x in enumerate(self.net.outputs)}

    def errors_back(self) -> list[Block]:
        """BP2: the errors of the layers before, from the last to the first."""
        s, paper = self.symbols, self.paper
        blocks: list[Block] = [Heading("BP2: the error of a layer from that of the next")]
        for number in range(self.last - 1, 0, -1):
            layer, above = self.layer(number), self.layer(number + 1)
            error, next_error, slope = layer.by_z.T, above.by_z.T, layer.slope.T
            checked(f"the error of layer {number}", layer.passed(above.weights.T @ next_error), error)
            if number not in self.told:
                continue
            blocks.append(Paragraph(self.slope_words(number)))
            blocks += self.error_back(number, error, next_error, slope, above.weights)
        if len(self.told) < self.last:
            blocks.append(Note(f"The other {self.last - len(self.told)} layers were checked in the same way."))
        if paper.as_numbers:
            return blocks
        back = transposed(s.weights("l+1"))
        words = f"The transpose ${back}$ carries the error backwards over the same weights that the forward used."
        return [blocks[0], Paragraph(words), *blocks[1:]]

    def error_back(self, number: int, error: Any, next_error: Any, slope: Any, weights: Any) -> list[Block]:
        """BP2 for one layer."""
        s, paper = self.symbols, self.paper
        if paper.as_numbers:
            symbols = [s.error(number), rf"{s.weights(number + 1)} \cdot {s.error(number + 1)} \cdot {s.slope(number)}"]
            return [paper.product(symbols, (weights[0, 0], next_error[0, 0], slope[0, 0]))]
        back = rf"\left({transposed(s.weights(number + 1))} \, {s.error(number + 1)}\right)"
        symbols = [s.error(number), rf"{back} {s.times} {s.slope(number)}"]
        if fits(error, next_error, weights):

            def write(show: Any) -> str:
                inner = rf"{paper.turned(show, weights)} \, {paper.put(show, next_error)}"
                return rf"\left({inner}\right) {s.times} {paper.put(show, slope)}"

            return [paper.equation(symbols, write, error)]
        j, i = largest(error)
        parts = [
            s.error(number, j + 1),
            rf"\left(\sum_{{k}} {s.w(number + 1, 'k', j + 1)} \cdot {s.error(number + 1, 'k')}\right) \cdot "
            + s.slope(number, j + 1),
        ]
        one = paper.sum_of_products(
            parts, weights[:, j], next_error[:, i], error[j, i], factor=slope[j, i], note=self.example_note(i)
        )
        return [Equation(tuple(symbols), note=self.size_note(error)), one]

    def bias_gradients(self) -> list[Block]:
        """BP3: the gradient in the biases."""
        s, paper, many = self.symbols, self.paper, self.net.examples > 1
        blocks: list[Block] = [Heading("BP3: the gradient in the biases")]
        if all(layer.by_bias is None for layer in self.net.layers):
            return [*blocks, Paragraph("No layer of this net learns a bias.")]
        total = rf"{s.error('l')} \, \mathbf{{1}}" if many else s.error("l")
        words = f"A bias moves its weighted input one for one: ${derivative(s.cost, s.b('l'))} = {total}$"
        words += r", where $\mathbf{1}$ is a column of ones that adds up the examples." if many else "."
        blocks.append(Paragraph(words))
        for number in self.told:
            layer = self.layer(number)
            if layer.by_bias is None:
                blocks.append(Paragraph(f"Layer {number} learns no bias."))
                continue
            error, ones = layer.by_z.T, np.ones((self.net.examples, 1))
            checked(f"the bias of layer {number}", error.sum(axis=1), layer.by_bias)
            name = derivative(s.cost, s.b(number))
            if not many and fits(error):
                blocks.append(paper.given(rf"{name} = {s.error(number)}", layer.by_bias[:, None]))
            elif fits(error, ones):
                blocks.append(
                    paper.equation(
                        [name, rf"{s.error(number)} \, \mathbf{{1}}"],
                        lambda show, e=error, o=ones: rf"{paper.put(show, e)} \, {paper.put(show, o)}",
                        layer.by_bias[:, None],
                    )
                )
            else:
                j = largest(layer.by_bias)[0]
                blocks.append(self.bias_entry(number, j))
        return blocks

    def bias_entry(self, number: int, j: int) -> Equation:
        """BP3 for one bias."""
        s, layer = self.symbols, self.layer(number)
        name, error = derivative(s.cost, s.b(number, j + 1)), s.error(number, j + 1)
        numbers = self.entries
        if self.net.examples == 1:
            return numbers.given(f"{name} = {error}", layer.by_z[0, j])
        assert layer.by_bias is not None
        ones = np.ones(self.net.examples)
        return numbers.sum_of_products(
            [name, rf"\sum_{{\text{{examples}}}} 1 \cdot {error}"],
            ones,
            layer.by_z[:, j],
            layer.by_bias[j],
        )

    def weight_gradients(self) -> list[Block]:
        """BP4: the gradient in the weights."""
        s, paper = self.symbols, self.paper
        rule = f"{derivative(s.cost, s.w('l', 'j', 'k'))} = {s.a('l-1', 'k')} \\cdot {s.error('l', 'j')}"
        words = f"A weight's gradient is what comes in times the error of where it goes: ${rule}$."
        turned = transposed(s.a("l-1"))
        if not paper.as_numbers:
            words += f" All of them at once: ${derivative(s.cost, s.weights('l'))} = {s.error('l')} \\, {turned}$"
            words += ", which adds up the examples by itself." if self.net.examples > 1 else "."
        blocks: list[Block] = [Heading("BP4: the gradient in the weights"), Paragraph(words)]
        for number in self.told:
            layer = self.layer(number)
            if layer.by_weights is None:
                blocks.append(Paragraph(f"The weights of layer {number} are constants."))
                continue
            error, connected = layer.by_z.T, self.connected(layer)
            checked(f"the weights of layer {number}", error @ layer.fed * connected, layer.by_weights)
            name, above = derivative(s.cost, s.weights(number)), s.error(number)
            if paper.as_numbers:
                parts = [name, rf"{s.a(number - 1)} \cdot {above}"]
                blocks.append(paper.product(parts, (layer.fed[0, 0], error[0, 0])))
            elif fits(error, layer.fed, layer.by_weights) and connected.all():
                symbols = [name, rf"{above} \, {transposed(s.a(number - 1))}"]
                blocks.append(
                    paper.equation(
                        symbols,
                        lambda show, e=error, f=layer.fed: rf"{paper.put(show, e)} \, {paper.turned(show, f.T)}",
                        layer.by_weights,
                    )
                )
            else:
                blocks.append(self.weight_entry(number, *largest(layer.by_weights)))
        return blocks

    def connected(self, layer: Layer) -> Any:
        """Where a weight is: neurons that were written one by one need not take in everything."""
        places = layer.places["weights"]
        return np.ones(layer.weights.shape, dtype=bool) if places is None else places >= 0

    def weight_entry(self, number: int, j: int, k: int) -> Equation:
        """BP4 for one weight."""
        s, layer = self.symbols, self.layer(number)
        name, numbers = derivative(s.cost, s.w(number, j + 1, k + 1)), self.entries
        product = rf"{s.a(number - 1, k + 1)} \cdot {s.error(number, j + 1)}"
        if self.net.examples == 1:
            return numbers.product([name, product], (layer.fed[0, k], layer.by_z[0, j]))
        assert layer.by_weights is not None
        return numbers.sum_of_products(
            [name, rf"\sum_{{\text{{examples}}}} {product}"],
            layer.fed[:, k],
            layer.by_z[:, j],
            layer.by_weights[j, k],
        )

    def one_entry(self) -> list[Block]:
        """The one weight or bias that was asked for."""
        assert self.wanted is not None
        number, role, place = self.wanted
        layer = self.net.layers[number]
        name = layer.weight_name(*place) if role == "weights" else layer.bias_name(*place)
        own = self.symbols.w(number + 1, place[0] + 1, place[1] + 1) if role == "weights" else ""
        own = own or self.symbols.b(number + 1, place[0] + 1)
        equation = self.weight_entry(number + 1, *place) if role == "weights" else self.bias_entry(number + 1, *place)
        words = f"${name}$ is ${own}$ in these formulas."
        return [Heading("The entry that was asked for"), Paragraph(words), equation]

    def size_note(self, array: Any) -> str:
        """That a matrix is too large to be printed, and was checked whole."""
        rows, columns = np.shape(array)
        return f"${rows} \\times {columns}$ numbers, all of them checked; the largest error is opened"

    def example_note(self, i: int) -> str:
        """Which example a number belongs to."""
        return f"example {i + 1}" if self.net.examples > 1 else ""


def slope_of_activation(layer: Layer, z: str) -> str:
    """The activation's derivative in LaTeX, from the rule book."""
    return derivative_of(layer.activation, 0, z, **layer.settings) if layer.activation is not None else "1"
