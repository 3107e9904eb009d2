"""What backward and an optimizer's step leave in memory, and whose memory a gradient is computed in."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import AnomalyError, GraphError


def a_step(optimizer=None):
    net = cr.nn.Sequential(cr.nn.Linear(3, 2, rng=0), cr.nn.Sigmoid(), cr.nn.Linear(2, 1, rng=1))
    optimizer = cr.optim.SGD(net.parameters(), lr=0.1)
    hidden = net[1](net[0](cr.Tensor([[1.0, 2.0, 3.0]])))
    loss = cr.nn.MSELoss("half_sum")(net[2](hidden), [[1.0]])
    loss.backward()
    return net, optimizer, hidden, loss


def test_a_loss_does_not_hold_the_step_that_is_done():
    _, optimizer, hidden, loss = a_step()
    inside = weakref.ref(hidden.inputs[0])
    number = loss.item()
    del hidden
    assert inside() is not None
    optimizer.step()
    assert inside() is None
    assert loss.item() == number
    assert not loss.is_leaf
    assert "squared_error" in repr(loss)


def test_what_the_program_holds_stays_whole():
    _, optimizer, hidden, _ = a_step()
    optimizer.step()
    (sums,) = hidden.inputs
    np.testing.assert_allclose(hidden.data, 1 / (1 + np.exp(-sums.data)), rtol=1e-6)


def test_a_graph_that_was_let_go_says_why():
    net, optimizer, _, loss = a_step()
    later = loss * 2.0
    optimizer.step()
    for again in (loss.backward, later.backward, lambda: cr.explain(loss, wrt=net[0].weight)):
        with pytest.raises(GraphError, match=r"\[2\](\.weight)? \(1, 2\) was changed in place after affine used it"):
            again()


def test_a_graph_that_can_be_differentiated_again_stays():
    w = cr.Tensor([1.0, 2.0], requires_grad=True)
    optimizer = cr.optim.SGD([w], lr=0.1)
    loss = (w * np.array([3.0, 4.0])).sum()
    loss.backward()
    optimizer.step()
    loss.backward()
    np.testing.assert_array_equal(w.grad.data, [6.0, 8.0])


def test_a_graph_that_was_not_differentiated_stays():
    net, optimizer, _, loss = a_step()
    other = cr.nn.MSELoss("sum")(net([[0.0, 1.0, 0.0]]), [[0.0]])
    optimizer.step()
    assert other.inputs
    assert not loss.inputs


def test_losses_that_are_kept_do_not_pile_up():
    net, optimizer, _, _ = a_step()
    kept, inside = [], []
    for _ in range(200):
        out = net([[1.0, 2.0, 3.0]])
        inside.append(weakref.ref(out))
        kept.append(cr.nn.MSELoss("sum")(out, [[0.0]]))
        kept[-1].backward()
        optimizer.step()
    del out
    assert [reference for reference in inside if reference() is not None] == []


def test_gradients_that_two_nodes_share_are_not_computed_in():
    x = cr.Tensor([0.3, -0.2], requires_grad=True)
    (x.tanh() + x.exp() + x.sin()).square().sum().backward()
    y = np.tanh(x.data) + np.exp(x.data) + np.sin(x.data)
    slope = 1 - np.tanh(x.data) ** 2 + np.exp(x.data) + np.cos(x.data)
    np.testing.assert_allclose(x.grad.data, 2 * y * slope, rtol=1e-14)


def test_gradients_that_are_kept_are_not_computed_in():
    x = cr.Tensor([0.3, -0.2], requires_grad=True)
    between = [x * 2.0]
    for name in ("tanh", "exp", "sin"):
        between.append(getattr(between[-1], name)())
    for node in between:
        node.retain_grad()
    seed = np.array([1.0, 10.0])
    between[-1].square().backward(seed)
    np.testing.assert_array_equal(seed, [1.0, 10.0])
    gradient = 2 * between[-1].data * seed
    for node, slope in zip(
        between[::-1], [np.cos(between[2].data), between[2].data, 1 - between[1].data ** 2, 2.0], strict=True
    ):
        np.testing.assert_allclose(node.grad.data, gradient, rtol=1e-14)
        gradient = gradient * slope
    np.testing.assert_allclose(x.grad.data, gradient, rtol=1e-14)


def test_a_leafs_gradient_is_its_own():
    x, y = (cr.Tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    (x + y).sum().backward()
    x.grad.data[0] = 7.0
    np.testing.assert_array_equal(y.grad.data, [1.0, 1.0])


def test_an_anomaly_is_seen_although_gradients_could_be_computed_in_place():
    x = cr.Tensor([0.0, 1.0], requires_grad=True)
    with cr.detect_anomaly():
        loss = (x.sqrt().exp().sin()).sum()
        with pytest.raises(AnomalyError, match="the derivative of sqrt"):
            loss.backward()
