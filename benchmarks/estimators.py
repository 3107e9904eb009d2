"""Estimators on two classes: scikit-learn's perceptron and this package's, with the same settings and numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks.harness import Report, Row, Worker, agree, timed

TASKS = {"breast cancer, 569×30": 30, "5000×20": 8}
"""How many epochs a fit has: as many as make it long enough to measure."""

MODULES = {"chainrule": "chainrule.sklearn", "scikit-learn": "sklearn.neural_network"}
TARGET = 0.7
TOLERANCE = 1e-6
"""The two end with the same loss but for rounding."""
RUNS = 9


def fits(maker: str, name: str) -> Callable[[int], float]:
    """Fit a perceptron of 100 neurons in float64; the number is the loss that it ends with."""
    from importlib import import_module

    from sklearn.datasets import load_breast_cancer, make_classification
    from sklearn.preprocessing import StandardScaler

    warnings.simplefilter("ignore")
    data: Any = load_breast_cancer(return_X_y=True) if "569" in name else make_classification(5000, 20, random_state=0)
    x, y = StandardScaler().fit_transform(data[0]), data[1]
    kind = import_module(MODULES[maker]).MLPClassifier
    settings = {"max_iter": TASKS[name], "random_state": 0, "tol": 0.0, "n_iter_no_change": 1000}

    def run(count: int) -> float:
        return [float(kind(**settings).fit(x, y).loss_) for _ in range(count)][-1]

    return run


def estimators() -> Report:
    """The time of a whole fit, beside scikit-learn's."""
    report = Report()
    if report.missing(["sklearn"]):
        return report
    for name in TASKS:
        with ExitStack() as open_workers:
            workers = [
                open_workers.enter_context(Worker("benchmarks.estimators:fits", maker, name)) for maker in MODULES
            ]
            agree(workers, 1, TOLERANCE)
            seconds = timed(workers, seconds=0.2, runs=RUNS)
        report.rows.append(Row(f"two classes, {name}, a fit", seconds[0], "scikit-learn", seconds[1], target=TARGET))
    return report
