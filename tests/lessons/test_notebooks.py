"""Every chapter as a notebook: its cells are those that the chapter runs, and what they show in a kernel."""

from __future__ import annotations

import os
from typing import Any

import pytest

from chainrule.lessons import Exercise, Run, chapters
from chainrule.lessons.chapter import Cell
from chainrule.lessons.notebook import markdown_of_run

jupytext = pytest.importorskip("jupytext", reason="pip install jupytext")
nbclient = pytest.importorskip("nbclient", reason="pip install nbclient ipykernel")
pytest.importorskip("ipykernel", reason="pip install nbclient ipykernel")

pytestmark = pytest.mark.filterwarnings("ignore")  # those of Jupyter, which are not ours

NUMBERS = range(1, 21)
RUN_WHOLE = (1, 16)
"""Chapters that a kernel runs from the first cell to the last: with plots, pages, pictures, and PyTorch where it is."""


def notebook_of(text: str) -> Any:
    return jupytext.reads(text, fmt="md")


@pytest.fixture(scope="module")
def client():
    """One kernel for all chapters."""
    found = nbclient.NotebookClient(notebook_of(""), kernel_name="python3", timeout=120)
    with found.setup_kernel(env={**os.environ, "MPLBACKEND": "agg"}):
        yield found
        found.kc.stop_channels()


def is_asked(cell: Any) -> bool:
    return cell.cell_type == "code" and "cr.exercise(" in cell.source


def run_in(client: Any, run: Run, *, whole: bool) -> Any:
    """A notebook with what its cells gave, all or those that ask, in a kernel that has forgotten all others."""
    notebook = notebook_of(markdown_of_run(run))
    client.nb = notebook_of("```python\n%reset -f\n```")
    client.execute_cell(client.nb.cells[0], 0)
    client.nb = notebook
    for at, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and (whole or is_asked(cell)):
            client.execute_cell(cell, at)  # a failure raises
    return notebook


def shows_its_exercises(notebook: Any, number: int) -> None:
    asked = list(filter(is_asked, notebook.cells))
    for cell, exercise in zip(asked, chapters()[number - 1].exercises, strict=True):
        shown = cell.outputs[0]["data"]
        assert exercise.ask in shown["text/plain"]
        assert exercise.how in shown["text/markdown"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_notebook_has_the_cells_that_the_chapter_runs_and_asks_its_exercises(client, number, ran):
    run = ran(number)
    notebook = run_in(client, run, whole=number in RUN_WHOLE)
    kept = [cell.source for cell in notebook.cells if cell.cell_type == "code" and not is_asked(cell)]
    assert kept == [shown.block.source for shown in run.shown if isinstance(shown.block, Cell)]
    assert len([shown for shown in run.shown if isinstance(shown.block, Exercise)]) == len(run.chapter.exercises)
    shows_its_exercises(notebook, number)


@pytest.mark.soak
@pytest.mark.parametrize("number", NUMBERS)
def test_a_notebook_runs_from_its_first_cell_to_its_last(client, number, ran):
    shows_its_exercises(run_in(client, ran(number), whole=True), number)
