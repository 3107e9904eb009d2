"""What a story picks by its size, held while the same story is told of other numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Choice = TypeVar("Choice")
"""The place of an entry, an order, some paths, a word."""


class Choices:
    """What a story chose when it was told first, in turn; if that was at a general place, what it said is held too."""

    def __init__(self, *, general: bool = False) -> None:
        self.general = general
        self.made: list[Any] = []
        self.again: Iterator[Any] = iter(())

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


def chosen(choice: Choice, fits: Callable[[Any], bool] = lambda earlier: True) -> Choice:
    """What a story chooses, or what it chose here when it was told first, where that `fits` the numbers of now."""
    choices = holding.get()
    if choices is None:
        return choice
    for earlier in choices.again:
        return earlier if fits(earlier) else choice
    choices.made.append(choice)
    return choice


def said_in_general(words: str) -> str:
    """What a story says of some numbers, or what it said of those of a general place, which holds of any."""
    choices = holding.get()
    return words if choices is None or not choices.general else chosen(words)
