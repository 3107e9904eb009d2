"""RNN, GRU and LSTM: PyTorch's numbers, gradients, names and states; pieces of a sequence; something to learn."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ShapeError

RNG = np.random.default_rng(0)
KINDS = ("RNN", "GRU", "LSTM")
SETTINGS = {
    "plain": {},
    "two layers": {"num_layers": 2},
    "both directions": {"bidirectional": True},
    "all": {"num_layers": 3, "bidirectional": True, "batch_first": True},
    "no bias": {"bias": False, "num_layers": 2},
}


def leaves(found):
    """Results and states in a row."""
    out, state = found
    return [out, *(state if isinstance(state, tuple) else (state,))]


def pair_of(kind, settings):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = getattr(torch.nn, kind)(3, 4, dtype=torch.float64, **settings)
    mine = getattr(nn, kind)(3, 4, dtype=float, **settings)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    mine.load_state_dict({name: saved.numpy() for name, saved in theirs.state_dict().items()})
    return torch, mine, theirs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("given", [False, True], ids=["from zero", "from a state"])
@pytest.mark.parametrize("single", [False, True], ids=["batch", "single"])
def test_everything_agrees_with_pytorch(kind, name, given, single):
    settings = SETTINGS[name]
    torch, mine, theirs = pair_of(kind, settings)
    shape = (5, 3) if single else (2, 5, 3)
    count = settings.get("num_layers", 1) * (1 + settings.get("bidirectional", False))
    batch = shape[0] if settings.get("batch_first") else 5
    states = [RNG.normal(size=(count, 4) if single else (count, batch, 4)) for _ in range(1 + (kind == "LSTM"))]
    if not settings.get("batch_first") and not single:
        shape = (2, 5, 3)
    x = RNG.normal(size=shape)
    a, b = cr.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    mine_states = [cr.Tensor(s, requires_grad=True) for s in states]
    their_states = [torch.tensor(s, requires_grad=True) for s in states]
    if given:
        found = mine(a, tuple(mine_states) if kind == "LSTM" else mine_states[0])
        right = theirs(b, tuple(their_states) if kind == "LSTM" else their_states[0])
    else:
        found, right = mine(a), theirs(b)
    loss, expected = 0.0, 0.0
    for part, other in zip(leaves(found), leaves(right), strict=True):
        np.testing.assert_allclose(part.data, other.detach().numpy(), rtol=0, atol=1e-12)
        g = RNG.normal(size=part.shape)
        loss, expected = loss + (part * g).sum(), expected + (other * torch.tensor(g)).sum()
    loss.backward()
    expected.backward()
    np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=0, atol=1e-12)
    for (_, one), (_, other) in zip(mine.named_parameters(), theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(one.grad.data, other.grad.numpy(), rtol=0, atol=1e-11)
    for one, other in zip(mine_states, their_states, strict=True):
        if given:
            np.testing.assert_allclose(one.grad.data, other.grad.numpy(), rtol=0, atol=1e-12)


def test_relu_agrees_with_pytorch():
    torch, mine, theirs = pair_of("RNN", {"nonlinearity": "relu"})
    x = RNG.normal(size=(6, 2, 3))
    np.testing.assert_allclose(mine(x)[0].data, theirs(torch.tensor(x))[0].detach().numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_in_pieces_is_the_sequence(kind):
    layer = getattr(nn, kind)(3, 4, num_layers=2, dtype=float, rng=0)
    x = RNG.normal(size=(7, 2, 3))
    whole, last = layer(x)
    first, state = layer(x[:3])
    held = tuple(part.detach() for part in leaves((first, state))[1:])
    second, end = layer(x[3:], held if kind == "LSTM" else held[0])
    np.testing.assert_allclose(np.concatenate([first.data, second.data]), whole.data, rtol=0, atol=1e-14)
    for one, other in zip(leaves((second, end))[1:], leaves((whole, last))[1:], strict=True):
        np.testing.assert_allclose(one.data, other.data, rtol=0, atol=1e-14)
    # The cut is where the gradient ends.
    layer.zero_grad()
    second.sum().backward()
    cut = layer.weight_ih_l0.grad.data.copy()
    layer.zero_grad()
    whole[3:].sum().backward()
    assert not np.allclose(cut, layer.weight_ih_l0.grad.data)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_are_those_of_differences(kind):
    layer = getattr(nn, kind)(2, 2, dtype=float, rng=1)
    x, v = RNG.normal(size=(3, 1, 2)), RNG.normal(size=(3, 1, 2))

    def loss(x):
        return (layer(x)[0] ** 2).sum()

    found = cr.hvp(loss, (x,), (v,))
    step = 1e-5
    right = (cr.grad(loss)(x + step * v) - cr.grad(loss)(x - step * v)) / (2 * step)
    np.testing.assert_allclose(found, right, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_it_learns_what_stood_first(kind):
    class Recall(nn.Module):
        def __init__(self):
            self.read = getattr(nn, kind)(2, 12, batch_first=True, rng=0)
            self.tell = nn.Linear(12, 1, rng=1)

        def forward(self, x):
            return self.tell(self.read(x)[0][:, -1])[:, 0]

    rng = np.random.default_rng(3)
    x = rng.normal(size=(256, 10, 2)).astype(np.float32) * 0.3
    y = rng.integers(0, 2, 256)
    x[:, 0, 0] = 2 * y - 1
    net = Recall()
    cr.training.fit(
        net,
        x,
        y.astype(np.float32),
        loss=nn.BCEWithLogitsLoss(),
        optimizer=optim.Adam(net.parameters(), lr=0.02),
        epochs=12,
        batch_size=64,
        progress=False,
    )
    assert cr.training.evaluate(net, x, y, metrics=[cr.training.accuracy])["accuracy"] > 0.98


def test_dropout_is_between_layers_while_training():
    layer = nn.LSTM(3, 4, num_layers=2, dropout=0.5, rng=0)
    x = np.ones((5, 2, 3), np.float32)
    assert not np.array_equal(layer(x)[0].data, layer(x)[0].data)
    layer.eval()
    assert np.array_equal(layer(x)[0].data, layer(x)[0].data)
    assert repr(layer) == "LSTM(3, 4, num_layers=2, dropout=0.5)"


def test_the_summary_counts_it():
    table = nn.LSTM(3, 4, rng=0).summary((5, 2, 3))
    assert (table.parameters, table.multiply_adds) == (4 * 4 * (3 + 4 + 2), 5 * 2 * 4 * 4 * (3 + 4))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(5,), (5, 2, 4), (0, 2, 3), (2, 5, 3, 1)])
def test_what_is_no_sequence_is_refused(kind, shape):
    with pytest.raises(ShapeError, match=r"takes sequences of shape \(time, batch, 3\)"):
        getattr(nn, kind)(3, 4)(np.zeros(shape))


def test_states_that_do_not_fit_are_refused():
    x = np.zeros((5, 2, 3))
    with pytest.raises(ShapeError, match=r"hx has shape \(1, 2, 4\) for this input, not \(2, 4\)"):
        nn.GRU(3, 4)(x, np.zeros((2, 4)))
    with pytest.raises(ShapeError, match=r"hx is a pair \(h, c\)"):
        nn.LSTM(3, 4)(x, np.zeros((1, 2, 4)))
    with pytest.raises(ValueError, match="tanh or relu"):
        nn.RNN(3, 4, nonlinearity="sine")
