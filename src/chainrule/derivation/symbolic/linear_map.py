"""The matrix of a vector that is linear in another: how a Jacobian is read off a symbolic tangent."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.operation import Linear, book, compositions
from chainrule.core.term import Term, constant, forward_order, name_of
from chainrule.errors import GraphError
from chainrule.rewrite.algebra import ONE, Product, build_product, product_of, sum_of
from chainrule.rewrite.chains import factored_vector
from chainrule.rewrite.rearranging import reshaped
from chainrule.rewrite.rewriting import Rewriting, as_term, plain

DEEPEST = 60
"""How many operations deep a tangent may be."""


def matrix_of(x: Any, moving: Term, depth: int = DEEPEST) -> Any:
    """The matrix M with x = M d for a vector x that is linear in the vector d; for a number x the vector of a row.

    Raises GraphError where no closed form is known.
    """
    if x is moving:
        return constant(np.eye(moving.size))
    if not depth or not isinstance(x, Term):
        raise no_closed_form(x)
    if not contains(x, moving):
        # What is linear and does not move is 0 throughout.
        return constant(np.zeros((*x.shape, moving.size)))
    name = name_of(x)
    if name in ("add", "sub"):
        return of_sum(x, moving, depth - 1)
    product = product_of(x)
    if len(product.powers) > 1 or product.number != 1 or name in ("neg", "mul", "div", "broadcast_to"):
        return of_product(x, product, moving, depth - 1)
    if name == "reshape" and name_of(x.inputs[0]) == "matmul":
        return of_dot(x, moving, depth) if not x.shape else of_chain(x, moving, depth)
    if name == "reshape" and name_of(x.inputs[0]) == "solve" and not contains(x.inputs[0].inputs[0], moving):
        left, right = x.inputs[0].inputs
        return book["solve"](left, matrix_of(reshaped(right, (right.size,)), moving, depth - 1))
    if name == "sum" and x.inputs[0].ndim == 1:
        return book["sum"](matrix_of(x.inputs[0], moving, depth - 1), axis=0)
    if name == "stack" and x.ndim == 1:
        return book["stack"](*[as_row_of(part, moving, depth - 1) for part in x.inputs], axis=0)
    if name == "index" and x.inputs[0].ndim == 1 and x.ndim < 2:
        key = x.settings["key"]
        # Dots in a key stand for all other axes, and the matrix has one more: it is rows that are picked.
        parts = [part for part in (key if isinstance(key, tuple) else (key,)) if part is not Ellipsis]
        if len(parts) == 1 and parts[0] is not None:
            return book["index"](matrix_of(x.inputs[0], moving, depth - 1), key=parts[0])
    along = x.ndim == 1 and len(x.inputs) == 1 and x.settings.get("axis", "") in (None, 0, -1)
    if along and isinstance(x.op, Linear) and x.inputs[0].shape == x.shape:
        # What goes along a vector goes down each column.
        return x.op(matrix_of(x.inputs[0], moving, depth - 1), **{**x.settings, "axis": 0})
    raise no_closed_form(x)


def as_row_of(x: Any, moving: Term, depth: int) -> Any:
    """The row of a number that is linear in a vector; zeros for one that does not move."""
    return matrix_of(x, moving, depth) if isinstance(x, Term) else constant(np.zeros(moving.size))


def of_sum(x: Term, moving: Term, depth: int) -> Any:
    """A sum's matrix is the sum of the matrices."""
    total: Any = None
    for unit, number in sum_of(x, Rewriting()).items():
        if unit is ONE or not contains(unit, moving):
            raise no_closed_form(unit)
        part = plain(number) * matrix_of(unit, moving, depth)
        if x.shape and not unit.shape:
            part = book["outer"](constant(np.ones(x.size)), part)
        total = part if total is None else total + part
    return total


def of_product(x: Term, product: Product, moving: Term, depth: int) -> Any:
    """Factors that do not move scale the matrix of the one that does: numbers all of it, vectors its rows."""
    movers = [base for base in product.powers if contains(base, moving)]
    if len(movers) != 1 or product.powers[movers[0]] != 1:
        raise no_closed_form(x)
    mover = movers[0]
    rest = Product(product.number, {base: e for base, e in product.powers.items() if base is not mover})
    scale = as_term(build_product(rest.scalars(), (), Rewriting()))
    inner = matrix_of(mover, moving, depth)
    rows = rest.arrays()
    if mover.shape:
        if rows.powers:
            inner = compositions["matmul"](compositions["diag"](build_product(rows, x.shape, Rewriting())), inner)
    elif x.shape:
        left = build_product(rows, x.shape, Rewriting()) if rows.powers else constant(np.ones(x.size))
        inner = book["outer"](left, inner)
    return scale * inner


def of_chain(x: Term, moving: Term, depth: int) -> Any:
    """Matrices times a vector that moves: the matrices times its matrix."""
    _, factors = factored_vector(x)
    if any(contains(factor, moving) for factor in factors[:-1]):
        raise no_closed_form(x)
    inner = matrix_of(reshaped(factors[-1], (factors[-1].size,)), moving, depth - 1)
    for factor in reversed(factors[:-1]):
        inner = book["matmul"](factor, inner)
    return inner


def of_dot(x: Term, moving: Term, depth: int) -> Any:
    """A dot product with one side that moves: the transpose of its matrix times the other side."""
    sides = [reshaped(side, (side.size,)) for side in x.inputs[0].inputs]
    movers = [contains(side, moving) for side in sides]
    if all(movers):
        raise no_closed_form(x)
    mover, other = sides if movers[0] else sides[::-1]
    inner = matrix_of(mover, moving, depth - 1)
    return compositions["matmul"](book["transpose"](inner), other)


def contains(x: Term, moving: Term) -> bool:
    return moving in forward_order([x])


def no_closed_form(x: Any) -> GraphError:
    return GraphError(f"no closed form of this Jacobian is known, because of {x!r}")
