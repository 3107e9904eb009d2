"""Tapes: a graph in which nothing repeats, over numbers in a row, gives what the scalar engine gives."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import Value
from chainrule.codegen import taped
from chainrule.codegen.native import machine
from chainrule.codegen.readings import Reading
from chainrule.core.instructions import IN_ORDER, OPERATION, WORKSPACE, Plan
from chainrule.core.operation import Pointwise, book
from chainrule.core.place import Place
from chainrule.core.registry import open_all
from chainrule.errors import GraphError

pytestmark = pytest.mark.skipif(machine is None, reason="the kernels were not built")

open_all()
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-300, 1e300, math.inf, -math.inf, math.nan)


RULES = sorted([name for name in book if isinstance(book[name], Pointwise)])
"""What takes single numbers, as a Value is."""

WITHOUT = {"sinc", "sinc_slope"}
"""Rules whose forward is not made of operations that the machine has: their graphs are recorded again."""


def by_tape(out: Value, leaves: list[Value]) -> tuple[float, list[float]]:
    """Value and derivatives of a recorded graph by its tape, whatever repeats in it."""
    reading = Reading(out, leaves)
    tape, reason = taped.attempt(reading, -1)
    assert not reason
    value, slopes = tape(np.array([x.data for x in leaves] + [x.data for x in reading.held]))
    return float(value), slopes.tolist()[: len(leaves)]


def by_engine(out: Value, leaves: list[Value]) -> tuple[float, list[float]]:
    """The same by the engine."""
    for x in leaves:
        x.grad = 0.0
    out.backward()
    return out.data, [x.grad for x in leaves]


def agree(out: Value, leaves: list[Value]) -> None:
    """Both give the same, special numbers included."""
    value, slopes = by_tape(out, leaves)
    right, expected = by_engine(out, leaves)
    np.testing.assert_allclose(value, right, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(slopes, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_by_a_tape_equals_it_by_the_engine(name):
    operation = book[name]
    if name in WITHOUT:
        out = operation(Value(0.5), **operation.examples[0])
        assert taped.attempt(Reading(out), -1) == (None, f"the kernels have nothing for {name}")
        return
    source = np.random.default_rng(0)
    low, high = operation.domain
    points = [source.uniform(low, high, len(operation.shapes)).tolist() for _ in range(3)]
    points += [*operation.at_kink, *operation.edges]
    points += [[x] * len(operation.shapes) for x in SPECIAL]
    points += [source.choice(SPECIAL, len(operation.shapes)).tolist() for _ in range(8)]
    for chosen in operation.examples:
        for point in points:
            leaves = [Value(x) for x in point]
            out = operation(*leaves, **chosen)
            if isinstance(out, Value):
                agree(out, leaves)
                agree(out * leaves[0] + 0.5, leaves)
            for i, x in enumerate(leaves if len(leaves) == 2 else ()):
                out = operation(*[x if k == i else point[k] for k in range(2)], **chosen)
                if isinstance(out, Value):
                    agree(out, [x])


KINDS = [
    lambda a, b, c: a + b,
    lambda a, b, c: a - b,
    lambda a, b, c: a * b,
    lambda a, b, c: a / b,
    lambda a, b, c: -a,
    lambda a, b, c: a * 2.5,
    lambda a, b, c: 1.0 - a,
    lambda a, b, c: 0.75 / a,
    lambda a, b, c: a**3,
    lambda a, b, c: a**-0.5,
    lambda a, b, c: a**b,
    lambda a, b, c: a.relu(),
    lambda a, b, c: a.tanh(),
    lambda a, b, c: a.exp(),
    lambda a, b, c: a.log(),
    lambda a, b, c: a.sigmoid(),
    lambda a, b, c: a.alias(),
    lambda a, b, c: cr.sin(a),
    lambda a, b, c: cr.sqrt(a),
    lambda a, b, c: cr.abs(a),
    lambda a, b, c: cr.sign(a),
    lambda a, b, c: cr.gelu(a),
    lambda a, b, c: cr.maximum(a, b),
    lambda a, b, c: cr.where(c, a, b),
    lambda a, b, c: cr.clip(a, -0.5, 0.5),
    lambda a, b, c: cr.sum([a, b, c, 0.5, a]),
    lambda a, b, c: cr.dot([a, 2.0, b], [c, a, 3.0]),
    lambda a, b, c: a.detach() * b,
]
NUMBERS = st.one_of(st.floats(-3, 3), st.sampled_from(SPECIAL))
PICKS = st.tuples(st.integers(0, len(KINDS) - 1), *[st.integers(0, 9)] * 3)


# The same graphs in each run: where shares of 1e144 cancel, what is left depends on the order in which they meet.
@settings(derandomize=True, database=None, max_examples=200, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=4), st.lists(PICKS, max_size=60))
def test_random_graphs(numbers, picks):
    leaves = [Value(x) for x in numbers]
    row = list(leaves)
    for kind, *places in picks:
        row.append(KINDS[kind](*[row[-1 - k % len(row)] for k in places]))
    agree(row[-1], leaves)


def test_shares_add_up_in_the_order_of_the_engine():
    """The quotient's two shares cancel each other, and leave what was there before only where they meet first."""
    x = Value(1e-235)
    one, out = x / x, cr.clip(x, -0.5, 0.5)
    for _ in range(4):
        out = out + out
    agree(out + one, [x])


def long_graph(width: int = 6, steps: int = 3000) -> tuple[Value, list[Value]]:
    """Steps that take what lies near, of few kinds and many."""
    source = np.random.default_rng(width)
    leaves = [Value(x) for x in source.uniform(-1, 1, width).tolist()]
    row = list(leaves)
    for k, (i, j, other) in enumerate(zip(*source.integers(1, 40, (3, steps)).tolist(), strict=True)):
        a, b, c = [row[-1 - place % len(row)] for place in (i, j, other)]
        made = (a * b + c, (a - b).tanh(), a * 0.5 + 0.1, cr.sin(a + c), cr.maximum(a, b), (a + b).sigmoid())[k % 6]
        row.append(made if abs(made.data) < 4 else made.tanh())
    return cr.sum(row[-30:]), leaves


def kernels() -> list[str]:
    """The instruction sets that this processor has."""
    sets = ["baseline", "avx2", "avx512"]
    return sets[: sets.index(machine.kernels()) + 1] if machine is not None else []


@pytest.mark.parametrize("name", kernels())
def test_a_long_graph_on_each_instruction_set(name):
    best = machine.kernels()
    machine.use_kernels(name)
    try:
        for width in (1, 6, 50):
            out, leaves = long_graph(width)
            value, slopes = by_tape(out, leaves)
            right, expected = by_engine(out, leaves)
            np.testing.assert_allclose(value, right, rtol=1e-12)
            np.testing.assert_allclose(slopes, expected, rtol=1e-11, atol=1e-11)
    finally:
        machine.use_kernels(best)


def unlike_steps(numbers: Any) -> Any:
    """A long graph of numbers in lists, in which nothing repeats."""
    row = [*numbers["first"], *[x for part in numbers["rest"] for x in part]]
    for k, (i, j) in enumerate(np.random.default_rng(3).integers(1, 9, (1500, 2)).tolist()):
        a, b = row[-i % len(row)], row[-j % len(row)]
        row.append((a * b, (a - b).tanh(), a * scale + 0.1)[k * k % 7 % 3])
    return sum(x.tanh() for x in row[-9:])


scale = 0.5


def test_arrays_are_taken_as_they_are_and_other_numbers_as_the_same(monkeypatch):
    numbers = {"first": np.array([0.1, 0.2]), "rest": np.arange(6.0).reshape(2, 3)}
    frozen = cr.freeze(unlike_steps)
    value, (slopes,) = frozen(numbers)
    again, (others,) = frozen(numbers)
    single, (rounded,) = frozen({"first": np.float32([0.1, 0.2]), "rest": np.arange(6).reshape(2, 3)})
    assert type(value) is type(again) is float
    assert value == again
    assert single == pytest.approx(value, abs=1e-6)
    for name, x in numbers.items():
        assert slopes[name].shape == x.shape
        assert not np.shares_memory(slopes[name], others[name])
        np.testing.assert_array_equal(slopes[name], others[name])
        np.testing.assert_allclose(rounded[name], slopes[name], atol=1e-6)
    frozen(numbers)
    assert (frozen.ready().attempt is not None) == (machine is not None)
    monkeypatch.setitem(globals(), "scale", 0.25)
    assert frozen(numbers)[0] == cr.freeze(unlike_steps)(numbers)[0] != value


def test_a_long_chain_is_no_deeper_than_one_node():
    x = Value(0.5)
    out = x
    for _ in range(200_000):
        out = out * 0.999999 + 0.000001
    agree(out, [x])


def test_results_are_fresh_inputs_stay_and_threads_do_not_meet():
    frozen = cr.freeze(lambda xs: chain(xs))
    numbers = np.linspace(0.1, 0.9, 8)
    before = numbers.copy()
    value, (slopes,) = frozen(numbers)
    kept = slopes.copy()
    found: dict[int, list[Any]] = {k: [] for k in range(4)}

    def run(k: int) -> None:
        for _ in range(200):
            found[k].append(frozen(numbers * (1 + k)))

    threads = [threading.Thread(target=run, args=(k,)) for k in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, results in found.items():
        right, expected = by_engine(*recorded(numbers * (1 + k)))
        for one, (gradient,) in results:
            assert one == pytest.approx(right, rel=1e-12)
            np.testing.assert_allclose(gradient, expected, rtol=1e-11)
    assert (slopes == kept).all()
    assert (numbers == before).all()
    assert frozen(numbers)[0] == value


def chain(xs: Any) -> Value:
    """Some hundred steps of which hardly two are alike."""
    row = list(xs)
    for k in range(400):
        a, b = row[-1 - k * k % 7], row[-1 - k * 5 % 8]
        row.append((a * b + 0.5).tanh() if k % 3 else cr.sin(a) - b * 0.3)
    return sum(row[-5:], Value(0.0))


def recorded(numbers: Any) -> tuple[Value, list[Value]]:
    """The same, recorded by the engine."""
    leaves = [Value(x) for x in numbers.tolist()]
    return chain(leaves), leaves


def test_frozen_code_says_what_it_runs_on(monkeypatch):
    numbers = np.linspace(0.1, 0.9, 8)
    frozen = cr.freeze(chain)
    value, (slopes,) = frozen(numbers)
    assert f"runs as a loop over numbers in a row, on kernels ({machine.kernels()})" in frozen.explain()
    assert "steps>" in repr(frozen)
    monkeypatch.setattr(taped, "machine", None)
    plain = cr.freeze(chain)
    right, (expected,) = plain(numbers)
    assert "records it again at each call: the kernels were not built" in plain.explain()
    assert value == pytest.approx(right, rel=1e-12)
    np.testing.assert_allclose(slopes, expected, rtol=1e-12)


def test_a_graph_with_a_rule_that_has_no_form_is_recorded_again():
    @cr.pointwise(r"\operatorname{branching}\left({x}\right)", partials=(lambda out, x: 2.0 if x > 0 else 3.0,))
    def branching(x):
        """A rule whose derivative asks for the number."""
        return 2.0 * x if x > 0 else 3.0 * x

    try:
        frozen = cr.freeze(lambda xs: branching(chain(xs)))
        numbers = np.linspace(0.1, 0.9, 8)
        value, (slopes,) = frozen(numbers)
        assert "the kernels have nothing for branching" in frozen.explain()
        right, expected = by_engine(*recorded(numbers))
        factor = 2.0 if right > 0 else 3.0
        assert value == pytest.approx(factor * right, rel=1e-12)
        np.testing.assert_allclose(slopes, factor * np.array(expected), rtol=1e-12)
    finally:
        del book["branching"]


def test_leaves_that_change_are_read_again_and_shared_with_the_graph():
    out, leaves = long_graph()
    frozen = cr.freeze(out)
    assert "runs as a loop over numbers" in frozen.explain()
    held = {id(x) for x in frozen.leaves}
    assert held == {id(x) for x in leaves}
    first, _ = frozen()
    leaves[0].data += 0.25
    value, slopes = frozen()
    assert value != first
    assert len(slopes) == len(leaves)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_schedule_has_every_entry_once_behind_what_it_reads(share):
    if machine is None:
        pytest.skip("the kernels were not built")
    source = np.random.default_rng(5)
    count = 3000
    operands = [source.integers(-1, np.arange(count)) for _ in range(3)]
    marks = np.where(source.random(count) < share, source.choice([5, 7], count), IN_ORDER)
    marks[source.random(count) < 0.1] = -1
    order, runs = machine.scheduled(*operands, marks)
    assert sorted(order.tolist()) == np.flatnonzero(marks >= 0).tolist()
    assert np.sum(runs[:, 1]) == len(order)
    starts = np.repeat(np.cumsum(runs[:, 1]) - runs[:, 1], runs[:, 1])
    assert np.array_equal(np.repeat(runs[:, 0], runs[:, 1]), marks[order])
    place = np.full(count, -1)
    place[order] = np.arange(len(order))
    within = np.where(marks[order] == IN_ORDER, np.arange(len(order)), starts)
    for operand in operands:
        assert np.all(np.where(operand < 0, -1, place[operand])[order] < within)


def test_a_tape_that_reads_what_is_not_there_is_refused():
    row = Place(WORKSPACE, 0, (16,), (1,), np.dtype(float))
    add = OPERATION["add"]
    for runs, operands in (
        ([[IN_ORDER, 3, 2]], [[0, 2], [0, 1], [1, 3]]),  # reads itself
        ([[add, 2, 2]], [[0, 2], [0, 1], [0, 0]]),  # reads another of its run
        ([[add, 2, 2]], [[0, -1], [0, 1], [0, 0]]),
        ([[add, 2, 20]], [[0] * 20] * 3),
        ([[add, 2, 1]], [[0, 0]] * 3),
    ):
        with pytest.raises(AssertionError, match="tape"):
            Plan({}).tape(row, 2, np.array(runs), np.array(operands))
    for edges, seed in (([[0], [4], [0]], 0), ([[0], [1], [16]], 0), ([[-1], [1], [0]], 0), ([[0], [1], [0]], 4)):
        with pytest.raises(AssertionError, match="leads out"):
            Plan({}).sweep(row, Place(WORKSPACE, 0, (4,), (1,), np.dtype(float)), seed, np.array(edges))
    with pytest.raises(IndexError, match="not before it"):
        machine.scheduled(np.array([-1, 1]), np.array([-1, -1]), np.array([-1, -1]), np.array([0, 0]))
    with pytest.raises(ValueError, match="entry 1 has no operation of a tape"):
        machine.scheduled(*[np.array([-1, -1])] * 3, np.array([IN_ORDER, IN_ORDER + 1]))
    with pytest.raises(ValueError, match="another number"):
        machine.kinds(np.array([-1, 0]), np.array([-1]), np.array([-1, -1]), np.array([0, 0]))


def test_a_node_made_by_hand_is_refused():
    out = Value(2.0, (Value(1.0),), "odd") * 3.0
    with pytest.raises(GraphError, match="made by hand"):
        cr.freeze(out)
    assert out._prev[0].data == 2.0


def test_a_hidden_branch_of_an_activation_is_no_branch_of_the_program():
    """What an activation chooses by the sign of its input is a rule of its own, so frozen code follows it."""
    frozen = cr.freeze(lambda x: cr.hardswish(x * 1.0))
    for x in (-5.0, 1.0, -3.0, 4.0, -1.0):
        value = cr.Value(x)
        out = cr.hardswish(value * 1.0)
        out.backward()
        found, gradient = frozen(x)
        assert (found, *np.atleast_1d(gradient)) == (out.data, value.grad)


def test_numbers_that_are_none_are_frozen_too():
    frozen = cr.freeze(lambda x: float("nan") * (2.0 * x))
    found, gradient = frozen(1.0)
    assert np.isnan(found)
    assert np.isnan(gradient)
