"""Initialisers: the first numbers of a parameter, after PyTorch's names; they write in place and give the tensor back.

`rng` is a seed or a NumPy Generator. A seed gives the same numbers every time, so two layers of one shape would start
equal: hand one Generator to all of them.

>>> import chainrule as cr, numpy as np
>>> net = cr.nn.Sequential(cr.nn.Linear(4, 8), cr.nn.ReLU(), cr.nn.Linear(8, 2))
>>> rng = np.random.default_rng(0)
>>> for layer in (net[0], net[2]):
...     weight = cr.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", rng=rng)
...     bias = cr.nn.init.zeros_(layer.bias)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.graph import DIFFERENTIABLE
from chainrule.core.tensor import Tensor
from chainrule.errors import DtypeError, GraphError, ShapeError

Seed = np.random.Generator | int | None

__all__ = [
    "calculate_gain",
    "constant_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Set every entry to one number.

    >>> import chainrule as cr
    >>> cr.nn.init.constant_(cr.Tensor([1.0, 2.0]), 0.5)
    Tensor([0.5, 0.5])
    """
    return _written(tensor, "constant_", lambda shape: val)


def zeros_(tensor: Tensor) -> Tensor:
    """Set every entry to 0.

    >>> import chainrule as cr
    >>> cr.nn.init.zeros_(cr.Tensor([1.0, 2.0]))
    Tensor([0., 0.])
    """
    return _written(tensor, "zeros_", np.zeros)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, *, rng: Seed = None) -> Tensor:
    """Draw every entry evenly from `a` to `b`.

    >>> import chainrule as cr
    >>> cr.nn.init.uniform_(cr.Tensor([0.0, 0.0]), 2.0, 4.0, rng=0).data.round(2).tolist()
    [3.27, 2.54]
    """
    if not a <= b:
        raise ValueError(f"uniform_: a is at most b, and got a={a} and b={b}")
    return _written(tensor, "uniform_", lambda shape: np.random.default_rng(rng).uniform(a, b, shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, *, rng: Seed = None) -> Tensor:
    """Draw every entry from a normal distribution.

    >>> import chainrule as cr
    >>> cr.nn.init.normal_(cr.Tensor([0.0, 0.0]), std=0.1, rng=0).data.round(3).tolist()
    [0.013, -0.013]
    """
    if not std >= 0:
        raise ValueError(f"normal_: std is at least 0, not {std}")
    return _written(tensor, "normal_", lambda shape: np.random.default_rng(rng).normal(mean, std, shape))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, *, rng: Seed = None) -> Tensor:
    """Draw evenly within ±`gain` √(6 / (fan_in + fan_out)): signals and gradients keep their size where tanh is linear.

    `tensor` has shape (fan_out, fan_in), or (out channels, in channels, …) with a window in the further axes, whose
    entries count in both fans; fewer than two axes raise `ShapeError`. (Glorot and Bengio, 2010, equation 16.)

    >>> import chainrule as cr
    >>> weight = cr.nn.init.xavier_uniform_(cr.nn.Linear(4, 2).weight, rng=0)
    >>> bool((abs(weight.data) <= 1).all())
    True
    """
    fan_in, fan_out = _fans(tensor, "xavier_uniform_")
    bound = gain * math.sqrt(6 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, rng=rng)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, *, rng: Seed = None) -> Tensor:
    """Draw normally with the deviation `gain` √(2 / (fan_in + fan_out)); shapes as in `xavier_uniform_`.

    (Glorot and Bengio, 2010, equation 12.)

    >>> import chainrule as cr
    >>> cr.nn.init.xavier_normal_(cr.nn.Linear(4, 2).weight, rng=0).shape
    (2, 4)
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor, "xavier_normal_"))), rng=rng)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", *, rng: Seed = None
) -> Tensor:
    """Draw evenly within ±gain √(3 / fan): rectified signals (or gradients, with `mode` "fan_out") keep their size.

    The gain is that of `nonlinearity` (see `calculate_gain`), with the slope `a` for a leaky relu. Shapes as in
    `xavier_uniform_`. (He, Zhang, Ren and Sun, 2015, equation 14.)

    >>> import chainrule as cr
    >>> weight = cr.nn.init.kaiming_uniform_(cr.nn.Linear(6, 2).weight, rng=0)
    >>> bool((abs(weight.data) <= 1).all())
    True
    """
    bound = math.sqrt(3) * _kaiming_deviation("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, rng=rng)


def kaiming_normal_(
    tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", *, rng: Seed = None
) -> Tensor:
    """Draw normally with the deviation gain / √fan; settings and source as in `kaiming_uniform_`.

    >>> import chainrule as cr
    >>> cr.nn.init.kaiming_normal_(cr.nn.Linear(6, 2).weight, nonlinearity="relu", rng=0).shape
    (2, 6)
    """
    return normal_(tensor, 0.0, _kaiming_deviation("kaiming_normal_", tensor, a, mode, nonlinearity), rng=rng)


def calculate_gain(nonlinearity: str, param: float = 0.01) -> float:
    """How much larger weights are to be before a non-linearity, so that signals keep their size; `param` is a slope.

    The numbers are PyTorch's: 1 for "linear" and "sigmoid", 5/3 for "tanh", √2 for "relu", and √(2 / (1 + param²)) for
    "leaky_relu".

    >>> import chainrule as cr
    >>> cr.nn.init.calculate_gain("leaky_relu", 1.0)
    1.0
    """
    gains = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + param**2)),
    }
    if nonlinearity not in gains:
        raise ValueError(f"calculate_gain: nonlinearity is one of {', '.join(gains)}, not {nonlinearity!r}")
    return gains[nonlinearity]


def _kaiming_deviation(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fans = dict(zip(("fan_in", "fan_out"), _fans(tensor, name), strict=True))
    if mode not in fans:
        raise ValueError(f"{name}: mode is fan_in or fan_out, not {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(fans[mode])


def _fans(tensor: Tensor, name: str) -> tuple[int, int]:
    """How many numbers an output adds up, and in how many outputs an input counts."""
    _refuse_all_but_leaves(tensor, name)
    if tensor.ndim < 2 or not tensor.size:
        raise ShapeError(
            f"{name} needs entries along at least two axes, (outputs, inputs), and got {tensor.describe()}: "
            "start a bias with zeros_ or uniform_"
        )
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _written(tensor: Tensor, name: str, draw: Callable[[tuple[int, ...]], Any]) -> Tensor:
    """The tensor with new numbers in its own dtype; graphs recorded before are stale from now on."""
    _refuse_all_but_leaves(tensor, name)
    tensor.data[...] = draw(tensor.shape)
    tensor.mark_changed()
    return tensor


def _refuse_all_but_leaves(tensor: Any, name: str) -> None:
    if not isinstance(tensor, Tensor):
        raise DtypeError(f"{name} writes into a Tensor or Parameter, not {type(tensor).__name__}")
    if not tensor.is_leaf:
        raise GraphError(f"{name} writes into leaves, and {tensor.describe()} was computed: give a parameter")
    if tensor.dtype not in DIFFERENTIABLE:
        raise DtypeError(f"{name} writes float32 and float64, and {tensor.describe()} holds {tensor.dtype}")
