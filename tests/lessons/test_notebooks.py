"""Every chapter as a notebook, run in a kernel from its first cell to its last, and what its cells show."""

from __future__ import annotations

import os
from typing import Any

import pytest

from chainrule.lessons import chapters
from chainrule.lessons.notebook import markdown_of

jupytext = pytest.importorskip("jupytext", reason="pip install jupytext")
nbclient = pytest.importorskip("nbclient", reason="pip install nbclient ipykernel")
pytest.importorskip("ipykernel", reason="pip install nbclient ipykernel")

pytestmark = pytest.mark.filterwarnings("ignore")  # those of Jupyter, which are not ours


def notebook_of(text: str) -> Any:
    return jupytext.reads(text, fmt="md")


@pytest.fixture(scope="module")
def client():
    """One kernel for all chapters."""
    found = nbclient.NotebookClient(notebook_of(""), kernel_name="python3", timeout=120)
    with found.setup_kernel(env={**os.environ, "MPLBACKEND": "agg"}):
        yield found
        found.kc.stop_channels()


def run_in(client: Any, number: int) -> Any:
    """A chapter as a notebook with what its cells gave, in a kernel that has forgotten all others; a failure raises."""
    notebook = notebook_of(markdown_of(chapters()[number - 1]))
    client.nb = notebook_of("```python\n%reset -f\n```")
    client.execute_cell(client.nb.cells[0], 0)
    client.nb = notebook
    for at, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            client.execute_cell(cell, at)
    return notebook


@pytest.mark.parametrize("number", range(1, 21))
def test_a_notebook_runs(client, number):
    notebook = run_in(client, number)
    asked = [cell for cell in notebook.cells if cell.cell_type == "code" and "cr.exercise(" in cell.source]
    assert len(asked) == len(chapters()[number - 1].exercises)
    for cell, exercise in zip(asked, chapters()[number - 1].exercises, strict=True):
        shown = cell.outputs[0]["data"]
        assert exercise.ask in shown["text/plain"]
        assert exercise.how in shown["text/markdown"]
