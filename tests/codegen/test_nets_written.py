"""Nets of every kind of layer, and training steps of some, written in every language: what runs is what is written."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from targets import Job, apart, called, compare, job, node, run_script  # pyright: ignore[reportMissingImports]

import chainrule as cr
from chainrule import nn

pytestmark = pytest.mark.soak


class Last(nn.Module):
    """A linear layer on what a recurrent one gives last."""

    def __init__(self, cells: Any, width: int) -> None:
        self.cells, self.out = cells, nn.Linear(width, 2, dtype=float, rng=1)

    def forward(self, x: Any) -> Any:
        return self.out(self.cells(x)[0][:, -1])


class Around(nn.Module):
    """A layer around which its input passes by."""

    def __init__(self) -> None:
        self.inner, self.out = nn.Linear(4, 4, dtype=float, rng=0), nn.Linear(4, 2, dtype=float, rng=1)

    def forward(self, x: Any) -> Any:
        return self.out(x + cr.relu(self.inner(x)))


def nets() -> dict[str, tuple[nn.Module, Any]]:
    """Each with an input: rows, images, sequences, symbols."""
    draw, kind = np.random.default_rng(0).normal, {"dtype": float}
    cells = {"batch_first": True, "rng": 0, **kind}
    images = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, rng=0, **kind), nn.BatchNorm2d(3, **kind), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 2, rng=1, **kind), nn.GroupNorm(2, 4, **kind), nn.GELU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(4, 2, rng=2, **kind),
    )  # fmt: skip
    rows = nn.Sequential(
        nn.Linear(4, 5, rng=0, **kind), nn.BatchNorm1d(5, **kind), nn.Mish(), nn.Dropout(0.3, rng=5),
        nn.LayerNorm(5, **kind), nn.Linear(5, 2, rng=1, **kind),
    )  # fmt: skip
    words = nn.Sequential(
        nn.Embedding(7, 6, rng=0, **kind), nn.TransformerBlock(6, 2, dropout=0.1, rng=1, **kind),
        nn.Linear(6, 2, rng=2, **kind),
    )  # fmt: skip
    return {
        "rows": (rows, draw(size=(6, 4))),
        "around": (Around(), draw(size=(6, 4))),
        "images": (images, draw(size=(3, 2, 6, 6))),
        "length": (nn.Sequential(nn.Conv1d(2, 3, 3, rng=0, **kind), nn.SiLU(), nn.Flatten()), draw(size=(3, 2, 5))),
        "rnn": (Last(nn.RNN(3, 4, bidirectional=True, **cells), 8), draw(size=(3, 5, 3))),
        "lstm": (Last(nn.LSTM(3, 4, 2, dropout=0.2, **cells), 4), draw(size=(3, 5, 3))),
        "gru": (Last(nn.GRU(3, 4, **cells), 4), draw(size=(3, 5, 3))),
        "words": (words, np.array([[0, 3, 6, 1], [2, 2, 5, 4]])),
    }


def forward_and_gradients(net: nn.Module) -> Callable[..., Any]:
    def loss(parameters: Any, x: Any) -> Any:
        return cr.mean(cr.tanh(nn.functional_call(net, parameters, x)) ** 2)

    return cr.value_and_grad(loss)


class Written:
    """A program of a training step, as the functions here take compiled ones."""

    def __init__(self, step: Any, name: str) -> None:
        self.version, self.name = step.needs_program().version, name

    def needs_version(self) -> Any:
        return self.version

    def source(self, target: str) -> str:
        self.version.name = self.name
        self.version.__dict__.pop("source", None)
        return self.version.written(self.name, target)


def step_of(net: nn.Module, x: Any, number: int) -> Job:
    """A step of Adam, whose state, settings and random numbers are arguments, and whose new state is the result."""
    optimizer = cr.optim.Adam(net.parameters(), lr=0.01, weight_decay=0.1)
    step = cr.compile(net, loss=nn.MSELoss(), optimizer=optimizer)
    for _ in range(3):
        step(x, np.zeros(net(x).shape))
    one = Written(step, f"program_{number}")
    trace = one.version.told_apart
    given = [np.asarray(trace.numbers[x])[()] for x in (*trace.given, *trace.held) if x is not None]
    return Job(f"a step of {number}", one, given, [np.asarray(x) for x in one.version.run(*map(np.copy, given))])


@pytest.fixture(scope="module")
def jobs() -> list[Job]:
    found: list[Job] = []
    for net, x in nets().values():
        found.append(step_of(net.train(), x, len(found)))
        parameters = {name: held.data for name, held in net.eval().named_parameters()}
        found.append(job(f"net {len(found)}", forward_and_gradients(net), (parameters, x), len(found)))
    return found


def test_numpy_and_jax(jobs):
    jax = pytest.importorskip("jax")
    for one in jobs:
        for target in ("numpy", "jax"):
            module: dict[str, Any] = {}
            exec(one.compiled.source(target), module)
            name = one.compiled.name if one.compiled.name in module else one.compiled.needs_version().name
            run = module[name] if target == "numpy" else jax.jit(module[name])
            compare(one._replace(name=f"{one.name} in {target}"), run(*one.args), 1e-10)


@pytest.mark.skipif(node() is None, reason="node is not installed")
def test_javascript(jobs, tmp_path):
    for one, found in zip(jobs, run_script(jobs, tmp_path), strict=True):
        compare(one, found, 1e-10)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is installed")
def test_c(jobs, tmp_path):
    (tmp_path / "all.c").write_text("\n".join(map(apart, jobs)), encoding="utf-8")
    command = ["cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "all.c", "-lm"]
    subprocess.run([*command, "-o", "all.so"], check=True, cwd=tmp_path)
    library = ctypes.CDLL(str(tmp_path / "all.so"))
    for one in jobs:
        code, found = called(library, one, one.args)
        assert code == 0
        compare(one, found, 1e-10)


def test_onnx(tmp_path):
    onnx = pytest.importorskip("onnx")
    reference = pytest.importorskip("onnx.reference")
    for net, x in nets().values():
        net.eval()
        forward = cr.compile(lambda x, net=net: net(x))
        right = forward(x).data
        forward.write(tmp_path / "net.onnx")
        model = onnx.load(str(tmp_path / "net.onnx"))
        found = reference.ReferenceEvaluator(model).run(None, {model.graph.input[0].name: x})
        np.testing.assert_allclose(found[0], right, rtol=1e-6, atol=1e-7)
