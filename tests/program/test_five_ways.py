"""One computation, made in five ways, is one program: of Values, of Tensors, typed, traced, and micrograd's MLP."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.term import symbol
from chainrule.errors import GraphError
from chainrule.expression import parse
from chainrule.micrograd.nn import MLP
from chainrule.program import Kind, Program, lift, names_of, program_of, run, trace

TEXT = "(c + v1*relu(b1 + w11*x1 + w12*x2) + v2*relu(b2 + w21*x1 + w22*x2))**2"
NAMES = ("x1", "x2", "w11", "w12", "b1", "w21", "w22", "b2", "v1", "v2", "c")
NUMBERS = (0.5, -1.5, 0.3, -0.8, 0.1, 0.7, 0.2, -0.4, 1.1, -0.6, 0.05)


def net(x1: Any, x2: Any, w11: Any, w12: Any, b1: Any, w21: Any, w22: Any, b2: Any, v1: Any, v2: Any, c: Any) -> Any:
    return (c + v1 * cr.relu(b1 + w11 * x1 + w12 * x2) + v2 * cr.relu(b2 + w21 * x1 + w22 * x2)) ** 2


def micrograds() -> tuple[Program, list[float]]:
    random.seed(0)
    mlp, inputs = MLP(2, [2, 1]), [cr.Value(0.5), cr.Value(-1.5)]
    lifted = lift(mlp(inputs) ** 2)
    return lifted.program, [float(lifted.numbers[leaf.place]) for leaf in lifted.program.leaves]


def ways() -> dict[str, Program]:
    typed, _ = program_of([parse(TEXT).run({name: symbol(name) for name in NAMES})])
    return {
        "Values": lift(net(*map(cr.Value, NUMBERS))).program,
        "Tensors": lift(net(*[cr.Tensor(x, requires_grad=True) for x in NUMBERS])).program,
        "typed": typed,
        "traced": trace(net, *NUMBERS).program,
        "micrograd's MLP": micrograds()[0],
    }


@pytest.mark.parametrize("way", ["Tensors", "typed", "traced", "micrograd's MLP"])
def test_one_computation_is_one_program(way: str) -> None:
    programs = ways()
    assert programs[way].is_like(programs["Values"])


def test_every_way_runs_to_the_same_number_on_other_data() -> None:
    random.seed(3)
    by_name = {name: random.gauss(0, 1) for name in NAMES}
    right = net(**by_name)
    for way in (
        lift(net(*[cr.Value(x) for x in NUMBERS])),
        lift(net(*[cr.Tensor(x, requires_grad=True) for x in NUMBERS])),
    ):
        recorded = {float(number): step for step, number in zip(way.program.steps, way.numbers, strict=True)}
        leaves = {recorded[number]: by_name[name] for name, number in zip(NAMES, NUMBERS, strict=True)}
        assert run(way.program, leaves)[way.program.output.place] == pytest.approx(right, rel=1e-13)
    traced = trace(net, *NUMBERS)
    leaves = {step: by_name[name] for step, name in traced.names.items() if name in by_name and step.op is None}
    assert run(traced.program, leaves)[traced.program.output.place] == pytest.approx(right, rel=1e-13)


@pytest.mark.parametrize(
    "other",
    [
        lambda a, b: a * b - a,
        lambda a, b: a * b + b,
        lambda a, b: b + a * b * 1.0,
        lambda a, b: a * b + a + 0 * b,
    ],
)
def test_programs_that_do_other_things_are_told_apart(other: Any) -> None:
    a, b = cr.Value(2.0), cr.Value(3.0)
    assert not lift(other(a, b)).program.is_like(lift(a * b + a).program)


def test_settings_constants_and_kinds_tell_programs_apart() -> None:
    x = cr.Tensor(np.ones((2, 3)), requires_grad=True)
    data = cr.Tensor(np.ones((2, 3)))
    assert not lift(cr.sum(x, axis=0)).program.is_like(lift(cr.mean(x, axis=0)).program)
    assert not lift(cr.softmax(x, axis=0)).program.is_like(lift(cr.softmax(x, axis=1)).program)
    assert not lift(x * 2).program.is_like(lift(x * 3).program)
    assert not lift(x * data).program.is_like(lift(x * x).program)


def test_a_branch_on_data_is_named_and_not_frozen() -> None:
    def relu_by_hand(x: Any) -> Any:
        return x * x if x > 0 else -x

    with pytest.raises(GraphError, match=r"a branch depends on the data at .*if x > 0"):
        trace(relu_by_hand, 2.0)


class TwoNeurons:
    """A user's own class."""

    def __init__(self) -> None:
        self.w = [cr.Value(0.5), cr.Value(1.5)]
        self.b = cr.Value(0.1)

    def __call__(self, inputs: list[Any]) -> Any:
        return cr.tanh(self.w[0] * inputs[0] + self.w[1] * inputs[1] + self.b)


def test_names_are_paths_to_any_depth_and_no_two_are_alike() -> None:
    random.seed(0)
    mlp, n, inputs = MLP(2, [3, 1]), TwoNeurons(), [cr.Value(1.0), cr.Value(2.0)]
    hidden = n(inputs)
    loss = mlp([hidden, inputs[1]]) ** 2
    lifted = lift(loss)
    names = names_of(lifted)
    assert len(set(names.values())) == len(names)
    assert names[lifted.step[mlp.layers[0].neurons[1].b]] == "mlp.layers[0].neurons[1].b"
    assert names[lifted.step[n.w[0]]] == "n.w[0]"
    assert names[lifted.step[hidden]] == "hidden"
    leaves = [step for step in lifted.program.leaves if step.kind is Kind.PARAMETER]
    assert all(step in names for step in leaves)


def test_two_leaves_called_alike_are_two() -> None:
    first, second, third = (cr.Value(x, label=label) for x, label in ((2.0, "x"), (3.0, "x"), (4.0, "x_2")))
    lifted = lift(first * second + third)
    names = names_of(lifted)
    assert [names[lifted.step[x]] for x in (first, second, third)] == ["x", "x_3", "x_2"]


def test_weights_of_modules_are_called_by_their_path() -> None:
    module = cr.nn.Sequential(cr.nn.Linear(2, 3), cr.nn.Tanh(), cr.nn.Linear(3, 1))
    lifted = lift(cr.sum(module(cr.Tensor([[1.0, 2.0]]))))
    names = names_of(lifted)
    assert names[lifted.step[module[0].weight]] == "module[0].weight"
    assert names[lifted.step[module[2].bias]] == "module[2].bias"
