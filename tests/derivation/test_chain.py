"""The chain dialect: links, the sums where paths fan out, what cancels, and why a zero is one."""

# A story holds blocks of every kind, and which one stands where is what the tests look at.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

import json
import math
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import Tensor, Value, nn
from chainrule.derivation.dialects import chain
from chainrule.derivation.record import Equation, Heading, Note, Table
from chainrule.derivation.request import Request
from chainrule.derivation.scalars.graph import ScalarGraph
from chainrule.derivation.scalars.links import chain_of
from chainrule.derivation.tape.tape import Tape
from chainrule.maths import Symbol, latex
from chainrule.maths.values import value as value_of_tree
from latex_oracle.value import read, value_of

from .spelled import spelled

FACTS = json.loads((Path(__file__).parents[1] / "reference_facts.json").read_text(encoding="utf-8"))


def links_of(_output, _wrt, place=(), **options):
    return chain_of(ScalarGraph(Tape(_output, [_wrt]), _wrt, place), **options)


def told(_output, _wrt, place=None, **asked):
    return chain.tell(Tape(_output, [_wrt] if _wrt is not None else []), Request(_wrt, place, **asked))


def equations(story):
    """Every equation of a story, also those in tables."""
    for block in story:
        if isinstance(block, Equation):
            yield block
        elif isinstance(block, Table):
            yield from (cell for row in block.rows for cell in row if isinstance(cell, Equation))


def values(links):
    return [link.value for link in links]


def simple_net():
    leaves = {name: Value(number, label=name) for name, number in {"x": 2.0, "w1": 2.0, "w2": 0.5, "y": 20.0}.items()}
    h = leaves["x"] * leaves["w1"]
    h.label = "h"
    yhat = h * leaves["w2"]
    yhat.label = "yhat"
    cost = 0.5 * (yhat - leaves["y"]) ** 2
    cost.label = "L"
    return leaves, cost


def test_the_simple_net_as_it_stands_in_the_lecture():
    leaves, cost = simple_net()
    first, *_ = told(cost, leaves["w1"]).story
    assert spelled(first) == "∂L/∂w₁ = ∂L/∂ŷ · ∂ŷ/∂h · ∂h/∂w₁ = (ŷ − y) · w₂ · x = −18 · 0.5 · 2 = −18"
    assert first.parts[-2:] == (r"-18 \cdot 0.5 \cdot 2", "-18")
    first, *_ = told(cost, leaves["w2"]).story
    assert spelled(first.sides[2:]) == ("(ŷ − y) · h", "−18 · 4", "−72")


def test_the_steps_of_a_link_that_has_no_names_inside():
    leaves, cost = simple_net()
    (cost_link, *_) = links_of(cost, leaves["w1"]).links
    assert cost_link.operation == "mul, pow, sub"
    steps = [(spelled(step.formula), step.value) for step in cost_link.steps]
    assert steps == [("0.5", 0.5), ("2(ŷ − y)", -36.0), ("1", 1.0)]
    assert math.prod(values(cost_link.steps)) == cost_link.value == -18.0
    assert cost_link.steps[2].intuition.startswith("Subtraction passes the gradient on")


def test_the_sigmoid_net():
    facts = FACTS["sigmoid_net"]["half_sum"]
    row = dict(zip(facts["columns"], facts["rows"][0], strict=True))
    w1, w2, w3 = Value(row["w1_before"]), Value(row["w2_before"]), Value(row["w3_before"])
    z1 = 1.0 * w1 + 2.0 * w2
    h1 = cr.sigmoid(z1)
    z2 = h1 * w3
    yhat = cr.sigmoid(z2)
    loss = 0.5 * (yhat - 1.0) ** 2
    exact = {"rel": 1e-11}
    by_hand = [row["dL_dyhat"], row["dyhat_dz2"], row["dz2_dh1"], row["dh1_dz1"]]
    assert values(links_of(loss, w1).links) == pytest.approx([*by_hand, 1.0], **exact)
    assert values(links_of(loss, w2).links) == pytest.approx([*by_hand, 2.0], **exact)
    chained = links_of(loss, w3)
    assert values(chained.links) == pytest.approx([*by_hand[:2], row["h1"]], **exact)
    assert chained.gradient == pytest.approx(row["dL_dw3"], **exact)
    assert [spelled(link.formula) for link in chained.links] == ["ŷ − 1", "ŷ · (1 − ŷ)", "h₁"]
    assert chained.cancellations == ()


def test_the_3b1b_chain():
    facts = FACTS["3b1b_chain"]
    w1 = Value(0.7)
    z1 = 0.6 * w1 + 0.1
    a1 = cr.sigmoid(z1)
    z2 = -1.2 * a1 + 0.4
    a2 = cr.sigmoid(z2)
    z3 = 1.5 * a2 - 0.3
    a3 = cr.sigmoid(z3)
    cost = (a3 - 1.0) ** 2
    layers = [facts["layers"][name] for name in "321"]
    wanted = [facts["dC/da^L"], layers[0]["da/dz"], 1.5, layers[1]["da/dz"], -1.2, layers[2]["da/dz"], 0.6]
    chained = links_of(cost, w1)
    assert values(chained.links) == pytest.approx(wanted, rel=1e-12)
    assert chained.gradient == pytest.approx(layers[2]["dC/dw"], rel=1e-12)


def test_the_neuron():
    facts = FACTS["neuron"]
    x1, x2, w1, w2, b = (Value(facts["inputs"][name]) for name in ("x1", "x2", "w1", "w2", "b"))
    n = x1 * w1 + x2 * w2 + b
    o = cr.tanh(n)
    for name, leaf in {"x1": x1, "w1": w1, "x2": x2, "w2": w2, "b": b}.items():
        chained = links_of(o, leaf)
        assert chained.gradient == pytest.approx(facts["tanh"][name], rel=1e-12, abs=1e-15)
        assert spelled(chained.links[0].formula) == "1 − o²"
    story = told(o, w2).story
    (note,) = [block for block in story if isinstance(block, Note)]
    assert spelled(note.text) == "The gradient is 0 because ∂v₂/∂w₂ = x₂ is 0 here."


def test_two_ways_of_the_engine_example():
    a, b = Value(-2.0), Value(3.0)
    d = a * b
    s = a + b
    f = d * s
    chained = links_of(f, a)
    (link,) = chained.links
    assert (link.value, link.others, link.rest) == (-3.0, 0, 0.0)
    assert [(spelled(path.through), path.value) for path in link.paths] == [("s", -6.0), ("d", 3.0)]
    _, table, _, total, paths = told(f, a).story
    assert table.rows[0][2] == "a sum over 2 paths, which follows"
    assert spelled(total.sides[-2:]) == ("−6 + 3", "−3")
    assert [spelled(row[1].sides[1:]) for row in paths.rows] == [("d", "−6"), ("s · b", "1 · 3", "3")]
    assert f.data == -6.0


def test_values_without_a_name_are_said():
    a, b = Value(-2.0), Value(3.0)
    f = cr.tanh(a * b) * (a + b)
    symbols = {spelled(meaning.symbol): spelled(meaning.meaning) for meaning in told(f, a).symbols}
    assert symbols == {"v₁": "a · b", "v₂": "tanh(v₁)", "v₃": "a + b"}
    assert f.data == pytest.approx(math.tanh(-6.0), rel=1e-12)


def test_a_variable_that_one_operation_reads_twice():
    x = Value(3.0)
    (link,) = links_of(x * x, x).links
    assert (link.value, spelled(link.formula), link.paths) == (6.0, "2x", ())


NET = {
    "W1": [[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]],
    "b1": [0.01, -0.02, 0.03],
    "W2": [[0.7, -0.8, 0.9], [-1.0, 1.1, -1.2]],
    "b2": [0.05, -0.06],
    "x": [0.5, -1.0],
    "y": [1.0, 0.0],
}

NET_GRADIENTS = {
    "dC_da1": [-0.10473918440474736, 0.11737000806531438, -0.1300008317258814],
    "delta1": [-0.02605690857076992, 0.02708251683312715, -0.026939366306087228],
    "grad_a_C": [-0.32680079681129337, 0.2737094075085741],
    "delta2": [-0.07189684066974256, 0.054411395935927566],
    "dW1": [
        [-0.01302845428538496, 0.02605690857076992],
        [0.013541258416563576, -0.02708251683312715],
        [-0.013469683153043614, 0.026939366306087228],
    ],
    "dW2": [
        [-0.03343613297429958, -0.02597178644036741, -0.05081828461179778],
        [0.02530440354379277, 0.019655399903613677, 0.03845918372823384],
    ],
}
"""Of half the squared error; computed with mpmath."""


def test_the_2_3_2_net_on_one_example():
    case, half = NET, NET_GRADIENTS
    w1, b1 = Tensor(case["W1"], requires_grad=True), Tensor(case["b1"], requires_grad=True)
    w2, b2 = Tensor(case["W2"], requires_grad=True), Tensor(case["b2"], requires_grad=True)
    x, y = np.array([case["x"]]), Tensor([case["y"]])
    z1 = cr.affine(x, w1, b1)
    a1 = cr.sigmoid(z1)
    z2 = cr.affine(a1, w2, b2)
    a2 = cr.sigmoid(z2)
    cost = cr.squared_error(a2, y, scale=0.5)
    tape = Tape(cost, [w1, w2])
    exact = {"rel": 1e-11}
    for j, k in np.ndindex(3, 2):
        chained = chain_of(ScalarGraph(tape, w1, (j, k)))
        assert chained.gradient == pytest.approx(half["dW1"][j][k], **exact)
        arriving, slope, fed = chained.links
        assert arriving.value == pytest.approx(half["dC_da1"][j], **exact)
        assert arriving.value * slope.value == pytest.approx(half["delta1"][j], **exact)
        assert (fed.value, spelled(fed.formula)) == (case["x"][k], f"x[0, {k}]")
        assert sorted(spelled(path.through) for path in arriving.paths) == ["z₂[0, 0]", "z₂[0, 1]"]
        for path in arriving.paths:
            i = int(spelled(path.through)[-2])
            error, squash, weight = path.links
            assert error.value == pytest.approx(half["grad_a_C"][i], **exact)
            assert error.value * squash.value == pytest.approx(half["delta2"][i], **exact)
            assert spelled(error.formula) == f"a₂[0, {i}] − y[0, {i}]"
            assert spelled(weight.formula) == f"w₂[{i}, {j}]"
    for i, j in np.ndindex(2, 3):
        assert chain_of(ScalarGraph(tape, w2, (i, j))).gradient == pytest.approx(half["dW2"][i][j], **exact)


def test_the_logarithm_cancels_the_sigmoid():
    z, y = Value(0.3), Value(0.7)
    a = cr.sigmoid(z)
    loss = -(y * cr.log(a) + (1 - y) * cr.log(1 - a))
    chained = links_of(loss, z)
    (cancelled,) = chained.cancellations
    assert spelled(cancelled.simpler) == "a − y"
    assert spelled(cancelled.product).endswith("· a · (1 − a)")
    by_hand = (a.data - 0.7) / (a.data * (1 - a.data))
    assert values(cancelled.links) == pytest.approx([by_hand, a.data * (1 - a.data)], rel=1e-12)
    assert chained.gradient == pytest.approx(1 / (1 + math.exp(-0.3)) - 0.7, rel=1e-12)
    story = told(loss, z).story
    assert story[-3] == Heading("What cancels", 3)
    assert story[-1].sides[1:3] == (cancelled.product, cancelled.simpler)


def test_a_logarithm_cancels_an_exponential():
    t = Value(0.8)
    u = cr.exp(t)
    (cancelled,) = links_of(cr.log(u), t).cancellations
    assert spelled((cancelled.product, cancelled.simpler)) == ("1/u · u", "1")
    assert cancelled.value == pytest.approx(1.0)


def test_one_over_x_times_x():
    x = Value(1.5)
    inverse = 1 / x
    product = x * inverse
    story = told(product, x).story
    total = next(block for block in story if isinstance(block, Equation) and len(block.parts) > 3)
    assert [spelled(side) for side in total.sides[2:]] == ["x · (−inverse/x) + inverse", "0", "−⅔ + ⅔", "0"]
    assert "its paths cancel one another" in spelled(story[-1].text)


def test_softmax_cancels_in_a_cross_entropy():
    rng = np.random.default_rng(5)
    w = Tensor(rng.normal(size=(3, 4)), requires_grad=True)
    features = rng.normal(size=(1, 4))
    s = features @ w.T
    loss = nn.CrossEntropyLoss()(s, [2])
    numbers = features[0] @ w.data.T
    shares = np.exp(numbers) / np.exp(numbers).sum()
    for k in range(3):
        chained = links_of(loss, w, (k, 1))
        link, feature = chained.links[0], chained.links[-1]
        asked = shares[k] - (k == 2)
        assert link.value == pytest.approx(asked, rel=1e-9)
        assert spelled(link.formula) == (f"p[0, {k}]" if k != 2 else "p[0, 2] − 1")
        logarithm, softmax = link.steps
        assert spelled(logarithm.formula) == "−1/p[0, 2]"
        assert spelled(softmax.formula) == (f"−p[0, {k}] · p[0, 2]" if k != 2 else "p[0, 2] · (1 − p[0, 2])")
        (cancelled,) = chained.cancellations
        assert cancelled.simpler == link.formula
        assert math.prod(values(cancelled.links)) == pytest.approx(asked, rel=1e-9)
        assert feature.value == features[0, 1]
        meanings = {spelled(symbol): spelled(words) for symbol, words in chained.meanings}
        assert meanings["p"] == "the softmax of s: its probabilities"


def test_a_batch_shares_the_cross_entropy():
    logits = Tensor(np.array([[0.5, -1.0], [2.0, 0.0]]), requires_grad=True)
    loss = nn.CrossEntropyLoss()(logits, [0, 1])
    share = math.exp(2.0) / (1 + math.exp(2.0))
    chained = links_of(loss, logits, (1, 0))
    (link,) = chained.links
    assert link.value == pytest.approx(share / 2, rel=1e-12)
    shares = {Symbol("p"): np.array([[0.0, 0.0], [share, 1 - share]])}
    assert value_of_tree(link.formula, shares) == pytest.approx(share / 2, rel=1e-12)

    right = links_of(loss, logits, (1, 1))
    simpler = [spelled(c.simpler) for c in (*chained.cancellations, *right.cancellations)]
    assert simpler == ["p[1, 0]/2", "(p[1, 1] − 1)/2"]


def test_a_dead_relu_is_named():
    m = Value(-2.0)
    r = cr.relu(m)
    out = r * 3.0
    (note,) = [block for block in told(out, m).story if isinstance(block, Note)]
    assert spelled(note.text) == "The gradient is 0 because ∂r/∂m = [m > 0] is 0 here: relu is flat at −2."


@pytest.mark.parametrize(
    ("text", "values", "why"),
    [
        ("relu(x)", {"x": -2.0}, "relu is flat at −2"),
        ("floor(x)", {"x": 2.5}, "floor is flat at 2.5"),
        ("clip(x, 0, 1)", {"x": 5.0}, "clip is flat at 5"),
        ("0*x", {"x": 3.0}, "x is multiplied by 0"),
        ("w*x", {"x": 3.0, "w": 0.0}, "x is multiplied by w, which is 0"),
        ("x**2", {"x": 0.0}, "2x is 0 at x = 0"),
        ("x**3", {"x": 1e-200}, "x² is too small for a number here"),
        ("tanh(x)", {"x": 100.0}, "tanh is saturated at 100: its slope there is too small to be told from 0"),
        ("y/x", {"x": 3.0, "y": 0.0}, "f = 0"),
        ("where(x > 0, 1, x)", {"x": 3.0}, "the branch with x was not taken"),
        ("relu(x)*3", {"x": -2.0}, "dv₁/dx = [x > 0] is 0 here: relu is flat at −2"),
        ("(w*x)**2", {"x": 3.0, "w": 0.0}, "∂f/∂v₁ = 2w · x is 0 here: w = 0"),
    ],
)
def test_why_a_gradient_is_0(text, values, why):
    """That the gradient is 0 because it is 0 is no reason."""
    told = cr.explain(text, "x", "chain", values=values)
    (note,) = [block for block in told.short if isinstance(block, Note)]
    assert spelled(note.text) == f"The gradient is 0 because {why}."


def test_nothing_made_from_it_and_the_output_itself():
    w = Tensor([1.0, 2.0], requires_grad=True)
    (note,) = told(cr.sum(w[1:] ** 2), w, (0,)).story
    assert "does not move with w[0]" in spelled(note.text)
    v = Value(2.0)
    (words,) = told(v, v).story
    assert "moves with itself" in spelled(words.text)


def test_a_wide_fan_lists_the_largest_and_adds_up_the_rest():
    x = Tensor([0.7], requires_grad=True)
    weights = np.linspace(-2.0, 3.0, 40)
    out = cr.sum(cr.sin(x * weights) * weights)
    (link,) = links_of(out, x, (0,), top=4).links
    assert (len(link.paths), link.others) == (4, 36)
    every = weights**2 * np.cos(0.7 * weights)
    assert sorted(np.abs(every))[::-1][:4] == pytest.approx([abs(path.value) for path in link.paths], rel=1e-12)
    assert link.rest == pytest.approx(every.sum() - sum(path.value for path in link.paths), rel=1e-9)
    total = next(block for block in told(out, x, (0,), top=4).story if "other 36 paths" in getattr(block, "note", ""))
    assert value_of(total.parts[-2]) == pytest.approx(every.sum(), rel=1e-5)


def test_a_long_chain_keeps_its_ends():
    x = Value(0.3)
    v = x
    for _ in range(5000):
        v = cr.tanh(v * 1.01)
    chained = links_of(v, x, top=3)
    assert len(chained.links) == 7
    assert math.prod(values(chained.links)) == pytest.approx(chained.gradient, rel=1e-9)
    for left, right in zip(chained.links[:-1], chained.links[1:], strict=True):
        assert left.below == right.above


def test_all_leaves_and_the_largest_entry():
    leaves, cost = simple_net()
    answer = told(cost, None)
    headings = [block.text for block in answer.story if isinstance(block, Heading) and block.level == 2]
    assert sorted(map(spelled, headings)) == ["In w₁", "In w₂", "In x", "In y"]
    assert [block.parts[-1] for block in answer.story if isinstance(block, Equation)] == [
        str(round(wanted)) for wanted in (-18, -18, -72, 18)
    ]
    assert leaves["w1"].data == 2.0
    w = Tensor([[1.0, -3.0]], requires_grad=True)
    note, first, *_ = told(cr.sum(w**2), w).story
    assert "the one with the largest gradient, w[0, 1]" in spelled(note.text)
    assert first.parts[-1] == "-6"


@pytest.mark.parametrize("seed", range(6))
def test_every_equation_reads_back_and_is_true(seed):
    rng = np.random.default_rng(seed)
    net = nn.Sequential(
        nn.Linear(3, 4, rng=seed), [nn.Tanh(), nn.ReLU(), nn.Sigmoid()][seed % 3], nn.Linear(4, 3, rng=seed)
    )
    x = rng.normal(size=(1 + seed // 3, 3))
    out = net(x)
    loss = nn.CrossEntropyLoss()(out, np.arange(len(x))) if seed % 2 else nn.MSELoss()(out, np.ones((len(x), 3)))
    weight = net[0].weight
    story = told(loss, weight, (seed % 4, 1)).story
    assert len(list(equations(story))) > 4
    for equation in equations(story):
        read(latex(equation.tree))
        result = value_of(equation.parts[-1])
        for part in equation.parts[-equation.numbers :]:
            # Six digits are printed, and a sum of terms may be smaller than they are.
            assert value_of(part) == pytest.approx(result, rel=2e-5, abs=1e-5)
    loss.backward()
    printed = value_of(story[0].parts[-1])
    assert printed == pytest.approx(float(weight.grad.data[seed % 4, 1]), rel=1e-4, abs=1e-6)


def test_nan_goes_through():
    x = Value(-1.0)
    root = cr.sqrt(x)
    out = root * 2.0
    first, *_ = told(out, x).story
    assert first.numbers == 0
    assert spelled(first.note) == "not a finite number"


def test_moving_an_entry_is_no_step_of_a_chain():
    w = cr.Tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True, label="w")
    told = cr.explain(cr.sum(cr.exp(w.reshape(2, 2)).T.reshape(4) ** 2), w[1], "chain")
    (table,) = [block for block in told.story if isinstance(block, Table) and "Link" in block.columns]
    assert [row[1] for row in table.rows] == ["sum", "pow", "exp"]
