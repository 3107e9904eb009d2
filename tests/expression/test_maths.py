"""Formulas that are read back come to what the engine says, in LaTeX, in plain text and in Unicode."""

from __future__ import annotations

import ast
import operator
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from latex2mathml.converter import convert

import chainrule as cr
from chainrule.core.operation import Pointwise
from chainrule.derivation.proof import Show
from chainrule.errors import ChainruleError
from chainrule.expression import Formula, derivative_of, formula_of
from chainrule.expression.formula import as_formula
from chainrule.expression.maths.as_ascii import ascii_of
from chainrule.expression.maths.as_unicode import beside, sides_of, unicode_of
from chainrule.expression.maths.reader import DEPTH, read
from chainrule.expression.maths.signs import ACCENTS, PRODUCTS, RELATIONS, SYMBOLS
from chainrule.expression.maths.value import magnitude_of, value_of
from chainrule.expression.names import latex_name

RULES = sorted(name for name, rule in cr.book.items() if rule.__module__.startswith("chainrule."))

OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def run(text, names=()):
    """Plain text as Python would read it, worked out by a walk over its tree; floats as NumPy has them."""
    names = {"inf": np.float64(np.inf), "nan": np.float64(np.nan), "pi": np.float64(np.pi), **dict(names)}
    functions = {"norm": lambda x: np.sqrt(np.sum(x * x)), "inv": np.linalg.inv, "outer": np.outer}

    def walk(node):
        match node:
            case ast.Constant(value):
                return None if value is None else np.float64(value)
            case ast.Name(name):
                return names[name]
            case ast.List(parts):
                return np.array([walk(part) for part in parts])
            case ast.UnaryOp(sign, x):
                return OPERATORS[type(sign)](walk(x))
            case ast.BinOp(x, sign, y):
                return OPERATORS[type(sign)](walk(x), walk(y))
            case ast.Compare(x, [sign], [y]):
                return np.float64(OPERATORS[type(sign)](walk(x), walk(y)))
            case ast.Attribute(x, "T"):
                return walk(x).T
            case ast.Call(ast.Name(name), parts, keywords):
                function = functions.get(name) or cr.book[name]
                return function(*map(walk, parts), **{key.arg: walk(key.value) for key in keywords})
        raise AssertionError(ast.dump(node))

    with np.errstate(all="ignore"):
        return walk(ast.parse(text, mode="eval").body)


def close(x, y):
    """Equal up to rounding: the same operations on the same numbers, in another order at most."""
    return np.allclose(x, y, rtol=1e-12, atol=0, equal_nan=True)


# Rules whose templates are computed as they compute themselves, to the last place.
UNARY = [cr.neg, cr.abs, cr.exp, cr.log, cr.sqrt, cr.square, cr.reciprocal, cr.sin, cr.cos, cr.atan, cr.sinh]
UNARY += [cr.tanh, cr.sigmoid, cr.softplus, cr.relu, cr.erf, cr.silu, cr.sign]
BINARY = [cr.add, cr.sub, cr.mul, cr.div, cr.pow, cr.maximum, cr.minimum, cr.atan2, cr.book["greater"]]
LINEAR = {"neg", "sqrt", "square", "reciprocal", "add", "sub", "mul", "div"}

numbers = st.floats(-9, 9).map(lambda x: round(x, 2))


def trees(unary, binary):
    """Operations on operations on leaves, as nested tuples."""
    return st.recursive(
        st.integers(0, 3),
        lambda inner: st.tuples(st.sampled_from(unary), inner) | st.tuples(st.sampled_from(binary), inner, inner),
        max_leaves=8,
    )


def grown(tree, leaves):
    """The tree's operations run on its leaves, whatever these are."""
    if isinstance(tree, int):
        return leaves[tree]
    operation, *inputs = tree
    with np.errstate(all="ignore"):
        out = operation(*[grown(x, leaves) for x in inputs])
    return np.float64(out) if isinstance(out, np.bool_) else out


four = st.lists(numbers, min_size=4, max_size=4)


@given(trees(UNARY, BINARY), four)
def test_numbers_in_formulas_come_to_what_the_engine_says(tree, leaves):
    expected = grown(tree, [np.float64(x) for x in leaves])
    latex = str(as_formula(grown(tree, [as_formula(x) for x in leaves])))
    assert close(value_of(latex), expected)
    assert close(run(ascii_of(latex)), expected)


NAMES = ("w1", "yhat", "delta_2", "lambda_k")
WRITTEN = ("w1", "yhat", "delta2", "lambda_k")


@given(trees(UNARY, BINARY), four)
def test_symbols_in_plain_text_are_the_names_of_a_program(tree, leaves):
    latex = str(grown(tree, [Formula(latex_name(name)) for name in NAMES]))
    found = run(ascii_of(latex), dict(zip(WRITTEN, map(np.float64, leaves), strict=True)))
    assert close(found, grown(tree, [np.float64(x) for x in leaves]))


HALVES = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4)}
SMALL = {"⁰": "0", "¹": "1", "²": "2", "³": "3", "⁻": "-"}


@given(trees([x for x in UNARY if x.name in LINEAR], [x for x in BINARY if x.name in LINEAR]), four)
def test_unicode_says_the_same(tree, leaves):
    latex = str(as_formula(grown(tree, [as_formula(x) for x in leaves])))
    text = unicode_of(latex).replace("·", "*").replace("−", "-")
    text = re.sub("[⁰¹²³⁻]+", lambda found: "**" + "".join(map(SMALL.get, found[0])), text)
    text = re.sub(r"√(\d[\d.]*)", r"sqrt(\1)", text).replace("√(", "sqrt(")
    text = re.sub("[½⅓⅔¼¾]", lambda found: "({:.0f}/{:.0f})".format(*HALVES[found[0]]), text)
    with np.errstate(all="ignore"):
        assert close(run(text), value_of(latex))


@st.composite
def matrix_products(draw):
    """LaTeX of a product of matrices, transposes, elementwise products and sums, with its array."""
    shape = [draw(st.integers(1, 3)) for _ in range(2)]
    show = Show(17)

    def matrix(rows, columns):
        entry = st.floats(-1e3, 1e3, allow_subnormal=False)
        array = np.array(draw(st.lists(entry, min_size=rows * columns, max_size=rows * columns)))
        return show(array.reshape(rows, columns)), array.reshape(rows, columns)

    latex, array = matrix(*shape)
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["product", "beside", "transpose", "elementwise", "sum", "scale"]))
        rows, columns = array.shape
        if kind in ("product", "beside"):
            other, numbers = matrix(columns, draw(st.integers(1, 3)))
            sign = r"\," if kind == "product" else ""
            latex, array = rf"\left({latex}\right) {sign} {other}", array @ numbers
        elif kind == "transpose":
            latex, array = rf"\left({latex}\right)^{{\top}}", array.T
        elif kind == "scale":
            latex, array = rf"\left(-2\right) \cdot \left({latex}\right)", -2 * array
        else:
            other, numbers = matrix(rows, columns)
            product = kind == "elementwise"
            latex = rf"\left({latex}\right) \odot {other}" if product else rf"{other} + {latex}"
            array = array * numbers if product else numbers + array
    return latex, array


@given(matrix_products())
def test_matrices_come_to_what_numpy_says(made):
    latex, array = made
    scale = np.max(magnitude_of(latex))
    assert np.allclose(value_of(latex), array, rtol=1e-12, atol=1e-14 * scale)
    assert np.allclose(run(ascii_of(latex)), array, rtol=1e-12, atol=1e-14 * scale)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_read_in_all_ways(name):
    rule = cr.book[name]
    for settings in rule.examples:
        found = [formula_of(rule, **settings)]
        if isinstance(rule, Pointwise):
            found += [derivative_of(rule, i, **settings) for i in range(4 if rule.variadic else len(rule.inputs))]
        for latex in found:
            assert ascii_of(latex).isascii()
            assert "\\" not in unicode_of(latex) + ascii_of(latex)


@pytest.mark.parametrize("name", [n for n in RULES if isinstance(cr.book[n], Pointwise) and not cr.book[n].variadic])
def test_derivatives_of_rules_come_to_what_they_say(name):
    rule = cr.book[name]
    low, high = rule.domain
    shares = (0.375, 0.625, 0.5)[: len(rule.inputs)]
    point = [np.float64(x if low <= x <= high else low + x * (high - low)) for x in shares]
    for settings in rule.examples:
        settings = rule.complete(settings)
        out = rule.function(*point, **settings)
        for i in [i for i in range(len(point)) if rule.differentiable(i)]:
            written = rule.partial(i, rule(*map(as_formula, point), **settings), [*map(as_formula, point)], settings)
            latex = as_formula(written).enclosed()
            # Constants within a rule are printed in six digits.
            expected = pytest.approx(float(rule.partial(i, out, point, settings)), rel=1e-5, abs=1e-12)
            assert value_of(latex) == expected
            assert float(run(ascii_of(latex))) == expected


def test_a_prime_is_the_derivative_in_the_book():
    assert value_of(r"\sigma'\left(0\right)") == 0.25
    assert value_of(r"\tanh'\left(\begin{pmatrix} 0 & 0 \end{pmatrix}\right)").tolist() == [[1.0, 1.0]]


WAYS = [
    (r"w^{{l}}_{jk}", "w[l][j, k]", "wˡⱼₖ"),
    (r"\left(W^{{2}}\right)^{\top} \, \delta^{{2}}", "W[2].T @ delta[2]", "(W²)ᵀ δ²"),
    (r"a^{(1)}", "a[1]", "a⁽¹⁾"),
    (r"x_{1}^{2}", "x1**2", "x₁²"),
    (r"\frac{\partial L}{\partial w_{1}}", "dL/dw1", "∂L/∂w₁"),
    (r"2 \cdot \left(W \, x - y\right) \, x^{\top}", "2 * (W @ x - y) @ x.T", "2 · (W x − y) xᵀ"),
    (r"a \odot W \, x", "a * (W @ x)", "a ⊙ W x"),
    (r"\sum_{k} w_{jk} \cdot \delta_{k} + 1", "sum(w_jk * delta_k, k) + 1", "∑ₖ wⱼₖ · δₖ + 1"),
    (r"\left[z > 0\right] \cdot 2", "(z > 0) * 2", "[z > 0] · 2"),
    (r"\left\lVert x \right\rVert^{2}", "norm(x)**2", "‖x‖²"),
    (r"\frac{1}{2} \left|x\right|", "1/2 * abs(x)", "½ |x|"),
    (r"\frac{a + b}{c \cdot d}", "(a + b)/(c * d)", "(a + b)/(c · d)"),
    (r"\frac{a}{\frac{b}{-c}}", "a/(b/(-c))", "a/(b/(−c))"),
    (r"\frac{\frac{a}{b}}{c} \cdot \frac{-a}{b}", "a/b/c * -a/b", "(a/b)/c · −a/b"),
    (r"e^{-x \cdot x}", "exp(-x * x)", "e^(−x · x)"),
    (r"\mathit{e}^{2}", "e**2", "e²"),
    (r"x^{0.5}", "x**0.5", "x^0.5"),
    (r"\operatorname{leaky\,relu}_{0.1}\left(x\right)", "leaky_relu(x, slope=0.1)", "leaky relu_(0.1)(x)"),
    (r"\ln\left|x\right|", "log(abs(x))", "ln(|x|)"),
    (r"-1.5 \cdot 10^{-5}", "-1.5e-05", "−1.5·10⁻⁵"),
    (r"2 \cdot 10^{3}", "2e+03", "2·10³"),
    (r"x \approx \infty", "x ~= inf", "x ≈ ∞"),
    (r"w_{1}[3, 1]^{2}", "w1[3, 1]**2", "w₁[3, 1]²"),
    (r"\frac{1}{2} \sum x^{2}", "1/2 * sum(x**2)", "½ ∑ x²"),
    (r"x_{:, 1}", "x[:, 1]", "x_(:, 1)"),
    (r"\text{the other 774 together}", "the other 774 together", "the other 774 together"),
    (r"\left(\sum_{j} x_{j}\right) \cdot \nabla_{a} C", "sum(x_j, j) * grad(C, a)", "(∑ⱼ xⱼ) · ∇ₐC"),
    (r"\odot", "*", "⊙"),
    (r"\det\left(X\right) \, X^{-\top}", "det(X) * inv(X).T", "det(X) X⁻ᵀ"),
    (r"x^{\odot 2} \odot y", "x**2 * y", "x² ⊙ y"),
    (r"\left(A \, B\right)^{-\top} \, \mathbf{1}", "inv(A @ B).T @ ones", "(A B)⁻ᵀ 𝟏"),
    (r"\left\lVert X \right\rVert_{\mathrm{F}}^{2}", "norm(X)**2", "‖X‖_F²"),
    (r"\Delta w_{1}", "Delta_w1", "Δw₁"),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & -4 \end{pmatrix}", "[[1, 2], [3, -4]]", "[1 2; 3 −4]"),
]


@pytest.mark.parametrize(("latex", "plain", "signs"), WAYS)
def test_ways_to_write(latex, plain, signs):
    assert ascii_of(latex) == plain
    assert unicode_of(latex) == signs
    ElementTree.fromstring(convert(latex))


def test_matrices_stand_in_brackets():
    matrix, column = (Show(6)(np.array(x)) for x in ([[1, 2], [3, -10]], [1, 2]))
    sides = sides_of(rf"y = \left({matrix} - x\right)^{{\top}} \, {column}")
    assert "\n".join(beside(*sides).lines) == "y= ⎛⎡1    2⎤ − x⎞ᵀ ⎡1⎤\n   ⎝⎣3  −10⎦    ⎠  ⎣2⎦"


def test_powers_of_matrices():
    matrix = r"\begin{pmatrix} 1 & 2 \\ 3 & 5 \end{pmatrix}"
    array = np.array([[1.0, 2.0], [3.0, 5.0]])
    ways = {
        "2": array**2,
        r"\odot 2": array**2,
        "-1": np.linalg.inv(array),
        r"-\top": np.linalg.inv(array).T,
        r"\odot -1": 1 / array,
        r"\top": array.T,
    }
    for script, expected in ways.items():
        latex = f"{matrix}^{{{script}}}"
        assert close(value_of(latex), expected)
        assert close(run(ascii_of(latex)), expected)
    assert value_of(rf"\left\lVert {matrix} \right\rVert_{{\mathrm{{F}}}}^{{2}}") == pytest.approx(39, rel=1e-15)


def test_long_formulas_are_flat_and_deep_ones_refused():
    terms = r" + ".join([rf"\left(-{k}\right) \cdot 2" for k in range(1000)])
    assert value_of(terms) == -999000
    assert run(ascii_of(" + ".join(["1"] * 500))) == 500
    assert unicode_of(terms).count("·") == 1000
    deep = DEPTH - 2
    nested = r"\left(1 + " * deep + "1" + r"\right)" * deep
    assert value_of(nested) == run(ascii_of(nested).replace("(1 + ", "").replace(")", "") + f"+ {deep}") == deep + 1
    assert magnitude_of(nested) == deep + 1
    assert unicode_of(nested).count("(") == deep
    for opening, closing in ((r"\left(", r"\right)"), ("x^{", "}"), (r"\frac{1}{", "}"), (r"\sqrt{", "}"), ("{", "}")):
        with pytest.raises(ChainruleError, match=r"more than 60 brackets.*give its parts names"):
            read(opening * 5000 + "1" + closing * 5000)


@given(st.text("\\{}^_()|[]xe12+-=,&' ", max_size=20) | st.text(max_size=10))
def test_any_text_is_read_or_refused(text):
    try:
        tree = read(text)
    except ChainruleError:
        return
    assert isinstance(ascii_of(text), str)
    assert isinstance(unicode_of(text), str)
    assert tree == read(text)


RAGGED = r"\begin{pmatrix} 1 \\ 2 & 3 \end{pmatrix}"


@pytest.mark.parametrize(
    "latex", [r"\input{x}", r"x^{2}^{3}", "1 +", r"\left(1", RAGGED, r"\begin{array} 1 \end{array}", ""]
)
def test_what_is_no_formula_is_an_internal_error(latex):
    with pytest.raises(ChainruleError, match="internal error, please report it"):
        read(latex)


def test_every_sign_is_known_to_latex2mathml():
    for command in [*SYMBOLS, *RELATIONS, *PRODUCTS]:
        text = "".join(ElementTree.fromstring(convert(rf"x {command} y")).itertext())
        assert "\\" not in text, command
    for accent in ACCENTS:
        ElementTree.fromstring(convert(rf"{accent}{{x}}"))


@example("\\mathrm")
@given(st.text(max_size=15))
def test_any_label_is_a_name(label):
    latex = latex_name(label)
    assert unicode_of(latex) is not None
    assert ascii_of(latex).isascii()
    ElementTree.fromstring(convert(latex))
    assert value_of(r"\frac{2}{1}") == 2


SCRIPTED = [
    (r"z^{{1}}", r"\left(z^{{1}}\right)^{2}", r"\left(z^{{1}}\right)_{0}"),
    ("w_{1}", "w_{1}^{2}", r"\left(w_{1}\right)_{0}"),
    (r"\hat{y}", r"\hat{y}^{2}", r"\hat{y}_{0}"),
    (r"\mathtt{a\_b}", r"\mathtt{a\_b}^{2}", r"\mathtt{a\_b}_{0}"),
]


@pytest.mark.parametrize(("symbol", "squared", "first"), SCRIPTED)
def test_no_symbol_has_two_scripts_at_one_place(symbol, squared, first):
    assert str(Formula(symbol) ** 2) == squared
    assert str(cr.book["index"](Formula(symbol), key=0)) == first
    for latex in (squared, first):
        read(latex)
