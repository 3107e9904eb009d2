"""How long an audit may take: what one thread computes counts, so that a busy machine does not cut it short."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from chainrule.program import Step
from chainrule.verify.marking.problem import Numbers, Problem
from chainrule.verify.marking.walk import Walk


class Late(Exception):
    """The time is up."""


class Clock:
    """So many seconds of computing from now on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = time.thread_time() + seconds

    def is_late(self) -> bool:
        """Whether they are over."""
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


class TimedWalk(Walk):
    """A backward pass at one probe that ends when the time is up."""

    def __init__(self, problem: Problem, numbers: Numbers, clock: Clock) -> None:
        super().__init__(problem, numbers)
        self.clock = clock

    def raw(self, step: Step, slot: int, g: Any) -> Any:
        """What reaches an input of a gradient that arrives at a step."""
        self.clock.look()
        return super().raw(step, slot, g)
