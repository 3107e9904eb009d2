"""The normal form of sums and products of numbers, entry by entry.

A product is a number times powers of bases; a sum is a table of products with their numbers. Taking a term apart into
either and building it again collects whatever is alike. Bases without axes stand for themselves in arrays: a scalar is
repeated only where it meets an array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from chainrule.core.operation import book
from chainrule.core.term import Shape, Term, constant, cover, name_of, part_of_axis, shape_of
from chainrule.rewrite.order import degree_of, key_of, sorted_powers
from chainrule.rewrite.rewriting import (
    HALF,
    Number,
    Rewriting,
    as_number,
    as_term,
    exact,
    in_fractions,
    is_whole,
    number_times,
    own_power,
    plain,
    raised,
)
from chainrule.rewrite.shaped import flattened, is_moved, is_vector_lifted, moved_as, repeat, same_move

ONE = constant(1.0)
"""What a number is a multiple of, in the table of a sum."""

MOST_TERMS = 64
"""Products of sums with more terms are not written out."""

MOST_SHARED = 8
"""Sums of more terms are not opened again in the sums that use them: running sums would take quadratic time."""


class Product:
    """A number times powers of bases; a base has the product's shape or none."""

    def __init__(self, number: Number = Fraction(1), powers: Mapping[Term, Number] | None = None) -> None:
        self.number = number
        self.powers: dict[Term, Number] = dict(powers or {})

    def times(self, base: Term, exponent: Number = Fraction(1)) -> None:
        held = self.powers.pop(base, None)
        total = exponent if held is None else exact(held + exponent)
        if total:
            self.powers[base] = total

    def scalars(self) -> Product:
        """The number and the factors without axes."""
        return Product(self.number, {base: e for base, e in self.powers.items() if not base.shape})

    def arrays(self) -> Product:
        return Product(powers={base: e for base, e in self.powers.items() if base.shape})

    def __mul__(self, other: Product) -> Product:
        out = Product(number_times(self.number, other.number), self.powers)
        for base, exponent in other.powers.items():
            out.times(base, exponent)
        return out


def product_of(x: Any) -> Product:
    """A term taken apart into a number and powers."""
    out = Product()
    stack: list[tuple[Any, Number]] = [(x, Fraction(1))]
    while stack:
        x, exponent = stack.pop()
        number = as_number(x)
        if number is not None and (is_whole(exponent) or number > 0):
            out.number = number_times(out.number, raised(number, exponent))
            continue
        scale = scale_of(x) if exponent == 1 else None
        if scale is not None and scale != 1:
            out.number = exact(out.number * scale)
            out.times(constant(np.where(x.number == 0, 0.0, 1.0)))
            continue
        parts = factors_of(x, exponent)
        if parts is None:
            out.times(x, exponent)
        else:
            for part, power in parts:
                if part is None:
                    out.number = -out.number
                else:
                    stack.append((part, power))
    if not out.number:
        out.powers.clear()
    return with_lengths_undone(with_exponents_added(out))


def with_lengths_undone(product: Product) -> Product:
    """A product without a vector over its length beside that length: (w/‖w‖) · ‖w‖ is w, also where it is 0."""
    for base in [x for x, exponent in product.powers.items() if name_of(x) == "direction" and exponent == 1]:
        length = product_of(base.inputs[1])
        if all([product.powers.get(x, Fraction(0)) >= exponent for x, exponent in length.powers.items()]):
            del product.powers[base]
            for x, exponent in length.powers.items():
                product.times(x, exact(-exponent))
            product = product * product_of(base.inputs[0])
            product.number = number_times(product.number, raised(length.number, Fraction(-1)))
    return product


def with_exponents_added(product: Product) -> Product:
    """A product in which no power with an unknown exponent stands beside others of its base: x · xⁿ is xⁿ⁺¹."""
    powers = product.powers
    of_base: dict[Term, list[Term]] = {}
    for x, exponent in powers.items():
        if name_of(x) == "pow" and is_whole(exponent):
            of_base.setdefault(x.inputs[0], []).append(x)
        elif name_of(x) == "chosen" and name_of(x.inputs[0]) == "pow" and exponent == 1:
            of_base.setdefault(x.inputs[0].inputs[0], [])
    for base, found in of_base.items():
        if found and (base in powers or len(found) > 1):
            whole = product_of(joined(base, found, powers))
            product = product * whole
            powers = product.powers
        elif not found and powers.get(base, -1) > 0:
            # A weight of 0 leaves 0 of the power, however large that is.
            weighted = next(x for x in powers if name_of(x) == "chosen" and x.inputs[0].inputs[:1] == (base,))
            del powers[weighted]
            product.times(book["chosen"](joined(base, [weighted.inputs[0]], powers), weighted.inputs[1]))
    return product


def joined(base: Term, found: Sequence[Term], powers: dict[Term, Number]) -> Any:
    """One power of a base for itself and its other powers, which are no longer among these."""
    total: Any = plain(powers.pop(base, Fraction(0)))
    for x in found:
        total = book["add"](total, book["mul"](plain(powers.pop(x, Fraction(1))), x.inputs[1]))
    way = Rewriting()
    return book["pow"](base, build_sum(sum_of(total, way), shape_of(total), way))


def scale_of(x: Any) -> Number | None:
    """The number that a constant is a multiple of the identity matrix by, or of other zeros and ones.

    Of the latter a whole number stays: [0, 3] is read at once.
    """
    if not isinstance(x, Term) or x.number is None or not x.ndim or not np.any(x.number):
        return None
    if not np.all(np.isfinite(x.number)):
        return None
    scale = exact(x.number[np.nonzero(x.number)][0])
    if np.any((x.number != 0) & (x.number != float(scale))):
        return None
    is_square = x.ndim == 2 and np.array_equal(x.number, float(scale) * np.eye(len(x.number), x.shape[1]))
    return scale if is_square or scale < 0 or not is_whole(scale) else None


def factors_of(x: Any, exponent: Number) -> list[tuple[Any, Number]] | None:
    """The factors of a term's power; None for a base. The factor None is a change of sign."""
    name = name_of(x)
    inner = own_power(x)
    if inner is not None:
        base, power = inner
        # (x²)^½ is |x| and not x: powers multiply where the outer is whole or the inner keeps the sign of x.
        if is_whole(exponent) or not (is_whole(power) and power % 2 == 0):
            return [(base, exact(power * exponent))]
        return None
    if name == "broadcast_to" and not shape_of(x.inputs[0]):
        return [(x.inputs[0], exponent)]
    if exponent == 1 and is_unit(x) and as_number(x.inputs[0]) != 1:
        return [(x.inputs[0], exponent), (x.op(constant(1.0), **x.settings), exponent)]
    if not is_whole(exponent):
        return None
    if is_moved(x):
        product = product_of(x.inputs[0])
        if product.number == 1 and list(product.powers.values()) == [1]:
            return None
        moved = [(moved_as(x, base) if base.shape else base, exact(e * exponent)) for base, e in product.powers.items()]
        return [(raised(product.number, exponent), Fraction(1)), *moved]
    if name == "mul":
        return [(x.inputs[1], exponent), (x.inputs[0], exponent)]
    if name == "div":
        return [(x.inputs[1], -exponent), (x.inputs[0], exponent)]
    if name == "neg":
        return [(x.inputs[0], exponent)] + ([(None, exponent)] if exponent % 2 else [])
    return None


def build_product(product: Product, shape: Shape, way: Rewriting) -> Any:
    """The term of a product; a plain number where nothing else is left and there are no axes."""
    distributed = distribute(product, shape, way)
    if distributed is not None:
        return distributed
    product = with_unit_vector(product, shape, way)
    number = product.number
    scalars = sorted_powers(product.scalars().powers, way)
    arrays = sorted_powers(product.arrays().powers, way)
    if not arrays:
        return repeat(fraction(number, scalars), shape)
    if len(shape) == 2 and 1 in shape and all(is_vector_lifted(base) for base, _ in arrays):
        if len(arrays) > 1 or arrays[0][1] != 1 or scalars or number != 1:
            vectors = Product(number, dict(scalars)) * Product(powers={flattened(base): e for base, e in arrays})
            return book["reshape"](build_product(vectors, (arrays[0][0].size,), way), shape=shape)
    arrays = lifted_together(arrays, way)
    above = [power_of(base, e) for base, e in arrays if e > 0]
    below = [power_of(base, -e) for base, e in arrays if e < 0]
    alone = not any(e > 0 for _, e in scalars) and abs(upper(number)) == 1
    if above and below and alone and not scalars and lower(number) != 1:
        return signed(book["div"](multiplied(above), multiplied([lower(number), *below])), number)
    if above and alone and (scalars or lower(number) != 1):
        whole = book["div"](multiplied(above), fraction(1 / abs(number), [(base, -e) for base, e in scalars]))
        whole = signed(whole, number)
    else:
        front = fraction(number, scalars)
        if above and isinstance(front, int) and abs(front) == 1:
            whole = multiplied(above) if front == 1 else -multiplied(above)
        else:
            whole = multiplied([front, *above])
    return book["div"](whole, multiplied(below)) if below else whole


def signed(x: Any, number: Number) -> Any:
    """A term with the sign of a number."""
    return -x if number < 0 else x


def is_unit(x: Any) -> bool:
    """Whether a term is a vector with a number in one place."""
    return name_of(x) == "scatter" and x.ndim == 1 and not shape_of(x.inputs[0]) and type(x.settings["key"]) is int


def with_unit_vector(product: Product, shape: Shape, way: Rewriting) -> Product:
    """A product with a unit vector: of other vectors the entries in its place, and all numbers in it, but a sign."""
    arrays = product.arrays().powers
    unit = next((base for base, e in arrays.items() if e == 1 and is_unit(base) and base.shape == shape), None)
    others = {base: e for base, e in arrays.items() if base is not unit}
    if unit is None or any([e < 0 or base.shape != shape for base, e in others.items()]):
        return product
    inner = product.scalars() * product_of(unit.inputs[0])
    for base, exponent in others.items():
        way.note("unit vector")
        entry = product_of(book["index"](base, key=unit.settings["key"]))
        inner = inner * Product(powers={x: exact(exponent * power) for x, power in entry.powers.items()})
        inner.number = exact(inner.number * raised(entry.number, exponent))
    sign = Fraction(-1 if inner.number < 0 else 1)
    inner.number = abs(inner.number)
    held = as_term(build_product(inner, (), way.plainly()))
    return Product(sign, {unit.op(held, **unit.settings): Fraction(1)})  # type: ignore[misc]


def fraction(number: Number, scalars: Iterable[tuple[Term, Number]]) -> Any:
    scalars = list(scalars)
    above = [power_of(base, e) for base, e in scalars if e > 0]
    below = [power_of(base, -e) for base, e in scalars if e < 0]
    up, down = upper(number), lower(number)
    if down != 1:
        below.insert(0, down)
    if up != 1 or not above:
        if up == -1 and above:
            above[0] = -above[0]
        else:
            above.insert(0, up)
    top = multiplied(above)
    if not below:
        return top
    if not isinstance(top, Term) and len(below) == 1 and not isinstance(below[0], Term):
        return plain(number)
    return book["div"](top, multiplied(below))


def upper(number: Number) -> int | float:
    """What of a number stands above the line of a fraction: all of it but for ±1/n."""
    if isinstance(number, Fraction) and abs(number.numerator) == 1:
        return number.numerator
    return plain(number)


def lower(number: Number) -> int:
    """What of a number stands below the line of a fraction."""
    return number.denominator if isinstance(number, Fraction) and abs(number.numerator) == 1 else 1


def multiplied(factors: list[Any]) -> Any:
    out = factors[0]
    for factor in factors[1:]:
        out = book["mul"](out, factor)
    return out


def power_of(base: Term, exponent: Number) -> Any:
    if exponent == 1:
        return base
    return book["sqrt"](base) if exponent == HALF else book["pow"](base, plain(exponent))


def lifted_together(arrays: list[tuple[Term, Number]], way: Rewriting) -> list[tuple[Term, Number]]:
    """Powers of arrays that were shaped or repeated in the same way are multiplied before that."""
    groups: dict[Any, list[tuple[Term, Number]]] = {}
    for base, exponent in arrays:
        move = (name_of(base), base.inputs[0].shape) if is_moved(base) else base
        groups.setdefault(move, []).append((base, exponent))
    out: list[tuple[Term, Number]] = []
    for group in groups.values():
        first = group[0][0]
        if not is_moved(first) or (len(group) == 1 and group[0][1] == 1):
            out += group
            continue
        way.note("shapes")
        sign = Fraction(-1 if all([e < 0 for _, e in group]) else 1)
        product = Product()
        for base, exponent in group:
            product = product * Product(powers={base.inputs[0]: exact(sign * exponent)})
        inner = build_product(product, first.inputs[0].shape, way.plainly())
        out.append((first.op(inner, **first.settings), sign))  # type: ignore[misc]
    return out


def distribute(product: Product, shape: Shape, way: Rewriting) -> Any:
    """The product written out as a sum, where a factor is a sum."""
    sums = [base for base, e in product.powers.items() if name_of(base) in ("add", "sub") and is_whole(e) and e > 0]
    if not sums or not way.may_distribute():
        return None
    table: dict[Term, Number] = {ONE: product.number}
    rest = Product(powers={base: e for base, e in product.powers.items() if base not in sums})
    plainly = way.plainly()
    for base in sums:
        terms = sum_of(base, way)
        for _ in range(int(min(product.powers[base], Fraction(MOST_TERMS)))):
            if len(table) * len(terms) > MOST_TERMS:
                return None
            table = table_product(table, terms, shape, plainly)
    way.note("distribution")
    total: dict[Term, Number] = {}
    for unit, number in table.items():
        add_unit(total, product_of(unit) * rest, number, shape, plainly)
    return build_sum(total, shape, way)


def table_product(
    left: dict[Term, Number], right: dict[Term, Number], shape: Shape, way: Rewriting
) -> dict[Term, Number]:
    """Every term of one sum times every term of another."""
    out: dict[Term, Number] = {}
    for x, a in left.items():
        for y, b in right.items():
            add_unit(out, product_of(x) * product_of(y), exact(a * b), shape, way)
    return out


def add_unit(table: dict[Term, Number], product: Product, number: Number, shape: Shape, way: Rewriting) -> None:
    """Add a multiple of a product to the table of a sum."""
    number = exact(number * product.number)
    own_shape = shape if any(base.shape for base in product.powers) else ()
    unit = build_product(Product(powers=product.powers), own_shape, way) if product.powers else ONE
    total = exact(table.pop(unit, Fraction(0)) + number)
    if total:
        table[unit] = total


def sum_of(x: Any, way: Rewriting) -> dict[Term, Number]:
    """A term taken apart into the terms of a sum, each with its number; `ONE` stands for a number alone."""
    table: dict[Term, Number] = {}
    plainly = way.plainly()
    shape = shape_of(x)
    stack: list[tuple[Any, Number]] = [(x, Fraction(1))]
    while stack:
        part, number = stack.pop()
        name = name_of(part)
        if name in ("add", "sub") and (part is x or part not in way.large):
            stack.append((part.inputs[1], number if name == "add" else -number))
            stack.append((part.inputs[0], number))
            continue
        product = product_of(part)
        if len(product.powers) == 1:
            ((base, exponent),) = product.powers.items()
            if exponent == 1 and name_of(base) in ("add", "sub") and base not in way.large:
                stack.append((base, exact(number * product.number)))
                continue
        add_unit(table, product, number, shape, plainly)
    return table


def build_sum(table: Mapping[Term, Number], shape: Shape, way: Rewriting) -> Any:
    """The term of a sum: highest powers first, and no sign that a subtraction can spare."""
    entries = known_sums({unit: number for unit, number in table.items() if number}, way)
    entries = side_by_side(entries, way)
    if len(entries) > 1 and way.takes("collect"):
        entries = way.collect(entries, shape, way)  # type: ignore[misc]
    if not entries:
        return repeat(0, shape)
    lifted = lift_sum(entries, way)
    if lifted is not None:
        return lifted
    if shape:
        entries = scalars_together(entries, way)
    if all(number < 0 for number in entries.values()):
        if len(entries) > 1:
            return -build_sum({unit: -number for unit, number in entries.items()}, shape, way.plainly())
    ordered = sorted(entries.items(), key=lambda entry: (-degree_of(entry[0], way), key_of(entry[0], way)))
    ordered = alike_together(ordered, shape, way)
    front = next((k for k, (_, number) in enumerate(ordered) if number > 0), 0)
    ordered.insert(0, ordered.pop(front))
    plainly = way.plainly()
    total: Any = None
    for unit, number in ordered:
        if total is None:
            total = scaled(unit, number, plainly)
        elif number > 0:
            total = book["add"](total, scaled(unit, number, plainly))
        else:
            total = book["sub"](total, scaled(unit, -number, plainly))
    if shape_of(total) != shape:
        total = repeat(total, shape)
    if len(entries) > MOST_SHARED:
        way.large.add(total)
    return total


def known_sums(entries: dict[Term, Number], way: Rewriting) -> dict[Term, Number]:
    """A sum in which e^x - 1 does not stand beside a 1 that makes it e^x, nor σ(x) beside the σ(-x) that makes it 1."""
    for unit, number in entries.items():
        if name_of(unit) == "sigmoid":
            turned = build_product(Product(Fraction(-1)) * product_of(unit.inputs[0]), unit.shape, way.plainly())
            other = book["sigmoid"](turned)
            if entries.get(other) == number:
                way.note("known function")
                rest = {x: n for x, n in entries.items() if x not in (unit, other, ONE)}
                total = exact(entries.get(ONE, Fraction(0)) + number)
                return {**rest, ONE: total} if total else rest
        if name_of(unit) == "expm1" and entries.get(ONE) == number:
            way.note("known function")
            rest = {x: n for x, n in entries.items() if x not in (unit, ONE)}
            whole = book["exp"](unit.inputs[0])
            return {**rest, whole: exact(rest.get(whole, Fraction(0)) + number)}
    return entries


def side_by_side(entries: dict[Term, Number], way: Rewriting) -> dict[Term, Number]:
    """A sum in which parts that stand among zeros, and fill an array together, are that array, part by part."""
    along: dict[int, list[tuple[int, int, Term]]] = {}
    for unit in entries:
        if (place := place_among_zeros(unit)) is not None:
            along.setdefault(place[0], []).append((*place[1:], unit))
    for axis, parts in along.items():
        parts.sort(key=lambda part: part[:2])
        if len(parts) < 2 or not cover([part[:2] for part in parts], parts[0][2].shape[axis]):
            continue
        way.note("part of a whole")
        pieces = [scaled(unit.inputs[0], entries[unit], way.plainly()) for _, _, unit in parts]
        whole = book["concatenate"](*map(as_term, pieces), axis=axis)
        joined = {unit for *_, unit in parts}
        return {**{unit: n for unit, n in entries.items() if unit not in joined}, whole: Fraction(1)}
    return entries


def place_among_zeros(x: Any) -> tuple[int, int, int] | None:
    """The axis along which something stands among zeros, and where it begins and ends; None for anything else."""
    is_put = name_of(x) == "scatter" and shape_of(x.inputs[0])
    return part_of_axis(x.shape, x.settings["key"]) if is_put else None


def scaled(unit: Term, number: Number, way: Rewriting) -> Any:
    if unit is ONE:
        return plain(number)
    return build_product(Product(number) * product_of(unit), unit.shape, way)


def lift_sum(entries: dict[Term, Number], way: Rewriting) -> Any:
    """Arrays that were all shaped or repeated in the same way are added before that."""
    first = next(iter(entries))
    arrays = [unit for unit in entries if unit.shape]
    if first.ndim == 2 and 1 in first.shape and len(arrays) > 1 and any(map(is_vector_lifted, arrays)):
        way.note("shapes")
        vectors = {flattened(unit) if unit.shape else unit: number for unit, number in entries.items()}
        return book["reshape"](build_sum(vectors, (first.size,), way), shape=first.shape)
    inner = same_move(list(entries))
    if inner is None or len(entries) < 2:
        return None
    way.note("shapes")
    return first.op(  # type: ignore[misc]
        build_sum({unit.inputs[0]: number for unit, number in entries.items()}, inner, way), **first.settings
    )


def scalars_together(entries: dict[Term, Number], way: Rewriting) -> dict[Term, Number]:
    """Several scalars in a sum of arrays are added to each other first."""
    scalars = {unit: number for unit, number in entries.items() if not unit.shape}
    if len(scalars) < 2 or len(scalars) == len(entries):
        return entries
    product = product_of(build_sum(scalars, (), way.plainly()))
    arrays = {unit: number for unit, number in entries.items() if unit.shape}
    add_unit(arrays, product, Fraction(1), (), way)
    return arrays


def alike_together(ordered: list[tuple[Term, Number]], shape: Shape, way: Rewriting) -> list[tuple[Term, Number]]:
    """Terms with the same number before them, other than 1, are added up before they are multiplied by it.

    A sum of all entries counts as so many of their means: 2x − ½ ∑x is twice what x is away from its mean, of four.
    """
    of_arrays = {abs(number) for unit, number in ordered if unit.shape}
    groups: dict[Number, list[tuple[Term, Number]]] = {}
    for unit, number in ordered:
        is_total = name_of(unit) == "sum" and not unit.shape
        in_means = abs(exact(number * unit.inputs[0].size)) if is_total else number
        groups.setdefault(in_means if is_total and in_means in of_arrays else abs(number), []).append((unit, number))
    arrays = [(unit, number) for unit, number in ordered if unit.number is not None and unit.size]
    constants = [(unit, number) for unit, number in arrays if as_number(unit) is None]
    share = next((size for size in groups if isinstance(size, Fraction) and size.numerator == 1 != size), None)
    if len(constants) == 1 and share is not None and constants[0] not in groups[share]:
        # An array of numbers takes any: z/3 − [0.3 0] is (z − [0.9 0])/3.
        ((unit, number),) = constants
        share = -share if unit.number.flat[np.argmax(np.abs(unit.number))] * float(number) < 0 else share
        groups = {size: [pair for pair in group if pair[0] is not unit] for size, group in groups.items()}
        groups[abs(share)].append((constant(in_fractions(unit.number * float(number / share))), share))
    out: list[tuple[Term, Number]] = []
    for size, group in groups.items():
        if size == 1 or len(group) < 2:
            out += group
        else:
            own_shape = shape if any(unit.shape for unit, _ in group) else ()
            sign = 1 if any(number > 0 for _, number in group) else -1
            inner = build_sum({unit: exact(sign * number / size) for unit, number in group}, own_shape, way.plainly())
            out.append((inner, exact(sign * size)))
    return out
