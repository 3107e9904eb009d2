"""Normalisation: what is remembered, when it is used, and what cannot be normalised."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ChainruleError, ShapeError


def test_a_batch_comes_out_with_mean_0_and_variance_1():
    x = np.random.default_rng(0).normal(3.0, 5.0, size=(50, 2, 4, 4))
    out = nn.BatchNorm2d(2, eps=0.0, dtype=float)(x).data
    np.testing.assert_allclose(out.mean((0, 2, 3)), 0, atol=1e-14)
    np.testing.assert_allclose(out.var((0, 2, 3)), 1, rtol=1e-13)
    rows = nn.LayerNorm((2, 4, 4), eps=0.0, dtype=float)(x).data
    np.testing.assert_allclose(rows.mean((1, 2, 3)), 0, atol=1e-14)
    np.testing.assert_allclose(rows.var((1, 2, 3)), 1, rtol=1e-13)


def test_what_is_remembered_is_used_and_saved():
    rng = np.random.default_rng(0)
    layer = nn.BatchNorm1d(3, momentum=None, dtype=float)
    batches = rng.normal(2.0, 3.0, size=(4, 10, 3))
    for batch in batches:
        layer(batch)
    np.testing.assert_allclose(layer.running_mean.data, batches.mean((0, 1)), rtol=1e-13)
    np.testing.assert_allclose(layer.running_var.data, batches.var(1, ddof=1).mean(0), rtol=1e-13)
    assert layer.num_batches_tracked.item() == 4
    state = layer.state_dict()
    assert {*state} == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    other = nn.BatchNorm1d(3, dtype=float)
    other.load_state_dict(state)
    x = rng.normal(size=(5, 3))
    np.testing.assert_array_equal(other.eval()(x).data, layer.eval()(x).data)
    assert not np.array_equal(layer.train()(x).data, other(x).data)
    assert {name for name, _ in layer.named_parameters()} == {"weight", "bias"}
    assert copy.deepcopy(layer).running_mean.data.tolist() == layer.running_mean.data.tolist()


def test_use_remembers_nothing_and_takes_a_single_example():
    layer = nn.BatchNorm1d(3).eval()
    before = {name: saved.numpy() for name, saved in layer.state_dict().items()}
    layer(np.ones((1, 3), np.float32))
    for name, saved in layer.state_dict().items():
        np.testing.assert_array_equal(saved.data, before[name])


def test_a_gradient_uses_the_statistics_of_its_forward():
    layer, x = nn.BatchNorm1d(1, eps=0.0, dtype=float), cr.Tensor([[1.0], [5.0]], requires_grad=True)
    out = layer.eval()(x).sum()
    layer.train()(x)
    assert layer.running_var.item() == pytest.approx(0.9 + 0.1 * 8.0)
    out.backward()
    np.testing.assert_array_equal(x.grad.data, [[1.0], [1.0]])


def test_buffers_have_no_gradient_and_keep_their_type():
    assert repr(nn.Buffer([1.0])) == "Buffer([1.], dtype=float32)"
    assert not nn.Buffer([1.0]).requires_grad
    assert nn.Buffer(np.array(0)).dtype == np.int64
    layer = nn.BatchNorm1d(2)
    assert [name for name, _ in nn.Sequential(layer).named_buffers()] == [
        "0.running_mean", "0.running_var", "0.num_batches_tracked",
    ]  # fmt: skip
    layer(np.random.default_rng(0).normal(size=(5, 2)))
    assert layer.running_mean.dtype == np.float32
    state = layer.state_dict()
    state["running_what"] = state.pop("running_var")
    with pytest.raises(ChainruleError, match=r"running_var is missing.*running_what is not a parameter or buffer"):
        layer.load_state_dict(state)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            nn.BatchNorm1d(3),
            (4, 2),
            r"BatchNorm1d\(3\) takes 3 features along axis 1 of inputs with 2 axes or .*3 axes",
        ),
        (nn.BatchNorm1d(3), (4, 3, 2, 2), "with 2 axes or with 3 axes"),
        (nn.BatchNorm2d(3), (4, 3), "with 4 axes"),
        (nn.BatchNorm1d(3), (1, 3), "more than one number for each feature while training"),
        (nn.LayerNorm(3), (4, 2), r"LayerNorm\(3\) takes inputs whose last axes are \(3,\), and got an array \(4, 2\)"),
        (nn.LayerNorm((3, 2)), (2,), r"\(3, 2\)"),
    ],
)
def test_misfits_are_named(layer, shape, message):
    with pytest.raises(ShapeError, match=message):
        layer(np.ones(shape))
