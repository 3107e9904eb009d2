"""Layers that bring numbers to mean 0 and variance 1: over a batch, or over the features of one example."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.operation import takes_over
from chainrule.core.state import no_grad
from chainrule.core.tensor import Tensor
from chainrule.errors import ShapeError
from chainrule.nn.module import Buffer, Layer, Parameter, as_input, check_dtype, check_size, named
from chainrule.rules.composed import away_over_spread
from chainrule.rules.fused import layer_norm
from chainrule.rules.linear import mean, reshape
from chainrule.rules.pointwise import sqrt, square


class BatchNorm1d(Layer):
    """Each feature less its mean over the batch, divided by its deviation, then scaled by `weight` and moved by `bias`.

    `x` has shape (batch, num_features) or (batch, num_features, length); so has the result. While training, mean and
    variance are the batch's, and `running_mean` and `running_var` move towards them by the share `momentum` (None: they
    are the plain averages of all batches); `eval()` uses those. The variance of a batch is divided by its size, that
    which is remembered by its size less 1, as in PyTorch. ``affine=False`` has no weight and bias,
    ``track_running_stats=False`` remembers nothing and always uses the batch. A batch of one number for each feature
    has no variance and raises `ShapeError` while training. (Ioffe and Szegedy, Batch Normalization, 2015.)

    >>> import chainrule as cr
    >>> cr.nn.BatchNorm1d(1, eps=0.0)(cr.Tensor([[1.0], [3.0]]))
    Tensor([[-1.],
            [ 1.]], op=add)
    """

    axes_of_features = (2, 3)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        name = type(self).__name__
        check_size(name, num_features=num_features)
        check_dtype(name, dtype)
        self.num_features = int(num_features)
        self.eps = eps
        self.momentum = momentum
        self.weight = Parameter(np.ones(num_features), dtype=dtype) if affine else None
        self.bias = Parameter(np.zeros(num_features), dtype=dtype) if affine else None
        if track_running_stats:
            self.running_mean = Buffer(np.zeros(num_features), dtype=dtype)
            self.running_var = Buffer(np.ones(num_features), dtype=dtype)
            self.num_batches_tracked = Buffer(np.array(0))
        else:
            self.running_mean = self.running_var = self.num_batches_tracked = None

    def forward(self, x: Any) -> Any:
        """The same shape, each feature normalised."""
        x = as_input(x, type(self).__name__)
        if x.ndim not in self.axes_of_features or x.shape[1] != self.num_features:
            shapes = " or ".join(f"with {n} axes" for n in self.axes_of_features)
            raise ShapeError(f"{self!r} takes {self.num_features} features along axis 1 of inputs {shapes}: {named(x)}")
        shape = (self.num_features,) + (1,) * (x.ndim - 2)
        if self.training or self.running_mean is None or self.running_var is None:
            away, variance = self._by_the_batch(x)
        else:
            away, variance = x - reshape(self.running_mean, shape=shape), reshape(self.running_var, shape=shape)
        out = away / sqrt(variance + self.eps)
        if self.weight is None or self.bias is None:
            return out
        return out * reshape(self.weight, shape=shape) + reshape(self.bias, shape=shape)

    def _by_the_batch(self, x: Any) -> tuple[Any, Any]:
        """How far the entries are from the batch's means, and the batch's variances."""
        axes = (0, *range(2, x.ndim))
        count = x.size // self.num_features
        if count < 2 and self.training:
            raise ShapeError(
                f"{self!r} needs more than one number for each feature while training, and got a batch of shape "
                f"{x.shape}: leave a last batch of one example out (drop_last=True), or choose another batch_size"
            )
        center = mean(x, axis=axes, keepdims=True)
        away = x - center
        variance = mean(square(away), axis=axes, keepdims=True)
        if self.training:
            self._remember(center, variance, count)
        return away, variance

    def _remember(self, center: Any, variance: Any, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        with no_grad():
            self.num_batches_tracked += 1
            share, batches = self.momentum, self.num_batches_tracked
            if share is None:
                share = 1 / (batches if takes_over(batches) else batches.item())
            self.running_mean = renewed(self.running_mean, center, share)
            self.running_var = renewed(self.running_var, variance * (count / (count - 1)), share)

    def settings_shown(self) -> dict[str, Any]:
        return {"affine": self.weight, "track_running_stats": self.running_mean}


def detached(x: Any) -> Any:
    """The plain numbers of a result, or what stands for them while a program is recorded."""
    return x.data if isinstance(x, Tensor) or takes_over(x) else x


def renewed(kept: Any, new: Any, share: float) -> Any:
    """A running number that moves towards a new one by a share: a buffer in place, what stands for one by another."""
    numbers = ((1 - share) * detached(kept) + share * detached(new).reshape(-1)).astype(kept.dtype)
    if takes_over(kept):
        return numbers
    kept.data = numbers
    return kept


class BatchNorm2d(BatchNorm1d):
    """`BatchNorm1d` for images (images, num_features, height, width): a channel is normalised over batch and places.

    >>> import chainrule as cr, numpy as np
    >>> layer = cr.nn.BatchNorm2d(3)
    >>> layer(np.ones((2, 3, 4, 4))).shape, layer.num_batches_tracked.item()
    ((2, 3, 4, 4), 1)
    """

    axes_of_features = (4,)


class LayerNorm(Layer):
    """Each example less the mean of its features, divided by their deviation, then scaled by `weight`, moved by `bias`.

    `x` has shape (…, *normalized_shape), and so has the result; `weight` and `bias` have shape `normalized_shape`, a
    number or a tuple. Training and use are the same. Other shapes raise `ShapeError`. (Ba, Kiros and Hinton, Layer
    Normalization, 2016.)

    >>> import chainrule as cr
    >>> cr.nn.LayerNorm(2, eps=0.0)(cr.Tensor([[1.0, 3.0]]))
    Tensor([[-1.,  1.]], op=layer_norm)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        shape = normalized_shape if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
        for n in shape:
            check_size("LayerNorm", normalized_shape=n)
        check_dtype("LayerNorm", dtype)
        self.normalized_shape = tuple(map(int, shape))
        self.eps = eps
        self.weight = Parameter(np.ones(shape), dtype=dtype) if elementwise_affine else None
        self.bias = Parameter(np.zeros(shape), dtype=dtype) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Any:
        """The same shape, each example normalised."""
        x = as_input(x, "LayerNorm")
        own = self.normalized_shape
        if x.shape[x.ndim - len(own) :] != own:
            raise ShapeError(f"{self!r} takes inputs whose last axes are {own}, and got {named(x)}")
        if self.weight is not None and self.bias is not None and len(own) == 1 and x.ndim > 1:
            return layer_norm(x, self.weight, self.bias, eps=self.eps)
        out = away_over_spread(x, tuple(range(-len(own), 0)), self.eps)
        out = out if self.weight is None else out * self.weight
        return out if self.bias is None else out + self.bias

    def settings_shown(self) -> dict[str, Any]:
        shape = self.normalized_shape
        return {"normalized_shape": shape[0] if len(shape) == 1 else shape, "elementwise_affine": self.weight}


class GroupNorm(Layer):
    """Each example less the mean of every group of its channels, divided by their deviation; then scaled and moved.

    `x` has shape (batch, num_channels, …), and so has the result; `num_groups` groups of neighbouring channels share
    mean and variance over all their places. `weight` and `bias` have a number for each channel, or are None with
    ``affine=False``. Training and use are the same. Other shapes raise `ShapeError`. (Wu and He, Group Normalization,
    2018.)

    >>> import chainrule as cr
    >>> cr.nn.GroupNorm(1, 2, eps=0.0)(cr.Tensor([[1.0, 3.0]]))
    Tensor([[-1.,  1.]], op=add)
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, dtype: Any = np.float32
    ) -> None:
        check_size("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        check_dtype("GroupNorm", dtype)
        if num_channels % num_groups:
            raise ShapeError(f"GroupNorm: {num_groups} groups cannot share {num_channels} channels evenly")
        self.num_groups, self.num_channels = int(num_groups), int(num_channels)
        self.eps = eps
        self.weight = Parameter(np.ones(num_channels), dtype=dtype) if affine else None
        self.bias = Parameter(np.zeros(num_channels), dtype=dtype) if affine else None

    def forward(self, x: Any) -> Any:
        """The same shape, each group normalised."""
        x = as_input(x, "GroupNorm")
        if x.ndim < 2 or x.shape[1] != self.num_channels or not x.size:
            raise ShapeError(f"{self!r} takes {self.num_channels} channels along axis 1, and got {named(x)}")
        groups = reshape(x, shape=(x.shape[0], self.num_groups, -1))
        out = reshape(away_over_spread(groups, -1, self.eps), shape=x.shape)
        if self.weight is None or self.bias is None:
            return out
        shape = (self.num_channels,) + (1,) * (x.ndim - 2)
        return out * reshape(self.weight, shape=shape) + reshape(self.bias, shape=shape)

    def settings_shown(self) -> dict[str, Any]:
        return {"affine": self.weight}
