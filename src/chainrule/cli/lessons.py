"""The commands `lesson` and `exercise`: the course in a terminal, and files made of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from chainrule.cli.telling import Json
from chainrule.errors import FileError


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
    """All chapters with how much of each is done."""
    from chainrule.lessons.chapter import chapters

    table = Table(box=None, pad_edge=False)
    for column in ("", "Chapter", "Solved"):
        table.add_column(column, justify="left" if column == "Chapter" else "right")
    for chapter in chapters():
        solved, of = counts[chapter.number]
        table.add_row(str(chapter.number), chapter.title, f"{solved} of {of}" if of else "")
    console.print(table)
    console.print("Read one: chainrule lesson 1")


def exercise(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Its number, as 8.2.")],
    answer: Annotated[str, typer.Argument(metavar="[ANSWER]", help="A formula, a number, or a letter.")] = "",
    as_json: Json = False,
) -> None:
    """Ask an exercise of the course, or mark an answer to it; exit code 1 where it is not right yet."""
    from chainrule.lessons import exercise as find
    from chainrule.lessons.progress import Progress
    from chainrule.lessons.terminal import verdict

    found = find(number)
    if not answer:
        typer.echo(json.dumps({"id": found.id, "ask": found.ask, "choices": found.choices}) if as_json else repr(found))
        return
    marked = found.mark(answer)
    if as_json:
        told = {"right": marked.right, "says": marked.says, "hints": marked.hints, "mistakes": marked.mistakes}
        typer.echo(json.dumps(told))
    else:
        typer.echo(verdict(marked, 0))
    if not marked:
        raise typer.Exit(1)
    Progress(progress_folder()).solve(found.id)
