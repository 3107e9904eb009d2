r"""What a formula comes to: the LaTeX that this package prints, read back and computed."""

# Rules take and give whatever NumPy makes of numbers and arrays.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import numpy as np

from chainrule.core.operation import Pointwise
from chainrule.errors import ChainruleError
from latex_oracle.calls import written_as
from latex_oracle.reader import read
from latex_oracle.trees import (
    Call,
    Fence,
    Fraction,
    Index,
    Matrix,
    Name,
    Number,
    Prefix,
    Relation,
    Root,
    Script,
    Series,
    Sign,
    Tree,
)

__all__ = ["compute", "magnitude_of", "read", "value_of"]

ABSENT = (Name(r"\text{none}"), Name(r"\mathrm{None}"))
"""How a setting that was left out is written, as in a clip without an upper limit."""

LARGEST = {r"\max": np.max, r"\min": np.min}
"""Of the entries of one array; of two numbers they are rules of the book."""

CONSTANTS = {"e": np.e, r"\pi": np.pi, r"\infty": np.inf, r"\text{nan}": np.nan}


number_of: ContextVar[Any] = ContextVar("number_of", default=np.float64)
"""What a numeral is read as: a double, or a number that does not overflow."""


def value_of(latex: str) -> Any:
    r"""What a formula of numbers comes to: a float, or a matrix as an array.

    >>> from latex_oracle.value import value_of
    >>> value_of(r"\left(-18\right) \cdot 0.5 \cdot \frac{4}{2}")
    -18.0
    >>> value_of(r"\begin{pmatrix} 1 & 2 \end{pmatrix}^{\top} \odot \begin{pmatrix} 3 \\ 4 \end{pmatrix}")
    array([[3.],
           [8.]])
    """
    with np.errstate(all="ignore"):
        found = compute(read(latex))
    return found if np.ndim(found) else float(found)


def magnitude_of(latex: str) -> Any:
    """What each entry would come to if nothing in sums cancelled: rounding is a small share of this."""
    with np.errstate(all="ignore"):
        size = np.asarray(magnitude(read(latex)), dtype=float)
    return np.where(np.isfinite(size), size, 0.0)


def magnitude(tree: Tree) -> Any:
    """The sizes of terms added up, and of factors multiplied."""
    match tree:
        case Sign(_, inner) | Fence("(" | "", (inner,), _):
            return magnitude(inner)
        case Series(operands, operators):
            total = magnitude(operands[0])
            for sign, operand in zip(operators, operands[1:], strict=True):
                total = combined("+" if sign == "-" else sign, total, magnitude(operand))
            return total
        case Fraction(above, below):
            return np.divide(magnitude(above), np.abs(compute(below)))
        case Prefix(Name(r"\sum"), inner):
            return np.sum(magnitude(inner))
        case Script(base, None, Name(r"\top")):
            return np.transpose(magnitude(base))
        case Matrix(rows):
            return np.array([[magnitude(entry) for entry in row] for row in rows], dtype=float)
        case _:
            return np.abs(compute(tree))


def compute(tree: Tree) -> Any:
    """The number or array of a tree without unknowns."""
    match tree:
        case Number(text):
            return number_of.get()(text)
        case Sign(sign, inner):
            return -compute(inner) if sign == "-" else compute(inner)
        case Series(operands, operators):
            return in_series([compute(operand) for operand in operands], operators)
        case Prefix(Name(r"\sum" | r"\prod") | Script(Name(r"\prod")), _):
            return of_all(tree)
        case Fraction(above, below):
            return np.divide(compute(above), compute(below))
        case Root(inner):
            return np.sqrt(compute(inner))
        case Script(Name("e"), None, above) if above is not None:
            return np.exp(compute(above))
        case Script(Fence(r"\lVert") as length, Name(), above):
            return compute(length if above is None else Script(length, None, above))
        case Script(base, None, above) if above is not None:
            return power(compute(base), above)
        case Fence(opening, (inner,), _):
            number = compute(inner)
            return np.abs(number) if opening in ("|", r"\lvert") else norm(number) if opening == r"\lVert" else number
        case Relation(sides, signs):
            return truth([compute(side) for side in sides], signs)
        case Call():
            return called(tree)
        case Matrix() | Index(Matrix()):
            return in_rows(tree)
        case Name(latex) if latex in CONSTANTS:
            return np.float64(CONSTANTS[latex])
        case _:
            raise ChainruleError(f"internal error, please report it: a formula of numbers holds {tree}")


def of_all(tree: Prefix) -> Any:
    """The sum of all entries, or the product of those that run."""
    if isinstance(tree.sign, Name):
        return (np.sum if tree.sign.latex == r"\sum" else np.prod)(compute(tree.inner))
    sign, inner = tree.sign, tree.inner
    if not isinstance(sign, Script) or not isinstance(inner, Script) or sign.below != inner.below:
        raise ChainruleError(f"internal error, please report it: a formula of numbers holds {tree}")
    return np.prod(compute(inner.base))


def in_rows(tree: Any) -> Any:
    """A matrix, one of its rows, or cases; of a column a row is an entry, as of the vector that it is written for."""
    if isinstance(tree, Index):
        rows = in_rows(tree.base)
        return rows[tuple([int(compute(place)) for place in tree.places])].squeeze()
    if any(Name(r"\text{else}") in row for row in tree.rows):
        (value, condition), (otherwise, _) = tree.rows
        return np.where(compute(condition), compute(value), compute(otherwise))
    return np.array([[compute(entry) for entry in row] for row in tree.rows], dtype=float)


def in_series(numbers: list[Any], operators: tuple[str, ...]) -> Any:
    """Terms or factors in a row, worked out from the left.

    Factors of very different sizes are multiplied mantissa by mantissa, since the engine, which may have multiplied
    them from the other end, need not have met an overflow on the way.
    """
    total = numbers[0]
    for sign, x in zip(operators, numbers[1:], strict=True):
        total = combined(sign, total, x)
    if np.ndim(total) or len(numbers) < 3 or not set(operators) <= {"", r"\,", r"\cdot", r"\times", r"\odot"}:
        return total
    if any([np.ndim(x) for x in numbers]) or not all(map(np.isfinite, numbers)) or 1e-290 < abs(total) < np.inf:
        return total
    mantissa, power = np.float64(1), 0
    for x in numbers:
        mantissa, shift = np.frexp(mantissa * np.frexp(x)[0])
        power += int(shift) + int(np.frexp(x)[1])
    return np.ldexp(mantissa, max(min(power, 5000), -5000))


def combined(sign: str, x: Any, y: Any) -> Any:
    """Two operands and what stands between them."""
    if sign == "+":
        return x + y
    if sign == "-":
        return x - y
    if sign in ("/", r"\oslash"):
        return np.divide(x, y)
    if sign == r"\otimes":
        return np.outer(x, y)
    if sign in ("", r"\,") and np.ndim(x) and np.ndim(y):
        return x @ y
    return x * y


def power(base: Any, above: Tree) -> Any:
    """A transpose, the inverse of a matrix, or a power of each entry."""
    if above == Name(r"\top"):
        return np.transpose(base)
    if above == Sign("-", Name(r"\top")):
        return np.linalg.inv(np.transpose(base))
    if isinstance(above, Prefix):
        return np.power(base, compute(above.inner))
    exponent = compute(above)
    return np.linalg.inv(base) if np.ndim(base) == 2 and exponent == -1 else np.power(base, exponent)


def norm(x: Any) -> Any:
    """The Euclidean length."""
    return np.sqrt(np.sum(np.square(x)))


def truth(sides: list[Any], signs: tuple[str, ...]) -> Any:
    """Iverson's bracket: 1 where the relations hold, 0 elsewhere."""
    holds = {"=": np.equal, "<": np.less, ">": np.greater, r"\le": np.less_equal, r"\ge": np.greater_equal}
    holds[r"\ne"] = np.not_equal
    pairs = zip(sides[:-1], signs, sides[1:], strict=True)
    return np.logical_and.reduce([holds[sign](x, y) for x, sign, y in pairs]) * np.float64(1)


LOGARITHMS: dict[Tree | None, Any] = {Number("2"): np.log2, Number("10"): np.log10}


def called(call: Call) -> Any:
    """A rule of the book, or with a prime its derivative, on numbers."""
    if call.function == r"\ln" and isinstance(inner := call.arguments[0], Call) and inner.function == r"\sigma":
        # In two steps σ of a large number is rounded to 1.
        return -np.logaddexp(0.0, -compute(inner.arguments[0]))
    arguments = [None if x in ABSENT else compute(x) for x in call.arguments]
    if call.function in LARGEST and len(arguments) == 1:
        return LARGEST[call.function](arguments[0])
    if call.function == r"\operatorname{diag}":
        return np.diagflat(np.asarray(arguments[0]))
    below = call.below.latex if isinstance(call.below, Name) else None if call.below is None else "*"
    if call.function == r"\log" and call.below in LOGARITHMS:
        return LOGARITHMS[call.below](arguments[0])
    written = written_as(call.function, below)
    if written is None or call.primes > 1:
        raise ChainruleError(f"internal error, please report it: nothing computes {call.function} of numbers")
    rule = written.rule
    given = dict(zip(written.slots, arguments, strict=not rule.variadic))
    settings = {name: x for name, x in given.items() if name in rule.defaults}
    if written.setting and call.below is not None:
        settings[written.setting] = compute(call.below)
    inputs = [x for name, x in given.items() if name not in rule.defaults]
    settings = rule.complete(settings)
    out = rule.function(*inputs, **settings)
    if not call.primes:
        return out
    assert isinstance(rule, Pointwise)
    return rule.partial(0, out, inputs, settings)
