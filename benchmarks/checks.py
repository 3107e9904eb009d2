"""Checking gradients: all 23,860 parameters of 784-30-10 on a batch of 10, along directions and entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.harness import DisagreementError, Report, Row, Worker, timed

RUNS = {"cheap": 5, "full": 3}
SECONDS = {"cheap": 1.0, "full": 60.0}


def parameters(mode: str) -> Callable[[int], Any]:
    """Every parameter of the network of the courses, in float32 as it comes, with cross-entropy."""
    import numpy as np

    import chainrule as cr

    rng = np.random.default_rng(0)
    x, y = rng.random((10, 784), np.float32), rng.integers(0, 10, 10)
    net = cr.nn.Sequential(cr.nn.Linear(784, 30, rng=0), cr.nn.Sigmoid(), cr.nn.Linear(30, 10, rng=1))
    loss = cr.nn.CrossEntropyLoss()

    def run(count: int) -> Any:
        report: Any = None
        for _ in range(count):
            report = cr.check_gradients(lambda net: loss(net(x), y), net, cheap=mode == "cheap")
            if not report:
                raise DisagreementError(str(report))
        return report.runs

    return run


def checks() -> Report:
    """Seconds of each mode."""
    rows: list[Row] = []
    for mode, runs in RUNS.items():
        with Worker("benchmarks.checks:parameters", mode) as worker:
            rows.append(
                Row(f"gradients of 784-30-10, {mode}", timed([worker], 0.2, runs)[0], unit=1.0, target=SECONDS[mode])
            )
    return Report(rows)
