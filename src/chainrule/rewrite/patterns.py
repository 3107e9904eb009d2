"""Laws that are a pattern and what to write instead, both as functions of the book on wildcards.

A law holds for all numbers for which its pattern is defined. A wildcard stands for any term; `add` and `mul` match in
either order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from chainrule.core.operation import Pointwise
from chainrule.core.term import Term, frozen, name_of, replay, shape_of, symbol
from chainrule.rewrite.rewriting import as_number, plain
from chainrule.rules.linear import transpose
from chainrule.rules.matrix import det, inv, logabsdet
from chainrule.rules.pointwise import abs as size_of
from chainrule.rules.pointwise import (
    asin,
    atan,
    cos,
    cosh,
    equal,
    erf,
    exp,
    expm1,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    log1p,
    maximum,
    minimum,
    not_equal,
    share,
    sigmoid,
    sin,
    sinh,
    softplus,
    sqrt,
    tan,
    tanh,
)
from chainrule.rules.pointwise import pow as power
from chainrule.rules.reductions import log_softmax, softmax

EITHER_ORDER = ("add", "mul")
SHARES = "The exponential undoes the logarithm of shares."


class Law(NamedTuple):
    """A pattern, its replacement, and the number of axes that its wildcards must have (None for any)."""

    name: str
    pattern: Callable[..., Any]
    replacement: Callable[..., Any]
    axes: int | None = None


PATTERNS = (
    Law("The logarithm undoes the exponential.", lambda x: log(exp(x)), lambda x: x),
    Law("The exponential undoes the logarithm.", lambda x: exp(log(x)), lambda x: x),
    Law(SHARES, lambda x: exp(log_softmax(x)), softmax),
    Law(SHARES, lambda x: exp(log_softmax(x, axis=0)), lambda x: softmax(x, axis=0)),
    Law(SHARES, lambda x: exp(log_softmax(x, axis=1)), lambda x: softmax(x, axis=1), 2),
    Law("log1p undoes expm1.", lambda x: log1p(expm1(x)), lambda x: x),
    Law("What has no power has no part.", share, lambda x, power: x),
    Law("The logarithm of 1 + e^x is softplus.", lambda x: log(exp(x) + 1), softplus),
    Law("The logarithm of 1 + e^x is softplus.", lambda x: log1p(exp(x)), softplus),
    Law("The logarithm of a sigmoid is a softplus.", lambda x: log(sigmoid(x)), lambda x: -softplus(-x)),
    Law("The root of a square is the absolute value.", lambda x: sqrt(power(x, 2)), size_of),
    Law("An absolute value has no sign to lose.", lambda x: size_of(size_of(x)), size_of),
    Law("The absolute value is even.", lambda x: size_of(-x), size_of),
    Law("The absolute value's square is the square.", lambda x: power(size_of(x), 2), lambda x: power(x, 2)),
    Law("The cosine is even.", lambda x: cos(-x), cos),
    Law("The hyperbolic cosine is even.", lambda x: cosh(-x), cosh),
    Law("The sine is odd.", lambda x: sin(-x), lambda x: -sin(x)),
    Law("The tangent is odd.", lambda x: tan(-x), lambda x: -tan(x)),
    Law("The arc sine is odd.", lambda x: asin(-x), lambda x: -asin(x)),
    Law("The arc tangent is odd.", lambda x: atan(-x), lambda x: -atan(x)),
    Law("The hyperbolic sine is odd.", lambda x: sinh(-x), lambda x: -sinh(x)),
    Law("The hyperbolic tangent is odd.", lambda x: tanh(-x), lambda x: -tanh(x)),
    Law("The error function is odd.", lambda x: erf(-x), lambda x: -erf(x)),
    Law("A condition is 1 or 0 already.", lambda x, y: not_equal(greater(x, y), 0), greater),
    Law("A condition is 1 or 0 already.", lambda x, y: not_equal(greater_equal(x, y), 0), greater_equal),
    Law("A condition is 1 or 0 already.", lambda x, y: not_equal(less(x, y), 0), less),
    Law("A condition is 1 or 0 already.", lambda x, y: not_equal(less_equal(x, y), 0), less_equal),
    Law("A number is equal to itself.", lambda x: equal(x, x), lambda x: 1),
    Law("A number is equal to itself.", lambda x: greater_equal(x, x), lambda x: 1),
    Law("A number is equal to itself.", lambda x: less_equal(x, x), lambda x: 1),
    Law("A number is equal to itself.", lambda x: not_equal(x, x), lambda x: 0),
    Law("A number is equal to itself.", lambda x: greater(x, x), lambda x: 0),
    Law("A number is equal to itself.", lambda x: less(x, x), lambda x: 0),
    Law("The larger of a thing and itself is the thing.", lambda x: maximum(x, x), lambda x: x),
    Law("The smaller of a thing and itself is the thing.", lambda x: minimum(x, x), lambda x: x),
    Law("The inverse of the inverse is the matrix.", lambda x: inv(inv(x)), lambda x: x, 2),
    Law("Inverse and transpose change places.", lambda x: inv(transpose(x)), lambda x: transpose(inv(x)), 2),
    Law("A matrix and its transpose have one determinant.", lambda x: det(transpose(x)), det, 2),
    Law("A matrix and its transpose have one determinant.", lambda x: logabsdet(transpose(x)), logabsdet, 2),
    Law(
        "The determinant of the inverse is the inverse of the determinant.",
        lambda x: det(inv(x)),
        lambda x: 1 / det(x),
        2,
    ),
    Law("The inverse turns the sign of a log-determinant.", lambda x: logabsdet(inv(x)), lambda x: -logabsdet(x), 2),
)


class Traced(NamedTuple):
    """A law on symbols: the wildcards, and both of its sides as terms."""

    law: Law
    wildcards: list[Term]
    pattern: Term
    replacement: Any


@cache
def traced() -> dict[str, list[Traced]]:
    """Every law by the operation that its pattern begins with."""
    found: dict[str, list[Traced]] = {}
    for law in PATTERNS:
        names = inspect.signature(law.pattern).parameters
        wildcards = [symbol(name, (2,) * (law.axes or 0)) for name in names]
        pattern = law.pattern(*wildcards)
        found.setdefault(pattern.op.name, []).append(Traced(law, wildcards, pattern, law.replacement(*wildcards)))
    return found


def replaced(term: Any) -> tuple[Any, str] | None:
    """What the first law that fits makes of a term, and the law's name."""
    for law, wildcards, pattern, replacement in traced().get(name_of(term), ()):
        found: dict[Term, Any] = {}
        if matches(pattern, term, found):
            if law.axes is None or all(len(shape_of(found[x])) == law.axes for x in wildcards):
                return replay([replacement], found)[0], law.name
    return None


def matches(pattern: Any, x: Any, found: dict[Term, Any]) -> bool:
    """Whether a term has a pattern's form; what the wildcards stand for is added to `found`. Patterns are shallow."""
    if not isinstance(pattern, Term):
        return as_number(x) == as_number(pattern)
    if pattern.op is None:
        return found.setdefault(pattern, x) is x
    if pattern.op.name == "neg" and name_of(x) == "mul":
        number = as_number(x.inputs[0])
        return number is not None and number < 0 and matches(pattern.inputs[0], plain(-number) * x.inputs[1], found)
    if name_of(x) != pattern.op.name or frozen(x.settings) != frozen(pattern.settings):
        return False
    inputs = x.inputs
    if isinstance(pattern.op, Pointwise) and pattern.op.name in EITHER_ORDER:
        before = dict(found)
        if all_match(pattern.inputs, inputs, found):
            return True
        found.clear()
        found.update(before)
        inputs = inputs[::-1]
    return all_match(pattern.inputs, inputs, found)


def all_match(patterns: tuple[Any, ...], inputs: tuple[Any, ...], found: dict[Term, Any]) -> bool:
    return all(matches(part, x, found) for part, x in zip(patterns, inputs, strict=True))
