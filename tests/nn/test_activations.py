"""Activations as modules: each is its rule of the book."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import activations

MODULES = {
    nn.ReLU: (cr.relu, {}),
    nn.Tanh: (cr.tanh, {}),
    nn.Sigmoid: (cr.sigmoid, {}),
    nn.SiLU: (cr.silu, {}),
    nn.Softplus: (cr.softplus, {}),
    nn.LeakyReLU: (cr.leaky_relu, {"slope": 0.01}),
    nn.ELU: (cr.elu, {"alpha": 1.0}),
    nn.GELU: (cr.gelu, {}),
    nn.Softmax: (cr.softmax, {"axis": -1}),
}


def test_every_module_is_tested():
    made = {thing for thing in vars(activations).values() if isinstance(thing, type)}
    assert made & {*nn.Activation.__subclasses__()} == {*MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_its_rule(module):
    rule, settings = MODULES[module]
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_array_equal(module()(cr.Tensor(x)).data, rule(x, **settings))
    np.testing.assert_array_equal(module()(x), rule(x, **settings))
    assert repr(module()) == f"{module.__name__}()"
    assert not list(module().parameters())


def test_settings_are_shown_and_used():
    assert repr(nn.LeakyReLU(0.2)) == "LeakyReLU(0.2)"
    assert repr(nn.GELU(approximate="tanh")) == "GELU('tanh')"
    assert nn.LeakyReLU(0.2)(-1.0) == -0.2
    assert nn.ELU(alpha=0.5)(-1000.0) == -0.5
    np.testing.assert_array_equal(nn.Softmax(dim=0)(np.zeros((2, 3))), np.full((2, 3), 0.5))


def test_values_pass_through():
    x = cr.Value(2.0)
    nn.Tanh()(x).backward()
    assert x.grad == pytest.approx(1 - np.tanh(2.0) ** 2, rel=1e-15)
