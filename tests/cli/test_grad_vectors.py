"""`chainrule grad` of vectors: typed lists, Jacobians, directions, weights; and undefined points in words."""

from __future__ import annotations

import json

import numpy as np
import pytest


def lines(typed, *words):
    done = typed("grad", *words, "--format", "text")
    assert done.code == 0, done.err
    return done.out


def test_a_list_has_a_jacobian_in_symbols_and_numbers(typed):
    out = lines(typed, "[x**2*y, sin(x)]", "x=1", "y=2")
    assert "J = ⎡2x · y  x²⎤ = ⎡       4  1⎤" in out
    assert "a row for each entry of f; columns: x, y" in out
    out = lines(typed, "[x**2*y, sin(x)]", "x:scalar", "y:scalar")
    assert "J = ⎡2x · y  x²⎤" in out
    found = json.loads(typed("grad", "[x**2*y, sin(x)]", "x=1", "y=2", "--wrt", "x", "--json").out)
    assert np.allclose(found["gradient"], [4.0, np.cos(1.0)])


def test_lists_of_lists_are_matrices(typed):
    assert "∂f/∂x = ⎡a  b⎤ = ⎡1  2⎤" in lines(typed, "[[a, b], [b, a]] @ x", "a=1", "b=2", "x=[3,4]", "--wrt", "x")
    assert "f = det" in lines(typed, "det([[a, b], [c, d]])", "a=1", "b=2", "c=3", "d=5")


def test_lists_stand_in_lines(typed):
    out = lines(typed, "h = [w1*x, w2*x]; L = sum(h**2)", "w1=1", "w2=2", "x=3")
    assert "∂L/∂h = 2h" in out
    assert "∂L/∂w₁ = x · ∂L/∂h[0] = 18" in out


def test_rows_of_a_vector_in_a_vector(typed):
    out = lines(typed, "[sum(x), x[0]**2]", "x=[1,2]")
    assert "⎡1  1⎤" in out
    assert "⎣2  0⎦" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["x**2*y", "x=1", "y=2", "--direction", "x=3 y=4"], "∂f/∂v = ∂f/∂x · 3 + ∂f/∂y · 4 = 4 · 3 + 1 · 4 = 16"),
        (["x**2*y", "x=1", "y=2", "--direction", "x=3 y=4"], "v has length 5; for each unit of it f moves by 3.2."),
        (["sum(x**2)", "x=[1,2]", "--direction", "x=[3, 4]"], "= 22"),
        (["A @ x", "A=[[1,2],[3,4]]", "x=[1,1]", "--wrt", "x", "--direction", "x=[3,4]"], "= ⎡11⎤"),
        (["A @ x", "A=[[1,2],[3,4]]", "x=[1,1]", "--wrt", "x", "--weights", "[1,1]"], "= ⎡4⎤"),
        (["[x**2*y, sin(x)]", "x=1", "y=2", "--weights", "[1, 2]"], "[1, 2] ∂f/∂y = [1, 2] ⎡1⎤ = 1"),
    ],
)
def test_products_with_the_derivative(typed, words, told):
    assert told in lines(typed, *words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["x**2*y", "x=1", "y=2", "--direction", "z=3"], "the formula has no z"),
        (["x**2*y", "x=1", "y=2", "--direction", "x=[1,2]"], "has its shape, a number"),
        (["x**2*y", "x=1", "y=2", "--weights", "[1]"], "weights are for the entries of a vector"),
        (["[x, y]", "x=1", "y=2", "--weights", "[1]"], "one weight for each entry"),
        (["[x, y]", "x:scalar", "y=2", "--direction", "y=1"], "add x="),
        (["[x, [1, 2]]", "x=1"], "one shape"),
        (["[]", "x=1"], "this list is empty"),
        (["x, y", "x=1", "y=2"], "several in a list"),
        (["w*x", "w=1,5", "x=2"], "decimals have a point, as 1.5"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(typed, words, told):
    done = typed("grad", *words)
    assert done.code != 0
    assert told in done.err
    assert "^" in done.err


def test_several_numbers_have_a_direction_of_steepest_rise(typed):
    assert "f rises fastest along (0.97, 0.243), by 4.12311" in lines(typed, "x**2*y", "x=1", "y=2")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["x/x", "x=0"], "x/x is 0/0 here"),
        (["x**-1", "x=0"], "divides by 0 here"),
        (["1/x", "x=0"], "divides by 0 here"),
        (["log(x)", "x=-1"], "ln(x) is not defined at x = −1"),
        (["exp(x)", "x=1000"], "too large for a number at x = 1000"),
        (["atan2(y, x)", "x=0", "y=0"], "is 0/0 here"),
        (["sqrt(x)", "x=0"], "divides by 0 here"),
        (["where(x > 0, sqrt(x), 0)", "x=0"], "sqrt(where(c, x, 1))"),
        (["where(x > 0, log(x), 0)", "x=0"], "a branch that was not taken"),
        (["norm(x - y)", "x=[1,2]", "y=[1,2]"], "by convention, since (x − y)/‖x − y‖ is 0/0 here"),
        (["a**x", "a=0", "x=2"], "by convention, since ln(a) is not defined at a = 0"),
        (["std(x)", "x=[2,2,2]"], "by convention"),
        (["det(A)", "A=[[1,2],[2,4]]"], "from the cofactors, since A⁻¹ does not exist here: the matrix is singular"),
        (["log_softmax(z + b)[0]", "z=[1,2,3]", "b=1", "--wrt", "b"], "0 by invariance"),
        (["norm(s*x)/s", "x=[3,4]", "s=2", "--wrt", "s"], "0 by invariance"),
        (["sigmoid(x)", "x=1000"], "The gradient is 0 because"),
        (["relu(x)", "x=0"], "f has a kink here, and its slope is taken as 0, by convention."),
        (["max(x)", "x=[2,2,1]"], "0.5"),
        (["sum(sort(x)*w)", "x=[2,2,1]", "w=[1,2,3]", "--wrt", "x"], "sort(x) has a kink here"),
        (["h = max(x*w); h**2", "x=[1,2]", "w=3"], "∂f/∂h = 2h = 12"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_points_that_need_words(typed, words, told):
    out = lines(typed, *words)
    assert told in out.replace("\n", " ")
    assert len(out.splitlines()) <= 12
    assert "nan" not in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["expm1(x) + 1", "x=1"], "= eˣ = 2.71828"),
        (["abs(x)**2", "x=-3"], "= 2x = −6"),
        (["2**x", "x=3"], "= 2ˣ · ln(2) = 5.54518"),
        (["std(x)", "x=[1,2,4]"], "mean(x)"),
        (["sum(softmax(z))", "z=[1,2]"], "= ⎡0⎤"),
    ],
)
def test_slopes_as_books_have_them(typed, words, told):
    out = lines(typed, *words)
    assert told in out
    assert "keepdims" not in out
