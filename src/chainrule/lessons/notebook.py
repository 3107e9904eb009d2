"""A chapter as a notebook, through jupytext: cells to run, exercises that ask and mark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chainrule.errors import MissingExtra
from chainrule.files import write_whole
from chainrule.lessons.chapter import Cell, Chapter, Display, Prose, Question
from chainrule.lessons.exercise import Exercise
from chainrule.lessons.run import Run, Shown, run_chapter
from chainrule.maths import latex


def markdown_of(chapter: Chapter) -> str:
    """The chapter as Markdown that jupytext reads: numbers in place, formulas in LaTeX, answers folded away."""
    return markdown_of_run(run_chapter(chapter))


def markdown_of_run(run: Run) -> str:
    parts = [f"# {run.chapter.number}. {run.chapter.title}", *map(cell_of, run.shown)]
    return "\n\n".join(parts) + "\n"


def cell_of(shown: Shown) -> str:
    match shown.block:
        case Cell(source, library):
            goes_on = (
                ' tags=["raises-exception"]' if library else ""
            )  # in Jupyter's words, what follows runs all the same
            return f"```python{goes_on}\n{source}\n```"
        case Display():
            return "\n\n".join([f"$$ {latex(formula)} $$" for formula in shown.formulas])
        case Question(ask, answer):
            return f"**Pause.** {ask}\n\n<details><summary>Answer</summary>\n\n{answer}\n\n</details>"
        case Exercise(id=number):
            return f'```python\nimport chainrule as cr\n\ncr.exercise("{number}")\n```'
        case Prose(text):
            return text
        case _:
            raise TypeError(f"a chapter has no {type(shown.block).__name__}")


def write_notebook(chapter: Chapter, place: Path) -> None:
    """Write the chapter as a notebook that has not been run. Raises MissingExtra without jupytext."""
    try:
        import jupytext  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise MissingExtra("jupytext", "lessons") from None
    notebook: Any = jupytext.reads(markdown_of(chapter), fmt="md")
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    write_whole(place, jupytext.writes(notebook, fmt="ipynb"))
