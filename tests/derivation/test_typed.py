"""Formulas that are given to `explain` as text."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import chainrule as cr
from chainrule.cli.app import app
from chainrule.core.graph import gradients_of
from chainrule.derivation.record import Equation
from chainrule.errors import FormulaError, GraphError, ShapeError
from chainrule.expression import read_assignments
from chainrule.maths import Derivative, Symbol, unicode
from chainrule.maths.values import value

NET = "h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2"
VALUES = {"x": 2.0, "w1": 2.0, "w2": 0.5, "y": 20.0}


def test_a_text_is_explained_as_the_command_line_has_it():
    found = cr.explain(NET, "w1", values=VALUES)
    assert found.gradient == -18.0
    given = [f"{name}={x}" for name, x in VALUES.items()]
    typed = CliRunner().invoke(app, ["grad", NET, *given, "--wrt", "w1", "--json"])
    assert typed.exit_code == 0
    assert json.loads(typed.stdout) == json.loads(found.json())


def test_shapes_alone_give_the_formula():
    assert "df_dW = 2*outer(W @ x, x)" in str(cr.explain("sum((W @ x)**2)", "W", shapes={"W": (3, 2), "x": 2}))


LINES = "h = concatenate([u, x]); a = tanh(W @ h + b); p = softmax(V @ a); L = -log(p[1])"
SHAPES = {"u": (1,), "x": (2,), "W": (3, 3), "b": (3,), "V": (2, 3)}


def test_lines_without_numbers_are_differentiated_from_line_to_line():
    told = cr.explain(LINES, ["W", "u"], shapes=SHAPES)
    draw = np.random.default_rng(0)
    nodes, loss = read_assignments(LINES).record({name: draw.normal(size=shape) for name, shape in SHAPES.items()})
    steps = [nodes[name] for name in (*SHAPES, "h", "a", "p")]
    slopes = [gradients_of([loss], [np.ones(())], [step], record=False)[0] for step in steps]
    letters = {step.label: Symbol(step.label, shape=step.shape) for step in (*steps, loss)}
    at = {letters[step.label]: np.asarray(step.data) for step in (*steps, loss)}
    at |= {Derivative(letters["L"], letters[x.label]): g for x, g in zip(steps, slopes, strict=True)}
    shown = [block.sides for block in told.short if isinstance(block, Equation)]
    assert [unicode(sides[0]) for sides in shown[-5:]] == ["∂L/∂p", "∂L/∂a", "∂L/∂h", "∂L/∂W", "∂L/∂u"]
    assert [unicode(sides[1]) for sides in shown[-3:]] == [
        "Wᵀ (∂L/∂a ⊙ (𝟏 − a⊙²))",
        "(∂L/∂a ⊙ (𝟏 − a⊙²)) hᵀ",
        "∂L/∂h[0:1]",
    ]
    for name, *formulas in shown:
        for formula in formulas:
            np.testing.assert_allclose(value(formula, at), at[name], rtol=1e-12, atol=1e-15)


def test_names_are_given_as_a_text_or_a_list_or_all_are_meant():
    values = {"x": 1.0, "y": 2.0}
    one, both, every = (str(cr.explain("x**2*y", wrt, values=values)) for wrt in ("y", ["x", "y"], None))
    assert "df_dx" not in one
    assert both == every
    assert "df_dx" in both


def test_an_entry_of_an_array_is_asked_for():
    found = cr.explain("sum(W * W)", "W[1, 0]", values={"W": [[1.0, 2.0], [3.0, 4.0]]})
    assert found.gradient == 6.0


def test_second_derivatives_a_check_a_direction_and_weights():
    values = {"x": 1.0, "y": 2.0}
    assert "H = array([[4.0, 2.0], [2.0, 0.0]])" in str(cr.explain("x**2*y", order=2, values=values))
    assert "In agreement: 2" in str(cr.explain("x**2*y", check=True, values=values))
    assert "df_dv = df_dx*2 + df_dy*-1" in str(cr.explain("x**2*y", direction={"x": 2, "y": -1}, values=values))
    assert "= 5" in str(cr.explain("[x**2*y, x]", "x", weights=np.array([1.0, 1.0]), values=values))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"values": {"q": 1.0}}, "the formula has no q: it has x, y"),
        ({"wrt": "z"}, "the formula has no z"),
        ({"direction": {"z": 1.0}}, "the formula has no z"),
        ({"direction": {"x": [1.0]}}, "a direction in x has its shape, a number"),
        ({"weights": [1.0]}, "weights are for the entries of a vector"),
        ({"values": {"x": 1.0}, "check": True}, "a check tells of numbers, and y has none"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked, said):
    with pytest.raises(FormulaError, match=said):
        cr.explain("x**2*y", **{"values": {"x": 1.0, "y": 2.0}, **asked})


def test_weights_need_the_vectors_shape():
    with pytest.raises(FormulaError, match="one weight for each entry"):
        cr.explain("[x, x]", values={"x": 1.0}, weights=[1.0])


@pytest.mark.parametrize("asked", [{"values": {}}, {"order": 2}, {"check": True}, {"weights": [1.0]}])
def test_what_is_for_texts_is_refused_beside_a_graph(asked):
    with pytest.raises(GraphError, match="given as text"):
        cr.explain(cr.Value(2.0) * 3.0, **asked)


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"order": 3}, GraphError, "order is 1 or 2, not 3"),
        ({"order": 0}, GraphError, "order is 1 or 2, not 0"),
        ({"shapes": {"x": (2.5, 3)}}, ShapeError, "a shape is a tuple of positive whole numbers"),
        ({"shapes": {"x": 0}}, ShapeError, "a shape is a tuple of positive whole numbers"),
        ({"shapes": {"x": "3x2"}}, ShapeError, "a shape is a tuple of positive whole numbers"),
        ({"shapes": {"y": 3}, "values": {"y": 2.0}}, FormulaError, "y is given twice, by a value and by a shape"),
    ],
)
def test_orders_and_shapes_that_are_none_are_refused(asked, error, said):
    with pytest.raises(error, match=said):
        cr.explain("x**2*y", **asked)


def test_the_largest_of_a_list_has_no_settings_in_its_derivative():
    found = cr.explain("max([x, y])", values={"x": 1.0, "y": 1.0})
    assert "∂f/∂x = ismax([x; y])[0] = 0.5" in found.text()
    assert "df_dx = shares_of_largest(array([x, y]))[0] = 0.5" in found.plain()


@pytest.mark.parametrize("text", ["slogdet(S)", "h = qr(S); h[0] @ S", "topk(S, k=1)"])
def test_of_several_results_one_is_asked_for(text):
    with pytest.raises(FormulaError, match="take one of them"):
        cr.explain(text, "S", values={"S": [[2.0, 1.0], [1.0, 3.0]]})


def test_the_logarithm_of_a_determinant_goes_by_its_usual_name():
    assert "ln|det(S)|" in cr.explain("logdet(S)", "S", shapes={"S": (2, 2)}).text()


def test_the_classes_of_a_batch_are_taken_from_its_probabilities():
    slope = cr.derivative("cross_entropy(X @ W, [0, 2])", "W", shapes={"X": (2, 2), "W": (2, 3)})
    assert str(slope) == "(X.T @ (softmax(X @ W) - array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])))/2"
    one = cr.explain("cross_entropy(z, [0])", shapes={"z": (1, 3)}).plain()
    assert "diag" not in one


def test_formulas_read_as_in_books():
    text = cr.explain("0.5*x.T @ A @ x + lam*sum(x**2)", "x", shapes={"x": (3,), "A": (3, 3)}).text()
    assert "f = 0.5xᵀ A x + λ · ∑ x⊙²" in text
    column = cr.explain("sum(x[:, None] * y[None])", "x", values={"x": [1.0, 2.0], "y": [3.0]})
    assert np.ravel(column.gradient).tolist() == [3.0, 3.0]


def test_what_is_asked_besides_second_derivatives_is_told_too():
    told = cr.explain("x**2*y", values={"x": 1.0, "y": 2.0}, direction={"x": 1.0}, order=2)
    assert "df_dv = df_dx*1 = 4*1 = 4" in told.plain()
    assert "∂²f/∂x² = 2𝐈" in cr.explain("x.T @ x", shapes={"x": (3,)}, order=2).text()


@pytest.mark.parametrize("text", ["max(x, 0)", "min(x*y, 1)", "max(x, y)"])
def test_the_larger_of_two_is_not_taken_for_an_axis(text):
    with pytest.raises(FormulaError, match="imum"):
        cr.explain(text, values={"x": 1.0, "y": 2.0})


def test_what_is_left_of_a_mean_along_an_axis_adds_up_to_nothing():
    shapes = {"X": (5, 3)}
    slope = cr.derivative("sum((X - mean(X, axis=0))**2)", "X", shapes=shapes)
    assert str(slope) == "2*X - 0.4*broadcast_to(sum(X, axis=0), shape=(5, 3))"


def test_the_gradient_of_a_bias_is_the_sum_of_the_errors():
    shapes = {"X": (5, 3), "W": (3, 2), "b": (2,), "Y": (5, 2)}
    assert str(cr.derivative("sum((X @ W + b - Y)**2)/5", "b", shapes=shapes)) == "0.4*sum(X @ W + b - Y, axis=0)"


def test_a_length_times_its_direction_is_the_vector():
    slope = cr.derivative("norm(x)**3", "x", shapes={"x": (3,)})
    assert str(slope) == "3*sqrt(x @ x)*x"
    np.testing.assert_array_equal(slope(x=np.zeros(3)), np.zeros(3))
