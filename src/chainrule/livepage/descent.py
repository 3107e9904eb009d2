"""The optimizers of a page: the library's own steps, recorded on stand-ins and printed.

An optimizer changes arrays in place. A `Cell` stands for such an array: what is written into it is a step of a program.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

import chainrule as cr
from chainrule.core.operation import kernels
from chainrule.livepage.passes import printed
from chainrule.optim import SGD, Adagrad, Adam, Optimizer, RMSprop

OPERATIONS: dict[Any, Callable[..., Any]] = {
    np.add: cr.add,
    np.subtract: cr.sub,
    np.multiply: cr.mul,
    np.divide: cr.div,
    np.power: cr.pow,
    np.sqrt: cr.sqrt,
}
"""What an optimizer does to arrays, in NumPy and in the book."""

OPTIMIZERS: dict[str, tuple[type[Optimizer], dict[str, float], float]] = {
    "SGD": (SGD, {}, 1.0),
    "momentum": (SGD, {"momentum": 0.8}, 0.4),
    "RMSprop": (RMSprop, {}, 1.0),
    "Adam": (Adam, {}, 1.0),
    "Adagrad": (Adagrad, {}, 1.0),
}
"""By the name on the page: the class, its settings, and what its rate is of the page's."""


class Cell(NDArrayOperatorsMixin):
    """An array that is written into: it holds the step that stands for what is in it now."""

    def __init__(self, now: Any) -> None:
        self.now = now

    @staticmethod
    def __kernel__(name: str, *inputs: Any) -> Any:
        """A kernel in its plain form, whose lines are seen."""
        return kernels[name](*inputs)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **_: Any) -> Any:
        if method != "__call__" or ufunc not in OPERATIONS:
            return NotImplemented
        made = OPERATIONS[ufunc](*[x.now if isinstance(x, Cell) else x for x in inputs])
        if out is None:
            return Cell(made)
        (target,) = out
        target.now = made
        return target


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
        data, gradient, rate, *held = [Cell(x) for x in leaves]
        memory: dict[str, Any] = dict(zip(kept, held, strict=True))
        optimizer.move(
            data,  # type: ignore[arg-type]  # a stand-in for an array
            gradient,  # type: ignore[arg-type]
            memory,
            Cell(gradient.now),  # type: ignore[arg-type]
            {**settings, "lr": rate},
        )
        return [data.now, *[memory[name].now for name in kept]]

    start = [float(held) if name == "steps" else held for name, held in at_start.items()]
    example = [np.full(size, 0.5), np.full(size, 0.25), 0.1, *start]
    return printed(step, example, ["data", "gradient", "rate", *kept]), kept
