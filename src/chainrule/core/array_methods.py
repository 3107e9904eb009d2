"""The methods that arrays of every kind have: Tensors, and what stands for one while a function is traced or mapped.

Functions of the rule book are methods too, under their own names; here are NumPy's and PyTorch's other names.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.core.operation import book, compositions
from chainrule.core.operators import NO_SETTINGS, Operators
from chainrule.errors import DtypeError


class ArrayMethods(Operators):
    """What has a shape and a type of number, and is calculated with."""

    __slots__ = ()
    shape: Any
    dtype: Any

    @property
    def T(self) -> Any:
        """The transpose."""
        return book["transpose"](self)

    @property
    def mT(self) -> Any:  # noqa: N802  (the array API's name)
        """The transpose of each matrix of a batch."""
        return book["swap"](self)

    @property
    def device(self) -> str:
        """Where the numbers are: "cpu" always."""
        return "cpu"

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """The same, since there is one device."""
        if device != "cpu":
            raise DtypeError(f"Tensors live on the device 'cpu', and there is no {device!r}")
        return self

    @property
    def itemsize(self) -> int:
        """How many bytes one entry takes."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """How many bytes the entries take."""
        return self.numel() * self.itemsize

    def dim(self) -> int:
        """The number of axes, under PyTorch's name."""
        return len(self.shape)

    def numel(self) -> int:
        """The number of entries, under PyTorch's name."""
        return math.prod(self.shape)

    def reshape(self, *shape: Any) -> Any:
        """The same entries in another shape; one length may be -1."""
        return book["reshape"](self, shape=shape[0] if len(shape) == 1 else shape)

    def view(self, *shape: Any) -> Any:
        """`reshape` under PyTorch's name; NumPy's view in another type would leave the graph, and is refused."""
        if not all(isinstance(n, int | np.integer | tuple | list) for n in shape):
            raise DtypeError("view takes a shape, as PyTorch's does; for another type of number use astype")
        return self.reshape(*shape)

    def unsqueeze(self, axis: int) -> Any:
        """`expand_dims` under PyTorch's name."""
        return book["expand_dims"](self, axis=axis)

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order; reversed where none is given."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return book["transpose"](self, axes=order)

    def compress(self, condition: Any, axis: int | None = None) -> Any:
        """The entries (or slices along an axis) for which a condition holds."""
        return compositions["compress"](condition, self, axis)

    def clone(self) -> Any:
        """A recorded copy with memory of its own."""
        return self.__apply__(book["identity"], (self,), NO_SETTINGS)

    def copy(self) -> Any:
        """`clone` under NumPy's name."""
        return self.clone()

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """The same numbers in another type; differentiable between float32 and float64."""
        return book["astype"](self, dtype=np.dtype(dtype))

    def float(self) -> Any:
        """The same numbers in single precision, as PyTorch has it."""
        return self.astype(np.float32)

    def double(self) -> Any:
        """The same numbers in double precision."""
        return self.astype(np.float64)

    def __eq__(self, other: object) -> Any:
        if other is None or isinstance(other, str):
            return NotImplemented
        return self.__apply__(book["equal"], (self, other), NO_SETTINGS)

    def __ne__(self, other: object) -> Any:
        if other is None or isinstance(other, str):
            return NotImplemented
        return self.__apply__(book["not_equal"], (self, other), NO_SETTINGS)

    __hash__ = object.__hash__
