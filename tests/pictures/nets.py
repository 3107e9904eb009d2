"""The nets that pictures are tried on: those of the courses, and graphs of odd shapes."""

import random

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.micrograd.nn import MLP


def reuse():
    """a and b are used twice."""
    a, b = cr.Value(-2.0, label="a"), cr.Value(3.0, label="b")
    d, e = a * b, a + b
    d.label, e.label = "d", "e"
    f = d * e
    f.label = "f"
    return f


def chain():
    """x, h, yhat and the loss."""
    w1, w2, x, y = [cr.Value(v, label=n) for v, n in ((2.0, "w1"), (0.5, "w2"), (2.0, "x"), (20.0, "y"))]
    h = w1 * x
    yhat = w2 * h
    loss = 0.5 * (yhat - y) ** 2
    h.label, yhat.label, loss.label = "h", "yhat", "L"
    return loss


def two_inputs():
    """A sigmoid of two inputs, and a cross-entropy."""
    x1, x2, w1, w2, b = [
        cr.Value(v, label=n) for v, n in ((1.0, "x1"), (2.0, "x2"), (0.5, "w1"), (-1.0, "w2"), (0.1, "b"))
    ]
    p = (w1 * x1 + w2 * x2 + b).sigmoid()
    p.label = "p"
    return -(p.log())


def neuron():
    """micrograd's neuron."""
    x1, x2, w1, w2 = [cr.Value(v, label=n) for v, n in ((2.0, "x1"), (0.0, "x2"), (-3.0, "w1"), (1.0, "w2"))]
    b = cr.Value(6.8813735870195432, label="b")
    n = x1 * w1 + x2 * w2 + b
    n.label = "n"
    o = n.tanh()
    o.label = "o"
    return o


def scalar_net():
    """A net of Values in modules."""
    random.seed(1337)
    mlp = MLP(2, [2, 1])
    score = mlp([cr.Value(1.0, label="x1"), cr.Value(-2.0, label="x2")])
    loss = (score - 1.0) ** 2
    for i, layer in enumerate(mlp.layers):
        for j, unit in enumerate(layer.neurons):
            for k, w in enumerate(unit.w):
                w.label = f"mlp.layers[{i}].neurons[{j}].w[{k}]"
            unit.b.label = f"mlp.layers[{i}].neurons[{j}].b"
    return loss


def named(net, name="net"):
    """A net whose parameters keep the names that a program has for them."""
    for path, parameter in net.named_parameters():
        parameter.label = name + "".join(f"[{p}]" if p.isdigit() else f".{p}" for p in path.split("."))
    return net


def xor():
    net = named(nn.Sequential(nn.Linear(2, 2, rng=0), nn.Tanh(), nn.Linear(2, 1, rng=1)))
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    return nn.MSELoss()(net(x), np.array([[0.0], [1], [1], [0]]))


def batch():
    """2-3-2 on four examples."""
    net = named(nn.Sequential(nn.Linear(2, 3, rng=0), nn.Sigmoid(), nn.Linear(3, 2, rng=1)))
    return nn.MSELoss()(net(np.ones((4, 2))), np.zeros((4, 2)))


def digits():
    net = named(nn.Sequential(nn.Linear(784, 30, rng=0), nn.ReLU(), nn.Linear(30, 10, rng=1)))
    return nn.CrossEntropyLoss()(net(np.random.default_rng(0).random((10, 784))), np.arange(10))


def images():
    net = named(
        nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(676, 10, rng=1))
    )
    return nn.CrossEntropyLoss()(net(np.random.default_rng(0).random((2, 1, 28, 28))), np.arange(2))


class Block(nn.Module):
    """A block of a GPT: attention and a small net, each around a skip."""

    def __init__(self, width, heads):
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, rng=0)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width, rng=1), nn.GELU(), nn.Linear(4 * width, width, rng=2))

    def forward(self, x):
        y = self.ln1(x)
        x = x + self.attention(y)
        return x + self.mlp(self.ln2(x))


def transformer():
    block = named(Block(8, 2), "block")
    return cr.sum(block(np.random.default_rng(0).normal(size=(1, 4, 8))) ** 2)


def same_input_often():
    x = cr.Value(1.5, label="x")
    return x * x + x * x * x + x


def long_labels():
    a = cr.Value(1.0, label="a very long label " * 20)
    b = cr.Value(2.0, label='<script>alert("x")</script>')
    c = cr.Value(3.0, label="ζ̂ 漢字 \N{RIGHT-TO-LEFT OVERRIDE}\x1b[31m &")
    return a * b + c


def many_inputs():
    values = [cr.Value(float(i), label=f"x{i}") for i in range(20)]
    return cr.concatenate([cr.Tensor([v.data], requires_grad=True, label=v.label) for v in values]).sum()


NETS = (
    reuse, chain, two_inputs, neuron, scalar_net, xor, batch, digits, images, transformer, same_input_often,
    long_labels, many_inputs,
)  # fmt: skip
