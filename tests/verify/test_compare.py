"""Gradients side by side: what is wrong with a hand-written one, and what differs from PyTorch and is no mistake."""

from __future__ import annotations

import builtins
import json

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GraphError, MissingExtra

RNG = np.random.default_rng(0)


def batch_norm():
    """A normalisation in small steps, as it is gone back through by hand in lectures."""
    h = cr.Tensor(RNG.normal(size=(32, 8)), requires_grad=True)
    weights = RNG.normal(size=(32, 8))
    mean = cr.mean(h, axis=0, keepdims=True)
    centred = h - mean
    var = cr.mean(centred * centred, axis=0, keepdims=True)
    inverse = 1 / cr.sqrt(var + 1e-5)
    out = centred * inverse
    loss = cr.sum(out * weights)
    loss.backward()
    return h, mean, centred, var, inverse, loss, weights


def test_a_missing_way_is_named_by_the_users_variable():
    h, mean, centred, var, inverse, loss, weights = batch_norm()  # noqa: RUF059  (their names are looked up)
    scaled = weights * inverse.data
    without_var = scaled - scaled.mean(0)
    assert repr(cr.compare(without_var, h, of=loss)) == "the gradient in h: the way through var is missing"
    found = cr.compare(scaled, h, of=loss)
    assert found.rows[0].mistake == "missing-path"
    assert "var" in found.rows[0].says
    assert "mean" in found.rows[0].says
    assert "give of=loss" in repr(cr.compare(without_var, h))
    assert cr.compare(h.grad.data, h, of=loss)
    off = without_var + RNG.normal(size=(32, 8))
    assert cr.compare(off, h, of=loss).rows[0].mistake == "unclassified"


def test_the_only_way_that_is_there():
    x = cr.Value(1.5)
    left, right = x * 2.0, x * x
    y = left * right
    y.backward()
    assert "way through right is missing" in repr(cr.compare(2.0 * right.data, x, of=y))
    assert "way through left is missing" in repr(cr.compare(2 * x.data * left.data, x, of=y))


@pytest.mark.parametrize(
    ("change", "passes", "words"),
    [
        (lambda g: g, True, "equal"),
        (lambda g: g * (1 + 1e-14), True, "equal up to rounding"),
        (lambda g: g.astype(np.float32), True, "equal up to rounding"),
        (lambda g: g[0], True, r"shape is (8,) and belongs (1, 8)"),
        (lambda g: g.T, False, "reshape it"),
        (lambda g: -g, False, "its sign is turned"),
        (lambda g: g / 8, False, "1/8, and 8 is the length of axis 1"),
        (lambda g: 2 * g, False, "off by the factor 2"),
        (lambda g: 0 * g, False, "0 everywhere"),
        (lambda g: g[:, ::-1], False, "reversed order along axis 1"),
        (lambda g: np.where(np.arange(8) == 3, 0, g), False, "1 of 8 entries are wrong"),
        (lambda g: np.repeat(g, 5, 0) / 5, False, "not summed over axis 0"),
    ],
)
def test_one_gradient_is_judged(change, passes, words):
    b = cr.Tensor(RNG.normal(size=(1, 8)), requires_grad=True)
    cr.sum(cr.tanh(b) * RNG.normal(size=(5, 8))).backward()
    found = cr.compare(change(b.grad.data), b)
    assert bool(found) is passes, found
    assert words in repr(found)
    assert repr(found).startswith("the gradient in b: ")


def test_a_matrix_transposed_and_halved():
    w = cr.Tensor(RNG.normal(size=(3, 4)), requires_grad=True)
    (w * w).sum().backward()
    assert "transposed" in repr(cr.compare(2 * w.data.T, w))
    square = cr.Tensor(RNG.normal(size=(3, 3)), requires_grad=True)
    (square * square).sum().backward()
    assert repr(cr.compare(square.data.T, square)) == (
        "the gradient in square: it is transposed and off by the factor 1/2"
    )


def test_what_cannot_be_compared():
    with pytest.raises(GraphError, match="no gradient has arrived"):
        cr.compare(np.ones(2), cr.Tensor([1.0, 2.0], requires_grad=True))
    with pytest.raises(GraphError, match="compare takes"):
        cr.compare(np.ones(2), np.ones(2), np.ones(2))
    assert cr.compare(np.ones(2), np.ones(2))


def test_without_pytorch_one_line_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "torch":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"pip install '\.\[torch\]'"):
        cr.compare(cr.Value(1.0) * cr.Value(2.0))


# With PyTorch

X, Y = RNG.normal(size=(5, 4)), RNG.normal(size=(5, 3))
CLASSES = np.array([0, 1, 2, 1, 0])


def ours(dtype=np.float64):
    return cr.nn.Sequential(
        cr.nn.Linear(4, 8, rng=0, dtype=dtype), cr.nn.LayerNorm(8, dtype=dtype), cr.nn.GELU(),
        cr.nn.Linear(8, 3, rng=1, dtype=dtype),
    )  # fmt: skip


def twin(torch, net, eps=1e-5):
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.LayerNorm(8, eps=eps), torch.nn.GELU(), torch.nn.Linear(8, 3)
    )
    theirs = theirs.double() if next(net.parameters()).dtype == np.float64 else theirs
    theirs.load_state_dict({name: torch.tensor(saved.data) for name, saved in net.state_dict().items()})
    return theirs


def test_a_graph_runs_again_in_pytorch():
    pytest.importorskip("torch")
    a, b = cr.Value(2.0), cr.Value(-3.0)
    loss = (a * b + a).tanh() * b
    found = cr.compare(loss)
    assert found
    assert {row.name for row in found.rows} == {"the output", "a", "b"}
    assert cr.compare(ours(), X, CLASSES, loss=cr.nn.CrossEntropyLoss())


def test_a_derivative_that_differs_is_told_from_a_value_that_does(monkeypatch):
    torch = pytest.importorskip("torch")
    from chainrule.torch import operations

    known = operations.calls(torch)
    x = cr.Tensor(X, requires_grad=True)
    monkeypatch.setattr(operations, "calls", lambda _: {**known, "sin": lambda x: torch.sin(x.detach()) + 0 * x})
    found = cr.compare(cr.sum(cr.sin(x)))
    assert not found
    assert found.rows[0].name == "x"
    assert "a derivative differs" in found.notes[0]
    monkeypatch.setattr(operations, "calls", lambda _: {**known, "sin": torch.cos})
    assert "the first value that differs is that of sin" in cr.compare(cr.sum(cr.sin(x))).notes[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_models_of_the_same_numbers_agree(dtype):
    torch = pytest.importorskip("torch")
    net = ours(dtype)
    found = cr.compare(
        net, twin(torch, net), X.astype(dtype), CLASSES, loss=cr.nn.CrossEntropyLoss(),
        torch_loss=torch.nn.CrossEntropyLoss(),
    )  # fmt: skip
    assert found, found
    assert any("float32" in note for note in found.notes) is (dtype == np.float32)
    assert {"the output", "the loss", "0.weight", "3.bias"} <= {row.name for row in found.rows}
    assert json.loads(found.json())["passed"] is True


def test_a_sum_for_a_mean_is_a_convention():
    torch = pytest.importorskip("torch")
    net = ours()
    found = cr.compare(net, twin(torch, net), X, Y, loss=cr.nn.MSELoss(), torch_loss=torch.nn.MSELoss(reduction="sum"))
    assert found, found
    assert "1/15 times PyTorch's" in found.notes[0]


def test_another_epsilon_is_a_convention():
    torch = pytest.importorskip("torch")
    net = ours()
    found = cr.compare(net, twin(torch, net, eps=1e-6), X, Y, loss=cr.nn.MSELoss(), torch_loss=torch.nn.MSELoss())
    assert found, found
    assert "epsilon of 1 is 1e-05 here and 1e-06 there" in found.notes[0]


def test_other_numbers_and_other_names_are_said():
    torch = pytest.importorskip("torch")
    net = ours()
    theirs = twin(torch, net)
    with torch.no_grad():
        theirs[3].bias += 1
    found = cr.compare(net, theirs, X, Y, loss=cr.nn.MSELoss(), torch_loss=torch.nn.MSELoss())
    assert not found
    assert "3.bias holds other numbers" in found.notes[0]
    shorter = cr.nn.Sequential(cr.nn.Linear(4, 3, rng=0, dtype=float))
    found = cr.compare(shorter, torch.nn.Linear(4, 3).double(), X)
    assert {row.verdict for row in found.rows if row.name != "the output"} == {"missing"}


def test_the_rounding_of_0_is_no_difference():
    """What cancels leaves other digits each time: beside PyTorch, and beside zeros written by hand."""
    x = cr.Tensor(RNG.normal(size=(50, 20)), requires_grad=True)
    loss = cr.sum(cr.softmax(x, axis=-1))
    loss.backward()
    for mine in (np.zeros((50, 20)), 1e-17 * RNG.normal(size=(50, 20))):
        assert cr.compare(mine, x)
        assert "give of=loss" in repr(cr.compare(mine, x))
        assert cr.compare(mine, x, of=loss)
        assert not cr.compare(mine + 1e-9, x, of=loss)
    pytest.importorskip("torch")
    assert cr.compare(loss)


def test_a_small_gradient_is_judged_by_its_own_digits():
    x = cr.Tensor(RNG.normal(size=4), requires_grad=True)
    loss = 1e-18 * cr.sum(x * x)
    loss.backward()
    assert cr.compare(2e-18 * x.data, x, of=loss)
    assert not cr.compare(3e-18 * x.data, x, of=loss)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_bias_before_a_normalisation_has_no_gradient_in_pytorch_either(dtype):
    torch = pytest.importorskip("torch")
    from chainrule.torch import from_module

    torch.manual_seed(0)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(20, 30), torch.nn.BatchNorm1d(30), torch.nn.ReLU(), torch.nn.Linear(30, 5)
    )
    theirs = theirs.to(getattr(torch, dtype))
    found = cr.compare(from_module(theirs), theirs, RNG.normal(size=(8, 20)).astype(dtype))
    assert found, found
    assert {row.name: row.says for row in found.rows}["0.bias"] == "0 but for rounding"


@pytest.mark.parametrize("mine", [np.full((3, 2), np.nan), np.full((3, 2), np.inf)])
def test_a_gradient_that_is_no_number_is_told(mine):
    w = cr.Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    cr.sum(w * w).backward()
    assert "no numbers" in str(cr.compare(mine, w))
    mixed = np.array(w.grad.data)
    mixed[1, 0] = np.nan
    assert not cr.compare(mixed, w)
