"""The tensor engine: one eager training step of three small networks beside PyTorch's, and two others to know about."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.harness import MICROSECOND, Report, Row, Worker, agree, timed

STEPS_TO_AGREE = 20
PEERS = {"torch": "PyTorch, eager", "jax": "jax.jit", "autograd": "autograd"}


@dataclass(frozen=True)
class Task:
    """A network, its batch, and how it learns. `tolerance` is for the loss after 20 steps, from rounding alone."""

    sizes: tuple[int, ...]
    batch: int
    dtype: str
    hidden: str
    last: str | None
    loss: str
    rate: float
    decay: float
    tolerance: float


TASKS = {
    "2-16-16-1": Task((2, 16, 16, 1), 100, "float64", "ReLU", None, "margin", 0.05, 2e-4, 1e-9),
    "64-32-10": Task((64, 32, 10), 32, "float32", "ReLU", None, "cross-entropy", 0.05, 0.0, 1e-4),
    "784-30-10": Task((784, 30, 10), 10, "float32", "Sigmoid", "Sigmoid", "quadratic", 0.5, 0.0, 1e-4),
}
"""The moons demo (max-margin and L2, as micrograd's), the handwritten digits, and Nielsen's network."""


def problem(task: Task) -> tuple[Any, Any, list[Any]]:
    """Inputs, targets and first weights, from one seed for every contestant."""
    source = np.random.default_rng(0)
    x = source.random((task.batch, task.sizes[0])).astype(task.dtype)
    classes = source.integers(0, max(task.sizes[-1], 2), task.batch)
    y: Any = classes
    if task.loss == "margin":
        y = (2.0 * classes[:, None] - 1).astype(task.dtype)
    elif task.loss == "quadratic":
        y = np.eye(task.sizes[-1], dtype=task.dtype)[classes]
    weights: list[Any] = []
    for fan_in, fan_out in pairwise(task.sizes):
        weights.append((source.standard_normal((fan_out, fan_in)) / np.sqrt(fan_in)).astype(task.dtype))
        weights.append((0.1 * source.standard_normal(fan_out)).astype(task.dtype))
    return x, y, weights


def eager(framework: Any, tensor: Callable[[Any], Any], dtype: Any, costs: dict[str, Any], task: Task) -> Any:
    """The training loop that chainrule and PyTorch share, word for word; every step has all its parts."""
    nn = framework.nn
    x, y, weights = problem(task)
    layers: list[Any] = []
    for fan_in, fan_out in pairwise(task.sizes):
        layers += [nn.Linear(fan_in, fan_out, dtype=dtype), getattr(nn, task.hidden)()]
    layers.pop()
    if task.last:
        layers.append(getattr(nn, task.last)())
    model = nn.Sequential(*layers)
    for parameter, weight in zip(model.parameters(), weights, strict=True):
        parameter.data = tensor(weight)
    optimizer = framework.optim.SGD(model.parameters(), lr=task.rate, weight_decay=task.decay)
    cost, x, y = costs[task.loss], tensor(x), tensor(y)

    def run(count: int) -> float:
        for _ in range(count):
            optimizer.zero_grad()
            loss = cost(model(x), y)
            loss.backward()
            optimizer.step()
        return loss.item()

    return run


def margin(score: Any, side: Any) -> Any:
    """The mean of how far each score falls short of 1 on its own side."""
    return (1 - side * score).relu().mean()


def train_chainrule(name: str) -> Callable[[int], float]:
    """The contestant of this project."""
    import chainrule as cr

    task = TASKS[name]
    costs = {
        "margin": margin,
        "cross-entropy": cr.nn.CrossEntropyLoss(),
        "quadratic": cr.nn.MSELoss(convention="mean"),
    }
    return eager(cr, cr.Tensor, np.dtype(task.dtype), costs, task)


def train_torch(name: str) -> Callable[[int], float]:
    """The contestant of PyTorch: torch.nn and torch.optim with their defaults, on one thread."""
    import torch

    torch.set_num_threads(1)
    task = TASKS[name]
    costs = {"margin": margin, "cross-entropy": torch.nn.CrossEntropyLoss(), "quadratic": torch.nn.MSELoss()}
    return eager(torch, torch.from_numpy, getattr(torch, task.dtype), costs, task)


def written_out(np_like: Any, task: Task, x: Any, y: Any) -> Callable[[Any], Any]:
    """The loss as a function of the weights, in NumPy's words, for jax and autograd."""
    hidden = {"ReLU": lambda z: np_like.maximum(z, 0), "Sigmoid": lambda z: 1 / (1 + np_like.exp(-z))}
    rows = np.arange(task.batch)

    def loss(weights: Any) -> Any:
        a = x
        for i in range(0, len(weights), 2):
            a = np_like.dot(a, weights[i].T) + weights[i + 1]
            name = task.hidden if i + 2 < len(weights) else task.last
            a = hidden[name](a) if name else a
        if task.loss == "margin":
            return np_like.mean(np_like.maximum(1 - y * a, 0))
        if task.loss == "quadratic":
            return np_like.mean((a - y) ** 2)
        a = a - np_like.max(a, axis=1, keepdims=True)
        return np_like.mean(np_like.log(np_like.sum(np_like.exp(a), axis=1)) - a[rows, y])

    return loss


def train_jax(name: str) -> Callable[[int], float]:
    """The contestant of jax: the whole step compiled as one."""
    import jax

    task = TASKS[name]
    jax.config.update("jax_enable_x64", task.dtype == "float64")
    x, y, weights = problem(task)
    both = jax.value_and_grad(written_out(jax.numpy, task, jax.numpy.asarray(x), jax.numpy.asarray(y)))

    @jax.jit
    def step(weights: Any) -> Any:
        loss, gradients = both(weights)
        return loss, [w - task.rate * (g + task.decay * w) for w, g in zip(weights, gradients, strict=True)]

    weights = [jax.numpy.asarray(w) for w in weights]

    def run(count: int) -> float:
        nonlocal weights
        for _ in range(count):
            loss, weights = step(weights)
        jax.block_until_ready(weights)
        return float(loss)

    return run


def train_autograd(name: str) -> Callable[[int], float]:
    """The contestant of autograd."""
    from autograd import value_and_grad

    task = TASKS[name]
    x, y, weights = problem(task)
    both = value_and_grad(written_out(importlib.import_module("autograd.numpy"), task, x, y))

    def run(count: int) -> float:
        nonlocal weights
        for _ in range(count):
            loss, gradients = both(weights)
            weights = [w - task.rate * (g + task.decay * w) for w, g in zip(weights, gradients, strict=True)]
        return float(loss)

    return run


def steps() -> Report:
    """The three networks, every contestant from the same weights, their losses compared after 20 steps."""
    report = Report()
    absent = report.missing(list(PEERS))
    peers = [peer for peer in PEERS if peer not in absent]
    for name, task in TASKS.items():
        with ExitStack() as open_workers:
            workers = [
                open_workers.enter_context(Worker(f"benchmarks.tensors:train_{contestant}", name))
                for contestant in ("chainrule", *peers)
            ]
            agree(workers, STEPS_TO_AGREE, task.tolerance)
            ours, *theirs = timed(workers, seconds=0.04, runs=25)
        title = f"training step {name}"
        if not theirs:
            report.rows.append(Row(title, ours, unit=MICROSECOND))
        for peer, runs in zip(peers, theirs, strict=True):
            target = 0.6 if peer == "torch" else None
            report.rows.append(Row(title, ours, PEERS[peer], runs, unit=MICROSECOND, target=target))
    return report
