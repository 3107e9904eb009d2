"""The normal form of products of matrices: one chain, bracketed as it is cheapest, with the transposes at its factors.

A vector is a column. Wherever a chain is one entry wide it falls apart: into a number, or into a column times a row. So
x yᵀ z becomes (yᵀz) x, and what stays is a matrix product, a matrix times a vector, or an outer product.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.core.operation import book, compositions
from chainrule.core.term import Term, constant, name_of, shape_of
from chainrule.maths.calls import is_identity
from chainrule.rewrite.algebra import ONE, Product, build_product, build_sum, product_of, sum_of
from chainrule.rewrite.order import key_of
from chainrule.rewrite.rearranging import is_diagonal, is_line, reshaped, same_when_transposed, total, transposed
from chainrule.rewrite.rewriting import Rewriting, exact
from chainrule.rewrite.shaped import flattened, is_vector_lifted, repeat

LONGEST = 16
"""Longer chains stay as they were bracketed."""


def factored(x: Any) -> tuple[Product, list[Term]]:
    """The scalars and the factors of a matrix."""
    product = product_of(x)
    arrays = product.arrays()
    scalars = product.scalars()
    if len(arrays.powers) != 1 or next(iter(arrays.powers.values())) != 1:
        return scalars, [build_product(arrays, x.shape, Rewriting())]
    base = next(iter(arrays.powers))
    name = name_of(base)
    if name == "matmul":
        return joined(scalars, factored(base.inputs[0]), factored(base.inputs[1]), base)
    if name == "outer":
        left, right = factored_vector(base.inputs[0]), factored_vector(base.inputs[1])
        return joined(scalars, left, turned(right), base)
    if name == "transpose" and base.settings["axes"] is None:
        inside, factors = turned(factored(base.inputs[0]))
        return (scalars * inside, factors) if len(factors) > 1 else (scalars, [base])
    if name == "reshape" and 1 in base.shape and is_line(base.inputs[0]):
        inside, factors = factored_vector(reshaped(base, (base.size,)))
        if base.shape[0] == 1 and base.shape[1] != 1:
            inside, factors = turned((inside, factors))
        return scalars * inside, factors
    return scalars, [base]


def factored_vector(x: Any) -> tuple[Product, list[Term]]:
    """The scalars of a vector, and its factors as a column."""
    scalars, inner = product_of(x).scalars(), build_product(product_of(x).arrays(), shape_of(x), Rewriting())
    if name_of(inner) == "reshape" and inner.inputs[0].ndim == 2 and is_line(inner.inputs[0]):
        column = inner.inputs[0]
        inside, factors = factored(column) if column.shape[1] == 1 else turned(factored(column))
        return scalars * inside, factors
    return scalars, [reshaped(inner, (*shape_of(inner), 1))]


def joined(scalars: Product, left: Any, right: Any, whole: Term) -> tuple[Product, list[Term]]:
    """Two chains as one, unless that gets too long."""
    factors = left[1] + right[1]
    return (scalars * left[0] * right[0], factors) if len(factors) <= LONGEST else (scalars, [whole])


def turned(chain: tuple[Product, list[Term]]) -> tuple[Product, list[Term]]:
    return chain[0], [transposed(factor) for factor in reversed(chain[1])]


def build_chain(scalars: Product, factors: list[Term], way: Rewriting) -> Any:
    rows, columns = factors[0].shape[0], factors[-1].shape[1]
    written_out = distributed(scalars, factors, way)
    if written_out is not None:
        return written_out
    factors = shortened(factors, way)
    widths = [factor.shape[0] for factor in factors] + [columns]
    ones = [k for k, width in enumerate(widths) if width == 1]
    if not factors:
        core = constant(np.eye(rows))
    elif not ones:
        core = bracketed(factors)
    else:
        for start, stop in pairwise(ones):
            scalars = scalars * product_of(number_of(factors[start:stop], way))
        left, right = factors[: ones[0]], factors[ones[-1] :]
        column = vector_of(left, way) if left else None
        row = vector_of([transposed(factor) for factor in reversed(right)], way) if right else None
        if column is not None and row is not None:
            lines = line_behind(column), line_behind(row)
            if lines[0] is not None and lines[1] is not None:
                core = book["matmul"](reshaped(lines[0], (rows, 1)), row_of(lines[1]))
            else:
                core = book["outer"](column, row)
        elif column is not None:
            core = reshaped(column, (rows, 1))
        elif row is not None:
            # The row of a matrix stays in front of what it is multiplied by; a vector is a column.
            core = bracketed(right) if is_row_of_matrix(right[0], row) else reshaped(row, (1, columns))
        else:
            return repeat(build_product(scalars, (), way), (1, 1))
    return build_product(scalars * product_of(core), (rows, columns), way)


def line_behind(vector: Any) -> Term | None:
    """The matrix of one row or column that a vector is the entries of; a product of two such is read more easily."""
    inner = vector.inputs[0] if name_of(vector) == "reshape" else None
    return inner if inner is not None and inner.ndim == 2 and is_line(inner) else None


def is_row_of_matrix(first: Term, row: Any) -> bool:
    """Whether a product that is `row` begins with a matrix of one row, and not with a vector laid down."""
    return line_behind(row) is not None and not is_vector_lifted(first)


def row_of(line: Term) -> Term:
    return line if line.shape[0] == 1 else transposed(line)


def number_of(factors: list[Term], way: Rewriting) -> Any:
    """A row times matrices times a column: a dot product, written from the side with fewer transposes."""
    if len(factors) == 1:
        return reshaped(factors[0], ())
    back = [transposed(factor) for factor in reversed(factors)]

    def order(chain: list[Term]) -> tuple[int, int, str]:
        turns = sum([name_of(factor) == "transpose" for factor in chain])
        steep = sum([k for k, factor in enumerate(chain[1:-1]) if name_of(factor) == "transpose"])
        return turns, steep, "·".join([key_of(factor, way) for factor in chain])

    factors = min(factors, back, key=order)
    split = cheapest_splits([factor.shape[0] for factor in factors] + [1], late=False)[0, len(factors)]
    left = vector_of([transposed(factor) for factor in reversed(factors[:split])], way)
    right = vector_of(factors[split:], way)
    scalars = product_of(left).scalars() * product_of(right).scalars()
    for ones, other in ((left, right), (right, left)):
        if not product_of(ones).arrays().powers:
            added = total(build_product(product_of(other).arrays(), shape_of(other), way.plainly()), None, way)
            return build_product(scalars * product_of(added), (), way)
    sides = [build_product(product_of(side).arrays(), shape_of(side), way.plainly()) for side in (left, right)]
    for unit, other in (sides, sides[::-1]):
        picked = entry_picked_by(unit, other)
        if picked is not None:
            way.note("unit vector")
            return build_product(scalars * product_of(picked), (), way)
    vectors = [product_of(side).arrays() for side in (left, right)]
    if any([exponent * vectors[1].powers.get(base, 0) < 0 for base, exponent in vectors[0].powers.items()]):
        # Of (y/p)ᵀ p the sum of y is left.
        way.note("powers")
        added = total(build_product(vectors[0] * vectors[1], shape_of(left), way.plainly()), None, way)
        return build_product(scalars * product_of(added), (), way)
    return build_product(scalars * product_of(compositions["matmul"](*sides)), (), way)


def entry_picked_by(unit: Any, x: Any) -> Any:
    """The dot product with a vector that has one entry alone; None where it has more."""
    if name_of(unit) == "scatter" and not shape_of(unit.inputs[0]) and isinstance(unit.settings["key"], int):
        return unit.inputs[0] * book["index"](x, key=unit.settings["key"])
    held = unit.inputs[0] if name_of(unit) == "reshape" else unit
    if isinstance(held, Term) and held.number is not None and np.count_nonzero(held.number) == 1:
        place = int(np.flatnonzero(held.number)[0])
        return float(held.number.flat[place]) * book["index"](x, key=place)
    return None


def vector_of(factors: list[Term], way: Rewriting) -> Any:
    """Matrices times a column, as a vector; a diagonal matrix in front of it multiplies entry by entry."""
    while len(factors) > 1 and name_of(factors[-2]) == "scatter" and is_diagonal(factors[-2]):
        way.note("diagonal")
        inner = reshaped(factors[-1], (factors[-1].shape[0],))
        vector = build_product(product_of(factors[-2].inputs[0]) * product_of(inner), inner.shape, way)
        factors = [*factors[:-2], reshaped(vector, (inner.shape[0], 1))]
    return reshaped(bracketed(factors), (factors[0].shape[0],))


def bracketed(factors: list[Term]) -> Any:
    """The product of matrices in the cheapest order (the matrix-chain problem; Cormen et al., 2022, section 14.2)."""
    if len(factors) == 1:
        return factors[0]
    splits = cheapest_splits([factor.shape[0] for factor in factors] + [factors[-1].shape[1]])

    def product(start: int, stop: int) -> Any:
        if stop - start == 1:
            return factors[start]
        split = splits[start, stop]
        left, right = product(start, split), product(split, stop)
        if right.shape[1] == 1 and is_vector_lifted(right):
            # As the composed matmul records a matrix times a vector, so that it reads as one.
            vector = compositions["matmul"](left, flattened(right))
            return book["reshape"](vector, shape=(left.shape[0], 1))
        return book["matmul"](left, right)

    return product(0, len(factors))


def cheapest_splits(widths: list[int], late: bool = True) -> dict[tuple[int, int], int]:
    """Where to cut each stretch of a chain; among equals as late as possible, which needs no parentheses, or early."""
    count = len(widths) - 1
    cost = {(i, i + 1): 0 for i in range(count)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(2, count + 1):
        for start in range(count - length + 1):
            stop = start + length

            def price(cut: int, start: int = start, stop: int = stop) -> int:
                return cost[start, cut] + cost[cut, stop] + widths[start] * widths[cut] * widths[stop]

            cuts = range(stop - 1, start, -1) if late else range(start + 1, stop)
            splits[start, stop] = min(cuts, key=price)
            cost[start, stop] = price(splits[start, stop])
    return splits


def shortened(factors: list[Term], way: Rewriting) -> list[Term]:
    """A chain without what cancels: identities, and a matrix beside its inverse."""
    kept: list[Term] = []
    for factor in factors:
        if factor.number is not None and is_identity(factor.number):
            continue
        if kept and are_inverse(kept[-1], factor):
            kept.pop()
            way.note("inverse")
            continue
        kept.append(factor)
    return kept


def are_inverse(x: Term, y: Term) -> bool:
    if name_of(x) == name_of(y) == "transpose":
        x, y = x.inputs[0], y.inputs[0]
    return (name_of(x) == "inv" and x.inputs[0] is y) or (name_of(y) == "inv" and y.inputs[0] is x)


def distributed(scalars: Product, factors: list[Term], way: Rewriting) -> Any:
    """A chain with a sum among its factors, as the sum of chains."""
    for k, factor in enumerate(factors):
        column = name_of(factor) == "reshape"
        inner = factor.inputs[0] if column else factor
        if name_of(inner) not in ("add", "sub"):
            continue
        if not way.may_distribute():
            return None
        entries = sum_of(inner, way)
        if len(entries) > LONGEST:
            return None
        way.note("distribution")
        shape = (factors[0].shape[0], factors[-1].shape[1])
        table: dict[Term, Any] = {}
        for unit, number in entries.items():
            part = repeat(unit if unit is not ONE else 1, inner.shape) if not unit.shape else unit
            inside, inner_factors = factored(reshaped(part, factor.shape))
            chain = build_chain(scalars * inside, [*factors[:k], *inner_factors, *factors[k + 1 :]], way)
            for other, share in sum_of(chain, way).items():
                table[other] = exact(table.get(other, 0) + exact(number * share))
        return build_sum(table, shape, way)
    return None


def is_symmetric(x: Term, way: Rewriting) -> bool:
    """Whether a sum such as A + Aᵀ or a chain such as XᵀX is its own transpose."""
    if name_of(x) in ("add", "sub"):
        return same_when_transposed(x, way)
    factors = factored(x)[1]
    return len(factors) > 1 and turned((Product(), factors))[1] == factors


def inverse_of_chain(x: Term, way: Rewriting) -> Any:
    """The inverse of a product of square matrices, as the product of the inverses; None for anything else."""
    scalars, factors = factored(x)
    if len(factors) < 2 or any(factor.shape[0] != factor.shape[1] for factor in factors):
        return None
    way.note("inverse")
    turned_round: list[Term] = []
    for factor in reversed(factors):
        if name_of(factor) == "transpose":
            turned_round.append(transposed(book["inv"](factor.inputs[0])))
        else:
            turned_round.append(factor.inputs[0] if name_of(factor) == "inv" else book["inv"](factor))
    inverse = Product(1 / scalars.number, {base: -e for base, e in scalars.powers.items()})
    return build_chain(inverse, turned_round, way)


def transposed_chain(x: Term, way: Rewriting) -> Any:
    """The transpose of a matrix, pushed to its factors."""
    scalars, factors = factored(x)
    if len(factors) > 1:
        way.note("transpose")
        return build_chain(*turned((scalars, factors)), way)
    core = factors[0]
    inner = core.inputs[0] if name_of(core) == "inv" else core
    if is_symmetric(inner, way):
        way.note("transpose")
        return x
    return build_product(scalars * product_of(transposed(core)), x.shape[::-1], way)
