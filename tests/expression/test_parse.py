"""What users type: read as mathematics means it, refused with the exact place, and never run as Python."""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import re
from fractions import Fraction
from importlib import import_module

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.core.operation import book, compositions
from chainrule.core.term import replay, symbol
from chainrule.errors import FormulaError, ShapeError, closest, meant
from chainrule.expression import parse, usages
from chainrule.expression.typed.caret import WIDEST
from chainrule.expression.typed.functions import ALIASES, look_up
from chainrule.expression.typed.parsed import Parsed
from chainrule.expression.typed.tokens import DEEPEST, LONGEST

RANDOM = np.random.default_rng(0)
VALUES = {
    "A": RANDOM.normal(size=(3, 3)),
    "B": RANDOM.normal(size=(3, 3)),
    "W": RANDOM.normal(size=(2, 3)),
    "x": RANDOM.normal(size=3),
    "w": RANDOM.normal(size=3),
    "b": RANDOM.normal(size=2),
    "y": RANDOM.normal(size=2),
    "t": 0.7,
}
A, B, W, x, w, b, y, t = VALUES.values()

READ = {
    "sum((W @ x + b - y)**2)": lambda: np.sum((W @ x + b - y) ** 2),
    "t**3 - 3*t**2 + 2*t + 1": lambda: t**3 - 3 * t**2 + 2 * t + 1,
    "log(1 + exp(-t * (w.T @ x)))": lambda: np.log(1 + np.exp(-t * (w @ x))),
    "trace(A.T @ B)": lambda: np.trace(A.T @ B),
    "norm(W @ x - b)**2": lambda: np.sum((W @ x - b) ** 2),
    "norm(x, 1) + norm(x, ord=inf)": lambda: np.abs(x).sum() + np.abs(x).max(),
    "x[0]*x[-1]": lambda: x[0] * x[-1],
    "W[:, 1:]": lambda: W[:, 1:],
    "W[::2, -1]": lambda: W[::2, -1],
    "sum(W, axis=0, keepdims=True)": lambda: W.sum(0, keepdims=True),
    "sum(W, 1)": lambda: W.sum(1),
    "sum(W, axis=(0, -1))": lambda: W.sum(),
    "pad(W, ((1, 0), (0, 2)))": lambda: np.pad(W, ((1, 0), (0, 2))),
    "clip(x, a_min=-0.1, a_max=+.1)": lambda: np.clip(x, -0.1, 0.1),
    "where(x >= 0, x, -x/2)": lambda: np.where(x >= 0, x, -x / 2),
    "where((x < 0), 0, 1)": lambda: np.where(x < 0, 0, 1),
    "where(t < .7, 1, 0) + 2*where(t <= .7, 1, 0)": lambda: 2,
    "where(t > .7, 1, 0) + 2*where(t >= .7, 1, 0)": lambda: 2,
    "-x**2": lambda: -(x**2),
    "2**-1": lambda: 0.5,
    "2**3**2": lambda: 512,
    "8 - 3 - 2": lambda: 3,
    "8/4/2": lambda: 1,
    "x**(1+1)": lambda: x**2,
    "1.5e-3*x + 2.*x + .5*x": lambda: 2.5015 * x,
    "2*pi*t + e**t": lambda: 2 * math.pi * t + math.e**t,
    "ln(t) + tr(A)": lambda: math.log(t) + np.trace(A),
    "σ(t)": lambda: 1 / (1 + math.exp(-t)),
    "A·B − A×B ÷ 2": lambda: A * B / 2,
    "Aᵀ@x": lambda: A.T @ x,
    "A⊤ @ x³": lambda: A.T @ x**3,
    "slogdet(A)[1]": lambda: np.linalg.slogdet(A)[1],
    "((A @ B))[0].T @ x": lambda: (A @ B)[0] @ x,
    "sum(\n  x,\n\taxis=0\n)": lambda: x.sum(),
    "--t + +t - -t": lambda: 3 * t,
    "007*t": lambda: 7 * t,
}


def outcome(function):
    """What a function gives, or None and its FormulaError's message; any other error is a failure."""
    try:
        return function(), ""
    except FormulaError as error:
        return None, str(error)


@pytest.mark.parametrize("text", READ)
def test_means_what_numpy_means(text):
    # a few roundings apart, since NumPy may add in another order
    np.testing.assert_allclose(parse(text).run(VALUES), READ[text](), rtol=1e-13, atol=1e-14)


def test_names_in_order_of_appearance_and_constants_apart():
    parsed = parse("e**y * pi + sum(W @ x, axis=0) - y")
    assert parsed.names == ("y", "W", "x")
    assert parsed.constants == ("e", "pi")
    assert parse("e + pi").run({"e": 1.0}) == 1.0 + math.pi
    assert parse("x₁ * 𝐱 * µ").names == ("x1", "x", "μ")


def test_whole_exponents_stay_whole():
    for text in ("x**3", "x**(2 + 1)", "x**(2**2 - 1)"):
        (exponent,) = [step.number for step in parse(text).steps if step.number is not None]
        assert type(exponent) is int
        assert exponent == 3
    assert parse("x**(1/2)").run({"x": 4.0}) == 2.0


@pytest.mark.parametrize("text", ["sum((W @ x + b - y)**2)", "norm(A @ x)", "trace(A.T @ B) * t", "W[:, 0] @ W[:, 1]"])
def test_runs_on_arrays_tensors_and_terms_alike(text):
    parsed = parse(text)
    expected = parsed.run(VALUES)
    tensors = {name: cr.Tensor(value, requires_grad=True) for name, value in VALUES.items()}
    np.testing.assert_array_equal(parsed.run(tensors).data, expected)
    terms = {name: symbol(name, np.shape(value)) for name, value in VALUES.items()}
    (again,) = replay([parsed.run(terms)], {terms[name]: value for name, value in VALUES.items()})
    np.testing.assert_allclose(again, expected, rtol=1e-14)


def test_runs_on_values_and_differentiates():
    x, y = cr.Value(2.0), cr.Value(-3.0)
    out = parse("x**3 - 3*x**2 + 2*x + 1 + tanh(y)*x").run({"x": x, "y": y})
    out.backward()
    assert x.grad == 2.0 + math.tanh(-3.0)
    assert y.grad == pytest.approx(2 * (1 - math.tanh(-3.0) ** 2), rel=1e-12)


def test_gradient_of_least_squares():
    loss = parse("sum((W @ x + b - y)**2)")
    gradient = cr.grad(lambda weights: loss.run({**VALUES, "W": weights}))(W)
    np.testing.assert_allclose(gradient, 2 * np.outer(W @ x + b - y, x), rtol=1e-12)


def test_results_belong_to_parts_of_the_text():
    parsed = parse("2*(t + 1)**2")
    found = {parsed.source(step): result for step, result in zip(parsed.steps, parsed.results({"t": 2.0}), strict=True)}
    assert found == {"2": 2, "t": 2.0, "1": 1, "t + 1": 3.0, "(t + 1)**2": 9.0, "2*(t + 1)**2": 18.0}


WINDOWED = {"avg_pool1d", "avg_pool2d", "conv1d", "matrix_power", "max_pool1d", "max_pool2d"}
"""Functions that take a window or a power beside their array, and are called in a test of their own."""

ONE_ROW = {
    "convolve": ((4,), (3,)),
    "cumulative_prod": ((3,),),
    "cumulative_sum": ((3,),),
    "glu": ((3, 4),),
    "interp": ((2,), (3,), (3,)),
    "percentile": ((3,), ()),
    "prod": ((3,),),
    "quantile": ((3,), ()),
}
"""What else than a square matrix some functions take."""

WHOLE = {
    "array_split": {"indices_or_sections": 2},
    "chunk": {"chunks": 2},
    "cross_entropy": {"target": [0, 2, 1]},
    "eye": {"n": 3},
    "index_select": {"axis": 1, "indices": [0, 2, 0]},
    "moveaxis": {"source": 0, "destination": 1},
    "repeat": {"repeats": [1, 0, 2], "axis": 0},
    "split": {"indices_or_sections": 3},
    "swapaxes": {"axis1": 0, "axis2": 1},
    "take": {"indices": [8, 0]},
    "tile": {"reps": (2, 1)},
    "topk": {"k": 2},
}
"""The whole numbers that some functions need beside their arrays."""

TYPED = sorted(name for name in {*book, *compositions} - WINDOWED if look_up(name))


def test_a_window_is_typed_as_a_number():
    x = RANDOM.normal(size=(1, 2, 4, 4))
    np.testing.assert_array_equal(parse("avg_pool2d(x, 2)").run({"x": x}), compositions["avg_pool2d"](x, 2))
    np.testing.assert_array_equal(parse("matrix_power(x, -2)").run({"x": x}), compositions["matrix_power"](x, -2))


SHARES = {"quantile": 1.0}
"""The largest number that a function takes which is for shares."""


@pytest.mark.parametrize("name", TYPED)
def test_every_known_function_is_called_as_the_book_has_it(name):
    known = look_up(name)
    rule = None if name in WHOLE or known.listed else book.get(name)
    if rule is None:
        shapes = ((3, 3),) * 2 if known.listed else ONE_ROW.get(name, ((3, 3),) * len(known.inputs))
        examples = (WHOLE.get(name, {}),)
    else:
        shapes, examples = rule.shapes, rule.examples
    low, high = (0.3, SHARES.get(name, 2.0)) if rule is None else rule.domain
    names = "uvz"[: len(shapes)]
    values = {key: RANDOM.uniform(max(low, 0.1), high, shape) for key, shape in zip(names, shapes, strict=True)}
    function = compositions.get(name) or rule
    tried = 0
    for example_ in examples:
        if not {*example_} <= {*known.settings}:
            continue
        typed = "".join(f", {key}={setting!r}" for key, setting in example_.items())
        inputs = f"[{', '.join(names)}]" if known.listed else ", ".join(names)
        call = f"{name}({(inputs + typed).removeprefix(', ')})"
        if "array(" in call:
            continue
        tried += 1
        with np.errstate(all="ignore"):
            expected = function([*values.values()]) if known.listed else function(*values.values(), **example_)
        found = parse(call).run(values)
        for one, other in zip(found, expected, strict=True) if isinstance(found, tuple | list) else [(found, expected)]:
            np.testing.assert_array_equal(one, other)
    assert tried


UNTYPED_ALIASES = {"bitwise_not", "invert", "left_shift", "right_shift"}
"""NumPy's other names for functions of whole numbers."""


def test_known_functions_leave_out_what_cannot_be_typed():
    shown = {usage.partition("(")[0] for usage in usages()}
    assert {"sum", "norm", "where", "logsumexp", "tanh", "trace", "matmul", "squared_error"} <= shown
    assert {"concatenate([x, …], axis=…)", "cross_entropy(x, target=…)"} <= {*usages()}
    assert not shown & {"index", "scatter", "astype", "sum_of", "dot_of", "bitwise_and", "index_add"}
    assert {name for name in ALIASES if not look_up(name)} == UNTYPED_ALIASES
    assert "approximate" not in " ".join(usages())


# Each text marks the place in «», which is where the carets must stand; the message must have the words beside it.
REFUSED = {
    "«»": "x**2 + 1",
    "  «»": "x**2 + 1",
    "«2x» + 1": "2*x",
    "a + «x y»": "x*y",
    "a + «2 3»": "2*3",
    "«x 2»": "x*2",
    "«2(»x + 1)": "2*(…)",
    "(x«)(»y)": "(…)*(…)",
    "x «^» 2": "**",
    "漢字 + 漢 «^» 2": "**",
    "\tx\t«^» 2": "**",
    "x +\n  y «^» 2": "**",
    "x «==» 1": "equal(x, y)",
    "x «//» 2": "one /",
    "x «%» 2": "remainder",
    "x«!»": "factorial",
    "x«'»": "A.T",
    '«"»text"': "quotes",
    'f«"»{x}"': "quotes",
    "«|»x|": "abs(x)",
    "«√»x": "sqrt(x)",
    "x«ⁿ»": "**",
    "x«ᵢ»": "x_i",
    "x«\u200b»": "ZERO WIDTH SPACE",
    "x«\x00»": "U+0000",
    "x + «\ud800»": "U+D800",
    "sin«²(»x)": "sin(x)**2",
    "x²«**»2": "parentheses",
    "«(»x + 1": "never closed",
    "x + 1«)»": "no bracket",
    "(x + 1«]»": "another kind",
    "x «+»": "after +",
    "x «*» ": "after *",
    "«*» x": "before *",
    "x * «/» y": "before /",
    "(x «-»)": "after -",
    "sum(«*»x)": "before *",
    "sum(«**»x)": "before **",
    "sum(x, «**»y)": "before **",
    "x «=» 3": "as x=2",
    "(x «:=» 3)": "as x=2",
    "x«;» y": "one formula",
    "x «#» y": "comments",
    "x«.»": "after .",
    "x.«.»T": "before .",
    "«.»T": "before .",
    "a«:»b": "cannot be read",
    "«x, y»": "write one formula",
    "«()»": "write one formula",
    "«[]»": "this list is empty",
    "«{»x}": "parentheses",
    "«lambda» x: x": "word of Python",
    "x «if» y else z": "where(",
    "[x «for» x in y]": "word of Python",
    "«print»": "word of Python",
    "x + «eval»": "word of Python",
    "«__import__»(x)": "not allowed",
    "x.«__class__»": "not allowed",
    "«_x»": "not allowed",
    "«a__b» + 1": "not allowed",
    "x.«real»": ".T",
    "x.«t»": ".T",
    "x.«sum»()": "write sum(x",
    "np.«exp»(x)": "write exp(x)",
    "«sun»(x)": "did you mean",
    "«f»(x)": "f*(…)",
    "«concatenate»(x)": "takes a list, as in concatenate([x, y])",
    "«stack»([])": "takes a list",
    "take(x, «0.5»)": "whole numbers are typed out",
    "take(x, «y»)": "whole numbers are typed out",
    "cross_entropy(x, [0, «-y»])": "whole numbers are typed out",
    "«choose»(x)": "from Python",
    "«x.T»(y)": "written with *",
    "x[0«](»y)": "[…]*(…)",
    "«sum» * 2": "sum(x",
    "«inf» * x": "setting",
    "x + «nan»": "setting",
    "x «>» 1": "where(",
    "where(«0 < x < 1», x, 0)": "two things",
    "where(x, y «>» 1, 0)": "where(",
    "«log»(x, y)": "inputs and settings",
    "«where»(x)": "3 inputs",
    "sum(x, «axes»=0)": "axis?",
    "sum(x, 0, «axis»=0)": "twice",
    "sum(x, axis=«y»)": "typed out",
    "sum(x, axis=«1 + 1»)": "typed out",
    "sum(x, axis=((«(0,)»,),))": "typed out",
    "«reshape»(x)": "shape",
    "broadcast_to(x, «(100000, 100000)»)": "10,000,000",
    "pad(x, «999999999»)": "10,000,000",
    "x[«y»]": "whole numbers",
    "x[«1.5»]": "whole numbers",
    "x[«0 + 1»]": "whole numbers",
    "x[«::0»]": "not 0",
    "x[«True»]": "whole numbers",
    "9«**»9**9": "1024",
    "x«**»10000": "1024",
    "x«**»-10000": "1024",
    "x«**»(1000 + 1000)": "1024",
    "10«**»1000": "inf",
    "1 «/» 0": "inf",
    "(-8)«**»(1/3)": "nan",
    "1e308 «*» 10": "inf",
    "«12345678901234567890»": "1.5e20",
    "«1e999»": "1.8e308",
}


@pytest.mark.parametrize("marked", REFUSED)
def test_refused_with_the_exact_place(marked):
    before, place, _ = re.split("[«»]", marked)
    text = re.sub("[«»]", "", marked)
    with pytest.raises(FormulaError) as caught:
        parse(text)
    problem, line, carets = str(caught.value).rsplit("\n", 2)
    assert REFUSED[marked] in problem
    assert line[2:] == re.sub("[\x00\u200b\ud800]", "�", text.split("\n")[before.count("\n")])
    columns = [2 if "\u4e00" <= c <= "\u9fff" else 1 for c in before.split("\n")[-1]]
    indent = carets[2:].rstrip("^")
    assert len(indent) == sum(columns)
    assert [i for i, c in enumerate(indent) if c == "\t"] == [i for i, c in enumerate(before) if c == "\t"]
    assert len(carets[2:]) - len(indent) == max(len(place), 1)


def test_a_long_line_is_shown_around_the_place():
    with pytest.raises(FormulaError) as caught:
        parse(" + ".join(["x"] * 200) + " ^ 2" + " + y" * 200)
    _, line, carets = str(caught.value).split("\n")
    assert line[len(carets) - 1] == "^"
    assert line[2] == line[-1] == "…"
    assert len(line) <= WIDEST + 4


def test_limits():
    assert parse("(" * DEEPEST + "x" + ")" * DEEPEST).run({"x": 2.0}) == 2.0
    with pytest.raises(FormulaError, match=f"more than {DEEPEST} brackets"):
        parse("(" * (DEEPEST + 1) + "x" + ")" * (DEEPEST + 1))
    with pytest.raises(FormulaError, match="characters"):
        parse("x" * (LONGEST + 1))
    assert parse("+".join(["x"] * 2000)).run({"x": 0.5}) == 1000.0


@pytest.mark.parametrize(
    "text",
    [
        "-" * (LONGEST - 1) + "x",
        "+".join(["x"] * (LONGEST // 2)),
        "**".join(["x"] * (LONGEST // 3)),
        "x" + "[0]" * 3333,
    ],
)
def test_a_deep_formula_is_refused_or_read(text):
    parsed, message = outcome(lambda: parse(text))
    assert "too long or too deep" in message or len(parsed.steps) >= LONGEST // 3


def test_errors_of_a_run_point_at_the_sign():
    cases = {
        "b + A «@» y": "(3, 3)",
        "x «+» b": "x has shape (3,) and b has shape (2,)",
        "(x + w)«[5]»": "x + w has shape (3,)",
        "«solve»(W, b)": "(2, 3)",
        "t «@» t": "here t is a number: give a shape to what is an array",
        "A «@» t": "A has shape (3, 3) and t is a number",
        "t + «undefined»": "undefined has no value",
        "«WW» + 1": "W has one",
    }
    for marked, words in cases.items():
        before, place, _ = re.split("[«»]", marked)
        with pytest.raises(FormulaError) as caught:
            parse(re.sub("[«»]", "", marked)).run(VALUES)
        problem, _, carets = str(caught.value).rsplit("\n", 2)
        assert words in problem
        assert carets == "  " + " " * len(before) + "^" * len(place)


def test_the_cause_of_a_misfit_is_kept():
    with pytest.raises(FormulaError) as caught:
        parse("A @ y").run(VALUES)
    assert isinstance(caught.value.__cause__, ShapeError)
    with pytest.raises(FormulaError, match="add takes numbers"):
        parse("x + 1").run({"x": "text"})


EVIL = [
    "__import__('os').system('true')",
    "().__class__.__bases__[0].__subclasses__()",
    "eval(x)",
    "exec(x)",
    "open(x)",
    "[x for x in (1,)]",
    "(lambda: 1)()",
    "x.__init__.__globals__",
    "print(x)",
    "𝐞𝐯𝐚𝐥(x)",
    "breakpoint()",
    "sum.__call__(x)",
    "f'{x}'",
    "getattr(x, T)",
]


def test_no_word_of_a_user_reaches_python(monkeypatch):
    seen = []
    compile_ = compile

    def watched(source, filename, mode, flags=0, *rest, **others):
        seen.append(source)
        assert flags & ast.PyCF_ONLY_AST
        return compile_(source, filename, mode, flags, *rest, **others)

    def never(*_, **__):
        raise KeyboardInterrupt("something of the user's was run")

    parsed = []
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "compile", watched)
        for name in ("eval", "exec", "open", "breakpoint", "print"):
            patch.setattr(builtins, name, never)
        for text in [*EVIL, "sum(W @ x, axis=0) + secret**2 + exp(x[0])"]:
            try:
                parsed.append(parse(text))
            except FormulaError:
                continue
    assert [one.names for one in parsed] == [("W", "x", "secret")]
    assert seen
    for source in seen:
        assert re.fullmatch(r"(n\d+|[-+*/@().,\[\]:=<>]+)( (n\d+|[-+*/@().,\[\]:=<>]+))*", source)


def read_or_refused(text):
    """Parsed, or a FormulaError that shows where."""
    parsed, message = outcome(lambda: parse(text))
    if parsed is None:
        assert re.search(r"\n\s*\^+$", message)
        assert message.encode()
        return None
    assert isinstance(parsed, Parsed)
    assert all(text[step.start : step.stop] for step in parsed.steps)
    return parsed


WORDS = ["x", "W", "1", "2.5", "1e9", "sum", "norm", "T", "axis", "None", "lambda", "if", "__x__", "e", "pi", "where"]
SIGNS = [*"+-*/@().,[]:=<>^|!'\"#%;{}\\ \n\t\0²ᵀ·−₁", "**", "//", "<=", "==", ":=", "...", "->"]
SOUP = st.lists(st.sampled_from(WORDS + SIGNS), max_size=25).map("".join)


@settings(max_examples=600, deadline=5000)
@given(SOUP | st.text(max_size=40) | st.lists(st.sampled_from(WORDS + SIGNS), max_size=25).map(" ".join))
@example("x" * LONGEST)
@example("9**" * 3000 + "9")
@example("x[" * 60 + "0" + "]" * 60)
@example("1if x else y")
@example("0x1f")
@example("x\r\n^\u2028y")
def test_any_text_is_read_or_refused(text):
    parsed = read_or_refused(text)
    if parsed is not None:
        with np.errstate(all="ignore"):
            result, message = outcome(lambda: parsed.run({"x": 2.0, "W": np.eye(2)}))
        assert result is not None or "^" in message


@settings(max_examples=400, deadline=5000)
@given(st.sampled_from(sorted(READ)), st.data())
def test_a_mutated_formula_is_read_or_refused(text, data):
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        new = data.draw(st.sampled_from(["", *WORDS, *SIGNS]) | st.text(max_size=2))
        text = text[:at] + new + text[at + data.draw(st.integers(0, 2)) :]
    parsed = read_or_refused(text)
    if parsed is not None:
        result, message = outcome(lambda: parsed.run(VALUES))
        assert result is not None or "^" in message


@pytest.mark.parametrize("module", ["ast", "textwrap", "fractions", "json.encoder"])
def test_expressions_of_real_programs_are_read_or_refused(module):
    tree = ast.parse(inspect.getsource(import_module(module)))
    texts = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.expr)}
    results = [read_or_refused(text) for text in texts if len(text) < 500]
    assert len(results) > 100


LEVELS = {"+": 1, "-": 1, "*": 2}


class Evaluator:
    """Precedence climbing over exact fractions: the grammar of arithmetic written a second time, without Python's.

    Beside each value goes its size, in which differences are sums: what rounding errors are measured by.
    """

    def __init__(self, tokens, values):
        self.tokens = [*tokens, "end"]
        self.values = values

    def level(self, lowest=1):
        left = self.unary()
        while LEVELS.get(self.tokens[0], 0) >= lowest:
            sign = self.tokens.pop(0)
            right = self.level(LEVELS[sign] + 1)
            left = self.joined(sign, left, right)
        return left

    def joined(self, sign, left, right):
        (a, size_a), (b, size_b) = left, right
        if sign == "*":
            return a * b, size_a * size_b
        return (a + b if sign == "+" else a - b), size_a + size_b

    def unary(self):
        if self.tokens[0] == "-":
            self.tokens.pop(0)
            value, size = self.unary()
            return -value, size
        value, size = self.atom()
        if self.tokens[0] == "**":
            self.tokens.pop(0)
            exponent, _ = self.unary()
            return value**exponent, size**exponent
        return value, size

    def atom(self):
        token = self.tokens.pop(0)
        if token == "(":
            inside = self.level()
            assert self.tokens.pop(0) == ")"
            return inside
        value = Fraction(self.values.get(token, token))
        return value, abs(value)


NUMBERS = {"x": 1.5, "yy": -0.75, "z1": 3.0}
OPERAND = st.sampled_from([*NUMBERS, "2", "0.25", "3", "1e1", ".5"]).map(lambda one: [one])


def larger(smaller):
    joined = st.tuples(smaller, st.sampled_from("+-*"), smaller).map(lambda one: [*one[0], one[1], *one[2]])
    enclosed = smaller.map(lambda one: ["(", *one, ")"])
    minus = smaller.map(lambda one: ["-", *one])
    power = st.tuples(enclosed | OPERAND, st.sampled_from([["0"], ["1"], ["2"], ["3"], ["2", "**", "2"]]))
    return joined | enclosed | minus | power.map(lambda one: [*one[0], "**", *one[1]])


@settings(max_examples=300, deadline=5000)
@given(st.recursive(OPERAND, larger, max_leaves=8), st.data())
@example(["-", "x", "**", "2"], None)
@example(["2", "**", "3", "**", "2"], None)
@example(["z1", "-", "2", "-", "x", "*", "-", "yy"], None)
def test_arithmetic_agrees_with_another_evaluator(tokens, data):
    blanks = [" "] * len(tokens) if data is None else [data.draw(st.sampled_from(["", " "])) for _ in tokens]
    text = "".join(token + blank for token, blank in zip(tokens, blanks, strict=True))
    expected, size = Evaluator(tokens, NUMBERS).level()
    found = parse(text).run(NUMBERS)
    # each of at most some 60 operations, powers counted by their exponents, rounds by one part in 2**53 of the size
    assert abs(Fraction(found) - expected) <= size * Fraction(200, 2**53)


@pytest.mark.parametrize(
    ("typed", "there"), [("sigmod", "sigmoid"), ("SIGMOID", "sigmoid"), ("w_1", "W1"), ("zzz", "")]
)
def test_what_was_probably_meant_is_found_in_letters_of_any_size(typed, there):
    assert closest(typed, ["sigmoid", "W1", "x"]) == there
    assert meant(typed, ["sigmoid", "W1", "x"]) == (f": did you mean {there}?" if there else "")
