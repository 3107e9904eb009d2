"""Which computations are feed-forward nets, however they were written, and what is said of the others."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation.network.feedforward import recognised
from chainrule.derivation.network.net import Misfit
from chainrule.derivation.opened.opened import Opened
from chainrule.errors import GraphError
from chainrule.micrograd.nn import MLP

from .spelled import spelled

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=(4, 2))
W1, B1, W2 = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=5), RANDOM.normal(size=(2, 5))


def learned(array):
    return cr.Tensor(array, requires_grad=True)


def by_modules(w1, b1, w2):
    first, last = cr.nn.Linear(3, 5, dtype=float, rng=0), cr.nn.Linear(5, 2, bias=False, dtype=float, rng=0)
    first.weight, first.bias, last.weight = w1, b1, w2
    net = cr.nn.Sequential(first, cr.nn.Tanh(), last, cr.nn.Sigmoid())
    return cr.nn.MSELoss()(net(X), Y)


def in_rows(w1, b1, w2):
    a = cr.tanh(X @ w1.T + b1)
    return cr.mean((cr.sigmoid(a @ w2.T) - Y) ** 2)


def in_columns(w1, b1, w2):
    a = cr.tanh(w1 @ X.T + cr.reshape(b1, (5, 1)))
    return cr.mean(cr.square(cr.sigmoid(w2 @ a) - Y.T))


@pytest.mark.parametrize("write", [by_modules, in_rows, in_columns])
def test_one_net_however_it_is_written(write):
    parameter = cr.nn.Parameter if write is by_modules else learned
    w1, b1, w2 = map(parameter, (W1, B1, W2))
    net = recognised(Opened(write(w1, b1, w2)))
    z1 = X @ W1.T + B1
    first, last = net.layers
    np.testing.assert_allclose(first.weights, W1)
    np.testing.assert_allclose(first.z, z1)
    np.testing.assert_allclose(last.weights, W2)
    assert (first.function, last.function) == ("tanh", "sigmoid")
    np.testing.assert_allclose(last.fed, np.tanh(z1))
    assert last.bias is None
    np.testing.assert_allclose(first.bias, B1)
    np.testing.assert_allclose(first.by_weights, first.by_z.T @ first.fed, rtol=1e-12)
    np.testing.assert_allclose(first.by_bias, first.by_z.sum(axis=0), rtol=1e-12)
    assert (net.examples, net.parameters) == (4, 30)
    assert first.find(w1, (3, 1)) == ("weights", (3, 1))
    assert first.find(b1, (2,)) == ("bias", (2,))
    assert last.find(w1, (3, 1)) is None


def test_weights_that_stand_transposed():
    """`x @ w` has the weights of a neuron in a column: entry [k, j] of the array is the weight from k to j."""
    w = learned(W1.T)
    net = recognised(Opened(cr.sum(X @ w)))
    np.testing.assert_allclose(net.layers[0].weights, W1)
    assert net.layers[0].find(w, (2, 4)) == ("weights", (4, 2))
    assert "2, 4" in spelled(net.layers[0].weight_name(4, 2))


def test_numbers_on_values():
    x, w, v, b = (cr.Value(number, label=name) for name, number in (("x", 2.0), ("w", -1.0), ("v", 0.5), ("b", 0.25)))
    net = recognised(Opened((v * cr.tanh(w * x + b) - 1.0) ** 2))
    assert [layer.function for layer in net.layers] == ["tanh", "identity"]
    assert net.is_chain
    assert spelled(net.layers[0].weight_name(0, 0)) == "w"
    assert net.layers[0].find(b, None) == ("bias", (0,))
    np.testing.assert_allclose(net.layers[0].z, [[-1.75]])


def test_the_lecture_net():
    net = MLP(3, [4, 4, 1])
    found = recognised(Opened((net([2.0, 3.0, -1.0]) - 1.0) ** 2))
    assert [layer.weights.shape for layer in found.layers] == [(4, 3), (4, 4), (1, 4)]
    assert found.parameters == len(net.parameters())
    for layer in found.layers:
        np.testing.assert_allclose(layer.by_weights, layer.by_z.T @ layer.fed, rtol=1e-12)


def skip():
    w, v = learned(W1), learned(RANDOM.normal(size=(5, 5)))
    h = cr.relu(W1[0] @ w.T)
    return cr.sum((cr.relu(h @ v) + h) @ learned(B1))


def cost_of_an_inner_layer():
    w, v = learned(W1), learned(W2)
    h = cr.relu(X @ w.T)
    return cr.sum(h @ v.T) + cr.sum(h)


def reused():
    w = learned(RANDOM.normal(size=(3, 3)))
    return cr.sum(cr.tanh(X @ w) @ w)


def penalty():
    w = learned(W1)
    return cr.sum(X @ w.T) + cr.sum(cr.square(w))


def own_weights_for_each_entry():
    return cr.sum(cr.tanh(learned(B1) * B1))


def values_joined():
    a, b = cr.Value(-2.0), cr.Value(3.0)
    return (a * b) * (a + b)


def convolution():
    out = cr.relu(cr.einsum("ij,jk->ik", X, learned(W1.T)))
    return cr.sum(out @ learned(W2.T))


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (skip, "skip connection"),
        (cost_of_an_inner_layer, "outside the layers"),
        (reused, "used in 2 places"),
        (penalty, "used in 2 places|belongs to no layer"),
        (own_weights_for_each_entry, "no layer"),
        (values_joined, "used in several places"),
        (convolution, "einsum"),
    ],
)
def test_what_is_not_such_a_net_says_why(write, why):
    with pytest.raises(Misfit, match=why):
        recognised(Opened(write()))


def test_a_convolutional_net_is_told_why_it_has_no_errors_delta():
    layers = [
        cr.nn.Conv2d(1, 2, 3, rng=0),
        cr.nn.ReLU(),
        cr.nn.MaxPool2d(2),
        cr.nn.Flatten(),
        cr.nn.Linear(18, 3, rng=1),
    ]
    net = cr.nn.Sequential(*layers)
    image = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype(np.float32)
    loss = cr.nn.CrossEntropyLoss()(net(image), [0, 2])
    with pytest.raises(GraphError, match=r"neither a weighted sum nor an activation.* nearest that does is 'jacobian'"):
        cr.explain(loss, net[0].weight, "delta")
    assert cr.explain(loss, net[0].weight[0, 0, 1, 1], "chain").log
