"""Second derivatives of the moons net: the Hessian in all 337 parameters, and products with it, beside jax.jit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.harness import MICROSECOND, Report, Row, Worker, agree, timed

SIZES, POINTS = (2, 16, 16, 1), 100
KINDS = {"hessian": "the Hessian, 337×337", "hvp": "a Hessian-vector product"}
TARGET, TOLERANCE = 1.0, 1e-9


def problem() -> tuple[Any, ...]:
    """Parameters in a row, a direction, and the points with their sides."""
    source = np.random.default_rng(0)
    x = source.standard_normal((POINTS, SIZES[0]))
    y = np.sign(x[:, 0] * x[:, 1])
    parts = [source.standard_normal((a, b)) / np.sqrt(a) for a, b in pairwise(SIZES)]
    row = np.concatenate([part for w in parts for part in (w.ravel(), 0.1 * source.standard_normal(w.shape[1]))])
    return row, source.standard_normal(len(row)), x, y


def loss_of(np_like: Any, x: Any, y: Any) -> Callable[..., Any]:
    """The mean squared error of the net as a function of its parameters in a row, in words that both packages have."""

    def loss(row: Any) -> Any:
        h, start = x, 0
        for a, b in pairwise(SIZES):
            w, bias = row[start : start + a * b].reshape(a, b), row[start + a * b : start + a * b + b]
            start += (a + 1) * b
            h = h @ w + bias
            h = h if b == SIZES[-1] else np_like.tanh(h)
        return np_like.mean((h[:, 0] - y) ** 2)

    return loss


def ours(kind: str) -> Callable[[int], float]:
    """Compiled by this project."""
    import chainrule as cr

    row, direction, x, y = problem()
    loss = loss_of(cr, x, y)
    if kind == "hessian":
        return repeated(cr.compile(cr.hessian(loss)), row)
    return repeated(cr.compile(lambda row, v: cr.hvp(loss, (row,), (v,))), row, direction)


def jaxs(kind: str) -> Callable[[int], float]:
    """Compiled by jax."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    row, direction, x, y = map(jnp.asarray, problem())
    loss = loss_of(jnp, x, y)
    if kind == "hessian":
        return repeated(jax.jit(jax.hessian(loss)), row)
    return repeated(jax.jit(lambda row, v: jax.jvp(jax.grad(loss), (row,), (v,))[1]), row, direction)


def repeated(function: Callable[..., Any], *arguments: Any) -> Callable[[int], float]:
    """Calls of a function; the number is the sum of what it gives."""

    def run(count: int) -> float:
        found: Any = 0.0
        for _ in range(count):
            found = function(*arguments)
        return float(np.abs(np.asarray(found)).sum())

    return run


def second_order() -> Report:
    """The time of each, results fresh."""
    report = Report()
    if report.missing(["jax"]):
        return report
    for kind, what in KINDS.items():
        with ExitStack() as stack:
            workers = [stack.enter_context(Worker(f"benchmarks.second_order:{f}", kind)) for f in ("ours", "jaxs")]
            agree(workers, 1, TOLERANCE)
            mine, theirs = timed(workers, 0.2)
        report.rows.append(
            Row(f"2-16-16-1, {POINTS} points: {what}", mine, "jax.jit", theirs, MICROSECOND, target=TARGET)
        )
    return report
