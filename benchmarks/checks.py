"""Checking gradients: all 23,860 parameters of 784-30-10 on a batch of 10, along directions and entry by entry.

And grading a formula on a net of the courses: the slowest of its kind, wrong in a way that is found last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.harness import DisagreementError, Report, Row, Worker, timed

RUNS = {"cheap": 5, "full": 3}
SECONDS = {"cheap": 1.0, "full": 60.0}
FORMULA = 0.1
"""Seconds in which an answer is marked."""


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


def formula(kind: str) -> Callable[[int], Any]:
    """A learner's gradient of a weight, of 2-3-2 on a batch of 5 in columns, marked."""
    import chainrule as cr

    problem = "Z1 = W1 @ X + b1; A1 = sigmoid(Z1); Z2 = W2 @ A1 + b2; A2 = sigmoid(Z2); L = sum((A2 - Y)**2)/(2*5)"
    shapes = {"X": (2, 5), "W1": (3, 2), "b1": (3, 1), "W2": (2, 3), "b2": (2, 1), "Y": (2, 5)}
    answer = {
        "right": "(W2.T @ ((A2 - Y)*A2*(1 - A2)) * A1*(1 - A1)) @ X.T / 5",
        "wrong": "((W2 @ ((A2 - Y)*A2*(1 - A2))) * A1*(1 - A1)) @ X.T",
    }[kind]

    def run(count: int) -> Any:
        for _ in range(count):
            if cr.grade(problem, answer, wrt="W1", shapes=shapes).right != (kind == "right"):
                raise DisagreementError(answer)
        return kind

    return run


def checks() -> Report:
    """Seconds of each mode."""
    rows: list[Row] = []
    for mode, runs in RUNS.items():
        with Worker("benchmarks.checks:parameters", mode) as worker:
            rows.append(
                Row(f"gradients of 784-30-10, {mode}", timed([worker], 0.2, runs)[0], unit=1.0, target=SECONDS[mode])
            )
    for kind in ("right", "wrong"):
        with Worker("benchmarks.checks:formula", kind) as worker:
            rows.append(Row(f"a {kind} formula, graded", timed([worker], 0.2, 5)[0], unit=1.0, target=FORMULA))
    return Report(rows)
