"""The scalar engine: one multiplication, micrograd's demo, a chain of two million."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from time import perf_counter

from benchmarks.harness import MEGABYTE, NANOSECOND, DisagreementError, Report, Row, Worker, agree, alternate, timed
from benchmarks.worker import memory as process_memory

DEMO_NODES = 65_818
MEMORY_STEPS = 4
MEMORY_RUNS = 7
CHAIN = 2_000_000
CHAIN_RUNS = 7
FLOATS = "a, b = 1.25, -0.75; assert a * b == -0.9375"
VALUES = "import chainrule as cr; a, b = cr.Value(1.25), cr.Value(-0.75); assert (a * b).data == -0.9375"


def multiplications(setup: str) -> Callable[[int], float]:
    """The loop of timeit around ``a * b``; the loop itself is in the time of both sides."""
    timer = timeit.Timer("a * b", setup)
    return timer.timeit


def multiplication() -> Report:
    """One recorded ``a * b`` beside one of Python's floats."""
    with (
        Worker("benchmarks.values:multiplications", VALUES) as ours,
        Worker("benchmarks.values:multiplications", FLOATS) as theirs,
    ):
        runs = timed([ours, theirs], seconds=0.04, runs=25)
    return Report([Row("a * b", runs[0], "float", runs[1], unit=NANOSECOND, target=2.5)])


def demo() -> Report:
    """A step of micrograd's demo, the same text for both, with micrograd's garbage collector on and off."""
    report = Report()
    with Worker("benchmarks.moons:training", "chainrule.micrograd") as ours:
        if report.missing(["micrograd"]):
            report.rows.append(Row("moons demo step", timed([ours], seconds=0.1)[0]))
            return report
        with Worker("benchmarks.moons:counting", "micrograd") as counter:
            nodes = counter.run().value
            if nodes != DEMO_NODES:
                raise DisagreementError(f"micrograd's demo should have {DEMO_NODES} nodes and has {nodes}")
        with (
            Worker("benchmarks.moons:training", "micrograd") as theirs,
            Worker("benchmarks.moons:training", "micrograd", "off") as without,
        ):
            agree([ours, theirs, without], count=3, tolerance=1e-9)
            runs = timed([ours, theirs, without], seconds=0.1)
    report.rows = [
        Row("moons demo step", runs[0], "micrograd", runs[1], target=100, faster=True),
        Row("moons demo step", runs[0], "micrograd, gc off", runs[2], target=9, faster=True),
    ]
    return report


def memory() -> Report:
    """How far the demo's steps raise the peak of memory over what stood after imports and data; fresh processes."""
    report = Report()

    def rise(package: str) -> Callable[[], float]:
        def contestant() -> float:
            with Worker("benchmarks.moons:training", package) as worker:
                run = worker.run(MEMORY_STEPS)
                return run.peak - run.before

        return contestant

    absent = report.missing(["micrograd"])
    packages = ["chainrule.micrograd"] if absent else ["chainrule.micrograd", "micrograd"]
    runs = alternate([rise(package) for package in packages], MEMORY_RUNS)
    name = f"moons demo, peak memory of {MEMORY_STEPS} steps"
    if absent:
        report.rows.append(Row(name, runs[0], unit=MEGABYTE))
    else:
        report.rows.append(Row(name, runs[0], "micrograd", runs[1], unit=MEGABYTE, target=0.2))
    return report


def long_chain() -> Callable[[int], list[float]]:
    """Build a chain of two million Values, differentiate it, free it: the seconds of each, and its bytes when built."""
    import chainrule as cr

    def run(_: int) -> list[float]:
        x, a, b = cr.Value(0.0), cr.Value(1.0), cr.Value(1.0)
        bare = process_memory()[0]
        start = perf_counter()
        y = x
        for _ in range(CHAIN // 2):
            y = y * a + b
        built = perf_counter()
        size = process_memory()[0] - bare
        ready = perf_counter()
        y.backward()
        differentiated = perf_counter()
        n = CHAIN // 2
        if (y.data, x.grad, b.grad, a.grad) != (n, 1.0, n, n * (n - 1) / 2):
            raise DisagreementError(f"the chain gives {y.data}, {x.grad}, {b.grad}, {a.grad}")
        checked = perf_counter()
        del y
        return [built - start, differentiated - ready, perf_counter() - checked, size]

    return run


def chain() -> Report:
    """A chain of two million Values: seconds for each part, bytes a node; every run in a fresh process."""
    parts: list[list[float]] = [[], [], [], []]
    peak: list[float] = []
    for _ in range(CHAIN_RUNS):
        with Worker("benchmarks.values:long_chain") as worker:
            run = worker.run()
        for part, figure in zip(parts, run.value, strict=True):
            part.append(figure)
        peak.append((run.peak - run.before) / CHAIN)
    built, differentiated, freed, size = parts
    return Report(
        [
            Row("chain of 2,000,000: built", built, unit=1.0),
            Row("chain of 2,000,000: differentiated", differentiated, unit=1.0),
            Row("chain of 2,000,000: freed", freed, unit=1.0),
            Row("chain, a node when built", [x / CHAIN for x in size], unit=1.0, unit_name="bytes", target=200),
            Row("chain, a node at the peak of it all", peak, unit=1.0, unit_name="bytes", target=200),
        ]
    )
