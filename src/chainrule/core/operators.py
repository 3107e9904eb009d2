"""Python's operators for every kind of node, found in the rule book by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from chainrule.core.operation import Operation, book, compositions

NO_SETTINGS: dict[str, Any] = {}
TRUTH = np.dtype(np.bool_)

OneSided = Callable[[Any], Any]
TwoSided = Callable[[Any, Any], Any]


def of_one(name: str) -> OneSided:
    """The operator with one side that a rule is written as."""

    def operator(x: Any) -> Any:
        return x.__apply__(book[name], (x,), NO_SETTINGS)

    return operator


def of_two(name: str) -> TwoSided:
    """The operator with two sides that a rule is written as."""

    def operator(x: Any, y: Any) -> Any:
        return x.__apply__(book[name], (x, y), NO_SETTINGS)

    return operator


def of_either(name: str) -> tuple[TwoSided, TwoSided]:
    """The same where the left side is of the kind, and where the right one is."""

    def turned(y: Any, x: Any) -> Any:
        return y.__apply__(book[name], (x, y), NO_SETTINGS)

    return of_two(name), turned


def of_bits(logical: str, bitwise: str) -> tuple[TwoSided, TwoSided]:
    """The operators of a rule of truth, where all that they stand between is true or false, and else of one of bits."""

    def operator(x: Any, y: Any) -> Any:
        return x.__apply__(book[logical if has_truth(x) and has_truth(y) else bitwise], (x, y), NO_SETTINGS)

    def turned(y: Any, x: Any) -> Any:
        return y.__apply__(book[logical if has_truth(x) and has_truth(y) else bitwise], (x, y), NO_SETTINGS)

    return operator, turned


def has_truth(x: Any) -> bool:
    """Whether something is true or false, or holds what is; a formula has no bits."""
    return getattr(x, "dtype", None) == TRUTH or type(x) is bool or getattr(x, "is_symbolic", False)


class Operators:
    """The base of anything that takes operations over: it writes `__apply__`, and has all operators."""

    __slots__ = ()

    is_symbolic: ClassVar[bool] = False
    """Whether it is a formula, in which nothing has bits."""

    @staticmethod
    def __apply__(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        """What an operation on this kind of thing gives."""
        raise NotImplementedError

    __add__, __radd__ = of_either("add")
    __sub__, __rsub__ = of_either("sub")
    __mul__, __rmul__ = of_either("mul")
    __truediv__, __rtruediv__ = of_either("div")
    __pow__, __rpow__ = of_either("pow")
    __mod__, __rmod__ = of_either("remainder")
    __floordiv__, __rfloordiv__ = of_either("floor_divide")
    __and__, __rand__ = of_bits("logical_and", "bitwise_and")
    __or__, __ror__ = of_bits("logical_or", "bitwise_or")
    __xor__, __rxor__ = of_bits("logical_xor", "bitwise_xor")
    __lshift__, __rlshift__ = of_either("bitwise_left_shift")
    __rshift__, __rrshift__ = of_either("bitwise_right_shift")
    __neg__ = of_one("neg")
    __abs__ = of_one("abs")
    __lt__ = of_two("less")
    __le__ = of_two("less_equal")
    __gt__ = of_two("greater")
    __ge__ = of_two("greater_equal")

    def __matmul__(self, other: Any) -> Any:
        return compositions["matmul"](self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return compositions["matmul"](other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __invert__(self) -> Any:
        return self.__apply__(book["logical_not" if has_truth(self) else "bitwise_invert"], (self,), NO_SETTINGS)

    def __pos__(self) -> Any:
        return self
