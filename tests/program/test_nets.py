"""Which programs are feed-forward nets, however they were written, and what is said of the others."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

import chainrule as cr
from chainrule.micrograd.nn import MLP
from chainrule.program import NotANet, lift, names_of, recognised

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=(4, 2))
W1, B1, W2 = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=5), RANDOM.normal(size=(2, 5))
SQUARE = RANDOM.normal(size=(3, 3))


def learned(array):
    return cr.Tensor(array, requires_grad=True)


def read(output):
    """The net of a recorded output, and its numbers by id."""
    lifted = lift(output)
    net = recognised(lifted.program, names_of(lifted).get)
    return net, net.ids.flat(lambda step: lifted.numbers[step.place])


def by_modules(w1, b1, w2):
    first, last = cr.nn.Linear(3, 5, dtype=float, rng=0), cr.nn.Linear(5, 2, bias=False, dtype=float, rng=0)
    first.weight, first.bias, last.weight = w1, b1, w2
    net = cr.nn.Sequential(first, cr.nn.Tanh(), last, cr.nn.Sigmoid())
    return cr.nn.MSELoss()(net(X), Y)


def in_rows(w1, b1, w2):
    a = cr.tanh(X @ w1.T + b1)
    return cr.mean((cr.sigmoid(a @ w2.T) - Y) ** 2)


def in_columns(w1, b1, w2):
    a = cr.tanh(w1 @ X.T + cr.reshape(b1, (5, 1)))
    return cr.mean(cr.square(cr.sigmoid(w2 @ a) - Y.T))


def first_in_rows_then_in_columns(w1, b1, w2):
    a = cr.tanh(b1 + X @ w1.T)
    return cr.mean(cr.square(cr.sigmoid(w2 @ a.T).T - Y))


def number_by_number(w1, b1, w2):
    total = 0.0
    for x, y in zip(X.tolist(), Y.tolist(), strict=True):
        a = [cr.tanh(sum((w * v for w, v in zip(row, x, strict=True)), b)) for row, b in zip(w1, b1, strict=True)]
        out = [cr.sigmoid(sum(w * v for w, v in zip(row, a, strict=True))) for row in w2]
        total = total + sum((o - t) ** 2 for o, t in zip(out, y, strict=True))
    return total


def on_values(array):
    return [on_values(row) for row in array] if np.ndim(array) else cr.Value(array)


WAYS = {
    by_modules: cr.nn.Parameter,
    in_rows: learned,
    in_columns: learned,
    first_in_rows_then_in_columns: learned,
    number_by_number: on_values,
}


@pytest.mark.parametrize("write", WAYS)
def test_one_net_however_it_is_written(write):
    net, numbers = read(write(*map(WAYS[write], (W1, B1, W2))))
    first, last = net.layers
    assert (first.function, last.function) == ("tanh", "sigmoid")
    assert (net.examples, net.parameters, last.bias, net.is_chain) == (4, 30, None, False)
    z1 = X @ W1.T + B1
    for ids, expected in (
        (first.weights, W1),
        (first.bias, B1),
        (first.fed, X),
        (first.z, z1),
        (first.a, np.tanh(z1)),
        (last.weights, W2),
        (last.fed, np.tanh(z1)),
    ):
        np.testing.assert_allclose(numbers[ids], expected, rtol=1e-12)


def test_weights_that_stand_transposed():
    """`x @ w` has the weights of a neuron in a column: entry [k, j] of the array is the weight from k to j."""
    net, numbers = read(cr.sum(X @ learned(W1.T)))
    (layer,) = net.layers
    np.testing.assert_array_equal(numbers[layer.weights], W1)
    assert net.ids.place_of(layer.weights[4, 2]) == (2, 4)


def test_a_neuron_a_layer_on_values():
    x, w, v, b = (cr.Value(number, label=name) for name, number in (("x", 2.0), ("w", -1.0), ("v", 0.5), ("b", 0.25)))
    net, numbers = read((v * cr.tanh(w * x + b) - 1.0) ** 2)
    assert [layer.function for layer in net.layers] == ["tanh", "identity"]
    assert net.is_chain
    assert (numbers[net.layers[0].weights], numbers[net.layers[0].z]) == (-1.0, -1.75)


def test_the_lecture_net_on_one_example_and_on_four():
    net = MLP(3, [4, 4, 1])
    points = [([2.0, 3.0, -1.0], 1.0), ([3.0, -1.0, 0.5], -1.0), ([0.5, 1.0, 1.0], -1.0), ([2.0, 3.0, -1.0], 1.0)]
    for count in (1, 4):
        found, numbers = read(sum((net(x) - y) ** 2 for x, y in points[:count]))
        assert [layer.weights.shape for layer in found.layers] == [(4, 3), (4, 4), (1, 4)]
        assert (found.parameters, found.examples) == (len(net.parameters()), count)
        a = np.array([x for x, _ in points[:count]])
        assert sorted(map(tuple, numbers[found.layers[0].fed].tolist())) == sorted(map(tuple, a.tolist()))
        for layer in found.layers:
            z = numbers[layer.fed] @ numbers[layer.weights].T + numbers[layer.bias]
            np.testing.assert_allclose(numbers[layer.z], z, rtol=1e-12)


def test_neurons_that_take_in_different_inputs():
    w = [cr.Value(x, label=f"w{i}") for i, x in enumerate((0.5, -0.25, 2.0, 1.5))]
    x, y = cr.Value(1.0, label="x"), cr.Value(3.0, label="y")
    net, numbers = read((w[2] * cr.tanh(w[0] * x) + w[3] * cr.tanh(w[1] * y)) ** 2)
    np.testing.assert_array_equal(numbers[net.layers[0].weights], [[0.5, 0.0], [0.0, -0.25]])
    assert net.parameters == 4


def test_a_scalar_net_of_784_inputs_is_read_in_time_that_grows_with_it():
    random = np.random.default_rng(1)
    w = [[cr.Value(x) for x in row] for row in random.normal(size=(3, 784))]
    x = random.normal(size=784).tolist()
    out = sum(cr.tanh(sum(a * b for a, b in zip(row, x, strict=True))) * cr.Value(0.5) for row in w)
    net, _ = read(out**2)
    assert [layer.weights.shape for layer in net.layers] == [(3, 784), (1, 3)]


def skip():
    w, v = learned(W1), learned(RANDOM.normal(size=(5, 5)))
    h = cr.relu(X[0] @ w.T)
    return cr.sum((cr.relu(h @ v) + h) @ learned(B1))


def skip_on_values():
    x, w, v, u = (cr.Value(float(k), label=name) for k, name in enumerate("xwvu", 1))
    h = cr.tanh(w * x)
    return (v * cr.tanh(u * h) + cr.Value(2.0) * h) ** 2


def cost_of_an_inner_layer():
    w, v = learned(W1), learned(W2)
    h = cr.relu(X @ w.T)
    return cr.sum(h @ v.T) + cr.sum(h)


def reused():
    w = learned(SQUARE)
    return cr.sum(cr.tanh(X @ w) @ w)


def tied():
    w = learned(W1)
    return cr.sum(cr.tanh(X @ w.T) @ w)


def weights_shared_by_views():
    w = cr.reshape(learned(SQUARE), (3, 3))
    return cr.sum(cr.tanh(X @ w) @ w)


def a_bias_in_two_layers():
    w, v, b = learned(SQUARE), learned(SQUARE), learned(B1[:3])
    return cr.sum(cr.tanh(X @ w + b) @ v + b)


def one_bias_for_all_neurons():
    return cr.sum(cr.tanh(X @ learned(W1.T) + learned(0.5)))


def penalty_on_a_bias():
    w, b = learned(W1), learned(B1)
    return cr.sum(X @ w.T + b) + cr.sum(cr.square(b))


def penalty():
    w = learned(W1)
    return cr.sum(X @ w.T) + cr.sum(cr.square(w))


def transposed_between_layers():
    return cr.sum(cr.tanh((X[:3] @ learned(SQUARE)).T) @ learned(SQUARE))


def scrambled_between_layers():
    h = cr.tanh(X @ learned(W1[:3].T))
    return cr.sum(cr.reshape(h, (3, 4)).T @ learned(SQUARE))


def a_part_of_the_weights():
    return cr.sum(X @ learned(SQUARE)[:, :2])


def activation_on_inputs_alone():
    return cr.sum(cr.tanh(learned(X)) @ learned(W1.T))


def normalised_between_layers():
    h = X @ learned(W1.T)
    return cr.sum((h - cr.mean(h, axis=0)) @ learned(W2.T))


def two_nets():
    return cr.sum(X @ learned(W1.T)) + cr.sum(X @ learned(W2[:, :3].T))


def own_weights_for_each_entry():
    return cr.sum(cr.tanh(learned(B1) * B1))


def values_joined():
    a, b = cr.Value(-2.0), cr.Value(3.0)
    return (a * b) * (a + b)


def a_square():
    w = cr.Value(3.0)
    return cr.tanh(w * w)


def an_input_twice():
    w, v, x = cr.Value(3.0, label="w"), cr.Value(2.0, label="wv"), cr.Value(1.0, label="x")
    return cr.tanh(w * x + v * x)


def a_weight_in_two_neurons():
    w, v, x, y = (cr.Value(float(k)) for k in range(1, 5))
    return cr.tanh(w * 2.0 + x * 3.0) * v + cr.tanh(w * 2.0 + y * 3.0) * cr.Value(2.0)


def a_weight_on_some_examples_alone():
    w, v = cr.Value(1.0), cr.Value(2.0)
    return cr.tanh(w * 2.0) * v + cr.tanh(w * 3.0)


def recurrent():
    w, u, x = cr.Value(0.5), cr.Value(2.0), [1.0, 2.0]
    h = cr.tanh(w * x[0])
    return cr.tanh(u * cr.tanh(w * x[1] + u * h)) ** 2


def different_activations():
    x, w, v = 2.0, cr.Value(1.0), cr.Value(-1.0)
    return (cr.Value(2.0) * cr.tanh(w * x) + cr.Value(1.5) * cr.relu(v * x)) ** 2


def convolution():
    out = cr.relu(cr.einsum("ij,jk->ik", X, learned(W1.T)))
    return cr.sum(out @ learned(W2.T))


def batches_of_matrices():
    return cr.sum(learned(RANDOM.normal(size=(2, 3, 3))) @ RANDOM.normal(size=(2, 3, 1)))


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (skip, "skip connection"),
        (skip_on_values, "skip connection"),
        (cost_of_an_inner_layer, "outside the layers"),
        (reused, "used in 2 places"),
        (tied, "used in 2 places"),
        (weights_shared_by_views, "used in 2 places"),
        (a_bias_in_two_layers, "used in 2 places"),
        (one_bias_for_all_neurons, "something other than one bias for each neuron"),
        (penalty_on_a_bias, "used in 2 places"),
        (penalty, "used in 2 places"),
        (transposed_between_layers, "turned or reshaped"),
        (scrambled_between_layers, "turned or reshaped"),
        (a_part_of_the_weights, "a part of them"),
        (activation_on_inputs_alone, "neither a weighted sum nor an activation"),
        (normalised_between_layers, "skip connection"),
        (two_nets, "neither"),
        (own_weights_for_each_entry, "no layer"),
        (values_joined, "used in 2 places"),
        (a_square, "used in 2 places"),
        (an_input_twice, "takes a number in twice"),
        (a_weight_in_two_neurons, "used in 2 places"),
        (a_weight_on_some_examples_alone, "used 1 times, and other weights 2"),
        (recurrent, "different layers"),
        (different_activations, "different activation functions"),
        (convolution, "einsum"),
        (batches_of_matrices, "batches of matrices"),
    ],
)
def test_what_is_not_such_a_net_says_why(write, why):
    with pytest.raises(NotANet, match=why):
        read(write())


@pytest.mark.parametrize("count", [2, 3])
def test_a_sum_with_several_biases_is_no_neuron(count):
    x, *more = [cr.Value(float(k), label=f"x{k}") for k in range(1, count + 2)]
    for output in (cr.sum([x * more[0], *more]), sum([x * more[0], *more]), cr.sum([*more, x * x]) + x * more[0]):
        with suppress(NotANet):
            (layer,) = recognised(lift(output).program).layers
            assert layer.bias is None
