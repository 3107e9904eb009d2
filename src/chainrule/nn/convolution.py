"""Layers on images (images, channels, height, width) and rows of numbers: convolution and pooling, as in PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.draws import draws_of
from chainrule.nn.module import Layer, Module, Parameter, as_input, check_dtype, check_size, named
from chainrule.rules.composed import stack
from chainrule.rules.convolution import conv2d_plus, max_pool2d
from chainrule.rules.linear import index, mean, reshape
from chainrule.rules.windows import avg_pool2d, conv1d, conv2d

Size = int | tuple[int, int]
"""One whole number for height and width, or one for each."""


class Convolution(Layer):
    """The base of `Conv1d` and `Conv2d`: weights that slide over places, and a bias; uniform in ±1/√(their inputs)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        settings: dict[str, Any],
        bias: bool,
        dtype: Any,
        rng: np.random.Generator | int | None,
    ) -> None:
        name, groups = type(self).__name__, settings["groups"]
        check_size(name, in_channels=in_channels, out_channels=out_channels, groups=groups)
        check_dtype(name, dtype)
        if in_channels % groups or out_channels % groups:
            raise ShapeError(f"{name}: groups={groups} has to divide both {in_channels} and {out_channels} channels")
        self.in_channels, self.out_channels = int(in_channels), int(out_channels)
        self.kernel_size: Any = kernel_size
        self.settings = {**settings, "groups": int(groups)}
        draw = draws_of(rng)
        window = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,)
        shape = (out_channels, in_channels // groups, *window)
        bound = 1 / np.sqrt(np.prod(shape[1:]))
        self.weight = Parameter(draw.uniform(-bound, bound, shape), dtype=dtype)
        self.bias = Parameter(draw.uniform(-bound, bound, (out_channels,)), dtype=dtype) if bias else None

    def multiply_adds(self, taken: tuple[int, ...], given: tuple[int, ...]) -> int:
        """One for each entry of the result and of its window."""
        return math.prod(given) * self.weight.size // self.out_channels

    def settings_shown(self) -> dict[str, Any]:
        return {name: _short(n) for name, n in {**self.settings, "kernel_size": self.kernel_size}.items()}


class Conv2d(Convolution):
    """Slides `out_channels` windows of weights over images, and adds a bias: ``cr.conv2d(x, weight) + bias``.

    `x` has shape (images, in_channels, height, width) and the result (images, out_channels, rows, columns), with
    ``rows = (height + 2·padding - dilation·(kernel_size - 1) - 1) // stride + 1``. `weight` is (out_channels,
    in_channels / groups, *kernel_size) and `bias` (out_channels,), or None with ``bias=False``. Both start uniform in
    ±1/√(entries of a window), PyTorch's default. `kernel_size`, `stride`, `padding` and `dilation` are whole numbers or
    pairs; with `groups`, each group of results sees its own group of channels. An image that does not fit raises
    `ShapeError`. A call costs one multiplication for each entry of the result and of its window. (LeCun and others,
    Gradient-based learning applied to document recognition, 1998.)

    >>> import chainrule as cr, numpy as np
    >>> layer = cr.nn.Conv2d(1, 4, 3, padding=1, rng=0)
    >>> layer(np.zeros((2, 1, 28, 28), np.float32)).shape
    (2, 4, 28, 28)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        kernel_size = _pair("Conv2d", "kernel_size", kernel_size, 1)
        settings: dict[str, Any] = {
            "stride": _pair("Conv2d", "stride", stride, 1),
            "padding": _pair("Conv2d", "padding", padding, 0),
            "dilation": _pair("Conv2d", "dilation", dilation, 1),
            "groups": groups,
        }
        super().__init__(in_channels, out_channels, kernel_size, settings, bias, dtype, rng)

    def forward(self, x: Any) -> Any:
        """What every window of the images gives."""
        x = as_input(x, "Conv2d")
        _check_images(self, x, self.in_channels)
        if self.bias is None:
            return conv2d(x, self.weight, **self.settings)
        return conv2d_plus(x, self.weight, self.bias, **self.settings)


class Conv1d(Convolution):
    """Slides `out_channels` windows of weights along rows of numbers, and adds a bias: ``cr.conv1d(x, weight) + bias``.

    `x` has shape (rows, in_channels, length) and the result (rows, out_channels, places), with ``places = (length +
    2·padding - dilation·(kernel_size - 1) - 1) // stride + 1``. `padding` is also "valid", "same", or a pair (before,
    after): zeros before alone, ``(kernel_size - 1, 0)``, make it causal. Everything else is as in `Conv2d`.

    >>> import chainrule as cr, numpy as np
    >>> layer = cr.nn.Conv1d(2, 4, 3, padding="same", rng=0)
    >>> layer(np.zeros((5, 2, 10), np.float32)).shape
    (5, 4, 10)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: Any = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        check_size("Conv1d", kernel_size=kernel_size, stride=stride, dilation=dilation)
        settings: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        super().__init__(in_channels, out_channels, int(kernel_size), settings, bias, dtype, rng)

    def forward(self, x: Any) -> Any:
        """What every window of the rows gives."""
        x = as_input(x, "Conv1d")
        if x.ndim != 3 or x.shape[1] != self.in_channels:
            raise ShapeError(f"{self!r} takes rows of shape (rows, {self.in_channels}, length), and got {named(x)}")
        out = conv1d(x, self.weight, **self.settings)
        return out if self.bias is None else out + reshape(self.bias, shape=(self.out_channels, 1))


class Pool(Layer):
    """The base of `MaxPool2d` and `AvgPool2d`: windows of images."""

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        name = type(self).__name__
        self.kernel_size = _pair(name, "kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else _pair(name, "stride", stride, 1)
        self.padding = _pair(name, "padding", padding, 0)

    def settings_shown(self) -> dict[str, Any]:
        shown = {name: _short(size) for name, size in vars(self).items()}
        return shown | {"stride": None} if self.stride == self.kernel_size else shown


class MaxPool2d(Pool):
    """The largest entry of every window of images; the gradient goes to it alone, of equals to the first.

    `x` has shape (images, channels, height, width). `kernel_size`, `stride` (as `kernel_size` unless given), `padding`
    and `dilation` are whole numbers or pairs. A window that does not fit raises `ShapeError`. One pass for each entry
    of the window.

    >>> import chainrule as cr, numpy as np
    >>> cr.nn.MaxPool2d(2)(cr.Tensor(np.arange(16.0).reshape(1, 1, 4, 4)))
    Tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1) -> None:
        super().__init__(kernel_size, stride, padding)
        self.dilation = _pair("MaxPool2d", "dilation", dilation, 1)

    def forward(self, x: Any) -> Any:
        """The largest entry of every window."""
        x = as_input(x, "MaxPool2d")
        _check_images(self, x)
        slide = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        return max_pool2d(x, kernel_size=self.kernel_size, **slide)


class AvgPool2d(Pool):
    """The mean of every window of images; zeros of the padding count.

    `x` has shape (images, channels, height, width). `kernel_size`, `stride` (as `kernel_size` unless given) and
    `padding` are whole numbers or pairs. A window that does not fit raises `ShapeError`.

    >>> import chainrule as cr, numpy as np
    >>> cr.nn.AvgPool2d(2)(cr.Tensor(np.arange(16.0).reshape(1, 1, 4, 4)))
    Tensor([[[[ 2.5,  4.5],
              [10.5, 12.5]]]])
    """

    def forward(self, x: Any) -> Any:
        """The mean of every window."""
        x = as_input(x, "AvgPool2d")
        _check_images(self, x)
        return avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class AdaptiveAvgPool2d(Layer):
    """The means of as many windows as the result has places, whatever the size of the images.

    `x` has shape (images, channels, height, width) and the result (images, channels, *output_size); `output_size` is a
    number or a pair, None where a side stays as it is. Window i of n along a side of length m goes from ⌊i m / n⌋ to
    ⌈(i + 1) m / n⌉, as in PyTorch. ``AdaptiveAvgPool2d(1)`` is the mean of each channel.

    >>> import chainrule as cr, numpy as np
    >>> cr.nn.AdaptiveAvgPool2d((1, 2))(cr.Tensor(np.arange(6.0).reshape(1, 1, 2, 3)))
    Tensor([[[[2., 3.]]]])
    """

    def __init__(self, output_size: int | tuple[int | None, int | None] | None) -> None:
        pair = output_size if isinstance(output_size, tuple | list) else (output_size, output_size)
        if len(pair) != 2:
            raise ShapeError(f"AdaptiveAvgPool2d: output_size is a number or a pair, not {output_size!r}")
        for n in pair:
            if n is not None:
                check_size("AdaptiveAvgPool2d", output_size=n)
        self.output_size = (pair[0], pair[1])

    def forward(self, x: Any) -> Any:
        """The mean of every window."""
        x = as_input(x, "AdaptiveAvgPool2d")
        _check_images(self, x)
        for axis, places in ((2, self.output_size[0]), (3, self.output_size[1])):
            x = x if places is None else _means_along(x, axis, places)
        return x

    def settings_shown(self) -> dict[str, Any]:
        return {"output_size": _short(self.output_size)}


def _means_along(x: Any, axis: int, places: int) -> Any:
    """The means of windows that cover an axis, as evenly as they can."""
    length, before = x.shape[axis], (slice(None),) * axis
    if not length % places:
        return mean(reshape(x, shape=(*x.shape[:axis], places, -1, *x.shape[axis + 1 :])), axis=axis + 1)
    windows = [slice(i * length // places, -(-(i + 1) * length // places)) for i in range(places)]
    return stack([mean(index(x, key=(*before, window)), axis=axis) for window in windows], axis=axis)


def _pair(owner: str, name: str, size: Size, least: int) -> tuple[int, int]:
    """A setting for height and width, from one number or two."""
    pair = size if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2:
        raise ShapeError(f"{owner}: {name} is one whole number or a pair (height, width), not {size!r}")
    for n in pair:
        check_size(owner, least=least, **{name: n})
    return int(pair[0]), int(pair[1])


def _check_images(layer: Module, x: Any, channels: int | None = None) -> None:
    if x.ndim == 4 and channels in (None, x.shape[1]):
        return
    wanted = f"(images, {channels or 'channels'}, height, width)"
    single = ": add an axis to a single image with x[None]" if x.ndim == 3 else ""
    raise ShapeError(f"{layer!r} takes images of shape {wanted}, and got {named(x)}{single}")


def _short(size: int | tuple[int | None, int | None]) -> Any:
    return size[0] if isinstance(size, tuple) and size[0] == size[1] else size
