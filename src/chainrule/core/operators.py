"""Python's operators for every kind of node, found in the rule book by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.core.operation import Operation, book

NO_SETTINGS: dict[str, Any] = {}


class Operators:
    """The base of anything that takes operations over: it writes `__apply__`, and has all operators."""

    __slots__ = ()

    @staticmethod
    def __apply__(operation: Operation, inputs: Sequence[Any], settings: dict[str, Any]) -> Any:
        """What an operation on this kind of thing gives."""
        raise NotImplementedError

    def __add__(self, other: Any) -> Any:
        return self.__apply__(book["add"], (self, other), NO_SETTINGS)

    def __radd__(self, other: Any) -> Any:
        return self.__apply__(book["add"], (other, self), NO_SETTINGS)

    def __sub__(self, other: Any) -> Any:
        return self.__apply__(book["sub"], (self, other), NO_SETTINGS)

    def __rsub__(self, other: Any) -> Any:
        return self.__apply__(book["sub"], (other, self), NO_SETTINGS)

    def __mul__(self, other: Any) -> Any:
        return self.__apply__(book["mul"], (self, other), NO_SETTINGS)

    def __rmul__(self, other: Any) -> Any:
        return self.__apply__(book["mul"], (other, self), NO_SETTINGS)

    def __truediv__(self, other: Any) -> Any:
        return self.__apply__(book["div"], (self, other), NO_SETTINGS)

    def __rtruediv__(self, other: Any) -> Any:
        return self.__apply__(book["div"], (other, self), NO_SETTINGS)

    def __pow__(self, other: Any) -> Any:
        return self.__apply__(book["pow"], (self, other), NO_SETTINGS)

    def __rpow__(self, other: Any) -> Any:
        return self.__apply__(book["pow"], (other, self), NO_SETTINGS)

    def __matmul__(self, other: Any) -> Any:
        return self.__apply__(book["matmul"], (self, other), NO_SETTINGS)

    def __rmatmul__(self, other: Any) -> Any:
        return self.__apply__(book["matmul"], (other, self), NO_SETTINGS)

    def __mod__(self, other: Any) -> Any:
        return self.__apply__(book["remainder"], (self, other), NO_SETTINGS)

    def __rmod__(self, other: Any) -> Any:
        return self.__apply__(book["remainder"], (other, self), NO_SETTINGS)

    def __floordiv__(self, other: Any) -> Any:
        return self.__apply__(book["floor_divide"], (self, other), NO_SETTINGS)

    def __rfloordiv__(self, other: Any) -> Any:
        return self.__apply__(book["floor_divide"], (other, self), NO_SETTINGS)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __and__(self, other: Any) -> Any:
        return self.__apply__(book["logical_and"], (self, other), NO_SETTINGS)

    def __rand__(self, other: Any) -> Any:
        return self.__apply__(book["logical_and"], (other, self), NO_SETTINGS)

    def __or__(self, other: Any) -> Any:
        return self.__apply__(book["logical_or"], (self, other), NO_SETTINGS)

    def __ror__(self, other: Any) -> Any:
        return self.__apply__(book["logical_or"], (other, self), NO_SETTINGS)

    def __xor__(self, other: Any) -> Any:
        return self.__apply__(book["logical_xor"], (self, other), NO_SETTINGS)

    def __rxor__(self, other: Any) -> Any:
        return self.__apply__(book["logical_xor"], (other, self), NO_SETTINGS)

    def __invert__(self) -> Any:
        return self.__apply__(book["logical_not"], (self,), NO_SETTINGS)

    def __neg__(self) -> Any:
        return self.__apply__(book["neg"], (self,), NO_SETTINGS)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self.__apply__(book["abs"], (self,), NO_SETTINGS)

    def __lt__(self, other: Any) -> Any:
        return self.__apply__(book["less"], (self, other), NO_SETTINGS)

    def __le__(self, other: Any) -> Any:
        return self.__apply__(book["less_equal"], (self, other), NO_SETTINGS)

    def __gt__(self, other: Any) -> Any:
        return self.__apply__(book["greater"], (self, other), NO_SETTINGS)

    def __ge__(self, other: Any) -> Any:
        return self.__apply__(book["greater_equal"], (self, other), NO_SETTINGS)
