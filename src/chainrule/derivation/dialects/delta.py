"""The errors of the layers and the four equations of backpropagation, with symbols, shapes and numbers.

What the equations are stands in `network.equations`; here each is stated for every layer and worked out on its
numbers. For a batch, the examples are the columns of every matrix, and the cost's own factor (a sum, a mean) is inside
the errors.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.state import Quiet
from chainrule.derivation.arrays import fits, largest
from chainrule.derivation.checked import symbols_in
from chainrule.derivation.dialects.delta_algorithm import algorithm, why_backpropagation
from chainrule.derivation.dialects.delta_net import formula_of_activation, mapping, the_cost, the_net
from chainrule.derivation.dialects.delta_proofs import proofs, whole_layer
from chainrule.derivation.dialects.delta_softmax import fused_softmax
from chainrule.derivation.dialects.delta_story import Story
from chainrule.derivation.network.entrywise import entrywise
from chainrule.derivation.network.equations import BackwardEquation
from chainrule.derivation.network.numbers import NetNumbers
from chainrule.derivation.network.paper import checked
from chainrule.derivation.network.spelling import Spelling
from chainrule.derivation.record import Block, Equation, Heading, Note, Paragraph
from chainrule.derivation.request import Explanation, Request
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.words import Words, said
from chainrule.maths import Applied, Derivative, Tree, Unknown
from chainrule.maths.tree import equation, has_letters
from chainrule.maths.values import value
from chainrule.program import NotANet
from chainrule.rewrite.local import in_trees

MOST_NODES = 100_000
"""A net of single numbers this large is better told with matrices."""


def applies(tape: Tape, request: Request) -> str:
    """Empty for a feed-forward net of weighted sums and activations; else which node does not fit."""
    if len(tape.order) > MOST_NODES:
        return f"the delta dialect is for up to {MOST_NODES:,} nodes, and here are {len(tape.order):,}"
    if np.isnan(tape.numbers[tape.output]):
        return "the delta dialect works with errors, and a cost without a value has none"
    if isinstance(tape.net, NotANet):
        return f"the delta dialect tells feed-forward nets of weighted sums and activations, and {tape.net}"
    if request.wrt is not None and NetNumbers(tape, tape.net).find(request.wrt, request.entry) is None:
        return "the delta dialect gives the gradients of weights and biases, and this is neither"
    return ""


def tell(tape: Tape, request: Request) -> Explanation:
    """The whole story; every equation in it is proved on the numbers."""
    assert not isinstance(tape.net, NotANet)
    with Quiet():
        story = Story(NetNumbers(tape, tape.net), request)
        blocks = tuple(story_of(story))
        meanings = story.symbols.meanings(story.net.shapes())
        return Explanation(blocks, meanings, story.counts(), story.letters, story.in_short(blocks))


def story_of(story: Story) -> list[Block]:
    parts = [the_net(story), the_cost(story), *[stated(story, law) for law in story.backward], mapping(story)]
    parts.append(one_entry(story))
    each = [story.net[number] for number in range(1, story.last + 1)]
    if all(np.all(np.isfinite(layer.by_z)) and np.all(np.isfinite(layer.slope)) for layer in each):
        parts += [proofs(story), whole_layer(story)]
    else:
        parts.append([Note("Some errors are not finite, so the proofs cannot be worked out on them.", "warning")])
    parts += [algorithm(story), why_backpropagation(story)]
    return [block for part in parts for block in part]


def stated(story: Story, law: BackwardEquation) -> list[Block]:
    """An equation in words, and for each layer on its numbers; it is checked on all of them."""
    blocks: list[Block] = [Heading(f"{law.name}: {law.title}")]
    layers = story.layers_of[law.name]
    if not layers:
        return [*blocks, Paragraph(f"No layer of this net learns {law.learned}.")] if law.learned else []
    blocks += lead(story, law)
    for number in layers:
        check(story, law, number)
        if number in story.layers_shown:
            blocks += of_layer(story, law, number)
    constant = [n for n in story.layers_shown if n not in layers] if law.learned else []
    blocks += [Paragraph(f"Layer {n} does not learn {law.learned}.") for n in constant]
    left = len([n for n in layers if n not in story.layers_shown])
    return blocks + ([Note(f"The other {left} layers were checked in the same way.")] if left else [])


def lead(story: Story, law: BackwardEquation) -> list[Block]:
    """What is said of an equation before its numbers."""
    s, many = story.symbols, story.examples > 1
    statement = equation(*story.sides(law, "l"))
    if law.name == "BP1":
        return cost_in_letters(story)
    if law.name == "BP2":
        words = said(statement, ": the transpose ", s.weights("l+1").T, " carries the error backwards over the same ")
        return [Paragraph(said(words, "weights that the forward used."))] if not s.as_numbers else []
    if law.name == "BP3":
        words = said("A bias moves its weighted input one for one: ", statement)
        ones = said(", where ", s.ones, " is a column of ones that adds up the examples.")
        return [Paragraph(said(words, ones if many else "."))]
    one = Spelling(s.of_one_example(), "l")
    entry = equation(one.entry(law.left, "j", "k"), one.entry(law.right, "j", "k", law.runs))
    words = said("A weight's gradient is the error of where it goes times what comes in: ", entry, ".")
    if s.as_numbers:
        return [Paragraph(words)]
    adds_up = ", which adds up the examples by itself." if many else "."
    return [Paragraph(said(words, " All of them at once: ", statement, adds_up))]


def check(story: Story, law: BackwardEquation, number: int) -> None:
    """An equation's right side, worked out whole, is the engine's left one."""
    left, right = [story.spelled(side, number) for side in (law.left, law.right)]
    engine = story.paper.result(story.letters[left])
    if isinstance(right, Applied) and isinstance(right.inputs[-1], Unknown):
        ours = story.net.passed(number, np.atleast_2d(value(right.inputs[0], story.letters)))
    else:
        ours = value(right, story.letters)
    if law.moved.base == "weights":
        ours = np.where(story.net.connected(number), ours, 0.0)
    checked(f"{law.name} in layer {number}", story.paper.result(ours), engine, story.floor)


def of_layer(story: Story, law: BackwardEquation, number: int) -> list[Block]:
    """An equation on the numbers of one layer: whole where it fits on paper, else its largest entry."""
    blocks: list[Block] = [Paragraph(slope_words(story, number))] if not law.learned else []
    sides = story.sides(law, number)
    numbers = story.letters[sides[0]]
    if fits(numbers, *story.matrices_in(sides[-1])) and len(sides) > 1:
        blocks.append(story.paper.equation(sides, story.letters))
    else:
        row, column = largest(numbers)
        rows, columns = np.shape(numbers)
        note = f"{rows} × {columns} numbers, all of them checked; the largest is opened"
        blocks += [Equation(tuple(sides), note=note), story.entry(law, number, row, column)]
    return blocks + (fused_softmax(story) if law.name == "BP1" else [])


def slope_words(story: Story, number: int) -> Words:
    """The derivative of a layer's activation, from the rule book."""
    layer, slope = story.layer(number), story.symbols.slope(number)
    if layer.activation is None:
        return said(f"Layer {number} has no activation function: ", slope, " is 1 everywhere.")
    z = replace(story.symbols.z(number), shape=())
    f = formula_of_activation(layer, z)
    formula = in_trees(layer.activation, 0, f, [z], layer.settings)
    if formula is None or not has_letters(formula):
        words = [] if formula is None else [" is ", formula, " everywhere"]
        return said("Here ", slope, *words, f", by the rule of {layer.function}.")
    return said("Here ", equation(slope, formula), f", by the rule of {layer.function}.")


def cost_in_letters(story: Story) -> list[Block]:
    """How the cost moves with an output and with its weighted input, as formulas that hold for every entry."""
    s, last, tape = story.symbols, story.last, story.net.tape
    outputs, sums = [story.net.nodes_of(ids) for ids in (story.layer(last).a, story.layer(last).z)]
    letters: dict[Any, Tree] = {outputs[0]: s.a(last)}
    if len(outputs) > 1:
        if story.examples > 1:
            return []
        letters = {x: s.a(last, j + 1) for j, x in enumerate(outputs)}
    found = entrywise(tape, outputs[0], letters, s.target)
    if found is None:
        return []
    story.letters.update(data_in_columns(story, outputs[0], found))
    words = said("The cost moves with an output by ", for_every_entry(s.by(letters[outputs[0]]), found), ".")
    z = sums[0]
    inner = None if z is outputs[0] else entrywise(tape, outputs[0], {**letters, z: s.z(last)}, s.target, z)
    if inner is not None:
        after = for_every_entry(s.by(s.z(last)), inner)
        words = said(words, " With the slope of the activation multiplied in, ", after, ".")
    return [Paragraph(words)]


def data_in_columns(story: Story, output: Any, formula: Tree) -> dict[Tree, Any]:
    """The data in a formula for every entry of the output, as the letters of the net have it."""
    environment = story.net.tape.environment
    data = {x.whole for x in symbols_in(formula)} - story.letters.keys()
    numbers = {x: np.broadcast_to(environment[x], output.shape) for x in data if np.ndim(environment[x])}
    return {x: story.net.in_columns(story.last, output, array) for x, array in numbers.items()}


def for_every_entry(name: Derivative, formula: Tree) -> Words:
    """A derivative's formula; of a number that each entry has alone, the number."""
    return said(equation(name, formula)) if has_letters(formula) else said(formula, " for every entry")


def one_entry(story: Story) -> list[Block]:
    """The one weight or bias that was asked for."""
    found = story.place_of_wrt
    if found is None or not found[2]:
        return []
    number, role, (row, *rest) = found
    column = rest[0] if rest else 0
    law = next(law for law in story.backward if law.moved.base == role)
    ids = story.layer(number).weights if role == "weights" else story.layer(number).bias
    assert ids is not None
    name = story.net.name(ids[found[2]])
    own = Spelling(story.symbols, number).entry(law.moved, row + 1, column + 1)
    words = said(*([] if name is None else [name]), " is ", own, " in these formulas.")
    return [Heading("The entry that was asked for"), Paragraph(words), story.entry(law, number, row, column)]
