"""A branch that was not taken has no influence: rules that select pass nothing to it, not even of infinity or nan."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from oracles import RULES, places

import chainrule as cr
from chainrule import Tensor, Value
from chainrule.core import graph
from chainrule.core.forward import tangents_of
from chainrule.core.graph import between
from chainrule.core.operation import Pointwise, book
from chainrule.core.state import Quiet
from chainrule.core.term import Term, symbol

SELECTING = sorted(name for name in RULES if book[name].selects)
GRID = (-2.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0)
INFINITE = (np.inf, -np.inf, np.nan)


def moves(x, inputs):
    return isinstance(x, Term) and bool(between(inputs, [x]))


def is_piecewise_linear(rule):
    """Whether some local derivative depends on the inputs, and none moves with them: its zeros are branches."""
    inputs = [symbol(name) for name in rule.inputs] if not rule.variadic else [symbol(f"x{i}") for i in range(4)]
    out = symbol("out")
    settings = rule.complete(rule.examples[0])
    slopes = [rule.partial(i, out, inputs, settings) for i in places(rule)]
    return any(isinstance(slope, Term) for slope in slopes) and not any(moves(s, [*inputs, out]) for s in slopes)


@pytest.mark.parametrize("name", [name for name in RULES if isinstance(book[name], Pointwise) and places(book[name])])
def test_rules_that_select_are_the_piecewise_linear_ones(name):
    """A rule that is added later cannot forget to say that it selects."""
    assert book[name].selects == (is_piecewise_linear(book[name]) or name == "chosen")


def not_taken():
    """Every rule that selects, at points where it takes no notice of an input."""
    for name in SELECTING:
        rule = book[name]
        for given in rule.examples:
            settings = rule.complete(given)
            for point in itertools.product(GRID, repeat=len(rule.inputs)):
                inputs = [np.float64(x) for x in point]
                with Quiet():
                    out = rule.function(*inputs, **settings)
                    for i in places(rule):
                        if rule.partial(i, out, inputs, settings) == 0:
                            yield rule, i, point, settings


CASES = list(not_taken())


def test_every_rule_that_selects_is_looked_at():
    assert {rule.name for rule, *_ in CASES} == {*SELECTING} - {"leaky_relu"}
    assert {"abs", "chosen", "clip", "maximum", "minimum", "relu", "where"} <= {*SELECTING}


@pytest.mark.parametrize("g", INFINITE)
def test_arrays_get_nothing(g):
    for rule, i, point, settings in CASES:
        moving = [Tensor([x, x], requires_grad=k == i) for k, x in enumerate(point)]
        out = rule(*moving, **settings)
        what = f"{rule.name} in input {i} at {point}"
        for arriving in (np.full(2, g), np.full(2, g, np.float32)):
            (share,) = graph.gradients_of([out], [arriving], [moving[i]], record=False)
            np.testing.assert_array_equal(share, [0.0, 0.0], what)
        (share,) = graph.gradients_of([out], [Tensor([g, g])], [moving[i]], record=True)
        np.testing.assert_array_equal(share.data, [0.0, 0.0], what)
        (tangent,) = tangents_of([moving[i]], [np.full(2, g)], [out], record=False)
        np.testing.assert_array_equal(tangent, [0.0, 0.0], what)
        # Through a gradient that nobody else holds, which rules compute in.
        (out * np.array([g, 1.0])).sum().backward()
        np.testing.assert_array_equal(moving[i].grad.data, [0.0, 0.0], what)


@pytest.mark.parametrize("g", INFINITE)
def test_values_get_nothing(g):
    for rule, i, point, settings in CASES:
        if i == 0 and rule.name == "where":
            continue
        inputs = [Value(x) if k == i else x for k, x in enumerate(point)]
        out = rule(*inputs, **settings)
        what = f"{rule.name} in input {i} at {point}"
        (out * g).backward()
        assert inputs[i].grad == 0.0, what
        (share,) = graph.gradients_of([out], [Value(g)], [inputs[i]], record=True)
        assert float(share) == 0.0, what
        (tangent,) = tangents_of([inputs[i]], [g], [out], record=False)
        assert tangent == 0.0, what
        assert out.share(0, g) == 0.0


AFTER = {
    "relu": (lambda x: cr.sqrt(cr.relu(x)), -1.0),
    "relu at 0": (lambda x: cr.sqrt(cr.relu(x)), 0.0),
    "where": (lambda x: cr.log(cr.where(x > 0, x, 0.0)), -1.0),
    "clip": (lambda x: cr.sqrt(cr.clip(x, 0.0, 1.0)), -1.0),
    "maximum": (lambda x: cr.sqrt(cr.maximum(x, 0.0)), -1.0),
    "minimum": (lambda x: cr.log(cr.minimum(x, 0.0)), 2.0),
    "abs": (lambda x: cr.sqrt(cr.abs(x)), 0.0),
    "leaky_relu": (lambda x: cr.sqrt(cr.leaky_relu(x, slope=0.0)), -1.0),
    "hardswish": (lambda x: cr.sqrt(cr.hardswish(x)), -4.0),
    "relu6": (lambda x: cr.sqrt(cr.relu6(x)), -1.0),
    "hardsigmoid": (lambda x: cr.sqrt(cr.hardsigmoid(x)), -4.0),
}
"""Where a step after the choice is infinitely steep: the derivative is 0."""

BEFORE = {
    "relu": (lambda x: cr.relu(cr.log(x)), 0.0),
    "where": (lambda x: cr.where(x > 0, cr.log(x), x), 1.0),
    "where in where": (lambda x: cr.where(x > 1, 1 / x, cr.where(x > 0, cr.log(x), -x)), -1.0),
    "clip": (lambda x: cr.clip(cr.log(x), -5.0, 5.0), 0.0),
    "maximum": (lambda x: cr.maximum(cr.log(x), 2 * x - 5.0), 2.0),
    "minimum": (lambda x: cr.minimum(3 * x, 1 / x), 3.0),
}
"""Where a step before the choice is infinitely steep at 0, which forward mode meets first, and the derivative."""


@pytest.mark.parametrize("case", AFTER)
def test_infinite_neighbours_in_reverse(case):
    f, x = AFTER[case]
    assert cr.grad(f)(x) == 0.0
    assert cr.grad(f)(Value(x)).data == 0.0
    v = Value(x)
    f(v).backward()
    assert v.grad == 0.0
    whole = np.array([x, 4.0])
    assert cr.grad(lambda x: cr.sum(f(x)))(whole)[0] == 0.0
    t = Tensor(whole, requires_grad=True)
    f(t).sum().backward()
    assert t.grad.data[0] == 0.0


@pytest.mark.parametrize("case", AFTER)
def test_infinite_neighbours_after_the_choice_in_forward_mode(case):
    """In numbers the tangent of a branch that was not taken is a 0 like any other; here it meets no slope."""
    f, x = AFTER[case]
    assert cr.jvp(f, (x,), (1.0,))[1] == 0.0
    assert cr.jvp(f, (Value(x),), (Value(1.0),))[1].data == 0.0
    assert cr.jacfwd(f)(x) == 0.0
    whole = np.array([x, 4.0])
    right = np.array([0.0, cr.grad(f)(4.0)])
    np.testing.assert_allclose(cr.jvp(f, (whole,), (np.ones(2),))[1], right, rtol=1e-15)
    np.testing.assert_allclose(cr.jacfwd(lambda x: cr.sum(f(x)))(whole), right, rtol=1e-15)
    if case not in ("abs", "relu at 0"):
        for second in (cr.jacfwd(cr.jacfwd(f)), cr.grad(cr.jacfwd(f)), cr.jacfwd(cr.grad(f))):
            assert second(x) == 0.0
        assert cr.jacfwd(cr.jacfwd(cr.jacfwd(f)))(x) == 0.0


STANDING = {
    "a sum of entries": lambda x: cr.sqrt(cr.sum(cr.relu(x))),
    "a list": lambda x: cr.sqrt(cr.sum([cr.relu(x), cr.relu(2 * x)])),
    "a pad": lambda x: cr.sum(cr.sqrt(cr.pad(cr.relu(x), 1))),
    "a product": lambda x: cr.sum(cr.sqrt(cr.relu(x) * 3.0)),
    "a matrix product": lambda x: cr.sum(cr.sqrt(cr.relu(x) @ np.ones((2, 2)))),
    "two choices": lambda x: cr.sum(cr.log(cr.relu(x) + cr.clip(x, 0.0, 9.0))),
    "a fused node": lambda x: cr.sum(cr.sqrt(cr.squared_error(cr.relu(x), np.zeros(2), scale=1.0))),
    "the largest": lambda x: cr.sqrt(cr.max(cr.relu(x))),
    "a stack": lambda x: cr.sum(cr.sqrt(cr.stack([cr.relu(x), x * x + 1.0]))[0]),
    "places": lambda x: cr.sum(cr.sqrt(cr.relu(x)[np.array([0, 0, 1])])),
}
"""What stands still goes on standing still through operations of every kind."""


@pytest.mark.parametrize("case", STANDING)
def test_both_modes_agree_on_what_stands_still(case):
    f, x = STANDING[case], np.array([-1.0, -1.0])
    np.testing.assert_array_equal(cr.jacfwd(f)(x), cr.jacrev(f)(x))
    assert np.isfinite(cr.jacfwd(f)(x)).all()
    np.testing.assert_array_equal(cr.hessian(f)(x), cr.jacfwd(cr.jacfwd(f))(x))


def test_zeros_that_are_numbers_meet_the_slope():
    """A tangent that is 0, a factor that is 0: 0 times infinity is nan, as in PyTorch and JAX."""
    assert np.isnan(cr.jvp(cr.sqrt, (0.0,), (0.0,))[1])
    assert np.isnan(cr.jvp(lambda x: cr.sqrt(0.0 * x), (2.0,), (1.0,))[1])
    assert np.isnan(cr.jvp(lambda x: cr.sqrt(x * x), (0.0,), (1.0,))[1])
    assert np.isnan(cr.jvp(lambda x: cr.relu(x) * cr.log(-x), (np.nan,), (1.0,))[1])


def test_an_argument_that_does_not_move_has_no_influence():
    """Column by column, the other arguments stand still, whatever their slopes."""
    f = lambda x, y: cr.sqrt(x) * y + y * y  # noqa: E731
    assert cr.jacfwd(f, (0, 1))(0.0, 1.0) == (np.inf, 2.0)
    assert cr.jacfwd(lambda x, y: x + cr.sqrt(y), (0, 1))(1.0, 0.0) == (1.0, np.inf)
    assert cr.jacrev(lambda x, y: (x, cr.sqrt(y)), (0, 1))(1.0, 0.0) == ((1.0, 0.0), (0.0, np.inf))


@pytest.mark.parametrize("case", BEFORE)
def test_infinite_neighbours_in_forward(case):
    f, right = BEFORE[case]
    assert cr.jvp(f, (0.0,), (1.0,))[1] == right
    assert cr.jvp(f, (Value(0.0),), (Value(1.0),))[1].data == right
    np.testing.assert_array_equal(cr.jvp(f, (np.zeros(2),), (np.ones(2),))[1], [right, right])
    assert cr.jacobian(f, mode="forward")(0.0) == right


@pytest.mark.parametrize("case", sorted({*AFTER} - {"abs", "relu at 0"}))
def test_second_and_third_order_of_infinite_neighbours(case):
    """Where a neighbour has no derivative, what passes a branch that was not taken is 0 at every order."""
    f, x = AFTER[case]
    assert cr.grad(cr.grad(f))(x) == 0.0
    assert cr.hessian(f)(x) == 0.0
    assert cr.grad(cr.grad(cr.grad(f)))(x) == 0.0
    np.testing.assert_array_equal(cr.hessian(lambda x: cr.sum(f(x)))(np.array([x, x])), np.zeros((2, 2)))


def test_the_double_where_trap_stays_nan():
    """What is 0 times infinity further up the chain is nan, as in PyTorch and JAX: it is no choice of this branch."""
    trap = lambda x: cr.where(x > 0, cr.sqrt(x * 0.0 + x), 0.0 * cr.sqrt(x))  # noqa: E731
    assert np.isnan(cr.grad(trap)(0.0))
    v = Value(0.0)
    (0.0 * v.sqrt()).backward()
    assert np.isnan(v.grad)
    assert np.isnan(cr.grad(lambda x: cr.sqrt(x) * 0.0)(0.0))
    assert np.isnan(cr.grad(lambda x: cr.sqrt(x * x))(0.0))


def test_a_users_comparison_selects_without_saying_so():
    @cr.pointwise(r"\operatorname{hard}\left({x}\right)", partials=(lambda out, x: cr.abs(x) < 1.0,))
    def hard_tanh_of_a_test(x):
        """Flat outside of (-1, 1)."""
        return np.clip(x, -1.0, 1.0)

    try:
        f = lambda x: cr.sqrt(1.0 - hard_tanh_of_a_test(x))  # noqa: E731
        for x in (2.0, np.array(2.0)):
            assert cr.grad(f)(x) == 0.0
            assert cr.grad(cr.grad(f))(x) == 0.0
        assert cr.jvp(lambda x: hard_tanh_of_a_test(cr.log(x)), (0.0,), (1.0,))[1] == 0.0
        v = Value(2.0)
        f(v).backward()
        assert v.grad == 0.0
    finally:
        del book["hard_tanh_of_a_test"]


@pytest.mark.parametrize("dialect", ["chain", "paths", "graph", "jacobian"])
def test_explanations_say_what_was_not_taken(dialect):
    x = Value(-1.0, label="x")
    told = cr.explain(cr.sqrt(cr.relu(x)) + cr.sqrt(cr.abs(x + 1.0)), wrt=[x], dialect=dialect).plain(detail="full")
    assert "nan" not in told
    assert "a branch that was not taken" in told


def test_written_source_selects():
    from chainrule.codegen import write_rule

    for name in ("relu", "where", "clip", "maximum", "abs"):
        rule = book[name]
        point = (False, 2.0, 2.0) if name == "where" else (0.0, 1.0)[: len(rule.inputs)]
        given = {"a_min": 0.5, "a_max": 1.0} if name == "clip" else {}
        space: dict = {}
        exec(write_rule(rule, *[np.full(2, x) for x in point], **given), space)  # the text is the book's own
        inputs = [np.full(2, x) for x in point]
        with Quiet():
            shares = space["backward"](np.full(2, np.inf), space["forward"](*inputs), *inputs)
        np.testing.assert_array_equal(shares[places(rule)[0]], [0.0, 0.0], name)
