"""Cross-entropy read as a softmax and a logarithm, so that the shares have a name and what cancels can be seen.

The engine's node fuses the two and never makes the shares. Here the same loss is recorded again with them in between;
its links come from the book's rules for softmax and log like any others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.derivation.entries.entries import Entries, Place
from chainrule.derivation.entries.slopes import Slopes
from chainrule.derivation.opened.opened import Opened
from chainrule.maths import Symbol
from chainrule.rules.composed import softmax
from chainrule.rules.linear import index, mean
from chainrule.rules.pointwise import log

LETTERS = (Symbol("p"), Symbol("p", mark="hat"), Symbol("q"))
"""What the shares are called: the first that the user does not use."""


class Shares:
    """One logit of a cross-entropy, and the entries between it and the loss with the shares among them."""

    def __init__(self, opened: Opened, node: Tensor, logit: Place) -> None:
        source = node.edges[0][1]
        taken = set(opened.symbols.values())
        self.letter = next((letter for letter in LETTERS if letter not in taken), LETTERS[0])
        target = np.asarray(node.settings["target"])
        leaf = Tensor(opened.numbers[source], requires_grad=True)
        logits = leaf if source.op is None else leaf.alias()
        shares = softmax(logits, axis=-1)
        self.letter = replace(self.letter, shape=shares.shape)
        self.shares = shares.data
        loss: Any = -mean(index(log(shares), key=(np.arange(len(target)), target)))
        inner = Opened(loss, [logits])
        for inside, symbol in ((logits, opened.symbols[source]), (shares, self.letter), (loss, opened.symbols[node])):
            inner.call(inside, symbol)
        self.source = source
        self.owners = {logits: (source, None), shares: (shares, self.letter)}
        self.entries = Entries(inner, logits, logit)
        self.slopes = Slopes(self.entries)
