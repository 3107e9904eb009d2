"""Layers: a matrix of weights, the activations between them, and a chain of them."""

# Programs without types call this too, so arguments are checked when it runs.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, overload

import numpy as np

from chainrule.core.tensor import DIFFERENTIABLE, Tensor
from chainrule.errors import DtypeError, ShapeError
from chainrule.nn.module import Module, Parameter, as_input, check_size
from chainrule.rules.algebra import matmul
from chainrule.rules.fused import affine
from chainrule.rules.linear import transpose
from chainrule.rules.pointwise import relu, sigmoid, tanh


class Linear(Module):
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
        if np.dtype(dtype) not in DIFFERENTIABLE:
            raise DtypeError(f"Linear: dtype is float32 or float64, not {np.dtype(dtype)}")
        self.in_features = int(in_features)
        self.out_features = int(out_features)
        draw = np.random.default_rng(rng)
        bound = 1 / np.sqrt(in_features)
        self.weight = Parameter(draw.uniform(-bound, bound, (out_features, in_features)), dtype=dtype)
        self.bias = Parameter(draw.uniform(-bound, bound, out_features), dtype=dtype) if bias else None

    def forward(self, x: Any) -> Any:
        """The weighted sums of every row, plus the bias."""
        x = as_input(x, "Linear")
        try:
            if self.bias is not None and x.ndim == 2:
                return affine(x, self.weight, self.bias)
            out = matmul(x, transpose(self.weight))
            return out if self.bias is None else out + self.bias
        except ShapeError as error:
            raise self._misfit(x) from error

    def _misfit(self, x: Any) -> ShapeError:
        name = x.describe() if isinstance(x, Tensor) else f"an array {x.shape}"
        return ShapeError(
            f"{self!r} takes {self.in_features} features along the last axis, and got {name}: "
            f"give shape (batch, {self.in_features})"
        )

    def __repr__(self) -> str:
        bias = "" if self.bias is not None else ", bias=False"
        dtype = "" if self.weight.dtype == np.float32 else f", dtype={self.weight.dtype}"
        return f"Linear({self.in_features}, {self.out_features}{bias}{dtype})"


class ReLU(Module):
    """The positive part of every entry; its derivative at 0 is 0.

    >>> import chainrule as cr
    >>> cr.nn.ReLU()(cr.Tensor([-1.0, 2.0]))
    Tensor([0., 2.])
    """

    def forward(self, x: Any) -> Any:
        """``cr.relu(x)``, of the same shape."""
        return relu(x)


class Tanh(Module):
    """The hyperbolic tangent of every entry: an S from -1 to 1.

    >>> import chainrule as cr
    >>> cr.nn.Tanh()(cr.Tensor([0.0, 100.0]))
    Tensor([0., 1.])
    """

    def forward(self, x: Any) -> Any:
        """``cr.tanh(x)``, of the same shape."""
        return tanh(x)


class Sigmoid(Module):
    """The logistic function of every entry: an S from 0 to 1.

    >>> import chainrule as cr
    >>> cr.nn.Sigmoid()(cr.Tensor([0.0, 100.0]))
    Tensor([0.5, 1. ])
    """

    def forward(self, x: Any) -> Any:
        """``cr.sigmoid(x)``, of the same shape."""
        return sigmoid(x)


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
                    f"Sequential takes modules and functions one by one, and step {i} is {step!r}"
                    + (": write it with brackets, as in ReLU()" if isinstance(step, type) else "")
                )
        self.steps = list(steps)

    def forward(self, x: Any) -> Any:
        """The result of the last step."""
        for step in self.steps:
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
