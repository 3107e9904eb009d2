"""Every rule written out as NumPy source runs without this package and equals the engine."""

from __future__ import annotations

import builtins
import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
from oracles import PAIRS, RULES, Case, Recorded, cases, close, drawn, places, random_like

import chainrule as cr
from chainrule.codegen import write_rule
from chainrule.codegen.source import Source, written
from chainrule.core.operation import Pointwise, kernel
from chainrule.core.operation import kernels as registered
from chainrule.errors import ChainruleError, GraphError

BROADCASTING = [n for n in RULES if isinstance(cr.book[n], Pointwise) and len(cr.book[n].inputs) > 1]


def module_of(source):
    """The functions of a written module, run where nothing but NumPy can be imported."""

    def only_numpy(name, *rest):
        assert name.split(".")[0] == "numpy", f"written source imports {name}"
        return builtins.__import__(name, *rest)

    namespace = {"__builtins__": {**vars(builtins), "__import__": only_numpy}}
    exec(compile(source, "written", "exec"), namespace)
    return namespace


def expected(operation, case, g):
    """The engine's output, and its share for each input."""
    recorded = Recorded(operation, case)
    shares = [None] * len(case.inputs)
    for i, share in zip(places(operation), recorded.gradients(g) if recorded.leaves else (), strict=True):
        shares[i] = share
    return recorded.out.data, shares


LONG = dict.fromkeys(["left_vectors", "orthogonal_factor", "pinv", "right_vectors", "triangular_factor"], 1500)
LONG |= {"cumprod": 2_000, "product_of_others": 30_000}
"""Derivatives with parts that are used several times, which the writer repeats."""


def compare(operation, case, tolerance=1e-12):
    source = write_rule(operation, *case.inputs, **case.settings)
    assert "chainrule" not in source
    assert max(map(len, source.splitlines())) < LONG.get(operation.name, 400)
    module = module_of(source)
    with np.errstate(all="ignore"):
        out = module["forward"](*case.inputs)
    g = np.asarray(random_like(out, np.random.default_rng(0)), np.result_type(np.asarray(out).dtype, np.float32))
    shares = module["backward"](g, out, *case.inputs)
    right, right_shares = expected(operation, case, g)
    close(out, right, tolerance, f"forward of {operation.name}")
    assert np.asarray(out).dtype == right.dtype
    assert len(shares) == len(right_shares)
    for i, (share, right) in enumerate(zip(shares, right_shares, strict=True)):
        assert (share is None) == (right is None)
        if share is not None:
            close(share, right, tolerance, f"backward of {operation.name} in input {i}")
            assert share.dtype == case.inputs[i].dtype


@pytest.mark.parametrize("name", RULES)
def test_equals_the_engine(name):
    operation = cr.book[name]
    for case in cases(operation):
        compare(operation, case)


@pytest.mark.parametrize("name", RULES)
def test_float32(name):
    operation = cr.book[name]
    for settings, inputs in cases(operation):
        singles = tuple(x.astype(np.float32) if x.dtype.kind == "f" else x for x in inputs)
        compare(operation, Case(settings, singles), 1e-6)


@pytest.mark.parametrize("name", BROADCASTING)
def test_broadcasting(name):
    operation = cr.book[name]
    rng = np.random.default_rng(1)
    for settings, pair in itertools.product(map(operation.complete, operation.examples), PAIRS):
        shapes = [pair[i % 2] for i in range(len(operation.shapes))]
        compare(operation, Case(settings, tuple(drawn(operation, rng, shape)[i] for i, shape in enumerate(shapes))))


@pytest.mark.parametrize("name", [n for n in RULES if isinstance(cr.book[n], Pointwise)])
def test_kinks(name):
    operation = cr.book[name]
    for settings, point in itertools.product(map(operation.complete, operation.examples), operation.at_kink):
        compare(operation, Case(settings, tuple(np.full(2, x) for x in point)))


RUNNER = """
import pickle, sys
from pathlib import Path

import numpy as np

jobs = pickle.loads(Path(sys.argv[1]).read_bytes())
results = {}
for k, (source, inputs, g) in enumerate(jobs):
    module = {}
    exec(compile(source, "written", "exec"), module)
    out = module["forward"](*inputs)
    shares = module["backward"](g, out, *inputs)
    results |= {f"{k} {i}": x for i, x in enumerate((out, *shares)) if x is not None}
assert not [name for name in sys.modules if name.startswith("chainrule")]
np.savez(sys.argv[2], **results)
"""


def test_all_of_them_in_a_process_without_the_package(tmp_path):
    jobs, right = [], []
    for name in RULES:
        operation = cr.book[name]
        for case in cases(operation):
            out = Recorded(operation, case).out
            g = np.asarray(random_like(out, np.random.default_rng(2)))
            jobs.append((write_rule(operation, *case.inputs, **case.settings), case.inputs, g))
            right.append(expected(operation, case, g))
    (tmp_path / "jobs").write_bytes(pickle.dumps(jobs))
    (tmp_path / "run.py").write_text(RUNNER)
    command = [sys.executable, "-I", str(tmp_path / "run.py"), str(tmp_path / "jobs"), str(tmp_path / "results.npz")]
    subprocess.run(command, check=True, timeout=60, cwd=tmp_path)
    results = np.load(tmp_path / "results.npz")
    wanted = {
        f"{k} {i}": x for k, (out, shares) in enumerate(right) for i, x in enumerate((out, *shares)) if x is not None
    }
    assert set(results) == set(wanted)
    for key, x in wanted.items():
        close(results[key], x, 1e-12, f"job and place {key}")


def test_plain_numbers_and_names_that_are_taken():
    module = module_of(write_rule(cr.pow, 2.0, 3.0))
    assert module["forward"](2.0, 3.0) == 8.0
    assert module["backward"](1.0, 8.0, 2.0, 3.0)[0] == 12.0

    operation = Pointwise(lambda g, power: g * power, "{g} {power}", (lambda out, g, x: x, lambda out, g, x: g))
    operation.name = "product"
    text = write_rule(operation, 2.0, 3.0)
    assert "def forward(g_, power_):" in text
    assert module_of(text)["backward"](1.0, 6.0, 2.0, 3.0) == (3.0, 2.0)


def test_written_as_a_person_would():
    text = write_rule(cr.book["matmul"], np.ones((2, 3)), np.ones((3, 4)))
    assert "return (g @ np.swapaxes(y, -1, -2), np.swapaxes(x, -1, -2) @ g)" in text
    text = write_rule(cr.add, np.ones((2, 3)), np.ones(3))
    assert "return (g, sum_to(g, (3,)))" in text
    assert "def sum_to(g, shape):" in text
    assert "@" not in text
    text = write_rule(cr.book["clip"], np.ones(2), a_min=-0.5)
    assert "return np.clip(x, -0.5, None)" in text
    assert "return (np.where(x == out, g, 0),)" in text
    text = write_rule(cr.where, np.array([True]), 1.0, 2.0)
    assert (
        "return (None, sum_to(np.where(condition != 0, g, 0), ()), sum_to(np.where(condition == 0, g, 0), ()))" in text
    )
    text = write_rule(cr.index, np.ones((3, 4)), key=(slice(None), [0, 2]))
    assert "return owned(x[:, [0, 2]])" in text


x, y = Source("x", np.array([1.0, 2.0])), Source("y", np.array([3.0, 4.0]))

TEXTS = [
    (x + (y + 1), "x + (y + 1)"),
    (x - (y - 1), "x - (y - 1)"),
    (x - y - 1, "x - y - 1"),
    (x / (y * 2), "x / (y * 2)"),
    ((x + y) * 2, "(x + y) * 2"),
    (-(x * y), "-(x * y)"),
    (-(x**2), "-x ** 2"),
    ((-x) ** 2, "(-x) ** 2"),
    (x ** (-y), "x ** -y"),
    ((x**2) ** y, "(x ** 2) ** y"),
    (2**x, "2 ** x"),
    ((-2.0) ** x, "(-2.0) ** x"),
    ((x > 0) * y, "(x > 0) * y"),
    ((x > y) == (y > 0), "(x > y) == (y > 0)"),
    (x != 0, "x != 0"),
    (np.float64(0.1) * x, "0.1 * x"),
    (np.float32(0.5) + x, "np.float32(0.5) + x"),
    (np.array([1.0, 0.5]) * x, "np.array([1.0, 0.5], dtype=np.float64) * x"),
    (np.inf - x, "np.inf - x"),
    (abs(x), "np.abs(x)"),
    ((x + y).T, "(x + y).T"),
    ((x + y)[0], "(x + y)[0]"),
    (x[None, ..., ::2], "x[None, ..., ::2]"),
    (x[-1:], "x[-1:]"),
    (x[np.array([0, 1])], "x[np.array([0, 1], dtype=np.int64)]"),
    (x.astype(np.float32), "x.astype(np.float32)"),
    (x.reshape(1, 2), "x.reshape(1, 2)"),
    (np.add.reduce(x), "np.add.reduce(x)"),
    (np.stack([x, y]), "np.stack([x, y])"),
    (np.linalg.norm(x), "np.linalg.norm(x)"),
    (np.sum(x, axis=0, keepdims=True), "np.sum(x, axis=0, keepdims=True)"),
    (np.full_like(x, np.nan), "np.full_like(x, np.nan)"),
    (x @ y, "x @ y"),
]


@pytest.mark.parametrize(("source", "text"), TEXTS, ids=[text for _, text in TEXTS])
def test_text_gives_the_traced_value(source, text):
    assert source.text == text
    namespace = {"np": np, "x": x.value, "y": y.value}
    exec(f"value = {text}", namespace)
    value = namespace["value"]
    np.testing.assert_array_equal(value, source.value)
    assert np.asarray(value).dtype == source.dtype


def test_kernels_are_carried_with_what_they_need():
    text = write_rule(cr.erf, 0.5)
    assert text.index("def erfc(x):") < text.index("def erf(x):") < text.index("def forward(x):")
    assert "@kernel" not in text
    assert text.count("def erfc") == 1


LIMITS = (0.5, -0.5)
SPREAD = 2.0


@kernel
def spread_within_limits(x):
    """Uses constants of this module, from inside another function too."""
    return sum(np.minimum(SPREAD * x, limit) for limit in LIMITS)


@kernel
def calls_what_cannot_be_carried(x):
    """Uses a class of this project."""
    return Source("x", x).value


@pytest.fixture(autouse=True, scope="module")
def leave_no_kernels():
    yield
    for function in (spread_within_limits, calls_what_cannot_be_carried):
        registered.pop(function.__name__)


def test_constants_of_kernels_are_written_as_numbers():
    operation = Pointwise(lambda x: spread_within_limits(x), "{x}", (lambda out, x: x,))
    text = write_rule(operation, np.array([0.1, 3.0]))
    assert "SPREAD = 2.0" in text
    assert "LIMITS = (0.5, -0.5)" in text
    np.testing.assert_array_equal(module_of(text)["forward"](np.array([0.1, 3.0])), [-0.3, 0.0])


def test_a_kernel_that_cannot_be_carried_is_refused():
    operation = Pointwise(lambda x: calls_what_cannot_be_carried(x), "{x}", (lambda out, x: x,))
    with pytest.raises(ChainruleError, match="calls_what_cannot_be_carried uses Source"):
        write_rule(operation, 1.0)


def test_refusals():
    with pytest.raises(ChainruleError, match="mul has 2 inputs and got 1 examples"):
        write_rule(cr.mul, 1.0)
    with pytest.raises(GraphError, match=r"use np\.where"):
        bool(x > 0)
    with pytest.raises(ChainruleError, match="cannot hold an object"):
        written(object())
    assert repr(x) == "Source('x')"
    assert (x.shape, x.ndim, x.size, len(x)) == ((2,), 1, 2, 2)
