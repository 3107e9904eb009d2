"""Embedding, attention and the GPT block: what sees what, and a model that learns a sentence by heart."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ChainruleError


def test_a_causal_place_sees_nothing_after_itself():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 6, 8))
    later = x.copy()
    later[:, 4:] += 1.0
    for layer in (nn.MultiheadAttention(8, 2, dtype=float, rng=0), nn.TransformerBlock(8, 2, dtype=float, rng=0)):
        np.testing.assert_array_equal(layer(x).data[:, :4], layer(later).data[:, :4])
        assert (layer(x).data[:, 4:] != layer(later).data[:, 4:]).all()
    everywhere = nn.MultiheadAttention(8, 2, is_causal=False, dtype=float, rng=0)
    assert (everywhere(x).data != everywhere(later).data).all()


def test_layers_follow_their_seed():
    first, again = (nn.TransformerBlock(8, 2, dropout=0.5, rng=7) for _ in range(2))
    for (name, saved), other in zip(first.state_dict().items(), again.state_dict().values(), strict=True):
        np.testing.assert_array_equal(saved.data, other.data, err_msg=name)
    x = np.random.default_rng(0).normal(size=(2, 5, 8))
    np.testing.assert_array_equal(first(x).data, again(x).data)
    assert not np.array_equal(first(x).data, first(x).data)
    np.testing.assert_array_equal(first.eval()(x).data, first(x).data)


def test_embedding_takes_whole_numbers_of_any_kind_and_shape():
    layer = nn.Embedding(5, 3, rng=0)
    for symbols in ([1, 4], np.array([1, 4], np.uint8), cr.Tensor([1.0, 4.0]), np.array([1.0, 4.0])):
        np.testing.assert_array_equal(layer(symbols).data, layer.weight.data[[1, 4]])
    assert layer(2).shape == (3,)
    assert layer(np.zeros((2, 0, 4), int)).shape == (2, 0, 4, 3)


def test_embedding_remembers_the_symbols_it_was_given():
    layer, symbols = nn.Embedding(3, 1, rng=0), np.array([0, 2])
    out = layer(symbols).sum()
    symbols[:] = 1
    out.backward()
    np.testing.assert_array_equal(layer.weight.grad.data, [[1.0], [0.0], [1.0]])


@pytest.mark.parametrize("target", ["native", "numpy"])
def test_a_program_takes_symbols_in_floating_point_and_refuses_what_is_none(target):
    layer = nn.Embedding(5, 2, padding_idx=1, dtype=float, rng=0)
    total = cr.compile(lambda x: layer(x).sum(), target=target)
    symbols = np.array([0.0, 4.0, 1.0])
    assert total(symbols) == pytest.approx(layer(symbols).sum().data.item(), abs=1e-14)
    for wrong in (0.5, -1.0, 5.0, np.nan, np.inf, 1e30):
        with pytest.raises(IndexError):
            total(np.array([0.0, wrong, 1.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Embedding(3, 2)([0, 3]), r"Embedding\(3, 2\) knows symbols 0 to 2, and got 3"),
        (lambda: nn.Embedding(3, 2)([-1]), "got -1"),
        (lambda: nn.Embedding(3, 2)([0.5]), "takes whole numbers, and got float64 with 0.5"),
        (lambda: nn.Embedding(3, 2)([np.nan]), "with nan"),
        (lambda: nn.Embedding(0, 2), "num_embeddings is at least 1"),
        (lambda: nn.MultiheadAttention(8, 3), "3 heads cannot share 8 numbers evenly"),
        (lambda: nn.MultiheadAttention(8, 2)(np.ones((2, 5, 7))), r"\(batch, time, 8\), and got an array \(2, 5, 7\)"),
        (lambda: nn.TransformerBlock(8, 2)(np.ones((5, 8))), r"add an axis to a single sequence with x\[None\]"),
        (lambda: nn.TransformerBlock(8, 2, dropout=1.5), "from 0 to 1, not 1.5"),
    ],
)
def test_misfits_are_named(call, message):
    with pytest.raises(ChainruleError, match=message):
        call()


class GPT(nn.Module):
    """Characters in, the logits of the next character out."""

    def __init__(self, symbols, width, heads, context, layers, rng):
        draw = np.random.default_rng(rng)
        self.symbols = nn.Embedding(symbols, width, rng=draw)
        self.places = nn.Embedding(context, width, rng=draw)
        self.blocks = nn.ModuleList(nn.TransformerBlock(width, heads, rng=draw) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, symbols, rng=draw)

    def forward(self, x):
        x = self.symbols(x) + self.places(np.arange(x.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def test_a_tiny_gpt_learns_a_sentence_and_writes_it_back():
    text = "a change passes on from link to link along the chain."
    letters = sorted({*text})
    symbols = np.array([letters.index(letter) for letter in text])
    net = GPT(len(letters), 32, 4, len(text), 2, rng=0)
    assert len(list(net.parameters())) == 2 + 2 * 12 + 2 + 2
    adam, cross_entropy = cr.optim.Adam(net.parameters(), lr=3e-3), nn.CrossEntropyLoss()
    for _ in range(80):
        logits = net(symbols[None, :-1])
        loss = cross_entropy(logits.reshape(-1, len(letters)), symbols[1:])
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss.item() < 0.1
    net.eval()
    written = symbols[:1]
    with cr.no_grad():
        while len(written) < len(text):
            written = np.append(written, net(written[None]).data[0, -1].argmax())
    assert "".join(letters[i] for i in written) == text
