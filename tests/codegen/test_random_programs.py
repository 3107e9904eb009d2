"""Random programs agree between the engine, NumPy, C, JavaScript and frozen scalar code: forward and gradients."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from targets import apart, called, compare, job, node, run_script  # pyright: ignore[reportMissingImports]

import chainrule as cr
from chainrule import Value

SHAPES = ((3, 4), (4,), (3, 1), ())
ONE = (
    "tanh",
    "sigmoid",
    "sin",
    "relu",
    "abs",
    "square",
    "exp",
    "log",
    "sqrt",
    "softplus",
    "gelu",
    "neg",
    "silu",
    "elu",
)
TWO = ("add", "sub", "mul", "div", "maximum", "minimum", "where", "hypot", "logaddexp", "pow")
ACROSS = (
    "sum",
    "mean",
    "softmax",
    "logsumexp",
    "max",
    "transposed product",
    "turned",
    "reshaped",
    "picked",
    "rolled",
    "var",
)

Steps = list[tuple[str, int, int]]


def programs() -> st.SearchStrategy[Steps]:
    """Steps: an operation and two earlier results, counted from the end."""
    step = st.tuples(st.sampled_from((*ONE, *TWO, *ACROSS)), st.integers(0, 30), st.integers(0, 30))
    return st.lists(step, min_size=3, max_size=9)


def one(name: str, x: Any) -> Any:
    """An operation on one array, inside its domain."""
    if name in ("log", "sqrt"):
        return getattr(cr, name)(1.5 + cr.tanh(x))
    return cr.exp(cr.tanh(x)) if name == "exp" else getattr(cr, name)(x)


def two(name: str, x: Any, y: Any) -> Any:
    """An operation on two arrays whose shapes broadcast."""
    if name == "div":
        return x / (1.5 + cr.sin(y))
    if name == "pow":
        return (1.5 + cr.tanh(x)) ** cr.tanh(y)
    if name == "where":
        return cr.where(x > y, x, 0.5 * y)
    return getattr(cr, name)(x, y)


def across(name: str, x: Any) -> Any:
    """An operation on whole arrays, or along axes."""
    shape = getattr(x, "shape", ())
    if len(shape) < 2:
        return cr.tanh(x) if not shape else cr.sum(x) * x
    if name in ("softmax", "logsumexp", "var"):
        return getattr(cr, name)(x, axis=-1, **({} if name == "softmax" else {"keepdims": True}))
    if name in ("sum", "mean", "max"):
        return getattr(cr, name)(x, axis=0 if name == "mean" else 1, keepdims=True)
    if name == "transposed product":
        return cr.matmul(x, cr.matmul(x.T, x)) * 0.1
    if name == "turned":
        return cr.flip(x, axis=0).T.T
    if name == "reshaped":
        return cr.reshape(cr.reshape(x, shape=(-1,)) * 2.0, shape=shape)
    return cr.roll(x, shift=1, axis=0) if name == "rolled" else cr.concatenate([x[1:], x[:1] * x[0:1]], axis=0)


def function(steps: Steps) -> Any:
    """A program as a function of arrays that gives one number."""

    def f(*inputs: Any) -> Any:
        held = list(inputs)
        for name, i, j in steps:
            x, y = held[-1 - i % len(held)], held[-1 - j % len(held)]
            held.append(one(name, x) if name in ONE else two(name, x, y) if name in TWO else across(name, x))
        return sum([cr.mean(x) for x in held[-3:]])

    return f


@settings(derandomize=True, database=None, deadline=None, max_examples=2)
@given(st.lists(programs(), min_size=10, max_size=10))
def test_engine_numpy_c_and_javascript(several):
    rng = np.random.default_rng(len(str(several)))
    args = [rng.normal(size=shape) if shape else float(rng.normal()) for shape in SHAPES]
    jobs = []
    for k, steps in enumerate(several):
        f = cr.value_and_grad(function(steps), argnums=(0, 1, 2, 3))
        right = cr.core.tree.flatten(f(*args))[0]
        jobs.append(job(f"program {k}", f, args, k))
        compare(jobs[-1], right)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if node() is not None:
            for one_job, found in zip(jobs, run_script(jobs, place), strict=True):
                compare(one_job, found)
        if shutil.which("cc") is not None:
            (place / "all.c").write_text("\n".join([apart(one_job) for one_job in jobs]), encoding="utf-8")
            subprocess.run(
                ["cc", "-std=c99", "-fPIC", "-shared", "-o", "all.so", "all.c", "-lm"], check=True, cwd=place
            )
            library = ctypes.CDLL(str(place / "all.so"))
            for one_job in jobs:
                code, found = called(library, one_job, one_job.args)
                assert code == 0
                compare(one_job, found)


@settings(derandomize=True, database=None, deadline=None, max_examples=10)
@given(programs(), st.integers(1, 5))
def test_frozen_scalar_code(steps, points):
    steps = [(name, i, j) for name, i, j in steps if name not in ACROSS and name != "where"]
    f = function(steps)

    def over_points(weights: Any, rows: Any) -> Any:
        return cr.sum([f(*weights, *row) for row in rows])

    rng = np.random.default_rng(points)
    args = (rng.normal(size=2).tolist(), rng.normal(size=(points, 2)).tolist())
    value, gradients = cr.freeze(over_points)(*args)
    leaves, structure = cr.core.tree.flatten(args)
    values = [Value(x) for x in leaves]
    out = over_points(*cr.core.tree.unflatten(structure, values))
    out.backward()
    np.testing.assert_allclose(value, out.data, rtol=1e-11)
    found = cr.core.tree.flatten(gradients)[0]
    np.testing.assert_allclose(found, [x.grad for x in values], rtol=1e-11, atol=1e-12)
