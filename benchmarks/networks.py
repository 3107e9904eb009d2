"""Networks people train: epochs on the digits and on MNIST, and the time until enough of the unseen ones are right."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.harness import MILLISECOND, DisagreementError, Report, Row, Worker, agree, pinned, timed

MNIST = Path("mnist.npz")
"""The archive that is looked for in the current folder; ``CHAINRULE_MNIST`` names another place."""

PEERS = {"sklearn": "scikit-learn", "torch": "PyTorch, eager", "jax": "jax.jit with scan"}
BY_HAND = {"classic": "NumPy by hand, an example at a time", "batches": "NumPy by hand, a batch at a time"}
"""Peers that need no package; their epochs alone are timed."""

MOST_EPOCHS = 60
JUDGED = 256
"""How many unseen examples the cost is taken of, by which contestants must agree."""


@dataclass(frozen=True)
class Task:
    """A network, what it learns from, and how; `goal` is the share of unseen examples to get right.

    `tolerance` is for the cost after the first epoch: rounding to float32 in every one of its steps, and that
    scikit-learn adds Adam's small number to the root in another place.
    """

    examples: int
    sizes: tuple[int, ...]
    batch: int
    hidden: str
    last: str | None
    loss: str
    optimizer: str
    rate: float
    goal: float
    tolerance: float
    peers: tuple[str, ...]
    runs: int


TASKS = {
    "digits 64-32-10": Task(
        1437, (64, 32, 10), 128, "ReLU", None, "cross-entropy", "Adam", 0.01, 0.95, 1e-3, ("sklearn", "torch", "jax"), 9
    ),
    "MNIST 784-100-10": Task(
        60000,
        (784, 100, 10),
        128,
        "ReLU",
        None,
        "cross-entropy",
        "Adam",
        1e-3,
        0.97,
        2e-2,
        ("sklearn", "torch", "jax"),
        5,
    ),
    # A rate of 3.0 on the mean over the batch is 0.3 on the sum.
    "MNIST 784-30-10, quadratic": Task(
        50000,
        (784, 30, 10),
        10,
        "Sigmoid",
        "Sigmoid",
        "quadratic",
        "SGD",
        0.3,
        0.95,
        1e-2,
        ("torch", "jax", *BY_HAND),
        5,
    ),
}
SECONDS_OF_AN_EPOCH = {"MNIST 784-30-10, quadratic": 0.4}
CLASSIC_SECONDS = 1.8
"""What the classic program takes for that epoch where the target was set: the machine's speed cancels in the ratio."""


class Contestant(Protocol):
    """What a way of training must be able to do."""

    def restart(self) -> None:
        """Stand at the first weights again."""
        ...

    def epoch(self, order: Any) -> None:
        """Train on every example once, in this order."""
        ...

    def outputs(self, count: int) -> Any:
        """The shares the network gives each class, for the first of the unseen examples."""
        ...


@dataclass(frozen=True)
class Problem:
    """Examples to learn from and to judge by, and the first weights: the same numbers for every contestant."""

    x: Any
    y: Any
    unseen_x: Any
    unseen_y: Any
    weights: list[Any]


def problem(task: Task) -> Problem:
    """The examples of a task, in an order of their own, and weights from a seed."""
    from chainrule.data import load_digits, load_mnist

    source = np.random.default_rng(0)
    if task.sizes[0] == 64:
        x, y = load_digits()
        order = source.permutation(len(x))
        x, y = x[order], y[order]
        unseen_x, unseen_y = x[task.examples :], y[task.examples :]
    else:
        x, y, unseen_x, unseen_y = load_mnist(mnist())
    weights: list[Any] = []
    for fan_in, fan_out in pairwise(task.sizes):
        weights.append((source.standard_normal((fan_out, fan_in)) / np.sqrt(fan_in)).astype(np.float32))
        weights.append(np.zeros(fan_out, np.float32))
    return Problem(x[: task.examples], y[: task.examples], unseen_x, unseen_y, weights)


def mnist() -> Path:
    """The archive with MNIST."""
    return Path(os.environ.get("CHAINRULE_MNIST", MNIST))


class Eager:
    """The training that chainrule, where it is not compiled, and PyTorch share, word for word."""

    def __init__(self, framework: Any, tensor: Callable[[Any], Any], cost: Any, task: Task, given: Problem) -> None:
        self.framework, self.tensor, self.cost, self.task, self.given = framework, tensor, cost, task, given
        self.x, self.y, self.unseen = tensor(given.x), tensor(targets(task, given.y)), tensor(given.unseen_x)
        layers: list[Any] = []
        for fan_in, fan_out in pairwise(task.sizes):
            layers += [framework.nn.Linear(fan_in, fan_out), getattr(framework.nn, task.hidden)()]
        layers[-1] = getattr(framework.nn, task.last)() if task.last else framework.nn.Sequential()
        self.model = framework.nn.Sequential(*layers)

    def restart(self) -> None:
        """Stand at the first weights, with a new optimizer."""
        for parameter, weight in zip(self.model.parameters(), self.given.weights, strict=True):
            parameter.data = self.tensor(weight.copy())
        kind = getattr(self.framework.optim, self.task.optimizer)
        self.optimizer = kind(self.model.parameters(), lr=self.task.rate)

    def epoch(self, order: Any) -> None:
        """One step for each batch."""
        x, y, batch = self.x, self.y, self.task.batch
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            self.optimizer.zero_grad()
            loss = self.cost(self.model(x[chosen]), y[chosen])
            loss.backward()
            self.optimizer.step()

    def outputs(self, count: int) -> Any:
        """What the network gives, as shares."""
        with self.framework.no_grad():
            out = np.asarray(self.model(self.unseen if count == len(self.unseen) else self.unseen[:count]))
        return shares(self.task, out)


class Compiled(Eager):
    """The same training by a compiled step, as `fit` has it: many batches in a call, gathered inside."""

    def restart(self) -> None:
        """Stand at the first weights, with a new optimizer and a step of its own."""
        super().restart()
        self.step = self.framework.compile(self.model, loss=self.cost, optimizer=self.optimizer)

    def epoch(self, order: Any) -> None:
        """All whole batches in one call, and then the rest."""
        whole = len(order) - len(order) % self.task.batch
        self.step.scan(self.x.data, self.y.data, order[:whole].reshape(-1, self.task.batch))
        if whole < len(order):
            self.step(self.x.data[order[whole:]], self.y.data[order[whole:]])


def targets(task: Task, y: Any) -> Any:
    """Classes as their numbers, or as rows with a 1 in the right place."""
    return np.eye(task.sizes[-1], dtype=np.float32)[y] if task.loss == "quadratic" else y


def shares(task: Task, out: Any) -> Any:
    """A softmax, where the loss has one."""
    if task.loss == "quadratic":
        return out
    out = np.exp(out - out.max(1, keepdims=True))
    return out / out.sum(1, keepdims=True)


def make_chainrule(task: Task, given: Problem) -> Contestant:
    """The contestant of this project."""
    import chainrule as cr

    cost = cr.nn.MSELoss("half_sum") if task.loss == "quadratic" else cr.nn.CrossEntropyLoss()
    return Compiled(cr, cr.Tensor, cost, task, given)


def make_eager(task: Task, given: Problem) -> Contestant:
    """This project without compiled steps."""
    import chainrule as cr

    cost = cr.nn.MSELoss("half_sum") if task.loss == "quadratic" else cr.nn.CrossEntropyLoss()
    return Eager(cr, cr.Tensor, cost, task, given)


def make_torch(task: Task, given: Problem) -> Contestant:
    """The contestant of PyTorch: torch.nn and torch.optim with their defaults."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    squared = torch.nn.MSELoss(reduction="sum")
    quadratic: Callable[[Any, Any], Any] = lambda out, y: 0.5 * squared(out, y)  # noqa: E731  (a cost beside a cost)
    return Eager(
        torch,
        torch.from_numpy,
        quadratic if task.loss == "quadratic" else torch.nn.CrossEntropyLoss(),
        task,
        given,
    )


class ScikitLearn:
    """MLPClassifier, an epoch at a time by `partial_fit`, the only way to give it weights and an order."""

    def __init__(self, task: Task, given: Problem) -> None:
        from sklearn.neural_network import MLPClassifier

        self.given = given
        classifier: Any = MLPClassifier  # scikit-learn's stub takes every setting for a text
        self.model = classifier(
            task.sizes[1:-1], batch_size=task.batch, learning_rate_init=task.rate, alpha=0, shuffle=False
        )
        self.model.partial_fit(given.x[: task.batch], given.y[: task.batch], classes=np.arange(task.sizes[-1]))

    def restart(self) -> None:
        """Stand at the first weights; the optimizer is made anew where it is missing."""
        self.model.coefs_ = [weight.T.copy() for weight in self.given.weights[::2]]
        self.model.intercepts_ = [weight.copy() for weight in self.given.weights[1::2]]
        vars(self.model).pop("_optimizer", None)

    def epoch(self, order: Any) -> None:
        """Its own loop over batches."""
        self.model.partial_fit(self.given.x[order], self.given.y[order])

    def outputs(self, count: int) -> Any:
        """The probabilities it gives."""
        return self.model.predict_proba(self.given.unseen_x[:count])


class Jax:
    """A whole epoch as one compiled scan over its batches; a smaller last batch is a compiled step of its own."""

    def __init__(self, task: Task, given: Problem) -> None:
        import jax

        self.task, self.given, self.jax = task, given, jax
        self.x, self.y, self.unseen = map(jax.numpy.asarray, (given.x, targets(task, given.y), given.unseen_x))
        self.steps = jax.jit(lambda state, chosen: jax.lax.scan(self.step, state, chosen)[0])
        self.network = jax.jit(self.forward)

    def forward(self, weights: Any, x: Any) -> Any:
        """The network."""
        hidden = {"ReLU": self.jax.nn.relu, "Sigmoid": self.jax.nn.sigmoid}
        for i in range(0, len(weights), 2):
            x = x @ weights[i].T + weights[i + 1]
            name = self.task.hidden if i + 2 < len(weights) else self.task.last
            x = hidden[name](x) if name else x
        return x

    def loss(self, weights: Any, x: Any, y: Any) -> Any:
        """What is made small."""
        out = self.forward(weights, x)
        if self.task.loss == "quadratic":
            return 0.5 * ((out - y) ** 2).sum()
        return -self.jax.nn.log_softmax(out)[self.jax.numpy.arange(len(y)), y].mean()

    def step(self, state: Any, chosen: Any) -> Any:
        """One batch."""
        weights, means, squares, count = state
        gradients = self.jax.grad(self.loss)(weights, self.x[chosen], self.y[chosen])
        each, rate, count = self.jax.tree.map, self.task.rate, count + 1
        if self.task.optimizer == "SGD":
            return (each(lambda w, g: w - rate * g, weights, gradients), means, squares, count), None
        means = each(lambda m, g: 0.9 * m + 0.1 * g, means, gradients)
        squares = each(lambda v, g: 0.999 * v + 0.001 * g * g, squares, gradients)
        first, second = 1 - 0.9**count, 1 - 0.999**count
        root = self.jax.numpy.sqrt
        weights = each(lambda w, m, v: w - rate * m / first / (root(v / second) + 1e-8), weights, means, squares)
        return (weights, means, squares, count), None

    def restart(self) -> None:
        """Stand at the first weights."""
        weights = [self.jax.numpy.asarray(weight) for weight in self.given.weights]
        zeros = [self.jax.numpy.zeros_like(weight) for weight in weights]
        self.state = (weights, zeros, zeros, self.jax.numpy.float32(0))

    def epoch(self, order: Any) -> None:
        """All whole batches in one call, and what is left."""
        batch = self.task.batch
        whole = len(order) // batch * batch
        self.state = self.steps(self.state, order[:whole].reshape(-1, batch))
        if whole < len(order):
            self.state = self.steps(self.state, order[None, whole:])
        self.jax.block_until_ready(self.state)

    def outputs(self, count: int) -> Any:
        """What the network gives, as shares."""
        return shares(self.task, np.asarray(self.network(self.state[0], self.unseen[:count])))


def sigmoid(z: Any) -> Any:
    """1 / (1 + e^-z)."""
    return 1 / (1 + np.exp(-z))


class ByHand:
    """Backpropagation through two layers of sigmoids as textbooks write it, with examples as columns.

    One example at a time in float64, whose gradients are added up; or the batch as one matrix, in float32.
    """

    def __init__(self, task: Task, given: Problem, whole_batches: bool) -> None:
        self.task, self.given, self.whole = task, given, whole_batches
        self.precision: Any = np.float32 if whole_batches else np.float64
        self.x, self.y = given.x.astype(self.precision), targets(task, given.y).astype(self.precision)

    def restart(self) -> None:
        """Stand at the first weights."""
        weights = [weight.astype(self.precision) for weight in self.given.weights]
        self.weights, self.biases = weights[::2], [bias[:, None] for bias in weights[1::2]]

    def gradients(self, x: Any, y: Any) -> tuple[list[Any], list[Any]]:
        """The gradients of the quadratic cost of some columns."""
        (w1, w2), (b1, b2) = self.weights, self.biases
        hidden = sigmoid(w1 @ x + b1)
        out = sigmoid(w2 @ hidden + b2)
        delta2 = (out - y) * out * (1 - out)
        delta1 = w2.T @ delta2 * hidden * (1 - hidden)
        return [delta1 @ x.T, delta2 @ hidden.T], [delta1.sum(1, keepdims=True), delta2.sum(1, keepdims=True)]

    def epoch(self, order: Any) -> None:
        """One step for each batch."""
        size, rate = self.task.batch, self.task.rate
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            if self.whole:
                weights, biases = self.gradients(self.x[chosen].T, self.y[chosen].T)
            else:
                weights, biases = [np.zeros_like(w) for w in self.weights], [np.zeros_like(b) for b in self.biases]
                for i in chosen:
                    of_weights, of_biases = self.gradients(self.x[i][:, None], self.y[i][:, None])
                    weights = [total + g for total, g in zip(weights, of_weights, strict=True)]
                    biases = [total + g for total, g in zip(biases, of_biases, strict=True)]
            self.weights = [w - rate * g for w, g in zip(self.weights, weights, strict=True)]
            self.biases = [b - rate * g for b, g in zip(self.biases, biases, strict=True)]

    def outputs(self, count: int) -> Any:
        """What the network gives."""
        out = self.given.unseen_x[:count].T
        for w, b in zip(self.weights, self.biases, strict=True):
            out = sigmoid(w @ out + b)
        return out.T


MAKERS: dict[str, Callable[[Task, Problem], Contestant]] = {
    "chainrule": make_chainrule,
    "eager": make_eager,
    "torch": make_torch,
    "sklearn": ScikitLearn,
    "jax": Jax,
    "classic": partial(ByHand, whole_batches=False),
    "batches": partial(ByHand, whole_batches=True),
}


def epochs(maker: str, name: str) -> Callable[[int], float]:
    """Train epoch after epoch; the number is the cost of some unseen examples."""
    task = TASKS[name]
    given = problem(task)
    contestant = MAKERS[maker](task, given)
    contestant.restart()
    done = 0

    def run(count: int) -> float:
        nonlocal done
        for _ in range(count):
            contestant.epoch(np.random.default_rng((0, done)).permutation(task.examples))
            done += 1
        out, y = contestant.outputs(JUDGED), given.unseen_y[:JUDGED]
        if task.loss == "quadratic":
            return float(((out - targets(task, y)) ** 2).sum(1).mean() / 2)
        return float(-np.log(out[np.arange(JUDGED), y]).mean())

    return run


def reach(maker: str, name: str) -> Callable[[int], int]:
    """Train until enough unseen examples are right, judging after each epoch; the number of epochs it took."""
    task = TASKS[name]
    given = problem(task)
    contestant = MAKERS[maker](task, given)

    def once() -> int:
        contestant.restart()
        for epoch in range(MOST_EPOCHS):
            contestant.epoch(np.random.default_rng((0, epoch)).permutation(task.examples))
            if (contestant.outputs(len(given.unseen_x)).argmax(1) == given.unseen_y).mean() >= task.goal:
                return epoch + 1
        raise DisagreementError(f"{maker} gets less than {task.goal:.0%} right after {MOST_EPOCHS} epochs of {name}")

    return lambda count: [once() for _ in range(count)][-1]


def training() -> Report:
    """Each task on one core and on two: the time of an epoch, and the time to the goal, which includes judging."""
    report = Report()
    absent = report.missing(list(PEERS))
    for name, task in TASKS.items():
        if task.sizes[0] == 784 and not mnist().exists():
            report.notes.append(f"{name} is left out: mnist.npz is not there (CHAINRULE_MNIST names its place)")
            continue
        peers = [peer for peer in task.peers if peer not in absent]
        for cores, where in report.cores():
            with pinned(cores):
                _measure(report, name, task, peers, where)
    return report


def _measure(report: Report, name: str, task: Task, peers: list[str], where: str) -> None:
    """The rows of one task on so many cores."""
    for part, title in (("epochs", "an epoch"), ("reach", f"to {task.goal:.0%} right")):
        with ExitStack() as open_workers:
            start = partial(Worker, f"benchmarks.networks:{part}")
            beside = [peer for peer in peers if part == "epochs" or peer not in BY_HAND]
            workers = [open_workers.enter_context(start(maker, name)) for maker in ("chainrule", *beside)]
            # Rounding may carry one contestant over the goal an epoch before another.
            first = agree(workers, 1, task.tolerance if part == "epochs" else 0.5)
            ours, *theirs = timed(workers, seconds=0.1, runs=task.runs if part == "epochs" else task.runs // 2 + 1)
        whole, unit = f"{name}, {title}, {where}", MILLISECOND if task.sizes[0] == 64 else 1.0
        target = SECONDS_OF_AN_EPOCH.get(name) if part == "epochs" and where == "one core" else None
        if target or not beside:
            report.rows.append(Row(whole, ours, unit=unit, target=target))
        for peer, runs in zip(beside, theirs, strict=True):
            aim = 2.0 if peer == "sklearn" else 1.0 if task.optimizer == "Adam" and peer in PEERS else None
            if peer == "classic" and target:
                aim = CLASSIC_SECONDS / target
            report.rows.append(Row(whole, ours, {**PEERS, **BY_HAND}[peer], runs, unit=unit, target=aim, faster=True))
        if part == "epochs" and "jax" in beside:
            seconds = first[1 + beside.index("jax")].seconds
            report.notes.append(f"{whole}: the first epoch of jax.jit, compilation included, took {seconds:.2f} s")
