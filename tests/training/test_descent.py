"""The tables that courses print come out, number by number."""

import json
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import DtypeError, ShapeError
from chainrule.training import descent_table

FACTS = json.loads((Path(__file__).parents[1] / "reference_facts.json").read_text())
HALF = {"half_sum": 0.5, "sum": 1.0}
ROUNDING = 1e-12  # ten epochs of a dozen operations each, whose order differs from the reference's
CANCELLED = 1e-13  # the error yhat - 20 is small at the end, and keeps the rounding of 20 times the slopes behind it


def simple(convention):
    def net(w1, w2):
        h = 2.0 * w1
        yhat = w2 * h
        return {"h": h, "yhat": yhat, "loss": HALF[convention] * (yhat - 20.0) ** 2}

    return net, {"w1": 2.0, "w2": 0.5}, 0.01


def squashed(convention):
    def net(w1, w2, w3):
        z1 = w1 + 2.0 * w2
        h1 = cr.sigmoid(z1)
        z2 = w3 * h1
        yhat = cr.sigmoid(z2)
        return {"z1": z1, "h1": h1, "z2": z2, "yhat": yhat, "loss": HALF[convention] * (yhat - 1.0) ** 2}

    return net, {"w1": 0.1, "w2": -0.3, "w3": 0.5}, 0.1


@pytest.mark.parametrize("convention", HALF)
@pytest.mark.parametrize(("name", "made"), [("simple_net", simple), ("sigmoid_net", squashed)])
def test_the_tables_of_the_reference_come_out(name, made, convention):
    expected = FACTS[name][convention]
    net, weights, lr = made(convention)
    table = descent_table(net, weights, lr=lr, epochs=len(expected["rows"]), columns=expected["columns"])
    assert list(table.columns) == expected["columns"]
    np.testing.assert_allclose(table.rows, expected["rows"], rtol=ROUNDING, atol=CANCELLED)


def test_without_columns_it_has_those_of_the_course():
    net, weights, lr = simple("half_sum")
    table = descent_table(net, weights, lr=lr, epochs=10)
    assert list(table.columns) == FACTS["simple_net"]["half_sum"]["columns"]
    assert json.loads(table.json())[0]["dL_dw2"] == -72.0
    lines = repr(table).splitlines()
    assert len(lines) == 11
    assert lines[1].split() == ["1", "2", "0.5", "4", "2", "162", "-18", "-18", "-72", "2.18", "1.22"]


def test_a_module_has_the_same_table_and_is_left_as_it_was():
    net = nn.Sequential(nn.Linear(1, 1, bias=False, dtype=float), nn.Linear(1, 1, bias=False, dtype=float))
    net.load_state_dict({"0.weight": [[2.0]], "1.weight": [[0.5]]})
    table = descent_table(net, x=[[2.0]], y=[[20.0]], loss=nn.MSELoss("half_sum"), lr=0.01, epochs=10)
    expected = FACTS["simple_net"]["half_sum"]
    for mine, theirs in [("yhat", "yhat"), ("dL_d0.weight", "dL_dw1"), ("1.weight_after", "w2_after")]:
        column = [row[expected["columns"].index(theirs)] for row in expected["rows"]]
        np.testing.assert_allclose(table[mine], column, rtol=ROUNDING, atol=CANCELLED)
    assert [p.item() for p in net.parameters()] == [2.0, 0.5]


def test_arrays_have_a_column_for_each_entry():
    table = descent_table(
        lambda w: {"yhat": w * 2.0, "loss": (w * w).sum()}, {"w": np.array([1.0, 3.0])}, lr=0.25, epochs=1
    )
    assert table["yhat[1]"] == [6.0]
    assert table["dL_dw[1]"] == [6.0]
    assert table["w_after[0]"] == [0.5]


def test_a_weight_that_the_loss_does_not_feel_stays():
    table = descent_table(lambda a, b: {"h": b * 1.0, "loss": a * a}, {"a": 1.0, "b": 2.0}, lr=0.5, epochs=2)
    assert table["b_after"] == [2.0, 2.0]
    assert table["dL_dh"] == [0.0, 0.0]


def test_misuse_is_named():
    net, weights, lr = simple("sum")
    with pytest.raises(ShapeError, match=r"no column 'dL_dq'.*dL_dw1"):
        descent_table(net, weights, lr=lr, epochs=1, columns=["dL_dq"])
    with pytest.raises(ShapeError, match="1 to 10 parameters, and this net has 11"):
        descent_table(lambda w: {"loss": w.sum()}, {"w": np.ones(11)}, lr=lr, epochs=1)
    with pytest.raises(DtypeError, match="returns a dict"):
        descent_table(lambda w: w * w, {"w": 1.0}, lr=lr, epochs=1)  # type: ignore[arg-type, return-value]
    with pytest.raises(DtypeError, match="takes x=, y= and loss="):
        descent_table(nn.Linear(1, 1), lr=lr, epochs=1)
    with pytest.raises(ShapeError, match="the loss, one number"):
        descent_table(lambda w: {"loss": w * w}, {"w": np.ones(3)}, lr=lr, epochs=1)
    for epochs in (0, -1):
        with pytest.raises(ShapeError, match=f"descent_table: epochs is at least 1, not {epochs}"):
            descent_table(net, weights, lr=lr, epochs=epochs)
    with pytest.raises(DtypeError, match=r"descent_table: epochs is a whole number, not 1\.5"):
        descent_table(net, weights, lr=lr, epochs=1.5)  # type: ignore[arg-type]
