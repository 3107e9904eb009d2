"""Numbers known from outside: worked examples of the literature, recomputed by both engines.

The facts in ``reference_facts.json`` were computed without this project, most of them with mpmath; each tolerance is
the one they were published with.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import Tensor, Value

FACTS = json.loads((Path(__file__).parent / "reference_facts.json").read_text(encoding="utf-8"))
KINDS = {"Value": Value, "Tensor": lambda x: Tensor(float(x), requires_grad=True)}

either_engine = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


def close(wanted, rel=1e-12, abs=0.0):
    return pytest.approx(wanted, rel=rel, abs=abs)


def grads(nodes):
    return [float(node.grad) for node in nodes]


def kept(node):
    """An intermediate whose gradient is looked at; Values always keep theirs."""
    if isinstance(node, Tensor):
        node.retain_grad()
    return node


@either_engine
def test_reuse_accumulates(make):
    facts = FACTS["engine"]["accumulate"]
    a, b = make(-2.0), make(3.0)
    for d_first in (True, False):
        first = kept(a * b) if d_first else kept(a + b)
        second = kept(a + b) if d_first else kept(a * b)
        d, e = (first, second) if d_first else (second, first)
        f = kept(d * e)
        a.grad = b.grad = 0.0 if make is Value else None
        f.backward()
        assert float(f) == -6.0
        assert dict(zip("abdef", [*grads([a, b, d, e]), -6.0], strict=True)) == facts


@either_engine
def test_backward_twice(make):
    facts = FACTS["engine"]["backward_twice"]
    a, b = make(-2.0), make(3.0)
    d = kept(a * b)
    f = d * (a + b)
    f.backward()
    f.backward()
    assert grads([a, b, d]) == [facts["a"], facts["b"], 1.0]


@either_engine
def test_order(make):
    facts = FACTS["engine"]["order"]
    x = make(3.0)
    u = kept(x * x)
    v = kept(u + x)
    product = u * v
    product.backward()
    assert float(product) == facts["L"]
    assert grads([x, u, v]) == [facts["correct_dL/dx"], facts["u.grad"], facts["v.grad"]]


@either_engine
def test_micrograd_readme(make):
    facts = FACTS["engine"]["micrograd_readme"]
    a, b = make(-4.0), make(2.0)
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + (b + a).relu()
    d = d + 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g = g + 10.0 / f
    g.backward()
    assert [float(g), *grads([a, b])] == close([facts["g"], facts["dg/da"], facts["dg/db"]])


@either_engine
def test_micrograd_sanity(make):
    facts = FACTS["engine"]["micrograd_sanity"]
    x = make(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()
    assert [float(y), float(x.grad)] == [facts["y"], facts["dy/dx"]]


@either_engine
def test_parabola_and_expression(make):
    for at in (3.0, -3.0):
        x = make(at)
        y = 3 * x**2 - 4 * x + 5
        y.backward()
        assert [float(y), float(x.grad)] == FACTS["engine"]["parabola"][f"at_{at:g}"]
    facts = FACTS["engine"]["expression"]
    a, b, c, f = make(2.0), make(-3.0), make(10.0), make(-2.0)
    e = kept(a * b)
    d = kept(e + c)
    loss = d * f
    loss.backward()
    names = dict(zip("abcedf", grads([a, b, c, e, d, f]), strict=True))
    assert {"L": float(loss), **names} == facts
    stepped = [float(x) + 0.01 * float(x.grad) for x in (a, b, c, f)]
    assert (stepped[0] * stepped[1] + stepped[2]) * stepped[3] == close(FACTS["engine"]["expression_after_a_step"])


NEURON = FACTS["neuron"]
NAMES = ("x1", "x2", "w1", "w2", "b")


def potential(x1, x2, w1, w2, b):
    return x1 * w1 + x2 * w2 + b


@either_engine
def test_neuron(make):
    inputs = [make(NEURON["inputs"][name]) for name in NAMES]
    n = kept(potential(*inputs))
    o = n.tanh()
    o.backward()
    wanted = [NEURON["n"], NEURON["o"], *(NEURON["tanh"][name] for name in NAMES)]
    assert [float(n), float(o), *grads(inputs)] == close(wanted, rel=0, abs=1e-12)
    assert float(n.grad) == close(0.5, rel=0, abs=1e-12)


@either_engine
def test_neuron_taken_apart(make):
    inputs = [make(NEURON["inputs"][name]) for name in NAMES]
    e = (2 * potential(*inputs)).exp()
    o = (e - 1) / (e + 1)
    o.backward()
    assert float(o) == close(NEURON["o"], rel=0, abs=1e-12)
    assert grads(inputs) == close([NEURON["tanh"][name] for name in NAMES], rel=0, abs=1e-12)


@either_engine
def test_neuron_with_other_activations(make):
    inputs = [make(NEURON["inputs"][name]) for name in NAMES]
    potential(*inputs).relu().backward()
    assert grads(inputs) == [NEURON["relu"][name] for name in NAMES]
    inputs = [make(NEURON["inputs"][name]) for name in NAMES]
    o = potential(*inputs).sigmoid()
    o.backward()
    assert [float(o), float(inputs[-1].grad)] == close([NEURON["sigmoid"]["o"], NEURON["sigmoid"]["local"]])


def test_neuron_by_differences():
    inputs = [NEURON["inputs"][name] for name in NAMES]
    for k, name in enumerate(NAMES):
        nudged = list(inputs)
        nudged[k] += 1e-4
        found = (cr.tanh(potential(*nudged)) - cr.tanh(potential(*inputs))) / 1e-4
        assert found == close(NEURON["forward_difference"][name], rel=0, abs=1e-10)


def test_neuron_whose_bias_went_through_float32():
    facts = NEURON["bias_through_float32"]
    data = [np.float32(NEURON["inputs"][name]) for name in NAMES]
    inputs = [Tensor(x, requires_grad=True).astype(np.float64) for x in data]
    for x in inputs:
        x.retain_grad()
    o = potential(*inputs).tanh()
    o.backward()
    assert inputs[-1].item() == facts["b_value"]
    assert [o.item(), *grads(inputs)] == close([facts["o"], *(facts[name] for name in NAMES)])


SIMPLE = FACTS["simple_net"]


def simple_loss(w1, w2, scale=0.5):
    error = 2.0 * w1 * w2 - 20.0
    return scale * error**2


def simple_row(make, w1, w2, scale, rate):
    """One epoch of x=2, y=20 as the published table has it, and the updated weights."""
    w1, w2 = make(w1), make(w2)
    h = kept(w1 * 2.0)
    guess = kept(h * w2)
    loss = scale * (guess - 20.0) ** 2
    loss.backward()
    after = [float(w) - rate * float(w.grad) for w in (w1, w2)]
    return {
        "w1_before": float(w1),
        "w2_before": float(w2),
        "h": float(h),
        "yhat": float(guess),
        "loss": float(loss),
        "dL_dyhat": float(guess.grad),
        "dL_dw1": float(w1.grad),
        "dL_dw2": float(w2.grad),
        "w1_after": after[0],
        "w2_after": after[1],
    }


@either_engine
@pytest.mark.parametrize(("convention", "scale"), [("half_sum", 0.5), ("sum", 1.0)])
def test_ten_epochs_of_the_simple_net(make, convention, scale):
    table, end = SIMPLE[convention], SIMPLE[f"after_{convention}"]
    w1, w2 = 2.0, 0.5
    for epoch, numbers in enumerate(table["rows"], start=1):
        facts = dict(zip(table["columns"], numbers, strict=True))
        assert facts.pop("epoch") == epoch
        row = simple_row(make, w1, w2, scale, rate=0.01)
        assert row == close(facts, rel=1e-12 if epoch <= 2 else 1e-10)
        w1, w2 = row["w1_after"], row["w2_after"]
    assert [w1, w2, 2.0 * w1 * w2, simple_loss(w1, w2, scale)] == close(
        [end["w1"], end["w2"], end["yhat"], end["loss"]], rel=1e-10
    )


def test_long_runs_of_the_simple_net():
    w = (2.0, 0.5)
    for epoch in range(1, 101):
        g = cr.grad(simple_loss, argnums=(0, 1))(*w)
        w = (w[0] - 0.01 * g[0], w[1] - 0.01 * g[1])
        if str(epoch) in SIMPLE["long_run"]:
            facts = SIMPLE["long_run"][str(epoch)]
            assert [*w, 2 * w[0] * w[1]] == close([facts["w1"], facts["w2"], facts["yhat"]])


@pytest.mark.parametrize("rate", SIMPLE["sweep"])
def test_learning_rates(rate):
    facts = SIMPLE["sweep"][rate]
    w1, w2 = 2.0, 0.5
    losses = []
    for _ in range(12):
        row = simple_row(Value, w1, w2, 0.5, float(rate))
        losses.append(row["loss"])
        w1, w2 = row["w1_after"], row["w2_after"]
    count = len(facts["losses"])
    assert losses[:count] == close(facts["losses"], rel=1e-9)
    assert losses[count] == close(facts["end"], rel=1e-9)
    if float(rate) >= 0.05:
        assert not math.isfinite(losses[-1])


def test_a_nudge_of_a_weight():
    facts = SIMPLE["nudge_of_w2"]
    slope = cr.grad(simple_loss, argnums=1)(2.0, 0.5)
    assert slope * 0.1 == close(facts["predicted"])
    assert simple_loss(2.0, 0.6) - simple_loss(2.0, 0.5) == close(facts["actual"])


@pytest.mark.parametrize("kind", [float, Value, Tensor])
def test_curvature_of_the_simple_net(kind):
    hessian = cr.hessian(simple_loss, argnums=(0, 1))
    for at, name in [((2.0, 0.5), "hessian_at_start"), ((0.0, 0.0), "hessian_at_origin")]:
        found = hessian(*map(kind, at))
        assert [[float(entry) for entry in row] for row in found] == SIMPLE[name]
    end = SIMPLE["after_half_sum"]
    w = np.array([3.3910174340716916, 2.948967439542979])
    assert w == close([end["w1"], end["w2"]], rel=1e-5)
    largest = np.linalg.eigvalsh(cr.hessian(lambda w: simple_loss(w[0], w[1]))(w))[-1]
    assert largest == close(SIMPLE["largest_curvature_at_end"], rel=1e-9)
    assert 2 / largest == close(SIMPLE["rate_limit"], rel=1e-9)


def test_the_loss_surface():
    w1, w2, wanted = np.array(SIMPLE["surface"]).T
    np.testing.assert_allclose(simple_loss(w1, w2), wanted, rtol=1e-12, atol=1e-13)


SIGMOID = FACTS["sigmoid_net"]


def sigmoid_row(make, weights, scale, rate):
    w1, w2, w3 = map(make, weights)
    z1 = kept(1.0 * w1 + 2.0 * w2)
    h1 = kept(z1.sigmoid())
    z2 = kept(h1 * w3)
    guess = kept(z2.sigmoid())
    loss = scale * (1.0 - guess) ** 2
    loss.backward()
    row = {"w1_before": w1, "w2_before": w2, "w3_before": w3, "z1": z1, "h1": h1, "z2": z2, "yhat": guess, "loss": loss}
    slopes = {"yhat": guess, "z2": z2, "w3": w3, "z1": z1, "w1": w1, "w2": w2}
    after = [float(w) - rate * float(w.grad) for w in (w1, w2, w3)]
    return (
        {name: float(node) for name, node in row.items()}
        | {f"dL_d{name}": float(node.grad) for name, node in slopes.items()}
        | {
            "dyhat_dz2": float(z2.grad) / float(guess.grad),
            "dz2_dh1": float(h1.grad) / float(z2.grad),
            "dh1_dz1": float(z1.grad) / float(h1.grad),
        }
        | {f"w{k}_after": w for k, w in enumerate(after, start=1)}
    )


@either_engine
@pytest.mark.parametrize(("convention", "scale"), [("half_sum", 0.5), ("sum", 1.0)])
def test_ten_epochs_of_the_sigmoid_net(make, convention, scale):
    table, end = SIGMOID[convention], SIGMOID[f"after_{convention}"]
    weights = [0.1, -0.3, 0.5]
    for epoch, numbers in enumerate(table["rows"], start=1):
        facts = dict(zip(table["columns"], numbers, strict=True))
        assert facts.pop("epoch") == epoch
        row = sigmoid_row(make, weights, scale, rate=0.1)
        assert row == close(facts)
        weights = [row["w1_after"], row["w2_after"], row["w3_after"]]
    after = sigmoid_row(make, weights, scale, rate=0.1)
    assert weights == close([end["w1"], end["w2"], end["w3"]])
    assert [after[name] for name in ("z1", "h1", "z2", "yhat", "loss")] == close(
        [end[name] for name in ("z1", "h1", "z2", "yhat", "loss")]
    )


@pytest.mark.parametrize(("epochs", "name"), [(10, "after_half_sum_rate_10"), (1000, "after_1000_rate_10")])
def test_the_sigmoid_net_at_a_high_rate(epochs, name):
    weights = [0.1, -0.3, 0.5]
    for _ in range(epochs):
        row = sigmoid_row(Value, weights, 0.5, rate=10.0)
        weights = [row["w1_after"], row["w2_after"], row["w3_after"]]
    row = sigmoid_row(Value, weights, 0.5, rate=10.0)
    facts = SIGMOID[name]
    found = {
        "w1": weights[0],
        "w2": weights[1],
        "w3": weights[2],
        **{k: row[k] for k in ("z1", "h1", "z2", "yhat", "loss")},
    }
    assert found == close(facts, rel=1e-12 if epochs == 10 else 1e-10)


CHAIN = FACTS["3b1b_chain"]


def chain_cost(w, b):
    a = 0.6
    for weight, bias in zip(w, b, strict=True):
        a = cr.sigmoid(weight * a + bias)
    return (a - 1.0) ** 2


@either_engine
def test_a_chain_of_single_neurons(make):
    w, b = [make(x) for x in (0.7, -1.2, 1.5)], [make(x) for x in (0.1, 0.4, -0.3)]
    a, z = [make(0.6)], []
    for weight, bias in zip(w, b, strict=True):
        z.append(kept(weight * a[-1] + bias))
        a.append(kept(z[-1].sigmoid()))
    cost = (a[-1] - 1.0) ** 2
    cost.backward()
    assert float(cost) == close(CHAIN["C"])
    assert [float(x) for x in a] == close(CHAIN["a"])
    assert [float(x) for x in z] == close(CHAIN["z"])
    for layer, facts in CHAIN["layers"].items():
        k = int(layer) - 1
        found = {
            "dz/dw=a_prev": float(w[k].grad) / float(z[k].grad),
            "da/dz": float(z[k].grad) / float(a[k + 1].grad),
            "dC/da": float(a[k + 1].grad),
            "dC/dz": float(z[k].grad),
            "dC/dw": float(w[k].grad),
            "dC/db": float(b[k].grad),
            "dC/da_prev": float(a[k].grad),
        }
        assert found == close(facts)


def test_nudges_of_the_chain():
    for name, facts in CHAIN["nudges"].items():
        w, b = [0.7, -1.2, 1.5], [0.1, 0.4, -0.3]
        nudged = w if name[0] == "w" else b
        nudged[int(name[1]) - 1] += 0.01
        assert chain_cost(w, b) == close(facts["C_new"])
        assert (chain_cost(w, b) - CHAIN["C"]) / 0.01 == close(facts["ratio_dC/0.01"], rel=1e-10)


PARR = FACTS["parr_howard"]


def test_a_batch_through_a_relu_neuron_on_tensors():
    facts = PARR["batch"]
    w, b = Tensor(facts["w"], requires_grad=True), Tensor(facts["b"], requires_grad=True)
    z = np.array(facts["X"]) @ w + b
    cost = ((facts["y"] - z.relu()) ** 2).mean()
    cost.backward()
    assert z.tolist() == close(facts["z"])
    assert [cost.item(), *w.grad.tolist(), b.grad.item()] == close([facts["C"], *facts["grad_w"], facts["grad_b"]])


def test_a_batch_through_a_relu_neuron_on_values():
    facts = PARR["batch"]
    w, b = [Value(x) for x in facts["w"]], Value(facts["b"])
    errors = [y - (cr.dot(w, x) + b).relu() for x, y in zip(facts["X"], facts["y"], strict=True)]
    cost = cr.dot(errors, errors) / 3
    cost.backward()
    assert [cost.data, *grads(w), b.grad] == close([facts["C"], *facts["grad_w"], facts["grad_b"]])


def test_rules_of_matrix_calculus():
    w, x, z = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]), 7.0
    one = np.eye(3)
    cases = [
        (lambda w: w + x, w, one),
        (lambda x: w - x, x, -one),
        (lambda w: w * x, w, np.diag(x)),
        (lambda x: w * x, x, np.diag(w)),
        (lambda w: w / x, w, np.diag(PARR["quotient"]["by_w"])),
        (lambda x: w / x, x, np.diag(PARR["quotient"]["by_x"])),
        (lambda x: x + z, x, one),
        (lambda z: x + z, z, np.ones(3)),
        (lambda x: x * z, x, 7 * one),
        (lambda z: x * z, z, x),
        (lambda x: cr.sum(x), x, np.ones(3)),
        (lambda x: cr.sum(x * z), x, np.full(3, 7.0)),
        (lambda z: cr.sum(x * z), z, 15.0),
        (lambda w: cr.dot(w, x), w, x),
        (lambda x: cr.dot(w, x), x, w),
    ]
    for f, at, wanted in cases:
        for mode in ("forward", "reverse"):
            np.testing.assert_allclose(cr.jacobian(f, mode=mode)(at), wanted, rtol=1e-12)


def test_total_derivatives():
    facts = PARR["total"]
    slope = lambda f, at: cr.grad(f)(at)  # noqa: E731
    assert slope(lambda x: x + x**2, 3.0) == facts["x+x^2 at 3"]
    assert [float(x + x**2) for x in (1, 2)] == facts["y(1),y(2)"]
    assert slope(lambda x: cr.sin(x + x**2), 1.0) == close(facts["sin(x+x^2) at 1"])
    assert slope(lambda x: x * x**2, 2.0) == facts["x*x^2 at 2"]
    assert slope(lambda x: cr.log(cr.sin(x**3) ** 2), 1.0) == close(facts["ln(sin(x^3)^2) at 1"])
    assert slope(lambda x: (2 * x + 3) ** 2, 1.0) == facts["dz/dx of (2x+3)^2 at 1 (8x+12)"]
    vector = cr.jacobian(lambda x: cr.stack([cr.log(x**2), cr.sin(3 * x)]))(2.0)
    assert vector.tolist() == close(facts["[ln(x^2),sin(3x)] at 2"])
    at = np.array([1.0, 2.0])
    first = cr.jacobian(lambda v: cr.stack([3 * v[0] ** 2 * v[1], 2 * v[0] + v[1] ** 8]))(at)
    np.testing.assert_allclose(first, facts["J of (3x^2 y, 2x+y^8) at (1,2)"], rtol=1e-12)
    second = cr.jacobian(lambda v: cr.stack([cr.sin(v[0] ** 2 + v[1]), cr.log(v[1] ** 3)]))(at)
    np.testing.assert_allclose(second, facts["J of (sin(x1^2+x2), ln(x2^3)) at (1,2)"], rtol=1e-12)


NIELSEN = FACTS["nielsen_784_30_10"]


def activations(parameters, x):
    w1, b1, w2, b2 = parameters
    z1 = x @ w1.T + b1
    z2 = cr.sigmoid(z1) @ w2.T + b2
    return z1, z2, cr.sigmoid(z2)


def costs(parameters, x, y):
    return 0.5 * cr.sum((activations(parameters, x)[2] - y) ** 2, axis=-1)


def test_the_generator(digits_net):
    (w1, b1, w2, b2), x = digits_net
    found = [w1[0, 0], w1[0, 1], w1[29, 783], b1[0], w2[0, 0], w2[9, 29], b2[9], x[0, 0], x[9, 783]]
    assert found == close(list(NIELSEN["first_draws_check"].values()), rel=1e-14)
    assert sum(p.size for p in (w1, b1, w2, b2)) == NIELSEN["n_parameters"]


def test_one_example_of_784_30_10(digits_net):
    arrays, xs = digits_net
    facts = NIELSEN["sample0"]
    parameters = [Tensor(p, requires_grad=True) for p in arrays]
    z1, z2, a2 = map(kept, activations(parameters, xs[0]))
    cost = 0.5 * ((a2 - np.eye(10)[0]) ** 2).sum()
    cost.backward()
    d_w1, d_w2 = parameters[0].grad.numpy(), parameters[2].grad.numpy()
    exact = {"rel": 1e-11}
    assert cost.item() == close(facts["C"], **exact)
    assert a2.tolist() == close(facts["a2"], **exact)
    assert int(np.argmax(np.asarray(a2.data))) == facts["argmax"]
    assert z1.tolist()[0] == close(facts["z1[0]"], **exact)
    assert z2.grad.tolist() == close(facts["delta2"], **exact)
    assert z1.grad.tolist()[:5] == close(facts["delta1[0..4]"], **exact)
    norms = [np.linalg.norm(g) for g in (z1.grad.numpy(), z2.grad.numpy(), d_w1, d_w2)]
    assert norms == close([facts[name] for name in ("||delta1||", "||delta2||", "||dW1||_F", "||dW2||_F")], **exact)
    entries = [d_w2[0, 0], d_w1[0, 0], d_w1[29, 783]]
    assert entries == close([facts["dW2[0,0]"], facts["dW1[0,0]"], facts["dW1[29,783]"]], **exact)


def test_one_example_of_784_30_10_on_values(digits_net):
    (w1, b1, w2, b2), xs = digits_net
    facts = NIELSEN["sample0"]
    weights1, weights2 = ([[Value(entry) for entry in row] for row in w.tolist()] for w in (w1, w2))
    inputs = xs[0].tolist()
    hidden = [(cr.dot(row, inputs) + bias).sigmoid() for row, bias in zip(weights1, b1.tolist(), strict=True)]
    out = [(cr.dot(row, hidden) + bias).sigmoid() for row, bias in zip(weights2, b2.tolist(), strict=True)]
    errors = [a - (k == 0) for k, a in enumerate(out)]
    cost = 0.5 * cr.dot(errors, errors)
    cost.backward()
    assert cost.data == close(facts["C"], rel=1e-11)
    found = [weights2[0][0].grad, weights1[0][0].grad, weights1[29][783].grad]
    assert found == close([facts["dW2[0,0]"], facts["dW1[0,0]"], facts["dW1[29,783]"]], rel=1e-11)
    norm = math.sqrt(sum(w.grad**2 for row in weights1 for w in row))
    assert norm == close(facts["||dW1||_F"], rel=1e-11)


def test_the_gradient_of_the_batch(digits_net):
    parameters, xs = digits_net
    facts = NIELSEN["batch_gradient_sum"]
    d_w1, d_b1, d_w2, d_b2 = cr.grad(lambda p: cr.sum(costs(p, xs, np.eye(10))))(parameters)
    assert [d_w1[0, 0], d_b1[0], d_w2[0, 0]] == close(
        [facts["dW1[0,0]"], facts["db1[0]"], facts["dW2[0,0]"]], rel=1e-11
    )
    assert d_b2.tolist() == close(facts["db2"], rel=1e-11)


def test_a_hundred_steps_of_784_30_10(digits_net):
    arrays, xs = digits_net
    facts = NIELSEN["mean_C_before_step_t_eta3_batch10"]
    parameters = [Tensor(p, requires_grad=True) for p in arrays]
    for step in range(101):
        cost = cr.mean(costs(parameters, xs, np.eye(10)))
        if str(step) in facts:
            assert cost.item() == close(facts[str(step)], rel=1e-11), step
        cost.backward()
        with cr.no_grad():
            for p in parameters:
                p -= 3.0 * p.grad
                p.zero_grad()
    guesses = np.argmax(np.asarray(activations(parameters, xs)[2].data), axis=1)
    assert int(np.sum(guesses == np.arange(10))) == NIELSEN["accuracy_on_the_10_after_101_steps"]


def test_the_derivative_of_a_whole_layer(digits_net):
    (w1, _, _, _), xs = digits_net
    facts = NIELSEN["layer_tensor"]
    whole = cr.jacobian(lambda w: w @ xs[0])(w1)
    assert whole.size == facts["dz1/dW1 entries 30*30*784"]
    assert np.count_nonzero(whole) == facts["nonzero"]
    assert whole.nbytes / 1e6 == facts["MB float64"]
