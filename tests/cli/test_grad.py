"""`chainrule grad`: its answers beside the reference, its formats, its refusals, and that nothing typed is run."""

import json
import math
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
import chainrule.derivation
from chainrule.cli.app import main
from chainrule.cli.help import this_program
from chainrule.cli.telling import hand_over
from chainrule.derivation.explain import NEAREST
from chainrule.derivation.formats import FORMATS
from chainrule.derivation.formats.json import from_json
from chainrule.derivation.notation import NOTATIONS
from chainrule.derivation.record import Note
from chainrule.derivation.words import text_of
from chainrule.expression import usages
from chainrule.maths import latex

FACTS = json.loads((Path(__file__).parents[1] / "reference_facts.json").read_text(encoding="utf-8"))
SIMPLE = ["0.5*(w2*w1*x - y)**2", "x=2", "w1=2", "w2=0.5", "y=20"]
LEAST_SQUARES = ["sum((W @ x + b - y)**2)", "W=[[1,2],[3,4],[5,6]]", "x=[1,2]", "b=[0,0,0]", "y=[1,1,1]"]
SIGMOID = ["0.5*(t - sigmoid(w3*sigmoid(w1*x1 + w2*x2)))**2", "x1=1", "x2=2", "w1=0.1", "w2=-0.3", "w3=0.5", "t=1"]


@pytest.fixture
def told(typed):
    """The derivation that `chainrule grad` gives as JSON."""

    def derivation(*words):
        done = typed("grad", *words, "--json")
        assert (done.code, done.err) == (0, "")
        return from_json(done.out)

    return derivation


def equations(derivation):
    """Every equation of the story on a line of its own, as LaTeX."""
    return [block.latex for block in derivation.story if hasattr(block, "latex")]


def unwrapped(text):
    return " ".join(text.split())


def gradients(derivation):
    return {latex(node.symbol): node.gradient for node in derivation.nodes}


# The numbers of the reference


def test_the_cubic_and_its_tangent(typed, told):
    cubic = ["x**3 - 3*x**2 + 2*x + 1", "x=2"]
    found = told(*cubic)
    assert (found.value, found.gradient) == (1.0, 2.0)
    assert r"\frac{\mathrm{d} f}{\mathrm{d} x} = 3 x^{2} - 6 x + 2 = 2" in equations(found)
    text = typed("grad", *cubic, "--dialect", "paths", "--nudge", "0.1", "--format", "plain", "--detail", "full").out
    for part in ("1.231 - 1 = 0.231", "2*0.1 = 0.2", "0.231 - 0.2 = 0.031"):
        assert part in text


def test_the_gradient_of_two_squares(told):
    found = told("x**2 + y**2", "x=3", "y=4")
    assert (found.value, gradients(found)["x"], gradients(found)["y"]) == (25.0, 6.0, 8.0)


def test_a_composite_function(told):
    found = told("(2*x + 3)**2", "x=1", "--dialect", "chain")
    assert found.gradient == 20.0
    slopes = [arrow.value for node in found.nodes for arrow in node.inputs]
    assert sorted(slopes) == [1.0, 2.0, 10.0]


def test_the_simple_net(told):
    first = dict(
        zip(FACTS["simple_net"]["half_sum"]["columns"], FACTS["simple_net"]["half_sum"]["rows"][0], strict=True)
    )
    found = told(*SIMPLE)
    assert found.value == first["loss"] == 162
    assert gradients(found)["w_{1}"] == first["dL_dw1"] == -18
    assert gradients(found)["w_{2}"] == first["dL_dw2"] == -72
    for name, expected in (("w1", -18.0), ("w2", -72.0)):
        assert told(*SIMPLE, "--wrt", name).gradient == expected
    written = "0.5*(w1*x*w2 - 20)**2"
    through = told(written, "x=2", "w1=2", "w2=0.5", "--wrt", "w1")
    values = {node.value for node in through.nodes}
    assert {first["h"], first["yhat"], first["loss"]} <= values


def test_several_names_are_told_of_in_the_order_they_were_named(told):
    found = told(*SIMPLE, "--wrt", "w2, w1")
    assert [latex.split(" = ")[0] for latex in equations(found)[1:3]] == [
        r"\frac{\partial f}{\partial w_{2}}",
        r"\frac{\partial f}{\partial w_{1}}",
    ]
    assert {symbol for symbol, g in gradients(found).items() if g is not None} >= {"w_{1}", "w_{2}"}


def test_the_sigmoid_net(told):
    table = FACTS["sigmoid_net"]["half_sum"]
    first = dict(zip(table["columns"], table["rows"][0], strict=True))
    found = told(*SIGMOID)
    assert found.value == pytest.approx(first["loss"], rel=1e-12)
    for name, symbol in (("dL_dw1", "w_{1}"), ("dL_dw2", "w_{2}"), ("dL_dw3", "w_{3}")):
        assert gradients(found)[symbol] == pytest.approx(first[name], rel=1e-12)
    values = [node.value for node in found.nodes]
    for name in ("z1", "h1", "z2", "yhat"):
        assert any(value == pytest.approx(first[name], rel=1e-12) for value in values)


def test_the_expression_of_micrograds_readme(told):
    c = "(2*(2*(a + b) + 1) + 1 - a)"
    d = "(4*(3*(a*b + b**3) + relu(b + a)) + relu(b - a))"
    f = f"({c} - {d})**2"
    found = told(f"{f}/2 + 10/{f}", "a=-4", "b=2")
    assert found.value == pytest.approx(24.70408163265306, rel=1e-12)
    assert gradients(found)["a"] == pytest.approx(138.83381924198252, rel=1e-12)
    assert gradients(found)["b"] == pytest.approx(645.5772594752186, rel=1e-12)


# Formulas and numbers of arrays


def test_shapes_alone_give_a_formula(typed, told):
    shapes = ["sum((W @ x + b - y)**2)", "W:3x2", "x:2", "b:3", "y:3", "--wrt", "W"]
    found = told(*shapes)
    assert (found.value, found.gradient, found.nodes) == (None, None, ())
    assert r"\frac{\partial f}{\partial W} = 2 \left(W \, x + b - y\right) \, x^{\top}" in equations(found)
    text = typed("grad", *shapes, "--format", "plain").out
    assert "df_dW = 2*outer(W @ x + b - y, x)" in text
    assert "add W=... x=... b=... y=..." in text.replace("…", "...")


def test_arrays_with_values(told):
    W, x, y = np.array([[1.0, 2], [3, 4], [5, 6]]), np.array([1.0, 2]), np.ones(3)
    found = told(*LEAST_SQUARES, "--wrt", "W")
    np.testing.assert_allclose(found.gradient, 2 * np.outer(W @ x - y, x), rtol=1e-12)
    assert found.value == pytest.approx(np.sum((W @ x - y) ** 2))
    entry = told(*LEAST_SQUARES, "--wrt", "W[2, -1]")
    assert entry.entry == (2, 1)
    assert entry.gradient == pytest.approx(2 * (W @ x - y)[2] * x[1])


def test_values_from_files(tmp_path, monkeypatch, told):
    monkeypatch.chdir(tmp_path)
    np.save("W.npy", np.array([[1.0, 2.0], [3.0, 4.0]]))
    Path("x.csv").write_text("1;2\n", encoding="utf-8")
    found = told("sum((W @ x)**2)", "W=@W.npy", "x=@x.csv", "--wrt", "x")
    np.testing.assert_allclose(found.gradient, 2 * np.array([[1.0, 3], [2, 4]]) @ [5.0, 11.0])


def test_a_vector_has_a_jacobian(told):
    found = told("W @ x", "W=[[1,2],[3,4]]", "x=[1,1]", "--wrt", "x")
    assert found.gradient == ((1.0, 2.0), (3.0, 4.0))
    assert found.value == (3.0, 7.0)
    matrix = r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"
    assert rf"\frac{{\partial f}}{{\partial x}} = W = {matrix}" in equations(found)
    turned = told("W @ x", "W=[[1,2],[3,4]]", "x=[1,1]", "--wrt", "x", "--layout", "denominator")
    assert any(r"W^{\top} = \begin{pmatrix} 1 & 3 \\ 2 & 4" in latex for latex in equations(turned))
    pieces = equations(told("W @ x", "W=[[1,2],[3,4]]", "x=[5,6]", "--wrt", "W"))
    assert r"\frac{\partial f[0]}{\partial W} = \begin{pmatrix} 5 & 6 \\ 0 & 0 \end{pmatrix}" in pieces


def test_a_gradient_in_numerator_layout_is_the_transpose(told):
    latex = equations(told(*LEAST_SQUARES, "--wrt", "W", "--layout", "numerator"))[1]
    assert r"\begin{pmatrix} 8 & 20 & 32 \\ 16 & 40 & 64 \end{pmatrix}" in latex
    latex = equations(told("sum(x**2)", "x=[1,2]", "--layout", "numerator"))[1]
    assert latex == r"\frac{\partial f}{\partial x} = 2 x^{\top} = \begin{pmatrix} 2 & 4 \end{pmatrix}"


def test_second_derivatives(told):
    latex = equations(told("x**2*y + sin(y)", "x=3", "y=1", "--order", "2"))
    assert r"\frac{\partial^{2} f}{\partial x^{2}} = 2 y = 2" in latex
    assert r"\frac{\partial^{2} f}{\partial x \, \partial y} = 2 x = 6" in latex
    assert rf"H = \begin{{pmatrix}} 2 & 6 \\ 6 & {-math.sin(1):.6f}" in latex[-1]
    assert r"\frac{\partial^{2} f}{\partial x^{2}} = A + A^{\top}" in equations(
        told("x @ A @ x", "x:3", "A:3x3", "--wrt", "x", "--order", "2")
    )


def test_what_does_not_move_has_gradient_0(told):
    assert told("where(x > 0, 1, 2)", "x=3").gradient == 0.0
    found = told("x*where(y > 0, 1, 2)", "x=3", "y=1")
    assert r"\frac{\partial f}{\partial y} = 0" in equations(found)


def test_a_name_that_stands_for_a_constant_can_be_given(told):
    assert told("e*x + e", "x=2", "e=3", "--wrt", "e").gradient == 3.0
    assert told("e*x", "x=2").gradient == pytest.approx(math.e)


# Dialects, notations, formats


@pytest.mark.parametrize("dialect", ["graph", "chain", "paths", "jacobian"])
def test_every_dialect(told, dialect):
    found = told(*SIMPLE, "--wrt", "w1", "--dialect", dialect)
    assert (found.dialect, found.gradient) == (dialect, -18.0)


def test_the_delta_dialect_on_a_layer(told):
    layer = ["sum((sigmoid(W @ x + b) - y)**2)", *LEAST_SQUARES[1:], "--dialect", "delta", "--notation", "course"]
    found = told(*layer, "--wrt", "W")
    assert (found.dialect, found.notation) == ("delta", "course")


def test_a_dialect_that_does_not_apply_names_the_nearest(typed):
    done = typed("grad", *SIMPLE, "--wrt", "w1", "--dialect", "delta")
    assert done.code == 1
    assert done.err.startswith("chainrule: the dialect 'delta' does not apply: ")
    assert "The nearest that does is " in done.err
    assert done.err.count("\n") == 1


class Balanced(HTMLParser):
    """Fails where a tag is closed that is not the last one opened."""

    def __init__(self):
        super().__init__()
        self.opened = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "br", "col"):
            self.opened.append(tag)

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag


FORMULAS = [
    ["x*sigmoid(w)", "x=2", "w=0.5"],
    ["sum((W @ x)**2)", "W=[[1,2],[3,4]]", "x=[1,2]", "--wrt", "x"],
    ["tanh(x)", "x:3"],
    ["W @ x", "W=[[1,2],[3,4]]", "x=[1,1]"],
]


@pytest.mark.parametrize("words", FORMULAS)
def test_every_format(typed, words):
    formats = {name: typed("grad", *words, "--format", name) for name in ("text", *FORMATS)}
    assert {done.code for done in formats.values()} == {0}
    assert formats["text"] == formats["terminal"]
    assert "\x1b" not in formats["text"].out
    assert "∂f/∂x" in formats["text"].out
    assert "df_dx" in formats["plain"].out
    assert formats["markdown"].out.startswith("# ")
    assert formats["latex"].out.count(r"\begin{document}") == 1
    page = Balanced()
    page.feed(formats["html"].out)
    assert page.opened == []
    schema = json.loads((Path(chainrule.derivation.__file__).parent / "schema.json").read_text(encoding="utf-8"))
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(json.loads(formats["json"].out), schema)


@pytest.mark.parametrize(
    ("suffix", "name"),
    [(".txt", "plain"), (".md", "markdown"), (".tex", "latex"), (".html", "html"), (".json", "json")],
)
def test_a_files_suffix_is_its_format(typed, suffix, name, tmp_path):
    file = tmp_path / f"told{suffix}"
    done = typed("grad", "x**2", "x=3", "--out", str(file))
    assert (done.code, done.out, done.err) == (0, f"wrote {file}\n", "")
    assert file.read_text(encoding="utf-8") == typed("grad", "x**2", "x=3", "--format", name, "--detail", "full").out
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_json_is_a_format(typed):
    assert typed("grad", "x**2", "x=3", "--json") == typed("grad", "x**2", "x=3", "--format", "json")


GOLDEN = """\
df_dx = 6, as a chain
=====================

  f = x**2 = 9

  df_dx = 2*x = 6

The rule at each step
---------------------

Part  Rule  Its derivative  In words
----  ----  --------------  --------------------------------------------------------------------------------------
x**2  pow   2*x             The power rule in the base; in the exponent, growth in proportion to the power itself.
"""


def test_it_opens_with_the_formula_the_result_and_the_rules(typed):
    done = typed("grad", "x**2", "x=3", "--format", "plain", "--detail", "full")
    assert done.out.startswith(GOLDEN)


def test_without_unicode_it_writes_plain_text(monkeypatch, typed):
    monkeypatch.setattr("chainrule.cli.telling.can_print", lambda text, stream: False)
    assert typed("grad", "x**2", "x=3").out == typed("grad", "x**2", "x=3", "--format", "plain").out


def test_what_a_stream_can_print(tmp_path):
    from chainrule.cli.telling import can_print

    with open(tmp_path / "a", "w", encoding="ascii") as plain, open(tmp_path / "b", "w", encoding="utf-8") as rich:
        assert not can_print("∂", plain)
        assert can_print("∂", rich)


def test_a_terminal_gets_colours(monkeypatch, capsys):
    from rich.console import Console

    from chainrule.cli import telling

    monkeypatch.setattr(telling, "Console", lambda: Console(force_terminal=True, width=72))
    monkeypatch.setattr(sys, "argv", ["chainrule", "grad", "x**2", "x=3"])
    monkeypatch.delenv("NO_COLOR", raising=False)
    with pytest.raises(SystemExit):
        main()
    assert "\x1b[" in capsys.readouterr().out


def test_digits(typed):
    assert "1.0986122886681098" in typed("grad", "log(x)", "x=3", "--digits", "17").out
    assert "0.143\n" in typed("grad", "log(x)", "x=7.001", "--digits", "3", "--format", "plain").out


# Checks


@pytest.mark.parametrize(
    "words",
    [
        SIMPLE,
        LEAST_SQUARES,
        ["log(1 + exp(-y*(w.T @ x)))", "w=[1,2]", "x=[0.5,1]", "y=-1"],
        ["logabsdet(A)", "A=[[2,1],[1,3]]"],
        ["sin(1000000*x)", "x=0.3"],
        ["log(x)", "x=1e-8"],
        ["x**2 + 1000000", "x=1"],
        ["tanh(W @ x)", "W=[[1,2],[3,4]]", "x=[0.1,0.2]"],
    ],
)
def test_a_right_gradient_passes_the_check(typed, words):
    done = typed("grad", *words, "--check")
    assert done.code == 0, done.out
    assert "Compared with differences" in done.out
    assert "differs" not in done.out


def wrong_by(factor, monkeypatch):
    """Let the engine's derivatives be wrong by a factor."""
    from chainrule.derivation.typed.answer import Answer

    slopes = Answer.slopes
    monkeypatch.setattr(
        Answer, "slopes", lambda self, transform: {k: factor * v for k, v in slopes(self, transform).items()}
    )


def test_a_wrong_gradient_fails_the_check(monkeypatch, typed):
    from chainrule.derivation.typed import answer

    wrong_by(1.0001, monkeypatch)
    monkeypatch.setattr(answer, "same", lambda formula, engine: True)
    monkeypatch.setattr(answer.Checking, "of", lambda self, blocks: tuple(blocks))
    done = typed("grad", *SIMPLE, "--check", "--format", "plain")
    assert done.code == 1
    assert done.err == "chainrule: differences do not confirm every derivative: --detail full shows the table\n"
    assert "Compared with differences: 4 of 4 entries. Not in agreement: 4." in unwrapped(done.out)
    assert "Wrong: In w1 the derivative is not what differences give." in done.out


def test_a_formula_that_is_not_the_engines_derivative_is_never_shown(monkeypatch, typed):
    wrong_by(1.0001, monkeypatch)
    done = typed("grad", *SIMPLE)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("chainrule: internal error, please report it: the formula ")


def test_a_kink_is_named(typed):
    done = typed("grad", "relu(x)", "x=0", "--check", "--format", "plain")
    assert done.code == 0
    assert "the slope is 0 on the left and 1 on the right" in done.out
    assert "Compared with differences: 1 of 1 entries. At a kink: 1." in unwrapped(done.out)


def test_where_there_are_no_numbers_nothing_is_confirmed(typed):
    done = typed("grad", "log(x)", "x=-1", "--check")
    assert done.code == 1
    assert "no number to compare" in done.out


@pytest.mark.parametrize("words", [SIMPLE, ["x**3", "x=2", "--order", "2"], ["W @ x", "W=[[1,2],[3,4]]", "x=[1,2]"]])
def test_a_check_answers_in_a_dozen_lines_and_tells_the_rest_on_request(typed, words):
    short = typed("grad", *words, "--check").out
    assert len(short.splitlines()) <= 13
    assert "In agreement" in short
    assert "The largest error" in short
    assert "with every step" not in short
    assert "with every step" in typed("grad", *words, "--check", "--detail", "full").out


def test_the_check_of_one_entry_and_of_very_many(typed):
    done = typed("grad", *LEAST_SQUARES, "--wrt", "W[1,1]", "--check", "--format", "plain")
    assert "Compared with differences: 1 of 1 entries. In agreement: 1." in unwrapped(done.out)
    done = typed("grad", "sum(x**2)", f"x=[{','.join(['1'] * 300)}]", "--check", "--format", "plain")
    assert "Compared with differences: 200 of 300 entries, spread evenly. In agreement: 200." in unwrapped(done.out)


# Help and refusals


def test_help_teaches(typed):
    done = typed("grad", "--help")
    assert done.code == 0
    assert done.out.count(f"\n  {this_program()} grad ") >= 3
    listed = unwrapped(done.out)
    offered = [usage for usage in usages() if usage.partition("(")[0] in cr.__all__]
    for word in (*NEAREST, *NOTATIONS, "text", *[name for name in FORMATS if name != "terminal"], *offered):
        assert word in listed, word
    assert "sum_to" not in listed, "what only the rules call is not offered"


WRONG = [
    (["2x", "x=2"], "a product is written 2*x\n  2x\n  ^^\n"),
    (["x +"], "  x +\n"),
    ([""], "there is nothing here"),
    (["3 + 4"], "nothing to differentiate in"),
    (["__import__('os').system('true')"], "is not allowed"),
    (["x.real", "x=1"], "  x.real\n"),
    (["lambda x: x"], "^"),
    (["9**9**9*x", "x=1"], "^"),
    (["(" * 500 + "x" + ")" * 500], "^"),
    (["x*y", "x=2", "z=3"], "the formula has no z: it has x, y\n  z=3\n  ^\n"),
    (["weight*x", "x=2", "weigth=3"], "did you mean weight?"),
    (["x**2", "x=2", "x=3"], "x is given twice"),
    (["x**2", "x"], "= or : is missing after x"),
    (["x**2", "x=y"], "a value is a number"),
    (["sum(W)", "W=[[1,2],[3]]"], "ragged"),
    (["sum(W)", "W=@missing.npy"], "missing.npy: there is no such file"),
    (["sum(W)", "W:0x2"], "a shape is whole numbers from 1 on"),
    (["sum(W)", "W:90000x90000"], "a shape has at most"),
    (["W @ x", "W:3x2", "x:3"], "  W @ x\n    ^\n"),
    (["W @ x", "W=[[1,2],[3,4]]", "x=[1,2,3]"], "  W @ x\n    ^\n"),
    (["x**2", "x=2", "--wrt", "y"], "the formula has no y: it has x\n  y\n  ^\n"),
    (["x**2", "x=2", "--wrt", "x[0]"], "x is a number: it has no entries"),
    (["sum(x)", "x=[1,2]", "--wrt", "x[2]"], "x has shape (2,), and no such entry"),
    (["sum(x)", "x=[1,2]", "--wrt", "x[1.5]"], "an entry has whole numbers"),
    (["sum(x)", "x=[1,2]", "--wrt", ","], "a name is missing"),
    (["x**2", "--dialect", "chain"], "a dialect tells of numbers, and x has none: add x=…"),
    (["x*y", "x=1", "--check"], "a check tells of numbers, and y has none: add y=…"),
    (["W @ x", "W=[[1,2],[3,4]]", "x=[1,1]", "--dialect", "chain"], "write sum(…) around it"),
    (
        ["W @ x", "W=[[1,2],[3,4]]", "x=[1,1]", "--order", "2"],
        "there are no second derivatives of an array in an array",
    ),
    (["W @ x", "W=@large.npy", "x=@long.npy"], "there are 1,002,001,000 derivatives here"),
    (["sum(x**3)", "x=@long.npy", "--order", "2", "--wrt", "x"], "there are 1,002,001 derivatives here"),
    (["sum(x**2)", "x=[1,2]", "--wrt", "x[1]", "--order", "2"], "there are no second derivatives of one entry"),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=range(len(WRONG)))
def test_wrong_use_is_exit_code_2_and_says_what_to_write(typed, words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "x=@long.npy" in words:
        np.save("large.npy", np.ones((1000, 1001)))
        np.save("long.npy", np.ones(1001))
    done = typed("grad", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("chainrule: ")
    assert said in done.err
    assert done.err.count("\n") <= 3


OPTIONS = [
    (["--dialct", "chain"], "there is no option --dialct: did you mean --dialect?"),
    (["--dialect", "chian"], "there is no chian: did you mean chain?"),
    (["--notation", "nielson"], "did you mean nielsen?"),
    (["--layout", "rows"], "there are numerator, denominator"),
    (["--format", "pdf"], "there are text, terminal, plain, markdown, latex, html, json"),
    (["--out", "told.pdf"], "give it one of .txt, .md"),
    (["--out", "told.md", "--format", "html"], "told.md is a file for markdown, not html"),
    (["--json", "--format", "html"], "--json means --format json"),
    (["--order", "3"], "--order"),
    (["--digits", "0"], "--digits"),
    (["--digits", "18"], "--digits"),
]


@pytest.mark.parametrize(("options", "said"), OPTIONS, ids=range(len(OPTIONS)))
def test_wrong_options_are_exit_code_2(typed, options, said):
    done = typed("grad", "x**2", "x=3", *options)
    assert (done.code, done.out) == (2, "")
    assert said in unwrapped(done.err)


def test_failures_are_one_line_and_exit_code_1(typed, tmp_path):
    done = typed("grad", "x**2", "x=3", "--out", str(tmp_path / "no" / "told.md"))
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "there is no folder" in done.err
    done = typed("grad", "cumprod(x)", "x:12")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "no closed form" in done.err
    assert "For its numbers add x=…" in done.err


def test_what_would_have_three_indices_is_a_differential(typed):
    done = typed("grad", "W @ x", "W:2x2", "x:2", "--wrt", "W")
    assert done.code == 0
    assert "df_W = dW x\n" in done.out


def test_large_arrays_are_described(told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("W.npy", np.ones((300, 400)))
    np.save("x.npy", np.ones(400))
    found = told("sum((W @ x)**2)", "W=@W.npy", "x=@x.npy", "--wrt", "W")
    assert (found.gradient.shape, found.gradient.largest) == ((300, 400), 800.0)
    assert any(r"2 W \, x \, x^{\top}" in latex for latex in equations(found))


def test_a_formula_may_begin_with_a_minus(told):
    assert told("-x**2", "x=3").gradient == -6.0
    assert told("-3*x", "x=-3").gradient == -3.0


def test_names_that_formats_could_stumble_over(typed):
    done = typed("grad", "α*x_hat + weird_long_name*2", "α=2", "x_hat=3", "weird_long_name=1", "--format", "html")
    assert done.code == 0
    assert "weird" in done.out


LONGEST_ANSWERS = [
    ["x**2", "x=3"],
    ["x**3 - 3*x**2 + 2*x + 1", "x=2", "--dialect", "paths"],
    SIMPLE,
    [*SIMPLE, "--wrt", "w1"],
    LEAST_SQUARES,
    [*LEAST_SQUARES, "--wrt", "W"],
    SIGMOID,
    [*SIGMOID, "--wrt", "w1", "--dialect", "chain"],
    ["sum(W @ x)", "W:3x2", "x:2"],
    ["W @ x", "W=[[1,2],[3,4]]", "x=[1,1]"],
    *[[*SIGMOID, "--wrt", "w1", "--dialect", dialect] for dialect in NEAREST],
]


@pytest.mark.parametrize("words", LONGEST_ANSWERS, ids=" ".join)
def test_the_answer_comes_first_and_is_short(told, capsys, words):
    derivation = told(*words)
    for style in ("plain", "text"):
        hand_over(derivation, style, None)
        short = capsys.readouterr().out
        assert 2 < len(short.rstrip().splitlines()) <= 14  # a title, an empty line, twelve lines at most
        hand_over(derivation, style, None, "full")
        assert len(capsys.readouterr().out) > len(short) or "Every step" not in short


def test_a_short_answer_says_what_the_derivative_means(typed):
    out = typed("grad", *SIMPLE, "--wrt", "w1", "--format", "plain").out
    assert "= -18" in out
    assert "Raising w1 by 0.01 lowers f by about 0.18." in out
    assert "--detail full" in out


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("*".join(f"(x + {i})" for i in range(60)), "a product of 60 factors"),
        ("*".join(["sin(x)"] * 300), "a product of 300 factors"),
        ("/".join(["(x + 1)"] * 80), "a product of 80 factors"),
        (" + ".join(f"a{i}*x" for i in range(60)), "and 61 names: too many"),
    ],
)
def test_long_formulas_are_told_in_numbers_alone(told, text, why):
    """What nobody would read is not looked for; the numbers are there all the same."""
    names = sorted(set(re.findall(r"\b[ax]\d*\b", text)))
    found = told(text, *[f"{name}=0.5" for name in names])
    assert any(why in str(text_of(block.text)) for block in found.story if isinstance(block, Note))
    assert found.log or found.nodes


def test_an_unknown_detail_is_refused(typed):
    done = typed("grad", "x**2", "x=3", "--detail", "brief")
    assert done.code == 2
    assert "short, full" in " ".join(done.err.split())


ASSIGNED = ["h = w1*x; yhat = w2*h; L = 0.5*(yhat - y)**2", "x=2", "w1=2", "w2=0.5", "y=20"]


def test_several_assignments_give_the_links_their_names(typed, told):
    found = told(*ASSIGNED, "--wrt", "w1")
    assert found.gradient == -18.0
    assert found.value == 162.0
    out = typed("grad", *ASSIGNED, "--wrt", "w1", "--format", "plain").out
    assert "h = w1*x = 4" in out
    assert "dL_dw1 = dL_dyhat*dyhat_dh*dh_dw1 = (yhat - y)*w2*x = -18*0.5*2 = -18" in out


@pytest.mark.parametrize(("name", "slope"), [("h", -9.0), ("yhat", -18.0), ("y", 18.0)])
def test_a_computed_name_is_differentiated_in_as_well(told, name, slope):
    found = told(*ASSIGNED, "--wrt", name, "--check")
    assert found.gradient == slope


def test_assignments_with_arrays(told):
    given = ["W=[[1,2],[3,4]]", "x=[1,2]", "b=[0,0]", "y=[1,1]"]
    found = told("h = tanh(W @ x + b); sum((h - y)**2)", *given, "--wrt", "W")
    h = np.tanh([5.0, 11.0])
    np.testing.assert_allclose(found.gradient, np.outer(2 * (h - 1) * (1 - h * h), [1.0, 2.0]), rtol=1e-9)


def test_a_value_for_a_computed_name_is_refused(typed):
    done = typed("grad", *ASSIGNED, "h=3")
    assert done.code == 2
    assert "h is computed by a line" in done.err
