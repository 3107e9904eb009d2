"""Decompositions, what is made of them, and norms: against NumPy, PyTorch and JAX, and where there is no derivative."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.tree import flatten
from chainrule.errors import DtypeError, ShapeError

RNG = np.random.default_rng(7)
WEIGHTS = RNG.normal(size=(8, 8))
SQUARE, TALL, WIDE = RNG.normal(size=(4, 4)), RNG.normal(size=(5, 3)), RNG.normal(size=(3, 5))
BATCH = RNG.normal(size=(2, 3, 4, 3))
SHAPES = {"square": SQUARE, "tall": TALL, "wide": WIDE, "batch": BATCH, "one": np.array([[2.0]])}


def near(found, right, tolerance=1e-12):
    np.testing.assert_allclose(found, right, rtol=tolerance, atol=tolerance * max(1.0, np.abs(right).max(initial=0.0)))


def weighed(x):
    """A number of a matrix that tells its entries apart."""
    return (x * like(x, WEIGHTS[: x.shape[-2], : x.shape[-1]])).sum()


def weighed_values(x):
    """A number of a vector that tells its entries apart."""
    return (x * like(x, WEIGHTS[0, : x.shape[-1]])).sum()


def like(x, numbers):
    """Numbers as something that can be computed with x: a tensor beside one of PyTorch's."""
    return x.new_tensor(numbers) if hasattr(x, "new_tensor") else numbers.astype(x.dtype)


def swapped(x):
    return x.mT if hasattr(x, "new_tensor") else cr.book["swap"](x)


def positive(x):
    """A symmetric matrix with eigenvalues apart from each other and from 0."""
    return x @ swapped(x) + like(x, np.diag(np.arange(1.0, x.shape[-2] + 1)))


def svd(la, x):
    return la.svd(x, full_matrices=False)


def condition(la, x):
    """cond of order 1; PyTorch's own overwrites what its second derivative needs."""
    return la.cond(x, 1) if la is cr else la.matrix_norm(x, 1) * la.matrix_norm(la.inv(x), 1)


LOSSES = {
    "eigvalsh": lambda la, x: weighed_values(la.eigvalsh(positive(x)) ** 2),
    "eigh": lambda la, x: weighed(la.eigh(positive(x))[1] ** 4),
    "svdvals": lambda la, x: weighed_values(la.svdvals(x) ** 3),
    "svd, left": lambda la, x: weighed(svd(la, x)[0] ** 4),
    "svd, right": lambda la, x: weighed(svd(la, x)[2] ** 4),
    "svd, both": lambda la, x: weighed(svd(la, x)[0] @ svd(la, x)[2]),
    "qr, Q": lambda la, x: weighed(la.qr(x)[0]),
    "qr, R": lambda la, x: weighed(la.qr(x)[1]),
    "pinv": lambda la, x: weighed(la.pinv(x)),
    "matrix_power": lambda la, x: weighed(la.matrix_power(positive(x), 3)),
    "matrix_power, negative": lambda la, x: weighed(la.matrix_power(positive(x), -2)),
    "cond": lambda la, x: la.cond(x).sum(),
    "cond, 1": lambda la, x: condition(la, positive(x)).sum(),
}
"""What is differentiated, blind to the signs of vectors: one program for NumPy's names here and in PyTorch."""


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_two_orders_are_pytorchs(name, shape):
    torch = pytest.importorskip("torch")
    x, t = SHAPES[shape], np.random.default_rng(1).normal(size=SHAPES[shape].shape)
    mine = lambda x: LOSSES[name](cr, x)  # noqa: E731
    theirs = torch.tensor(x, requires_grad=True)
    value = LOSSES[name](torch.linalg, theirs)
    (right,) = torch.autograd.grad(value, theirs, create_graph=True)
    (second,) = torch.autograd.grad((right * torch.tensor(t)).sum(), theirs, allow_unused=True)
    near(mine(x), value.detach().numpy())
    near(cr.grad(mine)(x), right.detach().numpy(), 1e-11)
    near(cr.jvp(mine, (x,), (t,))[1], np.vdot(right.detach().numpy(), t), 1e-11)
    near(cr.hvp(mine, (x,), (t,)), np.zeros(x.shape) if second is None else second.numpy(), 1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_values_are_numpys_and_belong_together(shape):
    x = SHAPES[shape]
    for make in (np.asarray, cr.Tensor):
        given = make(x)
        u, s, vh = cr.svd(given, full_matrices=False)
        near(np.asarray(u * s[..., None, :] @ vh), x)
        near(np.asarray(s), np.linalg.svd(x, compute_uv=False))
        near(np.asarray(cr.svdvals(given)), np.asarray(cr.svd(given, compute_uv=False)), 0.0)
        q, r = cr.qr(given)
        near(np.asarray(q @ r), x)
        near(np.asarray(q), np.linalg.qr(x)[0])
        near(np.asarray(cr.qr(given, mode="r")), np.asarray(r), 0.0)
        near(np.asarray(cr.pinv(given)), np.linalg.pinv(x))
        np.testing.assert_array_equal(cr.matrix_rank(given), np.linalg.matrix_rank(x))
        near(np.asarray(cr.cond(given)), np.linalg.cond(x))
        values, vectors = cr.eigh(given @ swapped(given))
        near(np.asarray(vectors * values[..., None, :] @ swapped(vectors)), x @ np.swapaxes(x, -1, -2))


@pytest.mark.parametrize("power", [-3, -1, 0, 1, 2, 5, np.int64(2)])
def test_matrix_powers(power):
    near(cr.matrix_power(SQUARE, power), np.linalg.matrix_power(SQUARE, power))
    batch = np.stack([SQUARE, SQUARE.T])
    near(cr.matrix_power(batch, power), np.linalg.matrix_power(batch, power))
    t = cr.Tensor(SQUARE, requires_grad=True)
    cr.sum(cr.matrix_power(t, power)).backward()
    assert t.grad.shape == (4, 4)


def test_the_symmetric_part_counts():
    lopsided = np.array([[1.0, 4.0], [0.0, 5.0]])
    even = (lopsided + lopsided.T) / 2
    for uplo in "LUlu":
        near(cr.eigh(lopsided, UPLO=uplo).eigenvalues, np.linalg.eigvalsh(even))
    share = cr.grad(lambda x: cr.eigh(x).eigenvalues[0])(lopsided)
    near(share, share.T, 1e-15)


@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (3, 5)])
@pytest.mark.parametrize("right_side", [(), (2,)])
def test_least_squares(shape, right_side):
    a, b = RNG.normal(size=shape), RNG.normal(size=(shape[0], *right_side))
    for found, right in zip(cr.lstsq(a, b), np.linalg.lstsq(a, b), strict=True):
        near(found, right, 1e-11)
    f = lambda a, b: cr.sum(cr.lstsq(a, b).x ** 2)  # noqa: E731
    torch = pytest.importorskip("torch")
    ta, tb = (torch.tensor(x, requires_grad=True) for x in (a, b))
    (torch.linalg.pinv(ta) @ tb).square().sum().backward()
    for share, theirs in zip(cr.grad(f, (0, 1))(a, b), (ta, tb), strict=True):
        near(share, theirs.grad.numpy(), 1e-10)


# Where values are equal, or ranks are not full

EQUAL = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
"""Four singular values of 1, but for rounding."""

TWINS = EQUAL @ np.diag([1.0, 1.0, 2.0, 3.0]) @ EQUAL.T
"""Two eigenvalues of 1, but for rounding."""

FLAT = np.outer(RNG.normal(size=4), RNG.normal(size=3))
"""A matrix of rank 1."""


@pytest.mark.parametrize("x", [TWINS, np.eye(3), np.zeros((3, 3)), np.diag([2.0, 2.0, 5.0])])
def test_sums_over_equal_eigenvalues_have_right_gradients(x):
    x = (x + x.T) / 2
    near(cr.grad(lambda x: cr.sum(cr.eigvalsh(x) ** 2))(x), 2 * x)
    near(cr.grad(lambda x: cr.sum(cr.eigvalsh(x)))(x), np.eye(len(x)))
    near(cr.grad(lambda x: cr.sum(cr.exp(cr.eigvalsh(x))))(x), exponential(x))
    near(cr.jvp(lambda x: cr.sum(cr.eigvalsh(x) ** 3), (x,), (x,))[1], 3 * np.trace(x @ x @ x))


def exponential(x):
    values, vectors = np.linalg.eigh(x)
    return vectors * np.exp(values) @ vectors.T


def test_sums_over_equal_singular_values_have_right_gradients():
    near(cr.grad(lambda x: cr.sum(cr.svdvals(x) ** 2))(EQUAL), 2 * EQUAL)
    near(cr.grad(lambda x: cr.norm(x, "nuc"))(EQUAL), EQUAL)
    near(cr.grad(lambda x: cr.sum(cr.svdvals(x) ** 2))(FLAT), 2 * FLAT)


def nan_or(found, right):
    """What is finite is right."""
    found = np.asarray(found)
    known = np.isfinite(found)
    assert np.allclose(found[known], np.broadcast_to(right, found.shape)[known], rtol=1e-9, atol=1e-9), found
    return not known.all()


def test_second_order_over_equal_values_is_right_or_nan():
    nan_or(cr.hessian(lambda x: cr.sum(cr.eigvalsh(x) ** 2))(TWINS), 2 * projected())
    t = RNG.normal(size=(4, 4))
    nan_or(cr.hvp(lambda x: cr.sum(cr.svdvals(x) ** 2), (EQUAL,), (t,)), 2 * t)


def projected():
    """The derivative of the symmetric part in every entry."""
    same = np.einsum("ik,jl->ijkl", np.eye(4), np.eye(4))
    return (same + same.swapaxes(2, 3)) / 2


def test_vectors_of_equal_values_have_no_derivative():
    for f, x in (
        (lambda x: cr.eigh(x).eigenvectors, TWINS),
        (lambda x: cr.eigh(x).eigenvectors, np.eye(3)),
        (lambda x: cr.svd(x).U, EQUAL),
        (lambda x: cr.svd(x).Vh, np.eye(3)),
        (lambda x: cr.svd(x, full_matrices=False).U, FLAT),
        (lambda x: cr.svd(x, full_matrices=False).Vh, FLAT),
        (lambda x: cr.qr(x).Q, FLAT),
        (lambda x: cr.qr(x).R, FLAT),
        (lambda x: cr.qr(x).Q, np.zeros((3, 2))),
        (cr.pinv, FLAT),
        (lambda x: cr.lstsq(x, np.ones(4)).x, FLAT),
    ):
        weights = RNG.normal(size=f(x).shape)
        share = cr.grad(lambda x, f=f, weights=weights: cr.sum(f(x) * weights))(x)
        assert np.isnan(share).any()
        t = RNG.normal(size=x.shape)
        assert np.isnan(cr.jvp(f, (x,), (t,))[1]).any()


def test_one_singular_value_of_zero_in_a_square_matrix():
    """The vectors are determined (but for signs), so their derivative is right."""
    x = SQUARE - np.linalg.svd(SQUARE)[1][-1] * np.outer(np.linalg.svd(SQUARE)[0][:, -1], np.linalg.svd(SQUARE)[2][-1])
    f = lambda x: cr.sum(cr.svd(x).U ** 4 * WEIGHTS[:4, :4])  # noqa: E731
    t = np.random.default_rng(0).normal(size=(4, 4))
    slopes = [(f(x + h * t) - f(x - h * t)) / (2 * h) for h in (2e-4, 1e-4)]
    near(np.vdot(cr.grad(f)(x), t), (4 * slopes[1] - slopes[0]) / 3, 1e-7)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", ["qr", "svd", "eigh", "pinv", "svdvals", "eigvalsh"])
def test_of_a_matrix_that_is_not_finite_all_is_nan_and_no_other_of_its_batch(name, bad):
    """LAPACK leaves numbers there that are none of the matrix's, such as a pseudoinverse of zeros."""
    holed = SQUARE + SQUARE.T
    batch = np.stack([holed, holed, holed])
    batch[1, 0, 0] = bad
    function = getattr(cr, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = cr.Tensor(batch, requires_grad=True)
        out = flatten(function(given))[0]
        cr.sum(cr.stack([cr.sum(part) for part in out])).backward()
        for part, right in zip(out, flatten(function(holed))[0], strict=True):
            assert np.isnan(part.data[1]).all()
            np.testing.assert_array_equal(part.data[0], part.data[2])
            near(part.data[0], right)
    assert np.isnan(given.grad.data[1]).all()
    assert np.isfinite(given.grad.data[[0, 2]]).all()


def test_one_bad_matrix_spoils_no_other_of_its_batch():
    batch = np.stack([TALL, np.full((5, 3), np.nan), TALL])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for f in (cr.svdvals, cr.pinv, lambda x: cr.qr(x).R, lambda x: cr.svd(x, full_matrices=False).U):
            out = np.asarray(f(cr.Tensor(batch, requires_grad=True)).data)
            assert np.isnan(out[1]).all()
            np.testing.assert_array_equal(out[0], out[2])
            near(out[0], f(TALL))


@pytest.mark.parametrize("name", LOSSES)
def test_single_precision(name):
    x = SQUARE.astype(np.float32)
    loss = lambda x: LOSSES[name](cr, x)  # noqa: E731
    share = cr.grad(loss)(x)
    assert share.dtype == np.float32
    right = cr.grad(loss)(x.astype(np.float64))
    near(share, right, 2e-3)
    assert not np.isnan(share).any()


# Norms

ORDERS = (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
CUBE = RNG.normal(size=(3, 4, 2))


@pytest.mark.parametrize("ord", ORDERS)
@pytest.mark.parametrize("keepdims", [False, True])
def test_matrix_norms_are_numpys(ord, keepdims):
    torch = pytest.importorskip("torch")
    for x, axis in [
        (SQUARE, None),
        (TALL, None),
        (WIDE, (0, 1)),
        *[(CUBE, pair) for pair in [(0, 1), (-1, 0), (2, 1)]],
    ]:
        right = np.linalg.norm(x, ord, axis, keepdims)
        near(cr.norm(x, ord, axis, keepdims), right)
        t = cr.Tensor(x, requires_grad=True)
        found = np.linalg.norm(t, ord, axis, keepdims)
        near(found.data, right)
        cr.sum(found).backward()
        theirs = torch.tensor(x, requires_grad=True)
        torch.linalg.norm(theirs, ord, axis, keepdims).sum().backward()
        near(t.grad.data, theirs.grad.numpy(), 1e-11)


@pytest.mark.parametrize("ord", [None, 1, 2, 3, 0.5, -1, -2.5, np.inf, -np.inf, 0])
@pytest.mark.parametrize("keepdims", [False, True])
def test_vector_norms_are_numpys(ord, keepdims):
    torch = pytest.importorskip("torch")
    for x, axis in ((CUBE[0, :, 0], None), (CUBE, 1), (CUBE, -1), (CUBE, (2,))):
        right = np.linalg.norm(x, ord, axis, keepdims)
        near(cr.norm(x, ord, axis, keepdims), right)
        t = cr.Tensor(x, requires_grad=True)
        found = np.linalg.norm(t, ord, axis, keepdims)
        near(found.data, right)
        if ord == 0:
            assert not found.requires_grad
            continue
        cr.sum(found).backward()
        theirs = torch.tensor(x, requires_grad=True)
        torch.linalg.norm(theirs, ord, axis, keepdims).sum().backward()
        near(t.grad.data, theirs.grad.numpy(), 1e-12)


def test_the_norm_of_everything():
    near(cr.norm(CUBE), np.linalg.norm(CUBE), 1e-15)
    assert cr.norm(np.array(-3.0)) == 3.0
    near(cr.grad(cr.norm)(CUBE), CUBE / np.linalg.norm(CUBE))


@pytest.mark.parametrize("ord", [None, 1, 2, 3, np.inf, *ORDERS])
def test_the_gradient_of_a_norm_at_zero_is_zero(ord):
    x = np.zeros((2, 2)) if ord in ("fro", "nuc") else np.zeros(2)
    for zeros in (x, np.zeros((2, 2))):
        if ord == 3 and zeros.ndim == 2:
            continue
        if isinstance(ord, int | float) and ord < 0 and zeros.ndim == 1 and np.isfinite(ord):
            continue  # sums of 1/0
        np.testing.assert_array_equal(cr.grad(lambda x: cr.norm(x, ord))(zeros), zeros)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cr.norm(CUBE, 1), ShapeError, "3 axes are neither"),
        (lambda: cr.norm(SQUARE, 3), ShapeError, "'fro', 'nuc', 1, -1, 2, -2, inf or -inf, not 3"),
        (lambda: cr.norm(SQUARE, "max"), ShapeError, "not 'max'"),
        (lambda: cr.norm(SQUARE[0], "fro"), ShapeError, "takes a number as ord"),
        (lambda: cr.norm(SQUARE, 1, (0, 0)), ShapeError, "names one twice"),
        (lambda: cr.svd(cr.Tensor(TALL, requires_grad=True)), ShapeError, "full_matrices=False"),
        (lambda: cr.svd(SQUARE[0]), ShapeError, "svd needs a matrix"),
        (lambda: cr.qr(SQUARE, mode="complete"), DtypeError, "mode='reduced' and mode='r', not 'complete'"),
        (lambda: cr.eigh(SQUARE, UPLO="x"), DtypeError, "UPLO='L' and UPLO='U'"),
        (lambda: cr.eigh(TALL), ShapeError, "square matrix"),
        (lambda: cr.eigvalsh(TALL), ShapeError, "square matrix"),
        (lambda: cr.matrix_power(TALL, 2), ShapeError, "square matrix"),
        (lambda: cr.matrix_power(SQUARE, 0.5), DtypeError, "whole number as power, not 0.5"),
        (lambda: cr.lstsq(SQUARE, np.ones(3)), ShapeError, r"b of shape \(m,\) or \(m, k\)"),
        (lambda: cr.cond(SQUARE[0]), ShapeError, "cond needs a matrix"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_full_matrices_of_plain_arrays_are_numpys():
    for found, right in zip(cr.svd(TALL), np.linalg.svd(TALL), strict=True):
        np.testing.assert_array_equal(found, right)


def test_numpys_functions_on_tensors():
    t = cr.Tensor(SQUARE, requires_grad=True)
    spd = t @ t.T
    for found, right in (
        (np.linalg.eigvalsh(spd), np.linalg.eigvalsh(spd.data)),
        (np.linalg.eigh(spd)[0], np.linalg.eigh(spd.data)[0]),
        (np.linalg.svd(t)[1], np.linalg.svd(SQUARE)[1]),
        (np.linalg.svd(t, compute_uv=False), np.linalg.svd(SQUARE)[1]),
        (np.linalg.qr(t)[1], np.linalg.qr(SQUARE)[1]),
        (np.linalg.pinv(t), np.linalg.pinv(SQUARE)),
        (np.linalg.matrix_power(t, -2), np.linalg.matrix_power(SQUARE, -2)),
        (np.linalg.cond(t), np.linalg.cond(SQUARE)),
    ):
        assert found.requires_grad
        near(found.data, right)
    assert np.linalg.matrix_rank(t) == 4


def test_symbols_have_decompositions():
    from chainrule.core import graph
    from chainrule.core.term import constant, replay, symbol

    x = symbol("x", (4, 4))
    for f in (lambda x: cr.sum(cr.svdvals(x) ** 2), lambda x: cr.norm(x, "fro"), lambda x: cr.sum(cr.qr(x).R)):
        share = graph.gradients_of([f(x)], [constant(1.0)], [x], record=True)[0]
        near(replay([share], {x: SQUARE})[0], cr.grad(f)(SQUARE))


def test_every_pair_of_axes_names_rows_and_columns():
    for pair in itertools.permutations(range(3), 2):
        near(cr.norm(CUBE, 1, pair), np.linalg.norm(CUBE, 1, pair))
