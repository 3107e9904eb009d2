"""Contestants in processes of their own, run in turn, and what their runs say: medians, spread and ratios."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from shutil import which
from statistics import median
from typing import Any

RUNS = 9
MICROSECOND, MILLISECOND, NANOSECOND, MEGABYTE = 1e-6, 1e-3, 1e-9, 1e6
UNIT_NAMES = {1.0: "s", MILLISECOND: "ms", MICROSECOND: "µs", NANOSECOND: "ns", MEGABYTE: "MB"}
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""The cores that this process had when it started; none where nothing can tell."""
TORCH_COMPILES = which("g++") is not None
"""Whether the compiler that `torch.compile` calls is there."""


class DisagreementError(Exception):
    """Two contestants did not compute the same thing, so comparing their times would say nothing."""


@dataclass(frozen=True)
class Row:
    """One line of the table: the runs of both sides and, where there is a target, whether the figure holds.

    `ours` and `theirs` are seconds or bytes in the order of the runs. The runs at one index were neighbours in time, so
    the ratio is taken pair by pair and its median reported. With `faster` the ratio is theirs over ours, to be at least
    the target; else it is ours over theirs, to be at most the target. A row without a peer has its target on itself.
    """

    name: str
    ours: Sequence[float]
    peer: str = ""
    theirs: Sequence[float] = ()
    unit: float = MILLISECOND
    unit_name: str = ""
    target: float | None = None
    faster: bool = False

    @property
    def ratios(self) -> list[float]:
        """The ratio of each pair of neighbouring runs."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return [theirs / ours if self.faster else ours / theirs for ours, theirs in pairs]

    @property
    def figure(self) -> float:
        """What the target speaks of: the median ratio, or the median itself where there is no peer."""
        return median(self.ratios) if self.theirs else median(self.ours) / self.unit

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.figure >= self.target if self.faster else self.figure <= self.target

    def cells(self) -> list[str]:
        """The row as text: name, ours, peer, theirs, ratio, target, verdict."""
        unit = self.unit_name or UNIT_NAMES[self.unit]
        ratio = spread(self.ratios, 1.0, "") if self.theirs else ""
        bound = "" if self.target is None else f"{'≥' if self.faster else '≤'} {self.target:g}"
        verdict = {None: "", True: "yes", False: "NO"}[self.holds]
        theirs = spread(self.theirs, self.unit, unit) if self.theirs else ""
        return [self.name, spread(self.ours, self.unit, unit), self.peer, theirs, ratio, bound, verdict]

    def record(self) -> dict[str, Any]:
        """The row with every run, for JSON."""
        return {
            **asdict(self),
            "ratios": self.ratios if self.theirs else [],
            "figure": self.figure,
            "holds": self.holds,
        }


@dataclass
class Report:
    """What one benchmark found: rows, and lines for the reader (such as a peer that is not installed)."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def missing(self, peers: Sequence[str]) -> set[str]:
        """Those of the peers that are not installed, each with a line on how to get it."""
        absent = {peer for peer in peers if importlib.util.find_spec(peer) is None}
        self.notes += [f"{peer} is not installed, so it is left out: pip install '.[bench]'" for peer in sorted(absent)]
        return absent

    def cores(self) -> list[tuple[int, str]]:
        """How many cores to measure on, with a name for it; a line where there is only one."""
        if len(CORES) > 1:
            return [(1, "one core"), (2, "two cores")]
        note = "there are no two cores to pin to, so all is measured on one"
        self.notes += [] if note in self.notes else [note]
        return [(1, "one core")]


@dataclass(frozen=True)
class Run:
    """One timed run: its seconds, what it computed, the process's memory before it, and the peak since its start."""

    seconds: float
    value: Any
    before: int
    peak: int


class Worker:
    """A fresh process that prepares one contestant, then runs it whenever it is asked to.

    `contestant` is ``"module:function"``; the function, called with `arguments`, gives ``run(count)``, which does the
    work `count` times and returns a number that tells whether it was the right work. Another `python` than this one
    has other versions of what it runs.
    """

    def __init__(self, contestant: str, *arguments: str, python: str | None = None) -> None:
        self.name = " ".join((contestant, *arguments))
        self.process = subprocess.Popen(
            [python or sys.executable, "-m", "benchmarks.worker", contestant, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def run(self, count: int = 1) -> Run:
        """Do the work `count` times and tell how it went."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(f"{count}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} stopped: its error is above")
        return Run(**json.loads(answer))


def pin(count: int = 1) -> int | None:
    """Keep this process and its children on `count` cores, and every library on as many threads.

    The first of those cores comes back, or None where nothing can pin.
    """
    for name in THREADS:
        os.environ[name] = str(count)
    if not CORES:
        return None
    os.sched_setaffinity(0, CORES[-count:])
    return CORES[-count:][0]


@contextmanager
def pinned(count: int) -> Generator[None]:
    """Contestants that start in this block have `count` cores and threads; afterwards it is one again."""
    pin(count)
    try:
        yield
    finally:
        pin()


def alternate(contestants: Sequence[Callable[[], float]], runs: int = RUNS) -> list[list[float]]:
    """Run the contestants in turn, A B A B, so that whatever slows the machine down meets all of them."""
    results: list[list[float]] = [[] for _ in contestants]
    for _ in range(runs):
        for result, contestant in zip(results, contestants, strict=True):
            result.append(contestant())
    return results


def timed(workers: Sequence[Worker], seconds: float, runs: int = RUNS) -> list[list[float]]:
    """Seconds for one piece of work, by worker and run; each run lasts about `seconds` and at least one piece."""

    def contestant(worker: Worker) -> Callable[[], float]:
        worker.run()  # the first time pays for imports and compilation
        count = 1
        while (warm := worker.run(count).seconds) < seconds / 4:
            count *= 4
        count = max(1, round(count * seconds / warm))
        return lambda: worker.run(count).seconds / count

    return alternate([contestant(worker) for worker in workers], runs)


def agree(workers: Sequence[Worker], count: int, tolerance: float) -> list[Run]:
    """Refuse to go on unless all workers, from the same start, reach the same number after `count` pieces of work."""
    runs = [worker.run(count) for worker in workers]
    first = runs[0].value
    for worker, run in zip(workers, runs, strict=True):
        if not abs(run.value - first) <= tolerance * abs(first):
            raise DisagreementError(
                f"{workers[0].name} gives {first!r} and {worker.name} gives {run.value!r}: more than {tolerance} apart"
            )
    return runs


def spread(runs: Sequence[float], unit: float, unit_name: str) -> str:
    """The median, and from the least to the most."""
    low, middle, high = (digits(x / unit) for x in (min(runs), median(runs), max(runs)))
    return f"{middle} {unit_name}".rstrip() + f" ({low}–{high})"


def digits(x: float) -> str:
    """A number with three digits that mean something, and never with an exponent."""
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"
