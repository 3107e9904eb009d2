"""Symbolic derivatives: against the published forms, PyTorch and differences; closed Jacobians; what is refused."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from latex2mathml.converter import convert

import chainrule as cr
from chainrule.core.term import Term, replay, symbol
from chainrule.derivation.symbolic import derivative as symbolic
from chainrule.derivation.symbolic import verified
from chainrule.derivation.symbolic.derivative import derivative
from chainrule.errors import ChainruleError, FormulaError, GraphError, ShapeError
from chainrule.expression import parse
from chainrule.maths import unicode
from chainrule.maths.of_terms import constant
from chainrule.maths.values import value
from chainrule.rewrite import operations

SHAPES = {
    "W": (3, 2),
    "x": (2,),
    "b": (3,),
    "y": (3,),
    "X": (4, 3),
    "w": (3,),
    "v": (4,),
    "Y": (4, 2),
    "A": (3, 3),
    "B": (3, 3),
    "V": (3, 2),
    "u": (2,),
    "C": (2, 3),
    "S": (3, 3),
}

SCALARS = [
    ("x**3 - 3*x**2 + 2*x + 1", "3*x**2 - 6*x + 2"),
    ("(x + 1)*(x - 1)", "2*x"),
    ("(x**2 + 1)**3", "6*x*(x**2 + 1)**2"),
    ("x/(1 + x)", "1/(x + 1)**2"),
    ("1/x", "-1/x**2"),
    ("sqrt(x)", "1/(2*sqrt(x))"),
    ("sqrt(1 + x**2)", "x/sqrt(x**2 + 1)"),
    ("x*log(x)", "log(x) + 1"),
    ("log(x)/x", "(1 - log(x))/x**2"),
    ("log(x + sqrt(x**2 + 1))", "1/sqrt(x**2 + 1)"),
    ("exp(-x**2/2)", "-x*exp(-x**2/2)"),
    ("x*exp(x)", "exp(x)*(x + 1)"),
    ("sin(x)*cos(x)", "cos(x)**2 - sin(x)**2"),
    ("sin(x)**2", "2*cos(x)*sin(x)"),
    ("cos(3*x)", "-3*sin(3*x)"),
    ("tan(x)", "tan(x)**2 + 1"),
    ("atan(x)", "1/(x**2 + 1)"),
    ("asin(x)", "1/sqrt(1 - x**2)"),
    ("sinh(x)", "cosh(x)"),
    ("tanh(x)", "1 - tanh(x)**2"),
    ("tanh(x)**2/2", "tanh(x)*(1 - tanh(x)**2)"),
    ("sigmoid(x)", "sigmoid(x)*(1 - sigmoid(x))"),
    ("1/(1 + exp(-x))", "sigmoid(x)*(1 - sigmoid(x))"),
    ("log(1 + exp(x))", "sigmoid(x)"),
    ("log(sigmoid(x))", "sigmoid(-x)"),
    ("x**y", "where(equal(y, 0.0), 0.0, y*x**(y - 1))"),
    ("a*x**2 + b*x + c", "2*a*x + b"),
    ("(y - w*x)**2", "-2*w*(y - w*x)"),
    ("-y*log(sigmoid(w*x)) - (1 - y)*log(1 - sigmoid(w*x))", "w*(sigmoid(w*x) - y)"),
    ("relu(x)**2", "2*relu(x)*greater(x, 0)"),
    ("abs(x)", "sign(x)"),
    ("where(x > 0, x**2, 0)", "2*x*greater(x, 0)"),
    ("erf(x)", "1.1283791670955126*exp(-x**2)"),
]

ARRAYS = [
    ("sum((W @ x + b - y)**2)", "W", "2*outer(W @ x + b - y, x)"),
    ("sum((W @ x + b - y)**2)", "x", "2*(W.T @ (W @ x + b - y))"),
    ("sum((W @ x + b - y)**2)", "b", "2*(W @ x + b - y)"),
    ("sum((X @ w - v)**2)/2 + l*(w @ w)", "w", "X.T @ (X @ w - v) + 2*l*w"),
    ("mean((X @ w - v)**2)", "w", "0.5*(X.T @ (X @ w - v))"),
    ("norm(X @ w - v)", "w", "X.T @ (X @ w - v)/norm(X @ w - v)"),
    ("norm(X @ w - v)**2", "w", "2*(X.T @ (X @ w - v))"),
    ("sum(log(1 + exp(-v*(X @ w))))", "w", "-(X.T @ (v*sigmoid(-(v*(X @ w)))))"),
    ("log(1 + exp(-t*(w @ y)))", "w", "-t*sigmoid(-t*(w @ y))*y"),
    ("-sum(Y*log_softmax(X @ V))", "V", "X.T @ (softmax(X @ V)*sum(Y, axis=1, keepdims=True) - Y)"),
    ("logsumexp(y)", "y", "softmax(y)"),
    ("logsumexp(W @ x)", "x", "W.T @ softmax(W @ x)"),
    ("logsumexp(y) - y[0]", "y", "softmax(y) - eye(3)[0]"),
    ("softmax(y)[0]", "y", "softmax(y)*(eye(3)[0] - softmax(y)[0])"),
    ("sum(softmax(y)*w)", "y", "softmax(y)*(w - softmax(y) @ w)"),
    ("sum(sigmoid(W @ x))", "x", "W.T @ (sigmoid(W @ x)*(1 - sigmoid(W @ x)))"),
    ("sum(tanh(W @ x + b)*y)", "W", "outer(y*(1 - tanh(W @ x + b)**2), x)"),
    ("sum(relu(W @ x))", "W", "outer(greater(W @ x, 0), x)"),
    ("y @ A @ w", "A", "outer(y, w)"),
    ("exp(y @ w)", "y", "exp(y @ w)*w"),
    ("exp(-(y @ A @ y)/2)", "A", "-exp(-(y @ A @ y)/2)/2*outer(y, y)"),
    ("log(y @ w)", "y", "w/(y @ w)"),
    ("(y @ w)/(y @ y)", "y", "(w - 2*(y @ w)/(y @ y)*y)/(y @ y)"),
    ("(y @ A @ y)/(y @ y)", "y", "((A + A.T) @ y - 2*(y @ A @ y)/(y @ y)*y)/(y @ y)"),
    ("logabsdet(A) - trace(S @ A)", "A", "inv(A).T - S.T"),
    ("logabsdet(A @ A.T)", "A", "2*inv(A).T"),
    ("sum((A @ B - S)**2)", "A", "2*((A @ B - S) @ B.T)"),
    ("sum((A @ B - S)**2)", "B", "2*(A.T @ (A @ B - S))"),
    ("sum(W*V)", "W", "V"),
    ("sum(abs(y))", "y", "sign(y)"),
    ("var(y)", "y", "2/3*(y - mean(y))"),
    ("sum(outer(b, x)*W)", "W", "outer(b, x)"),
    ("y @ solve(A, w)", "w", "solve(A.T, y)"),
    ("sum(y*log(y))", "y", "log(y) + 1"),
    ("sum(y)**2", "y", "broadcast_to(2*sum(y), shape=(3,))"),
    ("y[0]*y[1]", "y", "y[1]*eye(3)[0] + y[0]*eye(3)[1]"),
]

TORCH = [
    ("sum((W @ x + b - y)**2)", "W", lambda torch, W, x, b, y: torch.sum((W @ x + b - y) ** 2)),
    ("-sum(Y*log_softmax(X @ V))", "V", lambda torch, Y, X, V: -torch.sum(Y * torch.log_softmax(X @ V, -1))),
    ("logabsdet(A) - trace(S @ A)", "A", lambda torch, A, S: torch.logdet(A) - torch.trace(S @ A)),
    ("(y @ A @ y)/(y @ y)", "y", lambda torch, y, A: (y @ A @ y) / (y @ y)),
    ("y @ inv(A) @ w", "A", lambda torch, y, A, w: y @ torch.linalg.inv(A) @ w),
]

JACOBIANS = [
    ("A @ y", "y", "A"),
    ("A.T @ y", "y", "A.T"),
    ("sin(y)", "y", "diag(cos(y))"),
    ("y*w", "y", "diag(w)"),
    ("sigmoid(W @ x + b)", "x", "diag(sigmoid(W @ x + b)*(1 - sigmoid(W @ x + b))) @ W"),
    ("softmax(y)", "y", "diag(softmax(y)) - outer(softmax(y), softmax(y))"),
    ("y*(y @ w)", "y", "(w @ y)*eye(3) + outer(y, w)"),
    ("solve(A, y)", "y", "inv(A)"),
    ("y[0:2]", "y", "eye(3)[0:2]"),
    ("y - mean(y)", "y", "eye(3) - 1/3"),
]

HESSIANS = [
    ("y @ A @ y", "y", "A + A.T"),
    ("sum((X @ w - v)**2)", "w", "2*(X.T @ X)"),
    ("sum(exp(y))", "y", "diag(exp(y))"),
    ("logsumexp(y)", "y", "diag(softmax(y)) - outer(softmax(y), softmax(y))"),
    ("log(1 + exp(-t*(w @ y)))", "w", "t**2*sigmoid(t*(w @ y))*sigmoid(-t*(w @ y))*outer(y, y)"),
]


def shapes_in(text, shapes=SHAPES):
    return {name: shapes.get(name, ()) for name in parse(text).names}


def at_random(shapes, seed=3):
    rng = np.random.default_rng(seed)
    found = {name: rng.uniform(0.2, 0.9, shape) for name, shape in shapes.items()}
    return {name: x + 3 * np.eye(len(x)) if x.ndim == 2 and len(x) == len(x.T) else x for name, x in found.items()}


def check(text, wrt, published, shapes, order=1):
    found = derivative(text, wrt, shapes=shapes, order=order)
    at = at_random(shapes_in(text, shapes))
    ours = found(**at)
    theirs = np.asarray(parse(published).run(at))
    # A few dozen operations on numbers of size one to a hundred.
    np.testing.assert_allclose(ours, np.broadcast_to(theirs, np.shape(ours)), rtol=1e-11, atol=1e-11)
    symbols = {name: symbol(name, shape) for name, shape in shapes_in(text, shapes).items()}
    cost = operations(parse(published).run(symbols))
    if order == 1:
        assert all(a <= b for a, b in zip(found.operations, cost, strict=True)), (found.text, found.operations, cost)
    rendered = convert(found.latex)
    assert "\\" not in rendered
    return found


@pytest.mark.parametrize(("text", "published"), SCALARS, ids=[text for text, _ in SCALARS])
def test_scalars(text, published):
    check(text, "x", published, {})


@pytest.mark.parametrize(("text", "wrt", "published"), ARRAYS, ids=[f"{text} in {wrt}" for text, wrt, _ in ARRAYS])
def test_arrays(text, wrt, published):
    check(text, wrt, published, SHAPES)


@pytest.mark.parametrize(("text", "wrt", "published"), JACOBIANS, ids=[text for text, *_ in JACOBIANS])
def test_jacobians(text, wrt, published):
    found = check(text, wrt, published, SHAPES)
    at = at_random(shapes_in(text))
    by_engine = cr.jacobian(lambda x: parse(text).run({**at, wrt: x}))(at[wrt])
    np.testing.assert_allclose(found(**at), by_engine, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("text", "wrt", "published"), HESSIANS, ids=[text for text, *_ in HESSIANS])
def test_hessians(text, wrt, published):
    check(text, wrt, published, SHAPES, order=2)


@pytest.mark.parametrize(("text", "wrt", "theirs"), TORCH, ids=[text for text, *_ in TORCH])
def test_torch_agrees(text, wrt, theirs):
    torch = pytest.importorskip("torch")
    at = at_random(shapes_in(text))
    tensors = {name: torch.tensor(x, requires_grad=name == wrt) for name, x in at.items()}
    out = theirs(torch, **tensors)
    out.backward()
    found = derivative(text, wrt, shapes=SHAPES)(**at)
    np.testing.assert_allclose(found, tensors[wrt].grad.numpy(), rtol=1e-12, atol=1e-12)


def test_there_are_enough_expressions():
    assert len(SCALARS) + len(ARRAYS) >= 60


def test_what_the_examples_print():
    assert str(derivative("x**3 - 3*x**2 + 2*x + 1", "x")) == "3*x**2 - 6*x + 2"
    found = derivative("sum((W @ x + b - y)**2)", "W", shapes=SHAPES)
    assert found.text == "2*outer(W @ x + b - y, x)"
    assert found.latex == r"2 \left(W \, x + b - y\right) \, x^{\top}"
    assert found._repr_latex_() == f"${found.latex}$"
    assert repr(found) == "<derivative in W: 2*outer(W @ x + b - y, x)>"
    assert found.operations == (5, 6 + 3 + 3 + 6 + 6)


def test_steps_name_the_rules_in_backward_order():
    steps = derivative("x**3 - 3*x**2 + 2*x + 1", "x").steps
    rules = [step for step in steps if step.rule != "simplification"]
    assert [step.rule for step in rules] == ["add", "add", "mul", "sub", "mul", "pow", "pow"]
    assert [step.formula for step in rules if step.rule == "pow"] == [r"2 x", r"3 x^{2}"]
    assert all(step.intuition == str(cr.book[step.rule].__doc__).strip() for step in rules)
    assert any("numbers alone" in step.intuition for step in steps if step.rule == "simplification")
    of_product = [step for step in derivative("sum((W @ x)**2)", "W", shapes=SHAPES).steps if step.rule == "matmul"]
    assert [(step.of, step.formula) for step in of_product] == [(r"W \, x", r"g \, x^{\top}")]


def test_terms_and_functions_give_the_same():
    w, x = symbol("w", (3,)), symbol("x", (3,))
    by_term = derivative(cr.sum(cr.square(w * x)), w)
    by_name = derivative(cr.sum(cr.square(w * x)), "w")
    by_function = derivative(lambda w, x: cr.sum(cr.square(w * x)), "w", shapes={"w": 3, "x": 3})
    by_text = derivative("sum(square(w*x))", "w", shapes={"w": (3,), "x": [3]})
    assert by_term.term is by_name.term is by_function.term is by_text.term


def test_shapes_come_from_values_too():
    found = derivative("w @ x", "w", values={"w": np.ones(3), "x": np.arange(3.0)})
    assert found.text == "x"
    np.testing.assert_array_equal(found(), [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(found(x=np.ones(3)), np.ones(3))


def test_higher_orders_of_a_number():
    assert str(derivative("x**5", "x", order=3)) == "60*x**2"
    assert str(derivative("sin(x)", "x", order=2)) == "-sin(x)"
    assert str(derivative("log(1 + exp(x))", "x", order=2)) == "sigmoid(x)*(1 - sigmoid(x))"
    assert str(derivative("3*x", "x", order=2)) == "0"


def test_numerator_layout_is_the_transpose():
    row = derivative("w @ x", "w", shapes={"w": 3, "x": 3}, layout="numerator")
    assert row.term.shape == (1, 3)
    assert row.latex == r"x^{\top}"
    matrix = derivative("trace(A @ W)", "W", shapes={"A": (2, 3), "W": (3, 2)}, layout="numerator")
    assert matrix.text == "A"
    assert derivative("A @ x", "x", shapes={"A": (2, 3), "x": 3}, layout="numerator").text == "A"


def test_what_does_not_move_has_derivative_zero():
    assert str(derivative("0*x + y", "x")) == "0"
    np.testing.assert_array_equal(derivative("sign(w) @ w*0", "w", shapes={"w": 2})(w=np.ones(2)), np.zeros(2))


REFUSED = [
    (lambda: derivative("x**2", "z"), GraphError, "z does not occur in the formula; its names are x"),
    (lambda: derivative("x +", "x"), FormulaError, "missing"),
    (lambda: derivative("x", "x", layout="upright"), GraphError, "layout"),
    (lambda: derivative("x", "x", order=0), GraphError, "order"),
    (lambda: derivative("inv(A)", "A", shapes=SHAPES), GraphError, r"cr\.jacobian"),
    (lambda: derivative("trace(A @ A)", "A", shapes=SHAPES, order=2), GraphError, r"cr\.hessian"),
    (lambda: derivative("cumprod(y)", "y", shapes={"y": 9}), GraphError, r"take cr\.jacobian"),
    (lambda: derivative("log(-1 - x**2)", "x"), GraphError, "no point"),
    (lambda: derivative(cast(Any, 3), "x"), GraphError, "text, a term or a function"),
    (lambda: derivative("w", "w", shapes={"w": (0,)}), ShapeError, "positive whole numbers"),
    (lambda: derivative("x*y", "x")(x=1.0), GraphError, "y has no value"),
    (lambda: derivative("x*x", "x")(x=np.ones(2)), ShapeError, r"\(2,\)"),
]


@pytest.mark.parametrize(("ask", "error", "message"), REFUSED)
def test_refusals(ask, error, message):
    with pytest.raises(error, match=message):
        ask()


@pytest.mark.parametrize("wrong", [lambda term: 1.0001 * term, lambda term: term + 1e-4])
def test_a_wrong_result_never_gets_out(monkeypatch, wrong):
    right = symbolic.in_closed_form

    def slightly_wrong(*asked):
        form = right(*asked)
        return form._replace(term=wrong(form.term))

    monkeypatch.setattr(symbolic, "in_closed_form", slightly_wrong)
    with pytest.raises(ChainruleError, match="internal error, please report it"):
        derivative("sum((W @ x + b - y)**2)", "W", shapes=SHAPES)


def test_differences_alone_catch_a_rule_that_is_wrong_everywhere(monkeypatch):
    monkeypatch.setattr(verified, "engine", lambda function, shape, order: lambda x: np.asarray(3.0 * x * x + 0.01))
    x = symbol("x")
    with pytest.raises(ChainruleError, match=r"internal error.*differences"):
        verified.verify(lambda at: at["x"] ** 3, {"x": x}, x, 3 * x * x + 0.01, (), 1, {})


@pytest.mark.parametrize(
    ("text", "wrt"),
    [
        ("softmax(y - w) @ (A.T @ w - sum(w)*w)", "w"),
        ("sin((A @ y) @ softmax(y))", "y"),
        ("trace(inv(outer(y, w) + 9*A) @ A)/(2 + norm(y)**2)", "y"),
    ],
)
def test_sums_of_vectors_and_repeated_numbers(text, wrt):
    found = derivative(text, wrt, shapes=SHAPES)
    assert found.term.shape == (3,)
    assert found.operations.count > 0


def test_the_result_is_a_term_that_records():
    found = derivative("x**3", "x")
    assert isinstance(found.term, Term)
    x = cr.Tensor(2.0, requires_grad=True)
    replay([found.term], {symbol("x"): x})[0].backward()
    assert x.grad is not None
    assert float(x.grad) == 12.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x**x", "x**x + x**x*log(x)"),
        ("(x + 1)**n*(x + 1)", "(x + 1)**n + where(n == 0, 0, (x + 1)**n*n)"),
        ("x**x/x**x", "0"),
        ("maximum(x, x)*y", "y"),
    ],
)
def test_powers_of_one_base_are_one_power(text, expected):
    assert str(derivative(text, "x")) == expected


def test_jacobians_of_means_and_running_sums_are_written_as_books_do():
    centred = derivative("x - mean(x)", "x", shapes={"x": (3,)})
    assert unicode(centred.tree) == "𝐈 − 𝟏 𝟏ᵀ/3"
    running = derivative("cumsum(x**2)", "x", shapes={"x": (3,)})
    assert np.array_equal(running(x=np.array([1.0, 2.0, 3.0])), np.array([[2, 0, 0], [2, 4, 0], [2, 4, 6]]))
    for matrix in (np.eye(3) - 1 / 3, 2 * np.eye(4) + 1, 1 - np.eye(3), np.diag([1.0, 2, 3]) + 1, np.ones((3, 3))):
        assert np.allclose(value(constant(matrix), {}), matrix, rtol=1e-15)
