"""Activations that a problem writes out are single links, and the form that it writes of GELU is no mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.verify.grade import grade

WRITTEN = {
    "sigmoid": "1/(1 + exp(-z))",
    "tanh": "(exp(z) - exp(-z))/(exp(z) + exp(-z))",
    "relu": "max(0, z)",
    "softplus": "log(1 + exp(z))",
    "silu": "z/(1 + exp(-z))",
    "gelu by tanh": "0.5*z*(1 + tanh(sqrt(2/pi)*(z + 0.044715*z**3)))",
}
MISSING = ("activation-derivative-missing", "relu-mask-wrong")


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize(("inner", "shape"), [("w*x", ()), ("w*x + b", (3,))])
def test_its_slope_that_is_left_out_is_named(written: str, inner: str, shape: tuple[int, ...]) -> None:
    program = f"z = {inner}; a = {written}; L = 0.5*sum((a - y)**2)"
    marked = grade(program, "(a - y)*x", wrt="w", shapes=dict.fromkeys("wxy", shape))
    assert marked.mistakes[0].name in MISSING
    assert "∂a/∂z" in marked.mistakes[0].place


def test_its_value_for_its_slope_is_named() -> None:
    program = f"z = w*x; a = {WRITTEN['gelu by tanh']}; L = 0.5*(a - y)**2"
    assert grade(program, "(a - y)*a*x", wrt="w").mistakes[0].name == "activation-for-derivative"
    program = f"z = w*x; a = {WRITTEN['sigmoid']}; L = 0.5*(a - y)**2"
    assert grade(program, "(a - y)*(1 - a**2)*x", wrt="w").mistakes[0].name == "activation-derivative-of-another"


def test_what_goes_wrong_inside_is_told_where_it_is() -> None:
    marked = grade("y = 1/(1 + exp(-x))", "-exp(-x)/(1 + exp(-x))**2", wrt="x")
    assert marked.mistakes[0].name in ("sign", "missing-factor")


def tanh_form(w: Any, x: Any, y: Any) -> Any:
    """The gradient in w of a net with the GELU that is computed by tanh."""
    z, k = w * x, np.sqrt(2 / np.pi)
    t = np.tanh(k * (z + 0.044715 * z**3))
    slope = 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * k * (1 + 3 * 0.044715 * z**2)
    return (0.5 * z * (1 + t) - y) * slope * x


def test_either_form_of_gelu_is_right() -> None:
    marked = grade("z = w*x; a = gelu(z); L = 0.5*(a - y)**2", tanh_form, wrt=["w"])
    assert marked.right
    assert marked.notes == ("right for the gelu by tanh",)
    assert grade("z = w*x; a = gelu_tanh(z); L = 0.5*(a - y)**2", tanh_form, wrt=["w"]).right
    wrong = grade("z = w*x; a = gelu(z); L = 0.5*(a - y)**2", lambda w, x, y: 1.1 * tanh_form(w, x, y), wrt=["w"])
    assert not wrong.right


SOFTMAX = "Z = X @ W; E = exp(Z); P = E/sum(E, axis=1, keepdims=True); L = -sum(Y*log(P))/6"
SHAPES = {"X": (6, 3), "W": (3, 4), "Y": (6, 4)}


def test_an_activation_may_take_several_lines() -> None:
    marked = grade(SOFTMAX, "X.T @ (P*(1 - P)*-Y/P)/6", wrt="W", shapes=SHAPES)
    assert marked.mistakes[0].name == "softmax-diagonal"
    assert not grade(SOFTMAX, "X.T @ (E - Y)/6", wrt="W", shapes=SHAPES).right
    assert grade("z = w*x; e = exp(-z); a = 1/(1 + e); L = a", "a*x", wrt="w").mistakes[0].name in (
        "activation-for-derivative", "wrong-local-derivative", "missing-factor", "sign",
    )  # fmt: skip
