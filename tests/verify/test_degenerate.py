"""Numbers that hide mistakes are found, only on the way to what is asked, and the proposed ones hide none."""

from __future__ import annotations

from typing import Any

import pytest

import chainrule as cr

NET = "h = w1*x; ŷ = w2*h; L = 0.5*(ŷ - y)**2"
SIGMOIDS = "z1 = w1*x1 + w2*x2; h1 = sigmoid(z1); z2 = w3*h1; yhat = sigmoid(z2); L = 0.5*(t - yhat)**2"
START = {"x": 2, "w1": 2, "w2": 0.5, "y": 20}


def test_a_product_that_is_1_hides_a_link() -> None:
    found = cr.degenerate(NET, START, wrt="w1")
    assert ("chain-stopped-early", "∂ŷ/∂w1 = 1") in [(one.name, one.because) for one in found.hidden]
    assert {one.wrt for one in found.hidden} == {"w1"}
    # A notebook shows what is printed.
    assert repr(found) == str(found)
    assert "cannot be seen with these numbers\n" in repr(found)


def test_only_mistakes_on_the_way_to_what_is_asked() -> None:
    found = cr.degenerate(NET, START, wrt="w2")
    assert not any("∂h/∂w1" in one.place or one.because == "∂ŷ/∂w1 = 1" for one in found.hidden)


def test_a_wrong_number_that_is_right_for_another_parameter() -> None:
    values = {"x1": 1, "x2": 2, "w1": 0.1, "w2": -0.3, "w3": 0.5, "t": 1}
    found = cr.degenerate(SIGMOIDS, values, wrt=["w1", "w2", "w3"])
    assert any(one.wrt == "w1" and one.because == "∂z1/∂w1 = 1" for one in found.hidden)
    assert found.alike


@pytest.mark.parametrize(
    ("problem", "values"),
    [
        (NET, START),
        (SIGMOIDS, {"x1": 1, "x2": 2, "w1": 0.1, "w2": -0.3, "w3": 0.5, "t": 1}),
        ("d = a*b; e = a + b; f = d*e", {"a": -2, "b": 3}),
        ("L = sum((W @ x - y)**2)", {"W": [[1, 0], [0, 1]], "x": [1, 1], "y": [0, 1]}),
    ],
)
def test_the_proposal_hides_nothing_and_is_of_the_same_kind(problem: str, values: dict[str, Any]) -> None:
    found = cr.degenerate(problem, values)
    assert found
    assert found.still_hidden == 0
    assert not cr.degenerate(problem, found.proposal).hidden
    for name, value in values.items():
        if isinstance(value, int):
            assert float(found.proposal[name]).is_integer()
            assert (found.proposal[name] < 0) == (value < 0)


def test_numbers_that_show_everything() -> None:
    assert not cr.degenerate(NET, {"x": 3, "w1": 2, "w2": 0.7, "y": 11}, wrt="w1").hidden
