"""Diagonal matrices: as NumPy makes and reads them, with their gradients."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.rules.diagonals import diag, eye


def test_diag_is_that_of_numpy():
    x, matrix = np.array([1.0, 2.0, 3.0]), np.arange(9.0).reshape(3, 3)
    np.testing.assert_array_equal(diag(x), np.diag(x))
    np.testing.assert_array_equal(diag(matrix), np.diag(matrix))
    np.testing.assert_array_equal(eye(n=3), np.eye(3))
    np.testing.assert_array_equal(cr.eye(3), np.eye(3))
    np.testing.assert_array_equal(cr.eye(2, 3, 1), np.eye(2, 3, 1))
    for k in range(-4, 5):
        np.testing.assert_array_equal(diag(x, k), np.diag(x, k))
        np.testing.assert_array_equal(diag(matrix[:, :2], k), np.diag(matrix[:, :2], k))


def test_gradients_go_to_the_diagonal():
    weights = np.arange(9.0).reshape(3, 3)
    np.testing.assert_array_equal(cr.grad(lambda x: cr.sum(diag(x) * weights))(np.ones(3)), np.diag(weights))
    gradient = cr.grad(lambda matrix: cr.sum(diag(matrix) * np.array([1.0, 2.0, 3.0])))(weights)
    np.testing.assert_array_equal(gradient, np.diag([1.0, 2.0, 3.0]))


def test_anything_else_is_refused():
    with pytest.raises(ShapeError, match=r"vector or a matrix, and got shape \(2, 3, 4\)"):
        diag(np.ones((2, 3, 4)))
