"""Terms on paper: text that reads back as the same term, LaTeX that renders, and neither longer than a page."""

from __future__ import annotations

import numpy as np
import pytest
from latex2mathml.converter import convert

import chainrule as cr
from chainrule.core.term import constant, symbol
from chainrule.errors import GraphError
from chainrule.expression import parse
from chainrule.maths import latex, plain
from chainrule.maths.of_terms import tree_of_term

SHAPES = {"A": (3, 3), "B": (3, 3), "W": (2, 3), "x": (3,), "y": (3,), "s": (), "t": (), "alpha": (), "x1": ()}

BOTH = [
    ("s + t - 2", r"s + t - 2"),
    ("s - (t - 2)", r"s - \left(t - 2\right)"),
    ("s*t*2", r"s \cdot t \cdot 2"),
    ("2*s", r"2 s"),
    ("-2*s", r"-2 s"),
    ("-(s*t)", r"-s \cdot t"),
    ("-s*t", r"-s \cdot t"),
    ("s/t/2", r"\frac{\frac{s}{t}}{2}"),
    ("2/3*s", r"\frac{2}{3} s"),
    ("s**2", r"s^{2}"),
    ("(-s)**2", r"\left(-s\right)^{2}"),
    ("-s**2", r"-s^{2}"),
    ("(s**t)**2", r"\left(s^{t}\right)^{2}"),
    ("s**t**2", r"s^{t^{2}}"),
    ("s**-1", r"s^{-1}"),
    ("2**s", r"2^{s}"),
    ("alpha*x1", r"\alpha \cdot x_{1}"),
    ("exp(-s**2/2)", r"e^{\frac{-s^{2}}{2}}"),
    ("A @ x", r"A \, x"),
    ("A.T @ x", r"A^{\top} \, x"),
    ("(A + B) @ x", r"\left(A + B\right) \, x"),
    ("A @ B @ x", r"A \, B \, x"),
    ("A @ (B @ x)", r"A \, B \, x"),
    ("(s*A) @ x", r"s \, A \, x"),
    ("2*(A @ x)", r"2 A \, x"),
    ("(A @ x)*y", r"A \, x \odot y"),
    ("A @ (x*y)", r"A \, \left(x \odot y\right)"),
    ("outer(x*y, x)", r"\left(x \odot y\right) \, x^{\top}"),
    ("(x @ y)*x", r"\left(x^{\top} \, y\right) \, x"),
    ("s*(x @ y)*x", r"s \, \left(x^{\top} \, y\right) \, x"),
    ("(x @ x)*x", r"\left\lVert x\right\rVert^{2} \, x"),
    ("x @ (s*(x*y))", r"x^{\top} \, s \, \left(x \odot y\right)"),
    ("x @ y", r"x^{\top} \, y"),
    ("x @ x", r"\left\lVert x\right\rVert^{2}"),
    ("x @ A @ y", r"x^{\top} \, A \, y"),
    ("x @ (A @ y)", r"x^{\top} \, A \, y"),
    ("outer(x, y)", r"x \, y^{\top}"),
    ("2*outer(W @ x, y)", r"2 W \, x \, y^{\top}"),
    ("x*y", r"x \odot y"),
    ("x/y", r"x \oslash y"),
    ("x/s", r"\frac{x}{s}"),
    ("s*x", r"s \, x"),
    ("x**2", r"x^{\odot 2}"),
    ("inv(A).T", r"A^{-\top}"),
    ("inv(A) @ x", r"A^{-1} \, x"),
    ("solve(A, x)", r"A^{-1} \, x"),
    ("det(A)*inv(A).T", r"\det\left(A\right) \, A^{-\top}"),
    ("logabsdet(A)", r"\ln\left\lvert \det\left(A\right)\right\rvert"),
    ("trace(A @ B)", r"\operatorname{tr}\left(A \, B\right)"),
    ("diag(x) @ A", r"\operatorname{diag}\left(x\right) \, A"),
    ("diag(A)", r"\operatorname{diag}\left(A\right)"),
    ("norm(x)", r"\left\lVert x\right\rVert"),
    ("sqrt(x @ x)", r"\left\lVert x\right\rVert"),
    ("(x @ x)**1.5", r"\left\lVert x\right\rVert^{3}"),
    ("norm(A)", r"\left\lVert A\right\rVert_{\mathrm{F}}"),
    ("softmax(x)", r"\operatorname{softmax}\left(x\right)"),
    ("softmax(A, axis=0)", r"\operatorname{softmax}_{\mathrm{axis} = 0}\left(A\right)"),
    ("logsumexp(x)", r"\operatorname{logsumexp}\left(x\right)"),
    ("sum(A)", r"\sum A"),
    ("sum(A, axis=1)", r"A \, \mathbf{1}"),
    ("sum(A, axis=0)", r"A^{\top} \, \mathbf{1}"),
    ("reshape(x, shape=(3, 1))*A", r"x \, \mathbf{1}^{\top} \odot A"),
    ("A*x", r"A \odot \mathbf{1} \, x^{\top}"),
    ("where(s > 0, s, 0)", r"\begin{cases} s & \text{if } s > 0 \\ 0 & \text{else} \end{cases}"),
    ("1.0*(s > 0)*t", r"\left[s > 0\right] \cdot t"),
    ("x[0]", r"x[0]"),
    ("A[:, 1:]", r"A[\mathrm{:}, \mathrm{1:}]"),
    ("broadcast_to(s, shape=(3,))", r"s \, \mathbf{1}"),
    ("s*eye(3)[1]", r"s \, \mathbf{e}_{2}"),
    ("leaky_relu(s, slope=0.2)", r"\operatorname{leaky\,relu}_{0.2}\left(s\right)"),
]
UNREAD = {"s*eye(3)[1]"}
"""`parse` makes other terms of these: a row of the identity is what stands among zeros."""


def latex_of(term):
    return latex(tree_of_term(term))


def text_of(term):
    return plain(tree_of_term(term))


def term_of(text):
    names = {name: symbol(name, shape) for name, shape in SHAPES.items()}
    if text in UNREAD:
        return cr.scatter(names["s"], key=1, shape=(3,))
    return parse(text).run(names)


@pytest.mark.parametrize(("text", "latex"), BOTH, ids=[text for text, _ in BOTH])
def test_both_ways(text, latex):
    term = term_of(text)
    written = text_of(term)
    assert written == text
    if text not in UNREAD:
        assert term_of(written) is term
    assert latex_of(term) == latex
    assert latex.count("{") == latex.count("}")
    assert "\\" not in convert(latex)


def test_constants():
    assert text_of(constant(np.eye(2))) == "eye(2)"
    assert latex_of(constant(np.eye(2))) == r"\mathbf{I}"
    assert text_of(constant([1.0, 2.5])) == "array([1.0, 2.5])"
    assert text_of(constant(2.0)) == "2"
    assert text_of(3) == "3"
    assert latex_of(0.5) == "0.5"


def test_a_relation_is_one_or_zero():
    assert latex_of(symbol("s") > 0) == r"\left[s > 0\right]"


def test_what_is_shared_is_written_out_up_to_a_page():
    x = symbol("s")
    for _ in range(200):
        x = cr.sin(x) * x
    for writer in (text_of, latex_of):
        with pytest.raises(GraphError, match="too long to be read"):
            writer(x)


def test_what_is_nested_deeper_than_anybody_reads_is_refused():
    x = symbol("s")
    for _ in range(100):
        x = cr.neg(x)
    assert text_of(x) == "-" * 100 + "s"
    for _ in range(3_000):
        x = cr.neg(x)
    with pytest.raises(GraphError, match="too long to be read"):
        text_of(x)
