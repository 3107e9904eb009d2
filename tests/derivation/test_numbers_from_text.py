"""Every side of every equation of an explanation, letters included, is run as NumPy from its plain text alone."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation.explain import explain
from chainrule.derivation.record import Equation
from chainrule.maths import Number, Symbol
from chainrule.maths.tree import equation

from .run_as_numpy import check, in_every_dialect


@pytest.mark.parametrize("seed", range(4))
def test_random_nets_of_values(seed):
    rng = np.random.default_rng(seed)
    net = cr.micrograd.nn.MLP(2, [2, 1])
    for p in net.parameters():
        p.data = float(np.round(rng.normal(), 3))
    x = [cr.Value(float(v)) for v in np.round(rng.normal(size=2), 2)]
    w = net.parameters()[seed]
    yhat = net(x).tanh()
    loss = 0.5 * (yhat - 0.3) ** 2
    assert in_every_dialect(loss, w) > 100


@pytest.mark.parametrize("notation", ["nielsen", "course", "goodfellow", "parr-howard"])
@pytest.mark.parametrize("seed", range(3))
def test_random_nets_of_tensors(seed, notation):
    rng = np.random.default_rng(seed)
    kind = [cr.nn.Tanh, cr.nn.Sigmoid, cr.nn.ReLU][seed % 3]
    net = cr.nn.Sequential(cr.nn.Linear(2, 3, rng=seed), kind(), cr.nn.Linear(3, 2, rng=seed + 9), cr.nn.Sigmoid())
    batch = 1 + seed
    loss = cr.nn.MSELoss(["half_sum", "sum", "mean"][seed % 3])(
        net(rng.normal(size=(batch, 2))), rng.uniform(size=(batch, 2))
    )
    layout = ["numerator", "denominator"][seed % 2]
    assert in_every_dialect(loss, net[0].weight[1, 0], notation=notation, layout=layout) > 60
    assert in_every_dialect(loss, net[2].weight, notation=notation, layout=layout) > 60


def test_a_wrong_number_would_be_found():
    a = cr.Value(3.0, label="a")
    told = explain(a * 2.0 + a * a, a, "graph")
    assert check(told) > 3
    for wrong in (equation(Number("2") * Number("3"), Number("6.001")), equation(Symbol("a") * 2, Number("6.001"))):
        object.__setattr__(told, "story", (Equation(wrong.sides),))
        with pytest.raises(AssertionError):
            check(told)
