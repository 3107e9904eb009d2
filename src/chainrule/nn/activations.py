"""Activations as modules: each names its rule of the book, and has nothing of its own but PyTorch's name."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from chainrule.nn.module import Module
from chainrule.rules import composed, gates, pointwise


class Activation(Module):
    """A function of the rule book as a module, with its settings: what ``class Name(Activation, rule=…)`` makes.

    The module takes and gives any shape, works entry by entry (`Softmax` along an axis), and costs one pass.

    >>> import chainrule as cr
    >>> class Squash(cr.nn.Activation, rule=cr.tanh):
    ...     '''An S from -1 to 1.'''
    >>> Squash()(cr.Tensor([0.0, 100.0]))
    Tensor([0., 1.])
    """

    rule: Callable[..., Any]

    def __init_subclass__(cls, *, rule: Callable[..., Any] | None = None, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if rule is not None:
            cls.rule = staticmethod(rule)

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def forward(self, x: Any) -> Any:
        """The rule of every entry."""
        return self.rule(x, **self.settings)

    def __repr__(self) -> str:
        usual = [parameter.default for parameter in signature(type(self)).parameters.values()]
        given = list(self.settings.values())
        return f"{type(self).__name__}({'' if given == usual else ', '.join(map(repr, given))})"


class ReLU(Activation, rule=pointwise.relu):
    """The positive part of every entry; its derivative at 0 is 0.

    >>> import chainrule as cr
    >>> cr.nn.ReLU()(cr.Tensor([-1.0, 2.0]))
    Tensor([0., 2.])
    """


class Tanh(Activation, rule=pointwise.tanh):
    """The hyperbolic tangent of every entry: an S from -1 to 1.

    >>> import chainrule as cr
    >>> cr.nn.Tanh()(cr.Tensor([0.0, 100.0]))
    Tensor([0., 1.])
    """


class Sigmoid(Activation, rule=pointwise.sigmoid):
    """The logistic function of every entry: an S from 0 to 1.

    >>> import chainrule as cr
    >>> cr.nn.Sigmoid()(cr.Tensor([0.0, 100.0]))
    Tensor([0.5, 1. ])
    """


class SiLU(Activation, rule=gates.silu):
    """Every entry times its own sigmoid, also called swish.

    >>> import chainrule as cr
    >>> cr.nn.SiLU()(cr.Tensor([0.0, 100.0]))
    Tensor([  0., 100.])
    """


class Softplus(Activation, rule=pointwise.softplus):
    """ln(1 + e^x) of every entry: a smooth relu.

    >>> import chainrule as cr
    >>> cr.nn.Softplus()(cr.Tensor([-1000.0, 1000.0]))
    Tensor([   0., 1000.])
    """


class LeakyReLU(Activation, rule=pointwise.leaky_relu):
    """A relu that lets the share `negative_slope` of negative numbers through; its derivative at 0 is that share.

    >>> import chainrule as cr
    >>> cr.nn.LeakyReLU(0.1)(cr.Tensor([-1.0, 2.0]))
    Tensor([-0.1,  2. ])
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__(slope=negative_slope)


class ELU(Activation, rule=pointwise.elu):
    """A relu with a smooth exponential floor at -`alpha`; its derivative at 0 is `alpha`.

    >>> import chainrule as cr
    >>> cr.nn.ELU()(cr.Tensor([-1000.0, 2.0]))
    Tensor([-1.,  2.])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha=alpha)


class GELU(Activation, rule=composed.gelu):
    """Every entry times the normal distribution's share below it; ``approximate="tanh"`` is the cheaper form.

    >>> import chainrule as cr
    >>> cr.nn.GELU()(cr.Tensor([-1000.0, 0.0]))
    Tensor([-0.,  0.])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__(approximate=approximate)


class Softmax(Activation, rule=composed.softmax):
    """Positive shares along axis `dim` that add up to 1; a net with `CrossEntropyLoss` needs none.

    >>> import chainrule as cr
    >>> cr.nn.Softmax()(cr.Tensor([[1000.0, 1000.0]]))
    Tensor([[0.5, 0.5]])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__(axis=dim)
