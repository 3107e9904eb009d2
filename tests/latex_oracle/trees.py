"""Formulas as trees: what the reader of LaTeX finds, and what is computed, or written in another alphabet, from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    """Digits as they stand: ``0.25``, or ``2.5e-9`` for what is printed with a power of ten."""

    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A letter, a Greek letter, a word or an accented name, in LaTeX; empty for the open end of a slice."""

    latex: str


@dataclass(frozen=True, slots=True)
class Script:
    """A base with a sub- or superscript: a power, a transpose, an index, a layer (in double braces)."""

    base: Tree
    below: Tree | None
    above: Tree | None
    raised_first: bool = False
    """Whether the superscript was written first, as in ``w^{l}_{jk}``."""


@dataclass(frozen=True, slots=True)
class Index:
    """A name with indices in square brackets, as a program writes them: ``w_{1}[3, 1]``."""

    base: Tree
    places: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Sign:
    """A minus (or plus) in front."""

    sign: str
    inner: Tree


@dataclass(frozen=True, slots=True)
class Series:
    """Operands with an operator between each two; an empty operator is a product by standing side by side."""

    operands: tuple[Tree, ...]
    operators: tuple[str, ...]

    @property
    def is_sum(self) -> bool:
        """Whether the operators add; else they multiply."""
        return self.operators[0] in ADDITIVE


@dataclass(frozen=True, slots=True)
class Prefix:
    r"""What acts on all that follows in a product: ``\sum_{k} w_{k} \cdot x_{k}``, or on one name: ``\partial L``."""

    sign: Tree
    inner: Tree


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain of equations or inequalities."""

    sides: tuple[Tree, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fraction:
    """A numerator over a denominator."""

    above: Tree
    below: Tree


@dataclass(frozen=True, slots=True)
class Root:
    """A square root."""

    inner: Tree


@dataclass(frozen=True, slots=True)
class Fence:
    """Something between delimiters, or in double braces; several things are separated by commas."""

    opening: str
    parts: tuple[Tree, ...]
    closing: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function, perhaps with a setting below it or primes behind it, applied to its arguments."""

    function: str
    arguments: tuple[Tree, ...]
    below: Tree | None = None
    primes: int = 0


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of entries; a column is a matrix with one entry in each row."""

    rows: tuple[tuple[Tree, ...], ...]


Tree = Number | Name | Script | Index | Sign | Series | Prefix | Relation | Fraction | Root | Fence | Call | Matrix

ADDITIVE = ("+", "-")


def is_product(tree: Tree) -> bool:
    """Whether it is factors in a row."""
    return isinstance(tree, Series) and not tree.is_sum


def is_sum(tree: Tree) -> bool:
    """Whether it is terms in a row."""
    return isinstance(tree, Series) and tree.is_sum


def is_array(tree: Tree) -> bool:
    """Whether it is a matrix for certain, and not a number or a symbol for either."""
    match tree:
        case Matrix() | Script(_, _, Name(r"\top") | Sign("-", Name(r"\top"))):
            return True
        case Sign(_, inner) | Fence("(", (inner,), _) | Script(inner, _, Sign() | Number() | Prefix()):
            return is_array(inner)
        case Series(operands, _):
            return any([is_array(operand) for operand in operands])
        case Call(r"\det" | r"\operatorname{tr}"):
            return False
        case Call(_, arguments):
            return any([is_array(argument) for argument in arguments])
        case _:
            return False


def is_number(tree: Tree) -> bool:
    """Whether it is a single number for certain: digits, and what is made of them."""
    match tree:
        case Number() | Fence("|" | r"\lVert" | r"\lvert"):
            return True
        case Sign(_, inner) | Root(inner) | Fence(_, (inner,), _):
            return is_number(inner)
        case Series(operands, _):
            return all([is_number(operand) for operand in operands])
        case Call(r"\det" | r"\operatorname{tr}"):
            return True
        case Call(_, arguments):
            return all([is_number(argument) for argument in arguments])
        case Relation(sides, _):
            return all([is_number(side) for side in sides])
        case Script(base, None, Number() | Sign()):
            return is_number(base)
        case Fraction(above, below):
            return is_number(above) and is_number(below)
        case _:
            return False
