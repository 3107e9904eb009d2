"""What an operation hands back to its inputs, in symbols: the book's own derivatives, run on terms and simplified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.differential import unknown
from chainrule.core.graph import gradients_of
from chainrule.core.operation import Operation, Pointwise
from chainrule.core.term import REFUSALS, frozen
from chainrule.maths import Number, Tree, plain, tree_of
from chainrule.maths.of_terms import tree_of_term
from chainrule.maths.tree import applied
from chainrule.rewrite.simplify import simplify

LONGEST = 160
"""Characters of a formula; a longer one says less than a sentence."""

MOST_KEPT = 512

kept: dict[Any, Any] = {}
"""Partials that were simplified already, by operation, input, plain numbers and settings."""


def slope_in_symbols(
    operation: Operation, i: int, out: Tree, inputs: Sequence[Any], settings: dict[str, Any]
) -> Tree | None:
    """The local derivative of a pointwise operation in its input `i`; inputs are trees or plain numbers.

    None for any other operation, and where the rule needs numbers.

    >>> import chainrule as cr
    >>> from chainrule.derivation.tape.contributions import slope_in_symbols
    >>> from chainrule.maths import Symbol, unicode
    >>> unicode(slope_in_symbols(cr.pow, 0, Symbol("y"), [Symbol("x"), 2.0], {}))
    '2x'
    """
    if not isinstance(operation, Pointwise):
        return None
    key = (operation, i, tuple([None if isinstance(x, Tree) else frozen(x) for x in inputs]), frozen(settings))
    if key not in kept:
        if len(kept) >= MOST_KEPT:
            kept.clear()
        kept[key] = simplified_partial(operation, i, inputs, settings)
    try:
        if kept[key] is None:
            return tree_of(operation.partial(i, out, inputs, settings))
        partial, symbols = kept[key]
        letters = {s: x for s, x in zip(symbols, (out, *inputs), strict=True) if isinstance(x, Tree)}
        return tree_of_term(partial, letters)
    except REFUSALS:
        return None


def simplified_partial(operation: Pointwise, i: int, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
    """A partial as a short term, and the symbols in it: the output and the inputs; None where symbols do not do."""
    out, *terms = [unknown(name, ()) for name in ("out", *[f"x{j}" for j in range(len(inputs))])]
    given = [term if isinstance(x, Tree) else x for term, x in zip(terms, inputs, strict=True)]
    try:
        return simplify(operation.partial(i, out, given, settings)), (out, *terms)
    except REFUSALS:
        return None


def contribution_in_symbols(node: Any, slot: int, out: Tree, g: Tree, inputs: Sequence[Any]) -> Tree | None:
    """What an operation on arrays hands back to one input; None where that has no short formula.

    `out` is the node's symbol, `g` that of the gradient that arrives, and `inputs` has those of the inputs.
    """
    if isinstance(node.op, Pointwise):
        slope = slope_in_symbols(node.op, slot, out, inputs, node.settings)
        if slope is None:
            return None
        if isinstance(slope, Number) and slope.text in ("1", "-1"):
            return g if slope.text == "1" else applied("neg", g)
        return applied("mul", slope, g)
    terms = [
        unknown(f"x{j}", np.shape(array)) if isinstance(x, Tree) else x
        for j, (x, array) in enumerate(zip(inputs, node.arrays, strict=True))
    ]
    arriving = unknown("g", node.shape)
    letters = {arriving: g, **{term: x for term, x in zip(terms, inputs, strict=True) if isinstance(x, Tree)}}
    try:
        share = gradients_of([node.op(*terms, **node.settings)], [arriving], [terms[slot]], record=True)[0]
        tree = tree_of_term(simplify(share), letters)
        return tree if len(plain(tree)) <= LONGEST else None
    except REFUSALS:
        return None
