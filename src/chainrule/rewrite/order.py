"""The order in which terms of a sum and factors of a product are written."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any

from chainrule.core.term import Term, forward_order, name_of
from chainrule.rewrite.rewriting import Number, Rewriting, own_power

PRODUCTS = ("mul", "div", "matmul", "outer")
SEEN_THROUGH = ("neg", "reshape", "transpose", "broadcast_to")
"""What stands around a factor."""

DEEPEST = 12
"""Terms of more operations inside each other are not opened to find their place."""

WIDEST = 64
"""Terms with more parts at one depth are not opened to find their place."""


def degree_of(x: Any, way: Rewriting) -> float:
    """How high a power a term is in its symbols; it orders the terms of a sum."""
    if not isinstance(x, Term) or x.number is not None:
        return 0.0
    if x.op is None:
        return 1.0
    if x not in way.degrees:
        way.degrees[x] = 1.0
        name = x.op.name
        power = own_power(x)
        inner = [degree_of(y, way) if y in way.degrees or depth_is_small(y, way) else 1.0 for y in x.inputs]
        if power is not None:
            way.degrees[x] = inner[0] * float(power[1])
        elif name in ("mul", "matmul", "outer"):
            way.degrees[x] = sum(inner)
        elif name == "div":
            way.degrees[x] = inner[0] - inner[1]
        elif name in ("add", "sub", "neg", "reshape", "transpose", "broadcast_to", "sum"):
            way.degrees[x] = max(inner)
    return way.degrees[x]


def key_of(x: Any, way: Rewriting) -> str:
    """A short text that orders terms of one degree; it does not open what lies deep."""
    if not isinstance(x, Term):
        return repr(x)
    if x.op is None:
        place = way.places.get(x.label)
        return f"{place:09d}" if place is not None else place_of(x.label) if x.label else "~"
    if x not in way.keys:
        way.keys[x] = "~"
        inner = ",".join([key_of(y, way) if depth_is_small(y, way) else "~" for y in x.inputs])
        way.keys[x] = inner[:80] if x.op.name in ("reshape", "broadcast_to") else f"{inner[:80]} {x.op.name}"
    return way.keys[x]


def symbols_in_order(term: Any) -> tuple[str, ...]:
    """The symbols of a formula as its writer has them: as they stand in its products, then as they are met; O(parts).

    >>> from chainrule.core.term import symbol
    >>> from chainrule.rewrite.order import symbols_in_order
    >>> x, k = symbol("x"), symbol("k")
    >>> symbols_in_order(x + k * x)
    ('k', 'x')
    """
    parts = forward_order([term])
    met = {x.label: i for i, x in enumerate(x for x in parts if x.op is None and x.label)}
    inside = {id(y) for x in parts if name_of(x) in PRODUCTS for y in x.inputs if name_of(y) in PRODUCTS}
    after: dict[str, set[str]] = {label: set() for label in met}
    for x in parts:
        if name_of(x) in PRODUCTS and id(x) not in inside:
            factors = factors_of(x)
            for one, next_one in pairwise(factors):
                after[one].add(next_one)
    waiting = dict.fromkeys(met, 0)
    for later in after.values():
        for label in later:
            waiting[label] += 1
    found: list[str] = []
    free = [(met[label], label) for label, count in waiting.items() if not count]
    left = dict(waiting)
    while left:
        # Where products contradict each other, what is met first goes first.
        _, label = heappop(free) if free else min([(met[label], label) for label in left])
        if left.pop(label, None) is None:
            continue
        found.append(label)
        for later in after[label]:
            if later in left:
                left[later] -= 1
                if not left[later]:
                    heappush(free, (met[later], later))
    return tuple(found)


def factors_of(product: Term) -> list[str]:
    """The symbols among the factors of a product, powers of them too, each where it stands first."""
    found: dict[str, None] = {}
    waiting: list[Any] = [product]
    while waiting:
        x = waiting.pop()
        if not isinstance(x, Term):
            continue
        if name_of(x) in PRODUCTS:
            waiting += reversed(x.inputs)
        elif name_of(x) in SEEN_THROUGH or own_power(x) is not None:
            waiting.append(x.inputs[0])
        elif x.op is None and x.label:
            found[x.label] = None
    return list(found)


def place_of(label: str) -> str:
    """A label by which symbols are sorted: Greek letters come first, and numbers by their size."""
    number = label[: len(label) - len(label.lstrip("0123456789"))]
    if number:
        return f"{int(number):09d}{label[len(number) :]}"
    return f" {label}" if "α" <= label[0] <= "ω" else label


def depth_is_small(x: Any, way: Rewriting) -> bool:
    if not isinstance(x, Term):
        return True
    if x not in way.shallow:
        level: list[Any] = [x]
        for _ in range(DEEPEST):
            level = list({y: None for z in level for y in z.inputs if isinstance(y, Term)})
            if not level or len(level) > WIDEST:
                break
        way.shallow[x] = not level
    return way.shallow[x]


def sorted_powers(powers: Mapping[Term, Number], way: Rewriting) -> list[tuple[Term, Number]]:
    """Factors in the order they are written: symbols, then functions, then sums."""
    if len(powers) < 2:
        return list(powers.items())

    def order(entry: tuple[Term, Number]) -> tuple[int, str]:
        base = entry[0]
        while name_of(base) == "broadcast_to":
            base = base.inputs[0]
        return 0 if base.op is None else 2 if name_of(base) in ("add", "sub") else 1, key_of(base, way)

    return sorted(powers.items(), key=order)
