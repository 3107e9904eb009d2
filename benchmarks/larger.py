"""Steps of a CNN and of a small GPT, by the engine and compiled, beside PyTorch, eager and compiled; their memory."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np

from benchmarks.harness import (
    MEGABYTE,
    MILLISECOND,
    TORCH_COMPILES,
    Report,
    Row,
    Worker,
    agree,
    alternate,
    pinned,
    timed,
)

CONTEXT, WIDTH, HEADS, BLOCKS, SYMBOLS = 64, 64, 4, 4, 65
BATCHES = {"CNN 16c3-pool-32c3-pool-10": 64, "GPT 4 layers, 64 wide": 16, "784-100-10": 128}
STEPS_TO_AGREE = 5
RUNS = 7
MEMORY_STEPS = 3


def convolutional(nn: Any) -> Any:
    """Two convolutions with pooling, and a layer of ten."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 5 * 5, 10)),
    )


def dense(nn: Any) -> Any:
    """MNIST's network of `benchmarks.networks`."""
    return nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))


def language_model(nn: Any, block: Callable[[], Any], forward: Callable[..., Any], places: Any) -> Any:
    """A character GPT: what a symbol is, plus where it stands, through the blocks, to the next symbol."""

    class GPT(nn.Module):  # its base is known when the framework is
        def __init__(self) -> None:
            super().__init__()
            self.symbols = nn.Embedding(SYMBOLS, WIDTH)
            self.places = nn.Embedding(CONTEXT, WIDTH)
            self.blocks = nn.ModuleList([block() for _ in range(BLOCKS)])
            self.norm = nn.LayerNorm(WIDTH)
            self.head = nn.Linear(WIDTH, SYMBOLS)

        def forward(self, x: Any) -> Any:
            h = self.symbols(x) + self.places(places)
            for each in self.blocks:
                h = forward(each, h)
            return self.head(self.norm(h)).reshape(-1, SYMBOLS)

    return GPT()


def batch_of(name: str, size: int) -> tuple[Any, Any]:
    """Made-up examples in the right shape."""
    source = np.random.default_rng(0)
    if name.startswith("GPT"):
        text = source.integers(0, SYMBOLS, (size, CONTEXT + 1))
        return text[:, :-1].copy(), text[:, 1:].reshape(-1).copy()
    shape = (size, 1, 28, 28) if name.startswith("CNN") else (size, 784)
    return source.random(shape, dtype=np.float32), source.integers(0, 10, size)


def chainrule_model(name: str) -> Any:
    """The network in chainrule."""
    import chainrule as cr

    if name.startswith("GPT"):
        return language_model(
            cr.nn, lambda: cr.nn.TransformerBlock(WIDTH, HEADS), lambda block, h: block(h), np.arange(CONTEXT)
        )
    return (convolutional if name.startswith("CNN") else dense)(cr.nn)


def torch_model(name: str) -> Any:
    """The same network in PyTorch, its own layer of a Transformer with a mask included."""
    import torch

    nn = torch.nn
    if not name.startswith("GPT"):
        return (convolutional if name.startswith("CNN") else dense)(nn)
    mask = nn.Transformer.generate_square_subsequent_mask(CONTEXT)

    def block() -> Any:
        return nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )

    return language_model(nn, block, lambda each, h: each(h, src_mask=mask, is_causal=True), torch.arange(CONTEXT))


def framework(maker: str) -> tuple[Any, Callable[[str], Any], Callable[[Any], Any], Callable[[Any], Any]]:
    """The package, its model by name, and how it takes data and weights."""
    if not maker.startswith("torch"):
        import chainrule as cr

        return cr, chainrule_model, cr.Tensor, cr.Tensor
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    return torch, torch_model, torch.from_numpy, torch.from_numpy


def trained(maker: str, name: str, size: int) -> Callable[[int], float]:
    """Steps of Adam on one batch, word for word the same in both frameworks, from the same weights.

    PyTorch takes images in the layout that is its quicker one, channels last.
    """
    package, model_of, data, tensor = framework(maker)
    model = model_of(name)
    source = np.random.default_rng(1)
    for parameter_name, parameter in sorted(model.named_parameters()):
        drawn = source.standard_normal(tuple(parameter.shape)).astype(np.float32)
        middle = np.float32("norm" in parameter_name and parameter_name.endswith("weight"))
        parameter.data = tensor(middle + np.float32(0.05) * drawn)
    optimizer = package.optim.Adam(model.parameters(), lr=1e-3)
    cost = package.nn.CrossEntropyLoss()
    x, y = map(data, batch_of(name, size))
    if maker.startswith("torch") and name.startswith("CNN"):
        model, x = model.to(memory_format=package.channels_last), x.to(memory_format=package.channels_last)
    if maker == "torch.compile":
        model = package.compile(model)
    if maker == "compiled":
        step = package.compile(model, loss=cost, optimizer=optimizer)
        return lambda count: float([step(x, y) for _ in range(count)][-1])

    def run(count: int) -> float:
        for _ in range(count):
            optimizer.zero_grad()
            loss = cost(model(x), y)
            loss.backward()
            optimizer.step()
        return loss.item()

    return run


def steps_of(maker: str, name: str) -> Callable[[int], float]:
    """A contestant for the time of a step."""
    return trained(maker, name, BATCHES[name])


def memory_of(maker: str, name: str) -> Callable[[int], float]:
    """A contestant for memory: ``run(0)`` trains on a batch of two, so that what loads late is loaded already.

    What is free after that goes back to the system, where its C library can do that: else one contestant's steps would
    be served from what its warm-up had freed, and another's be counted.
    """

    def run(count: int) -> float:
        if count:
            return trained(maker, name, BATCHES[name])(count)
        loss = trained(maker, name, 2)(1)
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
        if trim is not None:
            trim(0)
        return loss

    return run


def larger() -> Report:
    """A step of both networks, by the engine and compiled, on one core and on two."""
    report = Report()
    peers = {} if report.missing(["torch"]) else {"torch": "PyTorch, eager"}
    if peers and TORCH_COMPILES:
        peers["torch.compile"] = "torch.compile"
    for name in ("CNN 16c3-pool-32c3-pool-10", "GPT 4 layers, 64 wide"):
        for cores, where in report.cores():
            with pinned(cores), ExitStack() as open_workers:
                start = partial(Worker, "benchmarks.larger:steps_of")
                workers = [
                    open_workers.enter_context(start(maker, name)) for maker in ("chainrule", "compiled", *peers)
                ]
                agree(workers, STEPS_TO_AGREE, 1e-3)
                engine, compiled, *theirs = timed(workers, seconds=0.2, runs=RUNS)
            target = 0.6 if name.startswith("CNN") else 0.7
            for kind, ours in (("training", engine), ("compiled", compiled)):
                what = f"{kind} step {name}, {where}"
                if not theirs:
                    report.rows.append(Row(what, ours, unit=MILLISECOND))
                for peer, runs in zip(peers.values(), theirs, strict=True):
                    asked = target if (kind, peer, cores) == ("compiled", "PyTorch, eager", 1) else None
                    report.rows.append(Row(what, ours, peer, runs, unit=MILLISECOND, target=asked))
    return report


def training_memory() -> Report:
    """How far a network, its optimizer and a few steps raise the peak of memory; every run in a fresh process."""
    report = Report()
    makers = ["chainrule"] if report.missing(["torch"]) else ["chainrule", "torch"]

    def rise(maker: str, name: str) -> Callable[[], float]:
        def contestant() -> float:
            with Worker("benchmarks.larger:memory_of", maker, name) as worker:
                worker.run(0)
                run = worker.run(MEMORY_STEPS)
                return run.peak - run.before

        return contestant

    for name in BATCHES:
        ours, *theirs = alternate([rise(maker, name) for maker in makers], 5)
        peer, target = ("PyTorch, eager", 1.2) if theirs else ("", None)
        report.rows.append(Row(f"training {name}, memory", ours, peer, *theirs, unit=MEGABYTE, target=target))
    return report
