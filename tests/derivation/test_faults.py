"""What explanations once said that was false, each as a test of its kind."""

from __future__ import annotations

import ast
import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import chainrule as cr
from chainrule.cli.app import app
from chainrule.core.state import Quiet
from chainrule.core.term import replay, symbol
from chainrule.derivation import meaning
from chainrule.derivation.explain import NEAREST
from chainrule.derivation.formats.json import from_json
from chainrule.derivation.record import Equation, Note, trees_in
from chainrule.derivation.typed.answer import Answer, Options
from chainrule.derivation.typed.formula import read_formula
from chainrule.errors import FormulaError, GraphError
from chainrule.maths import Symbol, numeral, plain, unicode
from chainrule.maths.check import loses_all_digits
from chainrule.maths.of_terms import tree_of_term
from chainrule.maths.tree import equation
from chainrule.maths.values import Values, value

from .random_pages import alike, on_the_page
from .run_as_numpy import check, equations
from .spelled import spelled

SOURCE = Path(cr.__file__).parent


def every_dialect(output, wrt):
    """An explanation in every dialect that applies."""
    for dialect in NEAREST:
        try:
            yield cr.explain(output, wrt, dialect)
        except GraphError as error:
            if "does not apply" not in str(error):
                raise


UNDEFINED = {
    "log(exp(x))": (lambda x: cr.log(cr.exp(x)), 1000.0),
    "x/x": (lambda x: x / x, 0.0),
    "x*sqrt(x)": (lambda x: x * cr.sqrt(x), 0.0),
    "x**-1*x**2": (lambda x: x**-1 * x**2, 0.0),
    "log(x)": (lambda x: cr.log(x), -1.0),
    "1/x": (lambda x: 1 / x, 0.0),
    "double where": (lambda x: cr.sqrt(x) * 0.0, 0.0),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", UNDEFINED)
def test_nothing_that_is_not_finite_stands_beside_an_equals_sign(name):
    program, at = UNDEFINED[name]
    x = cr.Value(at, label="x")
    for told in every_dialect(program(x), x):
        for text in (told.text(detail="full"), told.plain(detail="full"), told.text()):
            for line in text.splitlines():
                assert not re.search(r"(= |: )(nan|−?∞|-?inf)\b|(nan|∞|inf) =", line), (told.dialect, line)
        assert any("finite" in line or "defined" in line or "too large" in line for line in told.text().splitlines())


def test_a_function_outside_its_domain_has_no_slope():
    x = cr.Value(-1.0, label="x")
    text = cr.explain(cr.log(x), x).text()
    assert "ln(x) is not defined at x = −1" in text
    assert "raises" not in text
    assert "lowers" not in text


@pytest.mark.parametrize("outer", [lambda v, y: v, lambda v, y: v * y, lambda v, y: cr.relu(v) + y])
def test_the_formula_of_a_slope_is_no_slope_where_there_is_no_value(outer):
    x, y = cr.Value(-1.0, label="x"), cr.Value(2.0, label="y")
    for told in every_dialect(outer(cr.log(x), y), x):
        text = told.plain(detail="full")
        assert not re.search(r"= 1/x = -1", text), (told.dialect, text)
        assert "not a finite number" not in [line.strip() for line in text.splitlines() if "1/x" in line]
    text = cr.explain(outer(cr.log(x), y), x, "chain").plain(detail="full")
    assert re.search(r"1/x\b.*\(holds where \w+ is finite, which it is not here\)", text), text


def test_the_double_where_trap_is_named_with_the_way_out():
    w = cr.Tensor([0.0, 4.0], requires_grad=True, label="w")
    told = cr.explain(cr.sum(cr.where(w > 0, cr.sqrt(w), 0.0)), w[0])
    (note,) = [block for block in told.short if isinstance(block, Note)]
    assert "0 · ∞, which is no number" in spelled(note.text)
    assert "where(c, sqrt(where(c, x, 1)), 0)" in spelled(note.text)


@pytest.mark.parametrize("name", ["v1", "c1", "v2", "I1"])
def test_a_name_of_the_users_is_never_taken_for_a_made_up_one(name):
    x, w = cr.Value(2.0, label="x"), cr.Value(3.0, label="w")
    inner = x * w
    inner.label = name
    told = cr.explain(cr.tanh(inner * 0.1 + x), w, "chain")
    assert any(spelled(Symbol(name[0], (name[1],))) in spelled(side) for side in told.story[0].sides)
    letters = [unicode(known.symbol) for known in told.known]
    assert len(letters) == len(set(letters))


def test_two_names_stay_two():
    x1, x_1 = cr.Value(2.0, label="x1"), cr.Value(5.0, label="x_1")
    text = cr.explain(x1 * x_1 + x_1**2, x1).text()
    assert "= x_1 = 5" in text
    assert "x₁ · x_1 + x_1²" in text


def test_a_local_derivative_is_told_from_the_whole_one():
    x = cr.Value(3.0, label="x")
    v = x + 1.0
    out = x * v
    v.label, out.label = "v", "L"
    text = cr.explain(out, x, "graph").text(detail="full")
    assert "(∂L/∂x)ᵥ = v = 4" in text
    assert "dL/dx = 7" in text


@pytest.mark.parametrize("write", [lambda x: x - x, lambda x: x / x, lambda x: x * x])
def test_an_operation_that_takes_a_thing_in_twice_has_two_links(write):
    x, y = cr.Value(3.0, label="x"), cr.Value(2.0, label="y")
    inner = cr.sin(x)
    out = write(inner) * y + inner
    assert [told.dialect for told in every_dialect(out, x)] == ["graph", "chain", "paths", "jacobian"]


def test_no_cost_is_claimed_where_nothing_is_compared():
    x, t = cr.Value(3.0, label="x"), cr.Tensor([1.0, 2.0], requires_grad=True, label="t")
    assert not cr.explain(x**2, x).conventions
    assert not [c for c in cr.explain(cr.sum(t**2), t).conventions if c.subject == "cost"]


def test_a_zero_by_invariance_is_named():
    b = cr.Value(0.5, label="b")
    powers = [cr.exp(cr.Value(x) + b) for x in (1.0, 2.0, 0.3)]
    loss = -cr.log(powers[0] / (powers[0] + powers[1] + powers[2]))
    for told in every_dialect(loss, b):
        assert "0 by invariance" in told.text()
        assert "lowers" not in told.text()
        assert "raises" not in told.text()
    x = cr.Value(0.0, label="x")
    assert "invariance" not in cr.explain(x * x, x).text()


def test_an_array_that_has_no_influence_points_nowhere():
    x = np.random.default_rng(0).normal(size=(6, 3))
    net = cr.nn.Sequential(cr.nn.Linear(3, 8, dtype=float, rng=0), cr.nn.BatchNorm1d(8, dtype=float), cr.nn.Tanh())
    loss = cr.sum(net(x) ** 3)
    told = cr.explain(loss, net[0].bias).text()
    assert "all of them are 0" in told
    assert "0 by invariance" in told
    assert "rises fastest" in cr.explain(loss, net[0].weight).text()
    for text in ("logsumexp(z) - log(sum(exp(z)))", "sum(softmax(z))", "norm(z/norm(z))*0 + sum(z - mean(z))"):
        assert "rises fastest" not in cr.explain(text, values={"z": [1.0, 2.0, 4.0]}).text()
    assert "0 by invariance" not in cr.explain("sum(z**2)", values={"z": [0.0, 0.0]}).text()


def test_a_kink_of_a_step_without_a_name_is_told_without_its_letter():
    told = cr.explain("sum(max_pool1d(x, 2))", values={"x": [[[1.0, 2.0, 3.0, 3.0]]]}).text()
    assert "A step on the way (max pool2d) has a kink here" in told
    x = cr.Tensor(np.ones((1, 1, 2, 2)), requires_grad=True, label="x")
    assert "max pool(x, kernel_size = 2)" in cr.explain(cr.sum(cr.max_pool2d(x, 2)), x).text()


def never_predicted(score):
    """A net whose third class has a score of its own making, and its third hidden unit off; the loss of one example."""
    net = cr.nn.Sequential(cr.nn.Linear(4, 5, dtype=float, rng=0), cr.nn.ReLU(), cr.nn.Linear(5, 3, dtype=float, rng=1))
    net[0].bias.data[2], net[2].bias.data[2] = -9.0, score
    return net, lambda target: cr.nn.CrossEntropyLoss()(net(np.ones((1, 4))), np.array([target]))


@pytest.mark.parametrize("dialect", ["graph", "chain", "paths", "delta", "jacobian"])
@pytest.mark.parametrize("score", [-500.0, -10000.0])
@pytest.mark.parametrize("target", [0, 2])
def test_a_probability_that_is_lost_to_rounding_is_told_in_every_dialect(dialect, score, target):
    net, loss_of = never_predicted(score)
    loss = loss_of(target)
    shares = np.exp(cr.log_softmax(net(np.ones((1, 4))).data[0]))
    for k in (0, 2):
        told = cr.explain(loss, net[2].bias[k], dialect=dialect)
        assert told.gradient == pytest.approx(shares[k] - (k == target), abs=1e-12)
        assert told.text()
    assert cr.explain(loss, net[0].weight[1, 1], dialect=dialect).text()


def test_a_unit_that_is_off_is_no_invariance():
    net, loss_of = never_predicted(-10000.0)
    for weight in (net[0].bias[2], net[0].weight[2, 1], net[2].bias[2]):
        told = cr.explain(loss_of(0), weight).text()
        assert "invariance" not in told
        assert "To first order" in told


@pytest.mark.parametrize("make", [cr.Value, lambda x, label: cr.Tensor(x, requires_grad=True, label=label)])
def test_a_backward_pass_that_clips_is_no_factor_and_no_internal_error(make):
    @cr.custom_vjp
    def clipped(x):
        return 1.0 * x

    clipped.defvjp(lambda x: (1.0 * x, None), lambda kept, g: (cr.clip(g, -0.5, 0.5),))
    x = make(2.0, label="x")
    told = cr.explain(3.0 * clipped(x), x)
    assert (told.dialect, told.gradient) == ("graph", 0.5)
    for dialect in ("chain", "paths", "jacobian"):
        with pytest.raises(GraphError, match="no factor"):
            cr.explain(3.0 * clipped(x), x, dialect)


def test_an_activation_has_its_own_name():
    net = cr.nn.Sequential(cr.nn.Linear(2, 3, rng=0), cr.nn.ReLU(), cr.nn.Linear(3, 1, rng=1))
    loss = cr.nn.MSELoss()(net(np.ones((1, 2), dtype="f")), np.ones((1, 1)))
    text = cr.explain(loss, net[0].weight, "delta").plain(detail="full")
    assert "relu(z_1)" in text
    assert "sigmoid" not in text


def test_the_transpose_is_said_in_the_other_layout():
    x, m = cr.Tensor([1.0, 2.0], requires_grad=True, label="x"), cr.Tensor([[1.0, 2.0], [3.0, 4.0]], label="I1")
    told = cr.explain(cr.sum((m @ x) ** 2), x, "jacobian", layout="denominator")
    sides = [spelled(block) for block in told.story if isinstance(block, Equation)]
    assert any("I₁ᵀ = [1 3; 2 4]" in text for text in sides)


@pytest.mark.parametrize("path", sorted((SOURCE / "derivation").rglob("*.py")), ids=lambda path: path.name)
def test_dialects_know_no_latex(path):
    """Formulas are trees until a printer of `maths` writes them; the formats alone know what surrounds a formula."""
    if "formats" in path.parts:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            code = node.value.split(">>>")[0]
            assert not re.search(r"\\(frac|cdot|partial|left|right|mathbf|sum|top|hat)\b", code), node.lineno


def test_half_and_double_precision_beside_each_other():
    """A page is in double precision throughout: a change of type changes no digit of it, and stands in no formula."""
    a = cr.Tensor([0.123456789, 2.0], requires_grad=True, label="a")
    b = cr.astype(a, dtype=np.dtype("float32"))
    b.label = "b"
    for told in every_dialect(cr.sum(b**2), a):
        assert "astype(" not in told.plain(detail="full")


@pytest.mark.parametrize("digits", [1, 2, 3])
@pytest.mark.parametrize("top", [1, 2])
def test_few_digits_and_few_paths_are_no_false_equations(digits, top):
    """Words have the digits of the page, and a path of several that are not shown is not the whole."""
    x, w = cr.Value(0.7229, label="x"), cr.Value(1.3131, label="w")
    h = cr.tanh(x * w)
    for dialect in NEAREST:
        for output in (h * h + cr.sin(h) * x, cr.sigmoid(h) / x - h * x):
            if dialect != "delta":
                cr.explain(output, x, dialect, digits=digits, top=top)


@pytest.mark.parametrize("dialect", ["graph", "chain", "paths"])
def test_an_array_without_entries_is_no_internal_error(dialect):
    x, y = (cr.Tensor(numbers, requires_grad=True, label=name) for numbers, name in (([], "x"), ([1.0], "y")))
    output = cr.sum(x) + cr.sum(y)
    with pytest.raises(GraphError, match="x has no entries") if dialect != "graph" else nullcontext():
        cr.explain(output, x, dialect)
    assert "y" in cr.explain(output, None, dialect).text()


def test_plain_text_has_the_names_of_numpy_for_what_lists_hold():
    x, y = cr.Value(1.0, label="x"), cr.Value(2.0, label="y")
    text = cr.explain(cr.sum([x, y, x * y]) + cr.dot([x, y], [y, y]), x, "graph").plain(detail="full")
    assert "sum([x, y, v1])" in text
    assert "dot([x, y], [y, y])" in text
    t = cr.Tensor([1.0, 3.0], requires_grad=True, label="t")
    assert "max(t)" in cr.explain(cr.max(t) * 2.0, t, "graph").plain(detail="full")


def test_paths_that_widen_between_two_numbers_are_no_numbers():
    """A product of Jacobians with arrays on its paths, though it begins and ends with one number."""
    x = cr.Tensor([0.5], requires_grad=True, label="x")
    wide = cr.where(cr.Tensor([True, False, True]), cr.Tensor([1.0, 2.0, 3.0]), cr.tanh(x))
    told = cr.explain(cr.sum(wide * x + cr.sort(wide)), x, "jacobian")
    assert told.gradient is not None


def test_a_nudge_of_several_names_has_one_meaning_for_each():
    x, w = cr.Value(2.0, label="x"), cr.Value(1e-9, label="w")
    h = x * w
    h.label = "h"
    assert cr.explain(h * 3.0 + h, None, "paths").text()


def graded(text, *given, wrt="", dialect=None, **options):
    """What `chainrule grad` tells of a formula."""
    return Answer(read_formula(text, list(given), wrt), Options(dialect=dialect, **options)).derivation


@pytest.mark.parametrize("name", ["v1", "v2", "c1"])
def test_a_name_that_nothing_moves_with_is_no_made_up_one_either(name):
    """It stands in a condition alone, so it is in no graph, and on the page all the same."""
    told = graded(f"(atan(10) + 0.5/x)*(w*{name} > 0)*w", "x=-0.62", "w=-0.14", f"{name}=-2.02")
    check(told)
    other = next(x.value for x in told.known if unicode(x.symbol) == unicode(Symbol(name[0], (name[1],))))
    assert other == -2.02


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("x*y*(c/y)*mish(z)", ["x=-0.14", "y=-0.12", "c=-0.02", "z=-1"]),
        ("sqrt(x**2)*1e8*acos(y)", ["x=0.71", "y=-0.2"]),
        ("(y/x)*x*w**3/7", ["x=1.36", "y=1.29", "w=-0.77"]),
        ("x*1e9/(3*y)*y", ["x=1.1", "y=1e-9"]),
    ],
)
def test_a_second_derivative_that_cancels_out_is_the_formula_s(text, given):
    told = graded(text, *given, order=2)
    check(told)
    hessian = next(np.asarray(x.value) for x in told.known if plain(x.symbol) == "H")
    assert np.array_equal(hessian, hessian.T)
    assert not np.any((hessian != 0) & (np.abs(hessian) < 1e-12 * np.max(np.abs(hessian))))


@pytest.mark.parametrize("name", ["x", "C", "a"])
def test_a_net_s_letters_are_none_that_the_page_has_for_something_else(name):
    """The weight is called as the books call an input or a cost."""
    told = graded(f"tanh({name}*0.5)", f"{name}=-1.22", dialect="delta")
    check(told)
    letters = [plain(x.symbol) for x in told.known]
    assert len(letters) == len(set(letters))


@pytest.mark.parametrize("dialect", ["graph", "chain", "paths", "jacobian"])
@pytest.mark.parametrize("text", ["x/0", "x/(1 - 1)", "0/x + x/0", "exp(x)/0"])
def test_a_division_by_nothing_is_told_and_no_error(text, dialect):
    told = graded(text, "x=1.16", dialect=dialect)
    assert not re.search(r"= (nan|−?∞)(?= |$)", told.text(detail="full"), re.MULTILINE)
    check(told)


@pytest.mark.parametrize("operation", [cr.maximum, cr.mul, cr.logaddexp, cr.hypot])
@pytest.mark.parametrize("view", [lambda x: cr.reshape(x, shape=(1,)), lambda x: x + 0.0, cr.square])
def test_a_local_derivative_in_one_of_two_names_for_the_same_entries_is_told_from_the_whole(operation, view):
    x = cr.Tensor([0.9], requires_grad=True, label="x")
    twice = operation(x, x)
    out = cr.sum(operation(twice, view(x)) + cr.tanh(operation(view(x), cr.reshape(x, shape=(1,)))))
    for told in every_dialect(out, x):
        check(told)


@pytest.mark.parametrize("text", ["det(A**2)*x", "det(A.T/(A + 1e16))*x", "trace(inv(A + A.T)*x)"])
def test_where_rounding_leaves_no_digits_the_page_says_so(text):
    given = "A=[[1.83, -0.92, 1.0], [-0.42, 2.0, 0.46], [1e8, 1e16, 2e-9]]"
    for dialect in (None, "graph", "jacobian"):
        told = graded(text, given, "x=-1.1", wrt="A", dialect=dialect)
        check(told)


CANCELS = [
    ("x - y - x", ["x=1e16", "y=1.85"], "-2"),
    ("x - y - x", ["x=1e16", "y=0.5"], "0"),
    ("(x + y)*(x - y) - x**2", ["x=1e8", "y=0.3"], "0"),
    ("sqrt(x + 1) - sqrt(x)", ["x=1e16", "y=1"], "0"),
    ("(x + y - 1)/x", ["x=2e-16", "y=1"], "1.11022"),
]


@pytest.mark.parametrize(("text", "given", "has"), CANCELS)
def test_a_number_that_rounding_alone_left_is_no_side_of_an_equation(text, given, has):
    for dialect in (None, "graph", "paths", "jacobian"):
        told = graded(f"h = {text}; f = w*h + w*y", *given, "w=3", wrt="w", dialect=dialect)
        check(told)
        line = next(x for x in told.plain().splitlines() if x.startswith("  h = "))
        assert line.endswith(f"rounding leaves too few digits: the computer has {has})")


@pytest.mark.parametrize(
    ("text", "given", "line"),
    [
        ("x - x", ["x=0.1"], "h = x - x = 0"),
        ("x*0.3 - 0.03", ["x=0.1"], "h = x*0.3 - 0.03 = 0"),
        ("4*(x**12 - x**6) + 1", ["x=0.8908987181403393"], "h = 4*(x**12 - x**6) + 1 = 0"),
        ("sqrt(x + 1) - sqrt(x)", ["x=1e12"], "h = sqrt(x + 1) - sqrt(x) = 5e-7"),
        ("x**2 - 2*x + 1", ["x=1.0001"], "h = x**2 - 2*x + 1 = 1e-8"),
    ],
)
def test_what_cancels_out_has_the_digits_that_are_its_own(text, given, line):
    assert line in graded(f"h = {text}; f = w*h", *given, "w=3", wrt="w").plain().splitlines()[3].strip()


@pytest.mark.parametrize(
    ("text", "given", "wrt", "dialect"),
    [
        ("trace(W @ inv(W))", ["W=[[-1e8, 1e16, 1e300], [1, 2.27, 1e12], [-0.59, 0.96, 2.57]]"], "W", "jacobian"),
        ("h = x - v - x; f = x*y*h", ["x=-1e8", "v=1e-9", "y=1e8"], "", "paths"),
        ("sum(solve(W, a))", ["a=[1, 2, 3]", "W=[[2, -1, 1], [-1e16, 1, -1], [1e300, 1, -1e8]]"], "W", "chain"),
        ("hypot(x, w) - x", ["x=1", "w=-1e16"], "w", "paths"),
        ("sum(softmax(b - b)*b)", ["b=[1e12, 1e12, -1.71]"], "", "jacobian"),
        ("x - 1*det(outer(b, a - a))", ["x=1", "a=[-0.3, -0.4, -0.1]", "b=[-0.5, 1, -0.5]"], "a", "jacobian"),
        ("sum(max(A, axis=0))", ["A=[[1, 3], [1, 2]]"], "A", "graph"),
        ("w - x - w", ["w=1e16", "x=1.05"], "", "graph"),
        (
            "det(W @ A)",
            ["W=[[2, -2, -745], [0, 0, 1e5], [1, 0, 4]]", "A=[[1, 0, 3], [1, 1e-9, -1], [1, -1, 3]]"],
            "A",
            "chain",
        ),
        ("std(u)*mean(a - mean(a))", ["u=[-1e8, 1e16, -0.68]", "a=[1e12, -0.72, -2.76]"], "", "paths"),
        ("sum(log_softmax(a*x)*a)", ["a=[1e-9, -1e16, -0.26]", "x=-1e8"], "", "chain"),
        (
            "h = u @ a - a @ u; f = x*h",
            ["u=[1e300, 1.69, 1e16]", "a=[-0.05, 0.68, 1e-300]", "x=-1e11"],
            "a",
            "jacobian",
        ),
        (
            "det((W + A) - W)",
            ["W=[[1, 2, -1e16], [1e12, 1, 2], [1, 2, 1e5]]", "A=[[2, 0, 1], [0, -7, 1], [0, 0, 2]]"],
            "A",
            None,
        ),
    ],
)
def test_arrays_and_several_names_have_one_number_on_a_page_each_where_rounding_took_digits(text, given, wrt, dialect):
    told = graded(text, *given, wrt=wrt, dialect=dialect, digits=6)
    check(told)


def test_a_root_of_a_mean_of_squares_is_a_length_over_the_root_of_their_count():
    assert "‖v₃‖/√3" in graded("std(u)", "u=[1, 2, 4]", dialect="graph").text(detail="full")


def test_a_derivative_that_only_the_computer_has_as_0_is_not_said_to_be_0():
    text = graded("h = x - y - x; f = w*h", "x=1e16", "y=0.5", "w=3", wrt="w").plain()
    assert "df_dw = -0.5" in text
    assert "The gradient is 0" not in text


def test_a_result_of_one_entry_is_told_by_its_row_and_its_column():
    given = [
        "u=[-0.02, -0.92, 0.73]",
        "A=[[2.11, -0.61, -1.18], [-0.29, -0.08, -2.13], [0.32, -0.02, 1.82]]",
        "b=[1, 2, 3]",
    ]
    told = graded("solve(A, u) @ (b @ A)", *given, wrt="u", dialect="jacobian")
    check(told)
    assert "v9 = reshape(v2, shape=(1, 3)) @ reshape(v6, shape=(3, 1))" in told.plain(width=400)


@pytest.mark.parametrize("output", [lambda x: 5.0 / (2.5 / x), lambda x: x / (1 / x) + x, lambda x: cr.tanh(1 / x) + x])
def test_no_infinite_number_is_written_in_an_equation(output):
    x = cr.Value(0.0, label="x")
    for told in every_dialect(output(x), x):
        for text in (told.text(detail="full"), told.plain(detail="full")):
            lines = [line for line in text.splitlines() if "=" in line and re.search(r"∞|\binf\b", line)]
            assert not [line for line in lines if "(" not in line], told.dialect


def test_ways_that_have_no_sum_leave_the_engine_s_number():
    """An infinite slope beyond a branch that was not taken: the product of the slopes is no number, the gradient is."""
    a = cr.Tensor([-0.81, 1.0, 0.15], requires_grad=True, label="a")
    out = cr.sum(cr.maximum(cr.atanh(a), cr.softplus(a) * 1e9) * [1.0, 2.0, 3.0])
    for told in every_dialect(out, a[1]):
        check(told)


@pytest.mark.parametrize("shape", [(0,), (0, 3, 2), (1, 0)])
@pytest.mark.parametrize("product", [cr.outer, cr.inner, lambda x, y: cr.sum(x * y) + cr.sum(cr.exp(x) * cr.exp(y))])
def test_products_of_arrays_without_entries_are_no_internal_error(shape, product):
    x = cr.Tensor(np.zeros(shape), requires_grad=True, label="x")
    assert cr.explain(cr.sum(product(x, x)), x, "graph").text()


def test_places_of_no_entries_are_text_that_runs():
    x, y = cr.Tensor(np.zeros((3, 0)), requires_grad=True, label="x"), cr.Tensor([2.0], requires_grad=True, label="y")
    told = cr.explain(cr.sum(cr.trace(cr.minimum(1.0, x)) * cr.Tensor(1.3)) + cr.sum(y), None, "graph")
    check(told)
    assert "key=(zeros((0,), int), zeros((0,), int))" in told.plain(detail="full")


@pytest.mark.parametrize("targets", [[[0.5]], [[0.5], [0.5]], [[0.25], [0.75]], [[0.0], [1.0]]])
def test_targets_and_what_is_left_of_them_to_one_are_told_apart(targets):
    """Of 0.5 each is its own complement."""
    net = cr.nn.Sequential(cr.nn.Linear(1, 1, rng=0, dtype=np.float64), cr.nn.Sigmoid())
    out = net(np.arange(1.0, len(targets) + 1)[:, None])
    for loss in (cr.nn.MSELoss()(out, np.array(targets)), cr.nn.MSELoss("half_sum")(out, np.array(targets))):
        check(cr.explain(loss, net[0].weight, "delta"))


@pytest.mark.parametrize("text", ["w1*(-1)*(0*v1)", "w1*2*(v1*0) + v1*0", "w1*(0*v1)"])
def test_a_weight_whose_input_is_0_is_told_of_all_the_same(text):
    check(graded(text, "w1=-0.16", "v1=-0.95", wrt="w1", dialect="delta"))


def test_data_that_came_of_what_nothing_moves_with_is_data():
    """What it was computed from has no letter on the page."""
    w = cr.Tensor([[0.3], [-0.2]], requires_grad=True, label="w")
    steps = cr.where(cr.equal(w, w), cr.Tensor([[1.5], [2.0]]), 1.0)
    weights = cr.exp(cr.std(steps, axis=0) * cr.Tensor([1.3, 0.4]))
    out = cr.tanh(cr.Tensor([[1.0, 2.0]]) @ w)
    told = cr.explain(cr.sum((out - 1.0) ** 2 * weights) + cr.sum(weights), w, "delta")
    check(told)


def test_of_several_inputs_none_goes_by_the_letter_of_all():
    text = "h = (w1*x_1)*(w1*x); f = (sigma*w1)/(1/3)**2*h"
    told = graded(text, "sigma=0.37", "w1=0.41", "x_1=0.04", "x=-0.72", dialect="delta")
    check(told)
    letters = [plain(x.symbol) for x in told.known]
    assert len(letters) == len(set(letters))


@pytest.mark.parametrize("text", ["det(W)**2", "det(W)", "det(W)**3*x"])
def test_entries_that_an_elimination_leaves_beside_large_ones_are_the_formula_s(text):
    given = "W=[[-1.0, 1e-9, -745.0], [0.0, -745.0, -0.18], [0.0, -2.48, 2.78]]"
    for layout in ("numerator", "denominator"):
        check(graded(text, given, *(["x=2"] if "x" in text else []), wrt="W", layout=layout))


@pytest.mark.parametrize("text", ["a @ u * max(b) * x + max(c)", "0*(a @ u) + tan(b)[0] + c[1]*x"])
@pytest.mark.parametrize("digits", [3, 6, 17])
def test_several_columns_fit_a_short_answer(text, digits):
    given = [f"{name}=[0.43, -0.07, -0.81]" for name in "aubc"]
    told = graded(text, *given, "x=0.3", dialect="graph", digits=digits)
    for width in (80, 120):
        assert len(told.text(width=width).rstrip().splitlines()) <= 12


CANCELLING = ["10*y*(sigma/y)", "(sigma/y)*(10*y)", "sigma/y*(y*3)", "((sigma/y)*(10*y))**2", "tanh(3/y*(sigma*y))"]


@pytest.mark.parametrize("text", CANCELLING)
def test_what_rounding_leaves_of_a_derivative_is_0_wherever_it_stands(text):
    """The computer's own number is told beside it."""
    for y in (0.05, -0.01, 0.3, 1.7):
        for dialect in (None, "chain", "paths", "jacobian"):
            told = graded(text, f"y={y}", "sigma=1.17", wrt="y", dialect=dialect)
            check(told)
            assert not re.search(r"d\w+_dy = -?\d\S*e-1\d", told.plain(detail="full"))


@pytest.mark.parametrize("text", CANCELLING)
@pytest.mark.parametrize("layout", ["numerator", "denominator"])
def test_a_jacobian_in_which_all_cancels_out_is_0(text, layout):
    told = graded(text, "y=[0.05, -0.01, 0.3, 1.7]", "sigma=1.17", wrt="y", layout=layout)
    check(told)
    assert "∂f/∂y = 𝟎" in told.text()
    assert not re.search(r"·10⁻¹\d", told.text(detail="full"))


NO_INVARIANCE = [
    ("x*y", ["x=2", "y=0"]),
    ("x*y + z", ["x=2", "y=1e-14", "z=3"]),
    ("(x + y)**2*z", ["x=2", "y=0", "z=0"]),
    ("(y + x)/x", ["x=7e9", "y=1"]),
    ("x*(y - z)", ["x=2", "y=1", "z=1"]),
    ("tanh(x*1e3*y)", ["x=2", "y=3"]),
    ("sum(softmax(x*a))", ["x=2", "a=[0, 0, 0]"]),
]


@pytest.mark.parametrize(("text", "given"), NO_INVARIANCE[:-1])
@pytest.mark.parametrize("dialect", [None, "graph", "chain", "paths", "jacobian"])
def test_a_factor_that_is_0_here_is_no_invariance(text, given, dialect):
    told = graded(text, *given, wrt="x", dialect=dialect)
    check(told)
    assert "does not depend on" not in told.text(detail="full")


@pytest.mark.parametrize(("text", "given"), [NO_INVARIANCE[-1], ("(y + x)/(x + y)", ["x=2", "y=1"])])
def test_what_depends_on_nothing_on_any_data_is_one(text, given):
    assert "does not depend on x" in graded(text, *given, wrt="x").text()


NOT_TAKEN = ["x*relu(y)", "x*(y > 0)", "relu(x)*relu(y)", "x*relu(y)*relu(-z)", "x*(sign(y) + 1)", "x*(abs(z) - z)"]
NOT_TAKEN += ["x*clip(y, a_min=0, a_max=1)", "x*relu(z - 10)", "x**2*where(y > 0, where(z > 0, 1, 0), 0)"]
NOT_TAKEN += ["relu(x**2*y)", "x*max([y, 0])", "x*floor(z/10)", "x*relu(sum(a) - 100)", "x*(y > 0)*(z < 0)"]


@pytest.mark.parametrize("text", NOT_TAKEN)
def test_what_no_branch_passes_here_is_no_invariance(text):
    given = {"x": "x=2", "y": "y=-2", "z": "z=3", "a": "a=[1, -1]"}
    told = graded(text, *[x for name, x in given.items() if re.search(rf"\b{name}\b", text)], wrt="x")
    assert told.gradient == 0
    assert "does not depend on" not in told.text(detail="full")


def test_a_named_step_before_a_factor_0_is_no_invariance_either():
    x, y = cr.Value(2.0, label="x"), cr.Value(0.0, label="y")
    h = x * 3.0
    h.label = "h"
    assert "does not depend on" not in cr.explain(h * y, h).text()


def test_of_terms_that_nearly_cancel_the_sum_has_the_digits_that_rounding_left():
    text = graded("(y + x)/x", "x=7e9", "y=1", wrt="x", dialect="chain").text()
    assert re.search(r"= −2\.0408·10⁻²⁰", text)
    assert not re.search(r"\d\.\d{15,}", text)


def test_how_large_the_terms_were_is_told_where_rounding_may_be_much():
    told = graded("(w/w)*A + (1/w)*w**2", "w=-1", "A=1.822e15", dialect="graph", wrt="w")
    check(told)
    lines = [line for line in told.plain(detail="full").splitlines() if "df_dw = 0 " in line]
    assert lines
    assert all([re.search(r"of terms as large as \d\.\de15: the computer has 1", line) for line in lines]), lines


@pytest.mark.parametrize("compare", [cr.greater_equal, cr.less_equal, cr.greater, cr.equal])
def test_what_single_precision_decided_is_no_false_equation(compare):
    x = cr.Tensor([-0.27195421, 0.10739535, 0.3], requires_grad=True, label="x")
    single = cr.astype(x, dtype=np.dtype("float32"))
    for told in every_dialect(cr.sum(cr.where(compare(single, x), single * 2.0, x)), x[1]):
        check(told)


def test_data_in_single_precision_are_computed_with_in_double():
    x = cr.Tensor([0.0, -0.39143282, -1.0], requires_grad=True, label="x")
    for told in every_dialect(cr.sum(cr.Tensor(np.float32([-0.39230344, 1.3207805, 0.6794318])) ** x), x[1]):
        check(told)


def test_a_condition_that_is_repeated_makes_no_jacobian_of_its_own_size():
    x = cr.Tensor([-0.7, 1.3], requires_grad=True, label="x")
    column = np.array([[-0.2], [0.9], [0.2]])
    for told in every_dialect(cr.sum(cr.where(np.array([True, False]), column, x) * column), x[1]):
        check(told)


def test_the_sign_of_a_zero_is_written_where_it_counts():
    x = cr.Tensor(-0.5, requires_grad=True, label="x")
    for told in every_dialect(cr.atan2(cr.Tensor(-0.0), x), x):
        check(told)
        assert "atan2(−0, x)" in told.text()


@pytest.mark.parametrize(
    ("text", "advice"), [("(1 - x)*acos(x)", "where(c, acos(where(c, x, 0.5)), 0)"), ("(1 - x)*sqrt(1 - x)", "x**1.5")]
)
def test_the_way_around_a_trap_is_one_for_that_function(text, advice):
    (note,) = [spelled(block.text) for block in graded(text, "x=1").short if isinstance(block, Note)]
    assert advice in note
    assert ("x**1.5" in note) == ("sqrt" in text)


def test_a_singular_matrix_of_rounding_alone_is_no_internal_error():
    given = ["a=[-1.6, -1.07, 1e-9]", "u=[1000.0, 2.0, -0.53]", "b=[1.54, 1.0, 1000.0]"]
    check(graded("logsumexp(a)/det(outer(b, u))", *given, dialect="graph"))


def test_a_second_derivative_of_terms_that_cancel_is_the_formula_s_own():
    check(graded("sum(a)*y**2/w + y*0", "a=[0.1, 0.2, -0.3]", "w=0.7", "y=1e8", wrt="y", order=2))


@pytest.mark.parametrize("shape", [(1, 2, 1), (2, 1, 1), (1, 1, 3)])
@pytest.mark.parametrize("digits", [2, 17])
def test_a_long_product_for_an_array_of_three_axes_is_told_in_words(shape, digits):
    x = cr.Tensor(np.linspace(-0.4, 0.2, int(np.prod(shape))).reshape(shape), requires_grad=True, label="x")
    v = cr.norm(x, axis=2)
    spread = cr.sum((cr.max(v, axis=0) - cr.min(v, axis=0)) * 1.3 + cr.softmax(x / [1.0, -1.0, -1.0], axis=2).sum())
    told = cr.explain(spread + cr.sum(cr.transpose(v) * 1.9), x, "jacobian", digits=digits, layout="denominator")
    assert len(told.text(width=80).rstrip().splitlines()) <= 12


@pytest.mark.parametrize("digits", [3, 6, 17])
@pytest.mark.parametrize("text", ["x**-1*(y + x)", "(y + x)/x", "(y - x)/x*2"])
def test_a_formula_has_its_own_digits_where_the_engine_s_terms_cancel_out(text, digits):
    for x in (1e8, 3e6):
        for dialect in (None, "paths", "graph"):
            check(graded(text, f"x={x}", "y=0.96", digits=digits, dialect=dialect))


@pytest.mark.parametrize("of", ["sqrt({})", "log({})", "tanh({})", "1/({})"])
def test_what_rounding_leaves_no_digits_of_is_not_said_to_stand_still(of):
    told = graded(f"{of.format('x + 1')} - {of.format('x')}", "x=30" if "tanh" in of else "x=1e16")
    check(told)
    page = told.text(detail="short") + told.text(detail="full")
    assert "does not move" not in page
    assert "The gradient is 0" not in page
    assert "Rounding leaves too few digits of df/dx" in page or "To first order, raising x by 0.01" in page


@pytest.mark.parametrize(
    ("text", "given", "says"),
    [
        ("2*pi*r", ["r=2"], ["f = 2πr", "df/dr = 2π = 6.28319"]),
        ("cos(pi*x/4)", ["x=1"], ["cos(πx/4)", "df/dx = −π/4 · sin(π/4 · x)"]),
        ("(pi*x)**2", ["x=1"], ["df/dx = 2π² · x"]),
        ("exp(-x**2/2)/sqrt(2*pi)", ["x=1"], ["e^(−x²/2)/√(2π)"]),
        ("x/pi - pi", ["x=1"], ["x/π − π", "df/dx = 1/π"]),
        ("3.14*x", ["x=1"], ["df/dx = 3.14"]),
    ],
)
def test_pi_is_written_as_a_letter_where_it_is_meant(text, given, says):
    told = graded(text, *given)
    check(told)
    page = told.text()
    assert all(words in page for words in says), page
    assert not re.search(r"\d{12,}", page + told.latex() + told.plain())


def test_a_multiple_of_a_name_is_no_layer_of_a_net():
    assert "layer" not in graded("cos(3*x/4)", "x=1", dialect="chain").text(detail="full")


def test_letters_of_several_outputs_are_of_one_thing_each():
    x, y = cr.Value(2.0, label="x"), cr.Value(3.0, label="y")
    for outputs in ([(x * 3 + 1) * x, (x - y) * (x * y)], [cr.exp(x * y) * y, x * y + 1, (x + y) ** 2]):
        for dialect in (None, "graph", "paths", "jacobian"):
            found = cr.explain(outputs, x, dialect)
            check(found)
            assert not list(alike(found))


def test_places_come_back_from_json():
    w = cr.Tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True, label="w")
    for output in (cr.sum(w[np.array([1, 0]), np.array([0, 0])] ** 2), cr.cross_entropy(w, np.array([0, 1]))):
        found = cr.explain(output, w, "graph")
        again = from_json(found.json())
        assert again.text(detail="full") == found.text(detail="full")
        check(again)


def test_formulas_that_print_alike_come_back_from_json_as_they_were():
    w, x = [cr.Tensor(np.ones(shape), requires_grad=True, label=name) for shape, name in (((3, 2), "W"), (2, "x"))]
    for dialect in ("jacobian", "graph"):  # 𝐈 of two sizes; a vector and its column.
        told = cr.explain(cr.sum(w @ (x + 1) + x[0]), x, dialect)
        assert [*trees_in(from_json(told.json()))] == [*trees_in(told)]


def test_a_net_of_one_number_that_is_not_defined_says_so_and_names_mean_one_thing_on_a_page():
    told = cr.explain("1/3/(x_1*0)", None, "delta", values={"x_1": -0.52})
    assert "divides by 0 here" in str(told)
    single = cr.explain("2*y + 10*w1", "w1", "delta", values={"y": -1.0, "w1": 0.5}, notation="parr-howard")
    assert {plain(x.symbol): x.value for x in single.known}["w1"] == 0.5
    condition = cr.explain(
        "0.001*where(x*y > 0, 2, x*y)", "y", "graph", values={"x": 2.5, "y": -0.4}, notation="nielsen"
    )
    assert condition.gradient == 0.0025


def test_conditions_are_counted_as_numbers():
    x, y = symbol("x"), symbol("y")
    added, lowered = (x > 0) + (y > 0), -(x > 0) - (y > 0)
    assert [replay([added], {x: 1.0, y: 2.0}), replay([lowered], {x: 1.0, y: 2.0})] == [[2.0], [-2.0]]
    told = graded("maximum(x, x) + relu(x)", "x=0.5")
    assert told.gradient == 2.0
    assert "df/dx = [x > 0] + 1 = 2" in told.text()


def test_the_larger_of_a_thing_and_itself_has_no_kink():
    assert "kink" not in graded("maximum(x, x)", "x=2").text(detail="full")
    assert "its slope in each input is taken as 0.5" in graded("maximum(x, 2*x)", "x=0").text()


def test_a_comparison_with_what_is_not_defined_is_said_not_to_hold():
    for dialect in (None, "jacobian", "graph"):
        told = graded("y*(x**0.5 > 0)", "x=-0.75", "y=2", wrt="y", dialect=dialect)
        check(told)
        assert "does not hold" in told.text()
    assert "[ln(x) > 0] does not hold" in graded("where(log(x) > 0, x, 2*x)", "x=-1").text()


def test_where_rounding_leaves_no_digit_no_number_stands_beside_a_formula():
    x = symbol("x")
    cancelling = equation(Symbol("f"), tree_of_term((x**3 + x) - x**3, {x: Symbol("x")}), Symbol("g"))
    assert loses_all_digits(cancelling, Values({Symbol("x"): 1e16, Symbol("g"): 1e16, Symbol("f"): 1e16}))
    assert not loses_all_digits(cancelling, Values({Symbol("x"): 10.0, Symbol("g"): 10.0, Symbol("f"): 10.0}))
    rows = "W=[[1000, 1.34, 2.01], [-745, 3.93, 1e16], [-1.34, 1e16, 1.7]]"
    assert "rounding leaves too few digits" in graded("det(W @ W)", rows).text()
    assert graded("-1*gelu_tanh(x)", "x=1e16").gradient == -1.0


def test_weights_that_are_not_there_hand_on_nothing_where_the_others_are_infinite():
    told = graded("x*c/(0*y)", "x=-1.12", "c=-2.18", "y=-0.03", dialect="delta")
    assert "divides by 0 here" in told.text()


def test_what_rounding_left_is_no_slope_in_title_or_words():
    told = graded("tanh(x)**2 + 1/cosh(x)**2", "x=0.7")
    assert told.text().startswith("df/dx = 0, as a chain")
    assert "what rounding left" in told.text()
    assert "lowers" not in told.text()


def test_equally_large_entries_share_and_the_others_are_on_no_kink():
    told = graded("max(x)", "x=[1, 3, 3]")
    check(told)
    assert "[x = max(x)]/(∑ [x = max(x)])" in told.text()
    assert "its slope is taken as 0.5" in told.text()
    with pytest.raises(FormulaError, match="the order depends on them"):
        cr.explain("sort(x)", "x", shapes={"x": (3,)})


def test_the_same_entries_in_another_shape_are_no_factor_of_a_path():
    rows = {"W": [[3.77, -1.79], [-0.23, 2.13]], "u": [1.0, 2.0]}
    told = cr.explain("solve(W, u) @ sum(W, axis=0)", "W", values=rows, layout="denominator")
    assert not re.search(r"\bd(v\d+)_d\1\b", told.plain(detail="full"))


def test_what_moves_a_condition_alone_has_a_gradient_of_0_in_the_errors():
    told = cr.explain("y*2*(y*x > 0)", "y", "delta", values={"y": -0.85, "x": 0.66})
    assert told.gradient == 0.0
    check(told)


def test_half_the_sum_of_two_squares_is_no_mean():
    told = graded("sum((yhat - y)**2)/2", "yhat=[1, 2]", "y=[0, 0]", wrt="yhat").text()
    assert "mean" not in told
    assert "∂f/∂ŷ = ŷ − y" in told
    assert "mean" in graded("sum((yhat - y)**2)/3", "yhat=[1, 2, 3]", "y=[0, 0, 1]", wrt="yhat").text()


def test_a_step_that_leads_round_a_bend_is_told_to_first_order():
    assert "To first order, raising x by 0.01" in graded("tan(x)", "x=1.5707963267948966").text()
    assert "To first order" not in graded("x**3", "x=2").text()
    assert "is not defined at x = −8" in graded("x**(1/3)", "x=-8").text()


def test_a_direction_may_be_given_name_by_name():
    asked = ["grad", "x**2*y", "x=1", "y=2", "--direction", "x=3", "--direction", "y=4"]
    assert "= 16" in CliRunner().invoke(app, asked).output


def test_what_is_the_same_for_every_number_is_not_called_flat():
    told = cr.explain("log(x/x + exp(0))*3", "x", values={"x": 2.0}, digits=17, whole=True).plain(detail="full")
    assert "v1 is the same for every x" in told
    assert "flat" not in told
    assert "= 3*0.5*0 = 0\n" in told


@pytest.mark.parametrize("dialect", ["chain", "paths"])
def test_a_power_of_itself_at_0_is_told_by_links_that_hold_there(dialect):
    told = cr.explain("x**x + 2*x", "x", dialect, values={"x": 0.0})
    assert told.gradient == 2
    assert not list(on_the_page(told, 0))


def test_entries_that_are_0_by_invariance_are_seen_as_0():
    b = cr.Tensor([0.3, -0.2, 0.5], requires_grad=True, label="b")
    h = np.array([[1.0, 2.0, -1.0], [0.5, -1.5, 2.0], [1.0, 0.3, -0.4]]) + b
    away = h - cr.mean(h, axis=0, keepdims=True)
    scaled = away / cr.sqrt(cr.mean(away**2, axis=0, keepdims=True) + 1e-5)
    loss = cr.sum((scaled - np.eye(3)) ** 2)
    for dialect in ("graph", "jacobian"):
        told = cr.explain(loss, b, dialect)
        assert np.any(np.asarray(told.gradient))
        results = [x.sides[-1] for x in equations(told) if x.numbers and plain(x.sides[0]) == "dloss_db"]
        assert results
        assert all([np.all(np.asarray(value(x, {})) == 0) for x in results])
        assert "the computer has numbers up to" in " ".join(told.text(detail="full").split())
        check(told)


@pytest.mark.parametrize("dialect", ["chain", "paths", "graph", "jacobian"])
def test_a_derivative_of_which_rounding_left_the_engine_no_digit_is_that_of_its_formula(dialect):
    """The engine adds 1.7 to terms of 6e15, and has 2."""
    told = cr.explain("(x*y)**2 - x**2*y**2 + z*x", "x", dialect, values={"x": 0.3, "y": 1e8, "z": 1.7})
    text = told.plain(detail="full")
    assert not re.search(r"df_dx( = [^=\n]*)? = [02](\s|$)|does not move", text), text
    assert "df_dx = z = 1.7" in text
    check(told)


def test_a_number_that_is_none_is_no_side_of_an_equation():
    told = cr.explain("h = log10(-1); f = h*x", "x", shapes={"x": ()}, order=2)
    assert "nan" not in told.text(detail="full")
    with pytest.raises(GraphError, match="no point was found"):
        cr.explain("acosh(x*0)", "x", shapes={"x": ()})


def test_an_infinite_gradient_is_no_rounding():
    told = cr.explain("x**0.5", "x", "jacobian", values={"x": 0.0}, digits=17)
    check(told)
    assert "numbers up to" not in told.text(detail="full")


def test_a_formula_that_overflows_on_its_way_says_so():
    told = cr.explain("norm(b1)", "b1", values={"b1": [1e300, 0.83, 0.98]})
    check(told)
    assert "too large for a number here" in told.text()
    # What is tiny beside another entry is none of what rounding left.
    told = cr.explain("norm(b1)", "b1", "jacobian", values={"b1": [1e16, 0.5]})
    assert "5·10⁻¹⁷" in told.text()


def test_what_rounding_on_the_way_took_is_had_from_the_formula():
    for text, slope in (("1/((1+x)-1)", -2.7777777777777778e20), ("log(1+x-1)", 1 / 6e-11)):
        told = cr.explain(text, "x", values={"x": 6e-11})
        check(told)
        assert told.title[0].sides[1] == numeral(slope)
        assert told.gradient == pytest.approx(slope, rel=1e-15)


def test_a_step_of_what_is_too_long_to_be_run_again_is_told_to_first_order(monkeypatch):
    assert "To first order" not in graded("x**2 * 3", "x=2").text()
    monkeypatch.setattr(meaning, "MOST_TRIED", 1)
    assert "To first order, raising x by 0.01" in graded("x**2 * 3", "x=2").text()


@pytest.mark.parametrize(
    ("text", "slope"),
    [
        ("x*tanh(1/(z*0))", -1.0),
        ("x*where(1/(z*0) < 0, 2, 3)", 2.0),
        ("x*exp((z*0)**-3)", 0.0),
        ("minimum((z*0)**-3, norm([z, x])**-3)", None),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_product_with_0_keeps_its_sign_where_something_is_divided_by_it(text, slope):
    """0 · z is −0 for a negative z, and no law that makes it 0 holds in 1/(0 · z)."""
    for wrt in ("x", "z", None):
        told = cr.explain(text, wrt, values={"x": 1e-9, "z": -1e-9})
        check(told)
        if slope is not None and wrt == "x":
            assert told.gradient == slope
            formula = next(x for x in equations(told) if plain(x.sides[0]) == "df_dx").sides[1]
            with Quiet():
                assert value(formula, {Symbol("z"): -1e-9}) == slope


def test_what_has_no_value_is_not_said_to_stay_as_it_is():
    told = cr.explain("minimum((z*0)**-3, x)", ["x", "z"], "graph", values={"x": 1.0, "z": -1.0})
    assert "no difference" not in told.text(detail="full")


def test_notes_of_several_lines_have_room_below_these():
    text = "h = (weight_one - 3)*(intercept + weight_two) + weight_three/weight_four; f = h*tanh(weight_five)"
    names = re.findall(r"weight_\w+", text)
    told = cr.explain(text, shapes=dict.fromkeys(names, ()), values={"intercept": -1.4})
    assert "For numbers" in told.text()
    assert len(told.plain(detail="short", width=80).splitlines()) <= 12


CANCELLING = {
    "sqrt": (lambda x, y: cr.sqrt(x + 1) - cr.sqrt(x), 1e16, None),
    "tanh": (lambda x, y: cr.tanh(x + 1) - cr.tanh(x), 30.0, None),
    "quotients": (lambda x, y: 1 / (x + 1) - 1 / x, 1e16, None),
    "log": (lambda x, y: cr.log(x + 1) - cr.log(x), 1e16, -1e-32),
    "products": (lambda x, y: (x * y) ** 2 - x**2 * y**2 + 1.7 * x, 0.3, 1.7),
    "added": (lambda x, y: x * (y * 1e10 + x - y * 1e10) * 0.5, 1e-9, 1e-9),
    "fractions": (lambda x, y: (1 + x) / x - 1 / x, 1e-17, 0.0),
    "nothing": (lambda x, y: (x * y) ** 2 - x**2 * y**2, 0.3, 0.0),
}
"""What cancels out, where, and its slope in x; None where rounding leaves no digit of that."""


def in_tensors(x, label):
    return cr.Tensor(x, requires_grad=True, label=label)


@pytest.mark.parametrize(
    ("make", "dialect"), [*[(cr.Value, x) for x in ("chain", "graph", "paths", "jacobian")], (in_tensors, "chain")]
)
@pytest.mark.parametrize("name", CANCELLING)
def test_recorded_numbers_that_rounding_took_are_those_of_their_formula_too(name, make, dialect):
    function, at, slope = CANCELLING[name]
    x = make(at, label="x")
    told = cr.explain(function(x, make(1e8, label="y")), x, dialect)
    check(told)
    page = " ".join((told.text(detail="short") + told.text(detail="full")).split())
    assert page.count("does not move") == page.count("no difference here") == 0 or slope == 0
    assert "The gradient is 0" not in page or slope == 0
    if slope is None:
        assert "Rounding leaves too few digits of dv" in page
        assert not re.search(r"[d∂](v\d+|[^ ]*)/[d∂]x = 0", page)
    else:
        assert told.title[0].sides[1] == numeral(slope)
        assert told.gradient == pytest.approx(slope)


def test_of_several_recorded_numbers_those_without_digits_are_named():
    x, y = cr.Value(1e16, label="x"), cr.Value(2.0, label="y")
    told = cr.explain(y * cr.log(x + 1) - y * cr.log(x), [x, y])
    check(told)
    assert "-2e-32" in told.plain()
    assert "too few digits of dv6_dy" in told.plain()
    assert "no difference" not in told.plain(detail="full")
