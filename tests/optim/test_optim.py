"""Optimizers: PyTorch's numbers, fixed reference rows, memory in place, and clear refusals."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ChainruleError, DtypeError, GraphError, ShapeError

# The net h = x w1, yhat = h w2, L = (yhat - y)^2 / 2 with x = 2 and y = 20, from w1 = 2, w2 = 0.5: after ten steps.
REFERENCE = {
    "sgd": (optim.SGD, {"lr": 0.01}, (3.3910037937972333, 2.9489517545753627)),
    "momentum": (optim.SGD, {"lr": 0.001, "momentum": 0.9}, (3.169469095584656, 3.1341110125199503)),
    "adam 0.01": (optim.Adam, {"lr": 0.01}, (2.1004701353837123, 0.6000649390296012)),
    "adam 0.1": (optim.Adam, {"lr": 0.1}, (3.014423615395983, 1.5003944962769398)),
    "adam 0.5": (optim.Adam, {"lr": 0.5}, (3.8589428754958313, 2.810795399858525)),
}

SETTINGS = [
    ("SGD", {"lr": 0.03}),
    ("SGD", {"lr": 0.03, "momentum": 0.9}),
    ("SGD", {"lr": 0.03, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.03, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.03, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.03, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.03, "momentum": 0.8, "dampening": 0.5, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-3}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "betas": (0.0, 0.0)}),
]


@pytest.mark.parametrize("name", REFERENCE)
def test_the_reference_numbers(name):
    kind, settings, expected = REFERENCE[name]
    w1, w2 = cr.Tensor(2.0, requires_grad=True), cr.Tensor(0.5, requires_grad=True)
    optimizer = kind([w1, w2], **settings)
    loss = nn.MSELoss("half_sum")
    for _ in range(10):
        optimizer.zero_grad()
        loss(2.0 * w1 * w2, 20.0).backward()
        optimizer.step()
    assert (w1.item(), w2.item()) == pytest.approx(expected, rel=1e-12)


def test_the_first_steps_of_the_two_weight_net():
    w1, w2 = cr.Tensor(2.0, requires_grad=True), cr.Tensor(0.5, requires_grad=True)
    optimizer = optim.SGD([w1, w2], lr=0.01)
    rows = []
    for _ in range(3):
        optimizer.zero_grad()
        nn.MSELoss("half_sum")(2.0 * w1 * w2, 20.0).backward()
        rows.append((w1.grad.item(), w2.grad.item()))
        optimizer.step()
    assert rows[0] == (-18.0, -72.0)
    assert rows[1] == pytest.approx((-35.821152, -64.008288), rel=1e-12)
    assert (w1.item(), w2.item()) == pytest.approx((2.93096550571366, 2.396022811377857), rel=1e-12)


def problem():
    rng = np.random.default_rng(5)
    return rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=(7, 3)), rng.normal(size=(7, 2))


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
def test_twenty_steps_agree_with_pytorch(name, settings):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    a, b, x, y = problem()
    mine = [cr.Tensor(p, requires_grad=True) for p in (a, b)]
    yours = [torch.tensor(p, requires_grad=True) for p in (a, b)]
    ours, theirs = getattr(optim, name)(mine, **settings), getattr(torch.optim, name)(yours, **settings)
    for step in range(20):
        ours.zero_grad()
        theirs.zero_grad()
        # In some steps one parameter takes no part, so its memory must stand still.
        left_out = step % 5 == 2
        out = cr.tanh(x @ mine[0]) if left_out else cr.tanh(x @ mine[0]) + mine[1]
        expected = torch.tanh(torch.tensor(x) @ yours[0])
        expected = expected if left_out else expected + yours[1]
        ((out - y) ** 2).sum().backward()
        ((expected - torch.tensor(y)) ** 2).sum().backward()
        ours.step()
        theirs.step()
    for p, q in zip(mine, yours, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
def test_a_step_is_in_place_reads_the_gradient_only_and_keeps_the_dtype(name, settings):
    for dtype in (np.float32, np.float64):
        p = cr.Tensor(np.array([1.0, -2.0], dtype), requires_grad=True)
        optimizer = getattr(optim, name)([p], **settings)
        array = p.data
        for _ in range(3):
            p.grad = cr.Tensor(np.array([0.5, 2.0], dtype))
            held = p.grad.data
            optimizer.step()
            assert p.data is array
            assert p.dtype == dtype
            np.testing.assert_array_equal(held, np.array([0.5, 2.0], dtype))
        assert array[0] < 1


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_a_step_makes_graphs_stale(kind):
    w = cr.Tensor([1.0, 2.0], requires_grad=True)
    optimizer = kind([w], lr=0.1)
    loss = (w * w).sum()
    (w * w).sum().backward()
    optimizer.step()
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()


def test_lr_may_change_and_missing_gradients_are_passed_over():
    w, idle = cr.Tensor([1.0], requires_grad=True), cr.Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([w, idle], lr=1.0)
    loss = idle * idle
    w.grad = cr.Tensor([1.0])
    optimizer.lr = 0.25
    optimizer.step()
    assert w.tolist() == [0.75]
    assert idle.tolist() == [1.0]
    loss.sum().backward()
    optimizer.zero_grad()
    assert w.grad is None
    assert idle.grad is None


def test_steps_are_silent_about_nan_and_overflow():
    for kind in (optim.SGD, optim.Adam):
        w = cr.Tensor([1.0, 1.0], requires_grad=True)
        optimizer = kind([w], lr=1e200)
        w.grad = cr.Tensor([np.nan, 1e200])
        optimizer.step()
        assert np.isnan(w.data[0])


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (lambda w: w, DtypeError, r"takes a list of parameters: write \[w\]"),
        (lambda w: 3.0, DtypeError, "not float"),
        (lambda w: nn.Linear(1, 1), DtypeError, r"net\.parameters\(\), not Linear"),
        (lambda w: [], ChainruleError, "got no parameters"),
        (lambda w: [w, w], ChainruleError, "twice"),
        (lambda w: [w, np.ones(2)], DtypeError, "parameter 1 is ndarray"),
        (lambda w: [w * 2], GraphError, "moves leaves"),
        (lambda w: [cr.Tensor([1.0])], GraphError, "requires_grad=True"),
    ],
)
def test_wrong_parameters_are_refused(kind, params, error, message):
    with pytest.raises(error, match=message):
        kind(params(cr.Tensor([1.0], requires_grad=True)), lr=0.1)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (optim.SGD, {"lr": -1.0}, "lr is at least 0"),
        (optim.SGD, {"lr": float("nan")}, "lr is at least 0, not nan"),
        (optim.SGD, {"lr": 1.0, "momentum": -0.1}, "momentum is at least 0"),
        (optim.SGD, {"lr": 1.0, "weight_decay": -0.1}, "weight_decay is at least 0"),
        (optim.SGD, {"lr": 1.0, "nesterov": True}, "nesterov needs a momentum"),
        (optim.SGD, {"lr": 1.0, "nesterov": True, "momentum": 0.9, "dampening": 0.1}, "no dampening"),
        (optim.Adam, {"betas": (0.9, 1.0)}, "below 1"),
        (optim.Adam, {"eps": -1.0}, "eps is at least 0"),
    ],
)
def test_wrong_settings_are_refused(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        kind([cr.Tensor([1.0], requires_grad=True)], **settings)


@pytest.mark.parametrize("new", [np.ones(3), np.ones(2, np.float32)])
def test_replaced_data_is_noticed(new):
    w = cr.Tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    w.data = new
    w.grad = cr.Tensor(np.ones_like(new))
    with pytest.raises(ShapeError, match="make a new optimizer"):
        optimizer.step()


def test_an_optimizer_of_ones_own():
    class Signs(optim.Optimizer):
        def move(self, data, gradient, memory, work):
            np.sign(gradient, work)
            data -= self.lr * work

    w = cr.Tensor([1.0, -3.0], requires_grad=True)
    optimizer = Signs([w], lr=0.5)
    (w * w).sum().backward()
    optimizer.step()
    assert w.tolist() == [0.5, -2.5]
    with pytest.raises(NotImplementedError, match="Optimizer needs a method move"):
        optim.Optimizer([w], lr=0.1).step()
