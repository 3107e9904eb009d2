"""A recorded computation as data: the same steps, the same numbers, and right on other data."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.graph import backward_order
from chainrule.core.state import Quiet
from chainrule.core.term import symbol
from chainrule.errors import DtypeError, GraphError, ShapeError
from chainrule.program import Kind, Program, lift, program_of, run, term_of


def small_net(x: Any, w: Any, b: Any, target: Any) -> Any:
    hidden = cr.tanh(x @ w + b)
    return cr.sum(cr.square(hidden - target))


def given(seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in ((5, 3), (3, 2), (2,), (5, 2))]


def recorded(seed: int = 0) -> Any:
    x, w, b, target = given(seed)
    return small_net(cr.Tensor(x), cr.Tensor(w, requires_grad=True), cr.Tensor(b, requires_grad=True), target)


def names(program: Program) -> list[str]:
    return [step.op.name if step.op is not None else step.kind.value for step in program.steps]


def test_each_node_is_a_step_after_its_inputs_with_its_recorded_number() -> None:
    loss = recorded()
    lifted = lift(loss)
    assert set(lifted.nodes) >= set(backward_order([loss]))
    for step, numbers, node in zip(lifted.program.steps, lifted.numbers, lifted.nodes, strict=True):
        assert numbers is node.data
        assert step is lifted.step[node]
        assert all(x.place < step.place for x in step.inputs if isinstance(x, type(step)))
    assert lifted.program.output is lifted.step[loss]


def test_leaves_say_what_they_are_to_the_derivative() -> None:
    kinds = [step.kind for step in lift(recorded()).program.leaves]
    assert kinds.count(Kind.PARAMETER) == 2
    assert kinds.count(Kind.DATA) == 2


def test_edges_are_those_of_the_graph() -> None:
    loss = recorded()
    lifted = lift(loss)
    for node in backward_order([loss]):
        expected = [(slot, lifted.step[x]) for slot, x in node.edges]
        assert list(lifted.step[node].edges) == expected


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_run_on_other_data_gives_what_the_engine_gives_there(seed: int) -> None:
    program = lift(recorded()).program
    x, w, b, target = given(seed)
    of = {(5, 3): x, (3, 2): w, (2,): b, (5, 2): target}
    leaves = {step: of[step.shape] for step in program.leaves}
    expected = recorded(seed).data
    np.testing.assert_allclose(run(program, leaves)[-1], expected, rtol=1e-13)


def test_single_precision_is_run_again_in_double() -> None:
    x = cr.Tensor(np.array([0.1, 0.2], np.float32), requires_grad=True)
    lifted = lift(cr.sum(cr.exp(x).astype(np.float32) * 3))
    found = run(lifted.program, [x.data], in_double=True)[-1]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.sum(np.exp(x.data.astype(float)) * 3), rtol=1e-15)
    assert run(lifted.program, [x.data])[-1].dtype == np.float32


def test_values_and_terms_lift_to_the_same_steps() -> None:
    def f(a: Any, b: Any) -> Any:
        return (a * b + cr.tanh(a)) ** 2 - b / a

    of_values = lift(f(cr.Value(0.5), cr.Value(2.0))).program
    of_tensors = lift(f(cr.Tensor(0.5, requires_grad=True), cr.Tensor(2.0, requires_grad=True))).program
    of_terms, _ = program_of([f(symbol("a"), symbol("b"))])
    assert sorted(names(of_values)) == sorted(names(of_tensors)) == sorted(names(of_terms))
    a, b = 0.7, -1.3
    for program in (of_values, of_tensors, of_terms):
        assert run(program, [a, b])[-1] == pytest.approx(f(a, b), rel=1e-14)


def test_equal_steps_stay_two() -> None:
    a, b = cr.Value(2.0), cr.Value(3.0)
    c, d = a * b, a * b
    lifted = lift(c + d)
    assert lifted.step[c] is not lifted.step[d]
    assert len(lifted.program) == 5


def test_a_term_of_a_step_goes_down_to_the_letters_given() -> None:
    a, b = cr.Value(2.0), cr.Value(3.0)
    c = a * b
    out = c + a * 2
    lifted = lift(out)
    x, z = symbol("x"), symbol("z")
    whole = term_of(lifted.program.output, {lifted.step[a]: x, lifted.step[c]: z})
    assert whole is z + x * 2.0
    with pytest.raises(KeyError):
        term_of(lifted.program.output, {lifted.step[a]: x})


def test_between_keeps_what_moves_and_arrives() -> None:
    a, b = cr.Value(2.0), cr.Value(3.0)
    c = a * b
    cr.tanh(c)  # leads nowhere
    out = c + cr.exp(b)
    lifted = lift(out)
    path = [lifted.nodes[step.place] for step in lifted.program.between([lifted.step[a]])]
    assert path == [out, c, a]
    assert lifted.program.consumers[lifted.step[b].place] == (
        (lifted.step[c], 1),
        (lifted.step[out.inputs[1]], 0),
    )


def test_a_program_is_data() -> None:
    program = lift(recorded()).program
    again = pickle.loads(pickle.dumps(program))  # noqa: S301  (our own)
    assert names(again) == names(program)
    numbers = [np.full(step.shape, 0.3) for step in program.leaves]
    assert run(again, numbers)[-1] == run(program, numbers)[-1]


def test_a_long_chain_neither_recurses_nor_pickles_by_recursion() -> None:
    x = y = cr.Value(1.0)
    for _ in range(20_000):
        y = y * 0.9999
    program = lift(y).program
    again = pickle.loads(pickle.dumps(program))  # noqa: S301
    assert run(again, [1.0])[-1] == pytest.approx(y.data)
    assert x.data == 1.0


def test_what_is_no_recording_is_refused() -> None:
    with pytest.raises(DtypeError, match="float"):
        lift(3.0)
    program = lift(cr.Value(2.0) * 3).program
    with pytest.raises(GraphError, match="2 numbers or arrays were given for 1 leaves"):
        run(program, [1.0, 2.0])
    with pytest.raises(GraphError, match="has no numbers"):
        run(program, {})
    with pytest.raises(ShapeError, match=r"shape \(2,\)"):
        run(program, [np.ones(2)])


def test_arithmetic_is_ieee() -> None:
    program = lift(1.0 / (cr.Value(2.0) - 2)).program
    with Quiet():
        assert run(program, [2.0])[-1] == np.inf
