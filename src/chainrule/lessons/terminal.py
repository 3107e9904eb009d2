"""A chapter in a terminal: one part at a time, questions asked, answers marked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from chainrule.lessons.chapter import Cell, Chapter, Display, Prose, Question
from chainrule.lessons.exercise import Exercise, Marked
from chainrule.lessons.progress import Progress
from chainrule.lessons.run import Shown, steps_of
from chainrule.maths import unicode

Ask = Callable[[str], str]
"""Asks the reader for a line; raises EOFError where there is nobody."""
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
                    console.print(Padding(Markdown(answer), (0, 0, 1, 2)))
                case _:
                    pass
        progress.leave(chapter.number, 0)
    except EOFError:
        console.print("To go on later: the same command again.")


def show(shown: Shown, console: Console) -> None:
    """One part on the screen."""
    match shown.block:
        case Prose(text):
            console.print(Markdown(text))
        case Cell(source):
            code = Syntax(source, "python", theme="ansi_dark", background_color="default", word_wrap=True)
            console.print(Padding(code, (1, 0, 0, 2)))
            console.print(Padding(output(shown), (0, 0, 1, 4)))
        case Display():
            console.print(Padding(Text("\n".join([unicode(formula) for formula in shown.formulas])), (1, 0, 1, 4)))
        case Question(asked, _):
            console.print(Padding(Markdown(f"**Pause.** {asked}"), (1, 0, 0, 0)))
        case Exercise() as exercise:
            console.print(Padding(Markdown(exercise.as_markdown()), (1, 0, 0, 0)))
        case _:
            raise TypeError(f"a chapter has no {type(shown.block).__name__}")
    if isinstance(shown.block, Prose):
        console.print()


def output(shown: Shown) -> Any:
    """What a cell gave, as a terminal can show it."""
    parts: list[Any] = []
    if shown.printed:
        parts.append(Text(shown.printed.rstrip("\n")))
    if shown.value is not None:
        parts.append(renderable(shown.value))
    return Group(*parts)


def renderable(x: Any) -> Any:
    """A value as Rich shows it, arrays and numbers as Python prints them, and a picture by its name."""
    if hasattr(x, "__rich__"):
        return x
    return Text("[a plot: --html shows it]" if hasattr(x, "savefig") else str(x))


def solve(exercise: Exercise, console: Console, ask: Ask | None, progress: Progress) -> None:
    """Ask until it is right, or until the reader goes on: an empty line skips, `answer` shows the answer."""
    if ask is None:
        return
    tries = 0
    while True:
        typed = ask(
            "Your answer (Enter to skip)" if tries < TRIES else "Your answer (Enter to skip, 'answer' to see it)"
        )
        if not typed.strip():
            return
        if typed.strip() == "answer" and tries >= TRIES:
            console.print(Padding(Text(f"One right answer: {exercise.answer}"), (0, 0, 1, 2)))
            return
        marked = exercise.mark(typed)
        console.print(Padding(Text(verdict(marked, tries), style="green" if marked else "yellow"), (0, 0, 1, 2)))
        if marked:
            progress.solve(exercise.id)
            return
        tries += 1


def verdict(marked: Marked, tries: int) -> str:
    """What is said of an answer; of the hints one more with every try."""
    return "\n".join([marked.says, *marked.hints[: tries + 1]])
