"""Switches that hold for the current thread: recording and anomaly detection; and arithmetic without warnings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar, copy_context
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.threads import Local, Lock


class Switches(Local):
    """What the engines ask before they record.

    `recording`: nodes remember their inputs. `anomaly`: every result is checked for nan and infinity.
    `transforms`: how many of them are running a function of the user's, one inside the other.
    `freezing`: a function of Values is recorded once, for all numbers.
    `follow`: what a program that is traced wants to be told of results without a gradient, or None.
    `differentiated`: weak references to the results whose `backward` has run since an optimizer last looked.
    """

    recording = True
    anomaly = False
    transforms = 0
    freezing = False
    follow: Callable[..., None] | None = None

    def __init__(self) -> None:
        self.differentiated: list[Callable[[], Any]] = []


switches = Switches()

listeners: list[Callable[[int], None]] = []
"""Told how many threads have no_grad or detect_anomaly on, or trace a program.

A scalar node is made in less time than one look at a thread's switches takes, so the scalar engine looks only while
that number is not 0.
"""

_unusual = 0
_lock = Lock()


def count_unusual(step: int) -> None:
    """One more thread, or one less, has a switch set that the engines look at."""
    global _unusual
    with _lock:
        _unusual += step
        for listener in listeners:
            listener(_unusual)


class Switched(ContextDecorator):
    """A block, or a function, in which a switch of this thread is set; `unusual` tells the scalar engine to look."""

    def __init__(self, name: str, setting: bool, unusual: bool) -> None:
        self._name, self._setting, self._unusual = name, setting, unusual
        self._before: list[bool] = []

    def _recreate_cm(self) -> Switched:
        return Switched(self._name, self._setting, self._unusual)  # a function may call itself

    def __enter__(self) -> None:
        self._before.append(getattr(switches, self._name))
        setattr(switches, self._name, self._setting)
        if self._unusual:
            count_unusual(1)

    def __exit__(self, *_: object) -> None:
        setattr(switches, self._name, self._before.pop())
        if self._unusual:
            count_unusual(-1)


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
    return Switched("recording", False, True)


def enable_grad():
    """Record again inside a `no_grad` block.

    >>> import chainrule as cr
    >>> x = cr.Tensor(2.0, requires_grad=True)
    >>> with cr.no_grad(), cr.enable_grad():
    ...     y = x * x
    >>> y.requires_grad
    True
    """
    return Switched("recording", True, False)


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
    return Switched("anomaly", True, True)


class Transforming:
    """A block in which a transform runs a function of the user's: no number leaves the graph (core/leaving.py).

    A refusal that NumPy has wrapped in an error of its own comes out as it was.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        switches.transforms += 1

    def __exit__(self, kind: Any, error: Any, _: object) -> None:
        switches.transforms -= 1
        unwrap(error)


def unwrap(error: Any) -> None:
    """Raise a refusal that NumPy has wrapped in an error of its own as it was; nothing happens with other errors."""
    cause = getattr(error, "__cause__", None)
    if isinstance(cause, ChainruleError) and str(error).startswith("setting an array element"):
        raise cause from None


def _find_silence() -> tuple[ContextVar[Any], Any]:
    """NumPy's context variable for floating-point errors, and what ``errstate(all="ignore")`` sets it to.

    A new errstate for every call would take ten times as long as setting the variable.
    """
    with np.errstate(all="raise"):
        before = dict(copy_context().items())
        with np.errstate(all="ignore"):
            for variable, setting in copy_context().items():
                if before.get(variable) is not setting:
                    return variable, setting
    raise ImportError("this NumPy does not keep errstate in a context variable: chainrule needs numpy>=2")


noise, SILENCE = _find_silence()
"""What NumPy does about floating-point errors; while it is `SILENCE`, nobody needs to pay for silence again."""


class Quiet:
    """Arithmetic follows IEEE 754 in silence: 1/0 is inf, log(-1) is nan, and NumPy prints no warning.

    A block for many operations together. For one call see `quietly`.
    """

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = noise.set(SILENCE)

    def __exit__(self, *_: object) -> None:
        noise.reset(self._before)


def quietly(function: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """One call in silence."""
    before = noise.set(SILENCE)
    try:
        return function(*args, **settings)
    finally:
        noise.reset(before)
