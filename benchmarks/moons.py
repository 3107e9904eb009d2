"""The demo of micrograd, a 2-16-16-1 network that learns two moons: one text for every package with its names."""

from __future__ import annotations

import gc
import importlib
import math
import random
from collections.abc import Callable
from typing import Any

POINTS = 100


def two_moons() -> tuple[list[list[float]], list[int]]:
    """A hundred noisy points on two interleaved half circles, and their sides, 1 and -1."""
    source = random.Random(0)
    points: list[list[float]] = []
    sides: list[int] = []
    for i in range(POINTS):
        angle, lower = math.pi * source.random(), i % 2
        x, y = (1 - math.cos(angle), 0.5 - math.sin(angle)) if lower else (math.cos(angle), math.sin(angle))
        points.append([x + source.gauss(0, 0.1), y + source.gauss(0, 0.1)])
        sides.append(1 if lower else -1)
    return points, sides


def prepare(package: str) -> tuple[Any, Callable[[], Any]]:
    """The network, and a function that records the loss: max-margin, plus L2 on every parameter."""
    engine = importlib.import_module(f"{package}.engine")
    nn = importlib.import_module(f"{package}.nn")
    random.seed(1337)
    model = nn.MLP(2, [16, 16, 1])
    points, sides = two_moons()

    def loss() -> Any:
        inputs = [list(map(engine.Value, point)) for point in points]
        scores = list(map(model, inputs))
        losses = [(1 + -side * score).relu() for side, score in zip(sides, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        alpha = 1e-4
        reg_loss = alpha * sum(p * p for p in model.parameters())
        return data_loss + reg_loss

    return model, loss


def training(package: str, collector: str = "on") -> Callable[[int], float]:
    """Steps of the demo, each with everything in it: record, zero, backward, update, and free the graph."""
    model, loss = prepare(package)
    if collector == "off":
        gc.disable()

    def step() -> float:
        total_loss = loss()
        model.zero_grad()
        total_loss.backward()
        for p in model.parameters():
            p.data -= 0.05 * p.grad
        return total_loss.data

    def run(count: int) -> float:
        for _ in range(count):
            reached = step()
        return reached

    return run


def counting(package: str) -> Callable[[int], float]:
    """How many nodes the loss of one step has."""
    _, loss = prepare(package)

    def run(_: int) -> float:
        stack = [loss()]
        seen = set(stack)
        while stack:
            new = set(stack.pop()._prev) - seen
            seen |= new
            stack.extend(new)
        return len(seen)

    return run
