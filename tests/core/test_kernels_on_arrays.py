"""The machine's kernels on arrays compute what NumPy says, and leave to it what they cannot take."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_calls import ADJOINTS, calls, copies, definition, machine, needs_machine, quick

import chainrule as cr
from chainrule.core.operation import book, kernels
from chainrule.core.state import Quiet

pytestmark = needs_machine
OF_CLASSES = ("negative_log_likelihood", "cross_entropy_x")
ROWS = [(4, 3), (1, 1), (64, 10), (3, 257), (2, 3, 5)]


def test_every_kernel_has_a_definition():
    assert quick
    assert all(name in kernels or name.removesuffix("_back") in book or name in ADJOINTS for name in quick)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", quick)
def test_a_kernel_computes_what_its_numpy_says(name, dtype):
    draw = np.random.default_rng(0)
    close = {"rtol": 3e-5, "atol": 3e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-14}
    for shape in ROWS if name not in OF_CLASSES else ROWS[:4]:
        given = calls(name, shape, dtype, draw)
        by_machine, by_numpy = copies(given), copies(given)
        out, right = quick[name](*by_machine), definition(name)(*by_numpy)
        if right is not None:
            np.testing.assert_allclose(out, right, **close)
            assert out.dtype == right.dtype == dtype
            assert np.shape(out) == np.shape(right)
        changed = [isinstance(a, np.ndarray) and a is not given[-1] for a in given]
        for i in np.flatnonzero(changed):
            if name not in ("adam_step", "descent_step") or i < len(given) - 1:
                np.testing.assert_allclose(by_machine[i], by_numpy[i], **close)


@pytest.fixture(params=["baseline", "avx2", "avx512"])
def instructions(request):
    """Each set of instructions that this processor has, in turn."""
    before = machine.kernels()
    try:
        machine.use_kernels(request.param)
    except ValueError:
        pytest.skip("this processor has other instructions")
    yield request.param
    machine.use_kernels(before)


def elsewhere(arguments):
    """Copies of arrays, one entry further from where memory begins."""

    def moved(x):
        room = np.empty(x.size + 1, x.dtype)[1:].reshape(x.shape)
        room[...] = x
        return room

    return [moved(x) if isinstance(x, np.ndarray) else x for x in arguments]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", quick)
def test_rows_of_every_length_with_all_instructions(name, dtype, instructions):
    draw = np.random.default_rng(0)
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-12}
    for columns in [*range(1, 71), 600, 1100]:
        given = calls(name, (3, columns), dtype, draw)
        by_machine, by_numpy, further = copies(given), copies(given), elsewhere(given)
        out, right = quick[name](*by_machine), definition(name)(*by_numpy)
        assert out is not NotImplemented
        same = [quick[name](*further), *further]  # to the last bit, wherever it lies
        for x, y in zip([out, *by_machine], same, strict=True):
            assert not isinstance(x, np.ndarray) or x.tobytes() == y.tobytes(), f"{columns}"
        if right is not None:
            np.testing.assert_allclose(out, right, **close, err_msg=f"{columns}")
        for ours, other in zip(by_machine[:-1], by_numpy, strict=False):
            if isinstance(ours, np.ndarray):
                np.testing.assert_allclose(ours, other, **close, err_msg=f"{columns}")


@pytest.mark.parametrize("name", quick)
def test_what_overlaps_what_is_written_is_left_to_numpy(name):
    """A result over part of what is read: no order of the entries would do."""
    given = calls(name, (6, 8), np.float64, np.random.default_rng(0))
    arrays = [i for i, a in enumerate(given) if isinstance(a, np.ndarray) and a.dtype == np.float64 and a.size > 1]
    for i in arrays[1:]:
        if given[i].size > given[arrays[0]].size:
            continue
        memory = np.arange(given[arrays[0]].size + 7, dtype=np.float64) / 100
        arguments, plain = copies(given), copies(given)
        arguments[arrays[0]] = memory[: given[arrays[0]].size].reshape(given[arrays[0]].shape)
        arguments[i] = memory[7 : 7 + given[i].size].reshape(given[i].shape)
        plain[arrays[0]], plain[i] = arguments[arrays[0]].copy(), arguments[i].copy()
        before = memory.copy()
        with Quiet():
            out = quick[name](*arguments)
            if out is NotImplemented:
                np.testing.assert_array_equal(memory, before)
            elif (right := definition(name)(*plain)) is not None:
                np.testing.assert_allclose(out, right, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", quick)
def test_a_kernel_leaves_other_arrays_to_numpy(name):
    given = calls(name, (4, 3), np.float64, np.random.default_rng(0))
    turned = [np.asfortranarray(a) if isinstance(a, np.ndarray) and a.ndim > 1 else a for a in given]
    whole = [a.astype(int) if isinstance(a, np.ndarray) else a for a in given]
    for arguments in (turned, whole):
        assert quick[name](*arguments) is NotImplemented
    if len(given) > 1 and isinstance(given[1], np.ndarray) and given[1].dtype == np.float64:
        assert quick[name](given[0].astype(np.float32), *given[1:]) is NotImplemented


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_few_rows_are_right_at_every_edge_of_their_tiles(dtype):
    draw = np.random.default_rng(0)
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    for rows in range(1, 17):
        for columns, inner in [(1, 1), (2, 8), (3, 31), (4, 24), (5, 25), (10, 30), (30, 97)]:
            x, w, b = (draw.normal(size=n).astype(dtype) for n in ((rows, inner), (columns, inner), columns))
            np.testing.assert_allclose(quick["weighted"](x, w, b), np.einsum("ik,jk->ij", x, w) + b, **close)
            g = draw.normal(size=(rows, columns)).astype(dtype)
            np.testing.assert_allclose(quick["outer_sum"](g, x), np.einsum("ki,kj->ij", g, x), **close)


def test_products_of_many_rows_or_weights_are_left_to_the_general_routine():
    x, w, b = np.ones((100, 40)), np.ones((110, 40)), np.ones(110)
    assert quick["weighted"](x, w, b) is quick["outer_sum"](x, x) is NotImplemented
    many, few, row = (np.random.default_rng(0).normal(size=shape) for shape in ((300, 40), (90, 40), 90))
    np.testing.assert_allclose(quick["weighted"](many, few, row), many @ few.T + row, rtol=1e-12, atol=1e-12)
    x, w, b = np.ones((1, 300)), np.ones((300, 300)), np.ones(300)
    assert quick["weighted"](x, w, b) is quick["outer_sum"](x, x) is NotImplemented
    for x, w, b in [((4, 3), (2, 4), 2), ((4, 3), (2, 3), 3), ((0, 3), (2, 3), 2)]:
        assert quick["weighted"](np.ones(x), np.ones(w), np.ones(b)) is NotImplemented


@pytest.mark.parametrize("name", OF_CLASSES)
def test_places_outside_are_not_read(name):
    x = np.zeros((2, 3))
    given = (np.ones(()), x) if name == "cross_entropy_x" else (x,)
    for places in ([0, 3], [-1, 0], [0], [0, 1, 2]):
        assert quick[name](*given, np.array(places)) is NotImplemented
    for wrong in (3, -1):
        with pytest.raises(IndexError, match=str(wrong)):
            cr.cross_entropy(x, target=np.array([0, wrong]))


def test_a_users_function_is_not_taken_for_one_of_ours(monkeypatch):
    for held in ("book", "kernels"):
        monkeypatch.setattr(f"chainrule.core.operation.{held}", dict(getattr(cr.core.operation, held)))

    @cr.kernel
    def normalized(x, eps):
        return 3 * x

    @cr.pointwise(r"{x}^2", partials=(lambda out, x: 2 * x,))
    def softmax_rows(x):
        """A square."""
        return x * x

    x = np.array([[1.0, 2.0]])
    np.testing.assert_array_equal(normalized(x, 1e-5), [[3.0, 6.0]])
    given = cr.Tensor(x, requires_grad=True)
    cr.sum(softmax_rows(given) * 1.0).backward()
    np.testing.assert_array_equal(given.grad.numpy(), [[2.0, 4.0]])


def test_slopes_keep_nan_and_infinity():
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 2.0])
    for name in ("relu", "sigmoid", "tanh"):
        with np.errstate(all="ignore"):
            out = book[name].function(x)
            np.testing.assert_array_equal(book[name](x), out)
            for g in (np.full(7, np.inf), np.full(7, np.nan), np.ones(7)):
                right = book[name].pull(0, g, out, (x,), {})
                np.testing.assert_array_equal(quick[f"{name}_back"](g.copy(), out, x), right)


def test_a_readonly_parameter_is_not_written_to():
    x = np.ones(3)
    x.flags.writeable = False
    assert quick["descent_step"](x, np.ones(3), 0.1, np.empty(3)) is NotImplemented


def test_nan_and_infinity_keep_their_meaning():
    x = np.array([[np.nan, 0.0], [np.inf, 0.0], [-np.inf, 0.0], [1e308, -1e308]])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(quick["softmax_rows"](x.copy()), kernels["softmax_rows"](x.copy()))
        np.testing.assert_array_equal(quick["normalized"](x[:3], 1e-5), kernels["normalized"](x[:3], 1e-5))
        odd = np.array([np.nan, np.inf, -np.inf, 1e308, -800.0, 800.0, 0.0, -0.0])
        for i, answer in ((i, answer) for i in range(8) for answer in (0.0, 0.25, 1.0)):
            given = odd[i : i + 1], np.array([answer]), 1.0, 3.0
            np.testing.assert_array_equal(quick["bce_with_logits"](*given), kernels["bce_with_logits"](*given))
            by_machine = quick["binary_cross_entropy_x"](np.ones(()), *given)
            right = ADJOINTS["binary_cross_entropy_x"](np.ones(()), *given)
            np.testing.assert_allclose(by_machine, right, rtol=1e-15)
        for row, place in ((0, 1), (1, 0), (2, 1), (3, 1)):
            given = x[row : row + 1], np.array([place])
            np.testing.assert_array_equal(
                quick["negative_log_likelihood"](*given), kernels["negative_log_likelihood"](*given)
            )


def test_a_mean_that_fades_away_becomes_zero_and_other_arithmetic_keeps_its_small_numbers():
    mean, data = np.full(4, 2e-38, np.float32), np.ones(4, np.float32)
    zeros = np.zeros(4, np.float32)
    quick["adam_step"](data, zeros, mean, zeros.copy(), 0.1, 0.999, 1e-8, 1e-3, zeros.copy())
    small = np.full(4, 1e-30, np.float32) * np.float32(1e-10)
    assert (small > 0).all()
    assert (data == 1).all()
    # Processors without this switch compute with such numbers at full speed, and keep them.
    assert ((mean == 0) | (mean == np.float32(2e-39))).all()
