"""The one walk: gradients, wrong gradients and arrivals, of Values and of steps of a program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.graph import backward_order
from chainrule.core.walk import every_way, finished_last, first_met, replacing, walk
from chainrule.program import lift


def slopes_of_values(node: Any, edges: Any, g: Any) -> list[Any]:
    return [node.share([i for i, _ in node.edges].index(slot), g) for slot, _ in edges]


def diamond() -> tuple[Any, Any, Any]:
    a, b = cr.Value(-2.0), cr.Value(3.0)
    return a, b, (a * b) * (a + b)


def test_gradients_of_values_are_the_engines() -> None:
    a, b, f = diamond()
    f.backward()
    held = walk(backward_order([f]), {f: 1.0}, slopes_of_values)
    assert (held[a], held[b]) == (a.grad, b.grad) == (-3.0, -8.0)


def test_gradients_of_steps_are_the_engines() -> None:
    x = cr.Tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True)
    w = cr.Tensor([0.3, -0.7], requires_grad=True)
    loss = cr.sum(cr.tanh(x @ w) * cr.softmax(w) * cr.max(x))
    loss.backward()
    lifted = lift(loss)
    numbers = dict(zip(lifted.program.steps, lifted.numbers, strict=True))

    def shares(step: Any, edges: Any, g: Any) -> list[Any]:
        given = [numbers.get(y, y) for y in step.inputs]
        return [step.op.pull(slot, np.asarray(g), numbers[step], given, step.settings) for slot, _ in edges]

    held = walk(reversed(lifted.program.steps), {lifted.program.output: np.ones(())}, shares)
    for leaf in (x, w):
        np.testing.assert_allclose(held[lifted.step[leaf]], leaf.grad.data, rtol=1e-14)


@pytest.mark.parametrize("turned", [False, True])
def test_overwriting_gives_the_known_wrong_gradients(turned: bool) -> None:
    a, b, f = diamond()
    product, total = f.inputs
    order = [f, total, product] if turned else [f, product, total]
    held = walk(order, {f: 1.0}, slopes_of_values, add=replacing)
    assert (held[a], held[b]) == ((3.0, -2.0) if turned else (-6.0, -6.0))


def test_only_edges_among_the_asked_nodes_are_walked_and_arrivals_are_told() -> None:
    a, b, f = diamond()
    log: list[Any] = []
    product = f.inputs[0]
    held = walk(
        backward_order([f]),
        {f: 1.0},
        slopes_of_values,
        among={f, product, a},
        arrived=lambda source, slot, x, before, share, after: log.append((source, slot, x, before, share, after)),
    )
    assert b not in held
    assert held[a] == product.local_derivatives[0] * held[product] == 3.0
    assert [(slot, before, share, after) for _, slot, _, before, share, after in log] == [
        (0, None, 1.0, 1.0),
        (0, None, 3.0, 3.0),
    ]
    assert [(source is f, x is product) for source, _, x, *_ in log] == [(True, True), (False, False)]


def test_nothing_passes_where_a_share_is_none_or_nothing_arrived() -> None:
    a, _, f = diamond()
    held = walk(backward_order([f]), {f: 1.0}, lambda node, edges, g: [None for _ in edges])
    assert list(held) == [f]
    assert walk(backward_order([f]), {a: 2.0}, slopes_of_values) == {a: 2.0}


@pytest.mark.parametrize("of_steps", [False, True])
def test_orders_of_a_search_from_the_result(of_steps: bool) -> None:
    a, b = cr.Value(-2.0), cr.Value(3.0)
    d, e = a * b, a + b
    f = d * e
    lifted = lift(f)
    names = {lifted.step[x] if of_steps else x: name for x, name in zip((a, b, d, e, f), "abdef", strict=True)}
    output = lifted.step[f] if of_steps else f

    def spelled(nodes: Any) -> str:
        return "".join(names[x] for x in nodes)

    assert [spelled(finished_last(output, reverse)) for reverse in (False, True)] == ["fedba", "fdeab"]
    assert [spelled(first_met(output, reverse)) for reverse in (False, True)] == ["fdabe", "febad"]
    assert [spelled([source, x]) for source, _, x in every_way(output, False)] == ["fd", "da", "db", "fe", "ea", "eb"]
    assert [(names[x], slot) for _, slot, x in every_way(output, True)] == [
        ("e", 1), ("b", 1), ("a", 0), ("d", 0), ("b", 1), ("a", 0)
    ]  # fmt: skip
