"""Measure chainrule and its peers side by side and print a table; see docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import traceback
from collections.abc import Callable
from time import perf_counter

from rich.console import Console
from rich.table import Table

from benchmarks import (
    checks,
    compiled,
    estimators,
    explain,
    frozen,
    harness,
    imports,
    kernels,
    larger,
    live_page,
    networks,
    reading,
    second_order,
    sweeps,
    tensors,
    values,
)

BENCHMARKS: dict[str, Callable[[], harness.Report]] = {
    "multiplication": values.multiplication,
    "demo": values.demo,
    "memory": values.memory,
    "chain": values.chain,
    "steps": tensors.steps,
    "compiled": compiled.compiled,
    "frozen": frozen.frozen,
    "second-order": second_order.second_order,
    "sweeps": sweeps.sweeps,
    "kernels": kernels.kernels,
    "training": networks.training,
    "estimators": estimators.estimators,
    "reading": reading.reading,
    "larger": larger.larger,
    "training-memory": larger.training_memory,
    "explanations": explain.explanations,
    "checks": checks.checks,
    "imports": imports.imports,
    "page": live_page.frames,
}
HEADINGS = ("what", "chainrule", "peer", "the peer's", "ratio", "target", "holds")


def read_arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="NAME", choices=list(BENCHMARKS), help=f"one of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--json", action="store_true", help="print every run as JSON instead of the table")
    parser.add_argument("--markdown", action="store_true", help="print the table as docs/benchmarks.md has it")
    parser.add_argument("--strict", action="store_true", help="end with an error where a target is missed")
    return parser.parse_args()


def print_rows(rows: list[harness.Row], markdown: bool) -> None:
    """The table: drawn on a terminal, plain columns elsewhere."""
    console = Console()
    lines = [row.cells() for row in rows]
    if markdown:
        for line in (HEADINGS, ["---"] * len(HEADINGS), *lines):
            print(f"| {' | '.join(line)} |")
        return
    if console.is_terminal:
        table = Table(*HEADINGS)
        for line in lines:
            table.add_row(*line, style="bold red" if line[-1] == "NO" else "")
        console.print(table)
        return
    widths = [max(map(len, column)) for column in zip(HEADINGS, *lines, strict=True)]
    for line in (HEADINGS, *lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def describe_machine(core: int | None) -> str:
    """What the figures were measured on and with."""
    from chainrule.core import COMPILED

    engine = "compiled" if COMPILED else "plain Python"
    pinned = "not pinned" if core is None else f"pinned to core {core}"
    return f"{platform.machine()}, Python {platform.python_version()}, {pinned}, scalar engine: {engine}"


def main() -> int:
    """Run what was asked for; 1 where something failed to run, or, if strict, where a target was missed."""
    options = read_arguments()
    core = harness.pin()
    start = perf_counter()
    rows: list[harness.Row] = []
    notes: list[str] = []
    failed: list[str] = []
    for name, benchmark in BENCHMARKS.items():
        if options.only not in (None, name):
            continue
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        try:
            report = benchmark()
        except Exception as error:  # noqa: BLE001  (the other benchmarks shall still run; the exit code tells)
            traceback.print_exc()
            failed.append(f"{name} failed: {error}")
            continue
        rows += report.rows
        notes += [note for note in report.notes if note not in notes]
    machine = describe_machine(core)
    if options.json:
        records = [row.record() for row in rows]
        print(json.dumps({"machine": machine, "rows": records, "notes": notes, "failed": failed}, indent=1))
    else:
        print_rows(rows, options.markdown)
        print(*notes, *failed, sep="\n", end="\n" if notes or failed else "")
        print(f"Medians (least–most); ratios of neighbouring runs. {machine}, {perf_counter() - start:.0f} s in all.")
    missed = any(row.holds is False for row in rows)
    return 1 if failed or (options.strict and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
