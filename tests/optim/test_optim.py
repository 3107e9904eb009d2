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
    "adagrad 0.01": (optim.Adagrad, {"lr": 0.01}, (2.0510018518286905, 0.5503146790669969)),
    "adagrad 0.5": (optim.Adagrad, {"lr": 0.5}, (4.15022507274352, 2.342875188993392)),
    "rmsprop 0.01": (optim.RMSprop, {"lr": 0.01}, (2.5570452378481483, 1.01258326037913)),
    "rmsprop 0.01, 0.9": (optim.RMSprop, {"lr": 0.01, "alpha": 0.9}, (2.180552778273892, 0.6743107385676629)),
    "rmsprop 0.1, 0.9": (optim.RMSprop, {"lr": 0.1, "alpha": 0.9}, (3.7956813773803617, 2.0839738552289884)),
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
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.5, "betas": (0.7, 0.9)}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.0}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5, "centered": True, "weight_decay": 0.1}),
]
KINDS = [optim.SGD, optim.Adam, optim.AdamW, optim.Adagrad, optim.RMSprop]


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_a_first_step_is_one_like_any_other_from_what_is_kept_at_the_start(name, settings):
    found = []
    for starts in (False, True):
        w = cr.Tensor([1.0, -2.0], requires_grad=True)
        optimizer = getattr(optim, name)([w], **settings)
        if starts:
            assert optimizer.start() == (not settings.get("dampening"))
        (w * w).sum().backward()
        optimizer.step()
        found.append((w.tolist(), optimizer.state_dict()["state"]))
    assert str(found[0]) == str(found[1])


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
def test_a_hundred_steps_agree_with_pytorch(name, settings):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    a, b, x, y = problem()
    mine = [cr.Tensor(p, requires_grad=True) for p in (a, b)]
    yours = [torch.tensor(p, requires_grad=True) for p in (a, b)]
    ours, theirs = getattr(optim, name)(mine, **settings), getattr(torch.optim, name)(yours, **settings)
    for step in range(100):
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


@pytest.mark.parametrize("kind", KINDS)
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
    for kind in KINDS:
        w = cr.Tensor([1.0, 1.0], requires_grad=True)
        optimizer = kind([w], lr=1e200)
        w.grad = cr.Tensor([np.nan, 1e200])
        optimizer.step()
        assert np.isnan(w.data[0])


@pytest.mark.parametrize("kind", KINDS)
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
        (optim.Adam, {"betas": (0.9,)}, "two numbers"),
        (optim.Adam, {"eps": -1.0}, "eps is at least 0"),
        (optim.AdamW, {"weight_decay": -1.0}, "AdamW: weight_decay is at least 0"),
        (optim.Adagrad, {"lr_decay": -1.0}, "lr_decay is at least 0"),
        (optim.Adagrad, {"initial_accumulator_value": -1.0}, "initial_accumulator_value is at least 0"),
        (optim.RMSprop, {"alpha": 1.5}, "alpha is from 0 to 1"),
        (optim.RMSprop, {"momentum": -0.5}, "momentum is at least 0"),
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
        def move(self, data, gradient, memory, work, settings):
            np.sign(gradient, work)
            data -= settings["lr"] * work

    w = cr.Tensor([1.0, -3.0], requires_grad=True)
    optimizer = Signs([w], lr=0.5)
    (w * w).sum().backward()
    optimizer.step()
    assert w.tolist() == [0.5, -2.5]
    with pytest.raises(NotImplementedError, match="Optimizer needs a method move"):
        optim.Optimizer([w], lr=0.1).step()


def test_a_rate_that_is_no_number_is_refused():
    with pytest.raises(DtypeError, match=r"SGD: lr is a number, not '0\.1'"):
        optim.SGD([cr.Tensor([1.0], requires_grad=True)], lr="0.1")


@pytest.mark.parametrize("kind", KINDS)
def test_groups_agree_with_pytorch(kind):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    a, b, x, y = problem()
    mine = [cr.Tensor(p, requires_grad=True) for p in (a, b)]
    yours = [torch.tensor(p, requires_grad=True) for p in (a, b)]

    def groups(p, q):
        return [{"params": [p], "lr": 0.03, "weight_decay": 0.0}, {"params": iter([q])}]

    ours = kind(groups(*mine), lr=0.01, weight_decay=0.2)
    theirs = getattr(torch.optim, kind.__name__)(groups(*yours), lr=0.01, weight_decay=0.2)
    for step in range(50):
        for optimizer in (ours, theirs):
            optimizer.zero_grad()
            if step == 20:
                optimizer.param_groups[1]["lr"] = 0.05
        ((cr.tanh(x @ mine[0]) + mine[1] - y) ** 2).sum().backward()
        ((torch.tanh(torch.tensor(x) @ yours[0]) + yours[1] - torch.tensor(y)) ** 2).sum().backward()
        ours.step()
        theirs.step()
    for p, q in zip(mine, yours, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_groups_stand_in_param_groups_and_share_the_rate_where_it_is_one():
    w, v, u = (cr.Tensor([1.0], requires_grad=True) for _ in range(3))
    optimizer = optim.SGD([{"params": [w]}, {"params": [v], "momentum": 0.5}], lr=0.1)
    assert [group["momentum"] for group in optimizer.param_groups] == [0.0, 0.5]
    assert [group["params"] for group in optimizer.param_groups] == [[w], [v]]
    assert optimizer.lr == 0.1
    optimizer.add_param_group({"params": [u], "lr": 0.3})
    assert optimizer.params == [w, v, u]
    with pytest.raises(ChainruleError, match=r"different rates, 0\.1, 0\.1, 0\.3: .*param_groups\[i\]"):
        _ = optimizer.lr
    optimizer.lr = 0.5
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5, 0.5]
    u.grad = cr.Tensor([1.0])
    optimizer.step()
    assert (w.item(), v.item(), u.item()) == (1.0, 1.0, 0.5)
    optimizer.zero_grad()
    assert u.grad is None


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        (lambda w: [{"lr": 0.1}], ChainruleError, 'SGD: a group is .* and this has no "params"'),
        (lambda w: [{"params": [w], "weight_deacy": 0.1}], ChainruleError, "no setting weight_deacy; it has lr, mom"),
        (lambda w: [{"params": w}], DtypeError, "takes a list of parameters"),
        (lambda w: [{"params": []}], ChainruleError, "got no parameters"),
        (lambda w: [{"params": [w]}, {"params": [w]}], ChainruleError, "twice"),
        (lambda w: [w, {"params": [w]}], DtypeError, "parameter 1 is dict"),
        (lambda w: [{"params": [w]}, {"params": [w * 2]}], GraphError, "parameter 1 is"),
        (lambda w: [{"params": [w], "lr": -1.0}], ValueError, "lr is at least 0"),
    ],
)
def test_wrong_groups_are_refused(groups, error, message):
    with pytest.raises(error, match=message):
        optim.SGD(groups(cr.Tensor([1.0], requires_grad=True)), lr=0.1)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop"])
def test_parameters_of_one_optimizer_move_as_in_optimizers_of_their_own(name):
    """Sizes and dtypes differ, for they compute in the same memory one after the other."""

    def parameters():
        arrays = [np.full(5, 0.5, np.float32), np.full((2, 3), -1.0), np.full((7, 2), 2.0, np.float32), np.full(1, 3.0)]
        return [nn.Parameter(array) for array in arrays]

    together, apart = parameters(), parameters()
    optimizers = [getattr(optim, name)(together, lr=0.1)] + [getattr(optim, name)([each], lr=0.1) for each in apart]
    for _ in range(3):
        for each in together + apart:
            each.grad = cr.Tensor(each.data * 3 + 1)
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_array_equal(one.data, other.data)


def test_an_equal_dtype_that_is_another_object_is_no_misfit():
    """Arrays out of a pickle have such dtypes."""
    w = nn.Parameter(np.ones(3, np.float32))
    optimizer = optim.SGD([w], lr=0.5)
    w.data = w.data.astype(np.dtype("f4", copy=True))
    w.grad = cr.Tensor(np.ones(3, np.float32))
    optimizer.step()
    np.testing.assert_array_equal(w.data, np.full(3, 0.5))
