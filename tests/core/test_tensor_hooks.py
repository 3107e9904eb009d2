"""`Tensor.register_hook`: what a hook is told, what it may change, beside PyTorch's own."""

import copy

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DtypeError, GraphError, ShapeError

START = np.array([[0.5, -1.25], [2.0, 0.75]])


def chainrules():
    return lambda data: cr.Tensor(data, requires_grad=True), cr.clip


def torchs():
    torch = pytest.importorskip("torch")
    return lambda data: torch.tensor(data, requires_grad=True), torch.clamp


def told_and_left(tensor, clip):
    """What hooks on leaves and between are told in two passes, and the gradients that are left."""
    told = []

    def note(name, change=None):
        def hook(g):
            told.append((name, np.array(g.tolist())))
            return None if change is None else change(g)

        return hook

    x, w = tensor(START), tensor(START + 1)
    y = x * w
    z = y * y
    y.retain_grad()
    handles = [
        x.register_hook(note("x", lambda g: g * 2)),
        y.register_hook(note("y first", lambda g: clip(g, -1.0, 1.0))),
        y.register_hook(note("y second", lambda g: g + 0.5)),
        y.register_hook(note("y third")),
        z.register_hook(note("z")),
    ]
    loss = (z * z + 3 * z + y).sum()
    loss.register_hook(note("loss", lambda g: g * 0.25))
    loss.backward(**({} if isinstance(x, cr.Tensor) else {"retain_graph": True}))
    handles[0].remove()
    handles[2].remove()
    handles[2].remove()
    loss.backward()
    return told, [np.array(held.grad.tolist()) for held in (x, w, y)]


def test_hooks_are_told_and_change_what_pytorchs_do():
    ours, left = told_and_left(*chainrules())
    theirs, there = told_and_left(*torchs())
    assert [name for name, _ in ours] == [name for name, _ in theirs]
    for (_, mine), (_, other) in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)
    for mine, other in zip(left[:2], there[:2], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)


def test_a_hook_gets_the_whole_gradient_once():
    x = cr.Tensor(START, requires_grad=True)
    y = x.exp()
    told = []
    y.register_hook(lambda g: told.append(g.data.copy()))
    (y.sum() + (y * 2).sum() + (y * y).sum()).backward()
    (found,) = told
    np.testing.assert_allclose(found, 3 + 2 * np.exp(START), rtol=1e-12)


def test_what_a_hook_keeps_or_spoils_is_its_own():
    x = cr.Tensor(START, requires_grad=True)
    kept = []

    def hook(g):
        kept.append(g)
        g.data[:] = 99.0

    y = x * 3
    y.register_hook(hook)
    x.register_hook(hook)
    y.sum().backward()
    assert (x.grad.data == 3).all()
    x.grad.data[:] = 7
    assert (kept[1].data == 99).all()


def test_a_changed_gradient_is_kept_and_handed_on():
    x = cr.Tensor(START, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: 10 * g)
    y.sum().backward()
    assert (y.grad.data == 10).all()
    assert (x.grad.data == 20).all()


@pytest.mark.parametrize("given", [np.full((2, 2), 5.0), [[5.0, 5.0], [5.0, 5.0]], cr.Tensor(np.full((2, 2), 5.0))])
def test_arrays_and_lists_are_gradients_too(given):
    x = cr.Tensor(START.astype(np.float32), requires_grad=True)
    x.register_hook(lambda g: given)
    (x * x).sum().backward()
    assert x.grad.dtype == np.float32
    assert (x.grad.data == 5).all()


def test_gradients_that_are_recorded_go_through_hooks_as_nodes():
    x = cr.Tensor(3.0, requires_grad=True)
    y = x * x
    y.register_hook(lambda g: g * x)
    y.backward(create_graph=True)
    # x · 2x, whose slope is 4x.
    assert float(x.grad.data) == 18
    found, x.grad = x.grad, None
    found.backward()
    assert float(x.grad.data) == 12


def test_parameters_of_a_network_are_watched():
    net = cr.nn.Linear(2, 1, rng=0)
    seen = []
    with net.weight.register_hook(lambda g: seen.append(g.shape)):
        net(START).sum().backward()
    net(START).sum().backward()
    assert seen == [(1, 2)]
    assert copy.deepcopy(net.weight).hooks is None


def test_no_gradient_no_call():
    x = cr.Tensor(START, requires_grad=True)
    other = cr.Tensor(START, requires_grad=True)
    other.register_hook(lambda g: pytest.fail("no gradient came"))
    (x * cr.sign(other).detach()).sum().backward()
    assert cr.grad(lambda x: cr.sum(x * x))(START).tolist() == (2 * START).tolist()


def test_what_cannot_be_watched_is_refused():
    with pytest.raises(GraphError, match="requires no gradient"):
        cr.Tensor(START).register_hook(print)
    x = cr.Tensor(START, requires_grad=True)
    with pytest.raises(DtypeError, match="a hook is a function"):
        x.register_hook(3)
    x.register_hook(lambda g: np.ones(3))
    with pytest.raises(ShapeError, match=r"a hook gave a gradient of shape \(3,\)"):
        (x * x).sum().backward()
