"""Modules of PyTorch as chainrule's: the same outputs and gradients, the same names; and live models watched."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
import chainrule.torch
from chainrule.errors import GraphError

torch = pytest.importorskip("torch")
tnn = torch.nn
RNG = np.random.default_rng(0)


class Block(tnn.Module):
    """A transformer block as people write it themselves."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = tnn.LayerNorm(8), tnn.LayerNorm(8)
        self.qkv, self.out = tnn.Linear(8, 24), tnn.Linear(8, 8)
        self.up, self.down = tnn.Linear(8, 16), tnn.Linear(16, 8)
        self.scale = tnn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        b, t, c = x.size()
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (part.view(b, t, 2, 4).transpose(1, 2) for part in (q, k, v))
        y = tnn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.scale * self.out(y.transpose(1, 2).contiguous().view(b, t, c))
        return x + self.down(tnn.functional.gelu(self.up(self.norm2(x))))


class Convolutions(tnn.Module):
    def __init__(self):
        super().__init__()
        self.first = tnn.Sequential(tnn.Conv2d(1, 3, 3, padding=1), tnn.BatchNorm2d(3), tnn.ReLU(), tnn.MaxPool2d(2))
        self.last = tnn.Linear(3 * 4 * 4, 2)

    def forward(self, x):
        return self.last(torch.flatten(torch.relu(self.first(x)), 1))


class Words(tnn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = tnn.Embedding(5, 4), tnn.Linear(4, 3)

    def forward(self, ids):
        return torch.log_softmax(self.head(self.table(ids).mean(1)), dim=-1)


class Masks(tnn.Module):
    """A block whose mask is cut to the length of its input."""

    def __init__(self):
        super().__init__()
        self.qkv, self.norm = tnn.Linear(8, 24), tnn.RMSNorm(8)
        self.register_buffer("mask", torch.tril(torch.ones(9, 9)))

    def forward(self, x):
        _, t, c = x.shape
        q, k, v = self.qkv(self.norm(x)).split(c, dim=2)
        scores = (q @ k.transpose(-2, -1)) * (1.0 / c**0.5)
        return scores.masked_fill(self.mask[:t, :t] == 0, float("-inf")).softmax(-1) @ v


class Attending(tnn.Module):
    def __init__(self):
        super().__init__()
        self.att, self.out = tnn.MultiheadAttention(8, 2, batch_first=True), tnn.Linear(8, 8)

    def forward(self, x):
        mixed, _ = self.att(x, x, x, need_weights=False)
        return x + self.out(mixed)


class Tied(tnn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = tnn.Embedding(5, 4), tnn.Linear(4, 5, bias=False)
        self.head.weight = self.table.weight

    def forward(self, ids):
        return self.head(torch.tanh(self.table(ids)))


class Writing(tnn.Module):
    """What is written into is another number wherever its name stands afterwards."""

    def __init__(self):
        super().__init__()
        self.first, self.relu = tnn.Linear(4, 6), tnn.ReLU(inplace=True)

    def forward(self, x):
        h = self.first(x)
        kept = h
        h += 0.1
        self.relu(h)
        y = torch.addmm(kept, h, h.T @ h)
        return y.mul_(2.0) + kept * tnn.functional.relu(h - 0.5, inplace=True)


MODULES = {
    "mlp": (lambda: tnn.Sequential(tnn.Linear(4, 6), tnn.Tanh(), tnn.Linear(6, 3), tnn.Softmax(-1)), (5, 4)),
    "activations": (
        lambda: tnn.Sequential(
            tnn.Linear(4, 6), tnn.GELU(), tnn.Linear(6, 6), tnn.SiLU(), tnn.LeakyReLU(0.2), tnn.ELU(), tnn.GELU("tanh")
        ),
        (5, 4),
    ),
    "more activations": (
        lambda: tnn.Sequential(
            tnn.Linear(4, 6),
            tnn.Softsign(),
            tnn.CELU(0.7),
            tnn.Tanhshrink(),
            tnn.PReLU(6),
            tnn.Linear(6, 6),
            tnn.Hardtanh(-0.3, 0.4),
            tnn.GLU(),
            tnn.LogSoftmax(1),
        ),
        (5, 4),
    ),
    "a mask that is cut": (Masks, (2, 5, 8)),
    "attention inside": (Attending, (2, 5, 8)),
    "tied weights": (Tied, None),
    "writing": (Writing, (5, 4)),
    "cnn": (Convolutions, (2, 1, 8, 8)),
    "a block of one's own": (Block, (2, 5, 8)),
    "an encoder layer": (lambda: tnn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0), (2, 5, 8)),
    "an encoder layer, norm first": (
        lambda: tnn.TransformerEncoderLayer(8, 2, 16, norm_first=True, activation="gelu", dropout=0.0),
        (5, 2, 8),
    ),
    "one layer": (lambda: tnn.Linear(4, 3, bias=False), (5, 4)),
    "words": (Words, None),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_comes_over_with_its_numbers_gradients_and_names(name, training):
    torch.manual_seed(0)
    make, shape = MODULES[name]
    theirs = make().double().train(training)
    ours = chainrule.torch.from_module(theirs)
    x = RNG.normal(size=shape) if shape else np.array([[0, 1, 4], [2, 2, 3]])
    given, taken = torch.tensor(x), cr.Tensor(x)
    expected, got = theirs(given), ours(taken)
    assert np.allclose(got.data, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    (expected**2).sum().backward()
    cr.sum(got**2).backward()
    parameters = dict(theirs.named_parameters())
    assert {name for name, _ in ours.named_parameters()} == set(parameters)
    for name, owned in ours.named_parameters():
        assert owned.grad.data == pytest.approx(parameters[name].grad.numpy(), rel=1e-10, abs=1e-10), name
    ours.zero_grad()
    assert cr.check_gradients(ours, x, cheap=True)


def test_the_numbers_are_copies_in_their_own_type():
    theirs = tnn.Sequential(tnn.Linear(3, 2))
    ours = chainrule.torch.from_module(theirs)
    (weight, _) = ours.parameters()
    assert weight.dtype == np.float32
    weight.data[...] = 0
    assert theirs[0].weight.detach().abs().sum() > 0


class Holding(tnn.Module):
    def __init__(self, part):
        super().__init__()
        self.inner = tnn.Sequential(tnn.Linear(4, 4), part)

    def forward(self, x):
        return self.inner(x)


def test_a_part_that_is_called_as_a_method_of_modules_here_is_refused():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = torch.nn.Linear(2, 2)

        def forward(self, x):
            return self.parts(x)

    with pytest.raises(GraphError, match="parts, which is a method of modules here"):
        chainrule.torch.from_module(Net())


def test_writing_into_what_has_another_name_is_refused():
    class Sharing(tnn.Module):
        def forward(self, x):
            h = x * 2
            rows = h.view(-1, 2)
            h.mul_(3.0)
            return rows

    with pytest.raises(GraphError, match="mul_ writes into mul, which view shares"):
        chainrule.torch.from_module(Sharing())


def test_what_has_no_counterpart_is_named():
    with pytest.raises(GraphError, match="ConvTranspose2d"):
        chainrule.torch.from_module(tnn.Sequential(tnn.ConvTranspose2d(1, 1, 2)))

    class Odd(tnn.Module):
        def forward(self, x):
            return torch.erfinv(x)

    with pytest.raises(GraphError, match="erfinv"):
        chainrule.torch.from_module(Odd())

    class Branching(tnn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(GraphError, match=r"torch\.fx cannot read Branching"):
        chainrule.torch.from_module(Branching())
    with pytest.raises(GraphError, match=r"cannot read inner\.1 \(a Branching\)"):
        chainrule.torch.from_module(Holding(Branching()))
    with pytest.raises(GraphError, match=r"in inner\.1: the function erfinv"):
        chainrule.torch.from_module(Holding(Odd()))
    with pytest.raises(GraphError, match="it is a LSTM"):
        chainrule.torch.from_module(tnn.LSTM(2, 3))
    with pytest.raises(GraphError, match="not a function"):
        chainrule.torch.from_module(lambda x: x)


def test_a_watched_model_tells_what_gradient_flow_tells_of_the_same_model_here():
    torch.manual_seed(1)
    layers = [part for _ in range(4) for part in (tnn.Linear(6, 6), tnn.Sigmoid())]
    theirs = tnn.Sequential(*layers).double()
    ours = chainrule.torch.from_module(theirs)
    x, y = RNG.normal(size=(8, 6)), RNG.normal(size=(8, 6))
    with chainrule.torch.watch(theirs) as watched:
        tnn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(y)).backward()
        flow = watched.flow()
    expected = cr.training.gradient_flow(ours, x, y, loss=cr.nn.MSELoss())
    assert flow.columns == expected.columns
    assert flow["layer"] == expected["layer"]
    for column in ("delta", "gradient", "by_slope", "by_weights", "dead", "saturated"):
        for mine, right in zip(flow[column], expected[column], strict=True):
            assert mine == (right if right is None else pytest.approx(right, rel=1e-8)), column
    assert flow.note == expected.note
    assert not theirs._forward_hooks
    assert not any(part._forward_hooks for part in theirs)


def test_before_anything_came_back_there_is_no_flow():
    watched = chainrule.torch.watch(tnn.Linear(2, 1))
    assert "has not run yet" in repr(watched)
    with pytest.raises(GraphError, match="nothing has come back yet"):
        watched.flow()
    with pytest.raises(GraphError, match="not an int"):
        chainrule.torch.watch(3)


def test_dead_units_of_a_relu_are_counted():
    model = tnn.Sequential(tnn.Linear(2, 3), tnn.ReLU(), tnn.Linear(3, 1))
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].bias.copy_(torch.tensor([-1.0, 1.0, -1.0]))
    with chainrule.torch.watch(model) as watched:
        model(torch.ones(4, 2)).sum().backward()
        assert watched.flow()["dead"] == [2, None]


def test_activations_that_write_over_their_input_are_watched_too():
    torch.manual_seed(1)
    model = tnn.Sequential(tnn.Linear(4, 5), tnn.ELU(inplace=True), tnn.Linear(5, 3), tnn.ReLU(inplace=True)).double()
    plain = tnn.Sequential(tnn.Linear(4, 5), tnn.ELU(), tnn.Linear(5, 3), tnn.ReLU()).double()
    plain.load_state_dict(model.state_dict())
    flows = []
    for net in (model, plain):
        with chainrule.torch.watch(net) as watched:
            net(torch.linspace(-9, 2, 24).double().reshape(6, 4)).square().sum().backward()
            flows.append(watched.flow())
    assert flows[0].rows == flows[1].rows
    assert flows[0]["by_slope"][0] < 1
    assert flows[0]["units"] == [5, 3]


class Masked(tnn.Module):
    """Attention with a mask of its own: truth values, which say who takes part, or numbers, which are added."""

    def __init__(self, mask, dropout=0.0):
        super().__init__()
        self.register_buffer("mask", mask)
        self.dropout = dropout

    def forward(self, x):
        attend = tnn.functional.scaled_dot_product_attention
        return attend(x, x, x, attn_mask=self.mask, dropout_p=self.dropout)


@pytest.mark.parametrize("kind", ["truth", "numbers"])
def test_a_mask_of_attention_means_what_pytorch_means(kind):
    takes_part = torch.tril(torch.ones(5, 5)).bool()
    mask = takes_part if kind == "truth" else torch.where(takes_part, 0.0, -2.0).double()
    x = RNG.normal(size=(2, 5, 4))
    theirs = Masked(mask).double()
    ours = cr.torch.from_module(theirs)
    assert np.asarray(ours(x).data) == pytest.approx(theirs(torch.tensor(x)).numpy(), rel=1e-12, abs=1e-14)


def test_dropout_inside_attention_is_refused():
    ours = cr.torch.from_module(Masked(torch.ones(5, 5).bool(), dropout=0.5).double())
    with pytest.raises(GraphError, match="dropout inside attention"):
        ours(RNG.normal(size=(2, 5, 4)))
