"""Linear algebra: against NumPy, PyTorch, JAX and fifty digits, and at matrices that have no inverse."""

from __future__ import annotations

import itertools
import warnings
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import AnomalyError, ShapeError

rng = np.random.default_rng(11)
GENERAL = rng.normal(size=(4, 4))
TURNED = GENERAL * np.where(np.linalg.det(GENERAL) > 0, [[-1.0], [1], [1], [1]], 1.0)
SYMMETRIC = GENERAL @ GENERAL.T + 0.5 * np.eye(4)
BATCH = rng.normal(size=(3, 4, 4)) + 2 * np.eye(4)
WEIGHTS = rng.normal(size=(4, 4))

SOLVES = [((4, 4), (4,)), ((4, 4), (4, 2)), ((3, 4, 4), (4,)), ((3, 4, 4), (4, 2)), ((4, 4), (3, 4, 2))]


def near(found, right, tolerance=1e-12):
    """Matrices here have condition numbers below 100, so LAPACK's answers differ by some 1e-14."""
    np.testing.assert_allclose(found, right, rtol=tolerance, atol=tolerance * max(1.0, np.abs(right).max(initial=0.0)))


def drawn(shape):
    x = np.random.default_rng(3).normal(size=shape)
    return x + 3 * np.eye(4) if shape[-2:] == (4, 4) else x


@pytest.mark.parametrize("x", [GENERAL, TURNED, BATCH])
def test_values_are_numpys(x):
    t = cr.Tensor(x)
    near(cr.inv(t).data, np.linalg.inv(x), 0.0)
    near(cr.det(t).data, np.linalg.det(x), 0.0)
    near(cr.slogdet(t).logabsdet.data, np.linalg.slogdet(x).logabsdet, 0.0)
    near(cr.slogdet(t).sign.data, np.linalg.slogdet(x).sign, 0.0)
    near(cr.cholesky(x @ np.swapaxes(x, -1, -2)), np.linalg.cholesky(x @ np.swapaxes(x, -1, -2)), 0.0)
    near(np.linalg.inv(t).data, np.linalg.inv(x), 0.0)
    near(np.linalg.solve(t, np.ones(4)).data, np.linalg.solve(x, np.ones(4)), 0.0)
    sign, logarithm = np.linalg.slogdet(t)
    near((sign * cr.exp(logarithm)).data, np.linalg.det(x), 1e-14)
    assert cr.det(x[0].tolist() if x.ndim == 3 else x.tolist()) == np.linalg.det(x[0] if x.ndim == 3 else x)


def test_the_determinant_of_a_turned_matrix_is_negative():
    assert cr.det(TURNED) < 0
    near(cr.grad(cr.det)(TURNED), np.linalg.det(TURNED) * np.linalg.inv(TURNED).T)
    near(cr.grad(lambda x: cr.slogdet(x).logabsdet)(TURNED), np.linalg.inv(TURNED).T)


@pytest.mark.parametrize(("left", "right"), SOLVES)
def test_solve_as_numpy_torch_and_jax(left, right):
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    a, b = drawn(left), drawn(right)
    out, pull = cr.vjp(cr.solve, a, b)
    near(out, np.linalg.solve(a, b), 1e-14)
    g = np.random.default_rng(5).normal(size=out.shape)
    found = pull(g)
    ta, tb = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)
    # PyTorch takes a batch of matrices with one vector for something else: it is given a column.
    column = tb[:, None] if len(right) == 1 else tb
    answer = torch.linalg.solve(ta, column)
    answer.backward(torch.tensor(g[..., None] if len(right) == 1 else g))
    near(found[0], ta.grad.numpy())
    near(found[1], tb.grad.numpy())
    pulled = jax.jit(lambda g, *xs: jax.vjp(jax.numpy.linalg.solve, *xs)[1](g))(g, a, b)
    for mine, other in zip(found, pulled, strict=True):
        near(mine, other)


FUNCTIONS = {
    "inv": (GENERAL, lambda m, x: m.inv(x)),
    "det": (GENERAL, lambda m, x: m.det(x)),
    "logabsdet": (TURNED, lambda m, x: m.slogdet(x)[1]),
    "cholesky": (SYMMETRIC, lambda m, x: m.cholesky(x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_and_curvature_are_torchs_and_jaxs(name):
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    x, f = FUNCTIONS[name]
    direction = WEIGHTS + WEIGHTS.T

    def mine(x):
        out = f(cr, x)
        return cr.sum(cr.square(out) + (WEIGHTS * out if out.shape else out))

    def torchs(x):
        out = f(torch.linalg, x)
        return (out**2 + (torch.tensor(WEIGHTS) * out if out.ndim else out)).sum()

    def jaxs(x):
        out = f(jax.numpy.linalg, x)
        return (out**2 + (WEIGHTS * out if out.ndim else out)).sum()

    t = torch.tensor(x, requires_grad=True)
    (first,) = torch.autograd.grad(torchs(t), t, create_graph=True)
    (second,) = torch.autograd.grad((first * torch.tensor(direction)).sum(), t)
    near(cr.grad(mine)(x), first.detach().numpy())
    gradient, curved = jax.jit(lambda x, t: jax.jvp(jax.grad(jaxs), (x,), (t,)))(x, direction)
    near(cr.grad(mine)(x), gradient)
    found = cr.hvp(mine, (x,), (direction,))
    near(found, second.numpy(), 1e-10)
    near(found, curved, 1e-10)


def in_fifty_digits(name, x, direction):
    """The derivative along a direction, by a central difference at a step of 1e-20 in numbers of fifty digits."""

    def at(h):
        m = mpmath.matrix(x.tolist()) + h * mpmath.matrix(direction.tolist())
        if name == "inv":
            return m**-1
        if name == "cholesky":
            return mpmath.cholesky((m + m.T) / 2)
        return mpmath.matrix([mpmath.det(m) if name == "det" else mpmath.log(abs(mpmath.det(m)))])

    with mpmath.workdps(50):
        h = mpmath.mpf(10) ** -20
        difference = (at(h) - at(-h)) / (2 * h)
        return np.array(difference.tolist(), dtype=float)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_in_fifty_digits(name):
    x, f = FUNCTIONS[name]
    found = cr.jvp(lambda x: f(cr, x), (x,), (WEIGHTS,))[1]
    near(np.reshape(found, (-1,)), in_fifty_digits(name, x, WEIGHTS).reshape(-1))


def test_the_gradient_of_cholesky_is_symmetric_and_only_the_symmetric_part_counts():
    gradient = cr.grad(lambda x: cr.sum(WEIGHTS * cr.cholesky(x)))(SYMMETRIC)
    near(gradient, gradient.T, 1e-15)
    askew = SYMMETRIC + (WEIGHTS - WEIGHTS.T)
    near(cr.cholesky(askew), cr.cholesky(SYMMETRIC), 1e-14)


SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


@pytest.mark.parametrize("kind", [lambda x: x, lambda x: cr.Tensor(x, requires_grad=True)])
def test_singular_matrices_give_nan_and_nothing_raises(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(cr.inv(kind(SINGULAR))).all()
        assert np.isnan(cr.solve(kind(SINGULAR), np.ones(2))).all()
        assert np.isnan(cr.cholesky(kind(-np.eye(2)))).all()
        assert [float(x) for x in cr.slogdet(kind(np.zeros((2, 2))))] == [0.0, -np.inf]
        assert float(cr.det(kind(np.zeros((2, 2))))) == 0.0
        assert np.isnan(cr.grad(lambda x: cr.sum(cr.inv(x)))(SINGULAR)).all()
        assert np.isnan(cr.inv(kind(np.full((2, 2), np.nan)))).all()


def test_a_singular_matrix_spoils_no_other_of_its_batch():
    batch = np.stack([np.eye(2), np.zeros((2, 2)), 2 * np.eye(2)])
    found = cr.inv(batch)
    near(found[[0, 2]], np.linalg.inv(batch[[0, 2]]), 0.0)
    assert np.isnan(found[1]).all()
    found = cr.solve(batch, np.ones(2))
    assert np.isnan(found).all(axis=1).tolist() == [False, True, False]
    gradient = cr.grad(lambda x: cr.sum(cr.solve(x, np.ones(2))[::2]))(batch)
    assert np.isfinite(gradient[[0, 2]]).all()
    assert cr.inv(np.zeros((2, 2), dtype=np.float32)).dtype == np.float32
    assert np.isnan(cr.inv(np.zeros((2, 2), dtype=int))).all()


def exact_determinant(rows):
    """By its first row, in fractions."""
    if not rows:
        return Fraction(1)
    rest = [[row[:k] + row[k + 1 :] for row in rows[1:]] for k in range(len(rows))]
    return sum(((-1) ** k * rows[0][k] * exact_determinant(rest[k]) for k in range(len(rows))), start=Fraction(0))


def exact_derivative(x, directions):
    """Along directions, exactly: a determinant is linear in each row, so each direction replaces one row."""
    x, *directions = [[[Fraction(number) for number in row] for row in part.tolist()] for part in (x, *directions)]
    total = Fraction(0)
    for places in itertools.permutations(range(len(x)), len(directions)):
        rows = list(x)
        for place, direction in zip(places, directions, strict=True):
            rows[place] = direction[place]
        total += exact_determinant(rows)
    return float(total)


def matrices_of_every_rank():
    """Whole matrices of one to four rows, of each rank; the same but for a billionth; large and small ones."""
    draw = np.random.default_rng(17).integers
    for size in range(1, 5):
        for rank in range(size + 1):
            x = (draw(-3, 4, (size, rank)) @ draw(-3, 4, (rank, size))).astype(float)
            yield from (x, x + 2.0**-30 * draw(-3, 4, (size, size)))
    yield from (2.0**60 * x, 2.0**-300 * x)


def along(f, direction, mode):
    """The derivative of a function of a matrix along a direction, as a function of the matrix."""
    if mode == "forward":
        return lambda x: cr.jvp(f, (x,), (direction,))[1]
    return lambda x: cr.sum(cr.grad(f)(x) * direction)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_determinant_has_derivatives_of_every_order_at_singular_matrices(order):
    for x in matrices_of_every_rank():
        directions = np.random.default_rng(19).integers(-3, 4, (order, *x.shape)).astype(float)
        right = exact_derivative(x, directions)
        size = np.abs(x).max() ** (len(x) - order) if len(x) >= order else 0.0
        for modes in (["forward"] * order, ["reverse"] * order, ["reverse", *["forward"] * (order - 1)]):
            f = cr.det
            for direction, mode in zip(directions, modes, strict=True):
                f = along(f, direction, mode)
            np.testing.assert_allclose(float(f(x)), right, rtol=1e-12, atol=2e-12 * size)


def test_the_gradient_of_the_determinant_is_the_matrix_of_cofactors():
    torch = pytest.importorskip("torch")
    x = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 5.0]])
    right = np.array([[14.0, -10.0, 2.0], [-7.0, 5.0, -1.0], [0.0, 0.0, 0.0]])
    t = torch.tensor(x, requires_grad=True)
    torch.linalg.det(t).backward()
    near(t.grad.numpy(), right, 1e-13)
    near(cr.grad(cr.det)(x), right, 1e-13)
    near(cr.grad(cr.det)(x.astype(np.float32)), right, 1e-6)
    assert cr.grad(cr.det)(x.astype(np.float32)).dtype == np.float32
    batch = np.stack([x, np.eye(3), np.zeros((3, 3)), np.full((3, 3), np.nan)])
    found = cr.grad(lambda x: cr.sum(cr.det(x)))(batch)
    near(found[:3], np.stack([right, np.eye(3), np.zeros((3, 3))]), 1e-13)
    assert np.isnan(found[3]).all()
    near(cr.vmap(cr.grad(cr.det))(batch)[:3], found[:3], 0.0)
    assert cr.grad(cr.det)(np.zeros((0, 0))).shape == (0, 0)
    assert cr.hessian(cr.det)(np.ones((1, 1))).tolist() == [[[[0.0]]]]


def test_the_curvature_at_a_large_singular_matrix():
    """A determinant is linear in a column, so the gradient in the others moves by no more than its first order."""
    x = np.random.default_rng(23).normal(size=(40, 39))
    x = np.concatenate([x, x[:, :1]], axis=1)
    direction = np.zeros((40, 40))
    direction[:, -1] = 1.0
    gradient = cr.grad(cr.det)
    found = cr.hvp(cr.det, (x,), (direction,))
    near((gradient(x) + found)[:, :-1], gradient(x + direction)[:, :-1], 1e-11)


def test_anomalies_are_named():
    with cr.detect_anomaly(), pytest.raises(AnomalyError, match="inv gave nan"):
        cr.inv(cr.Tensor(SINGULAR, requires_grad=True))


@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "cholesky"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (4, 2, 3)])
def test_what_is_not_square_is_refused(name, shape):
    for kind in (np.ones, lambda shape: cr.Tensor(np.ones(shape))):
        with pytest.raises(ShapeError, match=r"does not fit"):
            getattr(cr, name)(kind(shape))


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        ((2, 3), (2,), r"needs a square matrix or a batch of them, and got a \(2, 3\)"),
        ((3,), (3,), "needs a square matrix"),
        ((2, 2), (3,), r"does not fit a \(2, 2\) and b \(3,\): b is a vector or matrices with 2 rows"),
        ((2, 2), (), "does not fit"),
        ((2, 2), (3, 2), "with 2 rows"),
        ((3, 2, 2), (4, 2, 1), "their batches differ"),
    ],
)
def test_solve_says_what_does_not_fit(left, right, words):
    a, b = np.ones(left), np.ones(right)
    with pytest.raises(ShapeError, match=words):
        cr.solve(a, b)
