"""Adam and AdamW: steps whose length adapts to each weight's own gradients."""

from __future__ import annotations

import numpy as np

from chainrule.core.operation import kernel
from chainrule.optim.optimizer import Array, Memory, Optimizer, Params, Settings


@kernel
def adam_step(
    data: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    first: float,
    second: float,
    eps: float,
    rate: float,
    work: Array,
) -> None:
    """Both running means moved on by a gradient, and data moved by `rate` times their quotient, in place."""
    mean *= first
    mean += np.multiply(gradient, 1 - first, work)
    square *= second
    np.multiply(gradient, gradient, work)
    work *= 1 - second
    square += work
    np.sqrt(square, work)
    work += eps
    np.divide(mean, work, work)
    work *= rate
    data -= work


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): the running mean of the gradient over the root of the running mean of its square.

    `betas` are the shares kept of both means at each step, `eps` is added to the root, and `weight_decay` λ adds λ w to
    the gradient. Both means are corrected for their start at zero. The formulas are PyTorch's. A step is twelve NumPy
    calls for each parameter; two arrays of its size are kept.

    >>> import chainrule as cr
    >>> w = cr.Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = cr.optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(6).tolist()
    [0.9, -1.9]
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def check_settings(self, settings: Settings) -> None:
        """Refuse negative settings, and means that would keep everything."""
        self.refuse_negative(settings, "lr", "eps", "weight_decay")
        betas = settings["betas"]
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"{type(self).__name__}: betas are two numbers from 0 to below 1, not {betas}")

    def kept(self, settings: Settings) -> tuple[str, ...]:
        """Both running means, and how many steps they have run."""
        return "mean", "square", "steps"

    def move(self, data: Array, gradient: Array, memory: Memory, work: Array, settings: Settings) -> None:
        if settings["weight_decay"]:
            gradient = self.decayed(data, gradient, settings)
        if not memory:
            memory.update(self.at_start(data, settings))
        mean, square = memory["mean"], memory["square"]
        steps = memory["steps"] = memory["steps"] + 1
        first, second = settings["betas"]
        # Dividing the root by the corrected start is one pass over the array; scaling eps and the step instead is none.
        root = (1 - second**steps) ** 0.5
        rate = settings["lr"] * root / (1 - first**steps)
        adam_step(data, gradient, mean, square, first, second, settings["eps"] * root, rate, work)

    def decayed(self, data: Array, gradient: Array, settings: Settings) -> Array:
        """The gradient of the loss with ½ λ |w|² added to it."""
        return gradient + settings["weight_decay"] * data


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): each step shrinks the weights by ``lr`` λ.

    Settings and cost are Adam's; `weight_decay` λ is 0.01 unless told otherwise. The formulas are PyTorch's.

    >>> import chainrule as cr
    >>> w = cr.Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = cr.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(6).tolist()
    [0.85, -1.8]
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def decayed(self, data: Array, gradient: Array, settings: Settings) -> Array:
        """The gradient as it came; the weights themselves are shrunk."""
        data *= 1 - settings["lr"] * settings["weight_decay"]
        return gradient
