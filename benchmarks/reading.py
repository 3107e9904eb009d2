"""Tables of numbers read from a CSV file: pandas reads them as they are, this package finds out what each column is."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Report, Row, Worker, agree, timed

WIDE, TALL, LONG, WIDEST = (60, 2308), (2308, 60), (100_000, 20), (100, 8000)
CELLS: dict[str, Callable[[float, int], str]] = {
    "decimals": lambda value, _: f"{value:.4f}",
    "whole numbers": lambda value, _: f"{value:.0f}",
    "decimals with gaps": lambda value, _: "" if abs(value) < 20 else f"{value:.4f}",
    "numbers and categories": lambda value, place: (
        f"k{int(abs(value)) % 5}" if place % 3 == 0 else f"{value:.{place % 3}f}"
    ),
}
TARGET, LONGEST = 2.0, 3.0
"""Times pandas' time for wide tables of numbers, and seconds for the widest."""
TOLERANCE = 1e-9
RUNS = 9


def written(folder: Path, shape: tuple[int, int], cells: str) -> Path:
    """A table of cells of a kind, the last column being the target, which is complete."""
    rows, columns = shape
    path = folder / f"{rows}x{columns}{cells}.csv"
    values, cell = 300 * np.random.default_rng(0).normal(size=shape), CELLS[cells]
    lines = [[*[f"c{i}" for i in range(1, columns)], "y"]]
    lines += [[*[cell(value, i) for i, value in enumerate(row[:-1])], f"{row[-1]:.4f}"] for row in values.tolist()]
    path.write_text("\n".join(map(",".join, lines)) + "\n", encoding="utf-8")
    return path


def reads(library: str, path: str) -> Callable[[int], float]:
    """Read a file; the number is the mean of its targets."""
    warnings.simplefilter("ignore")
    if library == "pandas":
        import pandas

        def read() -> float:
            return float(pandas.read_csv(path)["y"].mean())
    else:
        from chainrule.data import read_table

        def read() -> float:
            table: Any = read_table(path, target="y", task="regression")
            return float(table.targets.mean())

    return lambda count: [read() for _ in range(count)][-1]


def reading() -> Report:
    """The time to read a table, beside pandas'."""
    report = Report()
    if report.missing(["pandas", "polars"]):
        return report
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_workers:

        def workers(path: Path, *libraries: str) -> list[Worker]:
            return [
                open_workers.enter_context(Worker("benchmarks.reading:reads", library, str(path)))
                for library in libraries
            ]

        for name, shape in {"60 × 2,308": WIDE, "2,308 × 60": TALL, "100,000 × 20": LONG}.items():
            for cells in CELLS:
                both = workers(written(Path(folder), shape, cells), "chainrule", "pandas")
                agree(both, 1, TOLERANCE)
                seconds = timed(both, seconds=0.2, runs=RUNS)
                target = TARGET if shape == WIDE and cells in ("decimals", "whole numbers") else None
                report.rows.append(Row(f"reading {name}, {cells}", seconds[0], "pandas", seconds[1], target=target))
        for cells in CELLS:
            seconds = timed(workers(written(Path(folder), WIDEST, cells), "chainrule"), seconds=0.2, runs=RUNS)
            report.rows.append(Row(f"reading 100 × 8,000, {cells}", seconds[0], unit=1.0, target=LONGEST))
    return report
