"""The compiled erf, gelu and silu and their slopes against many digits, and at the ends of what numbers can say."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from kernel_calls import needs_machine, quick

import chainrule as cr
from chainrule.core.operation import book
from chainrule.core.state import Quiet


def erfc(x):
    return mpmath.erfc(max(-1000, min(1000, x)))  # mpmath refuses larger ones; there it is 2, and less than any float


def normal_cdf(x):
    return erfc(-x / mpmath.sqrt(2)) / 2


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


RIGHT = {
    "erf": mpmath.erf,
    "erfc": erfc,
    "gelu": lambda x: x * normal_cdf(x),
    "logistic": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "erf_back": lambda x: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-x * x),
    "erfc_back": lambda x: -2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-x * x),
    "gelu_back": lambda x: normal_cdf(x) + x * mpmath.npdf(x),
    "silu_back": lambda x: sigmoid(x) * (1 + x * sigmoid(-x)),
}

SQUARED = ("gelu", "gelu_back", "erf_back", "erfc_back")


def computed(name, x):
    if name.endswith("_back"):
        return quick[name](np.ones_like(x), x, x)
    return quick[name](x)


@needs_machine
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", RIGHT)
def test_every_digit_of_the_type_is_right(name, dtype):
    """Within a few units of the last place; a slope that is 0 somewhere, within as many of its largest value.

    Where the rule has e to a power of x, what that power lost to rounding counts: eps times its size.
    """
    draw, last = np.random.default_rng(0), 9.0 if dtype == np.float32 else 26.0
    ends = np.array([0.0, 0.49999, 0.5, 0.50001, 1e-30])
    x = np.concatenate([draw.uniform(-last, last, 300), draw.normal(size=300), ends, -ends]).astype(dtype)
    with mpmath.workdps(40):
        right = np.array([float(RIGHT[name](mpmath.mpf(float(each)))) for each in x])
    eps = np.finfo(dtype).eps
    small = (2 + np.abs(x)) * eps if name in ("gelu_back", "silu_back") else np.finfo(dtype).tiny
    room = 6 * eps + (2 * eps * x * x if name in SQUARED else 0)
    assert (np.abs(computed(name, x) - right) <= room * np.abs(right) + 2 * small).all()


@needs_machine
@pytest.mark.parametrize("name", RIGHT)
def test_what_is_far_out_or_no_number_at_all_is_as_the_rules_say(name):
    """From tails that hardly are numbers to infinity: the limit, and nan where the formula multiplies infinity by 0."""
    for dtype in (np.float32, np.float64):
        most = np.finfo(dtype).max
        far = np.array([30.0, 100.0, 800.0, 1e4, most, -30.0, -100.0, -800.0, -1e4, -most], dtype)
        with mpmath.workdps(40):
            right = np.array([float(RIGHT[name](mpmath.mpf(float(each)))) for each in far])
        np.testing.assert_allclose(computed(name, far), right, rtol=1e-5, atol=1e-36 if dtype == np.float32 else 1e-200)
        odd = np.array([np.nan, np.inf, -np.inf], dtype)
        with Quiet():
            if name == "logistic":
                expected = 1 / (1 + np.exp(-odd))
            elif name.endswith("_back"):
                rule = book[name.removesuffix("_back")]
                expected = rule.partial(0, rule.function(odd), (odd,), {})
            else:
                expected = book[name].function(odd)
            np.testing.assert_array_equal(computed(name, odd), expected)


@pytest.mark.parametrize("function", [cr.silu, cr.gelu, cr.erf, cr.erfc, cr.sigmoid], ids=lambda f: f.__name__)
def test_no_order_has_nan_at_the_largest_numbers(function):
    flat = {"silu": (0.0, 1.0), "gelu": (0.0, 1.0)}.get(function.__name__, (0.0, 0.0))
    for size in (1e308, 1e200, 1e20, 1000.0):
        for x, slope in zip((-size, size), flat, strict=True):
            assert np.isfinite(function(x))
            assert cr.grad(function)(x) == slope
            assert cr.grad(cr.grad(function))(x) == 0
            t = cr.Tensor(np.array([x]), requires_grad=True)
            function(t).backward(cr.Tensor(np.ones(1)))
            assert t.grad.numpy() == [slope]
