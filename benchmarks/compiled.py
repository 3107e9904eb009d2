"""Compiled training steps on the kernels, beside jax.jit, PyTorch and NumPy; many in one call, beside jax.lax.scan."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.harness import MICROSECOND, TORCH_COMPILES, Report, Row, Worker, agree, timed

STEPS = 100
"""Steps of one scan."""
OLDER_JAX = os.environ.get("CHAINRULE_OLDER_JAX")
"""The interpreter of an environment with jax 0.4.31, whose steps were quicker to call than those of later ones."""


@dataclass(frozen=True)
class Net:
    """A network, its batch and how it learns; `step` and `scan` are the targets beside jax."""

    sizes: tuple[int, ...]
    batch: int
    dtype: str
    loss: str
    adam: bool
    rate: float
    step: float
    scan: float | None
    tolerance: float


NETS = {
    "2-16-16-1": Net((2, 16, 16, 1), 100, "float64", "margin", False, 0.05, 0.2, 0.4, 1e-9),
    "64-32-10": Net((64, 32, 10), 32, "float32", "cross-entropy", False, 0.05, 0.2, 0.4, 1e-4),
    "784-30-10": Net((784, 30, 10), 10, "float32", "quadratic", False, 0.5, 0.3, 0.4, 1e-4),
    "784-100-10": Net((784, 100, 10), 128, "float32", "cross-entropy", True, 0.001, 0.8, None, 1e-3),
    "784-512-512-10": Net((784, 512, 512, 10), 128, "float32", "cross-entropy", True, 0.001, 1.0, None, 1e-3),
}
"""The moons demo, the handwritten digits, Nielsen's network, and two that learn with Adam."""


def problem(net: Net) -> tuple[Any, Any, Any]:
    """Inputs, targets and the first state, from one seed for every contestant."""
    source = np.random.default_rng(0)
    rows = STEPS * net.batch if not net.adam else 4 * net.batch
    x = source.random((rows, net.sizes[0])).astype(net.dtype)
    classes = source.integers(0, max(net.sizes[-1], 2), rows)
    y: Any = classes
    if net.loss == "margin":
        y = (2.0 * classes - 1).astype(net.dtype)
    elif net.loss == "quadratic":
        y = np.eye(net.sizes[-1], dtype=net.dtype)[classes]
    weights = [(source.standard_normal((a, b)) / np.sqrt(a)).astype(net.dtype) for a, b in pairwise(net.sizes)]
    biases = [(0.1 * source.standard_normal(b)).astype(net.dtype) for b in net.sizes[1:]]
    p = [part for pair in zip(weights, biases, strict=True) for part in pair]
    state = {"p": p}
    if net.adam:
        state |= {"m": [np.zeros_like(w) for w in p], "v": [np.zeros_like(w) for w in p], "t": np.float32(0)}
    return x, y, state


def step_of(net: Net, np_like: Any, value_and_grad: Any, surprise: Any, activations: Any) -> Callable[..., Any]:
    """A whole step of training as a function of state and batch, in words that both packages have."""
    sigmoid, relu = activations

    def loss(p: Any, x: Any, y: Any) -> Any:
        layers = list(zip(p[::2], p[1::2], strict=True))
        for w, b in layers[:-1]:
            z = x @ w + b
            x = sigmoid(z) if net.loss == "quadratic" else relu(z)
        z = x @ layers[-1][0] + layers[-1][1]
        if net.loss == "margin":
            return np_like.mean(relu(1 - y * z[:, 0])) + 1e-4 * sum([np_like.sum(w * w) for w in p])
        if net.loss == "quadratic":
            return np_like.mean(np_like.sum((sigmoid(z) - y) ** 2, axis=1)) / 2
        return surprise(z, y)

    def step(state: Any, x: Any, y: Any) -> Any:
        value, slopes = value_and_grad(loss)(state["p"], x, y)
        return moved(net, state, slopes, np_like.sqrt), value

    return step


def moved(net: Net, state: Any, slopes: Any, sqrt: Any) -> Any:
    """The state after a step of descent, or of Adam."""
    if not net.adam:
        return {"p": [w - net.rate * g for w, g in zip(state["p"], slopes, strict=True)]}
    t = state["t"] + 1
    m = [0.9 * m + 0.1 * g for m, g in zip(state["m"], slopes, strict=True)]
    v = [0.999 * v + 0.001 * g * g for v, g in zip(state["v"], slopes, strict=True)]
    one, two = 1 - 0.9**t, 1 - 0.999**t
    p = [w - net.rate * (a / one) / (sqrt(b / two) + 1e-8) for w, a, b in zip(state["p"], m, v, strict=True)]
    return {"p": p, "m": m, "v": v, "t": t}


def batches(net: Net) -> Any:
    """The rows of every step of a scan."""
    return np.arange(STEPS * net.batch).reshape(STEPS, net.batch)


def ours(name: str, how: str) -> Callable[[int], float]:
    """The contestant of this project."""
    import chainrule as cr

    net = NETS[name]
    x, y, state = problem(net)
    step = step_of(net, cr, cr.value_and_grad, cr.cross_entropy, (cr.sigmoid, cr.relu))
    if how == "scan":
        return scanned(
            cr.compile(lambda s, rows: step(s, cr.index(x, key=rows), cr.index(y, key=rows))).scan, net, state
        )
    return stepped(cr.compile(step), net, x, y, state)


def jaxs(name: str, how: str) -> Callable[[int], float]:
    """The contestant of jax: jit, with donated buffers where the target says so, or a jitted scan."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    net = NETS[name]
    x, y, state = problem(net)

    def surprise(z: Any, y: Any) -> Any:
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1))

    step = step_of(net, jnp, jax.value_and_grad, surprise, (jax.nn.sigmoid, jax.nn.relu))
    state = jax.tree.map(jnp.asarray, state)
    if how == "scan":
        x, y = jnp.asarray(x), jnp.asarray(y)
        whole = jax.jit(lambda s, rows: jax.lax.scan(lambda s, r: step(s, x[r], y[r]), s, rows))
        return scanned(whole, net, state)
    return stepped(jax.jit(step, donate_argnums=(0,) if net.adam else ()), net, x, y, state)


def torchs(name: str, how: str) -> Callable[[int], float]:
    """The contestant of PyTorch: eager, or the whole step by `torch.compile`."""
    import torch

    torch.set_num_threads(1)

    def value_and_grad(loss: Any) -> Any:
        def both(p: Any, x: Any, y: Any) -> Any:
            value = loss(p := [w.requires_grad_() for w in p], x, y)
            slopes = torch.autograd.grad(value, p)
            for w in p:
                w.requires_grad_(False)
            return value.detach(), slopes

        return both

    net = NETS[name]
    x, y, state = problem(net)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    state = {key: torch.as_tensor(of) if key == "t" else [*map(torch.from_numpy, of)] for key, of in state.items()}
    gradients = {
        "eager": value_and_grad,
        "compiled": lambda loss: lambda *args: torch.func.grad_and_value(loss)(*args)[::-1],
    }[how]
    step = step_of(net, torch, gradients, torch.nn.functional.cross_entropy, (torch.sigmoid, torch.relu))
    return stepped(torch.compile(step) if how == "compiled" else step, net, x, y, state)


def by_hand(name: str, how: str) -> Callable[[int], float]:
    """The contestant without a library of derivatives: backpropagation written by hand in NumPy."""
    from benchmarks.networks import sigmoid

    net = NETS[name]

    def step(state: Any, x: Any, y: Any) -> Any:
        layers = list(zip(state["p"][::2], state["p"][1::2], strict=True))
        inputs, rows = [x], len(x)
        for w, b in layers[:-1]:
            z = inputs[-1] @ w + b
            inputs.append(sigmoid(z) if net.loss == "quadratic" else np.maximum(z, 0))
        z = inputs[-1] @ layers[-1][0] + layers[-1][1]
        if net.loss == "margin":
            missing = 1 - y * z[:, 0]
            value = np.maximum(missing, 0).mean() + 1e-4 * sum([(w * w).sum() for w in state["p"]])
            delta = (-y * (missing > 0) / rows)[:, None]
        elif net.loss == "quadratic":
            a = sigmoid(z)
            value = ((a - y) ** 2).sum() / (2 * rows)
            delta = (a - y) * a * (1 - a) / rows
        else:
            z -= z.max(axis=1, keepdims=True)
            delta = np.exp(z)
            totals = delta.sum(axis=1, keepdims=True)
            value = (np.log(totals[:, 0]) - z[np.arange(rows), y]).mean()
            delta /= totals
            delta[np.arange(rows), y] -= 1
            delta /= rows
        slopes: list[Any] = []
        for (w, _), a in zip(layers[::-1], inputs[::-1], strict=True):
            slopes = [a.T @ delta, delta.sum(axis=0), *slopes]
            if a is not x:
                delta = delta @ w.T * (a * (1 - a) if net.loss == "quadratic" else a > 0)
        if net.loss == "margin":
            slopes = [g + 2e-4 * w for g, w in zip(slopes, state["p"], strict=True)]
        return moved(net, state, slopes, np.sqrt), value

    x, y, state = problem(net)
    return stepped(step, net, x, y, state)


def stepped(step: Callable[..., Any], net: Net, x: Any, y: Any, state: Any) -> Callable[[int], float]:
    """A call for each step, always on the first batch."""
    x, y = x[: net.batch], y[: net.batch]

    def run(count: int) -> float:
        nonlocal state
        value: Any = 0.0
        for _ in range(count):
            state, value = step(state, x, y)
        return float(value)

    return run


def scanned(scan: Callable[..., Any], net: Net, state: Any) -> Callable[[int], float]:
    """A call for every hundred steps."""
    rows = batches(net)

    def run(count: int) -> float:
        nonlocal state
        values: Any = [0.0]
        for _ in range(count):
            state, values = scan(state, rows)
        return float(values[-1])

    return run


def contestants(net: Net, how: str, absent: set[str]) -> dict[str, tuple[str, str, str | None]]:
    """What runs beside this project: by the name of the row the function, how it runs, and its interpreter."""
    jit = {"scan": "jax.lax.scan", "step": "jax.jit, donated" if net.adam else "jax.jit"}[how]
    peers: dict[str, tuple[str, str, str | None]] = {jit: ("jaxs", how, None)}
    if OLDER_JAX:
        peers[f"{jit}, of jax 0.4.31"] = "jaxs", how, OLDER_JAX
    if how == "step":
        peers["NumPy by hand"] = "by_hand", how, None
        if "torch" not in absent:
            peers["PyTorch, eager"] = "torchs", "eager", None
            if TORCH_COMPILES:
                peers["torch.compile"] = "torchs", "compiled", None
    return peers


def compiled() -> Report:
    """A training step in one call, and a hundred of them."""
    report = Report()
    absent = report.missing(["jax", "torch"])
    if "jax" in absent:
        return report
    if not OLDER_JAX:
        report.notes.append("CHAINRULE_OLDER_JAX can name the Python of an environment with jax 0.4.31, to run beside")
    for name, net in NETS.items():
        for how in ("step", "scan"):
            target = net.step if how == "step" else net.scan
            if target is None:
                continue
            peers = contestants(net, how, absent)
            with ExitStack() as stack:
                start = [("ours", how, None), *peers.values()]
                workers = [
                    stack.enter_context(Worker(f"benchmarks.compiled:{f}", name, way, python=python))
                    for f, way, python in start
                ]
                # Where Adam divides by a gradient of nothing but rounding, roundings grow: after twenty steps to 0.3 %.
                agree(workers, 1 if how == "scan" else 10 if net.adam else 20, net.tolerance)
                runs = timed(workers, 0.2)
            each = 1 if how == "step" else STEPS
            mine, *others = [[seconds / each for seconds in run] for run in runs]
            what = f"{name}, batch {net.batch}: a step" + (f" of {STEPS} in one call" if how == "scan" else "")
            for peer, theirs in zip(peers, others, strict=True):
                report.rows.append(Row(what, mine, peer, theirs, MICROSECOND, target=target))
                target = None  # the first is the one to be beaten by so much; of the others it is told
    return report
