"""The compiled convolutions beside the products of matrices that say what they compute, for every step and edge."""

from __future__ import annotations

import numpy as np
import pytest
from loop_calls import convolution, copies, loops

from chainrule.core.operation import kernels
from chainrule.core.state import Quiet

NAMES = ("convolved", "convolved_back", "convolved_weights")
pytestmark = pytest.mark.skipif(loops is None, reason="the loops are not compiled here")


def random_settings(draw):
    """Steps, edges and spreads of both axes, which need not be alike; the edges are so wide that the window fits."""
    spread = draw.integers(1, 5, 2)
    around = [int(draw.integers(2 * s, 2 * s + 4)) for s in spread]
    steps, groups = draw.integers(1, 5, 2), draw.choice([1, 2])
    return {
        "stride": tuple(map(int, steps)),
        "padding": tuple(around),
        "dilation": tuple(map(int, spread)),
        "groups": int(groups),
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_every_step_edge_and_spread_gives_what_the_kernel_gives(name, dtype):
    draw = np.random.default_rng(0)
    close = {"rtol": 1e-3, "atol": 1e-3} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-11}
    for _ in range(120):
        shape = tuple(map(int, draw.integers(2, 14, 2)))
        settings = random_settings(draw)
        if draw.random() < 0.3:
            settings |= {"padding": 0, "dilation": 1}
        given = convolution(name, shape, dtype, draw, settings)
        out = getattr(loops, name)(*copies(given))
        right = kernels[name](*copies(given))
        assert out.shape == right.shape
        assert out.dtype == right.dtype == dtype
        np.testing.assert_allclose(out, right, **close, err_msg=f"{shape} {settings}")


@pytest.mark.parametrize("odd", [np.nan, np.inf])
@pytest.mark.parametrize("name", NAMES)
def test_nan_and_infinity_reach_only_what_they_are_part_of(name, odd):
    for place in (0, 1):
        for entry in (0, -1):
            given = copies(convolution(name, (5, 7), np.float64, np.random.default_rng(0)))
            given[place].flat[entry] = odd
            with Quiet():
                out, right = getattr(loops, name)(*given), kernels[name](*given)
            if out is not NotImplemented:
                np.testing.assert_allclose(out, right, rtol=1e-12, atol=1e-12)
            assert not np.isfinite(right).all()
            assert np.isfinite(right).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_that_would_reach_outside_is_refused(name):
    given = convolution(name, (6, 7), np.float64, np.random.default_rng(0))
    at = len(given) - 5
    for place, wrong in [(0, (3, 3)), (1, (0, 1)), (1, (9, 9)), (2, (-1, 0)), (3, (0, 1)), (3, (50, 1)), (4, (50, 3))]:
        arguments = copies(given)
        arguments[at + place] = wrong
        assert getattr(loops, name)(*arguments) is NotImplemented
    for groups in (0, -1, 3, 4, 1 << 40):
        arguments = copies(given)
        arguments[at - 1] = groups
        assert getattr(loops, name)(*arguments) is NotImplemented
    for huge in (1 << 17, 1 << 40, (1 << 63) - 1):
        for place in (1, 2, 3):
            arguments = copies(given)
            arguments[at + place] = (huge, huge)
            assert getattr(loops, name)(*arguments) is NotImplemented


def test_large_products_and_single_entries_are_left_to_matrices():
    draw = np.random.default_rng(0)
    for channels, window in ((40, 3), (8, 1)):
        x, w = draw.normal(size=(1, channels, 6, 6)), draw.normal(size=(channels, channels, window, window))
        fits = (7 - window, 7 - window)
        assert loops.convolved(x, w, 1, (window, window), (1, 1), (0, 0), (1, 1), fits) is NotImplemented
