"""Random programs agree between engines and modes, and with PyTorch and JAX; make soak runs a hundred thousand.

Where the two judges themselves part (at kinks, on special numbers), chainrule agrees with one of them at each step and
entry, or with mpmath where their formulas run over; or docs/conventions.md states what it does.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from agreement import SINGLE_DIGITS, Parting, beside_peers, between_engines, whole
from peers import Jax, PyTorch
from random_programs import BINARY, POINTWISE, SPECIAL, UNARY, program

import chainrule as cr
from chainrule.core import COMPILED
from chainrule.core.operation import Pointwise

CHUNK, MANY = 250, 5_000
SUITE, SOAK = range(0, 2_000, CHUNK), range(2_000, 102_000, MANY)
JUDGED_TWICE = 500
"""Programs that PyTorch and JAX judge on the plain engine too."""


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


def points(parting, what):
    """Whether at each parted entry of a pointwise rule one of the points that it stands for is such a one."""
    shape = np.broadcast_shapes(*[np.shape(x) for x in parting.case.leaves], parting.apart.shape)
    numbers = [np.broadcast_to(np.asarray(x, float), shape) for x in (*parting.case.leaves, parting.case.g)]
    such = np.asarray(what(*numbers[:-1], numbers[-1]))
    if parting.aspect == "value":
        return bool(np.all(such[parting.apart]))
    own = parting.apart.shape
    such = such.any(axis=tuple(range(such.ndim - len(own))))
    such = such.any(axis=tuple(k for k, n in enumerate(own) if n == 1), keepdims=True)
    return bool(np.all(such[parting.apart]))


def at(what):
    """A convention of a pointwise rule at some points: a function of the inputs and of what came back."""
    return lambda parting: points(parting, what)


def nothing_passes(parting):
    """What is not taken passes nothing of an infinite or undefined neighbour; compared with nan nothing holds."""
    undefined = points(parting, lambda *xs: np.isnan(xs[:-1]).any(axis=0))
    unbounded = points(parting, lambda *xs: ~np.isfinite(xs[-1])) and (parting.found[parting.apart] == 0).all()
    return undefined or bool(unbounded)


def undefined_at_infinity(parting):
    """At infinity a derivative is its limit, or nan."""
    infinite = points(parting, lambda *xs: np.isinf(xs).any(axis=0))
    return infinite and parting.aspect != "value" and bool(np.isnan(parting.found[parting.apart]).all())


def rows(parting):
    """What a reduction takes together, repeated to the shape of its input."""
    x = np.asarray(parting.case.leaves[0], float)
    axis = parting.step.settings.get("axis")
    return x, {"axis": tuple(range(x.ndim)) if axis is None else axis, "keepdims": True}


def in_rows(what):
    """A convention of a reduction for rows of a kind."""

    def holds(parting):
        if parting.step.settings.get("ord") not in (None, "fro") or parting.aspect == "value":
            return False
        x, along = rows(parting)
        return bool(np.all(np.broadcast_to(what(x, along), x.shape)[parting.apart]))

    return holds


def equal(x, along):
    return (np.ptp(x, **along) == 0) | ~np.isfinite(x).all(**along)


def zero(x, along):
    return (x == 0).all(**along) | ~np.isfinite(x).all(**along)


def out_of_range(parting):
    """Factors of which some alone, in some order, are beyond the largest or below the smallest double.

    Squares are below it earlier; all of them are counted as if of the worst sign.
    """
    numbers = [np.ravel(x) for x in (*parting.case.leaves, parting.case.g)]
    sizes = np.abs(np.concatenate(numbers).astype(float))
    logarithms = np.log10(sizes[(sizes > 0) & np.isfinite(sizes)])
    largest, smallest = logarithms[logarithms > 0].sum(), -logarithms[logarithms < 0].sum()
    return bool(max(largest, smallest) > 290) or not np.isfinite(sizes).all()


def order_of_sums(parting):
    """Where terms are infinite, or run over as they are added, the order of the additions decides what comes out."""
    judged = [np.ma.getdata(right) for right in parting.judged]
    unbounded = [~np.isfinite(x[parting.apart]) for x in (parting.found, *judged)]
    return out_of_range(parting) and bool(np.any(unbounded, axis=0).all())


def single_shares(parting):
    """Shares of a float32 that is repeated beside a float64 are float32 before they are added up."""
    kinds = {np.asarray(x).dtype for x in parting.case.leaves}
    most = np.max([np.abs(np.asarray(x, float)).max(initial=0) for x in (*parting.case.leaves, parting.case.g)])
    return np.dtype(np.float32) in kinds and most > 1e38 and not np.isfinite(parting.found[parting.apart]).any()


def values_meet(parting):
    """Values that are equal, or 0 of a matrix that is not of full rank, by no more than rounding."""
    x = np.asarray(parting.case.leaves[0], float)
    if not np.isfinite(x).all() or (parting.step.name == "norm" and parting.step.settings.get("ord") not in ("nuc", 2)):
        return False
    values = np.sort(np.linalg.svd(x, compute_uv=False))
    rounding = (1e-5 if parting.case.digits == SINGLE_DIGITS else 1e-13) * values.max(initial=0)
    vanish = parting.step.name != "eigvalsh" and bool(values.min(initial=np.inf) <= rounding)
    return parting.aspect != "value" and (vanish or bool(np.any(np.diff(values) <= rounding)))


def any_of(*conventions):
    return lambda parting: any(holds(parting) for holds in conventions)


DOCUMENTED = {
    **dict.fromkeys(["prod", "cumprod", "prod_of_list"], out_of_range),
    **dict.fromkeys(["einsum", "matmul", "dot", "inner", "tensordot", "sum", "weighed"], order_of_sums),
    **dict.fromkeys(["cholesky", "det", "inv", "solve", "logabsdet"], order_of_sums),
    **dict.fromkeys(["eigvalsh", "svdvals"], any_of(order_of_sums, values_meet)),
    "norm": any_of(in_rows(zero), values_meet, order_of_sums),
    "std": in_rows(equal),
    "acosh": at(lambda x, g: x < 1),
    "hypot": at(lambda x, y, g: (np.abs(x) < np.finfo(float).tiny) & (np.abs(y) < np.finfo(float).tiny)),
    "pow": at(lambda x, y, g: (y == 0) | (x <= 0)),
    "mul": single_shares,
    **dict.fromkeys(["abs", "relu", "leaky_relu", "clip", "hardtanh"], nothing_passes),
    **dict.fromkeys(["maximum", "minimum", "remainder", "fmod", "where"], nothing_passes),
}
"""Conventions of docs/conventions.md that no judge shares, each for the points, rows and numbers that it is for."""


def is_documented(parting):
    """Whether a parting is a convention's doing."""
    if not isinstance(parting, Parting):
        return False
    smooth = parting.step.name in POINTWISE
    with np.errstate(all="ignore"):
        return (smooth and undefined_at_infinity(parting)) or (
            parting.step.name in DOCUMENTED and DOCUMENTED[parting.step.name](parting)
        )


def disagreements(seeds, peers=()):
    """Where engines and modes part from each other, or from all judges, or stop; and how often a convention was met."""
    found, documented = [], Counter()
    for seed in seeds:
        case = whole(one := program(seed))
        try:
            partings = [*between_engines(case, one), *(beside_peers(case, one, peers, is_documented) if peers else ())]
        except Exception as error:  # noqa: BLE001  (that one stops is one disagreement, and all others are asked)
            found.append(f"{one}\n  stops with {type(error).__name__}: {error}")
            continue
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
    # The plain engine and the compiled one run the same rules, which are judged once on all of them.
    judges = peers if COMPILED or start < JUDGED_TWICE else ()
    found, _ = disagreements(range(start, start + CHUNK), judges)
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
def test_many_programs_agree(start, peers, record_property):
    found, documented = disagreements(range(start, start + MANY), peers)
    record_property("random programs", (MANY, len(found), dict(documented)))
    assert not found, "\n".join(found[:20])
