"""What is printed says what is meant: text runs as NumPy, and things that look alike are the same."""

from __future__ import annotations

import cProfile
import functools
import math
import re
import sys
import xml.dom.minidom
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.operation import book
from chainrule.core.state import Quiet
from chainrule.errors import ChainruleError
from chainrule.maths import Matrix, Number, Symbol, Tree, latex, mathml, numeral, plain, tree_of, unicode
from chainrule.maths.as_boxes import boxes
from chainrule.maths.as_data import data_of, tree_from
from chainrule.maths.as_plain import identifier
from chainrule.maths.template import read_template, slots_in, written_out
from chainrule.maths.tree import applied, equation
from chainrule.maths.values import value
from latex_oracle.reader import read

from .generated import LETTERS, Generator, is_small, numbers_for_letters

few = settings(derandomize=True, database=None, deadline=None, max_examples=150)
AT = numbers_for_letters(1)
NAMESPACE: dict[str, Any] = {
    **book,
    **{name: getattr(cr, name) for name in dir(cr) if not name.startswith("_")},
    **{identifier(x) if isinstance(x, Symbol) else plain(x): AT[x] for x in AT},
    "array": np.array,
    "nan": np.nan,
    "inf": np.inf,
}


def same(x: Any, y: Any) -> bool:
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return x.shape == y.shape and np.allclose(x, y, rtol=1e-9, equal_nan=True)


def formula(seed: int) -> Tree:
    generator = Generator(seed)
    while True:
        tree = generator.any()
        if is_small(tree):
            return tree


@few
@given(st.integers(0, 10**9))
def test_plain_text_runs_as_numpy(seed: int) -> None:
    tree = formula(seed)
    with Quiet():
        ran = eval(plain(tree), NAMESPACE)  # noqa: S307  (a formula of ours is run as the NumPy it claims to be)
        assert same(ran, value(tree, AT)), plain(tree)


@few
@given(st.integers(0, 10**9))
def test_every_printer_writes_what_its_readers_can_read(seed: int) -> None:
    tree = formula(seed)
    xml.dom.minidom.parseString(mathml(tree))
    read(latex(tree))
    assert "\n" not in unicode(tree)


def column(x: Any) -> Any:
    x = np.asarray(x, dtype=float)
    return x.reshape(()) if x.size == 1 else x[:, None] if x.ndim == 1 else x


@pytest.mark.parametrize("printer", [latex, unicode, mathml, plain])
def test_what_looks_alike_is_the_same(printer: Callable[[Tree], str]) -> None:
    groups: dict[str, list[Tree]] = defaultdict(list)
    for tree in small_formulas():
        groups[printer(tree)].append(tree)
    points = [numbers_for_letters(seed) for seed in (2, 3)]
    with Quiet():
        for printed, alike in groups.items():
            for at in points:
                first, *others = [column(value(x, at)) for x in alike]
                for other in others:
                    assert first.shape == other.shape, printed
                    assert np.allclose(first, other, equal_nan=True), printed


@functools.cache
def small_formulas() -> list[Tree]:
    """Every operation on every pair of a few letters, and on what that makes with one of them."""
    at = [LETTERS[()][0], LETTERS[()][1], Number("2"), Number("-1"), LETTERS[3,][0], LETTERS[3, 3][0], LETTERS[3, 1][0]]
    once = grown(at, at)
    return [*at, *once, *grown(once[::150], at)]


UNARY = ["neg", "exp", "square", "sqrt", "transpose", "sum", "reciprocal", "abs", "log1p"]


def grown(trees: list[Tree], others: list[Tree]) -> list[Tree]:
    found: list[Tree] = []
    for x in trees:
        found += [applied(name, x) for name in UNARY]
        if x.ndim == 2:
            found += [applied("sum", x, axis=axis, keepdims=keep) for axis in (0, 1) for keep in (False, True)]
            found += [applied(name, x, axis=axis) for name in ("softmax", "cumsum") for axis in (0, 1)]
        for y in others:
            for name in ["add", "sub", "mul", "div", "pow", "matmul", "outer", "greater", "equal"]:
                for pair in ((x, y), (y, x)):
                    try:
                        found.append(applied(name, *pair))
                    except (ChainruleError, ValueError, IndexError):
                        continue
    return [x for x in dict.fromkeys(found) if x.ndim <= 2]


@pytest.mark.parametrize("name", sorted(book))
def test_every_template_is_read(name: str) -> None:
    rule = book[name]
    template, slots = rule.formula, {*rule.inputs, *rule.defaults}
    if rule.variadic:
        template, slots = written_out(template, rule.inputs[-1], 4), {f"{rule.inputs[-1]}_{i}" for i in range(4)}
    assert {*slots_in(read_template(template, frozenset(slots)))} == {
        slot for slot in slots if f"{{{slot}}}" in template
    }


def test_a_template_whose_input_would_be_read_as_a_letter_is_refused() -> None:
    with pytest.raises(ChainruleError, match="y would be read as letters"):
        read_template(r"\operatorname{y}\left({x}\right)", frozenset({"x", "y"}))


X, Y, A = Symbol("x"), Symbol("y"), Symbol("A", shape=(3, 3))
V, U = Symbol("v", shape=(3,)), Symbol("u", shape=(3,))


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ((X + Y) * X, "(x + y) · x"),
        (X - (Y - X), "x − (y − x)"),
        (-(X + Y), "−(x + y)"),
        ((-X) ** 2, "(−x)²"),
        (X ** (Y + 1), "xʸ⁺¹"),
        (2 * V, "2v"),
        (X * A + 1, "x A + 𝟏 𝟏ᵀ"),
        (A @ V, "A v"),
        (V @ A, "Aᵀ v"),
        (V @ V, "‖v‖²"),
        (V @ U, "vᵀ u"),
        ((V @ U) * V, "(vᵀ u) v"),
        (V * V, "v ⊙ v"),
        (cr.exp(A), "exp(A)"),
        (A**2, "A⊙²"),
        (applied("softmax", A, axis=0), "softmax(A, axis = 0)"),
        (applied("softmax", A, axis=1), "softmax(A, axis = 1)"),
        (applied("broadcast_to", A, shape=(4, 3, 3)), "repeat(A, 4×3×3)"),
        (applied("sum", A, axis=0), "Aᵀ 𝟏"),
        (applied("greater", X, 0) * Y, "[x > 0] · y"),
        (applied("concatenate", U, V, axis=0), "[u; v]"),
        (applied("concatenate", A, A, axis=1), "[A, A]"),
        (applied("transpose", applied("stack", U, V, axis=0)), "[uᵀ; vᵀ]ᵀ"),
        (applied("stack", U, V, axis=1), "[u, v]"),
        (applied("index", V, key=np.array([0, 2])), "v[[0, 2]]"),
        (applied("index", V, key=(Ellipsis, 0)), "v[0]"),
        (applied("index", A, key=(Ellipsis, 1)), "A[:, 1]"),
        (applied("index", A, key=(slice(None), np.array([0, 2]))), "A[:, [0, 2]]"),
        (applied("scatter", X, key=0, shape=(3,)), "x 𝐞₁"),
        (applied("scatter", -1, key=0, shape=(3,)), "−𝐞₁"),
        (applied("scatter", X, key=(1, -1), shape=(3, 3)), "x 𝐞₂ 𝐞₃ᵀ"),
        (applied("scatter", V, key=0, shape=(3, 3)), "𝐞₁ vᵀ"),
        (applied("scatter", V, key=(slice(None), 0), shape=(3, 3)), "v 𝐞₁ᵀ"),
        (applied("scatter", V, key=slice(1, 4), shape=(6,)), "[0; v; 𝟎]"),
        (applied("scatter", A, key=(slice(None), slice(0, 3)), shape=(3, 4)), "[A, 0]"),
        (applied("scatter", V, key=slice(None, None, 2), shape=(6,)), "[𝐞₁, 𝐞₃, 𝐞₅] v"),
        (applied("scatter", V, key=np.array([2, 0, 2]), shape=(4,)), "[𝐞₃, 𝐞₁, 𝐞₃] v"),
        (applied("pad", V, pad_width=(0, 2)), "[v; 𝟎]"),
        (applied("roll", V, shift=1), "roll(v, shift = 1)"),
        (equation(X, numeral(1 / 3)), "x = ⅓"),
        (numeral(-2.5e-9) * X, "−2.5·10⁻⁹ · x"),
        (X**-1, "x⁻¹"),
        (Symbol("w", layer="1", at=(1, 2)), "w⁽¹⁾₁,₂"),
        (Symbol("w", below=("in",)), "wᵢₙ"),
        (Symbol("relu", below=("1",)), "relu₁"),
        (Symbol("new", below=("steps",)), "new_steps"),
        (Symbol("new", below=("x1",)), "new_x1"),
        (Matrix(((numeral(1), numeral(0.5)), (X, numeral(-2))), (2, 2)), "[1 0.5; x −2]"),
    ],
)
def test_rules_of_printing(tree: Tree, expected: str) -> None:
    assert unicode(tree) == expected


def test_words_of_users_are_harmless() -> None:
    word = Symbol(r"\input{x}<script>alert('1')</script>&")
    assert "<script" not in mathml(word)
    assert not re.search(r"(?<!\\)[&#%]", latex(word))
    assert r"\input" not in latex(word)


X, ONE, VECTOR, OTHER = Symbol("x"), Number("1"), Symbol("v", shape=(3,)), Symbol("u", shape=(3,))
NESTED: dict[str, Callable[[Tree, int], Tree]] = {
    "product": lambda t, i: t * (X + i),
    "product, last factor first": lambda t, i: (X + i) * t,
    "product of numbers": lambda t, i: 2.0 * t,
    "product of π": lambda t, i: np.pi * t,
    "quotient": lambda t, i: t / (X + i),
    "continued fraction": lambda t, i: X / (t + i),
    "sum": lambda t, i: t + X * i,
    "difference": lambda t, i: X - t,
    "power": lambda t, i: t**X,
    "tower": lambda t, i: X**t,
    "square": lambda t, i: applied("square", t),
    "minus": lambda t, i: -t,
    "function": lambda t, i: applied("sin", t),
    "exponential": lambda t, i: applied("exp", t),
    "root": lambda t, i: applied("sqrt", t),
    "branch": lambda t, i: applied("where", applied("greater", X, ONE), t, X),
    "array": lambda t, i: t * VECTOR if i % 2 else applied("sum", t),
    "dot product": lambda t, i: applied("matmul", t * VECTOR, VECTOR),
    "product of dot products": lambda t, i: t * applied("matmul", VECTOR, OTHER) if t.shape else t * VECTOR,
    "column": lambda t, i: Matrix(((t,), (ONE,)), (2,)) if i % 2 else applied("sum", t),
}
"""Ways in which a formula holds one of the same kind."""


def test_a_matrix_within_a_fraction_stands_in_one_line() -> None:
    column = Matrix(((X,), (ONE,)), (2,))
    for tree in (applied("norm", column) / X, applied("sqrt", applied("norm", column))):
        assert boxes(tree).lines == (unicode(tree),)


MOST_CALLS = 200
"""Calls of a function for each part of a formula that is printed."""


@pytest.mark.parametrize("kind", NESTED)
def test_what_a_printer_does_grows_as_the_formula(kind: str) -> None:
    short, long = nested(kind, 60), nested(kind, 1_200)
    for printed in (plain, unicode, latex, mathml, boxes):
        with Counted(MOST_CALLS * 60):
            assert printed(short)
        # What calls without end was stopped above, so the longer one is counted at the speed of C.
        calls = cProfile.Profile(builtins=False)
        assert calls.runcall(printed, long)
        assert sum(entry.callcount for entry in calls.getstats()) <= MOST_CALLS * 1_200, printed.__name__


def nested(kind: str, count: int) -> Tree:
    tree: Tree = X
    for i in range(count):
        tree = NESTED[kind](tree, i)
    return tree


class Counted:
    """Stops what calls too many functions, so that nothing runs without end and no clock is asked."""

    def __init__(self, most: int) -> None:
        self.left = most

    def __enter__(self) -> None:
        sys.setprofile(self.count)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def count(self, frame: Any, event: str, _: Any) -> None:
        self.left -= event == "call"
        assert self.left >= 0, f"{frame.f_code.co_name} is called without end"


@pytest.mark.parametrize(
    ("x", "digits", "expected"),
    [
        (0.0, 6, "0"),
        (-0.0, 6, "0"),
        (np.nan, 6, "nan"),
        (-np.inf, 6, "-inf"),
        (2 / 3, 6, "2/3"),
        (0.1 + 0.2, 6, "0.3"),
        (0.1 + 0.2, 17, "0.30000000000000004"),
        (1e-5, 6, "0.00001"),
        (1.5e-9, 6, "1.5e-9"),
        (123456.0, 6, "123456"),
        (1234567.0, 6, "1.23457e6"),
        (1e300, 6, "1e300"),
        (5e-324, 6, "4.94066e-324"),
        (1 / 7, 6, "1/7"),
        (0.5, 6, "0.5"),
        (-18.0, 2, "-18"),
    ],
)
def test_numbers(x: float, digits: int, expected: str) -> None:
    assert numeral(x, digits).text == expected


def test_the_layer_before_a_layer_is_a_difference_and_no_word():
    before = Symbol("a", layer="l-1")
    assert latex(before) == "a^{(l - 1)}"
    assert unicode(before) == "a⁽ˡ⁻¹⁾"
    assert "<mi>l</mi><mo>−</mo><mn>1</mn>" in mathml(before)
    assert latex(Symbol("z", ("l+1",))) == "z_{l + 1}"


def test_a_deep_formula_is_printed_stored_and_worked_out():
    x = Symbol("x")
    deep: Tree = x
    for _ in range(3_000):
        deep = applied("sin", deep)
    assert all([write(deep) for write in (latex, mathml, plain, unicode)])
    assert value(deep, {x: 1.0}) == value(tree_from(data_of(deep)), {x: 1.0})


def test_constants_are_said_by_what_they_are():
    numbers = [
        math.e,
        -2 * math.e,
        math.sqrt(2),
        math.sqrt(8) / 3,
        math.log(2),
        3 / math.log(10),
        math.sqrt(2) - 1,
        0.1,
    ]
    written = [unicode(tree_of(x)) for x in numbers]
    assert written == ["e", "−2e", "√2", "2√2/3", "ln(2)", "3/ln(10)", "0.414213…", "0.1"]
    assert all([value(tree_of(x), {}) == pytest.approx(x, rel=5e-16) for x in numbers])
