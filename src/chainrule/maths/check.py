"""Every side of an equation, worked out with the digits that it shows, before anybody sees it.

Sides that differ are a fault of this package. A side that is not finite has no equals sign beside a number: what is
undefined there is named instead, by its innermost part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np

from chainrule.core.operation import Linear, Pointwise
from chainrule.core.state import Quiet
from chainrule.maths.as_plain import plain
from chainrule.maths.numerals import DIGITS, FULL
from chainrule.maths.tree import (
    COMPARISONS,
    Applied,
    Environment,
    Matrix,
    Number,
    Relation,
    Sigma,
    Tree,
    all_parts,
    computed,
    has_letters,
    has_part,
    innermost_first,
    inputs_of,
    parts,
)
from chainrule.maths.values import Values, is_finite

ROUNDING = 1e-9
"""How far sides with letters or all digits may be apart, relative to their numbers."""

SMALLEST = float(np.finfo(float).tiny)
"""The smallest double that has all its digits."""

EPSILON = 2.0**-52
"""One rounding of a double, relative to it."""
ROUNDINGS = 5
AMPLIFIED = 100
"""The engine's own way to a number may have so many times the rounding of the shorter one that is printed."""
LEFT = 1e-14
"""What may be left of terms that cancel out, relative to the largest letter, without a word about it."""
NOTHING = 1e-12
"""What is left of terms that cancel out, relative to the largest of them, may be rounding below this."""


NEARLY = 1e4
"""Terms so many times larger than their sum nearly cancel out."""


SINGLE = 2.0**-23
"""One rounding in single precision, in which a program may have compared what a page has in double."""
POSITIVE = ("exp", "exp2", "sigmoid")
"""What is 0 nowhere."""
NEVER_0 = (*POSITIVE, "mul", "div", "pow", "square")
"""What is 0 nowhere, or only where what it is made of is, so that another 0 is too small a number."""


ADDS = ("add", "sub", "sum_of")
CANCELS = frozenset((*ADDS, "mul", "matmul", "sum", "outer", "dot_of", "div", "neg", "transpose"))
"""Operations on what may be a sum that cancels out."""


@dataclass(frozen=True)
class Undefined:
    """The innermost part that is not finite although its inputs are, and what it gives where."""

    part: Applied
    at: tuple[float, ...]
    gives: float


@dataclass(frozen=True)
class Different:
    """Two sides of an equation that are not the same."""

    side: Tree
    gives: Any
    result: Any
    allowed: Any = 0.0
    """How far apart the digits that are shown let them be."""

    def __str__(self) -> str:
        """Which side gives what."""
        return f"{plain(self.side)} gives {self.gives}, and not {self.result}"


def check(chain: Relation, environment: Environment, *, digits: int = DIGITS) -> Undefined | Different | None:
    """None where all sides of a chain of equations come to the same; else what is undefined, or which side differs.

    Numbers are right to one unit of the last of `digits` places; with all digits, and for letters, up to rounding.
    """
    with Quiet():
        return judged(chain, Values(environment), digits, 0.0)


def judged(chain: Relation, values: Values, digits: int, floor: float) -> Undefined | Different | None:
    """The same with the values that are known already; `floor` is what rounding may be where sums cancelled out."""
    *sides, last = chain.sides
    if not all([is_finite(values.of(side)) for side in chain.sides]):
        for side in chain.sides:
            found = undefined(side, values)
            if found is not None:
                return found
    result, shown = values.array(last), floor + SMALLEST + place_shown(last, digits) * (1 + 1e-9)
    allowed = shown + loose(last, result, values) if sides and has_letters(last) else shown
    for side in sides:
        ours = values.array(side)
        if alike(ours, result, allowed):
            continue
        is_loose = digits >= FULL or has_letters(side)
        if is_loose and alike(ours, result, allowed + loose(side, result, values)):
            continue
        if not vanishes(side, values):
            return Different(side, ours, result, shown)
    return None


def amplifies(chain: Relation, found: Different, values: Values) -> bool:
    """Whether sides differ by no more than rounding at each of their steps makes of one of them, entry by entry.

    Numbers of very different sizes, and matrices that are nearly singular, leave few digits to be compared.
    """
    if np.size(found.gives) != np.size(found.result):
        return False
    moved = np.zeros(np.shape(found.result))
    with Quiet():
        for side in chain.sides:
            moved = np.maximum(moved, rounding_of(side, values).reshape(moved.shape))
    apart = np.abs(found.gives.reshape(moved.shape) - found.result)
    return bool(np.all(apart <= found.allowed + moved + ROUNDING * np.abs(found.result)))


def rounding_of(tree: Tree, values: Values) -> Any:
    """How far a formula may be off, entry by entry, if every letter and every step of it is off by a rounding."""
    random, before = np.random.default_rng(0), values.array(tree)
    moved = np.zeros(np.shape(before))
    for _ in range(ROUNDINGS):
        after = np.asarray(rounded(tree, values, random), dtype=float)
        # A matrix that a rounding makes singular has no inverse: then any difference is rounding.
        moved = np.maximum(moved, np.nan_to_num(np.abs(after - before), nan=np.inf).reshape(moved.shape))
    return AMPLIFIED * moved


def moved_by_rounding(
    slope: Callable[[Mapping[Any, Any], Callable[[Any], Any]], Any], point: Mapping[Any, Any]
) -> float:
    """How far a derivative may be off when every number at a point is off by a rounding.

    `slope` is given the point and a function that rounds what it computes on its way, entry by entry.
    """
    random = np.random.default_rng(0)

    def at(share: float) -> Any:
        # In a matrix each entry is rounded as the largest is: eliminations mix them.
        most = {x: np.max(np.abs(v), initial=0.0) for x, v in point.items()}
        near = {x: v + share * most[x] * signs(np.shape(v), random) for x, v in point.items()}
        return slope(near, lambda v: v * (1.0 + share * signs(np.shape(v), random)))

    here = at(0.0)
    moved = [np.nan_to_num(np.abs(at(EPSILON) - here), nan=np.inf) for _ in range(ROUNDINGS)]
    return AMPLIFIED * float(np.max(moved, initial=0.0))


def loses_all_digits(chain: Relation, values: Values) -> bool:
    """Whether some side cancels out so far that no digit is left of a result that is none of its rounding."""
    result = values.array(chain.sides[-1])
    for side in chain.sides[:-1]:
        ours = values.array(side)
        if are_numbers(ours, result) and abs(ours - result) < abs(result):
            continue
        if ours.size != result.size:
            continue
        apart = np.abs((ours if ours.shape == result.shape else ours.reshape(result.shape)) - result)
        is_lost = (result != 0) & (apart >= np.abs(result))
        if np.any(is_lost) and has_letters(side) and np.all(np.isfinite(ours)):
            if np.any(is_lost & (apart > LEFT * largest_in(side, values))):
                return True
    return False


def left_by_rounding(result: float, size: float) -> int:
    """How many digits of a number are its own, where rounding took some of those of terms of this size."""
    if not result or abs(result) >= size / NEARLY or not np.isfinite(size):
        return FULL
    return int(np.floor(np.log10(abs(result)) - np.log10(size) - np.log10(2 * EPSILON)))


def digits_after_cancelling(chain: Relation, values: Values) -> int:
    """How many digits of a number are its own, where terms of its formula cancel out."""
    *sides, last = chain.sides
    result = values.of(last)
    if np.ndim(result) or not result or not is_finite(result):
        return FULL
    sizes = [float(np.max(magnitude(x, values), initial=0.0)) for x in sides if has_letters(x)]
    return left_by_rounding(float(result), max(sizes, default=0.0))


def digits_after_elimination(chain: Relation, values: Values, digits: int) -> int:
    """How many digits of a result, of those that are shown, rounding leaves where rows were eliminated on the way."""
    *sides, last = chain.sides
    sides = [x for x in sides if eliminates(x)]
    if not sides or not is_finite(result := values.array(last)):
        return digits
    moved = np.max([np.reshape(rounding_of(x, values), np.shape(result)) for x in sides], axis=0) / AMPLIFIED
    if np.all(moved <= SMALLEST + place_shown(last, digits) + ROUNDING * np.max(np.abs(result), initial=0.0)):
        return digits
    own = np.abs(result[result != 0]) / np.maximum(moved[result != 0], SMALLEST)
    return int(np.floor(np.log10(np.clip(np.min(own, initial=np.inf), 0.1, 10.0**digits))))


def largest_in(tree: Tree, values: Values) -> float:
    """The largest number or letter in a formula, and 1."""
    found = [
        x.value if isinstance(x, Number) else values.environment.get(getattr(x, "whole", x)) for x in leaves_of(tree)
    ]
    return max([1.0, *[float(np.max(np.abs(x), initial=0.0)) for x in found if x is not None]])


def leaves_of(tree: Tree) -> Iterator[Tree]:
    return (x for x in all_parts(tree, of_the_same) if not of_the_same(x))


def compared_undefined(tree: Tree, values: Values) -> tuple[Applied, Undefined] | None:
    """A comparison with what is not defined, which does not hold, and what is not."""
    if not has_part(tree, lambda x: isinstance(x, Applied) and x.name in COMPARISONS):
        return None
    for part, at in everywhere(tree, values):
        if part.name in COMPARISONS:
            for x in part.inputs:
                if np.any(np.isnan(at.array(x))) and (found := undefined(x, at)) is not None:
                    return part, found
    return None


def ties(tree: Tree, values: Values) -> bool:
    """Whether a formula compares numbers that are the same but for rounding, be it that of single precision."""
    for part, at in everywhere(tree, values):
        if part.name in COMPARISONS:
            x, y = map(at.array, part.inputs)
            if np.any(np.abs(x - y) <= 2 * SINGLE * np.maximum(np.abs(x), np.abs(y))):
                return True
    return False


def rounded(tree: Tree, values: Values, random: np.random.Generator) -> Any:
    """What a tree comes to if every letter and every step is off by a rounding."""
    found: dict[int, Any] = {}
    for x in innermost_first(tree, lambda x: id(x) in found, computed_in):
        if isinstance(x, Applied):
            # A letter is off by another rounding wherever it stands.
            given = [found[id(y)] if isinstance(y, Applied) else off(values.of(y), random) for y in x.inputs]
            if not isinstance(x.operation, Pointwise | Linear):
                # An elimination of rows mixes entries: each is rounded as the largest is.
                given = [
                    y + np.max(np.abs(y), initial=0.0) * random.uniform(-EPSILON, EPSILON, np.shape(y)) for y in given
                ]
            out = computed(x.operation, given, x.given)
        else:
            out = values.of(x)
        found[id(x)] = off(out, random)
    return found[id(tree)]


def off(x: Any, random: np.random.Generator) -> Any:
    """A number, or each in an array, by one rounding larger or smaller."""
    return x * (1 + EPSILON * signs(np.shape(x), random))


def signs(shape: tuple[int, ...], random: np.random.Generator) -> Any:
    """Ones of either sign, drawn one independently of the other where there is one at a time, too."""
    return np.where(random.random(shape) < 0.5, -1.0, 1.0)


def computed_in(tree: Tree) -> tuple[Tree, ...]:
    return tuple([x for x in inputs_of(tree) if isinstance(x, Applied)])


def vanishes(tree: Tree, values: Values) -> bool:
    """Whether a product of what is not 0 is too small for a number, on the way from factor to factor."""
    for part, at in everywhere(tree, values):
        if part.name == "mul" and np.any(at.of(part) == 0):
            given = np.broadcast_arrays(*map(at.of, part.inputs))
            if np.any((at.of(part) == 0) & np.all(given, axis=0)):
                return True
    return False


def loose(side: Tree, result: Any, values: Values) -> Any:
    """How far another way to the same number may be from a side, entry by entry: more where its terms cancel out."""
    return ROUNDING * np.abs(result) + AMPLIFIED * EPSILON * size_of(side, result, values)


def size_of(side: Tree, result: Any, values: Values) -> Any:
    """What a side would come to if nothing in it cancelled, entry by entry where the result has its shape."""
    size = magnitude(side, values)
    return size if np.shape(size) in ((), result.shape) else np.max(size, initial=0.0)


def as_written(formula: Tree, number: Any, environment: Environment) -> Any:
    """The number of a formula, where the engine's may be what rounding left of terms that cancel out.

    What has no letters is that number whatever the values are, where there is one. Entries that are next to nothing
    beside the terms they are made of are those that the formula has.
    """
    with Quiet():
        values = Values(environment)
        ours = values.array(formula)
        if ours.size not in (1, np.size(number)) or not np.all(np.isfinite(ours)):
            return number
        ours = np.broadcast_to(ours if ours.size == 1 else ours.reshape(np.shape(number)), np.shape(number))
        if not has_letters(formula):
            return np.where(np.isfinite(number), ours, number)[()]
        size = size_of(formula, ours, values)
        # An elimination of rows mixes entries: what it leaves of one is small beside the largest.
        nothing = NOTHING * (np.max(size, initial=0.0) if eliminates(formula) else size)
        return np.where((np.abs(ours) <= np.abs(number)) & (np.abs(number) <= nothing), ours, number)[()]


def eliminates(tree: Tree) -> bool:
    return has_part(tree, lambda x: isinstance(x, Applied) and x.name in ("inv", "solve", "det"))


def are_numbers(x: Any, y: Any) -> bool:
    return isinstance(x, float) and isinstance(y, float)


def alike(x: Any, y: Any, allowed: Any) -> bool:
    """Whether two results agree; a vector is the column that it is printed as, a matrix of one entry a number."""
    if are_numbers(x, y):
        most = allowed if isinstance(allowed, float) else np.max(allowed, initial=0.0)
        return bool(abs(x - y) <= most) or x == y or (isnan(x) and isnan(y))
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape:
        if x.size != y.size or (max(x.ndim, y.ndim) > 2 and x.size > 1):
            return False
        x = x.reshape(y.shape)
    allowed = (
        np.broadcast_to(allowed, y.shape) if np.size(allowed) == 1 or np.shape(allowed) == y.shape else np.max(allowed)
    )
    near = np.abs(x - y) <= allowed
    return bool(np.all(near) or np.all(near | (x == y) | (np.isnan(x) & np.isnan(y))))


def everywhere(tree: Tree, values: Values) -> Iterator[tuple[Applied, Values]]:
    """All operations inside a tree, inner ones first, and what their letters stand for: in a sum once for each term."""
    for x in all_parts(tree, of_the_same):
        if isinstance(x, Applied):
            yield x, values
        elif isinstance(x, Sigma):
            for at in values.terms(x):
                yield from everywhere(x.body, at)


def of_the_same(tree: Tree) -> tuple[Tree, ...]:
    """The parts of a tree in which letters stand for what they do in it."""
    return () if isinstance(tree, Sigma) else parts(tree)


def undefined(tree: Tree, values: Values) -> Undefined | None:
    """The first part, inner ones first, whose inputs are finite and which is not."""
    for part, at in everywhere(tree, values):
        out = at.array(part)
        if is_finite(out):
            continue
        given = list(map(at.array, part.inputs))
        if all(map(is_finite, given)):
            return next(filter(None, [lost_below(x, at) for x in part.inputs]), None) or undefined_at(part, given, out)
    return None


def undefined_at(part: Applied, given: Sequence[Any], out: Any) -> Undefined:
    """An operation that is not finite, with the first of its places where that is so."""
    place = tuple(np.argwhere(~np.isfinite(out))[0])
    try:
        at = tuple([float(x[place]) for x in np.broadcast_arrays(*given, out)[:-1]])
    except (TypeError, ValueError, IndexError):  # inputs that do not broadcast, or have no entries
        at = tuple([float(x.ravel()[0]) for x in given if x.size])
    return Undefined(part, at, float(out[place]))


def lost_below(tree: Tree, values: Values) -> Undefined | None:
    """A number that is none of the zeros of its formula, but too small to be told from one."""
    if not isinstance(tree, Applied) or tree.shape or tree.name not in NEVER_0 or values.of(tree) != 0:
        return None
    # A net's letter that is one number stands for a matrix of one entry.
    given = [float(values.array(x).item()) for x in tree.inputs if not x.shape]
    first = given if tree.name == "mul" else given[:1]
    if len(given) != len(tree.inputs) or (tree.name not in POSITIVE and 0 in first):
        return None
    return Undefined(tree, tuple(given), 0.0)


def place_shown(tree: Tree, digits: int) -> Any:
    """One unit of the last digit that a printed result shows, entry by entry."""
    if isinstance(tree, Number):
        return last_place(tree, digits)
    if isinstance(tree, Matrix):
        return np.array([[place_shown(x, digits) for x in row] for row in tree.rows]).reshape(tree.shape)
    return 0.0


def last_place(number: Number, digits: int = DIGITS) -> float:
    """One unit of the last of so many digits; trailing zeros are not printed and count. 0 for fractions and exceptions.

    A whole number that is written out says its ones, however few the digits.

    >>> from chainrule.maths import Number
    >>> from chainrule.maths.check import last_place
    >>> last_place(Number("2.5")), last_place(Number("0")), last_place(Number("1000"), 2)
    (1e-05, 1e-06, 1.0)
    """
    text = number.text.lstrip("-")
    if "/" in text or not text[0].isdigit():
        return 0.0
    if number.value == 0:
        return 10.0**-digits
    shown = len(text.partition("e")[0].replace(".", "").strip("0"))
    place = float(10.0 ** (np.floor(np.log10(abs(number.value))) - max(digits, shown) + 1))
    return min(place, 1.0) if text.isdigit() else place


def magnitude(tree: Tree, values: Values) -> Any:
    """What a side would come to if nothing in it cancelled: rounding is a small share of that."""
    if not terms_of(tree):
        return np.abs(values.of(tree))
    found: dict[int, Any] = {}
    for x in innermost_first(tree, lambda x: id(x) in found, terms_of):
        if not (terms := terms_of(x)):
            found[id(x)] = np.abs(values.of(x))
            continue
        assert isinstance(x, Applied)
        sizes = [found[id(y)] for y in terms]
        if x.name in ADDS:
            found[id(x)] = sum(sizes[1:], sizes[0])
        elif x.name == "div":
            found[id(x)] = sizes[0] / np.abs(values.of(x.inputs[1]))
        else:
            found[id(x)] = np.abs(computed(x.operation, sizes, x.given))
    return found[id(tree)]


def terms_of(tree: Tree) -> tuple[Tree, ...]:
    """What of a tree may cancel out in it."""
    if not isinstance(tree, Applied) or tree.name not in CANCELS:
        return ()
    return tree.inputs[:1] if tree.name == "div" else tree.inputs
