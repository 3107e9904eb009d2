"""Kernels with numerics of their own, against many digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from chainrule.core.state import Quiet
from chainrule.rules import kernels


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-15), (np.float32, 5e-7)])
def test_erfc_has_all_digits_of_its_type(dtype, tolerance):
    """Four or five times the type's rounding, from some forty operations one after the other."""
    last = 26.0 if dtype == np.float64 else 9.0
    x = np.concatenate([np.linspace(-7, 7, 301), np.linspace(7, last, 50)]).astype(dtype)
    right = np.array([float(mpmath.erfc(float(each))) for each in x])
    found = kernels.erfc(x)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, right, rtol=tolerance)


def test_erfc_of_many_numbers_is_that_of_each():
    x = np.random.default_rng(0).normal(size=(3, kernels.ERFC_BLOCK // 2 + 1))
    found = kernels.erfc(x)
    places = np.random.default_rng(1).integers(0, x.size, 50)
    # One entry may take another path through the processor than a row of them.
    np.testing.assert_allclose(found.flat[places], [kernels.erfc(x.flat[i]) for i in places], rtol=1e-15)


def test_erfc_at_the_limits():
    with Quiet():
        found = kernels.erfc(np.array([np.inf, -np.inf, np.nan, 30.0]))
    np.testing.assert_array_equal(found, [0.0, 2.0, np.nan, 0.0])
    assert kernels.erfc(np.zeros((0, 2), np.float16)).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_erfc_is_the_same_at_both_zeros_and_two_minus_it_on_the_left(dtype):
    x = np.linspace(0, 30, 301, dtype=dtype)
    # C's function, where it is used, rounds both sides by itself.
    np.testing.assert_allclose(kernels.erfc(-x)[1:], 2 - kernels.erfc(x)[1:], rtol=2 * np.finfo(dtype).eps)
    assert kernels.erfc(dtype(-0.0)) == kernels.erfc(dtype(0.0))
