"""A net as the delta dialect tells it: its numbers, its letters, and the equations in these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.derivation.network.equations import (
    BACKWARD,
    WEIGHTED_INPUT,
    WITHOUT_BIAS,
    BackwardEquation,
    NetEquation,
    layers_in,
)
from chainrule.derivation.network.free_letters import letters_besides
from chainrule.derivation.network.numbers import Letters, NetNumbers
from chainrule.derivation.network.paper import Paper
from chainrule.derivation.network.spelling import Spelling
from chainrule.derivation.notation import Place, Symbols
from chainrule.derivation.pitfalls import rounding_floor
from chainrule.derivation.record import Block, Equation
from chainrule.derivation.request import Request
from chainrule.maths import Applied, Number, Tree
from chainrule.maths.tree import equation, parts
from chainrule.program.nets import Layer

MOST_LAYERS = 6
"""Of a deeper net the first and the last layers are told; all are checked."""


class Story:
    """What all parts of the explanation of one net read."""

    def __init__(self, net: NetNumbers, request: Request) -> None:
        self.net = net
        self.request = request
        self.backward = BACKWARD
        """The four equations."""
        self.last = net.last
        self.examples = net.net.examples
        layers, as_numbers = net.net.layers, net.net.is_chain
        sizes = (layers[0].inputs, *[layer.neurons for layer in layers])
        self.symbols = Symbols(
            request.notation,
            self.last,
            sizes,
            self.examples,
            as_numbers=as_numbers,
            letters=letters_besides(net, request.notation),
        )
        self.letters = Letters(net, self.symbols)
        self.floor = rounding_floor(net.tape)
        """What rounding leaves of gradients that cancel out."""
        self.paper = Paper(request.digits, request.top, as_numbers, self.floor)
        self.entries = Paper(request.digits, request.top, True, self.floor)
        """Prints single numbers, where `paper` prints matrices unless all are 1 × 1."""
        each = range(1, self.last + 1)
        self.layers_shown = [n for n in each if self.last <= MOST_LAYERS or n <= 2 or n > self.last - 2]
        """The layers (from 1) that are told in full."""
        self._spelled: dict[tuple[Tree, Place], Tree] = {}
        self.layers_of = {law.name: self.layers_with(law) for law in BACKWARD}
        """The layers that an equation holds for and has a learned left side in, in the order in which it is used."""

    @property
    def place_of_wrt(self) -> tuple[int, str, tuple[int, ...]] | None:
        """The layer, the role and the place there of what was asked for; None where that is all of the net."""
        wrt = self.request.wrt
        return None if wrt is None else self.net.find(wrt, self.request.entry)

    def counts(self) -> dict[str, int]:
        net = self.net.net
        neurons = sum(layer.neurons for layer in net.layers)
        return {"layers": self.last, "neurons": neurons, "parameters": net.parameters, "examples": net.examples}

    def in_short(self, blocks: Sequence[Block]) -> tuple[Equation, ...]:
        """The equations on which one gradient rests: BP1, BP2 down to the layer that was asked for, its gradient."""
        s = self.symbols
        number, role, place = self.place_of_wrt or (1, "weights", ())
        names = [s.error(k) for k in range(self.last, number - 1, -1)]
        places = [i + 1 for i in place]
        if role == "weights":
            names.append(s.by(s.w(number, *places) if places else s.weights(number)))
        else:
            names.append(s.by(s.b(number, *places)))
        equations = [x for x in blocks if isinstance(x, Equation) and len(x.sides) > 1]
        found = [next((x for x in equations if x.sides[0] == name), None) for name in names]
        return () if found[-1] is None else tuple([x for x in found if x is not None])

    def layer(self, number: int) -> Layer:
        """A layer, counted from 1."""
        return self.net.layer(number)

    def layers_with(self, law: BackwardEquation) -> list[int]:
        every, layers = range(1, self.last + 1), layers_in(equation(law.left, law.right))
        places = [self.last] if "L" in layers else range(self.last - 1, 0, -1) if "l+1" in layers else every
        return [n for n in places if self.spelled(law.left, n) in self.letters]

    def spelled(self, tree: Tree, layer: Place) -> Tree:
        """A tree of the net's equations in the letters of the page, of which each is one object."""
        if (tree, layer) not in self._spelled:
            self._spelled[tree, layer] = Spelling(self.symbols, layer).whole(tree)
        return self._spelled[tree, layer]

    def sides(self, law: NetEquation, layer: Place) -> list[Tree]:
        """An equation for one layer, or for any; its left side alone where it does not hold for every entry."""
        sides = [self.spelled(law.left, layer), self.spelled(law.right, layer)]
        # Of weights that are not all there the product has entries that no weight has.
        whole = law.name != "BP4" or isinstance(layer, str) or np.all(self.net.connected(layer))
        return sides if whole else sides[:1]

    def forward(self, number: int) -> NetEquation:
        """How a layer computes its weighted input."""
        return WITHOUT_BIAS if self.layer(number).bias is None else WEIGHTED_INPUT

    def sides_of_entry(self, law: BackwardEquation, layer: Place, row: Place, column: Place) -> list[Tree]:
        spelling = Spelling(self.symbols, layer)
        return [spelling.entry(law.left, row, column), spelling.entry(law.right, row, column, law.runs)]

    def matrices_in(self, tree: Tree) -> list[Any]:
        """The arrays that a side is made of."""
        if not isinstance(tree, Applied):
            return [] if isinstance(tree, Number) else [self.letters[tree]]
        return [x for part in parts(tree) for x in self.matrices_in(part)]

    def entry(self, law: BackwardEquation, number: int, row: int, column: int) -> Equation:
        """One entry of an equation, counted from 0."""
        note = f"example {column + 1}" if not law.learned and self.examples > 1 else ""
        return self.entries.equation(self.sides_of_entry(law, number, row + 1, column + 1), self.letters, note)

    def example(self, i: int) -> tuple[int, ...]:
        """The second index of an entry: the example, where there are several."""
        return (i + 1,) if self.examples > 1 else ()

    def of_example(self, i: int) -> str:
        """Which example the numbers are of."""
        return f", example {i + 1}" if self.examples > 1 else ""
