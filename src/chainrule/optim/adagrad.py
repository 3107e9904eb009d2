"""Adagrad: steps that shorten by all the gradients a weight has seen."""

from __future__ import annotations

import numpy as np

from chainrule.optim.optimizer import Array, Memory, Optimizer, Params, Settings


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer, 2011): the gradient over the root of the sum of all its squares so far.

    The sum starts at `initial_accumulator_value`, and `eps` is added to the root. With `lr_decay` the rate falls to
    ``lr / (1 + lr_decay t)`` after t steps; `weight_decay` λ adds λ w to the gradient. The formulas are PyTorch's. A
    step is seven NumPy calls for each parameter; one array of its size is kept.

    >>> import chainrule as cr
    >>> w = cr.Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = cr.optim.Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.data.round(6).tolist()
    [0.9, -1.9]
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(
            params,
            lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )

    def check_settings(self, settings: Settings) -> None:
        self.refuse_negative(settings, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def kept(self, settings: Settings) -> tuple[str, ...]:
        """The sum of squares, and how many steps it has summed."""
        return "sum", "steps"

    def at_start(self, data: Array, settings: Settings) -> Memory:
        """A sum as it was told."""
        return {"sum": np.full_like(data, settings["initial_accumulator_value"]), "steps": 0}

    def move(self, data: Array, gradient: Array, memory: Memory, work: Array, settings: Settings) -> None:
        if settings["weight_decay"]:
            gradient = gradient + settings["weight_decay"] * data
        if not memory:
            memory.update(self.at_start(data, settings))
        total, before = memory["sum"], memory["steps"]
        memory["steps"] = before + 1
        total += np.multiply(gradient, gradient, work)
        np.sqrt(total, work)
        work += settings["eps"]
        np.divide(gradient, work, work)
        work *= settings["lr"] / (1 + before * settings["lr_decay"])
        data -= work
