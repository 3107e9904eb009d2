"""Tests of every rule, generated from the rule book: a rule without a test cannot exist."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from oracles import NOT_ANALYTIC, ORACLES, RULES, Recorded, cases, kinks, places, scalar_engine, takes_complex

import chainrule as cr
from chainrule.core.operation import Pointwise

POINTWISE = [name for name in RULES if isinstance(cr.book[name], Pointwise)]


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    failed = []
    for oracle in ORACLES:
        try:
            oracle(cr.book[name])
        except Exception as error:  # noqa: BLE001 - whatever it is, the other oracles are asked all the same
            failed.append(f"{oracle.__name__}: {type(error).__name__}: {error}")
    assert not failed, f"{name}\n" + "\n".join(failed)


def test_a_derivative_reads_what_it_says_that_it_reads():
    """Else an input may change in place after its use, and the gradient be wrong without a word."""
    silent = []
    for name in RULES:
        operation = cr.book[name]
        for case, other in zip(cases(operation), cases(operation, seed=1), strict=True):
            out, rng = operation.function(*case.inputs, **case.settings), np.random.default_rng(2)
            g = rng.normal(size=np.shape(out))
            for i in places(operation):
                of_out, of_inputs = operation.reads(i, len(case.inputs))
                inputs = [
                    x if k in of_inputs else y for k, (x, y) in enumerate(zip(case.inputs, other.inputs, strict=True))
                ]
                shares = [
                    operation.pull(i, np.array(g), result, given, case.settings)
                    for result, given in ((out, list(case.inputs)), (out if of_out else np.full_like(out, 0.3), inputs))
                ]
                if not np.array_equal(*shares, equal_nan=True):
                    silent.append((name, i, of_out, of_inputs))
    assert not silent


@pytest.mark.parametrize("name", POINTWISE)
def test_on_values(name):
    scalar_engine(cr.book[name])


@pytest.mark.parametrize("name", RULES)
def test_declaration_can_be_tested(name):
    operation = cr.book[name]
    assert operation.inputs
    assert operation.formula
    assert operation.__doc__
    found = list(cases(operation))
    assert len(found) == len(operation.examples) >= 1
    assert all(len(case.inputs) >= len(operation.inputs) for case in found)


def test_complex_step_reaches_the_analytic_rules():
    reached = {name for name in POINTWISE if takes_complex(cr.book[name])}
    assert reached >= {"add", "sub", "mul", "div", "pow", "neg", "exp", "expm1", "log", "log1p", "sqrt", "square"}
    assert reached >= {"reciprocal", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sigmoid"}
    assert reached >= {"silu", "gelu_tanh", "where", "sum_of", "dot_of"}
    assert not reached & {"abs", "sign", "atan2", "erf", "erfc", "gelu"}


def test_complex_step_reaches_all_arrays_but_these():
    assert {*NOT_ANALYTIC} <= {*RULES}
    for name in NOT_ANALYTIC:
        operation = cr.book[name]
        case, rng = next(cases(operation)), np.random.default_rng(0)
        tangents = {i: rng.normal(size=case.inputs[i].shape) for i in places(operation) or [0]}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            moved = [x + 1e-30j * tangents[i] if i in tangents else x for i, x in enumerate(case.inputs)]
            found = operation.function(*moved, **case.settings).imag / 1e-30
        right = Recorded(operation, case).tangent([*tangents.values()]) if places(operation) else 1.0
        assert not np.allclose(found, right), f"{name} is analytic after all"


def test_rules_with_kinks_declare_them():
    kinked = {name for name in POINTWISE if cr.book[name].at_kink}
    assert kinked >= {"abs", "clip", "elu", "leaky_relu", "maximum", "minimum", "relu"}
    for name in kinked:
        kinks(cr.book[name])


def test_flat_rules_are_exactly_these():
    flat = {name for name in RULES if not places(cr.book[name])}
    assert flat == {
        *(
            "sign",
            "greater",
            "greater_equal",
            "less",
            "less_equal",
            "equal",
            "not_equal",
            "sign_of_det",
            "shares_of_largest",
            "shares_of_smallest",
        ),
        *("logical_and", "logical_or", "logical_xor", "logical_not", "isnan", "isinf", "isfinite", "signbit"),
        *("floor", "ceil", "trunc", "rint", "round", "floor_divide", "any", "all", "count_nonzero", "one_hot"),
        *("argmax", "argmin", "argsort", "searchsorted", "bitwise_and", "bitwise_or", "bitwise_xor"),
        *("bitwise_invert", "bitwise_left_shift", "bitwise_right_shift", "beyond_rounding"),
    }
