"""Wrong backward passes: each gives what the well-known mistake gives, beside the right numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.derivation.record import Equation, Note, Steps, Table
from chainrule.derivation.tape.tape import Tape
from chainrule.derivation.wrong import mistakes
from chainrule.derivation.wrong.mistakes import sweep
from chainrule.derivation.wrong.what_if import what_if
from chainrule.errors import GraphError

from .spelled import spelled

FACTS = json.loads((Path(__file__).parent.parent / "reference_facts.json").read_text())["engine"]
deterministic = settings(derandomize=True, database=None, deadline=None, max_examples=30)


def lecture() -> tuple[Any, ...]:
    a, b = cr.Value(-2.0, label="a"), cr.Value(3.0, label="b")
    d, e = a * b, a + b
    return d * e, a, b, d, e


def order_graph() -> tuple[Any, Any]:
    x = cr.Value(3.0, label="x")
    u = x * x
    v = u + x
    return u * v, x


def table(told: Any) -> Table:
    return [block for block in told.story if isinstance(block, Table)][-1]


def test_overwriting_gives_the_last_share_in_both_orders():
    f, a, b, _, _ = lecture()
    found = {tuple(attempt.gradients[x] for x in (a, b)) for attempt in mistakes.overwriting(Tape(f))}
    assert found == {(3.0, -2.0), (-6.0, -6.0)}
    told = what_if(f, "overwrite")
    rows = [spelled(row[1:]) for row in table(told).rows]
    assert rows == [("−3", "3 ✗", "−6 ✗"), ("−8", "−2 ✗", "−6 ✗")]
    assert told.counts["wrong gradients"] == 4
    logs = [
        line for block in told.story if isinstance(block, Steps) for line in block.lines if isinstance(line, Equation)
    ]
    assert any("−6 is lost" in spelled(line.note) for line in logs)


def test_overwriting_a_plus_a():
    a = cr.Value(3.0)
    (attempt,) = mistakes.overwriting(Tape(a + a))
    assert attempt.gradients[a] == 1.0


def test_a_graph_without_shared_nodes_cannot_show_overwriting():
    a, b = cr.Value(2.0), cr.Value(3.0)
    told = what_if(a * b, "overwrite")
    assert told.counts["wrong gradients"] == 0
    assert [block.kind for block in told.story if isinstance(block, Note)] == ["warning"]


def test_nodes_that_do_not_wait_and_a_recursion_that_counts_twice():
    L, x = order_graph()
    assert L.data == FACTS["order"]["L"]
    tape = Tape(L)
    assert [mistakes.depth_first(tape, reverse).gradients[x] for reverse in (False, True)] == [81.0, 135.0]
    assert mistakes.naive_recursion(tape, reverse=False).gradients[x] == 207.0
    told = what_if(L, "order")
    assert spelled(table(told).rows[0][1:]) == ("135", "81 ✗", "135", "207 ✗", "189 ✗")
    assert told.counts["right by chance"] == 1


def test_a_second_pass_on_what_the_first_one_left():
    f, a, b, d, e = lecture()
    leaves, every = mistakes.not_zeroed(Tape(f))
    twice = FACTS["backward_twice"]
    assert [leaves.gradients[x] for x in (a, b)] == [twice["a"], twice["b"]]
    assert [every.gradients[x] for x in (a, b, d, e)] == [-9.0, -24.0, 2.0, -12.0]
    assert [spelled(row[1:]) for row in table(what_if(f, "zero_grad")).rows] == [
        ("−3", "−6 ✗", "−9 ✗"),
        ("−8", "−16 ✗", "−24 ✗"),
    ]
    f.backward()
    f.backward()
    assert [a.grad, b.grad] == [leaves.gradients[x] for x in (a, b)]


def test_a_forgotten_factor_and_whether_the_numbers_can_show_it():
    f, _, _, d, _ = lecture()
    told = what_if(f, "forgotten")
    effects = {spelled(row[0].sides[0]): spelled(row[1]) for row in table(told).rows}
    (hidden,) = [name for name, effect in effects.items() if effect == "the same"]
    assert hidden == "∂f/∂d"
    assert told.counts == {**told.counts, "wrong gradients": 3, "right by chance": 1}
    with pytest.raises(GraphError, match="a pair of a node and one of its inputs"):
        what_if(f, "forgotten", edge=(d, f))


def test_one_edge_of_the_simple_net():
    w1, w2 = cr.Value(2.0, label="w1"), cr.Value(0.5, label="w2")
    h = w1 * 2.0
    yhat = h * w2
    loss = 0.5 * (yhat - 20.0) ** 2
    told = what_if(loss, "forgotten", w1, edge=(yhat, h))
    ((factor, effect, verdict),) = table(told).rows
    assert spelled(factor) == "∂ŷ/∂h = w₂ = 0.5"
    assert "−36 ✗ in place of −18" in spelled(effect)
    assert verdict == "wrong gradients: 1 of 1"
    assert told.gradient == -18.0
    total = w1 + w2
    with pytest.raises(GraphError, match="no factor of its own"):
        what_if(total, "forgotten", edge=(total, w1))


def micrograd_backward(output: cr.Value, order: list[cr.Value], overwrite: bool) -> dict[Any, float]:
    """The lecture's loop, written by hand on local derivatives taken by differences of the node's own numbers."""
    grads = dict.fromkeys(order, 0.0)
    grads[output] = 1.0
    for node in order:
        for (_, x), local in zip(node.edges, node.local_derivatives, strict=True):
            grads[x] = local * grads[node] + (0.0 if overwrite else grads[x])
    return grads


@deterministic
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=10))
def test_the_simulator_is_the_lectures_loop(steps):
    held = [cr.Value(1.5), cr.Value(-0.5)]
    for kind, i, j in steps:
        x, y = held[i % len(held)], held[j % len(held)]
        held.append([x + y, x * y, x.tanh(), x - y][kind])
    output = held[-1]
    tape = Tape(output)
    for _, order in mistakes.orders(tape):
        assert {id(node) for node in order} == {id(node) for node in tape.order}
        place = {node: k for k, node in enumerate(order)}
        assert all(place[user] < place[x] for x in order for user, _ in tape.consumers.get(x, []))
        right, wrong = sweep(tape, order), sweep(tape, order, overwrite=True)
        for attempt, by_hand in ((right, False), (wrong, True)):
            expected = micrograd_backward(output, order, by_hand)
            assert all(attempt.gradients.get(x, 0.0) == pytest.approx(expected[x], rel=1e-12, abs=1e-15) for x in order)
        assert all(right.gradients[x] == pytest.approx(tape.gradients[x], rel=1e-9, abs=1e-12) for x in order)


@pytest.mark.parametrize("reverse", [False, True])
def test_naive_recursion_walks_every_path_and_is_stopped(reverse):
    x = cr.Value(1.0, label="x")
    y = x
    for _ in range(30):
        y = y + y
    attempt = mistakes.naive_recursion(Tape(y), reverse)
    assert not attempt.finished
    told = what_if(y, "order")
    assert any(isinstance(block, Note) and "stopped after" in spelled(block.text) for block in told.story)


def test_tensors_too():
    w = cr.Tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum() + w.sum()
    tape = Tape(loss)
    shares = [np.array([1.0, 2.0]), np.array([1.0, 1.0])]
    for attempt in mistakes.overwriting(tape):
        assert any(np.array_equal(attempt.gradients[w], share) for share in shares)
    for mistake in ("overwrite", "zero_grad", "forgotten"):
        assert what_if(loss, mistake).counts["wrong gradients"] > 0
    assert w.grad is None


def test_what_is_not_known_is_refused():
    f, a, _, d, _ = lecture()
    with pytest.raises(GraphError, match="no mistake 'typo': choose one of overwrite, order"):
        what_if(f, "typo")
    with pytest.raises(GraphError, match="edge belongs to the mistake 'forgotten'"):
        what_if(f, "order", edge=(d, a))
    y = a
    for _ in range(300):
        y = y * 0.99
    with pytest.raises(GraphError, match="too many to try each"):
        what_if(y, "forgotten")
    assert what_if(y, "forgotten", edge=(y, y.inputs[0])).counts["wrong gradients"] == 1


def test_the_names_are_those_of_the_catalogue():
    """What the locator calls a mistake is what may be asked here, and the same wrong passes are run."""
    from chainrule.derivation.wrong.mistakes import MISTAKES
    from chainrule.verify.mistakes import KINDS

    a, b = cr.Value(-2.0, label="a"), cr.Value(3.0, label="b")
    f = (a * b) * (a + b)
    for key, mistake in MISTAKES.items():
        assert mistake.name in KINDS
        assert str(cr.what_if(f, mistake.name)) == str(cr.what_if(f, key))
    for wrong in mistakes.overwriting(Tape(f)):
        assert "overwritten" in [mistake.name for mistake in cr.grade(f, wrong.gradients[a], wrt=a).mistakes]
