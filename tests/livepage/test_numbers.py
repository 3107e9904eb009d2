"""What the page computes is what the engine computes: values, gradients, mistakes, training, at every moment."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from tests.laws import random_programs
from tests.livepage.conftest import NET, ORDER, REUSE, settled

import chainrule as cr
from chainrule import nn
from chainrule.errors import DtypeError
from chainrule.livepage import payload
from chainrule.livepage.gallery import net_232
from chainrule.livepage.network import network_subject
from chainrule.livepage.page import Page
from chainrule.livepage.subject import subject_of, typed_subject
from chainrule.program import lift

LARGEST = 1e6
"""Numbers of random programs beyond this are left out: what cancels there leaves no digits to compare."""

# From the reference of courses, worked out with mpmath and PyTorch.
FACTS = {
    "overwrite": [{"a": 3, "b": -2}, {"a": -6, "b": -6}],
    "zero_grad": [{"a": -6, "b": -16}, {"a": -9, "b": -24, "d": 2, "e": -12}],
    "right": [{"a": -3, "b": -8, "d": 1, "e": -6, "f": 1}],
}


def random_graph(seed: int):
    """The result of a random program on Values or Tensors; None where it is no finite number of ours."""
    program = random_programs.program(seed)
    as_leaf = partial(cr.Tensor, dtype=float, requires_grad=True)
    try:
        plain = [float(x) if program.scalar and not np.ndim(x) else x for x in program.leaves]
        as_leaf = cr.Value if program.scalar else as_leaf
        leaves = [as_leaf(x) if n in program.moving else x for n, x in enumerate(plain)]
        output = program.run(random_programs.ours, leaves)[-1]
    except cr.ChainruleError:
        return None
    if not isinstance(output, cr.Value | cr.Tensor) or output.shape or not output.requires_grad:
        return None
    numbers = [np.asarray(x, float) for x in lift(output).numbers]
    return output if all([np.all(np.abs(x) < LARGEST) for x in numbers]) else None


def random_net(seed: int):
    """The cost of a random net on random data."""
    random = np.random.default_rng(seed)
    widths = random.integers(1, 7, random.integers(2, 5))
    kinds = [nn.Tanh, nn.Sigmoid, nn.ReLU, nn.GELU, nn.SiLU, nn.Softplus]
    layers: list = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(int(before), int(after), rng=random, dtype=float), kinds[random.integers(len(kinds))]()]
    rows = int(random.integers(1, 9))
    x = random.normal(size=(rows, widths[0]))
    if seed % 3 == 0 and widths[-1] > 1:
        return nn.CrossEntropyLoss()(nn.Sequential(*layers)(x), random.integers(0, widths[-1], rows))
    return nn.MSELoss()(nn.Sequential(*layers)(x), random.normal(size=(rows, widths[-1])))


def of_engine(output):
    """Values and gradients of a recorded result by place, as the engine has them, and the size of what adds up."""
    lifted = lift(output)
    leaves = [node for node in lifted.nodes if node.op is None]
    for node in leaves:
        if isinstance(node, cr.Value):
            node.grad = 0.0
        elif node.requires_grad:
            node.zero_grad()
    output.backward()
    moving = zip(lifted.program.steps, lifted.nodes, strict=True)
    gradients = [gradient_of(node) if step.op is None and step.requires_grad else None for step, node in moving]
    return list(lifted.numbers), gradients


def gradient_of(leaf):
    """What a backward pass left in a leaf; nothing is 0."""
    if isinstance(leaf, cr.Value):
        return leaf.grad
    return np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.data


def assert_same(found, wanted, name):
    found, wanted = np.asarray(found, float).ravel(), np.asarray(wanted, float).ravel()
    size = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12 * size, err_msg=name)


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.soak)])
def test_random_graphs_and_nets(opened, monkeypatch, count):
    nets = count // 5
    outputs = [graph for seed in range(2 * count) if (graph := random_graph(seed)) is not None][: count - nets]
    outputs += [random_net(seed) for seed in range(nets)]
    assert len(outputs) == count
    # One pass is compared here, and nothing is told or trained: the other functions would take minutes to print.
    first = payload.passes_of
    monkeypatch.setattr(payload, "passes_of", lambda subject: first(subject)[:1])
    monkeypatch.setattr(payload, "OPTIMIZERS", {})
    monkeypatch.setattr(payload, "exports_of", lambda subject: {})
    subjects = [subject_of(output, told=False, title=str(n)) for n, output in enumerate(outputs)]
    with opened(Page(tuple(subjects))) as tab:
        found = tab.evaluate(
            """async (count) => {
                const all = [];
                for (let n = 0; n < count; n++) {
                    await chainrule.open(n);
                    all.push(JSON.stringify([chainrule.values(), chainrule.gradients(), chainrule.live()]));
                }
                return all;
            }""",
            len(subjects),
        )
    # A few have an operation that JavaScript has no word for, as an inverse, and show what was recorded.
    assert sum([json.loads(text)[2] for text in found]) > 0.8 * len(found)
    for subject, text in zip(subjects, found, strict=True):
        values, gradients, _ = json.loads(text)
        told = f"{subject.title}: {[step.op.name for step in subject.program.steps if step.op]}"
        for step, value, gradient in zip(subject.program.steps, *of_engine(subject.output), strict=True):
            name = subject.names[step]
            assert_same(values[name], value, f"{name} of {told}")
            if gradient is not None:
                assert_same(gradients[name], gradient, f"gradient of {name} of {told}")


def test_scrubbing_shows_what_is_known_then(opened, simple):
    with opened(simple) as tab:
        tab.evaluate("chainrule.open(1)")
        assert tab.evaluate("chainrule.step()") == {"k": 9, "last": 9}
        known = [
            tab.evaluate("(k) => { chainrule.step(k); return [chainrule.values(), chainrule.gradients()]; }", k)
            for k in range(10)
        ]
        assert [sorted(values) for values, _ in known[:4]] == [
            ["a", "b"],
            ["a", "b", "d"],
            ["a", "b", "d", "e"],
            list("abdef"),
        ]
        assert [gradients for _, gradients in known[2:5]] == [{}, {"f": 1}, {"f": 1, "d": 1}]
        assert [gradients.get("a") for _, gradients in known[5:]] == [None, -6, -6, -3, -3]
        assert known[9][1] == {"a": -3, "b": -8, "d": 1, "e": -6, "f": 1}
        tab.evaluate("chainrule.step(4)")
        settled(tab)
        boxes = tab.locator("#graph [data-box] text").all_text_contents()
        assert boxes.count("grad ·") == 3
        assert "grad 1" in boxes


@pytest.mark.parametrize("kind", FACTS)
def test_mistakes_give_the_numbers_of_the_reference(opened, simple, kind):
    with opened(simple) as tab:
        tab.evaluate("chainrule.open(1)")
        passes = tab.evaluate("(kind) => chainrule.passes().flatMap((p, n) => (p.kind === kind ? [n] : []))", kind)
        found = []
        for n in passes:
            tab.evaluate("(n) => chainrule.mistake(n)", n)
            found.append(tab.evaluate("chainrule.gradients()"))
        for wanted in FACTS[kind]:
            assert any([all([one[name] == x for name, x in wanted.items()]) for one in found]), (wanted, found)


def test_a_wrong_order_and_a_recursion_that_counts_twice(opened, simple):
    with opened(simple) as tab:
        tab.evaluate("chainrule.open(2)")
        found = set()
        for n in tab.evaluate("chainrule.passes().map((p, n) => n)"):
            tab.evaluate("(n) => chainrule.mistake(n)", n)
            found.add(tab.evaluate("chainrule.gradients().x"))
        assert {135, 81, 207} <= found


def test_a_forgotten_factor(opened, simple):
    with opened(simple) as tab:
        edges = tab.evaluate("chainrule.edges()")
        for edge, gives in (
            (["h", "w1"], {"w1": -9}),
            (["yhat", "w2"], {"w2": -18}),
            (["v2", "v1"], {"w1": 0.5, "w2": 2}),
        ):
            tab.evaluate("(n) => chainrule.mistake('forgotten', n)", edges.index(edge))
            gradients = tab.evaluate("chainrule.gradients()")
            assert {name: gradients[name] for name in gives} == gives, edge
        # What hides a mistake: with x·w2 = 1 the right number comes out without that link.
        tab.evaluate("(n) => chainrule.mistake('forgotten', n)", edges.index(["h", "x"]))
        settled(tab)
        assert "right" in tab.locator("#verdict").inner_text()


LINES_232 = "z1 = x@W1.T + b1; a1 = sigmoid(z1); z2 = a1@W2.T + b2; a2 = sigmoid(z2); L = sum((a2 - y)**2)/2"
FACTORS_232 = {
    ("v4", "v3"): ("a2", "b2", "activation-derivative-missing"),
    ("v3", "v2"): ("W2", "W1", "missing-factor"),
    ("v3", "net[2].weight"): ("a1", "W2", "missing-factor"),
    ("v2", "v1"): ("a1'", "W1", "activation-derivative-missing"),
    ("v1", "net[0].weight"): ("x", "W1", "missing-factor"),
    ("L", "v4"): ("L", "b2", "missing-factor"),
}
"""The factor on each edge of a net of two layers, a gradient in which it is, and what the locator calls its lack."""


def backward_of_232(given, without):
    """The backward pass of those lines by hand, with ones for one of its factors."""
    x, W1, b1, W2, b2, y = [np.array(given[name]) for name in ("x", "W1", "b1", "W2", "b2", "y")]
    a1 = 1 / (1 + np.exp(-(x @ W1.T + b1)))
    a2 = 1 / (1 + np.exp(-(a1 @ W2.T + b2)))
    factors = {"L": a2 - y, "a2": a2 * (1 - a2), "a1": a1, "W2": W2, "a1'": a1 * (1 - a1), "x": x}
    f = {name: np.ones_like(factor) if name == without else factor for name, factor in factors.items()}
    delta2 = f["L"] * f["a2"]
    delta1 = delta2 @ f["W2"] * f["a1'"]
    return {"W1": delta1.T @ f["x"], "b1": delta1.sum(axis=0), "W2": delta2.T @ f["a1"], "b2": delta2.sum(axis=0)}


def test_a_forgotten_factor_of_a_net(opened):
    """Each factor of a net can be left out: the numbers are those by hand, and the locator knows them."""
    names = {"net[0].weight": "W1", "net[0].bias": "b1", "net[2].weight": "W2", "net[2].bias": "b2", "x": "x", "y": "y"}
    with opened(Page((replace(net_232(), told=False),))) as tab:
        values = {names[name]: x for name, x in tab.evaluate("chainrule.values()").items() if name in names}
        for edge, (factor, wrt, called) in FACTORS_232.items():
            tab.evaluate("(pair) => chainrule.mistake('forgotten', pair)", list(edge))
            found = {names[name]: g for name, g in tab.evaluate("chainrule.gradients()").items() if name in names}
            for name, wanted in backward_of_232(values, factor).items():
                np.testing.assert_allclose(found[name], wanted, rtol=1e-12, err_msg=f"{name} without {edge}")
            graded = cr.grade(LINES_232, np.array(found[wrt]), wrt=wrt, values=values)
            assert called in {mistake.name for mistake in graded.mistakes}, (edge, graded)
        settled(tab)
        assert tab.locator("#forgotten option").count() == len(FACTORS_232)
        with pytest.raises(Exception, match="there is no factor that could be left out"):
            tab.evaluate("chainrule.mistake('forgotten', ['v3', 'net[2].bias'])")


def engine_steps(net, x, y, optimizer, steps):
    loss = nn.MSELoss()
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(net(x), y)
        value.backward()
        losses.append(value.item())
        optimizer.step()
    return [*losses, loss(net(x), y).item()]


def made_net():
    return nn.Sequential(nn.Linear(2, 5, rng=0, dtype=float), nn.Tanh(), nn.Linear(5, 1, rng=1, dtype=float))


@pytest.fixture(scope="module")
def few_moons():
    """A page on which 30 points are learned."""
    x, y = cr.data.make_moons(30, noise=0.1)
    return Page((network_subject(made_net(), x, y, told=False, rate=0.1),))


OPTIMIZERS = {
    "SGD": lambda p: cr.optim.SGD(p, lr=0.1),
    "momentum": lambda p: cr.optim.SGD(p, lr=0.04, momentum=0.8),
    "RMSprop": lambda p: cr.optim.RMSprop(p, lr=0.1),
    "Adam": lambda p: cr.optim.Adam(p, lr=0.1),
    "Adagrad": lambda p: cr.optim.Adagrad(p, lr=0.1),
}


def test_training_gives_the_numbers_of_the_engine_and_again_after_a_rewind(opened, few_moons):
    x, y = cr.data.make_moons(30, noise=0.1)
    train = "([kind, n]) => { chainrule.optimizer(kind); return chainrule.train(n); }"
    with opened(few_moons) as tab:
        start = tab.evaluate("chainrule.values()")
        for kind, make in OPTIMIZERS.items():
            net = made_net()
            assert tab.evaluate("chainrule.values()") == start, kind
            losses = tab.evaluate(train, [kind, 25])
            weights = tab.evaluate("chainrule.values()")
            wanted = engine_steps(net, x, y.reshape(-1, 1).astype(float), make(net.parameters()), 25)
            np.testing.assert_allclose(losses, wanted, rtol=1e-9, err_msg=kind)
            np.testing.assert_allclose(weights["net[0].weight"], net[0].weight.data, rtol=1e-9, err_msg=kind)
            assert tab.evaluate("chainrule.rewind()"), kind
            again = tab.evaluate(train, [kind, 25])
            assert again == losses, kind
            assert tab.evaluate("chainrule.values()") == weights, kind
            assert tab.evaluate("chainrule.rewind()"), kind


def test_the_table_of_the_course(opened, simple):
    with opened(simple) as tab:
        tab.evaluate("chainrule.rate(0.01)")
        tab.evaluate("chainrule.train(10)")
        values = tab.evaluate("chainrule.values()")
    assert values["w1"] == pytest.approx(3.3910037937972333, rel=1e-12)
    assert values["w2"] == pytest.approx(2.9489517545753627, rel=1e-12)
    assert values["x"] == 2


def test_a_race_of_two_weights_is_the_training_of_both(opened, simple):
    with opened(simple) as tab:
        start = tab.evaluate("chainrule.values()")
        races = tab.evaluate("chainrule.race()")
        assert tab.evaluate("chainrule.values()") == start
        assert set(races) == set(payload.OPTIMIZERS)
        for kind, path in races.items():
            train = "([kind, n]) => { chainrule.optimizer(kind); return chainrule.train(n); }"
            losses = tab.evaluate(train, [kind, len(path) - 1])
            np.testing.assert_allclose([loss for *_, loss in path], losses, rtol=1e-12)
            tab.evaluate("chainrule.rewind()")


def assert_has_rows(tab, count):
    """The page speaks of the points that are there, and not of those that it has room for."""
    assert len(tab.evaluate("chainrule.values().x")) == len(tab.evaluate("chainrule.gradients().score")) == count
    extents = [
        text for text in tab.locator("#graph svg text").all_text_contents() if re.fullmatch("[0-9]+×[0-9]+", text)
    ]
    assert f"{count}×2" in extents
    assert not [text for text in extents if text.startswith("70×")]


def test_a_point_more_counts_as_one_in_the_average(opened, few_moons):
    x, y = cr.data.make_moons(30, noise=0.1)
    with opened(few_moons) as tab:
        assert_has_rows(tab, 30)
        before = tab.evaluate("chainrule.values().L")
        tab.locator("#plane").focus()
        tab.keyboard.press("ArrowRight")
        tab.keyboard.press("Enter")
        settled(tab)
        after, places = tab.evaluate("[chainrule.values().L, chainrule.values().x]")
        assert_has_rows(tab, 31)
    net = made_net()
    assert before == pytest.approx(nn.MSELoss()(net(x), y.reshape(-1, 1).astype(float)).item(), rel=1e-12)
    more = np.concatenate([x, [places[30]]])
    wanted = nn.MSELoss()(net(more), np.append(y, 0.0).reshape(-1, 1)).item()
    assert after == pytest.approx(wanted, rel=1e-12)


def three_to(outputs, loss=None):
    last = [nn.Sigmoid()] if isinstance(loss, nn.BCELoss) else []
    return nn.Sequential(
        nn.Linear(2, 3, rng=0, dtype=float), nn.Tanh(), nn.Linear(3, outputs, rng=1, dtype=float), *last
    )


TARGETS = {
    "amounts": (nn.MSELoss(), 1, [0.3, -1.5, 2.25, 0.3, 0.75, 1.0], 1),
    "one of two": (nn.BCEWithLogitsLoss(), 1, [0, 1, 1, 0, 1, 0], 1),
    "probabilities": (nn.BCELoss(), 1, [0, 1, 1, 0, 1, 0], 1),
    "two classes": (nn.CrossEntropyLoss(), 2, [0, 1, 1, 0, 1, 0], 1),
    "three classes": (nn.CrossEntropyLoss(), 3, [0, 1, 2, 0, 2, 2], 2),
}
"""Losses, the outputs of the net, the targets, and the target that is chosen for a point more."""


def six_points():
    return np.random.default_rng(0).normal(size=(6, 2))


@pytest.fixture(scope="module")
def every_target():
    return Page(
        tuple(
            [
                network_subject(three_to(outputs, loss), six_points(), np.array(targets), loss=loss, told=False)
                for loss, outputs, targets, _ in TARGETS.values()
            ]
        )
    )


@pytest.mark.parametrize("name", TARGETS)
def test_a_point_of_every_kind_of_target(opened, every_target, name):
    loss, outputs, targets, chosen = TARGETS[name]
    x, y = six_points(), np.array(targets)

    def cost(x, y):
        wanted = y if outputs > 1 else np.reshape(y, (-1, 1)).astype(float)
        return pytest.approx(loss(three_to(outputs, loss)(np.array(x)), wanted).item(), rel=1e-12)

    with opened(every_target) as tab:
        tab.evaluate("(n) => chainrule.open(n)", [*TARGETS].index(name))
        settled(tab)
        assert tab.evaluate("chainrule.values().L") == cost(x, y)
        told = tab.locator("#label option").all_text_contents()
        tab.locator("#label").select_option(str(chosen))
        tab.locator("#plane").click(position={"x": 30, "y": 40})
        settled(tab)
        values = tab.evaluate("chainrule.values()")
        added = np.argmax(values["y"][-1]) if outputs > 1 else values["y"][-1][0]
        assert values["L"] == cost(values["x"], np.append(y, added))
        state = tab.evaluate("chainrule.state()")
    if y.dtype.kind == "f":
        assert told == ["● −1.5", "● 0.375", "● 2.25"]
        assert added == 0.375
    else:
        assert told == [f"{sign} class {n}" for n, sign in zip(range(max(2, outputs)), "●▲■", strict=False)]
        assert added == chosen
    with opened(every_target, hash=f"#{state}") as tab:
        assert tab.evaluate("chainrule.values()") == values


def test_a_column_of_targets_may_be_a_list_of_them_for_any_number_of_features():
    x = np.linspace(-1, 1, 5)
    for features in (1, 2, 3):
        net = nn.Linear(features, 1, rng=0, dtype=float)
        rows = np.outer(x, np.ones(features))
        one, other = [network_subject(net, rows, y, told=False) for y in (x, x.reshape(-1, 1))]
        assert one.numbers[-1] == other.numbers[-1] == nn.MSELoss()(net(rows), x.reshape(-1, 1)).item()


def test_targets_that_are_words_are_refused_with_what_to_give():
    with pytest.raises(DtypeError, match="give each class its number"):
        cr.page(nn.Linear(2, 1), [[0.0, 1.0], [1.0, 0.0]], ["cat", "dog"])


def test_a_page_is_of_the_time_and_the_names_when_it_was_asked_for():
    def page():
        a, b = cr.Value(2.0), cr.Value(-1.0)
        made = cr.page(a * b + a * a)
        a.data = 5.0
        return made

    held = page()
    (subject,) = held.subjects
    told = payload.payload_of(subject)
    assert not re.search(r"(held|subject)\S*\.", "".join([told["text"], told["right"], *told["pieces"]]))
    assert subject.leaves == [2.0, -1.0]
    assert list(subject.names.values()) == ["a", "b", "v1", "v2", "v3"]


def test_what_training_moves():
    def trained(text, values, **told):
        subject = typed_subject(text, values, **told)
        return sorted([subject.names[step] for step in subject.trained])

    assert trained(*NET) == ["w1", "w2"]
    assert trained(*NET, data=("w1", "x", "y")) == ["w2"]
    assert trained("x**2 + y**2", {"x": 3.0, "y": 4.0}) == ["x", "y"]
    assert trained(*REUSE) == ["a", "b"]
    assert trained(*ORDER) == ["x"]


def test_a_number_below_0_and_a_factor_keep_their_signs(opened, simple):
    """(−18)² is no −18², and 0.5·324 no 0.5324, however the numbers move."""
    told = "[...document.querySelectorAll('#story math')].some((x) => x.textContent.includes('{}'))"
    with opened(simple) as tab:
        tab.get_by_role("button", name="node by node").click()
        for text in ("=(−18)2=324", "=0.5·324=162"):
            tab.wait_for_function(told.format(text))
        tab.evaluate("chainrule.set('y', 1)")
        for text in ("=12=1", "=0.5·1=0.5"):
            tab.wait_for_function(told.format(text))
