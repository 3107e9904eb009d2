"""Gradient descent, with the momentum of a rolling ball where it is asked for."""

from __future__ import annotations

import numpy as np

from chainrule.core.operation import kernel
from chainrule.errors import DtypeError
from chainrule.optim.optimizer import Array, Memory, Optimizer, Params, Settings, is_number


@kernel
def descent_step(data: Array, gradient: Array, rate: float, work: Array) -> None:
    """Data moved against the gradient, in place."""
    np.multiply(gradient, rate, work)
    np.subtract(data, work, data)


class SGD(Optimizer):
    """Stochastic gradient descent: each parameter moves by ``-lr`` times its gradient.

    With `momentum` μ it moves by ``-lr`` times a velocity, v ← μ v + (1 - `dampening`) g, which starts as the first
    gradient; with `nesterov` by ``-lr (g + μ v)`` (Sutskever, Martens, Dahl, Hinton, 2013). `weight_decay` λ adds λ w
    to the gradient. The formulas are PyTorch's. A step is two NumPy calls for each parameter, four with momentum.

    >>> import chainrule as cr
    >>> w = cr.Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = cr.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.8, 1.6]
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        *,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params, lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov
        )

    def check_settings(self, settings: Settings) -> None:
        """Refuse negative settings, and a look ahead without a plain momentum."""
        self.refuse_negative(settings, "lr", "momentum", "weight_decay")
        if not is_number(settings["dampening"]):
            raise DtypeError(f"SGD: dampening is a number, not {settings['dampening']!r}")
        if settings["nesterov"] and (settings["momentum"] == 0 or settings["dampening"] != 0):
            raise ValueError("SGD: nesterov needs a momentum above 0 and no dampening")

    def kept(self, settings: Settings) -> tuple[str, ...]:
        """A velocity, where there is momentum."""
        return ("velocity",) if settings["momentum"] else ()

    def at_start(self, data: Array, settings: Settings) -> Memory:
        """A velocity of 0, to which gradients are added; with dampening the first alone is taken whole."""
        return {} if settings["dampening"] else super().at_start(data, settings)

    def move(self, data: Array, gradient: Array, memory: Memory, work: Array, settings: Settings) -> None:
        momentum, decay = settings["momentum"], settings["weight_decay"]
        if decay:
            np.multiply(data, decay, work)
            work += gradient
            gradient = work
        if momentum:
            velocity = memory.get("velocity")
            if velocity is None:
                velocity = memory["velocity"] = gradient.copy()
            else:
                velocity *= momentum
                dampening = settings["dampening"]
                velocity += gradient if not dampening else gradient * (1 - dampening)
            gradient = gradient + momentum * velocity if settings["nesterov"] else velocity
        descent_step(data, gradient, settings["lr"], work)
