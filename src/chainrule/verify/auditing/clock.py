"""How long an audit may take: what one thread computes counts, so that a busy machine does not cut it short."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from chainrule.program import Step
from chainrule.verify.marking.problem import Numbers


class Late(Exception):
    """The time is up."""


class Clock:
    """So many seconds of computing from now on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = 0.0
        self.give(seconds)

    def give(self, seconds: float) -> None:
        self.end = time.thread_time() + seconds

    def is_late(self) -> bool:
        return time.thread_time() > self.end

    def look(self) -> None:
        """Raise Late where they are over."""
        if self.is_late():
            raise Late

    def on(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that looks at the clock each time."""

        @wraps(function)
        def timed(*args: Any, **settings: Any) -> Any:
            self.look()
            return function(*args, **settings)

        return timed


class Watched(dict[Step, Any]):
    """Numbers of a probe that are given out until the time is up: whatever is tried there asks for some."""

    def __init__(self, numbers: Numbers, clock: Clock) -> None:
        super().__init__(numbers)
        self.clock = clock

    def __getitem__(self, step: Step) -> Any:
        self.clock.look()
        return super().__getitem__(step)
