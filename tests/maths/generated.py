"""Random formulas over numbers, vectors and matrices, and numbers for all their letters."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from chainrule.maths import Applied, Derivative, Number, Sigma, Symbol, Tree
from chainrule.maths.tree import applied, parts

NUMBER, VECTOR, SHORT, SQUARE, FLAT, COLUMN = (), (3,), (2,), (3, 3), (2, 3), (3, 1)
SHAPES = (NUMBER, NUMBER, VECTOR, SQUARE, FLAT)
NUMERALS = ("0", "1", "2", "3", "-1", "-2.5", "0.5", "2/3", "1e-5", "1.5e-9", "1e20", "100", "-7", "0.001")
OF_EVERY_ENTRY = ["exp", "log", "sin", "tanh", "sigmoid", "relu", "abs", "sqrt", "square", "reciprocal", "neg"]
OF_A_NUMBER = [*OF_EVERY_ENTRY, "cos", "softplus", "gelu", "erf", "log1p", "expm1"]
COMPARISONS = ["greater", "less", "equal", "greater_equal", "not_equal", "less_equal"]


def letter(base: str, shape: tuple[int, ...] = (), **around: Any) -> Symbol:
    return Symbol(base, shape=shape, **around)


LETTERS: dict[tuple[int, ...], list[Tree]] = {
    NUMBER: [
        letter("x"),
        letter("y"),
        letter("x", below=("1",)),
        letter("x", below=("2",)),
        letter("α"),
        letter("y", mark="hat"),
        letter("f", primes=1),
        letter("e"),
        letter("lr"),
        letter("z", layer="1", at=(2,)),
        letter("w", layer="1", at=(1, 2)),
        letter("u", at=(2,)),
        Derivative(letter("L"), letter("w", below=("1",))),
    ],
    VECTOR: [
        letter("a", VECTOR),
        letter("b", VECTOR),
        letter("z", VECTOR, layer="2"),
        letter("δ", VECTOR, layer="2"),
        Derivative(letter("C"), letter("a", VECTOR, layer="2"), VECTOR),
    ],
    SHORT: [letter("c", SHORT), letter("h", SHORT, below=("1",))],
    SQUARE: [letter("A", SQUARE), letter("B", SQUARE), letter("W", SQUARE, layer="1"), letter("I1", SQUARE)],
    FLAT: [letter("R", FLAT), letter("V", FLAT, below=("2",))],
    COLUMN: [letter("k", COLUMN)],
}


class Generator:
    """Grows formulas of a shape, at most so deep."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def any(self, depth: int = 4) -> Tree:
        return self.tree(self.random.choice(SHAPES), depth)

    def tree(self, shape: tuple[int, ...], depth: int) -> Tree:
        choose = self.random.choice
        if depth <= 0 or self.random.random() < 0.12:
            if shape == NUMBER and self.random.random() < 0.3:
                return Number(choose(NUMERALS))
            return choose(LETTERS[shape])
        grown = {NUMBER: self.number, VECTOR: self.vector, SHORT: self.short, COLUMN: self.column}.get(shape)
        return grown(depth - 1) if grown is not None else self.matrix(shape, depth - 1)

    def joined(self, shape: tuple[int, ...], depth: int) -> Tree:
        """Two operands with a sign; one may be repeated to fit."""
        first, second = self.tree(shape, depth), self.tree(shape, depth)
        kind = self.random.random()
        if shape and kind < 0.3:
            second = self.tree(NUMBER, depth)
        elif len(shape) == 2 and kind < 0.5:
            second = self.tree(VECTOR, depth)
        elif shape == SQUARE and kind < 0.6:
            second = self.tree(COLUMN, depth)
        if self.random.random() < 0.5:
            first, second = second, first
        return applied(self.random.choice(["add", "sub", "mul", "mul", "div"]), first, second)

    def common(self, shape: tuple[int, ...], depth: int) -> Tree | None:
        """What there is of every shape."""
        names = OF_EVERY_ENTRY if shape else OF_A_NUMBER
        match self.random.randrange(8):
            case 0 | 1 | 2:
                return self.joined(shape, depth)
            case 3:
                return applied(self.random.choice(names), self.tree(shape, depth))
            case 4:
                exponent = self.random.choice([Number("2"), Number("3"), Number("-1"), Number("1/2")])
                return applied("pow", self.tree(shape, depth), exponent)
            case 5:
                other = self.random.choice([Number("0"), self.tree(shape, depth)])
                test = applied(self.random.choice(COMPARISONS), self.tree(shape, depth), other)
                return self.random.choice([test, applied("where", test, self.tree(shape, depth), other)])
            case _:
                return None

    def number(self, depth: int) -> Tree:
        found = self.common(NUMBER, depth)
        if found is not None:
            return found
        array = self.random.choice([VECTOR, SQUARE, FLAT, SHORT])
        match self.random.randrange(8):
            case 0 | 1:
                return applied(self.random.choice(["sum", "mean"]), self.tree(array, depth))
            case 2:
                return applied("matmul", self.tree(VECTOR, depth), self.tree(VECTOR, depth))
            case 3:
                return applied("norm", self.tree(self.random.choice([VECTOR, SQUARE]), depth))
            case 4:
                return applied("index", self.tree(SQUARE, depth), key=(self.random.randrange(3), 1))
            case 5:
                names = self.random.choice(["maximum", "minimum"])
                return applied(names, self.tree(NUMBER, depth), self.tree(NUMBER, depth))
            case 6:
                weight = letter("w", layer="1", at=("k", self.random.choice([1, 2])))
                return Sigma(applied("mul", weight, letter("z", layer="1", at=("k",))), "k", 3)
            case _:
                return applied(self.random.choice(["trace", "det"]), self.tree(SQUARE, depth))

    def vector(self, depth: int) -> Tree:
        found = self.common(VECTOR, depth)
        if found is not None:
            return found
        match self.random.randrange(7):
            case 0:
                return applied("matmul", self.tree(SQUARE, depth), self.tree(VECTOR, depth))
            case 1:
                return applied("matmul", self.tree(VECTOR, depth), self.tree(SQUARE, depth))
            case 2:
                return applied("sum", self.tree(SQUARE, depth), axis=self.random.choice([0, 1]))
            case 3:
                return applied("index", self.tree(SQUARE, depth), key=self.random.choice([0, (slice(None), 1)]))
            case 4:
                return applied("roll", self.tree(VECTOR, depth), shift=self.random.choice([1, -1]), axis=0)
            case 5:
                return applied(self.random.choice(["cumsum", "flip"]), self.tree(VECTOR, depth))
            case _:
                return applied("softmax", self.tree(VECTOR, depth), axis=-1)

    def short(self, depth: int) -> Tree:
        found = self.common(SHORT, depth)
        return applied("matmul", self.tree(FLAT, depth), self.tree(VECTOR, depth)) if found is None else found

    def column(self, depth: int) -> Tree:
        found = self.common(COLUMN, depth)
        return applied("sum", self.tree(SQUARE, depth), axis=1, keepdims=True) if found is None else found

    def matrix(self, shape: tuple[int, ...], depth: int) -> Tree:
        found = self.common(shape, depth)
        if found is not None:
            return found
        match self.random.randrange(5):
            case 0:
                return applied("matmul", self.tree(shape, depth), self.tree(SQUARE, depth))
            case 1:
                return applied("outer", self.tree((shape[0],), depth), self.tree(VECTOR, depth))
            case 2:
                return applied("softmax", self.tree(shape, depth), axis=self.random.choice([0, -1]))
            case 3 if shape == SQUARE:
                return applied(self.random.choice(["transpose", "inv"]), self.tree(SQUARE, depth))
            case _:
                return applied("cumsum", self.tree(shape, depth), axis=self.random.choice([0, 1]))


def numbers_for_letters(seed: int) -> dict[Any, Any]:
    """A number or array for every letter; entries are those of the arrays they are of."""
    rng = np.random.default_rng(seed)
    found: dict[Any, Any] = {letter("w", layer="1"): rng.uniform(-2, 2, (3, 3))}
    for shape, letters in LETTERS.items():
        for x in letters:
            if isinstance(x, Symbol) and x.at:
                found.setdefault(x.whole, rng.uniform(-2, 2, (3,) * len(x.at)))
            else:
                found[x] = rng.uniform(-2, 2, shape) if shape else np.float64(rng.uniform(-2, 2))
    return found


def size(tree: Tree) -> int:
    return 1 + sum([size(x) for x in parts(tree)])


def is_small(tree: Tree) -> bool:
    return isinstance(tree, Applied) and size(tree) < 60
