"""BP1 to BP4 stand in one place: every face of an explanation changes with them, and a false one is never seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation.checked import Checking
from chainrule.derivation.dialects import delta, delta_algorithm, delta_proofs, delta_story
from chainrule.derivation.network import equations
from chainrule.derivation.network.equations import BACKWARD, BP1, BP2, BP3, BP4, ONES, activation, by, gradient, letter
from chainrule.derivation.network.numbers import NetNumbers
from chainrule.derivation.request import Request
from chainrule.derivation.tape.tape import Tape
from chainrule.errors import ChainruleError

from .spelled import spelled

RANDOM = np.random.default_rng(3)


def learned(*shape):
    return cr.Tensor(RANDOM.normal(size=shape), requires_grad=True)


def cost(examples):
    x, y = RANDOM.normal(size=(examples, 2)), RANDOM.normal(size=(examples, 2))
    a = cr.tanh(x @ learned(2, 3) + learned(3))
    return cr.nn.MSELoss("half_sum")(cr.sigmoid(a @ learned(3, 2) + learned(2)), y)


def story(examples=1, notation="nielsen"):
    tape = Tape(cost(examples))
    return delta_story.Story(NetNumbers(tape, tape.net), Request(notation=notation))


def with_law(monkeypatch, old, **changed):
    laws = tuple([replace(law, **changed) if law is old else law for law in BACKWARD])
    monkeypatch.setattr(delta_story, "BACKWARD", laws)
    return next(law for law in laws if law.name == old.name)


FACES = {
    "statement": lambda told, law: delta.stated(told, law),
    "proof": lambda told, law: delta_proofs.proofs(told),
    "algorithm": lambda told, law: delta_algorithm.algorithm(told),
}

SWAPPED = {
    BP1: activation("L", 1) * gradient(letter("a", "L")),
    BP2: activation("l", 1) * (letter("weights", "l+1").T @ letter("error", "l+1")),
    BP4: (letter("a", "l-1") @ letter("error", "l").T).T,
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("law", SWAPPED, ids=lambda law: law.name)
def test_an_equation_that_is_written_otherwise_changes_every_face(monkeypatch, law, face):
    output = cost(1)

    def told():
        tape = Tape(output)
        page = delta_story.Story(NetNumbers(tape, tape.net), Request())
        return str(list(map(repr, FACES[face](page, next(x for x in page.backward if x.name == law.name)))))

    before = told()
    with_law(monkeypatch, law, right=SWAPPED[law])
    assert told() != before


@pytest.mark.parametrize("form", ["text", "plain", "markdown", "latex", "html"])
def test_and_every_format(monkeypatch, form):
    output = cost(1)
    before = getattr(cr.explain(output, dialect="delta"), form)(detail="full")
    with_law(monkeypatch, BP4, right=SWAPPED[BP4])
    assert getattr(cr.explain(output, dialect="delta"), form)(detail="full") != before


FALSE = {
    "BP1 without the slope": (BP1, by(letter("a", "L"))),
    "BP1 with the slope itself": (BP1, by(letter("a", "L")) * activation("L")),
    "BP2 without the slope": (BP2, letter("weights", "l+1").T @ letter("error", "l+1")),
    "BP2 with the slopes of the next layer's errors": (
        BP2,
        letter("weights", "l+1").T @ letter("error", "l+1") * activation("l"),
    ),
    "BP3 twice": (BP3, 2 * (letter("error", "l") @ ONES)),
    "BP4 with the sign turned": (BP4, -(letter("error", "l") @ letter("a", "l-1").T)),
}


@pytest.mark.parametrize("examples", [1, 3])
@pytest.mark.parametrize("name", FALSE)
def test_a_false_equation_is_refused_by_every_face(monkeypatch, name, examples):
    law, right = FALSE[name]
    changed = with_law(monkeypatch, law, right=right)
    with pytest.raises(ChainruleError, match="internal error"):
        delta.stated(story(examples), changed)
    with pytest.raises(ChainruleError, match="internal error"):
        delta_proofs.proofs(story(examples))
    with pytest.raises(ChainruleError, match="internal error"):
        cr.explain(cost(examples), dialect="delta")
    page = story(examples)
    with pytest.raises(ChainruleError, match="internal error"):
        Checking(page.letters).of(delta_algorithm.algorithm(page))


def test_the_forward_too(monkeypatch):
    wrong = replace(equations.WEIGHTED_INPUT, right=letter("weights", "l") @ letter("a", "l-1") - letter("b", "l"))
    monkeypatch.setattr(delta_story, "WEIGHTED_INPUT", wrong)
    with pytest.raises(ChainruleError, match="internal error"):
        delta_algorithm.algorithm(story())


def test_a_scalar_net_on_many_examples_has_errors_in_columns():
    net = cr.micrograd.nn.MLP(2, [3, 1])
    points = [([2.0, 3.0], 1.0), ([3.0, -1.0], -1.0), ([0.5, 1.0], -1.0)]
    loss = sum((net(x) - y) ** 2 for x, y in points)
    w = net.layers[0].neurons[1].w[0]
    told = cr.explain(loss, w, "delta")
    loss.backward()
    assert told.gradient == pytest.approx(w.grad, rel=1e-12)
    assert "There are 3 examples, one in each column" in " ".join(told.plain(detail="full").split())


def test_neurons_that_take_in_different_inputs_are_told_entry_by_entry():
    w = [cr.Value(x, label=f"w{i}") for i, x in enumerate((0.5, -0.25, 2.0, 1.5))]
    x, y = cr.Value(1.0, label="x"), cr.Value(3.0, label="y")
    loss = (w[2] * cr.tanh(w[0] * x) + w[3] * cr.tanh(w[1] * y)) ** 2
    told = cr.explain(loss, w[1], "delta")
    loss.backward()
    assert told.gradient == pytest.approx(w[1].grad, rel=1e-12)


def test_layers_in_rows_and_in_columns_in_one_net():
    w, v = learned(4, 2), learned(3, 4)
    h = cr.tanh(RANDOM.normal(size=(5, 2)) @ w.T)
    told = cr.explain(cr.sum(cr.square(v @ h.T)), v[2, 1], "delta")
    assert spelled(told.story[0].text) == "The net"


def test_one_net_is_recognised_once_and_its_graph_opened_once(monkeypatch):
    from chainrule import program
    from chainrule.derivation.tape import tape as room

    counts = {"opened": 0, "lifted": 0, "recognised": 0}
    output = cost(2)

    def counted(name, function):
        def called(first, *rest, **named):
            # A fused operation's composition is a graph of its own.
            counts[name] += name != "opened" or rest[0] is output
            return function(first, *rest, **named)

        return called

    begin = Tape.__init__
    monkeypatch.setattr(Tape, "__init__", counted("opened", begin))
    monkeypatch.setattr(room, "lift", counted("lifted", program.lift))
    monkeypatch.setattr(room, "recognised", counted("recognised", program.recognised))
    for dialect in ("graph", "chain", "paths", "delta", "jacobian"):
        weight = next(x for x in Tape(output).order if x.op is None and x.ndim == 2)
        counts.update(dict.fromkeys(counts, 0))
        cr.explain(output, weight, dialect)
        assert counts == {"opened": 1, "lifted": 1, "recognised": 1}, dialect


def test_a_cost_that_moves_alike_with_every_output():
    told = cr.explain(cr.sum(np.ones((3, 2)) @ learned(2, 2)), dialect="delta")
    assert "The cost moves with an output by 1 for every entry." in " ".join(told.plain(detail="full").split())


def test_a_cross_entropy_of_something_else_than_the_weighted_inputs_is_not_opened():
    told = cr.explain(cr.cross_entropy(-(np.ones((3, 2)) @ learned(2, 2)), np.zeros(3, int)), dialect="delta")
    assert "softmax" not in told.plain(detail="full").partition("BP2")[0].replace("cross", "")
