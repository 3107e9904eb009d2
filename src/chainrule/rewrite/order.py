"""The order in which terms of a sum and factors of a product are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.core.term import Term, name_of
from chainrule.rewrite.rewriting import Number, Rewriting, own_power

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
        return place_of(x.label) if x.label else "~"
    if x not in way.keys:
        way.keys[x] = "~"
        inner = ",".join([key_of(y, way) if depth_is_small(y, way) else "~" for y in x.inputs])
        way.keys[x] = inner[:80] if x.op.name in ("reshape", "broadcast_to") else f"{inner[:80]} {x.op.name}"
    return way.keys[x]


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
        return 0 if base.op is None else 2 if name_of(base) in ("add", "sub") else 1, key_of(base, way)

    return sorted(powers.items(), key=order)
