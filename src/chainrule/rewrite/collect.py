"""Common factors: what several terms of a sum share is taken out, where that spares operations."""

from __future__ import annotations

from typing import Any

from chainrule.core.term import Shape, Term, name_of
from chainrule.rewrite.algebra import ONE, Product, add_unit, build_sum, product_of, sum_of
from chainrule.rewrite.chains import build_chain, factored, factored_vector
from chainrule.rewrite.rearranging import reshaped
from chainrule.rewrite.rewriting import Number, Rewriting, exact

MOST_TERMS = 32
"""Longer sums are not searched."""

Part = tuple[Product, list[Term]]


def collect(entries: dict[Term, Number], shape: Shape, way: Rewriting) -> dict[Term, Number]:
    """The terms of a sum after every common factor was taken out that spares an operation, the best first."""
    if 1 < len(entries) <= MOST_TERMS:
        entries = over_one_denominator(entries, shape, way)
    for _ in range(len(entries)):
        if not 1 < len(entries) <= MOST_TERMS:
            break
        found = best_factor(entries, shape)
        if found is None:
            break
        way.note("common factor")
        entries = taken_out(entries, *found, shape, way)
    return entries


def over_one_denominator(entries: dict[Term, Number], shape: Shape, way: Rewriting) -> dict[Term, Number]:
    """The terms of a sum brought over the highest power of a denominator that one of them has."""
    for unit in entries:
        for base, exponent in product_of(unit).powers.items():
            if exponent < 0 and (not base.shape or base.shape == shape) and way.takes("fractions"):
                lowest = min(product_of(other).powers.get(base, exponent) for other in entries)
                way.note("one fraction")
                return taken_out(entries, ("times", (base, lowest)), list(entries), shape, way)
    return entries


def best_factor(entries: dict[Term, Number], shape: Shape) -> tuple[tuple[str, Any], list[Term]] | None:
    """The factor that spares the most operations, and the terms that have it."""
    units: dict[tuple[str, Any], list[Term]] = {}
    spared: dict[tuple[str, Any], int] = {}
    exponents: dict[Term, set[Number]] = {}
    products = {unit: product_of(unit) for unit in entries if unit is not ONE}
    for product in products.values():
        for base, exponent in product.powers.items():
            exponents.setdefault(base, set()).add(exponent)
    for unit, product in products.items():
        for base, exponent in product.powers.items():
            below = all(e < 0 for e in exponents[base])
            key = ("times", (base, max(exponents[base]) if below else exponent))
            units.setdefault(key, []).append(unit)
            spared[key] = spared.get(key, -1) + (len(product.powers) > 1 or exponent < 0)
        # A number in a sum of vectors stands for a vector of equal entries, and shares no chain with the others.
        chain = chain_in(unit) if unit.shape == shape else None
        if chain is not None:
            for side, end in (("left", 0), ("right", -1)):
                key = (side, chain[1][end])
                units.setdefault(key, []).append(unit)
                spared[key] = spared.get(key, -1) + 1
    worthwhile = [
        key
        for key, sharing in units.items()
        # A polynomial stays a sum of powers: x is no factor of 3x² - 6x.
        if len(sharing) > 1
        and spared[key] > 0
        and not (key[0] == "times" and key[1][1] > 0 and len(exponents[key[1][0]]) > 1)
    ]
    if not worthwhile:
        return None
    best = max(worthwhile, key=lambda key: spared[key])
    return best, units[best]


def chain_in(unit: Term) -> Part | None:
    """The chain that is the only array of a term, or a dot product that is its only scalar."""
    product = product_of(unit)
    arrays = product.arrays().powers
    if unit.shape and (len(arrays) != 1 or next(iter(arrays.values())) != 1):
        return None
    if unit.ndim == 2:
        scalars, factors = factored(unit)
    elif unit.ndim == 1:
        scalars, factors = factored_vector(unit)
    else:
        dots = [base for base, e in product.powers.items() if e == 1 and is_dot(base)]
        if len(dots) != 1:
            return None
        scalars, factors = factored(dots[0].inputs[0])
        product.powers.pop(dots[0])
        scalars = scalars * product
    return (scalars, factors) if len(factors) > 1 else None


def is_dot(x: Term) -> bool:
    """Whether a scalar is a row times a column."""
    return name_of(x) == "reshape" and name_of(x.inputs[0]) == "matmul"


def flat(entries: dict[Term, Number], way: Rewriting) -> dict[Term, Number]:
    """The terms of a sum in which a term is a sum itself."""
    out: dict[Term, Number] = {}
    for unit, number in entries.items():
        opened_sum = {unit: exact(1)} if unit in way.large else sum_of(unit, way)
        for part, share in opened_sum.items():
            out[part] = exact(out.get(part, exact(0)) + exact(number * share))
    return out


def taken_out(
    entries: dict[Term, Number], key: tuple[str, Any], sharing: list[Term], shape: Shape, way: Rewriting
) -> dict[Term, Number]:
    rest = {unit: number for unit, number in entries.items() if unit not in sharing}
    inner: dict[Term, Number] = {}
    own_shape = shape if any(unit.shape for unit in sharing) else ()
    if key[0] == "times":
        base, exponent = key[1]
        inner_shape: Shape = ()
        for unit in sharing:
            product = product_of(unit)
            product.times(base, -exponent)
            if any(other.shape for other in product.powers):
                inner_shape = own_shape
        for unit in sharing:
            product = product_of(unit)
            product.times(base, -exponent)
            add_unit(inner, product, entries[unit], inner_shape, way.plainly())
        inner = flat(inner, way)
        whole = Product(powers={base: exponent}) * product_of(build_sum(inner, inner_shape, way))
    else:
        left = key[0] == "left"
        for unit in sharing:
            scalars, factors = chain_in(unit)  # type: ignore[misc]
            part = build_chain(scalars, factors[1:] if left else factors[:-1], way.plainly())
            inner_shape = part.shape
            add_unit(inner, product_of(part), entries[unit], inner_shape, way.plainly())
        scalars, factors = factored(build_sum(inner, inner_shape, way))
        factors = [key[1], *factors] if left else [*factors, key[1]]
        whole = product_of(reshaped(build_chain(scalars, factors, way.plainly()), own_shape))
    number = whole.number
    whole.number = exact(1)
    if number:
        add_unit(rest, whole, number, own_shape, way.plainly())
    return rest
