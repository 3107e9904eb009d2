"""What scripts may ask of a page, what they are refused, and what it says and exports where numbers are not finite."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from tests.livepage.conftest import settled

from chainrule.livepage.page import Page
from chainrule.livepage.subject import typed_subject

ODD = {
    "divided by 0": ("f = w/x", {"w": 2.0, "x": 0.0}),
    "a root at 0": ("r = sqrt(x); f = r*w", {"x": 0.0, "w": 2.0}),
    "a logarithm below 0": ("z = log(x); f = z*w", {"x": -1.0, "w": 2.0}),
    "too large": ("z = exp(x); f = z*z", {"x": 500.0}),
}


def number(text: str) -> float:
    """A number as the page writes it."""
    plain = text.strip("()").replace("−", "-").replace("∞", "inf")
    digits, times, power = plain.partition("·10")
    return float(f"{digits}e{power.translate(RAISED)}" if times else plain)


RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


@pytest.fixture(scope="module")
def odd():
    """Computations of which something is not finite; nothing is told of them."""
    return Page(tuple([typed_subject(text, values, title=name, told=False) for name, (text, values) in ODD.items()]))


REFUSED = (
    ("set('w1', 'abc')", "w1 takes a number, and got abc"),
    ("set('w1')", "w1 takes a number, and got undefined"),
    ("set('w1', null)", "w1 takes a number"),
    ("set('w1', true)", "w1 takes a number"),
    ("set('w1', {})", "w1 takes a number, and got {}"),
    ("set('w1', [1, 2])", "w1 takes 1 numbers, and got 2"),
    ("set('nobody', 1)", "there is no leaf named nobody"),
    ("mistake('forgotten', {edge: 1})", 'there is no edge {"edge":1}'),
    ("mistake('forgotten', 'w1')", "there is no edge w1"),
    ("mistake('forgotten', 99)", "there is no edge 99"),
    ("mistake('forgotten', ['w1', 'h'])", "there is no edge"),
    ("mistake('forgotten', 1.5)", "there is no edge 1.5"),
    ("mistake('nonsense')", "there is no mistake nonsense"),
    ("mistake(99)", "there is no mistake 99"),
    ("step('a')", "a position takes a number"),
    ("train('a')", "training takes a number"),
    ("train(-2)", "training has a whole number of steps, and not -2"),
    ("train(NaN)", "training has a whole number of steps, and not NaN"),
    ("rate(0)", "a number above 0"),
    ("rate('fast')", "the rate takes a number"),
    ("optimizer('Lion')", "there is no optimizer Lion"),
    ("exported('PDF')", "nothing is written as PDF"),
    ("open(99)", "there is no example 99"),
)
"""What is asked, and what the refusal says."""


def test_what_means_nothing_is_refused_and_changes_nothing(opened, simple):
    of_page = "[chainrule.state(), chainrule.values(), chainrule.gradients()]"
    with opened(simple) as tab:
        before = tab.evaluate(of_page)
        for call, says in REFUSED:
            told = tab.evaluate(
                f"(async () => {{ try {{ await chainrule.{call}; }} catch (e) {{ return e.message; }} }})()"
            )
            assert says in (told or "nothing was refused"), call
            assert tab.evaluate(of_page) == before, call


def test_an_edge_by_its_names(opened, simple):
    with opened(simple) as tab:
        tab.evaluate("chainrule.mistake('forgotten', ['h', 'w1']); chainrule.set('w2', ' −2,5 ')")
        tab.evaluate("chainrule.set('w2', 0.5)")
        assert tab.evaluate("chainrule.gradients()")["w1"] == -9


def test_the_log_says_where_gradients_stop_being_finite(opened, odd):
    with opened(odd) as tab:
        for n, (name, says) in enumerate(
            {
                "divided by 0": "f = w/x is ∞ at w = 2, x = 0. So nothing here is a derivative",
                "a root at 0": "share 3: r hands ∞ to x",
                "a logarithm below 0": "f is nan. It begins where z = ln(x) is nan at x = −1",
                "too large": "f = z · z is ∞ at z = 1.404·10²¹⁷",
            }.items()
        ):
            tab.evaluate("(n) => chainrule.open(n)", n)
            settled(tab)
            assert says in tab.locator("#verdict").inner_text(), name
            for row in tab.locator("#log tr").all_inner_texts():
                *_, told, _ = row.replace("\N{NO-BREAK SPACE}", " ").split("\t")
                factors, equals, product = told.partition(" = ")
                if equals:
                    local, incoming = [number(x) for x in factors.split(" · ")]
                    assert np.isclose(local * incoming, number(product), rtol=1e-3, equal_nan=True), row


@pytest.mark.parametrize("kind", ["Python", "NumPy"])
def test_a_script_of_numbers_that_are_not_finite_runs(opened, odd, tmp_path, kind):
    with opened(odd) as tab:
        for n, name in enumerate(ODD):
            tab.evaluate("(n) => chainrule.open(n)", n)
            script, found = tab.evaluate(
                "(kind) => [chainrule.exported(kind), JSON.parse(chainrule.exported('JSON'))]", kind
            )
            (tmp_path / "script.py").write_text(script, "utf-8")
            done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=False)
            assert done.returncode == 0, (name, done.stderr)
            value = found["values"]["f"]
            assert (value if isinstance(value, str) else str(float(value))) in done.stdout, (name, done.stdout)
    assert json.dumps(found)


def test_one_number_has_a_curve_for_a_surface(opened, odd):
    with opened(odd) as tab:
        tab.evaluate("chainrule.open(3)")
        tab.evaluate("chainrule.set('x', 1)")
        settled(tab)
        assert tab.locator("#surface").get_attribute("aria-label") == "The loss over one number as a curve"
        assert not tab.locator("#weight-b").is_visible()
        tab.wait_for_function("document.getElementById('surface-told').textContent.includes('slope 14.77')")


def test_entries_of_arrays_are_asked_and_wrong_answers_named(opened):
    text, values = (
        "z = W@x + b; L = sum(relu(z)**2)",
        {"W": [[1.0, -2.0], [0.5, 1.0]], "x": [1.5, 0.25], "b": [0.5, 0.1]},
    )
    subject = typed_subject(text, {name: np.array(x) for name, x in values.items()})
    with opened(Page((subject,))) as tab:
        right = tab.evaluate("chainrule.gradients()")
        tab.locator("#begin").click()
        asked = []
        while "What is" in (question := tab.locator("#question").inner_text()):
            name = question.partition("/∂")[2].partition("?")[0]
            array, _, at = name.partition("[")
            at = tuple([int(i) for i in at.rstrip("]").split(",")]) if at else ()
            key = array.translate(str.maketrans("₀₁₂₃", "0123"))
            wanted = float(np.asarray(right[key])[at])
            asked.append(key)
            found = tab.evaluate("(x) => chainrule.attempt.answer(x)", -wanted)
            assert found["name"] == "sign", (name, found)
            assert tab.evaluate("(x) => chainrule.attempt.answer(x)", wanted)["right"], name
        assert {"W", "b"} <= set(asked)


def test_small_arrays_and_small_numbers_are_written_in_latex(opened):
    problem = typed_subject(
        "L = s*sum(W@x)", {"s": 1e-7, "W": [[2.0, -0.5], [1e-9, np.inf]], "x": [1.0, 0.5]}, told=False
    )
    with opened(Page((problem,))) as tab:
        text = tab.evaluate("chainrule.exported('LaTeX')")
    assert r"W &= \begin{pmatrix} 2 & -0.5 \\ 1 \cdot 10^{-9} & \infty \end{pmatrix} \\" in text
    assert r"s &= 1 \cdot 10^{-7} \\" in text
    assert r"\begin{pmatrix} 1 \\ 0.5 \end{pmatrix}" in text
    assert r"\ldots" not in text
