"""What every optimizer shares: the parameters it moves, and the numbers it keeps for each."""

# Programs without types call this too, so arguments are checked when it runs.
# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.state import Quiet
from chainrule.core.tensor import Tensor
from chainrule.errors import ChainruleError, DtypeError, GraphError, ShapeError

Array = NDArray[Any]


class Optimizer:
    """The base of optimizers: write `move`, which changes one parameter's array in place.

    `params` holds leaf Tensors with ``requires_grad=True``, as ``net.parameters()``. Settings such as ``lr`` are plain
    attributes and may be changed between steps.
    """

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        name = type(self).__name__
        if isinstance(params, Tensor):
            raise DtypeError(f"{name} takes a list of parameters: write [{params.label or 'w'}]")
        if not isinstance(params, Iterable):
            raise DtypeError(f"{name} takes a list of parameters, as net.parameters(), not {type(params).__name__}")
        self.params = list(params)
        if not self.params:
            raise ChainruleError(f"{name} got no parameters (an iterator gives them only once): use net.parameters()")
        for i, parameter in enumerate(self.params):
            if not isinstance(parameter, Tensor):
                raise DtypeError(f"{name} moves Tensors, and parameter {i} is {type(parameter).__name__}")
            if not parameter.is_leaf or not parameter.requires_grad:
                raise GraphError(
                    f"{name} moves leaves with requires_grad=True, and parameter {i} is {parameter.describe()}: "
                    "give the tensor that it was computed from, or switch requires_grad on"
                )
        if len({id(parameter) for parameter in self.params}) < len(self.params):
            raise ChainruleError(f"{name} got a parameter twice, so it would be moved twice: give each one once")
        check(name, lr=lr)
        self.lr = lr
        self.memory: list[dict[str, Array]] = [{} for _ in self.params]
        """What is kept for each parameter from step to step, by name; empty before its first step."""
        self._work = [np.empty_like(parameter.data) for parameter in self.params]

    def zero_grad(self) -> None:
        """Forget every parameter's gradient."""
        for parameter in self.params:
            parameter.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient, in place; graphs recorded before are stale from now on."""
        with Quiet():
            for parameter, memory, work in zip(self.params, self.memory, self._work, strict=True):
                gradient = parameter.grad
                if gradient is None:
                    continue
                data = parameter.data
                if data.dtype is not work.dtype or data.shape != work.shape:
                    raise ShapeError(
                        f"{parameter.describe()} {data.dtype} was {work.shape} {work.dtype} when this "
                        f"{type(self).__name__} was made: make a new optimizer after replacing a parameter's data"
                    )
                self.move(data, gradient.data, memory, work)
                parameter.mark_changed()

    def move(self, data: Array, gradient: Array, memory: dict[str, Array], work: Array) -> None:
        """Change `data` in place; `gradient` is only read, and `work` is an array to compute in."""
        raise NotImplementedError(f"{type(self).__name__} needs a method move(self, data, gradient, memory, work)")


def check(name: str, **settings: float) -> None:
    """Refuse a setting that is negative or not a number."""
    for setting, given in settings.items():
        if not given >= 0:
            raise ValueError(f"{name}: {setting} is at least 0, not {given}")
