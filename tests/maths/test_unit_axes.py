"""Axes of length 1 come and go in NumPy without a word: a layer's formulas have no reshapes, whatever its sizes are."""

from __future__ import annotations

import itertools

import numpy as np

import chainrule as cr
from chainrule.derivation.record import Equation
from chainrule.maths import plain


def test_the_gradients_of_a_layer_of_any_size_need_no_reshape():
    """Each formula, run by NumPy, has the numbers and the shape of the engine's gradient."""
    rng = np.random.default_rng(0)
    for sizes in itertools.product((1, 2), (1, 3), (1, 2)):
        shapes = {"X": sizes[:2], "W": sizes[1:], "b": sizes[2:]}
        layer = {
            name: cr.Tensor(rng.normal(size=shape), requires_grad=True, label=name) for name, shape in shapes.items()
        }
        loss = cr.mean((cr.tanh(layer["X"] @ layer["W"] + layer["b"]) - 1) ** 2)
        loss.label = "L"
        loss.backward()
        numbers = {"tanh": np.tanh, "sum": np.sum, **{name: x.data for name, x in layer.items()}}
        for name, x in layer.items():
            short = [part for part in cr.explain(loss, x, dialect="graph").short if isinstance(part, Equation)]
            formula = next(plain(part.sides[1]) for part in short if plain(part.sides[0]) == f"dL_d{name}")
            assert not any(word in formula for word in ("reshape", "broadcast_to")), (sizes, formula)
            found = eval(formula, numbers)  # noqa: S307  (a formula of ours is run as the NumPy it claims to be)
            assert found.shape == x.shape, (sizes, formula)
            np.testing.assert_allclose(found, x.grad, rtol=1e-12, err_msg=formula)
