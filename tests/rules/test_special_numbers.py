"""Every pointwise rule at zeros, infinities, nan, huge and tiny numbers: engines agree, and nothing raises or warns.

pytest turns warnings into errors here, as it does everywhere.
"""

from __future__ import annotations

import functools
import itertools
import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
from oracles import RULES, places

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.core.operation import Pointwise, book, compositions

SPECIAL = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e308, -1e308, 1e-308, 5e-324, -5e-324)
NAMES = [name for name in RULES if isinstance(book[name], Pointwise)]


def points(rule):
    count = len(rule.shapes)
    if count == 2:
        return itertools.product((0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, -1e308, 5e-324), repeat=2)
    return [(x,) * count for x in SPECIAL]


def close(found, right, what):
    """Equal, both nan, or apart by rounding; of numbers near the ends of the range one may overflow or vanish."""
    found, right = float(found), float(right)
    same = (np.isnan(found) and np.isnan(right)) or found == right or np.isclose(found, right, rtol=1e-12, atol=1e-300)
    assert same, f"{what}: {found!r} and {right!r}"


def gradients(rule, settings, point, kind):
    """The result, and the derivative in each input, of first order in both modes and of second order."""
    moving = places(rule)
    given = [kind(x) for x in point]
    found = [rule(*given, **settings)]
    if not moving:
        return found

    def f(*xs):
        return rule(*[xs[moving.index(i)] if i in moving else x for i, x in enumerate(point)], **settings)

    every = tuple(range(len(moving)))
    xs = [given[i] for i in moving]
    found += cr.grad(f, every)(*xs)
    found.append(cr.jvp(f, tuple(xs), tuple([kind(1.0) for _ in xs]))[1])
    for i in every:
        alone = lambda x, i=i: f(*[x if k == i else y for k, y in enumerate([point[m] for m in moving])])  # noqa: E731
        found.append(cr.grad(cr.grad(alone))(xs[i]))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_engines_agree_and_nothing_is_raised(name):
    rule = book[name]
    for given in rule.examples:
        settings = rule.complete(given)
        for point in points(rule):
            plain = gradients(rule, settings, point, float)
            scalar = gradients(rule, settings, point, Value)
            array = gradients(rule, settings, point, lambda x: Tensor(x, requires_grad=True))
            for a, b, c in zip(plain, scalar, array, strict=True):
                close(a, b, f"{name}{point} with {settings} of floats and Values")
                close(a, c, f"{name}{point} with {settings} of floats and Tensors")


@pytest.mark.parametrize("name", NAMES)
def test_python_numbers_beside_nodes(name):
    """A plain number may stand in any place: its derivatives follow IEEE 754 too, and Values and Tensors agree."""
    rule = book[name]
    moving = places(rule)
    if len(rule.shapes) != 2 or not moving:
        return
    settings = rule.complete(rule.examples[0])
    for point, i in itertools.product(itertools.product((*SPECIAL[:7], 0, 2), repeat=2), moving):
        shares = []
        for kind in (Value, lambda x: Tensor(x, requires_grad=True)):
            node = kind(float(point[i]))
            out = rule(*[node if k == i else x for k, x in enumerate(point)], **settings)
            out.backward()
            shares.append(node.grad)
        close(*shares, f"{name}{point} in input {i}")


ARRAYS = (
    [0.0, 0.0],
    [-np.inf, -np.inf],
    [np.inf, 1.0],
    [np.inf, np.inf],
    [np.nan, 1.0],
    [1e200, -1e200],
    [1e300, 1e300],
    [5e-324, 0.0],
    [-0.0, 1.0],
)
REDUCING = (
    "log_softmax", "logsumexp", "max", "mean", "min", "norm", "prod", "softmax", "std", "sum", "var",
)  # fmt: skip


@pytest.mark.parametrize("name", REDUCING)
def test_reductions_of_special_numbers(name):
    function = compositions.get(name) or book[name]
    for numbers in ARRAYS:
        x = np.array(numbers)
        total = lambda x: cr.sum(function(x))  # noqa: E731
        with np.errstate(all="raise"):
            found = function(x)
            np.testing.assert_array_equal(function(Tensor(x)).data, found, f"{name} of {numbers}")
            np.testing.assert_array_equal(cr.vjp(total, x)[1](1.0)[0], cr.grad(total)(x))
            cr.hessian(total)(x)
            cr.jvp(function, (x,), (np.ones(2),))


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda: cr.grad(lambda x: x / 0.0)(3.0), np.inf),
        (lambda: cr.grad(lambda x: x / 0)(-3.0), np.inf),
        (lambda: cr.grad(lambda x: x / 0.0)(Value(3.0)), np.inf),
        (lambda: cr.grad(lambda x: 1 / x)(0.0), -np.inf),
        (lambda: cr.grad(lambda x: x**-1)(0.0), -np.inf),
        (lambda: cr.var(np.array([1.0, 2.0]), ddof=2), np.inf),
        (lambda: cr.norm(np.array([1e200])), 1e200),
        (lambda: cr.norm(np.array([np.inf, np.inf]), -1), np.inf),
        (lambda: cr.norm(np.array([0.0, 1.0]), -2), 0.0),
        (lambda: cr.prod(np.array([1e300, 1e300])), np.inf),
        (lambda: cr.std(np.array([np.inf, 1.0])), np.nan),
        (lambda: cr.logsumexp(np.zeros(0)), -np.inf),
        (lambda: cr.logsumexp(Tensor(np.zeros((0, 2)), requires_grad=True), axis=0).data[1], -np.inf),
        (lambda: cr.softmax(np.array([-np.inf, -np.inf]))[0], np.nan),
        (lambda: (Value(-np.inf) ** 0.5).data, np.inf),
        (lambda: cr.pow(np.array([-np.inf]), 0.5)[0], np.inf),
        (lambda: cr.erfc(0.0), 1.0),
        (lambda: Value(0.0).erfc().data, 1.0),
        (lambda: cr.erfc(np.zeros(2))[1], 1.0),
        (lambda: cr.derivative("relu(-x)", "x")(x=-2.0), -1.0),
        (lambda: cr.derivative("1 - relu(x)", "x")(x=2.0), -1.0),
    ],
)
def test_rows(call, right):
    close(call(), right, "")


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("numbers", [[3.0], [1.0, 1.0], [1.0, 2.0, 4.0], [1e200, -1e200], [1.0, np.inf], [np.nan, 1.0]])
@pytest.mark.parametrize("more", [0, 1, 0.0])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_no_degrees_of_freedom_give_numpys_number_and_no_derivative(name, numbers, more, kind):
    """Of every order, in both modes and along axes."""
    with np.errstate(over="ignore"):
        row = np.array(numbers, kind)
    for x, axis in [
        (row, None),
        (np.stack([row, row]), 1),
        (np.stack([row, row], 1), 0),
        (np.stack([row, row]), (0, 1)),
    ]:
        degrees = (x.size if axis in (None, (0, 1)) else row.size) + more
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            right = getattr(np, name)(x, axis=axis, ddof=degrees)
        f = functools.partial(getattr(cr, name), axis=axis, ddof=degrees)
        np.testing.assert_array_equal(f(x), right)
        np.testing.assert_array_equal(f(Tensor(x)).data, right)
        derivative = lambda x, f=f: cr.sum(f(x))  # noqa: E731
        for _ in range(3):
            derivative = cr.grad(lambda x, inner=derivative: cr.sum(inner(x)))
            assert np.isnan(derivative(x)).all()
            assert np.isnan(cr.jvp(derivative, (x,), (np.ones_like(x),))[1]).all()


def test_truth_values_count_as_one_and_zero():
    mask = Tensor([1.0, -1.0]) > 0
    np.testing.assert_array_equal((-mask).data, [-1, 0])
    np.testing.assert_array_equal((mask - mask).data, [0, 0])
    np.testing.assert_array_equal((1 - mask).data, [0, 1])
    assert cr.neg(True) == -1


def test_whole_numbers_that_are_too_large():
    for call in (
        lambda: Tensor([1.0]) + 10**400,
        lambda: 10**400 * Value(1.0),
        lambda: Value(1.0) ** 10**400,
        lambda: cr.maximum(Value(1.0), 10**400),
        lambda: cr.sin(10**400),
    ):
        with pytest.raises(cr.errors.DtypeError, match="too large"):
            call()


def test_squares_of_whole_tensors():
    t = Tensor(np.array([3, -2]))
    np.testing.assert_array_equal((t**2).data, [9, 4])
    assert (t**2).dtype == np.int64
    for exponent in (2.0, 1.0, 0.5, -1.0):
        assert (t**exponent).dtype == np.float64
    np.testing.assert_array_equal((t**2.0).data, [9.0, 4.0])
    np.testing.assert_array_equal((Tensor(np.array([0, 3])) ** 0).data, [1, 1])


def test_products_along_axes():
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    for axis, keepdims in itertools.product((None, 0, -1, (0, 1), (2, 0), (0, 1, 2), ()), (False, True)):
        found = cr.prod(Tensor(x), axis=axis, keepdims=keepdims).data
        np.testing.assert_allclose(found, np.prod(x, axis, keepdims=keepdims), rtol=1e-14)
        assert cr.grad(lambda x, axis=axis: cr.sum(cr.prod(x, axis=axis)))(x).shape == x.shape
    for empty in (np.zeros(0), np.zeros((0, 3)), np.zeros((2, 0))):
        np.testing.assert_array_equal(cr.prod(empty, axis=0), np.prod(empty, 0))
        assert cr.grad(cr.prod)(empty).shape == empty.shape
    assert cr.prod(np.array(3.0), axis=0) == 3.0
    with pytest.raises((ValueError, IndexError)):
        cr.prod(x, axis=5)


EMPTY, WHOLE, HOLED = np.zeros((3, 0)), np.array([[3, -2], [0, 5]]), np.array([[np.nan, np.inf], [1.0, 2.0]])
ENDS = np.array([-1.0, 0.0, 1.0, 1.5, 2.0, 3.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: m.copysign(x(WHOLE), -1.0),
        *[lambda m, x, o=o: m.linalg.norm(x(WHOLE), o) for o in (None, 1, -1, 2, np.inf, -np.inf, "fro", "nuc")],
        *[lambda m, x, o=o: m.linalg.norm(x(WHOLE), o, axis=0) for o in (0, 1, 2, 3, np.inf, -np.inf)],
        *[lambda m, x, o=o: m.linalg.norm(x(EMPTY), o) for o in (None, 1, 2, np.inf, "fro", "nuc")],
        *[lambda m, x, o=o: m.linalg.norm(x(EMPTY), o, axis=1) for o in (0, 1, 2, 3, np.inf)],
        *[lambda m, x, p=p: m.linalg.cond(x(np.ones((2, 2)) - WHOLE // 9), p) for p in (None, 1, 2, np.inf, "fro")],
        *[lambda m, x, p=p: m.linalg.cond(x(np.zeros((2, 2))), p) for p in (None, 1, np.inf, "fro")],
        lambda m, x: m.interp(x(ENDS), [0.0, 1.0, 1.0, 2.0, 2.0], x(np.array([1.0, 2.0, 5.0, 6.0, 9.0]))),
        lambda m, x: m.interp(x(ENDS), [1.0, 1.0], x(np.array([3.0, 4.0]))),
        lambda m, x: m.select([x(WHOLE) > 0, x(WHOLE) < 0], [x(WHOLE), -x(WHOLE)]),
        lambda m, x: m.linalg.matrix_power(x(HOLED), 0),
        *[
            lambda m, x, way=way: m.quantile(x(WHOLE), 0.4, method=way)
            for way in ("lower", "higher", "nearest", "linear")
        ],
        lambda m, x: m.power(x(WHOLE > 0), 2),
        lambda m, x: m.power(x(WHOLE > 0), 3),
    ],
)
def test_edges_of_functions_are_numpys(call):
    """Whole numbers, nothing at all, matrices without an inverse, points that stand above each other."""
    right = np.asarray(call(np, np.asarray))
    found = call(np, lambda x: Tensor(x, dtype=x.dtype, requires_grad=x.dtype.kind == "f")).data
    np.testing.assert_allclose(found, right, rtol=1e-13)
    assert (found.shape, found.dtype) == (right.shape, right.dtype)


@pytest.mark.parametrize("numbers", list(itertools.combinations_with_replacement((-np.inf, -2.0, 1.0, np.inf), 3)))
def test_quantiles_take_their_share_of_infinite_neighbours(numbers):
    """By the definition, in exact arithmetic where both are finite; and NumPy's wherever that has a number."""
    x = np.array(numbers)
    for q in (0.0, 0.25, 0.5, 0.6, 0.75, 1.0):
        low, high = math.floor(2 * q), math.ceil(2 * q)
        below, above, share = numbers[low], numbers[high], 2 * q - low
        if np.isfinite(below) and np.isfinite(above):
            right = float(Fraction(below) * (1 - Fraction(share)) + Fraction(above) * Fraction(share))
        else:
            right = below if share == 0 or below == above else sum(end for end in (below, above) if np.isinf(end))
        close(cr.quantile(x, q), right, (numbers, q))
        close(cr.quantile(Tensor(x, requires_grad=True), q).data, right, (numbers, q))
        with np.errstate(all="ignore"):
            theirs = np.quantile(x, q)
        if not np.isnan(theirs):
            close(theirs, right, (numbers, q))
        weights = np.zeros(3)
        np.add.at(weights, [low, high], [1 - share, share])
        np.testing.assert_allclose(cr.grad(lambda t, q=q: cr.quantile(t, q))(x), weights, rtol=1e-12)


def test_a_quantile_between_numbers_that_are_far_apart_does_not_run_over():
    assert cr.quantile(np.array([-1e308, 1e308]), 0.5) == 0.0


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: x - [1.0, 2.0],
        lambda m, x: [1, 2] * x,
        lambda m, x: x / [True, True],
        lambda m, x: x**2.0,
        lambda m, x: m.maximum(x, [1.0, 2.0]),
        lambda m, x: m.where([True, False], x, [1.0, 2.0]),
        lambda m, x: m.concatenate([x, [1.0, 2.0]]),
        lambda m, x: m.stack([x, x * 3]),
        lambda m, x: m.matmul(x, [1.0, 2.0]),
        lambda m, x: m.maximum(x, 1.5),
    ],
)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_types_mix_as_in_numpy(call, kind):
    """A list beside a float32 is an array of float64, or of whole numbers; a number alone widens nothing."""
    x = np.array([1.0, 3.0], kind)
    right = call(np, x)
    for given in (x, Tensor(x), Tensor(x, requires_grad=True)):
        found = call(cr, given)
        np.testing.assert_array_equal(found.data if isinstance(found, Tensor) else found, right)
        assert found.dtype == right.dtype


def test_where_there_is_no_condition_number_it_has_no_derivative():
    assert np.isnan(cr.grad(cr.cond)(np.diag([1.0, 0.0]))).all()
    assert np.isnan(cr.grad(lambda x: cr.cond(x, 1))(np.zeros((2, 2)))).all()
    assert cr.grad(lambda x: cr.sum(cr.matrix_power(x, 0)))(HOLED).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
def test_nothing_is_taken_from_nothing(mode):
    assert cr.take(np.zeros(0), np.zeros(0, int), mode=mode).shape == (0,)
    with pytest.raises(IndexError):
        cr.take(Tensor(np.zeros((2, 0))), [0], axis=1, mode=mode)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_products_run_over_only_where_the_whole_does(kind):
    """In whatever order the factors come; then the gradient is right too, at zeros as well."""
    rng = np.random.default_rng(29)
    reach = 150 if kind is np.float64 else 18
    rows = [
        10.0 ** rng.uniform(-reach, reach, size) * rng.choice([-1.0, 1.0], size) for size in rng.integers(2, 12, 60)
    ]
    rows += [np.where(rng.random(row.shape) < 0.2, 0.0, row) for row in rows]
    most, digits = np.finfo(kind).max, 1e-12 if kind is np.float64 else 1e-5
    within = 0
    for row in rows:
        x = row.astype(kind)
        factors = [Fraction(float(number)) for number in x]
        shares = [math.prod(factors[:k] + factors[k + 1 :]) for k in range(len(x))]
        whole = math.prod(factors)
        rest = abs(math.prod([factor for factor in factors if factor]))
        gradient = cr.grad(cr.prod)(x)
        for found, right in [(cr.prod(x), whole), *zip(gradient, shares, strict=True)]:
            if np.finfo(kind).tiny * 1e3 < rest < most / 4 and (right == 0 or abs(right) > np.finfo(kind).tiny):
                within += 1
                assert (
                    np.isinf(found)
                    if abs(right) > most
                    else np.isclose(float(found), float(right), rtol=digits, atol=0)
                )
        if abs(whole) > 2 * Fraction(float(most)):
            assert np.isinf(cr.prod(x))
    assert within > 300
    assert cr.prod(np.array([1e200, 1e-200, 1e200, 1e-200])) == pytest.approx(1.0, rel=1e-15)


@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_as_numpy(name):
    ours, theirs = compositions[name], getattr(np, name)
    whole = np.array([[2**62 + 1, 5], [-(2**62) - 1, 2**62 + 1]])
    assert ours(Tensor(whole)).data == theirs(whole)
    assert ours(Tensor(whole)).dtype == whole.dtype
    x = np.array([[[1.0, 5.0, 5.0], [np.nan, 0.0, 2.0]], [[-1.0, -1.0, 7.0], [np.inf, 3.0, -np.inf]]])
    for axis, keepdims in itertools.product((None, 0, -1, (0, 2), (0, 1, 2)), (False, True)):
        found = ours(Tensor(x), axis=axis, keepdims=keepdims).data
        np.testing.assert_array_equal(found, theirs(x, axis, keepdims=keepdims))
    np.testing.assert_array_equal(ours(Tensor(np.zeros((2, 0))), axis=0).data, np.zeros(0))
    with pytest.raises(ValueError, match="zero-size"):
        ours(Tensor(np.zeros((2, 0))), axis=1)


def test_equals_share_evenly_and_nan_takes_all():
    x = np.array([[1.0, 3.0, 3.0, 3.0], [2.0, np.nan, np.nan, 0.0]])
    third = 1 / 3
    for mode in ("reverse", "forward"):
        found = np.array(cr.jacobian(lambda x: cr.max(x, axis=1), mode=mode)(x))
        np.testing.assert_allclose(found[0, 0], [0.0, third, third, third], rtol=1e-15)
        np.testing.assert_allclose(found[1, 1], [0.0, 0.5, 0.5, 0.0])
    np.testing.assert_array_equal(cr.hessian(lambda x: cr.sum(cr.max(x, axis=1)))(x), np.zeros((2, 4, 2, 4)))
    np.testing.assert_array_equal(cr.grad(lambda x: cr.norm(x, np.inf))(np.array([1.0, -3.0, 3.0])), [0, -0.5, 0.5])


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize(("exponent", "slope"), [(0.5, 0.0), (1.5, np.inf), (-0.5, 0.0)])
def test_a_power_of_minus_infinity_is_cs_however_the_exponent_comes(kind, exponent, slope):
    """NumPy takes the root for a half that is no array, and that is nan."""
    value = np.inf if exponent > 0 else 0.0
    exponents = [exponent, kind(exponent), np.array(exponent, kind), np.full(3, exponent, kind)]
    exponents += [Tensor(y, requires_grad=True) for y in exponents[2:]]
    for y in exponents:
        for base in (np.array(-np.inf, kind), np.full(3, -np.inf, kind)):
            x = Tensor(base, requires_grad=True)
            out = cr.pow(x, y)
            cr.sum(out).backward()
            assert (out.data == value).all()
            assert (np.abs(x.grad.data) == slope).all()
            assert (cr.compile(lambda x, y: x**y)(base, np.asarray(getattr(y, "data", y))) == value).all()


def test_relu_of_minus_zero_is_zero():
    """One over it would else be plus infinity for one kind of number and minus infinity for another."""
    zeros, rows, back = np.full(9, -0.0), np.ones((2, 3)), np.ones((3, 4))
    product = cr.compile(lambda x, w: cr.relu(-(x @ w)))
    found = [cr.relu(cr.Value(-0.0)).data, cr.relu(zeros[0]), cr.relu(zeros), cr.relu(cr.Tensor(zeros)).data]
    found += [cr.compile(cr.relu)(zeros), cr.compile(cr.relu, target="numpy")(zeros), product(0 * rows, back)]
    assert not np.any([np.signbit(x).any() for x in found])
