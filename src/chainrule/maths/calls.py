"""Terms as the calls that make them, for whoever writes them down.

Vectors are recorded as matrices of one column where they meet a matrix. That is raised again here, and whatever else a
composed function of the book stands for: guess what was called, call it, and keep the guess if the very same term comes
out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.operation import compositions
from chainrule.core.term import Term, forward_order, name_of, with_others
from chainrule.errors import GraphError


class Call(NamedTuple):
    """A term as the call that makes it: a name of the book or of a composed function, inputs and settings."""

    name: str
    inputs: tuple[Any, ...]
    settings: dict[str, Any]


def call_of(term: Term) -> Call | None:
    """How a term is called; None for a symbol or a constant."""
    if term.op is None:
        return None
    for name, inputs, settings in guesses(term):
        if same_term(compositions[name], inputs, settings, term):
            return Call(name, inputs, settings)
    inputs = tuple([bare(x, term) for x in term.inputs]) if term.op.broadcasts else term.inputs
    if term.op.name == "where":
        condition, *cases = inputs
        inputs = (condition, *[in_case(x, condition, place) for place, x in enumerate(cases, 1)])
    return Call(term.op.name, inputs, term.settings)


def in_case(x: Any, condition: Any, place: int) -> Any:
    """One of two cases, in which it is known whether their condition holds: e^x and not e^(x if x <= 0, else 0)."""
    again = [y for y in forward_order([x]) if name_of(y) == "where" and y.inputs[0] is condition]
    return with_others(x, {y: y.inputs[place] for y in again})


def same_term(function: Any, inputs: tuple[Any, ...], settings: dict[str, Any], term: Term) -> bool:
    try:
        return function(*inputs, **settings) is term
    except (GraphError, ValueError, TypeError, IndexError):
        return False


def guesses(term: Term) -> Iterator[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """Composed functions that a term may stand for."""
    name = name_of(term)
    inputs = term.inputs
    whole, modes = (inputs[0], ("same", "valid")) if name == "index" else (term, ("full",))
    product: Any = whole.inputs[0] if name_of(whole) == "reshape" else None
    if name_of(product) == "matmul" and name_of(product.inputs[0]) == "index":
        windows, turned = product.inputs[0].inputs[0], flat_or_same(product.inputs[1])[0]
        if name_of(windows) == "pad" and name_of(turned) == "flip":
            yield from [("convolve", (windows.inputs[0], turned.inputs[0]), {"mode": mode}) for mode in modes]
    product = inputs[0] if name == "reshape" else term
    if name_of(product) == "matmul" or name == "matmul":
        for left in flat_or_same(product.inputs[0]):
            for right in flat_or_same(product.inputs[1]):
                yield "matmul", (left, right), {}
    if name == "reshape" and name_of(inputs[0]) == "solve":
        yield "solve", (inputs[0].inputs[0], *flat_or_same(inputs[0].inputs[1])[:1]), {}
    if name == "sum" and name_of(inputs[0]) == "index":
        yield "trace", inputs[0].inputs, {}
    # One entry is no diagonal.
    if name in ("index", "scatter") and term.ndim in (1, 2) and term.size > 1:
        yield "diag", inputs, {}
    if name == "sqrt" and name_of(inputs[0]) == "sum" and name_of(inputs[0].inputs[0]) == "square":
        yield "norm", inputs[0].inputs[0].inputs, {}


def flat_or_same(x: Any) -> list[Any]:
    """What a row or a column may have been: a vector, or itself."""
    return [x.inputs[0], x] if name_of(x) == "reshape" and x.inputs[0].ndim == 1 else [x]


def bare(x: Any, term: Term) -> Any:
    """An input of a pointwise operation as it was before it was repeated to fit the others."""
    if name_of(x) != "broadcast_to":
        return x
    inner = x.inputs[0]
    others = [y.shape for y in term.inputs if isinstance(y, Term) and name_of(y) != "broadcast_to"]
    return inner if others and np.broadcast_shapes(getattr(inner, "shape", ()), *others) == x.shape else x


def is_identity(number: Any) -> bool:
    return number.ndim == 2 and number.shape[0] == number.shape[1] and np.array_equal(number, np.eye(len(number)))
