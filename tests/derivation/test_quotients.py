"""Derivatives beside differences: what agrees, what differs, kinks, and where a complex step applies."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core.term import symbol
from chainrule.derivation.typed.quotients import compared, complex_step
from chainrule.expression import parse


def comparison(text, derivative, place=(), **values):
    parsed = parse(text)
    term = parsed.run({name: symbol(name, np.shape(x)) for name, x in values.items()})
    return compared(parsed.run, values, "x", place, derivative, term)


def imaginary(text, place=(), **values):
    term = parse(text).run({name: symbol(name, np.shape(x)) for name, x in values.items()})
    return complex_step(term, values, "x", place)


RIGHT = [
    ("x**3", 2.0, 12.0),
    ("exp(x)", 30.0, np.exp(30.0)),
    ("sin(1000000*x)", 0.3, 1e6 * float(mpmath.cos(mpmath.mpf(0.3) * 1000000))),
    ("log(x)", 1e-8, 1e8),
    ("x**2 + 1000000", 1.0, 2.0),
    ("abs(x)", 1e-7, 1.0),
    ("abs(x)", 1e-9, 1.0),
    ("abs(x)", -1e-12, -1.0),
    ("1 + relu(x)", 1e-9, 1.0),
    ("sin(x)", 1e8, float(mpmath.cos(mpmath.mpf(1e8)))),
    ("0*x", 1.0, 0.0),
    ("x**3", 0.0, 0.0),
    ("where(x > 0, x**2, 3*x)", 2.0, 4.0),
    ("1/x", 1e6, -1e-12),
]


@pytest.mark.parametrize(("text", "x", "derivative"), RIGHT)
def test_right_derivatives_agree(text, x, derivative):
    assert comparison(text, derivative, x=x).verdict == "agrees"


@given(
    at=st.floats(0.2, 3), which=st.sampled_from(["x**3", "exp(x)", "log(x)*x", "sin(x) + 2*x"]), off=st.floats(1e-4, 2)
)
def test_wrong_derivatives_differ(at, which, off):
    right = float(mpmath.diff(lambda x: {"x**3": x**3, "exp(x)": mpmath.exp(x), "log(x)*x": mpmath.log(x) * x,
                                         "sin(x) + 2*x": mpmath.sin(x) + 2 * x}[which], at))  # fmt: skip
    assert comparison(which, right, x=at).verdict == "agrees"
    # A tenth of the smallest error here is still far above what is allowed.
    assert comparison(which, right * (1 + off) + off, x=at).verdict == "differs"


def test_a_forgotten_factor_differs():
    assert comparison("sum((W @ x)**2)", 10.0, (0,), x=[1.0, 2.0], W=[[1.0, 2.0]]).verdict == "agrees"
    assert comparison("sum((W @ x)**2)", 5.0, (0,), x=[1.0, 2.0], W=[[1.0, 2.0]]).verdict == "differs"


@pytest.mark.parametrize(
    ("text", "sides", "within", "outside"),
    [("abs(x)", (-1, 1), 0.0, 1.5), ("relu(x)", (0, 1), 0.0, -0.5), ("maximum(2*x, -x)", (-1, 2), 0.5, 2.5)],
)
def test_a_kink_is_seen_and_its_slopes_are_measured(text, sides, within, outside):
    at_kink = comparison(text, within, x=0.0)
    assert at_kink.verdict == "kink"
    np.testing.assert_allclose(at_kink.worst.sides, sides, rtol=1e-6)
    assert at_kink.complex_step is None
    assert comparison(text, outside, x=0.0).verdict == "differs"


@pytest.mark.parametrize(("text", "x"), [("x**2", 0.0), ("x*abs(x)", 0.0), ("exp(20*x)", 0.5), ("softplus(30*x)", 0.0)])
def test_what_bends_is_no_kink(text, x):
    derivative = {"x**2": 0.0, "x*abs(x)": 0.0, "exp(20*x)": 20 * np.exp(10.0), "softplus(30*x)": 15.0}[text]
    found = comparison(text, derivative, x=x)
    assert found.worst.sides is None
    assert found.verdict == "agrees"


@pytest.mark.parametrize(
    ("text", "x", "derivative"),
    [("log(x)", -1.0, -1.0), ("sqrt(x)", 0.0, np.inf), ("2*x", np.inf, 2.0), ("2*x", np.nan, 2.0)],
)
def test_without_numbers_there_is_no_verdict(text, x, derivative):
    assert comparison(text, derivative, x=x).verdict == "no number"


def test_where_rounding_covers_the_differences_nothing_is_decided_but_by_a_complex_step():
    assert comparison("1e18 + abs(x)", 1.0, x=1.5).verdict == "undecided"
    assert comparison("1e18 + x", 1.0, x=1.5).verdict == "agrees"
    assert comparison("1e18 + x", 2.0, x=1.5).verdict == "undecided"


COMPLEX = [
    ("exp(sin(x))", 0.7, lambda x: mpmath.cos(x) * mpmath.exp(mpmath.sin(x))),
    ("x**2.5 / (1 + x)", 1.3, lambda x: mpmath.diff(lambda t: t**2.5 / (1 + t), x)),
    ("sigmoid(x)*tanh(x)", -0.4, lambda x: mpmath.diff(lambda t: mpmath.tanh(t) / (1 + mpmath.exp(-t)), x)),
]


@pytest.mark.parametrize(("text", "x", "exact"), COMPLEX)
def test_a_complex_step_is_exact(text, x, exact):
    # A few roundings of the unit, as in any direct computation of the derivative.
    assert float(imaginary(text, x=x)) == pytest.approx(float(exact(mpmath.mpf(x))), rel=2e-15)


def test_a_complex_step_in_matrices():
    A, b = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0])
    found = imaginary("sum(solve(x, b))", (0, 1), x=A, b=b)
    inverse = np.linalg.inv(A)
    assert float(found) == pytest.approx(-(inverse.sum(axis=0))[0] * (inverse @ b)[1], rel=1e-14)


@pytest.mark.parametrize(
    "text", ["abs(x)", "erf(x)", "softplus(x)", "log(abs(x))", "where(x > 0, erf(x), x)", "maximum(erf(x), 0)"]
)
def test_where_an_operation_has_no_complex_form_no_step_is_taken(text):
    assert imaginary(text, x=0.6) is None


def test_a_condition_does_not_stop_a_complex_step():
    assert float(imaginary("where(x > 0, x**2, abs(3))", x=2.0)) == 4.0


def test_determinants_have_no_complex_form_of_their_size():
    assert imaginary("logabsdet(x)", (0, 1), x=np.array([[2.0, 1.0], [1.0, 3.0]])) is None
