"""Programs on the kernel machine give what the engine gives, from any thread, and leave arguments and results alone."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from oracles import close  # pyright: ignore[reportMissingImports]  (conftest)
from programs import PROGRAMS, in_threads  # pyright: ignore[reportMissingImports]  (conftest)
from test_random_programs import SHAPES, function, programs  # pyright: ignore[reportMissingImports]

import chainrule as cr

machine = pytest.importorskip("chainrule.core._machine", reason="the kernels were not built")
rng = np.random.default_rng(0)
LOWER = [name for name in ("baseline", "avx2") if name != machine.kernels()]


@pytest.fixture
def lower(request: pytest.FixtureRequest) -> Any:
    """The kernels of a lower instruction set."""
    before = machine.kernels()
    try:
        machine.use_kernels(request.param)
    except ValueError:
        pytest.skip(f"this processor does not run {request.param}")
    yield request.param
    machine.use_kernels(before)


def compared(f: Any, *args: Any, tolerance: float = 1e-12) -> Any:
    """A compiled function that gave what the function gives."""
    compiled = cr.compile(f, target="native")
    found, right = cr.core.tree.flatten(compiled(*args))[0], cr.core.tree.flatten(f(*args))[0]
    for x, y in zip(found, right, strict=True):
        close(getattr(x, "data", x), getattr(y, "data", y), tolerance, "a result of the kernels")
    assert compiled.needs_version().native is not None
    return compiled


@pytest.mark.parametrize("lower", LOWER, indirect=True)
@pytest.mark.parametrize("name", ["classifier", "picked by data", "masks of data"])
def test_programs_on_lower_instruction_sets(lower, name):
    f, args = PROGRAMS[name]
    assert f"({lower})" in compared(f, *args).explain()


IMAGE_LAYERS = {
    "plain": [cr.nn.Conv2d(3, 4, 3), cr.nn.ReLU(), cr.nn.MaxPool2d(2)],
    "strided": [cr.nn.Conv2d(3, 5, (3, 2), stride=2, padding=1), cr.nn.Tanh(), cr.nn.AvgPool2d(2)],
    "depthwise": [cr.nn.Conv2d(3, 6, 3, groups=3, dilation=2), cr.nn.MaxPool2d(3, stride=2, padding=1)],
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("layers", IMAGE_LAYERS)
def test_networks_of_images_run_as_kernels_alone(layers, dtype):
    own = np.random.default_rng(1)
    net = cr.nn.Sequential(*IMAGE_LAYERS[layers])
    x = own.normal(size=(5, 3, 11, 12)).astype(dtype)
    parameters = {name: own.normal(size=p.shape).astype(dtype) for name, p in net.named_parameters()}

    def loss(parameters: Any, x: Any) -> Any:
        return cr.sum(cr.nn.functional_call(net, parameters, (x,)) ** 2)

    tolerance = 1e-12 if dtype == np.float64 else 2e-5
    compiled = compared(cr.value_and_grad(loss, argnums=(0, 1)), parameters, x, tolerance=tolerance)
    assert "through NumPy" not in compiled.explain()


def test_a_pool_gives_nan_on_and_its_gradient_goes_there():
    x = np.arange(36.0).reshape(1, 1, 6, 6)
    x[0, 0, 2, 3] = x[0, 0, 3, 2] = np.nan
    for target in ("native", "numpy"):
        step = cr.compile(cr.value_and_grad(lambda x: cr.sum(cr.max_pool2d(x, kernel_size=2))), target=target)
        value, gradient = step(x)
        right, slope = cr.value_and_grad(lambda x: cr.sum(cr.max_pool2d(x, kernel_size=2)))(x)
        assert np.isnan(value)
        assert np.isnan(right)
        np.testing.assert_array_equal(gradient, slope)
        assert gradient[0, 0, 2, 3] == 1


@pytest.mark.parametrize("key", [np.s_[..., 64:128], np.s_[3:7], np.s_[:, ::2], np.s_[2, :, 5], np.s_[::-1, None, 1:]])
def test_gradients_of_slices_are_put_back_as_runs(key):
    x = rng.normal(size=(16, 40, 192))
    step = compared(cr.grad(lambda x: cr.sum(cr.index(x, key=key) ** 3)), x)
    assert "through NumPy" not in step.explain()


@pytest.mark.parametrize("shape", [(3, 5), (1, 5), (3, 1), (5,), (1,), ()])
def test_entries_are_picked_and_put_by_indices_that_are_repeated_for_each_other(shape):
    x, y = rng.normal(size=(3, 5, 4)), np.asarray(rng.integers(-4, 4, shape))

    def picked(x: Any, y: Any) -> Any:
        return cr.sum(cr.index(x, key=(np.arange(3)[:, None], np.arange(5), y)) ** 2)

    step = compared(cr.value_and_grad(picked), x, y)
    assert "through NumPy" not in step.explain()


@pytest.mark.parametrize("before", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_entries_are_picked_and_put_behind_whole_axes(before, dtype):
    """As in a function that is mapped over examples, which have an index in common."""
    x, y, z = (
        rng.normal(size=(3, 2, 5, 4))[2 - before :].astype(dtype),
        rng.integers(-4, 4, 5),
        rng.integers(0, 2, (6, 1)),
    )
    whole = (slice(None),) * (x.ndim - 2)
    for key in (lambda y, z: (np.arange(5), y), lambda y, z: (y,), lambda y, z: (z, y)):
        f = cr.value_and_grad(lambda x, y, z, key=key: cr.sum(cr.index(x, key=(*whole, *key(y, z))) ** 2))
        step = cr.compile(f)
        for result, right in zip(step(x, y, z), f(x, y, z), strict=True):
            np.testing.assert_allclose(result, right, rtol=1e-12 if dtype is np.float64 else 1e-5)
        assert "through NumPy" not in step.explain()


def test_symbols_are_looked_up_and_those_outside_refused():
    table = cr.nn.Embedding(5, 3)
    weights = rng.normal(size=(5, 3))

    def look(weights: Any, symbols: Any) -> Any:
        return cr.sum(cr.nn.functional_call(table, {"weight": weights}, (symbols,)) ** 2)

    step = compared(cr.value_and_grad(look), weights, np.array([[0, 4], [4, 1]]))
    for outside in (-1, 5):
        with pytest.raises(IndexError, match="out of bounds"):
            step(weights, np.array([[0, outside], [4, 1]]))


@settings(derandomize=True, database=None, deadline=None, max_examples=60)
@given(programs())
def test_random_programs_agree(steps):
    f = cr.value_and_grad(function(steps), argnums=(0, 1, 2, 3))
    own = np.random.default_rng(len(str(steps)))
    args = [own.normal(size=shape) if shape else float(own.normal()) for shape in SHAPES]
    compared(f, *args)
    single = [np.float32(x) if isinstance(x, float) else x.astype(np.float32) for x in args]
    right = cr.core.tree.flatten(cr.compile(f, target="numpy")(*single))[0]
    for x, y in zip(cr.core.tree.flatten(cr.compile(f, target="native")(*single))[0], right, strict=True):
        assert x.dtype == y.dtype
        close(x, y, 2e-4, "single precision")


class Pair(NamedTuple):
    """A container with names."""

    left: Any
    right: Any


def step(w1: Any, b1: Any, w2: Any, x: Any, y: Any) -> Any:
    """A step of training that leaves nothing out: products, chains, reductions, look-ups."""

    def loss(w1: Any, b1: Any, w2: Any) -> Any:
        return cr.cross_entropy(cr.relu(x @ w1 + b1) @ w2, y) + 0.01 * cr.sum(w1 * w1)

    value, slopes = cr.value_and_grad(loss, argnums=(0, 1, 2))(w1, b1, w2)
    return value, *[p - 0.1 * slope for p, slope in zip((w1, b1, w2), slopes, strict=True)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [1, 2, 15, 16, 33])
@pytest.mark.parametrize("width", [1, 5, 17, 40])
def test_steps_of_every_size(width, batch, dtype):
    args = [rng.normal(size=shape).astype(dtype) for shape in ((7, width), (width,), (width, 3), (batch, 7))]
    compiled = compared(step, *args, rng.integers(0, 3, batch), tolerance=1e-12 if dtype == np.float64 else 1e-5)
    assert not compiled.needs_version().by_numpy


def arguments() -> list[Any]:
    return [rng.normal(size=shape) for shape in ((7, 5), (5,), (5, 3), (9, 7))] + [rng.integers(0, 3, 9)]


def test_results_are_fresh_and_arguments_are_not_written():
    args = arguments()
    before = [x.copy() for x in args]
    compiled = cr.compile(step)
    first = compiled(*args)
    kept = [np.array(x) for x in first]
    for _ in range(3):
        compiled(*[x * 2 for x in args[:-1]], args[-1])
    for x, y in zip([*first, *args], [*kept, *before], strict=True):
        np.testing.assert_array_equal(x, y)
    same = cr.compile(lambda x: (x, x, x + 1, x.T))(args[0])
    for x in same:
        assert not np.shares_memory(x, args[0])
        x += 1
    np.testing.assert_array_equal(args[0], before[0])
    assert same[0].sum() == same[1].sum()


def test_arguments_of_any_layout():
    args = arguments()
    compiled = cr.compile(step)
    right = compiled(*args)
    wide = np.zeros((18, 14))
    wide[::2, ::2] = args[3]
    odd = [np.asfortranarray(args[0]), args[1][::-1].copy()[::-1], args[2], wide[::2, ::2], args[4]]
    big = [args[0], args[1], args[2], args[3].astype(">f8"), args[4]]
    for other in (odd, big):
        for x, y in zip(compiled(*other), right, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-14, atol=1e-15 * np.abs(y).max())  # sums in another order


def test_a_total_is_the_same_wherever_its_terms_lie():
    for dtype in (np.float32, np.float64):
        x = rng.normal(size=1073).astype(dtype)
        weights = rng.normal(size=1073).astype(dtype)
        step = cr.compile(cr.value_and_grad(lambda x, w: cr.sum(cr.tanh(x) * w)), target="native")
        held = [step(x, weights) for _ in range(40)]  # in other memory each
        assert len({float(value) for value, _ in held}) == 1


def test_threads_get_their_own_results():
    compiled = cr.compile(step)
    sets = [arguments() for _ in range(8)]
    sets = [[x * (k + 1) if k % 2 else x for x in args[:-1]] + [args[-1]] for k, args in enumerate(sets)]
    right = [compiled(*args) for args in sets]
    large = cr.compile(lambda x, y: cr.tanh(x @ y).sum(axis=0))  # long enough for the lock to be let go
    x, y = rng.normal(size=(120, 120)), rng.normal(size=(120, 120))
    whole = [large(k * x, y) for k in range(8)]

    def work(k: int) -> None:
        for _ in range(60):
            assert all([np.array_equal(a, b) for a, b in zip(compiled(*sets[k]), right[k], strict=True)])
            assert np.array_equal(large(k * x, y), whole[k])

    in_threads(8, work)


FORK = """
import os
import numpy as np
import chainrule as cr

compiled, x = cr.compile(lambda x: cr.sum(cr.tanh(x @ x))), np.eye(3)
right = float(compiled(x))
child = os.fork()
if not child:
    os._exit(0 if float(compiled(x)) == right else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_was_forked_computes_too():
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60)


def test_arguments_of_any_structure():
    def f(state: Any, x: Any) -> Any:
        (w, b), rest = state["layer"], state["rest"]
        return {"out": [x @ w + b, (rest[0] * 2,)], "kept": Pair(w, None)}, x.sum()

    class Sub(dict):  # no structure of ours: an object like any other
        pass

    compiled = cr.compile(f)
    x, w, b = rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
    state = {"layer": (w, b), "rest": [np.float64(3.0)]}
    for _ in range(3):
        found, total = compiled(state, x)
        np.testing.assert_allclose(found["out"][0], x @ w + b)
        assert found["out"][1] == (6.0,)
        assert type(found["kept"]) is Pair
        np.testing.assert_array_equal(found["kept"].left, w)
        np.testing.assert_allclose(total, x.sum())
    same = compiled({"rest": [np.float64(3.0)], "layer": (w, b)}, x)[0]
    np.testing.assert_array_equal(same["out"][0], found["out"][0])
    other = compiled({"layer": [w, b], "rest": [3.0]}, x)[0]
    np.testing.assert_array_equal(other["out"][0], found["out"][0])
    assert isinstance(compiled({"layer": (cr.Tensor(w), b), "rest": [3.0]}, x)[0]["out"][0], cr.Tensor)
    for wrong in ({"layer": (w, b)}, {"layer": (w,), "rest": [3.0]}, Sub(state)):
        with pytest.raises((KeyError, ValueError, TypeError)):
            compiled(wrong, x)


def test_entries_at_places_that_the_program_knows():
    x = rng.normal(size=(5, 4))
    for key in ((slice(None), 1), ([0, 3, 3],), (slice(1, 4), [2, 0]), (..., None, 2)):
        f = cr.value_and_grad(lambda x, key=key: cr.sum(cr.index(x, key=key) ** 2))
        assert not compared(f, x).needs_version().by_numpy


def test_an_index_outside_is_an_error_as_in_numpy():
    compiled = cr.compile(lambda x, i: x[i] * 2)
    x = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(compiled(x, np.array([2, -1])), x[[2, -1]] * 2)
    for wrong in (3, -4):
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds for axis 0 with size 3"):
            compiled(x, np.array([0, wrong]))
    np.testing.assert_array_equal(compiled(x, np.array([0, 1])), x[:2] * 2)


def test_what_has_no_kernel_runs_through_numpy_and_is_told():
    compiled = compared(lambda x: cr.sum(cr.inv(x) @ x + cr.cumsum(x, axis=0)), rng.normal(size=(4, 4)) + 4 * np.eye(4))
    assert "Without a kernel, and so through NumPy: 1 cumsum, 1 inv" in compiled.explain()
    empty = cr.compile(lambda x: cr.sum(x * 2))
    assert empty(np.zeros((0, 3))) == 0
    assert "Not on kernels: an array without entries" in empty.explain()


def test_numbers_take_the_type_of_what_they_meet():
    x = np.ones(3, np.float32)
    for rate in (0.1, np.float32(0.1), np.float64(0.1)):
        f = lambda x, rate: (x - rate * x, x > rate, rate * 2 + 1)  # noqa: E731
        found, right = cr.compile(f)(x, rate), f(x, rate)
        for a, b in zip(found, right, strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_array_equal(a, b)


def test_many_lines_in_one_chain_find_their_registers():
    def f(x: Any, y: Any) -> Any:
        held = [x, y, x * y]
        for k in range(120):
            held.append(cr.tanh(held[-1]) + held[-3] * (1.0 + 0.01 * k) - held[k // 2])
        return sum(held[::7])

    compared(f, *rng.normal(size=(2, 9, 70)) / 10, tolerance=1e-9)


MASKS = {
    "a product": lambda a, b, c: a @ b,
    "a multiple of a product": lambda a, b, c: 0.25 * (a @ b),
    "a sum": lambda a, b, c: a + c,
    "what is chosen": lambda a, b, c: cr.where(a > b, a, c),
}
MASKED = {
    "itself": lambda x, mask, b, c: x * mask,
    "another": lambda x, mask, b, c: b * mask,
    "a product of it": lambda x, mask, b, c: ((x * mask) @ c) * mask,
    "products and products of it": lambda x, mask, b, c: ((c @ b) * mask) @ ((x * mask) @ c) * mask,
}


@pytest.mark.parametrize("masks", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("masked", MASKED.values(), ids=MASKED)
def test_a_mask_outlives_what_it_was_made_of(masks, masked):
    def loss(a: Any, b: Any, c: Any) -> Any:
        x = masks(a, b, c)
        return cr.sum(cr.tanh(masked(x, x > 0, b, c) @ b))

    compared(cr.value_and_grad(loss, argnums=(0, 1, 2)), *rng.normal(size=(3, 5, 5)))


TURNED = {
    "transposed": lambda x: x.T,
    "transposed in its shape": lambda x: cr.reshape(x.T, shape=x.shape),
    "rows backwards": lambda x: x[::-1],
    "columns backwards": lambda x: cr.flip(x, axis=1),
    "a row repeated": lambda x: x[:1] + 0.0 * x,
    "a column repeated": lambda x: x[:, 1:2] + 0.0 * x,
}
MEETING = {
    "after": lambda x, turned: cr.exp(x) + cr.tanh(turned(x)),
    "before": lambda x, turned: cr.tanh(turned(x)) + cr.exp(x),
    "far apart": lambda x, turned: cr.exp(cr.cos(x)) * (1 - cr.tanh(turned(x) * x)),
    "twice": lambda x, turned: cr.exp(x) + cr.sin(turned(cr.exp(x))) + cr.tanh(turned(x)),
}


@pytest.mark.parametrize("turned", TURNED.values(), ids=TURNED)
@pytest.mark.parametrize("meeting", MEETING.values(), ids=MEETING)
def test_what_a_chain_computes_is_read_in_another_order_too(meeting, turned):
    def f(x: Any) -> Any:
        return meeting(cr.sin(x), turned)

    x = rng.normal(size=(5, 5))
    compared(f, x)
    compared(cr.value_and_grad(lambda x: cr.sum(f(x) ** 2)), x)


def test_long_programs_are_planned():
    def f(x: Any) -> Any:
        first = out = x * 2
        for _ in range(3000):
            out = cr.sin(out) + x
        return first, out

    compared(f, rng.normal(size=5), tolerance=1e-9)


def test_an_optimizers_sweep_is_one_chain():
    def f(p: Any, m: Any, v: Any, g: Any, t: Any) -> Any:
        t = t + 1.0
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return p - 0.01 * (m / (1 - 0.9**t)) / (cr.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v, t

    compiled = compared(f, *rng.normal(size=(2, 4, 50)), *rng.random(size=(2, 4, 50)), np.float64(3))
    assert compiled.needs_version().instructions == 2


def test_programs_are_freed():
    def made() -> Any:
        compiled = cr.compile(step)
        compiled(*arguments())
        return weakref.ref(compiled.needs_version())

    version = made()
    gc.collect()
    assert version() is None


@pytest.mark.parametrize("target", ["fortran", "c"])
def test_an_unknown_target_is_refused(target):
    with pytest.raises(cr.errors.DtypeError, match="runs on native or numpy"):
        cr.compile(step, target=target)


def test_a_number_that_single_precision_does_not_hold_is_infinite_in_silence():
    x = np.array([1.0, -np.inf, np.nan], np.float32)
    step = cr.compile(lambda x: cr.where(x <= -1e300, 0.5, x) * 1e-300)
    np.testing.assert_array_equal(step(x), np.array([0, 0, np.nan], np.float32))
