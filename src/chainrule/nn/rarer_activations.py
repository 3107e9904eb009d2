"""Activations that few nets have, as modules: their room of the book opens with them."""

from __future__ import annotations

from chainrule.nn.activations import Activation
from chainrule.rules import activations


class LogSigmoid(Activation, rule=activations.log_sigmoid):
    """The logarithm of the sigmoid of every entry, exact where the sigmoid is 0 in floating point.

    >>> import chainrule as cr
    >>> cr.nn.LogSigmoid()(cr.Tensor([-1000.0, 1000.0]))
    Tensor([-1000.,    -0.])
    """


class Mish(Activation, rule=activations.mish):
    """Every entry times the tanh of its softplus.

    >>> import chainrule as cr
    >>> cr.nn.Mish()(cr.Tensor([0.0, 100.0]))
    Tensor([  0., 100.])
    """


class Hardtanh(Activation, rule=activations.hardtanh):
    """Every entry kept between `min_val` and `max_val`; its derivative on a limit is 0.

    >>> import chainrule as cr
    >>> cr.nn.Hardtanh()(cr.Tensor([-2.0, 0.5, 2.0]))
    Tensor([-1. ,  0.5,  1. ])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__(min_val=min_val, max_val=max_val)


class ReLU6(Activation, rule=activations.relu6):
    """A relu that stops at 6.

    >>> import chainrule as cr
    >>> cr.nn.ReLU6()(cr.Tensor([-1.0, 2.0, 9.0]))
    Tensor([0., 2., 6.])
    """


class Hardsigmoid(Activation, rule=activations.hardsigmoid):
    """A sigmoid of straight lines: 0 up to -3, 1 from 3 on.

    >>> import chainrule as cr
    >>> cr.nn.Hardsigmoid()(cr.Tensor([-5.0, 0.0, 5.0]))
    Tensor([0. , 0.5, 1. ])
    """


class Hardswish(Activation, rule=activations.hardswish):
    """Every entry times its hard sigmoid.

    >>> import chainrule as cr
    >>> cr.nn.Hardswish()(cr.Tensor([0.0, 5.0]))
    Tensor([0., 5.])
    """


class SELU(Activation, rule=activations.selu):
    """An elu scaled so that normal numbers keep mean 0 and variance 1.

    >>> import chainrule as cr
    >>> round(cr.nn.SELU()(1.0), 4)
    1.0507
    """


class CELU(Activation, rule=activations.celu):
    """An elu whose slope is 1 on both sides of 0, with the floor -`alpha`.

    >>> import chainrule as cr
    >>> cr.nn.CELU(2.0)(cr.Tensor([-1000.0, 2.0]))
    Tensor([-2.,  2.])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha=alpha)


class GLU(Activation, rule=activations.glu):
    """The first half of axis `dim`, times the sigmoid of the second half.

    >>> import chainrule as cr
    >>> cr.nn.GLU()(cr.Tensor([1.0, 2.0, 0.0, 1000.0]))
    Tensor([0.5, 2. ])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__(axis=dim)
