"""Entries of a gradient that are a million million times smaller than their neighbours are judged by themselves."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr

SIZES = np.array([1.0, 1e-12, 2.0])
X = np.array([0.7, 0.9, -0.4])


def back(k):
    return lambda g, x: g * 2 * SIZES * x * np.array([1.0, k, 1.0])


@pytest.mark.parametrize(("k", "right"), [(1.0, True), (2.0, False), (1.1, False), (-1.0, False)])
def test_a_complex_step_sees_what_differences_cannot(k: float, right: bool) -> None:
    assert bool(cr.check_gradients((lambda x: np.sum(SIZES * x**2), back(k)), X)) == right


def test_what_a_complex_step_does_not_see_accuses_nobody() -> None:
    """Of an absolute value a complex step says 0."""
    slope = np.array([1e-12, 0.0, 0.0])
    pair = (lambda x: np.sum(x**2) + 1e-12 * np.abs(x[0]), lambda g, x: g * (2 * x + slope * np.sign(x[0])))
    assert cr.check_gradients(pair, np.array([0.0, 0.9, -0.4]) + 1e-13)


@pytest.mark.parametrize(("k", "said"), [(2.0, "[1] is 3.6e-12 for 1.8e-12"), (1.0, "")])
def test_a_comparison_says_what_is_small_and_off(k: float, said: str) -> None:
    x = cr.Tensor(X, requires_grad=True)
    (cr.Tensor(SIZES) * x**2).sum().backward()
    told = str(cr.compare(back(k)(1.0, X), x))
    assert said in told if said else "for" not in told
