"""The bridge to micrograd: a program that changes only its import draws the same weights and gives the same numbers."""

import importlib
import math
import random

import numpy as np
import pytest

import chainrule as cr
from chainrule.core import COMPILED
from chainrule.errors import ShapeError
from chainrule.micrograd import engine, nn

# From micrograd 0.1.0 itself: losses of the 1st, 10th, 50th and 100th step, the first three weights after the last, and
# the sum and the sum of squares of all weights.
RECORDED = {
    100: (
        [0.8738159842207315, 0.26284093607676623, 0.05410124949393002, 0.02073054784462635],
        [-0.06203708037173693, 0.24757741453027812, -0.2897198433838444, -2.8138292398873213, 110.48789882300939],
    ),
    12: (
        [0.9279578491353982, 0.011011525242478221, 0.01088129839168537, 0.010807877958967798],
        [-0.18262515869059656, 0.3714061834093726, -0.27599087977556624, 3.7613080526808957, 108.07406740625122],
    ),
}


def moons(count):
    """Two half circles that reach into each other, with noise; labels -1 and 1."""
    draw = random.Random(0)
    points = []
    for i in range(count):
        turn = math.pi * draw.random()
        x, y = (math.cos(turn), math.sin(turn)) if i % 2 == 0 else (1 - math.cos(turn), 0.5 - math.sin(turn))
        points.append(((x + draw.gauss(0, 0.1), y + draw.gauss(0, 0.1)), 2 * (i % 2) - 1))
    return points


def train(package, count, steps=100):
    """The training loop of micrograd's moons demo: 2-16-16-1, max-margin loss, falling learning rate."""
    engine = importlib.import_module(f"{package}.engine")
    nn = importlib.import_module(f"{package}.nn")
    points = moons(count)
    random.seed(1337)
    model = nn.MLP(2, [16, 16, 1])
    losses = []
    for step in range(steps):
        inputs = [list(map(engine.Value, point)) for point, _ in points]
        scores = list(map(model, inputs))
        margins = [(1 + -label * score).relu() for (_, label), score in zip(points, scores, strict=True)]
        loss = sum(margins) * (1.0 / len(margins)) + 1e-4 * sum(p * p for p in model.parameters())
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= (1.0 - 0.9 * step / 100) * p.grad
        losses.append(loss.data)
    return losses, [p.data for p in model.parameters()]


@pytest.mark.parametrize(
    "count", [12, pytest.param(100, marks=pytest.mark.skipif(not COMPILED, reason="20 s on plain Python"))]
)
def test_the_moons_demo_gives_micrograds_recorded_numbers(count):
    losses, weights = train("chainrule.micrograd", count)
    expected_losses, expected_weights = RECORDED[count]
    assert [losses[i] for i in (0, 9, 49, 99)] == pytest.approx(expected_losses, abs=1e-9)
    found = [*weights[:3], sum(weights), sum(w * w for w in weights)]
    assert found == pytest.approx(expected_weights, abs=1e-9)


def test_the_moons_demo_beside_micrograd():
    pytest.importorskip("micrograd.engine", reason="micrograd is not installed")
    ours, theirs = train("chainrule.micrograd", 4), train("micrograd", 4)
    assert ours[0] == pytest.approx(theirs[0], abs=1e-9)
    assert ours[1] == pytest.approx(theirs[1], abs=1e-9)


def test_value_is_value():
    assert engine.Value is cr.Value


def test_weights_are_drawn_in_micrograds_order():
    random.seed(7)
    net = nn.MLP(2, [3, 1])
    random.seed(7)
    drawn = [random.uniform(-1, 1) for _ in range(9)]
    weights = [w.data for layer in net.layers for neuron in layer.neurons for w in neuron.w]
    assert weights == drawn
    assert all(neuron.b.data == 0 for layer in net.layers for neuron in layer.neurons)
    assert len(net.parameters()) == 13
    assert net.parameters()[:3] == [*net.layers[0].neurons[0].w, net.layers[0].neurons[0].b]


def test_representations():
    net = nn.MLP(2, [2, 1])
    assert repr(net) == "MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]"
    assert repr(nn.Neuron(3, nonlin=False)) == "LinearNeuron(3)"
    assert nn.Module().parameters() == []


def test_a_neuron_adds_term_by_term_from_its_bias():
    neuron = nn.Neuron(2, nonlin=False)
    for w, value in zip(neuron.w, (3.0, 5.0), strict=True):
        w.data = value
    neuron.b.data = 7.0
    out = neuron([cr.Value(2.0), 4.0])
    assert out.data == 33.0
    last, first = out._prev[1], out._prev[0]
    assert (out._op, last.data, first.data) == ("+", 20.0, 13.0)
    assert [node.data for node in first._prev] == [7.0, 6.0]
    assert nn.Neuron(2)([0.0, 0.0])._op != "+"


def test_layers_take_any_sequence_and_give_one_value_of_one_neuron():
    net = nn.MLP(2, [3, 1])
    row = np.array([0.5, -1.5])
    expected = net([0.5, -1.5])
    assert isinstance(expected, cr.Value)
    assert net(row).data == net(iter(row)).data == net(tuple(row)).data == expected.data
    assert len(net.layers[0](row)) == 3


def test_zero_grad():
    net = nn.MLP(1, [2, 1])
    net([2.0]).backward()
    assert any(p.grad for p in net.parameters())
    net.zero_grad()
    assert not any(p.grad for p in net.parameters())


@pytest.mark.parametrize("inputs", [[1.0], [1.0, 2.0, 3.0], []])
def test_a_wrong_number_of_inputs_is_refused(inputs):
    with pytest.raises(ShapeError, match=rf"ReLUNeuron\(2\) has 2 weights and got {len(inputs)} inputs"):
        nn.MLP(2, [2, 1])(inputs)
