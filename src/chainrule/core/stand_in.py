"""What all that stand in for an array have in common: they know their shape, and the book of rules does the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

from chainrule.core.array_methods import ArrayMethods
from chainrule.core.numpy_calls import operation_of
from chainrule.core.operation import book, compositions
from chainrule.core.operators import Operators

Shape = tuple[int, ...]


class Shaped:
    """What knows the length along each of its axes, and so how many there are."""

    __slots__ = ()
    shape: Any
    """The length along each axis."""

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.shape)


class StandIn(Shaped, Operators):
    """The base of what rules and functions take for an array; it says what its shape is, and takes operations over."""

    __slots__ = ()
    unknown: ClassVar[str]
    """How the message begins that there is nothing of a name."""

    @property
    def T(self) -> Any:
        """The transpose."""
        return book["transpose"](self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a number has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return book["index"](self, key=key)

    def __getattr__(self, name: str) -> Any:
        function = compositions.get(name) or book.get(name)
        if function is None or name.startswith("__"):
            raise AttributeError(f"{self.unknown} {name!r}")
        return lambda *rest, **settings: function(self, *rest, **settings)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        operation = operation_of(ufunc)
        if method != "__call__" or settings or operation is None:
            return NotImplemented
        return operation(*inputs)


class Argument(ArrayMethods, StandIn):
    """The base of what a user's function is given for an array: it has an array's methods, and compares by entry."""

    __slots__ = ()

    takes_over = True
    """Other kinds of node that meet one in an operation leave the operation to it."""

    @property
    def data(self) -> Any:
        """The numbers without the graph."""
        return self.detach()

    def detach(self) -> Any:
        """The same numbers outside the graph: no gradient passes."""
        raise NotImplementedError
