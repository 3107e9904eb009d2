"""Losses: their values, gradients and conventions, agreement with PyTorch, and clear refusals."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ChainruleError, DtypeError, ShapeError

LOGITS = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0], [1000.0, -1000.0, 0.0], [0.0, 0.0, 0.0]])
TARGET = np.array([1, 0, 2, 2])


def test_cross_entropy_by_hand():
    logits = cr.Tensor(LOGITS, requires_grad=True)
    loss = nn.CrossEntropyLoss()(logits, TARGET)
    shifted = LOGITS - LOGITS.max(1, keepdims=True)
    shares = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    each = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(4), TARGET]
    assert loss.item() == pytest.approx(each.mean(), rel=1e-14)
    loss.backward()
    np.testing.assert_allclose(logits.grad.data, (shares - np.eye(3)[TARGET]) / 4, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(
    "kind", [list, tuple, np.array, cr.Tensor, lambda t: t.astype(np.uint8), lambda t: t.astype("i4")]
)
def test_cross_entropy_takes_classes_of_any_whole_type(kind):
    loss = nn.CrossEntropyLoss()
    assert loss(LOGITS, kind(TARGET)) == pytest.approx(loss(cr.Tensor(LOGITS), TARGET).item(), rel=1e-15)


def test_cross_entropy_keeps_its_own_target():
    logits, target = cr.Tensor(LOGITS, requires_grad=True), TARGET.copy()
    loss = nn.CrossEntropyLoss()(logits, target)
    target[:] = 0
    loss.backward()
    again = cr.Tensor(LOGITS, requires_grad=True)
    nn.CrossEntropyLoss()(again, TARGET).backward()
    np.testing.assert_array_equal(logits.grad.data, again.grad.data)


@pytest.mark.parametrize(
    ("logits", "target", "error", "message"),
    [
        (LOGITS, [0, 1, 3, 2], ShapeError, "class 3, .* know the classes 0 to 2: .*at least 4 outputs"),
        (LOGITS, [0, -1, 1, 2], ShapeError, "class -1, .* number the classes from 0$"),
        (LOGITS, np.array([0, 300, 1, 2], np.uint16), ShapeError, "class 300"),
        (LOGITS, [0.0, 1.0, 1.0, 2.0], DtypeError, r"whole numbers, not float64: use target.astype\(int\)"),
        (LOGITS, [True, False, True, True], DtypeError, "whole numbers, not bool"),
        (LOGITS, ["a", "b", "c", "d"], DtypeError, "takes numbers"),
        (LOGITS, [0, 1], ShapeError, r"each of the 4 rows .* target of shape \(2,\)"),
        (LOGITS, np.eye(4, 3, dtype=int), ShapeError, "not one-hot rows"),
        (LOGITS[0], [1], ShapeError, r"not \(3,\): reshape one example to \(1, 3\)"),
        (LOGITS[None], [1], ShapeError, r"shape \(batch, classes\), not \(1, 4, 3\)"),
        (np.zeros((0, 3)), np.zeros(0, int), ShapeError, "at least one example"),
        (np.zeros((2, 0)), [0, 0], ShapeError, "has no value"),
    ],
)
def test_cross_entropy_refuses(logits, target, error, message):
    with pytest.raises(error, match=message):
        nn.CrossEntropyLoss()(cr.Tensor(logits, requires_grad=True), target)


def test_cross_entropy_of_nan_is_nan():
    assert np.isnan(nn.CrossEntropyLoss()(cr.Tensor([[np.nan, 0.0]]), [0]).item())


@pytest.mark.parametrize(
    ("convention", "value", "slope"), [("mean", 2.5, 1.0), ("sum", 5.0, 2.0), ("half_sum", 2.5, 1.0)]
)
def test_mse_conventions(convention, value, slope):
    prediction = cr.Tensor([[3.0], [4.0]], requires_grad=True)
    loss = nn.MSELoss(convention)(prediction, np.array([[2.0], [2.0]]))
    loss.backward()
    assert loss.item() == value
    np.testing.assert_allclose(prediction.grad.data, slope * np.array([[1.0], [2.0]]), rtol=1e-15)
    assert repr(nn.MSELoss(convention=convention)) == f"MSELoss(convention={convention!r})"


def test_mse_is_the_mean_unless_told_otherwise():
    assert repr(nn.MSELoss()) == "MSELoss(convention='mean')"
    assert nn.MSELoss()(cr.Tensor(np.ones((5, 2))), np.zeros((5, 2))).item() == 1.0


def test_mse_passes_gradients_of_the_target():
    target = cr.Tensor([1.0, 5.0], requires_grad=True)
    nn.MSELoss("sum")([2.0, 3.0], target).backward()
    assert target.grad.tolist() == [-2.0, 4.0]


@pytest.mark.parametrize(
    ("prediction", "target", "error", "message"),
    [
        (np.ones((3, 1)), np.ones(3), ShapeError, r"prediction has shape \(3, 1\) and the target \(3,\)"),
        (np.ones((0, 2)), np.ones((0, 2)), ShapeError, "at least one example"),
        (np.ones(2), ["a", "b"], DtypeError, "numbers"),
    ],
)
def test_mse_refuses(prediction, target, error, message):
    with pytest.raises(error, match=message):
        nn.MSELoss()(cr.Tensor(prediction, requires_grad=True), target)


def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="one of mean, sum, half_sum, not 'average'"):
        nn.MSELoss("average")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_keep_the_dtype(dtype):
    logits = cr.Tensor(LOGITS.astype(dtype), requires_grad=True)
    for loss in (nn.CrossEntropyLoss()(logits, TARGET), nn.MSELoss()(logits, LOGITS.astype(dtype) + 1)):
        assert loss.dtype == dtype
        logits.zero_grad()
        loss.backward()
        assert logits.grad.dtype == dtype


def test_losses_agree_with_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    pairs = [
        (nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss(), TARGET),
        (nn.MSELoss(), torch.nn.MSELoss(), LOGITS * 0.5 + 1),
        (nn.MSELoss("sum"), torch.nn.MSELoss(reduction="sum"), LOGITS * 0.5 + 1),
    ]
    for ours, theirs, target in pairs:
        mine = cr.Tensor(LOGITS, requires_grad=True)
        yours = torch.tensor(LOGITS, requires_grad=True)
        loss, expected = ours(mine, target), theirs(yours, torch.tensor(target))
        loss.backward()
        expected.backward()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
        np.testing.assert_allclose(mine.grad.data, yours.grad.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.MSELoss(), nn.MSELoss("sum"), nn.MSELoss("half_sum")])
def test_losses_agree_with_differences(loss):
    x = LOGITS.clip(-3, 3)
    target = TARGET if isinstance(loss, nn.CrossEntropyLoss) else x * 0.5 + 1
    found = cr.grad(lambda logits: loss(logits, target))(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-6
        difference = (loss(x + step, target) - loss(x - step, target)) / 2e-6
        assert found[place] == pytest.approx(difference, rel=1e-7, abs=1e-8)


def test_losses_are_modules_without_parameters():
    assert list(nn.CrossEntropyLoss().parameters()) == []
    assert repr(nn.CrossEntropyLoss()) == "CrossEntropyLoss()"
    assert issubclass(ShapeError, ChainruleError)
