"""The optimizers of a page: the library's own steps as programs, printed."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.livepage.passes import printed
from chainrule.optim import SGD, Adagrad, Adam, Optimizer, RMSprop
from chainrule.optim.as_program import Cell, moved

OPTIMIZERS: dict[str, tuple[type[Optimizer], dict[str, float], float]] = {
    "SGD": (SGD, {}, 1.0),
    "momentum": (SGD, {"momentum": 0.8}, 0.4),
    "RMSprop": (RMSprop, {}, 1.0),
    "Adam": (Adam, {}, 1.0),
    "Adagrad": (Adagrad, {}, 1.0),
}
"""By the name on the page: the class, its settings, and what its rate is of the page's."""


@cache
def print_optimizer(kind: str, size: int) -> tuple[str, list[str]]:
    """A step of an optimizer on `size` numbers: of them, their gradients, the rate and what was kept before it.

    It gives the numbers moved and what is kept for the next step, whose names stand beside.
    """
    made, told, _ = OPTIMIZERS[kind]
    optimizer = made([cr.Tensor(np.zeros(size), requires_grad=True)], **told)
    settings = {**optimizer.param_groups[0]}
    at_start = optimizer.at_start(np.zeros(size), settings)
    kept = list(at_start)

    def step(leaves: list[Any]) -> list[Any]:
        data, gradient, rate, *held = leaves
        now = {**settings, "lr": Cell(rate, known=True)}
        place, memory = moved(optimizer, data, gradient, dict(zip(kept, held, strict=True)), now)
        return [place, *[memory[name] for name in kept]]

    start = [float(held) if name == "steps" else held for name, held in at_start.items()]
    example = [np.full(size, 0.5), np.full(size, 0.25), 0.1, *start]
    return printed(step, example, ["data", "gradient", "rate", *kept]), kept
