"""Gradient clipping: PyTorch's numbers, in place, at any size and for any norm."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import chainrule as cr
from chainrule import optim
from chainrule.errors import DtypeError, GraphError

deterministic = settings(derandomize=True, database=None, deadline=None)
GRADIENTS = [np.array([[3.0, -4.0], [0.0, 1.5]]), np.array([12.0]), np.array(-2.0)]


def with_gradients(gradients):
    tensors = [cr.Tensor(np.zeros_like(g), requires_grad=True) for g in gradients]
    for tensor, gradient in zip(tensors, gradients, strict=True):
        tensor.grad = cr.Tensor(gradient)
    return tensors


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.0, 1.0, 13.0, 100.0])
def test_the_norm_agrees_with_pytorch(max_norm, norm_type):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    mine, yours = with_gradients(GRADIENTS), [torch.zeros(g.shape, dtype=torch.float64) for g in GRADIENTS]
    for tensor, gradient in zip(yours, GRADIENTS, strict=True):
        tensor.grad = torch.tensor(gradient)
    found = optim.clip_grad_norm_(mine, max_norm, norm_type)
    assert found == pytest.approx(torch.nn.utils.clip_grad_norm_(yours, max_norm, norm_type).item(), rel=1e-14)
    for p, q in zip(mine, yours, strict=True):
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-14)


def test_values_agree_with_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with_nan = [*GRADIENTS, np.array([np.nan, np.inf, -np.inf])]
    mine, yours = with_gradients(with_nan), [torch.zeros(g.shape, dtype=torch.float64) for g in with_nan]
    for tensor, gradient in zip(yours, with_nan, strict=True):
        tensor.grad = torch.tensor(gradient)
    optim.clip_grad_value_(mine, 1.75)
    torch.nn.utils.clip_grad_value_(yours, 1.75)
    for p, q in zip(mine, yours, strict=True):
        np.testing.assert_array_equal(p.grad.data, q.grad.numpy())


@deterministic
@given(arrays(float, (2, 3), elements=st.floats(-1e100, 1e100)), st.floats(1e-3, 1e3))
def test_the_direction_stays_and_the_norm_is_bounded(gradient, bound):
    (w,) = with_gradients([gradient])
    norm = optim.clip_grad_norm_(w, bound)
    # Rounding: the norm of six entries and the factor are each right to a few units in the last place of 16.
    assert np.linalg.norm(w.grad.data) <= min(norm, bound) * (1 + 1e-14)
    np.testing.assert_allclose(w.grad.data * norm, gradient * np.linalg.norm(w.grad.data), rtol=1e-13, atol=1e-200)
    if norm <= bound * (1 - 1e-12) - 1e-6:
        np.testing.assert_array_equal(w.grad.data, gradient)


def test_float32_gradients_do_not_overflow_on_the_way_and_stay_float32():
    (w,) = with_gradients([np.array([3e30, 4e30], np.float32)])
    array = w.grad.data
    assert optim.clip_grad_norm_([w], 1.0) == pytest.approx(5e30, rel=1e-7)
    assert w.grad.data is array
    assert w.grad.dtype == np.float32
    # float32 rounds the entries and the product, each by at most 6e-8.
    np.testing.assert_allclose(array, [0.6, 0.8], rtol=2e-7)


def test_nan_and_infinity_are_silent_and_show_in_the_norm():
    for bad, norm, left in ((np.nan, np.nan, [np.nan, np.nan]), (np.inf, np.inf, [0.0, np.nan])):
        (w,) = with_gradients([np.array([1.0, bad])])
        np.testing.assert_equal(optim.clip_grad_norm_([w], 1.0), norm)
        np.testing.assert_array_equal(w.grad.data, left)


def test_tensors_without_a_gradient_are_passed_over():
    w, idle = cr.Tensor([1.0], requires_grad=True), cr.Tensor([1.0], requires_grad=True)
    assert optim.clip_grad_norm_([idle], 1.0) == 0.0
    w.grad = cr.Tensor([2.0])
    assert optim.clip_grad_norm_(iter([idle, w]), 1.0) == 2.0
    optim.clip_grad_value_([idle, w], 0.5)
    assert idle.grad is None
    assert w.grad.tolist() == [0.5]


def test_clipping_counts_as_a_change_of_the_gradient():
    w = cr.Tensor([1.0, 2.0], requires_grad=True)
    (w**3).sum().backward(create_graph=True)
    curvature = (w.grad * w.grad).sum()
    optim.clip_grad_norm_([w], 1.0)
    with pytest.raises(GraphError, match="changed in place"):
        curvature.backward()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optim.clip_grad_norm_([], -1.0), ValueError, "max_norm is at least 0, not -1.0"),
        (lambda: optim.clip_grad_norm_([], float("nan")), ValueError, "max_norm is at least 0, not nan"),
        (lambda: optim.clip_grad_norm_([], 1.0, 0.0), ValueError, "norm_type is above 0, not 0.0"),
        (lambda: optim.clip_grad_value_([], -1.0), ValueError, "clip_value is at least 0"),
        (lambda: optim.clip_grad_norm_([np.ones(2)], 1.0), DtypeError, "parameter 0 is ndarray"),
        (lambda: optim.clip_grad_value_([np.ones(2)], 1.0), DtypeError, r"net\.parameters\(\)"),
    ],
)
def test_wrong_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
