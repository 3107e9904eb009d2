"""Meaning as text that NumPy runs, with the book's names for what NumPy has not: ``2*outer(W @ x + b - y, x)``.

A derivative is one identifier, ``dL_dw1``; an entry of an array has program indices, from 0.
"""

# What settings hold is known only when a formula is printed.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from chainrule.maths.looks import PRECEDENCE, Binds
from chainrule.maths.template import GREEK
from chainrule.maths.tree import (
    COMPARISONS,
    Applied,
    Change,
    Derivative,
    Matrix,
    Number,
    Relation,
    Sigma,
    Symbol,
    Tree,
    Unknown,
    applied,
    innermost_first,
    is_default,
    slice_text,
)
from chainrule.maths.unit_axes import without_reshapes

SPELLED = {sign: spelled for spelled, sign in GREEK.items()} | {"𝟏": "ones", "𝐞": "unit", "⋯": "rest"}


class Sign(NamedTuple):
    """An operation that Python writes between its operands: the sign, and the form whose precedence it has."""

    text: str
    form: str


SIGNS = {
    "add": Sign(" + ", "sum"),
    "sub": Sign(" - ", "sum"),
    "mul": Sign("*", "prod"),
    "div": Sign("/", "prod"),
    "matmul": Sign(" @ ", "prod"),
    "pow": Sign("**", "pow"),
    "equal": Sign(" == ", "rel"),
    "not_equal": Sign(" != ", "rel"),
    "less": Sign(" < ", "rel"),
    "less_equal": Sign(" <= ", "rel"),
    "greater": Sign(" > ", "rel"),
    "greater_equal": Sign(" >= ", "rel"),
}


class Text(NamedTuple):
    """A piece of Python and how tightly it holds together."""

    text: str
    binds: Binds

    def within(self, needs: Binds) -> str:
        """In parentheses where it is too loose."""
        return self.text if self.binds >= needs else f"({self.text})"


def plain(tree: Tree) -> str:
    """A tree as a line of NumPy.

    >>> from chainrule.maths import Symbol, plain
    >>> y, t = Symbol("y", mark="hat"), Symbol("y")
    >>> plain((y - t) * Symbol("w", below=("1",)) ** 2)
    '(yhat - y)*w1**2'
    """
    return as_number(tree, python(tree)).text


def as_number(tree: Tree, piece: Text) -> Text:
    """A comparison as the number it stands for: NumPy's truth values neither subtract nor negate."""
    is_truth = isinstance(tree, Applied) and tree.name in COMPARISONS
    return Text(f"1.0*({piece.text})", PRECEDENCE["prod"].python) if is_truth else piece


def as_float(entry: Tree) -> str:
    """An entry of an array: whole numbers with a point, or NumPy would compute with whole numbers alone."""
    return f"{entry.text}.0" if isinstance(entry, Number) and entry.text.lstrip("-").isdigit() else plain(entry)


def python(tree: Tree) -> Text:
    """Any tree as Python; O(parts)."""
    if not hasattr(tree, "python"):
        brief = without_reshapes(tree)
        for x in innermost_first(brief, lambda x: hasattr(x, "python")):
            object.__setattr__(x, "python", spelled(x))
        if brief is not tree:
            object.__setattr__(tree, "python", brief.python)
    return tree.python


def spelled(tree: Tree) -> Text:
    """A part of a formula, whose own parts have been spelled."""
    match tree:
        case Number():
            sign = PRECEDENCE["neg"].python if tree.text.startswith("-") else Binds.ATOM
            # To Python a whole −0 is 0.
            text = "-0.0" if tree.text == "-0" else tree.text
            return Text(text, PRECEDENCE["frac"].python if "/" in text else sign)
        case Symbol():
            places = places_of(tree)
            return Text(identifier(tree) + (f"[{', '.join(places)}]" if places else ""), Binds.ATOM)
        case Derivative(Derivative() as first, below) if not tree.held:
            name = f"d2{flat(first.above)}_d{flat(first.below)}_d{flat(below)}"
            return Text(name, Binds.ATOM)
        case Derivative() if running_places(tree):
            whole = replace(tree, above=whole_of(tree.above), below=whole_of(tree.below))
            return Text(f"{plain(whole)}[{', '.join(running_places(tree))}]", Binds.ATOM)
        case Derivative():
            held = "".join([f"_{flat(x)}" for x in tree.held])
            return Text(f"d{flat(tree.above)}_d{flat(tree.below)}{held}", Binds.ATOM)
        case Change():
            return Text(f"delta_{flat(tree.of)}", Binds.ATOM)
        case Unknown():
            return Text(f"{identifier(tree.function)}({', '.join(map(plain, tree.inputs))})", Binds.ATOM)
        case Matrix() if not tree.size:
            return Text(f"zeros({tree.shape})", Binds.ATOM)
        case Matrix():
            rows = [", ".join(map(as_float, row)) for row in tree.rows]
            inside = ", ".join(rows if len(tree.shape) == 1 else [f"[{row}]" for row in rows])
            return Text(f"array([{inside}])", Binds.ATOM)
        case Sigma():
            return Text(f"sum([{plain(tree.body)} for {tree.letter} in range(1, {tree.count + 1})])", Binds.ATOM)
        case Relation():
            signs = ("", *[f" {sign} " for sign in tree.signs])
            return Text("".join([sign + plain(x) for sign, x in zip(signs, tree.sides, strict=True)]), Binds.RELATION)
        case Applied():
            return call(tree)
        case _:
            raise TypeError(f"{type(tree).__name__} is not Python")


def places_of(x: Tree) -> list[str]:
    """The place of an entry, counted from 0."""
    places = x.at if isinstance(x, Symbol) else ()
    return [str(i - 1) if isinstance(i, int) else ":" if i == "·" else f"{i}-1" for i in places]


def running_places(x: Derivative) -> list[str]:
    """The places of what a derivative is of, where some of them are letters that run: an entry of an array then."""
    places = [*places_of(x.above), *places_of(x.below)]
    return places if any([place.endswith("-1") for place in places]) else []


def whole_of(x: Tree) -> Tree:
    return x.whole if isinstance(x, Symbol) else x


def identifier(x: Symbol) -> str:
    """A symbol's name as a program has it."""
    if x.name:
        return as_identifier(x.name)
    base = SPELLED.get(x.base) or as_identifier(unicodedata.normalize("NFKC", x.base))
    base += x.mark + "_prime" * x.primes
    if x.below:
        together = len(x.below) == 1 and x.below[0].isdigit() and base.isalpha()
        base += ("" if together else "_") + "_".join(x.below)
    return f"{base}_{x.layer}" if x.layer else base


def as_identifier(name: str) -> str:
    """A name that Python reads; the brackets and points of a path through the user's objects stay."""
    return "".join([c if c.isalnum() or c in "_.[]" else "_" for c in name]) or "_"


def flat(tree: Tree) -> str:
    return plain(tree).replace("[", "_").replace("]", "").replace(", ", "_").replace(".", "_")


def call(tree: Applied) -> Text:
    """An operation as Python writes it: a sign, a method, an index, or a call with its settings."""
    pieces = [python(x) for x in tree.inputs]
    keeps_truth = {"where": 0, "chosen": 1}.get(tree.name, -1)
    pieces = [
        piece if i == keeps_truth else as_number(x, piece)
        for i, (x, piece) in enumerate(zip(tree.inputs, pieces, strict=True))
    ]
    given = tree.given
    if tree.name in SIGNS:
        return between(tree, *pieces)
    if tree.name == "neg":
        return Text(f"-{pieces[0].within(PRECEDENCE['neg'].python)}", PRECEDENCE["neg"].python)
    if tree.name == "transpose" and given.get("axes") is None:
        return Text(f"{pieces[0].within(Binds.ATOM)}.T", Binds.ATOM)
    if tree.name == "index":
        return Text(f"{pieces[0].within(Binds.ATOM)}[{key(given['key'])}]", Binds.ATOM)
    if tree.name == "chosen":
        x, weight = pieces
        if weight.binds == Binds.RELATION:
            return Text(f"where({weight.text}, {x.text}, 0)", Binds.ATOM)
        product = between(applied("mul", *tree.inputs), x, weight)
        return Text(f"where({weight.within(Binds.SUM)} == 0, 0, {product.text})", Binds.ATOM)
    if tree.name == "scatter" and tree.ndim == 1 and not tree.inputs[0].shape and type(given["key"]) is int:
        unit = f"eye({tree.size})[{given['key'] % tree.size}]"
        own = PRECEDENCE["prod"].python
        return Text(unit, Binds.ATOM) if pieces[0].text == "1" else Text(f"{pieces[0].within(own)}*{unit}", own)
    if tree.name == "eye":
        return Text(f"eye({given['n']})", Binds.ATOM)
    inside = [piece.text for piece in pieces]
    if tree.name in ("concatenate", "stack", "sum_of"):
        inside = [f"[{', '.join(inside)}]"]
    if tree.name == "dot_of":
        half = len(inside) // 2
        inside = [f"[{', '.join(part)}]" for part in (inside[:half], inside[half:])]
    if tree.name == "einsum":
        inside = [repr(given.pop("subscripts")), *inside]
    shown = [f"{name}={setting(x)}" for name, x in given.items() if not is_default(tree.operation, name, x)]
    return Text(f"{function_name(tree.operation)}({', '.join([*inside, *shown])})", Binds.ATOM)


def function_name(operation: Any) -> str:
    """NumPy's name of a function where the book has another for it, as max for the rule `largest`."""
    symbol = getattr(operation, "symbol", "")
    return symbol if hasattr(np, symbol) else operation.__name__


def between(tree: Applied, x: Text, y: Text) -> Text:
    """A sign between two operands. Products of matrices are bracketed: ``@`` binds as ``*`` does, from the left."""
    sign = SIGNS[tree.name]
    own = PRECEDENCE[sign.form].python
    tighter = Binds(own + 1)
    if sign.form == "pow":
        return Text(f"{x.within(Binds.ATOM)}{sign.text}{y.within(PRECEDENCE['neg'].python)}", own)
    left = tighter if sign.form == "rel" else own
    if sign.form == "prod" and (tree.name == "matmul") != is_matmul(tree.inputs[0]):
        left = tighter
    return Text(f"{x.within(left)}{sign.text}{y.within(tighter)}", own)


def is_matmul(tree: Tree) -> bool:
    return isinstance(tree, Applied) and tree.name == "matmul"


def key(x: Any) -> str:
    if isinstance(x, tuple):
        return ", ".join(map(key, x))
    if x is Ellipsis:
        return "..."
    return slice_text(x) if isinstance(x, slice) else setting(x)


def setting(x: Any) -> str:
    if isinstance(x, np.ndarray):
        # NumPy takes an empty list for doubles, and places are whole numbers.
        return f"array({x.tolist()})" if x.size else f"zeros({x.shape}, int)"
    if isinstance(x, tuple):
        inside = ", ".join(map(setting, x))
        return f"({inside},)" if len(x) == 1 else f"({inside})"
    return getattr(x, "__name__", None) or repr(x.item() if isinstance(x, np.generic) else x)
