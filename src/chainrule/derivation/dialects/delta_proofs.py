r"""Why the four equations hold: each in indices and then in vectors, every step worked out on one example's numbers.

The proofs follow M. Nielsen, Neural Networks and Deep Learning (2015), chapter 2. What a step says of a derivative
between two layers is compared with what the engine's forward mode gives there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core import Value, graph
from chainrule.core.forward import tangents_of
from chainrule.core.tensor import Tensor
from chainrule.derivation.network.matrices import checked, fits, largest
from chainrule.derivation.network.net import Layer
from chainrule.derivation.notation import derivative, entry, transposed
from chainrule.derivation.record import Block, Equation, Heading, Note, Paragraph, Steps
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
    of_z = derivative(s.cost, s.z(last, j + 1))
    by_output = rf"\sum_{{k}} {derivative(s.cost, s.a(last, 'k'))} \cdot {derivative(s.a(last, 'k'), s.z(last, j + 1))}"
    left = derivative(s.cost, s.a(last, j + 1))
    lines = [
        entries.given(defined(story, last, j), layer.by_z[i, j], "what an error is"),
        entries.sum_of_products(
            [of_z, by_output], outputs, slopes, layer.by_z[i, j], note="the chain rule, over all outputs"
        ),
        entries.product(
            [
                of_z,
                rf"{left} \cdot {derivative(s.a(last, j + 1), s.z(last, j + 1))}",
                rf"{left} \cdot {s.slope(last, j + 1)}",
            ],
            (outputs[j], slopes[j]),
            "an activation moves with its own weighted input alone",
        ),
    ]
    blocks: list[Block] = [Heading("BP1", 3), Steps(tuple(lines), f"BP1 in indices{of_example(story, i)}")]
    gradient = rf"\nabla_{{{s.a(last)}}} {s.cost}"
    diagonal = rf"\operatorname{{diag}}\left({s.slope(last)}\right)"
    turned = rf"{transposed(derivative(s.a(last), s.z(last)))} \, {gradient}"
    symbols = [s.error(last), turned, rf"{diagonal} \, {gradient}", rf"{gradient} {s.times} {s.slope(last)}"]
    column, slope, error = outputs[:, None], layer.slope[i][:, None], layer.by_z[i][:, None]
    if fits(column) and not story.paper.as_numbers:

        def write(show: Any) -> str:
            return rf"{show(np.diag(slope[:, 0]))} \, {show(column)}"

        blocks += [Paragraph("In vectors:"), story.paper.equation(symbols, write, error)]
    else:
        blocks += [Paragraph("In vectors:"), Equation(tuple(symbols))]
    return blocks


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
    of_z, below = derivative(s.cost, s.z(number, j + 1)), s.z(number, j + 1)
    between = derivative(s.z(number + 1, "k"), below)
    lines = [
        entries.given(defined(story, number, j), error, "what an error is"),
        entries.sum_of_products(
            [of_z, rf"\sum_{{k}} {derivative(s.cost, s.z(number + 1, 'k'))} \cdot {between}"],
            above.by_z[i],
            moves,
            error,
            note="the chain rule, over all neurons of the next layer",
        ),
        entries.product(
            [
                derivative(s.z(number + 1, k + 1), below),
                rf"{s.w(number + 1, k + 1, j + 1)} \cdot {s.slope(number, j + 1)}",
            ],
            (above.weights[k, j], slope),
            f"since ${forward_sum(story, number + 1, k + 1)}$",
        ),
        entries.sum_of_products(
            [
                s.error(number, j + 1),
                rf"\left(\sum_{{k}} {s.w(number + 1, 'k', j + 1)} \cdot {s.error(number + 1, 'k')}\right) \cdot "
                + s.slope(number, j + 1),
            ],
            above.weights[:, j],
            above.by_z[i],
            error,
            factor=slope,
            note="put in, and the common factor taken out",
        ),
    ]
    blocks: list[Block] = [Heading("BP2", 3), Steps(tuple(lines), f"BP2 in indices{of_example(story, i)}")]
    diagonal, weights, later = (
        rf"\operatorname{{diag}}\left({s.slope(number)}\right)",
        s.weights(number + 1),
        s.error(number + 1),
    )
    jacobian = derivative(s.z(number + 1), s.z(number))
    symbols = [
        s.error(number),
        rf"{transposed(jacobian)} \, {later}",
        rf"\left({weights} \, {diagonal}\right)^{{\top}} \, {later}",
        rf"\left({transposed(weights)} \, {later}\right) {s.times} {s.slope(number)}",
    ]
    column = above.by_z[i][:, None]
    if fits(above.weights) and not story.paper.as_numbers:

        def write(show: Any) -> str:
            inner = rf"{show(above.weights)} \, {show(np.diag(layer.slope[i]))}"
            return rf"\left({inner}\right)^{{\top}} \, {show(column)}"

        return [*blocks, Paragraph("In vectors:"), story.paper.equation(symbols, write, layer.by_z[i][:, None])]
    return [*blocks, Paragraph("In vectors:"), Equation(tuple(symbols))]


def parameter_proofs(story: Story) -> list[Block]:
    """BP3 and BP4 in indices, for the first layer."""
    s, layer, entries = story.symbols, story.layer(1), story.entries
    i, j = largest(layer.by_z)
    k = largest(layer.fed[i])[0]
    own = np.arange(layer.neurons) == j
    blocks: list[Block] = []
    cost = s.cost
    if story.net.examples > 1:
        cost = entry(s.cost, i + 1)
        words = (
            f"${cost}$ is what example {i + 1} adds to ${s.cost}$; the gradient adds up such numbers of all examples."
        )
        blocks.append(Paragraph(f"A weight serves all examples. {words}"))
    others = rf"\sum_{{i}} {derivative(cost, s.z(1, 'i'))} \cdot "
    if layer.bias is not None:
        name = derivative(cost, s.b(1, j + 1))
        lines = [
            entries.sum_of_products(
                [name, others + derivative(s.z(1, "i"), s.b(1, j + 1))],
                layer.by_z[i],
                own.astype(float),
                layer.by_z[i, j],
                note="a bias moves its own weighted input alone, one for one",
            ),
            entries.given(f"{name} = {s.error(1, j + 1)}", layer.by_z[i, j], "vectors: all $j$ at once"),
        ]
        blocks += [Heading("BP3", 3), Steps(tuple(lines), f"BP3 in indices{of_example(story, i)}")]
    name, fed = derivative(cost, s.w(1, j + 1, k + 1)), layer.fed[i, k]
    value = layer.by_z[i, j] * fed
    lines = [
        entries.sum_of_products(
            [name, others + derivative(s.z(1, "i"), s.w(1, j + 1, k + 1))],
            layer.by_z[i],
            np.where(own, fed, 0.0),
            value,
            note=f"since ${forward_sum(story, 1, j + 1)}$, a weight moves its own neuron alone",
        ),
        entries.product([name, rf"{s.error(1, j + 1)} \cdot {s.a(0, k + 1)}"], (layer.by_z[i, j], fed)),
    ]
    blocks += [Heading("BP4", 3), Steps(tuple(lines), f"BP4 in indices{of_example(story, i)}")]
    outer = rf"{s.error('l')} \, {transposed(s.a('l-1'))}"
    words = (
        f"In vectors, row $j$ and column $k$ of the outer product: ${derivative(s.cost, s.weights('l'))} = {outer}$."
    )
    return [*blocks, Paragraph(words)]


def whole_layer(story: Story) -> list[Block]:
    """The derivative of a layer in all of its weights, as a tensor of three indices, and why nobody stores it."""
    s = story.symbols
    number = max(range(1, story.last + 1), key=lambda n: story.layer(n).weights.size)
    layer = story.layer(number)
    m, n = layer.neurons, layer.inputs
    entries, possible = m * m * n, m * n
    tensor = derivative(s.z(number, "i"), s.w(number, "j", "k"))
    words = (
        f"How every weighted input of layer {number} moves with every weight is a tensor of three indices, "
        f"${tensor} = \\left[i = j\\right] \\cdot {s.a(number - 1, 'k')}$, with $i$ and $j$ from 1 to {m} and $k$ from "
        f"1 to {n}. It has ${m} \\cdot {m} \\cdot {n}$ = {entries:,} entries for one example, {entries * 8:,} bytes in "
        f"double precision, and {entries - possible:,} of them are zero whatever comes in; {possible:,} need not be. "
        f"Nobody stores it: summed with the error over $i$ it gives ${s.error(number, 'j')} \\cdot "
        f"{s.a(number - 1, 'k')}$, an outer product of {m} and {n} numbers, which is BP4."
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
        name = derivative(s.z(number, i + 1), s.weights(number))
        blocks.append(story.paper.given(name, face))
    checked("the whole layer's tensor, summed with the error", total, np.outer(layer.by_z[0], layer.fed[0]))
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
    target = np.asarray(node.settings["target"])
    logits = Tensor(layer.z, requires_grad=True)
    shares = softmax(logits)
    cost = -mean(index(log(shares), key=(np.arange(len(target)), target)))
    by_share = graph.gradients_of([cost], [np.ones(())], [shares], record=False)[0]
    i, j = largest(layer.by_z)
    one = np.zeros(layer.z.shape)
    one[i, j] = 1.0
    moves = np.asarray(tangents_of([logits], [one], [shares], record=False)[0])[i]
    share, right = float(shares.data[i, j]), float(target[i] == j)
    z, last, many = s.z(story.last, j + 1), story.last, story.net.examples
    words = (
        f"The cost holds a softmax of its own: it turns ${s.z(last)}$ into shares $p$ that add up to 1. Opened, the "
        "chain rule goes through the shares, whose Jacobian is not diagonal; the sum leaves the share minus the right "
        "answer, "
        + ("divided by the number of examples." if many > 1 else "and nothing of a derivative that could vanish.")
    )
    through = rf"\sum_{{k}} {derivative(s.cost, 'p_{k}')} \cdot {derivative('p_{k}', z)}"
    closed = rf"p_{{{j + 1}}} - {s.target}_{{{j + 1}}}"
    value = float(layer.by_z[i, j])
    opened_sum = story.entries.sum_of_products([s.error(last, j + 1), through], by_share[i], moves, value)

    def write(show: Any) -> str:
        difference = f"{show.factor(share)} - {show.factor(right)}"
        return difference if many == 1 else rf"\frac{{{difference}}}{{{many}}}"

    cancelled = story.entries.equation(
        [s.error(last, j + 1), closed if many == 1 else rf"\frac{{{closed}}}{{{many}}}"], write, value
    )
    return [Paragraph(words), Steps((opened_sum, cancelled), f"softmax and cross-entropy{of_example(story, i)}")]


def forward_sum(story: Story, number: int, j: int) -> str:
    """How a weighted input is computed, in indices."""
    s = story.symbols
    inputs = rf"\sum_{{k}} {s.w(number, j, 'k')} \cdot {s.a(number - 1, 'k')}"
    return f"{s.z(number, j)} = {inputs}" + (f" + {s.b(number, j)}" if story.layer(number).bias is not None else "")


def defined(story: Story, number: int, j: int) -> str:
    """The error of one neuron and what it stands for."""
    s = story.symbols
    spelled = derivative(s.cost, s.z(number, j + 1))
    own = s.error(number, j + 1)
    return spelled if own == spelled else f"{own} = {spelled}"


def of_example(story: Story, i: int) -> str:
    """Which example the numbers are of."""
    return f", example {i + 1}" if story.net.examples > 1 else ""
