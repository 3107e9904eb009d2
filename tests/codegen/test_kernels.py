"""Every kernel of every instruction set gives what NumPy and mpmath give, for every size, stride and type."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.instructions import (
    FIRST_INPUT,
    OPERATION,
    TYPES,
    WORKSPACE,
    Chain,
    Code,
    Convolution,
    Plan,
    Pool,
    Reduction,
    Row,
    Slot,
    bits,
)
from chainrule.core.place import Place, steps_of

machine = pytest.importorskip("chainrule.core._machine", reason="the kernels were not built")

FLOATS = (np.float32, np.float64)
rng = np.random.default_rng(0)


def runs_here(name: str) -> bool:
    """Whether this processor has an instruction set."""
    before = machine.kernels()
    try:
        machine.use_kernels(name)
    except ValueError:
        return False
    finally:
        machine.use_kernels(before)
    return True


KERNELS = [name for name in ("baseline", "avx2", "avx512") if runs_here(name)]


@contextmanager
def running(name: str) -> Iterator[None]:
    """The kernels of one instruction set, and afterwards those from before."""
    before = machine.kernels()
    machine.use_kernels(name)
    assert machine.kernels() == name
    try:
        yield
    finally:
        machine.use_kernels(before)


def made(
    build: Callable[[Plan, list[Place], Place], None],
    arrays: Any,
    shape: tuple[int, ...],
    dtype: Any,
    kernels: Sequence[str] = KERNELS,
) -> dict[str, Any]:
    """What one instruction makes of arrays, by each instruction set; of a view the machine is given all that it views.

    Each makes the same to the last bit of arrays that lie otherwise to the lines of the cache, and in a workspace that
    is full of what is no number.
    """
    bases = [x if x.base is None else x.base for x in arrays]
    sizes = {FIRST_INPUT + i: x.nbytes for i, x in enumerate(bases)}
    out = Place(FIRST_INPUT + len(arrays), 0, shape, steps_of(shape), np.dtype(dtype))
    plan = Plan({**sizes, out.memory: out.size * out.dtype.itemsize})
    places = [
        Place(
            FIRST_INPUT + i,
            x.__array_interface__["data"][0] - base.__array_interface__["data"][0],
            x.shape,
            tuple([s // x.itemsize for s in x.strides]),
            x.dtype,
        )
        for i, (x, base) in enumerate(zip(arrays, bases, strict=True))
    ]
    build(plan, places, out)
    plan.check()
    found = run(plan, bases, out, kernels)
    own = len(plan.words)
    entries = plan.workspace.size // 8
    plan.copy(plan.constant(np.int64(-1))._replace(shape=(entries,), strides=(0,)), full_of(entries))
    plan.words = plan.words[own:] + plan.words[:own]
    for name, again in run(plan, [elsewhere(x) for x in bases], out, kernels).items():
        assert again.tobytes() == found[name].tobytes(), name
    return found


def run(plan: Plan, arrays: Any, out: Place, kernels: Sequence[str]) -> dict[str, Any]:
    """What a plan makes of arrays, by each instruction set."""
    kinds = tuple([(x.dtype.num, x.shape) for x in arrays])
    words, result = np.array(plan.words, np.int64), (out.dtype.num, out.shape)
    program = machine.Program(words, plan.constants, plan.workspace.size, kinds, (result,), (), False, 1)
    found = {}
    for name in kernels:
        with running(name):
            found[name] = program(*arrays)[0]
    return found


def assert_close(found: dict[str, Any], right: Any, **tolerance: float) -> None:
    """Every instruction set makes what is right, within a tolerance."""
    for name, x in found.items():
        np.testing.assert_allclose(x, right, err_msg=name, **tolerance)


def assert_equal(found: dict[str, Any], right: Any) -> None:
    """Every instruction set makes what is right, to the last bit but for the sign of a 0."""
    for name, x in found.items():
        np.testing.assert_array_equal(x, right, err_msg=name)


def full_of(entries: int) -> Place:
    """All of a workspace."""
    return Place(WORKSPACE, 0, (entries,), (1,), np.dtype(np.int64))


def elsewhere(x: Any) -> Any:
    """The same entries, one further from where memory begins."""
    room = np.empty(x.size + 1, x.dtype)
    moved = room[1:].reshape(x.shape)
    moved[...] = x
    return moved


def product(x: Any, y: Any, *, relu: bool = False, minus: bool = False, **beside: Any) -> dict[str, Any]:
    """A matrix product by the machine; `beside` has what is added, the number that multiplies it, its mask."""

    def build(plan: Plan, places: list[Place], out: Place) -> None:
        more: dict[str, Any] = dict(zip(beside, places[2:], strict=True))
        plan.product(*places[:2], out, relu=relu, minus=minus, **more)

    return made(build, [x, y, *beside.values()], (x.shape[0], y.shape[1]), x.dtype)


def laid(x: Any, layout: str) -> Any:
    """The same matrix in memory by rows, by columns, with gaps, or backwards."""
    if layout == "columns":
        return np.ascontiguousarray(x.T).T
    if layout == "gaps":
        wide = np.full((x.shape[0], 2 * x.shape[1] + 3), 7, x.dtype)
        wide[:, 1 : 2 * x.shape[1] + 1 : 2] = x
        return wide[:, 1 : 2 * x.shape[1] + 1 : 2]
    if layout == "backwards":
        return np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    return x


def tolerance(dtype: Any) -> dict[str, float]:
    return {"rtol": 1e-12, "atol": 1e-12} if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-4}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("axis", range(3))
def test_products_of_every_size(axis, dtype):
    for other in (1, 5, 33):
        for size in range(1, 71):
            extents = [other] * 3
            extents[axis] = size
            rows, inner, columns = extents
            x, y = rng.normal(size=(rows, inner)).astype(dtype), rng.normal(size=(inner, columns)).astype(dtype)
            assert_close(product(x, y), x @ y, **tolerance(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("left", ["rows", "columns", "gaps", "backwards"])
@pytest.mark.parametrize("right", ["rows", "columns", "gaps", "backwards"])
def test_products_of_every_layout(left, right, dtype):
    for rows, inner, columns in [(1, 1, 1), (3, 17, 1), (1, 20, 40), (16, 3, 33), (70, 9, 70), (40, 64, 10)]:
        x, y = rng.normal(size=(rows, inner)).astype(dtype), rng.normal(size=(inner, columns)).astype(dtype)
        start = rng.normal(size=columns).astype(dtype)
        found = product(laid(x, left), laid(y, right), added=start, relu=True)
        assert_close(found, np.maximum(x @ y + start, 0), **tolerance(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_what_follows_a_product(dtype):
    for rows, inner, columns in itertools.product((1, 2, 15, 33), (1, 3, 16), (1, 7, 16, 20, 40)):
        x, y = rng.normal(size=(rows, inner)).astype(dtype), rng.normal(size=(inner, columns)).astype(dtype)
        added, mask = (rng.normal(size=(rows, columns)).astype(dtype) for _ in range(2))
        scale = np.array(0.25, dtype)
        mask.flat[:: columns + 1] = 0
        mask.flat[:: columns + 2] = np.nan
        exact = x @ y
        assert_close(product(x, y, mask=mask), np.where(mask > 0, exact, 0), **tolerance(dtype))
        found = product(x, y, added=added, scale=scale, mask=mask, relu=True, minus=True)
        right = np.where(mask > 0, np.maximum(added - scale * exact, 0), 0)
        assert_close(found, right, **tolerance(dtype))
        assert_close(product(x, y, added=added[0], scale=scale), scale * exact + added[0], **tolerance(dtype))


def test_a_mask_shuts_nan_and_infinity_out():
    x = np.array([[np.nan, np.inf, -np.inf, 1.0]]).T
    for columns in (1, 3):
        y = np.ones((1, columns))
        assert_equal(product(x, y, mask=np.zeros((4, columns))), np.zeros((4, columns)))
        assert_equal(product(x, y, mask=np.ones((4, columns))), x @ y)


def test_a_product_keeps_nan_and_infinity():
    x = np.array([[1.0, 2.0], [np.inf, 1.0], [np.nan, 0.0]])
    found = product(x, np.eye(2), relu=True)
    with np.errstate(invalid="ignore"):
        assert_equal(found, np.maximum(x @ np.eye(2), 0))


@pytest.mark.parametrize("dtype", FLOATS)
def test_products_of_many_matrices(dtype):
    x, y = rng.normal(size=(3, 4, 5, 6)).astype(dtype), rng.normal(size=(1, 4, 6, 7)).astype(dtype)

    def build(plan: Plan, places: list[Place], out: Place) -> None:
        sides = [p._replace(shape=p.shape[2:], strides=p.strides[2:]) for p in (*places, out)]
        plan.product(*sides, batch=[(4, 30, 42, 35), (3, 120, 0, 140)])

    assert_close(made(build, [x, y], (3, 4, 5, 7), dtype), x @ y, **tolerance(dtype))


REDUCED = {Reduction.SUM: np.sum, Reduction.LARGEST: np.max, Reduction.SMALLEST: np.min}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", REDUCED)
@pytest.mark.parametrize("axis", range(3))
def test_reductions_of_every_size(axis, kind, dtype):
    for size in [*range(1, 71), 9001]:
        shape = [2, 5, 3]
        shape[axis] = size
        for extents in (shape, [1, shape[1], 1], [shape[0], shape[1], 1]):
            x = rng.normal(size=extents).astype(dtype)

            def build(plan: Plan, places: list[Place], out: Place, extents: Any = extents) -> None:
                plan.reduce(kind, *places, out, tuple(extents), 2.0)

            found = made(build, [x], (extents[0], extents[2]), dtype)
            loose = {"rtol": 1e-12, "atol": 1e-12} if dtype == np.float64 else {"rtol": 1e-5, "atol": 1e-3}
            assert_close(found, REDUCED[kind](x, axis=1) / 2, **loose)


def test_extremes_find_nan():
    for size in (1, 7, 40):
        for place in range(size):
            x = np.arange(float(size))
            x[place] = np.nan
            for kind, extents in ((Reduction.LARGEST, (1, size, 1)), (Reduction.SMALLEST, (1, 1, size))):

                def build(
                    plan: Plan, places: list[Place], out: Place, kind: Any = kind, extents: Any = extents
                ) -> None:
                    plan.reduce(kind, *places, out, extents, 1.0)

                found = made(build, [x], (extents[0] * extents[2],), float)
                assert all(np.isnan(x[place if extents[2] > 1 else 0]) for x in found.values())


def softmax(x: Any) -> Any:
    grown = np.exp(x - x.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


ROWS = {
    Row.SOFTMAX: softmax,
    Row.LOG_SOFTMAX: lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)),
    Row.LOG_SUM_EXP: lambda x: np.log(np.exp(x).sum(-1)),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ROWS)
def test_rows_of_every_size(kind, dtype):
    for n in range(1, 71):
        x = rng.normal(size=(3, n)).astype(dtype)
        right = ROWS[kind](x)
        found = made(lambda plan, places, out: plan.rows(kind, *places, out), [x], right.shape, dtype)
        assert_close(found, right, **tolerance(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ROWS)
def test_many_rows_at_once_are_what_each_is(kind, dtype):
    for n in (1, 2, 3, 7, 8, 10, 12, 13, 16):
        x = rng.normal(size=(53, n)).astype(dtype)
        for row, special in enumerate((np.nan, np.inf, -np.inf, -0.0)):
            x[5 * row + 1, row % n] = special
        with np.errstate(all="ignore"):
            right = ROWS[kind](x)
        for kernels in KERNELS:

            def build(plan: Plan, places: list[Place], out: Place) -> None:
                plan.rows(kind, *places, out)

            (found,) = made(build, [x], right.shape, dtype, [kernels]).values()
            each = [made(build, [row[None]], right[:1].shape, dtype, [kernels])[kernels][0] for row in x]
            assert_equal({kernels: found}, np.array(each))
            assert_close({kernels: found[21:]}, right[21:], **tolerance(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.bool_, np.int64])
def test_copies_of_every_layout(dtype):
    for shape in [(1, 1), (3, 70), (70, 3), (17, 33)]:
        x = rng.integers(0, 2 if dtype == np.bool_ else 100, shape).astype(dtype)
        for layout in ("rows", "columns", "gaps", "backwards"):
            view = laid(x, layout)
            found = made(lambda plan, places, out: plan.copy(*places, out), [view], shape, dtype)
            assert_equal(found, x)
    x = np.arange(2 * 3 * 4 * 5).astype(dtype).reshape(2, 3, 4, 5)
    found = made(lambda plan, places, out: plan.copy(*places, out), [x.transpose(3, 1, 0, 2)], (5, 3, 2, 4), dtype)
    assert_equal(found, x.transpose(3, 1, 0, 2))


@pytest.mark.parametrize("kind", [np.int64, np.int32])
@pytest.mark.parametrize("dtype", FLOATS)
def test_entries_are_picked_and_put(dtype, kind):
    for size in range(1, 71):
        x = rng.normal(size=(size, 3)).astype(dtype)
        rows = rng.integers(-size, size, 40).astype(kind)

        def taken(plan: Plan, places: list[Place], out: Place, size: int = size) -> None:
            run = 3 * out.dtype.itemsize
            plan.places(Code.TAKE, places[0], out, run, [(places[1], 0, size, run)])

        assert_equal(made(taken, [x, rows], (40, 3), dtype), x[rows])
        pairs = rng.integers(-3, 3, 40).astype(kind)

        def both(plan: Plan, places: list[Place], out: Place, size: int = size, code: int = Code.PUT) -> None:
            one = out.dtype.itemsize
            plan.places(code, places[0], out, one, [(places[1], 0, size, 3 * one), (places[2], 1, 3, one)])

        assert_equal(made(partial(both, code=Code.TAKE), [x, rows, pairs], (40,), dtype), x[rows, pairs])
        given = rng.normal(size=40).astype(dtype)
        right = np.zeros((size, 3), dtype)
        np.add.at(right, (rows, pairs), given)
        assert_close(made(both, [given, rows, pairs], (size, 3), dtype), right, rtol=1e-5)


@pytest.mark.parametrize("dtype", FLOATS)
def test_runs_of_every_width_are_picked(dtype):
    rows, columns = rng.integers(-4, 4, 9), rng.integers(-3, 3, 9)
    for width in range(1, 21):
        x = rng.normal(size=(4, 3, width)).astype(dtype)

        def taken(plan: Plan, places: list[Place], out: Place, width: int = width) -> None:
            run = width * out.dtype.itemsize
            indices = [
                (place, k, n, size * run)
                for k, (place, n, size) in enumerate(zip(places[1:], (4, 3), (3, 1), strict=False))
            ]
            plan.places(Code.TAKE, places[0], out, run if len(indices) == 2 else 3 * run, indices)

        assert_equal(made(taken, [x, rows], (9, 3, width), dtype), x[rows])
        assert_equal(made(taken, [x, rows, columns], (9, width), dtype), x[rows, columns])


@pytest.mark.parametrize("code", [Code.TAKE, Code.PUT])
@pytest.mark.parametrize("wrong", [5, -6, 10**15, -(10**15)])
def test_an_index_outside_is_refused_before_memory_is_touched(code, wrong):
    places = np.array([0, wrong, 1])
    given, shape = (np.ones(5), (3,)) if code == Code.TAKE else (np.ones(3), (5,))

    def build(plan: Plan, found: list[Place], out: Place) -> None:
        plan.places(code, found[0], out, 8, [(found[1], 0, 5, 8)])

    for kernels in KERNELS:
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds for axis 0 with size 5"):
            made(build, [given, places], shape, float, [kernels])


# Windows


def seen_by_windows(x: Any, slide: Any, edge: float = 0.0) -> Any:
    """What every window sees: (images, channels, down and across in the window, down and across in the result)."""
    size, steps, around, spread, fits = slide
    x = np.pad(x, ((0, 0), (0, 0), *[(n, n) for n in around]), constant_values=edge)
    rows, columns = [
        gap * np.arange(k)[:, None] + step * np.arange(n)[None]
        for k, step, gap, n in zip(size, steps, spread, fits, strict=True)
    ]
    return x[:, :, rows[:, None, :, None], columns[None, :, None, :]]


def convolved(what: int, images: Any, weights: Any, results: Any, groups: int, slide: Any) -> Any:
    """A convolution or an adjoint by NumPy: as sums of products, and for the images entry by entry of the window."""
    n, channels, *length = images.shape
    split = (groups, channels // groups)
    w = weights.reshape(groups, -1, *weights.shape[1:])
    g = results.reshape(n, groups, -1, *results.shape[2:])
    seen = seen_by_windows(images, slide)
    seen = seen.reshape(n, *split, *seen.shape[2:])
    if what == Convolution.RESULTS:
        return np.einsum("ngcabij,grcab->ngrij", seen, w).reshape(results.shape)
    if what == Convolution.WEIGHTS:
        return np.einsum("ngrij,ngcabij->grcab", g, seen).reshape(weights.shape)
    size, steps, around, spread, fits = slide
    out = np.zeros((n, channels, *[k + 2 * edge for k, edge in zip(length, around, strict=True)]), images.dtype)
    for a in range(size[0]):
        for b in range(size[1]):
            part = np.einsum("ngrij,grc->ngcij", g, w[..., a, b]).reshape(n, channels, *fits)
            down, across = a * spread[0], b * spread[1]
            out[:, :, down :: steps[0], across :: steps[1]][:, :, : fits[0], : fits[1]] += part
    return out[:, :, around[0] : around[0] + length[0], around[1] : around[1] + length[1]]


def slide_over(length: Any, size: Any, steps: Any, around: Any, spread: Any) -> Any:
    """The slide of a window, with how often it fits; None where it does not."""
    reach = [gap * (k - 1) + 1 for k, gap in zip(size, spread, strict=True)]
    room = [n + 2 * edge - r for n, edge, r in zip(length, around, reach, strict=True)]
    if min(room) < 0:
        return None
    return size, steps, around, spread, tuple([n // step + 1 for n, step in zip(room, steps, strict=True)])


SLIDES = [
    ((1, 1), (1, 1), (0, 0), (1, 1)), ((3, 3), (1, 1), (1, 1), (1, 1)), ((2, 3), (2, 1), (0, 2), (1, 2)),
    ((3, 2), (3, 2), (1, 0), (2, 1)), ((2, 2), (5, 3), (0, 0), (3, 1)), ((5, 1), (2, 2), (4, 0), (1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("what", [Convolution.RESULTS, Convolution.IMAGES, Convolution.WEIGHTS])
@pytest.mark.parametrize("slide", SLIDES)
def test_convolutions_of_every_size(slide, what, dtype):
    shapes = [(1, 1, 2, 1, 5, count) for count in range(1, 71)]
    for count in (1, 3, 8, 13, 40):
        shapes += [(2, 2, 3, 1, count, 6), (1, count, 3, 1, 5, 6), (2, 2, count, 1, 7, 5), (count, 1, 1, 2, 4, 3)]
        shapes.append((1, 2, 3, count % 5 + 1, 6, 7))
    for n, channels, outputs, groups, *length in shapes:
        found = slide_over(length, *slide)
        if found is not None:
            images = rng.normal(size=(n, channels * groups, *length)).astype(dtype)
            weights = rng.normal(size=(outputs * groups, channels, *found[0])).astype(dtype)
            results = rng.normal(size=(n, outputs * groups, *found[4])).astype(dtype)
            check_convolution(what, images, weights, results, groups, found)


def check_convolution(what: int, images: Any, weights: Any, results: Any, groups: int, slide: Any) -> None:
    arrays = [images, weights, results]
    written = [Convolution.IMAGES, Convolution.WEIGHTS, Convolution.RESULTS].index(what)
    given = [x for i, x in enumerate(arrays) if i != written]

    def build(plan: Plan, places: list[Place], out: Place) -> None:
        sides = [*places[:written], out, *places[written:2]]
        plan.convolve(what, *sides, groups, slide, *places[2:])

    with np.errstate(invalid="ignore"):
        right = convolved(what, images, weights, results, groups, slide)
    found = made(build, given, arrays[written].shape, images.dtype)
    loose = {"rtol": 1e-11, "atol": 1e-11} if images.dtype == np.float64 else {"rtol": 1e-3, "atol": 1e-3}
    assert_close(found, right, **loose)
    if what == Convolution.RESULTS:
        added = rng.normal(size=(results.shape[1], 1, 1)).astype(images.dtype)
        found = made(build, [*given, added], results.shape, images.dtype)
        assert_close(found, right + added, **loose)


@pytest.mark.parametrize("what", [Convolution.RESULTS, Convolution.IMAGES, Convolution.WEIGHTS])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_convolution_keeps_nan_and_infinity_where_they_belong(what, bad):
    slide = ((2, 3), (1, 1), (1, 1), (1, 1), (6, 5))
    for spoilt in range(3):
        arrays = [rng.normal(size=(2, 2, 5, 5)), rng.normal(size=(3, 2, 2, 3)), rng.normal(size=(2, 3, 6, 5))]
        arrays[spoilt].flat[7] = bad
        check_convolution(what, *arrays, 1, slide)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("what", [Pool.PICK_LARGEST, Pool.PUT_LARGEST])
@pytest.mark.parametrize("slide", [SLIDES[i] for i in (0, 1, 3, 4)])
def test_pools_of_every_size(slide, what, dtype):
    for count in [*range(1, 71), 300]:
        found = slide_over((5, count), *slide)
        if found is not None:
            x = rng.integers(0, 4, (2, 3, 5, count)).astype(dtype)
            x[rng.random(x.shape) < 0.03] = np.nan
            check_pool(what, x, found)


def check_pool(what: int, x: Any, slide: Any) -> None:
    def windows(y: Any, edge: float) -> Any:
        seen = seen_by_windows(y, slide, edge)
        return np.moveaxis(seen, (2, 3), (-2, -1)).reshape(*y.shape[:2], *slide[4], -1)

    where = windows(np.arange(float(x.size)).reshape(x.shape), -1.0)
    places = np.take_along_axis(where, windows(x, -np.inf).argmax(-1)[..., None], -1)[..., 0].astype(int)
    given = rng.normal(size=x.shape if what == Pool.PICK_LARGEST else places.shape).astype(x.dtype)
    if what == Pool.PICK_LARGEST:
        right = np.where(places < 0, 0, given.ravel()[places])
    else:
        right = np.zeros(x.size, x.dtype)
        np.add.at(right, places[places >= 0], given[places >= 0])
        right = right.reshape(x.shape)
    found = made(lambda plan, sides, out: plan.pool(what, *sides, out, slide), [given, x], right.shape, x.dtype)
    assert_close(found, right, rtol=1e-6, atol=1e-6)


# Chains


def chained(name: str, arrays: Any, dtype: Any, shape: Any = None, out_dtype: Any = None) -> dict[str, Any]:
    """One elementwise operation on arrays, broadcast to a shape."""
    shape = shape or np.broadcast_shapes(*[np.shape(x) for x in arrays])

    def build(plan: Plan, places: list[Place], out: Place) -> None:
        chain = Chain(np.dtype(dtype), out.shape)
        operands = []
        for x, place in zip(arrays, places, strict=True):
            strides = tuple([s // x.itemsize for s in np.broadcast_to(x, shape).strides])
            whole = place._replace(shape=shape, strides=strides)
            if not any(strides):
                operands.append(chain.slot(Slot.ONE, whole))
            elif whole.contiguous and whole.dtype == dtype:
                operands.append(chain.slot(Slot.STREAM, whole))
            else:
                operands.append(chain.register())
                chain.operate("load", operands[-1], chain.slot(Slot.STRIDED, whole))
        if out_dtype is None:
            chain.operate(name, chain.slot(Slot.STREAM, out), *operands)
        else:
            into = chain.register()
            chain.operate(name, into, *operands)
            chain.operate("store_truth", chain.slot(Slot.RESULT, out), into)
        chain.written(plan)

    return made(build, arrays, shape, out_dtype or dtype)


EXACT: dict[str, Callable[..., Any]] = {
    "identity": lambda x: x, "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "maximum": np.maximum, "minimum": np.minimum, "neg": np.negative, "abs": np.abs, "sqrt": np.sqrt,
    "relu": lambda x: np.maximum(x, 0), "sign": np.sign, "square": np.square, "reciprocal": np.reciprocal,
    "where": lambda c, x, y: np.where(c, x, y), "chosen": lambda x, w: np.where(w == 0, 0, x * w), "floor": np.floor,
    "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint,
}  # fmt: skip
TRUTHS: dict[str, Callable[..., Any]] = {
    "greater": np.greater, "greater_equal": np.greater_equal, "less": np.less, "less_equal": np.less_equal,
    "equal": np.equal, "not_equal": np.not_equal, "logical_and": np.logical_and, "logical_or": np.logical_or,
    "logical_not": np.logical_not, "logical_xor": np.logical_xor, "isnan": np.isnan, "isinf": np.isinf,
    "isfinite": np.isfinite,
}  # fmt: skip
EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, 3e38, -3e38, np.inf, -np.inf, np.nan, 1e-30]
TWO = {"add", "sub", "mul", "div", "maximum", "minimum", "chosen", *TRUTHS} - {
    "logical_not",
    "isnan",
    "isinf",
    "isfinite",
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", [*EXACT, *TRUTHS])
def test_simple_operations_are_exact(name, dtype):
    grid = np.array(np.meshgrid(EDGES, EDGES, [0.0, 2.0, np.nan])).reshape(3, -1).astype(dtype)
    with np.errstate(all="ignore"):
        for n in [*range(1, 71), grid.shape[1]]:
            inputs = [
                np.ascontiguousarray(row[-n:]) for row in grid[: 3 if name == "where" else 2 if name in TWO else 1]
            ]
            right = (EXACT.get(name) or TRUTHS[name])(*inputs)
            found = chained(name, inputs, dtype, out_dtype=np.bool_ if name in TRUTHS else None)
            assert_equal(found, right)


def signs_of(found: dict[str, Any], where: Any) -> dict[str, Any]:
    """Which entries have a minus, of those in some places."""
    return {name: np.signbit(x[where]) for name, x in found.items()}


@pytest.mark.parametrize("by", [3.0, -7.0, 0.1, 5000.0, 1e-20, 1e20, 0.0, -np.inf, np.nan])
def test_a_quotient_by_one_number_for_all_has_the_last_bit_of_double_precision(by):
    sizes = 10.0 ** rng.integers(-280, 307, 500)
    x = np.concatenate([EDGES, [1.7e308, 2.3e-308], rng.normal(size=500) * sizes])
    with np.errstate(all="ignore"):
        found, right = chained("div", [x, np.array(by)], np.float64), x / by
    assert_equal(found, right)
    assert_equal(signs_of(found, ~np.isnan(right)), np.signbit(right)[~np.isnan(right)])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", [name for name, i in OPERATION.items() if i < OPERATION["load"]])
def test_what_an_entry_becomes_does_not_depend_on_where_it_stands(name, dtype):
    x, y, z = (rng.normal(size=70).astype(dtype) * 3 for _ in range(3))
    with np.errstate(all="ignore"):
        whole = chained(name, [x, y, z], dtype)
        for n in range(2, 70):
            part = chained(name, [row[-n:].copy() for row in (x, y, z)], dtype)
            for kernels, end in part.items():
                np.testing.assert_array_equal(end, whole[kernels][-n:], err_msg=kernels)


@pytest.mark.parametrize("dtype", FLOATS)
def test_operands_of_every_layout_and_type(dtype):
    for n in (1, 5, 16, 70):
        shape = (4, n, 3)
        for other in [(4, n, 3), (n, 3), (3,), (4, 1, 1), (n, 1), (1, 1, 1)]:
            for kind in (np.float32, np.float64, np.bool_, np.int64, np.int32):
                x = rng.normal(size=shape).astype(dtype)
                y = rng.integers(-9, 9, other).astype(kind)
                assert_equal(chained("add", [x, y], dtype, shape), x + y.astype(dtype))


SMOOTH = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "sin", "cos", "erf", "erfc", "log2", "cbrt")


MOST_OFF = {"tanh": 2.5, "sigmoid": 2.5, "erf": 4, "erfc": 8, "cbrt": 4}
"""Units in the last place; the C library's own cube root is as far off."""


def right_digits(name: str, x: Any) -> Any:
    """The values of a function to 40 digits, rounded to double."""
    mpmath = pytest.importorskip("mpmath")
    own = {"sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "log2": lambda x: mpmath.log(x, 2),
           "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x))}  # fmt: skip
    function = own.get(name) or getattr(mpmath, name)
    with mpmath.workdps(40):
        return np.array([float(function(mpmath.mpf(float(v)))) for v in x])


def range_of(name: str, dtype: Any, n: int) -> Any:
    """Numbers all over the range of a function, the smallest too."""
    top = float(np.log(np.finfo(dtype).max))
    tiny = float(np.finfo(dtype).smallest_subnormal)
    sizes = np.exp(rng.uniform(np.log(tiny), top if name in ("log", "log1p", "log2", "cbrt") else np.log(top), n))
    if name in ("log", "log2"):
        return np.concatenate([sizes, rng.uniform(0.5, 2, n)]).astype(dtype)
    if name == "log1p":
        return np.concatenate([sizes, -np.exp(rng.uniform(np.log(tiny), 0, n)), rng.uniform(-0.9, 2, n)]).astype(dtype)
    near = rng.uniform(-2, 2, n)
    lower = -1.05 * top if name == "exp" else -top
    return np.concatenate([sizes, -sizes, near, rng.uniform(lower, top, n)]).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_functions_to_the_last_digits(name, dtype):
    x = range_of(name, dtype, 400)
    right, found = right_digits(name, x), chained(name, [x], dtype)
    rounded = right.astype(dtype)
    unit = np.spacing(np.maximum(np.abs(rounded), np.finfo(dtype).smallest_normal)).astype(np.float64)
    for kernels, made in found.items():
        off = np.abs(made.astype(np.float64) - right) / unit
        off = off[np.isfinite(rounded)]
        most = MOST_OFF.get(name, 2)
        assert off.max() <= most, f"{off.max():.2f} units in the last place by {kernels}"
        np.testing.assert_array_equal(np.isinf(made), np.isinf(rounded), err_msg=kernels)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh"])
def test_smooth_functions_at_the_edges(name, dtype):
    x = np.array([*EDGES, -2.0, 1e4, -1e4], dtype)
    with np.errstate(all="ignore"):
        right = getattr(np, name)(x)
    found = chained(name, [x], dtype)
    assert_close(found, right, rtol=4 * np.finfo(dtype).eps)
    assert_equal(signs_of(found, right == 0), np.signbit(right[right == 0]))


@pytest.mark.parametrize("dtype", FLOATS)
def test_logaddexp(dtype):
    x, y = np.array(np.meshgrid([*EDGES, 5.0, -5.0, 700.0], [*EDGES, 4.0, -700.0])).reshape(2, -1).astype(dtype)
    with np.errstate(all="ignore"):
        right = np.logaddexp(x, y)
    assert_close(chained("logaddexp", [x, y], dtype), right, rtol=8 * np.finfo(dtype).eps)


def test_operations_that_are_joined_compute_what_each_did():
    made_of = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "sqrt": np.sqrt,
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    }  # fmt: skip
    x, y = rng.uniform(0.5, 2, size=(2, 9))
    joined, met = 0, set[int]()
    for seed in range(300):
        draw = np.random.default_rng(seed)
        right: list[Any] = []

        def build(plan: Plan, places: list[Place], out: Place, draw: Any = draw, right: list[Any] = right) -> None:
            nonlocal joined
            chain = Chain(np.dtype(float), x.shape)
            at = [*range(3), *[chain.slot(Slot.STREAM, place) for place in (out, *places)]]
            held = dict(zip(at, [np.zeros(9)] * 4 + [x, y], strict=True))
            chain.operations = []
            for register in at[:4]:
                chain.operate("identity", register, at[4])
                held[register] = x
            into = at[0]
            for k in range(10):
                name, last = [*made_of][draw.integers(len(made_of))], into
                into = at[3] if k == 9 else at[draw.integers(4)]
                read = [at[i] for i in draw.integers(0, 6, 1 if name in ("sigmoid", "sqrt") else 2)]
                read[draw.integers(len(read))] = last
                chain.operate(name, into, *read)
                with np.errstate(all="ignore"):
                    held[into] = made_of[name](*[held[i] for i in read])
            chain.written(plan)
            joined += 14 - len(chain.operations)
            met.update([which for which, *_ in chain.operations])
            right.append(held[at[3]])

        found = made(build, [x, y], x.shape, float)
        assert_close(found, right[0], rtol=1e-9, atol=1e-9)
    assert joined > 100
    assert met >= {OPERATION[name] for name in ("mul_add", "mul_sub", "sub_mul", "mul_mul", "diff_mul", "sqrt_add")}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("number", [False, True])
def test_three_operations_are_joined_to_one(dtype, number):
    for n in (1, 15, 16, 17, 70):
        arrays = [rng.uniform(0.5, 2, size=n).astype(dtype) for _ in range(4)]
        arrays[1] = arrays[1][:1].reshape(()) if number else arrays[1]
        a, b, c, d = arrays
        steps = {"div": d - a / b * c, "mul": a * b + c * d}
        for first, right in steps.items():

            def build(plan: Plan, places: list[Place], out: Place, first: str = first, n: int = n) -> None:
                chain = Chain(np.dtype(dtype), (n,))
                kinds = [Slot.STREAM, Slot.ONE if number else Slot.STREAM, Slot.STREAM, Slot.STREAM]
                a, b, c, d = [chain.slot(kind, place) for kind, place in zip(kinds, places, strict=True)]
                one, other, into = chain.register(), chain.register(), chain.slot(Slot.STREAM, out)
                chain.operate(first, one, a, b)
                if first == "div":
                    chain.operate("mul", one, one, c)
                    chain.operate("sub", into, d, one)
                else:
                    chain.operate("mul", other, c, d)
                    chain.operate("add", into, one, other)
                chain.written(plan)
                assert len(chain.operations) == 1

            few = 24 * np.finfo(dtype).eps
            assert_close(made(build, arrays, (n,), dtype), right, rtol=few, atol=few)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_chain_of_many_arrays_is_what_each_operation_is(dtype):
    """Six arrays go through shorter blocks than two, and where they are long what comes next is fetched ahead."""
    for n in (1, 70, 255, 513, 1100, 2049, 45_000):
        arrays = [rng.normal(size=n).astype(dtype) for _ in range(5)]

        def build(plan: Plan, places: list[Place], out: Place, dtype: Any = dtype, n: int = n) -> None:
            chain = Chain(np.dtype(dtype), (n,))
            found = chain.slot(Slot.STREAM, places[0])
            for k, place in enumerate(places[1:], 1):
                into = chain.slot(Slot.STREAM, out) if k == 4 else chain.register()
                chain.operate("maximum" if k % 2 else "add", into, found, chain.slot(Slot.STREAM, place))
                found = into
            chain.written(plan)

        a, b, c, d, e = arrays
        assert_equal(made(build, arrays, (n,), dtype), np.maximum(np.maximum(a, b) + c, d) + e)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("other", [None, "unkept", "b", "c", "both", *range(6)])
def test_two_running_means_and_a_step_by_their_quotient(dtype, other):
    """In one pass where numbers are numbers, all results are kept, and none is read for what was there before."""
    names = "mul_add_mul mul_mul mul_add sqrt_add sub_div_mul"
    for n in (1, 2, 7, 8, 15, 16, 17, 70, 2049, 45_000):
        g, a, b, c, *numbers = [rng.uniform(0.5, 2, size=n).astype(dtype) for _ in range(10)]
        numbers = [x if k == other else x[:1].reshape(()) for k, x in enumerate(numbers)]
        p, q, r, s, e, v = numbers
        mean = g * p + a * q
        square = g * g * r + (mean if other == "b" else b) * s
        c = {"c": mean, "both": square}.get(other, c)
        right = np.stack([a if other == "unkept" else mean, square, c - mean / (np.sqrt(square) + e) * v])

        def build(plan: Plan, places: list[Place], out: Place, n: int = n) -> None:
            chain = Chain(np.dtype(dtype), (n,))
            g, a, b, c, p, q, r, s, e, v = [
                chain.slot(Slot.STREAM if place.shape else Slot.ONE, place) for place in places
            ]
            rows = [Place(out.memory, i * n * out.dtype.itemsize, (n,), (1,), out.dtype) for i in range(3)]
            into, square, new = [chain.slot(Slot.STREAM, row) for row in rows]
            mean = chain.register() if other == "unkept" else into
            b = mean if other == "b" else b
            c = {"c": mean, "both": square}.get(other, c)
            x, y = chain.register(), chain.register()
            chain.operate("mul", x, a, q)
            chain.operate("mul", y, g, p)
            chain.operate("add", mean, x, y)
            chain.operate("mul", x, g, g)
            chain.operate("mul", x, x, r)
            chain.operate("mul", y, b, s)
            chain.operate("add", square, y, x)
            chain.operate("sqrt", x, square)
            chain.operate("add", x, x, e)
            chain.operate("div", x, mean, x)
            chain.operate("mul", x, x, v)
            chain.operate("sub", new, c, x)
            if other == "unkept":
                chain.operate("identity", into, a)
            chain.written(plan)
            assert [which for which, *_ in chain.operations[:5]] == [OPERATION[name] for name in names.split()]
            assert [operands for _, _, *operands in chain.operations[:3]] == [[g, p, a, q], [g, g, r, g], [b, s, x, b]]

        few = 24 * np.finfo(dtype).eps
        assert_close(made(build, [g, a, b, c, *numbers], (3, n), dtype), right, rtol=few, atol=few)


def test_totals_of_every_size():
    for dtype in FLOATS:
        for n in [*range(1, 71), 5000]:
            x = rng.normal(size=n).astype(dtype)

            def build(plan: Plan, places: list[Place], out: Place, dtype: Any = dtype, n: int = n) -> None:
                chain = Chain(np.dtype(dtype), (n,))
                into = chain.register()
                chain.operate("square", into, chain.slot(Slot.STREAM, places[0]))
                chain.operate("total", chain.slot(Slot.RESULT, out), into, bits(2.0))
                chain.written(plan)

            assert_close(made(build, [x], (), dtype), np.sum(x * x) / 2, rtol=1e-5)


def test_types_are_those_of_the_machine():
    assert list(TYPES) == [np.dtype(t) for t in (np.float32, np.float64, np.bool_, np.int64, np.int32)]
    with pytest.raises(ValueError, match="does not run kernels called sse9"):
        machine.use_kernels("sse9")


def test_a_place_outside_its_memory_is_refused():
    plan = Plan({2: 8})
    plan.copy(Place(2, 0, (2,), (1,), np.dtype(float)), Place(2, 0, (2,), (1,), np.dtype(float)))
    with pytest.raises(AssertionError, match="does not lie in the 8 bytes"):
        plan.check()


@pytest.mark.parametrize("kind", "?bhilefd")
def test_entries_of_every_width_are_moved_whole(kind):
    """Those of two bytes were read at the places of one: other numbers, and what lay beside the array."""
    x = np.arange(12).reshape(3, 4).astype(kind)
    moved = [x.T, x[::-1, ::-1], x[1:, ::2], np.stack([x[:, 0], x[:, 2]])]
    found = cr.compile(lambda x: (x.T, x[::-1, ::-1], x[1:, ::2], cr.stack([x[:, 0], x[:, 2]])))(x)
    for one, right in zip(found, moved, strict=True):
        np.testing.assert_array_equal(one, right, strict=True)


def test_an_unknown_instruction_set_in_the_environment_is_told(monkeypatch):
    in_use = machine.kernels()
    loader = ExtensionFileLoader(machine.__name__, machine.__file__)
    again = spec_from_loader(loader.name, loader)
    assert again is not None
    monkeypatch.setenv("CHAINRULE_KERNELS", "sse9")
    try:
        with pytest.warns(RuntimeWarning, match=r"CHAINRULE_KERNELS=sse9: this processor runs .*baseline"):
            loader.exec_module(module_from_spec(again))
        monkeypatch.setenv("CHAINRULE_KERNELS", "baseline")
        loader.exec_module(module_from_spec(again))
        assert machine.kernels() == "baseline"
    finally:
        machine.use_kernels(in_use)
