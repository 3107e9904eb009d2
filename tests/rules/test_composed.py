"""Functions made of operations: every registered one against differences, NumPy and PyTorch, and at the limits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from calls import CALLS as OF_ARRAYS
from calls import FLAT
from oracles import close, slope

import chainrule as cr
from chainrule.core.operation import compositions
from chainrule.errors import DtypeError, ShapeError

MATRIX = ((2, 3),)

IMAGES = ((2, 3, 5, 4),)

CALLS = {
    **OF_ARRAYS,
    "cond": [(cr.cond, MATRIX), (lambda x: cr.cond(x, 1), ((3, 3),)), (lambda x: cr.cond(x, -2), ((4, 3, 2),))],
    "eigh": [(lambda x: cr.eigh(x).eigenvectors, ((3, 3),)), (lambda x: cr.eigh(x).eigenvalues, ((2, 3, 3),))],
    "lstsq": [(lambda a, b: cr.lstsq(a, b).x, ((4, 2), (4,))), (lambda a, b: cr.lstsq(a, b)[1], ((4, 2), (4, 3)))],
    "matrix_power": [
        (lambda x: cr.matrix_power(x, 3), ((3, 3),)),
        (lambda x: cr.matrix_power(x, -2), ((2, 3, 3),)),
        (lambda x: cr.matrix_power(x, 0), ((3, 3),)),
    ],
    "matrix_rank": [(lambda x: x * float(cr.matrix_rank(x)), ((3, 2),))],
    "qr": [
        (lambda x: cr.qr(x).Q, ((4, 3),)),
        (lambda x: cr.qr(x).R, ((2, 3, 3),)),
        (lambda x: cr.qr(x, mode="r"), ((2, 4),)),
    ],
    "svd": [
        (lambda x: cr.svd(x, full_matrices=False).U, ((4, 3),)),
        (lambda x: cr.svd(x).Vh, ((2, 3, 3),)),
        (lambda x: cr.svd(x, compute_uv=False), ((2, 4),)),
    ],
    "avg_pool2d": [
        (lambda x: cr.avg_pool2d(x, 2), IMAGES),
        (lambda x: cr.avg_pool2d(x, (3, 2), (1, 2), (1, 0)), IMAGES),
    ],
    "concatenate": [(lambda x, y: cr.concatenate([x, y, x], axis=1), ((2, 3), (2, 1)))],
    "cross_entropy": [
        (lambda x: cr.cross_entropy(x, 2), ((3,),)),
        (lambda x: cr.cross_entropy(x, [0, 2]), ((2, 3),)),
        (lambda x: cr.cross_entropy(x, [[0, 2]]), ((1, 2, 3),)),
    ],
    "diag": [(compositions["diag"], ((3,),)), (compositions["diag"], ((3, 3),))],
    "dot": [
        (cr.dot, ((3,), (3,))),
        (cr.dot, ((2, 3), (3,))),
        (cr.dot, ((), (2, 3))),
        (lambda x: cr.dot(x, x), ((3,),)),
    ],
    "einsum": [
        (lambda x, y: cr.einsum("ij,jk->ik", x, y), ((2, 3), (3, 4))),
        (lambda x: cr.einsum("ii->", x), ((3, 3),)),
        (lambda x, y: cr.einsum("iij,kl->kj", x, y), ((2, 2, 3), (4, 5))),
        (lambda x, y: cr.einsum("...ij,j", x, y), ((4, 2, 3), (3,))),
    ],
    "eye": [(lambda x: compositions["eye"](n=3).astype(x.dtype) @ x, ((3, 2),))],
    "gelu": [(cr.gelu, MATRIX), (lambda x: cr.gelu(x, approximate="tanh"), MATRIX)],
    "log_softmax": [(cr.log_softmax, MATRIX), (lambda x: cr.log_softmax(x, axis=0), MATRIX), (cr.log_softmax, ((3,),))],
    "logsumexp": [
        (cr.logsumexp, MATRIX),
        (lambda x: cr.logsumexp(x, axis=0), MATRIX),
        (lambda x: cr.logsumexp(x, axis=-1, keepdims=True), MATRIX),
    ],
    "matmul": [
        (cr.matmul, ((2, 3), (3, 4))),
        (cr.matmul, ((3,), (3,))),
        (cr.matmul, ((3,), (3, 4))),
        (cr.matmul, ((2, 3), (3,))),
        (cr.matmul, ((5, 2, 3), (3, 4))),
        (cr.matmul, ((5, 2, 3), (3,))),
        (cr.matmul, ((3,), (5, 3, 4))),
        (cr.matmul, ((2, 1, 2, 3), (4, 3, 2))),
    ],
    "max": [(cr.max, MATRIX), (lambda x: cr.max(x, axis=1), MATRIX), (lambda x: cr.max(x, (0, 1), True), MATRIX)],
    "min": [(cr.min, MATRIX), (lambda x: cr.min(x, axis=1), MATRIX), (lambda x: cr.min(x, (0, 1), True), MATRIX)],
    "norm": [
        (cr.norm, MATRIX),
        (lambda x: cr.norm(x, axis=0), MATRIX),
        (lambda x: cr.norm(x, 1, axis=1, keepdims=True), MATRIX),
        (lambda x: cr.norm(x, np.inf, axis=1), MATRIX),
        (lambda x: cr.norm(x, 3, axis=0), MATRIX),
        (lambda x: cr.norm(x, "nuc"), MATRIX),
        (lambda x: cr.norm(x, -2, axis=(2, 0), keepdims=True), ((2, 4, 3),)),
    ],
    "pad": [(lambda x: cr.pad(x, 1), MATRIX), (lambda x: cr.pad(x, ((0, 1), (2, 0)), constant_values=2.5), MATRIX)],
    "prod": [
        (cr.prod, MATRIX),
        (lambda x: cr.prod(x, axis=0), MATRIX),
        (lambda x: cr.prod(x, axis=-1, keepdims=True), MATRIX),
        (lambda x: cr.prod(x, keepdims=True), ((5,),)),
    ],
    "slogdet": [(lambda x: cr.slogdet(x).logabsdet, ((3, 3),)), (lambda x: cr.slogdet(x)[0] * x, ((2, 2),))],
    "softmax": [(cr.softmax, MATRIX), (lambda x: cr.softmax(x, axis=0), MATRIX), (cr.softmax, ((3,),))],
    "solve": [
        (cr.solve, ((3, 3), (3,))),
        (cr.solve, ((3, 3), (3, 2))),
        (cr.solve, ((3, 3), (4, 3, 2))),
        (cr.solve, ((2, 1, 3, 3), (4, 3, 2))),
        (cr.solve, ((4, 3, 3), (3,))),
        (cr.solve, ((0, 3, 3), (3,))),
    ],
    "stack": [(lambda x, y: cr.stack([x, y, x], axis=1), ((2, 3), (2, 3)))],
    "std": [(cr.std, MATRIX), (lambda x: cr.std(x, axis=0, ddof=1, keepdims=True), MATRIX)],
    "sum": [(cr.sum, MATRIX), (lambda x: cr.sum(x, axis=1, keepdims=True), MATRIX), (lambda x: cr.sum([x, x]), MATRIX)],
    "trace": [(cr.trace, ((3, 3),)), (cr.trace, ((2, 3),))],
    "var": [
        (cr.var, MATRIX),
        (lambda x: cr.var(x, axis=1), MATRIX),
        (lambda x: cr.var(x, (0, 1), 1, True), MATRIX),
    ],
}
"""For every composed function: how it is called, and the shapes of its inputs."""

EVERY = [(name, k) for name in sorted({*compositions} - FLAT) for k in range(len(CALLS.get(name, "?")))]


@pytest.mark.parametrize(("name", "k"), EVERY)
def test_derivatives(name, k):
    assert name in CALLS, f"say how {name} is called"
    function, shapes = CALLS[name][k]
    rng = np.random.default_rng(3)
    inputs = tuple(rng.normal(size=shape) for shape in shapes)
    tangents = tuple(rng.normal(size=shape) for shape in shapes)
    out = function(*inputs)
    close(function(*map(cr.Tensor, inputs)).data, out, 1e-15, f"{name} of arrays and of Tensors")
    g = rng.normal(size=np.shape(out))

    def along(h):
        return function(*[x + h * t for x, t in zip(inputs, tangents, strict=True)])

    def scalar(*xs):
        return (function(*xs) * g).sum()

    places = tuple(range(len(shapes)))
    right = slope(along)
    moved, pushed = cr.jvp(function, inputs, tangents)
    close(moved, out, 1e-15, name)
    close(pushed, right, 1e-8, f"forward mode of {name}")
    gradients = cr.grad(scalar, places)(*inputs)
    across = sum(np.vdot(gradient, t) for gradient, t in zip(gradients, tangents, strict=True))
    close(across, np.vdot(g, right), 1e-8, f"reverse mode of {name}")

    seconds = cr.hvp(scalar, inputs, tangents)
    seconds = seconds if isinstance(seconds, tuple) else (seconds,)
    for i, second in enumerate(seconds):
        gradient = cr.grad(scalar, i)
        bent = slope(lambda h, gradient=gradient: gradient(*[x + h * t for x, t in zip(inputs, tangents, strict=True)]))
        close(second, bent, 1e-7, f"second order of {name}")


@pytest.mark.parametrize(("name", "k"), EVERY)
def test_float32_stays(name, k):
    function, shapes = CALLS[name][k]
    rng = np.random.default_rng(4)
    inputs = [cr.Tensor(rng.normal(size=shape), dtype=np.float32, requires_grad=True) for shape in shapes]
    out = function(*inputs)
    assert out.dtype == np.float32
    out.backward(np.ones(out.shape))
    assert all(x.grad.dtype == np.float32 for x in inputs)


NUMPY = {
    "dot": np.dot,
    "matmul": np.matmul,
    "max": np.max,
    "min": np.min,
    "norm": np.linalg.norm,
    "prod": np.prod,
    "std": np.std,
    "sum": np.sum,
    "trace": np.trace,
    "var": np.var,
}


@pytest.mark.parametrize("name", sorted(NUMPY))
def test_values_are_numpys(name):
    rng = np.random.default_rng(5)
    inputs = [rng.normal(size=(3, 3)) for _ in range(2 if name in ("dot", "matmul") else 1)]
    close(compositions[name](*map(cr.Tensor, inputs)).data, NUMPY[name](*inputs), 1e-15, name)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_against_torch_and_stable_at_1000(name):
    torch = pytest.importorskip("torch")
    for rows in ([[1000.0, 0.0, -1000.0], [-1000.0, -1000.0, -999.0]], [[0.5, -1.5, 2.0]], [[3.0]]):
        x = torch.tensor(rows, dtype=torch.float64, requires_grad=True)
        right = getattr(torch, name)(x, -1)
        right.backward(torch.arange(1.0, right.numel() + 1, dtype=torch.float64).reshape(right.shape))
        mine = cr.Tensor(rows, requires_grad=True)
        out = compositions[name](mine, axis=-1)
        out.backward(np.arange(1.0, out.size + 1).reshape(out.shape))
        close(out.data, right.detach().numpy(), 1e-15, name)
        # PyTorch takes e^(x - result), where a result near 1000 has lost three digits.
        close(mine.grad.data, x.grad.numpy(), 1e-13, f"gradient of {name}")


INFINITE = [
    [np.inf, 1.0], [-np.inf, 1.0], [np.inf, -np.inf], [-np.inf, -np.inf], [np.inf, np.inf], [np.nan, 1.0],
    [-np.inf, np.nan], [np.inf], [-np.inf], [-np.inf, 2.0, 3.0], [np.inf, 1.0, -np.inf], [1e308, -1e308],
]  # fmt: skip


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
@pytest.mark.parametrize("numbers", INFINITE, ids=str)
def test_shares_of_infinite_entries_are_those_of_pytorch_to_second_order(name, numbers):
    torch = pytest.importorskip("torch")
    x, weights = np.array(numbers), np.arange(1.0, 1.0 + len(numbers))

    def ours(x):
        return cr.sum(compositions[name](x, axis=-1) * (weights if name != "logsumexp" else 0.5))

    def theirs(x):
        return (getattr(torch, name)(x, -1) * (torch.tensor(weights) if name != "logsumexp" else 0.5)).sum()

    there = torch.tensor(x, requires_grad=True)
    (right,) = torch.autograd.grad(theirs(there), there)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(ours(x), theirs(there).item())
        np.testing.assert_allclose(cr.grad(ours)(x), right.numpy(), rtol=1e-15)
        curved, right_too = cr.hessian(ours)(x), torch.autograd.functional.hessian(theirs, there).numpy()
        flat = np.isnan(right_too) & (curved == 0)  # what vanishes beside an infinite entry does so at every order
        np.testing.assert_allclose(np.where(flat, np.nan, curved), right_too, rtol=1e-14)
        assert not flat[~((x < np.inf) & (x.max() == np.inf))].any()
        moved = cr.jvp(ours, (x,), (np.ones_like(x),))[1]
        np.testing.assert_array_equal(np.isnan(moved), np.isnan(right.numpy()).any())


@pytest.mark.parametrize("size", [0.0, 1e6, -1e6, 1e17, -1e17, 1e308])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_the_slope_of_logsumexp_keeps_its_digits_where_the_sum_has_lost_them(size, kind):
    x = np.array([size, size, size + 1.0, -np.inf], kind) if abs(size) < 1e30 or kind is np.float64 else None
    if x is None:
        pytest.skip("too large for this type")
    grown = [mpmath.exp(mpmath.mpf(float(a)) - mpmath.mpf(float(x[2]))) for a in x]
    right = [float(a / mpmath.fsum(grown)) for a in grown]
    np.testing.assert_allclose(cr.grad(cr.logsumexp)(x), right, rtol=4 * np.finfo(kind).eps)
    curved = np.diag(right) - np.outer(right, right)
    np.testing.assert_allclose(
        cr.hessian(cr.logsumexp)(x), curved, rtol=16 * np.finfo(kind).eps, atol=np.finfo(kind).eps
    )


def test_stable_at_1000():
    x = np.array([1000.0, 0.0, -1000.0])
    np.testing.assert_array_equal(cr.softmax(x), [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(cr.log_softmax(x), [0.0, -1000.0, -2000.0])
    assert cr.logsumexp(x) == 1000.0
    assert cr.logsumexp(-x - 2000.0) == -1000.0
    np.testing.assert_array_equal(cr.grad(cr.logsumexp)(x), [1.0, 0.0, 0.0])
    assert cr.logsumexp(np.array([-np.inf, -np.inf])) == -np.inf
    assert cr.logsumexp(np.array([np.inf, 0.0])) == np.inf


def test_equals_share_the_gradient():
    x = np.array([2.0, 5.0, 5.0, 1.0])
    np.testing.assert_array_equal(cr.grad(cr.max)(x), [0.0, 0.5, 0.5, 0.0])
    np.testing.assert_array_equal(cr.grad(cr.min)(-x), [0.0, 0.5, 0.5, 0.0])
    rows = np.array([[1.0, 1.0], [3.0, 2.0]])
    np.testing.assert_array_equal(cr.grad(lambda t: cr.max(t, axis=1).sum())(rows), [[0.5, 0.5], [1.0, 0.0]])


def test_gradients_that_would_be_infinite_are_0():
    np.testing.assert_array_equal(cr.grad(cr.norm)(np.zeros(3)), np.zeros(3))
    np.testing.assert_array_equal(cr.grad(cr.std)(np.full(3, 2.0)), np.zeros(3))
    np.testing.assert_array_equal(cr.grad(lambda t: cr.norm(t, axis=1).sum())(np.array([[0.0, 0], [3, 4]]))[0], [0, 0])


def test_hypot_has_the_slope_of_a_norm_at_its_tip_and_no_overflow():
    assert cr.grad(cr.hypot, argnums=(0, 1))(0.0, 0.0) == (0.0, 0.0)
    assert cr.grad(cr.hypot, argnums=(0, 1))(3e200, 4e200) == pytest.approx((0.6, 0.8), rel=1e-15)


def test_products_with_zeros():
    np.testing.assert_array_equal(cr.grad(cr.prod)(np.array([2.0, 0.0, 5.0])), [0.0, 10.0, 0.0])
    np.testing.assert_array_equal(cr.grad(cr.prod)(np.array([2.0, 0.0, 0.0])), [0.0, 0.0, 0.0])


def test_infinite_and_nan_entries():
    x = cr.Tensor([1.0, np.inf, -np.inf], requires_grad=True)
    assert cr.max(x).item() == np.inf
    assert cr.min(x).item() == -np.inf
    assert np.isnan(cr.max(cr.Tensor([1.0, np.nan], requires_grad=True)).item())
    assert np.isnan(cr.softmax(np.array([1.0, np.nan]))).all()


def test_lists_of_values():
    a, b = cr.Value(2.0), cr.Value(3.0)
    total = cr.sum([a, 1.0, b, a])
    total.backward()
    assert (total.data, a.grad, b.grad) == (8.0, 2.0, 1.0)
    a, b = cr.Value(2.0), cr.Value(3.0)
    product = cr.dot([a, b, 2.0], [b, a, 4.0])
    product.backward()
    assert (product.data, a.grad, b.grad) == (20.0, 6.0, 4.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cr.matmul(cr.Tensor(np.ones((2, 3))), np.ones((2, 3))), r"\(2, 3\) and .*\(2, 3\)"),
        (lambda: cr.matmul(cr.Tensor(np.ones((2, 2, 3))), np.ones((3, 3, 2))), "batches differ"),
        (lambda: cr.matmul(2.0, np.ones(3)), r"use \* for numbers"),
        (lambda: cr.dot([cr.Value(1.0)], [1.0, 2.0]), "1 and 2"),
        (lambda: cr.max(np.zeros((0, 3))), r"largest does not fit x \(0, 3\).*zero-size array"),
        (lambda: cr.concatenate([]), "at least one array"),
        (lambda: cr.stack(cr.Tensor([1.0])), "takes a list"),
        (lambda: cr.norm(np.ones((3, 3)), ord=3), "'fro', 'nuc', 1, -1, 2, -2, inf or -inf, not 3"),
        (lambda: cr.trace(np.ones(3)), "needs a matrix"),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


def test_gelu_has_two_forms():
    with pytest.raises(DtypeError, match="approximate='none' and 'tanh'"):
        cr.gelu(1.0, approximate="sigmoid")
