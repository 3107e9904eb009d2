"""PyTorch's own functions and modules are checked as they stand, and its gradcheck comes to the same verdict."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")


def function_of(forward, backward):
    """An ``autograd.Function`` from two plain functions."""

    class Mine(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return backward(g, *ctx.saved_tensors)

    return Mine


def slope(x):
    return 1 - torch.tanh(x) ** 2


X = torch.tensor(np.random.default_rng(1).normal(size=(5, 3)), dtype=torch.float64)
W = torch.tensor(np.random.default_rng(2).normal(size=(3, 3)), dtype=torch.float64)

RIGHT = {
    "tanh": (torch.tanh, lambda g, x: g * slope(x), (X,)),
    "product": (lambda x, y: x * y, lambda g, x, y: (g * y, g * x), (X, X + 1)),
    "matrices": (lambda x, w: x @ w, lambda g, x, w: (g @ w.T, x.T @ g), (X, W)),
    "softmax": (
        lambda x: torch.softmax(x, 1),
        lambda g, x: (p := torch.softmax(x, 1)) * (g - (g * p).sum(1, keepdim=True)),
        (X,),
    ),
    "a loss": (lambda x: (x**2).sum(), lambda g, x: 2 * g * x, (X,)),
    "broadcast": (lambda x, b: x + b, lambda g, x, b: (g, g.sum(0)), (X, W[0])),
    "strided": (lambda x: x**3, lambda g, x: 3 * g * x**2, (X.t()[::2],)),
    "nothing": (lambda x: x * 2, lambda g, x: g * 2, (X[:0],)),
    "a number": (torch.exp, lambda g, x: g * x.exp(), (X[0, 0],)),
    "steps": (torch.floor, lambda g, x: torch.zeros_like(g), (3 * X,)),
}
WRONG = {
    "no slope": (torch.tanh, lambda g, x: g.clone(), (X,), "activation-derivative-missing"),
    "half": (lambda x: x**2, lambda g, x: g * x, (X,), "factor"),
    "sign": (torch.cos, lambda g, x: g * torch.sin(x), (X,), "sign"),
    "swapped": (lambda x, y: x * y**2, lambda g, x, y: (2 * g * x * y, g * y**2), (X, X + 1), "other-parameter"),
    "a transpose": (lambda x, w: x @ w, lambda g, x, w: (g @ w, x.T @ g), (X, W), "transposed"),
    "transposed": (lambda x, w: x @ w, lambda g, x, w: (g @ w.T, g.T @ x), (X, W), "transposed"),
    "no gradient that arrives": (torch.tanh, lambda g, x: slope(x), (X,), ""),
    "diagonal": (
        lambda x: torch.softmax(x, 1),
        lambda g, x: g * (p := torch.softmax(x, 1)) * (1 - p),
        (X,),
        "softmax-diagonal",
    ),
    "the mask of what arrives": (lambda x: x.clamp(min=0), lambda g, x: g * (g > 0), (X,), "relu-mask-wrong"),
    "softplus itself": (
        lambda x: torch.log1p(torch.exp(x)),
        lambda g, x: g * torch.log1p(torch.exp(x)),
        (X,),
        "activation-for-derivative",
    ),
    "columns for rows": (
        lambda x: torch.log_softmax(x, 1),
        lambda g, x: g - torch.softmax(x, 1) * g.sum(0, keepdim=True),
        (X,),
        "summed-over-wrong-axis",
    ),
    "a scale that stands still": (
        lambda x: x * torch.rsqrt((x**2).mean(-1, keepdim=True) + 0.1),
        lambda g, x: g * torch.rsqrt((x**2).mean(-1, keepdim=True) + 0.1),
        (X,),
        "missing-path",
    ),
    "no product rule": (lambda x: x * torch.sigmoid(x), lambda g, x: g * torch.sigmoid(x), (X,), "missing-path"),
    "one row for all": (
        lambda x, w, b: x @ w.t() + b,
        lambda g, x, w, b: (g @ w, g.t() @ x, g[0]),
        (X, W, W[0]),
        "batch-sum-missing",
    ),
    "straight through": (torch.round, lambda g, x: g.clone(), (3 * X,), "extra-factor"),
    "strided": (
        lambda x: x.reshape(-1) ** 3,
        lambda g, x: 3 * g.reshape(x.shape[::-1]).t() * x**2,
        (X.t()[::2],),
        "unclassified",
    ),
    "nothing": (lambda x, y: x * y, lambda g, x, y: (g * y, None), (X, X + 1), "missing-path"),
    "one entry": (torch.exp, lambda g, x: g * x.exp() * (1 + 0.01 * (x == x.max())), (X,), "unclassified"),
    "of another shape": (lambda x, b: x + b, lambda g, x, b: (g, g[:, :2]), (X, W[0]), None),
}


def gradcheck(function, inputs):
    ready = [x.clone().requires_grad_() for x in inputs]
    try:
        return torch.autograd.gradcheck(function.apply, ready, raise_exception=False)
    except RuntimeError:
        return False


@pytest.mark.parametrize("cheap", [False, True])
@pytest.mark.parametrize("name", RIGHT)
def test_right_functions_pass_both(name, cheap):
    forward, backward, inputs = RIGHT[name]
    function = function_of(forward, backward)
    assert gradcheck(function, inputs)
    report = cr.check_gradients(function, *inputs, cheap=cheap)
    assert report, report


@pytest.mark.parametrize("cheap", [False, True])
@pytest.mark.parametrize("name", WRONG)
def test_wrong_functions_fail_both_and_ours_says_why(name, cheap):
    forward, backward, inputs, mistake = WRONG[name]
    function = function_of(forward, backward)
    assert not gradcheck(function, inputs)
    report = cr.check_gradients(function, *inputs, cheap=cheap)
    assert not report
    if mistake:
        assert mistake in [checked.mistake for checked in report.inputs], report
    else:
        assert "invalid gradient" in report.next if mistake is None else "no-incoming-gradient" in report.next


def swish(x):
    return x * torch.sigmoid(x)


Gated = function_of(swish, lambda g, x: g * torch.sigmoid(x))


class WithAFunction(torch.nn.Module):
    """A module in which an ``autograd.Function`` stands behind a layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(3, 4).double()

    def forward(self, x):
        return Gated.apply(self.layer(x)) ** 2


@pytest.mark.parametrize(
    ("f", "wrong"),
    [(Gated.apply, "x"), (lambda x: Gated.apply(2 * x).sum(0), "x"), (WithAFunction(), "layer.weight")],
    ids=["apply", "in a function", "in a module"],
)
def test_a_function_that_is_wrong_is_named_wherever_it_is_called(f, wrong):
    report = cr.check_gradients(f, X)
    checked = next(one for one in report.inputs if one.name in (wrong, "input 0"))
    assert checked.mistake == "missing-path"
    assert "way" in checked.says


def test_a_tensor_kept_in_a_variable_of_the_class_is_stale_and_gradcheck_passes_it():
    class Mine(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            Mine.kept = x
            return x**2

        @staticmethod
        def backward(ctx, g):
            return 2 * g * Mine.kept

    assert gradcheck(Mine, (X,))
    report = cr.check_gradients(Mine, X)
    assert not report
    assert "a later forward pass left behind" in report.next


@pytest.mark.parametrize("double", [False, True])
def test_a_module_is_checked_and_left_as_it_was(double):
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.GELU(), torch.nn.Dropout(0.3), torch.nn.Linear(8, 2)
    )
    net = net.double() if double else net
    before = {name: x.clone() for name, x in net.state_dict().items()}
    x = X if double else X.float()
    report = cr.check_gradients(net, x, torch.tensor([0, 1, 1, 0, 1]), loss=torch.nn.CrossEntropyLoss())
    assert report, report
    assert {"0.weight", "4.bias", "input"} <= {checked.name for checked in report.inputs}
    assert any("float32" in note for note in report.notes) is not double
    for name, saved in net.state_dict().items():
        assert saved.dtype == before[name].dtype
        assert torch.equal(saved, before[name])


def test_functions_of_tensors_to_second_order():
    assert cr.check_gradients(lambda x, w: torch.tanh(x @ w).sum(), X, W, order=2)

    class Flat(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            return g * 3 * ctx.saved_tensors[0].detach() ** 2

    first, second = cr.check_gradients(Flat, X), cr.check_gradients(Flat, X, order=2)
    assert first
    assert not second


def test_what_runs_in_float32_alone_is_compared_as_far_as_that_goes():
    weight = W.float()
    report = cr.check_gradients(lambda x: torch.tanh(x @ weight).sum(), X.float())
    assert report, report
    assert any("float32 alone" in note for note in report.notes)
    wrong = function_of(lambda x: (x @ weight).sum(), lambda g, x: 1.05 * g * weight.sum(1).expand(5, 3))
    assert not cr.check_gradients(wrong, X.float())
