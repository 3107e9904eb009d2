"""A book's letters, and others for those that a user's names stand for something else by on the same page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from chainrule.derivation.network.entrywise import is_path
from chainrule.derivation.network.numbers import NetNumbers
from chainrule.derivation.notation import NOTATIONS, Notation, at_layer, below, notation_of
from chainrule.maths import Symbol, plain, unicode
from chainrule.program.numbered import Ids

SPARE = {
    "cost": [Symbol("E")],
    "target": [Symbol("t"), Symbol("d")],
    "weights": [below("Θ")],
    "activation_function": [Symbol("g"), Symbol("φ")],
}
"""Letters where those of all books are taken."""
STANDS_FOR = {"weight": "weights", "input": "activation"}
"""Whose letter a role may have too: a weight is of W, and the input is the activation of layer 0."""
SAME_IN_ALL = ("cost", "target", "activation_function", "learning_rate")
WITHOUT_ENTRIES = ("activation_function", "learning_rate")


def letters_besides(net: NetNumbers, book: str) -> Notation:
    """The letters of a book, those of another one for what the user calls something else."""
    chosen, names = notation_of(book), Names(net)
    for role in [each.name for each in fields(Notation)]:
        letter = getattr(chosen, role)
        if letter is None or role == "elementwise_product" or names.leave(role, letter):
            continue
        others = {x for other in fields(Notation) if other.name != role for x in names.spelled(other.name, chosen)}
        free = [x for x in alternatives(role, chosen) if names.leave(role, x)]
        best = [
            x for x in free if x == getattr(chosen, STANDS_FOR.get(role, role)) or others.isdisjoint(names.of(role, x))
        ]
        # A book without a letter for the error writes the derivative.
        chosen = replace(chosen, **{role: best[0] if best else None if role == "error" else letter})
    return chosen


def alternatives(role: str, book: Notation) -> list[Symbol]:
    """The letters of other books for a role, first those that have the layer where the book has it."""
    own = getattr(book, role)
    others = [x for x in [getattr(each, role) for each in NOTATIONS.values()] if x is not None]
    near = sorted([*others, *SPARE.get(role, ())], key=lambda x: bool(x.layer) != bool(own.layer))
    return [getattr(book, STANDS_FOR[role]), *near] if role in STANDS_FOR else near


class Names:
    """The user's names on a page of a net: how they print, and what each is there."""

    def __init__(self, net: NetNumbers) -> None:
        self.net = net
        tape = net.tape
        self.named = {
            node: symbol
            for node, symbol in tape.symbols.items()
            if id(node) in tape.labels and isinstance(symbol, Symbol) and not is_path(symbol)
        }
        self.printed: dict[str, set[Symbol]] = defaultdict(set)
        self.longer: dict[Symbol, set[Symbol]] = defaultdict(set)
        """Names that look like an entry of another, as x₁ of x."""
        for symbol in [x for x in (*self.named.values(), *tape.elsewhere) if isinstance(x, Symbol)]:
            for text in prints(symbol):
                self.printed[text].add(symbol)
            for k in range(len(symbol.below)):
                self.longer[replace(symbol, below=symbol.below[:k])].add(symbol)
        self.held: dict[tuple[str, int], set[tuple[Symbol, tuple[int, ...]]]] = defaultdict(set)
        """By role and layer the names of what stands there: of the whole (no place), or of one entry."""
        self.held["cost", 1] = {(self.named[x], ()) for x in [tape.output] if x in self.named}
        self.hold_layers()

    def hold_layers(self) -> None:
        """What the layers hold, and as targets all data that they do not."""
        net, ids = self.net, self.net.net.ids
        single = {int(ids.own(tape_step).ravel()[0]): x for x, tape_step in self.steps() if tape_step.size == 1}
        known = np.array([*single], dtype=np.int64)
        met = set[Any]()
        for number in range(1, net.last + 1):
            layer = net.layer(number)
            output = "prediction" if number == net.last else "activation"
            every: list[tuple[str, int, Ids]] = [
                ("weights", number, layer.weights),
                ("weighted_input", number, layer.z.T),
                (output, number, layer.a.T),
                ("input" if number == 1 else "activation", number - 1, layer.fed.T),
                *([] if layer.bias is None else [("bias", number, layer.bias)]),
            ]
            for role, of, held in every:
                met |= {net.node(step) for step in ids.steps_of(held)}
                self.held[role, of] |= {(self.named[x], ()) for x in [net.whole(held)] if x in self.named}
                self.held[role, of] |= set(self.entries(held, known, single))
            self.held["weight", number] = self.held["weights", number]
            self.held["error", number] = self.held["weighted_input", number]
        leaves = [self.named[x] for x, step in self.steps() if not step.needs and x not in met]
        self.held["target", 1] = {(x, ()) for x in leaves}

    def steps(self) -> Iterator[tuple[Any, Any]]:
        """The named nodes that the program has, and their steps."""
        found = [(node, self.net.tape.lifted.step.get(node)) for node in self.named]
        return iter([(node, step) for node, step in found if step is not None])

    def entries(self, held: Ids, known: Ids, single: dict[int, Any]) -> Iterator[tuple[Symbol, tuple[int, ...]]]:
        """The names of single numbers among those of an array, and their places, counted from 1."""
        of_one = held.shape[-1] == 1
        for place in np.argwhere(np.isin(held, known)).tolist():
            at = tuple([k + 1 for k in place])
            yield from [(self.named[single[int(held[tuple(place)])]], x) for x in ({at, at[:1]} if of_one else {at})]

    def layers(self, role: str) -> Sequence[int]:
        """The layers in which a role has its letter; 1 for what is the same in all."""
        last = self.net.last
        own = {"input": (0,), "prediction": (last,), "activation": range(1, last), **dict.fromkeys(SAME_IN_ALL, (1,))}
        return own.get(role, range(1, last + 1))

    def of(self, role: str, letter: Symbol) -> set[str]:
        """How a letter prints in all of its layers."""
        return {text for n in self.layers(role) for text in prints(at_layer(letter, n))}

    def spelled(self, role: str, book: Notation) -> set[str]:
        letter = getattr(book, role)
        return set() if letter is None else self.of(role, letter)

    def leave(self, role: str, letter: Symbol) -> bool:
        """Whether no name that stands for something else prints as a letter or as an entry of it."""
        return all([self.leave_in(n, role, at_layer(letter, n)) for n in self.layers(role)])

    def leave_in(self, layer: int, role: str, letter: Symbol) -> bool:
        # n1.grad is of n1.
        alike = [x for text in prints(letter) for x in self.printed.get(text.partition(".")[0], ())]
        entries = [] if role in WITHOUT_ENTRIES else self.longer.get(letter, ())
        places = [(x, tuple(map(as_index, x.below[len(letter.below) :]))) for x in entries]
        return {(x, ()) for x in alike} | set(places) <= self.held[role, layer]


def as_index(text: str) -> int:
    """A number below a name as a place; what is none is no place."""
    return int(text) if text.isdecimal() else 0


def prints(symbol: Symbol) -> set[str]:
    return {plain(symbol), unicode(symbol)}
