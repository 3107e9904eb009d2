"""How a cost moves with one entry of an array, as a formula that holds for every entry alike.

The backward pass in names is run on letters for whole arrays, and what comes out is read as of one entry, if every step
in it treats all entries alike. It is worked out on all entries and compared with the engine's gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.graph import gradients_of
from chainrule.core.term import Term, constant, forward_order, replay, symbol
from chainrule.core.walk import finished_first
from chainrule.derivation.in_names import InNames
from chainrule.derivation.tape.tape import Tape
from chainrule.errors import UNFIT, GraphError
from chainrule.maths import Symbol, Tree
from chainrule.maths.of_terms import tree_of_term
from chainrule.program import Step
from chainrule.rewrite import simplify
from chainrule.rewrite.entry_formulas import EntryFormulas, Place


def entrywise(
    tape: Tape, node: Any, letters: Mapping[Any, Tree], target: Tree | None = None, below: Any = None
) -> Tree | None:
    """The derivative of the output in any entry of a node, in letters; None where the entries are not treated alike.

    `letters` names the nodes to stop at, and `target` the data beside them where it is clear which that is. With
    `below`, of which the node is a function entry by entry, it is the derivative in that. O(nodes between).
    """
    named, step = in_letters(tape, letters, target), tape.lifted.step
    one: dict[Term, Any] = {x: symbol(x.label) for x in named.trees}

    def alike(x: Term, place: Place) -> Any:
        if any(place):
            raise GraphError("an entry is made of several")
        return one[x]

    try:
        output = named.term(tape.lifted.program.output)
        gradient = gradients_of([output], [constant(1.0)], [named.letters[step[node]]], record=True)[0]
        order = forward_order([gradient]) if isinstance(gradient, Term) else []
        if any([x.number is not None and np.ptp(x.number) for x in order]):
            return None
        found = EntryFormulas(alike, named.numbers).at(gradient, (0,) * len(node.shape))
        if below is not None:
            out, x = [one[named.letters[step[each]]] for each in (node, below)]
            found = found * node.op.partial(0, out, [x], node.settings)
        ours = replay([found], {one[x]: numbers for x, numbers in named.numbers.items()})[0]
        engine = tape.all_gradients[node if below is None else below]
        scale = float(np.max(np.abs(engine), initial=0.0))
        if np.size(ours) not in (1, np.size(engine)) or not np.allclose(ours, engine, rtol=1e-9, atol=1e-9 * scale):
            return None
        trees = {
            one[x]: replace(tree, shape=()) if isinstance(tree, Symbol) else tree for x, tree in named.trees.items()
        }
        return tree_of_term(simplify(found), trees)
    except UNFIT:
        return None


def in_letters(tape: Tape, letters: Mapping[Any, Tree], target: Tree | None) -> InNames:
    """The computation in letters: those of some nodes, and of the leaves that are met beside them.

    The target's is that of the data that the user named, or of the only data there is; what is 1 less that is so.
    """
    lifted, names = tape.lifted, dict(letters)
    stops = {lifted.step[x] for x in letters}
    met = finished_first([lifted.program.output], lambda x: [] if x in stops or is_given(tape, x) else x.needs)
    leaves = {x: lifted.nodes[x.place] for x in met if x not in stops and (x.op is None or is_given(tape, x))}
    data = {x: np.asarray(node.data, dtype=float) for x, node in leaves.items() if not x.requires_grad and x.shape}
    named = [x for x in data if leaves[x] not in tape.numbered and not is_path(tape.symbols[leaves[x]])]
    chosen = named or [*data]
    is_known = target is not None and len({data[x].tobytes() for x in chosen}) == 1
    terms: dict[Step, Any] = {x: symbol(f"{x.place}", x.shape) for x in stops}
    complements: list[Step] = []
    for x, node in leaves.items():
        if x not in data and not x.requires_grad:
            terms[x] = float(node.data)
            continue
        is_target = is_known and x in data and np.array_equal(data[chosen[0]], data[x])
        # Of targets that are all ½ each is its own complement.
        if is_known and not is_target and x in data and np.array_equal(1 - data[chosen[0]], data[x]):
            complements.append(x)
            continue
        names[node] = target if is_target and target is not None else tape.symbols[node]
        terms[x] = symbol(f"{x.place}", x.shape)
    if complements:
        terms |= dict.fromkeys(complements, 1 - terms[chosen[0]])
    return InNames(tape, lifted, terms, {}, names)


def is_given(tape: Tape, step: Step) -> bool:
    """Whether a result is data on the page, since what it was computed from has no letter there."""
    nodes, symbols = tape.lifted.nodes, tape.symbols
    return not step.requires_grad and not all([nodes[x.place] in symbols for x in step.needs])


def is_path(symbol: Tree) -> bool:
    """Whether a name is a path through the user's objects, as ``net[0].weight``."""
    return isinstance(symbol, Symbol) and any([sign in symbol.base for sign in ".["])
