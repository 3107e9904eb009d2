"""A script or a notebook as statements with their places; what is no Python is left out and said."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainrule.errors import FileError

LARGEST = 20 * 2**20
"""Bytes of a file that are read."""


@dataclass(frozen=True)
class Line:
    """A line of somebody's code: its cell (0 in a script), its number there, and its text."""

    cell: int
    number: int
    text: str

    def __str__(self) -> str:
        where = f"cell {self.cell}, line {self.number}" if self.cell else f"line {self.number}"
        return f"{where}: {self.text}"


@dataclass
class Cell:
    """Statements that were read together."""

    number: int
    lines: list[str]
    body: list[ast.stmt]


@dataclass
class Source:
    """All that was read, and what was not."""

    cells: list[Cell] = field(default_factory=list[Cell])
    unread: list[str] = field(default_factory=list[str])

    def line(self, cell: Cell, number: int) -> Line:
        text = cell.lines[number - 1].strip() if 0 < number <= len(cell.lines) else ""
        return Line(cell.number, number, text)


def read_source(path: str | Path) -> Source:
    """The statements of a .py or .ipynb file. Raises FileError for what is neither."""
    path = Path(path)
    if not path.is_file():
        raise FileError(f"there is no file {path}")
    if path.stat().st_size > LARGEST:
        raise FileError(f"{path} is larger than {LARGEST // 2**20} MB")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise FileError(f"{path} is no text") from None
    if path.suffix == ".ipynb":
        return read_notebook(text, str(path))
    if path.suffix != ".py":
        raise FileError(f"{path} is no .py and no .ipynb file")
    return of_texts([(0, text)])


def read_notebook(text: str, name: str) -> Source:
    """The code of a notebook, cell by cell."""
    try:
        cells: Any = json.loads(text)["cells"]
        code = [
            (number, "".join(cell["source"]) if isinstance(cell["source"], list) else str(cell["source"]))
            for number, cell in enumerate(cells, 1)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError):
        raise FileError(f"{name} is no notebook: it has no cells") from None
    return of_texts(code)


def of_texts(texts: list[tuple[int, str]]) -> Source:
    """Several pieces of code as one source."""
    found = Source()
    for number, text in texts:
        lines = [without_magic(line) for line in text.splitlines()]
        if lines and lines[0].startswith("%%"):
            continue
        try:
            body = ast.parse("\n".join(lines)).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            where = f"cell {number}" if number else "the file"
            at = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
            found.unread.append(f"{where} is no Python{at}")
            continue
        found.cells.append(Cell(number, lines, body))
    return found


def without_magic(line: str) -> str:
    """A line of a notebook; what is for the notebook itself and not for Python does nothing."""
    bare = line.lstrip()
    if bare.startswith("%%"):
        return line
    if bare.startswith(("%", "!", "?")) or bare.rstrip().endswith("?"):
        return line[: len(line) - len(bare)] + "pass"
    return line
