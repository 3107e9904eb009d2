"""Entries of a published table: our derivative is equal to each, and costs no more operations than it does.

K. B. Petersen and M. S. Pedersen, The Matrix Cookbook, 2012: each row begins with the number of the equation, as we
know it without a copy at hand (numbers moved between versions), and the section, which finds it in any. The published
right side is typed as it stands there, vectors being one-dimensional.
"""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.core.term import symbol
from chainrule.derivation.symbolic.derivative import derivative
from chainrule.expression import parse
from chainrule.rewrite import operations

SQUARE = (4, 4)
SHAPES = {
    **dict.fromkeys("ABCDXW", SQUARE),
    "a": (4,),
    "b": (4,),
    "c": (4,),
    "d": (4,),
    "x": (4,),
    "s": (4,),
    "t": (),
    "F": (3, 5),
    "G": (2, 3),
    "H": (5, 2),
    "K": (2, 2),
    "P": (3, 5),
}

ENTRIES = [
    ("49, 2.1.2", "det(X)", "X", "det(X)*inv(X).T", 1),
    ("51, 2.1.2", "det(A @ X @ B)", "X", "det(A @ X @ B)*inv(X).T", 1),
    ("52, 2.1.3", "det(X.T @ A @ X)", "X", "2*det(X.T @ A @ X)*inv(X).T", 1),
    ("55, 2.1.4", "logabsdet(F @ F.T)", "F", "2*(inv(F @ F.T) @ F)", 1),
    ("57, 2.1.4", "logabsdet(X)", "X", "inv(X).T", 1),
    ("58, 2.1.4", "det(X @ X @ X)", "X", "3*det(X @ X @ X)*inv(X).T", 1),
    ("59, 2.2", "inv(A + t*B)", "t", "-(inv(A + t*B) @ B @ inv(A + t*B))", 1),
    ("61, 2.2", "a @ inv(X) @ b", "X", "-(inv(X).T @ outer(a, b) @ inv(X).T)", 1),
    ("62, 2.2", "det(inv(X))", "X", "-(det(inv(X))*inv(X).T)", 1),
    ("63, 2.2", "trace(A @ inv(X) @ B)", "X", "-(inv(X) @ B @ A @ inv(X)).T", 1),
    ("64, 2.2", "trace(inv(X + A))", "X", "-(inv(X + A) @ inv(X + A)).T", 1),
    ("69, 2.4.1", "x @ a", "x", "a", 1),
    ("70, 2.4.1", "a @ X @ b", "X", "outer(a, b)", 1),
    ("71, 2.4.1", "a @ X.T @ b", "X", "outer(b, a)", 1),
    ("72, 2.4.1", "a @ X @ a", "X", "outer(a, a)", 1),
    ("77, 2.4.2", "b @ X.T @ X @ c", "X", "X @ (outer(b, c) + outer(c, b))", 1),
    ("78, 2.4.2", "(B @ x + b) @ C @ (D @ x + d)", "x", "B.T @ (C @ (D @ x + d)) + D.T @ (C.T @ (B @ x + b))", 1),
    ("81, 2.4.2", "x @ B @ x", "x", "(B + B.T) @ x", 1),
    ("82, 2.4.2", "b @ X.T @ D @ X @ c", "X", "D.T @ X @ outer(b, c) + D @ X @ outer(c, b)", 1),
    ("83, 2.4.2", "(X @ b + c) @ D @ (X @ b + c)", "X", "outer((D + D.T) @ (X @ b + c), b)", 1),
    ("97, 2.4.4", "x @ A @ x + b @ x", "x", "(A + A.T) @ x + b", 1),
    ("98, 2.4.4", "x @ A @ x + b @ x", "x", "A + A.T", 2),
    ("99, 2.5.1", "trace(X)", "X", "eye(4)", 1),
    ("100, 2.5.1", "trace(X @ A)", "X", "A.T", 1),
    ("101, 2.5.1", "trace(A @ X @ B)", "X", "A.T @ B.T", 1),
    ("102, 2.5.1", "trace(A @ X.T @ B)", "X", "B @ A", 1),
    ("103, 2.5.1", "trace(X.T @ A)", "X", "A", 1),
    ("104, 2.5.1", "trace(A @ X.T)", "X", "A", 1),
    ("106, 2.5.2", "trace(X @ X)", "X", "2*X.T", 1),
    ("107, 2.5.2", "trace(X @ X @ B)", "X", "(X @ B + B @ X).T", 1),
    ("108, 2.5.2", "trace(X.T @ B @ X)", "X", "B @ X + B.T @ X", 1),
    ("109, 2.5.2", "trace(B @ X @ X.T)", "X", "B @ X + B.T @ X", 1),
    ("111, 2.5.2", "trace(X @ B @ X.T)", "X", "X @ B.T + X @ B", 1),
    ("113, 2.5.2", "trace(X.T @ X @ B)", "X", "X @ B.T + X @ B", 1),
    ("114, 2.5.2", "trace(A @ X @ B @ X)", "X", "A.T @ X.T @ B.T + B.T @ X.T @ A.T", 1),
    ("115, 2.5.2", "trace(F.T @ F)", "F", "2*F", 1),
    ("116, 2.5.2", "trace(B.T @ X.T @ C @ X @ B)", "X", "C.T @ X @ B @ B.T + C @ X @ B @ B.T", 1),
    ("117, 2.5.2", "trace(X.T @ B @ X @ C)", "X", "B @ X @ C + B.T @ X @ C.T", 1),
    ("118, 2.5.2", "trace(A @ X @ B @ X.T @ C)", "X", "A.T @ C.T @ X @ B.T + C @ A @ X @ B", 1),
    ("119, 2.5.2", "trace((G @ F @ H + K) @ (G @ F @ H + K).T)", "F", "2*(G.T @ (G @ F @ H + K) @ H.T)", 1),
    ("121, 2.5.3", "trace(X @ X @ X)", "X", "3*(X @ X).T", 1),
    ("124, 2.5.4", "trace(A @ inv(X) @ B)", "X", "-(inv(X).T @ A.T @ B.T @ inv(X).T)", 1),
    ("129, 2.6", "norm(x - a)", "x", "(x - a)/norm(x - a)", 1),
    ("130, 2.6", "(x - a)/norm(x - a)", "x", "eye(4)/norm(x - a) - outer(x - a, x - a)/norm(x - a)**3", 1),
    ("131, 2.6", "norm(x)**2", "x", "2*x", 1),
    ("132, 2.7", "norm(F)**2", "F", "2*F", 1),
]


def term_of(text):
    parsed = parse(text)
    return parsed.run({name: symbol(name, SHAPES[name]) for name in parsed.names})


def point(seed):
    rng = np.random.default_rng(seed)
    found = {name: rng.uniform(-1, 1, shape) for name, shape in SHAPES.items()}
    return {name: x + 4 * np.eye(4) if x.shape == SQUARE else x for name, x in found.items()}


@pytest.mark.parametrize(("number", "text", "wrt", "published", "order"), ENTRIES, ids=[entry[0] for entry in ENTRIES])
def test_published(number, text, wrt, published, order):
    found = derivative(text, wrt, shapes=SHAPES, order=order)
    theirs = term_of(published)
    for seed in range(3):
        at = point(seed)
        expected = np.asarray(parse(published).run(at))
        used = {name: at[name] for name in parse(text).names}
        # Inverses of well conditioned 4 x 4 matrices: some hundred roundings of numbers up to the determinant's size.
        np.testing.assert_allclose(found(**used), expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
    if hasattr(theirs, "op"):
        ours, published_cost = found.operations, operations(theirs)
        assert ours.count <= published_cost.count, (found.text, ours, published_cost)
        assert ours.multiply_adds <= published_cost.multiply_adds, (found.text, ours, published_cost)
    else:
        assert found.operations.count == 0


def test_there_are_enough():
    assert len({number for number, *_ in ENTRIES}) >= 40
