"""Many steps in one call leave what as many calls leave, on kernels and on NumPy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from programs import RUNS, in_threads  # pyright: ignore[reportMissingImports]  (conftest)

import chainrule as cr
from chainrule.codegen.native import machine
from chainrule.codegen.version import ADVANCES, STAYS
from chainrule.core.instructions import FIRST_INPUT
from chainrule.errors import DtypeError, ShapeError

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)
ROWS = rng.integers(0, 40, (25, 8))


def start() -> dict[str, Any]:
    own = np.random.default_rng(1)
    weights = [own.normal(size=(6, 5)), np.zeros(5), own.normal(size=(5, 3))]
    return {"p": weights, "m": [np.zeros_like(w) for w in weights], "t": 0.0}


def adam(state: Any, rows: Any) -> Any:
    """A step of training with moments and a count of steps, on a batch that is gathered inside."""
    x, y = cr.index(X, key=rows), cr.index(Y, key=rows)

    def loss(p: Any) -> Any:
        return cr.cross_entropy(cr.tanh(x @ p[0] + p[1]) @ p[2], y)

    value, slopes = cr.value_and_grad(loss)(state["p"])
    t = state["t"] + 1.0
    moments = [0.9 * m + 0.1 * g for m, g in zip(state["m"], slopes, strict=True)]
    moved = [p - 0.05 * m / (1 - 0.9**t) for p, m in zip(state["p"], moments, strict=True)]
    return {"p": moved, "m": moments, "t": t}, (value, t)


def equal(x: Any, y: Any, tolerance: float = 1e-12) -> None:
    (x, one), (y, other) = cr.core.tree.flatten(x), cr.core.tree.flatten(y)
    assert one == other
    for a, b in zip(x, y, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("target", RUNS)
@pytest.mark.parametrize("count", [1, 2, 25])
def test_steps_in_one_call_are_calls_one_by_one(target, count):
    compiled = cr.compile(adam, target=target)
    state, kept = start(), []
    for rows in ROWS[:count]:
        state, y = adam(state, rows)
        kept.append(y)
    before = start()
    found, (values, times) = compiled.scan(before, ROWS[:count])
    equal(found, state)
    equal(values, np.array([v for v, _ in kept]))
    equal(times, np.arange(1.0, count + 1))
    equal(before, start())
    if target == "native":
        version = compiled.needs_version()
        assert version.native is not None
        assert not version.by_numpy


@pytest.mark.parametrize("target", RUNS)
def test_without_rows_and_with_what_stays(target):
    compiled = cr.compile(lambda c, _: ((c[0] * 2, c[1]), c[0] + c[1]), target=target)
    (grown, same), sums = compiled.scan((np.ones(3), np.arange(3.0)), steps=5)
    np.testing.assert_array_equal(grown, np.full(3, 32.0))
    np.testing.assert_array_equal(same, np.arange(3.0))
    np.testing.assert_array_equal(sums, 2.0 ** np.arange(5)[:, None] + np.arange(3.0))
    assert not np.shares_memory(grown, sums)


def test_threads_scan_on_their_own():
    compiled = cr.compile(adam)
    right = [compiled.scan(start(), ROWS[k:]) for k in range(4)]

    def work(k: int) -> None:
        for _ in range(5):
            equal(compiled.scan(start(), ROWS[k:]), right[k])

    in_threads(4, work)


def test_the_dataset_is_read_at_each_call():
    data = cr.Tensor(X)
    compiled = cr.compile(lambda w, rows: (w, cr.sum(data[rows] @ w)))
    _, first = compiled.scan(np.ones(6), ROWS)
    np.testing.assert_allclose(first, X[ROWS].sum(axis=(1, 2)))
    data.data = 2 * X
    _, second = compiled.scan(np.ones(6), ROWS)
    np.testing.assert_allclose(second, 2 * first)


REFUSED = {
    "a whole number": (lambda c, x: (c + x, x), 0, np.ones(3), DtypeError, "carry holds 0, a setting"),
    "no pair": (lambda c, x: c + x, np.ones(2), np.ones(3), ShapeError, "a step gives a pair"),
    "another shape": (lambda c, x: (c.sum() + x, x), np.ones(2), np.ones(3), ShapeError, "comes as float64"),
    "another type": (lambda c, x: (c + x, x), np.ones(2, np.float32), np.ones(3), ShapeError, "comes as float32"),
    "another structure": (lambda c, x: ([c, x], x), np.ones(2), np.ones(3), ShapeError, r"comes as \*, and the step"),
    "no steps": (lambda c, x: (c + x, x), np.ones(2), np.ones(0), ShapeError, "of at least 1 and"),
    "two lengths": (lambda c, x: (c, x[0]), np.ones(2), (np.ones(3), np.ones(4)), ShapeError, "these have 3, 4"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_scan_is_refused(name):
    f, carry, each, error, match = REFUSED[name]
    with pytest.raises(error, match=match):
        cr.compile(f).scan(carry, each)
    for steps in (None, 0, -1, 2.5):
        with pytest.raises(ShapeError, match=r"say how many steps=|whole number of at least 1, not"):
            cr.compile(f).scan(carry, steps=steps)


def test_an_index_outside_is_refused_in_any_step():
    rows = ROWS.copy()
    rows[17, 3] = 40
    with pytest.raises(IndexError, match="index 40 is out of bounds for axis 0 with size 40"):
        cr.compile(adam).scan(start(), rows)


def test_as_jax_scans():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)

    def step(c: Any, x: Any) -> Any:
        return c * 0.5 + x, c.sum() * x

    xs = rng.normal(size=(7, 3))
    found, right = cr.compile(step).scan(np.ones(3), xs), jax.lax.scan(step, np.ones(3), xs)
    equal(found, (np.asarray(right[0]), np.asarray(right[1])))


needs_kernels = pytest.mark.skipif(machine is None, reason="the kernels were not built")


@needs_kernels
@pytest.mark.parametrize(
    ("f", "allowed"),
    [
        (lambda w, x: (w * 2, x @ w), False),  # the product reads w when it was written over
        (lambda w, x: (w - 0.1 * (x @ w), x), False),  # one product, that reads rows of w when it wrote others
        (lambda w, x: (w[::-1] * 2, x), False),  # another entry of w than the one that is written
        (lambda w, x: (w.sum(axis=0) + w, x), True),  # added up before
        (lambda w, x: (cr.tanh(w) * w, x), True),
        (lambda w, x: (w - 0.1 * (x @ x), x), True),  # an entry that is added is read where it is written
        (lambda w, x: (w.T - 0.1 * (x @ x), x), False),
        (lambda w, x: (w[0] - 0.1 * (x @ x), x), False),  # a row that all rows take
        (lambda w, x: (cr.relu(w + x @ x) * (w > 0), x), True),
    ],
)
def test_results_are_written_over_inputs_only_where_nothing_reads_them_later(f, allowed):
    w, x = np.arange(9.0).reshape(3, 3) / 10, np.ones((3, 3))
    compiled = cr.compile(f)
    right, *rest = [np.array(part) for part in compiled(w, x)]
    version = compiled.needs_version()
    assert version.plan.in_place(FIRST_INPUT, FIRST_INPUT + 2) == allowed
    if allowed:
        given = w.copy()
        out = version.native.scan(1, (0, STAYS), (given, x), 2, True)
        assert out[0] is given
        np.testing.assert_array_equal(given, right)
        np.testing.assert_array_equal(out[1][0], rest[0])
        given.flags.writeable = False
        with pytest.raises(ValueError, match="cannot be written in place"):
            version.native.scan(1, (0, STAYS), (given, x), 2, True)
        with pytest.raises(ValueError, match="cannot be written in place"):
            version.native.scan(1, (0, STAYS), (w.astype(np.float32), x), 2, True)


@needs_kernels
def test_a_scan_of_several_lanes_is_that_of_each_alone():
    compiled = cr.compile(lambda w, rate, x: ((x * w).sum(), w * rate + x, x - rate))
    starts, rates = [np.arange(3.0), np.ones(3)], [np.array(0.5), np.array(0.25)]
    xs = np.linspace(-1, 1, 12).reshape(4, 3)
    compiled(starts[0], rates[0], xs[0])
    native = compiled.needs_version().native
    alone = [native.scan(4, (1, STAYS, ADVANCES), (w.copy(), r, xs), 2) for w, r in zip(starts, rates, strict=True)]
    lanes = tuple([(w.copy(), r) for w, r in zip(starts, rates, strict=True)])
    sums, moved, last = native.scan_lanes(4, (1, STAYS, ADVANCES), lanes, (xs,), 2)
    assert moved is None
    assert sums.shape == (2, 4)
    for i, (own, right) in enumerate(zip(lanes, alone, strict=True)):
        np.testing.assert_array_equal(sums[i], right[0])
        np.testing.assert_array_equal(own[0], right[1])
    np.testing.assert_array_equal(last, alone[1][2])
    lanes[1][0].flags.writeable = False
    for wrong, message in (
        (lanes, "in place"),
        ((lanes[0], [1]), "a tuple of 2"),
        (((xs, rates[0]),), "another shape"),
    ):
        with pytest.raises(ValueError, match=message):
            native.scan_lanes(4, (1, STAYS, ADVANCES), wrong, (xs,), 2)
    for roles in ((1, 1, ADVANCES), (1, STAYS, 1), (7, STAYS, ADVANCES)):
        with pytest.raises(ValueError, match="a result of its kind"):
            native.scan_lanes(4, roles, lanes[:1], (xs,), 2)


@needs_kernels
def test_of_results_that_are_not_stacked_the_last_is_kept():
    compiled = cr.compile(lambda w, x: (w + x, w * x, w - x))
    w, x = np.zeros(3), np.ones((4, 3))
    compiled(w, x[0])
    left, products, last = compiled.needs_version().native.scan(4, (0, ADVANCES), (w, x), 2)
    np.testing.assert_array_equal(left, np.full(3, 4.0))
    np.testing.assert_array_equal(products, np.arange(4.0)[:, None] * np.ones(3))
    np.testing.assert_array_equal(last, np.full(3, 2.0))


@needs_kernels
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 2, 7, 17, 40])
def test_what_is_added_to_a_product_is_written_over(rows, dtype):
    for columns, inner in itertools.product((1, 2, 15, 33), (1, 9, 40)):
        step = cr.compile(lambda w, x: (w - 0.1 * (x[0].T @ x[1]), cr.sum(x[0])), target="native")
        w = rng.normal(size=(rows, columns)).astype(dtype)
        each = rng.normal(size=(3, inner, rows)).astype(dtype), rng.normal(size=(3, inner, columns)).astype(dtype)
        before, now = w.copy(), w
        for x in zip(*each, strict=True):
            now, _ = step(now, x)
        left, _ = step.scan(w, each)
        np.testing.assert_array_equal(left, now)
        np.testing.assert_array_equal(w, before)
        assert not np.shares_memory(left, w)
