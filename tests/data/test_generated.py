"""Generated points: on their curves, with their noise, after their seed, and as scikit-learn defines them."""

import numpy as np
import pytest

from chainrule.data import make_circles, make_moons, make_spirals, make_xor
from chainrule.errors import DataError

MAKERS = [make_moons, make_circles, make_spirals, make_xor]
# A float32 near 1 is off by at most 6e-8; a few roundings make 1e-6.
ROUNDING = 1e-6


def in_order(x, y):
    """Rows in an order that does not depend on the shuffling."""
    table = np.round(np.column_stack([y, x]).astype(np.float64), 5) + 0.0
    return table[np.lexsort(table.T)]


@pytest.mark.parametrize("count", [2, 7, 100])
@pytest.mark.parametrize("name", ["make_moons", "make_circles"])
def test_moons_and_circles_are_those_of_scikit_learn(name, count):
    theirs = pytest.importorskip("sklearn.datasets")
    ours = {"make_moons": make_moons, "make_circles": make_circles}[name](count)
    np.testing.assert_allclose(in_order(*ours), in_order(*getattr(theirs, name)(count)), atol=2e-5)


@pytest.mark.parametrize("make", MAKERS)
def test_points_follow_their_seed_and_have_their_types(make):
    x, y = make(40, noise=0.1, seed=3)
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((40, 2), np.float32, (40,), np.int64)
    assert np.array_equal(make(40, noise=0.1, seed=3)[0], x)
    assert not np.array_equal(make(40, noise=0.1, seed=4)[0], x)
    assert np.bincount(y).tolist() == [20, 20]


@pytest.mark.parametrize("make", MAKERS)
def test_noise_is_a_standard_deviation(make):
    quiet, noisy = (make(20_000, noise=noise, seed=1)[0] for noise in (0.0, 0.3))
    # The deviation of 40,000 draws is off by 0.0011 on average (σ/√2n): 5 times that.
    assert abs(float((noisy - quiet).std()) - 0.3) < 0.0053


def test_moons_lie_on_their_half_circles():
    x, y = make_moons(101)
    middle = np.where(y[:, None] == 0, [[0.0, 0.0]], [[1.0, 0.5]])
    np.testing.assert_allclose(((x - middle) ** 2).sum(axis=1), 1, atol=4 * ROUNDING)
    assert ((x - middle)[:, 1] * np.where(y == 0, 1, -1) > -ROUNDING).all()


def test_circles_have_their_radii():
    x, y = make_circles(101, factor=0.3)
    np.testing.assert_allclose(np.hypot(*x.T), np.where(y == 0, 1, 0.3), atol=ROUNDING)


def test_spirals_wind_and_their_arms_are_turned_copies():
    x, y = make_spirals(300, arms=3, turns=2.0)
    radius = np.hypot(*x.T)
    angle = np.arctan2(x[:, 1], x[:, 0]) / (2 * np.pi)
    off = angle - 2.0 * radius - y / 3
    # An angle is as wrong as its point is, divided by the radius, which is at least 1/100.
    np.testing.assert_allclose(off, np.round(off), atol=100 * ROUNDING)
    assert [radius[y == arm].max() for arm in range(3)] == pytest.approx([1, 1, 1], abs=ROUNDING)
    assert np.bincount(make_spirals(8, arms=3)[1]).tolist() == [3, 3, 2]


def test_xor_is_its_truth_table_again_and_again():
    x, y = make_xor(9)
    assert y.tolist() == [int(a) ^ int(b) for a, b in x]
    assert x[4:8].tolist() == x[:4].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [({"count": 0}, "count is at least"), ({"noise": -1.0}, "noise"), ({"noise": np.nan}, "noise")],
)
def test_what_makes_no_points_is_refused(make, settings, message):
    with pytest.raises(DataError, match=f"{make.__name__}: {message}"):
        make(**settings)


def test_factors_and_arms_are_checked():
    with pytest.raises(DataError, match="factor"):
        make_circles(factor=1.0)
    with pytest.raises(DataError, match="arm"):
        make_spirals(arms=0)
    with pytest.raises(DataError, match="count is at least 3"):
        make_spirals(2, arms=3)
