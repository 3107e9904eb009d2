"""What a story picks by its size, held while the same story is told of other numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Choice = tuple[int, ...]
"""The place of an entry, or an order."""


class Choices:
    """What a story chose when it was told first, in turn."""

    def __init__(self) -> None:
        self.made: list[Choice] = []
        self.again: Iterator[Choice] = iter(())

    @contextmanager
    def held(self) -> Iterator[None]:
        """A story that is told inside chooses what the first one did."""
        self.again = iter(tuple(self.made))
        token = holding.set(self)
        try:
            yield
        finally:
            holding.reset(token)


holding: ContextVar[Choices | None] = ContextVar("holding", default=None)


def chosen(choice: Choice) -> Choice:
    """What a story chooses, or what it chose here when it was told first."""
    choices = holding.get()
    if choices is None:
        return choice
    for earlier in choices.again:
        return earlier
    choices.made.append(choice)
    return choice
