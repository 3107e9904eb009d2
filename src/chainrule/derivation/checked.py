"""A page before anybody sees it: every side of every equation on it, worked out with what its symbols stand for.

Sides that differ are a fault of this package. A side that is not finite never stands beside an equals sign: the formula
stays, and words say what in it is not defined, and where.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.operation import Linear, Pointwise
from chainrule.core.state import Quiet
from chainrule.derivation.equations import NOT_FINITE, NOT_TAKEN, TOO_FEW_DIGITS, together
from chainrule.derivation.record import Block, Equation, rebuilt, trees_in
from chainrule.derivation.words import Words, listed, said, text_of
from chainrule.errors import ChainruleError
from chainrule.maths import (
    Derivative,
    Different,
    Matrix,
    Number,
    Relation,
    Sigma,
    Symbol,
    Tree,
    Undefined,
    numeral,
    plain,
)
from chainrule.maths.check import (
    amplifies,
    compared_undefined,
    digits_after_cancelling,
    digits_after_elimination,
    is_finite,
    judged,
    loses_all_digits,
    magnitude,
    ties,
    undefined,
)
from chainrule.maths.numerals import DIGITS
from chainrule.maths.precise import vanishes_precisely
from chainrule.maths.tree import LETTERS, all_parts, equation, has_letters, parts
from chainrule.maths.values import Values, running_in

CANCELLED = "its terms cancel out, of which rounding leaves too few digits"
"""What is said where the terms of one side are so large that their rounding is all of the result."""


TIED = "rounding decides here which of two equal numbers is larger"
"""What is said where a program compared in single precision what is the same number in double."""


TOO_LARGE = ("add", "sub", "mul", "div", "reciprocal", "pow", "square", "exp", "exp2", "expm1", "sinh", "cosh")
"""What gives an infinity, but for a division by 0, where its result is finite and too large."""

WORKED_OUT = (Equation, Tree)
"""What of a page comes to numbers."""


class Checking:
    """Checks a page: words take the place of equations that do not hold here because something is not defined.

    Sides may be `floor` apart: what rounding leaves of sums that cancel out. `digits` are those of numbers in words;
    an equation has its own. `rounding_of` tells how far the engine's number for a letter may be off, and `left_over`
    which entries of it are nothing else: these are seen as 0. What stands on a page in several places is worked out
    once. Of terms that cancel out, all the letters of which are `given`, it is known whether nothing is left of them.
    """

    def __init__(
        self,
        environment: Mapping[Tree, Any],
        floor: float = 0.0,
        digits: int = DIGITS,
        rounding_of: Callable[[Tree, Any], float] = lambda letter, number: 0.0,
        left_over: Callable[[Tree, Any], Any] = lambda letter, number: np.False_,
        given: Container[Tree] = (),
    ) -> None:
        self.values = Values(environment)
        self.floor = floor
        self.digits = digits
        self.rounding_of = rounding_of
        self.left_over = left_over
        self.given = given
        self._found: dict[int, tuple[Any, Any]] = {}
        self._letters: dict[int, tuple[Tree, tuple[tuple[Tree, frozenset[str]], ...]]] = {}
        self._numbers: dict[tuple[Tree, frozenset[str]], Any] = {}

    def among(self, environment: Mapping[Tree, Any]) -> Checking:
        """The same where letters have these numbers."""
        return Checking(environment, self.floor, self.digits, self.rounding_of, self.left_over, self.given)

    def of(self, blocks: Sequence[Block]) -> tuple[Block, ...]:
        """The same blocks as they may be seen. O(what is new).

        Raises ChainruleError for sides that differ by more, which is a fault of this package.
        """
        with Quiet():
            return tuple([rebuilt(block, self._seen) for block in blocks])

    def _seen(self, x: Any) -> Any:
        """What is seen of an equation or a formula; None for what these may be in."""
        if not isinstance(x, WORKED_OUT):
            return None
        if id(x) not in self._found:
            self._found[id(x)] = x, self._checked(x)
        return self._found[id(x)][1]

    def _checked(self, x: Equation | Tree) -> Equation | Tree:
        values = self.values
        if isinstance(x, Equation):
            chain = sides_said_to_be_equal(x)
            return self._equation(x, chain) if self.has_numbers(chain) else self._without_left_over(x, chain)
        if isinstance(x, Relation) and self.has_numbers(x):
            # An equation within a sentence, whose numbers have the usual digits on any page; of one that rounding
            # decides its left side stays.
            found = judged(x, values, min(self.digits, DIGITS), self.floor)
            if isinstance(found, Different) and any([ties(side, values) for side in x.sides]):
                return x.sides[0]
            refuse(found, x)
        return x

    def _equation(self, part: Equation, chain: Relation) -> Equation:
        """An equation that holds, or its formula and what in it is not defined."""
        values = self.values
        found = judged(chain, values, part.digits, self.floor)
        if isinstance(found, Undefined):
            return self._without_left_over(not_defined(part, found, values), chain)
        finite = [is_finite(values.of(side)) for side in chain.sides]
        if len(finite) > 1 and not all(finite):
            if finite[-1] and part.numbers and part.note and not has_no_value(chain.sides[0], values):
                # The engine has a number, and the note says why a product of its factors is none.
                sides = tuple([side for side, has_number in zip(chain.sides, finite, strict=True) if has_number])
                return replace(part, sides=sides, numbers=min(part.numbers, len(sides)), signs=())
            return without_numbers(part, why_not_finite(chain, values))
        if isinstance(found, Different):
            if any([ties(side, values) for side in chain.sides]):
                return without_numbers(part, TIED)
            if amplifies(chain, found, values) or self._is_rounding(chain, found):
                return without_numbers(part, TOO_FEW_DIGITS)
            # A side may come back from beyond the numbers that a computer has, as 1/x² does from a large x.
            beyond = filter(None, [undefined(side, values) for side in chain.sides if has_letters(side)])
            if (lost := next(beyond, None)) is not None:
                return not_defined(part, lost, values)
        refuse(found, chain)
        left = digits_after_elimination(chain, values, part.digits)
        if left < 1 or (left < part.digits and part.numbers > 1) or loses_all_digits(chain, values):
            return without_numbers(part, TOO_FEW_DIGITS)
        own = digits_after_cancelling(chain, values)
        if own < 1 or self._is_lost(chain):
            has = [": the computer has ", part.sides[-1]] if part.numbers else []
            return without_numbers(part, said(CANCELLED, *has))
        if part.numbers == 1:
            left = min(left, own)
        if left < part.digits:
            part = replace(part, sides=(*part.sides[:-1], in_digits(part.sides[-1], left)), digits=left)
        part = self._without_left_over(part, chain)
        told = [compared_undefined(side, values) for side in chain.sides if self._letters_of(side)]
        compared = next(filter(None, told), None)
        if compared is None or len(chain.sides) == 1:
            return part
        words = said(words_of(compared[1]), ", so ", compared[0], " does not hold")
        return replace(part, note=together(part.note, words))

    def _without_left_over(self, part: Equation, chain: Relation) -> Equation:
        """An equation with 0 for entries of its result that are only what rounding left of what cancels out."""
        name, last = chain.sides[0], chain.sides[-1]
        if not isinstance(name, Derivative) or not isinstance(last, Matrix) or not part.numbers:
            return part
        if not self.has_numbers(Relation((name, last), ("=",))):
            return part
        numbers, shown = [np.asarray(self.values.of(x), dtype=float) for x in (name, last)]
        left = np.ravel(self.left_over(name, numbers))
        if numbers.size != shown.size or not np.any(left & (np.ravel(shown) != 0)):
            return part
        entries = iter(left.tolist())
        rows = tuple([tuple([Number("0") if next(entries) else x for x in row]) for row in last.rows])
        words = left_in_entries(np.ravel(numbers)[left])
        sides = (*part.sides[:-1], Matrix(rows, last.shape))
        return replace(part, sides=sides, note=together(part.note, words))

    def _is_lost(self, chain: Relation) -> bool:
        """Whether terms do not cancel out where the computer has nothing but a 0 of them."""
        *sides, last = chain.sides
        if last.shape or self.values.of(last) != 0:
            return False
        terms = [x for x in sides if has_letters(x) and np.any(magnitude(x, self.values))]
        return any([vanishes_precisely(x, self.values.environment, self.given) is False for x in terms])

    def _is_rounding(self, chain: Relation, found: Different) -> bool:
        """Whether two sides differ by no more than the engine's own numbers of them may be off."""
        if np.size(found.gives) != np.size(found.result):
            return False
        apart = np.abs(np.ravel(found.gives) - np.ravel(found.result)) - np.ravel(found.allowed)
        return float(np.max(apart, initial=0.0)) <= max(
            [self.rounding_of(x, found.gives) for x in all_parts(chain.sides[0])]
        )

    def has_numbers(self, tree: Tree) -> bool:
        """Whether everything in it has a number here: no law that holds for any layer, nor what is too large to build.

        A symbol that is neither is a fault.
        """
        sides = tree.sides if isinstance(tree, Relation) else (tree,)
        return all(self._number(*letter) is not None for side in sides for letter in self._letters_of(side))

    def numbers_of_letters(self, blocks: Sequence[Block]) -> Iterator[tuple[Tree, Any]]:
        """The letters of some blocks that stand for numbers, each once, with these."""
        seen: set[Tree] = set()
        environment = self.values.environment
        for tree in trees_in(blocks):
            for letter, _ in self._letters_of(tree):
                if letter not in seen:
                    seen.add(letter)
                    number = None if is_running(letter) else environment.get(letter)
                    if number is not None:
                        yield letter, number

    def _letters_of(self, tree: Tree) -> tuple[tuple[Tree, frozenset[str]], ...]:
        """The letters of a formula, which is kept, since it is known by its identity."""
        if id(tree) not in self._letters:
            self._letters[id(tree)] = tree, tuple(letters_in(tree))
        return self._letters[id(tree)][1]

    def _number(self, letter: Tree, running: frozenset[str]) -> Any:
        """What a letter stands for; None for what is general, or not built, and a letter for an entry of a sum."""
        key = letter, running
        if key not in self._numbers:
            if is_general(letter, running):
                self._numbers[key] = None
            elif is_running(letter):
                self._numbers[key] = letter
            else:
                try:
                    self._numbers[key] = self.values.environment[letter]
                except KeyError:
                    problem = f"internal error, please report it: {plain(letter)} stands for nothing on its page"
                    raise ChainruleError(problem) from None
        return self._numbers[key]


def left_in_entries(numbers: Any) -> Words:
    """What is said of entries that are 0, for which the computer has these numbers."""
    most = numeral(float(np.max(np.abs(numbers))), 3)
    return said("up to rounding: the computer has numbers up to ", most, " for what is 0")


def has_no_value(name: Tree, values: Values) -> bool:
    """Whether it is a name, and one of what has no number here."""
    return isinstance(name, Derivative | Symbol) and not is_finite(values.of(name))


def why_not_finite(chain: Relation, values: Values) -> Words:
    """Why a derivative has no number where its formula may have one: what has no value has no slope."""
    above = chain.sides[0]
    while isinstance(above, Derivative):
        above = above.above
    has_formula = any(map(has_letters, chain.sides[1:]))
    if above is chain.sides[0] or not has_formula or is_finite(values.of(above)):
        return NOT_FINITE[0]
    return said("holds where ", above, " is finite, which it is not here")


def sides_said_to_be_equal(part: Equation) -> Relation:
    """The sides of an equation; a colon says what is worked out for something, and not that it is that."""
    start = len(part.between) - part.between[::-1].index(":") if ":" in part.between else 0
    return Relation(tuple(part.sides[start:]), part.between[start:])


def refuse(found: Undefined | Different | None, chain: Relation) -> None:
    """An equation that is false must not be seen."""
    if isinstance(found, Different):
        raise ChainruleError(f"internal error, please report it: {plain(chain)} does not hold: {found}")


def not_defined(part: Equation, found: Undefined, values: Values) -> Equation:
    """The formula with what is not defined in it; where the engine has a number all the same, its convention."""
    last = part.sides[-1]
    has_number = not has_letters(last) and part.numbers and is_finite(values.of(last))
    if has_number and len(part.sides) > part.numbers and not has_no_value(part.sides[0], values):
        # Where a matrix has no inverse, its determinant has a derivative all the same.
        how = "from the cofactors" if found.part.name == "inv" else "by convention"
        words = said("in steps that stay finite" if is_too_large(found) else how, ", since ", words_of(found))
        name = [part.sides[0]] if is_finite(values.of(part.sides[0])) else []
        return replace(part, sides=(*name, last), numbers=1, signs=(), note=together(part.note, words))
    return without_numbers(part, words_of(found))


def without_numbers(part: Equation, words: Words) -> Equation:
    """The sides in symbols, with words in place of the numbers."""
    symbols = tuple([side for side in part.sides if has_letters(side)]) or part.sides[:1]
    note = without_ending(part.note)
    is_said = text_of(note).endswith(text_of(words))
    return replace(part, sides=symbols, numbers=0, signs=(), note=note if is_said else together(note, words))


def in_digits(x: Tree, digits: int) -> Tree:
    """A number, or each of a matrix, in so many digits."""
    if isinstance(x, Matrix):
        return Matrix(tuple([tuple([in_digits(y, digits) for y in row]) for row in x.rows]), x.shape)
    return numeral(x.value, digits) if isinstance(x, Number) else x


def without_ending(note: Words) -> Words:
    """A note without the words that are said more exactly now."""
    *before, last = (note,) if isinstance(note, str) else note or ("",)
    if isinstance(last, str):
        for words in (*NOT_FINITE, NOT_TAKEN):
            last = last.removesuffix(words).removesuffix("; ")
    return said(*before, last)


def is_too_large(found: Undefined) -> bool:
    """Whether a part has a value that is too large for a number of the computer's, and is no division by 0."""
    divides_by_0 = found.part.name in ("div", "pow", "reciprocal") and 0 in found.at
    grows = found.part.name in TOO_LARGE or isinstance(found.part.operation, Linear)
    return bool(np.isinf(found.gives)) and grows and not divides_by_0


def words_of(found: Undefined) -> Words:
    """What is not defined and where: ``log(x) is not defined at x = −1``, ``1/x divides by 0``, ``x/x is 0/0``."""
    part, at = found.part, found.at
    if found.gives == 0:
        return said(part, " is too small for a number here")
    if part.name in ("div", "pow", "reciprocal") and 0 in at:
        above, below = (at[0], at[1]) if part.name == "div" else (1.0, at[0])
        if below == 0:
            return said(part, " is 0/0 here") if above == 0 else said(part, " divides by 0 here")
    if part.name == "inv":
        return said(part, " does not exist here: the matrix is singular")
    if not isinstance(part.operation, Pointwise):
        return said(part, " is too large for a number here" if is_too_large(found) else " is not defined here")
    places = [equation(x, numeral(number)) for x, number in zip(part.inputs, at, strict=False) if has_letters(x)]
    if not places or any([x.shape for x in part.inputs]):
        places = [numeral(number) for number in at]
    where = listed([said(place) for place in places], ", ")
    return said(part, " is too large for a number at " if is_too_large(found) else " is not defined at ", where)


def letters_in(tree: Tree) -> Iterator[tuple[Tree, frozenset[str]]]:
    """What stands for a number that is not printed, each with the letters that run there. O(parts)."""
    waiting: list[tuple[Tree, frozenset[str]]] = [(tree, frozenset())]
    seen = set[tuple[int, frozenset[str]]]()
    while waiting:
        x, running = waiting.pop()
        if isinstance(x, Number) or (id(x), running) in seen:
            continue
        seen.add((id(x), running))
        if isinstance(x, Symbol):
            yield x if is_running(x) else x.whole, running
        elif isinstance(x, LETTERS):
            yield x, running
        else:
            inner = running | {x.letter} if isinstance(x, Sigma) else running
            waiting += [(part, inner) for part in reversed(parts(x))]


def symbols_in(tree: Tree) -> Iterator[Symbol]:
    return (x for x in all_parts(tree) if isinstance(x, Symbol))


def is_running(tree: Tree) -> bool:
    """Whether it is an entry whose place is a letter."""
    if isinstance(tree, Symbol):
        return any([isinstance(i, str) for i in tree.at])
    return next(running_in(tree), None) is not None


def is_general(tree: Tree, running: frozenset[str]) -> bool:
    """Whether it is of any layer or neuron, and so of none that has numbers."""
    for symbol in symbols_in(tree):
        letters = {i for i in symbol.at if isinstance(i, str)} - running
        if letters or not LAYERS.isdisjoint((symbol.layer, *symbol.below)) or symbol.base in NAMED_LAYERS:
            return True
    return False


LAYERS = frozenset(("l", "l-1", "l+1", "L"))
"""Letters that stand for any layer."""
NAMED_LAYERS = frozenset(("nl.grad", "nl-1.grad", "nl+1.grad"))
"""The same in the names of a program."""
