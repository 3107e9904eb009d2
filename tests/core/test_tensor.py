"""The tensor engine as a user meets it: making tensors, operators, broadcasting, reductions, indexing, matmul."""

from __future__ import annotations

import copy
import operator
import pickle
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import Tensor
from chainrule.errors import DtypeError, ShapeError

RNG = np.random.default_rng(7)


def leaf(*shape, dtype=np.float64, low=0.5, high=2.0):
    return Tensor(RNG.uniform(low, high, shape).astype(dtype), requires_grad=True)


def slope(f, x, h=1e-6):
    """Central differences of the sum of f(x), entry by entry: an oracle that knows no rule."""
    out = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += h
        down[place] -= h
        out[place] = (np.sum(f(up)) - np.sum(f(down))) / (2 * h)
    return out


def check(f, *arrays, tolerance=2e-8):
    """Value and gradients of f on tensors, against NumPy and central differences, weighted so that no sum hides."""
    tensors = [Tensor(x, requires_grad=True) for x in arrays]
    out = f(*tensors)
    wanted = np.asarray(f(*arrays))
    assert out.shape == wanted.shape
    np.testing.assert_allclose(out.data, wanted, rtol=1e-14, atol=1e-14)
    weights = np.random.default_rng(3).uniform(0.5, 1.5, wanted.shape)
    (out * weights).sum().backward()
    for k, (x, tensor) in enumerate(zip(arrays, tensors, strict=True)):
        others = list(arrays)

        def alone(moved, k=k, others=others):
            return np.asarray(f(*others[:k], moved, *others[k + 1 :])) * weights

        assert tensor.grad.shape == x.shape
        np.testing.assert_allclose(np.asarray(tensor.grad), slope(alone, x), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (1.5, np.float64),
        ([1.0, 2.0], np.float64),
        ([[1.0], [2.0]], np.float64),
        (3, np.float64),
        ([1, 2], np.float64),
        (np.int64(3), np.int64),
        ([True, False], np.bool_),
        (np.ones(2, np.float32), np.float32),
        (np.float32(1.0), np.float32),
        (np.ones(2, np.float16), np.float16),
        (np.ones(2, np.int8), np.int8),
        (np.ones(2, np.complex128), np.complex128),
        (np.zeros((0, 3)), np.float64),
        (Tensor(np.ones(2, np.float32)), np.float32),
    ],
)
def test_dtypes_are_kept(given, dtype):
    assert Tensor(given).dtype == dtype


def test_python_numbers_become_float64_where_asked_to_move():
    assert Tensor([1, 2], dtype=float, requires_grad=True).dtype == np.float64
    assert Tensor([1, 2], dtype=np.float32, requires_grad=True).dtype == np.float32


def test_data_are_copied():
    array = np.ones(3)
    x, y = Tensor(array), Tensor(Tensor(array))
    array[:] = 5.0
    assert x.tolist() == y.tolist() == [1.0, 1.0, 1.0]
    given = Tensor([1.0])
    again = Tensor(given)
    given[0] = 7.0
    assert again.tolist() == [1.0]


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.float16, np.complex128, np.longdouble])
def test_other_types_carry_data_and_refuse_differentiation(dtype):
    data = np.ones(2, dtype)
    if data.dtype == np.float64:
        pytest.skip("long double is double on this machine")
    assert Tensor(data).dtype == dtype
    with pytest.raises(DtypeError, match=f"only float32 and float64.*{data.dtype}"):
        Tensor(data, requires_grad=True)
    with pytest.raises(DtypeError, match="only float32 and float64"):
        Tensor(data).requires_grad_()


def test_a_result_of_another_type_is_refused_where_a_gradient_would_pass():
    with pytest.raises(DtypeError, match=r"mul gave complex128"):
        leaf(2) * 1j
    with pytest.raises(DtypeError, match="float16"):
        leaf(2).astype(np.float16)


@pytest.mark.parametrize("bad", ["1.0", None, len, [1.0, "a"], [[1.0], [1.0, 2.0]], np.array([1, None])], ids=repr)
def test_a_tensor_takes_numbers(bad):
    with pytest.raises(DtypeError, match="Tensor"):
        Tensor(bad)


@pytest.mark.parametrize("apply", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow])
def test_operators_and_reflected(apply):
    x, y = RNG.uniform(0.5, 2.0, (2, 3)), RNG.uniform(0.5, 2.0, (2, 3))
    check(apply, x, y)
    for other in (2, 1.5, np.float64(0.7), np.int64(3), True, y, y[0], [1.0, 2.0, 3.0]):
        check(lambda t, other=other: apply(t, other), x)
        check(lambda t, other=other: apply(other, t), x)


def test_signs_and_abs():
    x = np.array([-1.5, 2.0])
    check(lambda t: -t, x)
    check(lambda t: +t, x)
    check(abs, x)


def test_numpy_arrays_on_the_left_give_one_tensor():
    x = leaf(3)
    for out in (np.ones(3) + x, np.ones((2, 3)) @ x, np.float64(2.0) * x, np.ones(3) > x):
        assert type(out) is Tensor


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
def test_comparisons_are_boolean_and_flat(compare):
    x = leaf(4)
    for other in (1.0, np.full(4, 1.0), Tensor(np.full(4, 1.0))):
        out = compare(x, other)
        assert out.dtype == np.bool_
        assert not out.requires_grad
        np.testing.assert_array_equal(out.data, compare(x.numpy(), 1.0))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2, 3), (3,)),
        ((3,), (2, 3)),
        ((2, 3), (2, 1)),
        ((2, 1), (1, 3)),
        ((2, 3), ()),
        ((4, 1, 3), (2, 1)),
        ((1,), (3,)),
        ((0, 3), (3,)),
        ((1, 3), (0, 3)),
    ],
)
@pytest.mark.parametrize("apply", [operator.add, operator.mul, operator.truediv])
def test_broadcasting_sums_the_gradient_back(apply, left, right):
    check(apply, RNG.uniform(0.5, 2.0, left), RNG.uniform(0.5, 2.0, right))


REDUCTIONS = [
    (None, False),
    (None, True),
    (0, False),
    (1, True),
    (-1, False),
    ((0, 2), False),
    ((-1, 0), True),
    ((0, 1, 2), False),
]


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "var", "std"])
@pytest.mark.parametrize(("axis", "keepdims"), REDUCTIONS)
def test_reductions(name, axis, keepdims):
    x = RNG.permutation(24).reshape(2, 3, 4) / 10.0
    tensor = Tensor(x, requires_grad=True)
    for out in (
        getattr(tensor, name)(axis=axis, keepdims=keepdims),
        getattr(cr, name)(tensor, axis, keepdims=keepdims),
    ):
        np.testing.assert_allclose(out.data, getattr(np, name)(x, axis=axis, keepdims=keepdims), rtol=1e-14)
    oracle = getattr(np, name)
    weights = RNG.uniform(0.5, 1.5, np.shape(oracle(x, axis=axis, keepdims=keepdims)))
    (getattr(cr, name)(tensor, axis=axis, keepdims=keepdims) * weights).sum().backward()
    wanted = slope(lambda a: oracle(a, axis=axis, keepdims=keepdims) * weights, x)
    np.testing.assert_allclose(np.asarray(tensor.grad), wanted, atol=1e-8)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("name", ["prod", "cumsum"])
def test_prod_and_cumsum(name, axis):
    x = RNG.uniform(0.5, 1.5, (3, 5))
    tensor = Tensor(x, requires_grad=True)
    out = getattr(tensor, name)(axis=axis)
    np.testing.assert_allclose(out.data, getattr(np, name)(x, axis=axis), rtol=1e-14)
    out.sum().backward()
    np.testing.assert_allclose(np.asarray(tensor.grad), slope(lambda a: getattr(np, name)(a, axis=axis), x), rtol=1e-7)


def test_prod_with_zeros_has_exact_gradients():
    x = Tensor([2.0, 0.0, 5.0, 3.0], requires_grad=True)
    x.prod().backward()
    assert x.grad.tolist() == [0.0, 30.0, 0.0, 0.0]


def test_equal_extremes_share():
    x = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    x.max(axis=1).sum().backward()
    np.testing.assert_allclose(np.asarray(x.grad), [[0, 0.5, 0.5], [1 / 3] * 3])


KEYS = {
    "int": 1,
    "negative int": -1,
    "numpy int": np.int64(2),
    "slice": slice(1, 3),
    "step": slice(None, None, -2),
    "ellipsis": (..., 0),
    "new axis": (None, slice(None), 1),
    "pair": (2, 3),
    "list": [0, 2, 0],
    "array": np.array([[0, 1], [2, 2]]),
    "mask": np.arange(20).reshape(4, 5) % 3 == 0,
    "row mask": np.array([True, False, True, False]),
    "fancy pair": ([0, 3, 0], [1, 1, 1]),
    "slice and fancy": (slice(0, 2), [1, 1, 4]),
    "empty": slice(2, 2),
}


@pytest.mark.parametrize("kind", KEYS)
def test_indexing(kind):
    check(lambda t: t[KEYS[kind]], RNG.normal(size=(4, 5)))


def test_a_tensor_as_index():
    x = leaf(4)
    assert x[Tensor(np.array([3, 0]))].tolist() == x.numpy()[[3, 0]].tolist()
    assert x[x > 1.0].tolist() == x.numpy()[x.numpy() > 1.0].tolist()
    assert np.arange(5)[Tensor(np.array(3))] == 3
    picked = x[Tensor(np.array([2, 2]))]
    picked.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 2.0, 0.0]


def test_places_are_read_as_numpy_reads_them():
    x = Tensor(RNG.normal(size=(4, 5)))
    for places in (np.array([0, -1, 0]), np.array([[3], [-4]]), np.zeros((0,), int), np.array([2, 2], np.uint8)):
        np.testing.assert_array_equal(x[places].numpy(), x.numpy()[places])
    for places in (np.array([4]), np.array([-5])):
        with pytest.raises(IndexError, match="index does not fit"):
            x[places]
    with pytest.raises(IndexError, match="index does not fit"):
        Tensor(3.0)[np.array([0])]


def test_functions_of_the_book_are_methods(monkeypatch):
    assert {"exp", "softmax", "sum"} <= set(dir(Tensor))
    assert Tensor.exp.__doc__ == cr.exp.__doc__
    assert Tensor.sum.__doc__ == cr.sum.__doc__
    with pytest.raises(AttributeError, match="exponential"):
        Tensor(1.0).exponential()
    monkeypatch.setattr("chainrule.core.operation.book", dict(cr.book))

    @cr.pointwise(r"3 {x}", partials=(lambda out, x: 3,))
    def thrice(x):
        """Three times."""
        return 3 * x

    @cr.pointwise(r"{x}", partials=(lambda out, x: 1,))
    def item(x):
        """Not the method that tensors have."""
        return x

    assert Tensor([1.0, 2.0]).thrice().tolist() == [3.0, 6.0]
    assert Tensor([5.0]).item() == 5.0
    del Tensor.thrice


def test_picked_entries_do_not_share_memory():
    x = Tensor([1.0, 2.0, 3.0])
    part = x[0:2]
    part[0] = 50.0
    assert x.tolist() == [1.0, 2.0, 3.0]


MATMULS = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (4, 3, 2)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((2, 0), (0, 3)),
    ((0, 3), (3, 2)),
]


@pytest.mark.parametrize(("left", "right"), MATMULS)
def test_matmul(left, right):
    check(operator.matmul, RNG.normal(size=left), RNG.normal(size=right))


@pytest.mark.parametrize(("left", "right"), [pair for pair in MATMULS if 0 not in pair[0]])
def test_matmul_as_pytorch(left, right):
    torch = pytest.importorskip("torch", reason="PyTorch judges here and is not installed")
    x, y = RNG.normal(size=left), RNG.normal(size=right)
    ours = [Tensor(a, requires_grad=True) for a in (x, y)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, y)]
    (ours[0] @ ours[1]).tanh().sum().backward()
    (theirs[0] @ theirs[1]).tanh().sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(mine.grad), other.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_reshape_transpose_and_friends():
    x = RNG.normal(size=(2, 3, 4))
    for f in (
        lambda t: t.reshape(4, 6),
        lambda t: t.reshape((6, -1)),
        lambda t: t.reshape(-1),
        lambda t: t.transpose(1, 2, 0),
        lambda t: t.transpose((2, 0, 1)),
        lambda t: t.transpose(),
        lambda t: t.T,
    ):
        check(f, x)
    check(lambda a, b: cr.concatenate([a, b], axis=1), x, RNG.normal(size=(2, 1, 4)))
    check(lambda a, b: cr.stack([a, b, a], axis=-1), x, RNG.normal(size=(2, 3, 4)))


NUMPY_CALLS = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "arctan": np.arctan,
    "sqrt": np.sqrt,
    "square": np.square,
    "negative": np.negative,
    "absolute": np.abs,
    "sum": np.sum,
    "sum axis": lambda t: np.sum(t, axis=1, keepdims=True),
    "mean": lambda t: np.mean(t, axis=0),
    "max": lambda t: np.max(t, axis=1),
    "amin": lambda t: np.amin(t, axis=1),
    "prod": lambda t: np.prod(t, axis=1),
    "var": lambda t: np.var(t, axis=1, ddof=1),
    "std": np.std,
    "cumsum": lambda t: np.cumsum(t, axis=1),
    "maximum": lambda t: np.maximum(t, 1.0),
    "minimum": lambda t: np.minimum(1.0, t),
    "power": lambda t: np.power(t, 3),
    "add": lambda t: np.add(np.ones(3), t),
    "clip": lambda t: np.clip(t, 0.7, 1.4),
    "where": lambda t: np.where(np.array([True, False, True]), t, 0.0),
    "reshape": lambda t: np.reshape(t, (3, 2)),
    "transpose": np.transpose,
    "concatenate": lambda t: np.concatenate([t, t], axis=1),
    "stack": lambda t: np.stack([t, t]),
    "expand_dims": lambda t: np.expand_dims(t, 1),
    "flip": lambda t: np.flip(t, axis=1),
    "roll": lambda t: np.roll(t, 1, axis=1),
    "pad": lambda t: np.pad(t, 1),
    "dot": lambda t: np.dot(t, np.array([1.0, 2.0, 3.0])),
    "matmul": lambda t: np.matmul(t, np.ones((3, 2))),
    "linalg.norm": np.linalg.norm,
    "trace": lambda t: np.trace(np.matmul(t, np.ones((3, 2)))),
}


@pytest.mark.parametrize("name", NUMPY_CALLS)
def test_numpy_functions_record(name):
    x = np.array([[0.6, 1.3, 1.9], [1.1, 0.9, 0.55]])
    check(NUMPY_CALLS[name], x, tolerance=1e-7)
    assert type(NUMPY_CALLS[name](Tensor(x, requires_grad=True))) is Tensor


@pytest.mark.parametrize(
    "call",
    [
        np.spacing,
        np.nanmedian,
        lambda t: np.partition(t, 1),
        np.linalg.eigvals,
        np.add.reduce,
        lambda t: np.exp(t, out=np.zeros(2)),
        lambda t: np.exp(t, where=np.array([True, False])),
        lambda t: np.add.at(np.zeros(2), [0, 1], t),
    ],
)
def test_a_numpy_function_that_would_lose_the_gradient_is_refused(call):
    with pytest.raises(DtypeError, match=r"np\..*(no rule here|no keyword where|cannot write)"):
        call(leaf(2))


def test_numpy_functions_without_rule_compute_on_constants():
    assert np.floor(Tensor([1.5])).tolist() == [1.0]
    assert np.isfinite(Tensor([1.5, np.inf])).tolist() == [True, False]
    assert np.shape(leaf(2, 3)) == (2, 3)
    assert np.ndim(leaf(2, 3)) == 2
    assert np.size(leaf(2, 3)) == 6


def test_array_protocol_is_read_only_and_casts():
    x = Tensor([1.0, 2.0])
    view = np.asarray(x)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 5.0
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    writable = np.array(x)
    writable[0] = 5.0
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x + 1.0,
        lambda x: 2 * x,
        lambda x: x / 3,
        lambda x: x**2,
        lambda x: x**0.5,
        lambda x: 2.0**x,
        lambda x: x.mean(),
        lambda x: x.var(),
        lambda x: x.std(),
        lambda x: x.max(),
        lambda x: x.min(axis=0),
        lambda x: x.prod(),
        lambda x: x.norm(),
        lambda x: x.softmax(),
        lambda x: x.log_softmax(),
        lambda x: x.logsumexp(),
        lambda x: x.clip(0.0, 1.0),
        lambda x: cr.where(x > 1.0, x, 0.0),
        lambda x: cr.maximum(x, 1.0),
        lambda x: x.sigmoid() + x.tanh() + x.relu() + x.gelu() + x.silu() + x.softplus() + x.elu() + x.erf(),
        lambda x: x.leaky_relu() + x.abs() + x.expm1() + x.log1p() + x.sqrt() + x.reciprocal(),
        lambda x: x @ np.ones((3, 2), np.float32),
        lambda x: x[0:1] + x[[0, 0]],
        lambda x: cr.pad(x, 1),
        lambda x: cr.pad(x, 1, constant_values=2.0),
        lambda x: cr.affine(x, x, np.ones(2, np.float32)),
        lambda x: cr.squared_error(x, 1.5 * x, scale=0.5),
        lambda x: cr.cross_entropy(x, target=np.array([0, 2])),
    ],
)
def test_float32_stays_float32(compute):
    x = leaf(2, 3, dtype=np.float32)
    out = compute(x)
    assert out.dtype == np.float32
    out.sum().backward()
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize(
    ("other", "dtype"),
    [
        (1, np.float32),
        (1.0, np.float32),
        (np.float32(1), np.float32),
        (np.float64(1), np.float64),
        (np.ones(2), np.float64),
        (np.ones(2, np.int8), np.float32),
        (np.ones(2, np.int64), np.float64),
        (Tensor(np.ones(2)), np.float64),
    ],
)
def test_promotion_follows_numpy(other, dtype):
    x = leaf(2, dtype=np.float32)
    out = x * other
    plain = np.asarray(other) if isinstance(other, Tensor) else other
    assert out.dtype == dtype == (np.ones(2, np.float32) * plain).dtype
    out.sum().backward()
    assert x.grad.dtype == np.float32


def test_leaves_copy_and_pickle():
    x = Tensor(np.ones(2, np.float32), requires_grad=True, label="w")
    x.grad = Tensor(np.full(2, 3.0, np.float32))
    for again in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):  # noqa: S301
        assert (again.tolist(), again.grad.tolist(), again.label) == ([1.0, 1.0], [3.0, 3.0], "w")
        assert again.requires_grad
        assert again.dtype == np.float32
        assert again.is_leaf
        assert not np.shares_memory(again.data, x.data)
        assert not np.shares_memory(again.grad.data, x.grad.data)


def test_repr():
    assert repr(Tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    assert repr(Tensor([1.0], requires_grad=True)) == "Tensor([1.], requires_grad=True)"
    assert repr(Tensor(np.ones(1, np.float32), label="w")) == "Tensor([1.], dtype=float32, label='w')"
    assert repr(Tensor([1.0], requires_grad=True) * 2) == "Tensor([2.], op=mul)"


def test_iteration_length_and_conversions():
    x = leaf(2, 3)
    rows = list(x)
    assert len(x) == len(rows) == 2
    (rows[0] * 2.0 + rows[1]).sum().backward()
    assert x.grad.tolist() == [[2.0] * 3, [1.0] * 3]
    for call in (list, len):
        with pytest.raises(TypeError):
            call(Tensor(1.0))
    assert float(Tensor([2.5])) == 2.5
    assert int(Tensor(2)) == 2
    assert bool(Tensor(0.0)) is False
    with pytest.raises(ShapeError, match="item"):
        x.item()
    with pytest.raises(ShapeError, match="not clear"):
        bool(x)


def test_no_foreign_attributes():
    x = leaf(2)
    with pytest.raises(AttributeError, match="nonsense"):
        x.nonsense  # noqa: B018
    with pytest.raises(AttributeError):
        x.nonsense = 1
    assert "softmax" in dir(x)


def test_nan_and_inf_pass_in_silence():
    x = Tensor([0.0, -1.0, np.inf, np.nan, 1000.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (1 / x).sum().backward()
        np.testing.assert_array_equal((1 / x).data, [np.inf, -1.0, 0.0, np.nan, 0.001])
        np.testing.assert_array_equal((x.log()).data[:3], [-np.inf, np.nan, np.inf])
        assert (x.exp()).data[4] == np.inf
        assert np.isnan((x**0.5).data[1])
        assert np.isnan(float(x.max()))
        x.sqrt().sum().backward()
        x.softmax().sum().backward()
        (x.detach() / np.zeros(5)).sum()


def test_empty_and_0d():
    empty = Tensor(np.zeros((0, 3)), requires_grad=True)
    assert empty.sum().item() == 0.0
    assert np.isnan(empty.mean().item())
    assert empty.sum(axis=1).shape == (0,)
    (empty * 2.0 + 1.0).exp().sum().backward()
    assert empty.grad.shape == (0, 3)
    with pytest.raises(ShapeError, match="empty"):
        empty.max()
    zero_d = Tensor(3.0, requires_grad=True)
    (zero_d * zero_d).backward()
    assert zero_d.grad.shape == ()
    assert zero_d.grad.item() == 6.0
    assert zero_d.sum().shape == ()
    assert zero_d[()].item() == 3.0
    assert zero_d[None].shape == (1,)
