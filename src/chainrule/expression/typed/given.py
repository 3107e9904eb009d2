"""Values and shapes as they are typed beside a formula: ``x=2``, ``W=[[1, 2], [3, 4]]``, ``b=@bias.csv``, ``W:3x2``."""

from __future__ import annotations

import builtins
import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.errors import FormulaError
from chainrule.expression.typed.caret import error_at
from chainrule.expression.typed.functions import look_up
from chainrule.expression.typed.number_files import MOST_ENTRIES, array_in, plain_number
from chainrule.expression.typed.parse import read
from chainrule.expression.typed.tokens import in_name, name_at

MOST_AXES = 8
"""Axes of an array that is typed, or of a shape."""

PIECE = re.compile(r"\s*([\[\],]|[^\[\],\s]+)")
HOW = "write x=2, W=[[1, 2], [3, 4]], W=@file.npy, W=@file.csv, or W:3x2 for a shape alone"


@dataclass(frozen=True, slots=True)
class Given:
    """What was given beside a formula, by name: values (floats and arrays of floats), and shapes without values."""

    values: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


def read_given(items: Iterable[str]) -> Given:
    """The values and shapes in texts such as ``x=2``; O(entries).

    A number may be arithmetic (``x=1/3``, ``t=pi/4``), ``nan`` or ``inf``. A list has numbers, or lists of one length.
    After ``@`` stands a file: ``.npy``, or ``.csv`` with commas, semicolons or tabs and without a header; a single row
    or column is a vector. A shape is ``3x2``, or ``scalar``. Raises FormulaError, which shows the place or the line.

    >>> from chainrule.expression import read_given
    >>> given = read_given(["x=2", "b=[1, 0.5]", "W:3x2"])
    >>> given.values["x"], given.values["b"], given.shapes
    (2.0, array([1. , 0.5]), {'W': (3, 2)})
    """
    given = Given()
    for item in items:
        name, at = name_of(item)
        if name in given.values or name in given.shapes:
            raise error_at(item, 0, at, f"{name} is given twice")
        if item[at] == ":":
            given.shapes[name] = read_shape(item, at + 1)
        else:
            given.values[name] = read_value(item, at + 1)
    return given


def name_of(item: str, own: Collection[str] = ()) -> tuple[str, int]:
    """The name that an item begins with, and where the sign after it stands; no function's, but for those in `own`."""
    start = len(item) - len(item.lstrip())
    if start == len(item):
        raise error_at(item, 0, 0, f"there is nothing here: {HOW}")
    if not in_name(item[start], first=True):
        raise error_at(item, start, start + 1, f"a name is missing: {HOW}")
    token = name_at(item, start)
    at = token.stop + len(item[token.stop :]) - len(item[token.stop :].lstrip())
    if at == len(item) or item[at] not in "=:":
        raise error_at(item, at, at + 1, f"= or : is missing after {token.text}: {HOW}")
    function = look_up(token.text)
    taken = (function is not None and function.name == token.text) or hasattr(builtins, token.text)
    if taken and token.text not in own:
        raise error_at(item, start, token.stop, f"{token.text} is the name of a function: choose another name")
    return token.text, at


def read_shape(item: str, start: int) -> tuple[int, ...]:
    """``3x2``, ``3``, or ``scalar``."""
    text = item[start:].strip()
    if text == "scalar":
        return ()
    parts = re.split(r"\s*[x×*,]\s*", text)
    if not all(re.fullmatch("0*[1-9][0-9]{0,8}", part) for part in parts):
        raise error_at(item, start, len(item), "a shape is whole numbers from 1 on, as 3x2, or scalar")
    shape = tuple(map(int, parts))
    if len(shape) > MOST_AXES or math.prod(shape) > MOST_ENTRIES:
        raise error_at(item, start, len(item), f"a shape has at most {MOST_AXES} axes and {MOST_ENTRIES:,} entries")
    return shape


def read_value(item: str, start: int) -> Any:
    """A number, a list of numbers, what a file holds, or what a formula without names gives, as ``eye(3)``."""
    text = item[start:].strip()
    if text.startswith("@"):
        return array_in(Path(text[1:].strip()))
    if text.startswith("["):
        return ListReader(item, start).read()
    number = plain_number(text)
    if number is None:
        formula = read(item, start)
        if formula.names:
            step = next(step for step in formula.steps if step.name == formula.names[0])
            raise formula.error(step, "a value is a number, and this is a name: give it the number itself")
        number = np.asarray(formula.run({}), dtype=float)
    return float(number) if np.ndim(number) == 0 else number


class ListReader:
    """Reads a list of numbers, or of lists of one shape, without recursion."""

    def __init__(self, item: str, start: int) -> None:
        self.item = item
        self.at = start
        self.opened: list[int] = []
        self.levels: list[list[Any]] = [[]]
        self.lengths: dict[int, int] = {}
        self.numbers_at: int | None = None

    def read(self) -> Any:
        """The array; every row of it has the same length, and every number the same depth."""
        between = True
        end = len(self.item.rstrip())
        while self.at < end:
            match = PIECE.match(self.item, self.at)
            assert match is not None
            piece, start, self.at = match[1], match.start(1), match.end(1)
            complete = len(self.levels) == 1 and bool(self.levels[0])
            if complete or ((piece in (",", "]")) == between and not (piece == "]" and self.just_opened(start))):
                raise self.wrong(start, piece, complete, between)
            if piece == "[":
                self.open(start)
            elif piece == "]":
                self.close(start)
            elif piece != ",":
                self.add(piece, start)
            between = piece in (",", "[")
        if self.opened:
            raise error_at(self.item, self.opened[-1], self.opened[-1] + 1, "this [ is never closed")
        return np.array(self.levels[0][0], dtype=np.float64)

    def just_opened(self, start: int) -> bool:
        return bool(self.opened) and not self.item[self.opened[-1] + 1 : start].strip()

    def wrong(self, start: int, piece: str, complete: bool, between: bool) -> FormulaError:
        what = "a number or a list is missing before this" if between else "a comma is missing before this"
        if complete:
            what = "the list has ended before this"
        return error_at(self.item, start, start + len(piece), f"{what}: a matrix is written [[1, 2], [3, 4]]")

    def open(self, start: int) -> None:
        self.opened.append(start)
        self.levels.append([])
        if len(self.opened) > MOST_AXES:
            raise error_at(self.item, start, start + 1, f"an array has at most {MOST_AXES} axes")
        if self.numbers_at is not None and len(self.opened) > self.numbers_at:
            raise error_at(self.item, start, start + 1, "a list stands here where its neighbours have a number")

    def close(self, start: int) -> None:
        """A list ends; its length is that of all lists as deep."""
        depth, begin, row = len(self.opened), self.opened.pop(), self.levels.pop()
        if not row:
            raise error_at(self.item, begin, start + 1, "this list is empty: an array has at least one number")
        length = self.lengths.setdefault(depth, len(row))
        if len(row) != length:
            problem = f"ragged: this row has length {len(row)}, and those before it have {length}"
            raise error_at(self.item, begin, start + 1, problem)
        self.levels[-1].append(row)

    def add(self, piece: str, start: int) -> None:
        number = plain_number(piece)
        depth = len(self.opened)
        if number is None:
            problem = "a list has plain numbers with commas between, as [1, -0.5, 2e3]"
            raise error_at(self.item, start, start + len(piece), problem)
        if self.numbers_at is None:
            self.numbers_at = depth
        if depth != self.numbers_at:
            problem = "a number stands here where its neighbours have a list"
            raise error_at(self.item, start, start + len(piece), problem)
        self.levels[-1].append(number)
