"""What an operation hands back to its inputs, in symbols: the book's own derivatives, run on terms and simplified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.graph import gradients_of
from chainrule.core.operation import Operation, Pointwise
from chainrule.core.operators import NO_SETTINGS
from chainrule.core.term import Term, frozen, replay
from chainrule.derivation.proof import Show
from chainrule.errors import ChainruleError
from chainrule.expression.formula import Formula, as_formula
from chainrule.expression.maths.value import value_of
from chainrule.expression.names import latex_name
from chainrule.expression.template import ATOM, NEGATIVE, PRODUCT, RELATION
from chainrule.maths import latex
from chainrule.maths.of_terms import tree_of_term
from chainrule.rewrite.simplify import simplify

LONGEST = 160
"""A longer formula says less than a sentence."""

FAILS = (ChainruleError, ArithmeticError, AttributeError, IndexError, TypeError, ValueError)
"""How an operation that needs numbers refuses symbols; it then has no formula here."""

MOST_KEPT = 512

kept: dict[Any, Any] = {}
"""Partials that were simplified already, by operation, input, plain numbers and settings."""


def slope_formula(operation: Operation, i: int, out: str, inputs: Sequence[Any], settings: dict[str, Any]) -> str:
    r"""The local derivative of a pointwise operation in its input `i`; inputs are formulas or numbers.

    >>> import chainrule as cr
    >>> from chainrule.derivation.opened.handed import slope_formula
    >>> from chainrule.expression import Formula
    >>> slope_formula(cr.pow, 0, "y", [Formula("x"), 2.0], {})
    '2 \\cdot x'
    """
    if not isinstance(operation, Pointwise):
        return ""
    slope = slope_in_symbols(operation, i, Formula(out), inputs, settings)
    return slope.enclosed() if slope.binds == RELATION else slope.latex


def slope_in_symbols(
    operation: Pointwise, i: int, out: Formula, inputs: Sequence[Any], settings: dict[str, Any]
) -> Formula:
    """The same, as a formula that knows how tightly it binds."""
    key = (operation, i, tuple([None if isinstance(x, Formula) else frozen(x) for x in inputs]), frozen(settings))
    if key not in kept:
        if len(kept) >= MOST_KEPT:
            kept.clear()
        kept[key] = simplified_partial(operation, i, inputs, settings)
    if kept[key] is None:
        return as_formula(operation.partial(i, out, inputs, settings))
    partial, symbols = kept[key]
    values = {s: x for s, x in zip(symbols, (out, *inputs), strict=True) if isinstance(x, Formula)}
    return as_formula(replay([partial], values)[0])


def simplified_partial(operation: Pointwise, i: int, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
    """A partial as a short term, and the symbols in it: the output and the inputs; None where symbols do not do."""
    out, *terms = [unknown(name, ()) for name in ("out", *[f"x{j}" for j in range(len(inputs))])]
    given = [term if isinstance(x, Formula) else x for term, x in zip(terms, inputs, strict=True)]
    try:
        return simplify(operation.partial(i, out, given, settings)), (out, *terms)
    except FAILS:
        return None


def share_formula(node: Any, slot: int, out: str, g: str, symbols: Sequence[Any]) -> str:
    """What an operation on arrays hands back to one input, in symbols; empty where that has no short formula.

    `out` is the node's symbol, `g` that of the gradient that arrives, and `symbols` has those of the inputs.
    """
    if isinstance(node.op, Pointwise):
        inputs = [Formula(x) if isinstance(x, str) else x for x in symbols]
        slope = slope_in_symbols(node.op, slot, Formula(out), inputs, node.settings)
        if slope.latex in ("1", "-1"):
            return slope.latex[:-1] + g
        loose = slope.binds < PRODUCT or slope.latex.startswith("-")
        return rf"{slope.enclosed() if loose else slope.latex} \odot {g}"
    stand_ins = {f"{PLACEHOLDER}{j}": x for j, x in enumerate([g, *symbols]) if isinstance(x, str)}
    given = [
        unknown(f"{PLACEHOLDER}{j}", np.shape(array)) if isinstance(x, str) else x
        for j, (x, array) in enumerate(zip(symbols, node.arrays, strict=True), 1)
    ]
    arriving = unknown(f"{PLACEHOLDER}0", node.shape)
    try:
        share = gradients_of([node.op(*given, **node.settings)], [arriving], [given[slot]], record=True)[0]
        text = latex(tree_of_term(simplify(share)))
    except FAILS:
        return ""
    for stand_in, symbol in stand_ins.items():
        text = put_in(text, latex_name(stand_in), symbol)
    return text if len(text) <= LONGEST else ""


PLACEHOLDER = "placeholder"
"""The name of a symbol while a term is simplified; a digit follows."""


def put_in(text: str, name: str, symbol: str) -> str:
    """A symbol in place of a name; in parentheses where a transpose or power follows and it would not hold together."""
    loose = symbol.startswith(r"\frac") or "^" in symbol
    raised = rf"\left({symbol}\right)^" if loose else f"{symbol}^"
    return text.replace(f"{name}^", raised).replace(name, symbol)


def unknown(name: str, shape: tuple[int, ...]) -> Term:
    """A symbol equal to no other, whatever it is called."""
    return Term(None, (), NO_SETTINGS, shape, label=name)


def as_factor(show: Show, x: Any) -> Formula:
    """A number as it stands in a formula."""
    text = show(x)
    return Formula(text, NEGATIVE if text.startswith("-") else PRODUCT if r"\cdot" in text else ATOM)


def in_numbers(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any], value: float) -> Any:
    """How to write an operation's formula with numbers, by a `Show`; None where no reader could work it out."""

    def write(show: Show) -> list[str]:
        return [str(as_formula(operation(*[as_factor(show, x) for x in inputs], **settings)))]

    return write if comes_out(write, value) else None


def comes_out(write: Callable[[Show], Sequence[str]], value: Any) -> bool:
    """Whether a text of numbers, read back with all digits, gives the engine's value."""
    try:
        found = [np.asarray(value_of(part), dtype=float) for part in write(Show(17))]
    except FAILS:
        return False
    return all([np.allclose(x, value, rtol=1e-9, atol=1e-300, equal_nan=True) for x in found])
