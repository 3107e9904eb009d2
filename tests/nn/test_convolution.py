"""Convolution and pooling as layers: names, starting values, words for what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ChainruleError, ShapeError


@pytest.mark.parametrize("kind", [cr.nn.Conv1d, cr.nn.Conv2d])
@pytest.mark.parametrize(
    "settings", [{}, {"dtype": np.float64}, {"padding": 1, "bias": False}, {"stride": 2, "dilation": 2, "groups": 2}]
)
def test_a_layer_is_shown_with_all_that_is_not_usual(kind, settings):
    layer = kind(2, 4, 3, **settings)
    names = {"float64": np.float64, kind.__name__: kind}
    again = eval(repr(layer), names)  # noqa: S307
    assert repr(again) == repr(layer)
    assert again.settings == layer.settings
    assert again.weight.shape == layer.weight.shape
    assert again.weight.dtype == layer.weight.dtype
    assert (again.bias is None) == (layer.bias is None)


def test_convolution_follows_its_seed_and_dtype():
    layer, again = nn.Conv2d(2, 4, 3, rng=3), nn.Conv2d(2, 4, 3, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(layer.weight.data, again.weight.data)
    np.testing.assert_array_equal(layer.bias.data, again.bias.data)
    assert not np.array_equal(layer.weight.data, nn.Conv2d(2, 4, 3).weight.data)
    assert layer(np.ones((1, 2, 5, 5), np.float32)).dtype == np.float32
    assert nn.Conv2d(2, 4, 3, dtype=float).weight.dtype == np.float64
    assert 0.9 / np.sqrt(18) < np.abs(layer.weight.data).max() <= 1 / np.sqrt(18)


@pytest.mark.parametrize(
    "made",
    [
        "Conv2d(1, 2, 3)",
        "Conv2d(2, 4, (3, 5), stride=2, padding=(1, 2), dilation=2, groups=2, bias=False, dtype=float64)",
        "MaxPool2d(2)",
        "MaxPool2d((2, 3), stride=1, padding=1, dilation=2)",
        "AvgPool2d(3, stride=(1, 2), padding=1)",
        "AdaptiveAvgPool2d((1, None))",
        "Flatten(end_dim=2)",
        "Linear(2, 3, bias=False, dtype=float64)",
        "LayerNorm((3, 3), eps=0.1, elementwise_affine=False, bias=False)",
        "LayerNorm(3, bias=False)",
        "BatchNorm1d(3, momentum=None, affine=False, track_running_stats=False)",
        "GroupNorm(1, 2, eps=0.1, affine=False)",
        "Embedding(4, 2, padding_idx=1)",
        "MultiheadAttention(4, 2, dropout=0.5, bias=False, is_causal=False)",
        "RNN(2, 3, num_layers=2, nonlinearity='relu', bias=False, dropout=0.5, bidirectional=True, dtype=float64)",
        "CrossEntropyLoss(weight=[1.0, 2.0], ignore_index=0)",
    ],
)
def test_layers_print_as_they_are_made(made):
    kind = getattr(nn, made.partition("(")[0])
    assert repr(eval(made, {kind.__name__: kind, "float64": np.float64})) == made  # noqa: S307


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(0, 1, 3), "in_channels is at least 1"),
        (lambda: nn.Conv2d(4, 6, 3, groups=4), "groups=4 has to divide both 4 and 6 channels"),
        (lambda: nn.Conv2d(1, 1, (3, 3, 3)), r"kernel_size is one whole number or a pair \(height, width\)"),
        (lambda: nn.Conv2d(1, 1, 2.5), "kernel_size is a whole number, not 2.5"),
        (lambda: nn.Conv2d(1, 1, 3, padding=-1), "padding is at least 0, not -1"),
        (lambda: nn.Conv2d(1, 1, 3, stride=0), "stride is at least 1"),
        (lambda: nn.Conv2d(1, 1, 3, dtype=int), "float32 or float64"),
        (lambda: nn.MaxPool2d(0), "kernel_size is at least 1"),
        (lambda: nn.AvgPool2d(2, "2"), "stride is a whole number"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(ChainruleError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.Conv2d(3, 1, 2), r"Conv2d\(3, 1, 2\) takes images of shape \(images, 3, height, width\), and got pixels"),
        (nn.MaxPool2d(9), "a window that reaches over 9 does not fit into 8"),
        (nn.AvgPool2d(9), "a window that reaches over 9 does not fit into 8"),
    ],
)
def test_misfits_name_layer_and_input(layer, message):
    pixels = cr.Tensor(np.zeros((2, 1, 8, 8)))
    with pytest.raises(ShapeError, match=message):
        layer(pixels)


@pytest.mark.parametrize("layer", [nn.Conv2d(2, 1, 2), nn.MaxPool2d(2), nn.AvgPool2d(2)])
def test_a_single_image_is_told_how_to_become_a_batch(layer):
    with pytest.raises(ShapeError, match=r"an array \(2, 8, 8\): add an axis to a single image with x\[None\]"):
        layer(np.zeros((2, 8, 8)))
