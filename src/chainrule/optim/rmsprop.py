"""RMSprop: steps of a length that forgets gradients from long ago."""

from __future__ import annotations

import numpy as np

from chainrule.optim.optimizer import Array, Memory, Optimizer, Params, Settings


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton, 2012): the gradient over the root of the running mean of its square.

    `alpha` is the share of the mean kept at each step, and `eps` is added to the root. `centered` takes the variance of
    the gradient in place of its mean square (Graves, 2013); with `momentum` the steps are gathered in a velocity;
    `weight_decay` λ adds λ w to the gradient. The formulas are PyTorch's. A step is nine NumPy calls for each
    parameter, and one array of its size is kept; `centered` and `momentum` keep one more each.

    >>> import chainrule as cr
    >>> w = cr.Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = cr.optim.RMSprop([w], lr=0.1, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(6).tolist()
    [0.8, -1.8]
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params, lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered
        )

    def check_settings(self, settings: Settings) -> None:
        """Refuse negative settings, and a mean that would grow without end."""
        self.refuse_negative(settings, "lr", "alpha", "eps", "weight_decay", "momentum")
        if settings["alpha"] > 1:
            raise ValueError(f"RMSprop: alpha is from 0 to 1, not {settings['alpha']}")

    def kept(self, settings: Settings) -> tuple[str, ...]:
        """The running mean of the squares, that of the gradient to center it, and a velocity for the momentum."""
        return ("square", *["mean"] * bool(settings["centered"]), *["velocity"] * bool(settings["momentum"]))

    def move(self, data: Array, gradient: Array, memory: Memory, work: Array, settings: Settings) -> None:
        if settings["weight_decay"]:
            gradient = gradient + settings["weight_decay"] * data
        for name in self.kept(settings):
            if name not in memory:
                memory[name] = np.zeros_like(data)
        alpha, square = settings["alpha"], memory["square"]
        square *= alpha
        np.multiply(gradient, gradient, work)
        work *= 1 - alpha
        square += work
        if settings["centered"]:
            mean = memory["mean"]
            mean *= alpha
            mean += np.multiply(gradient, 1 - alpha, work)
            np.multiply(mean, mean, work)
            np.subtract(square, work, work)
            np.sqrt(work, work)
        else:
            np.sqrt(square, work)
        work += settings["eps"]
        np.divide(gradient, work, work)
        if settings["momentum"]:
            velocity = memory["velocity"]
            velocity *= settings["momentum"]
            velocity += work
            np.copyto(work, velocity)
        work *= settings["lr"]
        data -= work
