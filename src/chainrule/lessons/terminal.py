"""A chapter in a terminal: one part at a time, questions asked, answers marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from chainrule.lessons.chapter import Cell, Chapter, Display, Prose, Question
from chainrule.lessons.exercise import Exercise
from chainrule.lessons.progress import Progress
from chainrule.lessons.run import Shown, steps_of
from chainrule.maths import unicode
from chainrule.pictures.picture import Picture
from chainrule.printable import spelled

Ask = Callable[[str], str]
"""Asks the reader for a line; raises EOFError where there is nobody."""
SIGNS = "∂ŷ₁²−·"
"""What a console can show that has signs of mathematics."""
INDENT = 4
"""So far what a cell gives stands from the left."""
TRIES = 3
"""Hints come one after the other; then the answer is offered."""


def tell(chapter: Chapter, console: Console, ask: Ask | None, progress: Progress, *, start: int = 0) -> None:
    """Tell a chapter from one of its blocks on; without a reader to ask, all of it, answers at the end of questions.

    What comes before `start` is run and not shown, so that the numbers are those of the chapter.
    """
    namespace: dict[str, Any] = {"__name__": f"lesson_{chapter.number}"}
    console.rule(f"{chapter.number}. {chapter.title}", characters="─" if console.encoding.startswith("utf") else "-")
    try:
        for at, shown in enumerate(steps_of(chapter, namespace)):
            if at < start:
                continue
            progress.leave(chapter.number, at)
            show(shown, console)
            match shown.block:
                case Exercise() as exercise:
                    solve(exercise, console, ask, progress)
                case Question(_, answer):
                    if ask is not None:
                        ask("Think, then press Enter")
                    console.print(Padding(words(answer, console), (0, 0, 1, 2)))
                case _:
                    pass
        progress.leave(chapter.number, 0)
    except EOFError:
        console.print("To go on later: the same command again.")


def show(shown: Shown, console: Console) -> None:
    match shown.block:
        case Prose(text):
            console.print(words(text, console))
        case Cell(source):
            code = Syntax(
                seen(source, console), "python", theme="ansi_dark", background_color="default", word_wrap=True
            )
            console.print(Padding(code, (1, 0, 0, 2)))
            console.print(Padding(output(shown, console), (0, 0, 1, INDENT)))
        case Display():
            console.print(
                Padding(Text(seen("\n".join([unicode(formula) for formula in shown.formulas]), console)), (1, 0, 1, 4))
            )
        case Question(asked, _):
            console.print(Padding(words(f"**Pause.** {asked}", console), (1, 0, 0, 0)))
        case Exercise() as exercise:
            console.print(Padding(words(exercise.as_markdown(), console), (1, 0, 0, 0)))
        case _:
            raise TypeError(f"a chapter has no {type(shown.block).__name__}")
    if isinstance(shown.block, Prose):
        console.print()


def seen(text: str, console: Console) -> str:
    """Text as this console can show it: spelled out where it lacks the signs, before lines are broken."""
    try:
        text.encode(console.encoding)
    except UnicodeError:
        return spelled(text)
    return text


def words(text: str, console: Console) -> Markdown:
    """Markdown as this console can show it.

    Signs are spelled out after it was read: a * that stands for · is none of Markdown's.
    """
    read = Markdown(text)
    waiting = list(read.parsed)
    while waiting:
        token = waiting.pop()
        token.content = seen(token.content, console)
        waiting += token.children or []
    return read


def output(shown: Shown, console: Console) -> Any:
    """What a cell gave, as a terminal can show it."""
    parts: list[Any] = []
    if shown.printed:
        parts.append(Text(seen(shown.printed.rstrip("\n"), console)))
    if shown.value is not None:
        parts.append(renderable(shown.value, console))
    return Group(*parts)


def renderable(x: Any, console: Console) -> Any:
    """A value as Rich shows it, arrays and numbers as Python prints them, and a picture by its name."""
    full = seen(SIGNS, console) == SIGNS
    if isinstance(x, Picture):
        return Text(x.text(width=console.width - INDENT, ascii=not full))
    if hasattr(x, "__rich__") and full:
        return x
    return Text(seen("[a plot: --html shows it]" if hasattr(x, "savefig") else str(x), console))


def solve(exercise: Exercise, console: Console, ask: Ask | None, progress: Progress) -> None:
    """Ask until it is right, or until the reader goes on: an empty line skips, `answer` shows the answer.

    What cannot be read as an answer is no try.
    """
    if ask is None:
        return
    tries = 0

    def say(text: str, style: str = "") -> None:
        console.print(Padding(Text(seen(text, console), style=style), (0, 0, 1, 2)))

    while True:
        typed = ask(
            "Your answer (Enter to skip)" if tries < TRIES else "Your answer (Enter to skip, 'answer' to see it)"
        )
        if not typed.strip():
            return
        if typed.strip() == "answer":
            if tries >= TRIES:
                say(f"One right answer: {exercise.answer}")
                return
            say(f"It is shown after {TRIES} tries.")
            continue
        marked = exercise.mark(typed)
        tries += marked.read
        say(repr(replace(marked, tries=tries) if marked.read else marked), "green" if marked else "yellow")
        if marked:
            progress.solve(exercise.id)
            return
