"""Adam: steps whose length adapts to each weight's own gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.optim.optimizer import Array, Optimizer, check


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
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr)
        check("Adam", eps=eps, weight_decay=weight_decay)
        for beta in betas:
            if not 0 <= beta < 1:
                raise ValueError(f"Adam: betas are from 0 to below 1, not {betas}")
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay

    def move(self, data: Array, gradient: Array, memory: dict[str, Array], work: Array) -> None:
        """One step of one parameter."""
        if self.weight_decay:
            gradient = gradient + self.weight_decay * data
        if not memory:
            memory["mean"] = np.zeros_like(data)
            memory["square"] = np.zeros_like(data)
            memory["steps"] = np.zeros((), int)
        mean, square, steps = memory["mean"], memory["square"], memory["steps"]
        steps += 1
        first, second = self.betas
        mean *= first
        mean += np.multiply(gradient, 1 - first, work)
        square *= second
        np.multiply(gradient, gradient, work)
        work *= 1 - second
        square += work
        # Dividing the root by the corrected start is one pass over the array; scaling eps and the step instead is none.
        root = math.sqrt(1 - second ** int(steps))
        np.sqrt(square, work)
        work += self.eps * root
        np.divide(mean, work, work)
        work *= self.lr * root / (1 - first ** int(steps))
        data -= work
