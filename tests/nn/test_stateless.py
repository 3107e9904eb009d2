"""A module with other parameters than its own, beside PyTorch's function of that name."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ChainruleError, ShapeError


class Held(nn.Module):
    """Parameters in lists, tuples and dicts, one of them held twice."""

    def __init__(self):
        self.first = nn.Parameter(np.array([1.0, 2.0]))
        self.rest = [nn.Parameter(np.array(3.0)), (nn.Parameter(np.array(4.0)), 5)]
        self.named = {"a": nn.Parameter(np.array(6.0)), "again": self.first}
        self.count = nn.Buffer(np.array(7.0))

    def forward(self, x, scale=1.0):
        inner, plain = self.rest[1]
        return (
            scale * cr.sum(self.first * self.named["again"] * x)
            + self.rest[0] * inner
            + plain * self.named["a"]
            + self.count
        )


def test_numbers_are_taken_for_one_call():
    net = Held()
    before = net.state_dict()
    given = {"first": np.array([10.0, 20.0]), "rest.1.0": np.array(0.5), "count": np.array(0.0)}
    found = nn.functional_call(net, given, np.array([1.0, 1.0]), {"scale": 2.0})
    assert float(found) == 2 * (100 + 400) + 3 * 0.5 + 5 * 6.0
    after = net.state_dict()
    assert all(np.array_equal(before[name].data, after[name].data) for name in before)
    assert net.named["again"] is net.first
    assert isinstance(net.rest[1], tuple)


def test_an_error_inside_leaves_the_module_as_it_was():
    net = Held()
    own = net.first
    with pytest.raises(ShapeError):
        nn.functional_call(net, {"rest.0": np.array(1.0)}, np.ones(3))
    assert net.first is own
    assert net.rest[0] is next(p for n, p in net.named_parameters() if n == "rest.0")


def test_a_wrong_name_and_a_wrong_shape_are_said():
    net = nn.Linear(2, 1, rng=0)
    with pytest.raises(ChainruleError, match="Linear has no weigth; it has weight, bias"):
        nn.functional_call(net, {"weigth": np.ones((1, 2))}, np.ones((1, 2)))
    with pytest.raises(ShapeError, match=r"weight has shape \(2, 1\), and the module's has \(1, 2\)"):
        nn.functional_call(net, {"weight": np.ones((2, 1))}, np.ones((1, 2)))


@pytest.mark.parametrize("kind", ["Linear", "LSTM", "MultiheadAttention"])
def test_gradients_in_all_parameters_are_those_of_the_module(kind):
    net = {
        "Linear": lambda: nn.Sequential(nn.Linear(4, 3, rng=0, dtype=np.float64), nn.Tanh()),
        "LSTM": lambda: nn.LSTM(4, 3, rng=0, dtype=np.float64),
        "MultiheadAttention": lambda: nn.MultiheadAttention(4, 2, rng=0, dtype=np.float64),
    }[kind]()
    x = np.random.default_rng(1).normal(size=(2, 5, 4))

    def total(parameters, x):
        out = nn.functional_call(net, parameters, x)
        return cr.sum(cr.sin(out[0] if isinstance(out, tuple) else out))

    parameters = {name: held.data.copy() for name, held in net.named_parameters()}
    value, gradients = cr.value_and_grad(total)(parameters, x)
    out = net(x)
    alone = cr.sum(cr.sin(out[0] if isinstance(out, tuple) else out))
    alone.backward()
    np.testing.assert_allclose(value, alone.item(), rtol=1e-14)
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(gradients[name], parameter.grad.data, rtol=1e-13, atol=1e-15)


def test_as_pytorch_calls_it():
    torch = pytest.importorskip("torch", reason="PyTorch judges here and is not installed")
    weight, bias, x = np.array([[1.0, -2.0]]), np.array([0.5]), np.array([[3.0, 4.0]])
    theirs = torch.func.functional_call(
        torch.nn.Linear(2, 1), {"weight": torch.tensor(weight), "bias": torch.tensor(bias)}, (torch.tensor(x),)
    )
    ours = nn.functional_call(nn.Linear(2, 1), {"weight": weight, "bias": bias}, (x,))
    np.testing.assert_array_equal(np.asarray(ours), theirs.numpy())
