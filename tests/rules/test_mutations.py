"""Every mistake in every rule is noticed: the oracles are run on broken copies of the whole rule book."""

from __future__ import annotations

import numpy as np
import pytest
from mutations import mutants
from oracles import ORACLES, RULES, Case, drawn

import chainrule as cr

NO_MISTAKE = {
    ("add", "exchanged derivatives"): "both derivatives are 1",
    ("sum_of", "exchanged derivatives"): "all derivatives are 1",
}
"""Changes that leave a rule as right as it was, with the reason."""


def noticed(operation) -> bool:
    """Whether some oracle turns red. A broken derivative may also fail outright, on shapes that do not fit."""
    for oracle in ORACLES:
        try:
            oracle(operation)
        except (AssertionError, ValueError):
            return True
    return False


def same_derivative(operation, mutant, place) -> bool:
    """Whether the change made no difference at points that no oracle looks at."""
    rng = np.random.default_rng(99)
    for settings in map(operation.complete, operation.examples):
        for _ in range(20):
            case = Case(settings, drawn(operation, rng))
            out = operation.function(*case.inputs, **settings)
            g = rng.normal(size=np.shape(out))
            right = operation.pull(place, g, out, case.inputs, settings)
            if not np.array_equal(right, mutant.pull(place, g, out, case.inputs, settings)):
                return False
    return True


@pytest.mark.parametrize("name", RULES)
def test_every_mistake_is_noticed(name):
    operation = cr.book[name]
    for mutant, place, mistake in mutants(operation):
        if (name, mistake) in NO_MISTAKE:
            assert same_derivative(operation, mutant, place), f"{name}: {mistake} does make a difference"
        else:
            assert noticed(mutant), f"{name}, derivative {place}: {mistake} goes unnoticed"


def test_mistakes_of_every_kind_are_made():
    made = {(name, mistake) for name in RULES for _, _, mistake in mutants(cr.book[name])}
    for mistake in ("sign", "factor 2", "dropped", "relative 1e-3"):
        assert {name for name in RULES if (name, mistake) in made} == {name for name in RULES if has_derivative(name)}
    assert {("matmul", "missing transpose"), ("affine", "swapped inputs")} <= made
    assert {("swap", "missing transpose"), ("transpose", "missing transpose")} <= made
    assert {("inv", "dropped"), ("cholesky", "factor 2"), ("solve", "swapped inputs")} <= made
    assert {("logabsdet", "missing transpose"), ("solve", "missing transpose")} <= made
    assert {("mul", "swapped inputs"), ("matmul", "swapped inputs"), ("dot_of", "exchanged derivatives")} <= made
    kinked = {name for name in RULES if cr.book[name].at_kink}
    assert kinked == {name for name, mistake in made if mistake == "wrong at the kink"}
    assert set(NO_MISTAKE) <= made


def has_derivative(name) -> bool:
    operation = cr.book[name]
    return any(map(operation.differentiable, range(len(operation.shapes))))
