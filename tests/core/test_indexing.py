"""Everything that may stand between square brackets means what it means on an array, and its gradient goes back."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import Tensor

X = np.random.default_rng(0).normal(size=(3, 4, 5))
ROWS = X[:, 0, 0] > -9.0

KEYS = [
    0,
    -1,
    np.int64(1),
    np.array(2),
    (),
    ...,
    None,
    (..., 0),
    (0, ..., 1),
    (None, 0, None),
    slice(None, None, -1),
    slice(1, 1),
    slice(-10, 10),
    (slice(None), slice(4, None, -2)),
    (..., None, slice(None, None, -3)),
    [0, 2],
    [[0, 1], [2, 2]],
    ([0, 1], [1, 2]),
    ([0, 1], slice(None), [1, 2]),
    (0, slice(None), None, [1, 2]),
    (slice(None), [0, 3]),
    (np.array([0, 1]), np.array([[1], [2]]), 2),
    (np.array([-1, 0]), ...),
    (None, ..., [0, 1]),
    np.array([], int),
    ([],),
    X > 0,
    (X > 0)[:, :, 0],
    ROWS,
    (slice(None), np.array([True, False, True, True])),
    ([True, False, True], 0, [1]),
    True,
    False,
    np.array(True),
    (np.True_, 1),
]


def with_tensors(key):
    """The key with Tensors in place of its arrays."""
    if isinstance(key, tuple):
        return tuple(map(with_tensors, key))
    return Tensor(key) if isinstance(key, np.ndarray) else key


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_entries_and_gradients(key):
    right = X[key]
    for given in (key, with_tensors(key)):
        x = Tensor(X, requires_grad=True)
        out = x[given]
        assert out.shape == right.shape
        np.testing.assert_array_equal(out.data, right)
        weights = np.random.default_rng(1).normal(size=out.shape)
        out.backward(weights)
        expected = np.zeros(X.shape)
        np.add.at(expected, key, weights)
        np.testing.assert_allclose(x.grad.data, expected, rtol=1e-15)


M, V = X[0, :3, :3], X[0, 0]
WHOLE = np.array([[1, 0, 1], [2, 1, 0]])

METHODS = {
    "all": [(M,), (M, 0)],
    "any": [(M,), (M, 0)],
    "argmax": [(M,), (M, 1)],
    "argmin": [(M,), (M, 1)],
    "argsort": [(M,), (M, 0)],
    "astype": [(M, np.float32), (WHOLE, float)],
    "choose": [(WHOLE, [M[:2], M[1:], M[:2]])],
    "clip": [(M, -0.5, 0.5), (M, None, 0.0)],
    "compress": [(M, [True, False, True], 0), (M, [False, True])],
    "copy": [(M,)],
    "cumprod": [(M,), (M, 1)],
    "cumsum": [(M,), (M, 0)],
    "diagonal": [(M,), (M, 1)],
    "dot": [(M, M), (V, V)],
    "flatten": [(X,)],
    "item": [(X[:1, 0, 0],)],
    "max": [(M,), (M, 0)],
    "mean": [(M,), (M, 1), (WHOLE,)],
    "min": [(M,), (M, 0)],
    "nonzero": [(WHOLE,)],
    "prod": [(M,), (M, 0)],
    "ravel": [(X,)],
    "repeat": [(M, 2), (M, [1, 0, 2], 0)],
    "reshape": [(X, 12, 5), (X, (6, -1))],
    "round": [(M,), (M, 1)],
    "searchsorted": [(np.sort(V), M), (np.sort(V), 0.5, "right")],
    "squeeze": [(X[:1],), (X[:1], 0)],
    "std": [(M,), (M, 1)],
    "sum": [(M,), (M, 0), (WHOLE,)],
    "swapaxes": [(X, 0, 2)],
    "take": [(M, [0, 4]), (M, 1, 0)],
    "tolist": [(M,)],
    "trace": [(M,), (M, 1)],
    "transpose": [(X,), (X, 2, 0, 1), (X, (1, 0, 2))],
    "var": [(M,), (M, 1)],
}
"""An array's methods, in the forms in which a Tensor has them."""


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_those_of_an_array(name):
    for x, *rest in METHODS[name]:
        right, found = getattr(x, name)(*rest), getattr(Tensor(x, dtype=x.dtype), name)(*rest)
        pairs = zip(found, right, strict=True) if isinstance(right, tuple) else [(found, right)]
        for mine, numpys in pairs:
            data = np.asarray(mine.data if isinstance(mine, Tensor) else mine)
            assert data.dtype == np.asarray(numpys).dtype
            np.testing.assert_allclose(data, numpys, rtol=1e-14, atol=1e-15)


def test_methods_of_pytorch():
    x = Tensor(M, requires_grad=True)
    assert x.view(-1).shape == x.view(9).shape == (9,)
    assert (x.dim(), x.numel(), x.unsqueeze(0).shape, x.permute(1, 0).shape) == (2, 9, (1, 3, 3), (3, 3))
    assert (x.float().dtype, (x > 0).double().dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(x.masked_fill(x > 0, 0.0).data, np.where(M > 0, 0.0, M))
    np.testing.assert_allclose(x.index_add(0, [0, 0], Tensor(M[:2])).data[0], M[0] + M[0] + M[1], rtol=1e-15)
    with pytest.raises(TypeError, match="astype"):
        x.view(np.float32)
