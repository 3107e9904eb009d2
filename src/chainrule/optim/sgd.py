"""Gradient descent, with the momentum of a rolling ball where it is asked for."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.optim.optimizer import Array, Optimizer, check


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
        params: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        *,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr)
        check("SGD", momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError("SGD: nesterov needs a momentum above 0 and no dampening")
        self.momentum = momentum
        self.dampening = dampening
        self.weight_decay = weight_decay
        self.nesterov = nesterov

    def move(self, data: Array, gradient: Array, memory: dict[str, Array], work: Array) -> None:
        """One step of one parameter."""
        if self.weight_decay:
            np.multiply(data, self.weight_decay, work)
            work += gradient
            gradient = work
        if self.momentum:
            velocity = memory.get("velocity")
            if velocity is None:
                velocity = memory["velocity"] = gradient.copy()
            else:
                velocity *= self.momentum
                velocity += gradient if not self.dampening else gradient * (1 - self.dampening)
            gradient = gradient + self.momentum * velocity if self.nesterov else velocity
        np.multiply(gradient, self.lr, work)
        np.subtract(data, work, data)
