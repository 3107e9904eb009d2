"""Convolutions and pools as they are written by hand: as sums of products over windows, whole at once.

What runs in the eager engine keeps to the cache (rules/image_kernels.py), and would be a hundred lines of every written
net. Where channels are in groups, a pool has padding, or there is nothing to slide over, its text is written instead.
"""

# NumPy's functions are called on symbols here, which their types do not foresee.
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.codegen.source import written
from chainrule.core.operation import kernel
from chainrule.rules.slides import slide_of_pool, slide_of_weights

Pair = tuple[int, int]


@kernel
def windows(x, size, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    """Every window of images: (images, channels, places down, places across, height, width)."""
    (top, left), (high, wide) = padding, [gap * (k - 1) + 1 for gap, k in zip(dilation, size, strict=True)]
    x = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
    seen = np.lib.stride_tricks.sliding_window_view(x, (high, wide), axis=(2, 3))
    return seen[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


@kernel
def added_windows(parts, shape, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    """Images of a shape in which all windows are added up."""
    (_, _, down, across, high, wide), (n, channels, height, width), (top, left) = parts.shape, shape, padding
    out = np.zeros((n, channels, height + 2 * top, width + 2 * left), parts.dtype)
    for i in range(high):
        for j in range(wide):
            y, x = i * dilation[0], j * dilation[1]
            out[:, :, y : y + down * stride[0] : stride[0], x : x + across * stride[1] : stride[1]] += parts[..., i, j]
    return out[:, :, top : top + height, left : left + width]


@kernel
def at_largest(g, x, size, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    """Zeros in the shape of x, with g added where x is largest in each window; of equals at the first."""
    places = windows(x, size, stride, padding, dilation).reshape(*g.shape, -1).argmax(axis=-1)
    image, channel, i, j = np.indices(g.shape)
    out = np.zeros(x.shape, g.dtype)
    down, across = i * stride[0] + places // size[1] * dilation[0], j * stride[1] + places % size[1] * dilation[1]
    np.add.at(out, (image, channel, down, across), g)
    return out


def convolution(value: Any, x: Any, w: Any, **settings: Any) -> Any:
    """Every window times all weights."""
    slide = settings_of(x.shape, w.shape, settings)
    if slide is None or not value.size:
        return NotImplemented
    return np.einsum("nchwij,ocij->nohw", windows(x, w.shape[2:], **slide), w, optimize=True)


def convolution_back(value: Any, g: Any, w: Any, *, shape: Any, **settings: Any) -> Any:
    """What came of each window, times all weights, added up where windows overlap."""
    slide = settings_of(shape, w.shape, settings)
    if slide is None or not value.size:
        return NotImplemented
    return added_windows(np.einsum("nohw,ocij->nchwij", g, w, optimize=True), shape, **slide)


def convolution_of_weights(value: Any, g: Any, x: Any, *, shape: Any, **settings: Any) -> Any:
    """What came of each window, times what it saw."""
    slide = settings_of(x.shape, shape, settings)
    if slide is None or not value.size:
        return NotImplemented
    return np.einsum("nohw,nchwij->ocij", g, windows(x, shape[2:], **slide), optimize=True)


def picked(value: Any, y: Any, x: Any, **settings: Any) -> Any:
    """The largest of every window; of other images' entries at its place the rule says more."""
    slide = pool_settings(x, settings)
    if slide is None or written(y) != written(x):
        return NotImplemented
    return np.max(windows(x, **slide), axis=(4, 5))


def put_back(value: Any, g: Any, x: Any, **settings: Any) -> Any:
    """The gradient of what was largest."""
    slide = pool_settings(x, settings)
    return NotImplemented if slide is None else at_largest(g, x, **slide)


IMAGES = {
    "conv2d": convolution,
    "conv2d_input": convolution_back,
    "conv2d_weight": convolution_of_weights,
    "max_pool2d": lambda value, x, **settings: picked(value, x, x, **settings),
    "pick_at_largest": picked,
    "put_at_largest": put_back,
}
"""What these operations say in a written program."""


def settings_of(shape: Any, weights: Any, settings: dict[str, Any]) -> dict[str, Pair] | None:
    """What of a convolution's settings is not as usual; None where its channels are in groups."""
    if settings["groups"] != 1:
        return None
    _, *slide, _ = slide_of_weights(shape, weights, **settings)
    return unusual(*slide)


def pool_settings(x: Any, settings: dict[str, Any]) -> dict[str, Pair] | None:
    """A window's size and what of its steps is not as usual; None where an edge could be as large as an entry."""
    size, stride, padding, dilation, fits = slide_of_pool(x.shape, **settings)
    if padding != (0, 0) or not x.size or 0 in fits or np.asarray(x.value).dtype.kind != "f":
        return None
    return {"size": size, **unusual(stride, padding, dilation)}


def unusual(stride: Pair, padding: Pair, dilation: Pair) -> dict[str, Pair]:
    """The settings that have to be written."""
    usual = {"stride": (stride, 1), "padding": (padding, 0), "dilation": (dilation, 1)}
    return {name: pair for name, (pair, least) in usual.items() if pair != (least, least)}
