"""An optimizer's step as a program: its own `move`, run on stand-ins for arrays that remember what is done to them.

`move` changes arrays in place, and a program has no places: a `Cell` is a place whose content is replaced. So every
optimizer is stated once, a user's own too.
"""

# What a cell holds is known only when a step runs.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from chainrule.core.operation import book, kernels
from chainrule.errors import GraphError
from chainrule.optim.optimizer import Optimizer, Settings

Number = Any
"""A traced array or number, or a plain number."""


class Cell(NDArrayOperatorsMixin):
    """A place that holds an array, for which operations in place put another; `known` says whether its truth is known.

    A number that is a setting is not 0 as long as the program is used, so a branch may ask whether it is there.
    """

    __array_priority__ = 1000

    def __init__(self, now: Number, known: bool = False) -> None:
        self.now = now
        self.known = known

    def __bool__(self) -> bool:
        if self.known:
            return True
        raise GraphError("a branch of the optimizer depends on numbers that change from step to step")

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.now)

    @property
    def dtype(self) -> Any:
        return self.now.dtype

    def copy(self) -> Cell:
        """Another place with the same content."""
        return Cell(self.now)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **settings: Any) -> Any:
        operation = OPERATIONS.get(ufunc)
        if method != "__call__" or settings or operation is None:
            return NotImplemented
        result = operation(*map(content, inputs))
        if out is None:
            return Cell(result)
        out[0].put(result)
        return out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.copyto and len(args) == 2 and not kwargs:
            args[0].put(content(args[1]))
            return None
        if function in MAKING and not kwargs:
            return Cell(function(np.empty(args[0].shape, args[0].dtype), *args[1:]))
        if function is np.clip and len(args) == 3 and not kwargs:
            return Cell(book["clip"](content(args[0]), a_min=args[1], a_max=args[2]))
        return NotImplemented

    def put(self, new: Number) -> None:
        """Put an array in place of what is held, in the type of the place."""
        if isinstance(self.now, Empty) and np.shape(new) != self.now.shape:
            raise GraphError(f"an array of shape {np.shape(new)} is put where one of {self.now.shape} lies")
        wanted = self.now.dtype
        self.now = new if getattr(new, "dtype", None) == wanted else book["astype"](new, dtype=wanted)

    @staticmethod
    def __kernel__(name: str, x: Any, *rest: Any, **settings: Any) -> Any:
        """A compiled loop, as NumPy has it."""
        return kernels[name](x, *rest, **settings)


class Empty:
    """What lies in an array to compute in, before anything is put there."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, dtype


def content(x: Any) -> Any:
    """What is in a cell; anything else as it is."""
    return x.now if isinstance(x, Cell) else x


MAKING = (np.zeros_like, np.ones_like, np.full_like)
"""NumPy's functions that make an array like another."""

OPERATIONS: dict[Any, Callable[..., Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
    np.power: operator.pow,
    np.negative: operator.neg,
    **{getattr(np, name): book[name] for name in ("sqrt", "square", "abs", "sign", "maximum", "minimum", "exp")},
}
"""What NumPy's functions do with what is in cells."""


def moved(
    optimizer: Optimizer, data: Number, gradient: Number, memory: Mapping[str, Number], settings: Settings
) -> tuple[Number, dict[str, Number]]:
    """What one step of an optimizer makes of a parameter and of what it keeps for it."""
    place = Cell(data)
    held: dict[str, Any] = {name: Cell(kept) for name, kept in memory.items()}
    optimizer.move(place, Cell(gradient), held, Cell(Empty(data.shape, data.dtype)), settings)  # type: ignore[arg-type]
    return place.now, {name: content(kept) for name, kept in held.items()}
