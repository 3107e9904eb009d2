"""Many small nets at once: a thousand on the moons, and a search on the digits, beside scikit-learn's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from benchmarks.harness import Report, Row, Worker, agree, alternate, pinned, timed

NETS, STEPS, SECONDS = 1000, 100, 2.0
RATES = [float(rate) for rate in np.geomspace(0.001, 0.1, 16)]
MEANS = [float(mean) for mean in np.linspace(0.5, 0.95, 16)]
EVERY = {1: 2, 2: 1}
"""On one core a quarter of the 16 × 16 settings, every second of both: scikit-learn takes two minutes for all."""
FOLDS, EPOCHS, BATCH, WIDTH = 5, 20, 128, 32
GOAL, TOLERANCE = 1 / 15, 0.02
"""The target beside scikit-learn, and how far the two best accuracies may be apart: their first weights differ."""
RUNS = 3


def moons() -> Callable[[int], float]:
    """A thousand nets 2-16-16-1 of other seeds and rates, a hundred steps each on a hundred points."""
    import chainrule as cr

    x, y = cr.data.make_moons(100, noise=0.1, seed=0)

    def build(rng: Any) -> Any:
        layers = cr.nn.Linear(2, 16, rng=rng), cr.nn.Tanh(), cr.nn.Linear(16, 16, rng=rng), cr.nn.Tanh()
        return cr.nn.Sequential(*layers, cr.nn.Linear(16, 2, rng=rng))

    def run(count: int) -> float:
        found: Any = None
        for _ in range(count):
            found = cr.sweep(
                build, {"lr": list(np.geomspace(0.01, 1.0, 10))}, (x, y), seeds=NETS // 10, epochs=STEPS,
                batch_size=None, loss=cr.nn.CrossEntropyLoss(), optimizer=cr.optim.SGD, progress=False,
            )  # fmt: skip
        assert len(found.runs) == NETS
        return float(found.ranked[0][0].numbers["loss"])

    return run


def tried(jobs: str) -> tuple[list[float], list[float]]:
    """The rates and the shares of Adam's mean that are tried in so many processes, all combinations of them."""
    every = EVERY[int(jobs)]
    return RATES[::every], MEANS[::every]


def digits_ours(jobs: str) -> Callable[[int], float]:
    """The search by `cr.sweep` in so many processes; the number is the best mean accuracy on what was held out."""
    import chainrule as cr

    x, y = cr.data.load_digits()

    def build(rng: Any) -> Any:
        return cr.nn.Sequential(cr.nn.Linear(64, WIDTH, rng=rng), cr.nn.ReLU(), cr.nn.Linear(WIDTH, 10, rng=rng))

    rates, means = tried(jobs)
    grid = {"lr": rates, "betas": [(mean, 0.999) for mean in means]}

    def run(count: int) -> float:
        found: Any = None
        for _ in range(count):
            found = cr.sweep(
                build, grid, (x, y), folds=FOLDS, stratify=True, epochs=EPOCHS, batch_size=BATCH,
                loss=cr.nn.CrossEntropyLoss(), metrics=[cr.training.accuracy], by="val_accuracy", n_jobs=int(jobs),
                progress=False,
            )  # fmt: skip
        return float(np.mean([held.numbers["val_accuracy"] for held in found.ranked[0]]))

    return run


def digits_sklearn(jobs: str) -> Callable[[int], float]:
    """The same by `GridSearchCV`."""
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.neural_network import MLPClassifier

    import chainrule as cr

    warnings.simplefilter("ignore")
    x, y = cr.data.load_digits()
    settings = {"max_iter": EPOCHS, "batch_size": BATCH, "alpha": 0.0, "tol": 0.0, "n_iter_no_change": EPOCHS}
    net = MLPClassifier((WIDTH,), random_state=0, **settings)
    rates, means = tried(jobs)
    grid = {"learning_rate_init": rates, "beta_1": means}
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)

    def run(count: int) -> float:
        found: Any = None
        for _ in range(count):
            found = GridSearchCV(net, grid, cv=folds, n_jobs=int(jobs), refit=False).fit(x, y)
        return float(found.best_score_)

    return run


def sweeps() -> Report:
    """Both, on one core; the search on two cores too."""
    report = Report()
    with Worker("benchmarks.sweeps:moons") as worker:
        seconds = timed([worker], 0.1, 7)[0]
    report.rows.append(Row(f"{NETS:,} moons nets, {STEPS} steps each, one core", seconds, unit=1.0, target=SECONDS))
    if report.missing(["sklearn"]):
        return report
    for cores, where in report.cores():
        settings = math.prod(map(len, tried(str(cores))))
        with pinned(cores), ExitStack() as stack:
            start = [f"benchmarks.sweeps:digits_{who}" for who in ("ours", "sklearn")]
            workers = [stack.enter_context(Worker(name, str(cores))) for name in start]
            agree(workers, 1, TOLERANCE)  # which pays for imports, compilation and processes too
            mine, theirs = alternate([lambda worker=worker: worker.run().seconds for worker in workers], RUNS)
        what = f"digits 64-32-10, {settings} settings × {FOLDS} folds, {EPOCHS} epochs, {where}"
        report.rows.append(Row(what, mine, f"GridSearchCV, n_jobs={cores}", theirs, unit=1.0, target=GOAL))
    return report
