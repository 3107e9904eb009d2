"""A chapter run: its cells executed in one namespace, its formulas checked, its numbers put in place."""

from __future__ import annotations

import ast
import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core import Value
from chainrule.core.tensor import Tensor
from chainrule.errors import MissingExtra
from chainrule.lessons.chapter import Block, Cell, Chapter, Display, Prose, Question
from chainrule.lessons.exercise import Exercise
from chainrule.lessons.formulas import displayed
from chainrule.lessons.numbers import in_places
from chainrule.maths import Relation, numeral

SHOWS_ITSELF = ("__rich__", "_repr_html_")


@dataclass(frozen=True)
class Shown:
    """A block with what it gave: a cell's printed lines and its last value, the trees of displayed formulas."""

    block: Block
    printed: str = ""
    value: Any = None
    formulas: tuple[Relation, ...] = ()


@dataclass(frozen=True)
class Run:
    """A chapter with every number in it."""

    chapter: Chapter
    shown: tuple[Shown, ...]
    namespace: dict[str, Any]


def run_chapter(chapter: Chapter) -> Run:
    """A chapter with its cells executed, its formulas checked and its numbers in place.

    Raises what a cell raises, and ChainruleError for a formula whose sides differ. It takes as long as its cells do.

    >>> from chainrule.lessons import chapters, run_chapter
    >>> run = run_chapter(chapters()[0])
    >>> run.chapter.number
    1
    """
    namespace: dict[str, Any] = {"__name__": f"lesson_{chapter.number}"}
    return Run(chapter, tuple(steps_of(chapter, namespace)), namespace)


def steps_of(chapter: Chapter, namespace: dict[str, Any]) -> Iterator[Shown]:
    """The blocks one after the other, each run when it is reached: a terminal shows one before it runs the next."""
    for at, block in enumerate(chapter.blocks, start=1):
        try:
            yield shown(block, namespace)
        except Exception as error:
            error.add_note(f"in block {at} of chapter {chapter.number}, {chapter.title}")
            raise


def shown(block: Block, namespace: dict[str, Any]) -> Shown:
    match block:
        case Cell(source):
            try:
                return Shown(block, *executed(source, namespace))
            except MissingExtra as error:  # a picture needs a library, and the chapter goes on without it
                return Shown(block, value=Printed(error))
        case Display(lines, given, is_total):
            letters = {**namespace, **dict(given)}
            return Shown(block, formulas=tuple([displayed(line, letters, is_total=is_total) for line in lines]))
        case Prose(text):
            return Shown(Prose(filled(text, namespace)))
        case Question(ask, answer):
            return Shown(Question(filled(ask, namespace), filled(answer, namespace)))
        case Exercise():
            return Shown(block)


def executed(source: str, namespace: dict[str, Any]) -> tuple[str, Any]:
    """What a cell prints, and the value of its last line if that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        # The chapters are part of this package; nothing that a reader types comes here.
        exec(compile(tree, "<lesson>", "exec"), namespace)  # noqa: S102
        value = None
        if isinstance(last, ast.Expr):
            value = as_it_is_now(eval(compile(ast.Expression(last.value), "<lesson>", "eval"), namespace))  # noqa: S307
    return printed.getvalue(), value


class Printed(str):
    """A value as Python printed it when its cell was run; nodes and arrays change later."""

    __slots__ = ()
    __repr__ = str.__str__


def as_it_is_now(x: Any) -> Any:
    """What shows itself stays, of a plot its figure, and the rest is printed at once."""
    axes: Any = x[0] if isinstance(x, list) and x else x
    if hasattr(axes, "get_figure"):
        from matplotlib import pyplot

        figure = axes.get_figure()
        pyplot.close(figure)  # it is drawn on a page, and opens no window
        return figure
    if x is None or any([hasattr(x, name) for name in SHOWS_ITSELF]):
        return x
    return Printed(np.array2string(x, precision=6) if isinstance(x, np.ndarray) else repr(x))


def filled(text: str, namespace: dict[str, Any]) -> str:
    """Text with numbers in place of the expressions between double braces."""

    def place(inside: str) -> str:
        expression, colon, digits = inside.rpartition(" : ")
        value = eval((expression if colon else inside).strip(), namespace)  # noqa: S307 (our own chapters)
        return minus(format(float(value), digits.strip())) if colon else written(value)

    return in_places(text, place)


def written(x: Any) -> str:
    """A value as it stands in a sentence."""
    if isinstance(x, Value | Tensor):
        x = x.data
    if isinstance(x, str):
        return x
    if np.ndim(x) == 0:
        return (
            minus(numeral(float(x)).text)
            if not isinstance(x, int) or isinstance(x, bool)
            else f"{x:,}".replace("-", "−")
        )
    return "(" + ", ".join([written(y) for y in x]) + ")"


def minus(text: str) -> str:
    """A number with the sign that a printed minus has."""
    return text.replace("-", "−")
