"""Random programs agree between engines and modes, and with PyTorch and JAX; make soak runs a hundred thousand.

Where the two judges themselves part (at kinks, on special numbers), chainrule agrees with one of them at each step and
entry, or docs/conventions.md states what it does.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from agreement import Parting, beside_peers, between_engines, whole
from peers import Jax, PyTorch
from random_programs import BINARY, POINTWISE, SPECIAL, UNARY, program

import chainrule as cr
from chainrule.core.operation import Pointwise

CHUNK, MANY = 250, 5_000
SUITE, SOAK = range(0, 2_000, CHUNK), range(2_000, 102_000, MANY)


@pytest.fixture(scope="module")
def peers():
    try:
        import torch
    except ImportError:
        return []
    try:
        import jax
    except ImportError:
        return [PyTorch(torch)]
    return [PyTorch(torch), Jax(jax)]


def special(x):
    """Where a number is infinite, undefined, or so large or small that its square is infinite or 0."""
    return ~((np.abs(x) < 1e154) & ((np.abs(x) > 1e-154) | (x == 0)))


def anywhere(parting, what):
    return any(np.any(what(np.asarray(x, float))) for x in parting.case.leaves)


def nothing_of_what_is_not_taken(parting):
    """An infinite or undefined neighbour, or nan among the numbers, reaches what it stands beside, and nothing else."""
    return anywhere(parting, special) or special(parting.case.g).any()


def a_limit(parting):
    """A number too large for the judges' formulas, where there is a limit; test_edges.py holds it against mpmath."""
    return anywhere(parting, special) and parting.aspect != "value"


def at_the_origin(parting):
    return parting.aspect != "value" and all(np.any(np.asarray(x) == 0) for x in parting.case.leaves)


def power_of_nothing(parting):
    """At base 0 both have nan where there is a limit, and at exponent 0 the power is flat: see test_edges.py."""
    return parting.aspect == "second order" and any(np.any(np.asarray(x) == 0) for x in parting.case.leaves)


def a_singular_matrix(parting):
    return np.isnan(parting.found).all()


def values_that_are_equal(parting):
    """Nearly equal values have no vectors of their own, and no second derivative."""
    x = np.asarray(parting.case.leaves[0], float)
    if parting.step.name in ("eigvalsh", "svdvals") and np.isfinite(x).all():
        values = np.sort(np.linalg.svd(x, compute_uv=False))
        return values.size > 1 and np.diff(values).min() < 1e-5 * values.max()
    return parting.aspect == "second order" and np.isnan(parting.found).all()


def below_its_domain(parting):
    return anywhere(parting, lambda x: x < 1)


def of_equal_entries(parting):
    """They have no second derivative; where their mean is rounded, the length that is left of them is rounding too."""
    return parting.aspect == "second order" or anywhere(parting, special)


DOCUMENTED = {
    "acosh": below_its_domain,
    "cholesky": nothing_of_what_is_not_taken,
    "det": a_singular_matrix,
    "eigvalsh": values_that_are_equal,
    "hypot": lambda parting: at_the_origin(parting) or a_limit(parting),
    "norm": lambda parting: values_that_are_equal(parting) or anywhere(parting, special),
    "logsumexp": nothing_of_what_is_not_taken,
    "pow": power_of_nothing,
    "std": of_equal_entries,
    "svdvals": values_that_are_equal,
    **dict.fromkeys(["max", "min", "ptp", "max_of_list", "min_of_list"], nothing_of_what_is_not_taken),
    **dict.fromkeys(["maximum", "minimum", "where", "relu", "clip", "abs", "sort"], nothing_of_what_is_not_taken),
    **dict.fromkeys(["remainder", "fmod", "leaky_relu", "hardtanh"], nothing_of_what_is_not_taken),
    **dict.fromkeys(["erf", "erfc", "logaddexp", "logaddexp2", "softplus", "asinh", "atan2", "cbrt", "sinc"], a_limit),
    **dict.fromkeys(["cumprod", "prod", "prod_of_list"], a_limit),
}
"""Where chainrule has a convention of its own (docs/conventions.md), or is right and both judges are not."""


def is_documented(parting):
    return isinstance(parting, Parting) and DOCUMENTED.get(parting.step.name, lambda parting: False)(parting)


def disagreements(seeds, peers=()):
    """Where engines and modes part from each other, or from all judges; and how often a convention was met."""
    found, documented = [], Counter()
    for seed in seeds:
        case = whole(one := program(seed))
        partings = [*between_engines(case, one), *(beside_peers(case, one, peers, is_documented) if peers else ())]
        documented.update(
            parting.step.name for parting in partings if isinstance(parting, Parting) and is_documented(parting)
        )
        found += [f"{one}\n  {parting}" for parting in partings if not is_documented(parting)]
    return found, documented


def test_pytorch_judges(peers):
    if not peers:
        pytest.skip("PyTorch judges random programs and is not installed")


@pytest.mark.parametrize("start", SUITE)
def test_engines_modes_and_judges_agree(start, peers):
    found, _ = disagreements(range(start, start + CHUNK), peers)
    assert not found, "\n".join([f"{len(found)} disagreements", *found[:5]])


def test_the_programs_reach_what_they_are_for():
    """Every pointwise rule, engines of both kinds, several types, no axes and no entries, and special numbers."""
    many = [program(seed) for seed in range(500)]
    names = {step.name for one in many for step in one.steps}
    assert {*UNARY, *BINARY} <= names
    assert {"where", "index", "einsum", "solve", "cholesky", "concatenate", "sort", "norm", "dot_of_lists"} <= names
    leaves = [leaf for one in many for leaf in one.leaves if isinstance(leaf, np.ndarray)]
    assert {str(leaf.dtype) for leaf in leaves} == {"float64", "float32", "int64"}
    assert {0, 1, 2, 3} == {leaf.ndim for leaf in leaves}
    assert min(leaf.size for leaf in leaves) == 0
    numbers = np.concatenate([leaf.ravel() for leaf in leaves if leaf.dtype == float])
    assert {*map(repr, SPECIAL)} <= {*map(repr, numbers.tolist())}
    assert 100 < sum(one.scalar for one in many) < 400
    assert str(program(7)) == str(program(7)) != str(program(8))


@pytest.mark.parametrize(("name", "factor"), [("mul", 1.001), ("maximum", 1.001), ("exp", 1.001)])
def test_a_wrong_derivative_is_a_disagreement(name, factor, monkeypatch):
    rule = POINTWISE[name]
    assert not disagreements(range(100))[0]
    monkeypatch.setattr(rule, "pull", lambda i, *rest: factor * Pointwise.pull(rule, i, *rest))
    assert disagreements(range(100))[0]


def test_a_wrong_derivative_in_both_modes_is_seen_beside_pytorch(peers, monkeypatch):
    pytest.importorskip("torch")
    rule = POINTWISE["sin"]

    def seen():
        return [one for one in disagreements(range(120), peers[:1])[0] if "\n  sin(" in one]

    assert not seen()
    monkeypatch.setattr(rule, "partials", (lambda out, x: 1.00001 * cr.cos(x),))
    assert seen()


@pytest.mark.soak
@pytest.mark.parametrize("start", SOAK)
def test_many_programs_agree(start, peers, capsys):
    found, documented = disagreements(range(start, start + MANY), peers)
    with capsys.disabled():
        print(f"\nprograms {start} to {start + MANY}: {len(found)} disagreements, conventions met: {dict(documented)}")
    assert not found, "\n".join(found[:20])
