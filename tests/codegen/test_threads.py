"""Instructions in parts that threads share out give what one thread gives, to the last bit, whoever else is running."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import PROGRAMS, in_threads  # pyright: ignore[reportMissingImports]  (conftest)
from test_random_programs import SHAPES, function, programs  # pyright: ignore[reportMissingImports]

import chainrule as cr
from chainrule.core import parts
from chainrule.core.place import Place, steps_of

pytest.importorskip("chainrule.core._machine", reason="the kernels were not built")
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is worth nothing to share out is shared out, so that small programs show it."""
    monkeypatch.setattr(parts, "WORTH_SHARING", 1.0)


def with_threads(count: int, f: Any, *args: Any) -> tuple[list[bytes], int]:
    """The results of a function that is compiled for so many threads, and how many of its kernels they share out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAINRULE_THREADS", str(count))
        compiled = cr.compile(f, target="native")
        results = compiled(*args)
    return [np.asarray(x).tobytes() for x in leaves(results)], compiled.needs_version().shared


def leaves(x: Any) -> list[Any]:
    """The arrays in a container."""
    if isinstance(x, dict):
        return [y for name in sorted(x) for y in leaves(x[name])]
    return [y for part in x for y in leaves(part)] if isinstance(x, tuple | list) else [x]


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_programs_give_the_same_to_the_last_bit(name, count):
    f, args = PROGRAMS[name]
    alone, shared = with_threads(1, f, *args)
    assert not shared
    assert with_threads(count, f, *args)[0] == alone


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(2, 5))
def test_random_programs_give_the_same_to_the_last_bit(program, count):
    f = function(program)
    args = [rng.normal(size=shape) for shape in SHAPES]
    step = cr.value_and_grad(lambda *xs: cr.sum(f(*xs) * 1.0), argnums=tuple(range(len(args))))
    assert with_threads(count, step, *args)[0] == with_threads(1, step, *args)[0]


def test_a_program_is_planned_alike_every_time():
    """Where its steps lie in Python's memory decides nothing, not even how a sum of products is rounded."""
    f = function([("gelu", 28, 3)] * 4 + [("abs", 2, 7)])
    args = [rng.normal(size=shape) for shape in SHAPES]
    compiled = [cr.compile(cr.value_and_grad(f, argnums=1), target="native") for _ in range(12)]
    for one in compiled:
        one(*args)
    assert len({tuple(one.needs_version().plan.words) for one in compiled}) == 1


def network(kind: str) -> tuple[Any, Any, Any]:
    """A step of a network with every large kernel: products, convolutions and their adjoints, pools, softmax, norms."""
    nn = cr.nn
    if kind == "images":
        model = nn.Sequential(
            nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 6, 3, stride=2), nn.ReLU(),
            nn.Flatten(), nn.Linear(54, 20), nn.LayerNorm(20), nn.GELU(), nn.Linear(20, 3),
        )  # fmt: skip
        return model, rng.normal(size=(37, 2, 15, 15)), rng.integers(0, 3, 37)
    block = nn.Sequential(nn.Linear(24, 96), nn.GELU(), nn.Linear(96, 24), nn.LayerNorm(24), nn.Linear(24, 17))
    return block, rng.normal(size=(70, 24)), rng.integers(0, 17, 70)


@pytest.mark.parametrize("kind", ["images", "rows"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_steps_give_the_same_to_the_last_bit(kind, dtype):
    model, x, y = network(kind)
    start = {name: np.array(p.data, dtype) for name, p in model.named_parameters()}

    def trained(count: int) -> tuple[list[bytes], int]:
        for name, p in model.named_parameters():
            p.data = start[name].copy()
        optimizer = cr.optim.Adam(model.parameters(), lr=0.01)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CHAINRULE_THREADS", str(count))
            step = cr.compile(model, loss=cr.nn.CrossEntropyLoss(), optimizer=optimizer)
            losses = [step(x.astype(dtype), y) for _ in range(3)]
        told = step.explain()
        return [np.asarray(v).tobytes() for v in (*losses, *[p.data for p in model.parameters()])], "Threads" in told

    alone, shared = trained(1)
    assert not shared
    for count in (2, 5):
        found, shared = trained(count)
        assert shared
        assert found == alone


def test_calls_at_once_each_get_their_own(monkeypatch):
    monkeypatch.setenv("CHAINRULE_THREADS", "3")
    w = rng.normal(size=(40, 40))
    compiled = cr.compile(lambda x: cr.tanh(x @ w) @ w, target="native")
    given_ = [rng.normal(size=(50, 40)) for _ in range(4)]
    wanted = [compiled(x) for x in given_]
    assert compiled.needs_version().shared == 3

    def work(k: int) -> None:
        for _ in range(200):
            np.testing.assert_array_equal(compiled(given_[k]), wanted[k])

    in_threads(4, work)


FORKED = """
import os, sys, warnings
import numpy as np
import chainrule as cr
from chainrule.core import parts
warnings.simplefilter("ignore")
parts.WORTH_SHARING = 1.0
w = np.random.default_rng(0).normal(size=(40, 40))
f = cr.compile(lambda x: cr.tanh(x @ w) @ w, target="native")
wanted = f(w)
for _ in range(5):
    child = os.fork()
    if not child:
        os._exit(0 if all([np.array_equal(f(w), wanted) for _ in range(50)]) else 1)
    assert all([np.array_equal(f(w), wanted) for _ in range(50)])
    assert os.waitpid(child, 0)[1] == 0
print(f.needs_version().shared)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_threads_of_its_own_and_programs_end_with_their_process():
    environment = {**os.environ, "CHAINRULE_THREADS": "3"}
    out = subprocess.run([sys.executable, "-c", FORKED], env=environment, capture_output=True, text=True, timeout=100)
    assert (out.stdout, out.stderr) == ("3\n", "")


@given(st.integers(0, 200), st.integers(1, 9), st.integers(1, 20))
def test_ranges_cover_all_entries_once(size, count, step):
    found = parts.ranges(size, count, step)
    assert [k for start, stop in found for k in range(start, stop)] == list(range(size))
    assert all([start % step == 0 for start, _ in found])
    assert len(found) <= count


@given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 4), st.integers(1, 3), st.integers(1, 7))
def test_parts_of_a_product_write_every_entry_once(rows, columns, inner_batches, outer_batches, count):
    def place(*shape: int) -> Place:
        return Place(2, 0, shape, steps_of(shape), np.dtype(float))

    batches = (
        parts.Batch(inner_batches, rows * 3, 3 * columns, rows * columns),
        parts.Batch(outer_batches, 0, 0, inner_batches * rows * columns),
    )
    whole = parts.Product(place(rows, 3), place(3, columns), place(rows, columns), place(columns), None, batches)
    written = np.zeros(rows * columns * inner_batches * outer_batches, int)
    for part in whole.parts(count):
        (m, n), (a, b) = part.out.shape, part.batches
        for i in range(a.count):
            for j in range(b.count):
                first = part.out.offset // 8 + i * a.out + j * b.out
                for row in range(m):
                    written[first + row * columns : first + row * columns + n] += 1
        # What a kernel adds up in another order in few rows, or along one column, it does so in every part.
        assert (m <= parts.FEW_ROWS) == (rows <= parts.FEW_ROWS)
        assert (n == 1) == (columns == 1)
    assert np.all(written == 1)


def test_the_environment_says_how_many(monkeypatch):
    for variable in parts.VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    mine = parts.threads()
    assert mine == len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else mine >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", "6,2")
    assert parts.threads() == 6
    monkeypatch.setenv("CHAINRULE_THREADS", "2")
    assert parts.threads() == 2
    for no_number in ("all", "²", "-3", "0"):
        monkeypatch.setenv("CHAINRULE_THREADS", no_number)
        assert parts.threads() == 6
    monkeypatch.setenv("CHAINRULE_THREADS", "100000000")
    assert parts.threads() == parts.MOST_THREADS
    source = (Path(parts.__file__).parent / "machine" / "threads.h").read_text(encoding="utf-8")
    assert f"#define MOST_THREADS {parts.MOST_THREADS - 1}\n" in source
