"""Quotients judge a derivative with the step that is best: no kink, no mistake and no agreement is invented."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chainrule.differences import compared, ladder, noise_of, steps_for


def outcome(f, derivative, x, **settings):
    def along(shift):
        moved = x + shift
        return f(np.float64(moved)), moved - x

    scale = abs(x) or 1.0
    steps = ladder(along, steps_for(x, 1.0), noise_of(along, scale))
    return compared(steps, derivative, **settings), steps.order(np.atleast_1d(derivative))


RIGHT = {
    "a curve": (np.sin, math.cos(0.7), 0.7),
    "beside a kink": (abs, 1.0, 1e-9),
    "beside a kink, in a larger sum": (lambda x: 1 + abs(x), 1.0, 1e-9),
    "on the other side of it": (abs, -1.0, -1e-9),
    "a large input": (np.sin, math.cos(1e8), 1e8),
    "a straight line": (lambda x: 3 * x, 3.0, 2.0),
    "a straight line far out": (lambda x: 3 * x, 3.0, 1e16),
    "a constant": (lambda x: 0.0 * x, 0.0, 1.0),
    "flat at 0": (np.square, 0.0, 0.0),
    "smooth, though made of a kink": (lambda x: x * abs(x), 0.0, 0.0),
    "steep": (lambda x: np.exp(50 * x), 50 * math.exp(15), 0.3),
    "many waves": (lambda x: np.sin(1000 * x), 1000 * math.cos(300), 0.3),
    "near a pole": (lambda x: 1 / x, -1e10, 1e-5),
    "near the end of its domain": (np.log, 1e8, 1e-8),
    "in float32": (lambda x: np.sin(np.float32(x)), math.cos(0.7), 0.7),
    "tiny": (lambda x: 1e-200 * x * x, 2e-200, 1.0),
    "huge": (lambda x: 1e200 * x * x, 2e200, 1.0),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_derivative_is_confirmed(name):
    found, order = outcome(*RIGHT[name])
    assert found.verdict == "right", found
    assert order is None or order > 1.5


@pytest.mark.parametrize("name", [name for name in RIGHT if "float32" not in name])
@pytest.mark.parametrize("off", [1e-4, -1.0, 1.0])
def test_the_same_derivative_a_little_off_is_not(name, off):
    f, derivative, x = RIGHT[name]
    found, _ = outcome(f, derivative * (1 + off) if derivative else off, x)
    assert found.verdict == "bug", found


def test_an_error_of_a_millionth_shows_in_taylors_order():
    _, right = outcome(np.sin, math.cos(0.7), 0.7)
    _, wrong = outcome(np.sin, math.cos(0.7) + 1e-6, 0.7)
    assert right == pytest.approx(2, abs=0.05)
    assert wrong == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("f", "x", "sides"),
    [
        (abs, 0.0, (-1, 1)),
        (lambda x: max(x, 0.0), 0.0, (0, 1)),
        (lambda x: x if x > 0 else 0.01 * x, 0.0, (0.01, 1)),
        (lambda x: abs(x - 2), 2.0, (-1, 1)),
        (lambda x: 5 + abs(np.sin(x)), 0.0, (-1, 1)),
    ],
)
def test_at_a_kink_a_slope_between_the_sides_is_a_convention_and_another_is_a_mistake(f, x, sides):
    for derivative in (*sides, sum(sides) / 2):
        found, _ = outcome(f, derivative, x)
        assert found.verdict == "kink"
        assert found.sides == pytest.approx(sides, abs=1e-5)
    assert outcome(f, 1.5, x)[0].verdict == "bug"


def test_an_edge_has_one_side():
    assert outcome(lambda x: x * np.sqrt(x), 0.0, 0.0)[0].verdict in ("right", "truncation")
    assert outcome(lambda x: np.sqrt(x) + x, 5.0, 0.0)[0].verdict in ("bug", "no number")


def test_what_rounding_hides_is_said_to_be_hidden():
    seen, _ = outcome(lambda x: 1e10 + x * x, 2.0, 1.0)
    assert seen.verdict == "rounding"
    hidden, _ = outcome(lambda x: 1e16 + x, 1.0, 1.0)
    assert hidden.verdict == "undecided"


@pytest.mark.parametrize("derivative", [math.inf, math.nan])
def test_without_a_number_there_is_no_verdict(derivative):
    assert outcome(np.sqrt, derivative, 0.0)[0].verdict == "no number"
    assert outcome(lambda x: np.float64("nan"), 1.0, 0.0)[0].verdict == "no number"


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_noise_is_that_of_the_function(scale):
    exact = noise_of(lambda h: (np.exp(1 + h / scale), h), scale)
    assert exact < 1e-14
    rng = np.random.default_rng(0)
    noisy = noise_of(lambda h: (np.exp(1 + h / scale) + 1e-8 * rng.normal(), h), scale)
    assert 3e-9 < noisy < 4e-8


def test_each_of_several_outputs_is_judged():
    def along(shift):
        x = 0.5 + shift
        return np.array([np.sin(x), np.cos(x), x]), shift

    steps = ladder(along, steps_for(0.5, 1.0), noise_of(along))
    right = np.array([math.cos(0.5), -math.sin(0.5), 1.0])
    assert compared(steps, right).verdict == "right"
    found = compared(steps, right * [1, 2, 1])
    assert (found.verdict, found.output) == ("bug", 1)
