"""Many settings tried at once: small networks trained side by side, judged, and ranked."""

# What a user's functions give is known only when they run.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# Programs without types call this too, so arguments are checked when it runs, and joblib has no types.
# pyright: reportUnnecessaryIsInstance=false, reportMissingTypeStubs=false

from __future__ import annotations

import math
import statistics
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from inspect import Parameter as Argument
from inspect import signature
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from chainrule.collector import without_collector
from chainrule.data.loader import checked_batch_size
from chainrule.data.split import k_folds
from chainrule.errors import ChainruleError, DivergenceWarning, DtypeError, MissingExtra, ShapeError
from chainrule.kinds import Array, is_whole, what_is
from chainrule.nn.hooks import in_use
from chainrule.nn.module import Module
from chainrule.optim import Adam
from chainrule.optim.optimizer import Optimizer
from chainrule.printable import several
from chainrule.table import Table, json_of, shown
from chainrule.training.batches import Batches, as_numbers, batches_of, dtype_of
from chainrule.training.callbacks import EarlyStopping
from chainrule.training.cost import refuse_loss
from chainrule.training.fit import by_name, fit, name_of, refuse_epochs
from chainrule.training.lanes import Ended, Lane, Plan, Unsuited, train_lanes
from chainrule.training.run import Metric, judged_in_use
from chainrule.training.step_cache import make_of

Settings = dict[str, Any]
OF_TRAINING = ("optimizer", "loss", "epochs", "batch_size")
JUDGED_AT_ONCE = 2048
"""Examples of a batch on which a trained network is judged."""
SEEDS = ("seed", "rng")
"""The names under which a builder may ask for the seed."""


class Run(NamedTuple):
    """One network of a sweep: its settings, seed and fold (None without folds), what it came to, and itself."""

    settings: Settings
    seed: int
    fold: int | None
    numbers: dict[str, float]
    epoch: int
    """The epoch whose weights it has."""
    stopped: str
    """Why it ended before its last epoch, or empty."""
    diverged: bool
    model: Module


class Sweep:
    """What a sweep found: `runs`, one for each network, and `table()`, one row for each setting, the best first.

    `best` are the best settings, `model` is their best network, `by` the number that they are ranked by.

    >>> import chainrule as cr
    >>> found = cr.sweep(
    ...     lambda rng: cr.nn.Linear(1, 1, rng=rng), {"lr": [0.0, 0.1]}, ([[1.0], [2.0]], [[2.0], [4.0]]), epochs=50,
    ...     loss=cr.nn.MSELoss(), optimizer=cr.optim.SGD, progress=False,
    ... )
    >>> found.best
    {'lr': 0.1}
    >>> found.table().columns
    ('lr', 'loss')
    """

    def __init__(self, runs: Sequence[Run], by: str, *, least: bool, alone: Counter[str]) -> None:
        self.runs = [*runs]
        self.by = by
        self.least = least
        self.alone = alone
        """How many networks were trained by themselves, by the reason."""
        self.ranked = sorted(grouped(self.runs), key=self._rank)

    def _rank(self, runs: list[Run]) -> float:
        mean = statistics.fmean([run.numbers[self.by] for run in runs])
        return math.inf if math.isnan(mean) else mean if self.least else -mean

    @property
    def best(self) -> Settings:
        """The settings whose mean is best."""
        return dict(self.ranked[0][0].settings)

    @property
    def model(self) -> Module:
        """The network with the best number among those of the best settings."""
        return min(self.ranked[0], key=lambda run: self._rank([run])).model

    def table(self, most: int | None = None) -> Table:
        """The settings, the best first (all, or so many), with the mean and the spread of every number.

        The spread is the standard deviation over seeds and folds, with n - 1 below, nan where there is one network.
        """
        settings = [*dict.fromkeys(name for run in self.runs for name in run.settings)]
        numbers = [*dict.fromkeys(name for run in self.runs for name in run.numbers)]
        several = any(len(runs) > 1 for runs in self.ranked)
        columns = [*settings, *[part for name in numbers for part in (name, "±")[: 1 + several]]]
        rows: list[tuple[Any, ...]] = []
        for runs in self.ranked[:most]:
            row = [in_words(runs[0].settings.get(name)) for name in settings]
            for name in numbers:
                found = [run.numbers[name] for run in runs]
                row.append(statistics.fmean(found))
                row += [statistics.stdev(found) if len(found) > 1 else math.nan] * several
            rows.append(tuple(row))
        return Table(tuple(columns), tuple(rows), self._note(len(rows)))

    def _note(self, listed: int) -> str:
        told = [f"{len(self.ranked) - listed} more: .table()"] * (listed < len(self.ranked))
        diverged = sum([run.diverged for run in self.runs])
        told += [f"{diverged} of {len(self.runs)} networks diverged"] * bool(diverged)
        told += [f"{count} trained alone: {reason}" for reason, count in self.alone.items()]
        return "; ".join(told)

    def in_a_line(self) -> str:
        """How many settings were tried, the best, and its number."""
        found = [run.numbers[self.by] for run in self.ranked[0]]
        spread = f" ± {statistics.stdev(found):.2g}" if len(found) > 1 else ""
        best = ", ".join([f"{name} {shown(in_words(held))}" for name, held in self.best.items()])
        tried = f"{several(len(self.ranked), 'setting')} tried, {several(len(self.runs), 'network')}"
        return f"{tried}: best is {best}, {self.by} {statistics.fmean(found):.3g}{spread}"

    def plain(self) -> list[dict[str, Any]]:
        """Every run as plain data: its settings, seed, fold, numbers, the epoch of its weights, and why it stopped."""
        return [
            {name: in_words(held) for name, held in run.settings.items()}
            | {"seed": run.seed, "fold": run.fold, **run.numbers, "epoch": run.epoch, "stopped": run.stopped}
            for run in self.runs
        ]

    def json(self) -> str:
        """The same as JSON; infinity and nan as strings."""
        return json_of(self.plain())

    def __repr__(self) -> str:
        way = "least" if self.least else "greatest"
        head = f"{several(len(self.runs), 'network')}, {several(len(self.ranked), 'setting')}; {way} {self.by} first"
        return f"{head}\n{self.table(8)!r}"


def sweep(
    build: Callable[..., Module],
    grid: Mapping[str, Iterable[Any]] | Sequence[Mapping[str, Any]],
    data: tuple[Any, Any],
    *,
    loss: Callable[..., Any],
    optimizer: Callable[..., Optimizer] = Adam,
    epochs: int = 10,
    batch_size: int | None = 32,
    seeds: int | Sequence[int] = 1,
    folds: int | None = None,
    stratify: bool = False,
    validation: tuple[Any, Any] | None = None,
    patience: int | None = None,
    metrics: Sequence[Metric] | Mapping[str, Metric] = (),
    by: str | None = None,
    least: bool | None = None,
    n_jobs: int = 1,
    progress: bool = True,
) -> Sweep:
    """Train a network for every setting, seed and fold, those of one kind side by side by one program, and rank them.

    `grid` has the values to try by the setting's name, all combinations of which are tried, or is a list of settings.
    A setting goes to ``build`` if it is one of its arguments, and else to the optimizer; `optimizer`, `loss`, `epochs`
    and `batch_size` may be tried too. `build` gives a new Module; it is given the seed as ``seed=`` or ``rng=`` if it
    takes one. `data` is a pair (x, y) of arrays. Each network is trained as ``fit(build(...), x, y, loss=loss,
    optimizer=optimizer(parameters, ...), epochs=epochs, batch_size=batch_size, seed=seed)`` would train it alone, and
    in float64 ends with the same weights to 1e-12, unless it diverges.

    With `folds` the data are split into so many parts, `stratify` by class, the same for all settings, and each network
    is judged on the part that it was not trained on; with `validation`, a pair (x, y), on that; else on its own data.
    With `patience` it is watched by what it is judged on, as by `EarlyStopping(patience)`: it stops when that loss has
    not got better for so many epochs, and has the weights of its best.
    `by` names the number that ranks, the validation loss unless told otherwise; `least` says whether less is better:
    for losses it is, for metrics not. `seeds` is a count, from 0, or the seeds themselves.

    Networks with running statistics, dropout or frozen parameters are trained by themselves, and the result says so.
    `n_jobs` spreads the work over processes through joblib (the extra ``sweep``), whose backends spread it over
    machines; -1 takes all cores. Memory: the parameters of all networks. Raises ChainruleError for a setting that
    nobody knows.

    >>> import chainrule as cr
    >>> x, y = cr.data.make_moons(200, noise=0.1, seed=0)
    >>> def build(width, rng):
    ...     return cr.nn.Sequential(cr.nn.Linear(2, width, rng=rng), cr.nn.Tanh(), cr.nn.Linear(width, 2, rng=rng))
    >>> found = cr.sweep(
    ...     build, {"width": [2, 8], "lr": [0.001, 0.03]}, (x, y), folds=3, epochs=20, loss=cr.nn.CrossEntropyLoss(),
    ...     metrics=[cr.training.accuracy], progress=False,
    ... )
    >>> len(found.runs), found.best
    (12, {'width': 8, 'lr': 0.03})
    """
    common: Settings = {"optimizer": optimizer, "loss": loss, "epochs": epochs, "batch_size": batch_size}
    if folds and validation is not None:
        raise ChainruleError("sweep judges on folds or on validation data: give folds= or validation=, not both")
    if patience is not None and not folds and validation is None:
        raise ChainruleError("sweep: patience= watches the loss on data held back: give folds= or validation=")
    by_name(metrics)
    if not is_whole(n_jobs) or n_jobs == 0:
        raise ChainruleError(f"sweep: n_jobs={n_jobs!r}: give how many processes share the work, or -1 for all cores")
    x, y = pair_of(data, "data")
    work = Work(
        build,
        [*arguments(build)],
        common,
        x,
        y,
        splits_of(y, folds, stratify=stratify),
        None if validation is None else pair_of(validation, "validation"),
        patience,
        metrics,
    )
    settings_tried = combinations(grid)
    taken: dict[int, Mapping[str, Argument]] = {}
    for settings in settings_tried:
        work.refuse_unfit(settings, taken)
    jobs = [
        Job(settings, int(seed), fold)
        for settings in settings_tried
        for seed in (range(seeds) if isinstance(seeds, int) else seeds)
        for fold in range(len(work.splits))
    ]
    if not jobs:
        raise ShapeError("sweep has nothing to try: give at least one setting and one seed")
    runs: dict[int, Run] = {}
    alone: Counter[str] = Counter()
    with bar_of(sum([work.taken(job, "epochs") for job in jobs]), shown=progress) as bar:
        for places, found in spread(work, jobs, n_jobs, partial(bar.advance, bar.task_ids[0])):
            runs |= dict(zip(places, found.runs, strict=True))
            alone.update(found.alone)
    ordered = [runs[i] for i in range(len(jobs))]
    by = by or ("val_loss" if "val_loss" in ordered[0].numbers else "loss")
    if by not in ordered[0].numbers:
        raise ChainruleError(f"sweep ranks by one of {', '.join(ordered[0].numbers)}, not by {by!r}")
    return Sweep(ordered, by, least=by.endswith("loss") if least is None else least, alone=alone)


class Job(NamedTuple):
    """A network to be trained."""

    settings: Settings
    seed: int
    fold: int


class Found(NamedTuple):
    """Networks that were trained, and how many of them alone, by the reason."""

    runs: list[Run]
    alone: Counter[str]


class Work(NamedTuple):
    """What all networks of a sweep share."""

    build: Callable[..., Module]
    wanted: Collection[str]
    """The arguments of the builder."""
    common: Settings
    x: Array
    y: Array
    splits: list[tuple[Array, Array | None]]
    """For each fold the rows to train on, and those to judge on."""
    validation: tuple[Array, Array] | None
    patience: int | None
    metrics: Sequence[Metric] | Mapping[str, Metric]

    def taken(self, job: Job, name: str) -> Any:
        return job.settings.get(name, self.common[name])

    def parts(self, settings: Settings) -> tuple[Settings, Settings]:
        """The settings for the builder, and those for the optimizer."""
        of_net = {name: held for name, held in settings.items() if name in self.wanted}
        return of_net, {name: held for name, held in settings.items() if name not in {*of_net, *OF_TRAINING}}

    def kind(self, job: Job, known: dict[str, int]) -> int:
        """A number for what is built and how it is trained but for the optimizer's settings, counted as it is met."""
        own = {name: held for name, held in job.settings.items() if name in self.wanted or name in OF_TRAINING}
        return known.setdefault(repr(own), len(known))

    def refuse_unfit(self, settings: Settings, taken: dict[int, Mapping[str, Argument]]) -> None:
        """Refuse a setting that neither the builder nor the optimizer takes, and what `fit` refuses.

        `taken` has the arguments of the optimizers that were met.
        """
        chosen = {**self.common, **settings}
        refuse_epochs("sweep", chosen["epochs"])
        refuse_loss("sweep", chosen["loss"])
        if chosen["batch_size"] is not None:
            checked_batch_size("sweep", chosen["batch_size"], ", or None for all")
        optimizer = chosen["optimizer"]
        if id(optimizer) not in taken:
            taken[id(optimizer)] = arguments(optimizer)
        known = taken[id(optimizer)]
        for name in self.parts(settings)[1]:
            if name not in known:
                raise ChainruleError(
                    f"sweep: {name} is neither an argument of {name_of(self.build)} "
                    f"({', '.join(arguments(self.build)) or 'which has none'}) nor a setting of {name_of(optimizer)} "
                    f"({', '.join([*known][1:])}), nor {', '.join(OF_TRAINING)}"
                )

    def model(self, job: Job) -> Module:
        """The network of a job as it begins."""
        seeds = {name: job.seed for name in SEEDS if name in self.wanted and name not in job.settings}
        model = self.build(**self.parts(job.settings)[0], **seeds)
        if not isinstance(model, Module):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DtypeError(f"sweep: build gives a module of cr.nn, not {what_is(model)}")
        return model

    def lane(self, job: Job) -> Lane:
        settings = tuple(sorted(self.parts(job.settings)[1].items()))
        model = self.model(job)
        dtype = dtype_of(model)
        watched = None
        judged_on = None if self.patience is None else self.judged_on(job.fold)
        if judged_on is not None:
            watched = as_numbers(judged_on[0], dtype, "x"), as_numbers(judged_on[1], dtype, "y")
        make = make_of(model, self.taken(job, "loss"))
        rows = self.splits[job.fold][0]
        return Lane(model, dtype, rows, watched, job.seed, self.taken(job, "optimizer"), settings, make)

    def judged_on(self, fold: int) -> tuple[Array, Array] | None:
        """Inputs and targets that the networks of a fold are judged by, if any."""
        held_out = self.splits[fold][1]
        return self.validation if held_out is None else (self.x[held_out], self.y[held_out])

    def own(self, fold: int) -> tuple[Array, Array]:
        """Inputs and targets that the networks of a fold are trained on."""
        rows = self.splits[fold][0]
        return self.x[rows], self.y[rows]

    def run(self, job: Job, model: Module, ended: Ended, data: Mapping[str, Batches]) -> Run:
        """What a trained network came to on examples, whose number's names begin with theirs."""
        loss: Any = self.taken(job, "loss")
        metrics = by_name(self.metrics)
        with in_use(model):
            numbers = {
                front + name: held
                for front, batches in data.items()
                for name, held in judged_in_use(model, batches, loss, metrics).items()
            }
        fold = job.fold if self.splits[job.fold][1] is not None else None
        return Run(job.settings, job.seed, fold, numbers, *ended, model)


class Judging:
    """The examples that networks are judged by, made ready once for each fold and type of numbers."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.known: dict[Any, dict[str, Batches]] = {}

    def of(self, fold: int, lane: Lane) -> dict[str, Batches]:
        """Those that a network was trained on, and those held back, if any."""
        key = fold, lane.dtype
        if key not in self.known:
            given = {"": self.work.own(fold), "val_": self.work.judged_on(fold)}
            order: Any = {"batch_size": JUDGED_AT_ONCE, "shuffle": False, "seed": 0, "owner": "sweep"}
            self.known[key] = {
                front: batches_of(lane.model, *pair, **order) for front, pair in given.items() if pair is not None
            }
        return self.known[key]


def trained(work: Work, jobs: Sequence[Job], done: Callable[[int], None]) -> Found:
    """The networks of some jobs trained, those of one kind side by side."""
    with without_collector():
        lanes = [work.lane(job) for job in jobs]
    kinds: dict[Any, list[int]] = {}
    for i, (job, lane) in enumerate(zip(jobs, lanes, strict=True)):
        kinds.setdefault(kind_of(work, job, lane), []).append(i)
    ended: dict[int, Ended] = {}
    alone: Counter[str] = Counter()
    for members in kinds.values():
        job = jobs[members[0]]
        x, y = [as_numbers(held, lanes[members[0]].dtype, name) for held, name in ((work.x, "x"), (work.y, "y"))]
        loss: Any = work.taken(job, "loss")
        plan = Plan(x, y, loss, work.taken(job, "epochs"), work.taken(job, "batch_size"), work.patience)
        try:
            told = train_lanes(plan, [lanes[i] for i in members], done)
        except Unsuited as unsuited:
            alone[str(unsuited)] += len(members)
            for i in members:
                lanes[i] = work.lane(jobs[i])
            told = [train_alone(plan, lanes[i], done) for i in members]
        ended |= dict(zip(members, told, strict=True))
    judging = Judging(work)
    runs = [
        work.run(job, lane.model, ended[i], judging.of(job.fold, lane))
        for i, (job, lane) in enumerate(zip(jobs, lanes, strict=True))
    ]
    return Found(runs, alone)


def kind_of(work: Work, job: Job, lane: Lane) -> Any:
    """What networks that are trained side by side have in common."""
    watched = None if lane.watched is None else len(lane.watched[0])
    training = work.taken(job, "epochs"), work.taken(job, "batch_size"), len(lane.rows), watched
    if lane.make is not None:
        return lane.make, training
    shapes = tuple([(name, held.shape, held.dtype) for name, held in lane.model.named_parameters()])
    return repr((lane.model, work.parts(job.settings)[0], work.taken(job, "loss"))), shapes, training


def train_alone(plan: Plan, lane: Lane, done: Callable[[int], None]) -> Ended:
    """One network trained by `fit`."""
    stopping = [] if plan.patience is None else [EarlyStopping(plan.patience)]
    with warnings.catch_warnings(action="ignore", category=DivergenceWarning):
        history = fit(
            lane.model,
            plan.x[lane.rows],
            plan.y[lane.rows],
            loss=plan.loss,
            optimizer=lane.optimizer(lane.model.parameters(), **dict(lane.settings)),
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            validation=lane.watched,
            callbacks=stopping,
            seed=lane.seed,
            progress=False,
        )
    done(plan.epochs)
    return Ended(stopping[0].best_epoch if stopping else len(history), history.stopped, history.diverged)


def spread(
    work: Work, jobs: list[Job], n_jobs: int, done: Callable[[int], None]
) -> Iterator[tuple[Sequence[int], Found]]:
    """All jobs trained, in this process or in several: the places of some and what they came to, as they finish."""
    if n_jobs == 1:
        yield range(len(jobs)), trained(work, jobs, done)
        return
    try:
        from joblib import Parallel, delayed, effective_n_jobs
    except ImportError:
        raise MissingExtra("joblib", "sweep") from None
    # Programs and batches are made anew in every part, so one has networks of few kinds and folds; a few parts for each
    # process even out what they take.
    kinds: dict[str, int] = {}
    order = sorted(range(len(jobs)), key=lambda i: (work.kind(jobs[i], kinds), jobs[i].fold, jobs[i].seed))
    count = min(len(jobs), 4 * effective_n_jobs(n_jobs))
    parts = [[*map(int, part)] for part in np.array_split(order, count)]
    found: Any = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(trained)(work, [jobs[i] for i in part], nothing) for part in parts
    )
    for part, result in zip(parts, found, strict=True):
        done(sum([work.taken(jobs[i], "epochs") for i in part]))
        yield part, result


def nothing(_: int) -> None:
    """Progress that nobody sees."""


def bar_of(epochs: int, *, shown: bool) -> Any:
    """A bar of the epochs of all networks, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("epochs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, disable=not (shown and console.is_terminal))
    bar.add_task("", total=epochs)
    return bar


def combinations(grid: Mapping[str, Iterable[Any]] | Sequence[Mapping[str, Any]]) -> list[Settings]:
    if not isinstance(grid, Iterable):
        raise DtypeError(f"sweep: the grid is a dict of lists, or a list of settings, not {grid!r}")
    if not isinstance(grid, Mapping):
        listed: list[Any] = [*grid]
        if not all([isinstance(settings, Mapping) for settings in listed]):
            raise DtypeError(f"sweep: the grid is a dict of lists, or a list of settings, not {listed!r}")
        return [dict(settings) for settings in listed]
    for name, values in grid.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise DtypeError(f"sweep: the grid has a list of values for each setting, and {name} is {values!r}")
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def arguments(function: Callable[..., Any]) -> Mapping[str, Argument]:
    """The arguments of a function or class by name; none where it does not tell them."""
    try:
        return signature(function).parameters
    except (TypeError, ValueError):
        return {}


def pair_of(data: Any, what: str) -> tuple[Array, Array]:
    """Inputs and targets as arrays of equally many rows."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise DtypeError(f"sweep: {what} is a pair (x, y) of arrays")
    x, y = (as_numbers(part, None, f"{what} {name}") for part, name in zip(data, "xy", strict=True))
    if not x.ndim or not y.ndim or len(x) != len(y) or not len(x):
        raise ShapeError(
            f"sweep: {what} has as many targets as examples, at least one, and got shapes {x.shape} and {y.shape}"
        )
    return x, y


def splits_of(y: Array, folds: int | None, *, stratify: bool) -> list[tuple[Array, Array | None]]:
    """The rows to train on and those to judge on, for every fold."""
    if not folds:
        return [(np.arange(len(y)), None)]
    return [*k_folds(y, k=folds, stratify=stratify)]


def grouped(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs of each setting, in the order of the grid."""
    found: dict[Any, list[Run]] = {}
    for run in runs:
        found.setdefault(tuple([(name, hashable(held)) for name, held in run.settings.items()]), []).append(run)
    return [*found.values()]


def hashable(held: Any) -> Any:
    """A setting's value, or its text where it is a list or an array."""
    return held if isinstance(held, Hashable) else repr(held)


def in_words(held: Any) -> Any:
    """A setting as a table shows it."""
    held = held.item() if isinstance(held, np.generic) else held
    if held is None or isinstance(held, str | int | float):
        return held
    if isinstance(held, tuple) and all([isinstance(part, int) for part in held]):
        return ",".join(map(str, held)) or "none"
    return name_of(held) if callable(held) else str(held)
