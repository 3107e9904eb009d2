"""Explanations: one weight of 784-30-10 on a batch, and a graph of 100,000 scalar nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.harness import MEGABYTE, DisagreementError, Report, Row, Worker, timed

STEPS = 33_333
RUNS = 5


def one_weight(dialect: str) -> Callable[[int], Any]:
    """One weight of the first layer of 784-30-10, told on a batch of 10; the forward is part of the work."""
    import numpy as np

    import chainrule as cr
    from chainrule.derivation.explain import explain

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 784)), rng.uniform(size=(10, 10))
    net = cr.nn.Sequential(cr.nn.Linear(784, 30, rng=0), cr.nn.Sigmoid(), cr.nn.Linear(30, 10, rng=1), cr.nn.Sigmoid())

    def run(count: int) -> Any:
        gradient: Any = None
        for _ in range(count):
            loss = cr.nn.MSELoss("half_sum")(net(x), y)
            told = explain(loss, net[0].weight[3, 1], dialect)
            if len(told.nodes) > 10:
                raise DisagreementError(f"{dialect} listed {len(told.nodes)} nodes of a net with 6")
            gradient = told.gradient
        return gradient

    return run


def long_graph(dialect: str) -> Callable[[int], Any]:
    """A graph of 100,000 Values with a leaf that is used 33,334 times, told from its output to that leaf."""
    import chainrule as cr
    from chainrule.derivation.explain import explain

    x = cr.Value(1.0, label="x")
    y = x
    for _ in range(STEPS):
        y = (y * 1.0001 + x) * 0.5

    def run(count: int) -> Any:
        told = explain(y, x, dialect)
        for _ in range(count - 1):
            explain(y, x, dialect)
        if told.counts["nodes"] != 3 * STEPS + 1:
            raise DisagreementError(f"{told.counts['nodes']} nodes in a graph of {3 * STEPS + 1}")
        return told.gradient

    return run


def explanations() -> Report:
    """Seconds of each dialect, and the peak of memory over what stood before."""
    rows: list[Row] = []
    for dialect in ("graph", "chain", "paths", "delta", "jacobian"):
        with Worker("benchmarks.explain:one_weight", dialect) as worker:
            rows.append(Row(f"one weight of 784-30-10, {dialect}", timed([worker], 0.2, RUNS)[0], unit=1.0, target=1.0))
    for dialect in ("graph", "paths"):
        seconds: list[float] = []
        peaks: list[float] = []
        for _ in range(RUNS):
            with Worker("benchmarks.explain:long_graph", dialect) as worker:
                run = worker.run()
            seconds.append(run.seconds)
            peaks.append(run.peak)
        rows.append(Row(f"100,000 scalar nodes, {dialect}", seconds, unit=1.0, target=3.0))
        rows.append(Row(f"100,000 scalar nodes, {dialect}, peak memory", peaks, unit=MEGABYTE, target=1000.0))
    return Report(rows)
