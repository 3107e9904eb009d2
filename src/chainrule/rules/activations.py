"""More activations of networks, with PyTorch's meaning; the common ones are in rules/pointwise.py."""

# A derivative may call the rule it belongs to, and there the checker stops.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.operation import composed, pointwise
from chainrule.errors import ShapeError
from chainrule.rules.composed import gathered, shape_of
from chainrule.rules.derivatives import activations as derivatives
from chainrule.rules.linear import index
from chainrule.rules.pointwise import elu, greater, less, maximum, sigmoid, softplus, tanh

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
"""Where a normal distribution keeps its mean 0 and its variance 1 (Klambauer and others, 2017)."""


@pointwise(r"\ln\left(\sigma\left({x}\right)\right)", of=lambda x: -softplus(-x), partials=derivatives)
def log_sigmoid(x):
    """The logarithm of the sigmoid, exact where that is 0 in floating point; its slope is the sigmoid of -x."""
    return -np.logaddexp(-x, 0.0)


@pointwise(
    r"{x} \cdot \tanh\left(\operatorname{softplus}\left({x}\right)\right)",
    of=lambda x: x * tanh(softplus(x)),
    partials=derivatives,
)
def mish(x):
    """x times the tanh of its softplus: smooth, with a shallow dip on the left (Misra, 2019)."""
    return x * np.tanh(np.logaddexp(x, 0.0))


@pointwise(
    r"\operatorname{hardtanh}\left({x}, {min_val}, {max_val}\right)",
    partials=(lambda out, x, min_val, max_val: greater(x, min_val) * less(x, max_val),),
    selects=True,
    at_kink=((-1.0,), (1.0,), (0.5,)),
    examples=({}, {"min_val": -1.0, "max_val": 0.5}),
)
def hardtanh(x, *, min_val=-1.0, max_val=1.0):
    """Keeps numbers inside limits as `clip` does, and stops the gradient on a limit too."""
    return np.clip(x, min_val, max_val)


@composed
def relu6(x: Any) -> Any:
    """A relu that stops at 6; slope 0 at 0 and at 6.

    >>> import chainrule as cr, numpy as np
    >>> cr.relu6(np.array([-1.0, 2.0, 9.0]))
    array([0., 2., 6.])
    """
    return hardtanh(gathered(x), min_val=0.0, max_val=6.0)


@composed
def hardsigmoid(x: Any) -> Any:
    """A sigmoid of straight lines: 0 up to -3, 1 from 3 on; slope 0 at both.

    >>> import chainrule as cr, numpy as np
    >>> cr.hardsigmoid(np.array([-5.0, 0.0, 5.0]))
    array([0. , 0.5, 1. ])
    """
    return relu6(gathered(x) + 3.0) / 6.0


@composed
def hardswish(x: Any) -> Any:
    """x times its hard sigmoid, and 0 with a slope of 0 up to -3 (Howard and others, 2019).

    >>> import chainrule as cr, numpy as np
    >>> cr.hardswish(np.array([-5.0, 0.0, 5.0]))
    array([0., 0., 5.])
    """
    x = gathered(x)
    # Of -inf it is 0, and no more infinite times 0; the sum makes 0 of -0.
    return maximum(x, -3.0) * hardsigmoid(x) + 0.0


@composed
def selu(x: Any) -> Any:
    """An `elu` scaled so that normal numbers keep mean 0 and variance 1 (Klambauer and others, 2017).

    >>> import chainrule as cr
    >>> round(cr.selu(1.0), 4)
    1.0507
    """
    return SELU_SCALE * elu(gathered(x), alpha=SELU_ALPHA)


@composed
def celu(x: Any, alpha: float = 1.0) -> Any:
    """An `elu` whose slope is 1 on both sides of 0, with the floor -alpha (Barron, 2017).

    >>> import chainrule as cr
    >>> round(cr.celu(-1.0, alpha=2.0), 4)
    -0.7869
    """
    return alpha * elu(gathered(x) / alpha, alpha=1.0)


@composed
def glu(x: Any, axis: int = -1) -> Any:
    """The first half of an axis, times the sigmoid of the second (Dauphin and others, 2017).

    >>> import chainrule as cr, numpy as np
    >>> cr.glu(np.array([1.0, 2.0, 0.0, 1000.0]))
    array([0.5, 2. ])
    """
    x = gathered(x)
    shape = shape_of(x)
    if not -len(shape) <= axis < len(shape) or shape[axis] % 2:
        raise ShapeError(f"glu halves axis {axis}, so its length must be even, and the shape is {shape}")
    half, lead = shape[axis] // 2, (slice(None),) * (axis % len(shape))
    return index(x, key=(*lead, slice(0, half))) * sigmoid(index(x, key=(*lead, slice(half, None))))
