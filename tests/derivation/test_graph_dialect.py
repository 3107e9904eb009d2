"""The graph dialect: one line a node, every number of which comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation.dialects.graph import MOST_NODES
from chainrule.derivation.explain import explain
from chainrule.derivation.record import Derivation, Equation, Heading, Paragraph, Steps, Table

from .spelled import spelled


def equations(told: Derivation) -> list[Equation]:
    """Every equation of a story, in order."""
    found: list[Any] = []
    for block in told.story:
        if isinstance(block, Table):
            found += [cell for row in block.rows for cell in row]
        elif isinstance(block, Steps):
            found += block.lines
        else:
            found.append(block)
    return [x for x in found if isinstance(x, Equation)]


def lines(told: Derivation) -> list[str]:
    return [spelled(equation) for equation in equations(told)]


def lecture() -> Any:
    a, b = cr.Value(-2.0, label="a"), cr.Value(3.0, label="b")
    d, c = a * b, a + b
    d.label, c.label = "d", "c"
    f = d * c
    f.label = "f"
    return f, a, b


def test_the_lecture_graph_line_by_line():
    told = explain(lecture()[0])
    text = lines(told)
    assert text[:3] == [
        "d = a · b = −2 · 3 = −6",
        "c = a + b = −2 + 3 = 1",
        "f = d · c = −6 · 1 = −6",
    ]
    assert "∂d/∂a = b = 3" in text
    assert "∂d/∂a · ∂f/∂d = 3 · 1 = 3" in text
    assert "∂f/∂a = 0 + (−6) + 3 = −3" in text
    assert "∂f/∂b = 0 + (−6) + (−2) = −8" in text
    assert text[-2:] == ["∂f/∂a = −3", "∂f/∂b = −8"]
    assert told.counts["nodes used several times"] == 2


def test_the_log_is_the_order_in_which_gradients_arrive():
    told = explain(lecture()[0])
    log = next(block for block in told.story if isinstance(block, Steps))
    assert [spelled(line) for line in log.lines][-2:] == [
        "∂f/∂a = −6 + 3 = −3",
        "∂f/∂b = −6 + (−2) = −8",
    ]


def test_a_square_names_both_uses_of_its_input():
    a = cr.Value(3.0, label="a")
    told = explain(a * a, a, "graph")
    table = next(block for block in told.story if isinstance(block, Table) and len(block.columns) == 4)
    assert [spelled(row[3]) for row in table.rows] == ["a (input 1)", "a (input 2)"]
    assert any(line.endswith(r"= 0 + 3 + 3 = 6") for line in lines(told))


def test_what_is_given_is_said_even_where_no_gradient_of_it_is_told():
    f, a, _ = lecture()
    given = next(spelled(block.text) for block in explain(f, a, "graph").story if isinstance(block, Paragraph))
    assert given == "Given: a = −2, b = 3."


def test_small_matrices_are_written_out_with_the_adjoint_of_the_book():
    W = cr.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    X = cr.Tensor([[1.0, 0.5], [0.0, 2.0]])
    z = W @ X
    loss = (z * z).sum()
    told = explain(loss, W, "graph")
    loss.backward()
    text = lines(told)
    assert any("∂loss/∂z Xᵀ" in line for line in text)
    (rows,) = [line for line in text if line.startswith("∂loss/∂W = [")]
    for entry in np.asarray(W.grad).ravel():
        assert f"{entry:g}" in rows
    assert any("⊙" in line for line in text)


def test_large_arrays_are_described():
    rng = np.random.default_rng(0)
    w = cr.Tensor(rng.normal(size=(20, 10)), requires_grad=True)
    told = explain(cr.tanh(w).sum(), w, "graph")
    notes = [spelled(part.note) for part in equations(told) if "20 × 10" in spelled(part.note)]
    assert len(notes) >= 3
    assert all("length" in note for note in notes)


def test_many_uses_are_told_by_the_largest_and_the_rest_as_one_number():
    x = cr.Value(0.5, label="x")
    out = cr.sum([x * float(k) for k in range(1, 31)])
    told = explain(out, x, "graph", top=3)
    (equation,) = [e for e in equations(told) if "the other 27 together" in spelled(e.note)]
    assert spelled(equation) == "dout/dx = 0 + 30 + 29 + 28 + 378 = 465"


def test_a_long_graph_is_summed_up():
    x = cr.Value(1.0, label="x")
    y = x
    for _ in range(MOST_NODES):
        y = y * 0.9 + x
    told = explain(y, x, "graph", top=4)
    counts = next(block for block in told.story if isinstance(block, Table))
    assert ("mul", f"{MOST_NODES}") in counts.rows
    assert ("leaf", "1") in counts.rows
    largest = next(block for block in told.story if isinstance(block, Table) and block.columns == ("node", "gradient"))
    assert len(largest.rows) == 4
    assert [block.text for block in told.story if isinstance(block, Heading)][-1] == "Result"


@pytest.mark.parametrize("digits", [2, 6, 17])
def test_digits(digits):
    a = cr.Value(1 / 3, label="a")
    told = explain(cr.exp(a) * a, a, "graph", digits=digits)
    result = lines(told)[-1].rpartition("= ")[2]
    assert float(result) == pytest.approx(
        np.exp(1 / 3) * (1 + 1 / 3), rel=10.0 ** (1 - digits) if digits < 17 else 1e-16
    )


def test_an_entry_that_was_asked_for_is_in_the_result():
    w = cr.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    told = explain((w * w).sum(), w[1, 2], "graph")
    assert lines(told)[-1].endswith("/∂w[1, 2] = 10")
