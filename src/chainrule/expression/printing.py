"""Terms as text that `parse` reads back to the same term."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from chainrule.core.operation import book, compositions
from chainrule.core.term import Term
from chainrule.expression.term_calls import Call, bare, is_identity, name_of, written_bottom_up

SUM, PRODUCT, MATMUL, SIGN, POWER, ATOM = range(6)
SIGNS = {"add": SUM, "sub": SUM, "mul": PRODUCT, "div": PRODUCT, "matmul": MATMUL, "pow": POWER}
"""How tightly the signs of Python bind; what they look like stands in the book."""

COMPARISONS = ("greater", "greater_equal", "less", "less_equal")
"""They are typed with their signs where they are a condition, and called by name anywhere else."""


def text_of(term: Any) -> str:
    """A term as text such as ``2*outer(W @ x + b - y, x)``, which `parse` reads back; O(length).

    Raises GraphError for a formula that is too long to read. What `parse` has no words for, such as an array of numbers
    or a list of indices, is written as Python would.

    >>> from chainrule.core.term import symbol
    >>> from chainrule.expression.printing import text_of
    >>> W, x = symbol("W", (3, 2)), symbol("x", (2,))
    >>> text_of(2 * (W @ x) - W[:, 0])
    '2*(W @ x) - W[:, 0]'
    """
    written: dict[Any, tuple[str, int]] = {}

    def part(x: Any) -> tuple[str, int]:
        return written[x] if isinstance(x, Term) else number_text(x)

    def write(x: Term, call: Call | None) -> None:
        written[x] = leaf_text(x) if call is None else call_text(call, part)

    written_bottom_up(term, write, lambda x: len(written[x][0]))
    return part(term)[0]


def leaf_text(x: Term) -> tuple[str, int]:
    """A symbol or a constant."""
    if x.number is None:
        return x.label, ATOM
    if not x.shape:
        return number_text(int(x.number) if float(x.number).is_integer() else float(x.number))
    if is_identity(x.number):
        return f"eye({len(x.number)})", ATOM
    return f"array({x.number.tolist()})", ATOM


def number_text(x: Any) -> tuple[str, int]:
    """A number with all its digits; a short fraction as such."""
    fraction = Fraction(x).limit_denominator(1000) if np.isfinite(x) else Fraction(0)
    if (fraction.denominator > 10 and float(fraction) == x) or fraction.denominator in (3, 6, 7, 9):
        if float(fraction) == x and len(repr(float(x))) > 8:
            return f"{fraction.numerator}/{fraction.denominator}", PRODUCT
    text = repr(float(x)) if isinstance(x, float | np.floating) else repr(int(x))
    return text, SIGN if text.startswith("-") else ATOM


def call_text(call: Call, part: Callable[[Any], tuple[str, int]]) -> tuple[str, int]:
    """A call as text: with its sign where Python has one."""
    parts = [part(x) for x in call.inputs]
    if call.name == "transpose" and call.settings.get("axes") is None:
        return f"{within(parts[0], ATOM)}.T", ATOM
    if call.name == "index":
        return f"{within(parts[0], ATOM)}[{key_text(call.settings['key'])}]", ATOM
    if call.name == "where" and name_of(call.inputs[0]) in COMPARISONS:
        parts[0] = comparison_text(call.inputs[0], part), ATOM
    if call.name == "chosen" and name_of(call.inputs[1]) in COMPARISONS:
        return f"where({comparison_text(call.inputs[1], part)}, {parts[0][0]}, 0)", ATOM
    if call.name == "neg":
        return f"-{within(parts[0], SIGN)}", SIGN
    binds = SIGNS.get(call.name)
    if binds is not None:
        sign = book[call.name].symbol
        tight = call.name in ("mul", "div", "pow")
        left, right = (ATOM, SIGN) if binds == POWER else (binds, SIGN if binds > SUM else PRODUCT)
        if binds == PRODUCT and parts[0][1] == MATMUL:
            left = SIGN
        between = sign if tight else f" {sign} "
        return f"{within(parts[0], left)}{between}{within(parts[1], right)}", binds
    shown = [text for text, _ in parts]
    shown += [f"{name}={setting_text(value)}" for name, value in own_settings(call).items()]
    return f"{call.name}({', '.join(shown)})", ATOM


def comparison_text(x: Term, part: Callable[[Any], tuple[str, int]]) -> str:
    """A comparison as the condition of where."""
    left, right = [within(part(bare(y, x)), SUM) for y in x.inputs]
    return f"{left} {book[name_of(x)].symbol} {right}"


def own_settings(call: Call) -> dict[str, Any]:
    """The settings that are not the defaults."""
    if call.name not in book or call.name in compositions:
        return {name: value for name, value in call.settings.items() if value is not None and value is not False}
    defaults = book[call.name].defaults
    return {name: value for name, value in call.settings.items() if repr(value) != repr(defaults[name])}


def within(piece: tuple[str, int], needs: int) -> str:
    """A piece of text, in parentheses where it binds more loosely than its place needs."""
    return piece[0] if piece[1] >= needs else f"({piece[0]})"


def setting_text(x: Any) -> str:
    """A setting as it is typed."""
    if isinstance(x, tuple):
        return f"({', '.join(map(setting_text, x))}{',' if len(x) == 1 else ''})"
    if isinstance(x, np.ndarray):
        return repr(x.tolist())
    return getattr(x, "__name__", None) or repr(x)


def key_text(key: Any) -> str:
    """An index as it stands between square brackets."""
    if isinstance(key, tuple):
        return ", ".join(map(key_text, key))
    if isinstance(key, slice):
        ends = [("" if end is None else repr(end)) for end in (key.start, key.stop)]
        return ":".join([*ends, repr(key.step)] if key.step is not None else ends)
    return setting_text(key)
