"""Every pointwise rule at its edges, kinks and special points, to the fourth order, against mpmath.

A derivative there is the right number where there is one, and else a one-sided limit, a documented convention or nan:
never a finite number that is none of these.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
from in_mpmath import function_of, mp, mpmath
from oracles import RIGHT_AT_KINK, RULES, places

import chainrule as cr
from chainrule import Value
from chainrule.core.operation import Pointwise, book

ORDERS = 4
SPECIAL = (-1.0, 0.0, 0.5, 1.0, 2.0)
NEAR, NEARER = mpmath.mpf("1e-12"), mpmath.mpf("1e-24")
STEP = mpmath.mpf("1e-28")
DIGITS = 130
"""So many that a difference of the fourth order at such a step keeps a dozen of them."""


NOT_IN_MPMATH = {"direction", "dot_of", "share", "sinc_slope", "sum_of", "where"}
KINKED = {"chosen", *RIGHT_AT_KINK}
NAMES = [
    name for name in RULES if isinstance(book[name], Pointwise) and places(book[name]) and name not in NOT_IN_MPMATH
]


def points(rule):
    """The special points, and the rule's own edges and kinks."""
    special = SPECIAL if len(rule.inputs) == 1 else (-1.0, 0.0, 2.0)
    return dict.fromkeys([*itertools.product(special, repeat=len(rule.inputs)), *rule.edges, *rule.at_kink])


@cache
def exact(name, settings, point, place, order, side):
    """A derivative in one input beside a point, in many digits; None where the function is not real there."""
    function = function_of(name)
    assert function, f"say in MPMATH what {name} is"
    with mp.workdps(DIGITS):
        at = [mp.mpf(x) for x in point]
        given = {key: mp.mpf(x) if type(x) is float else x for key, x in settings}

        def along(step):
            moved = [x + step if i == place else x for i, x in enumerate(at)]
            return function(*moved, *given.values()) if given else function(*moved)

        try:
            if mp.im(along(side)):
                return None
            found = mp.diff(along, side, order, h=STEP) if order else along(side)
        except (ValueError, ZeroDivisionError, OverflowError):
            return None
        found = mp.mpc(found)
        return float(found.real) if abs(found.imag) < mp.mpf("1e-60") else None


def limit(*where, sign):
    """The one-sided limit of a derivative; None where the function is not real on that side."""
    near, nearer = (exact(*where, sign * step) for step in (NEAR, NEARER))
    if near is None or nearer is None:
        return None
    if abs(nearer) > 1.5 * abs(near) and abs(nearer) > 5:
        return np.copysign(np.inf, nearer)
    return 0.0 if abs(nearer) < 1e-9 and abs(near) < 1e-4 else nearer


def allowed(name, settings, point, place, order):
    """What the derivative may be, and whether it may be nan."""
    where = (name, tuple(settings.items()), point, place, order)
    sides = [limit(*where, sign=sign) for sign in (-1, 1)]
    known = [x for x in sides if x is not None and not np.isnan(x)]
    smooth = all(meet(*[limit(*where[:-1], k, sign=sign) for sign in (-1, 1)]) for k in range(order + 1))
    if not smooth and order >= 1 and name in KINKED:
        known.append(RIGHT_AT_KINK[name](settings) if order == 1 and name in RIGHT_AT_KINK else 0.0)
    return known, not smooth


def meet(left, right):
    """Whether two one-sided limits are the same number."""
    return left is not None and right is not None and bool(np.isclose(left, right, rtol=1e-9, atol=1e-9))


def derivative_of(rule, settings, point, place, order, kind):
    """The engine's derivative in one input: of floats, of Values, or by forward mode on top of reverse."""

    def along(x):
        return rule(*[x if i == place else y for i, y in enumerate(point)], **settings)

    f = along
    for k in range(order):
        f = pushed(f) if kind == "forward" and k == order - 1 else cr.grad(f)
    out = f(Value(point[place]) if kind == "Value" else point[place])
    return float(out)


def pushed(f):
    return lambda x: cr.jvp(f, (x,), (1.0,))[1]


CONVENTIONS: dict[tuple[str, tuple[float, ...], int, int], float] = {
    ("pow", (0.0, 0.0), 1, 1): 0.0,
}
"""Numbers that are no limits, by rule, point, input and order, as docs/conventions.md has them."""


@pytest.mark.parametrize("kind", ["float", "Value", "forward"])
@pytest.mark.parametrize("name", NAMES)
def test_edges(name, kind):
    rule = book[name]
    for given in rule.examples:
        settings = rule.complete(given)
        for point, place in itertools.product(points(rule), places(rule)):
            value = rule(*point, **settings)
            if np.isnan(value):
                continue  # No function is there that could move.
            for order in range(1, ORDERS + 1):
                found = derivative_of(rule, settings, point, place, order, kind)
                right, may_be_nan = allowed(name, settings, point, place, order)
                if (name, point, place, order) in CONVENTIONS:
                    right.append(CONVENTIONS[name, point, place, order])
                fits = not right and not (np.isfinite(found) and np.isfinite(value))
                fits = fits or any(x == found or np.isclose(x, found, rtol=1e-7, atol=1e-9) for x in right)
                what = f"derivative {order} of {name}{point} in input {place} with {settings}"
                unknown = np.isnan(found) or (np.isinf(found) and not np.isinf(right).any())
                assert fits or (unknown and (may_be_nan or not np.isfinite(value))), (
                    f"{what} is {found}, and may be {right}"
                )


def test_rules_with_a_domain_of_their_own_declare_its_edges():
    for name in NAMES:
        rule = book[name]
        assert rule.everywhere or rule.edges or name == "tan", f"{name}: say where its domain ends, with edges=…"


@pytest.mark.parametrize("kind", ["float", "Value"])
def test_mixed_derivatives_of_powers(kind):
    """x^y at base 0 and at exponent 0: both mixed entries of a Hessian are the right number, or none."""
    kept = float if kind == "float" else Value
    for (x, y), right in {
        (2.0, 0.0): [[0.0, 0.5], [0.5, np.log(2.0) ** 2]],
        (0.0, 2.0): [[2.0, 0.0], [0.0, 0.0]],
        (0.0, 3.5): [[0.0, 0.0], [0.0, 0.0]],
        (0.0, 1.0): [[0.0, -np.inf], [-np.inf, 0.0]],
        (0.0, 1.5): [[np.inf, 0.0], [0.0, 0.0]],
        (0.0, 0.5): [[-np.inf, np.nan], [np.nan, 0.0]],
        (-2.0, 1.0): [[0.0, np.nan], [np.nan, np.nan]],
        (-2.0, 3.0): [[-12.0, np.nan], [np.nan, np.nan]],
        (1.0, 0.0): [[0.0, 1.0], [1.0, 0.0]],
    }.items():
        found = np.array([[float(e) for e in row] for row in cr.hessian(lambda x, y: x**y, (0, 1))(kept(x), kept(y))])
        np.testing.assert_allclose(found, right, rtol=1e-12, atol=0)


def summed(f):
    return lambda x: cr.sum(f(x))


@pytest.mark.parametrize("k", [0, 1, 2, 3, 4, 5])
def test_whole_powers_past_their_order(k):
    """x**k at 0, with a number, an array of exponents, and by multiplication: k! once, then 0."""
    of = {
        "number": lambda x: x**k,
        "whole": lambda x: x ** float(k),
        "array": lambda x: cr.sum(x ** np.array([float(k)])),
        "rule": lambda x: cr.pow(x, k),
    }
    for name, f in of.items():
        for start in (0.0, Value(0.0)) if name != "array" else (0.0, np.zeros(1)):
            g = f
            for order in range(1, 6):
                g = summed(cr.grad(g)) if isinstance(start, np.ndarray) else cr.grad(g)
                right = float(np.prod(np.arange(1, k + 1))) if order == k else 0.0
                assert float(g(start)) == right, (name, order, start)


NORMS = {
    "norm": cr.norm,
    "squared norm": lambda v: cr.norm(v) ** 2,
    "norm of a row": lambda v: cr.sum(cr.norm(cr.stack([v, v]), axis=1)),
    "norm of order 3": lambda v: cr.norm(v, 3),
    "norm of order 1.5": lambda v: cr.norm(v, 1.5),
    "norm of columns of order 4": lambda v: cr.sum(cr.norm(cr.stack([v, v]), 4, axis=0)),
    "std": lambda v: cr.std(v),
    "squared std": lambda v: cr.std(v) ** 2,
    "sum of cubes": lambda v: cr.norm(v) ** 3,
}


@pytest.mark.parametrize("name", NORMS)
def test_norms_at_nothing(name):
    """The gradient of a norm at 0 is 0 by convention; it has no second derivative there, so no finite one is given."""
    f = NORMS[name]
    np.testing.assert_array_equal(cr.grad(f)(np.zeros(2)), [0.0, 0.0])
    for second in (
        cr.hessian(f),
        cr.jacobian(cr.grad(f), mode="reverse"),
        cr.jacobian(cr.jacobian(f, mode="forward"), mode="forward"),
    ):
        assert np.isnan(second(np.zeros(2))).all(), name


@pytest.mark.parametrize("x", [np.array([3.0]), np.ones((1, 2, 1)), np.array(2.0)])
def test_the_deviation_of_a_single_entry_is_flat_at_every_order(x):
    f = lambda x: cr.sum(cr.std(x, axis=tuple(np.flatnonzero(np.equal(x.shape, 1)))))  # noqa: E731
    assert f(x) == 0.0
    np.testing.assert_array_equal(cr.grad(f)(x), 0 * x)
    np.testing.assert_array_equal(cr.hessian(f)(x), np.zeros(x.shape * 2))


def test_norms_of_any_size():
    torch = pytest.importorskip("torch")
    for scale in (1e-310, 1e-200, 1e-160, 1.0, 1e160, 1e200, 1e300, 2.5e307):
        x = scale * np.array([[3.0, 4.0], [1.0, -2.0]])
        t = torch.tensor(x / scale, requires_grad=True)
        torch.linalg.vector_norm(t, dim=1).sum().backward()
        np.testing.assert_allclose(cr.norm(x, axis=1), scale * np.array([5.0, np.sqrt(5.0)]), rtol=1e-11)
        np.testing.assert_allclose(cr.grad(lambda x: cr.sum(cr.norm(x, axis=1)))(x), t.grad.numpy(), rtol=1e-11)
        np.testing.assert_allclose(cr.std(x, axis=0), scale * np.array([1.0, 3.0]), rtol=1e-11)
    beside = np.array([[np.inf, 1.0], [-1e308, 1.0], [5e-324, 0.0]])
    np.testing.assert_array_equal(cr.norm(beside, axis=1), [np.inf, 1e308, 5e-324])
    assert cr.norm(np.array([np.inf, 1.0])) == np.inf
    assert np.isnan(cr.norm(np.array([np.inf, np.nan])))
    assert cr.norm(np.zeros(0)) == 0.0
    assert cr.norm(np.array([1e30, 1e30], np.float32)).dtype == np.float32
