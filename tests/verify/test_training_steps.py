"""A training step as a problem: a module, its loss and a batch; answers are arrays, programs and training loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import GraphError

RANDOM = np.random.default_rng(0)
BATCH = {"x": RANDOM.normal(size=(5, 3)), "y": RANDOM.normal(size=(5, 2))}
NAMES = ["weight_0", "bias_0", "weight_2", "bias_2"]
BACKWARD = """
def backward(weight_0, bias_0, weight_2, bias_2, x, y):
    h = np.tanh(x @ weight_0.T + bias_0)
    d = 2*(h @ weight_2.T + bias_2 - y)/y.size
    dz = (d @ weight_2)*(1 - h**2)
    return dz.T @ x, dz.sum(axis=0), d.T @ h, d.sum(axis=0)
"""
TRAIN = """
def train(weight_0, bias_0, weight_2, bias_2, x, y, steps, rate):
    for _ in range(steps):
        h = np.tanh(x @ weight_0.T + bias_0)
        d = 2*(h @ weight_2.T + bias_2 - y)/y.size
        weight_2_new = weight_2 - rate*d.T @ h
        dz = (d @ weight_2)*(1 - h**2)
        weight_0, bias_0 = weight_0 - rate*dz.T @ x, bias_0 - rate*dz.sum(axis=0)
        weight_2, bias_2 = weight_2_new, bias_2 - rate*d.sum(axis=0)
    return weight_0, bias_0, weight_2, bias_2
"""


@pytest.fixture(params=["float32", "float64"])
def net(request: pytest.FixtureRequest) -> nn.Module:
    make = {"dtype": request.param}
    return nn.Sequential(nn.Linear(3, 4, rng=0, **make), nn.Tanh(), nn.Linear(4, 2, rng=1, **make))


def graded(net: nn.Module, text: str, **settings: Any) -> Any:
    program: dict[str, Any] = {"np": np}
    exec(text, program)
    answer = program.get("train") or program["backward"]
    return cr.grade(net, answer, wrt=NAMES, values=BATCH, loss=nn.MSELoss(), **settings)


def test_a_backward_pass_by_hand(net: nn.Module) -> None:
    assert graded(net, BACKWARD).right
    wrong = graded(net, BACKWARD.replace("*(1 - h**2)", ""))
    assert wrong.mistakes[0].name == "activation-derivative-missing"


def test_a_training_loop_by_hand(net: nn.Module) -> None:
    assert graded(net, TRAIN, steps=2).right
    early = TRAIN.replace("weight_2_new = weight_2", "weight_2 = weight_2").replace(
        "weight_2_new, bias_2", "weight_2, bias_2"
    )
    assert graded(net, early, steps=2).mistakes[0].name == "new-weights"


def test_what_the_engine_left_is_right(net: nn.Module) -> None:
    exact = nn.Sequential(nn.Linear(3, 4, rng=0, dtype=float), nn.Tanh(), nn.Linear(4, 2, rng=1, dtype=float))
    loss = nn.MSELoss()(exact(BATCH["x"]), BATCH["y"])
    loss.backward()
    gradient = exact[0].weight.grad.data
    assert cr.grade(exact, gradient, wrt="weight_0", values=BATCH, loss=nn.MSELoss()).right
    twice = cr.grade(exact, 2 * gradient, wrt="weight_0", values=BATCH, loss=nn.MSELoss())
    assert "factor" in [mistake.name for mistake in twice.mistakes]


def test_classes_are_no_numbers_to_move() -> None:
    net = nn.Sequential(nn.Linear(3, 4, rng=0))
    answer = """
def backward(weight_0, bias_0, x):
    e = np.exp(x @ weight_0.T + bias_0)
    p = e/e.sum(axis=1, keepdims=True)
    p[np.arange(5), [0, 1, 2, 3, 0]] -= 1
    return p.T @ x/5
"""
    program: dict[str, Any] = {"np": np}
    exec(answer, program)
    batch = {"x": BATCH["x"], "y": np.array([0, 1, 2, 3, 0])}
    assert cr.grade(net, program["backward"], wrt="weight_0", values=batch, loss=nn.CrossEntropyLoss()).right


def test_without_a_loss_there_is_no_step(net: nn.Module) -> None:
    with pytest.raises(GraphError, match="loss="):
        cr.grade(net, "x", wrt="weight_0")


ONE = """
def train(X, w, b, y, steps, rate):
    for _ in range(steps):
        dw, db = 0*w, 0.0
        for i in range(len(X)):
            e = X[i] @ w + b - y[i]
            {inside}
        {behind}
    return w, b
"""
EACH = "dw, db = 2*e*X[i]/5, 2*e/5"
PILED = "dw, db = dw + 2*e*X[i]/5, db + 2*e/5"
WHOLE = "dw, db = 2*X.T @ (X @ w + b - y)/5, 2*(X @ w + b - y).mean()"
MOVE = "w, b = w - rate*dw, b - rate*db"


@pytest.mark.parametrize(
    ("inside", "behind", "name"),
    [
        (f"{EACH}; {MOVE}", "pass", "new-weights"),
        (f"{EACH.replace('/5', '')}; {MOVE}", "pass", "new-weights"),
        (f"{PILED}; {MOVE}", "pass", "wrong-update"),
        (f"{WHOLE}; {MOVE}", "pass", "wrong-update"),
        (PILED, MOVE, ""),
    ],
)
def test_an_update_inside_the_loop_over_the_examples(inside: str, behind: str, name: str) -> None:
    program: dict[str, Any] = {}
    exec(ONE.format(inside=inside, behind=behind), program)
    shapes = {"X": (5, 2), "w": (2,), "y": (5,)}
    marked = cr.grade("p = X @ w + b; L = mean((p - y)**2)", program["train"], wrt=["w", "b"], shapes=shapes, steps=2)
    assert marked.right == (not name)
    assert all(mistake.name == name and "inside the loop" in mistake.says for mistake in marked.mistakes)
