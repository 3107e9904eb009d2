"""Formulas of every rule and every partial render; parentheses stand where they must and nowhere else."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from latex2mathml.converter import convert

import chainrule as cr
from chainrule.core.operation import Pointwise
from chainrule.errors import GraphError
from chainrule.expression import Formula, derivative_of, formula_of
from chainrule.expression.formula import as_formula, symbol
from chainrule.expression.template import NEGATIVE

RULES = sorted(name for name, rule in cr.book.items() if rule.__module__.startswith("chainrule."))
POINTWISE = [name for name in RULES if isinstance(cr.book[name], Pointwise)]


def rendered(latex):
    """The MathML of a formula as a tree; braces and delimiters must balance, and nothing may be left unread."""
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\left") == latex.count(r"\right")
    tree = ElementTree.fromstring(convert(latex))
    assert tree.tag.endswith("math")
    text = "".join(tree.itertext())
    assert text.strip()
    assert "\\" not in text
    assert "{" not in text
    return text


@pytest.mark.parametrize("name", RULES)
def test_forward_renders(name):
    operation = cr.book[name]
    for settings in operation.examples:
        latex = formula_of(operation, **settings)
        rendered(latex)
        names = ["u", "v", "w"][: len(operation.inputs)]
        if not operation.variadic:
            text = rendered(formula_of(operation, *names, **settings))
            assert all(name in text for name in names)


@pytest.mark.parametrize("name", POINTWISE)
def test_partials_render(name):
    operation = cr.book[name]
    count = 4 if operation.variadic else len(operation.inputs)
    for settings in operation.examples:
        for i in range(count):
            latex = derivative_of(operation, i, **settings)
            rendered(latex)
            assert (latex == "0") == (not operation.differentiable(i))


@pytest.mark.parametrize("name", RULES)
def test_forward_of_sums_and_products_renders(name):
    operation = cr.book[name]
    a, b = Formula("a"), Formula("b")
    inputs = [a + b, -(a * b), a**2, a - b][: 4 if operation.variadic else len(operation.inputs)]
    for settings in operation.examples:
        rendered(str(operation(*inputs, **settings)))


x, y, z = Formula("x"), Formula("y"), Formula("z")

WRITTEN = [
    (x + y, "x + y"),
    (x + (y + z), "x + y + z"),
    (x - (y + z), r"x - \left(y + z\right)"),
    (x - (y - z), r"x - \left(y - z\right)"),
    ((x - y) - z, "x - y - z"),
    (x - y * z, r"x - y \cdot z"),
    ((x + y) * z, r"\left(x + y\right) \cdot z"),
    (x * (y - z), r"x \cdot \left(y - z\right)"),
    (x * y * z, r"x \cdot y \cdot z"),
    (-x, "-x"),
    (-(x + y), r"-\left(x + y\right)"),
    (-(x * y), r"-x \cdot y"),
    (-Formula("-x", NEGATIVE), r"-\left(-x\right)"),
    (x + -y, r"x + \left(-y\right)"),
    (x - -y, r"x - \left(-y\right)"),
    (x * -y, r"x \cdot \left(-y\right)"),
    (-x * y, r"-x \cdot y"),
    (-x + y, "-x + y"),
    ((-x * y) ** 2, r"\left(-x \cdot y\right)^{2}"),
    (x + -2 * y, r"x + \left(-2 \cdot y\right)"),
    ((x + y) / (x - y), r"\frac{x + y}{x - y}"),
    ((x / y) ** 2, r"\left(\frac{x}{y}\right)^{2}"),
    (x / y / z, r"\frac{\frac{x}{y}}{z}"),
    ((x * y) ** (x + 1), r"\left(x \cdot y\right)^{x + 1}"),
    ((x**y) ** z, r"\left(x^{y}\right)^{z}"),
    (x ** (y**z), r"x^{y^{z}}"),
    ((-x) ** 2, r"\left(-x\right)^{2}"),
    ((-2.0) ** x, r"\left(-2\right)^{x}"),
    (2 * x, r"2 \cdot x"),
    (x * -2, r"x \cdot \left(-2\right)"),
    (1 - x, "1 - x"),
    (2 / x, r"\frac{2}{x}"),
    (2**x, r"2^{x}"),
    (np.float64(0.5) * x, r"0.5 \cdot x"),
    (np.exp(-x * x), r"e^{-x \cdot x}"),
    (np.exp(x) ** 2, r"\left(e^{x}\right)^{2}"),
    (abs(x - y), r"\left|x - y\right|"),
    (cr.sqrt(x + y) * z, r"\sqrt{x + y} \cdot z"),
    (cr.expm1(x) * y, r"\left(e^{x} - 1\right) \cdot y"),
    (cr.expm1(x) - cr.expm1(y), r"e^{x} - 1 - \left(e^{y} - 1\right)"),
    (cr.log1p(x + y), r"\ln\left(1 + x + y\right)"),
    (cr.tanh(x) * cr.tanh(x), r"\tanh\left(x\right) \cdot \tanh\left(x\right)"),
    ((x > y) * z, r"\left[x > y\right] \cdot z"),
    (1 + (x <= y), r"1 + \left[x \le y\right]"),
    (cr.where(x > 0, x, 0), r"\operatorname{where}\left(x > 0, x, 0\right)"),
    (x @ (y + z), r"x \, \left(y + z\right)"),
    (cr.affine(x, y, z), r"x \, y^{\top} + z"),
    (cr.transpose(x + y), r"\left(x + y\right)^{\top}"),
    (cr.squared_error(x, y, scale=0.5), r"0.5 \left\lVert x - y \right\rVert^{2}"),
    (cr.squared_error(x, y, scale=-2.0), r"-2 \left\lVert x - y \right\rVert^{2}"),
    (z * cr.squared_error(x, y, scale=-2.0), r"z \cdot \left(-2 \left\lVert x - y \right\rVert^{2}\right)"),
    (cr.book["sum"](x + y), r"\sum \left(x + y\right)"),
    (cr.book["sum"](x * y) * z, r"\left(\sum x \cdot y\right) \cdot z"),
    (cr.identity(x + y) * z, r"\left(x + y\right) \cdot z"),
    (cr.index(x, key=(0, slice(1, None))), "x_{0, 1:}"),
    (cr.index(x + y, key=2), r"\left(x + y\right)_{2}"),
    (cr.book["sum_of"](x, -y, x * y), r"x + \left(-y\right) + x \cdot y"),
    (cr.book["dot_of"](x, y, x + y, z), r"x \cdot \left(x + y\right) + y \cdot z"),
    (cr.book["dot_of"](x, y), r"x \cdot y"),
    (cr.book["concatenate"](x, y + z, axis=0), r"\left[x, y + z\right]"),
    (cr.leaky_relu(x, slope=0.2), r"\operatorname{leaky\,relu}_{0.2}\left(x\right)"),
    (cr.clip(x, -1.0, None), r"\operatorname{clip}\left(x, -1, \text{none}\right)"),
    (cr.reciprocal(x + y), r"\frac{1}{x + y}"),
]


@pytest.mark.parametrize(("formula", "latex"), WRITTEN, ids=[latex for _, latex in WRITTEN])
def test_parentheses(formula, latex):
    assert str(formula) == latex
    rendered(latex)


PARTIALS = [
    ("mul", 0, "y"),
    ("sub", 1, "-1"),
    ("div", 1, r"-\frac{\frac{x}{y}}{y}"),
    ("pow", 0, r"y \cdot x^{y - 1}"),
    ("sigmoid", 0, r"\sigma\left(x\right) \cdot \left(1 - \sigma\left(x\right)\right)"),
    ("tan", 0, r"1 + \tan\left(x\right) \cdot \tan\left(x\right)"),
    ("acos", 0, r"\frac{-1}{\sqrt{1 - x \cdot x}}"),
    ("relu", 0, r"\left[x > 0\right]"),
    ("maximum", 1, r"\left[y > x\right] + 0.5 \cdot \left[x = y\right]"),
    ("erfc", 0, r"-1.12838 \cdot e^{-x \cdot x}"),
    ("where", 0, "0"),
    ("dot_of", 1, "y_{2}"),
]


@pytest.mark.parametrize(("name", "i", "latex"), PARTIALS, ids=[f"{name} {i}" for name, i, _ in PARTIALS])
def test_partials_as_written(name, i, latex):
    assert derivative_of(cr.book[name], i) == latex


NUMBERS = [
    (3, "3"),
    (np.int64(-3), "-3"),
    (2.0, "2"),
    (0.1 + 0.2, "0.3"),
    (2 / 3, "0.666667"),
    (1e-5, "10^{-5}"),
    (-1e-5, "-10^{-5}"),
    (2.5e10, r"2.5 \cdot 10^{10}"),
    (np.inf, r"\infty"),
    (-np.inf, r"-\infty"),
    (np.nan, r"\text{nan}"),
    (True, "1"),
    (None, r"\text{none}"),
    ((2, 3), r"\left(2, 3\right)"),
    ([0, 2], r"\left[0, 2\right]"),
    (np.array([0.5, 1.0]), r"\left[0.5, 1\right]"),
    (slice(None, None, 2), "::2"),
    (np.float32, r"\text{float32}"),
]


@pytest.mark.parametrize(("number", "latex"), NUMBERS, ids=[latex for _, latex in NUMBERS])
def test_numbers_are_short(number, latex):
    assert str(as_formula(number)) == latex
    rendered(latex)


def test_names():
    assert str(symbol("w1")) == "w_{1}"
    assert str(symbol("x_12")) == "x_{12}"
    assert str(symbol("rate")) == r"\mathit{rate}"
    assert str(symbol(r"\hat{y}")) == r"\hat{y}"
    assert repr(Formula("x")) == "Formula('x')"


def test_a_rule_of_ones_own(monkeypatch):
    monkeypatch.setattr("chainrule.core.operation.book", dict(cr.book))

    @cr.pointwise(r"\operatorname{x} {x} \left({y} + {rate} {x}\right)", partials=(lambda out, x, y, rate: x, None))
    def peculiar(x, y, *, rate):
        """A template with a word that is also a name, and products without a sign."""
        return x * (y + rate * x)

    assert formula_of(peculiar, "a", "b", rate=3) == r"\operatorname{x} a \left(b + 3 a\right)"
    summed = str(peculiar(x + y, z, rate=-1.5))
    assert summed == r"\operatorname{x} \left(x + y\right) \left(z + \left(-1.5\right) \left(x + y\right)\right)"


def test_whole_arrays_have_no_entrywise_derivative():
    with pytest.raises(GraphError, match="matmul works on whole arrays"):
        derivative_of(cr.book["matmul"], 0)
