"""Layers on rows of features, and chains of layers."""

# Programs without types call this too, so arguments are checked when it runs.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, overload

import numpy as np

from chainrule.core.graph import frozen
from chainrule.core.operation import takes_over
from chainrule.errors import DtypeError, ShapeError
from chainrule.nn.draws import draws_of
from chainrule.nn.module import (
    Layer,
    Module,
    Parameter,
    as_input,
    brackets,
    check_dtype,
    check_share,
    check_size,
    named,
)
from chainrule.rules.algebra import matmul
from chainrule.rules.fused import affine
from chainrule.rules.linear import reshape, transpose


class Linear(Layer):
    """A layer of neurons: ``x @ weight.T + bias``.

    `x` has shape (…, in_features) and the result (…, out_features); `weight` is (out_features, in_features) and `bias`
    (out_features,), or None with ``bias=False``. Both start uniform in ±1/√in_features, PyTorch's default (LeCun,
    Bottou, Orr, Müller, Efficient BackProp, 1998). `rng` is a seed or a NumPy Generator; without one every layer
    differs from run to run. `dtype` is float32 or float64. A call costs batch × in_features × out_features
    multiplications; an `x` whose last axis does not fit raises `ShapeError`.

    >>> import chainrule as cr
    >>> layer = cr.nn.Linear(3, 2, rng=0)
    >>> layer([[1.0, 2.0, 3.0]]).shape
    (1, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        check_size("Linear", in_features=in_features, out_features=out_features)
        check_dtype("Linear", dtype)
        self.in_features = int(in_features)
        self.out_features = int(out_features)
        draw = draws_of(rng)
        bound = 1 / np.sqrt(in_features)
        self.weight = Parameter(draw.uniform(-bound, bound, (out_features, in_features)), dtype=dtype)
        self.bias = Parameter(draw.uniform(-bound, bound, (out_features,)), dtype=dtype) if bias else None

    def forward(self, x: Any) -> Any:
        """The weighted sums of every row, plus the bias."""
        x = as_input(x, "Linear")
        shape = x.shape
        if not shape or shape[-1] != self.in_features:
            raise self._misfit(x)
        if len(shape) > 2:  # one product of two matrices is faster than a batch of them
            x = reshape(x, shape=(math.prod(shape[:-1]), self.in_features))
        if self.bias is None:
            out = matmul(x, transpose(self.weight))
        elif len(shape) == 1:
            out = matmul(x, transpose(self.weight)) + self.bias
        else:
            out = affine(x, self.weight, self.bias)
        return out if len(shape) <= 2 else reshape(out, shape=(*shape[:-1], self.out_features))

    def multiply_adds(self, taken: tuple[int, ...], given: tuple[int, ...]) -> int:
        """One for each weight and row."""
        return math.prod(taken) * self.out_features

    def _misfit(self, x: Any) -> ShapeError:
        return ShapeError(
            f"{self!r} takes {self.in_features} features along the last axis, and got {named(x)}: "
            f"give shape (batch, {self.in_features})"
        )


class Sequential(Module):
    """Modules (or plain functions, such as ``cr.tanh``) one after the other, each fed with the result of the last.

    >>> import chainrule as cr
    >>> net = cr.nn.Sequential(cr.nn.Linear(2, 4, rng=0), cr.nn.ReLU(), cr.nn.Linear(4, 1, rng=1))
    >>> net[0], len(net)
    (Linear(2, 4), 3)
    >>> net[:2]
    Sequential(Linear(2, 4), ReLU())
    """

    def __init__(self, *steps: Module | Callable[[Any], Any]) -> None:
        for i, step in enumerate(steps):
            if not callable(step) or isinstance(step, type):
                raise DtypeError(
                    f"Sequential takes modules and functions one by one, and step {i} is {step!r}{brackets(step)}"
                )
        self.steps = list(steps)

    def forward(self, x: Any) -> Any:
        """The result of the last step."""
        for step in self.steps:
            # It is quiet here already, so a module's call would only ask; its own one or hooks have more to do.
            if isinstance(step, Module) and type(step).__call__ is Module.__call__ and step.watchers is None:
                x = step.forward(x)
            else:
                x = step(x)
        return x

    def parts(self) -> Iterator[tuple[str, str, Any]]:
        """Each module with its place as its name."""
        for i, step in enumerate(self.steps):
            if isinstance(step, Module):
                yield str(i), f"[{i}]", step

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequential: ...
    def __getitem__(self, place: int | slice) -> Any:
        return Sequential(*self.steps[place]) if isinstance(place, slice) else self.steps[place]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.steps)

    def __repr__(self) -> str:
        return f"Sequential({', '.join(getattr(s, '__name__', '') or repr(s) for s in self.steps)})"


class Identity(Module):
    """What goes in comes out: a place in a network for a layer that may be missing. Any arguments are ignored.

    >>> import chainrule as cr
    >>> cr.nn.Identity()(cr.Tensor([1.0, 2.0]))
    Tensor([1., 2.])
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        """The input itself."""
        return x


class Flatten(Layer):
    """All axes from `start_dim` to `end_dim` as one: an image becomes a row of numbers, and the batch stays.

    `x` has any shape with those axes, and a batch of images (n, c, h, w) becomes (n, c·h·w). Axes that `x` does not
    have raise `ShapeError`. Nothing is copied.

    >>> import chainrule as cr, numpy as np
    >>> cr.nn.Flatten()(cr.Tensor(np.zeros((5, 3, 2, 2)))).shape
    (5, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Any:
        """The same entries with fewer axes."""
        x = as_input(x, "Flatten")
        start, end = (dim + x.ndim * (dim < 0) for dim in (self.start_dim, self.end_dim))
        if not 0 <= start <= end < x.ndim:
            raise ShapeError(f"{self!r} joins axes that an input of shape {x.shape} does not have in this order")
        joined = math.prod(x.shape[start : end + 1])
        return reshape(x, shape=(*x.shape[:start], joined, *x.shape[end + 1 :]))


class Dropout(Module):
    """While training, sets the share `p` of entries to 0 by chance and scales the others by 1 / (1 - p); else nothing.

    Any shape. `rng` is a seed or a NumPy Generator, held in the attribute `rng`; a seeded layer drops the same entries
    in every run. (Srivastava and others, Dropout, 2014; scaled while training, so that use needs no change.)

    >>> import chainrule as cr
    >>> layer = cr.nn.Dropout(0.5, rng=0)
    >>> layer(cr.Tensor([1.0, 1.0, 1.0, 1.0]))
    Tensor([2., 2., 2., 0.])
    >>> layer.eval()(cr.Tensor([1.0, 1.0]))
    Tensor([1., 1.])
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        self.p = check_share("Dropout", p)
        self.rng = np.random.default_rng(rng)

    def forward(self, x: Any) -> Any:
        """The entries that stay, scaled."""
        x = as_input(x, "Dropout")
        if not self.training or not self.p:
            return x
        rng: Any = self.rng
        kept = rng.random(x.shape, dtype=np.float32) >= self.p
        scale = 0.0 if self.p == 1 else 1 / (1 - self.p)
        mask = kept * x.dtype.type(scale)
        return x * (mask if takes_over(mask) else frozen(mask))

    def __repr__(self) -> str:
        return f"Dropout({self.p})"
