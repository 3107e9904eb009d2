"""Stands in for the ``cython`` package, so that value.py runs as plain Python where it is not installed."""

from __future__ import annotations

from typing import Any

compiled = False
double = float
p_double = longlong = Py_ssize_t = bint = int = int


def cast(kind: Any, x: Any) -> Any:
    return x


def final(decorated: Any) -> Any:
    return decorated


cclass = no_gc = final


def freelist(size: int) -> Any:
    return final
