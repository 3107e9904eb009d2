"""The errors of the layers and the four equations of backpropagation, with symbols, shapes and numbers.

After M. Nielsen, Neural Networks and Deep Learning (2015), chapter 2. For a batch, the examples are the columns of
every matrix, and the cost's own factor (a sum, a mean) is inside the errors.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.derivation.dialects.delta_algorithm import algorithm, why_backpropagation
from chainrule.derivation.dialects.delta_net import mapping, the_cost, the_net
from chainrule.derivation.dialects.delta_proofs import fused_softmax, proofs, whole_layer
from chainrule.derivation.equations import Show
from chainrule.derivation.network.entrywise import entrywise
from chainrule.derivation.network.feedforward import recognised
from chainrule.derivation.network.matrices import Paper, checked, fits, largest
from chainrule.derivation.network.net import Layer, Misfit, Net
from chainrule.derivation.notation import Symbols, at_layer
from chainrule.derivation.opened.handed import slope_in_symbols
from chainrule.derivation.opened.opened import Opened
from chainrule.derivation.record import Block, Equation, Heading, Note, Paragraph
from chainrule.derivation.request import Request, Told
from chainrule.derivation.words import Words, said
from chainrule.maths import Derivative, Number, Sigma, Symbol, Tree, Unknown
from chainrule.maths.tree import Shape, applied, equation, has_letters, made

MOST_LAYERS = 6
"""Of a deeper net the first and the last layers are told; all are checked."""


MOST_NODES = 100_000
"""A net of single numbers this large is better told with matrices."""


def applies(opened: Opened, request: Request) -> str:
    """Empty for a feed-forward net of weighted sums and activations; else which node does not fit."""
    if len(opened.order) > MOST_NODES:
        return f"the delta dialect is for up to {MOST_NODES:,} nodes, and here are {len(opened.order):,}"
    try:
        net = recognised(opened.whole)
    except Misfit as misfit:
        return f"the delta dialect tells feed-forward nets of weighted sums and activations, and {misfit}"
    if request.wrt is not None and wanted(net, request) is None:
        return "the delta dialect gives the gradients of weights and biases, and this is neither"
    return ""


def tell(opened: Opened, request: Request) -> Told:
    """The whole story; every equation in it is proved on the numbers."""
    with Quiet():
        net = recognised(opened.whole)
        story = Story(net, request)
        blocks = tuple(story.blocks())
        return Told(blocks, story.symbols.meanings(shapes(net)), counts(net), story.environment)


def wanted(net: Net, request: Request) -> tuple[int, str, tuple[int, ...]] | None:
    """The layer (from 0), the role and the place of what was asked for."""
    for number, layer in enumerate(net.layers):
        found = layer.find(request.wrt, request.entry)
        if found is not None:
            return number, *found
    return None


def shapes(net: Net) -> dict[str, Shape]:
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


class NetNumbers(dict[Tree, Any]):
    """What the letters of a net stand for: whole matrices with a column for each example, and entries of these."""

    def __missing__(self, key: Tree) -> Any:
        match key:
            case Unknown(function, (Symbol() as z,)) if z.at:
                return entry_of(self[Unknown(function, (z.whole,))], z)
            case Derivative(above, Symbol() as below) if below.at and not is_entry(above):
                return entry_of(self[Derivative(above, below.whole)], below)
            case _:
                raise KeyError(key)


def is_entry(tree: Tree) -> bool:
    """Whether it is one entry of an array."""
    return isinstance(tree, Symbol) and bool(tree.at)


def entry_of(array: Any, symbol: Symbol) -> Any:
    """The entry of an array that a symbol is of."""
    return array[tuple([i - 1 for i in symbol.at if isinstance(i, int)])]


class Story:
    """The blocks of the explanation of one net."""

    def __init__(self, net: Net, request: Request) -> None:
        self.net = net
        self.request = request
        self.last = len(net.layers)
        sizes = (net.layers[0].inputs, *[layer.neurons for layer in net.layers])
        self.symbols = Symbols(request.notation, self.last, sizes, net.examples, as_numbers=net.is_chain)
        self.paper = Paper(request.digits, request.top, net.is_chain)
        self.entries = Paper(request.digits, request.top, True)
        """Prints single numbers, where `paper` prints matrices unless all are 1 × 1."""
        self.wanted = wanted(net, request) if request.wrt is not None else None
        told = range(1, self.last + 1)
        self.told = [n for n in told if self.last <= MOST_LAYERS or n <= 2 or n > self.last - 2]
        """The layers (from 1) that are told in full."""
        self.environment = NetNumbers()
        for n in told:
            self.enter(n)
        self.environment[self.symbols.cost] = net.opened.numbers[net.opened.output]
        self.environment[self.symbols.a(0)] = self.layer(1).fed.T
        # Which of the data is the target is not always known.
        self.environment[self.symbols.target] = None

    def enter(self, number: int) -> None:
        """What the letters of a layer stand for."""
        s, layer, known = self.symbols, self.layer(number), self.environment
        known[s.z(number)], known[s.a(number)] = layer.z.T, layer.a.T
        known[s.weights(number)] = known[at_layer(s.notation.weight, number)] = layer.weights
        known[s.error(number)] = known[s.by(s.z(number))] = layer.by_z.T
        known[s.by(s.a(number))] = layer.by_a.T
        known[s.slope(number)] = layer.slope.T
        if layer.bias is not None:
            known[s.b(number)] = layer.bias[:, None]
        if layer.by_bias is not None:
            known[s.by(s.b(number))] = layer.by_bias[:, None]
        if layer.by_weights is not None:
            known[s.by(s.weights(number))] = known[s.by(at_layer(s.notation.weight, number))] = layer.by_weights

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

    def example(self, i: int) -> tuple[int, ...]:
        """The second index of an entry: the example, where there are several."""
        return (i + 1,) if self.net.examples > 1 else ()

    def gradient_of_cost(self) -> Derivative:
        """How the cost moves with the last activations, as a symbol."""
        whole = self.symbols.by(self.symbols.a(self.last))
        return whole if self.paper.as_numbers else replace(whole, is_gradient=True)

    def slope_words(self, number: int) -> Words:
        """The derivative of a layer's activation, from the rule book."""
        layer, slope = self.layer(number), self.symbols.slope(number)
        if layer.activation is None:
            return said(f"Layer {number} has no activation function: ", slope, " is 1 everywhere.")
        z = replace(self.symbols.z(number), shape=())
        formula = slope_of_activation(layer, z)
        if formula is None or not has_letters(formula):
            told = [] if formula is None else [" is ", formula, " everywhere"]
            return said("Here ", slope, *told, f", by the rule of {layer.function}.")
        return said("Here ", equation(slope, formula), f", by the rule of {layer.function}.")

    def output_error(self) -> list[Block]:
        """BP1: the error of the last layer."""
        s, paper, layer, last = self.symbols, self.paper, self.layer(self.last), self.last
        error, by_a, slope = layer.by_z.T, layer.by_a.T, layer.slope.T
        checked("the error of the last layer", layer.passed(by_a), error)
        symbols = [s.error(last), self.gradient_of_cost() * s.slope(last)]
        blocks: list[Block] = [Heading("BP1: the error of the last layer")]
        blocks += self.cost_in_letters()
        blocks.append(Paragraph(self.slope_words(last)))
        if fits(error):
            blocks.append(paper.equation(symbols, lambda show: paper.put(show, by_a) * paper.put(show, slope), error))
        else:
            j, i = largest(error)
            place = (j + 1, *self.example(i))
            parts = [s.error(last, *place), s.by(s.a(last, *place)) * s.slope(last, *place)]
            blocks.append(Equation(tuple(symbols), note=self.size_note(error)))
            blocks.append(self.entries.product(parts, (by_a[j, i], slope[j, i]), self.example_note(i)))
        return blocks + fused_softmax(self)

    def cost_in_letters(self) -> list[Block]:
        """How the cost moves with an output and with its weighted input, as formulas that hold for every entry."""
        s, last, opened = self.symbols, self.last, self.net.opened
        node, z = self.net.outputs[0], self.layer(self.last).nodes["z"][0]
        letters: dict[Any, Tree] = {x: s.a(last, *place) for x, place in self.output_letters().items()}
        found = entrywise(opened, node, letters, s.target)
        if found is None:
            return []
        by_a = Derivative(s.cost, letters[node])
        words = said("The cost moves with an output by ", equation(by_a, found), ".")
        inner = None if z is node else entrywise(opened, z, {**letters, z: s.z(last)}, s.target)
        if inner is not None:
            by_z = Derivative(s.cost, s.z(last))
            words = said(words, " With the slope of the activation multiplied in, ", equation(by_z, inner), ".")
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
        words = " carries the error backwards over the same weights that the forward used."
        return [blocks[0], Paragraph(said("The transpose ", s.weights("l+1").T, words)), *blocks[1:]]

    def error_back(self, number: int, error: Any, next_error: Any, slope: Any, weights: Any) -> list[Block]:
        """BP2 for one layer."""
        s, paper = self.symbols, self.paper
        back = paper.times(paper.turned(s.weights(number + 1)), s.error(number + 1))
        symbols = [s.error(number), back * s.slope(number)]
        if paper.as_numbers:
            return [paper.product(symbols, (weights[0, 0], next_error[0, 0], slope[0, 0]))]
        if fits(error, next_error, weights):

            def write(show: Show) -> Tree:
                return (paper.put(show, weights).T @ paper.put(show, next_error)) * paper.put(show, slope)

            return [paper.equation(symbols, write, error)]
        j, i = largest(error)
        place = self.example(i)
        terms = s.w(number + 1, "k", j + 1) * s.error(number + 1, "k", *place)
        total = Sigma(terms, "k", len(weights))
        parts = [s.error(number, j + 1, *place), total * s.slope(number, j + 1, *place)]
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
        ones = applied("broadcast_to", 1.0, shape=(self.net.examples, 1))
        total = s.error("l") @ ones if many else s.error("l")
        words = said("A bias moves its weighted input one for one: ", equation(s.by(s.b("l")), total))
        adds_up = said(words, ", where ", ones, " is a column of ones that adds up the examples.")
        blocks.append(Paragraph(adds_up if many else said(words, ".")))
        for number in self.told:
            layer = self.layer(number)
            if layer.by_bias is None:
                blocks.append(Paragraph(f"Layer {number} learns no bias."))
                continue
            error = layer.by_z.T
            checked(f"the bias of layer {number}", error.sum(axis=1), layer.by_bias)
            name = s.by(s.b(number))
            if not many and fits(error):
                blocks.append(paper.given([name, s.error(number)], layer.by_bias[:, None]))
            elif fits(error):
                blocks.append(
                    paper.equation(
                        [name, s.error(number) @ ones],
                        lambda show, e=error: paper.put(show, e) @ paper.put(show, np.ones((e.shape[1], 1))),
                        layer.by_bias[:, None],
                    )
                )
            else:
                blocks.append(self.bias_entry(number, largest(layer.by_bias)[0]))
        return blocks

    def bias_entry(self, number: int, j: int) -> Equation:
        """BP3 for one bias."""
        s, layer, numbers = self.symbols, self.layer(number), self.entries
        name = s.by(s.b(number, j + 1))
        if self.net.examples == 1:
            return numbers.given([name, s.error(number, j + 1)], layer.by_z[0, j])
        assert layer.by_bias is not None
        total = Sigma(s.error(number, j + 1, "i"), "i", self.net.examples)
        ones = np.ones(self.net.examples)
        return numbers.sum_of_products([name, total], ones, layer.by_z[:, j], layer.by_bias[j])

    def weight_gradients(self) -> list[Block]:
        """BP4: the gradient in the weights."""
        s, paper = self.symbols, self.paper
        rule = equation(s.by(s.w("l", "j", "k")), s.a("l-1", "k") * s.error("l", "j"))
        words = said("A weight's gradient is what comes in times the error of where it goes: ", rule, ".")
        if not paper.as_numbers:
            whole = equation(s.by(s.weights("l")), s.error("l") @ s.a("l-1").T)
            adds_up = ", which adds up the examples by itself." if self.net.examples > 1 else "."
            words = said(words, " All of them at once: ", whole, adds_up)
        blocks: list[Block] = [Heading("BP4: the gradient in the weights"), Paragraph(words)]
        for number in self.told:
            layer = self.layer(number)
            if layer.by_weights is None:
                blocks.append(Paragraph(f"The weights of layer {number} are constants."))
                continue
            error, connected = layer.by_z.T, self.connected(layer)
            checked(f"the weights of layer {number}", error @ layer.fed * connected, layer.by_weights)
            name, above = s.by(s.weights(number)), s.error(number)
            if paper.as_numbers:
                blocks.append(paper.product([name, s.a(number - 1) * above], (layer.fed[0, 0], error[0, 0])))
            elif fits(error, layer.fed, layer.by_weights) and connected.all():
                blocks.append(
                    paper.equation(
                        [name, above @ s.a(number - 1).T],
                        lambda show, e=error, f=layer.fed: paper.put(show, e) @ paper.put(show, f.T).T,
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
        s, layer, numbers = self.symbols, self.layer(number), self.entries
        name = s.by(s.w(number, j + 1, k + 1))
        if self.net.examples == 1:
            product = s.a(number - 1, k + 1) * s.error(number, j + 1)
            return numbers.product([name, product], (layer.fed[0, k], layer.by_z[0, j]))
        assert layer.by_weights is not None
        product = s.a(number - 1, k + 1, "i") * s.error(number, j + 1, "i")
        return numbers.sum_of_products(
            [name, Sigma(product, "i", self.net.examples)], layer.fed[:, k], layer.by_z[:, j], layer.by_weights[j, k]
        )

    def one_entry(self) -> list[Block]:
        """The one weight or bias that was asked for."""
        assert self.wanted is not None
        number, role, place = self.wanted
        layer = self.net.layers[number]
        if role == "weights":
            name, own = layer.weight_name(*place), self.symbols.w(number + 1, place[0] + 1, place[1] + 1)
            shown = self.weight_entry(number + 1, *place)
        else:
            name, own = layer.bias_name(*place), self.symbols.b(number + 1, place[0] + 1)
            shown = self.bias_entry(number + 1, *place)
        words = said(*([] if name is None else [name]), " is ", own, " in these formulas.")
        return [Heading("The entry that was asked for"), Paragraph(words), shown]

    def size_note(self, array: Any) -> str:
        """That a matrix is too large to be printed, and was checked whole."""
        rows, columns = np.shape(array)
        return f"{rows} × {columns} numbers, all of them checked; the largest error is opened"

    def example_note(self, i: int) -> str:
        """Which example a number belongs to."""
        return f"example {i + 1}" if self.net.examples > 1 else ""


def slope_of_activation(layer: Layer, z: Symbol) -> Tree | None:
    """The activation's derivative, from the rule book."""
    if layer.activation is None:
        return Number("1")
    return slope_in_symbols(layer.activation, 0, made(layer.activation, (z,), layer.settings, ()), [z], layer.settings)
