"""How a cost moves with one entry of an array, as a formula that holds for every entry alike.

The book's backward pass is run on letters for whole arrays, and what comes out is read as of one entry, if every step
in it treats all entries alike. It is worked out on all entries and compared with the engine's gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.graph import gradients_of
from chainrule.core.operation import Pointwise
from chainrule.core.term import Term, constant, forward_order, name_of, replay, symbol
from chainrule.derivation.tape.tape import Tape
from chainrule.errors import UNFIT
from chainrule.maths import Symbol, Tree, plain
from chainrule.maths.of_terms import tree_of_term
from chainrule.program import Step, term_of
from chainrule.rewrite import simplify

REPEATING = ("broadcast_to", "reshape", "expand_dims", "squeeze")
"""Operations that leave one entry as it is."""


def entrywise(
    tape: Tape, node: Any, letters: Mapping[Any, Tree], target: Tree | None = None, below: Any = None
) -> Tree | None:
    """The derivative of the output in any entry of a node, in letters; None where the entries are not treated alike.

    `letters` names the nodes to stop at, and `target` the data beside them where it is clear which that is. With
    `below`, of which the node is a function entry by entry, it is the derivative in that. O(nodes between).
    """
    whole = Letters(tape, letters, target)
    steps = tape.lifted.step
    try:
        output = term_of(tape.lifted.program.output, whole.terms)
        gradient = gradients_of([output], [constant(1.0)], [whole.terms[steps[node]]], record=True)[0]
        found = of_one_entry(gradient, whole)
        if found is None:
            return None
        if below is not None:
            out, x = [whole.entry[whole.terms[steps[each]]] for each in (node, below)]
            found = found * node.op.partial(0, out, [x], node.settings)
        if not whole.gives(found, tape.all_gradients[node if below is None else below]):
            return None
        return tree_of_term(simplify(found) if isinstance(found, Term) else found, whole.printed)
    except UNFIT:
        return None


class Letters:
    """A letter for each array that the output is computed from, and for one entry of it."""

    def __init__(self, tape: Tape, letters: Mapping[Any, Tree], target: Tree | None) -> None:
        self.tape = tape
        self.terms: dict[Step, Any] = {}
        """What stands for each step: an array of letters, or a plain number."""
        self.entry: dict[Term, Any] = {}
        """What stands for one entry of it."""
        self.printed: dict[Term, Tree] = {}
        self.numbers: dict[Term, Any] = {}
        for x, letter in letters.items():
            self.give(tape.lifted.step[x], letter, tape.number_of(x))
        self.give_data(target)

    def give(self, step: Step, letter: Tree, numbers: Any) -> None:
        name = f"{len(self.terms)} {plain(letter)}"
        self.terms[step], one = symbol(name, step.shape), symbol(name)
        self.entry[self.terms[step]] = one
        self.printed[one] = replace(letter, shape=()) if isinstance(letter, Symbol) else letter
        self.numbers[one] = numbers

    def give_data(self, target: Tree | None) -> None:
        """Letters for the leaves, and the target's for the data that the user named, or for the only one there is."""
        leaves = self.leaves()
        nodes = {step: self.tape.lifted.nodes[step.place] for step in leaves}
        data = [step for step in leaves if not step.requires_grad and step.shape]
        named = [x for x in data if nodes[x] not in self.tape.numbered and not is_path(self.tape.symbols[nodes[x]])]
        chosen = named or data
        held = {step: np.asarray(nodes[step].data, dtype=float) for step in data}
        known = None if target is None or len({held[x].tobytes() for x in chosen}) != 1 else held[chosen[0]]
        for step in leaves:
            if step not in held and not step.requires_grad:
                self.terms[step] = float(nodes[step].data)
                continue
            is_target = known is not None and step in held and np.array_equal(known, held[step])
            # Of targets that are all ½ each is its own complement.
            if is_target or known is None or step not in held or not np.array_equal(1 - known, held[step]):
                letter = target if is_target and target is not None else self.tape.symbols[nodes[step]]
                self.give(step, letter, self.tape.number_of(nodes[step]))
        for step in [x for x in leaves if x not in self.terms]:
            self.terms[step] = 1 - self.terms[chosen[0]]

    def leaves(self) -> list[Step]:
        """The steps below the output that nothing made, but for those behind letters."""
        found: dict[Step, None] = {}
        stack, met = [self.tape.lifted.program.output], set(self.terms)
        while stack:
            step = stack.pop()
            if step not in met:
                met.add(step)
                is_leaf = step.op is None or self.is_given(step)
                stack.extend([] if is_leaf else step.needs)
                found.update({step: None} if is_leaf else {})
        return list(found)

    def is_given(self, step: Step) -> bool:
        """Whether a result is data on the page, since what it was computed from has no letter there."""
        nodes, symbols = self.tape.lifted.nodes, self.tape.symbols
        return not step.requires_grad and not all([nodes[x.place] in symbols for x in step.needs])

    def gives(self, found: Any, gradient: Any) -> bool:
        """Whether a formula gives the engine's gradient in every entry."""
        ours = replay([found], self.numbers)[0]
        scale = float(np.max(np.abs(gradient), initial=0.0))
        fits = np.size(ours) in (1, np.size(gradient))
        return fits and bool(np.allclose(ours, gradient, rtol=1e-9, atol=1e-9 * scale))


def of_one_entry(gradient: Any, letters: Letters) -> Any:
    """A gradient as it is for one entry; None where entries are joined, picked or put elsewhere."""
    if not isinstance(gradient, Term):
        return gradient
    found: dict[Term, Any] = dict(letters.entry)
    for term in forward_order([gradient]):
        if term in found:
            continue
        inputs = [found[x] if isinstance(x, Term) else x for x in term.inputs]
        if term.number is not None:
            if np.ptp(term.number) != 0:
                return None
            found[term] = float(np.ravel(term.number)[0])
        elif isinstance(term.op, Pointwise):
            found[term] = term.op(*inputs, **term.settings)
        elif name_of(term) in REPEATING:
            found[term] = inputs[0]
        else:
            return None
    return found[gradient]


def is_path(symbol: Tree) -> bool:
    """Whether a name is a path through the user's objects, as ``net[0].weight``."""
    return isinstance(symbol, Symbol) and any([sign in symbol.base for sign in ".["])
