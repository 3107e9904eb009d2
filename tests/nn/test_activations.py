"""Activations as modules: each is its rule of the book."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import activations, rarer_activations

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
    nn.LogSigmoid: (cr.log_sigmoid, {}),
    nn.Mish: (cr.mish, {}),
    nn.Hardtanh: (cr.hardtanh, {"min_val": -1.0, "max_val": 1.0}),
    nn.ReLU6: (cr.relu6, {}),
    nn.Hardsigmoid: (cr.hardsigmoid, {}),
    nn.Hardswish: (cr.hardswish, {}),
    nn.SELU: (cr.selu, {}),
    nn.CELU: (cr.celu, {"alpha": 1.0}),
    nn.GLU: (cr.glu, {"axis": -1}),
}


def test_every_module_is_tested():
    made = {
        thing for room in (activations, rarer_activations) for thing in vars(room).values() if isinstance(thing, type)
    }
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


CORNERS = np.array([-np.inf, -1000.0, -6.0, -3.0, -1.0, -0.3, 0.0, 0.4, 1.0, 2.0, 3.0, 6.0, 1000.0])
"""Where activations bend, and far out."""


@pytest.mark.parametrize("module", sorted({*MODULES} - {nn.Softmax, nn.GLU}, key=lambda module: module.__name__))
def test_values_and_slopes_are_pytorchs_at_corners_and_far_out(module):
    torch = pytest.importorskip("torch")
    points = CORNERS[1:] if module in (nn.Mish, nn.Hardswish, nn.GELU, nn.SiLU) else CORNERS  # x times 0 at infinity
    theirs = torch.tensor(points, requires_grad=True)
    right = getattr(torch.nn, module.__name__)()(theirs)
    right.sum().backward()
    mine = cr.Tensor(points, requires_grad=True)
    out = module()(mine)
    out.sum().backward()
    np.testing.assert_allclose(out.data, right.detach().numpy(), rtol=1e-12, atol=1e-15)
    exact = 1e-7 if module in (nn.Hardsigmoid, nn.Hardswish) else 1e-12  # PyTorch has their sixth in single precision
    np.testing.assert_allclose(mine.grad.data, theirs.grad.numpy(), rtol=exact, atol=1e-15)


@pytest.mark.parametrize(("shape", "dim"), [((4,), -1), ((3, 4), 1), ((4, 3), 0), ((2, 4, 3), -2)])
def test_glu_is_pytorchs(shape, dim):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=shape)
    theirs = torch.tensor(x, requires_grad=True)
    right = torch.nn.GLU(dim)(theirs)
    right.square().sum().backward()
    mine = cr.Tensor(x, requires_grad=True)
    out = nn.GLU(dim)(mine)
    (out * out).sum().backward()
    np.testing.assert_allclose(out.data, right.detach().numpy(), rtol=1e-13)
    np.testing.assert_allclose(mine.grad.data, theirs.grad.numpy(), rtol=1e-12)


def test_an_axis_that_cannot_be_halved_is_named():
    with pytest.raises(cr.errors.ShapeError, match=r"glu halves axis -1.*\(2, 3\)"):
        cr.glu(np.ones((2, 3)))
