"""A symbol for every node in the notation that the reader chose, where the computation is a known net."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from chainrule.derivation.matrix.between import is_same_entries
from chainrule.derivation.network.entrywise import is_path
from chainrule.derivation.notation import USUAL, Symbols, meaning
from chainrule.derivation.record import Meaning
from chainrule.derivation.tape.conventions import cost_of
from chainrule.derivation.tape.tape import Tape
from chainrule.maths import Symbol, Tree
from chainrule.program import Net, NotANet

MOST_NODES = 20_000
"""Larger computations keep the symbols that they have: to look for a net would take as long as all the rest."""


def lend_letters(tape: Tape, notation: str | None, *, is_net: bool = False) -> tuple[Meaning, ...]:
    """Give what has no name of the user's the letters of a notation, if it is a known net; what the letters mean.

    Where the reader chose the notation, its letters also stand for paths such as ``net[0].weight``. Where he did not
    speak of a net (`is_net`), a mere product or a neuron's formula without a cost is none. Of several outputs none is
    the cost, and each may be of a net of its own, with other first layers.
    """
    if len(tape.order) > MOST_NODES or not tape.is_alone:
        return ()
    net = tape.net
    if isinstance(net, NotANet) or is_multiple(net):
        return ()
    if not (notation or is_net or cost_of(tape) or has_hidden_layer(net) or any(map(is_path, tape.symbols.values()))):
        return ()
    names = tape.symbols
    nameless = {node for node, symbol in names.items() if node in tape.numbered or (notation and is_path(symbol))}
    symbols = Symbols(notation or USUAL, len(net.layers))
    taken = set(names.values())
    roles: dict[str, None] = {}
    lent: dict[Any, Tree] = {}
    for node, role, letter in letters_of(tape, net, symbols):
        if node in nameless and letter not in taken:
            lent[node] = replace(letter, shape=tuple(node.shape))
            taken.add(letter)
            nameless.discard(node)
            roles[role] = None
    tape.name_anew(lent)
    return tuple([meaning(role, symbols.name) for role in roles])


def is_multiple(net: Net) -> bool:
    """Whether it is one name times one number of the formula, which is no layer."""
    first = net.layers[0]
    is_one_name = len(net.layers) == 1 and first.weights.size == 1 and first.bias is None
    return is_one_name and not list(net.ids.steps_of(first.fed))


def has_hidden_layer(net: Net) -> bool:
    """Whether a layer with an activation function feeds another one."""
    return any([layer.activation is not None for layer in net.layers[:-1]])


def letters_of(tape: Tape, net: Net, symbols: Symbols) -> Iterator[tuple[Any, str, Symbol]]:
    yield tape.output, "cost", symbols.cost
    last = len(net.layers)
    for number, layer in enumerate(net.layers, 1):
        for ids, role, letter in (
            (layer.weights, "weights", symbols.weights(number)),
            (layer.bias, "bias", symbols.b(number)),
            (layer.z, "weighted_input", symbols.z(number)),
            (layer.a, "prediction" if number == last else "activation", symbols.a(number)),
            (layer.fed, "input" if number == 1 else "activation", symbols.a(number - 1)),
        ):
            steps = [] if ids is None else list(net.ids.steps_of(ids))
            if len(steps) == 1:
                yield tape.lifted.nodes[steps[0].place], role, letter


def names_through(tape: Tape) -> dict[Any, Tree]:
    """The symbols, where what has no name of its own and holds the same entries as its input goes by the input's."""
    names = dict(tape.symbols)
    for node in tape.order:
        if is_same_entries(node) and node in tape.numbered and node.inputs[0] in names:
            names[node] = names[node.inputs[0]]
    return names
