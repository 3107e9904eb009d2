"""The delta dialect: the numbers of the published nets, PyTorch's gradients on random nets, and honest refusals."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation.dialects import delta
from chainrule.derivation.network.paper import checked
from chainrule.derivation.notation import NOTATIONS
from chainrule.derivation.record import Equation, Heading, Note, Paragraph, Steps, Table
from chainrule.derivation.request import Request
from chainrule.derivation.tape.tape import Tape
from chainrule.errors import ChainruleError, GraphError
from latex_oracle.value import value_of

from .random_pages import alike
from .spelled import spelled

FACTS = json.loads((Path(__file__).parents[1] / "reference_facts.json").read_text())
SIX_DIGITS = 1.01e-5
"""Printed with six digits, a number is off by half a unit of the last: 5e-6 of it at most, and the sum once more."""


def tell(output, **asked):
    tape = Tape(output, [asked["wrt"]] if "wrt" in asked else [])
    request = Request(**asked)
    assert delta.applies(tape, request) == ""
    return delta.tell(tape, request)


def equations(told):
    for block in told.story:
        lines = [block] if isinstance(block, Equation) else block.lines if isinstance(block, Steps) else ()
        yield from (line for line in lines if isinstance(line, Equation))


def results(told):
    """What each symbol was printed to be, last mention first; a column as a vector."""
    found = {}
    for equation in equations(told):
        if equation.numbers:
            name = spelled(equation.sides[0])
            found.setdefault(name, np.squeeze(value_of(equation.parts[-1])))
    return found


def learned(array):
    return cr.Tensor(np.array(array, dtype=float), requires_grad=True)


def words(told):
    return " ".join(spelled(block.text) for block in told.story if isinstance(block, Paragraph | Note | Heading))


@pytest.fixture
def small():
    """The net 2-3-2 of the reference."""
    w1, b1 = learned([[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]]), learned([0.01, -0.02, 0.03])
    w2, b2 = learned([[0.7, -0.8, 0.9], [-1.0, 1.1, -1.2]]), learned([0.05, -0.06])
    return w1, b1, w2, b2


def test_net_2_3_2_on_one_example(small):
    w1, b1, w2, b2 = small
    x, y = np.array([0.5, -1.0]), np.array([1.0, 0.0])
    a2 = cr.sigmoid(w2 @ cr.sigmoid(w1 @ x + b1) + b2)
    told = tell(0.5 * cr.sum((a2 - y) ** 2), wrt=w1, entry=(2, 1), whole=True)
    found = results(told)
    expected = {
        "C": 0.09085780027759546,
        "δ⁽²⁾": [-0.07189684066974256, 0.054411395935927566],
        "δ⁽¹⁾": [-0.02605690857076992, 0.02708251683312715, -0.026939366306087228],
        "∂C/∂b⁽¹⁾": [-0.02605690857076992, 0.02708251683312715, -0.026939366306087228],
        "∂C/∂W⁽¹⁾": [
            [-0.01302845428538496, 0.02605690857076992],
            [0.013541258416563576, -0.02708251683312715],
            [-0.013469683153043614, 0.026939366306087228],
        ],
        "∂C/∂W⁽²⁾": [
            [-0.03343613297429958, -0.02597178644036741, -0.05081828461179778],
            [0.02530440354379277, 0.019655399903613677, 0.03845918372823384],
        ],
        "∂C/∂w⁽¹⁾₃,₂": 0.026939366306087228,
        "∂z⁽¹⁾₂/∂W⁽¹⁾": [[0, 0], [0.5, -1.0], [0, 0]],
    }
    for name, numbers in expected.items():
        np.testing.assert_allclose(found[name], numbers, rtol=SIX_DIGITS, err_msg=name)
    assert "18 entries" in words(told)
    assert "12 of them are zero" in words(told)
    assert told.counts["parameters"] == 17


def test_net_2_3_2_on_a_batch_of_three(small):
    w1, b1, w2, b2 = small
    x = np.array([[0.5, 1.0, -0.75], [-1.0, 0.25, 0.6]])
    y = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    a1 = cr.sigmoid(w1 @ x + cr.reshape(b1, (3, 1)))
    a2 = cr.sigmoid(w2 @ a1 + cr.reshape(b2, (2, 1)))
    told = tell(0.5 * cr.sum((a2 - y) ** 2) / 3, whole=True)
    expected = {
        "C": 0.2685928754292466,
        "∂C/∂W⁽¹⁾": [
            [0.012459683599429323, 0.017046428947078755],
            [-0.014606617615188139, -0.01796163169633236],
            [0.016568864348313662, 0.01828425837322287],
        ],
        "∂C/∂b⁽¹⁾": [0.01736168180026257, -0.019324050321028376, 0.021056258678103],
        "∂C/∂b⁽²⁾": [-0.011371988171036518, -0.07778529444296868],
    }
    found = results(told)
    for name, numbers in expected.items():
        np.testing.assert_allclose(found[name], numbers, rtol=SIX_DIGITS, err_msg=name)
    assert "3 examples, one in each column" in words(told)


def test_simple_net_on_values():
    x, w1, w2, y = (cr.Value(v, label=n) for n, v in (("x", 2.0), ("w1", 2.0), ("w2", 0.5), ("y", 20.0)))
    told = tell(0.5 * (w2 * (w1 * x) - y) ** 2, notation="course")
    found = results(told)
    row = FACTS["simple_net"]["half_sum"]["rows"][0]
    assert found["∂L/∂W₁"] == row[7] == -18.0
    assert found["∂L/∂W₂"] == row[8] == -72.0
    assert any("ŷ − y" in spelled(block.text) for block in told.story if isinstance(block, Paragraph))
    assert {spelled(meaning.symbol) for meaning in told.symbols} >= {"L", "ŷ", "hₗ", "x"}


def test_sigmoid_net_on_values():
    facts = FACTS["sigmoid_net"]["half_sum"]
    row = dict(zip(facts["columns"], facts["rows"][0], strict=True))
    w1, w2, w3 = (cr.Value(row[f"w{i}_before"], label=f"w{i}") for i in (1, 2, 3))
    told = tell(0.5 * (cr.sigmoid(w3 * cr.sigmoid(w1 * 1.0 + w2 * 2.0)) - 1.0) ** 2, wrt=w2)
    found = results(told)
    np.testing.assert_allclose(found["δ⁽²⁾"], row["dL_dz2"], rtol=SIX_DIGITS)
    np.testing.assert_allclose(found["δ⁽¹⁾"], row["dL_dz1"], rtol=SIX_DIGITS)
    gradient = found["∂C/∂W⁽¹⁾"]
    np.testing.assert_allclose(gradient, [row["dL_dw1"], row["dL_dw2"]], rtol=SIX_DIGITS)
    assert found["∂C/∂w⁽¹⁾₁,₂"] == pytest.approx(row["dL_dw2"], rel=SIX_DIGITS)


def test_784_30_10(digits_net):
    arrays, xs = digits_net
    w1, b1, w2, b2 = map(learned, arrays)
    x, y = xs[0], np.eye(10)[0]
    cost = 0.5 * cr.sum((cr.sigmoid(w2 @ cr.sigmoid(w1 @ x + b1) + b2) - y) ** 2)
    told = tell(cost, wrt=w1, entry=(29, 783))
    facts = FACTS["nielsen_784_30_10"]["sample0"]
    found = results(told)
    assert found["C"] == pytest.approx(facts["C"], rel=SIX_DIGITS)
    one = found["∂C/∂w⁽¹⁾₃₀,₇₈₄"]
    assert one == pytest.approx(facts["dW1[29,783]"], rel=SIX_DIGITS)
    assert found["δ⁽²⁾₆"] == pytest.approx(facts["delta2"][5], rel=SIX_DIGITS)
    text = words(told)
    assert "705,600 entries" in text
    assert "23,520 need not be" in text
    table = next(block for block in reversed(told.story) if isinstance(block, Table))
    assert table.rows[0][1] == "23,861"
    lines = [line for block in told.story if isinstance(block, Steps) for line in map(spelled, block.lines)]
    assert any(f"{facts['||dW1||_F']:.6g}" in line for line in lines)


ACTIVATIONS = ("sigmoid", "tanh", "relu", "softplus", "none")
COSTS = ("half_sum", "sum", "mean", "cross_entropy", "log_loss")


@pytest.mark.parametrize("seed", range(20))
def test_random_nets_agree_with_pytorch(seed):
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(seed)
    sizes = [int(n) for n in random.integers(1, 6, size=random.integers(2, 6))]
    sizes[-1] = max(sizes[-1], 2)
    cost, batch = COSTS[seed % len(COSTS)], int(random.integers(1, 5))
    functions = [str(random.choice(ACTIVATIONS)) for _ in sizes[2:]] + ["none" if cost != "log_loss" else "sigmoid"]
    layers = [cr.nn.Linear(m, n, dtype=float, rng=seed) for m, n in pairwise(sizes)]
    x, target = random.normal(size=(batch, sizes[0])), random.integers(0, sizes[-1], size=batch)
    y = np.eye(sizes[-1])[target]
    a = cr.Tensor(x)
    ours = [torch.tensor(p.data, requires_grad=True) for layer in layers for p in (layer.weight, layer.bias)]
    theirs = torch.tensor(x)
    for k, (layer, function) in enumerate(zip(layers, functions, strict=True)):
        a, theirs = layer(a), theirs @ ours[2 * k].T + ours[2 * k + 1]
        if function != "none":
            a = getattr(cr, function)(a)
            theirs = (
                torch.nn.functional.softplus(theirs) if function == "softplus" else getattr(torch, function)(theirs)
            )
    right = torch.tensor(y)
    if cost == "cross_entropy":
        loss = cr.nn.CrossEntropyLoss()(a, target)
        torch.nn.functional.cross_entropy(theirs, torch.tensor(target)).backward()
    elif cost == "log_loss":
        loss = -cr.mean(y * cr.log(a) + (1 - y) * cr.log(1 - a))
        torch.nn.functional.binary_cross_entropy(theirs, right).backward()
    else:
        loss = cr.nn.MSELoss(cost)(a, y)
        total = ((theirs - right) ** 2).sum()
        (total / right.numel() if cost == "mean" else total * (0.5 if cost == "half_sum" else 1)).backward()
    found = results(tell(loss, digits=17))
    for k in range(len(layers)):
        for name, p in (("W⁽" + "⁰¹²³⁴⁵"[k + 1] + "⁾", ours[2 * k]), ("b⁽" + "⁰¹²³⁴⁵"[k + 1] + "⁾", ours[2 * k + 1])):
            gradient = np.reshape(found[f"∂C/∂{name}"], p.shape)
            # Both are float64; the difference is the order of sums.
            np.testing.assert_allclose(gradient, p.grad, rtol=1e-9, atol=1e-14, err_msg=f"{functions} {cost} {name}")


def test_the_cost_of_an_output_in_letters():
    w = learned([[0.3, -0.2]])
    a = cr.sigmoid(np.array([[1.0, 2.0]]) @ w.T)
    y = np.array([[1.0]])
    text = words(tell(cr.sum(-(y * cr.log(a) + (1 - y) * cr.log(1 - a)))))
    assert "∂C/∂a⁽¹⁾ = (a⁽¹⁾ − y)/(a⁽¹⁾ · (1 − a⁽¹⁾))" in text
    assert "∂C/∂z⁽¹⁾ = a⁽¹⁾ − y" in text, "the slope of the sigmoid cancels"
    text = words(tell(cr.nn.MSELoss("half_sum")(a, y)))
    assert "∂C/∂a⁽¹⁾ = a⁽¹⁾ − y" in text


def test_softmax_and_cross_entropy_are_opened():
    net = cr.nn.Linear(2, 3, rng=1)
    told = tell(cr.nn.CrossEntropyLoss()(net(np.ones((2, 2), dtype="f")), [0, 2]))
    tape = next(block for block in told.story if isinstance(block, Steps) and "softmax" in spelled(block.caption))
    by_sum, closed = (value_of(line.parts[-1]) for line in tape.lines)
    assert by_sum == closed
    assert any(r"\frac{p_{" in part for part in tape.lines[1].parts)


def test_a_deep_net_is_told_in_part_and_checked_in_full():
    net = cr.nn.Sequential(*[cr.nn.Linear(2, 2, rng=i) for i in range(10)])
    told = tell(cr.nn.MSELoss()(net(np.ones((1, 2), dtype="f")), [[0.0, 1.0]]))
    assert "The other 6 layers were checked" in words(told)
    assert told.counts["layers"] == 10


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_notation_tells_the_same_numbers(small, notation):
    w1, b1, w2, b2 = small
    output = cr.sigmoid(w2 @ cr.sigmoid(w1 @ np.array([0.5, -1.0]) + b1) + b2)
    cost = 0.5 * cr.sum((output - np.array([1.0, 0.0])) ** 2)

    def numbers(told):
        return [equation.parts[-equation.numbers :] for equation in equations(told)]

    assert numbers(tell(cost, notation=notation, whole=True)) == numbers(tell(cost, whole=True))


def test_an_infinite_error_is_said_and_does_not_crash():
    w = learned([[0.0, 0.0]])
    told = tell(-cr.sum(cr.log(cr.tanh(np.ones((1, 2)) @ w.T))))
    assert "not finite" in words(told)


@pytest.mark.parametrize("outputs", [1, 2])
def test_an_infinite_slope_stops_at_a_branch_that_was_not_taken(outputs):
    w = learned([[0.0, 0.0]] * outputs)
    told = tell(-cr.sum(cr.log(cr.relu(np.ones((1, 2)) @ w.T))))
    assert any("a branch that was not taken" in spelled(equation.note) for equation in equations(told))


def test_what_is_no_net_says_why():
    a, b = cr.Value(-2.0, label="a"), cr.Value(3.0, label="b")
    tape = Tape((a * b) * (a + b), [a])
    assert "a is used in 2 places" in delta.applies(tape, Request(wrt=a))


def test_only_weights_and_biases_have_such_gradients():
    x, w = learned([[1.0, 2.0]]), learned([[3.0, 4.0]])
    output = cr.sum(cr.nn.Sequential(lambda x: x @ w.T)(x))
    assert "neither" in delta.applies(Tape(output, [x]), Request(wrt=x))
    assert delta.applies(Tape(output, [w]), Request(wrt=w)) == ""


def test_a_convolutional_net_is_told_why_it_has_no_errors_delta():
    layers = [
        cr.nn.Conv2d(1, 2, 3, rng=0),
        cr.nn.ReLU(),
        cr.nn.MaxPool2d(2),
        cr.nn.Flatten(),
        cr.nn.Linear(18, 3, rng=1),
    ]
    net = cr.nn.Sequential(*layers)
    image = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype(np.float32)
    loss = cr.nn.CrossEntropyLoss()(net(image), [0, 2])
    with pytest.raises(GraphError, match=r"neither a weighted sum nor an activation.* nearest that does is 'jacobian'"):
        cr.explain(loss, net[0].weight, "delta")
    assert cr.explain(loss, net[0].weight[0, 0, 1, 1], "chain").log


@pytest.mark.parametrize("factor", [1 / 3, 0.1, 0.7])
@pytest.mark.parametrize("dialect", ["delta", "jacobian"])
def test_a_gradient_that_cancels_out_but_for_rounding_is_explained(factor, dialect):
    w = cr.Value(0.15, label="w")
    told = cr.explain(10.0 * (factor * w - w * factor), w, dialect)
    assert abs(told.gradient) < 1e-14
    assert told.story


def test_a_wrong_equation_is_refused_whatever_the_rounding():
    with pytest.raises(ChainruleError, match="BP4 is not what the engine has"):
        checked("BP4", [[1e-9]], [[0.0]], 1e-14)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("sum((sigmoid(W @ x + b) - t)**2)/2", {"x": [1.0, -1.0], "t": [1.0, 0.0]}),
        ("sum((sigmoid(x @ W.T + b) - t)**2)", {"x": [[1.0, 2], [3, 4], [0, 1]], "t": [[1.0, 0], [0, 1], [1, 1]]}),
        ("sum(c*(sigmoid(x @ W.T + b) - t)**2)", {"x": [[1.0, 2], [3, 4]], "t": [[1.0, 0], [0, 1]], "c": [2.0, 3.0]}),
    ],
)
def test_targets_with_a_name_stand_in_the_columns_of_their_outputs(text, values):
    values = {**values, "W": [[1.0, 2.0], [-1.0, 1.0]], "b": [0.0, 0.1]}
    told = cr.explain(text, "W", "delta", values=values)
    assert " - t" in told.plain(detail="full")


@pytest.mark.parametrize(
    ("formula", "values", "notation", "other"),
    [
        ("u @ b1 + w1", {"u": [0.8, -0.04], "b1": [0.69, 1.52], "w1": 1.39}, "lecture", "W₁"),
        # x₁ of what comes in would be the user's x2.
        ("w1*x2 + w2*x1", {"w1": 2.0, "w2": 3.0, "x1": 5.0, "x2": 7.0}, "course", "h₀"),
        ("(a @ u)*(x > 0)", {"a": [2.0, 1.0], "u": [1.0, 0.5], "x": 0.1}, "course", "h₀"),
        ("f = tanh(n1*x)*2 + b1", {"n1": 0.5, "x": 2.0, "b1": 3.0}, "lecture", "σ′(z₁)"),
    ],
)
def test_a_letter_of_the_book_that_is_a_users_name_goes_by_another_one(formula, values, notation, other):
    told = cr.explain(formula, dialect="delta", values=values, notation=notation)
    assert not list(alike(told))
    assert other in told.text(detail="full")


def test_a_letter_of_the_book_that_means_what_the_user_calls_so_stays():
    values = {"w1": 2.0, "w2": 3.0, "x1": 5.0, "x2": 7.0}
    told = cr.explain("w1*x1 + w2*x2", dialect="delta", values=values, notation="course")
    assert "net takes in x," in told.text(detail="full")


def test_what_a_condition_chooses_is_no_layer():
    with pytest.raises(GraphError, match="no neuron"):
        cr.explain("1/(y*(-1 > 0))", "y", "delta", values={"y": 0.08})
