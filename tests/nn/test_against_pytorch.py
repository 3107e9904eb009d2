"""Layer by layer: outputs, gradients, buffers and names of parameters are PyTorch's, in float64."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

TOLERANCE = 1e-10
"""What the project promises; sums in another order are off by some 1e-14."""

IMAGES = (3, 4, 7, 6)

LAYERS = {
    "Linear": (lambda k: k.Linear(4, 3), (5, 4)),
    "Linear, sequences": (lambda k: k.Linear(4, 3), (2, 5, 4)),
    "Linear, no bias, sequences": (lambda k: k.Linear(4, 3, bias=False), (2, 5, 4)),
    "Conv2d": (lambda k: k.Conv2d(4, 6, 3), IMAGES),
    "Conv2d, no bias": (lambda k: k.Conv2d(4, 6, 3, bias=False), IMAGES),
    "Conv2d, all settings": (lambda k: k.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), (1, 2), 2), IMAGES),
    "Conv2d, depthwise": (lambda k: k.Conv2d(4, 4, 3, padding=1, groups=4), IMAGES),
    "MaxPool2d": (lambda k: k.MaxPool2d(2), IMAGES),
    "MaxPool2d, all settings": (lambda k: k.MaxPool2d((3, 2), (1, 2), (1, 0), (2, 1)), IMAGES),
    "AvgPool2d": (lambda k: k.AvgPool2d(2), IMAGES),
    "AvgPool2d, all settings": (lambda k: k.AvgPool2d((3, 2), 1, 1), IMAGES),
    "Flatten": (lambda k: k.Flatten(), IMAGES),
    "Flatten, from 2": (lambda k: k.Flatten(-3, 2), IMAGES),
    "BatchNorm1d": (lambda k: k.BatchNorm1d(4), (5, 4)),
    "BatchNorm1d, sequences": (lambda k: k.BatchNorm1d(4, eps=0.1, momentum=None), (5, 4, 3)),
    "BatchNorm2d": (lambda k: k.BatchNorm2d(4), IMAGES),
    "BatchNorm2d, plain": (lambda k: k.BatchNorm2d(4, affine=False, track_running_stats=False), IMAGES),
    "LayerNorm": (lambda k: k.LayerNorm(4), (2, 5, 4)),
    "LayerNorm, two axes": (lambda k: k.LayerNorm((7, 6), eps=0.1), IMAGES),
    "LayerNorm, plain": (lambda k: k.LayerNorm(4, elementwise_affine=False), (5, 4)),
    "LayerNorm, no bias": (lambda k: k.LayerNorm(4, bias=False), (5, 4)),
    "GroupNorm": (lambda k: k.GroupNorm(2, 4), IMAGES),
    "GroupNorm, rows": (lambda k: k.GroupNorm(4, 4, eps=0.1), (5, 4)),
    "GroupNorm, plain": (lambda k: k.GroupNorm(1, 4, affine=False), (5, 4, 3)),
    "Conv1d": (lambda k: k.Conv1d(4, 6, 3), (3, 4, 9)),
    "Conv1d, no bias": (lambda k: k.Conv1d(4, 6, 3, bias=False), (3, 4, 9)),
    "Conv1d, all settings": (lambda k: k.Conv1d(4, 6, 3, 2, 2, 2, 2), (3, 4, 9)),
    "Conv1d, same": (lambda k: k.Conv1d(4, 2, 3, padding="same", dilation=2), (3, 4, 9)),
    "AdaptiveAvgPool2d": (lambda k: k.AdaptiveAvgPool2d(1), IMAGES),
    "AdaptiveAvgPool2d, uneven": (lambda k: k.AdaptiveAvgPool2d((3, 4)), IMAGES),
    "AdaptiveAvgPool2d, more places": (lambda k: k.AdaptiveAvgPool2d((9, None)), IMAGES),
    "AdaptiveAvgPool2d, even": (lambda k: k.AdaptiveAvgPool2d((7, 3)), IMAGES),
    "Identity": (lambda k: k.Identity(54, unused=0.1), (5, 4)),
    "LogSigmoid": (lambda k: k.LogSigmoid(), (5, 4)),
    "Mish": (lambda k: k.Mish(), (5, 4)),
    "Hardtanh": (lambda k: k.Hardtanh(-0.5, 1.5), (5, 4)),
    "ReLU": (lambda k: k.ReLU(), (5, 4)),
    "Tanh": (lambda k: k.Tanh(), (5, 4)),
    "Sigmoid": (lambda k: k.Sigmoid(), (5, 4)),
    "SiLU": (lambda k: k.SiLU(), (5, 4)),
    "Softplus": (lambda k: k.Softplus(), (5, 4)),
    "LeakyReLU": (lambda k: k.LeakyReLU(), (5, 4)),
    "LeakyReLU, 0.2": (lambda k: k.LeakyReLU(0.2), (5, 4)),
    "ELU": (lambda k: k.ELU(), (5, 4)),
    "ELU, 0.5": (lambda k: k.ELU(0.5), (5, 4)),
    "GELU": (lambda k: k.GELU(), (5, 4)),
    "GELU, tanh": (lambda k: k.GELU(approximate="tanh"), (5, 4)),
    "Softmax": (lambda k: k.Softmax(dim=1), (5, 4, 3)),
    "Dropout, 0": (lambda k: k.Dropout(0.0), (5, 4)),
    "Dropout, 1": (lambda k: k.Dropout(1.0), (5, 4)),
    "a small network": (
        lambda k: k.Sequential(
            k.Conv2d(4, 3, 3, padding=1), k.BatchNorm2d(3), k.ReLU(), k.MaxPool2d(2), k.Flatten(), k.Linear(27, 2)
        ),
        IMAGES,
    ),
}
"""How each layer is made in both packages, word for word, and the shape of its input."""


def in_double(layer):
    """The layer with its parameters and buffers in float64."""
    for part in [*layer.parameters(), *(buffer for _, buffer in layer.named_buffers())]:
        if part.dtype == np.float32:
            part.data = part.data.astype(np.float64)
    return layer


def close(found, right, what):
    right = right.detach().numpy()
    assert found.shape == right.shape, what
    np.testing.assert_allclose(found.data, right, rtol=0, atol=TOLERANCE * max(1.0, np.abs(right).max()), err_msg=what)


def compare(mine, theirs, run, x):
    """Two runs while training and one in use: results, gradients of input and parameters, and buffers."""
    mine.load_state_dict({name: saved.numpy() for name, saved in theirs.state_dict().items()})
    rng = np.random.default_rng(1)
    for training in (True, True, False):
        mine.train(training)
        theirs.train(training)
        a, b = cr.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        out, right = mine(a), run(b)
        close(out, right, "the result")
        mine.zero_grad()
        theirs.zero_grad()
        g = rng.normal(size=out.shape)
        out.backward(g)
        right.backward(torch.tensor(g))
        close(a.grad, b.grad, "the gradient of the input")
        named = dict(theirs.named_parameters())
        for name, parameter in mine.named_parameters():
            close(parameter.grad, named.pop(name).grad, f"the gradient of {name}")
        assert not named
        for name, saved in theirs.state_dict().items():
            close(mine.state_dict()[name], saved, name)
        x = x + rng.normal(size=x.shape)


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name):
    make, shape = LAYERS[name]
    torch.manual_seed(0)
    theirs = make(torch.nn).double()
    compare(in_double(make(nn)), theirs, theirs, np.random.default_rng(0).normal(size=shape))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_attention(causal, bias):
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(6, 3, bias=bias, batch_first=True).double()
    mask = torch.triu(torch.full((4, 4), -torch.inf, dtype=torch.float64), 1) if causal else None
    mine = nn.MultiheadAttention(6, 3, bias=bias, is_causal=causal, dtype=float)
    x = np.random.default_rng(0).normal(size=(2, 4, 6))
    compare(mine, theirs, lambda b: theirs(b, b, b, attn_mask=mask, need_weights=False)[0], x)


@pytest.mark.parametrize("causal", [True, False])
def test_transformer_block(causal):
    torch.manual_seed(0)
    theirs = torch.nn.TransformerEncoderLayer(
        6, 2, 10, dropout=0.0, activation="gelu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    mask = torch.triu(torch.full((5, 5), -torch.inf, dtype=torch.float64), 1) if causal else None
    mine = nn.TransformerBlock(6, 2, 10, is_causal=causal, dtype=float)
    x = np.random.default_rng(0).normal(size=(2, 5, 6))
    compare(mine, theirs, lambda b: theirs(b, src_mask=mask), x)


def test_embedding():
    theirs = torch.nn.Embedding(5, 3, dtype=torch.float64)
    mine = nn.Embedding(5, 3, dtype=float)
    mine.load_state_dict({name: saved.numpy() for name, saved in theirs.state_dict().items()})
    symbols = np.array([[0, 4, 4], [1, 4, 0]])
    out, right = mine(symbols), theirs(torch.tensor(symbols))
    close(out, right, "the result")
    (out * out).sum().backward()
    (right * right).sum().backward()
    close(mine.weight.grad, theirs.weight.grad, "the gradient of the table")


STARTS = {
    "Conv2d": lambda k, **s: k.Conv2d(8, 64, 5, groups=2, **s),
    "MultiheadAttention": lambda k, **s: k.MultiheadAttention(64, 4, **s),
    "Embedding": lambda k, **s: k.Embedding(100, 50, **s),
    "BatchNorm2d": lambda k, **s: k.BatchNorm2d(8),
    "LayerNorm": lambda k, **s: k.LayerNorm(8),
}


@pytest.mark.parametrize("name", STARTS)
def test_parameters_start_as_pytorchs(name):
    torch.manual_seed(0)
    mine, theirs = STARTS[name](nn, rng=0), STARTS[name](torch.nn).state_dict()
    for key, saved in mine.state_dict().items():
        right = theirs.pop(key).numpy()
        assert saved.data.dtype == right.dtype
        # Two samples of one distribution: of at least 64 numbers here, so the deviations agree to a third.
        assert saved.shape == right.shape
        assert saved.data.std() == pytest.approx(right.std(), rel=0.35)
        assert np.abs(saved.data).max() == pytest.approx(np.abs(right).max(), rel=0.35)
    assert not theirs
