"""Modules and parameters in dicts and lists: names, order, use as a dict, refusals."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import DtypeError, ShapeError


def test_a_dict_of_modules_is_a_dict_with_pytorchs_names():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    mine = nn.ModuleDict({"one": nn.Linear(2, 3), "two": nn.ModuleDict({"in": nn.Linear(3, 1)})})
    theirs = torch.nn.ModuleDict(
        {"one": torch.nn.Linear(2, 3), "two": torch.nn.ModuleDict({"in": torch.nn.Linear(3, 1)})}
    )
    assert list(mine.state_dict()) == list(theirs.state_dict())
    assert list(mine) == list(mine.keys()) == ["one", "two"]
    assert "one" in mine
    assert len(mine) == 2
    taken = mine.pop("one")
    assert isinstance(taken, nn.Linear)
    assert [type(m).__name__ for m in mine.values()] == ["ModuleDict"]
    mine.update([("three", nn.ReLU())])
    mine["two"] = nn.Tanh()
    assert repr(mine) == "ModuleDict({'two': Tanh(), 'three': ReLU()})"
    assert dict(mine.items())["two"] is mine["two"]
    del mine["two"]
    assert list(mine) == ["three"]


def test_dicts_refuse_what_is_no_module_or_no_name():
    with pytest.raises(DtypeError, match=r"takes modules, and 'a' is <class .*ReLU'>: write it with brackets"):
        nn.ModuleDict({"a": nn.ReLU})
    for name in ("a.b", "", 3):
        with pytest.raises(DtypeError, match="a text without a dot"):
            nn.ModuleDict({name: nn.ReLU()})
    with pytest.raises(KeyError, match="no 'b'; it has a"):
        nn.ModuleDict({"a": nn.ReLU()})["b"]


def test_a_list_of_parameters_is_trained_and_saved():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")

    def of(k, one):
        class Sum(k.nn.Module):
            def __init__(self):
                super().__init__()
                self.parts = k.nn.ParameterList([k.nn.Parameter(one([1.0, 2.0])), k.nn.Parameter(one([3.0]))])

        return Sum()

    mine = nn.ParameterList([nn.Parameter([1.0]), np.ones(2), [2.0]])
    assert [p.shape for p in mine] == [(1,), (2,), (1,)]
    assert len(mine) == 3
    assert mine[2].data == 2.0
    assert list(mine.state_dict()) == ["0", "1", "2"]
    theirs = of(torch, torch.tensor)
    assert list(theirs.state_dict()) == ["parts.0", "parts.1"]
    (mine[0] * 3).sum().backward()
    assert mine[0].grad.data == 3.0
    assert repr(nn.ParameterList([[2.0]])) == "ParameterList(Parameter([2.], dtype=float32, requires_grad=True))"
    with pytest.raises(ShapeError, match=r"write \[parameter\]"):
        nn.ParameterList(cr.Tensor([1.0]))


@pytest.mark.parametrize("padding", [0, 3, -1])
def test_a_padding_symbol_is_zero_and_stays(padding):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    mine, theirs = (
        nn.Embedding(5, 3, padding, dtype=float, rng=0),
        torch.nn.Embedding(5, 3, padding, dtype=torch.float64),
    )
    assert not mine.weight.data[padding].any()
    assert mine.padding_idx == theirs.padding_idx
    mine.load_state_dict({"weight": theirs.weight.detach().numpy()})
    symbols = np.array([[0, 3, 4], [1, 1, 3]])
    found, right = mine(symbols), theirs(torch.tensor(symbols))
    np.testing.assert_allclose(found.data, right.detach().numpy())
    g = np.arange(18.0).reshape(2, 3, 3) + 1
    found.backward(g)
    right.backward(torch.tensor(g))
    np.testing.assert_allclose(mine.weight.grad.data, theirs.weight.grad.numpy())
    assert not mine.weight.grad.data[padding].any()


def test_a_padding_symbol_is_one_of_them():
    with pytest.raises(ShapeError, match="padding_idx=5 is not among 5 symbols"):
        nn.Embedding(5, 3, padding_idx=5)
    with pytest.raises(ShapeError, match="at least -5"):
        nn.Embedding(5, 3, padding_idx=-6)


def test_new_layers_refuse_what_does_not_fit():
    for make, x, message in (
        (lambda: nn.GroupNorm(2, 4), np.zeros((3, 5)), "takes 4 channels along axis 1"),
        (lambda: nn.GroupNorm(3, 4), None, "3 groups cannot share 4 channels"),
        (lambda: nn.Conv1d(3, 2, 3), np.zeros((3, 5)), r"rows of shape \(rows, 3, length\)"),
        (lambda: nn.Conv1d(3, 2, 3, groups=2), None, "groups=2 has to divide"),
        (lambda: nn.AdaptiveAvgPool2d((1, 2, 3)), None, "a number or a pair"),
        (lambda: nn.AdaptiveAvgPool2d(2), np.zeros((3, 5)), "takes images of shape"),
        (lambda: nn.BatchNorm1d(4), np.zeros((1, 4)), r"leave a last batch of one example out \(drop_last=True\)"),
    ):
        with pytest.raises(ShapeError, match=message):
            make()(x)
