"""Numbers of a story that are none of the record: the equations in which they stand say what they are made of.

The contribution of a path is a product of local derivatives, which nothing in a program is; but the story tells it as
such a product, whose factors are of the record. What remains of a sum when its other terms are known is known too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from chainrule.derivation.record import Equation
from chainrule.maths.tree import Applied, Number, Relation, Tree

Made = tuple[list[Any], float]
"""What a number is, as a page works it out, and by how much it is multiplied."""
Numbers = tuple[float, ...]
"""A number of a story at each place at which that is told."""
Find = Callable[[Numbers], Made | None]

ARITHMETIC = ("add", "sub", "mul", "div", "neg", "square", "reciprocal", "exp", "log", "sqrt", "tanh")
"""What a page can do with what it has found."""
ROUNDS = 4
"""How often what was found may tell more: the terms of a sum come after it, in a table."""


def made_by_equations(told: Sequence[Any], find: Find) -> dict[Numbers, Made]:
    """What `find` does not know of a story that is told at some places, as its equations have it."""
    found: dict[Numbers, Made] = {}

    def known(numbers: Numbers) -> Made | None:
        return found.get(numbers) or find(numbers)

    equations = [list(zip(*sides, strict=True)) for sides in equations_of(*told)]
    for _ in range(ROUNDS):
        before = len(found)
        for sides in equations:
            for side in sides:
                for numbers, made in solved(side, [x for x in sides if x is not side], known):
                    found.setdefault(numbers, made)
        if len(found) == before:
            break
    return found


def equations_of(*told: Any) -> Iterator[list[Sequence[Tree]]]:
    """The sides of every equation, at each place; what is not told alike has none."""
    first, *others = told
    told = (first, *[x for x in others if x is not None])
    if any([type(x) is not type(first) for x in told]):
        return
    if isinstance(first, tuple):
        if all([len(x) == len(first) for x in told]):
            for parts in zip(*told, strict=True):
                yield from equations_of(*parts)
    elif is_dataclass(first):
        if isinstance(first, Equation | Relation) and {*first.signs} <= {"="}:
            if all([len(x.sides) == len(first.sides) for x in told]):
                yield [x.sides for x in told]
        for field in fields(first):
            yield from equations_of(*[getattr(x, field.name) for x in told])


def solved(side: Sequence[Tree], others: Sequence[Sequence[Tree]], known: Find) -> Iterator[tuple[Numbers, Made]]:
    """A number that stands alone on a side, or as the one term of a sum that is not known, from the other sides."""
    terms = list(terms_of(side))
    unknown = [n for n, term in enumerate(terms) if expression(term, known) is None]
    if len(unknown) != 1 or not isinstance(terms[unknown[0]][0], Number):
        return
    for other in others:
        total = expression(other, known)
        if total is None:
            continue
        for n, term in enumerate(terms):
            if n != unknown[0]:
                part = expression(term, known)
                assert part is not None
                total = (["sub", [total, part]], 1.0)
        yield numbers_of(terms[unknown[0]]), total
        return


def terms_of(side: Sequence[Tree]) -> Iterator[Sequence[Tree]]:
    """The terms of a sum, at each place."""
    inputs = inputs_of(side, ("add",))
    if inputs is None:
        yield side
        return
    for part in inputs:
        yield from terms_of(part)


def expression(side: Sequence[Tree], known: Find) -> Made | None:
    """A side in numbers as a page works it out; None where it has letters, or a number that is not known."""
    if isinstance(side[0], Number):
        numbers = numbers_of(side)
        if len(set(numbers)) == 1:
            return ["number", numbers[0]], 1.0
        return known(numbers) or origin(side, known)
    inputs = inputs_of(side, ARITHMETIC)
    if inputs is None:
        return None
    parts = [expression(part, known) for part in inputs]
    if any([part is None for part in parts]):
        return None
    assert isinstance(side[0], Applied)
    return [side[0].name, parts], 1.0


def origin(numbers: Sequence[Tree], known: Find) -> Made | None:
    """What a number says that it was computed from, as a page works it out."""
    found = [x.origin for x in numbers if isinstance(x, Number) and isinstance(x.origin, Tree)]
    return expression(found, known) if len(found) == len(numbers) else None


def inputs_of(side: Sequence[Tree], names: Sequence[str]) -> list[Sequence[Tree]] | None:
    """What one of some operations is applied to, at each place; None where another is."""
    first = side[0]
    if not isinstance(first, Applied) or first.name not in names:
        return None
    found = [x.inputs for x in side if isinstance(x, Applied) and x.name == first.name]
    return list(zip(*found, strict=True)) if len(found) == len(side) else None


def numbers_of(side: Sequence[Tree]) -> Numbers:
    return tuple([float(x.value) for x in side if isinstance(x, Number)])
