"""Why the four equations hold: each in indices and then in vectors, every step worked out on one example's numbers.

The proofs follow M. Nielsen, Neural Networks and Deep Learning (2015), chapter 2. What a step says of a derivative
between two layers is compared with what the engine's forward mode gives there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core import Value, graph
from chainrule.core.forward import tangents_of
from chainrule.core.tensor import Tensor
from chainrule.derivation.equations import Show
from chainrule.derivation.network.matrices import checked, fits, largest
from chainrule.derivation.network.net import Layer
from chainrule.derivation.notation import Place, Symbols, derivative
from chainrule.derivation.record import Block, Equation, Heading, Note, Paragraph, Steps
from chainrule.derivation.words import said
from chainrule.maths import Derivative, Relation, Sigma, Symbol, Tree
from chainrule.maths.tree import applied, equation
from chainrule.rules.composed import softmax
from chainrule.rules.linear import index, mean
from chainrule.rules.pointwise import log

if TYPE_CHECKING:
    from chainrule.derivation.dialects.delta import Story

SINGLE, DOUBLE = 1e-4, 1e-9
"""How closely the engine's forward mode, in the graph's own precision, gives the same."""


def proofs(story: Story) -> list[Block]:
    """All four proofs, at the entries that are largest in size."""
    blocks: list[Block] = [Heading("Why the four equations hold")]
    blocks.append(Paragraph("Each is the chain rule, with what every step says worked out for one entry."))
    blocks += output_proof(story)
    if len(story.net.layers) > 1:
        blocks += backward_proof(story)
    return blocks + parameter_proofs(story)


def output_proof(story: Story) -> list[Block]:
    """BP1 in indices and in vectors."""
    s, last, entries = story.symbols, story.last, story.entries
    layer = story.layer(last)
    i, j = largest(layer.by_z)
    outputs, slopes = layer.by_a[i], np.where(np.arange(layer.neurons) == j, layer.slope[i], 0.0)
    place = story.example(i)
    z, a = s.z(last, j + 1, *place), s.a(last, j + 1, *place)
    each = s.a(last, "k", *place)
    for k in range(layer.neurons):
        story.environment[Derivative(s.a(last, k + 1, *place), z)] = slopes[k]
    lines = [
        entries.given(defined(story, last, j, i), layer.by_z[i, j], "what an error is"),
        entries.sum_of_products(
            [s.by(z), Sigma(s.by(each) * Derivative(each, z), "k", layer.neurons)],
            outputs,
            slopes,
            layer.by_z[i, j],
            note="the chain rule, over all outputs",
        ),
        entries.product(
            [s.by(z), s.by(a) * Derivative(a, z), s.by(a) * s.slope(last, j + 1, *place)],
            (outputs[j], slopes[j]),
            "an activation moves with its own weighted input alone",
        ),
    ]
    return [
        Heading("BP1", 3),
        Steps(tuple(lines), f"BP1 in indices{of_example(story, i)}"),
        *output_in_vectors(story, outputs[:, None], layer.slope[i], layer.by_z[i][:, None]),
    ]


def output_in_vectors(story: Story, by_a: Any, slope: Any, error: Any) -> list[Block]:
    """BP1 in vectors, for one example; of numbers the indices have said it all."""
    if story.paper.as_numbers:
        return []
    s, last = Columns(story), story.last
    gradient: Tree = replace(s.by(s.a(last)), is_gradient=True)
    jacobian = derivative(s.a(last), s.z(last))
    story.environment[jacobian] = np.diag(slope) if story.net.examples == 1 else None
    sides = [s.error(last), jacobian.T @ gradient, diagonal(s, last) @ gradient, gradient * s.slope(last)]
    return in_vectors(story, sides, lambda show: show(np.diag(slope)) @ show(by_a), error)


class Columns(Symbols):
    """The letters of a net as vectors: of several examples the column of one, δ⁽¹⁾ at ·, i."""

    def __init__(self, story: Story) -> None:
        own = story.symbols
        super().__init__(own.name, own.layers, own.sizes, 1, as_numbers=own.as_numbers)
        self.at: tuple[str, ...] = ("·", "i") if story.net.examples > 1 else ()

    def column(self, symbol: Symbol, layer: Place, place: tuple[Place, ...]) -> Symbol:
        return replace(super().column(symbol, layer, place), at=self.at)


def diagonal(s: Symbols, number: int) -> Tree:
    """The slopes of a layer along the diagonal of a matrix."""
    slope = s.slope(number)
    return applied("diag", applied("reshape", slope, shape=slope.shape[:1]))


def in_vectors(story: Story, sides: list[Tree], write: Callable[[Show], Tree], value: Any) -> list[Block]:
    """The same in vectors: with the numbers of the only example, or as a law for each of several."""
    if story.net.examples > 1 or not fits(value):
        return [Paragraph("In vectors, for each example i:"), Equation(tuple(sides))]
    return [Paragraph("In vectors:"), story.paper.equation(sides, write, value)]


def backward_proof(story: Story) -> list[Block]:
    """BP2 in indices and in vectors, for the last pair of layers."""
    s, number, entries = story.symbols, story.last - 1, story.entries
    layer, above = story.layer(number), story.layer(number + 1)
    i, j = largest(layer.by_z)
    moves, slope, error = above.weights[:, j] * layer.slope[i, j], layer.slope[i, j], layer.by_z[i, j]
    engine, tolerance = column_of_jacobian(story, number, i, j)
    if not np.allclose(moves, engine, rtol=tolerance, atol=tolerance):
        checked("the derivative between two layers", moves, engine)
    k = largest(moves)[0]
    place = story.example(i)
    z, each = s.z(number, j + 1, *place), s.z(number + 1, "k", *place)
    for row in range(above.neurons):
        story.environment[Derivative(s.z(number + 1, row + 1, *place), z)] = moves[row]
    carried = s.w(number + 1, "k", j + 1) * s.error(number + 1, "k", *place)
    lines = [
        entries.given(defined(story, number, j, i), error, "what an error is"),
        entries.sum_of_products(
            [s.by(z), Sigma(s.by(each) * Derivative(each, z), "k", above.neurons)],
            above.by_z[i],
            moves,
            error,
            note="the chain rule, over all neurons of the next layer",
        ),
        entries.product(
            [
                Derivative(s.z(number + 1, k + 1, *place), z),
                s.w(number + 1, k + 1, j + 1) * s.slope(number, j + 1, *place),
            ],
            (above.weights[k, j], slope),
            said("since ", forward_sum(story, number + 1, k + 1, i)),
        ),
        entries.sum_of_products(
            [
                s.error(number, j + 1, *place),
                Sigma(carried, "k", above.neurons) * s.slope(number, j + 1, *place),
            ],
            above.weights[:, j],
            above.by_z[i],
            error,
            factor=slope,
            note="put in, and the common factor taken out",
        ),
    ]
    return [
        Heading("BP2", 3),
        Steps(tuple(lines), f"BP2 in indices{of_example(story, i)}"),
        *backward_in_vectors(story, number, i),
    ]


def backward_in_vectors(story: Story, number: int, i: int) -> list[Block]:
    """BP2 in vectors, for one example."""
    if story.paper.as_numbers:
        return []
    s, layer, above = Columns(story), story.layer(number), story.layer(number + 1)
    slope, column = np.diag(layer.slope[i]), above.by_z[i][:, None]
    weights, later = s.weights(number + 1), s.error(number + 1)
    jacobian = derivative(s.z(number + 1), s.z(number))
    story.environment[jacobian] = above.weights @ slope if story.net.examples == 1 else None
    sides = [
        s.error(number),
        jacobian.T @ later,
        (weights @ diagonal(s, number)).T @ later,
        (weights.T @ later) * s.slope(number),
    ]
    if not fits(above.weights):
        return [Paragraph("In vectors, for each example i:"), Equation(tuple(sides))]
    return in_vectors(
        story, sides, lambda show: (show(above.weights) @ show(slope)).T @ show(column), layer.by_z[i][:, None]
    )


def parameter_proofs(story: Story) -> list[Block]:
    """BP3 and BP4 in indices, for the first layer."""
    s, layer, entries = story.symbols, story.layer(1), story.entries
    i, j = largest(layer.by_z)
    k = largest(layer.fed[i])[0]
    own = np.arange(layer.neurons) == j
    blocks: list[Block] = []
    cost = s.cost
    if story.net.examples > 1:
        cost = replace(s.cost, at=(i + 1,))
        words = said(
            "A weight serves all examples. ",
            cost,
            f" is what example {i + 1} adds to ",
            s.cost,
            "; the gradient adds up such numbers of all examples.",
        )
        blocks.append(Paragraph(words))
    place = story.example(i)
    each = s.z(1, "m", *place)
    known = story.environment
    weight, bias, fed = s.w(1, j + 1, k + 1), s.b(1, j + 1), layer.fed[i, k]
    for row in range(layer.neurons):
        z = s.z(1, row + 1, *place)
        known[Derivative(cost, z)] = layer.by_z[i, row]
        known[Derivative(z, bias)], known[Derivative(z, weight)] = float(own[row]), fed * own[row]
    error, value = layer.by_z[i, j], layer.by_z[i, j] * fed
    if layer.bias is not None:
        name = Derivative(cost, bias)
        known[name] = error
        lines = [
            entries.sum_of_products(
                [name, Sigma(Derivative(cost, each) * Derivative(each, bias), "m", layer.neurons)],
                layer.by_z[i],
                own.astype(float),
                error,
                note="a bias moves its own weighted input alone, one for one",
            ),
            entries.given([name, s.error(1, j + 1, *place)], error, said("vectors: all ", Symbol("j"), " at once")),
        ]
        blocks += [Heading("BP3", 3), Steps(tuple(lines), f"BP3 in indices{of_example(story, i)}")]
    name = Derivative(cost, weight)
    known[name] = value
    lines = [
        entries.sum_of_products(
            [name, Sigma(Derivative(cost, each) * Derivative(each, weight), "m", layer.neurons)],
            layer.by_z[i],
            np.where(own, fed, 0.0),
            value,
            note=said("since ", forward_sum(story, 1, j + 1, i), ", a weight moves its own neuron alone"),
        ),
        entries.product([name, s.error(1, j + 1, *place) * s.a(0, k + 1, *place)], (error, fed)),
    ]
    blocks += [Heading("BP4", 3), Steps(tuple(lines), f"BP4 in indices{of_example(story, i)}")]
    rows, columns = Symbol("j"), Symbol("k")
    outer = equation(s.by(s.weights("l")), story.paper.times(s.error("l"), story.paper.turned(s.a("l-1"))))
    return [
        *blocks,
        Paragraph(said("In vectors, row ", rows, " and column ", columns, " of the outer product: ", outer, ".")),
    ]


def whole_layer(story: Story) -> list[Block]:
    """The derivative of a layer in all of its weights, as a tensor of three indices, and why nobody stores it."""
    s = story.symbols
    number = max(range(1, story.last + 1), key=lambda n: story.layer(n).weights.size)
    layer = story.layer(number)
    m, n = layer.neurons, layer.inputs
    entries, possible = m * m * n, m * n
    tensor = Derivative(s.z(number, "i"), s.w(number, "j", "k"))
    formula = applied("equal", Symbol("i"), Symbol("j")) * s.a(number - 1, "k")
    words = said(
        f"How every weighted input of layer {number} moves with every weight is a tensor of three indices, ",
        equation(tensor, formula),
        f", with i and j from 1 to {m} and k from 1 to {n}. It has {m} · {m} · {n} = {entries:,} entries for one "
        f"example, {entries * 8:,} bytes in double precision, and {entries - possible:,} of them are zero whatever "
        f"comes in; {possible:,} need not be. Nobody stores it: summed with the error over i it gives ",
        s.error(number, "j") * s.a(number - 1, "k"),
        f", an outer product of {m} and {n} numbers, which is BP4.",
    )
    blocks: list[Block] = [Heading("The whole layer's tensor"), Paragraph(words)]
    if layer.by_weights is None or (layer.places["weights"] is not None and np.any(layer.places["weights"] < 0)):
        return blocks
    if not fits(layer.weights):
        if story.request.whole:
            blocks.append(Note("It is not written out: only layers of up to 6 neurons and 6 inputs are."))
        return blocks
    if not story.request.whole:
        return [*blocks, Note("whole=True writes it out.")]
    total = np.zeros((m, n))
    for i in range(m):
        face = tensor_face(story, layer, i)
        total += layer.by_z[0, i] * face
        name = Derivative(s.z(number, i + 1, *story.example(0)), s.weights(number), face.shape)
        story.environment[name] = face
        blocks.append(story.paper.given([name], face))
    engine = np.outer(layer.by_z[0], layer.fed[0])
    tolerance = SINGLE if story.net.opened.single else DOUBLE
    if not np.allclose(total, engine, rtol=tolerance, atol=tolerance):
        checked("the whole layer's tensor, summed with the error", total, engine)
    return blocks


def tensor_face(story: Story, layer: Layer, i: int) -> Any:
    """How one weighted input of the first example moves with all weights: the engine's backward pass from there."""
    places = layer.places["weights"]
    assert places is not None
    seeds, outputs = seeded(layer, story.net.examples, 0, i)
    found = graph.gradients_of(outputs, seeds, list(layer.nodes["weights"]), record=False)
    flat = np.concatenate(
        [
            np.zeros(np.size(x.data)) if g is None else np.ravel(g)
            for x, g in zip(layer.nodes["weights"], found, strict=True)
        ]
    )
    return np.asarray(flat, dtype=float)[places]


def seeded(layer: Layer, examples: int, i: int, j: int) -> tuple[list[Any], list[Any]]:
    """A cotangent or tangent that is 1 at one weighted input of one example, and the nodes it belongs to."""
    nodes = list(layer.nodes["z"])
    if isinstance(nodes[0], Value) or len(nodes) > 1:
        return [1.0 if isinstance(nodes[j], Value) else np.ones((), nodes[j].dtype)], [nodes[j]]
    one = np.zeros((examples, layer.neurons), nodes[0].dtype)
    one[i, j] = 1
    return [np.reshape(one if layer.in_rows else one.T, nodes[0].shape)], [nodes[0]]


def column_of_jacobian(story: Story, number: int, i: int, j: int) -> tuple[Any, float]:
    """How the next layer's weighted inputs move with one of this layer's, by the engine, and its precision."""
    layer, above, examples = story.layer(number), story.layer(number + 1), story.net.examples
    seeds, inputs = seeded(layer, examples, i, j)
    moved = tangents_of(inputs, seeds, list(above.nodes["z"]), record=False)
    single = isinstance(inputs[0], Tensor) and inputs[0].dtype == np.float32
    if len(moved) > 1 or isinstance(inputs[0], Value):
        return np.array([0.0 if t is None else float(t) for t in moved]), DOUBLE
    whole = np.asarray(moved[0], dtype=float)
    rows = whole.reshape(examples, -1) if above.in_rows else whole.reshape(-1, examples).T
    return rows[i], SINGLE if single else DOUBLE


def fused_softmax(story: Story) -> list[Block]:
    """Why softmax and cross-entropy together leave prediction minus target, on one example."""
    opened, layer, s = story.net.opened, story.layer(story.last), story.symbols
    node = opened.output
    if node.op.name != "cross_entropy" or layer.activation is not None or not layer.in_rows:
        return []
    target = target_of(node)
    logits = Tensor(layer.z, requires_grad=True)
    shares = softmax(logits)
    cost = -mean(index(log(shares), key=(np.arange(len(target)), target)))
    by_share = graph.gradients_of([cost], [np.ones(())], [shares], record=False)[0]
    i, j = largest(layer.by_z)
    one = np.zeros(layer.z.shape)
    one[i, j] = 1.0
    moves = np.asarray(tangents_of([logits], [one], [shares], record=False)[0])[i]
    share, right = float(shares.data[i, j]), float(target[i] == j)
    last, many, place = story.last, story.net.examples, story.example(i)
    z, p = s.z(last, j + 1, *place), Symbol("p")
    known = story.environment
    known[p] = shares.data.T
    for k in range(layer.neurons):
        at = replace(p, at=(k + 1, *place))
        known[Derivative(s.cost, at)], known[Derivative(at, z)] = by_share[i, k], moves[k]
    words = said(
        "The cost holds a softmax of its own: it turns ",
        s.z(last),
        " into shares ",
        p,
        " that add up to 1. Opened, the chain rule goes through the shares, whose Jacobian is not diagonal; the sum "
        "leaves the share minus the right answer, "
        + ("divided by the number of examples." if many > 1 else "and nothing of a derivative that could vanish."),
    )
    each, target = replace(p, at=("k", *place)), replace(s.target, at=(j + 1, *place))
    known[s.target] = np.eye(layer.neurons)[target_of(node)].T
    through = Sigma(derivative(s.cost, each) * Derivative(each, z), "k", layer.neurons)
    closed = replace(p, at=(j + 1, *place)) - target
    value = float(layer.by_z[i, j])
    own = s.error(last, j + 1, *place)
    opened_sum = story.entries.sum_of_products([own, through], by_share[i], moves, value)

    def write(show: Show) -> Tree:
        difference = show(share) - show(right)
        return difference if many == 1 else difference / many

    cancelled = story.entries.equation([own, closed if many == 1 else closed / many], write, value)
    return [Paragraph(words), Steps((opened_sum, cancelled), f"softmax and cross-entropy{of_example(story, i)}")]


def target_of(node: Any) -> Any:
    """The right class of each example of a cross-entropy."""
    return np.asarray(node.settings["target"])


def forward_sum(story: Story, number: int, j: int, i: int) -> Relation:
    """How a weighted input is computed, in indices."""
    s, place = story.symbols, story.example(i)
    layer = story.layer(number)
    inputs: Tree = Sigma(s.w(number, j, "k") * s.a(number - 1, "k", *place), "k", layer.inputs)
    return equation(s.z(number, j, *place), inputs if layer.bias is None else inputs + s.b(number, j))


def defined(story: Story, number: int, j: int, i: int) -> list[Tree]:
    """The error of one neuron and what it stands for."""
    s, place = story.symbols, story.example(i)
    spelled, own = s.by(s.z(number, j + 1, *place)), s.error(number, j + 1, *place)
    return [spelled] if own == spelled else [own, spelled]


def of_example(story: Story, i: int) -> str:
    """Which example the numbers are of."""
    return f", example {i + 1}" if story.net.examples > 1 else ""
