"""Stands in for the ``cython`` package, so that the compiled files run as plain Python where it is not installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Decorated = TypeVar("Decorated")

compiled = False
double = float
p_double = longlong = Py_ssize_t = bint = int = int


def cast(kind: Any, x: Any) -> Any:
    return x


def final(decorated: Decorated) -> Decorated:
    return decorated


cclass = no_gc = final


def auto_pickle(wanted: bool) -> Callable[[Decorated], Decorated]:
    return final


def freelist(size: int) -> Callable[[Decorated], Decorated]:
    return final
