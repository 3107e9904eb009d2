"""The commands `lesson` and `exercise`: the course in a terminal, and files made of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chainrule.cli.help import Group
from chainrule.cli.telling import Json, refuse_unknown_options, say
from chainrule.errors import FileError
from chainrule.printable import printable, several
from chainrule.table import json_of

if TYPE_CHECKING:
    from chainrule.lessons import Exercise


def progress_folder() -> Path:
    """Where the system keeps what a program remembers of its user."""
    return Path(typer.get_app_dir("chainrule"))


def lesson(
    number: Annotated[int, typer.Argument(metavar="[NUMBER]", help="The chapter; without one, all are listed.")] = 0,
    html: Annotated[Path | None, typer.Option(help="Write the chapter as a page of HTML to this file.")] = None,
    notebook: Annotated[Path | None, typer.Option(help="Write the chapter as a notebook to this file.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin at the first part again.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Forget what was solved, in this chapter or in all.")] = False,
) -> None:
    """Read a chapter of the course: derivations by hand, code, pictures, and exercises that mark themselves.

    In a terminal it goes part by part and asks; where it was left, it goes on.
    """
    from chainrule.lessons.chapter import Chapter, LessonError, chapters
    from chainrule.lessons.progress import Progress

    progress = Progress(progress_folder())
    found: list[Chapter] = [chapter for chapter in chapters() if chapter.number == number]
    if number and not found:
        raise LessonError(f"there is no chapter {number}: the course has 1 to {chapters()[-1].number}")
    if reset:
        progress.reset(number or None)
        typer.echo(f"Chapter {number} is as new." if number else "All chapters are as new.")
        return
    if not number:
        list_chapters(Console(), progress.counts())
        return
    for place in (html, notebook):
        if place is not None and place.is_dir():
            raise FileError(f"{place} is a folder: name a file")
    if html is not None:
        from chainrule.files import write_whole
        from chainrule.lessons.page import page_of

        write_whole(html, page_of(found[0]))
        typer.echo(f"Written to {html}")
    if notebook is not None:
        from chainrule.lessons.notebook import write_notebook

        write_notebook(found[0], notebook)
        typer.echo(f"Written to {notebook}")
    if html is None and notebook is None:
        from chainrule.lessons.terminal import tell

        reader = sys.stdin.isatty() and sys.stdout.isatty()
        start = 0 if from_start or not reader else progress.resume_at(number)
        console = Console()
        tell(
            found[0],
            console,
            (lambda words: console.input(f"[bold]{words}:[/] ")) if reader else None,
            progress,
            start=start,
        )


def list_chapters(console: Console, counts: Mapping[int, tuple[int, int]]) -> None:
    from chainrule.lessons.chapter import chapters

    table = Table(box=None, pad_edge=False)
    for column in ("", "Chapter", "Solved"):
        table.add_column(column, justify="left" if column == "Chapter" else "right")
    for chapter in chapters():
        solved, of = counts[chapter.number]
        table.add_row(str(chapter.number), chapter.title, f"{solved} of {of}" if of else "")
    console.print(table)
    console.print("Read one: chainrule lesson 1")


Seed = Annotated[int | None, typer.Option(min=0, help="Draw other numbers; the same seed draws the same.")]


class Exercises(Group):
    """The commands of exercises: a number in place of a command asks that exercise, or marks an answer to it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let `exercise 8.2` stand for `exercise ask 8.2`."""
        first = next((word for word in args if not word.startswith("-")), "")
        return super().parse_args(ctx, [ASK, *args] if first and first not in self.commands else args)


def read_out(text: str) -> None:
    """Say words to a reader; a terminal breaks them between words, and spells out what it lacks before."""
    if not sys.stdout.isatty():
        say(text)
        return
    from chainrule.lessons.terminal import seen

    console = Console()
    console.print(Text(seen(printable(text, lines=True), console)))


ASK = "ask"
exercises = typer.Typer(cls=Exercises, rich_markup_mode=None, no_args_is_help=True)


@exercises.callback()
def exercise() -> None:
    """Ask an exercise of the course and mark answers: exercise 8.2, exercise 8.2 ANSWER.

    Draw one with other numbers, or write a whole set for a class, and mark what comes back.
    """


@exercises.command(ASK, context_settings={"ignore_unknown_options": True})
def ask(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Its number, as 8.2.")],
    answer: Annotated[str, typer.Argument(metavar="[ANSWER]", help="A formula, a number, or a letter.")] = "",
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Ask an exercise, or mark an answer to it; exit code 1 where it is not right yet, 2 where it cannot be read.

    Every other wrong answer brings a hint more.
    """
    from chainrule.lessons import exercise as find
    from chainrule.lessons.progress import Progress

    refuse_unknown_options([answer], context)
    found = find(number, seed=seed)
    if not answer:
        typer.echo(json_of(asked(found))) if as_json else read_out(repr(found))
        return
    marked = Progress(progress_folder()).answered(found, answer)
    if as_json:
        typer.echo(json_of(asdict(marked)))
    else:
        read_out(repr(marked))
    if not marked:
        raise typer.Exit(1 if marked.read else 2)


def asked(found: Exercise) -> dict[str, Any]:
    """An exercise as data, without its answer."""
    return {"id": found.id, "seed": found.seed, "ask": found.ask, "choices": found.choices, "how": found.how}


@exercises.command("new")
def new(
    number: Annotated[str, typer.Argument(metavar="[NUMBER]", help="An exercise, as 8.3, or a chapter, as 8.")] = "",
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Draw an exercise with other numbers, which hide no mistake; without a number any of the course."""
    import random

    from chainrule.lessons import chapters
    from chainrule.lessons.sets import chosen

    drawn = random.SystemRandom().randrange(1000) if seed is None else seed
    ids = chosen([number] if number else [str(chapter.number) for chapter in chapters()])
    having = [e for chapter in chapters() for e in chapter.exercises if e.id in ids and e.has_numbers]
    if not having:
        raise FileError(f"{number} has no numbers that could be others: chainrule exercise {number}")
    found = having[drawn % len(having)].fresh(drawn)
    if as_json:
        typer.echo(json_of(asked(found)))
        return
    read_out(repr(found))
    say(f"To mark it: chainrule exercise {found.id} ANSWER --seed {drawn}")


@exercises.command("set")
def write_set(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go.")],
    numbers: Annotated[list[str], typer.Argument(metavar="NUMBER...", help="Exercises, as 8.3, or chapters, as 8.")],
    sheets: Annotated[int, typer.Option(min=1, max=999, help="So many sheets, each with its own numbers.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Draws the numbers.")] = 0,
) -> None:
    """Write a set for a class: sheets to print, forms to hand in, worksheets, and the key."""
    from chainrule.lessons.sets import ExerciseSet, chosen

    files = ExerciseSet(chosen(numbers), sheets, seed).save(folder)
    say(f"{len(files)} files in {folder}: {several(sheets, 'sheet')}, and key.html for the teacher")
    say(f"To mark what comes back: chainrule exercise mark {folder} FOLDER_OF_FORMS")


@exercises.command("mark")
def mark(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="The folder that `set` wrote.")],
    forms: Annotated[Path, typer.Argument(metavar="FORMS", help="A folder of filled-in forms, each a .txt.")],
    as_json: Json = False,
) -> None:
    """Mark a folder of forms: who is right in what, and which mistakes were made most."""
    from chainrule.lessons.sets import read_set

    if not forms.is_dir():
        raise FileError(f"{forms} is no folder: name the one that holds the forms")
    marks = read_set(folder).marks(forms)
    say(json_of(marks.as_dict()) if as_json else str(marks.table()))
