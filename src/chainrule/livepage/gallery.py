"""The examples that a page opens with: nets of the lessons, a value that is used twice, XOR, moons, a digit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.data import load_digits, make_moons, make_xor
from chainrule.livepage.network import network_subject
from chainrule.livepage.subject import Subject, typed_subject


def reuse() -> Subject:
    """Both inputs are used twice, so gradients add up."""
    return typed_subject("d = a*b; e = a + b; f = d*e", {"a": -2.0, "b": 3.0}, title="A value used twice", rate=0.05)


def chain() -> Subject:
    """Input, hidden value, prediction, cost."""
    text = "h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2"
    values = {"w1": 2.0, "x": 2.0, "w2": 0.5, "y": 20.0}
    return typed_subject(text, values, title="Two weights in a chain", rate=0.01)


def two_sigmoids() -> Subject:
    text = "z1 = w1*x1 + w2*x2; h = sigmoid(z1); z2 = w3*h; yhat = sigmoid(z2); L = 0.5*(yhat - y)**2"
    values = {"w1": 0.1, "x1": 1.0, "w2": -0.3, "x2": 2.0, "w3": 0.5, "y": 1.0}
    return typed_subject(text, values, title="Two inputs, two sigmoids", rate=0.5)


def one_a_layer() -> Subject:
    """The chain of one neuron a layer."""
    text = (
        "z1 = w1*x + b1; a1 = sigmoid(z1); z2 = w2*a1 + b2; a2 = sigmoid(z2); "
        "z3 = w3*a2 + b3; a3 = sigmoid(z3); C = (a3 - y)**2"
    )
    numbers = {"x": 0.6, "w1": 0.7, "w2": -1.2, "w3": 1.5, "b1": 0.1, "b2": 0.4, "b3": -0.3, "y": 1.0}
    return typed_subject(text, numbers, title="One neuron a layer", rate=1.0)


def paraboloid() -> Subject:
    """The bowl on which a gradient is first seen as an arrow."""
    return typed_subject("f = x**2 + y**2", {"x": 3.0, "y": 4.0}, title="A bowl, x² + y²", rate=0.1)


def net_232() -> Subject:
    """A net of two layers on one example, with its cost."""
    first, second = nn.Linear(2, 3, rng=0, dtype=float), nn.Linear(3, 2, rng=1, dtype=float)
    first.weight.data[...] = [[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]]
    second.weight.data[...] = [[0.7, -0.8, 0.9], [-1.0, 1.1, -1.2]]
    for layer, bias in ((first, [0.01, -0.02, 0.03]), (second, [0.05, -0.06])):
        assert layer.bias is not None
        layer.bias.data[...] = bias
    net = nn.Sequential(first, nn.Sigmoid(), second, nn.Sigmoid())
    return network_subject(net, [[0.5, -1.0]], [[1.0, 0.0]], title="A net 2-3-2", rate=0.5)


def xor() -> Subject:
    """What one layer cannot learn."""
    x, y = make_xor(4)
    return network_subject(sigmoid_net(2, 4, 1), x, y, title="XOR", rate=2.0)


def moons() -> Subject:
    """Two classes that no line separates, and a net of 193 weights."""
    x, y = make_moons(200, noise=0.1)
    return network_subject(sigmoid_net(2, 16, 8, 1), x, y, title="Two moons, 2-16-8-1", rate=2.0)


def sigmoid_net(*widths: int) -> Any:
    """Layers with tanh between them, and a sigmoid at the end."""
    layers: list[Any] = []
    for n, (before, after) in enumerate(pairwise(widths)):
        layers += [nn.Linear(before, after, rng=n + 3, dtype=float), nn.Tanh()]
    return nn.Sequential(*layers[:-1], nn.Sigmoid())


def digit() -> Subject:
    """784-30-10 with one digit: the handwritten digits of the package, drawn three times as large."""
    images, labels = load_digits()
    place = int(np.flatnonzero(labels == 4)[0])
    large = np.zeros((28, 28))
    large[2:26, 2:26] = np.kron(images[place].reshape(8, 8), np.ones((3, 3)))
    net = nn.Sequential(nn.Linear(784, 30, rng=0, dtype=float), nn.Sigmoid(), nn.Linear(30, 10, rng=1, dtype=float))
    return network_subject(
        net, large.reshape(1, 784), labels[place : place + 1], title="784-30-10, one digit", rate=0.5
    )


GALLERY: tuple[Callable[[], Subject], ...] = (
    reuse, chain, two_sigmoids, one_a_layer, paraboloid, net_232, xor, moons, digit,
)  # fmt: skip
