"""Why the four equations hold: each in indices and then in vectors, every step worked out on one example's numbers.

The proofs follow M. Nielsen, Neural Networks and Deep Learning (2015), chapter 2. How far one number moves with another
is what the engine's forward mode gives there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.forward import tangents_of
from chainrule.core.graph import gradients_of
from chainrule.derivation.arrays import fits, largest
from chainrule.derivation.computed import all_computed_by
from chainrule.derivation.dialects.delta_story import Story
from chainrule.derivation.equations import Show
from chainrule.derivation.network.equations import BackwardEquation
from chainrule.derivation.network.paper import checked
from chainrule.derivation.network.spelling import Spelling
from chainrule.derivation.notation import derivative
from chainrule.derivation.record import Block, Equation, Heading, Note, Paragraph, Steps
from chainrule.derivation.words import said
from chainrule.maths import Applied, Derivative, Relation, Sigma, Symbol, Tree
from chainrule.maths.numerals import FULL
from chainrule.maths.tree import applied, equation
from chainrule.maths.values import Values, value
from chainrule.program.numbered import Ids


def proofs(story: Story) -> list[Block]:
    """All four proofs, at the entries that are largest in size."""
    blocks: list[Block] = [Heading("Why the four equations hold")]
    blocks.append(Paragraph("Each is the chain rule, with what every step says worked out for one entry."))
    shared = False
    for law in story.backward:
        layers = story.layers_of[law.name]
        if layers:
            proof = Proof(story, law, layers[0])
            if proof.cost != story.symbols.cost and not shared:
                blocks.append(proof.shared_by_examples())
                shared = True
            blocks += proof.blocks()
    return blocks


class Proof:
    """One of the four equations, proved for one entry of one layer."""

    def __init__(self, story: Story, law: BackwardEquation, number: int) -> None:
        self.story = story
        self.law = law
        self.number = number
        connected = story.net.connected(number)
        learns = law.moved.base == "weights"
        by_z = story.net[number].by_z
        # A neuron that takes in nothing learned has no weight to tell of.
        self.row, self.i = largest(np.where(np.any(connected, axis=1, keepdims=True), by_z, np.nan) if learns else by_z)
        self.column = self.i
        self.cost = story.symbols.cost
        if law.learned and story.examples > 1:
            self.cost = replace(self.cost, at=(self.i + 1,))
        if learns:
            self.column = largest(np.where(connected[self.row], story.net[number].fed[:, self.i], np.nan))[0]
        self.symbols = story.symbols.of_one_example(*story.example(self.i))
        self.symbols.cost = self.cost
        self.spelling = Spelling(self.symbols, number)
        self.moved = self.spelling.entry(law.moved, self.row + 1, self.column + 1)
        self.through = self.spelling.entry(law.through, "k", 1)
        """The k-th of what the cost sees of it."""
        self.enter(story.net.derivatives(self.identity, self.seen, tangents_of))

    @property
    def identity(self) -> int:
        """The id of what moves."""
        layer = self.story.layer(self.number)
        ids: Any = {"z": layer.z.T, "weights": layer.weights, "b": layer.bias}[self.law.moved.base]
        return int(ids[self.row] if ids.ndim == 1 else ids[self.row, self.column])

    @property
    def seen(self) -> Ids:
        """The ids of what the cost sees of it."""
        layer = self.story.layer(int(self.spelling.layers[self.law.through.layer]))
        return (layer.a if self.law.through.base == "a" else layer.z)[self.i]

    @property
    def count(self) -> int:
        """How many numbers that are."""
        return len(self.seen)

    def enter(self, moves: Any) -> None:
        """What the derivatives of the page stand for."""
        story, law, known = self.story, self.law, self.story.letters
        gradients = story.net.gradients_in(self.seen)
        moves = all_computed_by(moves, self.local_in_numbers)
        # One of these the page also speaks of by its place.
        self.place = largest(moves)[0] if isinstance(law.jacobian, Applied) else self.row
        for each, at in (
            (self.through, slice(None)),
            (self.spelling.entry(law.through, self.place + 1, 1), self.place),
        ):
            known[Derivative(each, self.moved)] = moves[at]
            known[Derivative(self.cost, each)] = gradients[at]
        # What one of several examples adds to a weight's gradient the engine does not tell apart.
        adds = law.learned and story.examples > 1
        self.value = float(np.dot(moves, gradients) if adds else story.net.gradients_in(np.array(self.identity)))
        known[Derivative(self.cost, self.moved)] = self.value
        if self.cost != story.symbols.cost:
            known[self.cost] = None

    def local_in_numbers(self, k: int) -> Tree | None:
        """How one of what the cost sees, counted from 0, moves with it, in the numbers of the equation's Jacobian."""
        if not isinstance(self.law.jacobian, Applied):
            return None
        local = self.spelling.entry(self.law.jacobian, k + 1, self.row + 1)
        return self.story.paper.in_numbers(local, Values(self.story.letters))[0](Show(FULL))

    def blocks(self) -> list[Block]:
        """In indices, then in vectors."""
        caption = f"{self.law.name} in indices{self.story.of_example(self.i)}"
        return [Heading(self.law.name, 3), Steps(tuple(self.lines()), caption), *self.in_vectors()]

    def lines(self) -> list[Equation]:
        """What it is, the chain rule, how one moves with the other, and what is left."""
        law, entries, known = self.law, self.story.entries, self.story.letters
        name = derivative(self.cost, self.moved)
        left, right = [self.spelling.entry(side, self.row + 1, self.column + 1) for side in (law.left, law.right)]
        each = self.through
        chain = Sigma(Derivative(self.cost, each) * Derivative(each, self.moved), "k", self.count)
        lines: list[Equation] = []
        if not law.learned:
            lines.append(entries.given([left] if left == name else [left, name], self.value, "what an error is"))
        lines.append(entries.equation([name, chain], known, law.why[0]))
        if isinstance(law.jacobian, Applied):
            k = self.place + 1
            local = Derivative(self.spelling.entry(law.through, k, 1), self.moved)
            since = said("since ", self.forward(self.number + 1, k))
            lines.append(entries.equation([local, self.spelling.entry(law.jacobian, k, self.row + 1)], known, since))
        note = said(law.why[1], ": ", self.forward(1, self.row + 1)) if law.moved.base == "weights" else law.why[1]
        lines.append(entries.equation([left, right], known, note, self.value))
        return lines

    def forward(self, number: int, neuron: int) -> Relation:
        """How a weighted input is computed, in indices."""
        spelling, law = Spelling(self.symbols, number), self.story.forward(number)
        return equation(spelling.entry(law.left, neuron, 1), spelling.entry(law.right, neuron, 1))

    def in_vectors(self) -> list[Block]:
        """The same in vectors: with the numbers of the only example, or as a law for each of several."""
        story, law = self.story, self.law
        if law.moved.base == "weights":
            words = said("In vectors, row ", Symbol("j"), " and column ", Symbol("k"), " of the outer product: ")
            return [Paragraph(said(words, equation(*story.sides(law, "l")), "."))]
        if law.jacobian is None or story.symbols.as_numbers:
            return []
        spelling = Spelling(story.symbols.of_one_example(*(["i"] if story.examples > 1 else [])), self.number)
        jacobian = derivative(spelling.whole(law.through), spelling.whole(law.moved))
        matrix = spelling.whole(law.jacobian)
        left, right = [spelling.whole(side) for side in (law.left, law.right)]
        later = self.later(spelling)
        turned = matrix.T if isinstance(law.jacobian, Applied) else matrix
        sides = [left, jacobian.T @ later, turned @ later, right]
        known = story.letters
        if story.examples > 1 or not fits(self.seen[None, :], story.net[self.number].by_z):
            known.setdefault(jacobian, None)
            return [Paragraph("In vectors, for each example i:"), Equation(tuple(sides))]
        known[jacobian] = value(matrix, known)
        return [Paragraph("In vectors:"), story.paper.equation(sides, known, written=2)]

    def later(self, spelling: Spelling) -> Tree:
        """How the cost moves with what it sees of it: the gradient, or the next layer's error."""
        if self.law.through.base == "z":
            return spelling.symbols.error(self.number + 1)
        return replace(spelling.symbols.by(spelling.whole(self.law.through)), is_gradient=True)

    def shared_by_examples(self) -> Paragraph:
        """That a weight serves all examples, and what is proved of one."""
        words = f" is what example {self.i + 1} adds to "
        after = "; the gradient adds up such numbers of all examples."
        return Paragraph(said("A weight serves all examples. ", self.cost, words, self.story.symbols.cost, after))


def whole_layer(story: Story) -> list[Block]:
    """The derivative of a layer in all of its weights, as a tensor of three indices, and why nobody stores it."""
    s = story.symbols
    number = max(range(1, story.last + 1), key=lambda n: story.layer(n).weights.size)
    layer, matrices = story.layer(number), story.net[number]
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
    if matrices.by_weights is None or np.any(layer.weights < 0):
        return blocks
    if not fits(layer.weights):
        if story.request.whole:
            blocks.append(Note("It is not written out: only layers of up to 6 neurons and 6 inputs are."))
        return blocks
    if not story.request.whole:
        return [*blocks, Note("whole=True writes it out.")]
    total = np.zeros((m, n))
    for i in range(m):
        face = story.net.derivatives(layer.z[0, i], layer.weights, gradients_of)
        total += matrices.by_z[i, 0] * face
        name = Derivative(s.z(number, i + 1, *story.example(0)), s.weights(number), face.shape)
        story.letters[name] = face
        blocks.append(story.paper.given([name], face))
    outer = np.outer(matrices.by_z[:, 0], matrices.fed[:, 0])
    checked("the whole layer's tensor, summed with the error", total, outer, story.floor)
    return blocks
