"""Switches that hold for the current thread: recording, anomaly detection, quiet arithmetic."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np


class Switches(threading.local):
    """What the engines ask before they record.

    `recording`: nodes remember their inputs. `anomaly`: every result is checked for nan and infinity.
    `quiet`: NumPy's floating-point warnings are already off, so nobody needs to pay for switching them off again.
    `differentiated`: weak references to the results whose `backward` has run since an optimizer last looked.
    """

    recording = True
    anomaly = False
    quiet = False

    def __init__(self) -> None:
        self.differentiated: list[Callable[[], Any]] = []


switches = Switches()

listeners: list[Callable[[int], None]] = []
"""Told how many threads have no_grad or detect_anomaly on.

A scalar node is made in less time than one look at a thread's switches takes, so the scalar engine looks only while
that number is not 0.
"""

_unusual = 0
_lock = threading.Lock()


def _count_unusual(step: int) -> None:
    global _unusual
    with _lock:
        _unusual += step
        for listener in listeners:
            listener(_unusual)


@contextmanager
def _switched(name: str, setting: bool, unusual: bool) -> Generator[None]:
    before = getattr(switches, name)
    setattr(switches, name, setting)
    if unusual:
        _count_unusual(1)
    try:
        yield
    finally:
        setattr(switches, name, before)
        if unusual:
            _count_unusual(-1)


def no_grad():
    """Compute without recording, as PyTorch's ``torch.no_grad``; a context manager and a decorator.

    It holds for the current thread.

    >>> import chainrule as cr
    >>> x = cr.Tensor(2.0, requires_grad=True)
    >>> with cr.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    return _switched("recording", False, True)


def enable_grad():
    """Record again inside a `no_grad` block.

    >>> import chainrule as cr
    >>> x = cr.Tensor(2.0, requires_grad=True)
    >>> with cr.no_grad(), cr.enable_grad():
    ...     y = x * x
    >>> y.requires_grad
    True
    """
    return _switched("recording", True, False)


def detect_anomaly():
    """Check every result, forward and backward, and stop at the first nan or infinity that finite inputs gave.

    The `AnomalyError` names the operation, its inputs and the line of the user's program. Every operation gets
    slower by a few microseconds.

    >>> import chainrule as cr
    >>> with cr.detect_anomaly():
    ...     cr.log(cr.Tensor([1.0, 0.0], requires_grad=True))
    Traceback (most recent call last):
    ...
    chainrule.errors.AnomalyError: log gave -inf at [1] from finite inputs ...
    """
    return _switched("anomaly", True, True)


class Quiet:
    """Arithmetic follows IEEE 754 in silence: 1/0 is inf, log(-1) is nan, and NumPy prints no warning.

    A block for many operations together; a block inside another costs next to nothing. For one call see `quietly`.
    """

    __slots__ = ("_errors",)

    def __enter__(self) -> None:
        if switches.quiet:
            self._errors = None
            return
        switches.quiet = True
        self._errors = np.errstate(all="ignore")
        self._errors.__enter__()

    def __exit__(self, *_: object) -> None:
        if self._errors is not None:
            switches.quiet = False
            self._errors.__exit__(None, None, None)


def quietly(function: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """One call in silence, at half the price of a block."""
    if switches.quiet:
        return function(*args, **settings)
    return _silenced(function, args, settings)


@np.errstate(all="ignore")
def _silenced(function: Callable[..., Any], args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    switches.quiet = True
    try:
        return function(*args, **settings)
    finally:
        switches.quiet = False
