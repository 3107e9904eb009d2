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

SHAPES = {"60 × 2,308": (60, 2308), "2,308 × 60": (2308, 60)}
DIGITS = {"four decimals": ".4f", "whole numbers": ".0f"}
WIDEST = (100, 8000)
TARGET, LONGEST = 2.0, 3.0
"""Times pandas' time, and seconds for the widest."""
TOLERANCE = 1e-9
RUNS = 9


def written(folder: Path, rows: int, columns: int, form: str) -> Path:
    """A table of numbers of hundreds, the last column being the target."""
    path = folder / f"{rows}x{columns}{form}.csv"
    values = 300 * np.random.default_rng(0).normal(size=(rows, columns))
    lines = [",".join([f"c{i}" for i in range(1, columns)] + ["y"])]
    lines += [",".join([format(value, form) for value in row]) for row in values.tolist()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
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

        for digits, form in DIGITS.items():
            for name, shape in SHAPES.items():
                both = workers(written(Path(folder), *shape, form), "chainrule", "pandas")
                agree(both, 1, TOLERANCE)
                seconds = timed(both, seconds=0.2, runs=RUNS)
                report.rows.append(
                    Row(f"reading {name} numbers, {digits}", seconds[0], "pandas", seconds[1], target=TARGET)
                )
        seconds = timed(workers(written(Path(folder), *WIDEST, ".4f"), "chainrule"), seconds=0.2, runs=RUNS)
        report.rows.append(Row("reading 100 × 8,000 numbers", seconds[0], unit=1.0, target=LONGEST))
    return report
