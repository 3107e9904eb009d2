"""The graph of single entries: which entries move, how fast, and in what letters."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import Tensor, Value, nn
from chainrule.derivation.scalars.graph import NotReached, ScalarGraph
from chainrule.derivation.scalars.links import chain_of
from chainrule.derivation.scalars.slopes import Slopes
from chainrule.derivation.tape.tape import Tape
from chainrule.errors import ChainruleError, GraphError

from .spelled import spelled

FACTS = json.loads((Path(__file__).parents[1] / "reference_facts.json").read_text(encoding="utf-8"))
STEP = 1e-5
"""For central differences: the error of the formula (STEP²) and of rounding (1e-16 / STEP) are both near 1e-11."""


def entries_of(_output, _wrt, place=(), **options):
    # Names with an underscore are none that an explanation would take for the user's.
    return ScalarGraph(Tape(_output, [_wrt]), _wrt, place, **options)


def formulas(entries):
    """The formula of every edge, by what moves with what."""
    slopes = Slopes(entries)
    found = {}
    for edges in entries.departures:
        for edge in edges:
            term = slopes.of(edge)
            name = spelled(entries.symbol(edge.target)), spelled(entries.symbol(edge.source))
            found[name] = None if term is None else spelled(slopes.formula(term))
    return found


def paths(entries, k=0):
    """Every way from an entry to the output, by walking them all."""
    if k == entries.last:
        return [[]]
    return [[edge, *rest] for edge in entries.departures[k] for rest in paths(entries, edge.target)]


def test_values_are_entries():
    x, w1, w2, y = Value(2.0), Value(2.0), Value(0.5), Value(20.0)
    h = x * w1
    yhat = h * w2
    L = 0.5 * (yhat - y) ** 2
    entries = entries_of(L, w1)
    assert [entries.value(k) for k in range(len(entries))] == [2.0, 4.0, 2.0, -18.0, 324.0, 162.0]
    assert entries.gradients == [-18.0, -9.0, -18.0, -18.0, 0.5, 1.0]
    assert entries.cuts() == [0, 1, 2, 3, 4, 5]
    found = formulas(entries)
    assert found["h", "w₁"] == "x"
    assert found["ŷ", "h"] == "w₂"


RNG = np.random.default_rng(3)
W, B, X = RNG.normal(size=(3, 4)), RNG.normal(size=3), RNG.normal(size=(2, 4))
SHARES = np.array([0, 2])

PROGRAMS = {
    "reuse": (lambda w: cr.sum(cr.tanh(w) * w + w @ w.T @ w), W[:, :3]),
    "bias over a batch": (lambda b: cr.sum(cr.square(cr.sigmoid(X @ W.T + b))), B),
    "column times row": (lambda b: cr.sum(cr.exp(cr.reshape(b, (3, 1)) * b)), B),
    "reductions": (lambda w: cr.sum(cr.square(cr.mean(w, axis=0))) + cr.sum(cr.sum(w, axis=1, keepdims=True) * w), W),
    "softmax": (lambda b: cr.sum(cr.square(cr.softmax(b)) * b) + cr.logsumexp(b), B),
    "variance": (lambda w: cr.sum(cr.var(w, axis=1)), W),
    "moves": (lambda w: cr.sum(cr.cumsum(cr.flip(w[1:], axis=1), axis=0) * cr.concatenate([w, w], axis=0)[2:4]), W),
    "einsum": (lambda w: cr.sum(cr.einsum("ij,kj->ik", w, cr.sin(w)) ** 2), W),
    "layer": (lambda w: cr.squared_error(cr.sigmoid(cr.affine(X, w, B)), np.ones((2, 3)), scale=0.5), W),
    "classes": (lambda w: cr.cross_entropy(cr.affine(X, w, B), target=SHARES), W),
    "inverse": (lambda w: cr.sum(cr.square(cr.inv(w + 5 * np.eye(3)))), W[:, :3]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_ways_add_up_to_what_differences_measure(name):
    program, start = PROGRAMS[name]
    leaf = Tensor(start, requires_grad=True)
    tape = Tape(program(leaf), [leaf])
    for place in np.ndindex(start.shape):
        entries = ScalarGraph(tape, leaf, place)
        step = np.zeros(start.shape)
        step[place] = STEP
        measured = (float(program(start + step)) - float(program(start - step))) / (2 * STEP)
        # The third derivative of these programs is below 1e3, and STEP² times that is 1e-7.
        assert entries.gradients[0] == pytest.approx(measured, rel=1e-7, abs=1e-7)
        if sum(map(len, entries.departures)) < 60:
            walked = math.fsum(math.prod(edge.slope for edge in path) for path in paths(entries))
            assert walked == pytest.approx(entries.gradients[0], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_formula_gives_its_slope(name):
    program, start = PROGRAMS[name]
    leaf = Tensor(start, requires_grad=True)
    entries = entries_of(program(leaf), leaf, (0,) * start.ndim)
    slopes = Slopes(entries)
    terms = [(slopes.of(edge), edge.slope) for edges in entries.departures for edge in edges]
    found = [(slopes.number(term), slope) for term, slope in terms if term is not None]
    assert found
    assert [ours for ours, _ in found] == pytest.approx([slope for _, slope in found], rel=1e-9, abs=1e-12)


def test_the_letters_of_a_layer():
    x = np.array([[1.5, 0.0, -2.0]])
    w1, b1, w2 = (Tensor(RNG.normal(size=shape), requires_grad=True) for shape in ((2, 3), (2,), (2, 2)))
    y = Tensor([[1.0, 0.0]])
    z = cr.affine(x, w1, b1)
    a = cr.sigmoid(z)
    s = a @ w2
    loss = cr.squared_error(s, y, scale=0.5)
    found = formulas(entries_of(loss, w1, (1, 2)))
    assert found == {
        ("z[0, 1]", "w₁[1, 2]"): "x[0, 2]",
        ("a[0, 1]", "z[0, 1]"): "a[0, 1] · (1 − a[0, 1])",
        ("s[0, 0]", "a[0, 1]"): "w₂[1, 0]",
        ("s[0, 1]", "a[0, 1]"): "w₂[1, 1]",
        ("loss", "s[0, 0]"): "0.5 · 2(s[0, 0] − y[0, 0])",
        ("loss", "s[0, 1]"): "0.5 · 2(s[0, 1] − y[0, 1])",
    }
    assert formulas(entries_of(loss, b1, (0,)))["z[0, 0]", "b₁[0]"] == "1"


def test_a_factor_that_is_zero_is_a_way_all_the_same():
    w = Tensor([[0.3, -0.2]], requires_grad=True)
    loss = cr.squared_error(cr.relu(cr.affine(np.array([[0.0, 2.0]]), w, np.array([0.1]))), np.zeros((1, 1)), scale=1.0)
    blank = entries_of(loss, w, (0, 0))
    assert [edge.slope for edges in blank.departures for edge in edges] == [0.0, 0.0, 0.0]
    assert blank.gradients[0] == 0.0


def test_what_nothing_is_made_from():
    w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(NotReached, match=r"w\[0\]"):
        entries_of(cr.sum(w[1:] ** 2), w, (0,))


def test_the_output_itself():
    v = Value(3.0)
    entries = entries_of(v, v)
    assert (len(entries), entries.gradients, entries.cuts()) == (1, [1.0], [0])


def test_too_many_entries_are_refused_in_words_and_walked_on_request(monkeypatch):
    monkeypatch.setattr("chainrule.derivation.scalars.graph.MOST_EDGES", 50)
    w = Tensor(np.ones(8), requires_grad=True)
    out = cr.sum(cr.tanh(cr.reshape(w, (8, 1)) * cr.tanh(w)) @ np.ones((8, 8)))
    with pytest.raises(GraphError, match=r"too many entries: more than 50 .* dialect='jacobian'.* whole=True"):
        entries_of(out, w, (0,))
    assert entries_of(out, w, (0,), whole=True).gradients[0] != 0


def test_a_custom_rule_in_single_precision():
    @cr.custom_vjp
    def cube(x):
        return x**3

    cube.defvjp(lambda x: (x**3, x), lambda x, g: (3 * x**2 * g,))
    w = Tensor(np.array([1.1, 2.2], dtype=np.float32), requires_grad=True)
    out = cr.sum(cube(w))
    entries = entries_of(out, w, (1,))
    assert entries.gradients[0] == pytest.approx(3 * float(np.float32(2.2)) ** 2, rel=1e-12)
    out.backward()
    np.testing.assert_allclose(w.grad.data, 3 * w.data**2, rtol=1e-6)


def test_a_wrong_slope_never_passes():
    x = Value(2.0)
    entries = entries_of(cr.square(x), x)
    slopes = Slopes(entries)
    with pytest.raises(ChainruleError, match="internal error"):
        slopes.agrees(slopes.letter(x, ()), 5.0)
    entries.gradients[0] = 7.0
    with pytest.raises(ChainruleError, match=r"internal error.* add up to 7\.0, and the engine has 4\.0"):
        entries._compare()


def test_cuts_lie_on_every_way():
    for seed in range(30):
        draw = np.random.default_rng(seed)
        held = [Value(float(v)) for v in draw.normal(size=2)]
        for _ in range(8):
            i, j = draw.integers(len(held), size=2)
            held.append(held[i] * held[j] if draw.random() < 0.5 else held[-1] + held[j])
        out = held[-1] * 2.0
        try:
            entries = entries_of(out, held[0])
        except GraphError:
            continue
        on_way = [{0, *[edge.target for edge in path]} for path in paths(entries)]
        assert set(entries.cuts()) == set.intersection(*on_way)
        middle = len(entries) // 2
        if middle in (0, entries.last):
            continue
        inner = [{middle, *[edge.target for edge in path]} for path in paths(entries, middle)]
        reached = entries.reachable(middle, entries.last)
        assert reached == set.union(*inner)
        assert set(entries.cuts(middle, entries.last, reached)) == set.intersection(*inner)


@pytest.fixture(scope="module")
def digits(digits_net):
    """The 784-30-10 net of the reference as modules, and its ten inputs."""
    (w1, b1, w2, b2), x = digits_net
    net = nn.Sequential(nn.Linear(784, 30, dtype=float), nn.Sigmoid(), nn.Linear(30, 10, dtype=float), nn.Sigmoid())
    net[0].weight.data, net[0].bias.data, net[2].weight.data, net[2].bias.data = w1, b1, w2, b2
    return net, x


def test_one_weight_of_784_30_10(digits):
    net, x = digits
    facts = FACTS["nielsen_784_30_10"]["sample0"]
    z1 = net[0](x[:1])
    a1 = net[1](z1)
    a2 = net[3](net[2](a1))
    cost = nn.MSELoss("half_sum")(a2, np.eye(10)[:1])
    weight = net[0].weight
    entries = entries_of(cost, weight, (0, 0))
    assert len(entries) == 1 + 1 + 1 + 10 + 10 + 1
    assert entries.gradients[0] == pytest.approx(facts["dW1[0,0]"], rel=1e-11)
    chain = chain_of(entries)
    names = [spelled(link.name) for link in chain.links]
    assert names[1:] == ["∂a₁[0, 0]/∂z₁[0, 0]", f"∂z₁[0, 0]/∂{spelled(entries.symbol(0))}"]
    arriving, slope, pixel = [link.value for link in chain.links]
    assert arriving * slope == pytest.approx(facts["delta1[0..4]"][0], rel=1e-11)
    assert pixel == x[0, 0]
    (fan, *_) = chain.links
    assert len(fan.paths) + fan.others == 10
    assert math.fsum([path.value for path in fan.paths]) + fan.rest == pytest.approx(arriving, rel=1e-12)
    for bigger, smaller in pairwise(fan.paths):
        assert abs(bigger.value) >= abs(smaller.value)


def test_a_batch_of_784_30_10_makes_only_what_moves(digits):
    net, x = digits
    cost = nn.MSELoss("half_sum")(net(x), np.eye(10))
    weight = net[0].weight
    entries = entries_of(cost, weight, (0, 0))
    assert len(entries) == 1 + 10 + 10 + 100 + 100 + 1
    wanted = FACTS["nielsen_784_30_10"]["batch_gradient_sum"]["dW1[0,0]"]
    assert entries.gradients[0] == pytest.approx(wanted, rel=1e-11)
