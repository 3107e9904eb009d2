"""How a rewriting goes: which of the optional laws it follows, and which laws it has used so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.core.term import Term, constant, name_of

Number = Fraction | float

LAWS = {
    "constants": "What is made of numbers alone is worked out.",
    "like terms": "Terms of a sum that differ in their number alone become one, and numbers are added up.",
    "powers": "Equal factors of a product become one power, and numbers are multiplied out.",
    "numbers in front": "A number or scalar factor passes through a linear operation and stands in front of it.",
    "product of matrices": "A product of matrices may be bracketed in any way; a row times a column is a number.",
    "transpose": "The transpose of a product is the product of the transposes, in reverse order.",
    "inverse": "A matrix and its inverse cancel; the inverse of a product or transpose is taken apart.",
    "shapes": "Shaping and repeating entries changes no number, and steps that undo each other are left out.",
    "sum of a product": "The sum over the products of two vectors' entries is their dot product.",
    "sum": "A sum over copies is a multiple; sums over some axes and then the others are one sum.",
    "trace": "A trace does not change when the factors are turned round in a circle.",
    "diagonal": "A diagonal matrix scales the rows or columns that it meets.",
    "common factor": "A factor that several terms share is taken out of their sum.",
    "one fraction": "Fractions are brought over one denominator.",
    "distribution": "A product with a sum is the sum of the products.",
    "choice": "A condition that is known chooses one branch.",
    "unit vector": "The dot product with a unit vector is an entry.",
    "shares": "The shares of a softmax add up to 1.",
    "known function": "A formula that the book has under a name is called by it.",
}
"""The laws built into the normal form, by name; `patterns` has those that are a pattern and its replacement."""
NO_NUMBER = "no number"
"""What is noted where a part has none whatever its letters are, as 1/(0x): of what is defined nowhere no law holds."""


HALF = Fraction(1, 2)


MOST_FRACTIONS = 16
"""Different entries of a constant that are looked at one by one."""


MOST_DISTRIBUTIONS = 200
"""Products of sums that one rewriting writes out: nested ones double the terms each time."""


class Rewriting:
    """The options of one rewriting and the names of the laws that it used, in order.

    It also remembers which options would have mattered: a term that never asks for one is the same with and without it.
    """

    def __init__(
        self,
        options: frozenset[str] = frozenset(),
        collect: Callable[..., Any] | None = None,
        places: Mapping[str, int] | None = None,
    ) -> None:
        self.options = options
        self.collect = collect
        self.places = places or {}
        """Where symbols stand among others, by name; the rest is sorted by name behind them."""
        self.asked: set[str] = set()
        self.distributions = MOST_DISTRIBUTIONS
        self.keeps_products = False
        """Whether what is built now stays a product where it could be written out."""
        self.used: dict[str, None] = {}
        self.large: set[Any] = set()
        self.keys: dict[Any, str] = {}
        self.degrees: dict[Any, float] = {}
        self.shallow: dict[Any, bool] = {}

    def plainly(self) -> Rewriting:
        """A way without options, for parts that are put together and not searched; it shares what is known of terms."""
        plain_way = Rewriting(places=self.places)
        plain_way.keys, plain_way.degrees, plain_way.shallow = self.keys, self.degrees, self.shallow
        return plain_way

    def takes(self, option: str) -> bool:
        """Whether an option is taken where it matters."""
        self.asked.add(option)
        return option in self.options

    def may_distribute(self) -> bool:
        """Whether another product of sums may be written out."""
        if self.keeps_products:
            return False
        self.distributions -= 1
        return self.takes("expand") and self.distributions >= 0

    def note(self, law: str) -> None:
        self.used[law] = None


def exact(x: Any) -> Number:
    """A number as a fraction where a short one is exactly it in floating point, else as it is."""
    if isinstance(x, Fraction):
        short = abs(x.numerator) < 2**53 and x.denominator < 10**6
        return x if short else float(x)
    return of_double(float(x))


@lru_cache(maxsize=4096)
def of_double(x: float) -> Number:
    """The same of a number in double precision."""
    if not np.isfinite(x) or abs(x) >= 2**53:
        return x
    near = Fraction(x).limit_denominator(1000)
    return near if float(near) == x else x


def in_fractions(array: Any) -> Any:
    """Numbers that are a short fraction but for the rounding of their steps as that fraction: 1/3 in every row."""
    found, places = np.unique(array, return_inverse=True)
    if found.size > MOST_FRACTIONS or not np.all(np.isfinite(found)):
        return array
    near = np.array([float(Fraction(x).limit_denominator(1000)) for x in found.tolist()])
    return np.where(np.abs(near - found) <= 4 * np.spacing(np.abs(found)), near, found)[places].reshape(array.shape)


def plain(x: Number) -> int | float:
    """A number as a term takes it in: whole numbers as int."""
    return int(x) if isinstance(x, Fraction) and x.denominator == 1 else float(x)


def raised(x: Number, exponent: Number) -> Number:
    if exponent == 1:
        return x
    if isinstance(x, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1 and abs(exponent) <= 64:
        if x or exponent > 0:
            return exact(x ** int(exponent))
    with np.errstate(all="ignore"):
        found = np.float64(float(x)) ** float(exponent)
    if not isinstance(x, Fraction) and exponent in (2, -2) and np.isfinite(found):
        # What was a root, as 1/√2, gives its fraction again, where the square of the double is a digit off.
        near = Fraction(float(found)).limit_denominator(100)
        if abs(float(near) - found) <= 4 * np.finfo(float).eps * abs(found):
            return near
    return exact(found)


def number_times(x: Number, y: Number) -> Number:
    """A product of two numbers; of a root and itself its square."""
    if x == 1 or y == 1:
        return y if x == 1 else x
    if not isinstance(x, Fraction) and abs(x) == abs(y):
        square = raised(abs(x), Fraction(2))
        return square if (x < 0) == (y < 0) else -square
    return exact(x * y)


def is_whole(x: Number) -> bool:
    return isinstance(x, Fraction) and x.denominator == 1


def as_number(x: Any) -> Number | None:
    """The number that a plain number or a constant with equal entries stands for; None for anything else."""
    if not isinstance(x, Term):
        return exact(x)
    if x.number is None or not x.number.size:
        return None
    first = x.number.flat[0]
    return exact(first) if (x.number == first).all() else None


def as_term(x: Any) -> Term:
    """A plain number as a constant; a term as it is."""
    return x if isinstance(x, Term) else constant(x)


def own_power(x: Any) -> tuple[Any, Number] | None:
    """The base and exponent of a term that is a power with a number for exponent."""
    name = name_of(x)
    if name == "square":
        return x.inputs[0], Fraction(2)
    if name == "sqrt":
        return x.inputs[0], HALF
    if name == "reciprocal":
        return x.inputs[0], Fraction(-1)
    if name == "pow":
        exponent = as_number(x.inputs[1])
        if exponent is None and name_of(x.inputs[1]) == "broadcast_to":
            exponent = as_number(x.inputs[1].inputs[0])
        return None if exponent is None else (x.inputs[0], exponent)
    return None
