"""A chapter as it is written: Markdown, in which some fenced blocks are alive.

``python`` is run and shows what it gives, and names a library beside it that may not be there, as ``python torch``;
``math`` is a displayed formula, typed, and every side of it is worked out; ``question`` asks, and behind a line ``---``
answers; ``exercise`` is asked and marked. In the text ``{{ expression }}`` is replaced by what the expression gives.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

from chainrule.errors import ChainruleError
from chainrule.lessons.exercise import Exercise, exercise_from

FENCE = "```"
TOTAL = "total"


class LessonError(ChainruleError, ValueError):
    """A chapter that cannot be read or run, or an exercise that does not exist; the message says where."""


@dataclass(frozen=True, slots=True)
class Prose:
    """Markdown as it is, with places for numbers."""

    text: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a program, run in the namespace of its chapter; and the library without which it only says so."""

    source: str
    library: str = ""


@dataclass(frozen=True, slots=True)
class Display:
    """Displayed formulas, one a line; numbers for the letters that the chapter does not have stand beside the fence.

    The word ``total`` beside it says that one variable moves all others: derivatives are then written with d.
    """

    lines: tuple[str, ...]
    given: tuple[tuple[str, float], ...] = ()
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A place to stop and think, with its answer."""

    ask: str
    answer: str


Block = Prose | Cell | Display | Question | Exercise


@dataclass(frozen=True)
class Chapter:
    """One chapter: its number, its title, and its blocks in order."""

    number: int
    name: str
    """The name of its file, without the ending."""
    title: str
    blocks: tuple[Block, ...]

    @cached_property
    def exercises(self) -> tuple[Exercise, ...]:
        return tuple([block for block in self.blocks if isinstance(block, Exercise)])


@lru_cache(maxsize=1)
def chapters() -> tuple[Chapter, ...]:
    """All chapters of the course in order.

    >>> from chainrule.lessons import chapters
    >>> chapters()[0].number
    1
    """
    folder = files("chainrule.lessons") / "chapters"
    pages = sorted([page for page in folder.iterdir() if page.name.endswith(".md")], key=lambda page: page.name)
    return tuple([read_chapter(page.name.removesuffix(".md"), page.read_text("utf-8")) for page in pages])


def there_are(exercise_id: str) -> str:
    """The exercises of the chapter that a number such as 8.7 names, in words; where it names none, the chapters."""
    named = exercise_id.partition(".")[0]
    for chapter in chapters():
        if str(chapter.number) == named:
            return f"chapter {named} has {chapter.exercises[0].id} to {chapter.exercises[-1].id}"
    return f"the chapters are 1 to {chapters()[-1].number}, and chapter 8 has 8.1, 8.2, …"


def read_chapter(name: str, text: str) -> Chapter:
    """A chapter from its file's name, which begins with its number, and its text; the first line is its title.

    Raises LessonError for a block that is never closed or of a kind that does not exist, with the line.
    """
    number = int(name.partition("-")[0])
    first, _, rest = text.partition("\n")
    if not first.startswith("# "):
        raise LessonError(f"{name}: the first line is the title, as '# The chain rule'")
    return Chapter(number, name, first[2:].strip(), tuple(blocks_of(name, number, rest)))


def blocks_of(name: str, number: int, text: str) -> Iterator[Block]:
    """Prose and fenced blocks in order; the exercises are numbered as they come."""
    prose: list[str] = []
    inside: list[str] | None = None
    words, opened, exercises = "", 0, 0
    for at, line in enumerate(text.splitlines(), start=2):
        if inside is None and line.startswith(FENCE):
            words, opened, inside = line[len(FENCE) :].strip(), at, []
            if any([part.strip() for part in prose]):
                yield Prose("\n".join(prose).strip("\n"))
            prose = []
        elif inside is not None and line.rstrip() == FENCE:
            exercises += words == "exercise"
            try:
                yield block_of(words, inside, f"{number}.{exercises}")
            except (ValueError, KeyError) as error:
                raise LessonError(f"{name}.md, line {opened}: {error}") from error
            inside = None
        else:
            (prose if inside is None else inside).append(line)
    if inside is not None:
        raise LessonError(f"{name}.md, line {opened}: this block is never closed")
    if any([part.strip() for part in prose]):
        yield Prose("\n".join(prose).strip("\n"))


def block_of(words: str, lines: list[str], exercise_id: str) -> Block:
    """A fenced block by the first word beside its fence; a block of any other kind is shown as it is."""
    kind, *given = words.split()
    match kind:
        case "python":
            return Cell("\n".join(lines), *given[:1])
        case "math":
            shown = tuple([line.strip() for line in lines if line.strip()])
            numbers = tuple([number_given(word) for word in given if word != TOTAL])
            return Display(shown, numbers, TOTAL in given)
        case "question":
            cut = lines.index("---")
            return Question("\n".join(lines[:cut]).strip(), "\n".join(lines[cut + 1 :]).strip())
        case "exercise":
            return exercise_from(exercise_id, tomllib.loads("\n".join(lines)))
        case _:
            return Prose("\n".join([FENCE + words, *lines, FENCE]))


def number_given(word: str) -> tuple[str, Any]:
    """``x=2`` beside a fence."""
    name, sign, number = word.partition("=")
    if not sign:
        raise ValueError(f"beside the fence stands {word!r}, where name=number belongs")
    return name, float(number)
