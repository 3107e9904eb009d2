"""Cross-entropy read as a softmax and a logarithm, so that its probabilities have a name and what cancels can be seen.

The engine's node fuses the two and never makes the probabilities. Here the same loss is recorded again with them in
between; its links come from the book's rules for softmax and log like any others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.derivation.scalars.graph import Place, ScalarGraph
from chainrule.derivation.scalars.slopes import Slopes
from chainrule.derivation.tape.tape import Tape
from chainrule.maths import Symbol, Tree
from chainrule.rules.composed import softmax
from chainrule.rules.linear import index, mean
from chainrule.rules.pointwise import log

LETTERS = (Symbol("p"), Symbol("p", mark="hat"), Symbol("q"))
"""What the probabilities are called: the first that the user does not use."""


class SoftmaxLoss:
    """A cross-entropy of a tape with its probabilities between, taken apart in its turn; the same for every logit."""

    def __init__(self, tape: Tape, node: Tensor) -> None:
        self.source = source = node.edges[0][1]
        taken = set(tape.symbols.values())
        letter = next((letter for letter in LETTERS if letter not in taken), LETTERS[0])
        target = np.asarray(node.settings["target"])
        leaf = Tensor(tape.numbers[source], requires_grad=True)
        self.logits = logits = leaf if source.op is None else leaf.alias()
        self.node: Any = softmax(logits, axis=-1)
        loss: Any = -mean(index(log(self.node), key=(np.arange(len(target)), target)))
        self.letter = replace(letter, shape=self.node.shape)
        # What goes by a number here is another thing than what does so in the whole graph.
        elsewhere = [tape.symbols[x] for x in tape.numbered]
        self.tape = Tape(loss, [logits], [x.name for x in elsewhere if isinstance(x, Symbol) and x.name])
        self.tape.name_anew(
            {logits: tape.symbols[source], self.node: self.letter, loss: tape.symbols[node]},
        )

    @property
    def owners(self) -> dict[Tensor, tuple[Tensor, Symbol | None]]:
        """What the logits and the probabilities stand for in the tape that was opened, and under which name."""
        return {self.logits: (self.source, None), self.node: (self.node, self.letter)}


class Probabilities:
    """One logit of a cross-entropy, and the entries between it and the loss with the probabilities among them."""

    def __init__(self, opened: SoftmaxLoss, logit: Place) -> None:
        self.node = opened.node
        self.graph = ScalarGraph(opened.tape, opened.logits, logit)
        self.slopes = Slopes(self.graph)
        self.logit = logit

    def by_logit(self, k: int) -> Tree | None:
        """How the probability of a class moves with the logit, in numbers."""
        return self.slopes.in_numbers(self.slopes.of_entry(self.node, 0, self.logit, (*self.logit[:-1], k)))

    def by_probability(self, k: int) -> Tree | str | None:
        """How the loss moves with the probability of a class that it reads, in numbers."""
        graph, place = self.graph, (*self.logit[:-1], k)
        reads = [n for n, entry in enumerate(graph.entries) if entry.node is self.node and entry.place == place]
        written = graph.written_out(graph.derivatives(0, graph.last), graph.last)
        return written(reads[0]).origin if reads else None
