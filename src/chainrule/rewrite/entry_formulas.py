"""Single entries of formulas for whole arrays, in the letters of the entries that they are made of.

Only what an entry is made of is looked at, so one entry of a large product costs as many steps as it has terms. Where
zeros and ones meet on the way they vanish, and what is left is what a person would write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import neg
from typing import Any

import numpy as np

from chainrule.core.operation import Linear, Operation, Pointwise, book
from chainrule.core.term import Term, as_places, plain_number
from chainrule.errors import GraphError

Place = tuple[int, ...]

MOST = 2_000
"""Entries that one entry is made of: a formula of more is not read."""


class EntryFormulas:
    """The entries of terms: `letter` gives that of a symbol at a place, and `numbers` what the symbols stand for.

    >>> import numpy as np
    >>> from chainrule.core.term import symbol
    >>> from chainrule.maths import plain
    >>> from chainrule.maths.of_terms import tree_of_term
    >>> from chainrule.rewrite.entry_formulas import EntryFormulas
    >>> A, x = symbol("A", (2, 2)), symbol("x", (2,))
    >>> numbers = {A: np.eye(2), x: np.ones(2)}
    >>> entries = EntryFormulas(lambda x, place: symbol(x.label + "".join(map(str, place))), numbers)
    >>> plain(tree_of_term(entries.at(A @ x, (1,))))
    'A10*x0 + A11*x1'
    """

    def __init__(self, letter: Callable[[Term, Place], Any], numbers: Mapping[Term, Any]) -> None:
        self.letter = letter
        self.numbers = dict(numbers)
        self.found: dict[tuple[Term, Place], Any] = {}
        self.most = MOST

    def at(self, x: Any, place: Place) -> Any:
        """An entry: a term, or a number where no letter is in it; GraphError for what has no formula of its own."""
        self.most = len(self.found) + MOST
        return self.entry(x, place)

    def entry(self, x: Any, place: Place) -> Any:
        if not isinstance(x, Term):
            return float(x)
        if x.number is not None:
            return float(x.number[place])
        if (x, place) not in self.found:
            if len(self.found) == self.most:
                raise GraphError(f"an entry that is made of more than {MOST:,} others has no formula to be read")
            self.found[x, place] = self.letter(x, place) if x.op is None else self.made(x, place)
        return self.found[x, place]

    def made(self, x: Term, place: Place) -> Any:
        op, moving = x.op, [i for i, _ in x.edges if self.has_letters(x.inputs[i])]
        assert op is not None
        if not moving:
            return float(np.asarray(self.number(x))[place])
        if isinstance(op, Pointwise):
            return pointwise(op, [self.entry(y, place) for y in x.inputs], x.settings)
        count = len(x.inputs)
        # What a rule calls linear and reads its own input for is linear in its other inputs alone.
        if not isinstance(op, Linear) or any([i in op.reads(i, count)[1] for i in moving]):
            raise GraphError(f"an entry of {op.name} has no formula of its own")
        given = [as_places(self.number(y)) if i in op.flat else self.number(y) for i, y in enumerate(x.inputs)]
        terms = self.products(x, one_hot(x.shape, place), given, moving)
        return reduce(plus, [times(coefficient, entry) for coefficient, entry in terms], 0.0)

    def products(self, x: Term, g: Any, given: list[Any], moving: Sequence[int]) -> Iterator[tuple[Any, Any]]:
        """An entry of a linear operation as a sum: pairs whose products add up to it.

        `g` is 1 at the entry and 0 elsewhere: what the rule hands back of it are the coefficients. Where several inputs
        have letters, each entry of the first that takes part is a coefficient of the others.
        """
        op: Any = x.op
        first, *others = moving
        if op.jointly or not others:
            # Numbers that are put together with letters are terms of the sum too.
            for i in [i for i in range(len(x.inputs)) if i not in op.flat] if op.jointly else moving:
                coefficients = np.asarray(op.pull(i, g, None, given, x.settings))
                yield from [(float(coefficients[q]), self.entry(x.inputs[i], q)) for q in spots(coefficients != 0)]
            return
        general = [in_general_position(y, i) if i in others else y for i, y in enumerate(given)]
        for q in spots(np.asarray(op.pull(first, g, None, general, x.settings)) != 0):
            alone = [one_hot(np.shape(y), q) if i == first else y for i, y in enumerate(given)]
            for coefficient, entry in self.products(x, g, alone, others):
                yield times(coefficient, self.entry(x.inputs[first], q)), entry

    def has_letters(self, x: Any) -> bool:
        if not isinstance(x, Term) or x.number is not None:
            return False
        return x.op is None or any([self.has_letters(y) for _, y in x.edges])

    def number(self, x: Any) -> Any:
        if not isinstance(x, Term) or x.number is not None:
            return plain_number(x)
        if x not in self.numbers:
            assert x.op is not None
            self.numbers[x] = x.op(*[self.number(y) for y in x.inputs], **x.settings)
        return self.numbers[x]


def pointwise(op: Operation, entries: list[Any], settings: dict[str, Any]) -> Any:
    if op.name in ARITHMETIC:
        return ARITHMETIC[op.name](*entries)
    found = op(*entries, **settings)
    return found if isinstance(found, Term) else float(found)


def plus(x: Any, y: Any) -> Any:
    return y if is_number(x, 0) else x if is_number(y, 0) else x - y.inputs[0] if is_turned(y) else x + y


def minus(x: Any, y: Any) -> Any:
    return plus(x, -y)


def times(x: Any, y: Any) -> Any:
    """A product without zeros and ones."""
    for one, other in ((x, y), (y, x)):
        if is_number(one, 0):
            return 0.0
        if is_number(one, 1) or is_number(one, -1):
            return other if one == 1 else -other
    return x * y


def over(x: Any, y: Any) -> Any:
    """A quotient without zeros and ones."""
    return x if is_number(x, 0) or is_number(y, 1) else x / y


ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": plus,
    "sub": minus,
    "mul": times,
    "div": over,
    "neg": neg,
    "chosen": times,
}
"""Operations in which zeros and ones vanish."""


def is_number(x: Any, number: float) -> bool:
    """Whether something is this very number, and no letter."""
    return not isinstance(x, Term) and x == number


def is_turned(x: Any) -> bool:
    return isinstance(x, Term) and x.op is book["neg"]


def in_general_position(x: Any, place: int) -> Any:
    """Other numbers in the same shape, none of them 0 or alike, and others for each `place` among the inputs."""
    draw = np.random.default_rng(place)
    return draw.uniform(0.5, 1.5, np.shape(x)) if np.asarray(x).dtype.kind == "f" else x


def one_hot(shape: tuple[int, ...], place: Place) -> Any:
    out = np.zeros(shape)
    out[place] = 1.0
    return out


def spots(flags: Any) -> list[Place]:
    return [tuple(place) for place in np.argwhere(flags).tolist()]
