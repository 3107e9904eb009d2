"""One node in normal form, from inputs in normal form."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from chainrule.core.operation import Linear, Pointwise, book
from chainrule.core.state import Quiet
from chainrule.core.term import Shape, Term, constant, name_of, shape_of
from chainrule.maths.tree import COMPARISONS
from chainrule.rewrite.algebra import Product, add_unit, build_product, build_sum, is_unit, product_of, sum_of
from chainrule.rewrite.builders import BUILDERS, as_number_or_none, changed, where_equal
from chainrule.rewrite.exponentials import as_softmax, with_named_functions
from chainrule.rewrite.patterns import replaced
from chainrule.rewrite.rearranging import MOST_ENTRIES, broadcast, reshaped, scaled_by, with_scalars_in_front
from chainrule.rewrite.rewriting import NO_NUMBER, Number, Rewriting, as_number, as_term, in_fractions, plain
from chainrule.rewrite.shaped import repeat, same_move

SUMS = frozenset({"add", "sub"})
PRODUCTS = frozenset({"mul", "div", "neg", "square", "sqrt", "reciprocal"})


def as_shaped(x: Any, shape: tuple[int, ...]) -> Term:
    return as_term(x) if shape_of(x) == shape else repeat(x, shape)


def fitting(inputs: list[Any], term: Term) -> list[Any]:
    """Inputs as the operation needs them: what is no pointwise operation gets terms with shapes."""
    if isinstance(term.op, Pointwise):
        return inputs
    return [as_shaped(x, shape_of(y)) for x, y in zip(inputs, term.inputs, strict=True)]


def built_from(term: Term, inputs: list[Any], way: Rewriting) -> Any:
    """A node in normal form, from inputs in normal form."""
    op, settings, shape = term.op, term.settings, term.shape
    assert op is not None
    inputs = fitting(inputs, term)
    folded = worked_out(term, inputs)
    if folded is not None:
        way.note("constants")
        note_if_no_number(folded, inputs, way)
        return folded
    if op.name in SUMS:
        raw = op(*inputs)
        entries = sum_of(raw, way)
        return changed(raw, build_sum(in_cases(entries, shape, way), shape, way), "like terms", way)
    if op.name in PRODUCTS or (op.name == "pow" and as_number_or_none(inputs[1]) is not None):
        return built_product(op(*inputs), shape, way)
    builder = BUILDERS.get(op.name)
    if builder is not None:
        found = builder(inputs, settings, shape, way)
        if found is not None:
            return found
    if type(op) is Linear and not op.variadic:
        return pulled_out(term, inputs, way)
    if isinstance(op, Pointwise):
        arrays = [x for x in inputs if shape_of(x)]
        lifted = same_move([*arrays]) if arrays and all(shape_of(x) == shape for x in arrays) else None
        if lifted is not None:
            way.note("shapes")
            inner = op(*[x.inputs[0] if shape_of(x) else x for x in inputs], **settings)
            return moved_like(arrays[0], inner, way)
    whole = op(*inputs, **settings)
    known = as_softmax(whole)
    if known is not None:
        way.note("known function")
        return known
    law = replaced(whole)
    if law is None:
        return whole
    way.note(law[1])
    return law[0]


def in_cases(entries: dict[Term, Number], shape: Shape, way: Rewriting) -> dict[Term, Number]:
    """A sum in which what holds where a condition does, and what holds elsewhere, are two cases of one term."""
    conditions = dict.fromkeys([x for unit in entries for x in conditions_of(product_of(unit))])
    for opposite in conditions:
        holds = opposite.inputs[0] if as_number(opposite.inputs[1]) == 0 else None
        if name_of(opposite) != "equal" or holds not in conditions:
            continue
        cases: list[dict[Term, Number]] = [{}, {}]
        rest: dict[Term, Number] = {}
        for unit, number in entries.items():
            product = product_of(unit)
            case = next((i for i, x in enumerate((holds, opposite)) if x in conditions_of(product)), None)
            if case is None:
                rest[unit] = number
            else:
                add_unit(cases[case], without(product, (holds, opposite)[case]), number, shape, way.plainly())
        way.note("choice")
        taken = [as_shaped(build_sum(case, shape, way.plainly()), shape) for case in cases]
        return {**rest, book["where"](holds, *taken): Fraction(1)}
    return entries


def conditions_of(product: Product) -> list[Term]:
    """The comparisons that a product is made of: its factors, those of what is chosen, and what chooses it."""
    found = [x for x, power in product.powers.items() if power == 1]
    return [y for x in found for y in (conditions_in(x) if name_of(x) == "chosen" else (x,)) if is_condition(y)]


def conditions_in(chosen: Term) -> list[Term]:
    part, weight = chosen.inputs
    return [weight, *[x for x, power in product_of(part).powers.items() if power == 1]]


def is_condition(x: Any) -> bool:
    return name_of(x) in COMPARISONS


def without(product: Product, condition: Term) -> Product:
    """A product where a condition holds that is a factor of it, or chooses one."""
    rest = Product(product.number, {x: e for x, e in product.powers.items() if x is not condition})
    for x in [x for x in rest.powers if name_of(x) == "chosen" and condition in conditions_in(x)]:
        rest.times(x, -rest.powers[x])
        part, weight = product_of(x.inputs[0]), x.inputs[1]
        if weight is not condition:
            part = Product(part.number, {y: e for y, e in part.powers.items() if y is not condition})
            left = Product(powers=part.powers)
            if left.powers:
                weight = x.op(build_product(left, x.shape, Rewriting()), weight)  # type: ignore[misc]
            part = Product(part.number) * product_of(weight)
        rest = rest * part
    return rest


def moved_like(example: Any, inner: Any, way: Rewriting) -> Any:
    """A term shaped or repeated as another was."""
    if name_of(example) == "reshape":
        return reshaped(inner, example.shape)
    return broadcast(inner, example.shape, way)


def built_product(raw: Any, shape: tuple[int, ...], way: Rewriting) -> Any:
    """A product in normal form; a multiple of a sum is a sum."""
    product = with_named_functions(product_of(raw), way)
    note_if_no_number(plain(product.number), raw.inputs if isinstance(raw, Term) else (), way)
    for condition in [x for x, exponent in product.powers.items() if name_of(x) == "equal" and exponent >= 1]:
        others = Product(product.number, {x: e for x, e in product.powers.items() if x is not condition})
        rest = build_product(others, shape, way.plainly())
        held = where_equal(condition, rest)
        if held is not rest:
            way.note("choice")
            return book["mul"](condition, held)
    if len(product.powers) == 1:
        ((base, exponent),) = product.powers.items()
        if exponent == 1 and name_of(base) in SUMS and base.shape == shape:
            return changed(raw, build_sum(sum_of(raw, way), shape, way), "like terms", way)
    built = changed(raw, build_product(product, shape, way), "powers", way)
    law = replaced(built)
    if law is None:
        return built
    way.note(law[1])
    return law[0]


def note_if_no_number(found: Any, inputs: Sequence[Any], way: Rewriting) -> None:
    """Remember that a part has no number whatever the letters are, as 1/(0x): here its 0 may have lost its sign."""
    if is_infinite(found) and not any(map(is_infinite, inputs)):
        way.note(NO_NUMBER)


def is_infinite(x: Any) -> bool:
    number = x.number if isinstance(x, Term) else x
    return number is not None and not np.all(np.isfinite(number))


def worked_out(term: Term, inputs: Sequence[Any]) -> Any:
    """The result of an operation on constants; None where an input is none, or the result is large."""
    if name_of(term) == "broadcast_to" and not shape_of(inputs[0]) and as_number(inputs[0]) is not None:
        return repeat(plain(as_number(inputs[0])), term.shape)  # type: ignore[arg-type]
    if term.size > MOST_ENTRIES or is_unit(term):
        return None
    numbers: list[Any] = []
    for x in inputs:
        inner = x.inputs[0] if name_of(x) == "broadcast_to" else x
        if isinstance(inner, Term) and inner.number is None:
            return None
        number = inner if not isinstance(inner, Term) else inner.number
        numbers.append(np.broadcast_to(number, shape_of(x)) if shape_of(x) else number)
    with Quiet():
        result = np.asarray(term.op.compute(numbers, term.settings), dtype=np.float64)  # type: ignore[union-attr]
    result = in_fractions(result)
    number = as_number(constant(result))
    return constant(result) if number is None else repeat(plain(number), term.shape)


def pulled_out(term: Term, inputs: list[Any], way: Rewriting) -> Any:
    """A linear operation with the scalars of its inputs in front of it."""
    if name_of(term) == "scatter" and not shape_of(inputs[0]):
        return term.op(*inputs, **term.settings)  # type: ignore[misc]
    scalars = Product()
    rest: list[Any] = []
    for x in inputs:
        front, x = with_scalars_in_front(x, way)
        scalars = scalars * front
        rest.append(x)
    if not scalars.number:
        return repeat(0, term.shape)
    inner = worked_out(term, rest)
    if inner is None:
        inner = term.op(*rest, **term.settings)  # type: ignore[misc]
    return scaled_by(scalars, inner, way)
