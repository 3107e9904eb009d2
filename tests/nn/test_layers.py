"""Layers and containers: shapes, starting values, names, and agreement with PyTorch."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.core.labels import find_labels
from chainrule.errors import ChainruleError, DtypeError, GraphError, ShapeError


def network(dtype=float):
    return nn.Sequential(nn.Linear(3, 4, dtype=dtype, rng=0), nn.Tanh(), nn.Linear(4, 2, dtype=dtype, rng=1))


def test_linear_starts_within_pytorchs_bounds_and_follows_its_seed():
    layer = nn.Linear(100, 50, rng=3)
    again = nn.Linear(100, 50, rng=np.random.default_rng(3))
    assert layer.weight.shape == (50, 100)
    assert layer.bias.shape == (50,)
    assert layer.weight.dtype == layer.bias.dtype == np.float32
    assert 0.099 < np.abs(layer.weight.data).max() <= 0.1
    assert -0.1 <= layer.bias.data.min() < -0.08
    assert 0.08 < layer.bias.data.max() <= 0.1
    np.testing.assert_array_equal(layer.weight.data, again.weight.data)
    np.testing.assert_array_equal(layer.bias.data, again.bias.data)
    assert not np.array_equal(layer.weight.data, nn.Linear(100, 50, rng=4).weight.data)
    assert not np.array_equal(nn.Linear(9, 9).weight.data, nn.Linear(9, 9).weight.data)


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3), (0, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_takes_any_number_of_axes(shape, bias):
    layer = nn.Linear(3, 2, bias, dtype=float, rng=0)
    x = np.random.default_rng(1).normal(size=shape)
    expected = x @ layer.weight.data.T + (layer.bias.data if bias else 0)
    out = layer(cr.Tensor(x))
    assert out.shape == (*shape[:-1], 2)
    np.testing.assert_allclose(out.data, expected, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(layer(x.tolist()).data, expected, rtol=1e-14, atol=1e-15) if x.size else None
    out.sum().backward()
    ones = np.ones(out.shape).reshape(-1, 2)
    np.testing.assert_allclose(layer.weight.grad.data, ones.T @ x.reshape(-1, 3), rtol=1e-13, atol=1e-14)


def test_linear_passes_gradients_of_its_input():
    layer = nn.Linear(3, 2, dtype=float, rng=0)
    for x in (cr.Tensor(np.ones((4, 3)), requires_grad=True), cr.Tensor(np.ones(3), requires_grad=True)):
        layer(x).sum().backward()
        np.testing.assert_allclose(x.grad.data, np.broadcast_to(layer.weight.data.sum(0), x.shape), rtol=1e-14)


@pytest.mark.parametrize("shape", [(5, 4), (4,), (2, 5, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_names_shapes_that_do_not_fit(shape, bias):
    pixels = cr.Tensor(np.zeros(shape))
    with pytest.raises(
        ShapeError, match=r"Linear\(3, 2.*\) takes 3 features .* pixels \(.*4,?\): give shape \(batch, 3\)"
    ):
        nn.Linear(3, 2, bias)(pixels)


def test_linear_stacks_a_list_of_tensors_without_losing_their_gradients():
    layer, x = nn.Linear(2, 1, dtype=float, rng=0), cr.Tensor([1.0, 2.0], requires_grad=True)
    layer([x, x]).sum().backward()
    np.testing.assert_allclose(x.grad.data, 2 * layer.weight.data[0], rtol=1e-15)


def test_linear_refuses_what_is_not_an_array_of_numbers():
    with pytest.raises(DtypeError, match="numbers"):
        nn.Linear(2, 1)([["a", "b"]])


@pytest.mark.parametrize(
    ("arguments", "settings", "error"),
    [
        ((0, 2), {}, "in_features is at least 1"),
        ((2, -1), {}, "out_features is at least 1"),
        ((2.0, 1), {}, "in_features is a whole number"),
        ((2, True), {}, "out_features is a whole number"),
        ((2, 1), {"dtype": int}, "float32 or float64"),
    ],
)
def test_linear_refuses_impossible_sizes(arguments, settings, error):
    with pytest.raises(ChainruleError, match=error):
        nn.Linear(*arguments, **settings)


@pytest.mark.parametrize(("layer", "function"), [(nn.ReLU, np.maximum), (nn.Tanh, np.tanh), (nn.Sigmoid, None)])
def test_activations(layer, function):
    x = np.array([[-2.0, 0.0, 3.0]])
    expected = {nn.ReLU: np.maximum(x, 0), nn.Tanh: np.tanh(x), nn.Sigmoid: 1 / (1 + np.exp(-x))}[layer]
    np.testing.assert_allclose(layer()(cr.Tensor(x)).data, expected, rtol=1e-15)
    assert repr(layer()) == f"{layer.__name__}()"


def test_a_network_agrees_with_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = np.random.default_rng(2).normal(size=(6, 3))
    for ours, theirs in ((nn.Tanh, torch.nn.Tanh), (nn.ReLU, torch.nn.ReLU), (nn.Sigmoid, torch.nn.Sigmoid)):
        net = nn.Sequential(
            nn.Linear(3, 4, dtype=float, rng=0), ours(), nn.Linear(4, 2, bias=False, dtype=float, rng=1)
        )
        other = torch.nn.Sequential(
            torch.nn.Linear(3, 4, dtype=torch.float64), theirs(), torch.nn.Linear(4, 2, bias=False, dtype=torch.float64)
        )
        other.load_state_dict({name: torch.from_numpy(saved.numpy()) for name, saved in net.state_dict().items()})
        out, expected = net(x), other(torch.from_numpy(x))
        np.testing.assert_allclose(out.data, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
        (out * out).sum().backward()
        (expected * expected).sum().backward()
        for (name, mine), (name_there, yours) in zip(net.named_parameters(), other.named_parameters(), strict=True):
            assert name == name_there
            np.testing.assert_allclose(mine.grad.data, yours.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_sequential_is_a_sequence():
    net = network()
    assert len(net) == 3
    assert list(net) == [net[0], net[1], net[2]]
    assert net[-1] is net[2]
    assert net[:2](np.ones((1, 3))).shape == (1, 4)
    assert net[:2][0] is net[0]
    assert repr(net) == "Sequential(Linear(3, 4, dtype=float64), Tanh(), Linear(4, 2, dtype=float64))"
    x = np.ones((1, 3))
    np.testing.assert_array_equal(nn.Sequential(net[0], cr.tanh, net[2])(x).data, net(x).data)
    assert nn.Sequential()(x) is x


def test_sequential_calls_a_module_that_writes_its_own_call():
    class Doubled(nn.Module):
        def __call__(self, x):
            return 2 * x

    assert nn.Sequential(Doubled(), Doubled())(cr.Tensor([1.0])).tolist() == [4.0]


def test_sequential_refuses_what_cannot_be_called():
    with pytest.raises(DtypeError, match=r"step 1 is .*ReLU.*write it with brackets, as in ReLU\(\)"):
        nn.Sequential(nn.Linear(2, 2), nn.ReLU)
    with pytest.raises(DtypeError, match=r"step 0 is \[\]"):
        nn.Sequential([])


class Nested(nn.Module):
    def __init__(self):
        self.stack = [nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1)]
        self.heads = {"left": nn.Sequential(nn.Linear(2, 1, rng=2))}
        self.factor = nn.Parameter(np.array(3.0))
        self.same = self.stack[0]
        self.also = (self.factor, self, nn.Parameter(1.0))
        self.not_a_parameter = cr.Tensor(1.0, requires_grad=True)

    def forward(self, x, *, twice=False):
        out = self.heads["left"](self.stack[1](self.same(x))) * self.factor
        return out * 2 if twice else out


def test_parameters_are_found_in_containers_and_count_once():
    net = Nested()
    assert [name for name, _ in net.named_parameters()] == [
        "factor", "also.2", "stack.0.weight", "stack.0.bias", "stack.1.weight", "stack.1.bias", "heads.left.0.weight",
        "heads.left.0.bias",
    ]  # fmt: skip
    assert [id(p) for p in net.parameters()] == [id(p) for _, p in net.named_parameters()]
    assert next(net.parameters()) is net.factor
    assert [type(module).__name__ for module in net.modules()] == ["Nested", "Linear", "Linear", "Sequential", "Linear"]
    assert net([[1.0, 2.0]], twice=True).item() == pytest.approx(2 * net([[1.0, 2.0]]).item(), rel=1e-6)


def test_parameters_are_labelled_by_the_users_names():
    net, model = network(), Nested()
    found = find_labels([*net.parameters(), model.heads["left"][0].bias, model.stack[1].weight])
    assert list(found.values()) == [
        "net[0].weight", "net[0].bias", "net[2].weight", "net[2].bias", "model.stack[1].weight",
        "model.heads['left'][0].bias",
    ]  # fmt: skip


def test_zero_grad_train_and_eval():
    net = network()
    assert net.training
    net(np.ones((1, 3))).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.train()
    assert all(module.training for module in net.modules())


def test_state_is_a_copy_and_loads_in_place():
    net, other = network(), network(np.float32)
    state = net.state_dict()
    weight = other[0].weight
    other.load_state_dict(state)
    assert other[0].weight is weight
    assert weight.dtype == np.float32
    np.testing.assert_array_equal(weight.data, net[0].weight.data.astype(np.float32))
    before = state["0.weight"].numpy()
    net[0].weight.data[...] = 0
    np.testing.assert_array_equal(state["0.weight"].data, before)
    net.load_state_dict({name: saved.numpy() for name, saved in state.items()})
    np.testing.assert_array_equal(net[0].weight.data, before)


def test_a_state_that_does_not_fit_changes_nothing():
    net = network()
    before = net.state_dict()
    state = {name: saved.numpy() * 0 for name, saved in before.items()}
    state["0.weight"] = np.zeros((3, 4))
    state["extra"] = np.zeros(1)
    del state["2.bias"]
    with pytest.raises(ChainruleError) as caught:
        net.load_state_dict(state)
    for part in (
        "0.weight has shape (3, 4), and the module's has (4, 3)",
        "2.bias is missing",
        "extra is not a parameter",
    ):
        assert part in str(caught.value)
    for name, saved in net.state_dict().items():
        np.testing.assert_array_equal(saved.data, before[name].data)


def test_a_state_without_names_is_refused():
    net = network()
    with pytest.raises(DtypeError, match=r"Sequential.load_state_dict takes numbers by name, a dict .*, not list"):
        net.load_state_dict([p.data for p in net.parameters()])


def test_loading_makes_graphs_stale():
    net = network()
    out = net(np.ones((1, 3))).sum()
    net.load_state_dict(net.state_dict())
    with pytest.raises(GraphError, match="changed in place"):
        out.backward()


def test_parameter():
    assert nn.Parameter([1.0]).dtype == np.float32
    assert nn.Parameter(np.ones(2)).dtype == np.float64
    assert nn.Parameter([1.0], dtype=float).dtype == np.float64
    assert nn.Parameter(cr.Tensor([1.0])).dtype == np.float64
    assert nn.Parameter(1.0).requires_grad
    assert not nn.Parameter(1.0, requires_grad=False).requires_grad
    assert repr(nn.Parameter(np.ones(2))) == "Parameter([1., 1.], requires_grad=True)"
    assert type(nn.Parameter(1.0) * 2) is cr.Tensor
    with pytest.raises(DtypeError, match="int64"):
        nn.Parameter(np.array([1, 2]))


def test_parameters_and_networks_copy_and_pickle():
    import copy
    import pickle

    net = network()
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):  # noqa: S301
        assert isinstance(twin[0].weight, nn.Parameter)
        assert twin[0].weight is not net[0].weight
        np.testing.assert_array_equal(twin(np.ones((1, 3))).data, net(np.ones((1, 3))).data)
        twin[0].weight.data[...] = 0
        assert net[0].weight.data.any()


def test_a_module_without_forward_says_so():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty needs a method forward\(self, x\)"):
        Empty()(1.0)


def test_calling_a_module_is_silent_about_overflow():
    out = nn.Sequential(nn.Linear(1, 1, rng=0), cr.exp)([[1e30]])
    assert out.item() in (0.0, np.inf)


def test_dropout_drops_by_its_seed_while_training_alone():
    x = np.ones((200, 100))
    layer = nn.Dropout(0.25, rng=0)
    out = layer(x).data
    assert {*np.unique(out)} == {0.0, 1 / 0.75}
    # 20,000 draws: the share dropped is off by 0.003 on average.
    assert (out == 0).mean() == pytest.approx(0.25, abs=0.015)
    np.testing.assert_array_equal(out, nn.Dropout(0.25, rng=0)(x).data)
    assert not np.array_equal(out, layer(x).data)
    assert layer.eval()(x) is x
    assert layer(cr.Tensor(x, dtype=np.float32)).dtype == np.float32
    assert repr(layer) == "Dropout(0.25)"


def test_the_gradient_of_dropout_passes_where_the_entry_did():
    x = cr.Tensor(np.full(50, 3.0), requires_grad=True)
    out = nn.Dropout(rng=0)(x)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.data, out.data / 3.0)


@pytest.mark.parametrize("p", [-0.1, 1.1, "half", True])
def test_dropout_refuses_what_is_no_share(p):
    with pytest.raises(ChainruleError, match="from 0 to 1"):
        nn.Dropout(p)


def test_flatten_keeps_the_batch():
    x = np.arange(24.0).reshape(2, 3, 2, 2)
    np.testing.assert_array_equal(nn.Flatten()(cr.Tensor(x)).data, x.reshape(2, 12))
    assert nn.Flatten(0)(x).shape == (24,)
    assert nn.Flatten(1, 2)(np.zeros((0, 3, 2))).shape == (0, 6)
    assert repr(nn.Flatten()) == "Flatten()"
    for flatten in (nn.Flatten(4), nn.Flatten(2, 1), nn.Flatten(-5)):
        with pytest.raises(ShapeError, match=r"joins axes that an input of shape \(2, 3, 2, 2\) does not have"):
            flatten(x)


def test_a_module_list_is_a_list_with_parameters():
    class Chain(nn.Module):
        def __init__(self):
            self.layers = nn.ModuleList([nn.Linear(2, 2, rng=0)])
            self.layers.append(nn.Tanh()).extend([nn.Linear(2, 1, rng=1)])

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    net = Chain()
    assert [name for name, _ in net.named_parameters()] == [
        "layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias",
    ]  # fmt: skip
    assert net([[1.0, 2.0]]).shape == (1, 1)
    assert len(net.layers) == 3
    assert isinstance(net.layers[1], nn.Tanh)
    assert repr(net.layers[1:]) == "ModuleList(Tanh(), Linear(2, 1))"
    assert list(find_labels([net.layers[2].weight]).values()) == ["net.layers[2].weight"]
    for wrong in (nn.ReLU, cr.tanh):
        with pytest.raises(DtypeError, match="ModuleList takes modules"):
            net.layers.append(wrong)
