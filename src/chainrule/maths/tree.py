"""What a formula means: numbers with the digits that are printed, symbols, and operations of the book on them.

Trees take operations over as every node does, so running a rule, or its derivative, on trees writes its formula down.
"""

# Settings hold what users gave, and operations are called with whatever they take.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

import numpy as np

from chainrule.core.operation import Operation, Pointwise, book, compositions
from chainrule.core.operators import Operators
from chainrule.core.stand_in import Shaped
from chainrule.core.state import Quiet
from chainrule.core.term import as_places
from chainrule.errors import GraphError
from chainrule.maths import numerals

Shape = tuple[int, ...]
Environment = Mapping[Any, Any]
"""What symbols and derivatives stand for; a symbol of an array without its indices."""

COMPARISONS = frozenset({"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"})


class Tree(Shaped, Operators):
    """Any part of a formula; operators and the functions of the book make larger ones."""

    __slots__ = ("looks", "printed", "python", "written")
    looks: Any
    """How it looks, once that was asked for; no part of what it is."""
    printed: dict[Any, Any]
    """What printers made of it, likewise."""
    python: Any
    """How Python writes it, likewise."""
    written: Any
    """The same with no more reshapes than NumPy needs, likewise."""
    shape: Shape = ()
    is_symbolic = True

    @staticmethod
    def __apply__(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        return applied(operation, *inputs, **settings)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Formulas speak of real numbers of double precision."""
        return np.dtype(np.float64)

    @property
    def T(self) -> Tree:
        return applied("transpose", self)

    def __matmul__(self, other: Any) -> Tree:
        return applied("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Tree:
        return applied("matmul", other, self)

    def __getitem__(self, key: Any) -> Tree:
        return applied("index", self, key=key)

    def __iter__(self) -> Any:
        raise TypeError("a formula has no entries to go through")

    def __bool__(self) -> bool:
        raise GraphError("a formula has no number to branch on: use where(condition, x, y)")


class Compound(Tree):
    """A part of a formula that has others in it: it is what these are, however deep they lie."""

    __slots__ = ("hashed",)
    hashed: int

    def __hash__(self) -> int:
        if hasattr(self, "hashed"):
            return self.hashed
        waiting: list[Any] = [self]
        while waiting:
            x = waiting[-1]
            if new := [part for part in parts(x) if isinstance(part, Compound) and not hasattr(part, "hashed")]:
                waiting += new
            else:
                object.__setattr__(x, "hashed", hash((type(x), what_tells(type(x))(x))))
                waiting.pop()
        return self.hashed

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other) or hash(self) != hash(other):
            return False
        waiting: list[tuple[Any, Any]] = [(self, other)]
        seen = set[tuple[int, int]]()
        while waiting:
            x, y = waiting.pop()
            if type(x) is not type(y):
                return False
            if isinstance(x, Compound):
                if (id(x), id(y)) not in seen:
                    seen.add((id(x), id(y)))
                    tells = what_tells(type(x))
                    waiting += [pair for pair in zip(tells(x), tells(y), strict=True) if pair[0] is not pair[1]]
            elif isinstance(x, tuple) and len(x) == len(y):
                waiting += [pair for pair in zip(x, y, strict=True) if pair[0] is not pair[1]]
            elif x != y:
                return False
        return True


@cache
def what_tells(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    """What gives all that tells two parts of a kind apart."""
    return all_of([f.name for f in fields(kind) if f.compare])


def all_of(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What gives the attributes of these names."""
    return attrgetter(*names) if len(names) > 1 else lambda x: tuple([getattr(x, name) for name in names])


PI = "pi"
"""The one number that has a letter in place of digits."""


@dataclass(frozen=True, slots=True)
class Number(Tree):
    """A number by its digits: ``0.25``, ``2.5e-09``, ``2/3``, ``-inf``, ``pi``. What is printed is what it is.

    Of one with as many digits as a double has the first are `shown`, and dots that say so.
    """

    text: str
    shown: str = field(default="", compare=False)
    make: Callable[[], Tree | str | None] | None = field(default=None, compare=False, repr=False)
    """What says what it was computed from, where a page has to know: no part of what it is."""

    @property
    def origin(self) -> Tree | str | None:
        """What it was computed from: a tree of numbers, or all entries of an array; None where unknown."""
        return None if self.make is None else self.make()

    @property
    def value(self) -> np.float64:
        """The number that the digits say."""
        return read_from(self.text)


@lru_cache(maxsize=4096)
def read_from(digits: str) -> np.float64:
    if digits == PI:
        return np.float64(np.pi)
    above, _, below = digits.partition("/")
    return np.float64(above) / np.float64(below) if below else np.float64(above)


class Computed(float):
    """A number with what says what it was computed from."""

    def __new__(cls, number: float, make: Callable[[], Tree | str | None]) -> Computed:
        found = super().__new__(cls, number)
        found.make = make
        return found

    make: Callable[[], Tree | str | None]

    def origin(self) -> Tree | str | None:
        """A tree of numbers, or what it is of all entries of an array, worked out once; None where unknown."""
        if not hasattr(self, "made"):
            self.made = self.make()
        return self.made


@dataclass(frozen=True, slots=True)
class Symbol(Tree):
    """A letter or a name, with what stands around it; its shape is no part of what it is.

    `below` is part of the name (the 1 of ``w1``), `at` the place of an entry, counted from 1, or letters that run.
    """

    base: str
    below: tuple[str, ...] = ()
    at: tuple[int | str, ...] = ()
    layer: str = ""
    mark: str = ""
    """hat, bar or tilde."""
    primes: int = 0
    owner: str = ""
    """Whose name it is where that matters: a user's σ is not the book's."""
    name: str = field(default="", compare=False)
    """How the program spells it."""
    shape: Shape = field(default=(), compare=False)

    @property
    def whole(self) -> Symbol:
        return self.placed(()) if self.at else self

    def placed(self, at: tuple[int | str, ...], shape: Shape = ()) -> Symbol:
        """The same with something else for the place of an entry."""
        return Symbol(self.base, self.below, at, self.layer, self.mark, self.primes, self.owner, self.name, shape)


@dataclass(frozen=True, slots=True, eq=False)
class Applied(Compound):
    """An operation on trees; settings are sorted pairs, complete with their defaults."""

    operation: Any
    """A rule of the book, or a function composed of rules."""
    inputs: tuple[Tree, ...]
    settings: tuple[tuple[str, Any], ...] = ()
    shape: Shape = field(default=(), compare=False)

    @property
    def name(self) -> str:
        return self.operation.__name__

    @property
    def given(self) -> dict[str, Any]:
        """The settings by name, as the operation takes them."""
        return {name: as_given(setting) for name, setting in self.settings}


@dataclass(frozen=True, slots=True)
class Derivative(Tree):
    """How `above` moves with `below`: a symbol of its own, whose number the engine gave."""

    above: Tree
    below: Tree
    shape: Shape = field(default=(), compare=False)
    held: tuple[Tree, ...] = ()
    """What stays as it is while `below` moves, where the derivative that goes through it is another number."""
    is_gradient: bool = field(default=False, compare=False)
    """Whether it is written with ∇."""
    is_total: bool = field(default=False, compare=False)
    """Whether nothing but `below` moves `above`, so that it is written with d in place of ∂."""


@dataclass(frozen=True, slots=True, eq=False)
class Change(Compound):
    """How far something moves, written Δx."""

    of: Tree
    shape: Shape = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Unknown(Compound):
    """A function that goes by a letter, at its inputs: σ′(z), whatever σ is. Its number is given as a symbol's is."""

    function: Symbol
    inputs: tuple[Tree, ...]
    shape: Shape = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Matrix(Compound):
    """Entries written out in rows; with one axis, a column."""

    rows: tuple[tuple[Tree, ...], ...]
    shape: Shape = ()


@dataclass(frozen=True, slots=True, eq=False)
class Sigma(Compound):
    """The sum of `body` over a letter that runs from 1 to `count`."""

    body: Tree
    letter: str
    count: int
    shape: Shape = ()


@dataclass(frozen=True, slots=True, eq=False)
class Relation(Compound):
    """A chain of equations or inequalities: every side is said to hold with the next."""

    sides: tuple[Tree, ...]
    signs: tuple[str, ...]
    """``=``, ``<``, ``<=``, ``>``, ``>=``, ``!=``, or ``~`` for about equal."""


def equation(*sides: Any) -> Relation:
    return Relation(tuple(map(tree_of, sides)), ("=",) * (len(sides) - 1))


def numeral(x: float, digits: int = numerals.DIGITS) -> Number:
    """A number in so many significant digits; the printed decimal is the number.

    >>> from chainrule.maths import numeral
    >>> [numeral(x).text for x in (-18.0, 1 / 3, 0.1 + 0.2, 2.5e-9, 12345678.9)]
    ['-18', '1/3', '0.3', '2.5e-9', '1.23457e7']
    """
    make = x.origin if isinstance(x, Computed) else None
    return Number(numerals.written(float(x), digits), make=make)


def exact(x: float) -> Number:
    """A constant of a program with all its digits, of which paper has the first.

    >>> from chainrule.maths.tree import exact
    >>> exact(0.044715).text, exact(0.41421356237309515).shown
    ('0.044715', '0.414213…')
    """
    text = numerals.in_full(float(x))
    return Number(text, numerals.first_digits(text) if numerals.has_all_digits(text) else "")


def tree_of(x: Any) -> Tree:
    """Anything that an operation may be given: trees as they are, numbers and arrays with all their digits.

    A number that is a small multiple of π, of e, or of a root or a logarithm of a whole number is written so.
    """
    if isinstance(x, Tree):
        return x
    if np.ndim(x):
        return matrix(x, exact)
    return constant(float(x)) if x else exact(float(x))  # what is kept of 0 would serve -0 too


@lru_cache(maxsize=4096)
def constant(x: float) -> Tree:
    """A number of a program by the letter or the function that it comes from, else by all its digits."""
    if (found := numerals.in_pi(x)) is not None:
        return times_pi(*found)
    if (found := numerals.in_root(x)) is not None:
        return times(found[0], applied("sqrt", Number(str(found[1]))))
    if (found := numerals.in_e(x)) is not None:
        return times(found[0], applied("exp", Number(str(found[1]))))
    if (found := numerals.in_log(x)) is not None:
        factor, of, power = found
        return (over if power < 0 else times)(factor, applied("log", Number(str(of))))
    return exact(x)


def times(factor: Fraction, x: Tree) -> Tree:
    """A multiple of something, with what divides it below."""
    if factor < 0:
        return applied("neg", times(-factor, x))
    above = x if factor.numerator == 1 else applied("mul", Number(str(factor.numerator)), x)
    return above if factor.denominator == 1 else applied("div", above, Number(str(factor.denominator)))


def over(factor: Fraction, x: Tree) -> Tree:
    """A number over something, with what divides it below."""
    return applied("div", Number(str(factor.numerator)), times(Fraction(factor.denominator), x))


def times_pi(factor: Fraction, power: float) -> Tree:
    """A multiple of a power of π, or the root of one."""
    if factor < 0:
        return applied("neg", times_pi(-factor, power))
    if power in (0.5, -0.5):
        root = math.isqrt(factor.numerator), math.isqrt(factor.denominator)
        is_square = Fraction(*root) ** 2 == factor
        outside, inside = (Fraction(*root), Fraction(1)) if is_square else (Fraction(1), factor)
        of_pi = applied("sqrt", times_pi(inside, 1))
        return times(outside, of_pi) if power > 0 else over(1 / outside, of_pi)
    pi: Tree = applied("square", Number(PI)) if power == 2 else Number(PI)
    return (over if power < 0 else times)(factor, pi)


def matrix(array: Any, written: Any) -> Matrix:
    """An array of numbers, each entry as `written` writes it."""
    numbers = np.asarray(array, dtype=float)
    if numbers.ndim > 2:
        raise GraphError(f"an array of shape {numbers.shape} has no place on paper")
    rows = numbers[:, None] if numbers.ndim == 1 else numbers
    return Matrix(tuple([tuple([written(float(x)) for x in row]) for row in rows]), numbers.shape)


def applied(operation: Any, *inputs: Any, **settings: Any) -> Applied:
    """An operation, or the name of one, on trees and numbers.

    >>> from chainrule.maths import Symbol, plain
    >>> from chainrule.maths.tree import applied
    >>> plain(applied("mul", Symbol("x"), 2))
    'x*2'
    """
    if isinstance(operation, str):
        operation = named(operation, settings)
    if isinstance(operation, Operation):
        settings = operation.complete(settings) if settings or operation.needs_settings else operation.defaults
    trees = tuple(map(tree_of, inputs))
    if (found := in_own_order(operation, trees, settings)) is not None:
        return found
    pairs = tuple(sorted([(name, hashable(setting)) for name, setting in settings.items()])) if settings else ()
    return Applied(operation, trees, pairs, shape_of(operation, tuple([x.shape for x in trees]), pairs))


def named(name: str, settings: Iterable[str]) -> Any:
    """The book's operation of a name if it has these settings, else the composed function; None if there is neither."""
    rule = book.get(name)
    return rule if rule is not None and rule.defaults.keys() >= {*settings} else compositions.get(name) or rule


def is_default(operation: Any, name: str, x: Any) -> bool:
    """Whether a setting of an operation, or of a composed function, is what it is where nobody says anything.

    One whole number stands for the same in every direction.
    """
    default = defaults_of(operation)[name]
    if isinstance(x, tuple) and x and type(default) is int:
        return all([repr(part) == repr(default) for part in x])
    return repr(x) == repr(default)


@cache
def defaults_of(operation: Any) -> Mapping[str, Any]:
    """What an operation's, or a composed function's, settings are by default."""
    if isinstance(operation, Operation):
        return operation.defaults
    return {name: parameter.default for name, parameter in inspect.signature(operation).parameters.items()}


def made(operation: Operation, inputs: Sequence[Any], settings: Mapping[str, Any], shape: Shape) -> Tree:
    """An operation as it was recorded, with the shape that came out."""
    if is_cast(operation, settings):
        return tree_of(inputs[0])
    trees = tuple(map(tree_of, inputs))
    if (found := in_own_order(operation, trees, settings)) is not None:
        return found
    pairs = tuple(sorted([(name, hashable(setting)) for name, setting in settings.items()]))
    return Applied(operation, trees, pairs, shape)


def in_own_order(operation: Any, inputs: Sequence[Tree], settings: Mapping[str, Any]) -> Applied | None:
    """What is taken in its own order is sorted; None for anything else."""
    places = inputs[1] if getattr(operation, "name", "") == "take_along_axis" else None
    if not isinstance(places, Applied) or places.name != "argsort" or places.inputs != inputs[:1]:
        return None
    axis = {} if inputs[0].ndim == 1 else {"axis": settings["axis"]}
    return applied("sort", inputs[0], **{**places.given, "axis": -1, **axis})


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice that can be looked up: Python's own cannot before 3.12."""

    start: Any
    stop: Any
    step: Any


@dataclass(frozen=True, slots=True)
class HashableArray:
    """An array that can be looked up."""

    rows: Any
    dtype: str


def is_cast(operation: Any, settings: Mapping[str, Any]) -> bool:
    """Whether an operation changes the precision of its input alone: a formula has all digits, and shows nothing."""
    return operation is book["astype"] and np.dtype(settings["dtype"]).kind == "f"


def hashable(setting: Any) -> Any:
    """A setting as something that can be looked up."""
    if isinstance(setting, np.ndarray):
        return HashableArray(hashable(setting.tolist()), setting.dtype.str)
    if isinstance(setting, slice):
        return Slice(setting.start, setting.stop, setting.step)
    return tuple(map(hashable, setting)) if isinstance(setting, list | tuple) else setting


def slice_text(x: slice) -> str:
    ends: tuple[Any, ...] = (x.start, x.stop) if x.step is None else (x.start, x.stop, x.step)
    return ":".join(["" if end is None else str(end) for end in ends])


def as_given(setting: Any) -> Any:
    if isinstance(setting, Slice):
        return slice(setting.start, setting.stop, setting.step)
    if isinstance(setting, HashableArray):
        return np.array(setting.rows, setting.dtype)
    return tuple(map(as_given, setting)) if isinstance(setting, tuple) else setting


@lru_cache(maxsize=4096)
def shape_of(operation: Any, shapes: tuple[Shape, ...], settings: tuple[tuple[str, Any], ...]) -> Shape:
    """The shape that inputs of these shapes give."""
    if isinstance(operation, Pointwise):
        return operation.shape_of_result(shapes, dict(settings))
    with Quiet():
        given = {name: as_given(setting) for name, setting in settings}
        return np.shape(computed(operation, [np.ones(shape) for shape in shapes], given))


def computed(operation: Any, values: Sequence[Any], settings: dict[str, Any]) -> Any:
    """An operation on plain numbers; a comparison gives the number 0 or 1 (Iverson), which can be added."""
    if not isinstance(operation, Operation):
        return operation(*values, **settings)
    if operation.flat and not isinstance(operation, Pointwise):
        # Places among the inputs are whole numbers, which every number of a formula is a double of.
        values = [as_places(x) if i in operation.flat else x for i, x in enumerate(values)]
    out = operation.fitting(values, values, settings)
    return np.asarray(out, dtype=float)[()] if operation.name in COMPARISONS else out


def parts(tree: Tree) -> tuple[Tree, ...]:
    match tree:
        case Applied():
            return tree.inputs
        case Number() | Symbol():
            return ()
        case Matrix():
            return tuple([x for row in tree.rows for x in row])
        case Sigma():
            return (tree.body,)
        case Relation():
            return tree.sides
        case Derivative():
            return (tree.above, tree.below, *tree.held)
        case Change():
            return (tree.of,)
        case Unknown():
            return tree.inputs
        case _:
            return ()


def has_part(tree: Tree, is_it: Callable[[Tree], bool]) -> bool:
    """Whether something is so of a tree, or of what is inside of it. O(parts)."""
    waiting, seen = [tree], set[int]()
    while waiting:
        x = waiting.pop()
        if is_it(x):
            return True
        if id(x) not in seen:
            seen.add(id(x))
            waiting += parts(x)
    return False


def has_letters(tree: Tree) -> bool:
    """Whether anything in it stands for a number that is not printed."""
    return has_part(tree, lambda x: isinstance(x, LETTERS))


LETTERS = (Symbol, Derivative, Change, Unknown)
"""What stands for a number that is not printed."""


def inputs_of(tree: Tree) -> tuple[Tree, ...]:
    return tree.inputs if isinstance(tree, Applied) else ()


def all_parts(tree: Tree, inside: Callable[[Tree], Iterable[Tree]] = parts) -> Iterator[Tree]:
    """A tree and all that is inside of it, each once, from the left and inner ones first. O(parts)."""
    waiting, seen = [tree], set[int]()
    while waiting:
        x = waiting.pop()
        if id(x) not in seen:
            inner = [part for part in inside(x) if id(part) not in seen]
            if inner:
                waiting += [x, *reversed(inner)]
            else:
                seen.add(id(x))
                yield x


def innermost_first(
    whole: Any, is_done: Callable[[Any], bool], inside: Callable[[Any], Iterable[Any]] = parts
) -> Iterator[Any]:
    """Something and what is inside of it, but for what is done, each after its own parts; the caller gets each done.

    What is worked out in this order is worked out once for each part, and needs no recursion.
    """
    waiting = [whole]
    while waiting:
        x = waiting.pop()
        if not is_done(x):
            inner = [part for part in inside(x) if not is_done(part)]
            if inner:
                waiting += [x, *reversed(inner)]
            else:
                yield x
