"""Hooks see and change what passes a module, forwards and backwards, as PyTorch's do."""

import copy

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import DtypeError

RNG = np.random.default_rng(0)


class Two(nn.Module):
    """Two inputs, two results."""

    def forward(self, x, y, *, factor=1.0):
        return factor * x * y, x + y


def test_forward_hooks_see_and_change():
    seen = []
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.ReLU())
    handle = net[0].register_forward_hook(lambda module, inputs, out: seen.append((module, inputs[0].shape, out.shape)))
    x = np.ones((4, 2), np.float32)
    plain = net(x).data
    assert seen == [(net[0], (4, 2), (4, 3))]
    halve = net[1].register_forward_hook(lambda module, inputs, out: out * 0.5)
    assert np.array_equal(net(x).data, plain * 0.5)
    handle.remove()
    handle.remove()
    halve.remove()
    assert np.array_equal(net(x).data, plain)
    assert len(seen) == 2


def test_pre_hooks_change_inputs_and_keywords_in_order():
    net = Two()
    first = net.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1, inputs[1]))
    net.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2, inputs[1]), prepend=True)
    assert net(np.array([1.0]), np.array([1.0]))[0] == 3.0
    first.remove()
    net.register_forward_pre_hook(lambda module, inputs, settings: (inputs, {"factor": 10.0}), with_kwargs=True)
    assert net(np.array([1.0]), np.array([1.0]))[0] == 20.0
    seen = []
    net.register_forward_hook(lambda module, inputs, settings, out: seen.append(settings), with_kwargs=True)
    net(np.array([1.0]), np.array([1.0]))
    assert seen == [{"factor": 10.0}]
    single = nn.ReLU()
    single.register_forward_pre_hook(lambda module, inputs: -inputs[0])
    assert single(np.array([-2.0])) == 2.0


def told_in_both(make, run, *inputs, needs=True, change=None):
    """What a backward hook is told in both packages, and the gradients that the inputs end with."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    found = []
    for package, tensor in ((cr, cr.Tensor), (torch, torch.tensor)):
        module, seen = make(package), []

        def hook(module, grad_input, grad_output, seen=seen):
            seen.append([None if g is None else np.array(g.tolist()) for g in (*grad_input, *grad_output)])
            return None if change is None else tuple(None if g is None else change * g for g in grad_input)

        module.register_full_backward_hook(hook)
        given = [tensor(x, requires_grad=needs) for x in inputs]
        run(module, *given).backward()
        found.append((seen, [np.array(x.grad.tolist()) for x in given if needs]))
    (ours, mine), (right, theirs) = found
    assert len(ours) == len(right) == 1
    for one, other in zip((*ours[0], *mine), (*right[0], *theirs), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


class TwoOf:
    """The same module in both packages."""

    def __new__(cls, package):
        class Module(package.nn.Module):
            def forward(self, x, y):
                return (x * x * y).sum(1), x.sum() + y[0] * y[0]

        return Module()


@pytest.mark.parametrize("change", [None, 0.5])
def test_backward_hooks_agree_with_pytorch(change):
    x, y = RNG.normal(size=(3, 2)).astype(np.float32), RNG.normal(size=(3, 2)).astype(np.float32)
    told_in_both(lambda k: k.nn.Tanh(), lambda m, x: (m(x) ** 2).sum(), x, change=change)
    told_in_both(TwoOf, lambda m, x, y: (m(x, y)[0] ** 2).sum() + m.forward(x, y)[0].sum(), x, y, change=change)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_a_first_layer_is_told_of_its_results_alone():
    def linear(package):
        layer = package.nn.Linear(2, 2)
        for parameter in layer.parameters():
            parameter.data = parameter.data * 0 + 1
        return layer

    told_in_both(linear, lambda m, x: (m(x) ** 2).sum(), np.ones((3, 2), np.float32), needs=False)


def test_a_gradient_of_a_wrong_number_of_inputs_is_refused():
    net = Two()
    net.register_full_backward_hook(lambda module, grad_input, grad_output: grad_input[:1])
    x = cr.Tensor([1.0], requires_grad=True)
    with pytest.raises(DtypeError, match=r"gave 1 gradients for 2 inputs"):
        net(x, x * 2)[0].sum().backward()
    with pytest.raises(DtypeError, match="a hook is a function, not str"):
        net.register_forward_hook("print")


def test_hooks_are_copied_and_are_no_part_of_the_state():
    net = nn.Linear(2, 1, rng=0)
    net.register_forward_hook(doubled)
    again = copy.deepcopy(net)
    assert np.array_equal(again(np.ones((1, 2))).data, net(np.ones((1, 2))).data)
    assert list(net.state_dict()) == ["weight", "bias"]
    assert net.summary((1, 2)).parameters == 3


def doubled(module, inputs, out):
    return out * 2


def test_gradients_of_gradients_pass_hooks():
    net, seen = nn.Tanh(), []
    net.register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_input[0].shape))
    found = cr.grad(lambda x: cr.grad(lambda x: net(x).sum())(x).sum())(np.array([0.3]))
    right = cr.grad(lambda x: cr.grad(lambda x: cr.tanh(x).sum())(x).sum())(np.array([0.3]))
    np.testing.assert_allclose(found, right, rtol=1e-12)
    assert set(seen) == {(1,)}
