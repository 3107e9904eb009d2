"""The worked nets of the courses, told in every dialect that applies, with the numbers that the courses give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.derivation.explain import NEAREST
from chainrule.errors import GraphError
from chainrule.maths import numeral

FACTS = json.loads((Path(__file__).parents[1] / "reference_facts.json").read_text(encoding="utf-8"))
EXACT = {"rel": 1e-12, "abs": 1e-15}


def simple_net(convention):
    x, w1, w2, y = (cr.Value(v, label=n) for v, n in ((2.0, "x"), (2.0, "w1"), (0.5, "w2"), (20.0, "y")))
    h = w1 * x
    yhat = w2 * h
    h.label, yhat.label = "h", "yhat"
    loss = 0.5 * (yhat - y) ** 2 if convention == "half_sum" else (yhat - y) ** 2
    facts = FACTS["simple_net"][convention]
    row = dict(zip(facts["columns"], facts["rows"][0], strict=True))
    return loss, {"w1": row["dL_dw1"], "w2": row["dL_dw2"]}


def sigmoid_net(convention):
    w = {name: cr.Value(v, label=name) for name, v in (("w1", 0.1), ("w2", -0.3), ("w3", 0.5))}
    x1, x2 = cr.Value(1.0, label="x1"), cr.Value(2.0, label="x2")
    h1 = (w["w1"] * x1 + w["w2"] * x2).sigmoid()
    yhat = (w["w3"] * h1).sigmoid()
    loss = (1.0 - yhat) ** 2 * (0.5 if convention == "half_sum" else 1.0)
    facts = FACTS["sigmoid_net"][convention]
    row = dict(zip(facts["columns"], facts["rows"][0], strict=True))
    return loss, {name: row[f"dL_d{name}"] for name in w}


def engine():
    a, b = cr.Value(-2.0, label="a"), cr.Value(3.0, label="b")
    d, e = a * b, a + b
    return d * e, {"a": FACTS["engine"]["accumulate"]["a"], "b": FACTS["engine"]["accumulate"]["b"]}


def neuron():
    inputs = {name: cr.Value(v, label=name) for name, v in FACTS["neuron"]["inputs"].items()}
    n = inputs["x1"] * inputs["w1"] + inputs["x2"] * inputs["w2"] + inputs["b"]
    return n.tanh(), {name: FACTS["neuron"]["tanh"][name] for name in ("x1", "w1", "x2", "w2", "b")}


def chain_of_neurons():
    a, expected = cr.Value(0.6, label="a0"), {}
    for layer, (w, b) in enumerate(zip((0.7, -1.2, 1.5), (0.1, 0.4, -0.3), strict=True), 1):
        a = (cr.Value(w, label=f"w{layer}") * a + cr.Value(b, label=f"b{layer}")).sigmoid()
        facts = FACTS["3b1b_chain"]["layers"][str(layer)]
        expected |= {f"w{layer}": facts["dC/dw"], f"b{layer}": facts["dC/db"]}
    return (a - 1.0) ** 2, expected


def net_2_3_2():
    weights = [[[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]], [[0.7, -0.8, 0.9], [-1.0, 1.1, -1.2]]]
    biases = [[0.01, -0.02, 0.03], [0.05, -0.06]]
    a = cr.Tensor([[0.5, -1.0]], label="x")
    for layer in (0, 1):
        w = cr.Tensor(weights[layer], requires_grad=True, label=f"W{layer + 1}")
        b = cr.Tensor(biases[layer], requires_grad=True, label=f"b{layer + 1}")
        a = (a @ w.T + b).sigmoid()
    loss = cr.nn.MSELoss("half_sum")(a, [[1.0, 0.0]])
    return loss, {
        "W1[0, 1]": 0.02605690857076992,
        "W1[2, 0]": -0.013469683153043614,
        "W2[1, 2]": 0.03845918372823384,
        "b1[1]": 0.02708251683312715,
        "b2[0]": -0.07189684066974256,
    }


NETS = {
    "simple net, half the sum": lambda: simple_net("half_sum"),
    "simple net, the sum": lambda: simple_net("sum"),
    "sigmoid net, half the sum": lambda: sigmoid_net("half_sum"),
    "sigmoid net, the sum": lambda: sigmoid_net("sum"),
    "a node that is used twice": engine,
    "neuron": neuron,
    "a neuron a layer": chain_of_neurons,
    "net 2-3-2": net_2_3_2,
}

NO_NET = "a node that is used twice"
"""What is no net has no errors δ; all else is told in all five dialects."""


@pytest.mark.parametrize("dialect", NEAREST)
@pytest.mark.parametrize("name", NETS)
def test_every_dialect_gives_the_numbers_of_the_courses(name, dialect):
    loss, expected = NETS[name]()
    if (name, dialect) == (NO_NET, "delta"):
        with pytest.raises(GraphError, match=r"does not apply: .* The nearest that does is 'jacobian'"):
            cr.explain(loss, "a", dialect)
        return
    for wrt, gradient in expected.items():
        if dialect == "delta" and wrt.startswith("x"):
            continue  # the four equations are about weights and biases
        told = cr.explain(loss, wrt, dialect)
        assert told.gradient == pytest.approx(gradient, **EXACT), wrt
        shown = numeral(told.gradient).text
        assert shown in told.plain(detail="full"), f"{dialect} does not print {shown}"
