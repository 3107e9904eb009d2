"""What is asked is found, the dialect that fits is chosen, and the record holds what the engine holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation.explain import NEAREST, explain, module_of
from chainrule.derivation.record import Derivation, Large
from chainrule.derivation.tape.nodes import LISTED
from chainrule.errors import ChainruleError, DtypeError, GraphError

from .spelled import spelled

FACTS = json.loads((Path(__file__).parent.parent / "reference_facts.json").read_text())


def simple_net() -> tuple[Any, Any, Any]:
    w1, w2 = cr.Value(2.0, label="w1"), cr.Value(0.5, label="w2")
    yhat = w1 * 2.0 * w2
    return 0.5 * (yhat - 20.0) ** 2, w1, w2


def small_net(batch: int = 4) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    net = cr.nn.Sequential(cr.nn.Linear(3, 2, rng=0, dtype=float), cr.nn.Tanh(), cr.nn.Linear(2, 2, rng=1, dtype=float))
    return net, cr.nn.MSELoss("half_sum")(net(rng.normal(size=(batch, 3))), rng.normal(size=(batch, 2)))


def test_without_a_dialect_the_one_that_suits_is_taken():
    loss, w1, _ = simple_net()
    net, cost = small_net()
    assert explain(loss).dialect == "graph"
    assert explain(loss, w1).dialect == "chain"
    assert explain(cost, net[0].weight[1, 2]).dialect == "chain"
    assert explain(cost, net[0].weight).dialect == "graph"
    assert explain(cost, net[0].weight, layout="denominator").dialect == "jacobian"
    assert explain(cost, net.parameters()).dialect == "graph"


@pytest.mark.parametrize("dialect", list(NEAREST))
def test_the_simple_net_gives_the_reference_numbers_in_every_dialect(dialect):
    loss, w1, w2 = simple_net()
    row = dict(zip(FACTS["simple_net"]["half_sum"]["columns"], FACTS["simple_net"]["half_sum"]["rows"][0], strict=True))
    for wrt, name in ((w1, "dL_dw1"), (w2, "dL_dw2")):
        told = explain(loss, wrt, dialect)
        assert (told.dialect, told.value, told.gradient) == (dialect, row["loss"], row[name])
        assert told.nodes[-1].id == told.output
        assert told.story


def test_the_record_holds_the_graph_with_its_arrows_and_its_log():
    a, b = cr.Value(-2.0, label="a"), cr.Value(3.0, label="b")
    told = explain((a * b) * (a + b), [a, b])
    by_id = {node.id: node for node in told.nodes}
    assert [spelled(by_id[k].symbol) for k in told.wrt] == ["a", "b"]
    sums = dict.fromkeys(by_id, 0.0)
    for node in told.nodes:
        for arrow in node.inputs:
            assert arrow.contribution == arrow.value * node.gradient
            sums[arrow.source] += arrow.contribution
    assert {spelled(by_id[k].symbol): total for k, total in sums.items() if by_id[k].operation == ""} == {
        "a": -3.0,
        "b": -8.0,
    }
    assert [line.step for line in told.log] == [1, 2, 3, 4, 5, 6]
    last = {spelled(by_id[line.node].symbol): line.total for line in told.log}
    assert (last["a"], last["b"]) == (-3.0, -8.0)
    product = next(node for node in told.nodes if spelled(node.formula) == "a · b")
    assert [(spelled(arrow.derivative), arrow.value) for arrow in product.inputs] == [("b", 3.0), ("a", -2.0)]
    assert told.counts["nodes"] == 5


def test_an_entry_is_asked_for_by_index_and_by_name():
    net, cost = small_net()
    cost.backward()
    expected = float(net[0].weight.grad.data[1, 2])
    for wrt in (net[0].weight[1, 2], net[0].weight[1][2], net[0].weight[-1, -1], "net[0].weight[1, 2]"):
        told = explain(cost, wrt, "graph")
        assert told.entry == (1, 2)
        assert told.gradient == pytest.approx(expected, rel=1e-12)
        assert "[1, 2]" in spelled(told.title)
    assert explain(cost, "net[0].weight", "graph").entry is None
    assert explain(cost, [net[0].weight[1, 2]], "graph").entry == (1, 2)


def test_an_entry_of_what_is_no_node_is_refused_with_a_way_out():
    net, cost = small_net()
    with cr.no_grad():
        entry = net[0].weight[1, 2]
    with pytest.raises(GraphError, match=r"index it outside `with cr.no_grad\(\):`.*wrt='net\[0\].weight\[3, 1\]'"):
        explain(cost, entry)
    with pytest.raises(GraphError, match=r"this has shape \(3,\)"):
        explain(cost, net[0].weight[1])
    with pytest.raises(GraphError, match=r"shape \(2, 3\), and no entry \[5, 5\]"):
        explain(cost, "net[0].weight[5, 5]")
    with pytest.raises(GraphError, match=r"net\[0\].weight\[1\] is not one entry"):
        explain(cost, "net[0].weight[1]")
    with pytest.raises(GraphError, match="one entry at a time"):
        explain(cost, [net[0].weight[1, 2], net[0].bias])


def test_what_the_output_was_not_computed_from_is_named():
    loss, w1, _ = simple_net()
    stranger = cr.Value(1.0)
    with pytest.raises(GraphError, match="not computed from stranger"):
        explain(loss, stranger)
    with pytest.raises(GraphError, match=r"nothing named 'w9'; it has .*w1"):
        explain(loss, "w9")
    with pytest.raises(GraphError, match="empty list"):
        explain(loss, [])
    with pytest.raises(DtypeError, match="not a float"):
        explain(loss, 2.0)
    data = cr.Tensor([1.0, 2.0])
    w = cr.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(GraphError, match=r"data: it is data, without requires_grad"):
        explain((w * data).sum(), data)
    assert explain(loss, w1).gradient == -18.0


def test_intermediate_nodes_and_lists_of_nodes():
    x = cr.Value(3.0)
    u = x * x
    out = u * (u + x)
    assert explain(out, u).gradient == FACTS["engine"]["order"]["u.grad"]
    told = explain(out, [x, u])
    assert told.gradient is None
    gradients = {node.id: node.gradient for node in told.nodes}
    assert [gradients[k] for k in told.wrt] == [135.0, 21.0]


def test_a_dialect_that_does_not_apply_says_why_and_names_the_nearest_that_does(monkeypatch):
    loss, w1, _ = simple_net()
    monkeypatch.setattr(module_of("delta"), "applies", lambda tape, request: "there are no layers")
    monkeypatch.setattr(module_of("jacobian"), "applies", lambda tape, request: "not today")
    with pytest.raises(
        GraphError, match=r"'delta' does not apply: there are no layers\. The nearest that does is 'chain'"
    ):
        explain(loss, w1, "delta")
    net, cost = small_net()
    assert explain(cost, net[0].weight, layout="denominator").dialect == "chain"


def test_delta_on_what_is_no_feed_forward_net_is_refused():
    x = cr.Value(2.0)
    with pytest.raises(GraphError, match=r"'delta' does not apply: .*The nearest that does is"):
        explain(cr.sin(x) * x + cr.exp(x), x, "delta")


@pytest.mark.parametrize(
    "options",
    [{"dialect": "klingon"}, {"layout": "sideways"}, {"notation": "none"}, {"digits": 0}, {"top": 0}, {"nudge": 0.0}],
)
def test_options_that_mean_nothing_are_refused(options):
    loss, w1, _ = simple_net()
    with pytest.raises(ChainruleError, match=r"not|no "):
        explain(loss, w1, **options)


def test_large_arrays_are_described_and_not_listed():
    rng = np.random.default_rng(0)
    net = cr.nn.Sequential(cr.nn.Linear(784, 30, rng=0), cr.nn.Sigmoid(), cr.nn.Linear(30, 10, rng=1), cr.nn.Sigmoid())
    cost = cr.nn.MSELoss("half_sum")(net(rng.normal(size=(10, 784))), rng.normal(size=(10, 10)))
    told = explain(cost, net[0].weight[3, 1])
    weight = next(node for node in told.nodes if node.id == told.wrt[0])
    assert isinstance(weight.value, Large)
    assert weight.value.shape == (30, 784)
    assert weight.value.length == pytest.approx(float(np.linalg.norm(net[0].weight.data.astype(float))), rel=1e-12)
    cost.backward()
    # The net is in single precision, which keeps some six digits of a gradient.
    assert told.gradient == pytest.approx(float(net[0].weight.grad.data[3, 1]), rel=1e-4)
    assert len(told.nodes) < 10


def test_a_large_graph_is_listed_in_part_and_counted_in_whole():
    x = cr.Value(1.0, label="x")
    y = x
    for _ in range(1500):
        y = y * 0.999 + x
    told = explain(y, x, "graph")
    assert told.counts["nodes"] == 3001
    assert LISTED - 1 <= len(told.nodes) <= LISTED + 1
    assert told.counts["nodes not listed"] == 3001 - len(told.nodes)
    assert told.counts["accumulations not listed"] == 4500 - len(told.log)
    ids = {node.id for node in told.nodes}
    assert {told.output, *told.wrt} <= ids
    assert {line.node for line in told.log} <= ids


def test_a_derivation_is_plain_data():
    loss, w1, _ = simple_net()
    told = explain(loss, w1)
    assert isinstance(told, Derivation)
    assert {c.subject for c in told.conventions} == {"cost"}
    assert told == explain(loss, w1)


def test_numbers_that_are_not_finite_are_told():
    a = cr.Value(0.0, label="a")
    for wrt in (a, None):
        assert explain(cr.log(a) * 2.0, wrt, "graph").story
    assert explain(cr.log(a) * 2.0, a, "graph").gradient == np.inf
    x = cr.Tensor([1.0, -1.0], requires_grad=True)
    assert np.isnan(explain(cr.log(x).sum(), None, "graph").value)


def test_a_leaf_that_is_the_output_itself():
    a = cr.Value(3.0)
    assert explain(a, a).gradient == 1.0
    assert explain(a).story
