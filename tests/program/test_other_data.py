"""Lifted programs hold on other data: what is flat is computed again, and what cannot be says that it is frozen."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.operation import Fused, book
from chainrule.core.state import Quiet
from chainrule.program import Kind, Lifted, lift, run

WEIGHTS = np.arange(1.0, 6.0)

HOLDING: dict[str, Callable[[Any], Any]] = {
    "where": lambda x: cr.sum(cr.where(x > 0, x * x, -3 * x)),
    "a mask as a factor": lambda x: cr.sum(x * (x > 0)),
    "a condition on a result that nothing else uses": lambda x: cr.sum(cr.where(2 * x > 0.5, x * x, -3 * x)),
    "sign": lambda x: cr.sum(cr.sign(x) * x * x),
    "masks joined and turned round": lambda x: cr.sum(x * (~(x > 0) | (x > 1)).astype(float)),
    "the mean of what is positive": lambda x: cr.sum(x * (x > -9)) / (x > -9).sum(),
    "sort": lambda x: cr.sum(cr.sort(x) * WEIGHTS),
    "an index that was computed": lambda x: cr.sum(x[cr.argsort(x)] * WEIGHTS),
    "the largest by its place": lambda x: x[cr.argmax(x)] ** 2,
    "places in two axes": lambda x: cr.sum(cr.outer(x, x)[cr.argsort(x), cr.argsort(-x) - 5] * WEIGHTS),
    "take": lambda x: cr.sum(cr.take(cr.outer(x, x), cr.argsort(x), axis=1) * WEIGHTS),
    "one_hot": lambda x: cr.sum(cr.one_hot(cr.argmax(x), num_classes=5) * x * x),
    "floor": lambda x: cr.sum((x - cr.floor(x)) * x),
    "round": lambda x: cr.sum(cr.round(x) * x),
    "searchsorted": lambda x: cr.sum(x * cr.searchsorted(np.array([-1.0, 0.0, 1.0]), x)),
    "interp": lambda x: cr.sum(cr.interp(x, np.array([-1.0, 0.0, 1.0]), np.array([2.0, 0.0, 1.0]))),
    "clip": lambda x: cr.sum(cr.clip(x, -0.5, 0.5) * x),
    "clip between limits that move": lambda x: cr.sum(cr.clip(x, -cr.abs(x) / 2, x * x)),
    "heaviside": lambda x: cr.sum(cr.heaviside(x, 0.5) * x),
    "copysign": lambda x: cr.sum(cr.copysign(x * x, x)),
    "max and min": lambda x: cr.max(x) * cr.min(x),
    "median": cr.median,
    "quantile": lambda x: cr.quantile(x, 0.3),
    "topk": lambda x: cr.sum(cr.topk(x, 2).values ** 2),
    "norm": lambda x: cr.norm(x) + cr.norm(x, np.inf) + cr.norm(x, -np.inf) + cr.norm(x, 1) + cr.norm(x, 3),
    "std and var": lambda x: cr.std(x) + cr.var(x),
    "softmax": lambda x: cr.sum(cr.softmax(x) * WEIGHTS),
    "log_softmax": lambda x: cr.sum(cr.log_softmax(x) * WEIGHTS),
    "logsumexp": cr.logsumexp,
    "relu and abs": lambda x: cr.sum(cr.relu(x) * cr.abs(x)),
    "a surprise where a sigmoid saturates": lambda x: cr.nn.BCELoss()(cr.sigmoid(50 * x), [1.0, 0.0, 1.0, 0.0, 1.0]),
    "a pool": lambda x: cr.sum(cr.max_pool2d(cr.outer(x, x)[None, None], 2)),
}

FROZEN: dict[str, Callable[[Any], Any]] = {
    "detach": lambda x: cr.sum(x.detach() * x),
    "what is made of what was detached": lambda x: cr.sum((x.detach() * 2 + 1) * x),
    "stop_gradient": lambda x: cr.sum(cr.stop_gradient(x) * x),
    "entries picked by a yes or no": lambda x: cr.sum(x[x > 0]),
    "entries picked by their places": lambda x: cr.sum(x[cr.flatnonzero(x > 0)]),
    "compress": lambda x: cr.sum(cr.compress(x > 0, x)),
    "unique": lambda x: cr.sum(cr.unique(x)),
    "dropout": lambda x: cr.sum(cr.nn.Dropout(0.5, rng=0)(x.reshape(1, 5))),
    "computed under no_grad": lambda x: cr.sum(x * unrecorded(x)),
}


def unrecorded(x: Any) -> Any:
    with cr.no_grad():
        return x * 2


def lifted_at(f: Callable[[Any], Any], numbers: Any) -> tuple[Lifted, Any]:
    x = cr.Tensor(numbers, requires_grad=True)
    lifted = lift(f(x))
    return lifted, lifted.step[x]


def run_at(lifted: Lifted, leaf: Any, numbers: Any) -> Any:
    leaves = {step: lifted.numbers[step.place] for step in lifted.program.leaves} | {leaf: numbers}
    return run(lifted.program, leaves)[lifted.program.output.place]


def is_frozen(lifted: Lifted) -> bool:
    return any(step.kind is Kind.FROZEN for step in lifted.program.steps)


@pytest.mark.parametrize("name", HOLDING)
def test_programs_give_elsewhere_what_the_engine_gives_there(name: str) -> None:
    draw = np.random.default_rng(0)
    lifted, leaf = lifted_at(HOLDING[name], draw.normal(size=5))
    assert not is_frozen(lifted)
    for _ in range(8):
        numbers = draw.normal(size=5)
        right = HOLDING[name](cr.Tensor(numbers)).data
        np.testing.assert_allclose(run_at(lifted, leaf, numbers), right, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", FROZEN)
def test_what_holds_for_one_run_alone_is_said(name: str) -> None:
    lifted, _ = lifted_at(FROZEN[name], np.array([0.5, -1.0, 2.0, 0.25, -0.5]))
    assert is_frozen(lifted)


def rules_of_one_number() -> list[str]:
    names = [name for name, op in book.items() if len(op.inputs) == 1 and not op.variadic and not isinstance(op, Fused)]
    return [name for name in names if book[name].broadcasts and book[name].__module__.startswith("chainrule.")]


@pytest.mark.parametrize("name", rules_of_one_number())
def test_every_function_of_numbers_is_the_same_on_other_numbers(name: str) -> None:
    operation = book[name]
    settings = operation.complete(operation.examples[0])
    low, high = operation.domain
    points = np.concatenate([[at for (at,) in operation.at_kink], np.linspace(low, high, 7)[1:-1]])
    with Quiet():
        lifted, leaf = lifted_at(lambda x: cr.sum(operation(x, **settings) * x), points)
        for moved in (points[::-1].copy(), points * 0.5, points * 0.9):
            right = cr.sum(operation(cr.Tensor(moved), **settings) * moved).data
            np.testing.assert_allclose(run_at(lifted, leaf, moved), right, rtol=1e-13)


def test_values_keep_what_is_flat_and_freeze_what_python_decided() -> None:
    def f(v: Any) -> Any:
        return cr.sign(v) * v + cr.floor(v) * v

    v = cr.Value(1.5)
    lifted = lift(f(v))
    assert not is_frozen(lifted)
    assert run_at(lifted, lifted.step[v], -2.5) == f(cr.Value(-2.5)).data
    chosen = lift(cr.where(v > 0, v * v, -v))
    assert is_frozen(chosen)  # Values compare as numbers do, so which branch was taken is a number
    condition = cr.Value(1.0)
    taken = lift(cr.where(condition, v * v, -v))
    leaves = {taken.step[v]: 3.0, taken.step[condition]: 0.0}
    assert run(taken.program, leaves)[-1] == -3.0


def test_targets_and_places_are_leaves_where_they_are_asked_for() -> None:
    x = cr.Tensor(np.random.default_rng(1).normal(size=(4, 3)), requires_grad=True)
    loss = cr.cross_entropy(x, target=np.array([0, 2, 1, 1])) + cr.sum(x[[0, 3, 3]])
    assert all(step.dtype.kind == "f" for step in lift(loss).program.leaves)
    lifted = lift(loss, settings_as_data=True)
    target, places = [step for step in lifted.program.leaves if step.dtype.kind == "i"]
    leaves = {lifted.step[x]: x.data, target: np.array([1, 1, 0, 2]), places: np.array([1, 1, 2])}
    right = cr.cross_entropy(x.data, target=np.array([1, 1, 0, 2])) + np.sum(x.data[[1, 1, 2]])
    assert run(lifted.program, leaves)[-1] == pytest.approx(right, rel=1e-13)


def test_what_is_differentiated_in_anew_is_a_leaf() -> None:
    x = cr.Tensor([1.0, -1.0], requires_grad=True)
    for start in (x.detach(), (x > 0).astype(np.float64)):
        start.requires_grad = True
        lifted = lift(cr.sum(start * start))
        assert [step.kind for step in lifted.program.leaves] == [Kind.PARAMETER]


def test_a_mask_that_was_changed_in_place_is_frozen() -> None:
    x = cr.Tensor([1.0, -1.0], requires_grad=True)
    mask = x > 0
    mask[1] = True
    assert is_frozen(lift(cr.sum(x * mask)))


def test_what_nothing_recorded_uses_keeps_no_graph_alive() -> None:
    x = cr.Tensor(np.ones(3), requires_grad=True)
    graphs: list[Any] = []
    correct: Any = 0
    for _ in range(100):
        scores = cr.exp(x)
        graphs.append(weakref.ref(scores))
        correct = correct + (scores > 1).sum()
    del scores
    gc.collect()
    assert int(correct) == 300
    assert sum(graph() is not None for graph in graphs) < 30


def test_an_optimizer_lets_go_of_masks() -> None:
    x = cr.Tensor(np.ones(3), requires_grad=True)
    optimizer = cr.optim.SGD([x], lr=0.1)
    scores = cr.exp(x)
    graph = weakref.ref(scores)
    right = scores > 1
    cr.sum(scores).backward()
    del scores
    optimizer.step()
    assert graph() is None
    assert right.data.all()
