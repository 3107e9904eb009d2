"""What was compiled or frozen is pickled and copied as what it was made of."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn


@cr.compile
def doubled(x: Any) -> Any:
    return 2 * x


@cr.freeze
def product(a: Any, b: Any) -> Any:
    return a * b


class Box:
    @cr.compile
    def f(self, x: Any) -> Any:
        return 3 * x


def plain(x: Any) -> Any:
    return cr.tanh(x)


WAYS = {"pickle": lambda x: pickle.loads(pickle.dumps(x)), "deepcopy": copy.deepcopy, "copy": copy.copy}  # noqa: S301


@pytest.mark.parametrize("way", WAYS)
def test_what_decorates_a_function_is_found_by_its_name(way):
    for one in (doubled, product, Box.f):
        one(*[Box()] * (one is Box.f), *[1.5] * (1 + (one is product)))
        assert WAYS[way](WAYS[way](one)) is one
    assert WAYS[way](Box().f)(2.0) == 6.0


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_is_made_of_the_same(way):
    for one in (cr.compile(plain, target="numpy"), cr.compile(nn.Linear(2, 3, rng=0)), cr.freeze(plain)):
        given = (0.5,) if hasattr(one, "on_arrays") else (np.ones((1, 2), np.float32),)
        right, other = one(*given), WAYS[way](one)
        assert other is not one
        np.testing.assert_array_equal(other(*given)[0], right[0])
        assert getattr(other, "target", "") == getattr(one, "target", "")


@pytest.mark.parametrize("way", ["pickle", "deepcopy"])
def test_a_copied_training_step_goes_on_by_itself(way):
    net = nn.Sequential(
        nn.Linear(2, 3, dtype=float, rng=0), nn.Dropout(0.3, rng=1), nn.Linear(3, 1, dtype=float, rng=2)
    )
    step = cr.compile(net, loss=nn.MSELoss(), optimizer=cr.optim.Adam(net.parameters(), lr=0.1), clip_norm=0.5)
    x, y = np.arange(8.0).reshape(4, 2), np.ones((4, 1))
    for _ in range(3):
        step(x, y)
    other = WAYS[way](step)
    np.testing.assert_allclose([step(x, y) for _ in range(3)], [other(x, y) for _ in range(3)], rtol=1e-12)
