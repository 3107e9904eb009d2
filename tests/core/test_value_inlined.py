"""The operations written out in core/value.py equal their rules in the book.

Arithmetic must agree bit for bit; functions that come from C here and from NumPy there may differ by 2 units in the
last place (NumPy's own error bound for its vector functions is 4, and both are below 1 in fact).
"""

from __future__ import annotations

import itertools
import math
import struct

import numpy as np
import pytest

import chainrule as cr
from chainrule import Value
from chainrule.core.operation import book
from chainrule.core.state import Quiet

TINY = 5e-324
GRID = [
    0.0, -0.0, TINY, -TINY, 2.2250738585072014e-308, -3e-310, 1e-160, 0.1, -0.3, 0.5, 1.0, -1.0, 1 / 3, 1.7, -2.0, 2.5,
    3.0, 17.25, -19.0, 36.7, 710.0, -745.5, 1e16, -1e160, 1.7976931348623157e308, math.inf, -math.inf, math.nan,
]  # fmt: skip
EXPONENTS = [0, 1, 2, 3, 4, 5, -1, -2, 0.5, -0.5, 1.5, 2.0, 3.0, 0.0, -0.0, 7.25, -300.0, math.inf, -math.inf, math.nan]


def bits(x):
    """A double as a signed integer in which neighbouring doubles are neighbouring integers."""
    (raw,) = struct.unpack("<q", struct.pack("<d", x))
    return raw if raw >= 0 else -(raw & 0x7FFF_FFFF_FFFF_FFFF)


def same(found, wanted, ulp):
    """Whether two doubles are the same, signs of zero included, or (with `ulp`) that many neighbours apart."""
    if math.isnan(found) or math.isnan(wanted):
        return math.isnan(found) and math.isnan(wanted)
    if ulp == 0:
        return struct.pack("<d", found) == struct.pack("<d", wanted)
    return abs(bits(found) - bits(wanted)) <= ulp


def by_the_book(name, numbers, moving):
    """The result and the local derivatives that the rule book gives on NumPy doubles."""
    rule = book[name]
    inputs = [np.float64(x) for x in numbers]
    with Quiet():
        out = np.float64(rule.function(*inputs))
        slopes = [float(rule.pull(i, np.float64(1.0), out, inputs, {})) for i in moving]
    return float(out), slopes


def check(node, name, numbers, moving, ulp=0):
    out, slopes = by_the_book(name, numbers, moving)
    assert same(node.data, out, ulp), f"{name}{tuple(numbers)}: {node.data!r} and by the book {out!r}"
    assert len(node.local_derivatives) == len(slopes)
    for found, wanted in zip(node.local_derivatives, slopes, strict=True):
        assert same(found, wanted, ulp), f"slope of {name}{tuple(numbers)}: {found!r} and by the book {wanted!r}"
    assert node.op is book[name]


ARITHMETIC = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_bit_for_bit(name):
    apply = ARITHMETIC[name]
    for x, y in itertools.product(GRID, GRID):
        check(apply(Value(x), Value(y)), name, (x, y), (0, 1))
        check(apply(Value(x), y), name, (x, y), (0,))
        check(apply(x, Value(y)), name, (x, y), (1,))
    for x, n in itertools.product(GRID, (-3, 0, 2, 10**17)):
        check(apply(Value(x), n), name, (x, float(n)), (0,))
        check(apply(n, Value(x)), name, (float(n), x), (1,))


def test_neg_and_relu_bit_for_bit():
    for x in GRID:
        check(-Value(x), "neg", (x,), (0,))
        check(Value(x).relu(), "relu", (x,), (0,))


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_powers(exponent):
    for x in GRID:
        check(Value(x) ** exponent, "pow", (x, float(exponent)), (0,), ulp=2)


@pytest.mark.parametrize("name", ["tanh", "exp", "log", "sigmoid"])
def test_functions_within_two_units_in_the_last_place(name):
    for x in GRID:
        out, _ = by_the_book(name, (x,), (0,))
        node = getattr(Value(x), name)()
        assert same(node.data, out, 2), (name, x, node.data, out)
        check_slope_from_own_output(node, name, x)


def check_slope_from_own_output(node, name, x):
    """The slope is the rule applied to the node's own output: 1 - out*out near 1 turns a last bit into many."""
    with Quiet():
        slope = book[name].pull(0, np.float64(1.0), np.float64(node.data), [np.float64(x)], {})
    assert same(node.local_derivatives[0], float(slope), 2), (name, x)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_sums_and_dots(count):
    rng = np.random.default_rng(count)
    for _ in range(20):
        with Quiet():
            xs = rng.choice(GRID, count) * rng.normal(size=count)
            ys = rng.choice(GRID, count) * rng.normal(size=count)
        for moving in (range(count), range(0, count, 2)):
            total = cr.sum([Value(x) if i in moving else float(x) for i, x in enumerate(xs)])
            check_sum(total, "sum_of", xs, xs, moving)
        dot = cr.dot([Value(x) for x in xs], [float(y) for y in ys])
        with Quiet():
            terms = xs * ys
        check_sum(dot, "dot_of", (*xs, *ys), terms, range(count))


def check_sum(node, name, numbers, terms, moving):
    """Additions may come in another order: then the error is bounded by the sizes of the terms."""
    out, slopes = by_the_book(name, numbers, moving)
    with Quiet():
        size = float(np.sum(np.abs(terms)))
    if math.isfinite(size):
        assert abs(node.data - out) <= len(terms) * 2.3e-16 * size + TINY
    else:
        assert same(node.data, out, 0)
    assert all(map(same, node.local_derivatives, slopes, [0] * len(slopes)))


def test_small_sums_are_exact():
    xs, ys = [3.0, -1.5, 0.25, 7.0], [2.0, 0.5, -4.0, 1.0]
    assert cr.sum(list(map(Value, xs))).data == 8.75
    assert cr.dot(list(map(Value, xs)), ys).data == 3.0 * 2.0 - 1.5 * 0.5 - 0.25 * 4.0 + 7.0


def test_whole_passes_agree_with_the_book():
    """Long expressions, node by node: the written-out engine against the rules run through ``__apply__``."""
    rng = np.random.default_rng(0)
    for a, b in rng.uniform(0.2, 2.0, (50, 2)):
        written_out, ruled = [Value(a), Value(b)], [Value(a), Value(b)]
        x, y = written_out
        out = ((x * y + x / y - 2.0 * y) ** 2 + (-x).tanh()).sigmoid() + (x**3).log() + (y - 0.5).relu().exp()
        out.backward()
        x, y = ruled
        square = book["pow"](book["sub"](book["add"](book["mul"](x, y), book["div"](x, y)), book["mul"](2.0, y)), 2.0)
        first = book["sigmoid"](book["add"](square, book["tanh"](book["neg"](x))))
        second = book["log"](book["pow"](x, 3.0))
        third = book["exp"](book["relu"](book["sub"](y, 0.5)))
        again = book["add"](book["add"](first, second), third)
        again.backward()
        assert out.data == pytest.approx(again.data, rel=1e-15)
        assert [v.grad for v in written_out] == pytest.approx([v.grad for v in ruled], rel=1e-13)


class Mutated:
    """A node with one number of its own changed, as a wrong line in the engine would change it."""

    def __init__(self, node, data=None, slopes=None):
        self.data = node.data if data is None else data
        self.local_derivatives = node.local_derivatives if slopes is None else slopes
        self.op = node.op


def test_a_wrong_copy_is_caught():
    x, y = Value(1.7), Value(2.5)
    right = x / y
    check(Mutated(right), "div", (1.7, 2.5), (0, 1))
    d_x, d_y = right.local_derivatives
    wrong = [
        Mutated(right, data=math.nextafter(right.data, 9.0)),
        Mutated(right, slopes=(d_y, d_x)),
        Mutated(right, slopes=(d_x, -d_y)),
        Mutated(right, slopes=(2 * d_x, d_y)),
        Mutated(right, slopes=(d_x, d_y * 1.001)),
        Mutated(right, slopes=(d_x, math.nextafter(d_y, 0.0))),
        Mutated(right, slopes=(d_x,)),
    ]
    for node in wrong:
        with pytest.raises(AssertionError):
            check(node, "div", (1.7, 2.5), (0, 1))
    with pytest.raises(AssertionError):
        check(Mutated(-Value(0.0), data=0.0), "neg", (0.0,), (0,))
    with pytest.raises(AssertionError):
        check(Mutated(Value(0.0).relu(), slopes=(0.5,)), "relu", (0.0,), (0,))
