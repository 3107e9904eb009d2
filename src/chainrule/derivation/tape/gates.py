"""The cells of recurrent nets in a recorded computation, whoever wrote them, and the letters that books have for gates.

LSTM (Hochreiter and Schmidhuber, 1997): c' = f ⊙ c + i ⊙ g, h = o ⊙ tanh(c'), with i, f, o = σ(…) and g = tanh(…).
GRU (Cho and others, 2014): h' = n + z ⊙ (h − n), with z, r = σ(…) and n = tanh(… + r ⊙ …).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import permutations
from typing import Any

from chainrule.core.term import name_of
from chainrule.maths import Symbol
from chainrule.maths.names import unlike

Node = Any
MEANINGS = {
    "a": "the weighed sums of the gates",
    "i": "the input gate",
    "f": "the forget gate",
    "g": "the candidate",
    "o": "the output gate",
    "c": "the cell's state",
    "r": "the reset gate",
    "z": "the update gate",
    "n": "the candidate",
    "h": "the hidden state",
}
"""What the letters stand for."""


def letters_of_gates(nodes: Sequence[Node], taken: set[Symbol]) -> dict[Node, Symbol]:
    """Letters for the gates and states of every cell, numbered where there are several; none of those taken."""
    cells = [cell for node in nodes if (cell := cell_of(node))]
    found: dict[Node, Symbol] = {}
    for place, cell in enumerate(cells, 1):
        below = (str(place),) if len(cells) > 1 else ()
        for letter, node in cell.items():
            if node not in found:
                name = letter + "".join(below)
                found[node] = unlike(Symbol(letter, below, shape=tuple(node.shape), name=name), taken)
    return found


def cell_of(node: Node) -> dict[str, Node]:
    """The parts of the cell that gives a state, by a book's letters; nothing where it is none."""
    gates = next(lstm(node), None) or next(gru(node), None) or {}
    sums = {whole for x in gates.values() if (whole := sliced(x)) is not None}
    # All gates of an LSTM are parts of one sum, whose gradient is theirs side by side.
    return {**gates, "a": sums.pop()} if len(sums) == 1 and name_of(next(iter(sums))) == "add" else gates


def lstm(node: Node) -> Iterator[dict[str, Node]]:
    for out, bounded in pairs(node, "mul"):
        if name_of(out) != "sigmoid" or name_of(bounded) != "tanh":
            continue
        cell = bounded.inputs[0]
        for kept, written in pairs(cell, "add"):
            for forget, _ in pairs(kept, "mul"):
                for write, new in pairs(written, "mul"):
                    if name_of(forget) == name_of(write) == "sigmoid" and name_of(new) == "tanh":
                        yield {"i": write, "f": forget, "g": new, "o": out, "c": cell, "h": node}


def gru(node: Node) -> Iterator[dict[str, Node]]:
    for new, moved in pairs(node, "add"):
        for stay, away in pairs(moved, "mul"):
            if name_of(new) != "tanh" or name_of(stay) != "sigmoid" or name_of(away) != "sub":
                continue
            for _, recalled in pairs(new.inputs[0], "add") if away.inputs[1] is new else ():
                for forget, _ in pairs(recalled, "mul"):
                    if name_of(forget) == "sigmoid":
                        yield {"r": forget, "z": stay, "n": new, "h": node}


def pairs(node: Node, operation: str) -> Iterable[tuple[Node, Node]]:
    """The two inputs of an operation in either order; nothing for another."""
    return permutations(node.inputs) if name_of(node) == operation else ()


def sliced(gate: Node) -> Node | None:
    """What the argument of a gate is a part of."""
    inside: Any = gate.inputs[0] if name_of(gate) in ("sigmoid", "tanh") else None
    return inside.inputs[0] if name_of(inside) == "index" else None


def parts_of(gates: Collection[Node]) -> set[Node]:
    """What lies between the gates and the weighed sums that they are made of, and the sums of one that all share."""
    shared = {whole for gate in gates if (whole := sliced(gate)) is not None and name_of(whole) == "add"}
    found = {x for whole in shared for x in whole.inputs}
    waiting = [gate.inputs[0] for gate in gates if name_of(gate) in ("sigmoid", "tanh")]
    while waiting:
        x = waiting.pop()
        if name_of(x) in ("add", "mul", "index") and x not in found and x not in gates:
            found.add(x)
            waiting += x.inputs
    return found
